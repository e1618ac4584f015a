"""A rebuilt network as lessons know networks: a chain of layers from an image to ten scores, whose
softmax are the probabilities of the digits; its activations are layers of their own."""

import math
from collections.abc import Sequence

import keras

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.imports import rebuild
from mnist_models.imports.description import Description
from mnist_models.imports.feeding import COLUMNS, SCALES, Feeding, Layout
from mnist_models.imports.refusal import RefusedError
from mnist_models.imports.sequence import UNUSUAL, sequence

# The sum of a column's squares is 0 only where there is no ink, and then has no root with a slope.
LEAST_SQUARE = 1e-12


def fitted(layout: Layout, images: keras.KerasTensor) -> keras.KerasTensor:
    """As Layout.fitted, inside a compiled function."""
    x = keras.ops.cast(images, "float32")
    if layout.transposed:
        x = keras.ops.transpose(x, (0, 2, 1))
    if layout.fit == "whole":
        return x
    return keras.ops.einsum("ri,nij,cj->nrc", layout.mix, x, layout.mix)


class Scaled(keras.layers.Layer):
    """Images that are laid out already, (N, side, side), 0 to 255, as a network takes them."""

    def __init__(self, feeding: Feeding) -> None:
        """Args:
        feeding: What the network wants.
        """
        super().__init__(name="scale")
        self._feeding = feeding

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        layout, scale = self._feeding.layout, self._feeding.scale
        x = keras.ops.cast(images, "float32")
        if scale == COLUMNS:
            squares = keras.ops.sum(x * x, axis=1, keepdims=True)
            x = x / keras.ops.sqrt(keras.ops.maximum(squares, LEAST_SQUARE))
        else:
            x = SCALES[scale].apply(x)
        if layout.channels > 1:
            x = keras.ops.stack([x] * layout.channels, axis=1 if layout.channels_first else -1)
        return keras.ops.reshape(x, (-1, *layout.shape))


def build(
    description: Description, feeding: Feeding, output: str, classes: Sequence[int]
) -> keras.Sequential:
    """The chain: float32 (N, side, side) in, 0 is paper and 255 is ink, laid out as the network
    takes it; float32 (N, 10) out.

    Args:
        feeding, output, classes: See imported.ImportedReader.

    Raises:
        RefusedError: Its layers branch, or its last one is unusual.
    """
    layers = sequence(description, output, classes)
    inner = rebuild.build(Description(feeding.layout.shape, layers, layers[-1].name))
    side_px = feeding.layout.side_px
    image = keras.Input((side_px, side_px), name="image")
    _, *made = inner.layers  # the first is its input
    if math.prod(side or 0 for side in inner.output_shape[1:]) != CLASS_COUNT:
        raise RefusedError(UNUSUAL)
    if len(inner.output_shape) > 2:
        made.append(keras.layers.Flatten(name="flat"))
    return keras.Sequential([image, Scaled(feeding), *made])
