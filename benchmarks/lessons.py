"""What the lessons claim, counted over many test digits, and how soon their pages answer, measured
in a browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from benchmarks import apps, results
from benchmarks.browser import launched, visitor
from benchmarks.page import DRAWN, METRICS, REST_MS, figures, timed
from benchmarks.results import Row
from mnist_models.data import dataset, shifts
from mnist_models.data.corruptions import CORRUPTIONS
from mnist_models.runs import pretrained
from mnist_models.runs.loading import load_reader
from mnist_models.runs.store import RunStore
from mnist_models.settings.hyperparameters import NETWORKS

SLID, DISTORTED, TIMES = 300, 2_000, 30
# How the rows name the pairs of pretrained models.
PAIRS = {"shipped": "pair at its best", "teaching": "pair of the same training"}
PIXELS = {
    "quick": "pair trained on original pixels",
    "scrambled": "pair trained on shuffled pixels",
}
MODELS = {"shipped": "at their best", "teaching": "same training"}


def measure_claims(folder: Path) -> Iterator[Row]:
    """At how many positions each pretrained pair recognises a digit, and how robust and accurate
    the pairs are."""
    store = RunStore(f"sqlite:///{folder}/runs.sqlite3")
    readers = {run.id: load_reader(store, run.id) for run in store.pretrained_runs()}
    for pair in PAIRS:
        shares = {
            network: _recognised(readers[run_id])
            for network, run_id in pretrained.ids(pair).items()
        }
        text = ", ".join(
            f"{NETWORKS[network].title} {share.mean():.1%}" for network, share in shares.items()
        )
        farther = (shares["cnn"] > shares["dnn"]).mean()
        yield Row(
            f"Slide, {PAIRS[pair]}: positions at which a digit is classified correctly, mean of "
            f"{SLID} test digits",
            f"{text}; the CNN at more positions for {farther:.0%} of the digits",
        )
    for pair in ("quick", "scrambled"):
        accuracies = {
            network: store.run(run_id).test_accuracy
            for network, run_id in pretrained.ids(pair).items()
        }
        text = ", ".join(
            f"{NETWORKS[network].title} {accuracy:.2%}" for network, accuracy in accuracies.items()
        )
        yield Row(f"Shuffle the pixels, {PIXELS[pair]}: test accuracy", text)
    for name, corruption in CORRUPTIONS.items():
        means = {
            pair: {
                network: np.mean(
                    [_accuracy(readers[run_id], name, amount) for amount in corruption.amounts]
                )
                for network, run_id in pretrained.ids(pair).items()
            }
            for pair in PAIRS
        }
        text = "; ".join(
            f"{MODELS[pair]}: "
            + ", ".join(f"{NETWORKS[network].title} {mean:.1%}" for network, mean in found.items())
            for pair, found in means.items()
        )
        yield Row(
            f"{corruption.title}: {DISTORTED:,} test digits classified correctly, "
            "mean over the whole slider",
            text,
        )


def _recognised(reader) -> np.ndarray:
    """The share of positions at which each of the first test digits is classified correctly,
    float (SLID,)."""
    test = dataset.load().test
    return np.array(
        [
            (reader.probabilities(shifts.moved(image)).argmax(axis=1) == label).mean()
            for image, label in zip(test.images[:SLID], test.labels[:SLID], strict=True)
        ]
    )


def _accuracy(reader, name: str, amount: float) -> float:
    digits = dataset.load().test.part(0, DISTORTED)
    read = reader.probabilities(CORRUPTIONS[name].apply(digits.images, amount)).argmax(axis=1)
    return float((read == digits.labels).mean())


def measure_speed(folder: Path) -> Iterator[Row]:
    """Sliders of the lessons, and how long the slowest take for a digit that is new to them."""
    with apps.ready(apps.ours(folder)) as server, launched() as browser, visitor(browser) as page:
        for path, what, slider, shown in (
            (
                "breaking?distortion=turn",
                "Where does it break?, rotating the digit",
                "Rotation (°)",
                PICTURE,
            ),
            (
                "time_machine",
                "Time machine, another epoch",
                "Epoch",
                TEXTS,
            ),
        ):
            page.goto(f"{server.url}/{path}")
            page.get_by_role("slider", name=slider).wait_for()
            page.wait_for_function(DRAWN)
            yield Row(
                f"{what}: from a key press to both predictions",
                figures(keys(page, slider, shown)),
                asked="at most 150 ms and a round trip",
            )
        page.goto(f"{server.url}/slide")
        times_ms = []
        for _ in range(TIMES):
            page.wait_for_timeout(REST_MS)
            was = page.evaluate(METRICS)
            button = page.get_by_role("button", name="Example")
            times_ms.append(
                timed(page, "click", f"{METRICS}.join() !== {','.join(was)!r}", button.click)
            )
        yield Row(
            "Slide: from asking for another digit to both numbers, 441 positions each",
            figures(times_ms),
            asked="at most 700 ms",
        )
        yield Row(
            "Slide: dragging the digit, what both models predict is shown anew",
            f"{dragged(page):.0f} times a second",
            asked="at least 12 times a second",
        )


def keys(page: Page, name: str, shown: str) -> list[float]:
    """The milliseconds from pressing an arrow on a slider to something else being shown
    (JavaScript) than before."""
    slider = page.get_by_role("slider", name=name)
    slider.focus()
    times_ms = []
    for place in range(TIMES):
        page.wait_for_timeout(REST_MS)
        was = page.evaluate(shown)
        key = (
            "ArrowLeft" if place % 6 < 3 else "ArrowRight"
        )  # the time machine begins at its right end
        times_ms.append(
            timed(page, "keydown", f"{shown} !== {was!r}", lambda key=key: page.keyboard.press(key))
        )
    return times_ms


def dragged(page: Page) -> float:
    """How many times a second the digit and both predictions are drawn anew while it is dragged to
    and fro."""
    chart = page.locator("[data-testid=stVegaLiteChart] canvas")
    box = chart.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["width"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(COUNT_DRAWN, chart.element_handle())
    for step in range(DRAGGED_STEPS):
        page.mouse.move(x + 100 * np.sin(step / 8), y + 60 * np.cos(step / 11))
        page.wait_for_timeout(16)  # a mouse tells of itself about as often as a screen is drawn
    page.mouse.up()
    drawn, seconds = page.evaluate("window.drawn")
    return drawn / seconds


DRAGGED_STEPS = 200
# Counts, at each frame, whether the canvas shows something else than before.
COUNT_DRAWN = """canvas => {
    const begin = performance.now()
    let was = canvas.toDataURL()
    window.drawn = [0, 0]
    const look = () => {
        const is = canvas.toDataURL()
        window.drawn = [window.drawn[0] + (is !== was), (performance.now() - begin) / 1000]
        was = is
        requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
}"""
# The distorted digit, which stands beside both readings; they may stay the same.
PICTURE = "document.querySelector('.st-key-breaking img[alt=\"The distorted digit\"]').src"
# What the metrics say, with how sure they are, and of which epoch.
TEXTS = (
    "[...document.querySelectorAll('[data-testid=stMetric]')].map((shown) => "
    "shown.textContent.trim()).join()"
)

PARTS: dict[str, results.Part] = {"claims": measure_claims, "speed": measure_speed}

if __name__ == "__main__":
    results.main("lessons", __doc__, PARTS)
