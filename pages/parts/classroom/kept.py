"""What is kept of a drawing that somebody gives."""

import numpy as np

from mnist_models.data import strokes
from mnist_models.errors import UnavailableError
from pages.parts.canvas import Board


def as_kept(board: Board) -> tuple[np.ndarray, str]:
    """What is on a board as it is kept.

    Returns:
        uint8 (28, 28), 0 is paper, and the strokes, see strokes.to_text.

    Raises:
        UnavailableError: It is blank, or longer than what is kept.
    """
    if board.preparation is None:
        raise UnavailableError("There is nothing on the canvas that could be kept: draw first.")
    drawn = strokes.to_text(strokes.from_canvas(board.drawing["objects"]))
    if drawn is None:
        raise UnavailableError(
            "This drawing is too long to be kept: take strokes back with Undo, and draw the digit "
            "in a few strokes."
        )
    return board.preparation.image, drawn
