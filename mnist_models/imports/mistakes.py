"""Why a network that reads the test set reads one's own digit wrong: the same drawing, prepared
with one step left out each time."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.preprocessing import INK, Preparation
from mnist_models.imports.feeding import SCALES
from mnist_models.imports.imported import ImportedReader
from mnist_models.models.reader import Prediction

# What most code does where a network wants something else.
USUAL, IF_USUAL = "unit", "raw"
# The scale of networks that learned from white paper.
WHITE_PAPER = "inverted"
RIGHTLY = "prepared as MNIST was"


class Way(NamedTuple):
    """One way to prepare a drawing.

    Attributes:
        title: What is done, a phrase.
        image: uint8 (28, 28), before its values are scaled.
        fed: float32 (side, side), what the network is fed, but for the order of its values.
        prediction: What the network reads.
    """

    title: str
    image: np.ndarray
    fed: np.ndarray
    prediction: Prediction


def five_ways(reader: ImportedReader, drawing: Preparation) -> list[Way]:
    """The drawing read in four ways that are common and wrong, and in the right one, which comes
    last."""
    scale = IF_USUAL if reader.scale == USUAL else USUAL
    right = drawing.image
    inverted = (
        "inverted: black paper, white ink"
        if reader.scale == WHITE_PAPER
        else "not inverted: white paper, black ink"
    )
    ways = {
        "the whole picture resized to 28×28": (_whole(drawing.ink), reader),
        inverted: (INK - right, reader),
        f"another scale: {SCALES[scale].title}": (right, reader.fed(scale)),
        "scaled, but left where it was drawn": (_where_it_was(drawing), reader),
        RIGHTLY: (right, reader),
    }
    return [
        Way(title, image, one.feeding.scaled(image[np.newaxis])[0], one.read(image))
        for title, (image, one) in ways.items()
    ]


def explained(ways: list[Way], label: int | None = None) -> str:
    """What the five ways show, a sentence.

    Args:
        label: Which digit was drawn, if that is known.
    """
    *wrong, right = ways
    digit = right.prediction.digit
    broken = [way for way in wrong if way.prediction.digit != digit]
    if label not in (None, digit):
        return (
            f"Even {right.title} it reads {digit}, not {label}: how the picture is prepared is not "
            "what is wrong. The network itself takes this digit for another."
        )
    if not broken:
        return (
            f"It reads {digit} in all five ways: how the picture is prepared is not what matters."
        )
    return (
        f"{right.title[0].upper()}{right.title[1:]}, it reads {digit}. The first step that breaks "
        f"it: {broken[0].title}, and it reads {broken[0].prediction.digit}."
    )


def _whole(ink: np.ndarray) -> np.ndarray:
    size = (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    return np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BILINEAR))


def _where_it_was(drawing: Preparation) -> np.ndarray:
    """The digit as large as it should be, its middle where it is in the picture."""
    left, top, right, bottom = drawing.box
    image = np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
    middles = (top + bottom) / 2, (left + right) / 2
    places = []
    for middle, whole, side in zip(middles, drawing.ink.shape, drawing.scaled.shape, strict=True):
        start = round(middle / whole * IMAGE_SIZE_PX - side / 2)
        places.append(slice(start := min(max(start, 0), IMAGE_SIZE_PX - side), start + side))
    image[tuple(places)] = drawing.scaled
    return image
