"""A game: a digit that everybody would recognise, and one model does not. Others, who do not see
the models' answers, decide whether it still is that digit."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import streamlit as st

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.models.reader import Prediction
from mnist_models.runs import comparison
from mnist_models.runs.class_tables import Attempt, ClassCollection
from mnist_models.runs.classes import pixels
from mnist_models.runs.games import JURY, standings
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type, page, resources, visitors
from pages.parts.classroom.kept import as_kept

# In the session: what the visitor draws, the token of the attempt, why the last one was not taken.
BOARD, TOKEN, PROBLEM = "fool-board", "fool-token", "fool-problem"
PICTURE_PX = 140
NO_DIGIT = "no digit"
# So many of the best attempts are shown.
MOST_SHOWN = 24


@st.fragment
@page.guarded
def play(collection: ClassCollection, runs: Mapping[str, Run]) -> None:
    """The jury, then the canvas. A fragment: a stroke redraws this and nothing else."""
    _jury(collection)
    st.markdown(
        "Draw a digit that everybody would recognise, and that **one** of the models misclassifies "
        f"while the other reads it right. Then {JURY} others decide whether it still is that digit."
    )
    target = st.pills(
        "My digit is a", range(CLASS_COUNT), default=7, required=True, key="fool-digit"
    )
    board: canvas.Board = st.session_state.setdefault(BOARD, canvas.Board())
    left, right = st.columns([1.25, 1], gap="medium")
    with left:
        canvas.draw_on(board)
    read = _read(runs, board)
    with right:
        for network, prediction in read.items():
            # The most probable digit, however sure: that is what counts here.
            shown = f"{prediction.digit} ({prediction.probability:.0%})" if prediction else "–"
            st.metric(f"{NETWORKS[network].title} reads, with its probability", shown)
        digits = {network: one.digit for network, one in read.items() if one}
        st.markdown(_said(digits, target))
    fooled = [network for network, digit in digits.items() if digit != target]
    with left, st.container(horizontal=True, gap="small"):
        st.button(
            "Hand it in",
            type="primary",
            icon=":material/gavel:",
            key="hand-in",
            disabled=len(fooled) != 1,
            on_click=_hand_in,
            args=[collection.id, target, digits, board],
        )
        canvas.undo_button(board, "fool-undo")
        st.button(
            "Clear",
            icon=":material/delete:",
            key="fool-clear",
            on_click=board.clear,
            disabled=not board.drawing["objects"],
        )
    page.show_problem(PROBLEM)
    results(collection.id)


def _read(runs: Mapping[str, Run], board: canvas.Board) -> dict[str, Prediction | None]:
    if not board.preparation:
        return dict.fromkeys(runs)
    with resources.while_loading(runs.values()):
        return {
            network: resources.classifier(run.id).read(board.preparation.image)
            for network, run in runs.items()
        }


def _said(digits: Mapping[str, int], target: int) -> str:
    """How far the drawing is from fooling one of the models."""
    if not digits:
        return ""
    fooled = [NETWORKS[network].title for network, digit in digits.items() if digit != target]
    if len(fooled) == 1:
        return (
            f"You fool the **{fooled[0]}**. Is it still {comparison.a_digit(target)}? Hand it in."
        )
    if fooled:
        return f"Both are wrong. Make it more like {comparison.a_digit(target)}."
    return f"Both read {target}. Make it harder for one of them."


def _hand_in(
    collection_id: str, target: int, digits: Mapping[str, int], board: canvas.Board
) -> None:
    def hand_in() -> None:
        token = st.session_state.setdefault(TOKEN, secrets.token_hex(8))
        resources.games().hand_in(
            collection_id, token, target, digits, *as_kept(board), visitors.me()
        )
        del st.session_state[TOKEN]
        board.clear()
        st.toast("Handed in: two others decide.", icon=":material/gavel:")

    page.attempt(PROBLEM, hand_in)


def _jury(collection: ClassCollection) -> None:
    """An attempt of somebody else, without what the models read in it."""
    attempt = resources.games().for_jury(collection.id, visitors.me())
    if attempt is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
        _picture(attempt)
        key = f"vote-{attempt.number}"

        def vote() -> None:
            said = st.session_state[key]
            if said is not None:
                digit = None if said == NO_DIGIT else int(said)
                resources.games().vote(attempt.number, digit, visitors.me())

        st.pills(
            "You are the jury: which digit is this?",
            [*map(str, range(CLASS_COUNT)), NO_DIGIT],
            key=key,
            on_change=page.guarded(vote),
        )


def _picture(attempt: Attempt) -> None:
    picture = canvas.enlarged(pixels(attempt.image), PICTURE_PX)
    st.image(picture, width=large_type.px(PICTURE_PX), alt="A digit that somebody drew")


def results(collection_id: str) -> None:
    """The table of points, and the digits that the jury has accepted; nothing where nobody has
    played."""
    judged = resources.games().judged(collection_id)
    found = standings(judged)
    if not found:
        return
    st.dataframe(
        {
            "Name": [one.nickname for one in found],
            "Points": [one.points for one in found],
            "Not decided yet": [one.waiting for one in found],
        },
        hide_index=True,
        width=420,
        alt="Points of each writer",
    )
    accepted = [one for one in judged if one.is_accepted][::-1][:MOST_SHOWN]
    if not accepted:
        return
    st.markdown("Everybody in the jury recognised these; one of the models did not.")
    with st.container(horizontal=True, gap="small"):
        for attempt, nickname, _ in accepted:
            title = NETWORKS[attempt.fooled].title
            st.image(
                canvas.enlarged(pixels(attempt.image), PICTURE_PX),
                f"**{attempt.label}** by {page.plain(nickname)}  \n"
                f"the {title} reads {attempt.read}",
                width=large_type.px(PICTURE_PX),
                alt=f"{attempt.label} that the {title} reads as {attempt.read}",
            )
