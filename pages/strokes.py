"""Stroke by stroke: a drawing replayed, and when both networks knew what it would be."""

import json
from collections.abc import Mapping

import numpy as np
import streamlit as st
from PIL import Image

from mnist_models.data import strokes
from mnist_models.data.probabilities import digits_of, is_confident
from mnist_models.data.strokes import Decision, Drawing, Moment, Replay
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type, page, resources
from pages.parts.lessons import cached, charts, frame

PICTURE_PX = 160
# A replay shows one moment after the other, so often: about twelve seconds in all.
TICK_S = 0.2
SCRIPT = "pages/strokes.py"
# How much ink is shown, and, while a replay runs, how far it has come, both in percent.
INK, PLAYED = "strokes-drawn", "strokes-played"
SETTINGS = {INK: frame.Setting("drawn", tuple(range(101)))}
# Some stroke always is there: this is shown to whoever comes without a drawing.
EXAMPLE = strokes.EXAMPLES[0]


@page.guarded
def main() -> None:
    """The page."""
    if frame.begin(SCRIPT, SETTINGS):
        st.session_state[PLAYED] = None
    if canvas.board().preparation is None:
        canvas.show_example(EXAMPLE)
    st.header("Stroke by stroke: when did they know?")
    st.markdown(
        "Your drawing is made once more, from the first touch of the pen to the last, and at each "
        "moment both networks read what is there by then. **Notice** the moment at which a reading "
        "flips: often it is one short line. **Try** to draw the same digit with its strokes in "
        "another order, or without the last one."
    )
    replayed()


@page.guarded
def replayed() -> None:
    """The drawing, the two networks, what they read along it, and when they made up their minds."""
    board = canvas.board()
    label = board.label
    if frame.is_presented():
        st.caption(page.plain(board.origin.split(". ")[0]) + ".")
    else:
        choose_drawing()
    runs = frame.networks()
    if label is None:
        label = frame.guess(board.preparation.image)
    frame.present(
        SCRIPT,
        board.preparation.image,
        label,
        runs,
        SETTINGS,
        {INK: st.session_state.get(INK, 100)},
    )
    objects = json.dumps(canvas.board().drawing["objects"])
    replay = cached.replay(objects)
    if not replay.drawing.strokes:
        st.info(
            "This digit came as a picture, and a picture does not tell how it was drawn. Draw one, "
            "or take an example above.",
            icon=":material/gesture:",
        )
        return
    with resources.while_loading():
        read = {network: cached.read_replay(run.id, objects) for network, run in runs.items()}
    decisions = {
        network: strokes.decide(read[network], run.confidence_threshold)
        for network, run in runs.items()
    }
    st.markdown(verdict(decisions, replay))
    # A fragment redraws itself as often as was fixed when it was defined.
    is_playing = st.session_state[PLAYED] is not None
    st.fragment(watch, run_every=TICK_S if is_playing else None)(
        replay, runs, read, decisions, is_playing
    )
    st.caption(
        "At each moment what is there is cropped, scaled and centred as if it were the whole "
        "drawing, so even the first dot fills the image. Ink is measured along the strokes; how "
        "fast they were drawn, the canvas does not tell. The line of the digit that is read at the "
        "end has the network's colour, others have their number where they lead. Below the dashed "
        "line a network says that it is not sure."
    )
    why()


def choose_drawing() -> None:
    """Where another drawing comes from."""
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        for example in strokes.EXAMPLES:
            st.button(
                example.title,
                icon=":material/gesture:",
                on_click=_show,
                args=[example],
                key=f"strokes-example-{example.digit}",
            )
        st.page_link("app.py", label="Draw one", icon=":material/draw:")


def _show(example: strokes.Example) -> None:
    canvas.show_example(example)
    _go_to(100)


def _go_to(percent: int) -> None:
    st.session_state[INK], st.session_state[PLAYED] = percent, None


def _play() -> None:
    """From what is shown on, or from the beginning where that is the end."""
    st.session_state[PLAYED] = st.session_state[INK] % 100


@page.guarded
def watch(
    replay: Replay,
    runs: Mapping[str, Run],
    read: Mapping[str, np.ndarray],
    decisions: Mapping[str, Decision],
    was_playing: bool,
) -> None:
    """One moment of the drawing, as drawn and as read. was_playing: this redraws itself to show one
    after the other."""
    if st.session_state[PLAYED] == 100:
        _go_to(100)
    played = st.session_state[PLAYED]
    if (played is not None) != was_playing:
        st.rerun()  # the whole page
    at = replay.at(st.session_state.setdefault(INK, 100))
    if was_playing:
        # The browser may still tell of the slider what it showed before.
        at = min(replay.at(played) + 1, len(replay.moments) - 1)
        st.session_state[INK] = st.session_state[PLAYED] = replay.moments[at].percent
    moment = replay.moments[at]
    choose_moment(moment.percent, was_playing)
    pixels = canvas.enlarged(replay.images[at], PICTURE_PX)
    left, *right = st.columns([0.7, *[1.5] * len(runs)], gap="medium")
    with left.container(horizontal=True):
        for picture, caption in (
            (
                _vector(replay.drawing, moment),
                f"As drawn: {moment.percent}% of the ink, {_stroke(moment, replay)}",
            ),
            (canvas.data_address(pixels), "As both networks read it"),
        ):
            with st.container(width=PICTURE_PX):
                st.image(picture, width=PICTURE_PX, alt=caption)
                st.caption(caption)
    for column, (network, run) in zip(right, runs.items(), strict=True):
        title = NETWORKS[network].title
        with column:
            reading(title, read[network][at], run.confidence_threshold)
            inks, drawn = zip(
                *((round(one.ink, 4), one.stroke) for one in replay.moments), strict=True
            )
            large_type.chart(
                charts.course(
                    charts.Course(network, inks, drawn, read[network], run.confidence_threshold), at
                ),
                key=f"course-{network}",
                alt=f"How probable the {title} finds each digit along the drawing",
            )
            st.button(
                f"Where the {title} last changed its mind",
                icon=":material/flag:",
                on_click=_go_to,
                args=[replay.moments[decisions[network].since].percent],
                key=f"strokes-decision-{network}",
                wrap=True,
            )


def choose_moment(percent: int, is_playing: bool) -> None:
    """Which moment is shown, and its replay. percent: how much ink there is now."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        if is_playing:
            st.button(
                "Stop", icon=":material/stop:", on_click=_go_to, args=[percent], key="strokes-stop"
            )
        else:
            st.button(
                "Play",
                icon=":material/play_arrow:",
                type="primary",
                on_click=_play,
                key="strokes-play",
            )
        st.slider(
            "Ink drawn",
            0,
            100,
            key=INK,
            format="%d%%",
            persist_state="session",
            disabled=is_playing,
            help="How much of the drawing is there, measured along its strokes.",
        )


def reading(title: str, probabilities: np.ndarray, confidence_threshold: float) -> None:
    """What a network reads at a moment."""
    digit, probability = digits_of(probabilities), probabilities.max()
    sure = is_confident(probability, confidence_threshold)
    st.metric(f"{title} reads", str(digit) if sure else "not sure")
    st.markdown(f"{'' if sure else f'perhaps **{digit}**, '}with probability **{probability:.1%}**")


def verdict(decisions: Mapping[str, Decision], replay: Replay) -> str:
    """When each network came to what it says at the end, and which was first, in words."""
    told = " ".join(
        _told(NETWORKS[network].title, decision, replay) for network, decision in decisions.items()
    )
    sure = {
        NETWORKS[network].title: decision
        for network, decision in decisions.items()
        if decision.is_confident
    }
    if not sure:
        return f"{told} So neither knows it at the end."
    first = min(sure, key=lambda title: sure[title].since)
    if len(sure) < len(decisions):
        return f"{told} So only the **{first}** knows it at the end, or thinks so."
    if len({decision.digit for decision in sure.values()}) > 1:
        return f"{told} So they part: at the end they read **different digits**."
    percents = [replay.moments[decision.since].percent for decision in sure.values()]
    if len({decision.since for decision in sure.values()}) == 1:
        return f"{told} Both knew it **at the same moment**."
    return f"{told} The **{first} knew it first**, by {max(percents) - min(percents)}% of the ink."


def _told(title: str, decision: Decision, replay: Replay) -> str:
    says = f"has read **{decision.digit}**" if decision.is_confident else "has been **not sure**"
    guess = "" if decision.is_confident else f" Its best guess at the end is {decision.digit}."
    if decision.since == 0:
        return f"The {title} {says} from the first moment on.{guess}"
    moment = replay.moments[decision.since]
    before = f"it read {decision.earlier}" if decision.was_sure else "it was not sure"
    if not decision.was_sure and decision.earlier is not None:
        before += f", after it had read {decision.earlier}" + (
            " already" if decision.earlier == decision.digit else ""
        )
    return (
        f"The {title} {says} since **{moment.percent}%** of the ink, {_stroke(moment, replay)}; "
        f"until then {before}.{guess}"
    )


def _stroke(moment: Moment, replay: Replay) -> str:
    """Where in the drawing a moment is."""
    if moment.stroke < 0:
        return "only the picture below the strokes"
    return f"in stroke {moment.stroke + 1} of {len(replay.drawing.strokes)}"


def _vector(drawing: Drawing, moment: Moment) -> str:
    """The drawing as SVG: in black what there is at a moment, pale what is to come."""
    pale = "".join(_line(stroke, "#e4e4e4") for stroke in drawing.strokes)
    under = (
        ""
        if drawing.picture is None
        else f'<image width="100%" height="100%" href="{_address(drawing.picture)}"/>'
    )
    black = "".join(_line(stroke, canvas.INK) for stroke in strokes.until(drawing, moment).strokes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {canvas.SIZE_PX} {canvas.SIZE_PX}" fill="none" '
        f'stroke-linecap="round" stroke-linejoin="round"><rect width="100%" height="100%" fill="{canvas.PAPER}"/>'
        f"{pale}{under}{black}</svg>"
    )


def _line(stroke: strokes.Stroke, color: str) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*stroke.points, stroke.points[-1]))
    return f'<polyline points="{points}" stroke="{color}" stroke-width="{stroke.brush_px:g}"/>'


def _address(ink: np.ndarray) -> str:
    """The address of a picture of ink, uint8 (280, 280), on nothing."""
    return canvas.data_address(Image.merge("LA", [Image.new("L", ink.shape), Image.fromarray(ink)]))


def why() -> None:
    """Why readings flip."""
    with st.expander("Why does it flip so suddenly?"):
        st.markdown(
            "Neither network knows what a stroke is, or what is still to come. Each learned from "
            "whole digits, never from parts of them, so it says which whole one the part "
            "resembles: the first stroke of a 4 may well begin as a 1 and go on as a 2. One that "
            "was also shown scribbles may rather find all ten equally probable, and "
            "say that it is not sure."
        )
        st.markdown(
            "With every pixel of ink its sums for the ten digits change a little, and steadily. "
            "But probabilities are made of these sums by an exponential function, the softmax: "
            "where two digits are level, a small step takes nearly all from one "
            "and gives it to the other."
        )
        st.markdown(
            "Being first is not being better. A network that says early what it sees has less to "
            "go by; and one that calls anything with a long bar a 7 is quick to know every 7."
        )


main()
