"""How far a network's probabilities can be believed, and from which on it may be called sure."""

import numpy as np
from scipy.optimize import minimize_scalar

BINS = 15
# Softmax in float32 rounds the improbable to 0, whose logarithm there is not.
SMALLEST = 1e-30
COLDEST, HOTTEST = 0.1, 10.0
NON_DIGITS_CAUGHT, DIGITS_LOST = 0.962, 0.004


def temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """What to divide the logits by so that the probabilities are as good as they can be.

    The temperature with the least mean cross-entropy (C. Guo et al. 2017,
    https://arxiv.org/abs/1706.04599). Above 1 the network was too sure, below 1 not sure enough;
    which digit is the most probable does not change.

    Args:
        probabilities: floats (N, 10), of digits that the network did not learn from.
        labels: uint8 (N,).
    """

    def loss(log_temperature: float) -> float:
        right = np.take_along_axis(
            tempered(probabilities, np.exp(log_temperature)),
            labels[:, np.newaxis].astype(int),
            axis=1,
        )
        return -np.log(np.maximum(right, SMALLEST)).mean()

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def confidence_threshold(digits: np.ndarray, non_digits: np.ndarray) -> float:
    """The probability of the digit read from which on a network may be called sure of it, 0 to 1.

    The lowest that only 38 in 1,000 drawings that are no digits reach, but never so high that more
    than 4 digits in 1,000 fall short of it.

    Args:
        digits, non_digits: floats (N, 10), probabilities in images that the network did not learn
            from.
    """
    caught = np.quantile(non_digits.max(axis=1), NON_DIGITS_CAUGHT)
    lost = np.quantile(digits.max(axis=1), DIGITS_LOST)
    return float(min(caught, lost))


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities, float64 (N, 10), if the logits behind them had been divided by the
    temperature."""
    powers = np.maximum(probabilities.astype(np.float64), SMALLEST) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """How far, on average, the probability of a prediction is from the share of such predictions
    that are right: 0 to 1.

    Over 15 bins of equal width of the probability of the predicted digit, each weighted by its
    predictions (M. Naeini et al. 2015).

    Args:
        probabilities: floats (N, 10).
        labels: uint8 (N,).
    """
    sure = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, sure - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))
