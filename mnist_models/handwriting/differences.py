"""What makes a class's digits different from MNIST's, and what that costs a model.

With a dozen traits and two models, what holds with a confidence of 95 % would find something in
every second class where there is nothing. So a difference is told where it holds with 99 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnist_models.handwriting import traits
from mnist_models.handwriting.collection import UNKNOWN_WRITER
from mnist_models.handwriting.traits import TRAITS, Trait, Traits
from mnist_models.models import intervals
from mnist_models.models.intervals import Interval

CONFIDENCE = 0.99
# Of fewer independent digits on one side nothing is told.
FEWEST = 5


@dataclass(frozen=True)
class Share:
    """How many digits of a group are counted.

    Attributes:
        count: Of `of` digits.
        of: All of the group.
        independent: How many are counted, of how many, if those of one writer were not alike.
    """

    count: int
    of: int
    independent: tuple[float, float]

    @property
    def value(self) -> float:
        """The share, 0 to 1; nan of no digits."""
        return self.count / self.of if self.of else float("nan")

    @property
    def interval(self) -> Interval:
        """In which the true share is, 0 to 1, with a confidence of 95 %."""
        return intervals.share(*self.independent)

    def __str__(self) -> str:
        return f"{self.value:.0%} ({self.count:,} of {self.of:,})"


def share(is_counted: np.ndarray, writers: np.ndarray) -> Share:
    """How many digits are counted, such as those that a model classifies correctly.

    Args:
        is_counted: bool (N,).
        writers: int (N,), UNKNOWN_WRITER where nobody knows: those are taken as different ones.
    """
    unknown = writers == UNKNOWN_WRITER
    groups = np.where(unknown, UNKNOWN_WRITER - 1 - np.arange(len(writers)), writers)
    count = int(is_counted.sum())
    return Share(count, len(is_counted), intervals.effective(is_counted, groups))


@dataclass(frozen=True)
class Contrast:
    """Two shares that a trait sets apart.

    Attributes:
        trait: A row of TRAITS.
        first: The class's digits that show it; or a model's accuracy on those that do.
        second: MNIST's training digits that show it; or the model's accuracy on the others.
    """

    trait: Trait
    first: Share
    second: Share

    @property
    def interval(self) -> Interval:
        """In which the first minus the second is, -1 to 1, with CONFIDENCE."""
        return intervals.difference(*self.first.independent, *self.second.independent, CONFIDENCE)

    @property
    def least(self) -> float:
        """How far apart they are at least, 0 to 1; 0 where that may be chance."""
        if min(self.first.independent[1], self.second.independent[1]) < FEWEST:
            return 0.0
        return max(self.interval.low, -self.interval.high, 0.0)

    @property
    def is_clear(self) -> bool:
        """Whether it is more than chance."""
        return self.least > 0


class Difference(Contrast):
    """How often a trait is seen in a class, and how often in MNIST."""

    def said(self) -> str:
        """In a sentence, whether it is clear or not."""
        among = "all digits" if self.trait.digit is None else f"the {self.trait.digit}s"
        text = (
            f"{self.trait.name[0].upper()}{self.trait.name[1:]}: {self.first} of {among} here, "
            f"{self.second.value:.0%} in MNIST."
        )
        return text if self.is_clear else f"{text} That may be chance."


class Cost(Contrast):
    """How accurately a model reads digits with a trait, and the others."""

    def said(self, model: str) -> str:
        """In a sentence about the model of this title, whether it is clear or not."""
        points = round(100 * (self.first.value - self.second.value))
        more = "more" if points > 0 else "fewer"
        text = (
            f"The {model} is right about {self.first} of {self.trait.name}, and about "
            f"{self.second} of {self.trait.otherwise}"
        )
        if not self.is_clear:
            return f"{text}: that may be chance."
        return f"{text}: {abs(points)} percentage points {more}."


def from_mnist(here: Traits, writers: np.ndarray) -> list[Difference]:
    """How often a class's digits show each trait, and how often MNIST's do: what is clear first,
    the largest before the others. Traits that none of the class's digits could show are left out.

    Args:
        here: How the class's N digits are written.
        writers: int (N,), UNKNOWN_WRITER where nobody knows.
    """
    rows = []
    for place, trait in enumerate(TRAITS):
        able, shows = here.of(place)
        if len(able):
            _, others = traits.of_mnist().of(place)
            count, of = int(others.sum()), len(others)  # by so many writers that they hardly matter
            mnist = Share(count, of, (count, of))
            rows.append(Difference(trait, share(shows, writers[able]), mnist))
    return sorted(rows, key=lambda row: -row.least)


def costs(here: Traits, writers: np.ndarray, is_right: np.ndarray) -> list[Cost]:
    """What each trait costs a model: what is clear first, the largest before the others. Traits
    that no digit shows, or all that can, are left out.

    Args:
        here: How N digits are written.
        writers: int (N,), UNKNOWN_WRITER where nobody knows.
        is_right: bool (N,), which of them the model classifies correctly.
    """
    rows = []
    for place, trait in enumerate(TRAITS):
        able, shows = here.of(place)
        if shows.any() and not shows.all():
            with_trait, others = (
                share(is_right[some], writers[some]) for some in (able[shows], able[~shows])
            )
            rows.append(Cost(trait, with_trait, others))
    return sorted(rows, key=lambda row: -row.least)
