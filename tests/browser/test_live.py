"""Readings that follow the pen: what the browser reads by itself, and that the server has the last
word."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from benchmarks import drawing
from benchmarks.visitor import DIGITS
from mnist_models.data import dataset, npz
from mnist_models.data.preprocessing import prepare_drawing
from mnist_models.models import portable
from mnist_models.models.classifier import Classifier, weights_of
from mnist_models.runs import loading, pretrained
from mnist_models.runs.store import RunStore
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from mnist_models.training.progress import Curve, Trained
from pages.parts.components import FOLDER
from pages.parts.live.reading import SCRIPTS
from tests.browser.hand import (
    SEVEN,
    ZERO,
    begin_to_draw,
    begin_to_touch,
    canvas,
    draw,
    end_touch,
    expect_reading,
    follow,
    open_draw,
    prediction,
)
from tests.conftest import with_random_statistics

# Between a test and the functions of the scripts.
BRIDGE = """
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
function prepared(ink) {
    const { image, strokePx } = prepare({ pixels: bytes(ink), width: 280, height: 280 })
    return { image: [...image], strokePx }
}
async function readAll([file, images]) {
    const stream = new Blob([bytes(file)]).stream().pipeThrough(new DecompressionStream("gzip"))
    const network = loadNetwork(await new Response(stream).arrayBuffer())
    return images.map((image) => probabilities(network, bytes(image)))
}
"""
# Whether what reads adds up in WebAssembly.
IN_WEBASSEMBLY = "ADDING !== null"
WHERE = ".st-key-probabilities-prediction-{} .inference"


def text(content: bytes | np.ndarray) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(params=["WebAssembly", "JavaScript"])
def reader(page: Page, request: pytest.FixtureRequest) -> Page:
    """A page with nothing but the scripts that read, in a browser that has WebAssembly or not."""
    if request.param == "JavaScript":
        page.evaluate("delete globalThis.WebAssembly")
    scripts = ((FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    page.add_script_tag(content="".join(scripts) + BRIDGE)
    assert page.evaluate(IN_WEBASSEMBLY) == (request.param == "WebAssembly")
    return page


def read(reader: Page, file: bytes, images: np.ndarray) -> np.ndarray:
    """The probabilities that the browser finds, (N, 10)."""
    return np.array(reader.evaluate("readAll", [text(file), [text(image) for image in images]]))


def drawings(count: int) -> Iterator[np.ndarray]:
    """Digits as people draw them, of several sizes and brushes: uint8 (280, 280), 0 is ink."""
    random = np.random.default_rng(0)
    for place in range(count):
        strokes = [
            (np.array(stroke) + random.normal(0, 5, (len(stroke), 2))).tolist()
            for stroke in DIGITS[place % len(DIGITS)]
        ]
        yield drawing.draw(strokes, drawing.WAYS[place // len(DIGITS) % 4], random)


@pytest.mark.parametrize("reader", ["WebAssembly"], indirect=True)
def test_the_browser_prepares_and_reads_200_drawings_as_the_server_does(reader, tmp_path):
    sheets = list(drawings(200))
    expected = [prepare_drawing(sheet) for sheet in sheets]
    found = [reader.evaluate("prepared", text(255 - sheet)) for sheet in sheets]
    images = np.array([one["image"] for one in found], np.uint8).reshape(-1, 28, 28)
    # Equal, with the Pillow of today; another one may round otherwise.
    distances = np.abs(images.astype(int) - [one.image for one in expected]).mean(axis=(1, 2))
    assert distances.max() <= 3
    assert [one["strokePx"] for one in found] == pytest.approx(
        [one.stroke_px for one in expected], abs=0.05
    )
    store = RunStore(f"sqlite:///{tmp_path}/runs.sqlite3")
    for run_id in (*pretrained.ids("shipped").values(), *pretrained.ids("teaching").values()):
        file = portable.pack(store.run(run_id).hyperparameters, store.weights(run_id))
        there = read(reader, file, images)
        here = loading.load_classifier(store, run_id).probabilities(
            np.array([one.image for one in expected])
        )
        assert (there.argmax(axis=1) == here.argmax(axis=1)).mean() >= 0.995
        # The weights of the browser have three digits.
        assert np.quantile(np.abs(there - here).max(axis=1), 0.99) <= 0.02


@pytest.mark.parametrize("seed", range(6))
def test_the_browser_reads_with_any_network_that_can_be_built(reader, seed):
    random = np.random.default_rng(seed)

    def any_of(*values):
        return values[random.integers(len(values))]

    common = {
        "activation": any_of("relu", "gelu", "silu", "tanh", "sigmoid"),
        "batch_norm": any_of(True, False),
        "scrambled": any_of(True, False),
    }
    if seed % 2:
        hyperparameters = DnnHyperparameters(
            hidden_units=random.integers(8, 60, random.integers(1, 4)).tolist(), **common
        )
    else:
        layers = [f"{random.integers(4, 20)}x{any_of(3, 5)}/{any_of(1, 2)}" for _ in range(2)]
        hyperparameters = CnnHyperparameters(
            conv_layers=(layers[0] + any_of("", "+pool2"), layers[1]),
            dense_units=any_of((), (16,), (20, 12)),
            **common,
        )
    network = with_random_statistics(hyperparameters)
    images = dataset.load().test.images[:30]
    file = portable.pack(hyperparameters, npz.write(weights_of(network)))
    here = Classifier(network, scrambles=hyperparameters.scrambled).probabilities(images)
    # The weights of the browser have three digits.
    np.testing.assert_allclose(read(reader, file, images), here, atol=5e-3)


def random_layer(
    random: np.random.Generator, units: int, inputs: int, **form: Any
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """A layer as such a file describes it, its bias (units,) and its weights (inputs, units)."""
    bias = random.normal(size=units).astype(np.float16)
    weights = random.normal(scale=inputs**-0.5, size=(inputs, units)).astype(np.float16)
    return {"units": units, "inputs": inputs, **form}, bias, weights


def computed(layers: list, image: np.ndarray) -> np.ndarray:
    """The probabilities (10,) that such layers find, in NumPy."""
    maps = image.astype(np.float64)[..., np.newaxis] / 255
    for form, bias, weights in layers:
        kernel, stride = form.get("kernel", len(maps)), form.get("stride", 1)
        windows = np.lib.stride_tricks.sliding_window_view(maps, (kernel, kernel), axis=(0, 1))
        shaped = weights.astype(np.float64).reshape(kernel, kernel, -1, form["units"])
        maps = np.einsum("yxcij,ijcu->yxu", windows[::stride, ::stride], shaped) + bias
        if form["activation"] == "relu":
            maps = np.maximum(maps, 0)
    return np.exp(maps[0, 0]) / np.exp(maps).sum()


@pytest.mark.parametrize(
    "convolutions",
    [
        [(1, 1, 1), (3, 2, 1), (17, 3, 2), (5, 4, 1)],
        [(33, 5, 2), (16, 6, 1), (1, 7, 3)],
        [(17, 7, 2), (33, 1, 3)],
    ],
)
def test_any_number_of_units_kernel_and_stride_is_added_up_rightly(reader, convolutions):
    random = np.random.default_rng(0)
    layers, side, channels = [], 28, 1
    for units, kernel, stride in convolutions:
        form = {"kernel": kernel, "stride": stride, "activation": "relu"}
        layers.append(random_layer(random, units, kernel**2 * channels, **form))
        side, channels = (side - kernel) // stride + 1, units
    layers.append(random_layer(random, 33, side**2 * channels, activation="relu"))
    layers.append(random_layer(random, 10, 33, activation="none"))
    header = json.dumps([form for form, *_ in layers]).encode()
    numbers = [array.tobytes() for _, *arrays in layers for array in arrays]
    file = b"".join([len(header).to_bytes(4, "little"), header, *numbers])
    blank, full = np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)
    images = np.array([blank, full, *dataset.load().test.images[:2]])
    expected = [computed(layers, image) for image in images]
    # The browser adds up in float32.
    np.testing.assert_allclose(read(reader, gzip.compress(file), images), expected, atol=1e-5)


def test_both_digits_follow_the_pen_and_only_the_end_of_the_stroke_is_told(page, server):
    told = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: told.append(frame)))
    with page.expect_response("**/media/*.gz"), page.expect_response("**/media/*.gz"):
        open_draw(page, server.url)
    expect_reading(page, "–")
    (worker,) = page.workers
    assert worker.evaluate(IN_WEBASSEMBLY)
    begin_to_draw(page, SEVEN[0])
    for network in ("dnn", "cnn"):
        expect(prediction(page, network)).to_have_text("7")
    expect(page.locator(".st-key-steps figcaption").first).to_contain_text("Crop to the ink: 14")
    for network in ("dnn", "cnn"):
        expect(page.locator(WHERE.format(network))).to_contain_text("in your browser")
        bars = page.get_by_role("img", name=f"according to the {network.upper()}")
        expect(bars).to_have_attribute("aria-label", re.compile(r"7 (\d{2}|100)\.\d%"))
    assert page.locator(".told").text_content() == ""  # nobody wants to hear each of them
    assert not [frame for frame in told if b"strokeWidth" in frame]
    page.mouse.up()
    for network in ("dnn", "cnn"):
        expect(page.locator(WHERE.format(network))).to_contain_text("on the server")
    expect(page.get_by_text("both say 7")).to_be_visible()
    assert page.locator(".told").text_content() == "DNN: 7. CNN: 7."
    # What was said of the drawing as it was before is not seen while it grows.
    begin_to_draw(page, [(130, 230), (220, 232)])
    expect(page.get_by_text("both say 7")).to_be_hidden()
    page.mouse.up()
    expect(page.locator(".st-key-agreement")).to_be_visible()


def test_the_readings_follow_a_finger_too(phone, server):
    with phone.expect_response("**/media/*.gz"), phone.expect_response("**/media/*.gz"):
        open_draw(phone, server.url)
    expect_reading(phone, "–")
    canvas(phone).scroll_into_view_if_needed()
    finger = begin_to_touch(phone, canvas(phone), [(170, y) for y in range(50, 300, 12)])
    expect(prediction(phone, "dnn")).to_have_text("1")
    expect(phone.locator(WHERE.format("cnn"))).to_contain_text("in your browser")
    end_touch(finger)
    expect(phone.locator(WHERE.format("cnn"))).to_contain_text("on the server")
    expect_reading(phone, "1")


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b damaged"])
def test_without_its_weights_the_browser_leaves_reading_to_the_server(page, server, damage):
    page.route("**/media/*.gz", lambda route: route.fulfill(body=damage))
    open_draw(page, server.url)
    expect_reading(page, "–")
    draw(page, SEVEN)
    expect_reading(page, "7")
    expect(page.locator(WHERE.format("cnn"))).to_contain_text("on the server")


def test_a_model_that_comes_while_the_pen_rests_reads_what_is_there(page, server):
    held = []
    page.route("**/media/*.gz", lambda route: held.append(route))
    with page.expect_request("**/media/*.gz"), page.expect_request("**/media/*.gz"):
        open_draw(page, server.url)
    expect_reading(page, "–")
    begin_to_draw(page, SEVEN[0])
    expect_reading(page, "–")
    for route in held:
        route.continue_()
    for network in ("dnn", "cnn"):
        expect(prediction(page, network)).to_have_text("7")
        expect(page.locator(WHERE.format(network))).to_contain_text("in your browser")
    page.mouse.up()
    expect(page.locator(WHERE.format("cnn"))).to_contain_text("on the server")


def test_shuffled_models_follow_the_pen_with_what_they_see(page, server):
    page.goto(f"{server.url}/scramble")
    for name in ("original-dnn", "shuffled-cnn"):
        expect(prediction(page, name)).to_have_text("4")
    expect(page.locator(".st-key-shuffled canvas")).to_have_count(2)
    page.get_by_role("button", name="Clear").click()
    expect(prediction(page, "shuffled-cnn")).to_have_text("–")
    begin_to_draw(page, ZERO[0])
    for name in ("original-dnn", "original-cnn", "shuffled-dnn"):
        expect(prediction(page, name)).to_have_text("0")
    expect(prediction(page, "shuffled-cnn")).to_have_text(re.compile("[0-9]|not sure"))
    page.mouse.up()
    pixels = page.evaluate(
        "[...document.querySelectorAll('.st-key-shuffled canvas')].map((one) => "
        "[...one.getContext('2d').getImageData(0, 0, 28, 28).data])"
    )
    original, shuffled = np.array(pixels).reshape(2, 28, 28, 4)[..., 0]
    np.testing.assert_array_equal(dataset.scrambled(original[np.newaxis])[0], shuffled)


def test_a_dense_dark_page_from_right_to_left_reads_half_a_canvas_and_after_it_was_frozen(
    chromium, server
):
    with chromium.new_context(
        viewport={"width": 1280, "height": 420}, device_scale_factor=3, color_scheme="dark"
    ) as context:
        page = context.new_page()
        with page.expect_response("**/media/*.gz"), page.expect_response("**/media/*.gz"):
            open_draw(page, server.url)
        expect_reading(page, "–")
        page.evaluate("document.documentElement.dir = 'rtl'")
        middle = canvas(page).bounding_box()["y"] + 150
        page.get_by_test_id("stMain").evaluate("(main, by) => main.scrollBy(0, by)", middle)
        assert -160 < canvas(page).bounding_box()["y"] < -140  # its upper half is out of sight
        tab = context.new_cdp_session(page)
        for state in ("frozen", "active"):
            tab.send("Page.setWebLifecycleState", {"state": state})
        begin_to_draw(page, [(140, y) for y in range(160, 260, 10)])
        for network in ("dnn", "cnn"):
            expect(page.locator(WHERE.format(network))).to_contain_text("in your browser")
            expect(prediction(page, network)).to_have_text("1")
        page.mouse.up()
        for network in ("dnn", "cnn"):
            expect(page.locator(WHERE.format(network))).to_contain_text("on the server")
        expect_reading(page, "1")


def test_a_model_that_is_deleted_while_it_is_drawn_for_reads_on_until_the_page_is_reloaded(
    page, server
):
    store = RunStore(f"sqlite:///{server.folder}/runs.sqlite3")
    shipped = store.run(pretrained.ids("shipped")["dnn"])
    hyperparameters = shipped.hyperparameters
    trained = Trained(
        weights=store.weights(shipped.id),
        predictions=store.predictions(shipped.id),
        curve=Curve.empty(hyperparameters),
        stopped=False,
        **shipped.measured._asdict(),
    )
    run = store.add(hyperparameters, "Soon gone", trained)
    page.goto(f"{server.url}/train?run={run.id}")
    with page.expect_response("**/media/*.gz"), page.expect_response("**/media/*.gz"):
        page.locator(".st-key-draw-for button").click()
    expect(page.locator(".st-key-change-models")).to_contain_text("Soon gone")
    expect_reading(page, "–")
    store.delete([run.id])
    begin_to_draw(page, SEVEN[0])
    expect(page.locator(WHERE.format("dnn"))).to_contain_text("in your browser")
    expect(prediction(page, "dnn")).to_have_text("7")
    page.mouse.up()
    expect(page.locator(WHERE.format("dnn"))).to_contain_text("on the server")
    expect_reading(page, "7")
    page.reload()
    expect_reading(page, "7")  # the device has kept the drawing
    expect(page.locator(".st-key-change-models")).not_to_contain_text("Soon gone")


def test_another_page_and_back_reads_on(page, server):
    open_draw(page, server.url)
    follow(page, "Compare")
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    follow(page, "Draw")
    canvas(page).wait_for()
    expect_reading(page, "–")
    begin_to_draw(page, SEVEN[0])
    expect(page.locator(WHERE.format("dnn"))).to_contain_text("in your browser")
    page.mouse.up()
    expect(page.locator(WHERE.format("dnn"))).to_contain_text("on the server")
