"""Which arrays of a file belong to which layers of its network, in every form that Keras wrote."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mnist_models.imports import layers
from mnist_models.imports.description import Description, Layer, check_arrays
from mnist_models.imports.hdf5 import Contents
from mnist_models.imports.keras_config import Block, Skeleton
from mnist_models.imports.refusal import DAMAGED, RefusedError

# By their paths, in the order of the file.
Arrays = dict[str, np.ndarray]
# Of each layer that has some, by its place in the list of layers.
Bound = dict[int, list[np.ndarray]]
# Earlier names of arrays.
RENAMED = {
    "W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance",
    "U": "recurrent_kernel",
}  # fmt: skip
# The setting by which a layer has an array or not.
SETTING = {"bias": "use_bias", "gamma": "scale", "beta": "center"}
# Where an array comes among those of its layer.
ORDER = {name: place for kind in layers.KINDS.values() for place, name in enumerate(kind.weights)}


def of_layers(blocks: list[Block]) -> Iterator[Block]:
    """The layers among blocks, at any depth, in the order of the file."""
    for block in blocks:
        if block.kind is None:
            yield from of_layers(block.blocks)
        else:
            yield block


def _has_weights(block: Block) -> bool:
    return any(layers.KINDS[one.kind or ""].weights for one in of_layers([block]))


def natural(name: str) -> list:
    """A key that sorts "dense_10" behind "dense_9"."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def short(name: str) -> str:
    """What an array is in its layer: "kernel" of "dense_1/kernel:0", and of "dense_1_W"."""
    last = re.sub(r":\d+$", "", name.split("/")[-1])
    # The longest first: a recurrent_kernel is no kernel.
    for known in sorted((*RENAMED, *ORDER), key=len, reverse=True):
        if last == known or last.endswith("_" + known):
            return RENAMED.get(known, known)
    return last


def arranged(kind: str, named: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The arrays of a layer in the order of Keras 3, by what their names end with."""
    order = layers.KINDS[kind].weights
    known = {short(name): array for name, array in named.items()}
    if kind == "DepthwiseConv2D" and "kernel" in known:
        known["depthwise_kernel"] = known.pop("kernel")
    if len(known) == len(named) and set(known) <= set(order):
        return [known[name] for name in order if name in known]
    return list(named.values())


# HDF5 of Keras 0 to 3, whole models and weights: a group for each layer, with a list of names.
# --------------------------------------------------------------------------------------------


def legacy_groups(contents: Contents) -> dict[str, Arrays] | None:
    """The arrays of each layer, or of each nested model, by name and in order; None where the file
    is of another form."""
    for root in ("", "model_weights"):
        attributes = contents.attributes.get(root, {})
        names = _names(attributes, "layer_names")
        if names:
            groups = {}
            for name in names:
                path = f"{root}/{name}".strip("/")
                inside = _names(contents.attributes.get(path, {}), "weight_names")
                try:
                    groups[name] = {one: contents.arrays[f"{path}/{one}"] for one in inside}
                except KeyError as error:
                    raise RefusedError(
                        f"The weights of its layer {name[:60]!r} are missing. {DAMAGED}"
                    ) from error
            return groups
    # Keras 0 had no names: layer_0/param_0.
    groups = {}
    for path, array in contents.arrays.items():
        layer, _, name = path.rpartition("/")
        if not re.fullmatch(r"layer_\d+", layer):
            return None
        groups.setdefault(layer, {})[name] = array
    return {name: groups[name] for name in sorted(groups, key=natural)} or None


def _names(attributes: Mapping[str, Any], key: str) -> list[str]:
    """A list of names, which long ones are cut into several attributes."""
    if isinstance(whole := attributes.get(key), list):
        return whole
    parts = sorted((one for one in attributes if re.fullmatch(key + r"\d+", one)), key=natural)
    return [name for part in parts for name in list(attributes[part] or [])]


def bind_legacy(blocks: list[Block], groups: Mapping[str, Arrays]) -> Bound:
    """The arrays of each layer from such groups.

    Raises:
        RefusedError: There are more, or fewer, than the network has.
    """
    wanted = [block for block in blocks if _has_weights(block)]
    filled = {name: arrays for name, arrays in groups.items() if arrays}
    if {block.name for block in wanted} <= set(filled):
        pairs = [(block, filled[block.name]) for block in wanted]
    elif len(wanted) == len(filled):
        pairs = list(zip(wanted, filled.values(), strict=True))
    else:
        raise RefusedError(
            f"It has weights for {len(filled)} layers, and its network has {len(wanted)} with "
            "weights: they do not belong together."
        )
    bound: Bound = {}
    for block, arrays in pairs:
        if block.kind is not None:
            bound[block.place] = arranged(block.kind, arrays)
            continue
        # A nested model: its layers are told apart by the names of the arrays only.
        for one in of_layers([block]):
            if layers.KINDS[one.kind or ""].weights:
                inside = {
                    name: array
                    for name, array in arrays.items()
                    if one.name in name.split("/")[:-1]
                }
                bound[one.place] = arranged(one.kind or "", inside)
    return bound


# HDF5 of Keras 3's .keras and .weights.h5: groups named by the class of the layer, numbered.
# --------------------------------------------------------------------------------------------


def is_keras_3(contents: Contents) -> bool:
    return any(re.search(r"(^|/)vars/\d+$", path) for path in contents.arrays)


def bind_keras_3(blocks: list[Block], arrays: Arrays, under: str = "") -> Bound:
    """The arrays of each layer from such groups.

    Raises:
        RefusedError: Some are missing.
    """
    children: dict[str, dict[str, Arrays]] = {}
    for path, array in arrays.items():
        found = re.match(
            re.escape(under)
            + r"(layers|_layer_checkpoint_dependencies|layer_with_weights)/([^/]+)/(.+)",
            path,
        )
        if found:
            children.setdefault(found[1], {}).setdefault(found[2], {})[path] = array
    groups = children.get("layers") or next(iter(children.values()), {})
    bound: Bound = {}
    by_class: dict[str, list[Block]] = {}
    for block in blocks:
        if _has_weights(block):
            by_class.setdefault(_snake(block), []).append(block)
    for name, those in by_class.items():
        numbered = sorted(
            (one for one in groups if re.fullmatch(name + r"(_\d+)?", one)), key=natural
        )
        if all(block.name in groups for block in those) and len(numbered) != len(those):
            numbered = [block.name for block in those]
        if len(numbered) != len(those):
            raise RefusedError(
                f"It has weights for {len(numbered)} layers of the kind {name}, and its network "
                f"has {len(those)}: they do not belong together."
            )
        for block, group in zip(those, numbered, strict=True):
            inside = groups[group]
            if block.kind is None:
                folder = next(iter(inside)).split(f"/{group}/")[0] + f"/{group}/"
                bound |= bind_keras_3(block.blocks, arrays, folder.lstrip("/"))
            else:
                order = sorted(inside, key=natural)
                bound[block.place] = [inside[path] for path in order]
    return bound


def _snake(block: Block) -> str:
    """The name of a group for a block's class, as Keras makes it."""
    if block.kind is None:
        return "(sequential|functional|model)"
    name = re.sub(r"\W+", "", block.kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


# SavedModels: names that count the layers with weights. TensorFlow.js: names of layers.
# --------------------------------------------------------------------------------------------


def bind_checkpoint(blocks: list[Block], arrays: Arrays, under: str = "") -> Bound:
    """The arrays of each layer from a TensorFlow checkpoint's names, such as
    "layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE".

    Raises:
        RefusedError: Some are missing.
    """
    folders: dict[str, Arrays] = {}
    for path, array in arrays.items():
        found = re.match(re.escape(under) + r"(layer(?:_with_weights)?-\d+)/(.+)", path)
        if found and "keras_api" not in found[2] and "/.OPTIMIZER_SLOT" not in path:
            folders.setdefault(found[1], {})[found[2].split("/.ATTRIBUTES")[0]] = array
    order = sorted(folders, key=natural)
    wanted = [block for block in blocks if _has_weights(block)]
    if len(order) != len(wanted):
        raise RefusedError(
            f"It has weights for {len(order)} layers, and its network has {len(wanted)} with "
            "weights: they do not belong together."
        )
    bound: Bound = {}
    for block, folder in zip(wanted, order, strict=True):
        if block.kind is None:
            bound |= bind_checkpoint(block.blocks, arrays, f"{under}{folder}/")
        else:
            bound[block.place] = arranged(block.kind, folders[folder])
    return bound


def bind_in_turn(skeleton: Skeleton, arrays: list[np.ndarray]) -> Bound:
    """The arrays of each layer where all are only numbered: TensorFlow calls an array by the
    shortest way to it, and that of a model within a model leads through no layer.

    Raises:
        RefusedError: There are more, or fewer, than the network has.
    """
    bound: Bound = {}
    start = 0
    for block in of_layers(skeleton.blocks):
        settings = skeleton.layers[block.place].settings
        names = layers.KINDS[block.kind or ""].weights
        end = start + sum(bool(settings.get(SETTING.get(name, ""), True)) for name in names)
        bound[block.place] = arrays[start:end]
        start = end
    if start != len(arrays):
        raise RefusedError(
            f"It has {len(arrays)} arrays of weights, and its network has {start}: they do not "
            "belong together."
        )
    return bound


def bind_by_name(blocks: list[Block], arrays: Arrays) -> Bound:
    """The arrays of each layer from names such as "conv2d_1/kernel"."""
    return {
        block.place: arranged(
            block.kind or "",
            {path: array for path, array in arrays.items() if block.name in path.split("/")[:-1]},
        )
        for block in of_layers(blocks)
        if layers.KINDS[block.kind or ""].weights
    }


# The network with its weights
# --------------------------------------------------------------------------------------------


def descriptions(skeleton: Skeleton, bound: Bound, backend: str = "") -> list[Description]:
    """The network with its weights; several where the file does not say how its kernels lie.

    Args:
        backend: What Keras computed with, where the file says so: "theano" or "tensorflow".

    Raises:
        RefusedError: The weights are no numbers, or there are too many.
    """

    def variant(turn: Callable[[Layer, np.ndarray], np.ndarray]) -> Description:
        filled = [
            replace(
                layer,
                arrays=tuple(turn(layer, array) for array in bound.get(place, [])),
            )
            for place, layer in enumerate(skeleton.layers)
        ]
        shape = skeleton.input_shape or _input_shape(filled)
        return Description(shape, tuple(filled), skeleton.output)

    check_arrays(
        {
            f"{layer.name.rsplit('.', 1)[0]} {count}": array
            for place, layer in enumerate(skeleton.layers)
            for count, array in enumerate(bound.get(place, []))
        }
    )
    if not any(
        _is_theano(layer, array)
        for place, layer in enumerate(skeleton.layers)
        for array in bound.get(place, [])[:1]
    ):
        flips = [_flipped, _as_it_is] if backend == "theano" else [_as_it_is]
        return [variant(turn) for turn in flips]
    return [variant(_from_theano), variant(_from_theano_flipped)]


def _is_theano(layer: Layer, array: np.ndarray) -> bool:
    """Whether a kernel is (filters, channels, rows, columns), as Keras 1 kept it for Theano."""
    if layer.kind != "Conv2D" or array.ndim != 4:
        return False
    size = tuple(layer.settings.get("kernel_size", ()))
    return (
        array.shape[2:] == size
        and array.shape[0] == layer.settings.get("filters")
        and (
            array.shape[:2] != size
            or (layer.is_channels_first and array.shape[3] != layer.settings.get("filters"))
        )
    )


def _as_it_is(layer: Layer, array: np.ndarray) -> np.ndarray:
    return array


def _flipped(layer: Layer, array: np.ndarray) -> np.ndarray:
    return array[::-1, ::-1] if layer.kind == "Conv2D" and array.ndim == 4 else array


def _from_theano(layer: Layer, array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 3, 1, 0) if _is_theano(layer, array) else array


def _from_theano_flipped(layer: Layer, array: np.ndarray) -> np.ndarray:
    return _flipped(layer, _from_theano(layer, array))


def _input_shape(filled: list[Layer]) -> tuple[int | None, ...]:
    """The input shape where the file does not say it: that of MNIST which fits the first weights.

    Raises:
        RefusedError: None does.
    """
    for place, layer in enumerate(filled):
        if not layer.arrays:
            continue
        kernel = layer.arrays[0]
        if layer.kind == "Dense":
            was_flat = any(one.kind in ("Flatten", "Reshape") for one in filled[:place])
            return (28, 28) if was_flat and kernel.shape[0] == 784 else (kernel.shape[0],)
        if layer.kind in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D"):
            return (
                (kernel.shape[2], 28, 28) if layer.is_channels_first else (28, 28, kernel.shape[2])
            )
        if layer.kind in ("LSTM", "GRU", "SimpleRNN"):
            return (28, kernel.shape[0])
        break
    raise RefusedError("It does not say what its network is given, and the weights do not tell.")
