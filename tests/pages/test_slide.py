"""The lesson that slides a digit, without a browser."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset, shifts
from pages.parts import canvas, resources
from pages.parts.lessons import cached, charts, frame
from tests.pages.conftest import TINY, lesson, true_digit

LABELS = dataset.load().test.labels


def page() -> AppTest:
    return lesson("slide")


def shares(app: AppTest) -> list[float]:
    return [float(metric.value.rstrip("%")) for metric in app.metric]


def expected(run_id: str, image: np.ndarray, label: int) -> float:
    """The percentage of positions, one by one, at which a model predicts the digit."""
    reader = resources.classifier(run_id)
    padded = np.pad(image, 10)
    read = [
        reading.digit == label and reading.is_confident
        for dx, dy in shifts.SHIFTS
        for reading in [reader.read(padded[10 - dy : 38 - dy, 10 - dx : 38 - dx])]
    ]
    return round(100 * float(np.mean(read)), 1)


def said(reading) -> str:
    return f"reads **{reading.digit}**" if reading.is_confident else "is **not sure**"


def test_who_comes_without_a_drawing_gets_an_example_read_at_every_place():
    app = page().run()
    assert not app.exception
    image = canvas.prepare_picture(
        canvas.Image.fromarray(dataset.load().test.images[frame.EXAMPLE])
    ).image
    assert true_digit(app).value == LABELS[frame.EXAMPLE] == 4
    dnn, cnn = (expected(f"shipped-{network}", image, 4) for network in ("dnn", "cnn"))
    assert shares(app) == [dnn, cnn] and dnn < cnn
    assert any(
        "Without re-centring, the CNN tolerates larger shifts of this digit" in text.value
        for text in app.markdown
    )


def test_prepared_it_is_read_everywhere():
    app = page().run()
    app.toggle(key="slide-prepared").set_value(True).run()
    assert not app.exception
    assert shares(app) == [100.0, 100.0]
    assert any("Re-centring undoes the shift" in text.value for text in app.markdown)


def test_whoever_drew_something_else_says_so():
    app = page().run()
    true_digit(app).select(1).run()
    assert not app.exception
    assert [metric.label for metric in app.metric] == [
        "Positions where the DNN recognises the 1",
        "Positions where the CNN recognises the 1",
    ]
    assert max(shares(app)) < 50


@pytest.mark.parametrize(
    ("dx", "dy", "where"),
    [(0, 0, "At its original position"), (7, -3, "Shifted 7 px to the right and 3 px up")],
)
def test_a_place_can_be_chosen_without_pointing_at_it(dx, dy, where):
    app = page().run()
    app.slider(key="slide-right").set_value(dx)
    app.slider(key="slide-down").set_value(dy).run()
    assert not app.exception
    padded = np.pad(app.session_state["board"].preparation.image, 10)
    dnn, cnn = (
        resources.classifier(f"shipped-{network}").read(
            padded[10 - dy : 38 - dy, 10 - dx : 38 - dx]
        )
        for network in ("dnn", "cnn")
    )
    assert any(
        text.value
        == f"{where}, the DNN {said(dnn)} ({dnn.probability:.1%}) and the CNN {said(cnn)} "
        f"({cnn.probability:.1%})."
        for text in app.markdown
    )


def test_another_example_is_the_digit_of_the_draw_page_too():
    app = page().run()
    app.button(key="lesson-example").click().run()
    assert not app.exception
    board = app.session_state["board"]
    assert board.label == true_digit(app).value and f"label {board.label}" in board.origin


def test_the_example_shows_what_the_lesson_is_about_with_models_of_the_same_training():
    app = page()
    app.session_state["reads-chosen"] = False
    app.run()
    assert not app.exception
    dnn, cnn = shares(app)
    assert 0 < dnn < cnn / 2 and any(
        "the CNN tolerates larger" in one.value for one in app.markdown
    )


def test_a_run_of_the_visitors_is_read_everywhere_too(finished_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    assert not app.exception
    image = app.session_state["board"].preparation.image
    assert shares(app)[0] == expected(finished_run.id, image, 4)


def test_the_name_of_a_run_is_no_markdown(store, trained):
    run = store.create(TINY, "![x](https://example.org)")
    store.finish(run.id, trained)
    app = page().run()
    app.selectbox(key="reads-dnn").select(run.id).run()
    assert not app.exception
    (told,) = [text.value for text in app.markdown if "was trained with" in text.value]
    assert "\\!\\[x\\]" in told and "![x]" not in told


def test_without_a_store_the_shipped_networks_still_read(broken_store):
    app = page().run()
    assert not app.exception
    assert len(shares(app)) == 2 and "cannot be used" in app.warning[0].value


@pytest.mark.parametrize("close", [0.0, 0.01])
def test_no_network_is_said_to_be_better_where_none_is(close, monkeypatch):
    monkeypatch.setattr(
        cached,
        "read_everywhere",
        lambda run_id, image, prepared: _certain(close if "dnn" in run_id else 0),
    )
    app = page().run()
    assert not app.exception
    assert any("both tolerate the same shifts" in text.value for text in app.markdown)


def _certain(wrong: float) -> np.ndarray:
    """A 2 is predicted at all positions but a share of them."""
    read = np.zeros((441, 10), np.float32)
    read[:, 2] = 1
    read[: round(441 * wrong)] = np.eye(10)[3]
    return read


def test_another_digit_gets_its_own_chart_without_building_one():
    said = [{"dnn": "2, 90.0%", "cnn": "2, 99.0%"}] * len(shifts.SHIFTS)
    first, other = (
        charts.dragged(picture, said, shift, 280)
        for picture, shift in (("data:a", (0, 0)), ("data:b", (3, -2)))
    )
    assert first["layer"] is other["layer"]  # building it takes as long as both models together
    values = {param["name"]: param.get("value") for param in other["params"]}
    assert values["picture"] == "data:b" and values["place"] == [{"dx": 3, "dy": -2}]
    assert {param["name"]: param.get("value") for param in first["params"]}["picture"] == "data:a"
