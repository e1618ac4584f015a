"""Arrays of digits as other programs keep them, in whatever type and layout: a collection out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mnist_models.data.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.handwriting.collection import UNKNOWN_WRITER, Collection
from mnist_models.imports.refusal import RefusedError

# MNIST has 70,000 digits; of larger sets, such as EMNIST's 280,000, the first are taken.
MOST_DIGITS = 100_000
PIXELS = IMAGE_SIZE_PX**2
LAYOUTS = (
    (PIXELS,),
    (IMAGE_SIZE_PX, IMAGE_SIZE_PX),
    (IMAGE_SIZE_PX, IMAGE_SIZE_PX, 1),
    (1, IMAGE_SIZE_PX, IMAGE_SIZE_PX),
)
# By what arrays are called in NPZ and MATLAB files: images, labels, and who wrote which.
NAMES = (
    ("x_train", "y_train", "writers_train"),
    ("x_test", "y_test", "writers_test"),
    ("train_images", "train_labels", "train_writers"),
    ("test_images", "test_labels", "test_writers"),
    ("x", "y", "writers"),
    ("images", "labels", "writers"),
    ("dataset/train/images", "dataset/train/labels", "dataset/train/writers"),
    ("dataset/test/images", "dataset/test/labels", "dataset/test/writers"),
)


class Part(NamedTuple):
    """Arrays as they stand in a file, not yet checked.

    Attributes:
        images: N of them.
        labels: N of them.
        writers: N of them, or None where the file does not say who wrote.
    """

    images: np.ndarray
    labels: np.ndarray
    writers: np.ndarray | None = None


def named(arrays: Mapping[str, np.ndarray]) -> list[Part]:
    """The digits among arrays, found by what they are called.

    Raises:
        RefusedError: None of them is called as digits are.
    """
    parts = [
        Part(np.atleast_1d(arrays[images]), np.atleast_1d(arrays[labels]), arrays.get(writers))
        for images, labels, writers in NAMES
        if images in arrays and labels in arrays
    ]
    if not parts:
        raise RefusedError(
            "There are no arrays of digits and labels in it: call them `x_train` and `y_train`, "
            "and `x_test` and `y_test` where some are for the test."
        )
    return parts


def checked(part: Part) -> Collection:
    """The digits in arrays of any type, in any layout that stands for 28×28 pixels; one more than
    MOST_DIGITS if there are more.

    Raises:
        RefusedError: They are not images of 28×28, with a label of 0 to 9 for each.
    """
    images, labels = part.images[: MOST_DIGITS + 1], part.labels[: MOST_DIGITS + 1]
    if images.shape[1:] not in LAYOUTS:
        raise RefusedError(
            f"Its images have {' × '.join(map(str, images.shape[1:])) or 'no'} pixels each: "
            "expected 28 × 28, or 784 in a row."
        )
    writers = np.full(len(images), UNKNOWN_WRITER)
    if part.writers is not None:
        writers = part.writers[: MOST_DIGITS + 1]
    if not len(images) == labels.size == writers.size:
        raise RefusedError(
            f"It has {len(part.images):,} images and {len(part.labels):,} labels: expected a label "
            "for each image, and a writer if there are any."
        )
    if not _are_whole(labels, 0, CLASS_COUNT - 1):
        raise RefusedError(
            "Its labels are not all 0 to 9. Those of letters have others: of EMNIST, bring the "
            "files called digits or mnist."
        )
    if not _are_whole(writers, UNKNOWN_WRITER, 2**53):
        raise RefusedError("Its writers are not whole numbers: expected one for each digit.")
    return Collection(
        _as_pixels(images).reshape(-1, IMAGE_SIZE_PX, IMAGE_SIZE_PX),
        labels.reshape(-1).astype(np.uint8),
        writers.reshape(-1).astype(np.int64),
    )


def _are_whole(values: np.ndarray, low: int, high: int) -> bool:
    """Whether all values are whole numbers from low to high."""
    return values.dtype.kind in "uif" and bool(
        np.all((values >= low) & (values <= high) & (values % 1 == 0))
    )


def _as_pixels(images: np.ndarray) -> np.ndarray:
    """Pixels of any type as uint8: those of 0 to 255 as they are, fractions of 0 to 1 enlarged."""
    if images.dtype.kind not in "buif":
        raise RefusedError("Its images are not made of numbers: expected pixels of 0 to 255.")
    low, high = images.min(initial=0), images.max(initial=0)
    if not (low >= 0 and high <= 255):  # so that nan is refused
        raise RefusedError(
            f"Its pixels go from {low:,} to {high:,}: expected 0 to 255, or fractions of 0 to 1."
        )
    if images.dtype.kind == "f":
        images = np.rint(images * 255 if high <= 1 else images)
    return images.astype(np.uint8)
