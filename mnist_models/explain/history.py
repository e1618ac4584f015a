"""A trained network at earlier moments: before it had learned anything, after the epochs that were
kept, and at its end."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from mnist_models.explain.activations import Activations, Inspector, templates
from mnist_models.models import networks
from mnist_models.models.classifier import assign_weights, pack_half, read_weights, weights_of
from mnist_models.models.folded import WeightsError
from mnist_models.runs.loading import load_classifier
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run, RunState, StoreError
from mnist_models.settings.hyperparameters import Hyperparameters
from mnist_models.training.checkpoints import Checkpoint
from mnist_models.training.progress import Curve


class History:
    """What a run would have read, moment by moment.

    Attributes:
        epochs: Of the moments, from 0 (weights as chance made them) to the run's last. Only the
            weights of the end were calibrated (see calibration.temperature): before, a network is a
            little surer, or less sure, than it should be.
    """

    def __init__(self, store: RunStore, run_id: str) -> None:
        """Of a readable run.

        Raises:
            StoreError: The store cannot be read or written.
        """
        run = store.run(run_id)
        hyperparameters = run.hyperparameters
        first = pack_half(networks.build(hyperparameters))
        end = _end(run, hyperparameters, store.curve(run_id))
        self._classifier = load_classifier(store, run_id)
        kept = [checkpoint for checkpoint in store.checkpoints(run_id) if checkpoint.epoch < end]
        earlier = [Checkpoint(0, first), *kept]
        self.epochs = (*(moment.epoch for moment in earlier), end)
        try:
            weights = [read_weights(self.network, moment.weights) for moment in earlier]
        except WeightsError as error:
            raise StoreError(
                f"The epochs that were kept of {run.label} cannot be used: {error} Choose another "
                "run."
            ) from error
        # The last ones in full, so that the end is what the Draw page shows.
        weights.append(weights_of(self.network))
        self._weights = [
            {name: tf.constant(array) for name, array in of_one.items()} for of_one in weights
        ]
        # One network is given the weights of one moment after the other.
        self._lock = threading.Lock()
        # Compiled, with all weights in one call: one by one takes three times as long.
        self._assign = tf.function(functools.partial(assign_weights, self.network))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The probability of each digit at each moment: uint8 (N, 28, 28) in, float32 (moments, N,
        10) out."""
        found = []
        for place in range(len(self.epochs)):
            with self.moment(place):
                found.append(self._classifier.probabilities(images))
        return np.stack(found)

    def activations(
        self, place: int, image: np.ndarray, digit: int
    ) -> tuple[Activations, np.ndarray]:
        """What the network made of an image, uint8 (28, 28), at one of the moments, and what in it
        spoke for a digit, 0 to 9; and the weights of its first layer then, see
        activations.templates. Any number of threads may ask at once."""
        with self.moment(place):
            return self.inspector.activations(image, digit), templates(self.inspector.stages[0])

    @functools.cached_property
    def inspector(self) -> Inspector:
        """The network, compiled to tell what its layers pass on; to be asked within `moment`."""
        return Inspector(self.network, self._classifier.given)

    @property
    def network(self) -> keras.Model:
        """The network, for what is compiled of it once; its weights are those of a moment only
        within `moment`."""
        return self._classifier.network

    @contextmanager
    def moment(self, place: int) -> Iterator[None]:
        """Within it, `network` is as it was at one of the moments, and stays so; others that want
        another one wait."""
        with self._lock:
            self._assign(self._weights[place])
            yield


def _end(run: Run, hyperparameters: Hyperparameters, curve: Curve) -> float:
    """After how many epochs a run's network was as it is: its last, or the best where early
    stopping brought that back."""
    on = hyperparameters.early_stopping_on
    scores = [end.score(on) for end in curve.epochs] if hyperparameters.early_stopping else []
    if run.state == RunState.STOPPED or not scores:
        return run.measured.epochs
    return curve.epochs[scores.index(max(scores))].epoch
