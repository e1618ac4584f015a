"""A drawing taken apart: its strokes, the moments along them, what was on the canvas by then, and
when it was recognized.

A stroke is the way of a round brush: points joined by lines. The canvas reports its drawing in the
form of Fabric.js (https://fabricjs.com): a list of objects, of which those with a `path` are
strokes, in the order in which they were drawn, and those with a `src` are pictures that were put
there.
"""

import base64
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.pictures import open_picture
from mnist_models.data.preprocessing import prepare_ink
from mnist_models.data.probabilities import digits_of, is_confident

CANVAS_PX = 280
# Drawn so much larger and shrunk, strokes get the soft edge that they have in a browser.
OVERSAMPLING = 3
# Curves and long lines are divided: no two points are farther apart.
POINTS_PX = 2
MOST_MOMENTS = 60
NOT_SURE = -1
# In a link, points are farther apart, and there are not more than browsers and chats take well. The
# examples lose none of theirs: without the corner of the 4, models settle on it elsewhere.
LINK_POINTS_PX = 7
MOST_LINK_LETTERS = 1_500
# A corner of an object, or its middle, as a share of its size.
_ORIGINS = {"left": 0.0, "top": 0.0, "center": 0.5, "right": 1.0, "bottom": 1.0}


class Stroke(NamedTuple):
    """One stroke of a drawing.

    Attributes:
        points: float (N, 2), x to the right and y down, in pixels of the canvas.
        brush_px: How wide it was drawn.
    """

    points: np.ndarray
    brush_px: float

    def along_px(self) -> np.ndarray:
        """How far the brush has come at each of the points, float (N,)."""
        return np.concatenate([[0.0], np.hypot(*np.diff(self.points, axis=0).T).cumsum()])


class Drawing(NamedTuple):
    """What is on a canvas.

    Attributes:
        strokes: In their order.
        picture: What lies under them, uint8 (280, 280), 255 is ink; None where nothing does.
    """

    strokes: tuple[Stroke, ...]
    picture: np.ndarray | None = None


class Moment(NamedTuple):
    """A moment of a drawing.

    Attributes:
        stroke: The one that is drawn, from 0; -1 where there is only the picture under them.
        points: How many of its points are drawn.
        ink: How much of the drawing's ink there is by then, 0 to 1, measured along the strokes from
            edge to edge.
    """

    stroke: int
    points: int
    ink: float

    @property
    def percent(self) -> int:
        """How much ink there is, rounded up: so it is reached, and the last moment has 100."""
        return math.ceil(round(100 * self.ink, 6))


class Decision(NamedTuple):
    """How a network came to what it says at the end: a digit, or that it is not sure.

    Attributes:
        digit: The most probable at the end.
        is_confident: Whether it is sure of it.
        since: The first of the moments from which on it says the same.
        was_sure: Whether it was sure of a digit just before that.
        earlier: The last digit before that of which it was sure; None where there was none.
    """

    digit: int
    is_confident: bool
    since: int
    was_sure: bool
    earlier: int | None


class Sheet:
    """A canvas on which a round brush draws, as a browser does: round ends and joints, soft
    edges."""

    def __init__(self, picture: np.ndarray | None = None) -> None:
        """A blank canvas, or one with a picture on it.

        Args:
            picture: The ink that is already there, uint8 (280, 280).
        """
        under = (
            Image.new("L", (CANVAS_PX, CANVAS_PX)) if picture is None else Image.fromarray(picture)
        )
        side = CANVAS_PX * OVERSAMPLING
        self._large = under.resize((side, side), Image.Resampling.NEAREST)
        self._pen = ImageDraw.Draw(self._large)

    def draw(self, points: np.ndarray, brush_px: float) -> None:
        """Draws through points, float (N, 2)."""
        path = [tuple(point) for point in points * OVERSAMPLING]
        radius = brush_px * OVERSAMPLING / 2
        self._pen.line(path, fill=255, width=round(2 * radius))
        for x, y in path:
            self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)

    def ink(self) -> np.ndarray:
        """What is on it, uint8 (280, 280), 0 is paper, 255 is ink."""
        return np.asarray(self._large.reduce(OVERSAMPLING))


def from_canvas(objects: Sequence[dict[str, Any]]) -> Drawing:
    """The drawing that the canvas reports, in the form of Fabric.js. Nothing on the canvas can be
    moved or turned, so the coordinates of a path are the canvas's."""
    pictures = [one for one in objects if "src" in one]
    strokes = tuple(
        Stroke(_points(one["path"]), one["strokeWidth"]) for one in objects if "path" in one
    )
    return Drawing(strokes, _under(pictures) if pictures else None)


def brush_path(points: Sequence[tuple[float, float]]) -> list[list]:
    """The path that the brush of Fabric.js makes of the points where a hand was: curves from the
    middle between two of them to the next middle."""
    middles = [
        ((x + next_x) / 2, (y + next_y) / 2)
        for (x, y), (next_x, next_y) in itertools.pairwise(points)
    ]
    curves = [["Q", *point, *middle] for point, middle in zip(points, middles, strict=False)]
    return [["M", *points[0]], *curves, ["L", *points[-1]]]


def to_text(drawing: Drawing) -> str | None:
    """Strokes as a link has them: 2 letters for the width of the brush, then 4 for each point, in
    base 36; a hyphen between strokes. None where there is a picture under them, or more than a link
    can carry."""
    texts = []
    for points, brush_px in drawing.strokes:
        kept = [points[0]]
        for point in points:
            if math.dist(point, kept[-1]) >= LINK_POINTS_PX:
                kept.append(point)
        texts.append(
            "".join(_base_36(number) for number in (brush_px, *np.concatenate([*kept, points[-1]])))
        )
    text = "-".join(texts)
    return text if text and drawing.picture is None and len(text) <= MOST_LINK_LETTERS else None


def from_text(text: str) -> Drawing | None:
    """The drawing that `to_text` wrote, its points a few pixels apart; None where it wrote no such
    text."""
    if len(text) > MOST_LINK_LETTERS or not re.fullmatch(
        r"[0-9a-z]{2}([0-9a-z]{4})+(-[0-9a-z]{2}([0-9a-z]{4})+)*", text
    ):
        return None
    strokes = []
    for part in text.split("-"):
        brush_px, *numbers = (int(part[start : start + 2], 36) for start in range(0, len(part), 2))
        if not brush_px or max(brush_px, *numbers) > CANVAS_PX:
            return None
        strokes.append(Stroke(np.reshape(numbers, (-1, 2)).astype(float), brush_px))
    return Drawing(tuple(strokes))


def _base_36(number: float) -> str:
    return np.base_repr(round(min(max(number, 0), CANVAS_PX)), 36).lower().rjust(2, "0")


def _points(path: Sequence[Sequence]) -> np.ndarray:
    """A path as points, float (N, 2): M is where it begins, L a line, Q a quadratic Bézier
    curve."""
    points = [np.array(path[0][1:], float)]
    for _, *numbers in path[1:]:
        corners = [points[-1], *np.reshape(numbers, (-1, 2)).astype(float)]
        # Nowhere does it run faster than this while its parameter goes from 0 to 1.
        fastest_px = (len(corners) - 1) * max(
            math.dist(here, there) for here, there in itertools.pairwise(corners)
        )
        share = np.linspace(0, 1, max(1, math.ceil(fastest_px / POINTS_PX)) + 1)[1:, np.newaxis]
        while len(corners) > 1:  # de Casteljau: between the corners, then between what that gives
            corners = [
                here * (1 - share) + there * share for here, there in itertools.pairwise(corners)
            ]
        points.extend(corners[0])
    return np.array(points)


def _under(pictures: Sequence[dict[str, Any]]) -> np.ndarray:
    """The ink of pictures that were put on the canvas, uint8 (280, 280): black, more or less
    transparent."""
    canvas = Image.new("L", (CANVAS_PX, CANVAS_PX))
    for one in pictures:
        ink = open_picture(base64.b64decode(one["src"].split(",", 1)[1])).getchannel("A")
        width, height = (
            one[side] * one.get(scale, 1)
            for side, scale in (("width", "scaleX"), ("height", "scaleY"))
        )
        place = (
            one["left"] - _ORIGINS[one["originX"]] * width,
            one["top"] - _ORIGINS[one["originY"]] * height,
        )
        ink = ink.resize((round(width), round(height)), Image.Resampling.BICUBIC)
        canvas.paste(255, tuple(round(side) for side in place), ink)
    return np.asarray(canvas)


def moments(drawing: Drawing) -> tuple[Moment, ...]:
    """About MOST_MOMENTS moments of a drawing, evenly along its strokes: the picture under them,
    where each begins, and where each ends. A dot has one; of more strokes than that, only some
    ends."""
    lengths = [stroke.along_px() for stroke in drawing.strokes]
    way_px = sum(along[-1] for along in lengths)
    ink_px = way_px + sum(stroke.brush_px for stroke in drawing.strokes)
    found = [] if drawing.picture is None else [Moment(-1, 0, 0.0)]
    before_px = 0.0
    for index, (stroke, along) in enumerate(zip(drawing.strokes, lengths, strict=True)):
        # No more than there are points: a dot has none to go to.
        steps = min(
            int(max(MOST_MOMENTS - len(lengths), 0) * along[-1] / max(way_px, POINTS_PX)),
            int(along[-1] / POINTS_PX),
        )
        places = np.linspace(
            along[-1], 0, steps + 1
        )  # from the end: with no steps, that is what is left
        for points in np.unique(np.searchsorted(along, places, side="right")).tolist():
            found.append(
                Moment(
                    index, points, float(before_px + stroke.brush_px + along[points - 1]) / ink_px
                )
            )
        before_px += stroke.brush_px + along[-1]
    if len(lengths) > MOST_MOMENTS:
        found = [
            found[place]
            for place in np.linspace(0, len(found) - 1, MOST_MOMENTS).round().astype(int)
        ]
    return tuple(found)


def until(drawing: Drawing, moment: Moment) -> Drawing:
    """What was drawn by a moment."""
    if moment.stroke < 0:
        return Drawing((), drawing.picture)
    *done, last = drawing.strokes[: moment.stroke + 1]
    return Drawing((*done, last._replace(points=last.points[: moment.points])), drawing.picture)


def ink(drawing: Drawing) -> np.ndarray:
    """A drawing as the canvas shows it, uint8 (280, 280), 0 is paper, 255 is ink."""
    sheet = Sheet(drawing.picture)
    for stroke in drawing.strokes:
        sheet.draw(*stroke)
    return sheet.ink()


def inks(drawing: Drawing, some: Sequence[Moment]) -> Iterator[np.ndarray]:
    """What was on the canvas by each of some moments, which follow each other, uint8 (280, 280)
    each. The same as `ink` of `until` each, but every line is drawn only once."""
    sheet = Sheet(drawing.picture)
    stroke, points = 0, 0
    for moment in some:
        for index in range(stroke, moment.stroke + 1):
            is_drawn = points if index == stroke else 0
            wanted = moment.points if index == moment.stroke else len(drawing.strokes[index].points)
            sheet.draw(
                drawing.strokes[index].points[max(is_drawn - 1, 0) : wanted],
                drawing.strokes[index].brush_px,
            )
        stroke, points = max(moment.stroke, 0), moment.points
        yield sheet.ink()


class Replay(NamedTuple):
    """A drawing and its moments.

    Attributes:
        images: What was there by each, prepared as every drawing is before it is read, uint8
            (moments, 28, 28).
    """

    drawing: Drawing
    moments: tuple[Moment, ...]
    images: np.ndarray

    @classmethod
    def of(cls, objects: Sequence[dict[str, Any]]) -> "Replay":
        """Of what the canvas reports."""
        drawing = from_canvas(objects)
        found = moments(drawing)
        blank = np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
        images = [
            prepare_ink(canvas).image if canvas.any() else blank for canvas in inks(drawing, found)
        ]
        return cls(drawing, found, np.array(images, np.uint8).reshape(-1, *blank.shape))

    def at(self, percent: int) -> int:
        """Which moment it is when so much of the ink is drawn: the last one that has come by then,
        or the first."""
        return max(sum(moment.percent <= percent for moment in self.moments) - 1, 0)


def decide(probabilities: np.ndarray, confidence_threshold: float) -> Decision:
    """When a network last changed its mind.

    Args:
        probabilities: At each moment, float (moments, 10).
        confidence_threshold: Below this probability, 0 to 1, it is not sure of a digit.
    """
    read = digits_of(probabilities)
    said = np.where(is_confident(probabilities.max(axis=1), confidence_threshold), read, NOT_SURE)
    changes = np.flatnonzero(np.diff(said))
    since = int(changes[-1]) + 1 if changes.size else 0
    before = said[:since]
    digits = before[before != NOT_SURE]
    return Decision(
        int(read[-1]),
        bool(said[-1] != NOT_SURE),
        since,
        bool(since and before[-1] != NOT_SURE),
        int(digits[-1]) if digits.size else None,
    )


class Example(NamedTuple):
    """A digit as somebody could draw it.

    Attributes:
        strokes: The points where a hand was, in pixels of the canvas.
    """

    digit: int
    title: str
    strokes: tuple[tuple[tuple[float, float], ...], ...]

    def drawing(self, brush_px: float) -> Drawing:
        """It, drawn with a brush that is so wide."""
        return Drawing(tuple(Stroke(np.array(points, float), brush_px) for points in self.strokes))


EXAMPLES = (
    Example(
        4,
        "A 4, vertical stroke last",
        (
            (
                (118, 48),
                (110, 70),
                (98, 102),
                (86, 132),
                (78, 150),
                (75, 157),
                (82, 159),
                (110, 158),
                (150, 155),
                (184, 153),
                (206, 152),
            ),
            ((168, 92), (167, 112), (165, 140), (163, 175), (161, 210), (160, 238)),
        ),
    ),
    Example(
        5,
        "A 5, top bar last",
        (
            (
                (102, 62),
                (100, 74),
                (97, 95),
                (94, 115),
                (93, 122),
                (98, 121),
                (116, 114),
                (140, 112),
                (164, 121),
                (181, 140),
                (187, 165),
                (180, 193),
                (162, 213),
                (136, 224),
                (108, 224),
                (88, 217),
                (78, 210),
            ),
            ((103, 62), (125, 61), (150, 60), (175, 58), (192, 57)),
        ),
    ),
    Example(
        7,
        "A 7, crossed last",
        (
            (
                (78, 68),
                (100, 66),
                (135, 65),
                (170, 63),
                (192, 62),
                (196, 65),
                (190, 78),
                (176, 108),
                (160, 145),
                (144, 185),
                (130, 218),
                (124, 234),
            ),
            ((104, 146), (125, 145), (150, 143), (172, 141), (188, 140)),
        ),
    ),
)
