"""Ways to make a digit harder to read, each by an amount on a scale, from harmless to hopeless."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.ink import INK
from mnist_models.data.preprocessing import CENTER_PX


@dataclass(frozen=True)
class Corruption:
    """A way to distort a digit, in steps.

    Attributes:
        title, unit: For people.
        help: What it does, a sentence.
        amounts: Those that can be chosen, in their order.
        harmless: The one that leaves a digit as it is.
        apply: uint8 images (N, 28, 28) and an amount in, the same shape and type out; always the
            same for the same images.
    """

    title: str
    unit: str
    help: str
    amounts: tuple[float, ...]
    harmless: float
    apply: Callable[[np.ndarray, float], np.ndarray]

    def along(self, image: np.ndarray) -> np.ndarray:
        """One image, uint8 (28, 28), by each of the amounts: uint8 (len(amounts), 28, 28)."""
        return np.concatenate([self.apply(image[np.newaxis], amount) for amount in self.amounts])


def turn(images: np.ndarray, degrees: float) -> np.ndarray:
    """Turned clockwise about the middle, where the centre of mass of a prepared digit is."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return _affine(images, np.array([[cos, -sin], [sin, cos]]))


def scale(images: np.ndarray, percent: float) -> np.ndarray:
    """Larger or smaller, about the middle. What leaves the 28×28 pixels is lost."""
    return _affine(images, np.eye(2) * 100 / percent)


def shear(images: np.ndarray, slant: float) -> np.ndarray:
    """Slanted: each row moved to the right by `slant` px for each px that it is above the
    middle."""
    return _affine(images, np.array([[1, 0], [slant, 1]]))


def thicken(images: np.ndarray, grow_px: float) -> np.ndarray:
    """Strokes made wider on every side, by a square's largest value."""
    return _between(images, grow_px, ndimage.maximum_filter)


def thin(images: np.ndarray, shrink_px: float) -> np.ndarray:
    """Strokes made narrower on every side, by a square's smallest value."""
    return _between(images, shrink_px, ndimage.minimum_filter)


def blur(images: np.ndarray, sigma_px: float) -> np.ndarray:
    """Out of focus: averaged with a Gaussian of this standard deviation."""
    return _to_uint8(
        ndimage.gaussian_filter(images.astype(np.float32), (0, sigma_px, sigma_px), mode="constant")
    )


def add_noise(images: np.ndarray, percent: float) -> np.ndarray:
    """Normal noise on each pixel, its standard deviation in percent of full ink; the same noise,
    more and more of it."""
    noise = np.random.default_rng(0).standard_normal(images.shape, np.float32)
    return _to_uint8(images + noise * (INK * percent / 100))


def cover(images: np.ndarray, rows: float) -> np.ndarray:
    """Covered with paper from the top, this many rows of it."""
    covered = images.copy()
    covered[:, : round(rows)] = 0
    return covered


def invert(images: np.ndarray, percent: float) -> np.ndarray:
    """Mixed with its negative, ink where there was paper; half of each is an even grey."""
    images = images.astype(np.float32)
    return _to_uint8(images + (INK - 2 * images) * (percent / 100))


def _affine(images: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rows and columns of the output, counted from the middle, times `matrix` (2, 2) are those of
    the input; bilinear."""
    whole = np.eye(3)
    whole[1:, 1:] = matrix
    middle = np.array([0, CENTER_PX, CENTER_PX])
    return _to_uint8(
        ndimage.affine_transform(images.astype(np.float32), whole, middle - whole @ middle, order=1)
    )


def _between(images: np.ndarray, amount_px: float, filtered: Callable) -> np.ndarray:
    """Filtered with squares that reach so far; between two whole pixels, a mixture of both."""
    whole, rest = divmod(amount_px, 1)
    less, more = (
        filtered(images, (1, side, side), mode="constant")
        for side in (2 * int(whole) + 1, 2 * int(whole) + 3)
    )
    return _to_uint8((1 - rest) * less + rest * more)


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, INK).astype(np.uint8)


def _steps(low: float, high: float, step: float) -> tuple[float, ...]:
    """Both ends included; whole numbers where the step is one."""
    kind = int if isinstance(step, int) else float
    return tuple(
        kind(round(low + place * step, 3)) for place in range(round((high - low) / step) + 1)
    )


CORRUPTIONS = {
    "turn": Corruption(
        "Rotation", "°", "Rotates the digit about its centre.", _steps(-180, 180, 10), 0, turn
    ),
    "scale": Corruption(
        "Scale", "%", "Makes the digit smaller or larger.", _steps(20, 200, 10), 100, scale
    ),
    "shear": Corruption(
        "Shear",
        "",
        "Slants the digit to either side: 1 is an angle of 45°.",
        _steps(-1.5, 1.5, 0.1),
        0.0,
        shear,
    ),
    "thicken": Corruption(
        "Thicker strokes",
        "px on each side",
        "Widens the strokes.",
        _steps(0, 5, 0.25),
        0.0,
        thicken,
    ),
    "thin": Corruption(
        "Thinner strokes", "px on each side", "Narrows the strokes.", _steps(0, 3, 0.125), 0.0, thin
    ),
    "blur": Corruption(
        "Blur",
        "px",
        "Blurs the digit, by a Gaussian of this standard deviation.",
        _steps(0, 6, 0.5),
        0.0,
        blur,
    ),
    "noise": Corruption(
        "Noise", "% of ink", "Adds random grey to each pixel.", _steps(0, 150, 5), 0, add_noise
    ),
    "cover": Corruption(
        "Occlusion",
        "rows from the top",
        "Covers the digit with paper, from the top down.",
        _steps(0, IMAGE_SIZE_PX, 1),
        0,
        cover,
    ),
    "invert": Corruption(
        "Inversion", "%", "Turns ink into paper and paper into ink.", _steps(0, 100, 5), 0, invert
    ),
}


def breaking_points(corruption: Corruption, right: np.ndarray) -> list[float]:
    """The first amounts, going from the harmless one to either end, at which the digit is not read
    rightly any more.

    Args:
        right: bool (len(amounts),). Nothing where it is classified correctly to the end; the
            harmless amount where it never is.
    """
    middle = corruption.amounts.index(corruption.harmless)
    lower = [place for place in range(middle, -1, -1) if not right[place]]
    higher = [place for place in range(middle, len(right)) if not right[place]]
    return [
        corruption.amounts[place]
        for place in sorted({found[0] for found in (lower, higher) if found})
    ]
