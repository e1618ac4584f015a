"""The digits in files of pictures, read by both models."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mnist_models.data import numbers, pictures
from mnist_models.data.preprocessing import ink_of_digits, prepare_found
from mnist_models.models.reader import Prediction, Reader
from mnist_models.settings.hyperparameters import NETWORKS

# This many pictures are prepared before the models classify them in one call.
PICTURES_AT_ONCE = 200


class Unread(NamedTuple):
    """A picture's path, and why it cannot be read."""

    path: str
    problem: str


class Digit(NamedTuple):
    """One digit in a picture: in which line, from 1 on; where; what each model reads, by kind."""

    line: int
    box: tuple[int, int, int, int]
    predictions: dict[str, Prediction]


@dataclass(frozen=True)
class Reading:
    """What both models read in a picture.

    Attributes:
        path: Of the picture.
        picture: As it was opened.
        whole: What each model reads in all of it as one digit, by kind.
        digits: In reading order.
    """

    path: str
    picture: Image.Image
    whole: dict[str, Prediction]
    digits: list[Digit]

    def as_text(self) -> str:
        """A line for people, or one for each line of several digits."""
        if len(self.digits) == 1:
            return f"{self.path}: " + ", ".join(
                f"{NETWORKS[network].title} "
                f"{'reads' if prediction.is_confident else 'is not sure, perhaps'} "
                f"{prediction.digit} "
                f"({prediction.probability:.1%})"
                for network, prediction in self.whole.items()
            )
        last = self.digits[-1].line
        return "\n".join(
            self.path
            + (f", line {line}: " if last > 1 else ": ")
            + ", ".join(
                f"{NETWORKS[network].title} reads "
                + numbers.said(one.predictions[network] for one in digits)
                for network in self.whole
            )
            for line, found in itertools.groupby(self.digits, lambda digit: digit.line)
            for digits in [list(found)]
        )

    def as_json(self) -> dict[str, Any]:
        """The same for programs. Nobody is sure of one digit where there are several."""
        width, height = self.picture.size
        return {
            "image": self.path,
            **{
                network: _as_json(prediction, sure=len(self.digits) == 1)
                for network, prediction in self.whole.items()
            },
            "digits": [
                {
                    "line": digit.line,
                    "box": [
                        round(side / whole, 4)
                        for side, whole in zip(digit.box, 2 * (width, height), strict=True)
                    ],
                    **{network: _as_json(one) for network, one in digit.predictions.items()},
                }
                for digit in self.digits
            ],
        }

    def with_boxes(self) -> Image.Image:
        """The picture with a box around each digit and what the models read in it: once where they
        agree."""
        return pictures.with_boxes(
            self.picture,
            [digit.box for digit in self.digits],
            [numbers.said_of_one(digit.predictions.values()) for digit in self.digits],
        )


def _as_json(prediction: Prediction, *, sure: bool = True) -> dict[str, Any]:
    return {
        "digit": prediction.digit,
        "sure": sure and prediction.is_confident,
        "probability": prediction.probability,
        "probabilities": prediction.probabilities,
    }


def read_all(
    paths: Iterable[str], classifiers: Mapping[str, Reader], *, is_page: bool = False
) -> Iterator[Reading | Unread]:
    """What both models, by kind, read in each picture.

    Args:
        is_page: Whether the pictures are pages of digits, to be looked at closely.
    """
    found = _found(
        paths, classifiers, pictures.PAGE_SIZE_PX if is_page else pictures.WORKING_SIZE_PX
    )
    while chunk := list(itertools.islice(found, PICTURES_AT_ONCE)):
        images = [image for one in chunk if isinstance(one, _Found) for image in one.images]
        together = np.array(images, np.uint8).reshape(-1, 28, 28)
        rows = [classifier.predict_all(together) for classifier in classifiers.values()]
        predictions = (
            dict(zip(classifiers, both, strict=True)) for both in zip(*rows, strict=True)
        )
        for one in chunk:
            yield one if isinstance(one, Unread) else one.reading(predictions)


class _Found(NamedTuple):
    """The lines of digits in a picture, before they are read."""

    path: str
    picture: Image.Image
    ink: np.ndarray
    lines: list[list[numbers.Piece]]

    @property
    def images(self) -> list[np.ndarray]:
        """What the models read: all of it as one digit, then each digit if there are several."""
        digits = [piece.ink for line in self.lines for piece in line]
        several = digits if len(digits) > 1 else []
        return [prepare_found(ink).image for ink in (self.ink, *several)]

    def reading(self, predictions: Iterator[dict[str, Prediction]]) -> Reading:
        """The reading, given the predictions for these images and others after them."""
        whole = next(predictions)
        digits = [(number, piece) for number, line in enumerate(self.lines, 1) for piece in line]
        return Reading(
            self.path,
            self.picture,
            whole,
            [
                Digit(number, piece.box, next(predictions) if len(digits) > 1 else whole)
                for number, piece in digits
            ],
        )


def _found(
    paths: Iterable[str], classifiers: Mapping[str, Reader], longest_px: int
) -> Iterator[_Found | Unread]:
    def read(images: np.ndarray) -> list[np.ndarray]:
        return [classifier.probabilities(images) for classifier in classifiers.values()]

    for path in paths:
        try:
            picture = pictures.open_picture(path, longest_px)
            ink = ink_of_digits(picture)
        except pictures.PictureError as error:
            yield Unread(path, str(error))
        else:
            yield _Found(path, picture, ink, numbers.lines(ink, read))
