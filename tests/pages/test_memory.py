"""What a device remembers over a reload; the device itself is tested in a browser."""

import json
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset, strokes
from pages.parts import canvas, memory
from tests.pages.conftest import APP
from tests.pages.test_outcome import tally, tell


class Device:
    """What stands in for the browser: it remembers what it is given, and tells it when asked."""

    def __init__(self, kept: str | None = None) -> None:
        self.kept = kept

    def __call__(self, *, key, data, **_) -> None:
        if data["kept"] is not None:
            self.kept = data["kept"]
        elif self.kept:
            st.session_state[key] = SimpleNamespace(told=self.kept)


@pytest.fixture
def device(monkeypatch) -> Device:
    this = Device()
    monkeypatch.setattr(memory, "_device", lambda: this)
    return this


def opened(page: str = "app.py") -> AppTest:
    """A page that has just been opened or reloaded."""
    app = AppTest.from_file(APP, default_timeout=60)
    if page != "app.py":
        app.switch_page(page)
    app.run()  # the device tells what it remembers
    app.run()
    assert not app.exception
    return app


def drawn(app: AppTest) -> None:
    """A 4 of two strokes, as the visitor's own drawing."""
    app.session_state["board"] = board = canvas.Board()
    objects = canvas.objects_of(strokes.EXAMPLES[0].drawing(20).strokes)
    board.send({"objects": objects})
    board.preparation = canvas.prepare_ink(strokes.ink(strokes.from_canvas(objects)))
    board.is_new = False
    app.run()
    assert not app.exception


@pytest.mark.parametrize("page", ["app.py", "pages/slide.py", "pages/strokes.py"])
def test_a_reload_brings_back_the_drawing_on_every_page(device, page):
    drawn(app := opened())
    objects = app.session_state["board"].drawing["objects"]
    again = opened(page).session_state["board"]
    assert again.drawing["objects"] == objects
    assert again.preparation is not None and again.label is None


def test_a_reload_brings_back_what_was_said_of_drawings_and_the_tally(device):
    drawn(app := opened())
    tell(app, 4)
    before = tally(app)
    assert "1 drawing:" in before[0]
    again = opened()
    assert tally(again) == before
    assert again.session_state["board"].told == 4


def test_the_pair_that_was_chosen_is_remembered_unless_the_address_names_another(device):
    drawn(app := opened())
    app.segmented_control(key="pair").set_value("same").run()
    assert opened().segmented_control(key="pair").value == "same"
    again = AppTest.from_file(APP, default_timeout=60)
    again.query_params["pair"] = "best"
    again.run()
    again.run()
    assert not again.exception and again.segmented_control(key="pair").value == "best"


def test_a_test_digit_is_itself_again(device):
    opened().button(key="example").click().run()
    index = json.loads(device.kept)["index"]
    board = opened().session_state["board"]
    assert (board.index, board.label) == (index, dataset.load().test.labels[index])


def test_an_example_that_a_lesson_shows_for_now_takes_nobodys_place(device):
    drawn(opened())
    kept = device.kept
    app = opened("pages/slide.py")
    assert app.session_state["board"].index is None
    app.button(key="lesson-example").click().run()
    assert device.kept != kept  # what was chosen is remembered


def test_what_was_cleared_stays_cleared(device):
    drawn(app := opened())
    app.button(key="clear").click().run()
    assert opened().session_state["board"].drawing["objects"] == []


@pytest.mark.parametrize(
    "kept",
    [
        "not JSON",
        "[]",
        '{"objects": [{"path": "M 0 0"}]}',
        json.dumps(
            {"objects": [{"path": [["M", 1]]}], "origin": "", "label": None, "index": None}
            | {"told": {}, "tally": []}
        ),
        json.dumps(
            {"objects": [{"src": "file:///nowhere"}], "origin": "", "label": None, "index": None}
            | {"told": {}, "tally": []}
        ),
        json.dumps(
            {"objects": [], "origin": "", "label": None, "index": 10_000, "told": {}, "tally": []}
        ),
    ],
)
def test_what_no_page_has_written_is_left_alone(device, kept):
    device.kept = kept
    board = opened().session_state["board"]
    assert board.preparation is None and board.drawing["objects"] == []


def test_what_is_too_much_is_not_remembered(device, monkeypatch):
    monkeypatch.setattr(memory, "MOST_CHARACTERS", 10)
    drawn(opened())
    assert device.kept == ""
