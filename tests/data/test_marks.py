"""Which marks are digits: what belongs to one stays, what is beside it goes."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnist_models.data.marks import digits_only

INK = 255


def ink_of(*strokes, width=10, size=(280, 280)):
    """Lines on a page: uint8 (H, W)."""
    page = Image.new("L", size)
    for stroke in strokes:
        ImageDraw.Draw(page).line(stroke, INK, width, joint="curve")
    return np.asarray(page)


LOOSE_BAR = ink_of(
    [(110, 70), (105, 130), (150, 130), (165, 170), (140, 210), (100, 205)], [(125, 55), (180, 55)]
)
OPEN_FOUR = ink_of([(100, 60), (90, 150), (150, 150)], [(175, 70), (170, 220)])


def dotted_zero():
    """A 0 with a dot in its middle."""
    page = Image.new("L", (280, 280))
    pen = ImageDraw.Draw(page)
    pen.ellipse((90, 50, 190, 230), 0, INK, 12)
    pen.ellipse((132, 132, 148, 148), INK)
    return np.asarray(page)


@pytest.mark.parametrize(
    "digit", [LOOSE_BAR, OPEN_FOUR, dotted_zero()], ids=["5 with a loose bar", "open 4", "dotted 0"]
)
def test_all_parts_of_a_digit_stay(digit):
    assert np.array_equal(digits_only(digit), digit)


def test_two_digits_stay():
    both = ink_of([(60, 80), (60, 200)], [(150, 80), (200, 80), (170, 200)])
    assert np.array_equal(digits_only(both), both)


@pytest.mark.parametrize(
    "other",
    [
        [(20, 20), (260, 20), (260, 260), (20, 260), (20, 15)],
        [(70, 250), (230, 250)],
        [(0, 277), (279, 277)],
        [(20, 20), (35, 20)],
    ],
    ids=["frame", "underline", "bar", "speck"],
)
def test_what_is_no_part_of_the_digit_goes(other):
    digit = ink_of([(120, 100), (170, 100), (140, 200)])
    both = np.maximum(digit, ink_of(other, width=5))
    assert np.array_equal(digits_only(both), digit)


def test_whatever_there_is_something_stays():
    random = np.random.default_rng(0)
    for _ in range(50):
        strokes = [[tuple(end) for end in random.integers(0, 60, (2, 2))] for _ in range(4)]
        assert digits_only(ink_of(*strokes, width=3, size=(60, 60))).any()
