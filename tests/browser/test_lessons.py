"""The lessons, as a class follows them: from the drawing to the finding."""

import re

from playwright.sync_api import expect

from tests.browser.hand import ZERO, draw, expect_reading, open_draw, open_lesson


def share(page, network: str) -> float:
    metric = page.locator("[data-testid=stMetric]").filter(has_text=f"Places where the {network} reads 0")
    value = metric.locator("[data-testid=stMetricValue]")
    expect(value).to_have_text(re.compile(r"[\d.]+%"))
    return float(value.inner_text().rstrip("%"))


def test_a_drawn_digit_is_slid_and_preparation_brings_it_back(page, server):
    open_draw(page, server.url)
    draw(page, ZERO)
    expect_reading(page, "0")
    open_lesson(page, "Slide")
    expect(page.get_by_text("Your drawing, as both networks read it.")).to_be_visible()
    assert 0 < share(page, "DNN") < share(page, "CNN") < 100
    expect(page.get_by_text("the CNN can follow this digit farther")).to_be_visible()
    page.get_by_text("Prepared at each place").click()
    expect(page.get_by_text("Preparation undoes the shift")).to_be_visible()
    assert share(page, "DNN") == share(page, "CNN") == 100


def test_a_cell_shows_the_digit_there_and_what_both_networks_read(page, server):
    page.goto(f"{server.url}/slide")
    chart = page.locator("[data-testid=stVegaLiteChart]").first
    cell = chart.locator("svg .mark-rect path").nth(5 * 21 + 10)
    cell.wait_for()
    page.wait_for_timeout(1_000)  # the chart takes its width from the page
    cell.hover(force=True)
    tooltip = page.locator("#vg-tooltip-element")
    expect(tooltip).to_be_visible()
    expect(tooltip.locator("img")).to_have_attribute("src", re.compile("^data:image/png;base64,"))
    expect(tooltip).to_contain_text(re.compile(r"DNN\s*\d, [\d.]+%"))
    expect(tooltip).to_contain_text(re.compile(r"CNN\s*\d, [\d.]+%"))
