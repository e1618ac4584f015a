"""What a diagnosis found, as it goes from one machine to another: what can be measured again is."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.imports import diagnosis
from mnist_models.imports.bring import Brought
from mnist_models.imports.diagnosis import Diagnosis, Trial
from mnist_models.imports.feeding import BY_HAND, SCALES, Feeding, layouts, wanted
from mnist_models.imports.refusal import RefusedError

MOST_TRIED = 100
Share = Annotated[float, Field(ge=0, le=1)]
UNTRUE = (
    "What the file says of its network is not true of it: export the model again where it was "
    "brought, or bring its own file."
)


class Tried(BaseModel):
    """One way to feed the network that was tried, see diagnosis.Trial."""

    fit: str
    transposed: bool
    scale: str
    train_accuracy: Share
    test_accuracy: Share
    loss: Annotated[float, Field(ge=0, le=100)]
    median_probability: Share
    images: Annotated[int, Field(ge=1, le=20_000)]

    @field_validator("scale")
    @classmethod
    def _is_known(cls, scale: str) -> str:
        if scale not in SCALES:
            raise ValueError("no scale")
        return scale


class Findings(BaseModel):
    """What is told of a network, from its card, see imported.card_of.

    Attributes:
        candidate: Which of the networks that its file can be it is, counted from 0.
        classes: Which of its classes are the digits 0 to 9.
        tried: All ways to feed it that were tried.
        chosen: Which of them it was measured to want, its index.
        by_hand: Which was chosen by hand; None for none.
    """

    model_config = ConfigDict(frozen=True)

    candidate: Annotated[int, Field(ge=0, lt=1_000)]
    classes: tuple[Annotated[int, Field(ge=0, lt=diagnosis.MOST_CLASSES)], ...]
    tried: tuple[Tried, ...] = Field(min_length=1, max_length=MOST_TRIED)
    chosen: Annotated[int, Field(ge=0)]
    by_hand: Annotated[int, Field(ge=0)] | None = None

    @field_validator("classes")
    @classmethod
    def _are_ten(cls, classes: tuple[int, ...]) -> tuple[int, ...]:
        if len(classes) != CLASS_COUNT or len(set(classes)) != CLASS_COUNT:
            raise ValueError("not ten classes")
        return classes

    @model_validator(mode="after")
    def _were_tried(self) -> "Findings":
        if max(self.chosen, self.by_hand or 0) >= len(self.tried):
            raise ValueError("chosen, but not tried")
        return self

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> "Findings":
        """Those that a card tells."""
        return cls(
            candidate=card["candidate"],
            classes=card["classes"],
            tried=card["tried"],
            chosen=wanted(card),
            by_hand=card.get(BY_HAND),
        )

    def measured(
        self, brought: Brought, progress: Callable[[float], None] = lambda share: None
    ) -> Diagnosis:
        """The diagnosis again: how the network was fed when it was tried is believed, as far as it
        can be so; how well it reads is measured.

        Raises:
            RefusedError: The network cannot be fed so, or has no such classes.
        """
        fits = {layout.fit: layout for layout in layouts(brought.network.input_shape)}
        try:
            trials = [
                Trial(
                    Feeding(replace(fits[one.fit], transposed=one.transposed), one.scale),
                    one.train_accuracy,
                    one.test_accuracy,
                    one.loss,
                    one.median_probability,
                    one.images,
                    self.classes,
                )
                for one in self.tried
            ]
            return diagnosis.measured(brought.network, trials, trials[self.chosen], progress)
        except (KeyError, IndexError) as error:
            raise RefusedError(UNTRUE) from error
