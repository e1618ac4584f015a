"""What a network learns from in one step: digits, varied as was chosen, and drawings that are none.

All images lie in memory once, as uint8 tensors; a batch is gathered from them inside the compiled
step.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from mnist_models.data.augmentation import AUGMENTATIONS
from mnist_models.data.dataset import CLASS_COUNT, Digits
from mnist_models.data.outliers import outliers
from mnist_models.data.styles import restyled
from mnist_models.models.classifier import scrambled
from mnist_models.settings.hyperparameters import Hyperparameters

# The number of different out-of-distribution images; they are shown in turn.
OUTLIERS = 96_000
# How often full augmentation takes a digit in its other style of writing, where it has one.
RESTYLED = 0.35


BatchMaker = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def batch_maker(hyperparameters: Hyperparameters, digits: Digits) -> BatchMaker:
    """A function that makes one batch of these digits.

    It takes places of digits, int32 (n,), and the number of the step, int32 (), from which all
    chance in the batch comes. It returns images, uint8 (n + m, 28, 28), the last m of which are no
    digits, and the labels of the first n, int32 (n,).
    """
    hp = hyperparameters
    labels = tf.constant(wrong_labels(digits.labels, hp), tf.int32)
    augment = AUGMENTATIONS[hp.augmentation]
    has_styles = hp.augmentation == "full"
    styles = [
        digits.images,
        *([restyled(digits.images, digits.labels, hp.seed)] if has_styles else []),
    ]
    images = tf.constant(np.concatenate(styles))
    non_digits = tf.constant(outliers(OUTLIERS if hp.non_digits else 0, hp.seed))
    non_digits_per_batch = math.ceil(hp.non_digits * hp.batch_size)

    def batch(places: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = places
        if has_styles:
            # A seed of its own: with the augmentation's, a digit's style would tell how it is
            # turned.
            chance = tf.random.stateless_uniform(tf.shape(places), tf.stack([hp.seed, -1 - step]))
            chosen += len(digits.labels) * tf.cast(chance < RESTYLED, tf.int32)
        batch_images = tf.gather(images, chosen)
        if non_digits_per_batch:
            shown = (step * non_digits_per_batch + tf.range(non_digits_per_batch)) % OUTLIERS
            batch_images = tf.concat([batch_images, tf.gather(non_digits, shown)], axis=0)
        varied = augment(batch_images, tf.stack([hp.seed, step]))
        return scrambled(varied) if hp.scrambled else varied, tf.gather(labels, places)

    return batch


def epoch_order(
    hyperparameters: Hyperparameters, epoch: int, class_digits: int = 0, share: float = 0.0
) -> np.ndarray:
    """The places of the images that one epoch learns from, int32 (training images,), in the order
    in which they come: all of MNIST's training images, at random.

    Args:
        epoch: From 0.
        class_digits: How many digits of a class come after MNIST's training images.
        share: Of the images, 0 to 1: how many are digits of the class instead, the same share of
            each batch. All digits of the class come equally often, or once more than others.
    """
    count = hyperparameters.train_images
    random = np.random.default_rng([hyperparameters.seed, epoch])
    order = random.permutation(count).astype(np.int32)
    steps = np.floor(np.arange(count + 1) * share)
    of_class = np.flatnonzero(np.diff(steps))
    if len(of_class):
        rounds = math.ceil(len(of_class) / class_digits)
        turns = [random.permutation(class_digits) for _ in range(rounds)]
        order[of_class] = count + np.concatenate(turns)[: len(of_class)]
    return order


def wrong_labels(labels: np.ndarray, hyperparameters: Hyperparameters) -> np.ndarray:
    """The labels, uint8 (N,), with the chosen share of them replaced, each by another digit."""
    random = np.random.default_rng([hyperparameters.seed, 2**32])
    chosen = random.permutation(len(labels))[: round(hyperparameters.wrong_labels * len(labels))]
    labels = labels.copy()
    labels[chosen] = (labels[chosen] + random.integers(1, CLASS_COUNT, len(chosen))) % CLASS_COUNT
    return labels
