"""Where trained models differ: in their hyperparameters, and digit by digit on the test set.

Predictions and labels here are of the same images in the same order; images are given by their
index in it.
"""

import enum
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mnist_models.models.predictions import Predictions
from mnist_models.runs.tables import Run, StoreError
from mnist_models.settings.hyperparameters import NETWORKS, Choice
from mnist_models.training.progress import Curve

# A difference is significant if chance alone brings it about less often than this.
SIGNIFICANT = 0.05


class Box(enum.StrEnum):
    """Which of two models classifies a digit correctly."""

    BOTH = "both"
    FIRST = "first"
    SECOND = "second"
    NEITHER = "neither"


def boxes(first: Predictions, second: Predictions, labels: np.ndarray) -> dict[Box, np.ndarray]:
    """The test images of each box, as indices.

    Those that a model misclassified: the most confident mistakes first (where both did, by the sum
    of their confidences). Those that both classified correctly: the least confident first.

    Args:
        first, second: The predictions of the two models.
        labels: uint8 (N,).
    """
    first_right, second_right = first.digits == labels, second.digits == labels
    # float16 would round the sum of two confidences.
    first_confidence = first.confidences.astype(np.float32)
    second_confidence = second.confidences.astype(np.float32)
    least = np.minimum(first_confidence, second_confidence)
    return {
        Box.BOTH: _ascending(first_right & second_right, least),
        Box.FIRST: _ascending(first_right & ~second_right, -second_confidence),
        Box.SECOND: _ascending(~first_right & second_right, -first_confidence),
        Box.NEITHER: _ascending(
            ~first_right & ~second_right, -(first_confidence + second_confidence)
        ),
    }


def _ascending(which: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The indices at which `which` is true, in the order of `by`; in their own where that is
    equal."""
    indices = np.flatnonzero(which)
    return indices[np.argsort(by[indices], kind="stable")]


class Cell(NamedTuple):
    """One cell of a confusion matrix: `images` test images of `digit` were predicted as `read`."""

    digit: int
    read: int
    images: int


def cells(confusion: np.ndarray) -> list[Cell]:
    """The cells that are not empty: the mistakes, most frequent first, then the correct
    predictions, 0 to 9.

    Args:
        confusion: int (10, 10); rows are the actual digits, columns the predicted ones.
    """
    found = [
        Cell(int(digit), int(read), int(confusion[digit, read]))
        for digit, read in np.argwhere(confusion)
    ]
    return sorted(
        found,
        key=lambda cell: (cell.digit == cell.read, -cell.images if cell.digit != cell.read else 0),
    )


def mistakes(confusion: np.ndarray) -> int:
    """The number of misclassified digits."""
    return int(confusion.sum() - np.trace(confusion))


def in_cell(predictions: Predictions, labels: np.ndarray, digit: int, read: int) -> np.ndarray:
    """The test images in one cell of the confusion matrix, as indices: of mistakes the most
    confident first, of correct predictions the least confident."""
    confidences = predictions.confidences.astype(np.float32)
    return _ascending(
        (labels == digit) & (predictions.digits == read),
        confidences if digit == read else -confidences,
    )


def chance(first_only: int, second_only: int) -> float:
    """How often two equally good models differ at least this much: McNemar's exact test, two-sided
    (McNemar, 1947, Psychometrika 12, 153-157).

    Args:
        first_only, second_only: The numbers of digits that only one of them classified correctly.

    Returns:
        The p-value.
    """
    count, fewer = first_only + second_only, min(first_only, second_only)
    tail = math.fsum(
        math.exp(
            math.lgamma(count + 1)
            - math.lgamma(k + 1)
            - math.lgamma(count - k + 1)
            - count * math.log(2)
        )
        for k in range(fewer + 1)
    )
    return min(1.0, 2 * tail)


def verdict(counts: dict[Box, int], first: str, second: str) -> str:
    """Which of two models is more accurate, and whether that may be chance, in words.

    Args:
        counts: The number of test digits in each box.
        first, second: The models' names, such that "the" can go before them.
    """
    lead = counts[Box.SECOND] - counts[Box.FIRST]
    ahead, behind = (second, first) if lead > 0 else (first, second)
    fail = f"both misclassify {counts[Box.NEITHER]:,}"
    if not lead:
        return f"The {first} and the {second} classify equally many test digits correctly; {fail}."
    p_value = chance(counts[Box.FIRST], counts[Box.SECOND])
    often = (
        "less than once in 1,000"
        if p_value < 0.001
        else f"in {p_value:.{1 if p_value < 0.1 else 0}%} of all"
    )
    return (
        f"The {ahead} classifies **{_digits(abs(lead), 'more ')}** correctly than the {behind}; "
        f"{fail}. Two equally good models would differ this much {often} test sets, so "
        + ("this is hardly chance." if p_value < SIGNIFICANT else "this may well be chance.")
    )


def tally(counts: Mapping[Box, int], first: str, second: str) -> str:
    """Which of two models was right about some drawings, and whether a lead may be chance, in
    words.

    Args:
        counts: The number of drawings in each box; at least one.
        first, second: The models' names, such that "the" can go before them.
    """
    count = sum(counts.values())
    text = (
        f"**{count:,} drawing{'s' * (count != 1)}:** both right {counts[Box.BOTH]:,}, only the "
        f"{second} {counts[Box.SECOND]:,}, only the {first} {counts[Box.FIRST]:,}, neither "
        f"{counts[Box.NEITHER]:,}."
    )
    lead = counts[Box.SECOND] - counts[Box.FIRST]
    if not lead:
        return text
    ahead = second if lead > 0 else first
    if chance(counts[Box.FIRST], counts[Box.SECOND]) < SIGNIFICANT:
        return f"{text} The {ahead} is ahead, and by more than chance would explain."
    return f"{text} The {ahead} is ahead, but so small a lead may be chance: draw more."


def box(first_right: bool, second_right: bool) -> Box:
    """The box of a digit."""
    if first_right == second_right:
        return Box.BOTH if first_right else Box.NEITHER
    return Box.FIRST if first_right else Box.SECOND


def confused(confusion: np.ndarray, name: str) -> str:
    """What a model confuses most often, in words.

    Args:
        confusion: int (10, 10), see `cells`.
        name: The model's name, such that "the" can go before it.
    """
    count, total = mistakes(confusion), int(confusion.sum())
    if not count:
        return f"The {name} classifies all {total:,} digits correctly."
    most = cells(confusion)[0]
    times = "once" if most.images == 1 else f"{most.images:,} times"
    return (
        f"The {name} misclassifies **{count:,}** of {_digits(total)}, most often "
        f"{a_digit(most.digit)} as {a_digit(most.read)}: {times}."
    )


def _digits(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}digit" + "s" * (count != 1)


def a_digit(digit: int) -> str:
    """A digit with its article, as a sentence has it: "a 7", "an 8"."""
    return f"an {digit}" if digit == 8 else f"a {digit}"


def reached(curves: Mapping[str, Curve]) -> str:
    """The best validation accuracy of several training runs, in words.

    Args:
        curves: By the name of the run.
    """
    tops = {
        label: max(
            end.validation_accuracy for end in curve.epochs if end.validation_accuracy is not None
        )
        for label, curve in curves.items()
        if any(end.validation_accuracy is not None for end in curve.epochs)
    }
    if not tops:
        return "None of these runs was validated, so only their training curves are shown."
    most, least = max(tops, key=tops.__getitem__), min(tops, key=tops.__getitem__)
    if len(tops) == 1:
        return f"Best validation accuracy: **{tops[most]:.2%}** ({most})."
    if tops[most] == tops[least]:
        return f"Best validation accuracy: **{tops[most]:.2%}**, the same for all."
    return (
        f"Best validation accuracy of each run: highest **{tops[most]:.2%}** ({most}), lowest "
        f"**{tops[least]:.2%}** ({least})."
    )


def settings(run: Run) -> dict[str, Any] | None:
    """The hyperparameters of a run by name; None for a run of another version of the app that this
    one does not understand."""
    try:
        hyperparameters = run.hyperparameters
    except StoreError:
        return None
    return {name: getattr(hyperparameters, name) for name in hyperparameters.choices()}


def differing(runs: Sequence[dict[str, Any] | None]) -> dict[str, Choice]:
    """The hyperparameters in which runs differ, in the order of the form.

    Args:
        runs: The `settings` of each. Those that are None are left out; a hyperparameter that only
            one kind of model has differs from its absence in the other.
    """
    known = [values for values in runs if values is not None]
    choices = {
        name: choice for kind in NETWORKS.values() for name, choice in kind.choices().items()
    }
    return {
        name: choice
        for name, choice in choices.items()
        if len({values.get(name) for values in known}) > 1
    }


def best(runs: Sequence[Run], network: str) -> Run:
    """The run of this kind with the highest test accuracy; of equals, the one with the lowest loss.
    Only readable runs count, of which there is at least one: the pretrained model."""
    return max(
        (run for run in runs if run.network == network and run.readable),
        key=lambda run: (run.measured.test_accuracy, -run.measured.test_loss),
    )
