"""What a trained network computes, for readers that do without TensorFlow: its layers in their
order, batch normalisation folded into the weights before it."""

import io
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from mnist_models.data import npz
from mnist_models.data.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.settings.hyperparameters import (
    CnnHyperparameters,
    DnnHyperparameters,
    Hyperparameters,
)

# Keras's own, which `networks.build` leaves as it is.
BATCH_NORM_EPSILON = 1e-3


class WeightsError(ValueError):
    """Weights that do not belong to the network they are meant for, or cannot be read."""


class Layer(NamedTuple):
    """A convolution without padding, or a dense layer, which covers all that it is given.

    Attributes:
        weights: float64 (inputs, units). The inputs are counted row by row, the channels of a pixel
            together.
        bias: float64 (units,).
        activation: A key of ACTIVATIONS, or "none".
        kernel, stride: Of a convolution, in pixels; 0 for a dense layer.
        pool: The size of the max pooling after it, and its stride; 0 for none.
    """

    weights: np.ndarray
    bias: np.ndarray
    activation: str
    kernel: int = 0
    stride: int = 0
    pool: int = 0

    def side(self, before: int) -> int:
        """The side, in pixels, of the maps that it makes of maps with this one, before pooling."""
        return (before - self.kernel) // self.stride + 1 if self.kernel else 1


class _Plan(NamedTuple):
    """A layer of which only its name and its form are known."""

    name: str
    units: int
    activation: str
    kernel: int = 0
    stride: int = 0
    pool: int = 0


def read(weights: bytes) -> dict[str, np.ndarray]:
    """The arrays of an archive that classifier.pack_weights made, by name.

    Raises:
        WeightsError: It cannot be read.
    """
    try:
        return npz.read(io.BytesIO(weights))
    except npz.ArchiveError as error:
        raise WeightsError(f"The weights cannot be read ({error}).") from error


def layers(hyperparameters: Hyperparameters, arrays: Mapping[str, np.ndarray]) -> list[Layer]:
    """The layers with weights; the outputs of the last are logits.

    Args:
        arrays: Of the network of these hyperparameters, by name, see `read`.

    Raises:
        WeightsError: They are another network's.
    """
    found = []
    side, channels = IMAGE_SIZE_PX, 1
    for name, units, activation, *form in _plans(hyperparameters):
        kernel, *_ = form
        inputs = (kernel, kernel, channels) if kernel else (side**2 * channels,)
        try:
            layer = Layer(*_folded(name, arrays, (*inputs, units)), activation, *form)
        except (KeyError, ValueError) as error:
            raise WeightsError(f"The weights of {name} are those of another network.") from error
        found.append(layer)
        side, channels = layer.side(side) // (layer.pool or 1), units
    return found


def _plans(hyperparameters: Hyperparameters) -> Iterator[_Plan]:
    activation = hyperparameters.activation
    dense_units: tuple[int, ...] = ()
    if isinstance(hyperparameters, CnnHyperparameters):
        for number, conv in enumerate(hyperparameters.conv_layers, start=1):
            name, form = f"conv_{number}", (conv.kernel, conv.stride, conv.pool)
            yield _Plan(name, conv.filters, activation, *form)
        dense_units = hyperparameters.dense_units
    elif isinstance(hyperparameters, DnnHyperparameters):
        dense_units = hyperparameters.hidden_units
    for number, units in enumerate(dense_units, start=1):
        yield _Plan(f"dense_{number}", units, activation)
    yield _Plan("logits", CLASS_COUNT, "none")


def _folded(
    name: str, arrays: Mapping[str, np.ndarray], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The weights (inputs, units) and bias (units,) that do what a layer, whose kernel has this
    shape, and the batch normalisation after it, if there is one, do one after the other.

    Raises:
        KeyError: One of their arrays is missing.
        ValueError: One has another shape.
    """

    def array(of: str, shape: tuple[int, ...]) -> np.ndarray:
        found = arrays[f"{name}{of}"]
        if found.shape != shape:
            raise ValueError(f"{name}{of} has the shape {found.shape} instead of {shape}")
        return found.astype(np.float64)

    units = shape[-1:]
    bias, kernel = array("/bias", units), array("/kernel", shape).reshape(-1, *units)
    norm = "_batch_norm"
    if f"{name}{norm}/gamma" not in arrays:
        return kernel, bias
    variance = array(f"{norm}/moving_variance", units)
    scale = array(f"{norm}/gamma", units) / np.sqrt(variance + BATCH_NORM_EPSILON)
    shift = array(f"{norm}/beta", units)
    return kernel * scale, (bias - array(f"{norm}/moving_mean", units)) * scale + shift
