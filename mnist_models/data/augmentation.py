"""Variations of training images, made again for every batch, so that a network learns what a digit
is and not where it stands.

Every function maps uint8 images (N, 28, 28) to uint8 images (N, 28, 28), is deterministic in its
seed, int32 (2,), and runs inside a compiled training step.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from mnist_models.data.dataset import IMAGE_SIZE_PX

SHIFT_PX = 2
# Gentle, since every drawing is centred and scaled before it is read: larger turns and slants make
# a 1 look like a 7, and cost more of real handwriting than they gain.
FULL_SHIFT_PX = 1.5
ROTATION_RAD = np.deg2rad(10)
SCALE_LOG = np.log(1.1)  # each axis between 1/1.1 and 1.1
SHEAR = 0.15  # px sideways for each px down
# Share of the way to one pixel thicker on every side; thinner: 60 % of that, or thin strokes would
# break.
THICKNESS = 0.7
THINNING = 0.6
# Half of the images are drawn with a harder pen: what is at a threshold, of 0 to 255, stays, and
# the rest is up to this many times farther from it. MNIST's strokes have soft edges, which turning
# makes softer; those of a canvas are hard.
HARD_SHARE = 0.5
HARDEST = 4.0
THRESHOLD = (80, 160)


def off(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The images as they are."""
    return images


def shift(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Moved by up to 2 px in each direction."""
    offsets = _uniform(images, seed, 2, SHIFT_PX)
    ones, zeros = tf.ones_like(offsets[0]), tf.zeros_like(offsets[0])
    return _to_uint8(
        _transform(_to_float(images), [ones, zeros, offsets[0], zeros, ones, offsets[1]])
    )


def full(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Moved, turned by up to 10°, scaled by up to 10 % along each axis, slanted, and drawn with a
    thicker, thinner or harder pen."""
    rotation, slant, thickness, scale_x, scale_y, shift_x, shift_y, hard, threshold = _uniform(
        images, seed, 9, 1.0
    )
    cos, sin = tf.cos(rotation * ROTATION_RAD), tf.sin(rotation * ROTATION_RAD)
    zoom_x, zoom_y = tf.exp(scale_x * SCALE_LOG), tf.exp(scale_y * SCALE_LOG)
    shear = slant * SHEAR
    # Rows of the matrix from the output's pixels to the input's: rotation · shear · scale, about
    # the middle of the image.
    a, b = cos * zoom_x, (cos * shear - sin) * zoom_y
    c, d = sin * zoom_x, (sin * shear + cos) * zoom_y
    middle = (IMAGE_SIZE_PX - 1) / 2
    moved_x = middle * (1 - a - b) + shift_x * FULL_SHIFT_PX
    moved_y = middle * (1 - c - d) + shift_y * FULL_SHIFT_PX
    moved = _transform(
        _thicken(_to_float(images), thickness * THICKNESS), [a, b, moved_x, c, d, moved_y]
    )
    return _to_uint8(_harden(moved, hard, threshold))


AUGMENTATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "off": off,
    "shift": shift,
    "full": full,
}


def _uniform(images: tf.Tensor, seed: tf.Tensor, count: int, high: float) -> list[tf.Tensor]:
    """`count` vectors of one random number an image, each from -high to high."""
    return tf.unstack(tf.random.stateless_uniform((count, tf.shape(images)[0]), seed, -high, high))


def _thicken(images: tf.Tensor, amount: tf.Tensor) -> tf.Tensor:
    """Float images (N, 28, 28, 1) blended with their grey dilation (amount > 0) or erosion (amount
    < 0)."""
    amount = amount[:, tf.newaxis, tf.newaxis, tf.newaxis]
    # Erosion is the dilation of the paper; and a square's largest value is that of its rows'
    # largest.
    sign = tf.sign(amount)
    rows = tf.nn.max_pool2d(sign * images, (1, 3), 1, "SAME")
    changed = sign * tf.nn.max_pool2d(rows, (3, 1), 1, "SAME")
    return images + tf.maximum(amount, -THINNING * amount) * (changed - images)


def _harden(images: tf.Tensor, hard: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Float images (N, 28, 28, 1), some of them with harder edges.

    Args:
        hard, threshold: Random numbers from -1 to 1, (N,).
    """
    low, high = THRESHOLD
    level = low + (high - low) * (threshold + 1) / 2
    # Of the numbers from -1 to 1, those above make HARD_SHARE of the images 1 to HARDEST times as
    # hard.
    factor = 1 + (HARDEST - 1) * tf.maximum(hard - (1 - 2 * HARD_SHARE), 0) / (2 * HARD_SHARE)
    level, factor = (values[:, tf.newaxis, tf.newaxis, tf.newaxis] for values in (level, factor))
    return tf.clip_by_value((images - level) * factor + level, 0, 255)


def _transform(images: tf.Tensor, rows: list[tf.Tensor]) -> tf.Tensor:
    """An affine map of each float image (N, 28, 28, 1), bilinear, paper outside."""
    zeros = tf.zeros_like(rows[0])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([*rows, zeros, zeros], axis=1),
        output_shape=(IMAGE_SIZE_PX, IMAGE_SIZE_PX),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def _to_float(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32)[..., tf.newaxis]


def _to_uint8(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(images[..., 0]), tf.uint8)
