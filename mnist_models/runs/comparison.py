"""Where trained networks differ: in how they were trained, and in which of the test digits they
read right.

Readings and labels here are of the same images in the same order; digits are told by their place in
it.
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

# A difference that chance brings about less often than this is hardly chance.
SIGNIFICANT = 0.05


class Box(enum.StrEnum):
    """Which of two networks read a digit right."""

    BOTH = "both"
    FIRST = "first"
    SECOND = "second"
    NEITHER = "neither"


def boxes(first: Predictions, second: Predictions, labels: np.ndarray) -> dict[Box, np.ndarray]:
    """The digits of each box. Those that somebody misread: the most confident mistakes first (where
    both misread it, in the mean); those that both read right: the least sure first. labels: uint8
    (N,)."""
    first_right, second_right = first.digits == labels, second.digits == labels
    first_sure, second_sure = (
        first.confidences.astype(np.float32),
        second.confidences.astype(np.float32),
    )
    return {
        Box.BOTH: _ascending(first_right & second_right, np.minimum(first_sure, second_sure)),
        Box.FIRST: _ascending(first_right & ~second_right, -second_sure),
        Box.SECOND: _ascending(~first_right & second_right, -first_sure),
        Box.NEITHER: _ascending(~first_right & ~second_right, -(first_sure + second_sure)),
    }


def _ascending(which: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The places at which `which` is true, in the order of `by`; in their own where that is
    equal."""
    places = np.flatnonzero(which)
    return places[np.argsort(by[places], kind="stable")]


class Cell(NamedTuple):
    """One cell of a confusion matrix: `count` digits that are a `digit` were read as a `read`."""

    digit: int
    read: int
    count: int


def cells(confusion: np.ndarray) -> list[Cell]:
    """The cells that are not empty: the mistakes, the most frequent first, then the digits read
    right, 0 to 9.

    confusion: int (10, 10), rows are the true digits, columns the digits read.
    """
    found = [
        Cell(int(digit), int(read), int(confusion[digit, read]))
        for digit, read in np.argwhere(confusion)
    ]
    return sorted(
        found,
        key=lambda cell: (cell.digit == cell.read, -cell.count if cell.digit != cell.read else 0),
    )


def mistakes(confusion: np.ndarray) -> int:
    """How many digits were misread."""
    return int(confusion.sum() - np.trace(confusion))


def in_cell(predictions: Predictions, labels: np.ndarray, digit: int, read: int) -> np.ndarray:
    """The digits in one cell of the confusion matrix: of mistakes the most confident first, of
    right ones the least sure."""
    sure = predictions.confidences.astype(np.float32)
    return _ascending(
        (labels == digit) & (predictions.digits == read), sure if digit == read else -sure
    )


def chance(first_only: int, second_only: int) -> float:
    """How often two networks that are equally good differ at least this much: McNemar's exact test,
    two-sided.

    first_only, second_only: how many digits only one of them read right. (McNemar, 1947,
    Psychometrika 12, 153-157.)
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
    """Which of two networks reads better and whether that is chance, in words. first, second: names
    that "the" goes before."""
    lead = counts[Box.SECOND] - counts[Box.FIRST]
    ahead, behind = (second, first) if lead > 0 else (first, second)
    fail = f"both fail on {counts[Box.NEITHER]:,}"
    if not lead:
        return f"The {first} and the {second} read equally many digits right; {fail}."
    likely = chance(counts[Box.FIRST], counts[Box.SECOND])
    often = (
        "fewer than 1 of 1,000"
        if likely < 0.001
        else f"{likely:.{1 if likely < 0.1 else 0}%} of all"
    )
    return (
        f"The {ahead} reads **{_digits(abs(lead), 'more ')}** right than the {behind}; {fail}. Two "
        "equally good networks would "
        f"differ so much in {often} test sets: "
        + ("hardly chance." if likely < SIGNIFICANT else "it may well be chance.")
    )


def confused(confusion: np.ndarray, name: str) -> str:
    """What a network confuses most often, in words. name: "the" goes before it."""
    count, total = mistakes(confusion), int(confusion.sum())
    if not count:
        return f"The {name} reads all {total:,} digits right."
    most = cells(confusion)[0]
    times = "once" if most.count == 1 else f"{most.count:,} times"
    return f"The {name} misreads **{count:,}** of {_digits(total)}, most often {_a(most.digit)} as {_a(most.read)}: {times}."


def _digits(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}digit" + "s" * (count != 1)


def _a(digit: int) -> str:
    return f"an {digit}" if digit == 8 else f"a {digit}"


def reached(curves: Mapping[str, Curve]) -> str:
    """How far several trainings came on their validation images, in words; curves by what to call
    them."""
    tops = {
        label: max(
            end.validation_accuracy for end in curve.epochs if end.validation_accuracy is not None
        )
        for label, curve in curves.items()
        if any(end.validation_accuracy is not None for end in curve.epochs)
    }
    if not tops:
        return "None of these was validated, so only their training can be seen."
    most, least = max(tops, key=tops.__getitem__), min(tops, key=tops.__getitem__)
    if len(tops) == 1:
        return f"At its best epoch {most} read **{tops[most]:.2%}** of its validation digits."
    if tops[most] == tops[least]:
        return f"At their best epochs all of them read **{tops[most]:.2%}** of their validation digits."
    return f"At its best epoch {most} read **{tops[most]:.2%}** of its validation digits, {least} **{tops[least]:.2%}**."


def settings(run: Run) -> dict[str, Any] | None:
    """The hyperparameters of a run by name; None for a run of another version that this one cannot
    understand."""
    try:
        hyperparameters = run.hyperparameters
    except StoreError:
        return None
    return {name: getattr(hyperparameters, name) for name in hyperparameters.choices()}


def differing(runs: Sequence[dict[str, Any] | None]) -> dict[str, Choice]:
    """The hyperparameters in which these `settings` differ, in the order of the form. One that only
    some networks have differs between them and the rest; settings that are unknown are left out."""
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
    """The run of this network that reads most test digits right; of several, the one with the least
    loss. Only readable runs count, of which there is at least one: the network that ships."""
    return max(
        (run for run in runs if run.network == network and run.readable),
        key=lambda run: (run.test_accuracy, -run.test_loss),
    )
