"""What is kept of a training: the tables of the store."""

import enum
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, LargeBinary, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mnist_models.errors import UnavailableError
from mnist_models.settings import hyperparameters, links
from mnist_models.settings.hyperparameters import Hyperparameters
from mnist_models.training.material import Source
from mnist_models.training.progress import Measured


class StoreError(UnavailableError):
    """The store cannot be read or written. Its text is a sentence for users."""


class UnknownRunError(StoreError):
    """There is no run with this id."""


class RunState(enum.StrEnum):
    """Where a run stands. The first three are in progress (measuring, classifying the test set, is
    known to the engine only); finished and stopped runs have weights."""

    QUEUED = "queued"
    RUNNING = "running"
    MEASURING = "measuring"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


IN_PROGRESS = (RunState.QUEUED, RunState.RUNNING, RunState.MEASURING)
READABLE = (RunState.FINISHED, RunState.STOPPED)
# Of a network from a file: beside the hyperparameters that it learned with, or in place of any.
IMPORTED = "imported"
# How long a name may be.
NAME_CHARACTERS = 40


def clean_name(name: str) -> str:
    """A name without what does not print, as long as names may be."""
    return "".join(letter for letter in name if letter.isprintable())[:NAME_CHARACTERS].strip()


class Base(DeclarativeBase):
    """The tables of the store."""


class UtcDateTime(TypeDecorator):
    """A datetime with its time zone, kept as UTC: SQLite knows no time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


class Run(Base):
    """One training run, or a pretrained model. Changed by the store only.

    Attributes:
        epochs: Passes over the training images, such as 2.4.
        elapsed_s: From the first batch to the last one.
        temperature, confidence_threshold: See progress.Trained.
        test_loss, test_accuracy: On the 10,000 test images. All are None until the test images were
            read.
        error: A sentence, for failed runs.
        owner: The process that looks after it while it is in progress.
        race: The same for the runs of one race, else None.
        deleted_at: When somebody deleted it; it can still be brought back.
        visitor: Who started or imported it, see rights.Visitor; None for the command line, and for
            versions that did not know visitors.
        learned_from: The run's material.Source; None where it learned from MNIST alone.
    """

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    network: Mapped[str] = mapped_column(index=True)
    values: Mapped[dict] = mapped_column("hyperparameters", JSON)
    state: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    owner: Mapped[str | None]
    error: Mapped[str | None]
    parameters: Mapped[int | None]
    epochs: Mapped[float | None]
    elapsed_s: Mapped[float | None]
    temperature: Mapped[float | None]
    confidence_threshold: Mapped[float | None] = mapped_column("sure_from")
    test_loss: Mapped[float | None]
    test_accuracy: Mapped[float | None]
    race: Mapped[str | None] = mapped_column(index=True)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    visitor: Mapped[str | None]
    learned_from: Mapped[dict | None] = mapped_column(JSON(none_as_null=True))

    @property
    def source(self) -> Source | None:
        """What it learned from beside MNIST, or instead of it; None where that is nothing."""
        return Source.model_validate(self.learned_from) if self.learned_from else None

    @property
    def class_share(self) -> float:
        """How many of the images that it learned from are a class's digits, 0 to 1."""
        return self.source.share if self.source else 0.0

    @property
    def query(self) -> dict[str, str]:
        """Its settings as a link has them, and in words the data."""
        source = self.source
        return links.to_query(self.hyperparameters) | (
            links.class_to_query(source.in_link) if source else {}
        )

    @property
    def is_fine_tuned(self) -> bool:
        """Whether it started from another run's weights."""
        return self.source is not None and self.source.start is not None

    @property
    def imported(self) -> dict[str, Any] | None:
        """How a network from somebody's file is fed, see imported.card_of; None for all others."""
        return self.values.get(IMPORTED)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """What was trained, validated again.

        Raises:
            StoreError: When that is not possible any more, or was never.
        """
        if self.imported and self.has_learned_here:
            raise StoreError(
                f"The network of {self.label} came from a file, so no script describes it and its "
                "earlier epochs are not stored: choose a model that was trained here from the "
                "start."
            )
        return self.training

    @property
    def has_learned_here(self) -> bool:
        """Whether it was trained here, or is: a network from a file only if it is fine-tuned."""
        return self.values.keys() != {IMPORTED}

    @property
    def training(self) -> Hyperparameters:
        """How it was trained here, validated again. Of a network from a file, what they say of
        layers means nothing.

        Raises:
            StoreError: When that is not possible any more, or was never.
        """
        if not self.has_learned_here:
            raise StoreError(
                f"{self.label} came from a file, so nothing is known of its training: choose a "
                "model that was trained here."
            )
        values = {name: value for name, value in self.values.items() if name != IMPORTED}
        try:
            return hyperparameters.validate(values)
        except hyperparameters.HyperparametersError as error:
            raise StoreError(
                f"{self.label} was trained by another version of this project: {error}"
            ) from error

    @property
    def measured(self) -> Measured:
        """What was measured of a readable run."""
        values = {name: getattr(self, name) for name in Measured._fields}
        assert None not in values.values(), f"{self.id} is not readable"
        return Measured(**values)

    @property
    def label(self) -> str:
        """What a list calls it: the name, and something that distinguishes it from others of the
        same name."""
        return self.name if self.is_pretrained else f"{self.name} {self.id[:4]}"

    @property
    def is_pretrained(self) -> bool:
        """Whether it comes with the app."""
        return "-" in self.id  # the ids of others are hexadecimal

    @property
    def images_seen(self) -> int:
        """How many images a readable run learned from, repetitions counted."""
        return round(self.epochs * self.values["train_images"])

    @property
    def in_progress(self) -> bool:
        return self.state in IN_PROGRESS

    @property
    def readable(self) -> bool:
        """Whether it has weights to read digits with."""
        return self.state in READABLE


class CurveRow(Base):
    __tablename__ = "curves"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    curve: Mapped[dict] = mapped_column(JSON)


class WeightsRow(Base):
    __tablename__ = "weights"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    weights: Mapped[bytes] = mapped_column(LargeBinary)


class PredictionsRow(Base):
    __tablename__ = "readings"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    predictions: Mapped[bytes] = mapped_column("readings", LargeBinary)


class CheckpointRow(Base):
    """See checkpoints.Checkpoint.

    Attributes:
        byte_count: The size of its weights.
    """

    __tablename__ = "snapshots"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    epoch: Mapped[float] = mapped_column(primary_key=True)
    byte_count: Mapped[int] = mapped_column("bytes")
    weights: Mapped[bytes] = mapped_column(LargeBinary)


class ClassDigitsRow(Base):
    """The digits of a class that a run learned from and was tested on, as they were then.

    Attributes:
        digits: See handwriting.exports.to_npz; the writers have numbers and no names.
        before, after: See material.Result; None until it was trained.
    """

    __tablename__ = "class_digits"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    digits: Mapped[bytes] = mapped_column(LargeBinary)
    before: Mapped[bytes | None] = mapped_column(LargeBinary)
    after: Mapped[bytes | None] = mapped_column(LargeBinary)


class RobustnessCurveRow(Base):
    """The share of the first test images that a run classifies correctly along a distortion, see
    robustness.robustness_curve.

    Attributes:
        run_id: No foreign key, for the networks that ship have no row. distortion: its name in
            corruptions.CORRUPTIONS.
        digits: How many.
        origin: See robustness.origin.
    """

    __tablename__ = "sweeps"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    corruption: Mapped[str] = mapped_column("distortion", primary_key=True)
    digits: Mapped[int] = mapped_column(primary_key=True)
    origin: Mapped[str]
    accuracies: Mapped[list] = mapped_column(JSON)
