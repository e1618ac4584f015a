"""A digit moved to every place around: what is left of it in 28×28 pixels, and what preparation
makes of it."""

import numpy as np

from mnist_models.data.preprocessing import prepare_ink

MOST_PX = 10
# From the top left to the bottom right, row by row: how far the digit is moved to the right, and
# how far down.
SHIFTS = tuple(
    (dx, dy) for dy in range(-MOST_PX, MOST_PX + 1) for dx in range(-MOST_PX, MOST_PX + 1)
)


def moved(image: np.ndarray) -> np.ndarray:
    """The image, uint8 (28, 28), moved by each of SHIFTS: uint8 (441, 28, 28). What leaves the
    28×28 pixels is lost."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, MOST_PX), image.shape)
    return np.stack([windows[MOST_PX - dy, MOST_PX - dx] for dx, dy in SHIFTS])


def moved_and_prepared(image: np.ndarray) -> np.ndarray:
    """The same on a sheet with room for all of it, and prepared as every drawing is before it is
    read: uint8 (441, 28, 28)."""
    sheet = np.pad(image, 2 * MOST_PX)
    return np.stack([prepare_ink(np.roll(sheet, (dy, dx), axis=(0, 1))).image for dx, dy in SHIFTS])
