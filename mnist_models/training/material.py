"""What a training is given beside its hyperparameters: a class's digits, and the weights that it
starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from mnist_models.handwriting.collection import Collection
from mnist_models.settings.hyperparameters import Hyperparameters
from mnist_models.settings.links import FromClass

Name = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]


# What goes on from trained weights needs little: a few thousand images at a low learning rate teach
# a model the hands of a class, and it forgets hardly anything of MNIST.
FINE_TUNING = {"epochs": 2, "train_images": 6_000, "learning_rate": 0.001}
# Nothing else may end it early, or keep it from ending.
UNLIMITED = {"early_stopping": 0, "budget_images": 0, "budget_s": 0}


class Start(BaseModel):
    """The run whose weights a training starts from.

    Attributes:
        run_id: Of the run.
        label: What lists call it.
        test_accuracy: On MNIST's 10,000 test images, 0 to 1.
    """

    model_config = ConfigDict(frozen=True)

    run_id: Name
    label: Name
    test_accuracy: Share


class Source(BaseModel):
    """What a run learned from beside MNIST, for people. It stays true when the collection changes.

    Attributes:
        collection: The name that the collection had.
        share: Of the images that it learned from, 0 to 1: how many are the class's digits.
        digits, writers: How many it learned from.
        held_out_digits, held_out_writers: How many are for the test; none where each writer is left
            out in turn.
        start: What it started from; None for random weights.
    """

    model_config = ConfigDict(frozen=True)

    collection: Name
    share: Share
    digits: Count
    writers: Count
    held_out_digits: Count
    held_out_writers: Count
    start: Start | None = None

    @property
    def in_link(self) -> FromClass:
        """What a link says of it."""
        return FromClass(self.collection, self.share, self.start.label if self.start else None)

    @property
    def leaves_each_out(self) -> bool:
        """Whether the test leaves each writer out in turn."""
        return not self.held_out_writers

    def __str__(self) -> str:
        """In words, such as "9b, Monday (50%): 200 digits by 20 writers, and MNIST"."""
        text = (
            f"{self.collection} ({self.share:.0%}): {counted(self.digits, 'digit')} by "
            f"{counted(self.writers, 'writer')}"
        )
        if self.share < 1:
            text += ", and MNIST"
        return f"{text}; started from {self.start.label}" if self.start else text


class Result(NamedTuple):
    """What a model reads in the class's digits that are for the test.

    Attributes:
        before: Before training, uint8 (N,); None where it started from random weights.
        after: After training, uint8 (N,).
    """

    before: np.ndarray | None
    after: np.ndarray


@dataclass(frozen=True, eq=False)
class Material:
    """The digits of a class that a training learns from, and those that it is tested on.

    Attributes:
        digits: All of them.
        is_held_out: bool (N,), which of them are for the test: all that some writers wrote; or none
            of them, and then each writer is left out in turn.
        collection: The name of the collection.
        share: See Source.
        start: The run that the training starts from; None for random weights.
        weights: Its weights, see classifier.pack_weights; of a network from a file, see
            archive.packed; None for random ones.
        card: How that network is fed, see imported.card_of; None for all others.
    """

    digits: Collection
    is_held_out: np.ndarray
    collection: str
    share: float
    start: Start | None = None
    weights: bytes | None = None
    card: dict[str, Any] | None = None

    @property
    def learned(self) -> Collection:
        """The digits that are learned from."""
        return self.digits.take(~self.is_held_out)

    @property
    def tested(self) -> Collection:
        """The digits that the model is tested on."""
        return tested_on(self.digits, self.is_held_out)

    @property
    def trainings(self) -> int:
        """How many models are trained: one, and one more for each writer who is left out in
        turn."""
        return 1 if self.is_held_out.any() else 1 + len(np.unique(self.digits.writers))

    @property
    def source(self) -> Source:
        """The same for people."""
        learned, held_out = self.learned, self.digits.take(self.is_held_out)
        return Source(
            collection=self.collection,
            share=self.share,
            digits=len(learned),
            writers=len(np.unique(learned.writers)),
            held_out_digits=len(held_out),
            held_out_writers=len(np.unique(held_out.writers)),
            start=self.start,
        )

    def holding_out(self, is_held_out: np.ndarray) -> Material:
        """The same with other digits for the test, bool (N,)."""
        return replace(self, is_held_out=is_held_out)


def to_fine_tune(hyperparameters: Hyperparameters) -> Hyperparameters:
    """Hyperparameters to fine-tune a model with that was trained with these."""
    return hyperparameters.model_copy(update=FINE_TUNING | UNLIMITED)


def tested_on(digits: Collection, is_held_out: np.ndarray) -> Collection:
    """Those of a class's digits that a model is tested on: those held out; all of them where none
    is, since each writer is left out in turn then.

    Args:
        is_held_out: bool (N,).
    """
    return digits.take(is_held_out) if is_held_out.any() else digits


def counted(count: int, what: str) -> str:
    """A number of things in words, such as "1 writer" or "2,000 digits"."""
    return f"{count:,} {what}{'s' * (count != 1)}"
