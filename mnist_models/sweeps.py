"""How many digits of the test set a network reads rightly, the more they are distorted."""

from collections.abc import Generator

from mnist_models.dataset import Digits
from mnist_models.distortions import Distortion
from mnist_models.readings import Read

BATCH = 250


def sweep(read: Read, distortion: Distortion, digits: Digits) -> Generator[float, None, list[float]]:
    """The share of the digits that are read rightly, 0 to 1, at each of the distortion's amounts. A generator that yields what
    share of the work is done, see slices.Sliced."""
    accuracies = []
    for amount in distortion.amounts:
        right = 0
        for start in range(0, len(digits), BATCH):
            some = digits.part(start, min(start + BATCH, len(digits)))
            right += int((read(distortion.apply(some.images, amount)).argmax(axis=1) == some.labels).sum())
            yield (len(accuracies) + (start + len(some)) / len(digits)) / len(distortion.amounts)
        accuracies.append(right / len(digits))
    return accuracies
