"""The layers that a network may have here, and how Keras of every age spelled their settings.

A setting that is not listed is not looked at: initializers, regularizers and constraints are of use
only in training, and some of them could name code.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mnist_models.imports.refusal import EXPORT_ONNX, RefusedError

LARGEST = 4096
ACTIVATIONS = frozenset(
    [
        "linear",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "softplus",
        "softsign",
        "tanh",
        "sigmoid",
        "hard_sigmoid",
        "exponential",
        "softmax",
        "log_softmax",
    ]
)
# Those of TensorFlow, such as tf.nn.softmax, have names of their own.
_ACTIVATION_ALIASES = {
    "swish": "silu", None: "linear", "softmax_v2": "softmax", "log_softmax_v2": "log_softmax",
    "identity": "linear", "swish_impl": "silu",
}  # fmt: skip


class SettingError(ValueError):
    """A setting with a value that it cannot have."""


def whole(value: Any) -> int:
    """A size, 1 to 4,096."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise SettingError
    if not 1 <= value <= LARGEST:
        raise SettingError
    return int(value)


def _any_whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST:
        raise SettingError
    return value


def _axis(value: Any) -> int:
    """One axis; some versions keep it in a list."""
    return _any_whole(value[0] if isinstance(value, list) and len(value) == 1 else value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingError
    return float(value)


def _number_or_none(value: Any) -> float | None:
    return None if value is None else _number(value)


def _numbers(value: Any) -> float | list[float]:
    """A number, or one for each channel."""
    return [_number(one) for one in value] if isinstance(value, list) else _number(value)


def _flag(value: Any) -> bool:
    if value not in (True, False):
        raise SettingError
    return bool(value)


def _sizes(value: Any) -> tuple[int, ...]:
    """One size for both directions, or one for each."""
    if isinstance(value, list | tuple):
        if not 1 <= len(value) <= 2:
            raise SettingError
        return tuple(map(whole, value))
    return (whole(value),) * 2


def _length(value: Any) -> tuple[int]:
    """A size in the only direction."""
    return (whole(value[0] if isinstance(value, list | tuple) and len(value) == 1 else value),)


def _length_or_none(value: Any) -> tuple[int] | None:
    return None if value is None else _length(value)


def _sizes_or_none(value: Any) -> tuple[int, ...] | None:
    return None if value is None else _sizes(value)


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= 6:
        raise SettingError
    return tuple(map(_any_whole, value))


def _shape_or_none(value: Any) -> tuple[int, ...] | None:
    return None if value is None else _shape(value)


def _margins(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns around an image: a number, (vertical, horizontal), or ((top, bottom), (left,
    right))."""
    if isinstance(value, int):
        value = [value, value]
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise SettingError
    pairs = [one if isinstance(one, list | tuple) else (one, one) for one in value]
    (top, bottom), (left, right) = ([_any_whole(side) for side in pair] for pair in pairs)
    if min(top, bottom, left, right) < 0:
        raise SettingError
    return (top, bottom), (left, right)


def _padding(value: Any) -> str:
    if value not in ("valid", "same", "causal"):
        raise SettingError
    return value


def _interpolation(value: Any) -> str:
    if value not in ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5"):
        raise SettingError
    return value


def activation(value: Any) -> str:
    """The name of an activation function.

    Raises:
        RefusedError: It is none of Keras's own.
    """
    if isinstance(value, dict) and value.get("class_name") == "function":
        value = value.get("config")
    name = _ACTIVATION_ALIASES.get(value, value) if isinstance(value, str | None) else None
    if name not in ACTIVATIONS:
        shown = value.get("class_name") if isinstance(value, dict) else value
        raise RefusedError(
            f"It uses the activation function {str(shown)[:60]!r}, which is not one of Keras's "
            f"own, so its code would be needed. {EXPORT_ONNX}"
        )
    return name


class Kind(NamedTuple):
    """A class of layers.

    Attributes:
        settings: What shapes its computation, each with what reads and checks its value.
        weights: The names of its arrays, in the order of Keras 3.
    """

    settings: Mapping[str, Callable[[Any], Any]]
    weights: tuple[str, ...] = ()


_BIAS = {"activation": activation, "use_bias": _flag}
_WINDOW = {"strides": _sizes_or_none, "padding": _padding}
_POOL_1D = {"pool_size": _length, "strides": _length_or_none, "padding": _padding}
_CONVOLUTION = {
    "kernel_size": _sizes, "strides": _sizes, "padding": _padding, "dilation_rate": _sizes, **_BIAS,
}  # fmt: skip
_NORMAL = {"axis": _axis, "epsilon": _number, "center": _flag, "scale": _flag}
_RECURRENT = {
    "units": whole, "activation": activation, "use_bias": _flag, "return_sequences": _flag,
    "go_backwards": _flag,
}  # fmt: skip

KINDS: dict[str, Kind] = {
    "Dense": Kind({"units": whole, **_BIAS}, ("kernel", "bias")),
    "Conv2D": Kind(
        {"filters": whole, "groups": whole, **_CONVOLUTION}, ("kernel", "bias")
    ),
    "Conv1D": Kind(
        {
            "filters": whole, "groups": whole, "kernel_size": _length, "strides": _length,
            "padding": _padding, "dilation_rate": _length, **_BIAS,
        },
        ("kernel", "bias"),
    ),
    "DepthwiseConv2D": Kind(
        {"depth_multiplier": whole, **_CONVOLUTION}, ("depthwise_kernel", "bias")
    ),
    "SeparableConv2D": Kind(
        {"filters": whole, "depth_multiplier": whole, **_CONVOLUTION},
        ("depthwise_kernel", "pointwise_kernel", "bias"),
    ),
    "BatchNormalization": Kind(_NORMAL, ("gamma", "beta", "moving_mean", "moving_variance")),
    "LayerNormalization": Kind(_NORMAL, ("gamma", "beta")),
    "MaxPooling2D": Kind({"pool_size": _sizes, **_WINDOW}),
    "AveragePooling2D": Kind({"pool_size": _sizes, **_WINDOW}),
    "MaxPooling1D": Kind(_POOL_1D),
    "AveragePooling1D": Kind(_POOL_1D),
    "GlobalMaxPooling1D": Kind({"keepdims": _flag}),
    "GlobalAveragePooling1D": Kind({"keepdims": _flag}),
    "GlobalMaxPooling2D": Kind({"keepdims": _flag}),
    "GlobalAveragePooling2D": Kind({"keepdims": _flag}),
    "Flatten": Kind({}),
    "Reshape": Kind({"target_shape": _shape}),
    "Permute": Kind({"dims": _shape}),
    "Dropout": Kind({"rate": _number}),
    "Activation": Kind({"activation": activation}),
    "Softmax": Kind({"axis": _axis}),
    "ReLU": Kind(
        {"max_value": _number_or_none, "negative_slope": _number, "threshold": _number}
    ),
    "LeakyReLU": Kind({"negative_slope": _number}),
    "ELU": Kind({"alpha": _number}),
    "PReLU": Kind({"shared_axes": _shape_or_none}, ("alpha",)),
    "Rescaling": Kind({"scale": _numbers, "offset": _numbers}),
    "Normalization": Kind({"axis": _axis}, ("mean", "variance", "count")),
    "Resizing": Kind({"height": whole, "width": whole, "interpolation": _interpolation}),
    "ZeroPadding2D": Kind({"padding": _margins}),
    "Cropping2D": Kind({"cropping": _margins}),
    "UpSampling2D": Kind({"size": _sizes, "interpolation": _interpolation}),
    "Add": Kind({}),
    "Subtract": Kind({}),
    "Multiply": Kind({}),
    "Average": Kind({}),
    "Maximum": Kind({}),
    "Concatenate": Kind({"axis": _axis}),
    "LSTM": Kind(
        {**_RECURRENT, "recurrent_activation": activation}, ("kernel", "recurrent_kernel", "bias")
    ),
    "GRU": Kind(
        {**_RECURRENT, "recurrent_activation": activation, "reset_after": _flag},
        ("kernel", "recurrent_kernel", "bias"),
    ),
    "SimpleRNN": Kind(_RECURRENT, ("kernel", "recurrent_kernel", "bias")),
}  # fmt: skip

ALIASES = {
    "Convolution2D": "Conv2D", "Convolution1D": "Conv1D",
    "MaxPool2D": "MaxPooling2D", "AvgPool2D": "AveragePooling2D",
    "DepthwiseConvolution2D": "DepthwiseConv2D", "SeparableConvolution2D": "SeparableConv2D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D", "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "BatchNormalizationV1": "BatchNormalization", "BatchNormalizationV2": "BatchNormalization",
    "LSTMV2": "LSTM", "GRUV2": "GRU", "CuDNNLSTM": "LSTM",
}  # fmt: skip
# They change images only while a network learns.
ONLY_IN_TRAINING = frozenset(
    [
        "SpatialDropout1D",
        "SpatialDropout2D",
        "GaussianNoise",
        "GaussianDropout",
        "AlphaDropout",
        "ActivityRegularization",
        "RandomRotation",
        "RandomZoom",
        "RandomTranslation",
        "RandomFlip",
        "RandomContrast",
        "RandomBrightness",
        "RandomHeight",
        "RandomWidth",
        "RandomShear",
    ]
)
# Earlier names of settings.
RENAMED = {
    "output_dim": "units", "nb_filter": "filters", "border_mode": "padding", "subsample": "strides",
    "bias": "use_bias", "dim_ordering": "data_format", "p": "rate",
    "inner_activation": "recurrent_activation",
}  # fmt: skip
RENAMED_ALPHA = {"LeakyReLU": "negative_slope"}


def settings(kind: str, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings of a layer, checked, by the names of Keras 3.

    Args:
        kind: One of KINDS.
        config: What the file says.
        name: The layer's, for the sentence.

    Raises:
        RefusedError: One has a value that it cannot have.
    """
    said = {RENAMED.get(key, key): value for key, value in config.items()}
    if "nb_row" in said:
        said["kernel_size"] = [said["nb_row"], said.get("nb_col")]
    if kind in RENAMED_ALPHA and "alpha" in said:
        said[RENAMED_ALPHA[kind]] = said["alpha"]
    found = {}
    for key, read in KINDS[kind].settings.items():
        if key not in said:
            continue
        try:
            found[key] = read(said[key])
        except (ValueError, OverflowError, TypeError, IndexError) as error:
            raise RefusedError(
                f"Its layer {name[:60]!r} ({kind}) has the setting {key} = {str(said[key])[:60]}, "
                "which it cannot have."
            ) from error
    return found
