"""The lesson that asks why, as a class follows it."""

import re

from playwright.sync_api import expect

from tests.browser.hand import SEVEN, take_to_lesson


def test_a_drawn_digit_is_covered_changed_and_compared(page, server):
    take_to_lesson(page, server.url, SEVEN, "7", "Why this answer")
    expect(page.get_by_text(re.compile("hurts most"))).to_have_count(2)
    page.get_by_role("radio", name="Integrated gradients").click()
    expect(page.get_by_text("On blank paper, the CNN's odds of 7")).to_be_visible()
    expect(page.locator("[data-testid=stVegaLiteChart] svg")).to_have_count(2)
    page.get_by_role("radio", name="What would change it?").click()
    page.get_by_role("radio", name="Single pixels").click()
    expect(
        page.get_by_text(re.compile("changes were tried|do not turn it into another"))
    ).to_have_count(2)
    page.get_by_role("radio", name="Nearest training digits").click()
    expect(page.get_by_text(re.compile("nine nearest digits"))).to_have_count(2)
    expect(page.locator("[data-testid=stVegaLiteChart] svg")).to_have_count(2)
