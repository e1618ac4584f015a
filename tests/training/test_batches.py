"""Batches: the right images with the right labels, in their styles of writing, and drawings that
are no digits."""

import numpy as np
import pytest
import tensorflow as tf

from mnist_models.data import dataset
from mnist_models.data.dataset import Digits
from mnist_models.data.outliers import outliers
from mnist_models.data.styles import restyled
from mnist_models.settings.hyperparameters import DnnHyperparameters
from mnist_models.training.batches import OUTLIERS, batch_maker, wrong_labels

PLACES = np.arange(300, dtype=np.int32)[::-1]


@pytest.fixture(scope="module")
def digits():
    train = dataset.load().train
    return Digits(train.images[:300], train.labels[:300])


def batch_of(digits, step=5, **values):
    images, labels = batch_maker(DnnHyperparameters(batch_size=300, **values), digits)(
        tf.constant(PLACES), tf.constant(step)
    )
    return images.numpy(), labels.numpy()


def test_a_plain_batch_is_the_images_and_labels_at_its_places(digits):
    images, labels = batch_of(digits)
    np.testing.assert_array_equal(images, digits.images[PLACES])
    np.testing.assert_array_equal(labels, digits.labels[PLACES])


def test_labels_that_are_told_wrong_stay_with_their_images(digits):
    images, labels = batch_of(digits, wrong_labels=0.2)
    np.testing.assert_array_equal(images, digits.images[PLACES])
    np.testing.assert_array_equal(
        labels, wrong_labels(digits.labels, DnnHyperparameters(wrong_labels=0.2))[PLACES]
    )


def test_scrambled_pixels_are_scrambled_last(digits):
    plain, labels = batch_of(digits, augmentation="full", non_digits=0.25)
    images, same_labels = batch_of(digits, augmentation="full", non_digits=0.25, scrambled=True)
    np.testing.assert_array_equal(images, dataset.scrambled(plain))
    np.testing.assert_array_equal(labels, same_labels)


def test_drawings_that_are_no_digits_come_last_have_no_labels_and_take_turns(digits):
    expected = outliers(OUTLIERS, 1)
    for step in (0, 5, 10_000):
        images, labels = batch_of(digits, step, non_digits=0.25)
        assert len(images) == 375 and len(labels) == 300
        np.testing.assert_array_equal(images[:300], digits.images[PLACES])
        np.testing.assert_array_equal(
            images[300:], expected[(step * 75 + np.arange(75)) % OUTLIERS]
        )


def test_full_augmentation_takes_a_share_of_the_digits_in_their_other_style(digits, monkeypatch):
    from mnist_models.training import batches

    # Without the turning and shifting that would come after, the styles can be told apart.
    monkeypatch.setitem(batches.AUGMENTATIONS, "full", lambda images, seed: images)
    plain, other = digits.images[PLACES], restyled(digits.images, digits.labels, 1)[PLACES]
    images, labels = batch_of(digits, augmentation="full")
    np.testing.assert_array_equal(labels, digits.labels[PLACES])
    is_plain, is_other = (images == plain).all(axis=(1, 2)), (images == other).all(axis=(1, 2))
    assert (is_plain | is_other).all()
    has_two = (plain != other).any(axis=(1, 2))
    assert is_other[has_two].mean() == pytest.approx(batches.RESTYLED, abs=0.1)
    again, _ = batch_of(digits, augmentation="full")
    later, _ = batch_of(digits, step=6, augmentation="full")
    np.testing.assert_array_equal(images, again)
    assert (images != later).any()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5])
def test_exactly_the_chosen_share_of_labels_is_wrong(share):
    labels = dataset.load().train.labels[:2_000]
    changed = wrong_labels(labels, DnnHyperparameters(wrong_labels=share))
    assert changed.dtype == np.uint8 and changed.max() <= 9
    assert (changed != labels).sum() == round(share * 2_000)


def test_wrong_labels_are_spread_evenly_and_follow_the_seed():
    labels = dataset.load().train.labels[:20_000]
    changed, same, other = (
        wrong_labels(labels, DnnHyperparameters(wrong_labels=0.5, seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(changed, same)
    assert (changed != other).any()
    offsets = np.bincount((changed.astype(int) - labels)[changed != labels] % 10, minlength=10)
    assert offsets[0] == 0 and offsets[1:].min() > 0.9 * offsets[1:].max() * 0.9
    halves = (changed != labels)[:10_000].mean(), (changed != labels)[10_000:].mean()
    assert halves == pytest.approx((0.5, 0.5), abs=0.02)
