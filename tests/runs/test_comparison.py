"""Comparison: the numbers that a hand, scikit-learn and SciPy come to as well."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from mnist_models.models.predictions import Predictions
from mnist_models.runs import comparison
from mnist_models.runs.comparison import Box, Cell
from mnist_models.runs.tables import Run, RunState
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    CnnHyperparameters,
    DnnHyperparameters,
    Hyperparameters,
)
from mnist_models.training.progress import Curve, EpochEnd, Measured


def read(*pairs: tuple[int, float]) -> Predictions:
    """Readings of these digits with these probabilities; the rest is spread over the other nine."""
    probabilities = np.array([[rest] * 10 for _, sure in pairs for rest in [(1 - sure) / 9]])
    for row, (digit, sure) in zip(probabilities, pairs, strict=True):
        row[digit] = sure
    return Predictions.of(probabilities)


LABELS = np.uint8([1, 1, 2, 2, 3, 3, 4, 4, 5])
FIRST = read(
    (1, 0.9), (1, 0.6), (2, 0.5), (2, 0.9), (8, 0.7), (8, 0.9), (9, 0.5), (9, 0.9), (5, 0.99)
)
SECOND = read(
    (1, 0.8), (1, 0.7), (3, 0.4), (3, 0.8), (3, 0.9), (3, 0.9), (6, 0.6), (6, 0.8), (5, 0.55)
)


def test_the_four_boxes_of_a_case_made_by_hand_begin_with_what_is_most_interesting():
    boxes = {
        box: indexes.tolist() for box, indexes in comparison.boxes(FIRST, SECOND, LABELS).items()
    }
    assert boxes == {
        Box.BOTH: [8, 1, 0],  # the less sure of the two: 0.55, 0.6, 0.8
        Box.FIRST: [3, 2],  # the second is wrong, with 0.8 and 0.4
        Box.SECOND: [5, 4],  # the first is wrong, with 0.9 and 0.7
        Box.NEITHER: [7, 6],
    }


def test_every_digit_is_in_one_box_and_their_numbers_fit_the_confusion_matrices():
    random = np.random.default_rng(1)
    labels = random.integers(0, 10, 2_000, dtype=np.uint8)
    first, second = (Predictions.of(random.dirichlet(np.ones(10), 2_000)) for _ in range(2))
    boxes = comparison.boxes(first, second, labels)
    assert sorted(np.concatenate(list(boxes.values()))) == list(range(2_000))
    right = np.trace(confusion_matrix(labels, first.digits))
    assert len(boxes[Box.BOTH]) + len(boxes[Box.FIRST]) == right
    right = np.trace(confusion_matrix(labels, second.digits))
    assert len(boxes[Box.BOTH]) + len(boxes[Box.SECOND]) == right


def test_networks_compared_with_themselves_never_part():
    boxes = comparison.boxes(FIRST, FIRST, LABELS)
    assert len(boxes[Box.FIRST]) == len(boxes[Box.SECOND]) == 0
    assert len(boxes[Box.BOTH]) == 5 and len(boxes[Box.NEITHER]) == 4


def test_the_digits_of_a_cell_are_those_of_the_confusion_matrix():
    matrix = confusion_matrix(LABELS, FIRST.digits, labels=range(10))
    for digit, read_as in np.ndindex(10, 10):
        assert len(comparison.in_cell(FIRST, LABELS, digit, read_as)) == matrix[digit, read_as]
    assert comparison.in_cell(FIRST, LABELS, 3, 8).tolist() == [
        5,
        4,
    ]  # the most confident mistake first
    assert comparison.in_cell(FIRST, LABELS, 1, 1).tolist() == [
        1,
        0,
    ]  # the least sure of the right ones first


def test_the_cells_are_listed_by_how_many_mistakes_they_have_and_the_diagonal_last():
    matrix = np.zeros((10, 10), int)
    matrix[4, 9], matrix[7, 2], matrix[0, 0], matrix[3, 3] = 2, 5, 1, 90
    assert comparison.cells(matrix) == [Cell(7, 2, 5), Cell(4, 9, 2), Cell(0, 0, 1), Cell(3, 3, 90)]
    assert comparison.mistakes(matrix) == 7


@pytest.mark.parametrize(
    "counts", [(15, 51), (51, 15), (0, 1), (3, 3), (0, 0), (400, 4_000), (20, 30)]
)
def test_chance_is_the_binomial_test_of_scipy(counts):
    expected = binomtest(counts[0], sum(counts)).pvalue if any(counts) else 1.0
    assert comparison.chance(*counts) == pytest.approx(expected, rel=1e-9)


def verdict(first_only: int, second_only: int) -> str:
    counts = {Box.BOTH: 9_000, Box.FIRST: first_only, Box.SECOND: second_only, Box.NEITHER: 1_023}
    return comparison.verdict(counts, "DNN", "CNN")


def tally(*boxes: int) -> str:
    return comparison.tally(dict(zip(Box, boxes, strict=True)), "DNN", "CNN")


def test_the_tally_of_drawings_says_what_may_be_chance():
    assert tally(19, 0, 4, 1) == (
        "**24 drawings:** both right 19, only the CNN 4, only the DNN 0, neither 1. The CNN is "
        "ahead, but so small a lead may be chance: draw more."
    )
    # Of six that only one of two equally good models gets right, all go to the same one once in 32.
    assert tally(19, 0, 6, 1).endswith("The CNN is ahead, and by more than chance would explain.")
    assert "The DNN is ahead, but" in tally(0, 2, 1, 0)
    assert tally(1, 0, 0, 0) == (
        "**1 drawing:** both right 1, only the CNN 0, only the DNN 0, neither 0."
    )


def test_each_digit_is_in_one_box():
    rights = [(True, True), (True, False), (False, True), (False, False)]
    assert [comparison.box(*right) for right in rights] == list(Box)


def test_the_verdict_says_who_is_ahead_by_how_many_and_whether_that_is_chance():
    assert verdict(15, 51).startswith(
        "The CNN classifies **36 more digits** correctly than the DNN; both misclassify 1,023."
    )
    assert "less than once in 1,000 test sets, so this is hardly chance" in verdict(15, 51)
    assert verdict(21, 20).startswith("The DNN classifies **1 more digit** correctly than the CNN;")
    assert "in 100% of all test sets, so this may well be chance" in verdict(21, 20)
    assert (
        verdict(7, 7)
        == "The DNN and the CNN classify equally many test digits correctly; both misclassify "
        "1,023."
    )


def test_what_is_confused_is_said_in_words():
    matrix = np.diag([100] * 10)
    assert comparison.confused(matrix, "DNN") == "The DNN classifies all 1,000 digits correctly."
    matrix[8, 3] = 1
    assert (
        comparison.confused(matrix, "CNN")
        == "The CNN misclassifies **1** of 1,001 digits, most often an 8 as a 3: once."
    )
    matrix[4, 8] = 12
    assert (
        comparison.confused(matrix, "CNN")
        == "The CNN misclassifies **13** of 1,013 digits, most often a 4 as an 8: 12 times."
    )


def run(hyperparameters: Hyperparameters, **facts) -> Run:
    return Run(
        id="1a2b",
        name="a run",
        network=hyperparameters.network,
        values=hyperparameters.model_dump(mode="json"),
        created_at=datetime.now(UTC),
        **{"state": RunState.FINISHED, **dict.fromkeys(Measured._fields, 0), **facts},
    )


def differing(*runs: Run) -> list[str]:
    return list(comparison.differing([comparison.settings(one) for one in runs]))


def test_only_hyperparameters_in_which_runs_differ_are_told():
    base = DnnHyperparameters()
    assert differing(run(base)) == differing(run(base), run(base)) == []
    assert differing(run(base), run(base.model_copy(update={"dropout": 0.5, "seed": 7}))) == [
        "dropout",
        "seed",
    ]
    assert differing(run(base), run(CnnHyperparameters())) == [
        "hidden_units",
        "conv_layers",
        "dense_units",
    ]


def test_a_run_of_another_version_neither_fails_nor_makes_others_differ():
    older = run(DnnHyperparameters())
    older.values = {"network": "dnn", "epochs": 500, "wings": 2}
    assert comparison.settings(older) is None
    assert differing(older, run(DnnHyperparameters())) == []


def test_values_that_an_older_run_does_not_have_are_the_defaults():
    older = run(DnnHyperparameters())
    older.values = {name: value for name, value in older.values.items() if name != "wrong_labels"}
    assert differing(older, run(DnnHyperparameters())) == []


def test_the_best_run_reads_most_and_of_equals_has_the_least_loss():
    dnn, cnn = DnnHyperparameters(), CnnHyperparameters()
    runs = [
        run(dnn, test_accuracy=0.97, test_loss=0.2),
        run(dnn, test_accuracy=0.98, test_loss=0.3),
        run(dnn, test_accuracy=0.98, test_loss=0.1),
        run(dnn, state=RunState.FAILED),
        run(cnn, test_accuracy=0.99, test_loss=0.05),
    ]
    assert [comparison.best(runs, network) for network in NETWORKS] == [runs[2], runs[4]]


def curve(*accuracies: float | None) -> Curve:
    ends = [
        EpochEnd(
            epoch=epoch,
            loss=0.5,
            accuracy=0.8,
            validation_loss=accuracy,
            validation_accuracy=accuracy,
            elapsed_s=epoch,
        )
        for epoch, accuracy in enumerate(accuracies, 1)
    ]
    return Curve(steps_per_epoch=10, epochs=ends)


def test_how_far_trainings_came_is_their_best_epoch():
    assert comparison.reached({"a": curve(0.9, 0.95, 0.94), "b": curve(0.97, 0.96)}) == (
        "Best validation accuracy of each run: highest **97.00%** (b), lowest **95.00%** (a)."
    )
    assert comparison.reached({"a": curve(0.9)}) == "Best validation accuracy: **90.00%** (a)."
    assert comparison.reached({"a": curve(None), "b": curve()}) == (
        "None of these runs was validated, so only their training curves are shown."
    )
