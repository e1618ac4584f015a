"""Where the paper is in a picture: inside the lines along its rim, and on the table."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull

from mnist_models.data.pictures import fitted

# A line along the rim is at most this share of the picture's shorter side, and a pixel or two.
WIDEST_RIM_LINE = 0.05
SMALLEST_WITH_RIM_LINES_PX = 20
# What is seen of a sheet and of the table is told apart in a thumbnail, its longer side so long.
THUMBNAIL_PX = 128
# Neighbours in the thumbnail that differ by more, of 255, have an edge between them: grain and
# shade differ less.
EDGE = 9
SMALLEST_SHEET = 0.04
LARGEST_SHEET = 0.985
# Of the smallest convex shape around a sheet, and of that shape, what its best four corners hold:
# 1 for a rectangle, 0.64 for an ellipse such as a thick 0.
LEAST_CONVEX = 0.93
LEAST_SQUARE = 0.8
# As shares of a sheet, how much may be written on it.
LEAST_WRITTEN, MOST_WRITTEN = 0.002, 0.5


class Sheet(NamedTuple):
    """A sheet of paper in a picture.

    Attributes:
        box: Left, top, right and bottom of it.
        covered: bool (H, W), where in the picture it is.
        picture: What is in the box, with paper all around the sheet.
    """

    box: tuple[int, int, int, int]
    covered: np.ndarray
    picture: Image.Image


def inside_rim_lines(grey: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is inside the lines along the rim, uint8 (H, W), such as
    the borders of a table's cell; all of it where there are none."""
    height, width = grey.shape
    most = max(2, round(WIDEST_RIM_LINE * min(grey.shape)))
    if min(grey.shape) < SMALLEST_WITH_RIM_LINES_PX:
        return 0, 0, width, height
    level = grey.astype(np.int16)
    sides = [level.T, level, level.T[::-1], level[::-1]]
    left, top, right, bottom = (_rim_line(side, most) for side in sides)
    box = (left, top, width - right, height - bottom)
    if box == (0, 0, width, height):
        return box
    inner = level[top : height - bottom, left : width - right]
    # Whoever crops a digit closely has ink along the rim too: that runs on inside.
    paper = np.median(rim(inner))
    contrast = np.abs(inner - paper)
    written = contrast > max(contrast.max() / 2, 1)
    rows, columns = written.any(axis=1), written.any(axis=0)
    free = not (rows[[0, -1]].any() or columns[[0, -1]].any())
    tall = rows.any() and np.ptp(np.flatnonzero(rows)) >= 0.2 * height
    return box if free and tall else (0, 0, width, height)


def _rim_line(level: np.ndarray, most: int) -> int:
    """How many rows from the top on are a line along the rim: each of one shade, and unlike what
    comes after."""
    # Corners belong to the lines of the sides next to them.
    rows = level[: most + 2, most:-most]
    low, middle, high = np.percentile(rows, (3, 50, 97), axis=1)
    inside = np.median(level[most + 2 : 3 * most + 2, most:-most])
    unlike = np.minimum(np.abs(low - inside), np.abs(high - inside)) >= 40
    uniform = (high - low <= 30) | (np.abs(middle - inside) >= 4 * (high - low))
    line = unlike & uniform & (np.sign(low - inside) == np.sign(high - inside))
    thick = int(np.argmin(line))
    if line.all() or not thick:
        return 0
    # The soft edge of the line goes with it.
    return thick + bool(np.abs(middle[thick] - inside) > 8)


def rim(image: np.ndarray) -> np.ndarray:
    """The pixels along the four sides of an image."""
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def find_sheet(picture: Image.Image) -> Sheet | None:
    """The sheet of paper that lies on something else; None where the paper fills the picture.

    Args:
        picture: Mode L or RGB.
    """
    size = fitted(picture.size, min(THUMBNAIL_PX, max(picture.size)))
    small = np.asarray(picture.resize(size, Image.Resampling.BOX), np.float32)
    small = small.reshape(*small.shape[:2], -1)
    smooth = ndimage.median_filter(small, (3, 3, 1), mode="nearest")
    spots, _ = ndimage.label(~_edges(smooth))
    areas = np.bincount(spots.ravel())
    areas[0] = 0
    found = [
        (int((sheet & (spots != spot)).sum()), sheet, spots == spot)
        for spot in np.flatnonzero(areas >= SMALLEST_SHEET * spots.size)
        if (sheet := _as_sheet(spots == spot, smooth)) is not None
    ]
    if not found:
        return None
    *others, (most, sheet, blank) = sorted(found, key=lambda one: one[0])
    # Of two sheets that are written on, nobody can tell which is meant.
    if others and others[-1][0] > most / 4:
        return None
    return _cut_out(picture, sheet, blank)


def _edges(smooth: np.ndarray) -> np.ndarray:
    """Where neighbours in an image, float (h, w, channels), differ: bool (h, w)."""
    edges = np.zeros(smooth.shape[:2], bool)
    down = np.abs(np.diff(smooth, axis=0)).max(axis=2) > EDGE
    right = np.abs(np.diff(smooth, axis=1)).max(axis=2) > EDGE
    edges[1:] |= down
    edges[:, 1:] |= right
    return edges


def _as_sheet(region: np.ndarray, smooth: np.ndarray) -> np.ndarray | None:
    """The region, bool (h, w), with what is written on it, if it is a sheet on a table."""
    # Where the table ends in a point at the rim, the sheet seems to go on into it.
    filled = ndimage.binary_opening(ndimage.binary_fill_holes(region), iterations=3)
    parts, _ = ndimage.label(filled)
    if not parts.any():
        return None
    filled = parts == np.bincount(parts[parts > 0]).argmax()
    area = filled.sum()
    if not _is_square(filled):
        return None
    inner = ndimage.binary_erosion(filled, iterations=2, border_value=1)
    written = inner & ~region
    if not LEAST_WRITTEN <= written.sum() / area <= MOST_WRITTEN:
        return None
    # Beyond a line on paper comes the same paper.
    around = ndimage.binary_dilation(filled, iterations=8) & ~ndimage.binary_dilation(
        filled, iterations=3
    )
    within = region & inner & ~ndimage.binary_erosion(filled, iterations=4, border_value=1)
    if not around.any() or not within.any():
        return None
    table = np.median(smooth[around], axis=0)
    if np.abs(table - np.median(smooth[within], axis=0)).max() <= 3 * EDGE:
        return None
    # What is inside of a thick 0 is one solid piece of the paper around it.
    solid = ndimage.binary_erosion(written, iterations=3)
    is_counter = (
        solid.sum() > 0.3 * written.sum()
        and np.mean(np.abs(smooth[solid] - table).max(axis=1) <= 3 * EDGE) > 0.9
        and _is_square(written, least_square=0)
    )
    return None if is_counter else filled


def _is_square(filled: np.ndarray, least_square: float = LEAST_SQUARE) -> bool:
    """Whether a region is convex and has corners, as a sheet has from wherever it is seen."""
    hull = _hull(filled)
    if hull.volume > LARGEST_SHEET * filled.size or filled.sum() < LEAST_CONVEX * hull.volume:
        return False
    points = hull.points[hull.vertices].astype(float)
    return _best_four(points) >= least_square * hull.volume


def _hull(filled: np.ndarray) -> ConvexHull:
    """The smallest convex shape around a region, as (row, column) of corners of its pixels."""
    # Of each row its first and last pixel are enough.
    rows = np.flatnonzero(filled.any(axis=1))
    first = filled.argmax(axis=1)[rows]
    last = filled.shape[1] - filled[:, ::-1].argmax(axis=1)[rows]
    return ConvexHull(
        np.concatenate(
            [np.stack([rows + down, side], 1) for down in (0, 1) for side in (first, last)]
        )
    )


def _best_four(points: np.ndarray) -> float:
    """The area of the largest quadrilateral between corners, float (N, 2), of a convex shape."""
    best = 0.0
    for one in points:
        # A diagonal from here to each other corner, and the farthest corner on either side of it.
        along = points - one
        x, y = along.T
        across = np.outer(x, y) - np.outer(y, x)
        best = max(best, ((across.max(axis=1) - across.min(axis=1)) / 2).max())
    return float(best)


def _cut_out(picture: Image.Image, filled: np.ndarray, blank: np.ndarray) -> Sheet:
    """The sheet cut out of the picture.

    Args:
        filled: Where it is in a thumbnail, bool (h, w).
        blank: Where on it nothing is written.
    """
    height, width = filled.shape
    inner = ndimage.binary_erosion(filled, iterations=2, border_value=1)
    rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
    across, down = picture.width / width, picture.height / height
    box = (
        int(columns[0] * across),
        int(rows[0] * down),
        int((columns[-1] + 1) * across),
        int((rows[-1] + 1) * down),
    )
    # Around the sheet goes on its nearest paper.
    small = picture.resize((width, height), Image.Resampling.BOX)
    paper_seen = blank & inner if (blank & inner).any() else blank
    nearest = ndimage.distance_transform_edt(
        ~paper_seen, return_distances=False, return_indices=True
    )
    paper = Image.fromarray(np.asarray(small)[tuple(nearest)])
    whole = paper.resize(picture.size, Image.Resampling.BILINEAR)
    whole.paste(picture, mask=Image.fromarray(inner).resize(picture.size))
    # What reaches beyond the sheet's edge makes a notch in it.
    whole_sheet = Image.new("1", small.size)
    corners = _hull(filled)
    ImageDraw.Draw(whole_sheet).polygon(
        [tuple(corner) for corner in corners.points[corners.vertices, ::-1]], fill=1
    )
    covered = np.asarray(whole_sheet.resize(picture.size))
    return Sheet(box, covered, whole.crop(box))
