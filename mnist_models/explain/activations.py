"""What is inside a network: its stages, what each of them makes of a digit, and what in it speaks
for that digit.

Of any chain of layers, see reader.Reader.chain: those that `networks.build` makes, and most of
those that come from files.
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

from mnist_models.data.probabilities import SAME
from mnist_models.models.reader import Reader

LOGITS = "logits"


@dataclass(frozen=True)
class Stage:
    """A layer with weights, dense or convolutional, and what follows it at once, in this order;
    None for what does not.

    Attributes:
        before: The layer whose output is weighed.
        pool: Comes last, and has its own output: of squares that do not overlap, the first of which
            is in the corner.
    """

    before: keras.Layer
    weights: keras.layers.Conv2D | keras.layers.Dense
    norm: keras.layers.BatchNormalization | None = None
    activation: keras.Layer | None = None
    pool: keras.layers.MaxPooling2D | None = None

    @property
    def parts(self) -> tuple[keras.Layer | None, ...]:
        """Its layers, of which it may lack some."""
        return self.weights, self.norm, self.activation, self.pool

    @property
    def name(self) -> str:
        """Of the layer with weights, such as "conv_1"."""
        return self.weights.name

    @property
    def is_convolution(self) -> bool:
        """Whether it makes feature maps."""
        return isinstance(self.weights, keras.layers.Conv2D)

    @property
    def is_logits(self) -> bool:
        """Whether it makes the scores of the digits."""
        return self.name == LOGITS

    @property
    def function(self) -> str | None:
        """The name of its activation function, such as "relu"."""
        return self.activation and self.activation.name.removeprefix(f"{self.name}_")

    @property
    def count(self) -> int:
        """How many units or filters it has."""
        return self.weights.kernel.shape[-1]

    @property
    def inputs(self) -> int:
        """How many numbers each of its units, or each pixel of its feature maps, weighs."""
        return math.prod(self.weights.kernel.shape[:-1])

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
    keras.layers.ReLU: "activation",
    keras.layers.LeakyReLU: "activation",
    keras.layers.ELU: "activation",
    keras.layers.PReLU: "activation",
    keras.layers.MaxPooling2D: "pool",
}
_ORDER = ["norm", "activation", "pool"]
# What only scales numbers or changes how they are arranged, or does nothing once a network has
# learned.
_PASSING = (
    keras.layers.Rescaling,
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.Permute,
    keras.layers.Dropout,
)
_MARGINS = (keras.layers.ZeroPadding2D, keras.layers.Cropping2D)
# What treats each pixel by itself, and leaves it where it is.
_PIXELWISE = (
    keras.layers.Rescaling,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.Dropout,
    keras.layers.BatchNormalization,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
    keras.layers.PReLU,
)
_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
_POOLS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)


class Window(NamedTuple):
    """The square of what a layer is given that one pixel of what it makes depends on.

    Attributes:
        side: In pixels, those that are left out between others counted too.
        stride: How far those of neighbouring pixels are apart, in pixels.
        margins: How many rows and columns of nothing it adds before the first; below 0 it leaves
            as many out.
    """

    side: int
    stride: int = 1
    margins: tuple[int, int] = (0, 0)


def window_of(layer: keras.Layer) -> Window | None:
    """The window of a convolution, a pooling, or what adds or takes away a margin; None where that
    is no square, and of all other layers."""
    if isinstance(layer, _MARGINS):
        (above, _), (before, _) = (
            layer.padding if isinstance(layer, keras.layers.ZeroPadding2D) else layer.cropping
        )
        is_added = isinstance(layer, keras.layers.ZeroPadding2D)
        return Window(1, 1, (above, before) if is_added else (-above, -before))
    if isinstance(layer, _CONVOLUTIONS):
        sizes, steps = layer.kernel_size, layer.dilation_rate
    elif isinstance(layer, _POOLS):
        sizes, steps = layer.pool_size, (1, 1)
    else:
        return None
    if any(len(set(both)) > 1 for both in (sizes, steps, layer.strides)):
        return None
    side, stride = (sizes[0] - 1) * steps[0] + 1, layer.strides[0]
    if layer.padding == "valid":
        return Window(side, stride)
    above, before = (
        max((math.ceil(given / stride) - 1) * stride + side - given, 0) // 2
        for given in layer.input.shape[1:3]
    )
    return Window(side, stride, (above, before))


def stages(network: keras.Sequential) -> list[Stage]:
    """The stages of a network, from the image to the logits."""
    found: list[Stage] = []
    open_for: list[str] = []
    for before, layer in itertools.pairwise(network.layers):
        part = _FOLLOWING.get(type(layer))
        if _is_weighing(layer):
            found.append(Stage(before, layer))
            open_for = _ORDER
        elif part in open_for and (part != "pool" or _is_plain_pool(layer)):
            found[-1] = replace(found[-1], **{part: layer})
            open_for = open_for[open_for.index(part) + 1 :]
        elif not isinstance(layer, keras.layers.Dropout):
            open_for = []
    return found


def _is_weighing(layer: keras.Layer) -> bool:
    """Whether it is a convolution of whole images, or a dense layer of numbers in a row."""
    if isinstance(layer, keras.layers.Dense):
        return len(layer.output.shape) == 2
    return isinstance(layer, keras.layers.Conv2D) and layer.groups == 1


def _is_plain_pool(layer: keras.layers.MaxPooling2D) -> bool:
    size = layer.pool_size[0]
    return window_of(layer) == Window(size, size)


def is_traceable(network: keras.Sequential, stage: Stage) -> bool:
    """Whether it is known what of the image each pixel of a convolution's feature maps sees."""
    between = network.layers[1 : _place(network, stage.name) + 1]
    return all(isinstance(layer, _PIXELWISE) or window_of(layer) for layer in between)


def sees_image(network: keras.Sequential, stage: Stage) -> bool:
    """Whether a stage is given the image itself, so that its weights are pictures."""
    between = network.layers[1 : _place(network, stage.name)]
    if stage.is_convolution:
        return all(isinstance(layer, _PASSING + _MARGINS) for layer in between)
    is_square = math.isqrt(stage.inputs) ** 2 == stage.inputs
    return is_square and all(isinstance(layer, _PASSING) for layer in between)


class Activations(NamedTuple):
    """The activations of a model for one image, and their influence on one digit.

    Attributes:
        image: (side, side), 0 is paper and 255 is ink, as the network is given it.
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
    """A network compiled to tell, in one call, what all of its layers make of an image.

    Attributes:
        stages: See `stages`.
        convolutions: Those of them that are convolutions whose pixels can be traced back to the
            image.
        others: The layers with weights that are in none of them.
    """

    def __init__(
        self,
        network: keras.Sequential,
        given: Callable[[np.ndarray], np.ndarray] = lambda images: images,
        pixels: str = Reader.pixels,
    ) -> None:
        """Compiles the model to return the outputs of all its layers.

        Args:
            network: See reader.Reader.chain.
            given, pixels: What the network is given of images, see reader.Reader.
        """
        self.network, self.given, self.stages = network, given, stages(network)
        self.pixels = pixels
        self.convolutions = [
            stage for stage in self.stages if stage.is_convolution and is_traceable(network, stage)
        ]
        shown = [part for stage in self.stages for part in stage.parts]
        self.others = [layer for layer in network.layers if layer.weights and layer not in shown]
        self._images = tf.TensorSpec(network.input_shape, network.inputs[0].dtype)
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
    """The weights of a stage that sees the image itself, see `sees_image`, as pictures, float32
    (units or filters, rows, columns): as large as the image for a dense layer, the kernels for a
    convolution, summed over the equal channels of a grey image. Above zero, a higher value there
    raises the unit's sum; batch normalisation, which may turn that round, is multiplied in."""
    kernel = stage.weights.kernel.numpy()
    side = math.isqrt(stage.inputs)
    kernel = kernel.sum(axis=2) if stage.is_convolution else kernel.reshape(side, side, -1)
    pictures = np.moveaxis(kernel, -1, 0)
    if stage.norm:
        _, spread, scale, _ = normalisation(stage.norm)
        pictures = pictures * (scale / spread)[:, np.newaxis, np.newaxis]
    return pictures


class Normalisation(NamedTuple):
    """What batch normalisation does to a sum: (sum - mean) / spread * scale + shift; numbers, or
    one for each unit or filter."""

    mean: np.ndarray
    spread: np.ndarray
    scale: np.ndarray
    shift: np.ndarray

    def of(self, total: float) -> float:
        """The sum, normalised."""
        return float((total - self.mean) / self.spread * self.scale + self.shift)


def normalisation(layer: keras.layers.BatchNormalization) -> Normalisation:
    """That of a layer, which may have no scale or no shift: float32 (units or filters,)."""
    mean = layer.moving_mean.numpy()
    return Normalisation(
        mean,
        np.sqrt(layer.moving_variance.numpy() + layer.epsilon),
        np.ones_like(mean) if layer.gamma is None else layer.gamma.numpy(),
        np.zeros_like(mean) if layer.beta is None else layer.beta.numpy(),
    )


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
