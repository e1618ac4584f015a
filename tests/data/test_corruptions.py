"""Digits made harder to read."""

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.data.corruptions import CORRUPTIONS, breaking_points

IMAGES = dataset.load().test.images[:40]
LEFT_TOP = np.zeros((1, 28, 28), np.uint8)
LEFT_TOP[0, 6, 8] = 200  # 8 rows above the middle, 6 columns to the left of it


def apply(name, images, amount):
    return CORRUPTIONS[name].apply(images, amount)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_harmless_amount_changes_nothing_and_every_other_one_something(name):
    corruption = CORRUPTIONS[name]
    for amount in corruption.amounts:
        result = corruption.apply(IMAGES, amount)
        assert result.shape == IMAGES.shape and result.dtype == np.uint8
        # (The topmost rows of a digit are paper; half and half of ink and paper is grey all over.)
        if amount == corruption.harmless or (name == "cover" and amount <= 3):
            np.testing.assert_array_equal(result, IMAGES)
        else:
            assert (result != IMAGES).any()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_amounts_rise_in_even_steps_with_the_harmless_one_among_them(name):
    corruption = CORRUPTIONS[name]
    steps = np.diff(corruption.amounts)
    assert (steps > 0).all() and np.ptp(steps) < 1e-6
    assert corruption.harmless in corruption.amounts and len(corruption.amounts) <= 40


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_one_image_along_the_amounts_is_what_each_of_them_makes_of_it(name):
    corruption = CORRUPTIONS[name]
    along = corruption.along(IMAGES[0])
    for place, amount in enumerate(corruption.amounts):
        np.testing.assert_array_equal(along[place], corruption.apply(IMAGES[:1], amount)[0])


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name != "noise"])
def test_an_image_comes_out_the_same_alone_and_among_others(name):
    for amount in CORRUPTIONS[name].amounts[::7]:
        np.testing.assert_array_equal(
            apply(name, IMAGES[7:8], amount)[0], apply(name, IMAGES, amount)[7]
        )


@pytest.mark.parametrize(("degrees", "row", "column"), [(90, 8, 22), (180, 22, 20), (-90, 20, 6)])
def test_a_turn_is_clockwise_about_the_middle(degrees, row, column):
    turned = apply("turn", LEFT_TOP, degrees)[0]
    assert np.argwhere(turned > 100).tolist() == [[row, column]]


def test_half_a_turn_is_the_image_backwards():
    # The middle is the pixel (14, 14), so the first row and column have no counterpart.
    np.testing.assert_array_equal(apply("turn", IMAGES, 180)[:, 1:, 1:], IMAGES[:, :0:-1, :0:-1])


@pytest.mark.parametrize(("percent", "row", "column"), [(50, 10, 11), (150, 2, 5)])
def test_scaling_is_about_the_middle(percent, row, column):
    scaled = apply("scale", LEFT_TOP, percent)[0].astype(float)
    assert np.unravel_index(scaled.argmax(), scaled.shape) == (row, column)


def test_twice_as_large_has_four_times_the_ink():
    small = np.zeros((1, 28, 28), np.uint8)
    small[0, 11:17, 12:18] = 240
    assert apply("scale", small, 200).sum() == pytest.approx(4 * small.sum(), rel=0.05)


@pytest.mark.parametrize(("slant", "column"), [(1.0, 16), (-0.5, 4), (0.5, 12)])
def test_a_shear_moves_what_is_above_the_middle_sideways(slant, column):
    assert np.argwhere(apply("shear", LEFT_TOP, slant)[0] > 100).tolist() == [[6, column]]


@pytest.mark.parametrize(("name", "function"), [("thicken", max), ("thin", min)])
@pytest.mark.parametrize("amount", [1.0, 2.0, 1.5])
def test_strokes_are_widened_and_narrowed_by_squares(name, function, amount):
    image = IMAGES[0].astype(int)
    padded = np.pad(image, 3)

    def by_hand(reach):
        return np.array(
            [
                [
                    function(
                        padded[
                            row + 3 - reach : row + 4 + reach,
                            column + 3 - reach : column + 4 + reach,
                        ].ravel()
                    )
                    for column in range(28)
                ]
                for row in range(28)
            ]
        )

    whole, rest = int(amount), amount % 1
    expected = (1 - rest) * by_hand(whole) + rest * by_hand(whole + 1)
    np.testing.assert_array_equal(apply(name, IMAGES[:1], amount)[0], expected.round())


def test_blur_spreads_a_point_as_a_gaussian_does():
    point = np.zeros((1, 28, 28), np.uint8)
    point[0, 14, 14] = 255
    rows, columns = np.mgrid[-14:14, -14:14]
    expected = np.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    np.testing.assert_allclose(
        apply("blur", point, 1.5)[0], 255 * expected / expected.sum(), atol=0.6
    )


def test_noise_is_as_strong_as_it_says_and_grows_in_place():
    grey = np.full((50, 28, 28), 128, np.uint8)
    weak, strong = (apply("noise", grey, percent).astype(float) - 128 for percent in (5, 10))
    assert weak.std() == pytest.approx(0.05 * 255, rel=0.05) and strong.std() == pytest.approx(
        0.1 * 255, rel=0.05
    )
    assert np.corrcoef(weak.ravel(), strong.ravel())[0, 1] > 0.99


def test_covering_hides_rows_from_the_top():
    hidden = apply("cover", IMAGES, 12)
    assert not hidden[:, :12].any()
    np.testing.assert_array_equal(hidden[:, 12:], IMAGES[:, 12:])
    assert not apply("cover", IMAGES, 28).any()


def test_inverting_goes_through_grey_to_the_negative():
    np.testing.assert_array_equal(apply("invert", IMAGES, 100), 255 - IMAGES)
    assert set(np.unique(apply("invert", IMAGES, 50))) <= {127, 128}


@pytest.mark.parametrize(
    ("wrong", "points"),
    [
        ((), []),
        ((20,), [20]),
        ((190, 200), [190]),
        ((30, 150, 170), [30, 150]),
        ((100,), [100]),
        ((100, 20), [100]),
    ],
)
def test_the_breaking_points_are_the_first_wrong_readings_on_either_side(wrong, points):
    corruption = CORRUPTIONS["scale"]
    right = np.array([amount not in wrong for amount in corruption.amounts])
    assert breaking_points(corruption, right) == points
