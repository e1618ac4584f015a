"""The mean digit of each label: what all of them have in common."""

import functools

import numpy as np

from mnist_models.data import dataset


def mean_digits(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean image of each label, float32 (10, 28, 28), 0 to 255; nan for a label that no image
    has.

    Args:
        images: uint8 (N, 28, 28).
        labels: uint8 (N,), 0 to 9.
    """
    means = np.full((dataset.CLASS_COUNT, *images.shape[1:]), np.nan, np.float32)
    for digit in np.unique(labels):
        means[digit] = images[labels == digit].mean(axis=0)
    return means


@functools.cache
def of_mnist() -> np.ndarray:
    """Those of MNIST's training images, read-only."""
    means = mean_digits(*dataset.load().train)
    means.flags.writeable = False
    return means
