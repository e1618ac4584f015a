"""A trained network compiled to read digits: uint8 images in, the probability of each digit out."""

from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from mnist_models.data import dataset, npz
from mnist_models.data.dataset import IMAGE_SIZE_PX, SCRAMBLE
from mnist_models.models import folded, networks
from mnist_models.models.folded import WeightsError
from mnist_models.models.predictions import CONFIDENCE_THRESHOLD
from mnist_models.models.reader import Reader
from mnist_models.settings.hyperparameters import Hyperparameters


class Classifier(Reader):
    """A network that reads digits through one compiled call.

    `keras.Model.predict` takes some 30 ms for one image, most of it preparing a loop; a compiled
    function with a fixed signature takes less than 1 ms, and nothing else in the process can change
    it.
    """

    def __init__(
        self,
        network: keras.Model,
        batch_size: int = 500,
        confidence_threshold: float = CONFIDENCE_THRESHOLD,
        *,
        scrambles: bool = False,
    ) -> None:
        """Compiles the model.

        Args:
            confidence_threshold: Below this probability of the digit that it reads, 0 to 1, the
                network is not sure of it.
            scrambles: Whether the network learned from scrambled images, so that it has to be given
                such.
        """
        self.network, self.confidence_threshold, self.scrambles = (
            network,
            confidence_threshold,
            scrambles,
        )
        self.batch_size = batch_size
        images = tf.TensorSpec((None, IMAGE_SIZE_PX, IMAGE_SIZE_PX), tf.uint8)
        self._probabilities = tf.function(
            lambda batch: tf.nn.softmax(network(self.seen(batch), training=False)),
            input_signature=[images],
        ).get_concrete_function()

    @classmethod
    def from_weights(
        cls,
        hyperparameters: Hyperparameters,
        weights: bytes,
        confidence_threshold: float = CONFIDENCE_THRESHOLD,
    ) -> "Classifier":
        """The network of these hyperparameters with weights from `pack_weights`.

        Raises:
            WeightsError: When they do not fit.
        """
        return cls(
            trained(hyperparameters, weights),
            confidence_threshold=confidence_threshold,
            scrambles=hyperparameters.scrambled,
        )

    def chain(self) -> keras.Sequential:
        return self.network

    def given(self, images: np.ndarray) -> np.ndarray:
        """Images, uint8 (N, 28, 28), as the network itself is given them: scrambled where it
        learned from such."""
        return dataset.scrambled(images) if self.scrambles else images

    def seen(self, images: tf.Tensor) -> tf.Tensor:
        return scrambled(images) if self.scrambles else images

    def batches(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """The probabilities of up to `batch_size` images at a time, for callers that want to stop
        in between."""
        for start in range(0, len(images), self.batch_size):
            yield self._probabilities(tf.constant(images[start : start + self.batch_size])).numpy()


def scrambled(images: tf.Tensor) -> tf.Tensor:
    """As dataset.scrambled, inside a compiled function."""
    shape = tf.shape(images)
    return tf.reshape(tf.gather(tf.reshape(images, (-1, len(SCRAMBLE))), SCRAMBLE, axis=1), shape)


def trained(hyperparameters: Hyperparameters, weights: bytes) -> keras.Sequential:
    """The network of these hyperparameters with weights from `pack_weights`. Raises WeightsError
    when they do not fit."""
    network = networks.build(hyperparameters, blank=True)
    unpack_weights(network, weights)
    return network


def pack_weights(network: keras.Model) -> bytes:
    """The weights as a NumPy archive: one array for each variable, named by its layer, such as
    "conv_1/kernel"."""
    return npz.write(weights_of(network))


def weights_of(network: keras.Model) -> dict[str, np.ndarray]:
    """The weights as they are, float32, by the names that they have in an archive."""
    return {name: variable.numpy() for name, variable in _variables(network).items()}


def pack_half(network: keras.Model) -> bytes:
    """The same in half of the bytes and a tenth of the time: numbers with three digits, and not
    compressed.

    A probability changes by less than anybody could see. What float16 has no room for keeps all of
    its digits.
    """
    halves = {name: _half(array) for name, array in weights_of(network).items()}
    return npz.write(halves, compressed=False)


def _half(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float16) if np.abs(array).max() < np.finfo(np.float16).max else array


def unpack_weights(network: keras.Model, weights: bytes) -> None:
    """Gives the network the weights of an archive that `pack_weights` or `pack_half` made.

    Raises WeightsError, and changes nothing, when names or shapes differ or the archive cannot be
    read. Nothing in it is ever executed.
    """
    assign_weights(network, read_weights(network, weights))


def read_weights(network: keras.Model, weights: bytes) -> dict[str, np.ndarray]:
    """The weights in such an archive, by name, for a network that stays as it is. Raises
    WeightsError as `unpack_weights`."""
    arrays = folded.read(weights)
    expected = {
        name: (tuple(variable.shape), variable.dtype)
        for name, variable in _variables(network).items()
    }
    whole = {np.dtype(np.float16): "float32"}
    found = {
        name: (array.shape, whole.get(array.dtype, array.dtype.name))
        for name, array in arrays.items()
    }
    if found != expected:
        raise WeightsError(
            f"The weights do not fit the network: expected {expected}, found {found}."
        )
    return arrays


def assign_weights(
    network: keras.Model, weights: Mapping[str, np.ndarray | tf.Tensor | keras.Variable]
) -> None:
    """Gives a network weights, by their names; what has none stays."""
    variables = _variables(network)
    for name, array in weights.items():
        variables[name].assign(array)


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Gives a network the weights of another that has layers of the same names; what only the
    target has stays."""
    assign_weights(target, _variables(source))


def _variables(network: keras.Model) -> dict[str, keras.Variable]:
    """What makes up the trained network, by name: kernels, biases and running statistics, but no
    random number generators.

    The names are not Keras's own paths: those change when another thread clears Keras's session
    while a network is built.
    """
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in network.layers
        for variable in layer.variables
        if variable.dtype.startswith("float")
    }
