"""The lesson that replays a drawing, as a class follows it."""

import re

from playwright.sync_api import expect

from tests.browser.hand import draw, expect_reading, follow, open_draw, open_lesson

# Without its second stroke, nobody reads a 4.
FOUR = [
    [(112, 52), (98, 100), (78, 150), (90, 160), (150, 158), (205, 152)],
    [(166, 96), (164, 150), (160, 236)],
]


def test_a_digit_of_two_strokes_is_replayed_up_to_what_the_draw_page_reads(page, server):
    open_draw(page, f"{server.url}?pair=best")  # who has chosen a pair has it in lessons, too
    draw(page, FOUR)
    expect_reading(page, "4")
    expect(page.get_by_text(re.compile(r"100\.0% confident"))).to_have_count(2)
    open_lesson(page, "Stroke by stroke")
    finding = page.get_by_text(
        re.compile(r"The DNN settles on 4 at \d+% of the ink, in stroke 2 of 2")
    )
    expect(finding).to_contain_text(
        re.compile(r"The CNN settles on 4 at \d+% of the ink, in stroke 2 of 2")
    )
    expect(page.get_by_text("As drawn: 100% of the ink, in stroke 2 of 2")).to_be_visible()
    expect(page.get_by_text(re.compile(r"probability 100\.0%"))).to_have_count(2)
    expect(page.locator("[data-testid=stVegaLiteChart] svg")).to_have_count(2)
    page.get_by_role("button", name="Where the CNN last changed its answer").click()
    expect(page.get_by_text(re.compile(r"As drawn: [6-9]\d% of the ink"))).to_be_visible()
    # Played from there, it ends by itself.
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.get_by_text("As drawn: 100% of the ink, in stroke 2 of 2")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_an_example_can_be_drawn_on(page, server):
    page.goto(f"{server.url}/strokes")
    page.get_by_role("button", name="Drawing").click()
    page.get_by_role("button", name="A 7, crossed last").click()
    expect(page.get_by_text(re.compile("The CNN settles on 7"))).to_be_visible()
    follow(page, "Draw")
    expect_reading(page, "7")
    # Both still show a 7 until the canvas has told what is left.
    steps = page.locator(".st-key-steps canvas").last
    expect(steps).to_be_visible()  # they come after the predictions
    seen = steps.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("button", name="Undo").click()
    while steps.evaluate("canvas => canvas.toDataURL()") == seen:
        page.wait_for_timeout(50)
    page.get_by_role("button", name="Undo").click()
    expect_reading(page, "–")


def test_from_a_lesson_to_an_empty_canvas_and_back_with_a_drawing(page, server):
    page.goto(f"{server.url}/strokes?pair=best")
    page.get_by_role("button", name="Draw one").click()
    expect_reading(page, "–")
    draw(page, FOUR)
    expect_reading(page, "4")
    page.get_by_role("link", name="Back to the lesson: Stroke by stroke").click()
    expect(page.get_by_text(re.compile(r"The DNN settles on 4"))).to_be_visible()
    assert "/strokes?" in page.url and "pair=best" in page.url
