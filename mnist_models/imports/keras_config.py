"""Keras's descriptions of networks, of every age, as one plain list of layers.

A nested model is laid out in the place where it is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mnist_models.imports import layers
from mnist_models.imports.description import INPUT, MOST_LAYERS, Layer
from mnist_models.imports.refusal import DAMAGED, EXPORT_ONNX, RefusedError

DEEPEST = 8
LARGEST_SIDE_PX = 512
SEQUENTIAL, FUNCTIONAL = "Sequential", ("Model", "Functional")


@dataclass
class Block:
    """A layer or nested model as Keras keeps it, for whoever looks for its weights.

    Attributes:
        name: Its own, not that in the list.
        kind: A layer's, one of `layers.KINDS`; None where it is a nested model.
        place: Where the layer is in the list.
        blocks: What is in the nested model.
    """

    name: str
    kind: str | None = None
    place: int = 0
    blocks: list["Block"] = field(default_factory=list)


@dataclass
class Skeleton:
    """A network without its weights.

    Attributes:
        input_shape: Of one image; None where the file does not say it.
        layers: As in `description.Description`.
        output: The name of the layer whose output is that of the network.
        blocks: The same layers as Keras keeps them.
    """

    input_shape: tuple[int | None, ...] | None = None
    layers: list[Layer] = field(default_factory=list)
    output: str = INPUT
    blocks: list[Block] = field(default_factory=list)


def read(config: Any) -> Skeleton:
    """The network that a model's description, parsed from JSON, describes.

    Raises:
        RefusedError: It describes something else, or with layers that are not known here.
    """
    skeleton = Skeleton()
    try:
        skeleton.output = _model(config, INPUT, skeleton, skeleton.blocks, 0)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError) as error:
        raise RefusedError(
            f"What it says about its layers cannot be understood. {DAMAGED}"
        ) from error
    if not skeleton.layers:
        raise RefusedError("There is no layer in its network.")
    return skeleton


def is_model(config: Any) -> bool:
    """Whether this, parsed from JSON, is the description of a whole model."""
    return isinstance(config, dict) and (
        config.get("class_name") in (SEQUENTIAL, *FUNCTIONAL) and "config" in config
    )


def today(config: Any, depth: int = 0) -> Any:
    """A model's description, parsed from JSON, as Keras spells it since version 1. Keras 0 called
    the class of a model or a layer its name, and kept a layer's name, if any, beside it.

    Args:
        depth: In how many models it is nested.

    Raises:
        RefusedError: In too many.
    """
    _check_depth(depth)
    if not isinstance(config, dict) or "class_name" in config or "name" not in config:
        return config
    if isinstance(parts := config.get("layers"), list):
        return {"class_name": config["name"], "config": [today(part, depth + 1) for part in parts]}
    settings = {**config, "name": config.get("custom_name", config["name"])}
    return {"class_name": config["name"], "config": settings}


def _check_depth(depth: int) -> None:
    if depth > DEEPEST:
        raise RefusedError(f"Its models are nested more than {DEEPEST} deep.")


def _model(config: Any, given: str, to: Skeleton, blocks: list[Block], depth: int) -> str:
    """Lays out a model that is given the output of a layer; the name of its last layer."""
    _check_depth(depth)
    kind = config["class_name"]
    if kind == SEQUENTIAL:
        inner = config["config"]
        parts = inner if isinstance(inner, list) else inner["layers"]
        if isinstance(inner, dict) and given == INPUT:
            note_shape(inner.get("build_input_shape"), to)
        for part in parts:
            given = _part(part, (given,), to, blocks, depth)
        return given
    if kind in FUNCTIONAL:
        return _functional(config["config"], given, to, blocks, depth)
    raise RefusedError(
        f"It is a model of the class {str(kind)[:60]!r}, whose code would be needed. {EXPORT_ONNX}"
    )


def _functional(config: Any, given: str, to: Skeleton, blocks: list[Block], depth: int) -> str:
    starts, ends = _ends(config["input_layers"]), _ends(config["output_layers"])
    if len(starts) != 1 or len(ends) != 1:
        raise RefusedError(
            f"Its network has {len(starts)} inputs and {len(ends)} outputs; one image in, one "
            "digit out is what can be read here."
        )
    outputs: dict[str, str] = {}
    waiting = list(config["layers"])
    if len(waiting) > MOST_LAYERS:
        raise RefusedError(f"It has more than {MOST_LAYERS} layers.")
    order: dict[str, list[Block]] = {
        part.get("name", part["config"].get("name")): [] for part in waiting
    }
    # Keras writes layers so that each comes after those that it is given, but for some versions.
    while waiting:
        for part in waiting:
            name = part.get("name", part["config"].get("name"))
            sources = _sources(part)
            if all(source in outputs for source in sources):
                break
        else:
            raise RefusedError(
                "Its layers are connected in a circle, or to layers that are missing."
            )
        waiting.remove(part)
        inputs = tuple(outputs[source] for source in sources) or (given,)
        outputs[name] = _part(part, inputs, to, order[name], depth)
    # The blocks stand in the file's order, by which its weights are found.
    for found in order.values():
        blocks.extend(found)
    return outputs[ends[0]]


def _ends(said: Any) -> list[str]:
    """The names of a functional model's inputs or outputs: ["name", 0, 0] or a list of such."""
    if isinstance(said, dict):
        said = list(said.values())
    if said and isinstance(said[0], str):
        return [said[0]]
    return [one[0] for one in said]


def _sources(part: Mapping[str, Any]) -> list[str]:
    """The names of the layers that a layer of a functional model is given."""
    nodes = part.get("inbound_nodes") or []
    if len(nodes) > 1:
        raise RefusedError(
            f"Its layer {str(part['config'].get('name'))[:60]!r} is used more than once, which "
            f"cannot be rebuilt here. {EXPORT_ONNX}"
        )
    if not nodes:
        return []
    if isinstance(nodes[0], dict):
        return _histories(nodes[0].get("args", []))
    return [one[0] for one in nodes[0]]


def _histories(value: Any) -> list[str]:
    """The layers named in the arguments of a call, as Keras 3 writes them."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return [value["config"]["keras_history"][0]]
        return []
    if isinstance(value, list):
        return [name for one in value for name in _histories(one)]
    return []


def _part(part: Any, inputs: tuple[str, ...], to: Skeleton, blocks: list[Block], depth: int) -> str:
    """Lays out a layer or nested model; the name of the layer that gives its output."""
    kind, config = part["class_name"], part["config"]
    name = str(config.get("name", kind) if isinstance(config, dict) else kind)
    if kind in (SEQUENTIAL, *FUNCTIONAL):
        block = Block(name)
        blocks.append(block)
        return _model(part, inputs[0], to, block.blocks, depth + 1)
    if inputs == (INPUT,):
        note_shape(_shape_of(config), to)
    if kind == "InputLayer":
        return inputs[0]
    kind = layers.ALIASES.get(kind, kind)
    if kind in layers.ONLY_IN_TRAINING:
        kind, config = "Activation", {"name": name, "activation": "linear"}
    if kind not in layers.KINDS:
        raise RefusedError(_unknown(kind, name))
    after = _advanced_activation(config, name)
    if after:
        config = {**config, "activation": "linear"}
    settings = layers.settings(kind, config, name)
    is_first = config.get("data_format", config.get("dim_ordering")) in ("channels_first", "th")
    place = len(to.layers)
    if place >= MOST_LAYERS:
        raise RefusedError(f"It has more than {MOST_LAYERS} layers.")
    unique = f"{name.replace('/', '_')[:60]}.{place}"
    blocks.append(Block(name, kind, place))
    to.layers.append(Layer(kind, unique, settings, inputs, is_channels_first=is_first))
    for extra in after:
        to.layers.append(Layer(extra.kind, f"{unique}.act", extra.settings, (unique,)))
        unique = f"{unique}.act"
    return unique


def _advanced_activation(config: Mapping[str, Any], name: str) -> list[Layer]:
    """A layer's activation where that is itself a layer, such as LeakyReLU."""
    said = config.get("activation")
    if not isinstance(said, dict) or said.get("class_name") not in layers.KINDS:
        return []
    kind = said["class_name"]
    if layers.KINDS[kind].weights:
        return []
    return [Layer(kind, name, layers.settings(kind, said.get("config") or {}, name))]


def _unknown(kind: str, name: str) -> str:
    article = "an" if str(kind).startswith(tuple("AEIOU")) else "a"
    shown = f"Its layer {name[:60]!r} is {article} {str(kind)[:60]}"
    if "Lambda" in str(kind):
        return f"{shown}, which is code, and code in files is never run here. {EXPORT_ONNX}"
    return f"{shown}, which is not among the layers that are rebuilt here. {EXPORT_ONNX}"


def _shape_of(config: Mapping[str, Any]) -> Any:
    """The input shape with its batch that a layer's settings name, in whatever spelling."""
    for key in ("batch_input_shape", "batch_shape"):
        if config.get(key) is not None:
            return config[key]
    if config.get("input_shape") is not None:
        return [None, *config["input_shape"]]
    if config.get("input_dim") is not None and "input_length" not in config:
        return [None, config["input_dim"]]
    return None


def note_shape(said: Any, to: Skeleton) -> None:
    """Keeps the first input shape that is named.

    Raises:
        RefusedError: It is that of no image.
    """
    if to.input_shape is not None or not isinstance(said, list | tuple):
        return
    shape = tuple(said[1:])
    for side in shape:
        whole = side is None or (isinstance(side, int) and 1 <= side <= LARGEST_SIDE_PX**2)
        if not whole or len(shape) > 5:
            raise RefusedError(f"Its input has the shape {str(shape)[:80]}, which is no image's.")
    to.input_shape = shape
