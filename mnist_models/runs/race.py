"""A fair race of both models: the same seed, the same images in the same order, the same
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

# What both share: which images, in which order, and how many at a time.
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
# What can be bet on before the start: that one of them wins, or that the lead may be chance.
TIE = "tie"
BETS = {network: kind.title for network, kind in NETWORKS.items()} | {TIE: "Too close to call"}
MOST_EPOCHS = Hyperparameters.choices()["epochs"].high


class Budget(NamedTuple):
    """What each model may use: a number of epochs, of seconds of training, or of images, counting
    repetitions."""

    kind: Literal["epochs", "seconds", "images"]
    amount: int

    @classmethod
    def of(cls, hyperparameters: Hyperparameters) -> "Budget":
        """The budget that these hyperparameters set."""
        if hyperparameters.budget_s:
            return cls("seconds", hyperparameters.budget_s)
        if hyperparameters.budget_images:
            return cls("images", hyperparameters.budget_images)
        return cls("epochs", hyperparameters.epochs)


def entrants(
    values: Mapping[str, Mapping[str, Any]], shared: Mapping[str, Any], budget: Budget
) -> dict[str, Hyperparameters]:
    """The hyperparameters of each model in a race.

    Args:
        values: The hyperparameters of each model by name, by kind of model; see
            hyperparameters.validate.
        shared: Those named in SHARED, the same for all.
        budget: What each model may use.

    Raises:
        HyperparametersError: The fields of its problems begin with the kind of model, or with
            "race" for what is shared.
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
                    f"{budget.amount:,} images are more than {MOST_EPOCHS} epochs of "
                    f"{shared['train_images']:,} training images: choose at most "
                    f"{MOST_EPOCHS * shared['train_images']:,}, or more training images.",
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
    """Checks what the models of a race have to share, as for a link that somebody wrote.

    Raises:
        HyperparametersError: Two of them differ in it.
    """
    first, *others = entered.values()
    problems = [
        Problem(
            f"race.{name}",
            f"{choice.label} has to be the same for both models of a race: "
            "write it once, for both.",
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


def winner(runs: Sequence[Run], predictions: Sequence[Predictions], labels: np.ndarray) -> str:
    """Who won: the kind of model, or TIE where the lead may be chance; a key of BETS.

    Args:
        runs: The two runs of a race, both trained.
        predictions: Of each run, for the test images.
        labels: Of these images, uint8 (N,).
    """
    first, second = (found.digits == labels for found in predictions)
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    if comparison.chance(only_first, only_second) >= comparison.SIGNIFICANT:
        return TIE
    return runs[0 if only_first > only_second else 1].network


def settled(bet: str, won: str) -> str:
    """What has become of a bet, a sentence.

    Args:
        bet: What was bet on, a key of BETS.
        won: See winner.
    """
    if bet == won == TIE:
        return "The bet was that it would be too close to call, and it is."
    if bet == TIE:
        return f"The bet was that it would be too close to call, but the {BETS[won]} won."
    if won == TIE:
        return (
            f"The bet was on the {BETS[bet]}, but it is too close to call: nobody has won the bet."
        )
    return f"The bet was on the {BETS[bet]}, " + (
        "and it won." if bet == won else f"but the {BETS[won]} won."
    )


def verdict(
    runs: Sequence[Run],
    predictions: Sequence[Predictions],
    labels: np.ndarray,
    *,
    changed: bool = False,
) -> str:
    """Who won, and by how much, in Markdown.

    Args:
        runs: The two runs of a race, both trained.
        predictions: Of each run, for the test images.
        labels: Of these images, uint8 (N,).
        changed: Whether the learning rate of one of them was changed by hand.
    """
    right = [found.digits == labels for found in predictions]
    lead = int(right[0].sum()) - int(right[1].sum())
    order = (0, 1) if lead >= 0 else (1, 0)
    titles = [NETWORKS[run.network].title for run in runs]
    better, other = (f"{titles[place]} **{right[place].mean():.2%}**" for place in order)
    scores = f"test accuracy {better}, {other}"
    notes = ""
    if any(run.state == RunState.STOPPED for run in runs):
        notes = "Stopped before the budget was used up. "
    elif changed:
        notes = "The learning rate was changed by hand. "
    if winner(runs, predictions, labels) != TIE:
        outcome = (
            f"**The {titles[order[0]]} won** by {abs(lead):,} of "
            f"{len(labels):,} test digits: {scores}."
        )
    else:
        outcome = (
            f"**Too close to call**: {scores}. A lead of {abs(lead):,} of {len(labels):,} test "
            "digits may well be chance."
        )
    costs = (
        f"{titles[place]}: {runs[place].parameters:,} parameters, {runs[place].images_seen:,} "
        f"images, {runs[place].elapsed_s:.0f} s."
        for place in order
    )
    return f"{notes}{outcome} {' '.join(costs)}"
