"""Robustness curves: the test accuracy of a model, the more the images are distorted."""

import functools
import hashlib
from collections.abc import Generator

from mnist_models.data import dataset
from mnist_models.data.corruptions import Corruption
from mnist_models.data.dataset import Digits
from mnist_models.data.probabilities import digits_of
from mnist_models.models.predictions import Read
from mnist_models.runs.tables import Run

BATCH = 250
# This many test images show what a distortion does.
SAMPLE = 20


def robustness_curve(
    read: Read, corruption: Corruption, digits: Digits
) -> Generator[float, None, list[float]]:
    """The accuracy, 0 to 1, at each of the distortion's amounts. A
    generator that yields what share of the work is done, see slices.Sliced."""
    accuracies: list[float] = []
    for amount in corruption.amounts:
        right = 0
        for start in range(0, len(digits), BATCH):
            some = digits.part(start, min(start + BATCH, len(digits)))
            right += int(
                (digits_of(read(corruption.apply(some.images, amount))) == some.labels).sum()
            )
            yield (len(accuracies) + (start + len(some)) / len(digits)) / len(corruption.amounts)
        accuracies.append(right / len(digits))
    return accuracies


def origin(run: Run, corruption: Corruption) -> str:
    """What a sweep of a readable run follows from, as 64 hexadecimal digits: others where the
    model was trained again, as a pretrained one may be for a later version, and where the
    distortion does something else to the test digits."""
    network = f"{run.created_at.isoformat()} {run.test_loss}"
    return hashlib.sha256(network.encode() + _effect(corruption)).hexdigest()


@functools.cache
def _effect(corruption: Corruption) -> bytes:
    sample = dataset.load().test.images[:SAMPLE]
    # Noise is the same for the first digit of each batch, for the second one, and so on.
    told = hashlib.sha256(repr((corruption.amounts, BATCH)).encode())
    for amount in corruption.amounts:
        told.update(corruption.apply(sample, amount).tobytes())
    return told.digest()
