"""Several digits in one drawing or picture: where they are, and how marks that belong together or
touch are told apart."""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mnist_models.data.ink import INK
from mnist_models.data.marks import FAINTEST, MOST_MARKS, Marks
from mnist_models.data.preprocessing import box_of, prepare_found

# The probability of each digit, floats (N, 10) of each model, for images, uint8 (N, 28, 28).
Read = Callable[[np.ndarray], Sequence[np.ndarray]]

# As a share of the height of the tallest mark: what is smaller is part of a digit.
PART = 0.45
# As a share of that too: digits whose boxes are farther apart are two, whatever they look like
# together.
APART = 0.3
# As a share of the narrower: marks that overlap so much from side to side are one digit.
OVERLAP = 0.75
# Of the tallest: how far one part of a digit may be above another.
ABOVE = 0.15
# What is wider, as a share of its height, and not surely one digit, may be several that touch.
WIDE = 0.9
SURELY_ONE = 0.8
# Of parts that touched, both models have to be as sure as this; of parts that did not, as sure as
# of the whole, or the whole is hardly a digit.
SURELY_CUT = 0.95
HARDLY_ONE = 0.45
IN_DOUBT_ONE = 0.1
# Two 1s may touch; what is cut into so many, and nothing else, is a letter.
FEWEST_STROKES = 3
# Of more units no digit is made.
MOST_UNITS = 3
# Marks that are about as tall as the tallest.
FEWEST_OF_PAGE = 6
# So many places are tried to cut what touches.
CUTS = 6


@dataclass(frozen=True)
class Piece:
    """Ink that may be a digit.

    Attributes:
        ink: uint8 (h, w), what is in its box.
        box: Left, top, right and bottom of it in the drawing, the latter two the first without ink.
    """

    ink: np.ndarray
    box: tuple[int, int, int, int]

    @classmethod
    def of(cls, ink: np.ndarray) -> "Piece":
        """The piece with this ink, uint8 (H, W), of a whole drawing."""
        left, top, right, bottom = box_of(ink)
        return cls(ink[top:bottom, left:right], (left, top, right, bottom))

    def __add__(self, other: "Piece") -> "Piece":
        left, top = np.minimum(self.box[:2], other.box[:2]).tolist()
        right, bottom = np.maximum(self.box[2:], other.box[2:]).tolist()
        ink = np.zeros((bottom - top, right - left), np.uint8)
        for piece in (self, other):
            there = ink[
                piece.box[1] - top : piece.box[3] - top, piece.box[0] - left : piece.box[2] - left
            ]
            np.maximum(there, piece.ink, out=there)
        return Piece(ink, (left, top, right, bottom))

    @property
    def width(self) -> int:
        return self.box[2] - self.box[0]

    @property
    def height(self) -> int:
        return self.box[3] - self.box[1]


def lines(ink: np.ndarray, read: Read) -> list[list[Piece]]:
    """The digits in ink, uint8 (H, W), in reading order: each line from left to right. A single one
    if it is one digit, of however many parts.

    Args:
        ink: At least one pixel is not 0.
        read: The models; asked only where marks could be one digit or several.
    """
    whole = Piece.of(ink)
    marks = Marks(ink)
    units = _units(marks, ink) if 1 < len(marks.boxes) <= MOST_MARKS else [whole]
    as_one = float(_sureness([whole], read)[0]) if len(units) > 1 else 0.0
    if as_one >= SURELY_ONE:
        return [[whole]]
    tallest = max(unit.height for unit in units)
    found = [
        [piece for cluster in _clusters(line, tallest) for piece in _split(cluster, read)]
        for line in _in_lines(units)
    ]
    # Crumbs of a broken line are no digits.
    pieces = [piece for line in found for piece in line]
    if as_one >= HARDLY_ONE and as_one >= _sureness(pieces, read).min():
        return [[whole]]
    return found


def sureness(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """How sure all models are of the same digit: floats (N, 10) of each in, floats (N,) of 0 to 1
    out. What they are as sure of as SURELY_ONE is a single digit."""
    return np.minimum.reduce(list(probabilities)).max(axis=1)


def is_page(ink: np.ndarray) -> bool:
    """Whether ink, uint8 (H, W), is more than a number that somebody wrote large."""
    heights = Marks(ink).heights
    return bool((heights >= PART * heights.max(initial=0)).sum() >= FEWEST_OF_PAGE)


class Said(Protocol):
    """A digit that a model reads, and whether it is sure of it."""

    @property
    def digit(self) -> int: ...
    @property
    def is_confident(self) -> bool: ...


def said(digits: Iterable[Said]) -> str:
    """The number that a model makes of digits, such as 4?7: it is not sure of the second."""
    return "".join(str(one.digit) if one.is_confident else "?" for one in digits)


def said_of_one(by_all: Iterable[Said]) -> str:
    """What several models say of one digit: once where they agree, else such as "4/9"."""
    return "/".join(dict.fromkeys(said([one]) for one in by_all))


def _split(units: list[Piece], read: Read) -> list[Piece]:
    """The digits in units that are near each other."""
    return [digit for piece in _joined(units, read) for digit in _cut(piece, read)]


def _in_lines(units: list[Piece]) -> list[list[Piece]]:
    """The units, from top to bottom in lines and in these from left to right: each goes on with the
    next to its right at the same height."""
    units = sorted(units, key=lambda unit: unit.box[0])
    line = list(range(len(units)))
    for place, unit in enumerate(units):
        for before in range(place - 1, -1, -1):
            other = units[before]
            common = min(unit.box[3], other.box[3]) - max(unit.box[1], other.box[1])
            if common >= 0.5 * min(unit.height, other.height):
                line[place] = line[before]
                break
    found: dict[int, list[Piece]] = {}
    for number, unit in zip(line, units, strict=True):
        found.setdefault(number, []).append(unit)
    return sorted(found.values(), key=lambda one: np.mean([unit.box[1::2] for unit in one]))


def _clusters(line: list[Piece], tallest: int) -> list[list[Piece]]:
    """A line of units where it has wide gaps taken apart."""
    clusters = [line[:1]]
    for unit in line[1:]:
        if unit.box[0] - clusters[-1][-1].box[2] <= APART * tallest:
            clusters[-1].append(unit)
        else:
            clusters.append([unit])
    return clusters


def _joined(units: list[Piece], read: Read) -> list[Piece]:
    """The units, those joined that both models read as one digit rather than as several."""
    if len(units) == 1:
        return units
    ways = _Ways(units, MOST_UNITS, read)
    as_one, (sure, pieces) = ways.as_one(), ways.as_several()
    if as_one >= HARDLY_ONE and as_one >= sure - IN_DOUBT_ONE:
        return [functools.reduce(operator.add, units)]
    return pieces if sure >= HARDLY_ONE else units


def _cut(piece: Piece, read: Read) -> list[Piece]:
    """The piece, cut up if it is several digits that touch."""
    if piece.width <= WIDE * piece.height or _sureness([piece], read)[0] >= SURELY_ONE:
        return [piece]
    slices = _slices(piece)
    if len(slices) == 1:
        return [piece]
    sure, pieces = _Ways(slices, len(slices), read).as_several()
    return pieces if sure >= SURELY_CUT and not _is_letter(pieces, read) else [piece]


def _is_letter(pieces: list[Piece], read: Read) -> bool:
    """Whether so many pieces of one mark are 1s, and nothing else, that they are the strokes of an
    M, an N or a W."""
    if len(pieces) < FEWEST_STROKES:
        return False
    digits = np.minimum.reduce(list(read(_images(pieces)))).argmax(axis=1)
    return bool((digits == 1).all())


def _images(pieces: list[Piece]) -> np.ndarray:
    """What the models read of each piece, uint8 (N, 28, 28)."""
    return np.stack([prepare_found(piece.ink).image for piece in pieces])


def _sureness(pieces: list[Piece], read: Read) -> np.ndarray:
    """How sure both models are that each piece is the same digit, floats (N,) of 0 to 1."""
    return sureness(read(_images(pieces)))


class _Ways:
    """The ways to take parts that follow each other together into digits."""

    def __init__(self, parts: list[Piece], most_together: int, read: Read) -> None:
        """Asks both models about each row of up to so many parts, taken together as one digit."""
        self.count = len(parts)
        self.pieces = {
            (start, end): functools.reduce(operator.add, parts[start:end])
            for start in range(self.count)
            for end in range(start + 1, min(self.count, start + most_together) + 1)
        }
        sure = _sureness(list(self.pieces.values()), read).tolist()
        self.sure = dict(zip(self.pieces, sure, strict=True))

    def as_one(self) -> float:
        """How sure both models are of all parts as one digit; 0 where they are too many."""
        return self.sure.get((0, self.count), 0.0)

    def as_several(self) -> tuple[float, list[Piece]]:
        """The surest way to make at least two digits, and how sure both models are of the least
        sure of these."""
        # The best way to each part: how sure, and where its last digit begins.
        best: list[tuple[float, int]] = [(1.0, 0)]
        for end in range(1, self.count + 1):
            best.append(
                max(
                    (min(best[start][0], sure), start)
                    for (start, stop), sure in self.sure.items()
                    if stop == end and (start, stop) != (0, self.count)
                )
            )
        pieces: list[Piece] = []
        end = self.count
        while end:
            start = best[end][1]
            pieces.insert(0, self.pieces[start, end])
            end = start
        return best[-1][0], pieces


def _slices(piece: Piece) -> list[Piece]:
    """What touches cut along the thinnest ink from top to bottom, at several places."""
    columns = np.arange(piece.width)
    owner = (columns >= _seams(piece.ink / INK)[..., np.newaxis]).sum(axis=0)
    slices = []
    for one in range(CUTS + 1):
        part = np.where(owner == one, piece.ink, 0)
        if (part > FAINTEST).any():
            cut = Piece.of(part)
            left, top, right, bottom = (
                side + offset for side, offset in zip(cut.box, 2 * piece.box[:2], strict=True)
            )
            slices.append(Piece(cut.ink, (left, top, right, bottom)))
    return slices


def _seams(ink: np.ndarray) -> np.ndarray:
    """The columns of each row on the ways from top to bottom that meet the least ink, int
    (CUTS, H): each near another place of the width. For ink float (H, W) of 0 to 1."""
    height, width = ink.shape
    places = np.arange(1, CUTS + 1)[:, np.newaxis] / (CUTS + 1)
    away = np.abs(np.arange(width) / width - places)
    # (CUTS, H, W): a little for straying from the place, much for reaching the next one.
    total = ink + (0.02 + np.where(away > 0.6 / (CUTS + 1), 10, 0.1 * away))[:, np.newaxis]
    for row in range(1, height):
        before = np.pad(total[:, row - 1], ((0, 0), (1, 1)), constant_values=np.inf)
        step = np.minimum(before[:, :-2], before[:, 2:]) + 0.01
        total[:, row] += np.minimum(step, before[:, 1:-1])
    seams = np.zeros((CUTS, height), int)
    seams[:, -1] = total[:, -1].argmin(axis=1)
    for row in range(height - 2, -1, -1):
        near = (seams[:, row + 1, np.newaxis] + (-1, 0, 1)).clip(0, width - 1)
        best = np.take_along_axis(total[:, row], near, axis=1).argmin(axis=1, keepdims=True)
        seams[:, row] = np.take_along_axis(near, best, axis=1)[:, 0]
    return seams


def _units(marks: Marks, ink: np.ndarray) -> list[Piece]:
    """The marks in ink, uint8 (H, W), those that surely belong together joined, from left to
    right."""
    tallest = marks.heights.max()
    units = [
        Piece(marks.cut_out(ink, mark), tuple(box)) for mark, box in enumerate(marks.boxes.tolist())
    ]
    tall = [unit for unit in units if unit.height >= PART * tallest]
    for part in (unit for unit in units if unit.height < PART * tallest):
        nearest = min(range(len(tall)), key=lambda one: _distance(tall[one], part))
        tall[nearest] += part
    tall.sort(key=lambda unit: unit.box[0])
    joined: list[Piece] = []
    for unit in tall:
        for place, other in enumerate(joined):
            above = max(other.box[1], unit.box[1]) - min(other.box[3], unit.box[3])
            if (
                _overlap(other, unit) >= OVERLAP * min(other.width, unit.width)
                and above <= ABOVE * tallest
            ):
                joined[place] = other + unit
                break
        else:
            joined.append(unit)
    return joined


def _overlap(one: Piece, other: Piece) -> int:
    return min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])


def _distance(one: Piece, other: Piece) -> int:
    beside = max(one.box[0], other.box[0]) - min(one.box[2], other.box[2])
    above = max(one.box[1], other.box[1]) - min(one.box[3], other.box[3])
    return max(beside, above)
