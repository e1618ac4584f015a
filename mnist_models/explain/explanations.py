"""Why a network reads what it reads: what counted in a digit, and which small change makes it read
another.

Everything is measured in the odds of the digit that is read: how many times as probable it is as
all others together, as a power of ten. A probability near 100 % hardly moves whatever is covered,
its odds do; and unlike a single logit, which means something only beside the other nine, they stand
for themselves.

What takes many predictions is a generator that yields what share of it is done and returns what was
found, see slices.Sliced.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.probabilities import SAME, digits_of
from mnist_models.data.segments import squared_distance
from mnist_models.models.predictions import Read

if TYPE_CHECKING:
    import keras

# Images of any grey, float32 (N, 28, 28) of 0 to 255, and a digit, to its odds as powers of ten,
# float32 (N,), and how much these rise with each pixel, float32 (N, 28, 28).
Gradient = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]

INK = 255
BATCH = 250
# Softmax in float32 rounds the improbable to 0, whose logarithm there is not.
SMALLEST = 1e-30
SIDES_PX = (3, 5, 7)
STEPS, STEPS_AT_ONCE = 128, 32
# Where strokes begin and end, down and across: over all of the 20 pixels that digits fill.
GRID_PX = range(3, 25, 3)
MOST_PIXELS = 20
PIXELS_TRIED = 32


class Tool(NamedTuple):
    """What changes a digit.

    Attributes:
        width_px: Of its stroke.
        changed: What it makes of an image, uint8 (28, 28), where its strokes, uint8 (N, 28, 28),
            go.
    """

    width_px: int
    changed: Callable[[np.ndarray, np.ndarray], np.ndarray]


# A pen as wide as MNIST's, and a rubber that takes away its whole stroke.
TOOLS = {
    "pen": Tool(2, np.maximum),
    "rubber": Tool(4, lambda image, stroke: np.minimum(image, INK - stroke)),
}


def log_odds(probabilities: np.ndarray, digit: int) -> np.ndarray:
    """The odds of a digit as powers of ten, float64 (N,).

    Args:
        probabilities: floats (N, 10).
    """
    probabilities = probabilities.astype(np.float64)
    others = np.delete(probabilities, digit, axis=1).sum(axis=1)
    return np.log10(np.maximum(probabilities[:, digit], SMALLEST)) - np.log10(
        np.maximum(others, SMALLEST)
    )


def gradient_of(network: keras.Model, seen: Callable = lambda images: images) -> Gradient:
    """A compiled function to the odds of a digit and their gradient.

    Args:
        network, seen: See reader.Reader.
    """
    import keras
    import tensorflow as tf

    # The same layers behind another input: of whole numbers there is no gradient.
    shape = (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    given = keras.Input(network.input_shape[1:], dtype="float32")
    soft = keras.Sequential([given, *network.layers])

    def odds_and_slopes(images: tf.Tensor, digit: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = soft(seen(images), training=False)
            is_other = tf.range(tf.shape(logits)[1]) != digit
            others = tf.reduce_logsumexp(tf.boolean_mask(logits, is_other, axis=1), axis=1)
            odds = (tf.gather(logits, digit, axis=1) - others) / math.log(10)
        return odds, tape.gradient(odds, images)

    signature = [tf.TensorSpec((None, *shape), tf.float32), tf.TensorSpec((), tf.int32)]
    compiled = tf.function(odds_and_slopes, input_signature=signature).get_concrete_function()

    def gradient(images: np.ndarray, digit: int) -> tuple[np.ndarray, np.ndarray]:
        odds, slopes = compiled(tf.constant(images, tf.float32), tf.constant(digit, tf.int32))
        return odds.numpy(), slopes.numpy()

    return gradient


def covered(image: np.ndarray, side_px: int, ink: int) -> np.ndarray:
    """The image, uint8 (28, 28), with a square of this grey around each of its pixels: uint8 (784,
    28, 28), row by row.

    Args:
        side_px: Odd.
        ink: 0 covers with paper, 255 with ink. At the edge, what lies outside of the square's 28×28
            is cut off.
    """
    pixels = np.arange(IMAGE_SIZE_PX)
    near = np.abs(pixels[:, np.newaxis] - pixels) <= side_px // 2
    squares = near[:, np.newaxis, :, np.newaxis] & near[np.newaxis, :, np.newaxis, :]
    return np.where(squares, np.uint8(ink), image).reshape(-1, *image.shape)


class Occlusion(NamedTuple):
    """What each cover does.

    Attributes:
        falls: float64 (28, 28), by how many powers of ten the odds of the digit fall while the
            square around this pixel is covered; below 0 where they rise.
        probabilities: float32 (784, 10), what is read then.
    """

    falls: np.ndarray
    probabilities: np.ndarray


def occlusion(
    read: Read, image: np.ndarray, side_px: int, ink: int
) -> Generator[float, None, Occlusion]:
    """How much the prediction for an image, uint8 (28, 28), depends on each of its parts: each is
    covered in turn.

    M. Zeiler and R. Fergus 2014, https://arxiv.org/abs/1311.2901, there with a grey square.

    Args:
        side_px, ink: See `covered`.
    """
    before = read(image[np.newaxis])
    images = covered(image, side_px, ink)
    probabilities = np.repeat(before, len(images), axis=0)
    # Paper on paper changes nothing: there is nothing to read.
    changed = np.flatnonzero((images != image).any(axis=(1, 2)))
    for start in range(0, len(changed), BATCH):
        some = changed[start : start + BATCH]
        probabilities[some] = read(images[some])
        yield (start + len(some)) / len(changed)
    digit = int(digits_of(before)[0])
    falls = log_odds(before, digit) - log_odds(probabilities, digit)
    falls[np.abs(falls) < SAME] = 0
    return Occlusion(falls.reshape(image.shape), probabilities)


class Attribution(NamedTuple):
    """What each pixel counted.

    Attributes:
        counted: float64 (28, 28), by how many powers of ten its ink raises the odds; below 0 where
            it lowers them.
        blank, whole: The odds of the digit on blank paper and in the image, as powers of ten; the
            pixels sum to about their difference.
    """

    counted: np.ndarray
    blank: float
    whole: float


def integrated_gradients(
    gradient: Gradient, image: np.ndarray, digit: int
) -> Generator[float, None, Attribution]:
    """What each pixel of an image, uint8 (28, 28), counted for a digit: its gradient, on the way
    from blank paper to the image.

    M. Sundararajan, A. Taly and Q. Yan 2017, https://arxiv.org/abs/1703.01365. The integral is a
    sum over the middles of 128 equal steps.
    """
    total = np.zeros(image.shape)
    middles = (np.arange(STEPS, dtype=np.float32) + 0.5) / STEPS
    for done in range(0, STEPS, STEPS_AT_ONCE):
        _, slopes = gradient(
            middles[done : done + STEPS_AT_ONCE, np.newaxis, np.newaxis] * image, digit
        )
        total += slopes.sum(axis=0)
        yield (done + STEPS_AT_ONCE) / STEPS
    (blank, whole), _ = gradient(np.stack([np.zeros_like(image), image]), digit)
    return Attribution(total / STEPS * image, float(blank), float(whole))


class Counterfactual(NamedTuple):
    """A search for a small change that makes a network read another digit.

    Attributes:
        image: uint8 (28, 28), the changed digit, and probabilities: float32 (10,), what is read in
            it; both None where no change did it.
        tried: How many changes were read until then.
        among: How many there were to be tried.
    """

    image: np.ndarray | None
    probabilities: np.ndarray | None
    tried: int
    among: int


@functools.cache
def strokes(width_px: int) -> np.ndarray:
    """Every straight stroke between two points of a grid, and a dot at each of them: the ink of a
    pen so wide, with a soft edge, uint8 (2080, 28, 28)."""
    points = np.array(list(itertools.product(GRID_PX, GRID_PX)), np.float32)
    # (2080, start or end, row and column), turned into x and y.
    pairs = np.array(list(itertools.combinations_with_replacement(points, 2)))[..., ::-1]
    away = np.sqrt(squared_distance(tuple(pairs[:, 0].T), tuple(pairs[:, 1].T)))
    ink = (width_px / 2 + 0.5 - away).clip(0, 1)
    return (ink * INK).round().astype(np.uint8)


def ink_changed_px(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """How much ink was added and taken away, in pixels full of it: floats (...).

    Args:
        before, after: uint8 (..., 28, 28).
    """
    return np.abs(after.astype(np.int16) - before).sum(axis=(-2, -1)) / INK


def smallest_stroke(
    read: Read, image: np.ndarray, tool: str
) -> Generator[float, None, Counterfactual]:
    """Of all `strokes`, the one that changes the least ink of those that make a network read
    another digit in an image, uint8 (28, 28).

    Args:
        tool: One of TOOLS. Tried from the smallest change on, so that the first to be found is the
            smallest there is.
    """
    images = TOOLS[tool].changed(image, strokes(TOOLS[tool].width_px))
    changed_px = ink_changed_px(image, images)
    order = np.argsort(changed_px, kind="stable")
    order = order[changed_px[order] > 0]
    (digit,) = digits_of(read(image[np.newaxis]))
    for start in range(0, len(order), BATCH):
        some = order[start : start + BATCH]
        probabilities = read(images[some])
        flipped = np.flatnonzero(digits_of(probabilities) != digit)
        if len(flipped):
            first = flipped[0]
            return Counterfactual(
                images[some[first]], probabilities[first], start + int(first) + 1, len(order)
            )
        yield (start + len(some)) / len(order)
    return Counterfactual(None, None, len(order), len(order))


def few_pixels(
    read: Read, gradient: Gradient, image: np.ndarray
) -> Generator[float, None, Counterfactual]:
    """Pixels of an image, uint8 (28, 28), which, made ink or paper, have a network read another
    digit: at most 20.

    Greedy: one after the other, each time the one that lowers the odds most of the 32 of which the
    gradient promises most. So fewer might do. After N. Papernot et al. 2016,
    https://arxiv.org/abs/1511.07528.
    """
    digit, among = int(digits_of(read(image[np.newaxis]))[0]), MOST_PIXELS * PIXELS_TRIED
    for count in range(1, MOST_PIXELS + 1):
        _, (slopes,) = gradient(image[np.newaxis], digit)
        wanted = np.where(slopes < 0, INK, 0)
        promised = slopes * (wanted - image)
        places = np.unravel_index(promised.argsort(axis=None)[:PIXELS_TRIED], image.shape)
        images = np.repeat(image[np.newaxis], PIXELS_TRIED, axis=0)
        images[(np.arange(PIXELS_TRIED), *places)] = wanted[places]
        probabilities = read(images)
        best = log_odds(probabilities, digit).argmin()
        image = images[best]
        if digits_of(probabilities[best]) != digit:
            return Counterfactual(image, probabilities[best], count * PIXELS_TRIED, among)
        yield count / MOST_PIXELS
    return Counterfactual(None, None, among, among)
