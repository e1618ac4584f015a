"""TensorFlow.js's layers models: a model.json, and files of bare numbers that it lists."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mnist_models.imports import keras_config, weights
from mnist_models.imports.description import Found
from mnist_models.imports.refusal import DAMAGED, EXPORT_ONNX, RefusedError

FORM = "TensorFlow.js layers model"
DTYPES = {"float32": "<f4", "int32": "<i4", "float16": "<f2", "uint8": "u1", "uint16": "<u2"}


def is_model(config: Any) -> bool:
    """Whether this, parsed from JSON, is a model.json."""
    return isinstance(config, dict) and "modelTopology" in config


def read(config: Mapping[str, Any], files: Mapping[str, bytes], folder: str = "") -> Found:
    """The network of a model.json.

    Args:
        config: What it says, parsed.
        files: Those that came with it, by name.
        folder: Where among them it is, such as "model/".

    Raises:
        RefusedError: It is damaged, or of another form, or some of the files are missing.
    """
    topology = config["modelTopology"]
    if not isinstance(topology, dict) or config.get("format") == "graph-model":
        raise RefusedError(
            f"It is a TensorFlow.js graph model, which no longer has layers. {EXPORT_ONNX}"
        )
    model = topology.get("model_config", topology)
    skeleton = keras_config.read(model)
    arrays: weights.Arrays = {}
    try:
        for group in config.get("weightsManifest") or []:
            arrays |= _group(group, files, folder)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RefusedError(DAMAGED) from error
    version = topology.get("keras_version") or config.get("generatedBy") or ""
    return Found(
        FORM,
        f"Keras {version}" if topology.get("keras_version") else str(version)[:60],
        tuple(weights.descriptions(skeleton, weights.bind_by_name(skeleton.blocks, arrays))),
    )


def _group(group: Mapping[str, Any], files: Mapping[str, bytes], folder: str) -> weights.Arrays:
    """The arrays of some files, which are one after the other in them."""
    parts = []
    for path in group["paths"]:
        name = str(path).removeprefix("./")
        if folder + name not in files:
            raise RefusedError(
                f"The file {name[:80]!r} with weights is missing: zip the model.json together with "
                "all files of weights that lie beside it."
            )
        parts.append(files[folder + name])
    content, place, arrays = b"".join(parts), 0, {}
    for one in group["weights"]:
        packed = one.get("quantization")
        dtype = np.dtype(DTYPES[packed["dtype"] if packed else one["dtype"]])
        shape = tuple(one["shape"])
        if any(not isinstance(side, int) or side < 0 for side in shape) or len(shape) > 6:
            raise RefusedError(DAMAGED)
        count = math.prod(shape)
        if place + count * dtype.itemsize > len(content):
            raise RefusedError("Its files of weights are shorter than it says. " + DAMAGED)
        array = np.frombuffer(content, dtype, count, place).astype(np.float32)
        place += count * dtype.itemsize
        if packed and "scale" in packed:
            array = array * np.float32(packed["scale"]) + np.float32(packed["min"])
        arrays[str(one["name"])] = array.reshape(shape)
    return arrays
