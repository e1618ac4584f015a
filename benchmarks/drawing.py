"""Drawings to measure reading with: recorded pen strokes drawn on the canvas, and what is no
digit."""

import json
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from mnist_models.data.strokes import CANVAS_PX, Sheet

Strokes = list[list[tuple[float, float]]]


class Recording(NamedTuple):
    """A digit that somebody wrote. strokes: lists of (x, y), y points down, in any unit."""

    label: int
    writer: str
    strokes: Strokes


class Way(NamedTuple):
    """How large, where and with what brush a digit is drawn. size_px: of its longer side, from the
    middle of the pen's path."""

    size_px: int
    brush_px: int
    anywhere: bool = False

    def __str__(self) -> str:
        return (
            f"{self.size_px} px {'anywhere' if self.anywhere else 'in the middle'}, brush "
            f"{self.brush_px}"
        )


WAYS = (Way(200, 20), Way(110, 14, anywhere=True), Way(245, 28), Way(180, 8, anywhere=True))


def read(file: Path) -> list[Recording]:
    """The recordings in a file of one JSON object a line with `label`, `writer` and `strokes`."""
    return [
        Recording(int(one["label"]), str(one.get("writer", "")), one["strokes"])
        for one in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]


def draw(strokes: Strokes, way: Way, random: np.random.Generator) -> np.ndarray:
    """The strokes on a canvas, uint8 (280, 280): 255 is paper, 0 is ink, round ends and joints as
    in a browser."""
    points = np.array([point for stroke in strokes for point in stroke], float)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = way.size_px / max(*(high - low), 1e-9)
    free = CANVAS_PX - way.brush_px - (high - low) * scale
    corner = way.brush_px / 2 + free * (random.random(2) if way.anywhere else 0.5)
    sheet = Sheet()
    for stroke in strokes:
        sheet.draw((np.array(stroke, float) - low) * scale + corner, way.brush_px)
    return 255 - sheet.ink()


def random_strokes(random: np.random.Generator) -> Strokes:
    """A scribble or doodle: one to four strokes, each a smooth curve through random places."""
    strokes = []
    for _ in range(random.integers(1, 5)):
        corners = random.random((random.integers(2, 8), 2))
        along = np.linspace(0, len(corners) - 1, 40)
        strokes.append(
            [
                [np.interp(at, range(len(corners)), corners[:, axis]) for axis in (0, 1)]
                for at in along
            ]
        )
        if random.random() < 0.7:  # rounded, as a hand rounds it
            path = np.array(strokes[-1])
            path = np.stack(
                [np.convolve(np.pad(side, 4, "edge"), np.ones(9) / 9, "valid") for side in path.T],
                axis=1,
            )
            strokes[-1] = path.tolist()
    return strokes


def letters(alphabet: str = string.ascii_letters) -> Iterator[tuple[str, str]]:
    """Every letter of an alphabet, the Latin one unless given, in the fonts that come with
    Matplotlib, as (letter, font file)."""
    for font in _fonts():
        for letter in alphabet:
            yield letter, font


@cache
def _fonts() -> tuple[str, ...]:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return tuple(
        sorted(str(file) for file in folder.glob("DejaVu*.ttf") if "Display" not in file.name)
    )


def draw_letter(letter: str, font: str, way: Way) -> np.ndarray:
    """A printed letter on a canvas, uint8 (280, 280): 255 is paper, 0 is ink. Of the way, only the
    size counts."""
    large = Image.new("L", (2 * CANVAS_PX, 2 * CANVAS_PX))
    ImageDraw.Draw(large).text(
        (CANVAS_PX, CANVAS_PX),
        letter,
        fill=255,
        font=ImageFont.truetype(font, CANVAS_PX),
        anchor="mm",
    )
    ink = ImageOps.contain(large.crop(large.getbbox()), (way.size_px, way.size_px))
    canvas = Image.new("L", (CANVAS_PX, CANVAS_PX))
    canvas.paste(ink, ((CANVAS_PX - ink.width) // 2, (CANVAS_PX - ink.height) // 2))
    return 255 - np.asarray(canvas)
