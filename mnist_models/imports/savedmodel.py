"""TensorFlow's SavedModels, read without TensorFlow: the description of the layers, which Keras
leaves beside the graph, and the arrays of the checkpoint. The graph itself is never run.

The forms: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/
(saved_object_graph.proto, tensor_bundle.proto); the index is a table of LevelDB.
"""

import math
import re
from collections.abc import Iterator, Mapping

import numpy as np

from mnist_models.imports import keras_config, weights
from mnist_models.imports.containers import parsed_json
from mnist_models.imports.description import Found
from mnist_models.imports.protobuf import integer, messages, text, varint
from mnist_models.imports.refusal import DAMAGED, RefusedError

INDEX = "variables/variables.index"
MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER_BYTES = 48
# TensorFlow's numbers for types of numbers: those that weights have.
DTYPES: dict[int, str] = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
KERAS_OBJECTS = ("_tf_keras_sequential", "_tf_keras_network", "_tf_keras_model")


def read(files: Mapping[str, bytes]) -> tuple[keras_config.Skeleton | None, str, weights.Arrays]:
    """What a SavedModel holds.

    Args:
        files: Those of its folder, by name.

    Returns:
        The network without weights, None where Keras left no description; the version of Keras,
        empty where it is not told; the arrays by their names in the checkpoint.

    Raises:
        RefusedError: Parts of it are missing or damaged.
    """
    if INDEX not in files:
        raise RefusedError(
            "The folder `variables` with the weights is missing: zip the whole folder of the "
            "SavedModel."
        )
    arrays = checkpoint(files)
    for metadata in _metadata(files):
        config = metadata.get("model_config") or metadata
        if not keras_config.is_model(config):
            config = {"class_name": metadata.get("class_name"), "config": metadata.get("config")}
        if keras_config.is_model(config) and config["config"] is not None:
            skeleton = keras_config.read(config)
            if skeleton.input_shape is None:
                keras_config.note_shape(metadata.get("build_input_shape"), skeleton)
                keras_config.note_shape(metadata.get("batch_input_shape"), skeleton)
            return skeleton, str(metadata.get("keras_version") or ""), arrays
    return None, "", arrays


def _metadata(files: Mapping[str, bytes]) -> Iterator[dict]:
    """What Keras says of the objects that are models, the whole model first."""
    if "keras_metadata.pb" in files:  # since TensorFlow 2.5
        version = ""
        nodes = [
            (text(node, 4), text(node, 5), text(node, 3))
            for node in messages(files["keras_metadata.pb"], 1)
        ]
    else:  # before, inside the objects of the SavedModel
        nodes, version = [], ""
        for graph in messages(files["saved_model.pb"], 2):
            for objects in messages(graph, 7):
                for node in messages(objects, 1):
                    for user in messages(node, 4):
                        nodes.append((text(user, 1), text(user, 3), ""))
    for kind, metadata, _ in nodes:
        if kind in KERAS_OBJECTS:
            parsed = parsed_json(metadata)
            if isinstance(parsed, dict):
                yield parsed | ({"keras_version": version} if version else {})


def checkpoint(files: Mapping[str, bytes], prefix: str = "variables/variables") -> weights.Arrays:
    """The arrays of numbers in a checkpoint of TensorFlow, by name.

    Raises:
        RefusedError: It is damaged, or a part of it is missing.
    """
    entries = list(_table(files[f"{prefix}.index"]))
    shards = next((integer(value, 1) for key, value in entries if not key), 1)
    opened: dict[str, bytes] = {}
    arrays = {}
    for key, value in entries:
        kind = DTYPES.get(integer(value, 1))
        name = key.decode("utf-8", "replace")
        if not key or kind is None or "/.OPTIMIZER_SLOT" in name or name.startswith("optimizer"):
            continue
        dtype = np.dtype(kind)
        shape = tuple(integer(one, 1) for part in messages(value, 2) for one in messages(part, 2))
        start, size = integer(value, 4), integer(value, 5)
        shard = f"{prefix}.data-{integer(value, 3):05}-of-{shards:05}"
        if shard not in opened:
            if shard not in files:
                raise RefusedError(
                    f"Its weights are missing: there is no {shard!r}. Zip the whole folder of the "
                    "SavedModel (repositories often leave this file out)."
                )
            opened[shard] = files[shard]
        if len(shape) > 6 or math.prod(shape) * dtype.itemsize != size:
            raise RefusedError(DAMAGED)
        content = opened[shard][start : start + size]
        if len(content) != size:
            raise RefusedError(DAMAGED)
        arrays[name] = np.frombuffer(content, dtype).reshape(shape).astype(np.float32)
    return arrays


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys of a table of LevelDB with their values."""
    if len(content) < FOOTER_BYTES or not content.endswith(MAGIC):
        raise RefusedError(DAMAGED)
    footer = content[-FOOTER_BYTES:]
    place = 0
    handle = []
    for _ in range(4):  # where the index of another index is, and where this one is
        number, place = varint(footer, place)
        handle.append(number)
    for _, value in _block(content, *handle[2:]):
        start, after = varint(value, 0)
        size, _ = varint(value, after)
        yield from _block(content, start, size)


def _block(content: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys of a block with their values; a key is told by what differs from the one before."""
    block = content[start : start + size]
    if len(block) != size or size < 4 or content[start + size : start + size + 1] != b"\0":
        raise RefusedError(DAMAGED)  # the last is the way of packing, which TensorFlow does not use
    restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 * (restarts + 1)
    place, key = 0, b""
    while place < end:
        shared, place = varint(block, place)
        own, place = varint(block, place)
        length, place = varint(block, place)
        if shared > len(key) or place + own + length > end:
            raise RefusedError(DAMAGED)
        key = key[:shared] + block[place : place + own]
        yield key, block[place + own : place + own + length]
        place += own + length


def in_order(arrays: weights.Arrays) -> weights.Arrays:
    """Arrays of a checkpoint without a description, in the order in which layers come, as far as
    their names tell."""
    kept = {
        re.sub(r"/\.ATTRIBUTES/.*", "", name): array
        for name, array in arrays.items()
        if array.ndim and "save_counter" not in name
    }

    if any(name.startswith("variables/") for name in kept):  # Keras 3 names each one twice or more
        kept = {name: array for name, array in kept.items() if name.startswith("variables/")}

    def place(name: str) -> tuple:
        folder, _, last = name.rpartition("/")
        return (
            weights.natural(folder),
            weights.ORDER.get(weights.short(last), 0),
            weights.natural(last),
        )

    return {name: kept[name] for name in sorted(kept, key=place)}


FORM = "TensorFlow SavedModel"


def found(files: Mapping[str, bytes]) -> Found | weights.Arrays:
    """The network of a SavedModel; its arrays alone where it has no description."""
    skeleton, version, arrays = read(files)
    ordered = in_order(arrays)
    if skeleton is None:
        if not ordered:
            raise RefusedError(
                "Its weights are constants in its graph, as programs write it that convert models "
                "of ONNX or PyTorch, and graphs are not run here: bring the file that it was "
                "converted from."
            )
        return ordered
    if any(name.startswith("layer") for name in arrays):
        bound = weights.bind_checkpoint(skeleton.blocks, arrays)
    else:
        bound = weights.bind_in_turn(skeleton, list(ordered.values()))
    writer = f"Keras {version}" if version else "Keras"
    return Found(FORM, writer, tuple(weights.descriptions(skeleton, bound)))
