"""A network's description as a sequence of layers under the names that networks here have, from the
image to ten scores, whose softmax are the probabilities of the digits."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.imports.description import INPUT, Description, Layer
from mnist_models.imports.refusal import RefusedError

# Layers with weights, numbered from 1, and the one that makes the scores.
NAMES, LAST = {"Conv2D": "conv", "Dense": "dense"}, "logits"
OUTPUTS = {"softmax", "log_softmax", "Softmax"}
# What does nothing to ten numbers but arrange them.
ARRANGING = {"Flatten", "Reshape", "Dropout"}
UNUSUAL = "What its last layer gives is unusual, so its layers cannot be told apart here."


def sequence(description: Description, output: str, classes: Sequence[int]) -> tuple[Layer, ...]:
    """The layers: activations are layers of their own, and of the classes only the digits are left.

    Args:
        output, classes: See imported.ImportedReader.

    Raises:
        RefusedError: They branch, or the last one is unusual.
    """
    layers = list(_split(_chained(description)))
    _end(layers, output)
    _keep_digits(layers, classes)
    return tuple(_named(layers))


def _chained(description: Description) -> Sequence[Layer]:
    """The layers, each of which is given what the one before it makes.

    Raises:
        RefusedError: They branch.
    """
    layers = description.layers
    before = [INPUT, *(layer.name for layer in layers)]
    if before[-1] != description.output or any(
        layer.inputs != (name,) for name, layer in zip(before, layers, strict=False)
    ):
        raise RefusedError(
            "Its layers branch, and this view follows only networks in which each layer is given "
            "what the one before it makes."
        )
    return layers


def _split(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers with activations of their own, where they have any that do something."""
    for layer in layers:
        function = layer.settings.get("activation", "linear")
        if layer.kind in NAMES and function != "linear":
            yield replace(layer, settings=layer.settings | {"activation": "linear"})
            yield Layer("Activation", "", {"activation": function})
        elif layer.kind != "Activation" or function != "linear":
            yield layer


def function_of(layer: Layer) -> str:
    """The activation function of a layer that is nothing else; "" for other layers."""
    if layer.kind == "Activation":
        return layer.settings["activation"]
    if layer.kind == "ReLU" and not any(layer.settings.values()):
        return "relu"
    return layer.kind if layer.kind in ("ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax") else ""


def _end(layers: list[Layer], output: str) -> None:
    """Has the layers end in scores whose softmax are the probabilities that are read.

    Raises:
        RefusedError: What they end in is no form of probabilities that is known.
    """
    while layers and layers[-1].kind in ARRANGING:
        layers.pop()
    last = function_of(layers[-1]) if layers else ""
    if last in OUTPUTS and output != "logits":
        layers.pop()
    elif last == "sigmoid" and output != "logits":
        layers[-1] = Layer("Activation", "", {"activation": "log_sigmoid"})
    elif output != "logits":
        raise RefusedError(UNUSUAL)


def _keep_digits(layers: list[Layer], classes: Sequence[int]) -> None:
    """Leaves of the last layer with weights the ten classes that are the digits, in their order.

    Raises:
        RefusedError: That is no dense layer.
    """
    if list(classes) == list(range(CLASS_COUNT)) and _width(layers) == CLASS_COUNT:
        return
    place = max((one for one, layer in enumerate(layers) if layer.kind == "Dense"), default=-1)
    if place < 0 or any(not function_of(layer) for layer in layers[place + 1 :]):
        raise RefusedError(UNUSUAL)
    layer = layers[place]
    layers[place] = replace(
        layer,
        settings=layer.settings | {"units": CLASS_COUNT},
        arrays=tuple(array[..., list(classes)] for array in layer.arrays),
    )


def _width(layers: Sequence[Layer]) -> int:
    """How many numbers the last layer with weights makes of an image, or of each of its pixels."""
    return next((layer.arrays[0].shape[-1] for layer in reversed(layers) if layer.arrays), 0)


def _named(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers under the names that lessons know."""
    counts = {kind: itertools.count(1) for kind in NAMES}
    last = max((one for one, layer in enumerate(layers) if layer.kind == "Dense"), default=-1)
    if any(not function_of(layer) for layer in layers[last + 1 :]):
        last = -1
    before, stage = INPUT, ""
    taken: set[str] = set()
    for place, layer in enumerate(layers):
        function = function_of(layer)
        if place == last:
            name = stage = LAST
        elif layer.kind in NAMES:
            name = stage = f"{NAMES[layer.kind]}_{next(counts[layer.kind])}"
        elif function:
            name = f"{stage or place}_{function}"
        else:
            name = f"{layer.kind}_{place}"
        if name in taken:  # a second activation after one layer
            name = f"{name}_{place}"
        taken.add(name)
        yield replace(layer, name=name, inputs=(before,))
        before = name
