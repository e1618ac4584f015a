"""What ten probabilities say: which digit is read, and whether that is sure. The same wherever it
is asked, so that no two pages report the same prediction differently."""

from typing import overload

import numpy as np

# The same model gives the same image another last bit in another place of a batch, with another
# number of threads, or on another processor: TensorFlow works out rows in packets as wide as the
# processor's vectors, and what is left over one by one. What is nearer than this is the same: in
# probabilities, in odds as powers of ten, and as a share of whatever else is measured.
SAME = 1e-5
NOT_SURE = "not sure"


def digits_of(probabilities: np.ndarray) -> np.ndarray:
    """The most probable digit of each row of probabilities, floats (..., 10): int (...). Of several
    that are equally probable but for SAME, the lowest."""
    most = probabilities.max(axis=-1, keepdims=True)
    return (probabilities >= most - SAME).argmax(axis=-1)


@overload
def is_confident(probability: float, confidence_threshold: float) -> bool: ...
@overload
def is_confident(probability: np.ndarray, confidence_threshold: float) -> np.ndarray: ...
def is_confident(probability: float | np.ndarray, confidence_threshold: float) -> bool | np.ndarray:
    """Whether a prediction of this probability reaches the confidence threshold.

    Args:
        probability: Of the most probable digit, 0 to 1; one, or floats (...).
        confidence_threshold: The lowest probability at which the model is sure enough, 0 to 1.
    """
    return probability >= confidence_threshold - SAME


def is_recognised(probabilities: np.ndarray, label: int, confidence_threshold: float) -> np.ndarray:
    """Whether a model is right, and sure, about a digit: bool (...).

    Args:
        probabilities: floats (..., 10).
        label: Which digit it is, 0 to 9.
        confidence_threshold: Of the model, see is_confident.
    """
    return (digits_of(probabilities) == label) & is_confident(
        probabilities.max(axis=-1), confidence_threshold
    )


def answer(probabilities: np.ndarray, confidence_threshold: float) -> str:
    """What a model with these probabilities, floats (10,), says: the digit, or that it is not
    sure."""
    is_sure = is_confident(float(probabilities.max()), confidence_threshold)
    return str(digits_of(probabilities)) if is_sure else NOT_SURE


def in_words(probabilities: np.ndarray, confidence_threshold: float) -> str:
    """How probable a model finds its answer, and what it would guess where it is not sure.

    Args:
        probabilities: floats (10,).
        confidence_threshold: Of the model, see is_confident.
    """
    most = float(probabilities.max())
    guess = (
        "" if is_confident(most, confidence_threshold) else f"perhaps {digits_of(probabilities)}, "
    )
    return f"{guess}probability {most:.1%}"
