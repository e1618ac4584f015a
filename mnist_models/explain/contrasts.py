"""In which lesson two models part most over one digit: moved a little, or distorted, how often is
each of them still right?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mnist_models.data import shifts
from mnist_models.data.corruptions import CORRUPTIONS
from mnist_models.data.probabilities import is_recognised
from mnist_models.models.predictions import Read

# Farther away, little of a digit is left.
NEAR_PX = 3
_NEAR = [place for place, shift in enumerate(shifts.SHIFTS) if max(map(abs, shift)) <= NEAR_PX]


class Contrast(NamedTuple):
    """How often two models recognise a digit while it is changed.

    Attributes:
        corruption: A key of CORRUPTIONS; None for positions up to NEAR_PX away.
        shares: Of the changes, those at which each model recognises the digit, 0 to 1.
    """

    corruption: str | None
    shares: tuple[float, float]

    @property
    def gap(self) -> float:
        """By how much the second model is ahead, -1 to 1."""
        return self.shares[1] - self.shares[0]


def contrasts(
    models: Sequence[tuple[Read, float]], image: np.ndarray, label: int
) -> list[Contrast]:
    """Every way to change the digit, the one with the widest gap first.

    Args:
        models: The two of them, each with its confidence threshold.
        image: The digit, uint8 (28, 28).
        label: Which digit it is, 0 to 9.
    """
    changed: dict[str | None, np.ndarray] = {None: shifts.moved(image)[_NEAR]}
    changed |= {name: corruption.along(image) for name, corruption in CORRUPTIONS.items()}
    # All at once: a call for each would take longer than what it computes.
    images = np.concatenate(list(changed.values()))
    first, second = (is_recognised(read(images), label, threshold) for read, threshold in models)
    found, start = [], 0
    for name, some in changed.items():
        part = slice(start, start := start + len(some))
        found.append(Contrast(name, (float(first[part].mean()), float(second[part].mean()))))
    return sorted(found, key=lambda contrast: abs(contrast.gap), reverse=True)


def showing(found: Sequence[Contrast], first_right: bool, second_right: bool) -> Contrast:
    """The contrast that shows best why one model is right about the digit and the other is not:
    the widest in favour of the one that is right, if there is any; else the widest.

    Args:
        found: See `contrasts`.
        first_right, second_right: Which of the models is right about the digit as it is.
    """
    lead = int(second_right) - int(first_right)
    return next((one for one in found if lead and one.gap * lead > 0), found[0])
