"""What a network read in each of many digits, kept so that reports and comparisons need not read
them again."""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mnist_models.data import npz
from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.data.probabilities import digits_of

# Below it a prediction is more likely wrong than right. Models get a threshold of their own
# after training, see calibration.confidence_threshold; this one is for those that were not.
CONFIDENCE_THRESHOLD = 0.5

# Images, uint8 (N, 28, 28), to the probability of each digit, float32 (N, 10): see
# classifier.Classifier.probabilities.
Read = Callable[[np.ndarray], np.ndarray]


class PredictionsError(ValueError):
    """Predictions that cannot be unpacked."""


class Predictions(NamedTuple):
    """Probabilities are kept with three digits after the point (float16); which digit was the most
    probable is kept exactly.

    Attributes:
        digits: uint8 (N,), the most probable digit in each image.
        probabilities: floats (N, 10), of all ten.
    """

    digits: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray) -> "Predictions":
        """The predictions that these probabilities, (N, 10), mean."""
        return cls(digits_of(probabilities).astype(np.uint8), probabilities)

    @property
    def confidences(self) -> np.ndarray:
        """The probability of the digit that was read, (N,)."""
        return np.take_along_axis(self.probabilities, self.digits[:, np.newaxis], axis=1)[:, 0]

    def pack(self) -> bytes:
        """As a NumPy archive."""
        halves = self.probabilities.astype(np.float16)
        return npz.write({"digits": self.digits, "probabilities": halves})

    @classmethod
    def unpack(cls, packed: bytes) -> "Predictions":
        """What `pack` made.

        Raises:
            PredictionsError: When it is damaged or something else.
        """
        try:
            arrays = npz.read(io.BytesIO(packed))
            predictions = cls(arrays["digits"], arrays["probabilities"])
        except (npz.ArchiveError, KeyError) as error:
            raise PredictionsError(f"The predictions cannot be read ({error}).") from error
        digits, probabilities = predictions
        if (digits.dtype, probabilities.dtype) != (np.uint8, np.float16) or digits.ndim != 1:
            raise PredictionsError("The predictions are something else.")
        if probabilities.shape != (len(digits), CLASS_COUNT) or (digits >= CLASS_COUNT).any():
            raise PredictionsError("The predictions are something else.")
        return predictions
