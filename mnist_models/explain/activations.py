"""What is inside a network: its stages, what each of them makes of a digit, and what in it speaks
for that digit.

Of any network that `networks.build` makes: a chain of layers.
"""

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.probabilities import SAME


@dataclass(frozen=True)
class Stage:
    """A layer with weights, dense or convolutional, and what follows it up to the next one; None
    for what does not.

    Attributes:
        before: The layer whose output is weighed.
        pool: Comes last, and has its own output.
    """

    before: keras.Layer
    weights: keras.layers.Conv2D | keras.layers.Dense
    norm: keras.layers.BatchNormalization | None = None
    activation: keras.layers.Activation | None = None
    pool: keras.layers.MaxPooling2D | None = None

    @property
    def name(self) -> str:
        """Of the layer with weights, such as "conv_1"."""
        return self.weights.name

    @property
    def is_convolution(self) -> bool:
        """Whether it makes feature maps."""
        return isinstance(self.weights, keras.layers.Conv2D)

    @property
    def count(self) -> int:
        """How many units or filters it has."""
        return self.weights.kernel.shape[-1]

    @property
    def summed(self) -> str:
        """The layer whose output goes into the activation."""
        return (self.norm or self.weights).name

    @property
    def output(self) -> str:
        """The layer whose output are the units' values, or the feature maps before they are
        pooled."""
        return (self.activation or self.norm or self.weights).name


_FOLLOWING = {
    keras.layers.BatchNormalization: "norm",
    keras.layers.Activation: "activation",
    keras.layers.MaxPooling2D: "pool",
}


def stages(network: keras.Sequential) -> list[Stage]:
    """The stages of a network, from the image to the logits."""
    found: list[Stage] = []
    for before, layer in itertools.pairwise(network.layers):
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            found.append(Stage(before, layer))
        elif found and (part := _FOLLOWING.get(type(layer))):
            found[-1] = replace(found[-1], **{part: layer})
    return found


class Activations(NamedTuple):
    """The activations of a model for one image, and their influence on one digit.

    Attributes:
        image: uint8 (28, 28), as the network is given it.
        digit: 0 to 9. By the name of the layer, outputs: its activations, float32, without the
            batch: (side, side, filters) or (units,);
        influence: The gradient of the digit's logit with respect to each of those numbers.
    """

    image: np.ndarray
    digit: int
    outputs: dict[str, np.ndarray]
    influence: dict[str, np.ndarray]


class Peaks(NamedTuple):
    """Where each filter of a convolution answers most in each image.

    Attributes:
        values: float32 (N, filters).
        places: int (N, filters), the pixel of the feature map, counted row by row.
    """

    values: np.ndarray
    places: np.ndarray


class Inspector:
    """A network compiled to tell, in one call, what all of its layers make of an image."""

    def __init__(
        self,
        network: keras.Sequential,
        given: Callable[[np.ndarray], np.ndarray] = lambda images: images,
    ) -> None:
        """Compiles the model to return the outputs of all its layers.

        Args:
            given: What the network is given of images, see Classifier.given.
        """
        self.network, self.given, self.stages = network, given, stages(network)
        self.convolutions = [stage for stage in self.stages if stage.is_convolution]
        self._images = tf.TensorSpec((None, IMAGE_SIZE_PX, IMAGE_SIZE_PX), tf.uint8)
        self._look = tf.function(
            self._passed_on, input_signature=[self._images, tf.TensorSpec((), tf.int32)]
        ).get_concrete_function()

    def activations(self, image: np.ndarray, digit: int) -> Activations:
        """The activations for an image, uint8 (28, 28), and their influence on this digit,
        0 to 9."""
        (image,) = images = self.given(image[np.newaxis])
        told = self._look(tf.constant(images), tf.constant(digit, tf.int32))
        names = [layer.name for layer in self.network.layers]
        return Activations(
            image,
            digit,
            *(dict(zip(names, (some.numpy()[0] for some in all_), strict=True)) for all_ in told),
        )

    def peaks(self, images: np.ndarray) -> dict[str, Peaks]:
        """Where each filter answers most in each of the images, uint8 (N, 28, 28), by the name of
        the convolution."""
        told = self._strongest(tf.constant(images))
        return {
            stage.name: Peaks(values.numpy(), places.numpy())
            for stage, (values, places) in zip(self.convolutions, told, strict=True)
        }

    def _passed_on(
        self, images: tf.Tensor, digit: tf.Tensor
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        passed, outputs = images, []
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for layer in self.network.layers:
                passed = layer(passed, training=False)
                tape.watch(passed)
                outputs.append(passed)
            logit = passed[:, digit]
        return outputs, tape.gradient(logit, outputs)

    @functools.cached_property
    def _strongest(self) -> Callable[[tf.Tensor], list[tuple[tf.Tensor, tf.Tensor]]]:
        # Compiled when it is asked for: only some visitors will.
        ends = {stage.output for stage in self.convolutions}

        def strongest(images: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
            passed, found = images, []
            for layer in self.network.layers[
                : _place(self.network, self.convolutions[-1].output) + 1
            ]:
                passed = layer(passed, training=False)
                if layer.name in ends:
                    maps = tf.reshape(
                        passed, (-1, passed.shape[1] * passed.shape[2], passed.shape[3])
                    )
                    found.append(
                        (tf.reduce_max(maps, axis=1), tf.argmax(maps, axis=1, output_type=tf.int32))
                    )
            return found

        return tf.function(strongest, input_signature=[self._images]).get_concrete_function()


def _place(network: keras.Sequential, name: str) -> int:
    return [layer.name for layer in network.layers].index(name)


def templates(stage: Stage) -> np.ndarray:
    """The weights of a stage that sees the image itself as pictures, float32 (units or filters,
    side, side): 28×28 for a dense layer, the kernels for a convolution. Above zero, ink there
    raises the unit's sum; batch normalisation, which may turn that round, is multiplied in."""
    kernel = stage.weights.kernel.numpy()
    side = math.isqrt(kernel[..., 0].size)
    pictures = np.moveaxis(kernel.reshape(side, side, -1), -1, 0)
    if stage.norm:
        scale = stage.norm.gamma.numpy() / np.sqrt(
            stage.norm.moving_variance.numpy() + stage.norm.epsilon
        )
        pictures = pictures * scale[:, np.newaxis, np.newaxis]
    return pictures


def contributions(stage: Stage, activations: Activations) -> np.ndarray:
    """The contribution of each unit or filter to the logit of the digit,
    float32 (units or filters,).

    Activation times gradient (A. Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713), of a
    filter the sum over its map. In the last hidden layer that is activation times outgoing weight,
    so all of them and the bias make the logit; in earlier layers it is what holds for small
    changes.
    """
    return (
        (activations.outputs[stage.output] * activations.influence[stage.output])
        .reshape(-1, stage.count)
        .sum(axis=0)
    )


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """How alike two arrays of one shape are in their pattern: Pearson's correlation coefficient of
    all their numbers, -1 to 1. Where one has the same number everywhere there is no pattern: then
    it is 1 if the other has none either, else 0."""
    plain = [np.ptp(array) <= SAME * np.abs(array).max() for array in (one, other)]
    return float(all(plain)) if any(plain) else float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def responds(stage: Stage, activations: Activations) -> np.ndarray:
    """Which units, or which pixels of the feature maps, are active, bool: whether what goes into
    the activation is above zero, where a ReLU begins to answer and the others pass the middle of
    their bend."""
    return activations.outputs[stage.summed] > 0
