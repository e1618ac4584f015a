"""The lesson that asks why, as a class follows it."""

import re

from playwright.sync_api import expect

from tests.browser.hand import SEVEN, take_to_lesson


def test_a_drawn_digit_is_covered_changed_and_compared(page, server):
    take_to_lesson(page, server.url, SEVEN, "7", "Why this reading?")
    expect(page.get_by_text("Your drawing, as both networks read it.")).to_be_visible()
    expect(page.get_by_text(re.compile("paper hurts most"))).to_have_count(2)
    expect(page.get_by_text(re.compile("digits nearest to this one"))).to_have_count(2)
    page.get_by_role("radio", name="Gradients").click()
    expect(page.get_by_text("What the ink adds to the CNN's odds of 7")).to_be_visible()
    page.get_by_role("radio", name="Single pixels").click()
    expect(
        page.get_by_text(re.compile("changes were tried|do not make it read another"))
    ).to_have_count(2)
    # All of it is drawn: two maps of the pixels, and two of the training digits.
    expect(page.locator("[data-testid=stVegaLiteChart] svg")).to_have_count(4)
