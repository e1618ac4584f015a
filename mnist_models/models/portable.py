"""A model as a compact file that a reader without TensorFlow reads digits with, such as a script in
a browser.

Its layers in order, batch normalisation folded into the weights before it, numbers in half
precision: a probability changes by less than anybody could see. After the length of the header
(uint32, little-endian) comes the header, a JSON list of layers:

- `{"order": […]}`: where each of the 784 pixels comes from, for a model of shuffled pixels;
- `{"units", "inputs", "activation", "kernel", "stride"}`: a convolution without padding, channels
  last; without `kernel` and `stride` a dense layer, which covers all that it is given;
- `{"pool"}`: max pooling of that size, and with that stride;

then, for each layer with units, its bias (units,) and its weights (inputs, units), float16,
little-endian. The inputs of a convolution are counted row by row, the channels of a pixel together.
The last layer's outputs are logits.
"""

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from mnist_models.data import npz
from mnist_models.data.dataset import IMAGE_SIZE_PX, SCRAMBLE
from mnist_models.settings.hyperparameters import (
    CnnHyperparameters,
    DnnHyperparameters,
    Hyperparameters,
)

MOST_PARAMETERS = 1_000_000
# Keras's own, which `networks.build` leaves as it is.
BATCH_NORM_EPSILON = 1e-3


class Layer(NamedTuple):
    """A layer with weights.

    Attributes:
        name: The one that it has in the network, see networks.build.
        header: What the file says of it; its inputs and units follow from the weights.
        pool: The size of the max pooling after it; 0 for none.
    """

    name: str
    header: dict[str, Any]
    pool: int = 0


def pack(hyperparameters: Hyperparameters, weights: bytes) -> bytes | None:
    """The file, compressed with gzip. None for a model that has more than `MOST_PARAMETERS`
    parameters, or weights for which half precision has no room.

    Args:
        weights: Of the network of these hyperparameters, see classifier.pack_weights.

    Raises:
        npz.ArchiveError: The weights cannot be read.
        KeyError, ValueError: They are another network's.
    """
    arrays = npz.read(io.BytesIO(weights))
    if sum(array.size for array in arrays.values()) > MOST_PARAMETERS:
        return None
    headers: list[dict[str, Any]] = []
    numbers = []
    if hyperparameters.scrambled:
        headers.append({"order": SCRAMBLE.tolist()})
    side, channels = IMAGE_SIZE_PX, 1
    for layer in _layers(hyperparameters):
        kernel, bias = _folded(layer.name, arrays)
        covered = layer.header.get("kernel", side)
        if len(kernel) != covered**2 * channels:
            raise ValueError(f"The weights of {layer.name} are those of another network.")
        headers.append(layer.header | {"inputs": len(kernel), "units": len(bias)})
        numbers += [bias, kernel]
        side, channels = (side - covered) // layer.header.get("stride", 1) + 1, len(bias)
        if layer.pool:
            headers.append({"pool": layer.pool})
            side //= layer.pool
    # Written so that NaN has none either.
    if not all(np.abs(array).max() <= np.finfo(np.float16).max for array in numbers):
        return None
    header = json.dumps(headers, separators=(",", ":")).encode()
    halves = [array.astype("<f2").tobytes() for array in numbers]
    file = b"".join([np.uint32(len(header)).astype("<u4").tobytes(), header, *halves])
    return gzip.compress(file, mtime=0)


def _layers(hyperparameters: Hyperparameters) -> Iterator[Layer]:
    """The layers with weights, in their order."""
    activation = hyperparameters.activation
    dense_units: tuple[int, ...] = ()
    if isinstance(hyperparameters, CnnHyperparameters):
        for number, conv in enumerate(hyperparameters.conv_layers, start=1):
            header = {"activation": activation, "kernel": conv.kernel, "stride": conv.stride}
            yield Layer(f"conv_{number}", header, conv.pool)
        dense_units = hyperparameters.dense_units
    elif isinstance(hyperparameters, DnnHyperparameters):
        dense_units = hyperparameters.hidden_units
    for number in range(1, len(dense_units) + 1):
        yield Layer(f"dense_{number}", {"activation": activation})
    yield Layer("logits", {"activation": "none"})


def _folded(name: str, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The weights (inputs, units) and bias (units,) that do what a layer and the batch
    normalisation after it, if there is one, do one after the other."""
    bias = arrays[f"{name}/bias"].astype(np.float64)
    kernel = arrays[f"{name}/kernel"].astype(np.float64).reshape(-1, len(bias))
    norm = f"{name}_batch_norm"
    if f"{norm}/gamma" not in arrays:
        return kernel, bias
    scale = arrays[f"{norm}/gamma"] / np.sqrt(
        arrays[f"{norm}/moving_variance"].astype(np.float64) + BATCH_NORM_EPSILON
    )
    return kernel * scale, (bias - arrays[f"{norm}/moving_mean"]) * scale + arrays[f"{norm}/beta"]
