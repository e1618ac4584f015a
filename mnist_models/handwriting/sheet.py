"""A sheet to print, on which a pupil writes a hundred digits: a box for each, with the digit to
write above it.

A mark stands in each corner; the one at the upper left has a hole, so that a picture of the sheet
tells which way is up. Which digit belongs into a box is known from its place alone: every row asks
for each digit once, in an order of its own, and every sheet is the same.
"""

import functools
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_models.data.dataset import CLASS_COUNT

# All lengths are in mm, all places (x, y) from the upper left corner. A4, upright.
PAGE_MM = (210.0, 297.0)
# No printer leaves a wider margin blank than the marks do.
MARK_MM, HOLE_MM = 9.0, 4.0
# The middles of the marks, clockwise from the one with the hole.
MARKS_MM = ((14.0, 14.0), (196.0, 14.0), (196.0, 283.0), (14.0, 283.0))
ROWS = COLUMNS = 10
BOX_MM = (15.6, 18.0)
LINE_MM = 0.3
FIRST_BOX_MM = (15.2, 35.0)
PITCH_MM = (18.22, 24.0)
LABEL_MM = 4.0
LABEL_ABOVE_MM = 1.0
# LABELS[row, column]: the digit that is asked for there. RandomState keeps its numbers as they are.
LABELS = np.array(
    [np.random.RandomState(row).permutation(CLASS_COUNT) for row in range(ROWS)], np.uint8
)
LABELS.flags.writeable = False
DOTS_PER_INCH = 300
DOTS_PER_MM = DOTS_PER_INCH / 25.4
TITLE = "Write each digit into the box below it"
HINT = "Photograph or scan the whole sheet, with all four black marks."


def box_mm(row: int, column: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box on the sheet, in mm; rows and columns count from 0."""
    left = FIRST_BOX_MM[0] + column * PITCH_MM[0]
    top = FIRST_BOX_MM[1] + row * PITCH_MM[1]
    return left, top, left + BOX_MM[0], top + BOX_MM[1]


@functools.cache
def to_pdf() -> bytes:
    """The sheet as a PDF of one page, A4."""
    page = _drawn()
    stream = io.BytesIO()
    page.save(stream, "PDF", resolution=DOTS_PER_INCH, title=TITLE)
    return stream.getvalue()


def _drawn() -> Image.Image:
    """The sheet in black on white, mode 1."""
    page = Image.new("1", _dots(PAGE_MM), 1)
    pen = ImageDraw.Draw(page)
    for number, (x, y) in enumerate(MARKS_MM):
        _square(pen, x, y, MARK_MM, 0)
        if number == 0:
            _square(pen, x, y, HOLE_MM, 1)
    middle = PAGE_MM[0] / 2
    pen.text(_dots((middle, 9.5)), TITLE, 0, _font(4.5), anchor="mt")
    pen.text(_dots((28, 24)), "Name", 0, _font(4), anchor="ls")
    pen.line([_dots((42, 24)), _dots((182, 24))], 0, round(LINE_MM * DOTS_PER_MM))
    pen.text(_dots((middle, 283)), HINT, 0, _font(3.5), anchor="mm")
    for row in range(ROWS):
        for column in range(COLUMNS):
            left, top, right, bottom = box_mm(row, column)
            corners = (*_dots((left, top)), *_dots((right, bottom)))
            pen.rectangle(corners, outline=0, width=round(LINE_MM * DOTS_PER_MM))
            place = _dots(((left + right) / 2, top - LABEL_ABOVE_MM))
            pen.text(place, str(LABELS[row, column]), 0, _font(LABEL_MM), anchor="ms")
    return page


def _square(pen: ImageDraw.ImageDraw, x: float, y: float, side: float, color: int) -> None:
    half = side / 2
    pen.rectangle((*_dots((x - half, y - half)), *_dots((x + half, y + half))), fill=color)


def _dots(place_mm: tuple[float, float]) -> tuple[int, int]:
    return round(place_mm[0] * DOTS_PER_MM), round(place_mm[1] * DOTS_PER_MM)


def _font(height_mm: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height_mm * DOTS_PER_MM)
