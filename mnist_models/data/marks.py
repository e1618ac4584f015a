"""The marks of ink on paper: which belong to digits, and which are lines, captions or frames."""

import numpy as np
from scipy import ndimage

from mnist_models.data.ink import INK
from mnist_models.data.underlines import line_below

# Fainter ink is the soft edge of a stroke, or a ripple that JPEG leaves.
FAINTEST = INK / 5
# As shares of the height of the tallest mark: what is smaller is part of a digit or none, and it is
# part of one up to this distance.
SMALL = 0.4
NEAR = 0.4
# More are grain or a pattern.
MOST_MARKS = 600
# Letters of a caption: so many small marks above or below.
FEWEST_LETTERS = 4
# Of so many digits, one that is taller than the others sets no measure for them.
FEWEST_TYPICAL = 5


class Marks:
    """The marks in an image of ink: what is joined, however thinly.

    Attributes:
        spots: int (H, W): 0 where no mark is, then the number of the mark.
        boxes: int (N, 4), left, top, right and bottom of marks 1 to N, the latter two the first
            without ink.
    """

    def __init__(self, ink: np.ndarray) -> None:
        """Finds the marks in ink, uint8 (H, W)."""
        self.spots, _ = ndimage.label(ink > FAINTEST, np.ones((3, 3)))
        self.boxes = np.array(
            [
                (columns.start, rows.start, columns.stop, rows.stop)
                for rows, columns in ndimage.find_objects(self.spots)
            ],
            int,
        ).reshape(-1, 4)

    @property
    def widths(self) -> np.ndarray:
        """int (N,), in pixels."""
        return self.boxes[:, 2] - self.boxes[:, 0]

    @property
    def heights(self) -> np.ndarray:
        """int (N,), in pixels."""
        return self.boxes[:, 3] - self.boxes[:, 1]

    def gaps(self) -> tuple[np.ndarray, np.ndarray]:
        """How far each box is from each other, int (N, N), beside it and above or below it;
        negative where they overlap."""
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        apart = np.maximum(low[:, np.newaxis] - high, low - high[:, np.newaxis])
        return apart[..., 0], apart[..., 1]

    def cut_out(self, ink: np.ndarray, mark: int) -> np.ndarray:
        """What is in the box of one mark, counted from 0, without other marks: uint8 (h, w)."""
        left, top, right, bottom = self.boxes[mark]
        spots = self.spots[top:bottom, left:right]
        return np.where((spots == 0) | (spots == mark + 1), ink[top:bottom, left:right], 0)

    def ink_of(self, ink: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """The ink, uint8 (H, W), without the marks that are not chosen, bool (N,)."""
        left_out = np.concatenate([[False], ~chosen])
        # The soft edge of a mark goes with it.
        around = ndimage.grey_dilation(self.spots * left_out[self.spots], (3, 3))
        return np.where((around > 0) & ~np.concatenate([[False], chosen])[self.spots], 0, ink)


def digits_only(ink: np.ndarray) -> np.ndarray:
    """The ink, uint8 (H, W), without the marks that are no digit: frames and circles around it,
    lines below it and along the rim, captions, and whatever else is small and far."""
    marks = Marks(ink)
    if len(marks.boxes) > MOST_MARKS:
        return ink
    lines = _touching_lines(marks)
    if lines.any():
        ink = np.where(lines, 0, ink)
        marks = Marks(ink)
    if len(marks.boxes) < 2:
        return ink
    chosen = ~_is_frame(marks)
    chosen &= ~_is_bar(marks, chosen)
    if not chosen.any():
        return ink
    tallest = _tallest(marks, chosen)
    chosen &= ~_is_underline(marks, tallest)
    chosen &= _is_near(marks, chosen, tallest)
    chosen &= ~_is_caption(marks, chosen, tallest)
    return ink if chosen.all() else marks.ink_of(ink, chosen)


def _tallest(marks: Marks, chosen: np.ndarray) -> int:
    return int(np.argmax(np.where(chosen, marks.heights, 0)))


def _is_frame(marks: Marks) -> np.ndarray:
    """Which marks are drawn around another that is not much smaller, bool (N,)."""
    frames = np.zeros(len(marks.boxes), bool)
    for mark, (left, top, right, bottom) in enumerate(marks.boxes):
        inside = (marks.boxes[:, :2] > (left, top)).all(axis=1)
        inside &= (marks.boxes[:, 2:] < (right, bottom)).all(axis=1)
        inside &= marks.heights >= 0.3 * (bottom - top)
        if inside.any():
            spots = marks.spots[top:bottom, left:right]
            enclosed = ndimage.binary_fill_holes(spots == mark + 1) & (spots > 0)
            frames[mark] = bool(inside[np.unique(spots[enclosed]) - 1].any())
    return frames


def _is_bar(marks: Marks, chosen: np.ndarray) -> np.ndarray:
    """Which marks run along a whole side of the image while others keep clear of its rim,
    bool (N,)."""
    height, width = marks.spots.shape
    left, top, right, bottom = marks.boxes.T
    across = (right - left >= 0.97 * width) & ((top == 0) | (bottom == height))
    down = (bottom - top >= 0.97 * height) & ((left == 0) | (right == width))
    flat = np.minimum(marks.heights / height, marks.widths / width) <= 0.2
    bars = (across | down) & flat
    others = chosen & ~bars
    clear = (left > 0) & (top > 0) & (right < width) & (bottom < height)
    tall = others & (marks.heights >= 0.15 * height)
    return bars if tall.any() and clear[others].all() else np.zeros(len(bars), bool)


def _is_underline(marks: Marks, tallest: int) -> np.ndarray:
    """Which marks are a line below the tallest, bool (N,)."""
    left, _, right, bottom = marks.boxes[tallest]
    flat = marks.widths >= 5 * marks.heights
    below = marks.boxes[:, 1] >= bottom - 0.15 * marks.heights[tallest]
    return flat & below & (marks.widths >= 1.1 * (right - left))


def _touching_lines(marks: Marks) -> np.ndarray:
    """Where lines run below marks and touch them, bool (H, W)."""
    lines = np.zeros(marks.spots.shape, bool)
    tall = marks.heights >= SMALL * marks.heights.max(initial=0)
    for mark in np.flatnonzero(tall):
        left, top, right, bottom = marks.boxes[mark]
        lines[top:bottom, left:right] |= line_below(marks.spots[top:bottom, left:right] == mark + 1)
    return lines


def _is_near(marks: Marks, chosen: np.ndarray, tallest: int) -> np.ndarray:
    """Which marks are about as tall as the tallest, or near one that is, bool (N,)."""
    tall = marks.heights[chosen & (marks.heights >= SMALL * marks.heights[tallest])]
    height = np.median(tall) if len(tall) >= FEWEST_TYPICAL else marks.heights[tallest]
    found = chosen & (marks.heights >= SMALL * height)
    apart = np.maximum(*marks.gaps())
    near = apart <= NEAR * height
    while True:
        more = chosen & near[found].any(axis=0)
        if (more <= found).all():
            return found
        found |= more


def _is_caption(marks: Marks, chosen: np.ndarray, tallest: int) -> np.ndarray:
    """Which marks are letters of a line above or below the tallest, bool (N,)."""
    _, top, _, bottom = marks.boxes[tallest]
    small = chosen & (marks.heights < SMALL * (bottom - top))
    middles = (marks.boxes[:, 1] + marks.boxes[:, 3]) / 2
    letters = np.zeros(len(small), bool)
    for line in (small & (middles > bottom), small & (middles < top)):
        if line.sum() < FEWEST_LETTERS:
            continue
        low, high = marks.boxes[line, :2].min(axis=0), marks.boxes[line, 2:].max(axis=0)
        # What a broken stroke leaves does not stand in a row.
        if high[0] - low[0] >= 2 * (high[1] - low[1]):
            letters |= line
    return letters
