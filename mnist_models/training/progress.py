"""Messages to and from a training while it runs, and its result. Knows nothing of Keras:
pages import it at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mnist_models.models.predictions import Predictions
from mnist_models.settings.hyperparameters import Hyperparameters
from mnist_models.training.checkpoints import Checkpoint
from mnist_models.training.material import Result

# A curve this fine shows every bend on any screen, and a hundred epochs draw as quickly as two.
POINTS = 400


class Measured(NamedTuple):
    """The numbers that the store, the cards of the pretrained models and the command line report
    of a training; see Trained for each."""

    parameters: int
    epochs: float
    elapsed_s: float
    temperature: float
    confidence_threshold: float
    test_loss: float
    test_accuracy: float


MEASURES = Measured._fields
STOPPED_TOO_EARLY = "It was stopped before its first batch, so there is nothing to keep."


class Control(BaseModel):
    """What those who watch a training want of it now.

    Attributes:
        stop: To end now and keep what was learned; it cannot be taken back.
        hold_at: Pause at the end of an epoch once this many are done; 0 is to pause
            now, None not to.
        learning_rate: The highest of its schedule from now on; None is the hyperparameters' own.
    """

    model_config = ConfigDict(frozen=True)

    stop: bool = False
    hold_at: int | None = None
    learning_rate: float | None = None


class Event(BaseModel):
    """Something that happened while training. Small, and made of numbers only: it travels between
    processes."""

    model_config = ConfigDict(frozen=True)


class Progress(Event):
    """Where training stands, several times a second.

    Attributes:
        step: Batches learned from so far.
        epoch: The same in passes over the training images, such as 1.25.
        losses, accuracies: One number for each batch since the previous Progress: the mean over its
            images as it was while learning from them (dropout and augmentation on). A loss is the
            plain cross-entropy in nats, without label smoothing and weight decay.
        learning_rate: Of the last of these batches.
        images_per_s: Since the previous Progress.
        elapsed_s: Since the first batch, pauses not counted.
        remaining_s: An estimate, None until there is something to go by; early stopping may end
            sooner.
    """

    step: int
    epoch: float
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    learning_rate: float
    images_per_s: float
    elapsed_s: float
    remaining_s: float | None


class EpochEnd(Event):
    """One pass over the training images, or the part of one after which a budget was used up.

    Attributes:
        epoch: How many passes there have been, such as 3, or 3.4 at the end of a budget.
        loss, accuracy: Averaged over its batches while learning (see Progress).
        validation_loss, validation_accuracy: Of the network as it is now; None without validation
            images.
        elapsed_s: When its last batch had been learned from, see Progress.
    """

    epoch: float
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    elapsed_s: float

    def score(self, measure: str) -> float:
        """How good it was, the higher the better.

        Args:
            measure: See Hyperparameters.early_stopping_on.
        """
        value = getattr(self, measure.removeprefix("training_"))
        return -value if measure.endswith("loss") else value


class Paused(Event):
    """It is paused, after this many epochs; the next Progress says that it goes on."""

    epoch: float


class RateChange(Event):
    """The highest learning rate of the schedule was changed by hand, after this many epochs."""

    epoch: float
    learning_rate: float


class Measuring(Event):
    """Training has ended; the test set is being read.

    Attributes:
        stopped: It was asked to end before its last epoch.
    """

    stopped: bool


class Point(NamedTuple):
    """The mean loss (nats) and accuracy (0 to 1) of `Curve.batches_per_point` batches, drawn where
    the last of them ended."""

    epoch: float
    loss: float
    accuracy: float


def steps_per_epoch(hyperparameters: Hyperparameters) -> int:
    """How many batches one pass over the training images has; the last may be smaller."""
    return math.ceil(hyperparameters.train_images / hyperparameters.batch_size)


def planned_images(hyperparameters: Hyperparameters) -> float:
    """How many images will be learned from, repetitions counted, unless time is up or early
    stopping ends it before: a whole number, or infinity where only time is a limit."""
    images = (
        math.inf
        if hyperparameters.budget_s
        else hyperparameters.epochs * hyperparameters.train_images
    )
    return min(images, hyperparameters.budget_images or images)


def planned_steps(hyperparameters: Hyperparameters) -> float:
    """How many batches those images make."""
    images = planned_images(hyperparameters)
    if math.isinf(images):
        return images
    whole, rest = divmod(images, hyperparameters.train_images)
    return whole * steps_per_epoch(hyperparameters) + math.ceil(rest / hyperparameters.batch_size)


class Curve(BaseModel):
    """How one training went: at most 400 points however long it took, the ends of at most 400
    epochs, changes made by hand.

    Attributes:
        seconds: When each of the points was reached, see Progress.elapsed_s; empty in curves of
            older versions. Which batches make up a point depends only on how many there were, never
            on how fast the machine is: the same training gives the same points.
    """

    steps_per_epoch: int
    batches_per_point: int = 1
    points: list[Point] = []
    seconds: list[float] = []
    epochs: list[EpochEnd] = []
    changes: list[RateChange] = []
    batches: int = 0
    pending: list[tuple[float, float]] = Field([], exclude=True)
    elapsed_s: float = Field(0.0, exclude=True)

    @classmethod
    def empty(cls, hyperparameters: Hyperparameters) -> "Curve":
        """The curve of a training that has not begun."""
        return cls(steps_per_epoch=steps_per_epoch(hyperparameters))

    def add(self, event: Event) -> None:
        """Adds an event of the training."""
        match event:
            case Progress():
                batches, elapsed_s, count = self.batches, self.elapsed_s, len(event.losses)
                for place, batch in enumerate(
                    zip(event.losses, event.accuracies, strict=True), start=1
                ):
                    self.pending.append(batch)
                    if len(self.pending) == self.batches_per_point:
                        self.batches = batches + place
                        self.elapsed_s = elapsed_s + (event.elapsed_s - elapsed_s) * place / count
                        self.close()
                        if len(self.points) == POINTS:
                            self._halve()
                self.batches, self.elapsed_s = batches + count, event.elapsed_s
            case EpochEnd():
                if len(self.epochs) == POINTS:  # only where epochs are very short
                    self.epochs = self.epochs[1::2]
                self.epochs.append(event)
                self.elapsed_s = event.elapsed_s
            case RateChange():
                self.changes.append(event)

    def copy_of(self) -> "Curve":
        """Another curve that is the same until one of the two takes in more."""
        lists = ("points", "seconds", "epochs", "changes", "pending")
        return self.model_copy(update={name: list(getattr(self, name)) for name in lists})

    def close(self) -> None:
        """Makes a point of the batches since the one before, if there are any."""
        if not self.pending:
            return
        loss, accuracy = (sum(values) / len(values) for values in zip(*self.pending, strict=True))
        self.points.append(Point(self.batches / self.steps_per_epoch, loss, accuracy))
        self.seconds.append(self.elapsed_s)
        self.pending = []

    def _halve(self) -> None:
        """Makes one point of every two, and of as many batches every one that is to come."""
        pairs = zip(self.points[::2], self.points[1::2], strict=True)
        self.points = [
            Point(b.epoch, (a.loss + b.loss) / 2, (a.accuracy + b.accuracy) / 2) for a, b in pairs
        ]
        self.seconds = self.seconds[1::2]
        self.batches_per_point *= 2

    def seconds_of(self, epochs: Sequence[float]) -> list[float]:
        """When these moments of the training, given in epochs, were reached; in seconds of
        training."""
        moments = [(0.0, 0.0), *((end.epoch, end.elapsed_s) for end in self.epochs)]
        if len(self.seconds) == len(self.points):
            moments += zip((point.epoch for point in self.points), self.seconds, strict=True)
        reached, seconds = zip(*sorted(moments), strict=True)
        # Where a budget ends within an epoch, a point counts its batches and the end its images:
        # the two differ a little.
        return np.interp(epochs, reached, np.maximum.accumulate(seconds)).tolist()


@dataclass(frozen=True)
class Trained:
    """A finished network and how it came about.

    Attributes:
        weights: See classifier.pack_weights; of a network from a file, see archive.packed.
        predictions: For the 10,000 test images.
        parameters: How many numbers its weights are.
        curve: How training went.
        stopped: It was asked to end early.
        epochs: Passes over the training images, such as 2.4.
        elapsed_s: From the first batch to the last one, pauses not counted.
        temperature: What its logits were divided by after training, 1 for nothing, see
            calibration.temperature.
        confidence_threshold: Below this probability of the digit it reads, the network is not sure
            of it, see calibration.confidence_threshold.
        test_loss, test_accuracy: Mean cross-entropy in nats and share read right of the 10,000 test
            images.
        checkpoints: The model after earlier epochs, see checkpoints.thinned.
        class_result: What it reads in a class's digits that are for the test; None where it did not
            learn from a class, or was stopped.
        card: Of a network from a file, see imported.card_of; None for all others.
    """

    weights: bytes
    predictions: Predictions
    parameters: int
    curve: Curve
    stopped: bool
    epochs: float
    elapsed_s: float
    temperature: float
    confidence_threshold: float
    test_loss: float
    test_accuracy: float
    checkpoints: tuple[Checkpoint, ...] = ()
    class_result: Result | None = None
    card: dict[str, Any] | None = None

    @property
    def measures(self) -> dict[str, float]:
        """What was measured, by name: each of MEASURES."""
        return {name: getattr(self, name) for name in MEASURES}
