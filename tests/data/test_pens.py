"""Curves go where they are told to; what is drawn along them looks as prepared drawings do."""

import numpy as np
import pytest

from mnist_models.data.pens import STEPS_PER_POINT, curve_through, inked
from mnist_models.data.preprocessing import (
    THICKEST_STROKE_PX,
    THINNEST_STROKE_PX,
    center_of_mass,
    prepare_ink,
)

RANDOM = np.random.default_rng(1)


def stroke(*points):
    """One drawing of one stroke."""
    return np.array([[points]], float)


@pytest.mark.parametrize("roundness", [0.0, 0.5, 1.0])
def test_a_curve_goes_through_its_points(roundness):
    points = RANDOM.random((5, 2, 6, 2))
    curve = curve_through(points, roundness)
    np.testing.assert_allclose(curve[:, :, ::STEPS_PER_POINT], points)


def test_without_roundness_a_curve_is_straight_lines():
    curve = curve_through(stroke((0, 0), (3, 0), (3, 4)), 0.0)[0, 0]
    assert np.hypot(*np.diff(curve, axis=0).T).sum() == pytest.approx(7)


def test_a_point_that_stands_twice_is_a_corner():
    smooth = curve_through(stroke((0, 0), (1, 0), (1, 1)))[0, 0]
    cornered = curve_through(stroke((0, 0), (1, 0), (1, 0), (1, 1)))[0, 0]
    assert smooth[:, 0].max() > 1.01 and cornered[:, 0].max() == pytest.approx(1)


def test_ink_has_the_size_and_the_place_of_a_prepared_drawing_whatever_the_unit():
    paths = curve_through(1_000 * RANDOM.random((100, 2, 4, 2)))
    for image in inked(paths, RANDOM):
        rows, columns = (np.flatnonzero((image > 127).any(axis=axis)) for axis in (1, 0))
        assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21 and image.max() == 255
        # Where strokes cross there is less ink than they are long.
        assert center_of_mass(image) == pytest.approx((14, 14), abs=2)


def test_pens_are_as_wide_as_the_strokes_of_prepared_drawings():
    line = np.repeat(stroke((0, 0), (0, 1)), 200, axis=0)
    widths_px = [prepare_ink(image).stroke_px for image in inked(line, RANDOM)]
    # Measured on a grid of pixels, at half of the ink: good to half a pixel.
    assert min(widths_px) > THINNEST_STROKE_PX - 0.6 and max(widths_px) < THICKEST_STROKE_PX + 0.6
    assert np.ptp(widths_px) > 1.5


def test_a_stroke_that_is_not_drawn_leaves_nothing():
    both = np.concatenate([stroke((0, 0), (0, 10)), stroke((5, 0), (5, 10))], axis=1)
    images = inked(
        np.repeat(both, 2, axis=0), RANDOM, drawn=np.array([[True, True], [True, False]])
    )
    two, one = ((image[14] > 100).astype(int) for image in images)
    assert (np.diff(two) == 1).sum() == 2 and (np.diff(one) == 1).sum() == 1
