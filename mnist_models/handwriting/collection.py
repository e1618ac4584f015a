"""The digits that a class wrote: images, labels, and who wrote which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnist_models.data.dataset import CLASS_COUNT, IMAGE_SIZE_PX

# The number of every writer of whom nothing is known.
UNKNOWN_WRITER = -1


@dataclass(frozen=True, eq=False)
class Collection:
    """Digits with their labels and writers, in one order.

    Attributes:
        images: uint8 (N, 28, 28), 0 is paper, 255 is ink.
        labels: uint8 (N,), 0 to 9.
        writers: int64 (N,), the same number for all digits of one writer, UNKNOWN_WRITER where
            nobody knows.
    """

    images: np.ndarray
    labels: np.ndarray
    writers: np.ndarray

    def __post_init__(self) -> None:
        """Checks the arrays.

        Raises:
            ValueError: A shape, a dtype or a label is not as above.
        """
        count = len(self.images)
        for name, dtype, shape in (
            ("images", np.uint8, (count, IMAGE_SIZE_PX, IMAGE_SIZE_PX)),
            ("labels", np.uint8, (count,)),
            ("writers", np.int64, (count,)),
        ):
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(
                    f"{name}: expected {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}."
                )
        if count and self.labels.max() >= CLASS_COUNT:
            raise ValueError(f"labels: expected 0 to 9, got {self.labels.max()}.")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray | slice) -> Collection:
        """The digits at these places, int (M,), or where this is true, bool (N,); of a slice, only
        views."""
        return Collection(self.images[indices], self.labels[indices], self.writers[indices])
