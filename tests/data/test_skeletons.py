"""Digits of each described form look as their name says, and letters and digits come from their
seed alone."""

import numpy as np
import pytest
from scipy import ndimage

from mnist_models.data.preprocessing import center_of_mass
from mnist_models.data.skeletons import DIGITS, LETTERS, drawn, written

COUNT = 40


def writings(digit, form):
    """Many digits of a form, each as bool (28, 28): where its ink is."""
    return drawn([DIGITS[digit][form]], COUNT, np.random.default_rng(1)) > 100


def ends(ink):
    """Its first and last row and column with ink."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return rows[0], rows[-1], columns[0], columns[-1]


def hole(ink):
    """Row and column of the middle of the largest patch of paper that ink encloses; None where
    there is none."""
    patches, count = ndimage.label(~np.pad(ink, 1))
    sizes = ndimage.sum_labels(np.ones_like(patches), patches, range(1, count + 1))
    enclosed = [place + 1 for place in range(count) if patches[0, 0] != place + 1]
    if not enclosed:
        return None
    largest = max(enclosed, key=lambda patch: sizes[patch - 1])
    row, column = ndimage.center_of_mass(patches == largest)
    return row - 1, column - 1


def test_the_long_upstroke_of_a_1_is_about_as_long_as_its_stem():
    shares = []
    for ink in writings(1, "long upstroke"):
        top, bottom, left, _ = ends(ink)
        tip = np.flatnonzero(ink[top]).mean()
        beginning = np.flatnonzero(ink[:, left]).mean()
        stem = np.hypot(bottom - top, np.flatnonzero(ink[bottom]).mean() - tip)
        upstroke = np.hypot(beginning - top, left - tip)
        assert left < tip - 4 and beginning > top + 4
        shares.append(upstroke / stem)
    assert min(shares) > 0.4 and max(shares) > 0.85


def test_the_foot_of_a_1_is_up_to_wider_than_the_1_is_high():
    shares = []
    for ink in writings(1, "wide foot"):
        top, bottom, left, right = ends(ink)
        # The foot is at the bottom and alone there; above it the stem is narrow.
        assert np.flatnonzero(ink[(top + bottom) // 2]).size <= 6
        shares.append((right - left + 1) / (bottom - top + 1))
    assert max(shares) > 1.1 and np.median(shares) > 0.7


@pytest.mark.parametrize("form", ["curly", "flat tail"])
def test_the_tail_of_a_curly_9_goes_as_far_to_the_left_as_its_loop(form):
    for ink in writings(9, form):
        top, bottom, left, _ = ends(ink)
        middle = (top + bottom) / 2
        low = np.flatnonzero(ink[int(middle) + 3 :].any(axis=0))
        high = np.flatnonzero(ink[: int(middle) - 1].any(axis=0))
        assert low[0] <= high[0] + 3 and low[0] <= left + 3


@pytest.mark.parametrize("form", ["loop to the right", "loop to the right, leaning back"])
def test_the_loop_of_a_9_may_be_to_the_right_of_its_stem(form):
    found = 0
    for ink in writings(9, form):
        _, bottom, _, _ = ends(ink)
        place = hole(ink)
        if place is None:  # a thick pen fills it
            continue
        found += 1
        slant = (bottom - place[0]) * 0.5
        assert place[0] < 15
        assert np.flatnonzero(ink[bottom]).mean() < place[1] + slant
    assert found > COUNT / 2


@pytest.mark.parametrize("form", ["closed", "closed, low bar", "closed and round"])
def test_a_closed_4_encloses_paper_above_its_bar(form):
    holes = [hole(ink) for ink in writings(4, form)]
    found = [place for place in holes if place]
    assert len(found) > COUNT / 2 and all(place[0] < 17 for place in found)


def test_there_is_a_digit_for_each_label_and_the_seed_says_which():
    labels = np.arange(200, dtype=np.uint8) % 10
    first, same, other = (written(labels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (200, 28, 28) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, same)
    assert (first != other).any(axis=(1, 2)).all()
    assert written(labels[:0], np.random.default_rng(1)).shape == (0, 28, 28)


def test_what_is_written_has_the_size_and_the_place_of_a_prepared_drawing():
    random = np.random.default_rng(1)
    labels = np.arange(300, dtype=np.uint8) % 10
    for image in np.concatenate([written(labels, random), drawn(LETTERS.values(), 300, random)]):
        top, bottom, left, right = ends(image > 127)
        assert 18 <= max(bottom - top, right - left) + 1 <= 21 and image.max() == 255
        # Where strokes cross there is less ink than strokes are long.
        assert center_of_mass(image) == pytest.approx((14, 14), abs=1.6)
