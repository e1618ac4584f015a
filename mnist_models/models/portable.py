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
import json
from typing import Any

import numpy as np

from mnist_models.data.dataset import SCRAMBLE
from mnist_models.models import folded
from mnist_models.settings.hyperparameters import Hyperparameters

MOST_PARAMETERS = 1_000_000


def pack(hyperparameters: Hyperparameters, weights: bytes) -> bytes | None:
    """The file, compressed with gzip. None for a model that has more than `MOST_PARAMETERS`
    parameters, or weights for which half precision has no room.

    Args:
        weights: Of the network of these hyperparameters, see classifier.pack_weights.

    Raises:
        WeightsError: They cannot be read, or are another network's.
    """
    arrays = folded.read(weights)
    if sum(array.size for array in arrays.values()) > MOST_PARAMETERS:
        return None
    headers: list[dict[str, Any]] = []
    numbers = []
    if hyperparameters.scrambled:
        headers.append({"order": SCRAMBLE.tolist()})
    for layer in folded.layers(hyperparameters, arrays):
        window = {"kernel": layer.kernel, "stride": layer.stride} if layer.kernel else {}
        inputs, units = layer.weights.shape
        headers.append({"activation": layer.activation, **window, "inputs": inputs, "units": units})
        numbers += [layer.bias, layer.weights]
        if layer.pool:
            headers.append({"pool": layer.pool})
    # Written so that NaN has none either.
    if not all(np.abs(array).max() <= np.finfo(np.float16).max for array in numbers):
        return None
    header = json.dumps(headers, separators=(",", ":")).encode()
    halves = [array.astype("<f2").tobytes() for array in numbers]
    file = b"".join([np.uint32(len(header)).astype("<u4").tobytes(), header, *halves])
    return gzip.compress(file, mtime=0)
