"""Styles of writing are drawn into the digits they belong to, and into no others."""

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.data.dataset import Digits
from mnist_models.data.styles import STROKES, WRITTEN_ANEW, restyled, with_strokes


@pytest.fixture(scope="module")
def digits():
    train = dataset.load().train
    return Digits(train.images[:3_000], train.labels[:3_000])


def test_only_digits_that_have_another_style_change_and_only_by_more_ink(digits):
    images = with_strokes(digits.images, digits.labels, np.random.default_rng(1))
    assert images.shape == digits.images.shape and images.dtype == np.uint8
    assert (images >= digits.images).all()
    changed = (images != digits.images).any(axis=(1, 2))
    for digit in range(10):
        share = changed[digits.labels == digit].mean()
        left_alone = np.prod([1 - share for other, share, _ in STROKES if other == digit])
        assert share == pytest.approx(1 - left_alone, abs=0.08)


def test_the_same_seed_gives_the_same_strokes_and_the_images_stay_as_they_were(digits):
    before = digits.images.copy()
    first, same, other = (restyled(digits.images, digits.labels, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    np.testing.assert_array_equal(digits.images, before)


def test_a_share_of_all_digits_is_written_anew(digits):
    images = restyled(digits.images, digits.labels, 1)
    # A digit written anew has ink where there was none and none where there was.
    anew = (images < digits.images).any(axis=(1, 2))
    for digit in range(10):
        assert anew[digits.labels == digit].mean() == pytest.approx(WRITTEN_ANEW[digit], abs=0.09)


def straight(row_from, row_to, column):
    """A digit that is one vertical line, two pixels wide."""
    image = np.zeros((28, 28), np.uint8)
    image[row_from : row_to + 1, column : column + 2] = 255
    return image


def added_to(image, label):
    """The ink that is new, in any of many tries: bool (28, 28)."""
    images = np.repeat(image[np.newaxis], 400, axis=0)
    labels = np.full(400, label, np.uint8)
    return (with_strokes(images, labels, np.random.default_rng(1)) > images).any(axis=0)


def test_a_1_gets_an_upstroke_to_the_left_of_its_top_and_a_foot_on_both_sides_of_its_end():
    added = added_to(straight(4, 23, 14), 1)
    assert added[8:14, 6:13].any() and not added[4:16, 18:].any()
    assert added[22:25, 8:13].any() and added[22:25, 17:20].any()
    assert not added[:2].any() and not added[27:].any()


def test_a_7_is_crossed_near_its_middle_and_nowhere_else():
    added = added_to(straight(4, 23, 14), 7)
    rows = np.flatnonzero(added.any(axis=1))
    assert rows.min() >= 8 and rows.max() <= 20
    assert added[:, 8:13].any() and added[:, 17:20].any()


def test_a_9_gets_a_tail_to_the_left_of_its_foot():
    added = added_to(straight(4, 23, 14), 9)
    assert (
        np.flatnonzero(added.any(axis=1)).min() >= 18
        and added[20:25, 5:12].any()
        and not added[:, 19:].any()
    )


@pytest.mark.parametrize("label", [1, 7, 0, 9])
def test_an_image_without_ink_is_no_problem(label):
    images = restyled(np.zeros((20, 28, 28), np.uint8), np.full(20, label, np.uint8), 1)
    assert images.shape == (20, 28, 28)


def test_no_images_are_no_images():
    assert restyled(np.empty((0, 28, 28), np.uint8), np.empty(0, np.uint8), 1).shape == (0, 28, 28)
