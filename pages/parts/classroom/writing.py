"""A pupil writes the digits that are asked for, and can take each of them back."""

import random
import secrets
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.runs.class_tables import ClassCollection, Drawing
from pages.parts import canvas, page, resources, visitors
from pages.parts.classroom.kept import as_kept
from pages.parts.classroom.pictures import small_picture

# In the session: what is asked for, what the visitor has drawn of it, and why the last digit could
# not be kept, a sentence.
REQUEST, BOARD, PROBLEM = "class-request", "class-board", "class-problem"
# Of the visitor's own digits, so many are listed.
MOST_LISTED = 100


class Request(NamedTuple):
    """What a pupil is asked to write.

    Attributes:
        token: Another one for each request: an answer that arrives twice is kept once.
        collection_id: For which collection.
        digit: 0 to 9.
    """

    token: str
    collection_id: str
    digit: int


def ask(collection_id: str, own: Sequence[Drawing]) -> Request:
    """What this visitor is asked to write now: one of the digits that they gave least often, at
    random, and never the same digit twice in a row.

    Args:
        own: What they gave to this collection, the last one first.
    """
    request: Request | None = st.session_state.get(REQUEST)
    if request is None or request.collection_id != collection_id:
        request = Request(secrets.token_hex(8), collection_id, next_digit(own))
        st.session_state[REQUEST] = request
    return request


def next_digit(own: Sequence[Drawing]) -> int:
    """A digit for somebody who gave these, the last one first."""
    counts = Counter(drawing.label for drawing in own)
    others = [digit for digit in range(CLASS_COUNT) if not own or digit != own[0].label]
    least = min(counts[digit] for digit in others)
    return random.choice([digit for digit in others if counts[digit] == least])


@st.fragment
@page.guarded
def write(collection: ClassCollection) -> None:
    """Asks for one digit after the other. A fragment: a stroke redraws this and nothing else."""
    own = resources.classes().own(collection.id, visitors.me())
    request = ask(collection.id, own)
    board: canvas.Board = st.session_state.setdefault(BOARD, canvas.Board())
    st.markdown(f"## Write a **{request.digit}**")
    canvas.draw_on(board)
    with st.container(horizontal=True, gap="small"):
        # Another button for each request: a press that arrives after its answer was kept, because
        # the connection was lost in between, is a press of nothing.
        st.button(
            "Done",
            type="primary",
            icon=":material/check:",
            key=f"done-{request.token}",
            on_click=_give,
            args=[request, board],
            disabled=not board.drawing["objects"],
        )
        canvas.undo_button(board, "class-undo")
    page.show_problem(PROBLEM)
    if own:
        st.caption(f"You have given **{len(own)}** digit{'s' * (len(own) != 1)}. Thank you!")
        _own(own)


def _give(request: Request, board: canvas.Board) -> None:
    def give() -> None:
        resources.classes().give(
            request.collection_id, request.token, request.digit, *as_kept(board), visitors.me()
        )
        st.session_state.pop(REQUEST, None)
        board.clear()

    page.attempt(PROBLEM, give)


def _own(own: Sequence[Drawing]) -> None:
    """The visitor's own digits, of which any can be taken back."""
    with st.popover("Your digits", icon=":material/grid_view:"):
        st.caption("Tick those that you want to take back.")
        listed = own[:MOST_LISTED]
        # Another table whenever its rows change: ticks belong to rows.
        table = st.dataframe(
            {
                "Digit": [small_picture(drawing.image) for drawing in listed],
                "Asked for": [drawing.label for drawing in listed],
            },
            column_config={"Digit": st.column_config.ImageColumn(width=60)},
            row_height=48,
            hide_index=True,
            alt="Your digits",
            key=f"own-{listed[0].number}-{len(own)}",
            on_select="rerun",
            selection_mode="multi-row",
        )
        ticked = [listed[row].number for row in table.selection.rows if row < len(listed)]
        st.button(
            "Take back",
            icon=":material/delete:",
            key="take-back",
            disabled=not ticked,
            on_click=_take_back,
            args=[ticked],
        )


def _take_back(numbers: Sequence[int]) -> None:
    def take_back() -> None:
        for number in numbers:
            resources.classes().take_back(number, visitors.me())

    page.attempt(PROBLEM, take_back)
