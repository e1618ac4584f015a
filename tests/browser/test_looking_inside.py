"""The lesson that looks inside, as a class follows it: from the drawing to a single number."""

import re

from playwright.sync_api import expect

from tests.browser.hand import ZERO, take_to_lesson


def test_a_drawn_digit_is_followed_to_one_pixel_and_to_what_excites_its_filter(page, server):
    take_to_lesson(page, server.url, ZERO, "0", "Look inside")
    expect(page.get_by_text("The first layer: evidence for 0")).to_be_visible()
    for picture in (
        "The weights of the first layer",
        "Activations of Dense layer 1",
        "Activations of Logits",
    ):
        expect(page.get_by_alt_text(re.compile(picture))).to_have_count(2)
    expect(page.get_by_text("Its receptive field in the image: 5×5 pixels.")).to_be_visible()
    page.get_by_role("radio", name="Convolution 2").click()
    expect(page.get_by_text("Its receptive field in the image: 10×10 pixels.")).to_be_visible()
    expect(page.get_by_text("has one kernel for each of the 16 maps")).to_be_visible()
    expect(page.get_by_text("The highest activations in 1,000 training images")).to_be_visible()
    expect(
        page.get_by_alt_text(re.compile(r"A patch that activates filter \d+, .*digit.*: \d"))
    ).to_have_count(9)
