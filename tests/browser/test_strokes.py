"""The lesson that replays a drawing, as a class follows it."""

import re

from playwright.sync_api import expect

from tests.browser.hand import draw, expect_reading, open_draw, open_lesson

# The bar last.
FIVE = [[(100, 60), (92, 130), (150, 118), (192, 160), (165, 220), (82, 222)], [(100, 60), (192, 56)]]


def probabilities(page) -> list[float]:
    """Of the digits that both networks read, in percent."""
    told = page.get_by_text(re.compile(r"with probability [\d.]+%"))
    expect(told).to_have_count(2)
    return [float(re.search(r"probability ([\d.]+)%", text).group(1)) for text in told.all_inner_texts()]


def test_a_digit_of_two_strokes_is_replayed_up_to_what_the_draw_page_reads(page, server):
    open_draw(page, server.url)
    draw(page, FIVE)
    expect_reading(page, "5")
    on_draw = probabilities(page)
    open_lesson(page, "Stroke by stroke")
    finding = page.get_by_text(re.compile(r"The DNN has read 5 since \d+% of the ink, in stroke [12] of 2"))
    expect(finding).to_contain_text(re.compile(r"The CNN has read 5 since \d+% of the ink, in stroke [12] of 2"))
    expect(page.get_by_text("As drawn: 100% of the ink, in stroke 2 of 2")).to_be_visible()
    assert all(abs(here - there) <= 1 for here, there in zip(probabilities(page), on_draw, strict=True))
    expect(page.locator("[data-testid=stVegaLiteChart] svg")).to_have_count(2)
    page.get_by_role("button", name="Where the CNN last changed its mind").click()
    expect(page.get_by_text(re.compile(r"As drawn: [4-8]\d% of the ink"))).to_be_visible()
    # Played from there, it ends by itself.
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.get_by_text("As drawn: 100% of the ink, in stroke 2 of 2")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_an_example_can_be_drawn_on(page, server):
    page.goto(f"{server.url}/strokes")
    page.get_by_role("button", name="A 7, crossed last").click()
    expect(page.get_by_text(re.compile("The CNN has read 7"))).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Draw one").click()
    expect_reading(page, "7")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_timeout(1_000)  # both still show a 7 until the canvas has told what is left
    page.get_by_role("button", name="Undo").click()
    expect_reading(page, "–")
