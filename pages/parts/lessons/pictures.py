"""Pictures of numbers: weights, feature maps, activations. Pure functions from arrays to a picture
and its width.

Zero is white, positive orange, negative blue: two hues that colour-blind people can tell apart, and
neither is the colour of a model. Around the tiles nothing is painted, so that the page's own colour
shows, light or dark.

They are SVG, in which only the numbers are pixels: as sharp as the screen is, and made in a fifth
of the time that a PNG of the size shown would take.
"""

import base64
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from pages.parts import canvas

ABOVE, BELOW = (179, 88, 6), (33, 102, 172)
FRAME = "#009E73"
# Readable on a light page and on a dark one.
LABEL = "#888888"
EDGE = "#88888888"
GAP_PX = 8
# Font sizes; and the room above and below a label.
TEXT_PX, NUMBER_PX = 13, 14
ROOM_PX = 5


class Picture(NamedTuple):
    """A picture.

    Attributes:
        address: A data URL.
        width_px: The width at which it is meant to be shown.
    """

    address: str
    width_px: int


def coloured(values: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Numbers as colours.

    Args:
        values: Of any shape.
        largest: The absolute value that gets the full colour; by default the largest of them.

    Returns:
        uint8 (..., 3).
    """
    if largest is None:
        largest = float(np.abs(values).max(initial=0))
    share = np.clip(values / (largest or 1), -1, 1)[..., np.newaxis]
    full = np.where(share > 0, ABOVE, BELOW)
    return (255 + np.abs(share) * (full - 255.0)).round().astype(np.uint8)


def inked(image: np.ndarray) -> np.ndarray:
    """An image of any shape, 0 is paper and 255 is ink, as dark ink on white, uint8 (..., 3)."""
    paper = (255 - image).round().astype(np.uint8)
    return np.repeat(paper[..., np.newaxis], 3, axis=-1)


def sheet(
    tiles: np.ndarray | Sequence[np.ndarray],
    labels: Sequence[str],
    columns: int,
    tile_px: int,
    framed: int | None = None,
    text_px: int = TEXT_PX,
) -> Picture:
    """Tiles, row by row, each with a label below it.

    Args:
        tiles: uint8 (side, side, 3) each, or all of them as one array.
        labels: Of the tiles.
        columns: The number of tiles in a row, at most.
        tile_px: The width of a tile.
        framed: The index of a tile that stands out.
        text_px: The font size.
    """
    columns, label_px = min(columns, len(tiles)), text_px + ROOM_PX
    width, height = tile_px + GAP_PX, tile_px + label_px + GAP_PX
    corners = [
        (GAP_PX / 2 + index % columns * width, GAP_PX / 2 + index // columns * height)
        for index in range(len(tiles))
    ]
    parts = []
    for (left, top), tile, label in zip(corners, tiles, labels, strict=True):
        parts += [
            _pixels(tile, left, top, tile_px, tile_px),
            _outline([(left, top, tile_px)], EDGE),
            _text(label, left + tile_px / 2, top + tile_px + label_px / 2 + 1, LABEL, text_px),
        ]
    if framed is not None:
        left, top = corners[framed]
        parts.append(_outline([(left - 1, top - 1, tile_px + 2)], FRAME, 3))
    return _picture(width * columns, height * math.ceil(len(tiles) / columns), parts)


def enlarged(tile: np.ndarray, width_px: int, frame: tuple[int, int, int]) -> Picture:
    """One tile, enlarged, with a frame around some of its pixels.

    Args:
        tile: uint8 (side, side, 3).
        width_px: The width of the result.
        frame: Row and column of the first pixel in the frame, and the side of the frame in pixels
            of the tile.
    """
    margin = 2  # for a frame around pixels at the edge
    top, left, side = (width_px / len(tile) * some for some in frame)
    parts = [
        _pixels(tile, margin, margin, width_px, width_px),
        _outline([(margin, margin, width_px)], EDGE),
        _outline([(margin + left - 1, margin + top - 1, side + 2)], FRAME, 2),
    ]
    return _picture(width_px + 2 * margin, width_px + 2 * margin, parts)


def grid(
    colours: np.ndarray, values: np.ndarray, width_px: int, number_px: int = NUMBER_PX
) -> Picture:
    """Numbers, each in a cell of its colour.

    Args:
        colours: uint8 (side, side, 3).
        values: (side, side).
        width_px: The width of the result.
        number_px: The font size, if cells have room for it.
    """
    cell = width_px / len(values)
    cells = [(column * cell, row * cell, cell) for row, column in np.ndindex(values.shape)]
    parts = [_pixels(colours, 0, 0, width_px, width_px), _outline(cells, EDGE)]
    for (row, column), value in np.ndenumerate(values):
        color = "white" if colours[row, column].mean() < 128 else "black"
        parts.append(
            _text(
                decimal(value),
                (column + 0.5) * cell,
                (row + 0.5) * cell,
                color,
                min(number_px, cell / 3),
            )
        )
    return _picture(width_px, width_px, parts)


def strip(values: np.ndarray, columns: int, cell_px: int) -> Picture:
    """A coloured cell for each number, row by row.

    Args:
        values: (N,).
        columns: The number of cells in a row.
        cell_px: The side of a cell.
    """
    rows = math.ceil(len(values) / columns)
    colours = np.zeros((rows * columns, 4), np.uint8)
    colours[: len(values), :3], colours[: len(values), 3] = coloured(values), 255
    width, height = columns * cell_px, rows * cell_px
    cells = [
        (index % columns * cell_px, index // columns * cell_px, cell_px)
        for index in range(len(values))
    ]
    return _picture(
        width,
        height,
        [
            _pixels(colours.reshape(rows, columns, 4), 0, 0, width, height),
            _outline(cells, EDGE, 0.5),
        ],
    )


def decimal(value: float, sign: str = "-") -> str:
    """A number with two decimals; zero has no sign.

    Args:
        value: The number.
        sign: "+" if positive numbers should have a sign too.
    """
    return "0.00" if abs(value) < 0.005 else f"{value:{sign}.2f}"


def _pixels(colours: np.ndarray, left: float, top: float, width: float, height: float) -> str:
    address = canvas.data_address(Image.fromarray(colours))
    return (
        f'<image x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" href="{address}"/>'
    )


def _outline(squares: Iterable[tuple[float, float, float]], color: str, width: float = 1) -> str:
    """The edges of squares, each its left, top and side."""
    path = "".join(f"M{left:g} {top:g}h{side:g}v{side:g}h-{side:g}z" for left, top, side in squares)
    return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{width:g}"/>'


def _text(text: str, x: float, y: float, color: str, size_px: float) -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{color}" font-size="{size_px:g}">{text}</text>'


def _picture(width: float, height: float, parts: Iterable[str]) -> Picture:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" text-anchor="middle" '
        f'dominant-baseline="central">{"".join(parts)}</svg>'
    )
    return Picture(
        "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode(), round(width)
    )
