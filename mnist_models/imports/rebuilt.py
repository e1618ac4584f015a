"""The network of a file as a Keras model that computes: the right one, where the file leaves a
choice."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from mnist_models.imports import diagnosis, rebuild
from mnist_models.imports.description import Description
from mnist_models.imports.refusal import RefusedError

# A candidate that reads this share of a few digits is the right one: nearly the right one can read
# nine of ten.
SURELY_RIGHT = 0.97
# The most likely candidates come first; who waits longer for a better one waits in vain.
LONGEST_S = 6.0
# By which accuracies on a few images differ by chance; of such candidates the loss decides.
CHANCE = 0.02


class RebuiltNetwork:
    """A Keras model through one compiled call, see diagnosis.Network.

    Attributes:
        model: The model.
        description: What it was made from.
    """

    def __init__(self, description: Description) -> None:
        """Builds it.

        Raises:
            RefusedError: It cannot be built, see rebuild.build.
        """
        self.description = description
        self.model = rebuild.build(description)
        shape = (None, *description.input_shape)
        self._call = tf.function(
            lambda batch: self.model(batch, training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32)],
        )

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return self.description.input_shape

    @property
    def is_whole(self) -> bool:
        return False

    def outputs(self, batch: np.ndarray) -> np.ndarray:
        return self._call(tf.constant(batch)).numpy()


def best(
    candidates: Sequence[Description], progress: Callable[[float], None] = lambda share: None
) -> RebuiltNetwork:
    """The candidate that reads digits best.

    Raises:
        RefusedError: None can be built, or there is none.
    """
    if not candidates:
        raise RefusedError("It is not the file that it was: bring it again.")
    if len(candidates) == 1:
        return RebuiltNetwork(candidates[0])
    found: list[tuple[float, float, RebuiltNetwork]] = []
    problem: RefusedError | None = None
    start = time.perf_counter()
    for place, candidate in enumerate(candidates):
        progress(place / len(candidates))
        try:
            network = RebuiltNetwork(candidate)
            found.append((*diagnosis.quick_score(network), network))
        except RefusedError as error:
            problem = error
            continue
        if found[-1][0] >= SURELY_RIGHT or time.perf_counter() - start > LONGEST_S:
            break
    if not found:
        raise problem or RefusedError("None of the networks that it could be can be built.")
    most = max(accuracy for accuracy, _, _ in found)
    near = [one for one in found if one[0] >= most - CHANCE]
    return min(near, key=lambda one: one[1])[2]
