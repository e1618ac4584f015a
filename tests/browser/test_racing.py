"""Racing both networks in a browser: two visitors at once, a reload in the middle, a pause, a
worker that is killed."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from mnist_models.runs.engine import WORKER_DIED
from mnist_models.runs.store import RunStore
from tests.browser.test_training import epoch, points, wait_for_more

# A race of small networks on few images, as a teacher would send it: so that it is over soon,
# however slow the machine is.
LINK = (
    "race=1&epochs={epochs}&train_images={images}&validation_images=500&seed=7&dnn.hidden_units=16&cnn.conv_layers=4x3%2Bpool2"
    "&cnn.dense_units=none"
)
END_OF_EPOCH = re.compile(r"Epoch \d+\.00 of 90 · paused")
WON = re.compile(r"(The [DC]NN won by|Too close to call)")


def open_race(page: Page, url: str, epochs: int, images: int) -> None:
    page.goto(f"{url}/train?{LINK.format(epochs=epochs, images=images)}")
    expect(page.get_by_role("radio", name="Race both")).to_be_checked()
    expect(page.locator(".st-key-sizes")).to_contain_text("12,794")


def verdict(page: Page) -> Locator:
    """Where it is said who won."""
    return page.get_by_test_id("stAlert").filter(has_text=WON)


def start(page: Page) -> None:
    page.locator(".st-key-train-start button").click()


def test_two_visitors_race_at_once_and_each_sees_who_won(page, chromium, server):
    open_race(page, server.url, epochs=90, images=50_000)
    with chromium.new_context(viewport={"width": 1280, "height": 1000}) as context:
        other = context.new_page()
        open_race(other, server.url, epochs=2, images=2_000)
        start(page)
        for name in ("DNN", "CNN"):
            expect(page.get_by_text(re.compile(rf"{name} · Epoch [\d.]+ of 90"))).to_be_visible()
        page.locator(".st-key-train-pause button").click()
        other.get_by_role("radiogroup", name="Who will win?").get_by_text("CNN").click()
        start(other)
        expect(other.get_by_text("Waiting: number 1 in the queue.").first).to_be_visible()
        page.locator(".st-key-alone button").click()
        expect(page.get_by_role("link", name="Compare")).to_have_count(0)
        page.reload()
        expect(page.get_by_text(re.compile(r"CNN · Epoch [\d.]+ of 90"))).to_be_visible()
        for chart in page.locator(".st-key-curves svg.marks").all():
            expect(chart).to_be_in_viewport(ratio=1)
        page.locator(".st-key-leave-alone button").click()
        expect(page.get_by_role("link", name="Compare")).to_be_visible()
        page.locator(".st-key-train-stop button").click()
        expect(page.get_by_text("Stopped after")).to_have_count(2)
        expect(verdict(page)).to_be_visible()
        expect(verdict(other)).to_be_visible()
        expect(other.get_by_text("4,000 images in")).to_have_count(2)
        expect(verdict(other)).to_contain_text("4,000 images,")
        expect(verdict(other)).to_contain_text("The bet was on the CNN")
        other.locator(".st-key-compare-them button").click()
        expect(other.get_by_role("heading", name="Where they disagree")).to_be_in_viewport()


def test_a_training_is_paused_driven_and_its_worker_killed_while_it_stands_still(page, server):
    page.goto(f"{server.url}/train?network=dnn&hidden_units=16&epochs=90&train_images=20000")
    page.get_by_text("Total parameters").wait_for()
    start(page)
    wait_for_more(page, 0.2)
    run_in_list = page.get_by_role("combobox", name="Run", exact=True).input_value()
    assert re.search(r"run=(\w{4})", page.url).group(1) == run_in_list.split()[1]
    page.locator(".st-key-train-pause button").click()
    expect(page.get_by_text("· paused ·")).to_be_visible()
    paused_at, drawn = epoch(page), points(page)
    page.wait_for_timeout(1500)
    assert (epoch(page), points(page)) == (paused_at, drawn)
    page.locator(".st-key-train-step button").click()
    expect(page.get_by_text(END_OF_EPOCH)).to_be_visible()
    ended = epoch(page)
    assert paused_at <= ended < paused_at + 1.01
    page.locator(".st-key-train-rate button").click()
    slider = page.get_by_role("slider", name="Highest learning rate of the DNN")
    slider.focus()
    page.keyboard.press("ArrowRight")
    # The slider tells the server a moment after the last key; then another takes its place.
    page.locator("[class*='st-key-rate-'][class*='-0-01']").wait_for()
    page.keyboard.press("Escape")
    page.locator(".st-key-train-step button").click()
    expect(page.get_by_text(f"Epoch {ended + 1:.2f} of 90 · paused")).to_be_visible()
    expect(page.locator(".st-key-curves").get_by_text("learning rate 0.01").first).to_be_visible()
    for worker in server.workers():
        worker.kill()
    expect(page.get_by_text(WORKER_DIED[:60])).to_be_visible()
    # What it told is kept. (Points are merged when there are many, so there may be fewer of them.)
    assert points(page) > 1
    store = RunStore(f"sqlite:///{server.folder}/runs.sqlite3")
    curve = store.curve(re.search(r"run=(\w+)", page.url).group(1))
    epochs, rest = divmod(curve.batches, curve.steps_per_epoch)
    assert epochs >= ended + 1 and rest == 0  # whole ones: it stood still at the end of one
    page.get_by_text("watching: DNN").click()  # unfolds the settings
    start(page)
    wait_for_more(page, 0.05)
    page.locator(".st-key-train-stop button").click()
    expect(page.get_by_text("Stopped after")).to_be_visible()


@pytest.mark.parametrize(
    "query",
    ["network=dnn&epochs=1000000", "race=1&cnn.conv_layers=%3Cscript%3Ealert(1)%3C/script%3E"],
)
def test_a_broken_link_gets_a_sentence_and_the_defaults(page, server, query):
    page.goto(f"{server.url}/train?{query}")
    expect(page.get_by_text("This link cannot be used as it is")).to_be_visible()
    expect(page.get_by_role("radio", name="CNN")).to_be_checked()
    expect(page.get_by_text("94,730")).to_be_visible()
