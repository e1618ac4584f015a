"""How digits are written: stroke width, slant, and habits such as a foot under a 1.

Each habit is a rule on the 28×28 image, for digits of one label. How often the rules are right is
held by tests: by strokes that are drawn into MNIST's digits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mnist_models.data import dataset
from mnist_models.data.dataset import IMAGE_SIZE_PX

INK = 255
# What counts as ink where strokes begin and end: more than their soft edges.
DARK = 110
# A hole of one pixel may be a gap that soft edges leave.
SMALLEST_HOLE_PX = 2
# One in twenty of MNIST's training digits is thinner, thicker, leans farther left, farther right.
THIN_PX, THICK_PX = 1.63, 3.59
LEFT_DEG, RIGHT_DEG = -18.7, 29.7
# So many images are measured at once, or the arrays of a large set would fill the memory.
AT_ONCE = 5000


class Trait(NamedTuple):
    """A habit that a digit shows or not.

    Attributes:
        name: In the plural, such as "1s with a foot".
        otherwise: The digits beside it, such as "1s without".
        digit: Whose habit it is; None if every digit can have it.
        rule: Which images of that digit show it, bool (N,), from uint8 (N, 28, 28).
    """

    name: str
    otherwise: str
    digit: int | None
    rule: Callable[[np.ndarray], np.ndarray]


def stroke_px(images: np.ndarray) -> np.ndarray:
    """How wide the strokes are, in pixels, float (N,): twice the ink's area over the length of its
    edge, which of a grey image is the sum of its slopes. 0 for blank images.

    Args:
        images: uint8 (N, 28, 28).
    """
    ink = np.pad(images.astype(np.float32) / INK, ((0, 0), (1, 1), (1, 1)))
    down = ink[:, 1:, :-1] - ink[:, :-1, :-1]
    right = ink[:, :-1, 1:] - ink[:, :-1, :-1]
    edge_px = np.sqrt(down**2 + right**2).sum(axis=(1, 2))
    return 2 * ink.sum(axis=(1, 2)) / edge_px.clip(1e-6)


def slant_deg(images: np.ndarray) -> np.ndarray:
    """How far digits lean to the right, in degrees from upright, float (N,), by their second
    moments; 0 for blank images.

    Args:
        images: uint8 (N, 28, 28).
    """
    ink = images.astype(np.float32)
    places = np.arange(IMAGE_SIZE_PX)
    columns, rows = ink.sum(axis=1), ink.sum(axis=2)
    total = rows.sum(axis=1).clip(1)
    x = places - (columns @ places / total)[:, np.newaxis]
    y = places - (rows @ places / total)[:, np.newaxis]
    together = np.einsum("nij,ni,nj->n", ink, y, x)
    return np.degrees(np.arctan(-together / (rows * y**2).sum(axis=1).clip(1e-6)))


class _Outline:
    """Where the ink is, row by row.

    Attributes:
        left, right: Of the first and the last ink in each row, float (N, 28); nan without ink.
        extent: From one to the other, in pixels.
        run: The longest run of ink in each row, in pixels, float (N, 28).
    """

    def __init__(self, images: np.ndarray) -> None:
        dark = np.asarray(images > DARK)
        inked = np.any(dark, axis=2)
        last = IMAGE_SIZE_PX - 1
        self.left = np.where(inked, dark.argmax(axis=2), np.nan)
        self.right = np.where(inked, last - dark[:, :, ::-1].argmax(axis=2), np.nan)
        self.extent = self.right - self.left + 1
        top = inked.argmax(axis=1)[:, np.newaxis]
        bottom = last - inked[:, ::-1].argmax(axis=1)[:, np.newaxis]
        height = (np.arange(IMAGE_SIZE_PX) - top) / np.maximum(bottom - top, 1)
        self._height = np.where(inked, height, np.nan)
        run = np.zeros(inked.shape)
        self.run = run
        for column in np.moveaxis(dark, 2, 0):
            run = (run + 1) * column
            self.run = np.maximum(self.run, run)

    def rows(self, low: float, high: float) -> np.ndarray:
        """Which rows with ink are between these heights, 0 at the digit's top and 1 at its bottom:
        bool (N, 28)."""
        return (self._height >= low) & (self._height <= high)


def _median(values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The median of those values in each row that are used, float (N, 1); infinite where none
    is."""
    ordered = np.sort(np.where(used, values, np.inf), axis=1)
    middle = (used.sum(axis=1, keepdims=True).clip(1) - 1) // 2
    return np.take_along_axis(ordered, middle, axis=1)


def _line(values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The straight line, by least squares, through those values in each row that are used: at all
    places, float (N, 28)."""
    places = np.arange(IMAGE_SIZE_PX)
    values = np.where(used, values, 0)
    count = used.sum(axis=1).clip(1)
    middle = (used @ places / count)[:, np.newaxis]
    away = (places - middle) * used
    slope = (away * values).sum(axis=1) / (away**2).sum(axis=1).clip(1e-6)
    return (values.sum(axis=1) / count)[:, np.newaxis] + slope[:, np.newaxis] * (places - middle)


def _has_foot(images: np.ndarray) -> np.ndarray:
    """At the bottom, ink on both sides of the stem, told by its right edge."""
    outline = _Outline(images)
    stem = outline.rows(0.3, 0.85)
    right = _line(outline.right, stem)
    left = right - _median(outline.extent - 1, stem)
    low = outline.rows(0.8, 1)
    return np.any(low & (left - outline.left >= 1.5), axis=1) & np.any(
        low & (outline.right - right >= 1.5), axis=1
    )


def _has_upstroke(images: np.ndarray) -> np.ndarray:
    """In the upper part, wider than the stem is below, to its left."""
    outline = _Outline(images)
    stem_px = _median(outline.extent, outline.rows(0.5, 0.85))
    left = _line(outline.right, outline.rows(0.4, 0.85)) - stem_px + 1
    wider = (outline.extent - stem_px >= 2.5) & (left - outline.left >= 1)
    return np.any(outline.rows(0.05, 0.6) & wider, axis=1)


def _is_crossed(images: np.ndarray) -> np.ndarray:
    """About the middle, a run of ink wider than the stem, on both sides of it."""
    outline = _Outline(images)
    stem_px = _median(outline.run, outline.rows(0.55, 0.98))
    # A bar is lower than this, so that the stem is seen above and below it.
    apart = 4
    blank = np.full((len(images), apart), np.nan)
    left_below = np.concatenate([outline.left[:, apart:], blank], axis=1)
    right_above = np.concatenate([blank, outline.right[:, :-apart]], axis=1)
    sticks_out = (left_below - outline.left >= 0.5) & (outline.right - right_above >= 0.5)
    wider = outline.run - stem_px >= 2.5
    return np.any(outline.rows(0.35, 0.75) & wider & sticks_out, axis=1)


def _has_tail(images: np.ndarray) -> np.ndarray:
    """At the bottom, a run of ink wider than the stem."""
    outline = _Outline(images)
    stem_px = _median(outline.run, outline.rows(0.55, 0.8))
    return np.any(outline.rows(0.8, 1) & (outline.run - stem_px >= 2.5), axis=1)


def holes(images: np.ndarray) -> np.ndarray:
    """How many places are enclosed by ink, int (N,).

    Args:
        images: uint8 (N, 28, 28).
    """
    paper = np.pad(images <= DARK, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    # Places that touch at a corner only are two, and no image touches another.
    beside = np.zeros((3, 3, 3), bool)
    beside[1] = ndimage.generate_binary_structure(2, 1)
    spots, count = ndimage.label(paper, beside)
    is_hole = np.bincount(spots.ravel(), minlength=count + 1) >= SMALLEST_HOLE_PX
    is_hole[0] = False
    is_hole[spots[:, 0, 0]] = False
    # Spots are numbered image by image.
    last = spots.max(axis=(1, 2), initial=0)
    return np.diff(np.concatenate([[0], np.cumsum(is_hole)[last]]))


TRAITS = (
    Trait("1s with a foot", "1s without", 1, _has_foot),
    Trait("1s with an upstroke", "1s without", 1, _has_upstroke),
    Trait("crossed 7s", "7s without a bar", 7, _is_crossed),
    Trait("slashed 0s", "0s without a slash", 0, lambda images: holes(images) >= 2),
    Trait("2s with a loop", "2s without", 2, lambda images: holes(images) >= 1),
    Trait("open 4s", "closed 4s", 4, lambda images: holes(images) == 0),
    Trait("9s with a curved tail", "9s with a straight stem", 9, _has_tail),
    Trait("thin strokes", "thicker ones", None, lambda images: stroke_px(images) < THIN_PX),
    Trait("thick strokes", "thinner ones", None, lambda images: stroke_px(images) > THICK_PX),
    Trait("digits that lean left", "others", None, lambda images: slant_deg(images) < LEFT_DEG),
    Trait("digits that lean right", "others", None, lambda images: slant_deg(images) > RIGHT_DEG),
)


@dataclass(frozen=True, eq=False)
class Traits:
    """How some digits are written.

    Attributes:
        labels: uint8 (N,).
        stroke_px: float (N,), how wide the strokes are.
        slant_deg: float (N,), how far they lean to the right.
        shows: By the place of a trait in TRAITS, which digits show it, bool (N, T); False for
            digits that cannot.
    """

    labels: np.ndarray
    stroke_px: np.ndarray
    slant_deg: np.ndarray
    shows: np.ndarray

    def of(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """The places of the digits that can show a trait, int (M,), and which of them do,
        bool (M,)."""
        digit = TRAITS[place].digit
        able = (
            np.flatnonzero(self.labels == digit)
            if digit is not None
            else np.arange(len(self.labels))
        )
        return able, self.shows[able, place]


def measure(images: np.ndarray, labels: np.ndarray) -> Traits:
    """How digits are written.

    Args:
        images: uint8 (N, 28, 28).
        labels: uint8 (N,).
    """
    shows = np.zeros((len(labels), len(TRAITS)), bool)
    widths, slants = np.zeros(len(labels)), np.zeros(len(labels))
    for start in range(0, len(labels), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        widths[part], slants[part] = stroke_px(images[part]), slant_deg(images[part])
        for place, trait in enumerate(TRAITS):
            able = np.arange(len(labels))[part]
            if trait.digit is not None:
                able = able[labels[part] == trait.digit]
            shows[able, place] = trait.rule(images[able])
    return Traits(labels, widths, slants, shows)


@functools.cache
def of_mnist() -> Traits:
    """How every third of MNIST's training digits is written: what the models learned from."""
    train = dataset.load().train
    return measure(train.images[::3], train.labels[::3])
