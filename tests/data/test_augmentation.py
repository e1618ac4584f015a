"""Augmentation: other images of the same digits, the same ones for the same seed."""

import numpy as np
import pytest
import tensorflow as tf

from mnist_models.data import dataset
from mnist_models.data.augmentation import AUGMENTATIONS, SHIFT_PX
from mnist_models.data.preprocessing import center_of_mass
from mnist_models.settings.hyperparameters import DnnHyperparameters

VARIED = ["shift", "full"]


def augment(name, images, seed=(1, 0)):
    return AUGMENTATIONS[name](tf.constant(images), tf.constant(seed, tf.int32)).numpy()


@pytest.fixture(scope="module")
def images():
    return dataset.load().train.images[:200]


@pytest.fixture(scope="module")
def blob():
    """500 times a round spot of ink in the middle."""
    rows, columns = np.mgrid[:28, :28] - 13.5
    return np.repeat(np.uint8(255 * np.exp(-(rows**2 + columns**2) / 30))[np.newaxis], 500, axis=0)


def test_there_is_one_for_every_choice():
    assert tuple(AUGMENTATIONS) == DnnHyperparameters.choices()["augmentation"].options


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_images_keep_their_type_and_shape(name, images):
    result = augment(name, images)
    assert result.dtype == np.uint8 and result.shape == images.shape
    assert augment(name, images[:1]).shape == (1, 28, 28)


def test_off_changes_nothing(images):
    np.testing.assert_array_equal(augment("off", images), images)


@pytest.mark.parametrize("name", VARIED)
def test_the_same_seed_gives_the_same_images_and_any_other_gives_others(name, images):
    first = augment(name, images)
    np.testing.assert_array_equal(first, augment(name, images))
    for other in ((1, 1), (2, 0)):
        differ = (first != augment(name, images, other)).any(axis=(1, 2))
        assert differ.mean() > 0.9


@pytest.mark.parametrize("name", VARIED)
def test_each_image_of_a_batch_is_varied_in_its_own_way(name, images):
    copies = augment(name, np.repeat(images[:1], 50, axis=0))
    assert len(np.unique(copies, axis=0)) > 15


def test_shift_moves_an_image_by_up_to_two_pixels_each_way(blob):
    moved = augment("shift", blob)
    before = np.array(center_of_mass(blob[0]))
    offsets = np.array([center_of_mass(image) for image in moved]) - before
    assert SHIFT_PX == 2
    assert np.abs(offsets).max() <= 2.01
    assert (offsets.max(axis=0) > 1.8).all() and (offsets.min(axis=0) < -1.8).all()
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=0.2)
    assert abs(np.corrcoef(offsets.T)[0, 1]) < 0.2


def test_shift_leaves_paper_where_the_image_came_from():
    full = np.full((100, 28, 28), 255, np.uint8)
    moved = augment("shift", full)
    assert (moved[:, 3:-3, 3:-3] == 255).all()
    assert (moved[:, [0, -1], :] < 255).any(axis=(1, 2)).all()


@pytest.mark.parametrize("name", VARIED)
def test_blank_paper_stays_blank(name):
    assert not augment(name, np.zeros((5, 28, 28), np.uint8)).any()


def test_full_keeps_the_ink_within_plausible_bounds(images):
    before = images.sum(axis=(1, 2), dtype=float)
    after = augment("full", images).sum(axis=(1, 2), dtype=float)
    # Thinner or thicker by up to 0.7 px a side, smaller or larger by up to 1.15² in area.
    assert (after / before).min() > 0.2
    assert (after / before).max() < 3.0
    assert 0.8 < (after / before).mean() < 1.4
    assert (after / before).std() > 0.1


def test_full_turns_and_scales_about_the_middle(blob):
    """All but the shift leaves what is in the middle there."""
    varied = augment("full", blob)
    offsets = np.array([center_of_mass(image) for image in varied]) - center_of_mass(blob[0])
    # A shift by 2 px along both axes, mapped through the turn, the slant and the scale.
    assert np.hypot(*offsets.T).max() < 2 * np.sqrt(2) * 1.15 * 1.4
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=0.25)


def test_full_turns_both_ways():
    bar = np.zeros((500, 28, 28), np.uint8)
    bar[:, 13:15, 4:24] = 255
    angles = []
    for image in augment("full", bar):
        rows, columns = np.nonzero(image > 60)
        angles.append(np.rad2deg(np.arctan(np.polyfit(columns, rows, 1)[0])))
    # A horizontal bar is not slanted, but scaled unevenly: 15° can become 15° · 1.15² and a little.
    assert 10 < np.max(angles) < 21 and -21 < np.min(angles) < -10
    assert abs(np.mean(angles)) < 2


def test_full_draws_with_a_thicker_and_a_thinner_pen():
    bar = np.zeros((500, 28, 28), np.uint8)
    bar[:, 12:16, :] = 255
    widths = augment("full", bar)[:, :, 14].sum(axis=1) / 255
    # 4 px, 1.4 px more or less, scaled.
    assert widths.min() < 3.2 and widths.max() > 4.8
    assert widths.min() > 1.5 and widths.max() < 8


def test_full_draws_half_of_the_images_with_a_harder_pen():
    """A slope from paper to ink has fewer shades between when it is harder; how thick it is drawn
    changes little of that."""
    slope = np.tile(np.linspace(0, 255, 28).astype(np.uint8), (500, 28, 1))
    varied = augment("full", slope)[:, 10:18, 4:24]
    between = ((varied > 0) & (varied < 255)).mean(axis=(1, 2))
    assert 0.25 < (between < 0.8).mean() < 0.6
    assert between.min() < 0.6 and (between == 1).mean() > 0.3


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_it_runs_inside_a_compiled_step_with_the_same_result(name, images):
    compiled = tf.function(AUGMENTATIONS[name])(
        tf.constant(images), tf.constant((1, 0), tf.int32)
    ).numpy()
    difference = np.abs(compiled.astype(int) - augment(name, images).astype(int))
    assert difference.max() <= 1
