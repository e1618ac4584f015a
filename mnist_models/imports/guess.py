"""What network bare arrays may belong to: their shapes leave few choices, and how well each reads
digits decides among these."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

import numpy as np

from mnist_models.imports.description import INPUT, Description, Layer, check_arrays
from mnist_models.imports.refusal import EXPORT_ONNX, RefusedError

SIDES_PX = (28, 32, 14, 20)
MOST_CANDIDATES = 36
# Of the most likely, so many are also tried as converted from Keras, and so many with averages for
# maxima, as in the first LeNet. They come last, since which candidate a file is, is kept as its
# place in the list.
CONVERTED, AVERAGED = 6, 2
MOST_CONVOLUTIONS = 6
POOLS = (1, 2)
# Of the hidden layers, the most common first; the rest is tried where these read nothing.
ACTIVATIONS = ("relu", "tanh", "sigmoid", "leaky_relu")


class _OddError(ValueError):
    """Arrays that are not those of a chain of convolutions and dense layers."""


class Normal(Enum):
    """Where the batch normalisation of a convolution is: before its activation, after that, or
    after the pool."""

    FIRST, MIDDLE, LAST = range(3)


class Part(NamedTuple):
    """Arrays of one layer, in the order and shapes of Keras.

    Attributes:
        kernel: (rows, columns, channels, filters), or (inputs, units).
        bias: (filters,) or (units,), or None.
        normal: Those of the batch normalisation after it: four, or none.
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    normal: tuple[np.ndarray, ...]

    @property
    def is_convolution(self) -> bool:
        return self.kernel.ndim == 4

    @property
    def width(self) -> int:
        return self.kernel.shape[-1]


def candidates(arrays: Mapping[str, np.ndarray], *, is_pytorch: bool) -> tuple[Description, ...]:
    """The networks that arrays, in the order of the layers, can belong to: the most likely first.

    Raises:
        RefusedError: No chain of convolutions and dense layers for digits has such arrays.
    """
    check_arrays(dict(arrays))
    bare = [array for array in arrays.values() if array.ndim]
    try:
        if not is_pytorch and any(map(_is_theano, bare)):
            # Keras 0 and 1 for Theano: kernels as in PyTorch, dense layers as in Keras. Theano
            # itself turns each kernel around.
            turns = [[_turned(array, flip) for array in bare] for flip in (True, False)]
            found = [one for turned in turns for one in _chains(_parts(turned, False), True)]
        else:
            found = _chains(_parts(bare, is_pytorch), is_pytorch)
            flat = [one for one in found if any(layer.kind == "Flatten" for layer in one.layers)]
            if is_pytorch:
                found += [_varied(one, _converted) for one in flat[:CONVERTED]]
            for activation in ("tanh", "sigmoid", "relu"):
                found += [_varied(one, _averaged(activation)) for one in flat[:AVERAGED]]
    except _OddError:
        found = []
    if not found:
        raise _unlike(arrays)
    return tuple(found)


def _varied(network: Description, change: Callable[[Layer], Layer]) -> Description:
    return replace(network, layers=tuple(map(change, network.layers)))


def _converted(layer: Layer) -> Layer:
    """Flattens with the channels last: what learned in Keras was moved into PyTorch's layers."""
    return replace(layer, is_channels_first=True) if layer.kind == "Flatten" else layer


def _averaged(activation: str) -> Callable[[Layer], Layer]:
    """Pools by the average, with another activation."""

    def change(layer: Layer) -> Layer:
        if layer.kind == "MaxPooling2D":
            return replace(layer, kind="AveragePooling2D")
        if layer.kind == "Activation":
            return replace(layer, settings={"activation": activation})
        return layer

    return change


def _is_theano(array: np.ndarray) -> bool:
    if array.ndim != 4:
        return False
    filters, channels, rows, columns = array.shape
    return rows == columns and filters != channels and rows < filters


def _turned(array: np.ndarray, flip: bool) -> np.ndarray:
    if array.ndim != 4:
        return array
    return (array[:, :, ::-1, ::-1] if flip else array).transpose(2, 3, 1, 0)


def _chains(parts: Sequence[Part], is_first: bool) -> list[Description]:
    """The networks that are a chain of these layers, as far as they can be one."""
    convolutions = [part for part in parts if part.is_convolution]
    dense = parts[len(convolutions) :]
    if not dense or any(part.is_convolution for part in dense):
        raise _OddError
    for before, after in itertools.pairwise(convolutions):
        if after.kernel.shape[2] != before.width:
            raise _OddError
    for before, after in itertools.pairwise(dense):
        if after.kernel.shape[0] != before.width:
            raise _OddError
    if len(convolutions) > MOST_CONVOLUTIONS:
        raise _OddError
    made = _convolutional(convolutions, dense, is_first) if convolutions else _plain(dense)
    return list(itertools.islice(made, MOST_CANDIDATES))


def _unlike(arrays: Mapping[str, np.ndarray]) -> RefusedError:
    shapes = [f"{name} {'×'.join(map(str, array.shape))}" for name, array in arrays.items()]
    return RefusedError(
        f"It holds weights, but no description of the layers, and the {len(shapes)} arrays "
        f"({', '.join(shapes)[:200]}) are not those of a plain chain of convolutions and dense "
        f"layers. {EXPORT_ONNX}"
    )


def _parts(arrays: Sequence[np.ndarray], is_pytorch: bool) -> list[Part]:
    """The layers that arrays in order make up: each kernel begins one."""
    groups: list[tuple[np.ndarray, list[np.ndarray]]] = []
    for array in arrays:
        if array.ndim in (2, 4):
            turned = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            groups.append((turned if is_pytorch else array, []))
        elif array.ndim == 1 and groups:
            groups[-1][1].append(array)
        else:
            raise _OddError
    parts, normals = [], []
    for kernel, rest in groups:
        bias = rest.pop(0) if len(rest) % 4 == 1 else None
        if len(rest) % 4 or (bias is not None and bias.shape != kernel.shape[-1:]):
            raise _OddError
        parts.append(Part(kernel, bias, ()))
        normals += [tuple(rest[place : place + 4]) for place in range(0, len(rest), 4)]
        # Where they come in turn, each belongs to the layer before it, else to the first that fits.
        while normals:
            fits = [
                place
                for place, part in enumerate(parts)
                if not part.normal and normals[0][0].shape == (part.width,)
            ]
            if not fits:
                raise _OddError
            place = fits[-1] if len(rest) == 4 and fits[-1] == len(parts) - 1 else fits[0]
            parts[place] = parts[place]._replace(normal=normals.pop(0))
    return parts


def _plain(dense: Sequence[Part]) -> Iterator[Description]:
    size = dense[0].kernel.shape[0]
    for activation in ACTIVATIONS:
        builder = _Builder(activation, False)
        builder.dense(dense)
        yield builder.described((size,))


def _convolutional(
    convolutions: Sequence[Part], dense: Sequence[Part], is_first: bool
) -> Iterator[Description]:
    """Every way through paddings, strides and pools that ends with as many values as the first
    dense layer takes."""
    channels, values = convolutions[0].kernel.shape[2], dense[0].kernel.shape[0]
    if channels not in (1, 3) or values % convolutions[-1].width:
        return
    area = values // convolutions[-1].width
    ways: list[tuple[int, tuple, bool]] = []
    steps = list(itertools.product((False, True), (1, 2), POOLS))
    for side in SIDES_PX:
        for way in itertools.product(steps, repeat=min(len(convolutions), 4)):
            way = way + (way[-1],) * (len(convolutions) - len(way))
            end = _end(side, way, convolutions)
            if end and end * end == area:
                ways.append((side, way, False))
            elif area == 1 and end:
                ways.append((side, way, True))
    has_normal = any(part.normal for part in convolutions)
    ways.sort(key=lambda one: _unlikeliness(*one))
    orders = tuple(Normal) if has_normal else (Normal.FIRST,)
    for activation in ACTIVATIONS[:2]:
        for (side, way, pooled), normal in itertools.product(ways[: MOST_CANDIDATES // 3], orders):
            builder = _Builder(activation, is_first, normal)
            for part, (padded, stride, pool) in zip(convolutions, way, strict=True):
                builder.convolution(part, padded, stride, pool)
            builder.add("GlobalAveragePooling2D" if pooled else "Flatten")
            builder.dense(dense)
            shape = (channels, side, side) if is_first else (side, side, channels)
            yield builder.described(shape)


def _end(side: int, way: Sequence[tuple[bool, int, int]], parts: Sequence[Part]) -> int:
    """The side of what leaves the last pool; 0 where nothing is left."""
    for part, (padded, stride, pool) in zip(parts, way, strict=True):
        size = part.kernel.shape[0]
        side = (side + 2 * (size // 2) * padded - size) // stride + 1
        side //= pool
        if side < 1:
            return 0
    return side


def _unlikeliness(side: int, way: Sequence[tuple[bool, int, int]], pooled: bool) -> tuple:
    """Sorts ways: usual sizes and no strides first, then those that treat all layers alike."""
    strided = sum(stride > 1 for _, stride, _ in way)
    both = sum(stride > 1 and pool > 1 for _, stride, pool in way)
    kinds = len({padded for padded, _, _ in way}) + len({pool for _, _, pool in way})
    return (SIDES_PX.index(side), both, strided, pooled, kinds)


class _Builder:
    """A chain of layers, built one after the other."""

    def __init__(self, activation: str, is_first: bool, normal: Normal = Normal.FIRST) -> None:
        """Args:
        is_first: Channels come before rows and columns.
        normal: Where batch normalisation is.
        """
        self.activation, self.is_first, self.normal = activation, is_first, normal
        self.layers: list[Layer] = []

    def add(self, kind: str, arrays: Sequence[np.ndarray | None] = (), **settings: object) -> None:
        given = self.layers[-1].name if self.layers else INPUT
        kept = tuple(array for array in arrays if array is not None)
        name = f"{kind.lower()}.{len(self.layers)}"
        # A Flatten that is told so would move the channels, see rebuild.
        is_first = self.is_first and kind != "Flatten"
        self.layers.append(Layer(kind, name, settings, (given,), kept, is_first))

    def convolution(self, part: Part, padded: bool, stride: int, pool: int) -> None:
        rows, columns, _, filters = part.kernel.shape
        if padded and self.is_first:
            self.add("ZeroPadding2D", padding=((rows // 2,) * 2, (columns // 2,) * 2))
        self.add(
            "Conv2D", (part.kernel, part.bias), filters=filters, kernel_size=(rows, columns),
            strides=(stride, stride), use_bias=part.bias is not None,
            padding="same" if padded and not self.is_first else "valid",
        )  # fmt: skip
        self._bend(part)
        if pool > 1:
            self.add("MaxPooling2D", pool_size=(pool, pool))
        if part.normal and self.normal is Normal.LAST:
            self._normal(part)

    def dense(self, parts: Sequence[Part]) -> None:
        for place, part in enumerate(parts):
            self.add(
                "Dense", (part.kernel, part.bias), units=part.width, use_bias=part.bias is not None
            )
            if place < len(parts) - 1:
                self._bend(part)

    def _bend(self, part: Part) -> None:
        if part.normal and self.normal is Normal.FIRST:
            self._normal(part)
        self.add("Activation", activation=self.activation)
        is_next = self.normal is Normal.MIDDLE or not part.is_convolution
        if part.normal and is_next and self.normal is not Normal.FIRST:
            self._normal(part)

    def _normal(self, part: Part) -> None:
        axis = 1 if self.is_first and part.is_convolution else -1
        # PyTorch adds less to the variance than Keras does.
        epsilon = 1e-5 if self.is_first else 1e-3
        self.add("BatchNormalization", part.normal, axis=axis, epsilon=epsilon)

    def described(self, input_shape: tuple[int, ...]) -> Description:
        return Description(input_shape, tuple(self.layers), self.layers[-1].name)
