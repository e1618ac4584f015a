"""A model that reads digits: what every page asks of one, whoever trained it and whatever computes
it."""

from __future__ import annotations

import abc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.data.probabilities import digits_of, is_confident
from mnist_models.models.predictions import CONFIDENCE_THRESHOLD, Predictions

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Prediction:
    """What a network reads in one image.

    Attributes:
        digit: 0 to 9, the most probable.
        probability: Of that digit, 0 to 1.
        probabilities: Of all ten digits, they sum to 1.
        elapsed_ms: The time that inference took, in milliseconds.
        is_confident: Whether the digit is probable enough to say that it was read.
    """

    digit: int
    probability: float
    probabilities: tuple[float, ...]
    elapsed_ms: float
    is_confident: bool

    @property
    def answer(self) -> int | None:
        """The digit that the network says it is; None where it is not sure."""
        return self.digit if self.is_confident else None


class Reader(abc.ABC):
    """A model that reads digits.

    Attributes:
        confidence_threshold: Below this probability of the digit that it reads, 0 to 1, it is not
            sure of it.
        pixels: What its network is given in them, a phrase.
    """

    confidence_threshold: float = CONFIDENCE_THRESHOLD
    pixels: str = "ink, 0 to 1"

    @abc.abstractmethod
    def batches(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """The probabilities of some images at a time, for callers that want to stop in between:
        uint8 (N, 28, 28) in, float32 (n, 10) out."""

    @abc.abstractmethod
    def chain(self) -> keras.Sequential:
        """Its network, for those who look between the layers: a chain of them, from what `given`
        makes of images to ten logits, float32 (N, 10), whose softmax are the probabilities.

        Raises:
            UnavailableError: Its layers are not known, or no chain.
        """

    def given(self, images: np.ndarray) -> np.ndarray:
        """Images, uint8 (N, 28, 28), as `chain` is given them, 0 to 255 (N, side, side)."""
        return images

    def seen(self, images: Any) -> Any:
        """The same of a tensor, inside a compiled function."""
        return images

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The probability of each digit: uint8 (N, 28, 28) in, float32 (N, 10) out."""
        return np.concatenate([np.empty((0, CLASS_COUNT), np.float32), *self.batches(images)])

    def predictions(self, images: np.ndarray) -> Predictions:
        """What the network reads in each of many images, uint8 (N, 28, 28)."""
        return Predictions.of(self.probabilities(images))

    def read(self, image: np.ndarray) -> Prediction:
        """What the network reads in one image, uint8 (28, 28)."""
        return self.predict_all(image[np.newaxis])[0]

    def predict_all(self, images: np.ndarray) -> list[Prediction]:
        """What the network reads in each of many images, uint8 (N, 28, 28); each took an equal
        share of the time."""
        start = time.perf_counter()
        probabilities = self.probabilities(images)
        digits, rows = digits_of(probabilities).tolist(), probabilities.tolist()
        elapsed_ms = (time.perf_counter() - start) * 1000 / max(len(images), 1)
        return [
            Prediction(
                digit,
                row[digit],
                tuple(row),
                elapsed_ms,
                is_confident(row[digit], self.confidence_threshold),
            )
            for digit, row in zip(digits, rows, strict=True)
        ]
