"""The lesson that replays a drawing, without a browser."""

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import strokes
from mnist_models.data.strokes import Stroke
from pages.parts import canvas, resources
from pages.parts.lessons import cached
from tests.pages.conftest import lesson

FOUR, FIVE, SEVEN = strokes.EXAMPLES


def page() -> AppTest:
    return lesson("strokes")


def read_slowly(app: AppTest, run_id: str) -> tuple[strokes.Replay, list]:
    """What a network reads at each moment of what is on the canvas, one after the other."""
    replay = strokes.Replay.of(app.session_state["board"].drawing["objects"])
    reader = resources.classifier(run_id)
    return replay, [
        reader.read(canvas.prepare_ink(strokes.ink(strokes.until(replay.drawing, moment))).image)
        for moment in replay.moments
    ]


def shown(app: AppTest) -> list[str]:
    return [metric.value for metric in app.metric]


def finding(app: AppTest) -> str:
    (text,) = [text.value for text in app.markdown if text.value.startswith("The DNN ")]
    return text


def ink(app: AppTest) -> int:
    return app.slider(key="strokes-drawn").value


def test_who_comes_without_a_drawing_sees_an_example_that_stays_on_the_canvas():
    app = page().run()
    assert not app.exception
    board = app.session_state["board"]
    assert [one["type"] for one in board.drawing["objects"]] == [
        "Path",
        "Path",
    ] and board.label == FOUR.digit
    assert board.sent["objects"] == board.drawing["objects"]
    assert ink(app) == 100
    # The readings at the end are those of the Draw page.
    for metric, network in zip(app.metric, ("dnn", "cnn"), strict=True):
        reading = resources.classifier(f"shipped-{network}").read(board.preparation.image)
        assert metric.value == str(reading.digit) == "4"
        assert metric.delta == f"probability {reading.probability:.1%}"


@pytest.mark.parametrize("example", strokes.EXAMPLES, ids=lambda example: example.title)
def test_the_finding_is_when_each_network_last_changed_its_mind(example):
    app = page().run()
    app.button(key=f"strokes-example-{example.digit}").click().run()
    assert not app.exception
    first = {}
    for network in ("dnn", "cnn"):
        replay, predictions = read_slowly(app, f"shipped-{network}")
        says = [reading.digit if reading.is_confident else None for reading in predictions]
        since = max(index for index, said in enumerate(says) if said != example.digit) + 1
        moment = replay.moments[since]
        said_at = (
            f"The {network.upper()} settles on **{example.digit}** at **{moment.percent}%** of the "
            f"ink, in stroke {moment.stroke + 1} of 2"
        )
        earlier = [said for said in says[:since] if said is not None]
        before = f"{earlier[-1]}, then not sure" if earlier else "not sure"
        if says[since - 1] is not None:
            before = str(says[since - 1])
        assert f"{said_at}; before that: {before}." in finding(app)
        first[network.upper()] = moment.percent
    assert first["DNN"] != first["CNN"]
    ahead = abs(first["DNN"] - first["CNN"])
    assert f"The **{min(first, key=first.get)} settled first**, by {ahead}% of the ink." in finding(
        app
    )


def test_the_slider_chooses_the_moment_that_is_read():
    app = page().run()
    app.slider(key="strokes-drawn").set_value(40).run()
    assert not app.exception
    for metric, network in zip(app.metric, ("dnn", "cnn"), strict=True):
        replay, predictions = read_slowly(app, f"shipped-{network}")
        index = max(place for place, moment in enumerate(replay.moments) if moment.ink <= 0.4)
        assert metric.value == (
            str(predictions[index].digit) if predictions[index].is_confident else "not sure"
        )
    assert any(
        "As drawn: 40% of the ink, in stroke 1 of 2" in text.value or "39%" in text.value
        for text in app.caption
    )


def test_a_button_goes_to_the_moment_of_decision():
    app = page().run()
    app.button(key="strokes-decision-dnn").click().run()
    assert not app.exception
    replay, predictions = read_slowly(app, "shipped-dnn")
    since = (
        max(
            index
            for index, reading in enumerate(predictions)
            if reading.digit != 4 or not reading.is_confident
        )
        + 1
    )
    assert ink(app) == replay.moments[since].percent and replay.at(ink(app)) == since


def test_a_link_can_choose_the_moment():
    app = page()
    app.session_state["strokes-drawn"] = 25
    app.run()
    assert not app.exception and ink(app) == 25


def test_a_replay_shows_one_moment_after_the_other_up_to_the_end_and_reads_nothing_anew(
    monkeypatch,
):
    app = page().run()
    replay = cached.replay(json.dumps(app.session_state["board"].drawing["objects"]))
    app.slider(key="strokes-drawn").set_value(60).run()
    monkeypatch.setattr(resources, "classifier", None)
    monkeypatch.setattr(strokes.Replay, "of", None)
    app.button(key="strokes-drawn-play").click().run()
    seen = [ink(app)]
    while app.session_state["strokes-drawn-played"] is not None and len(seen) < 100:
        app.run()
        assert not app.exception
        seen.append(ink(app))
    assert seen.pop() == 100
    assert seen == [moment.percent for moment in replay.moments if moment.percent > 60]
    assert [
        button.label
        for button in app.button
        if button.key in ("strokes-drawn-play", "strokes-drawn-stop")
    ] == ["Play"]


def test_a_replay_goes_on_from_the_chosen_moment_and_can_be_stopped():
    app = page().run()
    app.slider(key="strokes-drawn").set_value(50).run()
    app.button(key="strokes-drawn-play").click().run()
    assert 50 < ink(app) < 55
    stopped_at = ink(app)
    app.button(key="strokes-drawn-stop").click().run()
    app.run()
    assert not app.exception
    assert ink(app) == stopped_at and app.button(key="strokes-drawn-play")


def test_while_a_replay_runs_nothing_that_the_browser_tells_of_the_slider_moves_it():
    """It may tell what the slider showed one moment ago."""
    app = page().run()
    app.button(key="strokes-drawn-play").click().run()
    seen = [ink(app)]
    assert app.slider(key="strokes-drawn").disabled
    for _ in range(3):
        app.session_state["strokes-drawn"] = 1
        app.run()
        seen.append(ink(app))
    assert not app.exception
    replay = cached.replay(json.dumps(app.session_state["board"].drawing["objects"]))
    assert seen == [moment.percent for moment in replay.moments[1:5]]


def test_whoever_comes_back_finds_no_replay_running():
    app = page().run()
    app.button(key="strokes-drawn-play").click().run()
    app.switch_page("pages/slide.py").run()
    app.switch_page("pages/strokes.py").run()
    assert not app.exception
    assert app.session_state["strokes-drawn-played"] is None and app.button(
        key="strokes-drawn-play"
    )


def test_a_picture_has_no_strokes_and_an_example_is_one_click_away():
    app = page()
    app.session_state["board"] = board = canvas.Board()
    board.show(
        canvas.prepare_picture(canvas.Image.fromarray(canvas.dataset.load().test.images[3])),
        "Test image 3",
        0,
    )
    app.run()
    assert not app.exception
    assert "does not show how it was drawn" in app.info[0].value and not app.metric
    app.button(key="strokes-example-7").click().run()
    assert not app.exception and not app.info
    assert app.session_state["board"].label == 7 and shown(app) == ["7", "7"]


def test_strokes_over_a_picture_begin_with_the_picture():
    app = page()
    app.session_state["board"] = board = canvas.Board()
    preparation = canvas.prepare_picture(
        canvas.Image.fromarray(canvas.dataset.load().test.images[2])
    )
    board.show(preparation, "Test image 2", 1)
    (path,) = [
        canvas._stroke(Stroke(np.array([(90, 60), (140, 58), (185, 60)], float), canvas.BRUSH_PX))
    ]
    board.send({"objects": [*board.drawing["objects"], path]})
    app.session_state["strokes-drawn"] = 0
    app.run()
    assert not app.exception
    assert any("only the image below the strokes" in text.value for text in app.caption)
    replay = strokes.Replay.of(board.drawing["objects"])
    # The picture on the canvas is a likeness: enlarged, and prepared again.
    assert np.abs(replay.images[0].astype(int) - preparation.image).mean() < 6
    assert shown(app)[1] == "1"


def test_a_run_of_the_visitors_reads_along_the_drawing_too(finished_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    assert not app.exception
    replay, predictions = read_slowly(app, finished_run.id)
    says = [reading.digit if reading.is_confident else "not sure" for reading in predictions]
    others = [index for index, said in enumerate(says) if said != says[-1]]
    digit = says[-1]
    if others:
        percent = replay.moments[others[-1] + 1].percent
        settled = f"settles on **{digit}** at **{percent}%**"
    else:
        settled = f"{'is' if digit == 'not sure' else 'says'} **{digit}** from the first moment on"
    assert f"The DNN {settled}" in finding(app)


SURE_OF_7, SURE_OF_1, LEVEL = (
    np.eye(10, dtype=np.float32)[7],
    np.eye(10, dtype=np.float32)[1],
    np.full(10, 0.1, np.float32),
)


@pytest.mark.parametrize(
    ("at_end", "told"),
    [
        ({"dnn": SURE_OF_7, "cnn": SURE_OF_7}, "Both settled **at the same moment**."),
        (
            {"dnn": SURE_OF_7, "cnn": SURE_OF_1},
            "So they disagree: at the end they see **different digits**.",
        ),
        (
            {"dnn": SURE_OF_7, "cnn": LEVEL},
            "So only the **DNN** has an answer at the end.",
        ),
        ({"dnn": LEVEL, "cnn": LEVEL}, "So neither is sure at the end."),
    ],
)
def test_nobody_is_said_to_have_known_it_first_where_none_has(at_end, told, monkeypatch):
    def read(run_id, objects):
        """The end is that of the last half of the moments; before, a 3 is read."""
        count = len(cached.replay(objects).moments)
        first = np.tile(np.eye(10, dtype=np.float32)[3], (count - count // 2, 1))
        return np.concatenate(
            [first, np.tile(at_end[run_id.removeprefix("shipped-")], (count // 2, 1))]
        )

    monkeypatch.setattr(cached, "read_replay", read)
    app = page().run()
    assert not app.exception
    assert finding(app).endswith(told) and finding(app).count("before that: 3.") == 2
    assert finding(app).count("**not sure**") == sum(end is LEVEL for end in at_end.values())


def test_a_single_dot_is_read_from_the_first_moment_on():
    app = page()
    app.session_state["board"] = board = canvas.Board()
    board.preparation = canvas.prepare_ink(np.eye(280, dtype=np.uint8) * 255)
    board.send(
        {
            "objects": [
                canvas._stroke(Stroke(np.array([(140, 140), (140, 140)], float), canvas.BRUSH_PX))
            ]
        }
    )
    app.run()
    assert not app.exception
    assert finding(app).count("from the first moment on") == 2
    app.button(key="strokes-drawn-play").click().run()
    app.run()
    assert not app.exception and app.session_state["strokes-drawn-played"] is None


def test_without_a_store_the_shipped_networks_still_read(broken_store):
    app = page().run()
    assert not app.exception
    assert shown(app) == ["4", "4"] and "cannot be used" in app.warning[0].value
