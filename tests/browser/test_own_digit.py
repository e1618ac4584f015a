"""A network from a file, in a real browser: why it was wrong on one's own digit."""

from playwright.sync_api import expect

from tests.browser.hand import SEVEN, canvas, draw, expect_reading
from tests.imports import forms


def test_a_network_that_was_brought_reads_each_stroke_five_ways(page, server, tmp_path):
    model = forms.convolutional()
    (tmp_path / "theirs.h5").write_bytes(forms.h5(model, forms.config_of(model)))
    page.goto(f"{server.url}/train")
    page.get_by_role("button", name="Import a run or a model").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "theirs.h5")
    expect(page.get_by_text("Imported as")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Why is it wrong on my digit?").click()
    canvas(page).wait_for()
    asked = page.get_by_text("Draw a single digit on the canvas")
    expect(asked).to_be_visible()
    draw(page, SEVEN)
    expect_reading(page, "7")
    expect(asked).to_be_hidden()
    expect(page.get_by_role("img", name="Prepared as MNIST was")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(asked).to_be_visible()
