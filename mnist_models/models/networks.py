"""Hyperparameters in, a Keras network out: the dense network (DNN) and the convolutional network
(CNN)."""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from mnist_models.data.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.settings.hyperparameters import (
    ACTIVATIONS,
    UNITS_HIGH,
    UNITS_LOW,
    CnnHyperparameters,
    DnnHyperparameters,
    Hyperparameters,
)

# Keras's default of 0.99 remembers the random start for hundreds of steps: the first epochs would
# look broken in validation.
BATCH_NORM_MOMENTUM = 0.9
# A saved network keeps its layers' seeds, and Keras on PyTorch, JAX and OpenVINO takes none larger.
SEEDS = 2**31
# Two networks whose parameter counts differ by less have "the same" number.
SIZE_TOLERANCE = 0.02
SCALE_STEPS = 12
MOST_HIDDEN_LAYERS = DnnHyperparameters.choices()["hidden_units"].max_count


class _Initializers:
    """Where the weights start. Each layer gets a seed of its own, all from one, since Keras's
    global seed is shared by everything in the process."""

    def __init__(self, hyperparameters: Hyperparameters, blank: bool) -> None:
        self._seeds = itertools.count(hyperparameters.seed * 1000)
        self.saturates = ACTIVATIONS[hyperparameters.activation].saturates
        self.blank = blank

    def next_seed(self) -> int:
        """The seed of the next layer, 0 to 2³¹ - 1."""
        return next(self._seeds) % SEEDS

    def hidden(self) -> keras.Initializer:
        """As the activation wants it, see hyperparameters.Activation."""
        return (
            self.output()
            if self.saturates or self.blank
            else keras.initializers.HeNormal(self.next_seed())
        )

    def output(self) -> keras.Initializer:
        return (
            keras.initializers.Zeros()
            if self.blank
            else keras.initializers.GlorotUniform(self.next_seed())
        )


def build(hyperparameters: Hyperparameters, *, blank: bool = False) -> keras.Sequential:
    """The untrained, uncompiled network that the hyperparameters describe.

    Input: uint8 (N, 28, 28), 0 is paper, 255 is ink; scaling to 0..1 is its first layer. Output:
    float32 (N, 10) logits; their softmax is the probability of each digit. The same
    hyperparameters, seed included, give the same initial weights.

    Args:
        blank: All weights are 0, for a network that is only looked at or is about to be given its
            weights: drawing millions of random numbers can take a second.
    """
    initializers = _Initializers(hyperparameters, blank)
    image = (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    return keras.Sequential(
        [
            keras.Input(image, dtype="uint8", name="image"),
            keras.layers.Rescaling(1 / 255, name="scale"),
            *_BUILDERS[hyperparameters.network](hyperparameters, initializers),
            keras.layers.Dense(
                CLASS_COUNT, kernel_initializer=initializers.output(), name="logits"
            ),
        ],
        name=hyperparameters.network,
    )


def build_dnn(
    hyperparameters: DnnHyperparameters, initializers: _Initializers
) -> list[keras.Layer]:
    """(N, 28, 28) scaled images to (N, last hidden units)."""
    return [
        keras.layers.Flatten(name="flatten"),  # (N, 784)
        *_dense_layers(hyperparameters, hyperparameters.hidden_units, initializers),
    ]


def build_cnn(
    hyperparameters: CnnHyperparameters, initializers: _Initializers
) -> list[keras.Layer]:
    """(N, 28, 28) scaled images to (N, last dense units), or to the flattened feature maps where no
    dense layer is on top."""
    layers = [keras.layers.Reshape((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 1), name="channel")]
    for index, conv in enumerate(hyperparameters.conv_layers, start=1):
        to_output = len(hyperparameters.conv_layers) - index + len(hyperparameters.dense_units)
        name = f"conv_{index}"
        layers += [
            keras.layers.Conv2D(
                conv.filters,
                conv.kernel,
                conv.stride,
                kernel_initializer=initializers.hidden(),
                name=name,
            ),
            *_batch_norm(hyperparameters, to_output, name),
            keras.layers.Activation(
                hyperparameters.activation, name=f"{name}_{hyperparameters.activation}"
            ),
        ]  # (N, side, side, filters), side = (side - kernel) // stride + 1
        if conv.pool:
            layers.append(keras.layers.MaxPooling2D(conv.pool, name=f"pool_{index}"))
    layers.append(keras.layers.Flatten(name="flatten"))
    if not hyperparameters.dense_units:
        layers += _dropout(hyperparameters, 0, "dropout", initializers)
    return layers + _dense_layers(hyperparameters, hyperparameters.dense_units, initializers)


def _dense_layers(
    hyperparameters: Hyperparameters, units: tuple[int, ...], initializers: _Initializers
) -> list[keras.Layer]:
    layers = []
    for index, count in enumerate(units, start=1):
        to_output = len(units) - index
        name = f"dense_{index}"
        layers += [
            keras.layers.Dense(count, kernel_initializer=initializers.hidden(), name=name),
            *_batch_norm(hyperparameters, to_output, name),
            keras.layers.Activation(
                hyperparameters.activation, name=f"{name}_{hyperparameters.activation}"
            ),
            *_dropout(hyperparameters, to_output, f"{name}_dropout", initializers),
        ]
    return layers


def _batch_norm(hyperparameters: Hyperparameters, to_output: int, name: str) -> list[keras.Layer]:
    """Batch normalisation for a hidden layer, where it has one.

    Args:
        to_output: How many hidden layers come after this one.
    """
    if not hyperparameters.batch_norm or to_output < hyperparameters.plain_layers:
        return []
    return [
        keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_batch_norm")
    ]


def _dropout(
    hyperparameters: Hyperparameters, to_output: int, name: str, initializers: _Initializers
) -> list[keras.Layer]:
    """Dropout after a hidden layer, where it has one."""
    if not hyperparameters.dropout or to_output < hyperparameters.plain_layers:
        return []
    return [keras.layers.Dropout(hyperparameters.dropout, seed=initializers.next_seed(), name=name)]


_BUILDERS: dict[str, Callable[[Any, _Initializers], list[keras.Layer]]] = {
    "dnn": build_dnn,
    "cnn": build_cnn,
}


class ResizeError(ValueError):
    """There is no network of about that size. Its text is a sentence for users."""


def resized(hyperparameters: DnnHyperparameters, parameters: int) -> DnnHyperparameters:
    """The same DNN with wider or narrower hidden layers, so that it has about this many parameters.

    All layers are scaled alike, then the last ones are made to fit. Where that cannot come within
    SIZE_TOLERANCE, another number of layers is tried: two, whose sizes are finer, or as many as
    there may be.

    Raises:
        ResizeError: Where none will do.
    """
    units = hyperparameters.hidden_units
    for count in dict.fromkeys((len(units), 2, MOST_HIDDEN_LAYERS)):
        shape = (*units, *units[-1:] * MOST_HIDDEN_LAYERS)[:count]
        candidate = _fitted(hyperparameters, shape, parameters)
        if abs(_size(candidate) - parameters) <= SIZE_TOLERANCE * parameters:
            return candidate
    smallest, largest = (
        _size(hyperparameters.model_copy(update={"hidden_units": (units,) * count}))
        for units, count in ((UNITS_LOW, 1), (UNITS_HIGH, MOST_HIDDEN_LAYERS))
    )
    raise ResizeError(
        f"No DNN here has about {parameters:,} parameters: choose layers for the CNN that come to "
        f"between {smallest:,} and "
        f"{largest:,}."
    )


def _fitted(
    hyperparameters: DnnHyperparameters, shape: tuple[int, ...], parameters: int
) -> DnnHyperparameters:
    """The DNN whose hidden layers have about this shape and which comes nearest to that many
    parameters."""

    def scaled(factor: float) -> DnnHyperparameters:
        units = tuple(min(max(round(count * factor), UNITS_LOW), UNITS_HIGH) for count in shape)
        return hyperparameters.model_copy(update={"hidden_units": units})

    low, high = UNITS_LOW / max(shape), UNITS_HIGH / min(shape)
    for _ in range(SCALE_STEPS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _size(scaled(middle)) <= parameters else (low, middle)
    best = scaled(low)
    for place in reversed(
        range(len(shape))
    ):  # the last layer has the fewest parameters a unit, so it is the finest screw
        # A layer's parameters grow evenly with its units.
        size = _size(best)
        per_unit = _size(_with_units(best, place, best.hidden_units[place] + 1)) - size
        count = best.hidden_units[place] + round((parameters - size) / per_unit)
        best = _with_units(best, place, min(max(count, UNITS_LOW), UNITS_HIGH))
    return best


def _with_units(hyperparameters: DnnHyperparameters, place: int, count: int) -> DnnHyperparameters:
    units = hyperparameters.hidden_units
    return hyperparameters.model_copy(
        update={"hidden_units": (*units[:place], count, *units[place + 1 :])}
    )


def _size(hyperparameters: DnnHyperparameters) -> int:
    """How many parameters this DNN has, without building it, which takes 50 ms."""
    units = hyperparameters.hidden_units
    connections = itertools.pairwise((IMAGE_SIZE_PX**2, *units, CLASS_COUNT))
    biases = sum(units) + CLASS_COUNT
    # Batch normalisation keeps a scale, an offset, a mean and a variance of each unit.
    treated = len(units) - hyperparameters.plain_layers if hyperparameters.batch_norm else 0
    return sum(map(math.prod, connections)) + biases + 4 * sum(units[: max(treated, 0)])


class LayerSummary(NamedTuple):
    """One row of a model summary.

    Attributes:
        shape: Of the output, without the batch.
        parameters: Trained or kept by it.
    """

    name: str
    shape: tuple[int, ...]
    parameters: int


def summary(network: keras.Sequential) -> list[LayerSummary]:
    """The layers of a network with their output shapes and parameter counts, from the image on."""
    return [
        LayerSummary(layer.name, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in network.layers
    ]
