"""MNIST: the 70,000 handwritten digits that every network here learns from.

The array contract of the whole project is stated here once: images are uint8 of shape (N, 28, 28),
where 0 is paper and 255 is ink; labels are uint8 of shape (N,), each 0 to 9. Scaling to floats is
the first layer of every network.

The MNIST database is by Yann LeCun and Corinna Cortes (http://yann.lecun.com/exdb/mnist/) and is
made available under the terms of the Creative Commons Attribution-Share Alike 3.0 licence (CC BY-SA
3.0). `data/mnist.npz` holds the bytes of its four files unchanged, compressed.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnist_models.data import npz

DATA_FILE = Path(__file__).with_name("mnist.npz")
IMAGE_SIZE_PX = 28
CLASS_COUNT = 10
TRAIN_COUNT = 60_000
TEST_COUNT = 10_000
# Where each pixel of a scrambled image comes from, counted row by row: int64 (784,), a permutation
# that is always the same. (NumPy keeps the numbers of RandomState as they are, those of its newer
# generators it does not.)
SCRAMBLE = np.random.RandomState(0).permutation(IMAGE_SIZE_PX**2)
SCRAMBLE.flags.writeable = False


class DatasetError(Exception):
    """The file of digits is missing or damaged."""


class Digits(NamedTuple):
    """Images with their labels, both read-only.

    Attributes:
        images: uint8 (N, 28, 28), 0 is paper, 255 is ink.
        labels: uint8 (N,), 0 to 9.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, start: int, stop: int) -> "Digits":
        """The digits from `start` up to `stop`: views, nothing is copied."""
        return Digits(self.images[start:stop], self.labels[start:stop])


class Mnist(NamedTuple):
    """The 60,000 digits to learn from and the 10,000 that are touched only to report."""

    train: Digits
    test: Digits


@functools.cache
def load(file: Path = DATA_FILE) -> Mnist:
    """MNIST, read once a process and shared from then on.

    Raises:
        DatasetError: When the file is missing, cut short, changed, or holds something else.
    """
    try:
        arrays = npz.read(file)
        mnist = Mnist(
            Digits(arrays["train_images"], arrays["train_labels"]),
            Digits(arrays["test_images"], arrays["test_labels"]),
        )
    except (npz.ArchiveError, KeyError) as error:
        raise DatasetError(
            f"The digits in {file} cannot be read ({error}). The file is missing or damaged: "
            "restore it from the "
            "project's repository, for example with `git checkout mnist_models/data`."
        ) from error
    for digits, count in ((mnist.train, TRAIN_COUNT), (mnist.test, TEST_COUNT)):
        if (
            digits.images.shape != (count, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
            or digits.labels.shape != (count,)
            or not digits.images.dtype == digits.labels.dtype == np.uint8
        ):
            raise DatasetError(
                f"{file} does not hold MNIST: expected {count:,} uint8 images of 28×28 with their "
                "labels, found "
                f"{digits.images.dtype} {digits.images.shape} and {digits.labels.dtype} "
                f"{digits.labels.shape}. "
                "Restore it from the project's repository."
            )
        digits.images.flags.writeable = False
        digits.labels.flags.writeable = False
    return mnist


def for_keras() -> dict[str, np.ndarray]:
    """MNIST as Keras keeps it in its mnist.npz: images and labels by their names there."""
    train, test = load()
    return {
        "x_train": train.images,
        "y_train": train.labels,
        "x_test": test.images,
        "y_test": test.labels,
    }


def scrambled(images: np.ndarray) -> np.ndarray:
    """The images, uint8 (N, 28, 28), with their pixels at other places, the same ones for every
    image: uint8 (N, 28, 28)."""
    return images.reshape(-1, IMAGE_SIZE_PX**2)[:, SCRAMBLE].reshape(images.shape)


def split(train_count: int, validation_count: int) -> tuple[Digits, Digits]:
    """The first `train_count` training digits, and the last `validation_count` that are held back
    for validation.

    Raises:
        ValueError: When the two would overlap.
    """
    if train_count + validation_count > TRAIN_COUNT:
        raise ValueError(
            f"{train_count:,} + {validation_count:,} digits are more than the {TRAIN_COUNT:,} "
            "there are."
        )
    train = load().train
    return train.part(0, train_count), train.part(TRAIN_COUNT - validation_count, TRAIN_COUNT)
