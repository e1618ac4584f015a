"""Drawings that are not digits (out-of-distribution images), random ones and letters, so that a
model can learn what it has not been asked about.

D. Hendrycks et al. 2019, "Deep anomaly detection with outlier exposure"
(https://arxiv.org/abs/1812.04606): a network that is trained to give all digits equal
probability in such drawings is not sure of others either, which it never saw.
"""

import functools

import numpy as np

from mnist_models.data import skeletons
from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.pens import curve_through, inked

# The share of letters; of the scribbles, a third wander from place to place.
SHARE_OF_LETTERS = 0.3
MOST_WANDERING_STROKES, MOST_PLACES = 3, 7
# One stroke through fewer places might be a digit.
FEWEST_PLACES, FEWEST_PLACES_OF_ONE_STROKE = 3, 5
MOST_STROKES = 4
POINTS_PER_STROKE = 13
# Half of the other scribbles are built as signs are, from strokes between the corners and middles
# of a box, most of them straight; the others run anywhere.
SHARE_OF_SIGNS = 0.5
STRAIGHT_IN_SIGNS, STRAIGHT_ELSEWHERE = 0.65, 0.4
# The share of strokes that are bows, parts of an ellipse or all of one.
BOWS = 0.2
# The share of strokes that begin where the one before has ended. Of two strokes neither does: a 7
# is drawn like that.
CHAINED = 0.6
NARROWEST, WIDEST = 0.5, 1.1
# What spreads less across than this share of what it does along might as well be a 1. And a dot is
# no drawing: strokes may all begin and end at one place.
THINNEST = 0.15
SMALLEST = 0.1
AT_ONCE = 300


@functools.lru_cache(maxsize=2)
def outliers(count: int, seed: int) -> np.ndarray:
    """`count` letters and scribbles of one to four straight or bent strokes, prepared as the app
    prepares drawings: uint8 (count, 28, 28).

    Each scribble is there in all eight ways in which a square can be turned and mirrored, for
    drawing takes longer than that. The same seed gives the same drawings. They are not to be
    changed: everybody gets the same array.
    """
    random = np.random.default_rng([seed, 2**33])
    letters = skeletons.drawn(skeletons.LETTERS.values(), round(SHARE_OF_LETTERS * count), random)
    drawn = np.empty((0, IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    while len(drawn) < (count - len(letters)) / 8:
        drawn = np.concatenate([drawn, _scribbles(random), _wandering(random)])
    turned = [
        np.rot90(way, turns, (1, 2)) for way in (drawn, drawn[:, :, ::-1]) for turns in range(4)
    ]
    scribbles = random.permutation(np.concatenate(turned))[: count - len(letters)]
    images = random.permutation(np.concatenate([letters, scribbles]))
    images.flags.writeable = False
    return images


def _scribbles(random: np.random.Generator) -> np.ndarray:
    """Nearly AT_ONCE of them."""
    strokes = random.integers(2, MOST_STROKES + 1, AT_ONCE)
    paths = _paths(strokes, random)
    drawn = np.arange(MOST_STROKES) < strokes[:, np.newaxis]
    among = drawn[:, :, np.newaxis, np.newaxis]
    points = POINTS_PER_STROKE * strokes[:, np.newaxis]
    paths -= (np.where(among, paths, 0).sum(axis=(1, 2)) / points)[:, np.newaxis, np.newaxis]
    ink = np.where(among, paths, 0)
    across, along = np.sqrt(
        np.linalg.eigvalsh(np.einsum("nspx,nspy->nxy", ink, ink) / points[..., np.newaxis]).clip(0)
    ).T
    kept = across > THINNEST * along.clip(SMALLEST)
    return inked(paths[kept], random, drawn[kept])


def _wandering(random: np.random.Generator) -> np.ndarray:
    """Some drawings of one to three strokes through random places, straight from each to the next,
    round or between."""
    count = AT_ONCE // 2
    strokes = random.integers(1, MOST_WANDERING_STROKES + 1, (count, 1))
    fewest = np.where(strokes == 1, FEWEST_PLACES_OF_ONE_STROKE, FEWEST_PLACES)
    places = random.integers(fewest, MOST_PLACES + 1, (count, MOST_WANDERING_STROKES))
    points = random.random((count, MOST_WANDERING_STROKES, MOST_PLACES, 2))
    last = np.minimum(np.arange(MOST_PLACES), places[..., np.newaxis] - 1)
    points = np.take_along_axis(points, last[..., np.newaxis], axis=2)
    points[..., 0] *= random.uniform(NARROWEST, WIDEST, (count, 1, 1))
    paths = curve_through(points, random.random((count, 1, 1, 1)))
    return inked(paths, random, np.arange(MOST_WANDERING_STROKES) < strokes)


def _paths(strokes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Points (x, y) along cubic Bézier curves, floats (N, MOST_STROKES, points, 2), between 0 and
    about 1.

    Args:
        strokes: How many of them will be drawn, int (N,).
    """
    count = len(strokes)
    corners = random.random((count, MOST_STROKES, 4, 2))
    is_sign = random.random((count, 1, 1, 1)) < SHARE_OF_SIGNS
    ends = corners[:, :, [0, 3]]
    corners[:, :, [0, 3]] = np.where(is_sign, np.round(ends * 2) / 2, ends)
    chained = (
        random.random((count, MOST_STROKES - 1, 1))
        < np.where(strokes > 2, CHAINED, 0)[:, np.newaxis, np.newaxis]
    )
    corners[:, 1:, 0] = np.where(chained, corners[:, :-1, 3], corners[:, 1:, 0])
    thirds = np.linspace(0, 1, 4)[:, np.newaxis]
    line = corners[:, :, :1] + (corners[:, :, 3:] - corners[:, :, :1]) * thirds
    is_straight = random.random((count, MOST_STROKES, 1, 1)) < np.where(
        is_sign, STRAIGHT_IN_SIGNS, STRAIGHT_ELSEWHERE
    )
    corners = np.where(is_straight, line, corners)
    t = np.linspace(0, 1, POINTS_PER_STROKE)
    bernstein = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    paths = np.einsum("cp,nscd->nspd", bernstein, corners)
    paths = np.where(
        random.random((count, MOST_STROKES, 1, 1)) < BOWS, _bows(count, is_sign, random), paths
    )
    paths[..., 0] *= random.uniform(NARROWEST, WIDEST, (count, 1, 1))
    return paths


def _bows(count: int, is_sign: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Points along parts of ellipses, a quarter of one at least, as in `_paths`; in signs they
    begin at a side."""
    shape = (count, MOST_STROKES, 1)
    begin, robustness_curve = (
        random.uniform(0, 2 * np.pi, shape),
        random.uniform(np.pi / 2, 2 * np.pi, shape),
    )
    begin = np.where(is_sign[..., 0], np.round(begin / (np.pi / 2)) * np.pi / 2, begin)
    angles = begin + robustness_curve * np.linspace(0, 1, POINTS_PER_STROKE)
    radii = random.uniform(0.15, 0.5, (count, MOST_STROKES, 1, 2))
    centers = radii + random.random((count, MOST_STROKES, 1, 2)) * (1 - 2 * radii)
    return centers + radii * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
