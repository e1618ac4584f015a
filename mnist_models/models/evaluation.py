"""How well a network reads: loss, accuracy, the confusion matrix, and a report for each digit."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.models.calibration import expected_calibration_error, tempered
from mnist_models.models.predictions import Predictions


@dataclass(frozen=True)
class DigitReport:
    """One digit: precision, the share right of what was read as it; recall, the share of it read
    right; F1, their harmonic mean; support, how many there were. All but the last 0 to 1."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """How good the predictions for labelled images are.

    Attributes:
        loss: Mean cross-entropy in nats.
        accuracy: 0 to 1.
        calibration_error: See calibration.expected_calibration_error.
        untempered_calibration_error: The same before the logits were divided by the temperature.
        confusion: int (10, 10), rows are the true digits, columns the digits read.
        digits: A report for each of 0 to 9.
    """

    loss: float
    accuracy: float
    calibration_error: float
    untempered_calibration_error: float
    confusion: np.ndarray
    digits: tuple[DigitReport, ...]


def evaluate(predictions: Predictions, labels: np.ndarray, temperature: float = 1.0) -> Evaluation:
    """Compares what was read with the labels, uint8 (N,).

    Args:
        temperature: What the logits were divided by after training.
    """
    probabilities = predictions.probabilities.astype(np.float64)
    probabilities /= probabilities.sum(
        axis=1, keepdims=True
    )  # as floats of few places they sum to 1 only nearly
    classes = np.arange(CLASS_COUNT)
    columns = precision_recall_fscore_support(
        labels, predictions.digits, labels=classes, zero_division=0
    )
    return Evaluation(
        loss=float(log_loss(labels, probabilities, labels=classes)),
        accuracy=float((predictions.digits == labels).mean()),
        calibration_error=expected_calibration_error(probabilities, labels),
        untempered_calibration_error=expected_calibration_error(
            tempered(probabilities, 1 / temperature), labels
        ),
        confusion=confusion_matrix(labels, predictions.digits, labels=classes),
        digits=tuple(
            DigitReport(float(p), float(r), float(f), int(n))
            for p, r, f, n in zip(*columns, strict=True)
        ),
    )
