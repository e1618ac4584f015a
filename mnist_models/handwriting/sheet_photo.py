"""A photo or scan of the printed sheet, cut up into its digits.

Its marks tell where on the picture each box is; the lines of each box then tell it exactly, also
where the paper is bent.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_models.data.ink import INK, find_ink
from mnist_models.data.marks import Marks, digits_only
from mnist_models.data.pictures import PictureError, open_picture
from mnist_models.data.preprocessing import prepare_found
from mnist_models.handwriting import sheet, sheet_marks
from mnist_models.handwriting.light import evenly_lit

# A page so tall has 7 pixels a mm: a thin pen's line is 3 wide.
PICTURE_PX = 2000
# The sheet, once it is seen from straight above.
PX_PER_MM = 6
# So near a corner, a line is not looked at: it may be another box's.
CORNER_MM = 2.2
# So long a part of it, at each of its ends, tells where it is.
END_MM = 2.5
# How far from its place a line of a box may be, such as where the paper is bent.
LINE_OFF_MM = 4.0
# How much farther apart or nearer its two lines may be.
LINE_NEAR_MM = 0.5
# How dark a line is at least, along its length; a share of the paper's light.
LEAST_LINE = 0.12
LEAST_BOXES = 0.9
# From the outer edge of a line: its width, and its soft edges.
INSIDE_MM = 1.0
# What is left of a line reaches no deeper than this into its box.
REST_MM = 1.2
# A digit is at least so tall or so wide.
LEAST_DIGIT_MM = 2.5
# As a share of the paper's light, and as a multiple of the noise in it.
FAINTEST_INK, NOISE_FACTOR = 0.15, 7.0

NOT_FOUND = (
    "The sheet's four black marks are not to be found in this picture: photograph the whole sheet "
    "from above, with all four corners and without a shadow across a mark, and try again."
)


class WrittenBox(NamedTuple):
    """A digit in one box of the sheet.

    Attributes:
        label: The digit that the sheet asks for there, 0 to 9.
        image: What the networks read, uint8 (28, 28), 0 is paper, 255 is ink.
        picture: What was written, to look at: uint8 (h, w), 0 is black, 255 is paper.
        row: Of the box, 0 to 9 from above.
        column: Of the box, 0 to 9 from the left.
    """

    label: int
    image: np.ndarray
    picture: np.ndarray
    row: int
    column: int


def cut_up(file: bytes) -> list[WrittenBox]:
    """The digits on a photo or scan of the sheet, row by row; boxes that are empty are left out.

    Args:
        file: A picture of the whole sheet, turned and tilted as may be.

    Raises:
        PictureError: It is no picture, or no sheet is found in it, or nothing is written on it.
    """
    picture = open_picture(file, PICTURE_PX)
    if "A" in picture.getbands():
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    page = _from_above(picture.convert("L"))
    boxes = [
        found
        for row, column in itertools.product(range(sheet.ROWS), range(sheet.COLUMNS))
        if (found := _inside_lines(page, row, column)) is not None
    ]
    if len(boxes) < LEAST_BOXES * sheet.LABELS.size:
        raise PictureError(
            f"Only {len(boxes)} of the sheet's {sheet.LABELS.size} boxes are to be found in this "
            "picture: lay the sheet flat, photograph it sharply from above, and try again."
        )
    least = max(FAINTEST_INK, NOISE_FACTOR * _noise(page))
    written = [one for box in boxes if (one := _written(page, box, least)) is not None]
    if not written:
        raise PictureError(
            "Nothing is written in the boxes of this sheet, or too faintly: write with a dark pen, "
            "and photograph it in good light."
        )
    return written


def _from_above(picture: Image.Image) -> np.ndarray:
    """The sheet as seen from straight above, evenly lit: float32, PX_PER_MM pixels a mm, 0 is black
    and 1 is paper."""
    seen = sheet_marks.find(picture)
    if seen is None:
        raise PictureError(NOT_FOUND)
    to_picture = seen @ np.diag([1 / PX_PER_MM, 1 / PX_PER_MM, 1])
    width, height = (round(side * PX_PER_MM) for side in sheet.PAGE_MM)
    page = picture.transform(
        (width, height), Image.Transform.PERSPECTIVE, to_picture.reshape(-1)[:8].tolist(),
        Image.Resampling.BICUBIC, fillcolor=0,
    )  # fmt: skip
    return evenly_lit(np.asarray(page, np.float32), PX_PER_MM * sheet.MARK_MM)


class _Box(NamedTuple):
    """What is inside the lines of a box, in pixels of the page."""

    row: int
    column: int
    left: int
    top: int
    right: int
    bottom: int


def _inside_lines(page: np.ndarray, row: int, column: int) -> _Box | None:
    """The inside of a box, by its printed lines near where they should be; None where they are
    not."""
    left, top, right, bottom = (round(side * PX_PER_MM) for side in sheet.box_mm(row, column))
    down = _pair(_profiles(page, left, right), top, bottom)
    if down is None:
        return None
    across = _pair(_profiles(page.T, *down), left, right)
    if across is None:
        return None
    inside = round(INSIDE_MM * PX_PER_MM)
    return _Box(
        row, column, across[0] + inside, down[0] + inside, across[1] - inside, down[1] - inside
    )


def _profiles(page: np.ndarray, left: int, right: int) -> np.ndarray:
    """How dark the rows of a page, float (H, W), are near both ends of a box, float (2, H): a line
    of the box is dark at both, what is written hardly ever."""
    inset, wide = round(CORNER_MM * PX_PER_MM), round(END_MM * PX_PER_MM)
    return np.array(
        [
            1 - page[:, start : start + wide].mean(axis=1)
            for start in (left + inset, right - inset - wide)
        ]
    )


def _pair(darkness: np.ndarray, first: int, second: int) -> tuple[int, int] | None:
    """Where along two profiles, float (2, N), the two lines of a box begin and end that should be
    at these places; None where they do not stand out.

    Both are looked for together, so that a line of the box next to it is not taken for one of its
    own.
    """
    off, near = round(LINE_OFF_MM * PX_PER_MM), round(LINE_NEAR_MM * PX_PER_MM)
    paper = np.percentile(darkness[:, first:second], 10, axis=1, keepdims=True)
    smooth = ndimage.uniform_filter1d(darkness, 3, axis=1) - paper
    wide = ndimage.maximum_filter1d(smooth, 2 * near + 1, axis=1).min(axis=0)
    shifts = np.arange(-off, off + 1)
    both = np.minimum(wide[first + shifts], wide[second + shifts])
    if both.max() < LEAST_LINE:
        return None
    # Of several that are as good, the middle one.
    best = np.flatnonzero(both == both.max())
    shift = shifts[best[len(best) // 2]]
    # Their outer edges, for within, what is written may touch them and be darker; and of a line
    # that is not quite straight, the end that is farther in.
    around = np.arange(-2 * near, 2 * near + 1)
    before, after = (smooth[:, line + shift + around] >= LEAST_LINE for line in (first, second))
    begins = around[before.argmax(axis=1)].max()
    ends = around[::-1][after[:, ::-1].argmax(axis=1)].min()
    return int(first + shift + begins), int(second + shift + ends)


def _noise(page: np.ndarray) -> float:
    """How much pixels of blank paper differ, as a standard deviation."""
    step = page[:, 1:] - page[:, :-1]
    return float(1.48 * np.median(np.abs(step[::3, ::3])) / np.sqrt(2))


def _written(page: np.ndarray, box: _Box, least: float) -> WrittenBox | None:
    """What is written in a box, if there is something.

    Args:
        least: As a share of the paper's light, how much darker than it ink is.
    """
    inside = page[box.top : box.bottom, box.left : box.right]
    marks = Marks(np.where(1 - inside > least, INK, 0).astype(np.uint8))
    is_line = _is_along_rim(marks)
    sides = np.maximum(marks.widths, marks.heights)[~is_line]
    if not np.any(sides >= LEAST_DIGIT_MM * PX_PER_MM):
        return None
    dark = ((1 - inside) * INK).round().astype(np.uint8)
    picture = INK - marks.ink_of(dark, ~is_line)
    ink = find_ink(picture)
    if not ink.any():
        return None
    label = int(sheet.LABELS[box.row, box.column])
    return WrittenBox(label, prepare_found(digits_only(ink)).image, picture, box.row, box.column)


def _is_along_rim(marks: Marks) -> np.ndarray:
    """Which marks are nothing but what is left of a line that is not quite straight, bool (N,)."""
    height, width = marks.spots.shape
    left, top, right, bottom = marks.boxes.T
    deep = np.minimum.reduce([right, bottom, width - left, height - top])
    return deep <= REST_MM * PX_PER_MM
