"""How soon the page answers, measured in a browser beside the plain app: a stroke, a slider, a
page, a start from nothing.

The browser runs on the same machine, as on a teacher's laptop, and measures by its own clock, to
the frame in which the answer is seen.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Locator, Page

from benchmarks import apps, results
from benchmarks.browser import launched, visitor
from benchmarks.results import Row
from tests.browser.hand import canvas, draw
from tests.browser.server import Server

OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument(
    "--earlier",
    type=Path,
    metavar="FOLDER",
    help="an earlier version of this project, with what it needs in .venv: strokes are drawn in it "
    "too, by turns; that part is left out without",
)
TIMES, STARTS = 30, 5
# A training that lasts longer than what is measured, in a link that every version of the project
# understands, and what Train says meanwhile.
LONG = "network=cnn&epochs=100&conv_layers=32x3%2C64x3%2Bpool3&dense_units=128"
LEARNING = re.compile(r"Epoch [\d.]+ of 100 · [\d,]+ images")
# A 1, and what makes a 4 of it: both apps read both rightly, so what is seen changes when the
# stroke was read.
ONE, MORE = [[(150, 55), (150, 230)]], [[(150, 55), (70, 165), (215, 165)]]
READ, READ_THEN = "1", "4"
# One that changes no reading.
DOT = [[(195, 222), (200, 222)]]
# Where, in the height of a slider with its label, its track is.
TRACK = 0.6
# Of all CNNs that Train offers below a million parameters, the one with the most multiplications:
# 379 million for a digit.
HEAVIEST, HEAVIEST_NAME = "128x3,128x7,128x3,32x3+pool3", "Heaviest"
FOLLOWED = "While drawing, from a movement to both readings in the browser"
# So long nobody does anything before what is measured.
REST_MS = 700
# Resolves with the milliseconds from an event to the frame in which the page shows what it should:
# `shows`, an expression. What is in the canvas component is hidden from observers, so a clock looks
# too (not each frame: that would make frames).
STOPWATCH = """
([event, shows]) => {
    window.answered = new Promise((resolve, reject) => {
        const begin = () => {
            const begun = performance.now(), isThere = new Function("return " + shows);
            const give_up = () => { stop(); reject(new Error("never shown: " + shows)); };
            const late = setTimeout(give_up, 30000);
            const stop = () => { clearTimeout(late); clearInterval(clock); observer.disconnect(); };
            const look = () => {
                if (!isThere()) return;
                stop();
                requestAnimationFrame(() => {
                    const painted = new MessageChannel();
                    painted.port1.onmessage = () => resolve(performance.now() - begun);
                    painted.port2.postMessage(null);
                });
            };
            const observer = new MutationObserver(look), clock = setInterval(look, 10);
            observer.observe(document, {childList: true, subtree: true, characterData: true});
        };
        document.addEventListener(event, begin, {capture: true, once: true});
    });
}
"""
# Notes when the mouse is moved with its button down, and of each reading in the browser when it was
# given the ink, when what it read was painted, and how long it took to read.
NOTED = """
    window.moved = [];
    window.shown = [];
    const note = (event) => event.buttons && window.moved.push(performance.now());
    document.addEventListener("pointermove", note, true);
    const give = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (data, ...rest) {
        const given = performance.now();
        const hear = ({data: {ms}}) => requestAnimationFrame(() => {
            const painted = new MessageChannel();
            painted.port1.onmessage = () => window.shown.push([given, performance.now(), ms]);
            painted.port2.postMessage(null);
        });
        if (data.ink) this.addEventListener("message", hear, {once: true});
        return give.call(this, data, ...rest);
    };
"""
METRICS = (
    "[...document.querySelectorAll('[data-testid=stMetricValue]')].map((shown) => "
    "shown.textContent.trim())"
)
ON_SERVER = (
    "[...document.querySelectorAll('.inference')].every((shown) => "
    "shown.textContent.includes('server'))"
)
METRIC_NAMES = (
    "[...document.querySelectorAll('[data-testid=stMetricLabel]')].map((shown) => "
    "shown.textContent.trim())"
)
CHARTS = "[...document.querySelectorAll('[data-testid=stVegaLiteChart]')]"
# Of the charts, those that the window shows.
DRAWN = (
    f"{CHARTS}.every((chart) => chart.querySelector('svg, canvas') || "
    "chart.getBoundingClientRect().top > innerHeight)"
)
CANVAS = (
    "[...document.querySelectorAll('.st-key-canvas *')].some((one) => "
    "one.shadowRoot?.querySelector('canvas.upper-canvas'))"
)
# When each page is there: all that the window shows of it, to the last chart.
OPENS = {
    "Draw": f"{CANVAS} && document.querySelectorAll('.digit-bars .rows').length === 2",
    "Train": f"{METRIC_NAMES}.some((name) => name.startsWith('Total parameters'))",
    "Compare": f"{CHARTS}.length >= 1 && {DRAWN} && "
    "document.querySelector('[class*=-boxes] svg.marks')",
}


def timed(page: Page, event: str, shows: str, act: Callable[[], None]) -> float:
    """Does something; the milliseconds from the browser's event to the frame that shows what is to
    be seen (JavaScript)."""
    page.evaluate(STOPWATCH, [event, shows])
    act()
    return page.evaluate("window.answered")


def figures(times_ms: Sequence[float]) -> str:
    """Median and 95th percentile, as the table has them."""
    return f"{np.median(times_ms):.0f} ms, 95 % within {np.percentile(times_ms, 95):.0f} ms"


def reads(digit: str) -> str:
    """JavaScript for: both networks read this digit, on the server where a page says where."""
    return f"{METRICS}.join() === '{digit},{digit}' && {ON_SERVER}"


def stroke(page: Page, url: str) -> float:
    """The milliseconds from mouse-up to both readings, of a stroke drawn by a visitor who has drawn
    before."""
    page.goto(url)
    canvas(page).wait_for()
    page.wait_for_timeout(REST_MS)
    draw(page, ONE)
    page.wait_for_function(reads(READ))
    page.wait_for_timeout(REST_MS)
    return timed(page, "mouseup", reads(READ_THEN), lambda: draw(page, MORE))


def measure_strokes(folder: Path) -> Iterator[Row]:
    """Ours and the plain app by turns; then ours while a network is trained."""
    apps.export_networks(folder)
    with apps.ready(apps.ours(folder)) as ours, apps.ready(apps.plain(folder)) as plain:
        (our_ms, our_cpu), (plain_ms, plain_cpu) = by_turns(ours, plain)
        yield Row(
            "From mouse-up to both predictions", figures(our_ms), figures(plain_ms), "median 95 ms"
        )
        yield Row(
            "Processor time of the server for a stroke, with everything Streamlit does after it",
            f"median {np.median(our_cpu):.0f} ms",
            f"median {np.median(plain_cpu):.0f} ms",
        )
        [(our_ms, _)] = by_turns(ours, trains=True)
        yield Row(
            "From mouse-up to both predictions while a model is being trained",
            figures(our_ms),
            asked="median 300 ms",
        )


def measure_earlier(folder: Path) -> Iterator[Row]:
    """The same, with an earlier version in the place of the plain app."""
    tree = OPTIONS.parse_known_args()[0].earlier
    if not tree:
        return
    (folder / "earlier").mkdir()
    with (
        apps.ready(apps.ours(folder)) as ours,
        apps.ready(apps.earlier(folder / "earlier", tree), is_drawn_on=False) as earlier,
    ):
        for trains, when, most in ((False, "", 0.35), (True, " while each trains a model", 0.45)):
            (our_ms, our_cpu), (earlier_ms, earlier_cpu) = by_turns(ours, earlier, trains=trains)
            yield Row(
                f"From mouse-up to both predictions{when}, and (as plain) in an earlier version",
                f"{figures(our_ms)}; {np.median(our_ms) / np.median(earlier_ms):.2f} of plain",
                figures(earlier_ms),
                f"median {most} of plain",
            )
            if not trains:
                yield Row(
                    "Processor time of the server for a stroke, and (as plain) in an earlier "
                    "version",
                    f"mean {np.mean(our_cpu):.1f} ms; "
                    f"{np.mean(our_cpu) / np.mean(earlier_cpu):.2f} of plain",
                    f"mean {np.mean(earlier_cpu):.1f} ms",
                    "0.6 of plain",
                )


def by_turns(*servers: Server, trains: bool = False) -> list[tuple[list[float], list[float]]]:
    """Of each server, the milliseconds from mouse-up to both readings of each stroke, and the
    milliseconds of its processor time for each third one. trains: whether each trains a model
    meanwhile; then the time of the processor is not told apart, and there is none."""
    found: list[tuple[list[float], list[float]]] = [([], []) for _ in servers]
    with launched() as browser, ExitStack() as pages:
        sides = [
            (pages.enter_context(visitor(browser)), server, *measured)
            for server, measured in zip(servers, found, strict=True)
        ]
        for page, server, *_ in sides:
            if trains:
                begin_training(page, server)
            stroke(page, server.url)  # to warm up
        for place in range(TIMES):
            for page, server, times_ms, cpu_ms in sides:
                times_ms.append(stroke(page, server.url))
                if place % 3 == 0 and not trains:
                    cpu_ms.append(stroke_cpu_ms(page, server))
        if trains:
            for page, server, *_ in sides:
                page.goto(f"{server.url}/train")
                page.get_by_text(LEARNING).wait_for()  # otherwise it was over too soon
    return found


def measure_live(folder: Path) -> Iterator[Row]:
    """While a digit is drawn: from each movement of the mouse to the frame that shows what both
    models, in the browser, read of the ink that it left."""
    train_heaviest(folder)
    with apps.ready(apps.ours(folder)) as ours, launched() as browser, visitor(browser) as page:
        page.add_init_script(NOTED)
        for pair, title in (("best", "the pair at its best"), ("same", "the same training")):
            page.goto(f"{ours.url}/?pair={pair}")
            canvas(page).wait_for()
            yield Row(f"{FOLLOWED}, {title}", follow(page), asked="median 30 ms, 95 % within 60 ms")
        choose_cnn(page, HEAVIEST_NAME)
        yield Row(
            f"{FOLLOWED}, the heaviest CNN below 1,000,000 parameters ({HEAVIEST}) and a DNN",
            follow(page),
            asked="median 60 ms",
        )


def train_heaviest(folder: Path) -> None:
    """Trains the heaviest CNN, no longer than it takes to be one, into the store of an app."""
    command = [sys.executable, "-m", "mnist_models", "train", "cnn", "--name", HEAVIEST_NAME]
    options = {"conv-layers": HEAVIEST, "dense-units": "", "train-images": "1000", "epochs": "1"}
    subprocess.run(
        [*command, *(f"--{name}={value}" for name, value in options.items())],
        check=True,
        env={**os.environ, "DATABASE_URL": f"sqlite:///{folder}/runs.sqlite3"},
    )


def choose_cnn(page: Page, name: str) -> None:
    """Has the CNN of this name read, on Draw."""
    page.locator(".st-key-change-models button").click()
    page.get_by_role("combobox", name="CNN model").click()
    page.get_by_role("option", name=name).click()
    page.keyboard.press("Escape")


def follow(page: Page) -> str:
    """The milliseconds from movements to readings of what is drawn on a page with `NOTED`, and how
    many readings there are, as the table has them."""
    page.wait_for_timeout(5 * REST_MS)  # until the models have come
    waits_ms, readings_ms = [], []
    for _ in range(TIMES // 2):
        draw_slowly(page)
        moved, shown = page.evaluate("[window.moved, window.shown]")
        readings_ms += [ms for *_, ms in shown]
        waits_ms += [
            min(painted for given, painted, _ in shown if given >= at) - at
            for at in moved
            if shown and at <= shown[-1][0]
        ]
        page.wait_for_timeout(REST_MS)
        page.get_by_role("button", name="Clear").click()
        page.wait_for_timeout(REST_MS)
    per_stroke = len(readings_ms) / (TIMES // 2)
    return (
        f"{figures(waits_ms)}; {per_stroke:.0f} readings a stroke, "
        f"each in {np.median(readings_ms):.1f} ms"
    )


def draw_slowly(page: Page) -> None:
    """Draws an 8 in about a second, and forgets what was noted of the stroke before."""
    page.evaluate("window.moved.length = window.shown.length = 0")
    box = canvas(page).bounding_box()
    turn = np.linspace(0, 2 * np.pi, 40)
    way = np.stack([box["x"] + 140 + 42 * np.sin(2 * turn), box["y"] + 140 + 90 * np.cos(turn)])
    page.mouse.move(*way[:, 0])
    page.mouse.down()
    for place in way.T[1:]:
        page.mouse.move(*place)
        page.wait_for_timeout(8)
    page.wait_for_timeout(150)
    page.mouse.up()


def stroke_cpu_ms(page: Page, server: Server) -> float:
    """The milliseconds of processor time that the server takes for one more stroke, until it is
    quiet again."""
    page.wait_for_timeout(REST_MS)
    process = apps.family(server)[:1]
    before_s = apps.cpu_s(process)
    draw(page, DOT)
    page.wait_for_timeout(2 * REST_MS)
    return (apps.cpu_s(process) - before_s) * 1000


def begin_training(page: Page, server: Server) -> None:
    """Starts a training that lasts longer than what is measured."""
    page.goto(f"{server.url}/train?{LONG}")
    page.locator(".st-key-train-start button").click()
    page.get_by_text(LEARNING).wait_for()


def measure_pages(folder: Path) -> Iterator[Row]:
    """Sliders, and going from page to page, when all is loaded."""
    with apps.ready(apps.ours(folder)) as server, launched() as browser, visitor(browser) as page:
        page.goto(f"{server.url}/train?network=dnn")
        page.get_by_text("Total parameters").wait_for()
        yield Row(
            "From moving a slider on Train to the new number of parameters",
            figures(slide(page)),
            asked="at most 100 ms",
        )
        page.goto(server.url)
        canvas(page).wait_for()
        page.wait_for_timeout(REST_MS)
        draw(page, ONE)
        page.wait_for_function(reads(READ))
        opened: dict[str, list[float]] = {title: [] for title in ("Train", "Compare", "Draw")}
        for _ in range(TIMES + 1):
            for title, times_ms in opened.items():
                page.wait_for_timeout(REST_MS)
                times_ms.append(
                    timed(page, "click", OPENS[title], page.get_by_role("link", name=title).click)
                )
        for title, times_ms in opened.items():
            yield Row(
                f"Opening {title} from another page: everything that the window shows",
                figures(times_ms[1:]),
                asked="at most 400 ms",
            )


def slide(page: Page) -> list[float]:
    """The milliseconds from letting a slider go to the new number of parameters, each of a network
    not built before."""
    first, second = (
        page.get_by_role("slider", name=f"Units in layer {number}") for number in (1, 2)
    )
    times_ms = []
    for place in range(TIMES):
        # The second slider, untimed, makes every combination a new one.
        move(page, second, place // 6)
        page.wait_for_timeout(REST_MS)
        was = page.evaluate(METRICS)[0]
        times_ms.append(
            timed(
                page,
                "pointerup",
                f"{METRICS}[0] !== '{was}'",
                partial(move, page, first, place % 6),
            )
        )
    return times_ms


def move(page: Page, slider: Locator, place: int) -> None:
    """Puts a slider, whatever it shows, to one of six places along its track."""
    track = slider.locator("xpath=ancestor::*[@data-testid='stSlider']")
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    page.mouse.move(
        box["x"] + box["width"] * (0.15 + 0.1 * place), box["y"] + box["height"] * TRACK
    )
    page.mouse.down()
    page.mouse.up()


def measure_starts(folder: Path) -> Iterator[Row]:
    """From starting the server to the canvas, and to the first prediction; beside importing
    Streamlit and TensorFlow."""
    apps.export_networks(folder)
    imports, ours, plain = [], [], []
    with launched() as browser:
        for place in range(STARTS):
            imports.append(import_s())
            sides = [(apps.ours, ours), (apps.plain, plain)]
            for start, times_s in reversed(sides) if place % 2 else sides:
                times_s.append(start_s(browser, start, folder))
                print(start.__name__, times_s[-1], "importing takes", imports[-1], flush=True)
    importing_s = statistics.median(imports)
    for place, (what, times) in enumerate((("the canvas", 0.7), ("the first prediction", 1.5))):
        our_s, plain_s = (
            statistics.median(times_s[place] for times_s in side) for side in (ours, plain)
        )
        yield Row(
            f"From starting the server to {what}, as a multiple of the time to import streamlit "
            f"and tensorflow (medians of {STARTS})",
            f"{our_s / importing_s:.2f} ({our_s:.1f} of {importing_s:.1f} s)",
            f"{plain_s / importing_s:.2f} ({plain_s:.1f} s)",
            f"at most {times:g}",
        )


def import_s() -> float:
    """The seconds in which Python starts and imports Streamlit and TensorFlow."""
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "import streamlit, tensorflow"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - started


def start_s(browser: Browser, start: Callable[[Path], Server], folder: Path) -> tuple[float, float]:
    """The seconds from starting a server to the canvas on screen, and to both readings of what is
    drawn on it at once."""
    started = time.monotonic()
    server = start(folder)
    try:
        with visitor(browser) as page:
            page.goto(server.url)
            canvas(page).wait_for()
            canvas_s = time.monotonic() - started
            draw(page, ONE)
            page.wait_for_function(reads(READ))
            return canvas_s, time.monotonic() - started
    finally:
        apps.end(server)


PARTS: dict[str, results.Part] = {
    "strokes": measure_strokes,
    "earlier": measure_earlier,
    "live": measure_live,
    "pages": measure_pages,
    "starts": measure_starts,
}

if __name__ == "__main__":
    results.main("page", __doc__, PARTS, [OPTIONS])
