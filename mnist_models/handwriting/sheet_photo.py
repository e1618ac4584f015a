"""A photo or scan of the printed sheet, cut up into its digits.

The four marks are found as what they are whatever the camera's place: dark squares, of which
perspective makes quadrilaterals. They tell where on the picture each box is; the lines of each box
then tell it exactly, also where the paper is bent.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_models.data.ink import find_ink
from mnist_models.data.marks import Marks, digits_only
from mnist_models.data.pictures import PictureError, fitted, open_picture
from mnist_models.data.preprocessing import prepare_found
from mnist_models.handwriting import sheet

# A page so tall has 7 pixels a mm: a thin pen's line is 3 wide.
PICTURE_PX = 2000
# The sheet, once it is seen from straight above.
PX_PER_MM = 6
# Where marks are looked for; the longer side.
SMALL_PX = 1000
# Paper is darker than this share of the light around it only where it is printed or written on.
DARK = 0.55
# As a share of that of a square, the area of a region over the root of the determinant of its
# second moments: 1 for every parallelogram, 1.05 for an ellipse, less for whatever has gaps.
LEAST_SQUARE, MOST_SQUARE = 0.9, 1.04
MOST_LENGTHENED = 3.0
# Of a mark's area: the hole of the first, and holes that light leaves in the others.
LEAST_HOLE, MOST_HOLE = 0.08, 0.4
# In pixels of the small picture; a mark is a thirtieth of the sheet's height.
LEAST_AREA_PX = 50
# The largest squares with a hole and without are tried, no more than take half a second.
MOST_WITH_HOLE, MOST_WITHOUT = 6, 12
# By which factor a mark may be larger or smaller than the places of all four say.
SIZE_FACTOR = 1.7
# So near a corner, a line is not looked at: it may be another box's.
CORNER_MM = 2.2
# How far from its place a line of a box may be, such as where the paper is bent.
LINE_OFF_MM = 4.0
# How much farther apart or nearer its two lines may be.
LINE_NEAR_MM = 0.5
# How dark a line is at least, along its length; a share of the paper's light.
LEAST_LINE = 0.12
LEAST_BOXES = 0.9
# From the outer edge of a line: its width, and its soft edges.
INSIDE_MM = 1.0
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


class _Square(NamedTuple):
    """A dark square in the small picture: where its middle is, its area, whether it has a hole."""

    x: float
    y: float
    area_px: float
    has_hole: bool


def _from_above(picture: Image.Image) -> np.ndarray:
    """The sheet as seen from straight above, evenly lit: float32, PX_PER_MM pixels a mm, 0 is black
    and 1 is paper."""
    small = picture.resize(
        fitted(picture.size, min(SMALL_PX, max(picture.size))), Image.Resampling.BOX
    )
    scale = picture.width / small.width
    marks = _find_marks(np.asarray(small, np.float32))
    if marks is None:
        raise PictureError(NOT_FOUND)
    size = tuple(round(side * PX_PER_MM) for side in sheet.PAGE_MM)
    to_picture = _homography(np.array(sheet.MARKS_MM) * PX_PER_MM, (np.array(marks) + 0.5) * scale)
    page = picture.transform(
        (size[0], size[1]), Image.Transform.PERSPECTIVE, to_picture.reshape(-1)[:8].tolist(),
        Image.Resampling.BICUBIC, fillcolor=0,
    )  # fmt: skip
    return _evenly_lit(np.asarray(page, np.float32), PX_PER_MM * sheet.MARK_MM)


def _evenly_lit(grey: np.ndarray, mark_px: float) -> np.ndarray:
    """Grey, float32 (H, W), as a share of the light of the paper there, 0 to 1.

    Args:
        mark_px: The side of what is dark and widest.
    """
    step = max(1, round(mark_px / 9))
    reduced = np.asarray(Image.fromarray(grey.clip(0, 255).astype(np.uint8)).reduce(step))
    window = round(1.6 * mark_px / step) | 1
    light = ndimage.grey_closing(reduced, (window, window), mode="nearest").astype(np.float32)
    light = ndimage.gaussian_filter(light, window / 4, mode="nearest")
    whole = Image.fromarray(light).resize(grey.shape[::-1], Image.Resampling.BILINEAR)
    return (grey / np.asarray(whole).clip(1)).clip(0, 1)


def _find_marks(grey: np.ndarray) -> list[tuple[float, float]] | None:
    """(x, y) of the middles of the four marks in a picture, float32 (H, W), in the sheet's order;
    None where there are none."""
    # The sheet fills at least half of the picture's longer side.
    most_px = max(grey.shape) * sheet.MARK_MM / sheet.PAGE_MM[0]
    squares = _squares(_evenly_lit(grey, most_px) < DARK, most_px)
    firsts = [one for one in squares if one.has_hole]
    others = [one for one in squares if not one.has_hole][:MOST_WITHOUT]
    best, best_off = None, np.log(SIZE_FACTOR)
    for first in firsts[:MOST_WITH_HOLE]:
        for three in itertools.combinations(others, 3):
            four = _clockwise(first, three)
            off = _size_error(four)
            if off < best_off:
                best, best_off = four, off
    return None if best is None else [(one.x, one.y) for one in best]


def _squares(dark: np.ndarray, most_px: float) -> list[_Square]:
    """The dark squares, largest first."""
    spots, count = ndimage.label(dark, np.ones((3, 3)))
    areas = np.bincount(spots.ravel(), minlength=count + 1)
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(spots), 1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if areas[number] < LEAST_AREA_PX or max(height, width) > 2 * most_px:
            continue
        filled = ndimage.binary_fill_holes(spots[rows, columns] == number)
        y, x = np.nonzero(filled)
        area = float(len(x))
        spread = np.cov(x, y, bias=True) + np.eye(2) / 12  # a pixel is a square itself
        small, large = np.linalg.eigvalsh(spread)
        hole = 1 - areas[number] / area
        if (
            LEAST_SQUARE <= area / (12 * np.sqrt(small * large)) <= MOST_SQUARE
            and large <= MOST_LENGTHENED**2 * small
            and hole <= MOST_HOLE
        ):
            middle = (float(x.mean()) + columns.start, float(y.mean()) + rows.start)
            found.append(_Square(*middle, area, bool(hole >= LEAST_HOLE)))
    return sorted(found, key=lambda one: -one.area_px)


def _clockwise(first: _Square, three: tuple[_Square, ...]) -> list[_Square]:
    """The four around their middle, clockwise as they are seen, from the first."""
    four = [first, *three]
    x, y = (sum(one[axis] for one in four) / 4 for axis in (0, 1))
    around = sorted(four, key=lambda one: np.arctan2(one.y - y, one.x - x))
    start = around.index(first)
    return around[start:] + around[:start]


def _size_error(four: list[_Square]) -> float:
    """How far the areas of marks are from what their places say, as the largest |log| of their
    ratio; without end if these places are not those of the marks from anywhere."""
    places = np.array([(one.x, one.y) for one in four])
    sides = np.roll(places, -1, axis=0) - places
    after = np.roll(sides, -1, axis=0)
    if np.any(sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0] <= 0):  # not convex
        return np.inf
    homography = _homography(np.array(sheet.MARKS_MM), places)
    half = sheet.MARK_MM / 2
    corners = np.array([(-half, -half), (half, -half), (half, half), (-half, half)])
    x, y = np.moveaxis(_seen(homography, np.array(sheet.MARKS_MM)[:, np.newaxis] + corners), -1, 0)
    area = (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1) / 2
    if np.any(area <= 0):
        return np.inf
    return float(np.abs(np.log(np.sqrt([one.area_px for one in four] / area))).max())


def _homography(places: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The perspective, float (3, 3), in which four places, float (4, 2), are seen at four others:
    eight equations, solved by least squares."""
    rows = []
    for (x, y), (u, v) in zip(places, seen, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solution = np.linalg.lstsq(np.array(rows), seen.reshape(-1), rcond=None)[0]
    return np.append(solution, 1).reshape(3, 3)


def _seen(homography: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Where places, float (..., 2), are seen."""
    x, y, depth = np.moveaxis(places @ homography[:, :2].T + homography[:, 2], -1, 0)
    return np.stack([x / depth, y / depth], axis=-1)


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
    inset = round(CORNER_MM * PX_PER_MM)
    dark = 1 - page
    down = _pair(dark[:, left + inset : right - inset].mean(axis=1), top, bottom)
    if down is None:
        return None
    across = _pair(dark[down[0] + inset : down[1] - inset].mean(axis=0), left, right)
    if across is None:
        return None
    inside = round(INSIDE_MM * PX_PER_MM)
    return _Box(
        row, column, across[0] + inside, down[0] + inside, across[1] - inside, down[1] - inside
    )


def _pair(darkness: np.ndarray, first: int, second: int) -> tuple[int, int] | None:
    """Where along a profile, float (N,), the two lines of a box begin and end that should be at
    these places; None where they do not stand out.

    Both are looked for together, so that a line of the box next to it is not taken for one of its
    own.
    """
    off, near = round(LINE_OFF_MM * PX_PER_MM), round(LINE_NEAR_MM * PX_PER_MM)
    smooth = ndimage.uniform_filter1d(darkness, 3) - np.percentile(darkness[first:second], 10)
    wide = np.pad(ndimage.maximum_filter1d(smooth, 2 * near + 1), off, mode="edge")
    shifts = np.arange(-off, off + 1)
    both = np.minimum(wide[first + off + shifts], wide[second + off + shifts])
    # Of several that are as good, the middle one.
    best = np.flatnonzero(both == both.max())
    shift = shifts[best[len(best) // 2]]
    if both.max() < LEAST_LINE:
        return None
    # Their outer edges: within, what is written may touch them and be darker.
    before, after = (
        np.arange(max(0, line + shift - 2 * near), line + shift + 2 * near + 1)
        for line in (first, second)
    )
    dark_before, dark_after = (
        before[smooth[before] >= LEAST_LINE],
        after[smooth[after] >= LEAST_LINE],
    )
    return int(dark_before[0]), int(dark_after[-1])


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
    strokes = Marks(np.where(1 - inside > least, 255, 0).astype(np.uint8))
    sides = np.maximum(strokes.widths, strokes.heights)
    if not np.any(sides >= LEAST_DIGIT_MM * PX_PER_MM):
        return None
    picture = (inside * 255).round().astype(np.uint8)
    ink = find_ink(picture)
    if not ink.any():
        return None
    label = int(sheet.LABELS[box.row, box.column])
    return WrittenBox(label, prepare_found(digits_only(ink)).image, picture, box.row, box.column)
