"""What a network wants to be fed: how MNIST's images are laid out and scaled for it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.imports.refusal import RefusedError

# Mean and standard deviation of MNIST's training pixels, as PyTorch's own example has them.
MEAN, DEVIATION = 0.1307, 0.3081
SIDES_PX = range(7, 257)
# The box in which MNIST keeps a digit.
BOX_PX = 20
# Where a card says which of the ways that were tried was chosen by hand, its index; see
# imported.card_of.
BY_HAND = "by_hand"


def _column_norm(x: np.ndarray) -> np.ndarray:
    norm = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return x / np.where(norm == 0, 1, norm)


@dataclass(frozen=True)
class Scale:
    """One convention for the values of pixels.

    Attributes:
        title: What it is, for people.
        code: The same as a line of Python, of `x`, floats 0 to 255 where 255 is ink.
        apply: The same, of floats (N, rows, columns).
    """

    title: str
    code: str
    apply: Callable[[np.ndarray], np.ndarray]


# The only scale that is no straight line.
COLUMNS = "l2ax1"
# In the order in which the first that reads about as well as the best is taken: the common before
# the rare, and raw late, since a network fed 255 times too much reads right but is falsely certain.
SCALES = {
    "unit": Scale("0 to 1", "x / 255", lambda x: x / 255),
    "std": Scale(
        "standardised: (x − 0.1307) / 0.3081, x from 0 to 1",
        f"(x / 255 - {MEAN}) / {DEVIATION}",
        lambda x: (x / 255 - MEAN) / DEVIATION,
    ),
    "pm1": Scale("−1 to 1", "x / 127.5 - 1", lambda x: x / 127.5 - 1),
    "raw": Scale("0 to 255", "x", lambda x: x),
    COLUMNS: Scale(
        "each column divided by its length (keras.utils.normalize(x, axis=1))",
        "x / np.maximum(np.sqrt((x * x).sum(axis=0)), 1e-9)",
        _column_norm,
    ),
    "center": Scale("−0.5 to 0.5", "x / 255 - 0.5", lambda x: x / 255 - 0.5),
    "inverted": Scale("0 to 1, white paper: 0 is ink", "1 - x / 255", lambda x: 1 - x / 255),
}
FITS = {
    "whole": "as it is",
    "padded": "with a margin of zeros around it",
    "resized": "resized",
    "cropped": "cut out of the middle",
}


@dataclass(frozen=True)
class Layout:
    """How an image is laid out.

    Attributes:
        shape: What the network takes, without the batch.
        side_px: Of the square image.
        channels: 1, or 3 that are equal.
        channels_first: Whether these come before rows and columns.
        fit: How 28×28 becomes that size, one of FITS.
        transposed: Rows and columns are exchanged, as EMNIST's files have them.
    """

    shape: tuple[int, ...]
    side_px: int
    channels: int = 1
    channels_first: bool = False
    fit: str = "whole"
    transposed: bool = False

    @property
    def title(self) -> str:
        """What it is, for people: "28×28×1, transposed"."""
        shape = "×".join(map(str, self.shape))
        parts = [f"{shape} values in a row" if len(self.shape) == 1 else shape]
        if self.fit != "whole":
            parts.append(FITS[self.fit])
        if self.transposed:
            parts.append("transposed")
        return ", ".join(parts)

    @property
    def mix(self) -> np.ndarray:
        """The share that each of 28 pixels, across or down, has in each of the image's: float32
        (side, 28)."""
        if self.fit == "resized":
            return resizing(self.side_px).astype(np.float32)
        # With a margin, or without one: half of the difference, as much on either side.
        margin_px = int((self.side_px - IMAGE_SIZE_PX) / 2)
        return np.eye(self.side_px, IMAGE_SIZE_PX, k=-margin_px, dtype=np.float32)

    def fitted(self, images: np.ndarray) -> np.ndarray:
        """Images, (N, 28, 28), as floats 0 to 255 (N, side, side)."""
        x = images.astype(np.float32)
        if self.transposed:
            x = x.transpose(0, 2, 1)
        return x if self.fit == "whole" else self.mix @ x @ self.mix.T

    def arranged(self, x: np.ndarray) -> np.ndarray:
        """Scaled images, (N, side, side), in the shape that the network takes."""
        if self.channels > 1:
            x = np.stack([x] * self.channels, axis=1 if self.channels_first else -1)
        return np.ascontiguousarray(x.reshape(len(x), *self.shape), np.float32)


@dataclass(frozen=True)
class Feeding:
    """What a network is fed.

    Attributes:
        layout: How an image is laid out.
        scale: How its values are scaled, a key of SCALES.
    """

    layout: Layout
    scale: str

    @classmethod
    def kept(cls, card: Mapping[str, Any]) -> "Feeding":
        """What a network that was kept wants, as it was measured, see imported.card_of."""
        layout = card["layout"]
        return cls(Layout(**layout | {"shape": tuple(layout["shape"])}), card["scale"])

    @classmethod
    def in_use(cls, card: Mapping[str, Any]) -> "Feeding":
        """The same, unless another one was chosen by hand."""
        measured = cls.kept(card)
        return measured.tried(card["tried"][card[BY_HAND]]) if BY_HAND in card else measured

    def tried(self, trial: Mapping[str, Any]) -> "Feeding":
        """Another one that was tried with the same network, see words.as_json."""
        layout = replace(self.layout, fit=trial["fit"], transposed=trial["transposed"])
        return Feeding(layout, trial["scale"])

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Images, uint8 (N, 28, 28), as the network takes them: float32 (N, *layout.shape)."""
        return self.layout.arranged(self.scaled(images))

    def scaled(self, images: np.ndarray) -> np.ndarray:
        """The same before they are arranged in that shape, to be looked at: float32 (N, side,
        side)."""
        return SCALES[self.scale].apply(self.layout.fitted(images))

    @property
    def title(self) -> str:
        return f"{self.layout.title}; {SCALES[self.scale].title}"


def wanted(card: Mapping[str, Any]) -> int:
    """Which of the ways that were tried a network was measured to want, its index."""
    measured = Feeding.kept(card)
    tried = (measured.tried(trial) for trial in card["tried"])
    return next(place for place, feeding in enumerate(tried) if feeding == measured)


def resizing(side_px: int) -> np.ndarray:
    """The share that each of 28 pixels has in each of `side_px`: floats (side_px, 28), rows sum to
    1. Bilinear, and averaging where there are fewer."""
    ratio = IMAGE_SIZE_PX / side_px
    reach = max(ratio, 1)
    centers = (np.arange(side_px) + 0.5) * ratio - 0.5
    near = np.maximum(0, 1 - np.abs(centers[:, None] - np.arange(IMAGE_SIZE_PX)) / reach)
    return near / near.sum(axis=1, keepdims=True)


def layouts(shape: tuple[int | None, ...]) -> list[Layout]:
    """The ways to lay out a digit for a network that takes this shape, without the batch.

    Raises:
        RefusedError: It takes no image of one digit.
    """
    whole = _filled(shape)
    sides = [side for side in whole if side != 1]
    count = math.prod(whole)
    found: list[Layout] = []
    if len(sides) == 3 and sides[2] == 3 and sides[0] == sides[1]:
        found = _fits(Layout(whole, sides[0], 3))
    elif len(sides) == 3 and sides[0] == 3 and sides[1] == sides[2]:
        found = _fits(Layout(whole, sides[1], 3, channels_first=True))
    elif math.isqrt(count) ** 2 == count and (
        len(sides) == 1 or (len(sides) == 2 and sides[0] == sides[1]) or count == IMAGE_SIZE_PX**2
    ):
        found = _fits(Layout(whole, math.isqrt(count)))
    if not found:
        raise RefusedError(
            f"Its network takes {'×'.join(str(side or 'any') for side in shape) or 'one number'} "
            "values, which is no picture of one digit (such as 28×28, 784 or 32×32×3)."
        )
    return found


def _filled(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """The shape with the sizes of MNIST where any will do."""
    if shape == (None,):
        return (IMAGE_SIZE_PX**2,)
    rank = len(shape)
    is_first = rank == 3 and shape[0] in (1, 3) and shape[2] not in (1, 3)
    sizes = (1, IMAGE_SIZE_PX, IMAGE_SIZE_PX) if is_first else (IMAGE_SIZE_PX, IMAGE_SIZE_PX, 1)
    return tuple(
        side if side is not None else sizes[place] if place < 3 else 1
        for place, side in enumerate(shape)
    )


def _fits(layout: Layout) -> list[Layout]:
    side = layout.side_px
    if side == IMAGE_SIZE_PX:
        return [layout]
    if side not in SIDES_PX:
        return []
    if side > IMAGE_SIZE_PX:
        ways = ["padded", "resized"] if side <= 2 * IMAGE_SIZE_PX else ["resized"]
    else:
        ways = ["cropped", "resized"] if side >= BOX_PX else ["resized"]
    return [replace(layout, fit=way) for way in ways]
