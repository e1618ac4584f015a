"""Comparing, as a visitor does it: sixty runs, a click on a cell, the digits behind it; names and
runs changed and undone."""

import itertools
import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from mnist_models.data import dataset
from mnist_models.runs import comparison, pretrained
from mnist_models.runs.comparison import Box
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS, DnnHyperparameters
from mnist_models.training.loop import train
from tests.browser.hand import expect_reading, follow, open_draw

TEST_LABELS = dataset.load().test.labels
READ = {network: pretrained.predictions(pretrained.PREFIX + network) for network in NETWORKS}
BOXES = comparison.boxes(*READ.values(), TEST_LABELS)
BOTH_WRONG = len(BOXES[Box.NEITHER])
LEAD = (
    f"The CNN classifies {len(BOXES[Box.SECOND]) - len(BOXES[Box.FIRST])} more "
    "digits correctly than the DNN"
)
TINY = DnnHyperparameters(hidden_units=(16,), epochs=1, train_images=500, validation_images=100)
COUNT = 60
# Of the table: a row is so high, and its box to tick so far from the left.
ROW_PX, TICK_PX = 35, 20


def mistakes(network: str, label: int, digit: int) -> np.ndarray:
    """The test images of this label that a network that ships read as this digit."""
    is_label = np.equal(TEST_LABELS, label)
    return np.flatnonzero(is_label & (READ[network].digits == digit))


def clear_mistake(network: str) -> tuple[int, int]:
    """A label and what the network read, surely, in the only test image of that label in which it
    read that."""
    confidence_threshold = pretrained.facts()[pretrained.PREFIX + network]["confidence_threshold"]
    for label, digit in itertools.permutations(range(10), 2):
        found = mistakes(network, label, digit)
        if len(found) == 1 and READ[network].confidences[found[0]] > confidence_threshold:
            return label, digit
    raise AssertionError("There is no such mistake.")


MOST_FREQUENT = max(
    itertools.permutations(range(10), 2), key=lambda pair: len(mistakes("cnn", *pair))
)
CELL = "{} predicted as {}".format(*MOST_FREQUENT)
CELL_DIGITS = f"CNN: {CELL} ({len(mistakes('cnn', *MOST_FREQUENT))} digits)"


@pytest.fixture(scope="module")
def sixty(server):
    """Sixty runs in the app's store: a small DNN, really trained, kept under many names."""
    store, trained = RunStore(f"sqlite:///{server.folder}/runs.sqlite3"), train(TINY)
    runs = [
        store.create(TINY.model_copy(update={"seed": place}), f"sixty {place:02}")
        for place in range(COUNT)
    ]
    for run in runs:
        store.finish(run.id, trained)
    yield runs
    store.delete([run.id for run in runs])


def opened(page: Page) -> None:
    """Waits until all of the page is there."""
    expect(page.locator("[data-testid=stVegaLiteChart] svg.marks")).to_have_count(4)
    expect(page.locator("[class*='-box-digits-tiles'] img")).to_have_count(24)
    expect(page.get_by_role("region", name="Per-digit report")).to_be_visible()


def unfold_table(page: Page) -> None:
    page.get_by_text("All runs in one table").click()
    expect(page.locator(".st-key-runs [data-testid=stDataFrame]")).to_be_visible()


def search(page: Page, text: str, count: int) -> None:
    """Filters the table, and waits until it has as many runs."""
    box = page.get_by_role("textbox", name="Filter by name")
    box.fill(text)
    box.press("Enter")
    expect(page.get_by_text(re.compile(rf"^{count} runs?;"))).to_be_visible()


def tick(page: Page, row: int) -> None:
    """Ticks a row of the table with the mouse."""
    table = page.locator(".st-key-runs [data-testid=stDataFrame]")
    expect(table).to_have_count(1)  # for a moment, the one before is still there
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    page.mouse.click(box["x"] + TICK_PX, box["y"] + ROW_PX * (row + 1.5))


def first_network(page: Page) -> Locator:
    return page.get_by_role("combobox", name="First model")


def test_a_page_of_sixty_runs_opens_and_a_clicked_cell_shows_its_digits_which_can_be_drawn_over(
    page, server, sixty
):
    open_draw(page, server.url)
    follow(page, "Compare")
    opened(page)
    follow(page, "Draw")
    page.locator(".st-key-clear button").wait_for()
    follow(page, "Compare")
    opened(page)
    expect(page.get_by_text(f"{LEAD}; both misclassify {BOTH_WRONG}.")).to_be_visible()

    cell = page.locator(f"[class*='-matrix-1'] path[aria-label^='{CELL}:']")
    label, digit = clear_mistake("dnn")
    for _ in range(2):  # the second time after the list has chosen another
        cell.scroll_into_view_if_needed()
        box = cell.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.get_by_role("combobox", name="Digits in this cell")).to_have_value(CELL_DIGITS)
        numbers = page.locator("[class*='-cell-digits-tiles']").get_by_role("button", name="No.")
        expect(numbers).to_have_count(len(mistakes("cnn", *MOST_FREQUENT)))
        shown = {int(name.split()[-1].replace(",", "")) for name in numbers.all_inner_texts()}
        assert shown == set(mistakes("cnn", *MOST_FREQUENT).tolist())
        chosen = page.get_by_role("combobox", name="Digits in this cell")
        chosen.click()
        page.keyboard.type(f"DNN: {label} predicted as {digit}")
        page.keyboard.press("Enter")
        expect(numbers).to_have_count(1)

    numbers.click()
    (index,) = mistakes("dnn", label, digit)
    expect(
        page.get_by_text(f"Test image {index:,}, label {label}. You can draw on top of it.")
    ).to_be_visible()
    expect_reading(page, str(digit), ("dnn",))


def test_a_clicked_box_shows_the_digits_that_both_networks_misread(page, server):
    page.goto(f"{server.url}/compare")
    opened(page)
    page.locator("[class*='-boxes'] path[aria-label^='DNN wrong, CNN wrong:']").click(force=True)
    expect(page.locator("[class*='-box-digits-tiles'] img")).to_have_count(min(BOTH_WRONG, 24))
    expect(page.get_by_role("radio", name=f"Both wrong: {BOTH_WRONG}")).to_be_checked()


def test_runs_are_renamed_deleted_and_brought_back(page, server, sixty):
    run: Run = sixty[7]
    page.goto(f"{server.url}/compare?first={run.id}")
    opened(page)
    unfold_table(page)
    search(page, "sixty", COUNT)
    search(page, "sixty 07", 1)
    tick(page, 0)
    page.get_by_role("button", name="Rename").click()
    name = page.get_by_role("textbox", name="New name")
    expect(name).to_have_value("sixty 07")
    name.fill("seventh of sixty")
    page.locator(".st-key-rename-run button").click()
    expect(first_network(page)).to_have_value(re.compile("^seventh of sixty"))
    page.keyboard.press("Escape")

    search(page, "seventh", 1)
    page.locator(".st-key-delete-runs button").click()
    expect(page.get_by_text(re.compile(r"Deleted seventh of sixty"))).to_be_visible()
    expect(first_network(page)).to_have_value(re.compile("^Pretrained DNN"))
    expect(page.get_by_text("No run matches this name")).to_be_visible()
    page.locator(".st-key-undo-delete button").click()
    expect(
        page.get_by_text(re.compile(r"^1 run; highest test accuracy .* \(seventh of sixty"))
    ).to_be_visible()
    expect(page.get_by_text(re.compile("Deleted"))).to_have_count(0)


def test_a_comparison_is_linked_and_back_returns_to_the_one_before(page, server, sixty):
    page.goto(f"{server.url}/compare")
    opened(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    first_chart = page.locator("[class*='-boxes'] svg.marks")
    for needed in (page.get_by_text(LEAD), first_chart):
        expect(needed).to_be_in_viewport(ratio=1)
    unfold_table(page)
    search(page, "sixty", COUNT)
    tick(page, 0)
    expect(page.locator(".st-key-rename button")).to_be_enabled()
    tick(page, 1)
    page.locator(".st-key-compare-two button").click()
    expect(
        page.get_by_text(
            "The first DNN and the second DNN classify equally many test digits correctly"
        )
    ).to_be_visible()
    link = page.url
    assert "first=" in link and "second=" in link
    with page.context.new_page() as other:
        other.goto(link)
        expect(
            other.get_by_text(
                "The first DNN and the second DNN classify equally many test digits correctly"
            )
        ).to_be_visible()
    page.go_back()
    expect(page.get_by_text(LEAD)).to_be_visible()


def test_nothing_is_cut_off_on_a_phone(phone, server):
    phone.goto(f"{server.url}/compare")
    opened(phone)
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    cell = phone.locator(f"[class*='-matrix-1'] path[aria-label^='{CELL}:']")
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    assert abs(box["width"] - box["height"]) < 2  # pixels: the cells are square
    cell.tap(force=True)
    expect(phone.get_by_role("combobox", name="Digits in this cell")).to_have_value(CELL_DIGITS)
