"""The app without a mouse or a finger."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.hand import open_draw

# More than there is to be reached on any of these pages.
MOST_STOPS = 60


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Presses Tab until the target has the focus."""
    target.wait_for()
    for _ in range(MOST_STOPS):
        page.keyboard.press(key)
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"Tab does not reach {target}")


def type_px(text: Locator) -> float:
    """How large text is drawn."""
    return text.evaluate("element => parseFloat(getComputedStyle(element).fontSize)")


def test_from_an_example_to_a_lesson_in_large_type_with_the_keyboard_alone(page, server):
    open_draw(page, server.url)
    tab_to(page, page.get_by_role("button", name="Example"))
    page.keyboard.press("Enter")
    for network in ("dnn", "cnn"):
        expect(
            page.locator(f".st-key-prediction-{network} [data-testid=stMetricValue]")
        ).not_to_have_text("–")
    tab_to(page, page.get_by_role("button", name="Lessons"), "Shift+Tab")
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Slide"))
    page.keyboard.press("Enter")
    # Of a random example, a model may be not sure.
    expect(page.get_by_text("At its original position, the DNN")).to_be_visible()
    tab_to(page, page.get_by_role("slider", name="Shift right"))
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Shifted 3 px to the right, the DNN")).to_be_visible()
    heading, axis = (
        page.get_by_role("heading", level=2),
        page.locator("svg.marks text", has_text="vertical shift (px)").first,
    )
    usual_px = type_px(heading), type_px(axis)
    tab_to(page, page.get_by_role("button", name="Present"), "Shift+Tab")
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("switch", name="Large type"))
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("large=1"))
    for text, before_px in zip((heading, axis), usual_px, strict=True):
        expect(text).to_be_visible()
        while type_px(text) <= 1.3 * before_px:  # the style may come after the text
            page.wait_for_timeout(100)
