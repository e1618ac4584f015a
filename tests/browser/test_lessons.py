"""The lessons, as a class follows them: from the drawing to the finding."""

import re

from playwright.sync_api import expect

from tests.browser.hand import ZERO, draw, follow, open_draw, take_to_lesson, touch


def percentage(page, label: str) -> float:
    metric = page.locator("[data-testid=stMetric]").filter(has_text=label)
    value = metric.locator("[data-testid=stMetricValue]")
    expect(value).to_have_text(re.compile(r"[\d.]+%"))
    return float(value.inner_text().rstrip("%"))


def test_a_drawn_digit_is_slid_and_preparation_brings_it_back(page, server):
    take_to_lesson(page, server.url, ZERO, "0", "Slide")
    dnn, cnn = (
        percentage(page, f"Positions where the {network} recognises the 0")
        for network in ("DNN", "CNN")
    )
    assert 0 < dnn < cnn < 100
    expect(page.get_by_text("the CNN tolerates larger shifts")).to_be_visible()
    page.get_by_text("Re-centre", exact=True).click()
    expect(page.get_by_text("Re-centring undoes the shift")).to_be_visible()
    for network in ("DNN", "CNN"):
        metric = page.locator("[data-testid=stMetric]").filter(
            has_text=f"Positions where the {network} recognises the 0"
        )
        expect(metric).to_contain_text("100.0%")  # it comes after the words


def test_a_cell_shows_the_digit_there_and_what_both_networks_read(page, server):
    page.goto(f"{server.url}/slide")
    chart = page.locator("[data-testid=stVegaLiteChart]").nth(1)
    cell = chart.locator("svg .mark-rect path").nth(5 * 21 + 10)
    tooltip = page.locator("#vg-tooltip-element")
    for _ in range(50):  # the chart takes its width from the page: the cell may move away once more
        cell.hover(force=True)
        page.wait_for_timeout(100)
        if tooltip.is_visible():
            break
    expect(tooltip.locator("img")).to_have_attribute("src", re.compile("^data:image/png;base64,"))
    for network in ("DNN", "CNN"):
        expect(tooltip).to_contain_text(re.compile(rf"{network}\s*(\d|not sure), [\d.]+%"))


# Where the ink on the digit that can be dragged has its middle, in pixels of the chart; nothing
# while the chart is drawn anew, as it is for a moment when the digit is let go.
MIDDLE_OF_INK = """() => {
    const canvas = document.querySelector("[data-testid=stVegaLiteChart] canvas")
    if (!canvas?.clientWidth) return null
    const side = 280, scale = canvas.width / canvas.clientWidth
    const pixels = canvas.getContext("2d").getImageData(0, 0, side * scale, side * scale).data
    let ink = 0, x = 0, y = 0
    for (let i = 0; i < pixels.length; i += 4) {
        // The frame is grey, and so is the edge of a stroke.
        if (pixels[i + 3] < 255 || pixels[i] > 60) continue
        const at = i / 4, width = Math.floor(side * scale)
        ink += 1, x += (at % width) / scale, y += Math.floor(at / width) / scale
    }
    return ink ? [x / ink, y / ink] : null
}"""


def middle_of_ink(page) -> list[float]:
    return page.wait_for_function(MIDDLE_OF_INK).json_value()


def test_the_digit_is_dragged_with_the_mouse_and_both_predictions_follow(page, server):
    page.goto(f"{server.url}/slide?digit=109")
    chart = page.locator("[data-testid=stVegaLiteChart] canvas")
    chart.wait_for()
    box = chart.bounding_box()
    x, y = middle_of_ink(page)
    predictions = {"x": box["x"], "y": box["y"] + 285, "width": box["width"], "height": 50}
    before = page.screenshot(clip=predictions)
    page.mouse.move(box["x"] + 140, box["y"] + 140)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 110, steps=6)
    page.mouse.up()
    page.mouse.move(box["x"] + 100, box["y"] + 200)  # let go, it stays
    # Once it is let go, the sliders and the sentence know where it is.
    expect(page.get_by_text("Shifted 6 px to the right and 3 px up, the DNN")).to_be_visible()
    moved_x, moved_y = middle_of_ink(page)
    # 60 and 30 px on the screen, in steps of a digit's pixel; what leaves the square is cut off.
    assert 40 < moved_x - x < 70 and -40 < moved_y - y < -20
    assert page.screenshot(clip=predictions) != before


def test_the_digit_is_dragged_with_a_finger_and_the_page_stays(phone, server):
    phone.goto(f"{server.url}/slide?digit=109")
    chart = phone.locator("[data-testid=stVegaLiteChart] canvas")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    _, y = middle_of_ink(phone)
    touch(phone, chart, [(140, 140 - step) for step in range(0, 60, 6)])
    expect(phone.get_by_text("px up, the DNN")).to_be_visible()
    _, moved_y = middle_of_ink(phone)
    assert moved_y < y - 20
    assert chart.bounding_box() == box


def test_a_tap_on_a_chart_says_what_pointing_does(phone, server):
    phone.goto(f"{server.url}/slide?digit=109")
    charts = phone.locator("[data-testid=stVegaLiteChart]")
    expect(charts).to_have_count(3)
    chart = charts.nth(1)
    chart.scroll_into_view_if_needed()
    cells = chart.locator("svg .mark-rect path")
    expect(cells.first).to_be_visible()
    said = phone.locator("#vg-tooltip-element")
    cells.nth(220).tap()
    expect(said).to_contain_text("DNN")
    expect(said).to_contain_text("horizontal shift (px)")
    phone.get_by_text("Positions where the DNN recognises").tap()
    expect(said).not_to_have_class(re.compile("visible"))


def open_ready_made(page, server, number: int, title: str) -> None:
    """From the home page, as a teacher does."""
    open_draw(page, server.url)
    follow(page, "Ready-made lessons for a class")
    page.get_by_role("link", name=f"Open lesson {number}").wait_for()
    follow(page, f"Open lesson {number}")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_have_count(0)  # the question is alone
    page.get_by_role("radio", name="The CNN").click()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("The class says: The CNN.")).to_be_visible()


def read(page, network: str):
    """The digit that a network reads, where a lesson tells one."""
    metric = page.locator("[data-testid=stMetric]").filter(has_text=f"{network} prediction")
    return metric.locator("[data-testid=stMetricValue]")


def test_the_lesson_on_centring_is_followed_from_its_question_to_its_finding(page, server):
    open_ready_made(page, server, 1, "Why is every drawing centred?")
    share = {
        network: percentage(page, f"Positions where the {network} recognises the 4")
        for network in ("DNN", "CNN")
    }
    assert share["DNN"] < share["CNN"] < 60
    page.get_by_role("radio", name="At their best").click()
    metric = page.locator("[data-testid=stMetric]").filter(
        has_text="Positions where the CNN recognises the 4"
    )
    expect(metric).not_to_contain_text(f"{share['CNN']:.1f}%")
    for network in ("DNN", "CNN"):
        assert percentage(page, f"Positions where the {network} recognises the 4") > share[network]
    page.get_by_text("Re-centre", exact=True).click()
    expect(page.get_by_text("Re-centring undoes the shift")).to_be_visible()
    # All of it is one step of the browser's history, and Back leads to it.
    expect(page).to_have_url(re.compile(r"/slide\?.*pair=best.*prepared=true"))
    follow(page, "Train")
    expect(page.get_by_text("Total parameters")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("The class says: The CNN.")).to_be_visible()
    expect(page.get_by_text("Re-centring undoes the shift")).to_be_visible()
    page.reload()
    expect(page.get_by_text("The class says: The CNN.")).to_be_visible()
    expect(page.get_by_text("Re-centring undoes the shift")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Seven lessons for a class")).to_be_visible()


def test_the_lesson_on_blur_is_followed_from_its_question_to_its_finding(page, server):
    open_ready_made(page, server, 2, "How much can a digit take?")
    expect(read(page, "DNN")).to_have_text("6")
    expect(read(page, "CNN")).to_have_text("6")
    slider = page.get_by_role("slider", name="Blur")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    expect(read(page, "CNN")).not_to_have_text("6")
    expect(read(page, "DNN")).to_have_text("6")
    expect(
        page.get_by_text("Over the whole slider, the DNN is correct more often.")
    ).to_be_visible()


def test_the_lesson_on_what_a_layer_looks_for_is_followed_from_its_question_to_its_finding(
    page, server
):
    open_ready_made(page, server, 3, "What does a layer look for?")
    expect(page.get_by_text("72 templates of 28×28")).to_be_visible()
    expect(page.get_by_text("16 kernels of 5×5")).to_be_visible()
    expect(
        page.get_by_text("This is the pixel").or_(page.get_by_text("comes from")).first
    ).to_be_visible()


def test_the_lesson_on_neighbours_is_followed_from_its_question_to_its_finding(page, server):
    open_ready_made(page, server, 4, "Who needs neighbours?")
    for network in ("DNN", "CNN"):
        expect(read(page, network)).to_have_text(["6", "6"])
    expect(page.get_by_text("Without neighbours, the DNN is more accurate.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Waiting for a digit.")).to_have_count(4)
    draw(page, ZERO)
    for network in ("DNN", "CNN"):
        expect(read(page, network).first).to_have_text("0")
        expect(read(page, network).last).to_have_text("0")


def test_the_lesson_on_strokes_is_followed_from_its_question_to_its_finding(page, server):
    open_ready_made(page, server, 5, "When did they know?")
    page.get_by_role("button", name="Play").click()
    for network in ("DNN", "CNN"):
        expect(read(page, network)).to_have_text("4")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.get_by_text("of the ink, in stroke 2 of 2").first).to_be_visible()


def test_a_link_that_hides_leads_back_to_all_that_can_be_chosen(page, server):
    page.goto(f"{server.url}/slide?digit=11&cnn=quick-cnn&hide=1")
    expect(page.get_by_text("CNN: CNN without augmentation")).to_be_visible()
    expect(page.get_by_role("button", name="Example")).to_have_count(0)
    expect(page.get_by_role("link", name="Train", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Show controls").click()
    expect(page.get_by_role("button", name="Example")).to_be_visible()
    expect(page.get_by_role("link", name="Train", exact=True)).to_be_visible()
