"""Ways to write digits that MNIST, written by Americans, hardly has, so that networks learn them
too: drawn into its images, or written anew in their place.

Drawn into them: the upstroke or foot of a 1, the bar of a 7, the slash of a 0, the tail of a 9.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.preprocessing import THICKEST_STROKE_PX, THINNEST_STROKE_PX
from mnist_models.data.segments import squared_distance
from mnist_models.data.skeletons import written

INK = 255
# What counts as ink where a digit's ends are looked for: more than the soft edge of a stroke.
DARK = 100
# The share of the images of each digit that are replaced by one written anew: most of the 9s,
# which people write in most ways. More of the 1s and 4s would cost MNIST's 7s and 9s, which are
# like them.
WRITTEN_ANEW = np.array([0.2, 0.4, 0.2, 0.3, 0.4, 0.2, 0.2, 0.4, 0.2, 0.6])


def restyled(images: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """The images in another style: a share of them replaced by digits written in forms from
    elsewhere, and strokes added to some of the other 0s, 1s, 7s and 9s.

    Args:
        images: uint8 (N, 28, 28).
        labels: uint8 (N,). The same seed gives the same digits and strokes.

    Returns:
        uint8 (N, 28, 28).
    """
    random = np.random.default_rng([seed, 2**34])
    images = with_strokes(images, labels, random)
    anew = random.random(len(labels)) < WRITTEN_ANEW[labels]
    images[anew] = written(labels[anew], random)
    return images


def with_strokes(images: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The images, uint8 (N, 28, 28), with strokes added to some of their 0s, 1s, 7s and 9s, and
    all others as they are."""
    images = images.copy()
    for digit, share, stroke in STROKES:
        chosen = np.flatnonzero(labels == digit)
        chosen = chosen[random.random(len(chosen)) < share]
        images[chosen] = with_stroke(images[chosen], stroke, random)
    return images


def with_stroke(
    images: np.ndarray, stroke: Callable[[Pen], Stroke], random: np.random.Generator
) -> np.ndarray:
    """The images, uint8 (N, 28, 28), each with a stroke of one kind, such as `foot`, added."""
    pen = Pen(images, random)
    return np.maximum(images, pen.draw(*stroke(pen)))


class Pen:
    """Measures digits, and draws a stroke as wide as theirs into each.

    Attributes:
        top, bottom, left, right: Rows and columns where the ink of each digit ends, float (N,).
    """

    def __init__(self, images: np.ndarray, random: np.random.Generator) -> None:
        self.images, self.random = images.astype(np.float32), random
        dark = np.asarray(images > DARK)
        rows: np.ndarray = np.any(dark, axis=2)
        columns: np.ndarray = np.any(dark, axis=1)
        last = IMAGE_SIZE_PX - 1
        self.top, self.bottom = (
            rows.argmax(axis=1).astype(float),
            last - rows[:, ::-1].argmax(axis=1).astype(float),
        )
        self.left, self.right = (
            columns.argmax(axis=1).astype(float),
            last - columns[:, ::-1].argmax(axis=1).astype(float),
        )
        height = self.bottom - self.top + 1
        self.width = (self.images.sum(axis=(1, 2)) / INK / height).clip(
            THINNEST_STROKE_PX, THICKEST_STROKE_PX
        )

    def between(self, low: float, high: float) -> np.ndarray:
        """A random number for each image."""
        return self.random.uniform(low, high, len(self.images))

    def column_at(self, row: np.ndarray) -> np.ndarray:
        """Where, on average, the ink near a row is, in each image."""
        rows = np.arange(IMAGE_SIZE_PX)
        near = np.exp(-((rows - row[:, np.newaxis]) ** 2) / 2)[:, :, np.newaxis] * self.images
        return (near * rows).sum(axis=(1, 2)) / near.sum(axis=(1, 2)).clip(1)

    def draw(
        self, x: np.ndarray, y: np.ndarray, end_x: np.ndarray, end_y: np.ndarray
    ) -> np.ndarray:
        """A straight stroke in each image, uint8 (N, 28, 28)."""
        start = (x.astype(np.float32), y.astype(np.float32))
        end = (end_x.astype(np.float32), end_y.astype(np.float32))
        width = self.width[:, np.newaxis, np.newaxis].astype(np.float32)
        distance = np.sqrt(squared_distance(start, end))
        return ((width / 2 + 0.5 - distance).clip(0, 1) * INK).astype(np.uint8)


Stroke = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def upstroke(pen: Pen) -> Stroke:
    """From the top of a 1 down to the left, steeper than the bar of a 7."""
    x, length = pen.column_at(pen.top + 1), pen.between(3, 8.5)
    return x, pen.top + 0.5, x - length, pen.top + length * pen.between(0.6, 2.2)


def foot(pen: Pen) -> Stroke:
    """Under a 1."""
    x, tilt = pen.column_at(pen.bottom - 1), pen.between(-1, 1)
    return (
        x - pen.between(2.5, 7),
        pen.bottom - 0.5 + tilt,
        x + pen.between(2.5, 7),
        pen.bottom - 0.5 - tilt,
    )


def bar(pen: Pen) -> Stroke:
    """Across the stem of a 7."""
    row, tilt = pen.top + (pen.bottom - pen.top) * pen.between(0.4, 0.65), pen.between(-1.5, 1.5)
    x = pen.column_at(row)
    return x - pen.between(3, 6), row + tilt, x + pen.between(3, 6), row - tilt


def slash(pen: Pen) -> Stroke:
    """Through a 0, from the lower left to the upper right."""
    return (
        pen.left + pen.between(-1, 3), pen.bottom - pen.between(-1, 3),
        pen.right - pen.between(-1, 3), pen.top + pen.between(-1, 3),
    )  # fmt: skip


def tail(pen: Pen) -> Stroke:
    """From the foot of a 9 to the left."""
    x = pen.column_at(pen.bottom - 1)
    return x, pen.bottom - 0.5, x - pen.between(3, 10), pen.bottom - 0.5 - pen.between(-1, 2)


# Which digit gets which stroke, and how many of them do.
STROKES = ((1, 0.75, upstroke), (1, 0.5, foot), (7, 0.5, bar), (0, 0.2, slash), (9, 0.4, tail))
