"""Drawing, as a visitor does it."""

import re
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from mnist_models.data import dataset
from tests.browser.hand import (
    SEVEN,
    ZERO,
    canvas,
    draw,
    draw_by_touch,
    expect_reading,
    follow,
    open_draw,
    touch,
)

INK_PX = (
    "(canvas) => canvas.getContext('2d').getImageData(0, 0, 280, 280).data.filter((v, i) => i "
    "% 4 == 0 && v < 128).length"
)


def ink_px(page) -> int:
    """How many pixels of the canvas are dark."""
    return page.locator("canvas.dc-canvas.lower-canvas").evaluate(INK_PX)


def test_a_seven_drawn_with_the_mouse_is_read_by_both_networks(page, server):
    open_draw(page, server.url)
    expect_reading(page, "–")
    draw(page, SEVEN)
    expect_reading(page, "7")
    expect(page.get_by_text("both say 7")).to_be_visible()
    box = canvas(page).bounding_box()
    assert (box["width"], box["height"]) == (280, 280)


def test_what_was_drawn_is_told_and_the_pair_is_switched_and_survives_a_reload(page, server):
    open_draw(page, server.url)
    draw(page, SEVEN)
    expect_reading(page, "7")
    page.get_by_role("radio", name="7", exact=True).click()
    expect(page.get_by_text("1 drawing: both right 1")).to_be_visible()
    page.get_by_role("radio", name="Same training").click()
    expect(page.get_by_text("57,418 parameters")).to_be_visible()
    expect(page).to_have_url(re.compile("pair=same"))
    page.reload()
    expect(page.get_by_text("57,418 parameters")).to_be_visible()


def test_a_stroke_that_begins_in_the_top_right_corner_is_not_lost(page, server):
    open_draw(page, server.url)
    draw(page, ZERO)
    expect_reading(page, "0")


def test_an_example_plays_until_the_canvas_is_touched_but_not_for_who_wants_no_motion(page, server):
    open_draw(page, server.url)
    expect_reading(page, "–")
    example = page.locator(".example svg")
    expect(example).to_contain_text("An example.")
    draw(page, SEVEN)
    expect(example).to_have_count(0)
    page.get_by_role("button", name="Clear").click()
    expect_reading(page, "–")  # whoever has drawn knows how
    expect(example).to_have_count(0)
    other = page.context.new_page()
    other.emulate_media(reduced_motion="reduce")
    open_draw(other, server.url)
    expect_reading(other, "–")
    expect(other.locator(".example svg")).to_have_count(0)


def test_a_finger_draws_on_a_phone(phone, server):
    open_draw(phone, server.url)
    assert canvas(phone).bounding_box()["width"] == 390 - 2 * 16  # but for the margins
    draw_by_touch(phone, ZERO)
    expect_reading(phone, "0")
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("name", ["Undo", "Clear", "Example"])
def test_a_stroke_let_go_over_a_button_is_read_and_presses_nothing(page, server, name):
    open_draw(page, server.url)
    expect_reading(page, "–")
    box = canvas(page).bounding_box()
    button = page.get_by_role("button", name=name, exact=True).bounding_box()
    end = (
        button["x"] + button["width"] / 2 - box["x"],
        button["y"] + button["height"] / 2 - box["y"],
    )
    draw(page, [[(70, 30), (200, 30), end]])
    expect_reading(page, "7")
    expect(page.get_by_text("Test image")).to_have_count(0)


def test_a_reload_keeps_the_drawing_and_another_tab_has_its_own(page, server):
    open_draw(page, server.url)
    draw(page, SEVEN)
    expect_reading(page, "7")
    page.get_by_role("radio", name="7", exact=True).click()
    tally = page.get_by_text("1 drawing: both right 1")
    expect(tally).to_be_visible()
    # What is remembered comes to the browser last.
    page.wait_for_function("""sessionStorage.getItem("mnist-models")?.includes('"both"')""")
    page.reload()
    expect_reading(page, "7")
    expect(tally).to_be_visible()
    page.get_by_role("button", name="Undo").click()  # it is the stroke itself that came back
    expect_reading(page, "–")
    draw(page, SEVEN)
    expect_reading(page, "7")
    other = page.context.new_page()
    open_draw(other, server.url)
    expect_reading(other, "–")


def test_each_stroke_is_told_once(page, server):
    told = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: told.append(frame)))
    open_draw(page, server.url)
    expect_reading(page, "–")
    draw(page, [[(140, 40), (140, 240)]])
    expect_reading(page, "1")
    page.wait_for_timeout(500)  # what else the canvas would tell, it would have told by now
    assert len([frame for frame in told if b"strokeWidth" in frame]) == 1


def test_a_stroke_of_a_finger_that_the_system_takes_away_is_read(phone, server):
    open_draw(phone, server.url)
    expect_reading(phone, "–")
    canvas(phone).scroll_into_view_if_needed()
    touch(phone, canvas(phone), [(170, y) for y in range(50, 300, 25)], end="touchCancel")
    expect_reading(phone, "1")
    phone.get_by_role("button", name="Undo").click()
    expect_reading(phone, "–")


def test_undo_takes_one_stroke_back_and_clear_all(page, server):
    open_draw(page, server.url)
    draw(page, SEVEN)
    expect_reading(page, "7")
    draw(page, [[(30, 250), (250, 250)]])
    expect(page.locator(".st-key-prediction-cnn [data-testid=stMetricValue]")).not_to_have_text("7")
    for _ in range(2):  # the second time the canvas has shown these strokes before
        page.locator(".st-key-undo button").click()
        expect_reading(page, "7")
        draw(page, [[(30, 250), (250, 250)]])
        expect(page.locator(".st-key-prediction-cnn [data-testid=stMetricValue]")).not_to_have_text(
            "7"
        )
    page.locator(".st-key-clear button").click()
    expect_reading(page, "–")
    draw(page, SEVEN)
    expect_reading(page, "7")


def test_the_drawing_survives_a_change_of_page_and_can_be_drawn_on(page, server):
    open_draw(page, server.url)
    draw(page, [[(140, 40), (140, 240)]])
    expect_reading(page, "1")
    follow(page, "Train")
    page.locator(".st-key-train-start button").wait_for()
    follow(page, "Draw")
    expect_reading(page, "1")
    while ink_px(page) < 500:  # the drawing appears on the canvas a moment after its reading
        page.wait_for_timeout(50)
    draw(page, [[(60, 40), (60, 140), (220, 140)]])
    expect_reading(page, "4")


def test_an_example_appears_on_the_canvas_and_is_read_from_it(page, server):
    open_draw(page, server.url)
    page.locator(".st-key-example button").click()
    label = page.get_by_text("Test image").inner_text().split("label ")[1][0]
    expect(page.locator(".st-key-prediction-cnn [data-testid=stMetricValue]")).to_have_text(label)
    assert ink_px(page) > 500


def test_an_uploaded_picture_is_read_and_a_broken_one_explained(page, server, tmp_path):
    test = dataset.load().test
    index = int(np.flatnonzero(test.labels == 3)[0])
    Image.fromarray(255 - test.images[index]).resize((560, 560)).save(tmp_path / "three.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    open_draw(page, server.url)
    page.get_by_role("button", name="Upload a photo").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "three.png")
    expect_reading(page, "3")
    page.locator("input[type=file]").set_input_files(tmp_path / "broken.png")
    expect(page.get_by_text("broken.png:")).to_be_visible()
    # The server keeps no file that was read: Streamlit counts those that it has.
    with urlopen(f"{server.url}/_stcore/metrics", timeout=30) as metrics:
        counted = metrics.read().decode()
    assert "cache_memory_bytes{" in counted and "UploadedFileManager" not in counted
    expect_reading(page, "3")  # of the picture that is still on the canvas
    page.keyboard.press("Escape")
    page.locator(".st-key-example button").click()
    expect(page.get_by_text("Test image")).to_be_visible()
    expect(page.get_by_text("broken.png:")).to_be_hidden()


def test_nothing_is_asked_of_other_machines(page, server):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    open_draw(page, server.url)
    draw(page, SEVEN)
    expect_reading(page, "7")
    assert [url for url in asked if not url.startswith((server.url, "data:", "blob:"))] == []
