"""Lines that run below digits and touch them, so that both are one mark of ink."""

import numpy as np

# As shares of what stands on the line: how far at least it juts out to either side, and how much of
# the height may be beneath it.
JUTS_OUT = 0.15
BENEATH = 0.25
# As shares of the line's length: how far from straight a hand draws it; how much of it tells how
# thick it is, at either end.
BOWED = 0.02
ENDS = 1 / 12
# As a share of the height of what stands on the line: thicker ones are none.
THICKEST = 0.2
# A 1 may have a foot: what is so narrow for its height stands on a line only if that is longer than
# it is high.
NARROW = 0.5
# The base of a 2 is no line below it: so far to the left, on average, a 2 touches its own.
AT_LEFT = 0.25


def line_below(mark: np.ndarray) -> np.ndarray:
    """The pixels of the line that a mark stands on.

    Args:
        mark: bool (h, w), what is joined, in its box.

    Returns:
        bool (h, w), none where it stands on no line.
    """
    height, width = mark.shape
    nothing = np.zeros(mark.shape, bool)
    rows, columns = np.arange(height)[:, np.newaxis], np.arange(width)
    first, last = mark.argmax(axis=0), height - 1 - mark[::-1].argmax(axis=0)
    thickness = last - first + 1
    ends = max(2, round(ENDS * width))
    line_px = float(np.median(np.r_[thickness[:ends], thickness[-ends:]]))
    thick = np.flatnonzero(thickness > 1.6 * line_px + 1)
    if not len(thick) or line_px > THICKEST * height:
        return nothing
    left, right = thick[0], thick[-1] + 1
    if min(left, width - right) < max(JUTS_OUT * (right - left), 2 * line_px):
        return nothing
    jutting = (columns < left) | (columns >= right)
    middles = (first + last) / 2
    line = np.polyval(np.polyfit(columns[jutting], middles[jutting], 1), columns)
    bow = np.abs(middles - line)[jutting].max()
    above, beneath = (line - first)[~jutting].max(), (last - line)[~jutting].max()
    if bow > line_px / 2 + BOWED * width or beneath > BENEATH * above:
        return nothing
    if right - left < NARROW * above and width < above:
        return nothing
    along = np.abs(rows - line) <= line_px / 2 + bow + 1
    over, under = mark & ~along & (rows < line), mark & ~along & (rows > line)
    touching = np.flatnonzero((over[:-1] & along[1:]).any(axis=0))
    on_its_base = len(touching) and touching.mean() - left < AT_LEFT * (right - left)
    if on_its_base or not (mark & along).any(axis=0).all():
        return nothing
    # A stroke that goes on beneath the line goes through it.
    through = over.any(axis=0) & under.any(axis=0)
    return mark & (jutting | along & ~through)
