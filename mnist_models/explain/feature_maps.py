"""Feature maps: what of the image one pixel sees, how its value comes about, and which digits
activate a filter most.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np

from mnist_models.explain.activations import (
    Activations,
    Inspector,
    Normalisation,
    Peaks,
    Stage,
    normalisation,
    window_of,
)
from mnist_models.explain.slices import Sliced


class Field(NamedTuple):
    """A square of the image, or of the zeros around it.

    Attributes:
        top, left: Of its first pixel.
        side: In pixels.
    """

    top: int
    left: int
    side: int

    def of(self, image: np.ndarray) -> np.ndarray:
        """The part of an image (side, side), or of maps (side, side, channels), that is in it."""
        return _cut(image, self.top, self.left, self.side)


def _cut(maps: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """A square of an image or of maps, (rows, columns, ...), with zeros where it is beyond them."""
    rest = maps.shape[2:]
    part = np.zeros((side, side, *rest), maps.dtype)
    rows, columns = (
        np.arange(max(start, 0), min(start + side, end))
        for start, end in zip((top, left), maps.shape, strict=False)
    )
    part[np.ix_(rows - top, columns - left)] = maps[np.ix_(rows, columns)]
    return part


def receptive_field(network: keras.Sequential, stage: Stage, row: int, column: int) -> Field:
    """What of the image one pixel can see in the feature maps, not yet pooled, of one of an
    Inspector's convolutions.

    Back through each layer as A. Araujo et al. 2019 do
    (https://distill.pub/2019/computing-receptive-fields/).
    """
    top, left, side = row, column, 1
    names = [layer.name for layer in network.layers]
    for layer in reversed(network.layers[: names.index(stage.name) + 1]):
        if window := window_of(layer):
            above, before = window.margins
            top = top * window.stride - above
            left = left * window.stride - before
            side = (side - 1) * window.stride + window.side
    return Field(top, left, side)


def strongest(
    feature_map: np.ndarray, row: int | None = None, column: int | None = None
) -> tuple[int, int]:
    """Row and column of the highest pixel of a feature map (side, side); of those in one row or
    column, where it is given."""
    rows = range(len(feature_map)) if row is None else [row]
    columns = range(len(feature_map)) if column is None else [column]
    part = feature_map[np.ix_(rows, columns)]
    place = np.unravel_index(part.argmax(), part.shape)
    return rows[place[0]], columns[place[1]]


@dataclass(frozen=True)
class Arithmetic:
    """How one pixel of a feature map comes about.

    Attributes:
        patch: What the filter sees there of the image or of the maps before, float32 (kernel,
            kernel, channels).
        kernel: Its weights, of the same shape.
        bias: Is added.
        normalisation: None where there is none.
        value: What the network itself makes of all that, activation included.
    """

    patch: np.ndarray
    kernel: np.ndarray
    bias: float
    normalisation: Normalisation | None
    value: float

    @property
    def products(self) -> np.ndarray:
        """Patch times kernel, number by number, float32 (kernel, kernel, channels)."""
        return self.patch * self.kernel

    @property
    def by_channel(self) -> np.ndarray:
        """What each of the maps before adds, float32 (channels,)."""
        return self.products.sum(axis=(0, 1))

    @property
    def total(self) -> float:
        """All products and the bias."""
        return float(self.products.sum()) + self.bias

    @property
    def summed(self) -> float:
        """What goes into the activation."""
        return self.normalisation.of(self.total) if self.normalisation else self.total


def arithmetic(
    stage: Stage, activations: Activations, filter_index: int, row: int, column: int
) -> Arithmetic:
    """How one pixel of a convolution's feature map, not yet pooled, comes about."""
    window = window_of(stage.weights)
    assert window  # every convolution has one
    above, before = window.margins
    patch = _cut(
        activations.outputs[stage.before.name],
        row * window.stride - above,
        column * window.stride - before,
        window.side,
    )
    bias, step = stage.weights.bias, stage.weights.dilation_rate[0]
    normal = normalisation(stage.norm) if stage.norm else None
    return Arithmetic(
        patch=patch[::step, ::step],
        kernel=stage.weights.kernel.numpy()[..., filter_index],
        bias=0.0 if bias is None else float(bias.numpy()[filter_index]),
        normalisation=normal and Normalisation(*(one[filter_index] for one in normal)),
        value=float(activations.outputs[stage.output][row, column, filter_index]),
    )


def pooled(
    stage: Stage, activations: Activations, filter_index: int, row: int, column: int
) -> float | None:
    """What max-pooling keeps of the square that a pixel is in; None where the pixel is beyond the
    last whole square."""
    assert stage.pool
    size, maps = stage.pool.pool_size[0], activations.outputs[stage.pool.name]
    row, column = row // size, column // size
    return float(maps[row, column, filter_index]) if max(row, column) < len(maps) else None


@dataclass(frozen=True)
class ActivatingImage:
    """An image that activates a filter.

    Attributes:
        index: Which one.
        value: Its highest.
        row, column: Where, in the feature map.
    """

    index: int
    value: float
    row: int
    column: int


class Search(Sliced[None]):
    """The search for the images that activate each filter most: work in slices whose findings so
    far can be asked for at any moment, by any number of threads."""

    def __init__(self, inspector: Inspector, images: np.ndarray, batch_size: int = 50) -> None:
        """Prepares the search; nothing is computed yet.

        Args:
            images: uint8 (N, 28, 28).
        """
        super().__init__(self._look_through)
        self.inspector, self.batch_size = inspector, batch_size
        self.images = inspector.given(images)
        self._found: list[dict[str, Peaks]] = []

    @property
    def seen(self) -> int:
        """The number of images searched so far."""
        return min(len(self._found) * self.batch_size, len(self.images))

    def _look_through(self) -> Generator[float, None, None]:
        self._found = []
        while self.seen < len(self.images):
            batch = self.images[self.seen : self.seen + self.batch_size]
            self._found.append(self.inspector.peaks(batch))
            yield self.seen / len(self.images)

    def most_activating(self, stage: Stage, filter_index: int, count: int) -> list[ActivatingImage]:
        """The images that activate a filter most, of those seen so far, the highest first."""
        found = [peaks[stage.name] for peaks in self._found]
        if not found:
            return []
        values = np.concatenate([peaks.values[:, filter_index] for peaks in found])
        places = np.concatenate([peaks.places[:, filter_index] for peaks in found])
        side = stage.weights.output.shape[2]
        return [
            ActivatingImage(
                int(index), float(values[index]), *map(int, divmod(places[index], side))
            )
            for index in np.argsort(-values, kind="stable")[:count]
        ]
