"""The ways of a pen, drawn as the app prepares drawings."""

import numpy as np
from scipy import ndimage

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.preprocessing import (
    CENTER_PX,
    DIGIT_SIZE_PX,
    THICKEST_STROKE_PX,
    THINNEST_STROKE_PX,
)
from mnist_models.data.segments import squared_distance

INK = 255
# Pens are soft or hard; without that, a hard edge alone would distinguish what is drawn from MNIST.
# Standard deviation in pixels.
SOFTEST = 0.8
SHARE_OF_SOFT = 0.7
STEPS_PER_POINT = 5


def curve_through(points: np.ndarray, roundness: float | np.ndarray = 1.0) -> np.ndarray:
    """Points along curves through given points (E. Catmull and R. Rom 1974); where two of these are
    one, the curve has a corner.

    Args:
        points: Floats (N, strokes, points, 2), two points at least in each stroke.
        roundness: 0 for straight lines, 1 for smooth curves, or between: (N, 1, 1, 1), or one for
            all.

    Returns:
        Floats (N, strokes, more points, 2).
    """
    padded = np.concatenate([points[:, :, :1], points, points[:, :, -1:]], axis=2)
    tangents = (roundness * (padded[:, :, 2:] - padded[:, :, :-2]) / 2)[..., np.newaxis, :]
    start, end = points[:, :, :-1, np.newaxis], points[:, :, 1:, np.newaxis]
    goes_on = np.any(start != end, axis=-1, keepdims=True)
    t = np.arange(STEPS_PER_POINT)[:, np.newaxis] / STEPS_PER_POINT
    curve = (
        start
        + (end - start) * (3 - 2 * t) * t**2
        + goes_on * (tangents[:, :, :-1] * (1 - t) - tangents[:, :, 1:] * t) * (1 - t) * t
    )
    curve = curve.reshape(*points.shape[:2], curve.shape[2] * STEPS_PER_POINT, 2)
    return np.concatenate([curve, points[:, :, -1:]], axis=2)


def inked(
    paths: np.ndarray, random: np.random.Generator, drawn: np.ndarray | None = None
) -> np.ndarray:
    """Each drawing with a pen of its own, prepared: the longer side of the ink is 20 px, its centre
    of mass in the middle.

    Args:
        paths: Points (x, y) along strokes, x to the right, y down, in any unit: floats (N, strokes,
            points, 2).
        drawn: Which strokes there are, bool (N, strokes), one at least in each drawing; all, unless
            given.

    Returns:
        uint8 (N, 28, 28), 0 is paper, 255 is ink.
    """
    if drawn is None:
        drawn = np.ones(paths.shape[:2], bool)
    among = drawn[:, :, np.newaxis, np.newaxis]
    lengths = np.where(among, np.linalg.norm(np.diff(paths, axis=2), axis=3, keepdims=True), 0)
    middles = (paths[:, :, 1:] + paths[:, :, :-1]) / 2
    centers = (middles * lengths).sum(axis=(1, 2)) / lengths.sum(axis=(1, 2)).clip(1e-9)
    width = random.uniform(THINNEST_STROKE_PX, THICKEST_STROKE_PX, len(paths))
    low = np.where(among, paths, np.inf).min(axis=(1, 2))
    high = np.where(among, paths, -np.inf).max(axis=(1, 2))
    scale = (DIGIT_SIZE_PX - width) / (high - low).max(axis=1).clip(1e-9)
    paths = (paths - centers[:, np.newaxis, np.newaxis]) * scale[
        :, np.newaxis, np.newaxis, np.newaxis
    ] + CENTER_PX
    distance = _distance_to(paths, drawn)
    ink = (width[:, np.newaxis, np.newaxis] / 2 + 0.5 - distance).clip(0, 1)
    for place in np.flatnonzero(random.random(len(ink)) < SHARE_OF_SOFT):
        ink[place] = ndimage.gaussian_filter(ink[place], random.uniform(0, SOFTEST))
    return (ink * (INK / ink.max(axis=(1, 2), keepdims=True))).round().astype(np.uint8)


def _distance_to(paths: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """How far each pixel is from the nearest stroke that is drawn, float (N, 28, 28), in pixels."""
    nearest = np.full((len(paths), IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.inf, np.float32)
    for stroke in range(paths.shape[1]):
        chosen = np.flatnonzero(drawn[:, stroke])
        points = paths[chosen, stroke].astype(np.float32)
        for start, end in zip(
            points[:, :-1].swapaxes(0, 1), points[:, 1:].swapaxes(0, 1), strict=True
        ):
            squared = squared_distance(tuple(start.T), tuple(end.T))
            nearest[chosen] = np.minimum(nearest[chosen], squared)
    return np.sqrt(nearest)
