"""A digit moved to every place around."""

import numpy as np
import pytest

from mnist_models.data import dataset, shifts

IMAGE = dataset.load().test.images[0]


def moved_slowly(image, dx, dy):
    """One pixel after the other."""
    result = np.zeros_like(image)
    for row in range(28):
        for column in range(28):
            if 0 <= row - dy < 28 and 0 <= column - dx < 28:
                result[row, column] = image[row - dy, column - dx]
    return result


def test_there_are_441_places_each_once_with_the_middle_among_them():
    assert len(shifts.SHIFTS) == len(set(shifts.SHIFTS)) == 21**2
    assert (
        shifts.SHIFTS[0] == (-10, -10)
        and shifts.SHIFTS[220] == (0, 0)
        and shifts.SHIFTS[-1] == (10, 10)
    )


@pytest.mark.parametrize("place", [0, 20, 45, 219, 220, 221, 400, 440])
def test_a_digit_is_moved_to_the_right_and_down_and_what_leaves_the_image_is_lost(place):
    moved = shifts.moved(IMAGE)
    assert moved.shape == (441, 28, 28) and moved.dtype == np.uint8
    np.testing.assert_array_equal(moved[place], moved_slowly(IMAGE, *shifts.SHIFTS[place]))


def test_preparation_undoes_every_shift():
    prepared = shifts.moved_and_prepared(IMAGE)
    assert prepared.shape == (441, 28, 28) and prepared.dtype == np.uint8
    assert (prepared == prepared[220]).all() and prepared[220].any()


def test_a_digit_in_the_corner_is_moved_without_losing_any_of_it_before_it_is_prepared():
    corner = np.zeros((28, 28), np.uint8)
    corner[:20, :6] = 255
    prepared = shifts.moved_and_prepared(corner)
    assert (prepared == prepared[220]).all()
