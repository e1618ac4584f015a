"""A Keras model made anew from a description: known layers and arrays, and nothing else of the
file."""

import math
from collections.abc import Sequence

import keras
import numpy as np

from mnist_models.imports.description import INPUT, Description, Layer
from mnist_models.imports.refusal import DAMAGED, RefusedError

# Numbers that one image may become on its way: enough for 64 filters on 112×112 pixels.
MOST_VALUES = 2_000_000
# Layers that treat each value, or each channel, alike: the channels may stand first or last.
ANY_ORDER = frozenset(
    [
        "Dropout",
        "Activation",
        "ReLU",
        "LeakyReLU",
        "ELU",
        "Add",
        "Subtract",
        "Multiply",
        "Average",
        "Maximum",
        "Rescaling",
    ]
)
CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
IMAGE_LAYERS = frozenset(
    [
        "Conv2D",
        "DepthwiseConv2D",
        "SeparableConv2D",
        "MaxPooling2D",
        "AveragePooling2D",
        "GlobalMaxPooling2D",
        "GlobalAveragePooling2D",
        "ZeroPadding2D",
        "Cropping2D",
        "UpSampling2D",
        "Resizing",
    ]
)


def build(description: Description) -> keras.Model:
    """The network as a Keras model: float32 images of its input shape in, what it says out.

    Layers that take (channels, rows, columns) are built for (rows, columns, channels), since
    TensorFlow computes no others on most machines; the order is changed where it matters.

    Raises:
        RefusedError: The arrays do not fit the layers, or the layers one another.
    """
    image = keras.Input(description.input_shape, name=INPUT)
    tensors, is_first = {INPUT: image}, {INPUT: False}
    built: list[tuple[keras.Layer, Layer]] = []
    for layer in description.layers:
        given = [tensors[name] for name in layer.inputs]
        firsts = [is_first[name] for name in layer.inputs]
        try:
            first = _agree(layer, given, firsts)
            _check_shapes(layer, given)
            made = _layer(layer, first)
            output = made(given if len(given) > 1 else given[0])
        except RefusedError:
            raise
        except Exception as error:  # Keras raises nearly everything for layers that do not fit
            raise RefusedError(
                f"Its layer {_shown(layer)} does not fit what comes before it. {DAMAGED}"
            ) from error
        _check_size(layer, output)
        tensors[layer.name], is_first[layer.name] = output, first
        built.append((made, layer))
    end = tensors[description.output]
    if is_first[description.output] and len(end.shape) == 4:
        end = _moved(end)
    model = keras.Model(image, end)
    for made, layer in built:
        if layer.arrays:
            _fill(made, layer)
    return model


def _agree(layer: Layer, given: list[keras.KerasTensor], firsts: list[bool]) -> bool:
    """Brings what a layer is given into the order that it is built for; changes `given`.

    Returns:
        Whether the file means the channels first where they are last here.
    """
    if layer.kind in IMAGE_LAYERS or layer.kind == "BatchNormalization":
        wants_first = layer.is_channels_first
        if layer.kind == "BatchNormalization" and len(given[0].shape) == 4:
            wants_first = layer.settings.get("axis") == 1
        if wants_first and not firsts[0] and len(given[0].shape) == 4:
            given[0] = keras.layers.Permute((2, 3, 1))(given[0])
            return True
        if not wants_first and firsts[0] and layer.kind in IMAGE_LAYERS:
            given[0] = _moved(given[0])
            return False
        return firsts[0] and "Global" not in layer.kind
    if layer.kind in ANY_ORDER and len(set(firsts)) == 1:
        return firsts[0]
    if layer.kind == "Flatten" and layer.is_channels_first:
        # Told that the channels are first, Keras moves them behind the rest before it flattens.
        rank = len(given[0].shape)
        if not firsts[0] and rank > 2:
            given[0] = keras.layers.Permute((*range(2, rank), 1))(given[0])
        return False
    given[:] = [
        _moved(one) if first and len(one.shape) == 4 else one
        for one, first in zip(given, firsts, strict=True)
    ]
    return False


def _moved(tensor: keras.KerasTensor) -> keras.KerasTensor:
    """(rows, columns, channels) as (channels, rows, columns)."""
    return keras.layers.Permute((3, 1, 2))(tensor)


def _layer(layer: Layer, is_first: bool) -> keras.Layer:
    """The layer of Keras, without weights."""
    settings = dict(layer.settings)
    if layer.kind == "BatchNormalization" and is_first:
        settings["axis"] = -1
    if layer.kind in CONVOLUTIONS:
        settings["kernel_size"] = _kernel_size(layer)
    if layer.kind in IMAGE_LAYERS:
        settings["data_format"] = "channels_last"
    return getattr(keras.layers, layer.kind)(
        name="".join(c if c.isalnum() or c in "_-" else "_" for c in layer.name), **settings
    )


def _check_shapes(layer: Layer, given: Sequence[keras.KerasTensor]) -> None:
    """Compares a layer's arrays with what its settings and input ask for, before Keras makes room
    for that.

    Raises:
        RefusedError: They differ.
    """
    wanted = expected_shapes(layer, tuple(given[0].shape[1:]))
    found = [array.shape for array in layer.arrays]
    if wanted != found:
        raise RefusedError(
            f"The arrays of its layer {_shown(layer)} do not fit: expected {_listed(wanted)}, "
            f"found {_listed(found)}. The weights belong to another network."
        )


def expected_shapes(layer: Layer, shape: tuple[int | None, ...]) -> list[tuple]:
    """The shapes of the arrays of a layer that is given this, without the batch."""
    settings, last = layer.settings, shape[-1] if shape else None
    bias = settings.get("use_bias", True)
    match layer.kind:
        case "Dense":
            units = settings["units"]
            return [(last, units), *([(units,)] if bias else [])]
        case "Conv2D":
            filters, size = settings["filters"], _kernel_size(layer)
            kernel = (*size, (last or 0) // settings.get("groups", 1), filters)
            return [kernel, *([(filters,)] if bias else [])]
        case "Conv1D":
            filters = settings["filters"]
            kernel = (*settings["kernel_size"], (last or 0) // settings.get("groups", 1), filters)
            return [kernel, *([(filters,)] if bias else [])]
        case "DepthwiseConv2D":
            many = settings.get("depth_multiplier", 1)
            kernel = (*_kernel_size(layer), last, many)
            return [kernel, *([((last or 0) * many,)] if bias else [])]
        case "SeparableConv2D":
            many, filters = settings.get("depth_multiplier", 1), settings["filters"]
            kernels = [
                (*_kernel_size(layer), last, many), (1, 1, (last or 0) * many, filters),
            ]  # fmt: skip
            return [*kernels, *([(filters,)] if bias else [])]
        case "BatchNormalization" | "LayerNormalization":
            axis = settings.get("axis", -1)
            is_image_first = layer.kind == "BatchNormalization" and len(shape) == 3 and axis == 1
            axis_size = (
                last if axis == -1 or is_image_first else shape[axis - 1 if axis > 0 else axis]
            )
            learned = settings.get("scale", True) + settings.get("center", True)
            return [(axis_size,)] * (learned + 2 * (layer.kind == "BatchNormalization"))
        case "PReLU":
            shared = settings.get("shared_axes") or ()
            return [tuple(1 if place + 1 in shared else s for place, s in enumerate(shape))]
        case "Normalization":
            return [array.shape for array in layer.arrays]
        case "LSTM" | "GRU" | "SimpleRNN":
            units = settings["units"]
            wide = units * {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[layer.kind]
            biases = (
                (2, wide) if layer.kind == "GRU" and settings.get("reset_after", True) else (wide,)
            )
            return [(last, wide), (units, wide), *([biases] if bias else [])]
    return []


def _kernel_size(layer: Layer) -> tuple[int, ...]:
    return layer.settings.get("kernel_size") or layer.arrays[0].shape[:2]


def _check_size(layer: Layer, output: keras.KerasTensor) -> None:
    if math.prod(side or 64 for side in output.shape[1:]) > MOST_VALUES:
        raise RefusedError(
            f"Its layer {_shown(layer)} would make {str(tuple(output.shape[1:]))[:80]} values of "
            "one image, more than a network for digits needs."
        )


def _fill(made: keras.Layer, layer: Layer) -> None:
    """Gives a layer its arrays."""
    try:
        if layer.kind == "Normalization":  # it computes with copies of its weights
            mean, variance = layer.arrays[:2]
            made.adapt_mean.assign(np.reshape(mean, made.adapt_mean.shape))
            made.adapt_variance.assign(np.reshape(variance, made.adapt_variance.shape))
            made.finalize_state()
        else:
            made.set_weights([np.ascontiguousarray(array, np.float32) for array in layer.arrays])
    except Exception as error:
        raise RefusedError(
            f"The arrays of its layer {_shown(layer)} do not fit. {DAMAGED}"
        ) from error


def _shown(layer: Layer) -> str:
    return f"{layer.name.rsplit('.', 1)[0][:60]!r} ({layer.kind})"


def _listed(shapes: Sequence[tuple]) -> str:
    return ", ".join("×".join(map(str, shape)) or "one number" for shape in shapes) or "none"
