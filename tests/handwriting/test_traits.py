"""How digits are written, held to strokes that are drawn with a known width, slant and habit."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from mnist_models.data import dataset, styles
from mnist_models.handwriting import means, traits
from mnist_models.handwriting.traits import TRAITS


def line(width_px, degrees):
    """A straight stroke 18 pixels long, leaning so far to the right: uint8 (28, 28)."""
    scale = 16
    picture = Image.new("L", (28 * scale, 28 * scale))
    x, y = (9 * f(math.radians(degrees)) for f in (math.sin, math.cos))
    ends = [(scale * (14 + x), scale * (14 - y)), (scale * (14 - x), scale * (14 + y))]
    ImageDraw.Draw(picture).line(ends, 255, round(width_px * scale))
    return np.asarray(picture.reduce(scale))


@pytest.mark.parametrize("degrees", [-30, 0, 10, 45])
def test_width_and_slant_are_those_that_were_drawn(degrees):
    widths = [1.5, 2, 2.5, 3, 4]
    images = np.array([line(width_px, degrees) for width_px in widths])
    found = traits.stroke_px(images)
    # Both ends are edge too: 18 · w / (18 + w). The slopes from pixel to pixel are only nearly
    # those of the edge, which matters most to strokes of one or two pixels.
    np.testing.assert_allclose(found, [18 * one / (18 + one) for one in widths], rtol=0.25)
    assert np.all(np.diff(found) > 0)
    # The corners of a wide stroke pull it upright.
    np.testing.assert_allclose(traits.slant_deg(images), degrees, atol=3.5)


def test_limits_are_those_of_one_in_twenty_of_mnists_digits():
    widths, slants = traits.of_mnist().stroke_px, traits.of_mnist().slant_deg
    for share in (
        np.mean(widths < traits.THIN_PX), np.mean(widths > traits.THICK_PX),
        np.mean(slants < traits.LEFT_DEG), np.mean(slants > traits.RIGHT_DEG),
    ):  # fmt: skip
        assert share == pytest.approx(0.05, abs=0.003)  # the limits are rounded


def test_holes_are_counted_as_image_by_image():
    images = dataset.load().test.images[:300]
    for image, count in zip(images, traits.holes(images), strict=True):
        spots, _ = ndimage.label(np.pad(image <= traits.DARK, 1, constant_values=True))
        sizes = np.bincount(spots.ravel())[2:]  # 0 is ink, 1 is around
        assert count == np.sum(sizes >= traits.SMALLEST_HOLE_PX)


def of_trait(name):
    (trait,) = (one for one in TRAITS if one.name == name)
    return trait


def restyled(images, strokes, seed):
    for stroke in strokes:
        images = styles.with_stroke(images, stroke, np.random.default_rng(seed))
    return images


@pytest.mark.parametrize(
    ("name", "strokes", "most_before", "least_after"),
    [
        # Drawn at random, some strokes are too short to be seen or lie on the digit's own: the
        # shares were measured on other digits, less a few percent.
        ("1s with a foot", [styles.foot], 0.03, 0.94),
        ("1s with a foot", [styles.upstroke, styles.foot], 0.03, 0.85),
        ("1s with an upstroke", [styles.upstroke], 0.06, 0.6),
        ("1s with an upstroke", [styles.foot, styles.upstroke], 0.06, 0.58),
        ("crossed 7s", [styles.bar], 0.13, 0.78),
        ("slashed 0s", [styles.slash], 0.04, 0.55),
        ("9s with a curved tail", [styles.tail], 0.06, 0.95),
    ],
)
def test_a_habit_is_seen_where_it_was_drawn_and_hardly_elsewhere(
    name, strokes, most_before, least_after
):
    trait, test = of_trait(name), dataset.load().test
    images = test.images[test.labels == trait.digit]
    assert trait.rule(images).mean() < most_before
    assert trait.rule(restyled(images, strokes, seed=9)).mean() > least_after


@pytest.mark.parametrize(
    ("name", "with_it", "without"),
    [
        ("open 4s", ["# #", "# #", "###", "  #", "  #"], ["###", "# #", "###", "  #", "  #"]),
        (
            "2s with a loop",
            ["###", "  #", " # ", "###", "# #", "###"],
            ["###", "  #", " # ", "#  ", "###"],
        ),
    ],
)
def test_a_habit_is_seen_in_a_digit_of_blocks(name, with_it, without):
    rule = of_trait(name).rule
    assert rule(blocks(with_it))[0] and not rule(blocks(without))[0]


def blocks(rows):
    """A digit of blocks of 4×4 pixels, row by row: uint8 (1, 28, 28)."""
    image = np.zeros((1, 28, 28), np.uint8)
    for row, text in enumerate(rows):
        for column, one in enumerate(text):
            image[0, 4 * row : 4 * row + 4, 8 + 4 * column : 12 + 4 * column] = 255 * (one == "#")
    return image


def test_only_digits_that_can_show_a_trait_are_asked():
    measured = traits.of_mnist()
    for place, trait in enumerate(TRAITS):
        able, shows = measured.of(place)
        assert shows.sum() == measured.shows[:, place].sum() > 0
        if trait.digit is not None:
            assert set(measured.labels[able]) == {trait.digit}


def test_many_are_measured_as_few_are(monkeypatch):
    test = dataset.load().test.part(0, 500)
    whole = traits.measure(*test)
    monkeypatch.setattr(traits, "AT_ONCE", 70)
    parts = traits.measure(*test)
    np.testing.assert_array_equal(whole.shows, parts.shows)
    # Sums of floats in other groups differ in the last bits.
    np.testing.assert_allclose(whole.stroke_px, parts.stroke_px, rtol=1e-5)


def test_blank_images_and_none_are_measured_without_a_warning():
    blank = traits.measure(np.zeros((10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8))
    assert np.all(blank.slant_deg == 0) and np.all(blank.stroke_px == 0)
    assert len(traits.measure(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8)).shows) == 0


def test_the_mean_digit_is_that_of_each_label():
    test = dataset.load().test.part(0, 100)
    found = means.mean_digits(test.images, np.where(test.labels == 3, 4, test.labels))
    assert np.all(np.isnan(found[3]))
    fours = [image.astype(float) for image, label in zip(*test, strict=True) if label in (3, 4)]
    np.testing.assert_allclose(found[4], sum(fours) / len(fours), rtol=1e-5)  # float32
