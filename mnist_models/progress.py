"""What training tells while it runs, and what it leaves behind. Knows nothing of Keras: pages import it at once."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from mnist_models.hyperparameters import Hyperparameters

# A curve this fine shows every bend on any screen, and a hundred epochs draw as quickly as one.
POINTS = 400
# The numbers that the store, the cards of the shipped networks and the command line tell of a trained network.
MEASURES = ("parameters", "epochs", "elapsed_s", "test_loss", "test_accuracy")
STOPPED_TOO_EARLY = "It was stopped before its first batch, so there is nothing to keep."


class Event(BaseModel):
    """Something that happened while training. Small, and made of numbers only: it travels between processes."""

    model_config = ConfigDict(frozen=True)


class Progress(Event):
    """Where training stands, several times a second.

    step: batches learned from so far. epoch: the same in passes over the training images, such as 1.25.
    losses, accuracies: one number for each batch since the previous Progress: the mean over its images as it was while
    learning from them (dropout and augmentation on). A loss is the plain cross-entropy in nats, without label smoothing
    and weight decay.
    images_per_s: since the previous Progress. remaining_s: an estimate, None until there is something to go by; early
    stopping may end sooner.
    """

    step: int
    epoch: float
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    images_per_s: float
    elapsed_s: float
    remaining_s: float | None


class EpochEnd(Event):
    """One pass over the training images. loss, accuracy: averaged over its batches while learning (see Progress).
    validation_loss, validation_accuracy: of the network as it is now; None without validation images."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    elapsed_s: float


class Measuring(Event):
    """Training has ended; the test set is being read. stopped: it was asked to end before its last epoch."""

    stopped: bool


class Point(NamedTuple):
    """The mean loss (nats) and accuracy (0 to 1) of `Curve.batches_per_point` batches, drawn where the last of them ended."""

    epoch: float
    loss: float
    accuracy: float


def steps_per_epoch(hyperparameters: Hyperparameters) -> int:
    """How many batches one pass over the training images has; the last may be smaller."""
    return math.ceil(hyperparameters.train_images / hyperparameters.batch_size)


class Curve(BaseModel):
    """How one training went: at most about 400 points however long it took, and the end of each epoch.

    Which batches make up a point depends only on the hyperparameters, never on how fast the machine is: the same training
    gives the same curve.
    """

    steps_per_epoch: int
    batches_per_point: int
    points: list[Point] = []
    epochs: list[EpochEnd] = []
    batches: int = 0
    pending: list[tuple[float, float]] = Field([], exclude=True)

    @classmethod
    def empty(cls, hyperparameters: Hyperparameters) -> "Curve":
        """The curve of a training that has not begun."""
        steps = steps_per_epoch(hyperparameters)
        return cls(steps_per_epoch=steps, batches_per_point=math.ceil(steps * hyperparameters.epochs / POINTS))

    def add(self, event: Event) -> None:
        """Takes in what training told."""
        match event:
            case Progress():
                for batch in zip(event.losses, event.accuracies, strict=True):
                    self.batches += 1
                    self.pending.append(batch)
                    if len(self.pending) == self.batches_per_point:
                        self.close()
            case EpochEnd():
                self.epochs.append(event)

    def close(self) -> None:
        """Makes a point of the batches since the one before, if there are any."""
        if self.pending:
            loss, accuracy = (sum(values) / len(values) for values in zip(*self.pending, strict=True))
            self.points.append(Point(self.batches / self.steps_per_epoch, loss, accuracy))
            self.pending = []


@dataclass(frozen=True)
class Trained:
    """A finished network and how it came about.

    weights: see classifier.pack_weights. parameters: how many numbers they are. curve: how training went.
    stopped: it was asked to end early. epochs: passes over the training images, such as 2.4. elapsed_s: from the first batch
    to the last validation. test_loss, test_accuracy: mean cross-entropy in nats and share read right of the 10,000 test images.
    """

    weights: bytes
    parameters: int
    curve: Curve
    stopped: bool
    epochs: float
    elapsed_s: float
    test_loss: float
    test_accuracy: float

    @property
    def measures(self) -> dict[str, float]:
        """What is told of it in numbers, by name: each of MEASURES."""
        return {name: getattr(self, name) for name in MEASURES}
