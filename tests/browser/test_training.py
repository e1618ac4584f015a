"""Training, as a visitor does it: start, watch, leave, come back, stop, draw for the new
network."""

import re
import time
from collections.abc import Callable

import psutil
from playwright.sync_api import Page, expect

from mnist_models.runs.store import RunStore
from tests.browser.hand import SEVEN, canvas, draw, expect_reading, follow

PROGRESS = re.compile(r"Epoch ([\d.]+) of (\d+)")


def start_long_training(page: Page, url: str) -> None:
    """Starts a training of a small CNN that no test outlasts, as its batches are small: 89 epochs
    from a link, and one more with an arrow key."""
    cnn = "network=cnn&conv_layers=16x5%2F2%2Bpool2&dense_units=32"
    page.goto(f"{url}/train?{cnn}&epochs=89&batch_size=16")
    page.get_by_text("Total parameters").wait_for()
    page.get_by_role("tab", name="Training").click()
    slider = page.get_by_role("slider", name="Epochs")
    slider.press("ArrowRight")
    expect(slider).to_have_value("90")
    # The slider tells the server a moment after the last key.
    expect(page).to_have_url(re.compile("epochs=90"))
    page.locator(".st-key-train-start button").click()
    expect(page.get_by_text(re.compile(r"Epoch [\d.]+ of 90"))).to_be_visible()


def epoch(page: Page) -> float:
    """How far the training is, from the words of the progress bar."""
    text = page.get_by_text(PROGRESS).first
    text.wait_for()
    return float(PROGRESS.search(text.inner_text()).group(1))


def wait_for_more(page: Page, than: float, what: Callable[[Page], float] = epoch) -> float:
    """Waits until the training is further than that, or has more of something else."""
    deadline = time.monotonic() + 60
    while (now := what(page)) <= than:
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    return now


def points(page: Page) -> int:
    """How many points the first curve has."""
    line = page.locator(".st-key-curves svg .mark-line path").first
    line.wait_for()
    return line.get_attribute("d").count("L")


def test_a_reload_shows_the_form_as_it_was(page, server):
    page.goto(f"{server.url}/train?network=cnn&conv_layers=16x5,8x3&dense_units=32")
    total = page.locator("[data-testid=stMetricValue]")
    expect(total).to_have_count(1)
    was = total.inner_text()
    page.get_by_role("slider", name="Convolutional layers").press("ArrowLeft")
    expect(total).not_to_have_text(was)
    expect(page).to_have_url(re.compile("conv_layers=16x5&"))
    changed = total.inner_text()
    page.reload()
    expect(total).to_have_text(changed)


def test_a_training_is_watched_left_reloaded_stopped_and_drawn_for(page, server):
    start_long_training(page, server.url)
    first = epoch(page)
    wait_for_more(page, points(page), points)
    page.set_viewport_size({"width": 1280, "height": 800})
    charts = page.locator(".st-key-curves svg.marks")
    expect(charts).to_have_count(2)
    for chart in charts.all():
        expect(chart).to_be_in_viewport(ratio=1)
    expect(page.locator(".st-key-train-stop")).to_be_in_viewport(ratio=1)
    second = wait_for_more(page, first + 0.2)

    page.reload()
    third = wait_for_more(page, second)

    with page.context.new_page() as other:  # a second tab
        other.goto(f"{server.url}/train")
        wait_for_more(other, third)
        follow(other, "Draw")
        canvas(other).wait_for()
        draw(other, SEVEN)
        expect_reading(other, "7")  # drawing goes on while a network is trained

    page.locator(".st-key-train-stop button").click()
    expect(page.get_by_text("Stopped after")).to_be_visible()
    run_name = re.match(
        r"CNN \w{4}", page.get_by_role("combobox", name="Run").input_value()
    ).group()
    page.locator(".st-key-draw-for button").click()
    canvas(page).wait_for()
    draw(page, SEVEN)
    expect_reading(page, "7")
    expect(page.locator(".st-key-change-models")).to_contain_text(run_name)


def test_on_a_phone_training_starts_and_is_seen_without_scrolling(phone, server):
    phone.goto(f"{server.url}/train?network=dnn&hidden_units=16&epochs=90&train_images=20000")
    phone.get_by_text("Total parameters").wait_for()
    start = phone.locator(".st-key-train-start button")
    expect(start).to_be_in_viewport(ratio=1)
    start.tap()
    expect(phone.locator(".st-key-curves svg.marks").first).to_be_in_viewport(ratio=1)
    wait_for_more(phone, 0)  # of a run that is stopped before its first batch, nothing is kept
    stop = phone.locator(".st-key-train-stop button")
    expect(stop).to_be_in_viewport(ratio=1)
    stop.tap()
    result = phone.get_by_text("Test accuracy", exact=True)
    expect(result).to_be_visible()
    phone.get_by_role("heading", name="Train a model").scroll_into_view_if_needed()
    expect(result).to_be_in_viewport(ratio=1)
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(start).not_to_be_visible()
    phone.get_by_text("watching: DNN").tap()
    expect(start).to_be_visible()


def test_a_killed_server_leaves_an_interrupted_run_with_its_curve(page, server):
    start_long_training(page, server.url)
    wait_for_more(page, 0.1)
    # The curve is kept every two seconds.
    store = RunStore(f"sqlite:///{server.folder}/runs.sqlite3")
    wait_for_more(page, 2, lambda page: store.curve(store.runs()[0].id).batches)
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert children and not alive
    server.start()
    page.goto(f"{server.url}/train")
    expect(page.get_by_text("The app was ended during this run")).to_be_visible()
    assert points(page) > 1
    expect(page.get_by_text("The training loss fell from")).to_be_visible()
