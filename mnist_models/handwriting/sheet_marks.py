"""The four marks of the printed sheet in a picture: where they are, and so where everything on it
is seen.

They are found as what they are whatever the camera's place: dark squares, of which perspective
makes quadrilaterals, as large as their places say, one of them with a hole.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_models.data.pictures import fitted
from mnist_models.handwriting import sheet
from mnist_models.handwriting.light import evenly_lit

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


class _Square(NamedTuple):
    """A dark square in the small picture: where its middle is, its area, whether it has a hole."""

    x: float
    y: float
    area_px: float
    has_hole: bool


def find(picture: Image.Image) -> np.ndarray | None:
    """The perspective in which the sheet is seen, float (3, 3): from (x, y, 1) on the sheet, in mm,
    to the place in the picture, in pixels, times its depth. None where the marks are not seen.

    Args:
        picture: Mode L.
    """
    small = picture.resize(
        fitted(picture.size, min(SMALL_PX, max(picture.size))), Image.Resampling.BOX
    )
    marks = _find_marks(np.asarray(small, np.float32))
    if marks is None:
        return None
    places = (np.array([(one.x, one.y) for one in marks]) + 0.5) * (picture.width / small.width)
    return _homography(np.array(sheet.MARKS_MM), places)


def _find_marks(grey: np.ndarray) -> list[_Square] | None:
    """The four marks in a picture, float32 (H, W), in the sheet's order; None where there are
    none."""
    # The sheet fills at least half of the picture's longer side.
    most_px = max(grey.shape) * sheet.MARK_MM / sheet.PAGE_MM[0]
    squares = _squares(evenly_lit(grey, most_px) < DARK, most_px)
    firsts = [one for one in squares if one.has_hole]
    others = [one for one in squares if not one.has_hole][:MOST_WITHOUT]
    best, best_off = None, np.log(SIZE_FACTOR)
    for first in firsts[:MOST_WITH_HOLE]:
        for three in itertools.combinations(others, 3):
            four = _clockwise(first, three)
            off = _size_error(four)
            if off < best_off:
                best, best_off = four, off
    return best


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
