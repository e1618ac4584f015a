"""A line that a digit stands on goes; what is part of the digit stays."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnist_models.data import dataset
from mnist_models.data.marks import Marks, digits_only
from tests.data import scenes

INK = 255
TEST = dataset.load().test


def drawn(*strokes, width=10):
    """Lines on a page: uint8 (280, 280)."""
    page = Image.new("L", (280, 280))
    for stroke in strokes:
        ImageDraw.Draw(page).line(stroke, INK, width, joint="curve")
    return np.asarray(page)


def digit(index):
    """A test digit enlarged on a page, uint8 (280, 280)."""
    random = np.random.default_rng(index)
    placed = scenes.placed(TEST.images[index], (280, 280), 140, random, middle=True)
    return (placed * INK).astype(np.uint8)


def underlined(ink, random):
    """Ink on a line that juts out on both sides and hardly overlaps it."""
    columns, bottom = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))[-1]
    out = random.uniform(0.3, 0.6, 2) * np.ptp(columns)
    tilt = random.uniform(-4, 4)
    line = (columns[0] - out[0], bottom - tilt, columns[-1] + out[1], bottom + tilt)
    return np.maximum(ink, drawn(line, width=int(random.integers(4, 9))))


@pytest.mark.parametrize(
    "strokes",
    [
        [(100, 80), (180, 80), (150, 200)],
        [(140, 80), (180, 130), (140, 195), (100, 130), (140, 80)],
    ],
    ids=["7", "0"],
)
@pytest.mark.parametrize("tilt", [-4, 0, 4])
def test_a_line_that_a_digit_stands_on_goes(strokes, tilt):
    alone = drawn(strokes)
    seen = digits_only(np.maximum(alone, drawn((60, 200 + tilt, 230, 200 - tilt), width=6)))
    # But for the last of the stroke, which the line covers.
    assert np.array_equal(seen[:186], alone[:186]) and not seen[215:].any()
    assert not seen[:, :80].any() and not seen[:, 200:].any()


def test_a_stem_that_goes_through_the_line_stays_whole():
    nine = drawn([(180, 90), (120, 80), (120, 140), (180, 140)], [(180, 80), (175, 230)])
    seen = digits_only(np.maximum(nine, drawn((60, 205, 250, 205), width=6)))
    # But for the corners between the stem, which leans, and the line.
    assert (seen != nine).sum() < 25 and len(Marks(seen).boxes) == 1


def test_a_line_below_two_digits_that_touch_it_goes():
    alone = drawn([(70, 80), (120, 80), (95, 200)], [(160, 80), (210, 80), (185, 200)])
    seen = digits_only(np.maximum(alone, drawn((30, 200, 250, 200), width=6)))
    assert np.array_equal(seen[:190], alone[:190]) and not seen[:, :60].any()


@pytest.mark.parametrize(
    "strokes",
    [
        [[(110, 110), (140, 80), (140, 200)], [(90, 200), (190, 200)]],
        [[(100, 100), (140, 75), (175, 100), (100, 200), (60, 203)], [(100, 200), (215, 200)]],
        [[(100, 80), (90, 150), (190, 150)], [(160, 100), (160, 210)]],
    ],
    ids=["foot of a 1", "base of a 2", "bar of a 4"],
)
def test_what_is_part_of_a_digit_stays(strokes):
    ink = drawn(*strokes)
    assert np.array_equal(digits_only(ink), ink)


def test_of_the_test_digits_most_come_off_their_line_and_none_loses_a_stroke():
    random = np.random.default_rng(0)
    off = 0
    chosen = np.flatnonzero(TEST.labels[:400] != 1)
    for index in chosen:
        alone = digit(index)
        assert np.array_equal(digits_only(alone), alone)
        seen = digits_only(underlined(alone, random)) > INK / 2
        both, either = seen & (alone > INK / 2), seen | (alone > INK / 2)
        off += both.sum() > 0.85 * either.sum()
    assert off > 0.65 * len(chosen)
