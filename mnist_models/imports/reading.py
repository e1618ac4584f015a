"""From the bytes of a file to the network in it, whatever form it has."""

from collections.abc import Mapping
from typing import NamedTuple

from mnist_models.imports import (
    containers,
    guess,
    hdf5,
    keras_config,
    pytorch,
    savedmodel,
    tfjs,
    weights,
)
from mnist_models.imports.containers import Files, Kind
from mnist_models.imports.description import Found
from mnist_models.imports.refusal import EXPORT_ONNX, RefusedError

GUESSED = "the layers between its weights were guessed from their shapes"
KERAS_3, KERAS_HDF5, KERAS_WEIGHTS = "Keras 3 (.keras)", "Keras HDF5 (.h5)", "Keras weights (.h5)"
PYTORCH = "PyTorch weights"
ONNX, TFLITE = "ONNX", "TensorFlow Lite (.tflite)"
# What a run that this project exported describes itself in.
RUN = "run.json"
NETWORKS = (".h5", ".hdf5", ".keras", ".onnx", ".tflite")
CONFIG, INNER_WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"


class Foreign(NamedTuple):
    """A network that only its own runtime can compute.

    Attributes:
        form: ONNX or TFLITE.
        content: The file.
        beside: Files that belong to it, by name.
    """

    form: str
    content: bytes
    beside: Mapping[str, bytes]


def read(content: bytes, config: bytes | None = None) -> Found | Foreign:
    """The network in a file. Nothing in the file is executed, and no other file is opened.

    Args:
        content: The file; a folder of files as a zip.
        config: The description of the network, JSON, where it is kept in a file of its own; a file
            that has one itself needs no other.

    Raises:
        RefusedError: There is none in it, or none that can be used here.
    """
    kind = containers.kind_of(content)
    if kind is Kind.HDF5:
        return _hdf5(content, config)
    if kind is Kind.ZIP:
        return _zip(Files(content))
    if kind is Kind.ONNX:
        return Foreign(ONNX, content, {})
    if kind is Kind.TFLITE:
        return Foreign(TFLITE, content, {})
    if kind is Kind.PICKLE:
        arrays = pytorch.read_legacy(content)
        return Found(PYTORCH, "PyTorch", guess.candidates(arrays, is_pytorch=True), GUESSED)
    raise RefusedError(_json_alone(content))


def is_run(content: bytes) -> bool:
    """Whether a file is a run, or a race, that this project exported."""
    return any(name.rpartition("/")[2] == RUN for name in containers.names(content))


def is_config(content: bytes) -> bool:
    """Whether a file is the description of a Keras model without its weights."""
    try:
        return containers.kind_of(content) is Kind.JSON and keras_config.is_model(
            _unwrapped(containers.parsed_json(content))
        )
    except RefusedError:
        return False


def _json_alone(content: bytes) -> str:
    parsed = containers.parsed_json(content)
    if isinstance(parsed, dict) and "cells" in parsed:
        return (
            "It is a notebook, not a network: run it, save the model in it "
            "(`model.save('model.keras')`), and bring that file."
        )
    if tfjs.is_model(parsed):
        return (
            "It is the model.json of a TensorFlow.js model without its weights: zip it together "
            "with the files of weights that lie beside it (such as group1-shard1of1.bin)."
        )
    if keras_config.is_model(_unwrapped(parsed)):
        return (
            "It describes a network, but its weights are in another file: bring both, or a zip of "
            "both."
        )
    return "It is JSON, but describes no network."


def _unwrapped(parsed: object) -> object:
    """A model's description; some programs wrote it as a text inside JSON."""
    if isinstance(parsed, dict) and "model_config" in parsed:
        parsed = parsed["model_config"]
    return keras_config.today(containers.parsed_json(parsed) if isinstance(parsed, str) else parsed)


def _hdf5(content: bytes, config: bytes | None) -> Found:
    contents = hdf5.read(content)
    top = contents.attributes[""]
    version = top.get("keras_version") or contents.attributes.get("model_weights", {}).get(
        "keras_version", ""
    )
    writer = f"Keras {version}" if version else "Keras"
    backend = str(
        top.get("backend", contents.attributes.get("model_weights", {}).get("backend", ""))
    )
    said = top.get("model_config")
    if said is None and config is not None:
        said = config.decode("utf-8", "replace")
    groups = weights.legacy_groups(contents)
    if isinstance(said, str):
        skeleton = keras_config.read(_unwrapped(containers.parsed_json(said)))
        if groups is not None:
            bound = weights.bind_legacy(skeleton.blocks, groups)
        else:
            bound = weights.bind_keras_3(skeleton.blocks, contents.arrays)
        return Found(KERAS_HDF5, writer, tuple(weights.descriptions(skeleton, bound, backend)))
    arrays = contents.arrays
    if groups is not None:
        arrays = {
            f"{layer}/{name}": array
            for layer, inside in groups.items()
            for name, array in inside.items()
        }
    if not arrays:
        raise RefusedError("It is an HDF5 file, but there is no network in it.")
    return Found(KERAS_WEIGHTS, writer, guess.candidates(arrays, is_pytorch=False), GUESSED)


def _zip(files: Files) -> Found | Foreign:
    names = set(files)
    if {CONFIG, INNER_WEIGHTS} <= names:
        return _keras_3(files)
    if "saved_model.pb" in names:
        return _saved_model(files)
    if any(one.startswith("code/") and one.endswith(".py") for one in names):
        raise RefusedError(
            f"It is a TorchScript program, which would have to be run. {EXPORT_ONNX}"
        )
    if "data.pkl" in names:
        arrays = pytorch.read_zip(files)
        return Found(PYTORCH, "PyTorch", guess.candidates(arrays, is_pytorch=True), GUESSED)
    jsons = {
        one: containers.parsed_json(files[one]) for one in sorted(names) if one.endswith(".json")
    }
    for name, parsed in jsons.items():
        if tfjs.is_model(parsed):
            return tfjs.read(parsed, files, name[: name.rfind("/") + 1])
    networks = [
        one for one in sorted(names) if one.endswith((".h5", ".hdf5", ".keras", ".onnx", ".tflite"))
    ]
    if len(networks) == 1:
        content = files[networks[0]]
        configs = [
            files[one] for one, said in jsons.items() if keras_config.is_model(_unwrapped(said))
        ]
        inner = containers.kind_of(content)
        if inner is Kind.ONNX:
            beside = {one: files[one] for one in names if one.endswith(".data")}
            return Foreign(ONNX, content, beside)
        if inner is not Kind.ZIP or INNER_WEIGHTS in Files(content):
            return read(content, configs[0] if len(configs) == 1 else None)
    if networks:
        raise RefusedError(
            f"There are several networks in it ({', '.join(networks)[:200]}): bring one at a time."
        )
    raise RefusedError("It is a zip without a network that is known here.")


def _keras_3(files: Files) -> Found:
    skeleton = keras_config.read(containers.parsed_json(files[CONFIG]))
    contents = hdf5.read(files[INNER_WEIGHTS])
    arrays = {path.replace("\\", "/"): array for path, array in contents.arrays.items()}
    metadata = containers.parsed_json(files[METADATA]) if METADATA in files else {}
    version = metadata.get("keras_version", "") if isinstance(metadata, dict) else ""
    bound = weights.bind_keras_3(skeleton.blocks, arrays)
    return Found(KERAS_3, f"Keras {version}".strip(), tuple(weights.descriptions(skeleton, bound)))


def _saved_model(files: Files) -> Found:
    found = savedmodel.found(files)
    if isinstance(found, Found):
        return found
    return Found(savedmodel.FORM, "TensorFlow", guess.candidates(found, is_pytorch=False), GUESSED)
