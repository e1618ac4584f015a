"""Stroke by stroke: a drawing replayed, and when each model settled on its answer."""

import json
from collections.abc import Mapping

import numpy as np
import streamlit as st
from PIL import Image

from mnist_models.data import strokes
from mnist_models.data.strokes import Decision, Drawing, Moment, Replay
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type, memory, page, resources
from pages.parts.lessons import cached, charts, frame
from pages.parts.lessons.playing import Player

PICTURE_PX = 160
SCRIPT = "pages/strokes.py"
# How much of the ink is shown, in percent.
INK = "strokes-drawn"
# A replay takes about twelve seconds in all.
PLAYER = Player(INK, tick_s=0.2)
SETTINGS = {INK: frame.Setting("drawn", tuple(range(101)))}
# For visitors who come without a drawing.
EXAMPLE = strokes.EXAMPLES[0]


@page.guarded
def main() -> None:
    """The page."""
    if frame.begin(SCRIPT, SETTINGS):
        PLAYER.stop()
    memory.bring_back()
    if canvas.board().preparation is None:
        canvas.show_for_now(lambda: canvas.show_example(EXAMPLE))
    st.session_state.setdefault(INK, 100)
    replayed()


@page.guarded
def replayed() -> None:
    """The drawing, the two models, their predictions along it, and when each settled."""
    board = canvas.board()
    label = board.label
    assert board.preparation is not None  # an example is shown where there was none
    controls = frame.line_of_controls()
    with controls:
        if frame.is_presented():
            st.caption(page.plain(board.origin.split(". ")[0]) + ".")
        else:
            choose_drawing()
        runs = frame.choose_models()
        frame.explain(
            "Your drawing is replayed, from the first touch of the pen to the last, and at each "
            "moment both models classify what has been drawn so far. **Notice** the moment at "
            "which the answer flips: often it is one short line. **Try** drawing the same digit "
            "with its strokes in another order, or without the last one."
        )
    if label is None:
        label = frame.guess(board.preparation.image)
    frame.present(
        SCRIPT,
        frame.Stage(board.preparation.image, label, runs, controls),
        SETTINGS,
        {INK: st.session_state[INK]},
    )
    objects = json.dumps(canvas.board().drawing["objects"])
    replay = cached.replay(objects)
    if not replay.drawing.strokes:
        st.info(
            "This digit came as an image, which does not show how it was drawn. Draw one, or "
            "choose an example above.",
            icon=":material/gesture:",
        )
        frame.keep_address(SCRIPT, SETTINGS, {INK: st.session_state[INK]})
        return
    with resources.while_loading(runs.values()):
        read = {network: cached.read_replay(run.id, objects) for network, run in runs.items()}
    decisions = {
        network: strokes.decide(read[network], run.measured.confidence_threshold)
        for network, run in runs.items()
    }
    st.markdown(verdict(decisions, replay))
    PLAYER.fragment(watch, replay, runs, read, decisions)
    st.caption(
        "At each moment, what has been drawn so far is cropped, resized and centred as if it were "
        "the whole drawing, so even the first dot fills the image. Ink is measured along the "
        "strokes; drawing speed is not recorded. The line of the final prediction has the model's "
        "colour; other digits are labelled where they lead. Below the dashed line (the confidence "
        "threshold) a model says that it is not sure."
    )
    why()


def choose_drawing() -> None:
    """Examples, and the way to a drawing of one's own."""
    with st.popover("Drawing", icon=":material/gesture:", key="strokes-drawings"):
        for example in strokes.EXAMPLES:
            st.button(
                example.title,
                icon=":material/gesture:",
                on_click=_show,
                args=[example],
                key=f"strokes-example-{example.digit}",
            )
    frame.draw_one()


def _show(example: strokes.Example) -> None:
    canvas.show_example(example)
    PLAYER.go_to(100)


def watch(
    replay: Replay,
    runs: Mapping[str, Run],
    read: Mapping[str, np.ndarray],
    decisions: Mapping[str, Decision],
) -> None:
    """One moment of the drawing: as drawn, as the models see it, and their predictions.

    Args:
        replay: The moments of the drawing.
        runs: The two models, by kind.
        read: The probabilities of each model, float32 (moments, 10), by kind.
        decisions: When each model settled on its answer, by kind.
    """
    PLAYER.choose([moment.percent for moment in replay.moments], choose_moment)
    at = replay.at(st.session_state[INK])
    moment = replay.moments[at]
    pixels = canvas.enlarged(replay.images[at], PICTURE_PX)
    left, *right = st.columns([0.7, *[1.5] * len(runs)], gap="medium")
    with left.container(horizontal=True):
        for picture, caption in (
            (
                _vector(replay.drawing, moment),
                f"As drawn: {moment.percent}% of the ink, {_stroke(moment, replay)}",
            ),
            (canvas.data_address(pixels), "As both models see it"),
        ):
            with st.container(width=PICTURE_PX):
                st.image(picture, width=PICTURE_PX, alt=caption)
                st.caption(caption)
    for column, (network, run) in zip(right, runs.items(), strict=True):
        title = NETWORKS[network].title
        with column:
            frame.show_prediction(
                f"{title} prediction", read[network][at], run.measured.confidence_threshold
            )
            inks = [round(one.ink, 4) for one in replay.moments]
            drawn = [one.stroke for one in replay.moments]
            large_type.chart(
                charts.course(
                    charts.Course(
                        network, inks, drawn, read[network], run.measured.confidence_threshold
                    ),
                    at,
                ),
                key=f"course-{network}",
                alt=f"Probability of each digit according to the {title}, along the drawing",
            )
            st.button(
                f"Where the {title} last changed its answer",
                icon=":material/flag:",
                on_click=PLAYER.go_to,
                args=[replay.moments[decisions[network].since].percent],
                key=f"strokes-decision-{network}",
                wrap=True,
            )
    frame.keep_address(SCRIPT, SETTINGS, {INK: st.session_state[INK]})


def choose_moment(is_playing: bool) -> None:
    """How much of the drawing is shown."""
    st.slider(
        "Ink drawn",
        0,
        100,
        key=INK,
        format="%d%%",
        persist_state="session",
        disabled=is_playing,
        help="How much of the drawing is shown, measured along its strokes.",
    )


def verdict(decisions: Mapping[str, Decision], replay: Replay) -> str:
    """When each model settled on its answer, and which was first, in words."""
    text = " ".join(
        _settled(NETWORKS[network].title, decision, replay)
        for network, decision in decisions.items()
    )
    confident = {
        NETWORKS[network].title: decision
        for network, decision in decisions.items()
        if decision.is_confident
    }
    if not confident:
        return f"{text} So neither is sure at the end."
    first = min(confident, key=lambda title: confident[title].since)
    if len(confident) < len(decisions):
        return f"{text} So only the **{first}** has an answer at the end."
    if len({decision.digit for decision in confident.values()}) > 1:
        return f"{text} So they disagree: at the end they see **different digits**."
    percents = [replay.moments[decision.since].percent for decision in confident.values()]
    if len({decision.since for decision in confident.values()}) == 1:
        return f"{text} Both settled **at the same moment**."
    return f"{text} The **{first} settled first**, by {max(percents) - min(percents)}% of the ink."


def _settled(title: str, decision: Decision, replay: Replay) -> str:
    """When one model settled on its answer, and what it said before."""
    guess = "" if decision.is_confident else f" Its best guess at the end is {decision.digit}."
    if decision.since == 0:
        says = f"says **{decision.digit}**" if decision.is_confident else "is **not sure**"
        return f"The {title} {says} from the first moment on.{guess}"
    answer = f"**{decision.digit}**" if decision.is_confident else "**not sure**"
    if decision.was_sure:
        before = str(decision.earlier)
    elif decision.earlier is None:
        before = "not sure"
    else:
        before = f"{decision.earlier}, then not sure"
    moment = replay.moments[decision.since]
    return (
        f"The {title} settles on {answer} at **{moment.percent}%** of the ink, "
        f"{_stroke(moment, replay)}; before that: {before}.{guess}"
    )


def _stroke(moment: Moment, replay: Replay) -> str:
    """The stroke to which a moment belongs, in words."""
    if moment.stroke < 0:
        return "only the image below the strokes"
    return f"in stroke {moment.stroke + 1} of {len(replay.drawing.strokes)}"


def _vector(drawing: Drawing, moment: Moment) -> str:
    """The drawing as SVG: in black what has been drawn so far, pale what is still to come."""
    pale = "".join(_line(stroke, "#e4e4e4") for stroke in drawing.strokes)
    under = (
        ""
        if drawing.picture is None
        else f'<image width="100%" height="100%" href="{_data_url(drawing.picture)}"/>'
    )
    black = "".join(_line(stroke, canvas.INK) for stroke in strokes.until(drawing, moment).strokes)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {canvas.SIZE_PX} {canvas.SIZE_PX}" '
        'fill="none" stroke-linecap="round" stroke-linejoin="round">'
        f'<rect width="100%" height="100%" fill="{canvas.PAPER}"/>'
        f"{pale}{under}{black}</svg>"
    )


def _line(stroke: strokes.Stroke, color: str) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*stroke.points, stroke.points[-1]))
    return f'<polyline points="{points}" stroke="{color}" stroke-width="{stroke.brush_px:g}"/>'


def _data_url(ink: np.ndarray) -> str:
    """A data URL of ink, uint8 (280, 280), on a transparent background."""
    return canvas.data_address(Image.merge("LA", [Image.new("L", ink.shape), Image.fromarray(ink)]))


def why() -> None:
    """Why predictions flip."""
    with st.expander("Why does it flip so suddenly?"):
        st.markdown(
            "Neither model knows what a stroke is, or what is still to come. Both were trained on "
            "whole digits, never on parts of them, so they say which whole digit the part "
            "resembles: the first stroke of a 4 may begin like a 1 and go on like a 2. A model "
            "that was also shown scribbles during training (outlier exposure) may instead give all "
            "ten digits similar probabilities, and say that it is not sure."
        )
        st.markdown(
            "With every pixel of ink, the scores of the ten digits (logits) change a little, and "
            "steadily. But the softmax turns scores into probabilities with an exponential "
            "function: where two digits are level, a small step takes nearly all the probability "
            "from one and gives it to the other."
        )
        st.markdown(
            "Being first is not being better. A model that commits early has less to go by; and "
            "one that says 7 for anything with a long bar will be early for every 7."
        )


main()
