"""How far pixels are from straight strokes."""

import numpy as np
import pytest

from mnist_models.data.segments import squared_distance


@pytest.mark.parametrize("end", [(20.5, 9.0), (3.0, 4.0), (3.0, 27.0), (-4.0, 4.0)])
def test_the_distance_is_that_of_the_nearest_of_many_points_along_the_segment(end):
    start, end = np.array((3.0, 4.0)), np.array(end)
    points = start + np.linspace(0, 1, 2001)[:, np.newaxis] * (end - start)
    pixels = np.array([(column, row) for row in range(28) for column in range(28)], float)
    apart = np.linalg.norm(pixels[:, np.newaxis] - points, axis=2).min(axis=1).reshape(28, 28)
    found = np.sqrt(squared_distance(tuple(start), tuple(end)))
    np.testing.assert_allclose(found, apart, atol=0.02)  # the points are 0.01 px apart


def test_many_segments_are_measured_at_once_in_float32():
    starts = np.arange(6, dtype=np.float32).reshape(3, 2)
    ends = starts[::-1] + 9
    found = squared_distance(tuple(starts.T), tuple(ends.T))
    assert found.shape == (3, 28, 28) and found.dtype == np.float32
    for one, start, end in zip(found, starts, ends, strict=True):
        np.testing.assert_array_equal(one, squared_distance(tuple(start), tuple(end)))
