"""A network from a file as one that hyperparameters describe, so that it can be saved in other
formats: plain ones can be told so, with the same readings."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mnist_models.data import npz
from mnist_models.imports import archive, reading
from mnist_models.imports.description import Layer
from mnist_models.imports.feeding import COLUMNS, SCALES, Feeding
from mnist_models.imports.reading import Foreign
from mnist_models.imports.refusal import RefusedError
from mnist_models.imports.sequence import LAST, function_of, sequence
from mnist_models.models import folded
from mnist_models.models.folded import BATCH_NORM_EPSILON, WeightsError
from mnist_models.settings import hyperparameters
from mnist_models.settings.hyperparameters import Hyperparameters, HyperparametersError

# What the names of layers that normalise end with.
NORM = "_batch_norm"
NOT_OURS = (
    "Its layers, or the image that it is fed, are not among those that the Train page can choose, "
    "so it cannot be saved in another format."
)


class Ours(NamedTuple):
    """Such a network.

    Attributes:
        hyperparameters: Its layers; the rest are defaults.
        weights: See classifier.pack_weights. They read images whose ink is 0 to 1, whatever the
            network was fed before: how its pixels were scaled is multiplied in.
    """

    hyperparameters: Hyperparameters
    weights: bytes


def told_as_ours(kept: bytes, card: Mapping[str, Any]) -> Ours:
    """The network of an archive.

    Args:
        kept: See archive.packed.
        card: See imported.card_of.

    Raises:
        RefusedError: It is no network of those that hyperparameters describe, or damaged.
    """
    found, feeding = reading.read(*archive.unpacked(kept)), Feeding.in_use(card)
    layout = feeding.layout
    if (
        isinstance(found, Foreign)
        or layout.fit != "whole"
        or layout.transposed
        or layout.channels > 1
        or feeding.scale == COLUMNS
    ):
        raise RefusedError(NOT_OURS)
    description = found.candidates[card["candidate"]]
    told = _Told()
    for layer in sequence(description, card["output"], card["classes"]):
        told.take(layer)
    return told.finished(feeding.scale)


class _Told:
    """What the layers so far come to."""

    def __init__(self) -> None:
        self.convolutions: list[dict[str, int]] = []
        self.units: list[int] = []
        self.functions: set[str] = set()
        # Of each hidden layer, the last one's last: whether it is normalised.
        self.is_normal: list[bool] = []
        self.dropout = 0.0
        self.arrays: dict[str, np.ndarray] = {}
        # What may come next belongs to this layer.
        self.name = ""
        self.is_active = True

    def take(self, layer: Layer) -> None:
        """One more layer.

        Raises:
            RefusedError: It cannot stand there.
        """
        settings = layer.settings
        function = function_of(layer)
        if layer.is_channels_first or self.name == LAST:
            raise RefusedError(NOT_OURS)
        if layer.kind in ("Conv2D", "Dense"):
            if not self.is_active or (layer.kind == "Conv2D" and self.units):
                raise RefusedError(NOT_OURS)
            self._weigh(layer)
        elif layer.kind == "BatchNormalization" and not self.is_active:
            self.is_normal[-1] = True
            self._normalise(layer)
        elif function and not self.is_active:
            self.functions.add(function)
            self.is_active = True
        elif layer.kind == "MaxPooling2D" and self.is_active and self.convolutions:
            size = settings.get("pool_size", (2, 2))
            sizes = {*size, *(settings.get("strides") or size)}
            if len(sizes) > 1 or settings.get("padding", "valid") != "valid":
                raise RefusedError(NOT_OURS)
            if self.units or "pool" in self.convolutions[-1]:
                raise RefusedError(NOT_OURS)
            self.convolutions[-1]["pool"] = sizes.pop()
        elif layer.kind == "Dropout":
            self.dropout = max(self.dropout, settings.get("rate", 0))
        elif layer.kind not in ("Flatten", "Reshape"):
            raise RefusedError(NOT_OURS)

    def _weigh(self, layer: Layer) -> None:
        settings, self.name = layer.settings, layer.name
        if layer.kind == "Conv2D":
            rows, columns, _, filters = layer.arrays[0].shape
            strides = settings.get("strides", (1, 1))
            is_plain = (
                rows == columns
                and len({*strides}) == 1
                and {*settings.get("dilation_rate", (1, 1)), settings.get("groups", 1)} == {1}
                and settings.get("padding", "valid") == "valid"
            )
            if not is_plain:
                raise RefusedError(NOT_OURS)
            self.convolutions.append({"filters": filters, "kernel": rows, "stride": strides[0]})
        elif self.name != LAST:
            self.units.append(layer.arrays[0].shape[1])
        if self.name != LAST:
            self.is_normal.append(False)
            self.is_active = False
        kernel, *bias = layer.arrays
        self.arrays[f"{self.name}/kernel"] = kernel
        self.arrays[f"{self.name}/bias"] = bias[0] if bias else np.zeros(kernel.shape[-1])

    def _normalise(self, layer: Layer) -> None:
        arrays, settings = list(layer.arrays), layer.settings
        ones = np.ones_like(arrays[-1])
        scale = arrays.pop(0) if settings.get("scale", True) else ones
        shift = arrays.pop(0) if settings.get("center", True) else 0 * ones
        mean, variance = arrays
        # It divides by the root of the variance and a small number, which is another one here.
        variance = variance + settings.get("epsilon", BATCH_NORM_EPSILON) - BATCH_NORM_EPSILON
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        for name, array in zip(names, (scale, shift, mean, variance), strict=True):
            self.arrays[f"{self.name}{NORM}/{name}"] = array

    def finished(self, scale: str) -> Ours:
        """The network, which is fed ink from 0 to 1 from now on.

        Raises:
            RefusedError: It has other layers than hyperparameters can have.
        """
        # Only the last hidden layers may be without.
        normal = sum(self.is_normal)
        has_gaps = self.is_normal != sorted(self.is_normal, reverse=True)
        if self.name != LAST or len(self.functions) > 1 or has_gaps:
            raise RefusedError(NOT_OURS)
        values: dict[str, Any] = {
            "network": "cnn" if self.convolutions else "dnn",
            "activation": next(iter(self.functions), "relu"),
            "batch_norm": normal > 0,
            "plain_layers": len(self.is_normal) - normal if normal else 0,
            "dropout": self.dropout,
        }
        if self.convolutions:
            values |= {"conv_layers": self.convolutions, "dense_units": self.units}
        else:
            values |= {"hidden_units": self.units}
        try:
            ours = hyperparameters.validate(values)
            folded.layers(ours, self.arrays)  # a dense layer may see only a row of the image
        except (HyperparametersError, WeightsError) as error:
            raise RefusedError(NOT_OURS) from error
        self._multiply_in(scale)
        whole = {name: np.asarray(array, np.float32) for name, array in self.arrays.items()}
        return Ours(ours, npz.write(whole))

    def _multiply_in(self, scale: str) -> None:
        """Has the first layer be given ink from 0 to 1 instead of what the network was fed."""
        paper, ink = SCALES[scale].apply(np.array([0.0, 255.0]))
        first = next(iter(self.arrays)).partition("/")[0]
        kernel = self.arrays[f"{first}/kernel"].astype(np.float64)
        sums = kernel.reshape(-1, kernel.shape[-1]).sum(axis=0)
        self.arrays[f"{first}/kernel"] = (ink - paper) * kernel
        self.arrays[f"{first}/bias"] = self.arrays[f"{first}/bias"] + paper * sums
