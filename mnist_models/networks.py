"""Hyperparameters in, a Keras network out: the dense network (DNN) and the convolutional network (CNN)."""

import itertools
from typing import NamedTuple

import keras

from mnist_models.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.hyperparameters import CnnHyperparameters, DnnHyperparameters, Hyperparameters

# Keras's default of 0.99 remembers the random start for hundreds of steps: the first epochs would look broken in validation.
BATCH_NORM_MOMENTUM = 0.9


class _Initializers:
    """Where the weights start. Each layer gets a seed of its own, all from one, since Keras's global seed is shared by
    everything in the process."""

    def __init__(self, hyperparameters: Hyperparameters, blank: bool) -> None:
        self.seeds = itertools.count(hyperparameters.seed * 1000)
        self.two_sided = hyperparameters.activation in ("tanh", "sigmoid")
        self.blank = blank

    def hidden(self) -> keras.Initializer:
        """He et al. 2015 for activations that cut off one side, Glorot and Bengio 2010 for those that bend both."""
        return self.output() if self.two_sided or self.blank else keras.initializers.HeNormal(next(self.seeds))

    def output(self) -> keras.Initializer:
        return keras.initializers.Zeros() if self.blank else keras.initializers.GlorotUniform(next(self.seeds))


def build(hyperparameters: Hyperparameters, *, blank: bool = False) -> keras.Sequential:
    """The untrained, uncompiled network that the hyperparameters describe.

    blank: all weights are 0, for a network that is only looked at or is about to be given its weights: drawing millions of
    random numbers can take a second.

    Input: uint8 (N, 28, 28), 0 is paper, 255 is ink; scaling to 0..1 is its first layer.
    Output: float32 (N, 10) logits; their softmax is the probability of each digit.
    The same hyperparameters, seed included, give the same initial weights.
    """
    initializers = _Initializers(hyperparameters, blank)
    image = (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    return keras.Sequential(
        [
            keras.Input(image, dtype="uint8", name="image"),
            keras.layers.Rescaling(1 / 255, name="scale"),
            *_BUILDERS[hyperparameters.network](hyperparameters, initializers),
            keras.layers.Dense(CLASS_COUNT, kernel_initializer=initializers.output(), name="logits"),
        ],
        name=hyperparameters.network,
    )


def build_dnn(hyperparameters: DnnHyperparameters, initializers: _Initializers) -> list[keras.Layer]:
    """(N, 28, 28) scaled images to (N, last hidden units)."""
    return [
        keras.layers.Flatten(name="flatten"),  # (N, 784)
        *_dense_layers(hyperparameters, hyperparameters.hidden_units, initializers),
    ]


def build_cnn(hyperparameters: CnnHyperparameters, initializers: _Initializers) -> list[keras.Layer]:
    """(N, 28, 28) scaled images to (N, last dense units), or to the flattened feature maps where no dense layer is on top."""
    layers = [keras.layers.Reshape((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 1), name="channel")]
    for index, conv in enumerate(hyperparameters.conv_layers, start=1):
        layers.append(
            keras.layers.Conv2D(
                conv.filters, conv.kernel, conv.stride, kernel_initializer=initializers.hidden(), name=f"conv_{index}"
            )
        )  # (N, side, side, filters), side = (side - kernel) // stride + 1
        if hyperparameters.batch_norm:
            layers.append(keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"conv_{index}_batch_norm"))
        layers.append(keras.layers.Activation(hyperparameters.activation, name=f"conv_{index}_{hyperparameters.activation}"))
        if conv.pool:
            layers.append(keras.layers.MaxPooling2D(conv.pool, name=f"pool_{index}"))
    layers.append(keras.layers.Flatten(name="flatten"))
    if hyperparameters.dropout and not hyperparameters.dense_units:
        layers.append(keras.layers.Dropout(hyperparameters.dropout, seed=next(initializers.seeds), name="dropout"))
    return layers + _dense_layers(hyperparameters, hyperparameters.dense_units, initializers)


def _dense_layers(hyperparameters: Hyperparameters, units: tuple[int, ...], initializers: _Initializers) -> list[keras.Layer]:
    layers = []
    for index, count in enumerate(units, start=1):
        layers.append(keras.layers.Dense(count, kernel_initializer=initializers.hidden(), name=f"dense_{index}"))
        if hyperparameters.batch_norm:
            layers.append(keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"dense_{index}_batch_norm"))
        layers.append(keras.layers.Activation(hyperparameters.activation, name=f"dense_{index}_{hyperparameters.activation}"))
        if hyperparameters.dropout:
            layers.append(
                keras.layers.Dropout(hyperparameters.dropout, seed=next(initializers.seeds), name=f"dense_{index}_dropout")
            )
    return layers


_BUILDERS = {"dnn": build_dnn, "cnn": build_cnn}


class LayerSummary(NamedTuple):
    """One row of a model summary. shape: of what the layer passes on, without the batch. parameters: trained or kept by it."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def summary(network: keras.Sequential) -> list[LayerSummary]:
    """The layers of a network with their output shapes and parameter counts, from the image on."""
    return [
        LayerSummary(layer.name, type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in network.layers
    ]
