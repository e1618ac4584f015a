"""The training digits that a network finds most like a drawing: those nearest to it in its last
hidden layer.

There, before the last layer weighs them up into ten logits, a network has turned 784 pixels into
what it has learned to tell digits by. What is near there is alike to this network, whatever its
pixels say.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mnist_models.data.dataset import IMAGE_SIZE_PX

if TYPE_CHECKING:
    import keras

# Images, uint8 (N, 28, 28), to the outputs of the last hidden layer, float32 (N, width).
LastHidden = Callable[[np.ndarray], np.ndarray]

COUNT = 10_000
# At two bytes each, 40 MB. A CNN without a dense layer has up to 86,528 numbers a digit: of its
# digits, fewer are kept.
MOST_NUMBERS = 20_000_000
MAPPED = 2_000
NEAREST = 9
BATCH = 250


def last_hidden(network: keras.Sequential, seen: Callable = lambda images: images) -> LastHidden:
    """A compiled function from images to what a model passes to its last layer, without activations
    after that: the outputs of its last hidden layer, or, where it has none, its flattened feature
    maps.

    Args:
        network, seen: See reader.Reader.
    """
    import tensorflow as tf

    *hidden, _ = _to_logits(network)

    def passed_on(batch: tf.Tensor) -> tf.Tensor:
        passed = seen(batch)
        for layer in hidden:
            passed = layer(passed, training=False)
        return tf.reshape(passed, (tf.shape(batch)[0], -1))

    images = tf.TensorSpec((None, IMAGE_SIZE_PX, IMAGE_SIZE_PX), tf.uint8)
    compiled = tf.function(passed_on, input_signature=[images]).get_concrete_function()
    return lambda images: compiled(tf.constant(images)).numpy()


def _to_logits(network: keras.Sequential) -> list[keras.Layer]:
    """The layers up to the last one with weights."""
    layers = list(network.layers)
    while len(layers) > 1 and not layers[-1].weights:
        layers.pop()
    return layers


@dataclass(frozen=True)
class Known:
    """Digits as the last hidden layer of one network sees them.

    Attributes:
        features: float16 (N, width); the n-th is of the n-th of the digits.
        mean: float32 (width,) and axes: float32 (2, width), the two directions in which the first
            2,000 of them spread most, their first two principal components.
        shares: Of the variance of those, how much lies in either direction, 0 to 1 each.
    """

    features: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    shares: tuple[float, float]

    def nearest(self, features: np.ndarray) -> np.ndarray:
        """Which nine digits are nearest to these features, (width,), by Euclidean distance, the
        nearest first: int (9,)."""
        distances = [
            np.linalg.norm(
                self.features[start : start + BATCH].astype(np.float32) - features, axis=1
            )
            for start in range(0, len(self.features), BATCH)
        ]
        return np.concatenate(distances).argsort(kind="stable")[:NEAREST]

    def on_map(self, features: np.ndarray) -> np.ndarray:
        """Where these features, (N, width), lie on the plane of both axes: float32 (N, 2)."""
        return (features.astype(np.float32) - self.mean) @ self.axes.T


def know(hidden: LastHidden, images: np.ndarray) -> Generator[float, None, Known]:
    """Has a network see images, uint8 (N, 28, 28), as many of them as MOST_NUMBERS allows. A
    generator that yields what share of it is done, see slices.Sliced."""
    width = hidden(images[:1]).shape[1]
    count = min(len(images), MOST_NUMBERS // width)
    features = np.empty((count, width), np.float16)
    for start in range(0, count, BATCH):
        stop = min(start + BATCH, count)
        features[start:stop] = hidden(images[start:stop])
        yield stop / count
    from sklearn.decomposition import PCA  # nearly a second

    with np.errstate(
        invalid="ignore"
    ):  # of a network that sees the same in all digits, there is no variance to share
        pca = PCA(2, random_state=0).fit(features[:MAPPED].astype(np.float32))
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    return Known(features, pca.mean_, pca.components_, (float(shares[0]), float(shares[1])))
