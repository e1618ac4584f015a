"""Several digits: told apart, cut where they touch, read line by line; one digit stays one."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnist_models.data import dataset
from mnist_models.data.numbers import is_page, lines
from mnist_models.data.preprocessing import prepare_found
from mnist_models.runs import pretrained
from mnist_models.runs.loading import load_reader
from mnist_models.runs.store import RunStore
from mnist_models.settings.hyperparameters import NETWORKS
from tests.data import scenes

TEST = dataset.load().test


@pytest.fixture(scope="module")
def models():
    return [load_reader(RunStore(), pretrained.PREFIX + network) for network in NETWORKS]


@pytest.fixture
def read(models):
    return lambda images: [model.probabilities(images) for model in models]


def tile(index, side_px=130):
    """A test digit enlarged, uint8 (side, side), 255 is ink."""
    random = np.random.default_rng(index)
    ink = scenes.placed(TEST.images[index], (side_px, side_px), side_px * 0.75, random, middle=True)
    return (ink * 255).astype(np.uint8)


def without_margins(ink):
    return ink[:, np.flatnonzero(ink.any(axis=0))[0] : np.flatnonzero(ink.any(axis=0))[-1] + 1]


def beside(indexes, gap_px):
    """Test digits side by side, uint8 (H, W); a negative gap makes them touch."""
    tiles = [without_margins(tile(index)) for index in indexes]
    ink = np.zeros((160, sum(one.shape[1] for one in tiles) + 40 + gap_px * len(tiles)), np.uint8)
    left = 20
    for one in tiles:
        there = ink[15 : 15 + one.shape[0], left : left + one.shape[1]]
        np.maximum(there, one, out=there)
        left += one.shape[1] + gap_px
    return ink


def said(found, models):
    """The digits that each model reads, as one number a line."""
    return [
        [
            "".join(
                str(digit)
                for digit in model.probabilities(
                    np.stack([prepare_found(piece.ink).image for piece in line])
                ).argmax(axis=1)
            )
            for line in found
        ]
        for model in models
    ]


def labels(indexes):
    return "".join(str(TEST.labels[index]) for index in indexes)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("gap_px", [6, 20, 60])
def test_digits_beside_each_other_are_told_apart(read, models, count, gap_px):
    alike = 0
    for first in range(1000, 1040):
        indexes = range(first, first + count)
        alone = [said(lines(tile(index), read), models) for index in indexes]
        expected = [["".join(one[network][0] for one in alone)] for network in (0, 1)]
        alike += said(lines(beside(indexes, gap_px), read), models) == expected
    assert alike >= 39


def test_most_digits_that_touch_are_cut(read, models):
    right = touching = 0
    for first in range(1000, 1060):
        ink = beside((first, first + 1), -4)
        if len(lines(ink, lambda images: [np.eye(10)[np.zeros(len(images), int)]])) != 1:
            continue
        touching += 1
        right += said(lines(ink, read), models) == [[labels((first, first + 1))]] * 2
    assert right > touching / 2


def test_one_digit_stays_one(read):
    cut = sum(len(lines(tile(index), read)[0]) != 1 for index in range(500))
    assert cut <= 1


def line(points, left, right, width):
    """A line from point to point between two sides, uint8 (200, 420): (share of the way across,
    row)."""
    page = Image.new("L", (420, 200))
    along = [(left + share * (right - left), row) for share, row in points]
    ImageDraw.Draw(page).line(along, 255, width, joint="curve")
    return np.asarray(page)


HIGH, LOW = 30, 170
CAPITALS = {
    "M": [(0, LOW), (0.08, HIGH), (0.5, LOW), (0.92, HIGH), (1, LOW)],
    "N": [(0, LOW), (0.33, HIGH), (0.67, LOW), (1, HIGH)],
    "W": [(0, HIGH), (0.25, LOW), (0.5, HIGH), (0.75, LOW), (1, HIGH)],
}


@pytest.mark.parametrize("letter", CAPITALS)
def test_a_capital_letter_is_not_cut_into_its_strokes(read, letter):
    for right in range(140, 230, 10):
        for width in (8, 12, 16):
            ((_,),) = lines(line(CAPITALS[letter], 30, right, width), read)


def test_two_ones_that_touch_are_cut(read, models):
    ones = [line([(0, HIGH), (0, LOW)], left, left, 12) for left in (60, 150)]
    foot = line([(0, LOW), (1, LOW)], 20, 190, 6)
    assert said(lines(np.maximum.reduce([*ones, foot]), read), models) == [["11"]] * 2


def unsure(images):
    """Two models that know no digit at all."""
    return [np.full((len(images), 10), 0.1)] * 2


def test_digits_far_apart_are_told_apart_whatever_the_models_say():
    tall = np.zeros((120, 400), np.uint8)
    for left in (20, 120, 220, 320):
        tall[10:110, left : left + 12] = 255
    (found,) = lines(tall, unsure)
    assert [piece.box for piece in found] == [
        (left, 10, left + 12, 110) for left in (20, 120, 220, 320)
    ]


def test_a_page_is_read_in_reading_order(read, models):
    page = np.zeros((4 * 120, 5 * 110), np.uint8)
    random = np.random.default_rng(0)
    for row in range(4):
        for column in range(5):
            down, right = random.integers(0, 12, 2)
            page[120 * row + down :, 110 * column + right :][:100, :90] = tile(
                2000 + 5 * row + column, 100
            )[:, :90]
    assert is_page(page) and not is_page(beside((0, 1), 10))
    found = lines(page, read)
    assert [len(line) for line in found] == [5] * 4
    expected = [labels(range(2000 + 5 * row, 2005 + 5 * row)) for row in range(4)]
    for read_lines in said(found, models):
        pairs = zip("".join(read_lines), "".join(expected), strict=True)
        assert sum(one == other for one, other in pairs) >= 19


def test_boxes_hold_the_digits(read):
    ink = beside((1000, 1001), 30)
    for piece in lines(ink, read)[0]:
        left, top, right, bottom = piece.box
        assert np.array_equal(piece.ink, ink[top:bottom, left:right])


def test_a_long_line_of_near_digits_takes_no_time_for_each_way_to_read_it():
    """There are 2⁵⁹ ways to take sixty digits together."""
    long = np.zeros((120, 60 * 30), np.uint8)
    for left in range(10, 60 * 30, 30):
        long[10:110, left : left + 12] = 255
    (found,) = lines(long, unsure)
    assert len(found) == 60


def test_grain_is_not_taken_for_hundreds_of_digits():
    grain = np.zeros((300, 300), np.uint8)
    grain[::4, ::4] = 255
    ((one,),) = lines(grain, unsure)
    assert one.box == (0, 0, 297, 297)
