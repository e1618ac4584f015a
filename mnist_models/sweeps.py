"""How many digits of the test set a network reads rightly, the more they are distorted."""

from collections.abc import Iterator

import numpy as np

from mnist_models.classifier import Classifier
from mnist_models.dataset import Digits
from mnist_models.distortions import Distortion


class Sweep:
    """A network's accuracy at each amount of a distortion, in small steps, so that whoever asks for it can stop in between.

    accuracies: share of the digits read right, 0 to 1, of the amounts so far. done: the share of the work, 0 to 1.
    """

    def __init__(self, classifier: Classifier, distortion: Distortion, digits: Digits) -> None:
        self.distortion = distortion
        self.accuracies: list[float] = []
        self.done = 0.0
        self._steps = self._sweep(classifier, digits)

    def step(self) -> None:
        """Reads one batch more; nothing when all is read."""
        next(self._steps, None)

    @property
    def is_complete(self) -> bool:
        return len(self.accuracies) == len(self.distortion.amounts)

    def _sweep(self, classifier: Classifier, digits: Digits) -> Iterator[None]:
        amounts = self.distortion.amounts
        for place, amount in enumerate(amounts):
            read: list[np.ndarray] = []
            for start in range(0, len(digits), classifier.batch_size):
                images = digits.images[start : start + classifier.batch_size]
                read.append(classifier.probabilities(self.distortion.apply(images, amount)).argmax(axis=1))
                self.done = (place + min(start + classifier.batch_size, len(digits)) / len(digits)) / len(amounts)
                yield
            self.accuracies.append(float((np.concatenate(read) == digits.labels).mean()))
