"""How far pixels are from straight strokes."""

import numpy as np

from mnist_models.data.dataset import IMAGE_SIZE_PX

# (x, y) of every pixel of an image, each float32 (28, 28).
PIXELS = tuple(np.mgrid[:IMAGE_SIZE_PX, :IMAGE_SIZE_PX].astype(np.float32)[::-1])


def squared_distance(
    start: tuple[np.ndarray, np.ndarray], end: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """The squared distance of each pixel from line segments.

    Args:
        start: x and y of where each segment begins, in pixels, floats (...).
        end: x and y of where each ends, which may be the same point.

    Returns:
        Floats (..., 28, 28), in square pixels.
    """
    x, y, end_x, end_y = (
        np.asarray(values)[..., np.newaxis, np.newaxis] for values in (*start, *end)
    )
    dx, dy = end_x - x, end_y - y
    columns, rows = PIXELS
    # How far along the segment its point nearest to the pixel is, 0 to 1.
    along = (((columns - x) * dx + (rows - y) * dy) / np.maximum(dx**2 + dy**2, 1e-6)).clip(0, 1)
    return (columns - x - along * dx) ** 2 + (rows - y - along * dy) ** 2
