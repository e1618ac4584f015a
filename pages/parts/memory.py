"""What a visitor's device remembers of a tab, so that a reload of the page loses nothing: the
drawing, what the visitor said of drawings, and how often each model was right.

It never leaves the device and this session. What comes back is as trustworthy as what the canvas
tells: a text of the device's, which is validated.
"""

from collections.abc import Callable
from typing import Annotated, Any

import streamlit as st
from pydantic import BaseModel, Field, ValidationError

from mnist_models.data.dataset import CLASS_COUNT, TEST_COUNT
from mnist_models.runs.comparison import Box
from pages.parts import canvas, selection
from pages.parts.components import component

# In the session: by the ids of two models, the box of each drawing that was told of; and the digit
# that the visitor says it is, by the name of the drawing.
TALLY, TOLD = "tally", "told"
KEY = "memory"
# A browser keeps about five million; a drawing over a photo takes a tenth of that.
MOST_CHARACTERS = 2_000_000
Digit = Annotated[int, Field(ge=0, lt=CLASS_COUNT)]


class Kept(BaseModel):
    """What is remembered.

    Attributes:
        objects: What is on the canvas, as Fabric.js writes it.
        origin, label, index: See canvas.Board.
        told, tally: What the session has under TOLD and TALLY.
        models: The models that the visitor has chosen, as an address names them.
    """

    objects: list[dict[str, Any]]
    origin: str
    label: Digit | None
    index: Annotated[int, Field(ge=0, lt=TEST_COUNT)] | None
    told: dict[str, Digit]
    tally: list[tuple[tuple[str, ...], dict[str, Box]]]
    models: dict[str, str] = {}


def bring_back() -> None:
    """After a reload, brings back what the device remembers; to be called before the board is
    looked at."""
    if canvas.board().is_new and (device := st.session_state.get(KEY)) and device.told:
        _bring_back(device.told)


def keep() -> None:
    """Has the device remember this tab as it is now, or tell what it remembers."""
    board = canvas.own_board()
    _device()(
        key=KEY,
        data={"kept": None if board.is_new else _text(board)},
        default={"told": None},
        on_told_change=lambda: None,
    )


def _device() -> Callable[..., Any]:
    return component("memory")


def _text(board: canvas.Board) -> str:
    """What the device is to remember; empty where that is too much."""
    text = Kept(
        objects=board.drawing["objects"],
        origin=board.origin,
        label=board.label,
        index=board.index,
        told=st.session_state.get(TOLD, {}),
        tally=list(st.session_state.get(TALLY, {}).items()),
        models=selection.in_address(),
    ).model_dump_json()
    return text if len(text) <= MOST_CHARACTERS else ""


def _bring_back(text: str) -> None:
    board = canvas.board()
    board.is_new = False
    try:
        kept = Kept.model_validate_json(text)
        if kept.index is not None:
            canvas.show_test_digit(kept.index)
        elif kept.objects:
            canvas.show_objects(kept.objects, kept.origin, kept.label)
            # Strokes are read again from what the canvas makes of them, as they were before.
            board.exact = kept.label is not None
    # A drawing that no canvas has written can fail wherever it is read.
    except (ValidationError, ValueError, LookupError, TypeError, AttributeError, OSError):
        board.clear()
        return
    st.session_state[TOLD] = kept.told
    st.session_state[TALLY] = dict(kept.tally)
    # What the address says of the models comes first.
    models = selection.of_address(kept.models)
    if models and not selection.in_address() and not selection.follow(models):
        st.rerun()  # they stand outside of this part of the page
