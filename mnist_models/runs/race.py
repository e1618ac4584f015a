"""A fair race of both networks: the same seed, the same images in the same order, the same
budget."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from mnist_models.models.predictions import Predictions
from mnist_models.runs import comparison
from mnist_models.runs.tables import Run, RunState
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    Hyperparameters,
    HyperparametersError,
    Problem,
    validate,
)

# What both have in common: which images, in which order, and how many at a time.
SHARED = (
    "seed",
    "batch_size",
    "augmentation",
    "train_images",
    "wrong_labels",
    "scrambled",
    "validation_images",
)
# What else could end one of them: the budget takes its place.
LIMITS = ("epochs", "budget_s", "budget_images", "early_stopping", "early_stopping_on")
MOST_EPOCHS = Hyperparameters.choices()["epochs"].high


class Budget(NamedTuple):
    """What each network may use: so many epochs, seconds of training, or images, repetitions
    counted."""

    kind: Literal["epochs", "seconds", "images"]
    amount: int

    @classmethod
    def of(cls, hyperparameters: Hyperparameters) -> "Budget":
        """The limit of a training."""
        if hyperparameters.budget_s:
            return cls("seconds", hyperparameters.budget_s)
        if hyperparameters.budget_images:
            return cls("images", hyperparameters.budget_images)
        return cls("epochs", hyperparameters.epochs)


def entrants(
    values: Mapping[str, Mapping[str, Any]], shared: Mapping[str, Any], budget: Budget
) -> dict[str, Hyperparameters]:
    """The hyperparameters of each network in a race.

    values: of each network by name, see hyperparameters.validate. shared: those named in SHARED,
    the same for all. Raises HyperparametersError; the fields of its problems begin with the
    network's name, or with "race" for what is shared.
    """
    epochs = {
        "epochs": budget.amount,
        "seconds": Hyperparameters.choices()["epochs"].default,  # time alone ends it
        "images": math.ceil(budget.amount / shared["train_images"]),
    }[budget.kind]
    if budget.kind == "images" and epochs > MOST_EPOCHS:
        raise HyperparametersError(
            [
                Problem(
                    "race.budget_images",
                    f"{budget.amount:,} images are more than {MOST_EPOCHS} passes over "
                    f"{shared['train_images']:,} training "
                    f"images: choose at most {MOST_EPOCHS * shared['train_images']:,}, or more "
                    "training images.",
                )
            ]
        )
    same = {
        **shared,
        "epochs": epochs,
        "budget_s": budget.amount if budget.kind == "seconds" else 0,
        "budget_images": budget.amount if budget.kind == "images" else 0,
        "early_stopping": 0,
    }
    result, problems = {}, []
    for network, own in values.items():
        try:
            result[network] = validate({**own, **same, "network": network})
        except HyperparametersError as error:
            problems += [
                Problem(
                    f"{'race' if problem.field in same else network}.{problem.field}",
                    problem.sentence,
                )
                for problem in error.problems
            ]
    if problems:
        raise HyperparametersError(list({problem.field: problem for problem in problems}.values()))
    return result


def check(entered: Mapping[str, Hyperparameters]) -> None:
    """Raises HyperparametersError where two differ in what the networks of a race share, as in a
    link that somebody wrote."""
    first, *others = entered.values()
    problems = [
        Problem(
            f"race.{name}",
            f"{choice.label} is the same for both networks of a race: write it once, for both.",
        )
        for name, choice in Hyperparameters.choices().items()
        if name in (*SHARED, *LIMITS)
        and any(getattr(other, name) != getattr(first, name) for other in others)
    ]
    if first.budget_s and first.budget_images:
        problems.append(
            Problem("race.budget_s", "A race has one budget: seconds or images, not both.")
        )
    if problems:
        raise HyperparametersError(problems)


def verdict(
    runs: Sequence[Run],
    predictions: Sequence[Predictions],
    labels: np.ndarray,
    *,
    changed: bool = False,
) -> str:
    """Who won by what, in Markdown: of two runs that have read the test images. labels: of these
    images, uint8 (N,). changed: somebody changed the learning rate of one of them."""
    right = [reading.digits == labels for reading in predictions]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    lead = only_first - only_second
    order = (0, 1) if lead >= 0 else (1, 0)
    titles = [NETWORKS[run.network].title for run in runs]
    better, other = (f"the {titles[place]} reads **{right[place].mean():.2%}**" for place in order)
    scores = f"{better} of the test digits right, {other}"
    notes = ""
    if any(run.state == RunState.STOPPED for run in runs):
        notes = "Stopped before the budget was used up; until then: "
    elif changed:
        notes = "With a learning rate that was changed by hand: "
    if comparison.chance(only_first, only_second) < comparison.SIGNIFICANT:
        outcome = (
            f"**The {titles[order[0]]} won** by {abs(lead):,} of {len(labels):,} digits: {scores}."
        )
    else:
        outcome = f"**Too close to call**: {scores}; a lead of {abs(lead):,} of {len(labels):,} digits may well be chance."
    costs = (
        f"the {titles[place]}'s {runs[place].parameters:,} parameters learned from "
        f"{runs[place].images_seen:,} images in "
        f"{runs[place].elapsed_s:.1f} s"
        for place in order
    )
    return f"{notes}{outcome} For that, {', '.join(costs)}."
