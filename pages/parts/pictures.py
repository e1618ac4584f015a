"""Pictures of numbers: weights, feature maps, activations. Pure functions from arrays to a picture and its width.

Zero is white, what is above it orange, what is below it blue: two hues that colour-blind people can tell apart, and neither is
the colour of a network. Around the tiles nothing is painted, so that the page's own colour shows, light or dark.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pages.parts import canvas

ABOVE, BELOW = (179, 88, 6), (33, 102, 172)
FRAME = (0, 158, 115, 255)
# Readable on a light page and on a dark one.
LABEL = (136, 136, 136, 255)
EDGE = (136, 136, 136, 120)
# Pictures are drawn so much larger than they are shown: screens may have finer pixels than the page counts.
FINE = 2
GAP_PX = 4
LABEL_PX = 15
TEXT_PX = 11


class Picture(NamedTuple):
    """A picture as an address that holds it, and how wide it is meant to be shown."""

    address: str
    width_px: int


def coloured(values: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Numbers of any shape as colours, uint8 (..., 3). largest: what gets the full colour, by default the largest of them."""
    if largest is None:
        largest = float(np.abs(values).max(initial=0))
    share = np.clip(values / (largest or 1), -1, 1)[..., np.newaxis]
    full = np.where(share > 0, ABOVE, BELOW)
    return (255 + np.abs(share) * (full - 255.0)).round().astype(np.uint8)


def inked(image: np.ndarray) -> np.ndarray:
    """An image, uint8 of any shape, 0 is paper and 255 is ink, as dark ink on white, uint8 (..., 3)."""
    return np.repeat(255 - image[..., np.newaxis], 3, axis=-1)


def sheet(tiles: Sequence[np.ndarray], labels: Sequence[str], columns: int, tile_px: int, framed: int | None = None) -> Picture:
    """Tiles, uint8 (side, side, 3), row by row, each about `tile_px` wide, with a label below. framed: one that stands out."""
    factor = max(1, round(FINE * tile_px / len(tiles[0])))
    size = factor * len(tiles[0])
    columns = min(columns, len(tiles))
    step, gap = size + FINE * GAP_PX, FINE * GAP_PX // 2
    height = size + FINE * (LABEL_PX + GAP_PX)
    pixels = np.zeros((height * math.ceil(len(tiles) / columns), step * columns, 4), np.uint8)
    corners = [(gap + index // columns * height, gap + index % columns * step) for index in range(len(tiles))]
    for (top, left), tile in zip(corners, tiles, strict=True):
        pixels[top - 1 : top + size + 1, left - 1 : left + size + 1] = EDGE
        pixels[top : top + size, left : left + size] = _larger(tile, factor)
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    for (top, left), label in zip(corners, labels, strict=True):
        draw.text((left + size / 2, top + size + FINE * LABEL_PX / 2), label, LABEL, _font(TEXT_PX), anchor="mm")
    if framed is not None:
        top, left = corners[framed]
        draw.rectangle((left - 3, top - 3, left + size + 2, top + size + 2), outline=FRAME, width=5)
    return _picture(picture)


def enlarged(tile: np.ndarray, width_px: int, frame: tuple[int, int, int]) -> Picture:
    """One tile, uint8 (side, side, 3), large, with a frame around some of its pixels: the first one's row and column, and how
    many each way."""
    factor = max(1, round(FINE * width_px / len(tile)))
    picture = Image.fromarray(_larger(tile, factor))
    top, left, side = (factor * some for some in frame)
    ImageDraw.Draw(picture).rectangle((left, top, left + side - 1, top + side - 1), outline=FRAME, width=3 * FINE)
    return _picture(picture)


def grid(colours: np.ndarray, values: np.ndarray, width_px: int) -> Picture:
    """Numbers (side, side), each written in a cell of its colour, uint8 (side, side, 3)."""
    factor = FINE * width_px // len(values)
    picture = Image.fromarray(_larger(colours, factor))
    draw = ImageDraw.Draw(picture)
    for (row, column), value in np.ndenumerate(values):
        text = "white" if colours[row, column].mean() < 128 else "black"
        middle = ((column + 0.5) * factor, (row + 0.5) * factor)
        draw.text(middle, decimal(value), text, _font(min(TEXT_PX + 2, factor // FINE // 3)), anchor="mm")
    return _picture(picture)


def strip(values: np.ndarray, columns: int, cell_px: int) -> Picture:
    """A cell for each number, row by row."""
    rows, size = math.ceil(len(values) / columns), FINE * cell_px
    cells = np.zeros((rows * columns, size, size, 4), np.uint8)
    cells[: len(values)] = _opaque(coloured(values))[:, np.newaxis, np.newaxis]
    cells[: len(values), 0] = cells[: len(values), :, 0] = EDGE
    pixels = cells.reshape(rows, columns, size, size, 4).swapaxes(1, 2).reshape(rows * size, columns * size, 4)
    return _picture(Image.fromarray(pixels))


def decimal(value: float) -> str:
    """A number with two decimals, of which zero has no sign."""
    return f"{value:.2f}".replace("-0.00", "0.00")


def _opaque(colours: np.ndarray) -> np.ndarray:
    return np.concatenate([colours, np.full((*colours.shape[:-1], 1), 255, np.uint8)], axis=-1)


def _larger(colours: np.ndarray, factor: int) -> np.ndarray:
    return _opaque(colours).repeat(factor, axis=0).repeat(factor, axis=1)


def _picture(picture: Image.Image) -> Picture:
    return Picture(canvas.data_address(picture), picture.width // FINE)


@functools.cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(FINE * size_px)
