"""A model in training: what learns, what reads meanwhile, and what is kept of it; one that
hyperparameters describe, or one from a file."""

import abc
from typing import Any, NamedTuple

import keras

from mnist_models.data import dataset
from mnist_models.data.dataset import Digits
from mnist_models.data.outliers import outliers
from mnist_models.imports.learning import LearningNetwork
from mnist_models.models import calibration, fast_layers
from mnist_models.models.classifier import (
    Classifier,
    copy_weights,
    pack_half,
    pack_weights,
    unpack_weights,
)
from mnist_models.models.predictions import CONFIDENCE_THRESHOLD, Predictions
from mnist_models.settings.hyperparameters import Hyperparameters
from mnist_models.training.checkpoints import Checkpoint

NON_DIGITS_TO_JUDGE_BY = 1_000


class Kept(NamedTuple):
    """What is kept of a model that has learned, and what it reads; see progress.Trained."""

    weights: bytes
    predictions: Predictions
    parameters: int
    temperature: float = 1.0
    confidence_threshold: float = CONFIDENCE_THRESHOLD
    card: dict[str, Any] | None = None


class Learner(abc.ABC):
    """See the module.

    Attributes:
        network: What reads: uint8 (N, 28, 28) in, float32 (N, 10) logits out.
        learning: What learns.
        classifier: The network, compiled to read.
    """

    def __init__(
        self, network: keras.Model, learning: keras.Model, *, scrambles: bool = False
    ) -> None:
        """Args:
        network, learning: See the class; they may be the same.
        scrambles: See Classifier.
        """
        self.network, self.learning = network, learning
        self.classifier = Classifier(network, scrambles=scrambles)

    def catch_up(self) -> None:
        """Has what reads read with what was learned."""
        if self.learning is not self.network:
            copy_weights(self.learning, self.network)

    def checkpoints(self, epoch: float) -> tuple[Checkpoint, ...]:
        """The weights as they are, where such are kept.

        Args:
            epoch: How many passes over the training images there have been.
        """
        return ()

    @abc.abstractmethod
    def kept(self, validation: Digits) -> Kept:
        """What is kept of it, with its readings of the 10,000 test images.

        Args:
            validation: Digits that it has not learned from.
        """


class OwnLearner(Learner):
    """A model that hyperparameters describe."""

    def __init__(
        self, hp: Hyperparameters, network: keras.Sequential, numbers: str, weights: bytes | None
    ) -> None:
        """Args:
        network: As networks.build made it.
        numbers: What it learns in, "float32" or "bfloat16".
        weights: What it starts from, see classifier.pack_weights; None for random weights.

        Raises:
            WeightsError: They are those of another network.
        """
        if weights:
            unpack_weights(network, weights)
        learning = fast_layers.to_learn(network, numbers, fine_tuned=weights is not None)
        if weights:
            copy_weights(network, learning)
        super().__init__(network, learning, scrambles=hp.scrambled)
        self._seed = hp.seed

    def checkpoints(self, epoch: float) -> tuple[Checkpoint, ...]:
        return (Checkpoint(epoch, pack_half(self.network)),)

    def kept(self, validation: Digits) -> Kept:
        temperature, confidence_threshold = self._temper(validation)
        return Kept(
            pack_weights(self.network),
            self.classifier.predictions(dataset.load().test.images),
            self.network.count_params(),
            temperature,
            confidence_threshold,
        )

    def _temper(self, digits: Digits) -> tuple[float, float]:
        """Divides the network's logits by the temperature that makes its probabilities as good as
        they can be on these digits.

        Returns the temperature, and the probability from which on the network is sure; where there
        are no digits to judge by, the logits stay as they are.
        """
        if not len(digits.labels):
            return 1.0, CONFIDENCE_THRESHOLD
        probabilities = self.classifier.probabilities(digits.images)
        temperature = calibration.temperature(probabilities, digits.labels)
        for variable in self.network.get_layer("logits").variables:
            variable.assign(variable.value / temperature)
        # Of another seed than those that it may have been shown.
        others = self.classifier.probabilities(outliers(NON_DIGITS_TO_JUDGE_BY, self._seed + 1))
        return temperature, calibration.confidence_threshold(
            calibration.tempered(probabilities, temperature), others
        )


class FileLearner(Learner):
    """A model from a file. It is read as such are: without a temperature of its own."""

    def __init__(self, hp: Hyperparameters, file: bytes, card: dict[str, Any]) -> None:
        """Args:
        file, card: See archive.packed and imported.card_of.

        Raises:
            RefusedError: It cannot learn, or is damaged.
        """
        self._learning = LearningNetwork(file, card, hp.seed)
        super().__init__(self._learning.network, self._learning.network)

    def kept(self, validation: Digits) -> Kept:
        file, card, parameters, quality = self._learning.kept()
        return Kept(file, quality.predictions, parameters, card=card)
