"""The charts of the lessons: as in `charts`, pure functions from data to a Vega-Lite chart, each kind written once."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

from mnist_models.dataset import IMAGE_SIZE_PX
from pages.parts.charts import COLORS, NEUTRAL, tables


class Place(NamedTuple):
    """What was read of a digit that was moved. dx, dy: in pixels, to the right and down. probability: of the right digit.
    read: what is told where it was not read rightly, else nothing. told: what each network read, by its title. picture: the
    digit there, the address of a picture."""

    dx: int
    dy: int
    probability: float
    read: str
    told: Mapping[str, str]
    picture: str


def places(found: Sequence[Place]) -> dict[str, Any]:
    """How probable one network finds the right digit at each place, on one scale for all networks; the digit that it read
    instead stands where it was wrong."""
    rows = [
        {"dx": one.dx, "dy": one.dy, "probability": one.probability, "read": one.read, "image": one.picture, **one.told}
        for one in found
    ]
    return _places(tuple(found[0].told)) | {"datasets": tables(places=rows)}


@functools.cache
def _places(titles: tuple[str, ...]) -> dict[str, Any]:
    axis = alt.Axis(
        values=[-10, -5, 0, 5, 10], labelAngle=0, labelExpr="datum.value > 0 ? '+' + datum.value : datum.value", ticks=False,
        domain=False, grid=False,
    )  # fmt: skip
    probability = alt.Color(
        "probability:Q", scale=alt.Scale(scheme="viridis", domain=[0, 1]),
        legend=alt.Legend(title="probability of the right digit", format=".0%", orient="top", gradientLength=200),
    )  # fmt: skip
    tooltip = [
        alt.Tooltip("image:N", title="image"), alt.Tooltip("dx:Q", title="px to the right", format="+d"),
        alt.Tooltip("dy:Q", title="px down", format="+d"), *(alt.Tooltip(f"{title}:N", title=title) for title in titles),
    ]  # fmt: skip
    base = alt.Chart(alt.NamedData("places")).encode(
        x=alt.X("dx:O", title="px to the right", axis=axis), y=alt.Y("dy:O", title="px down", axis=axis), tooltip=tooltip
    )
    cells = base.mark_rect().encode(color=probability)
    # Where it is wrong the right digit is improbable, so the cell is dark.
    wrong = base.mark_text(fontSize=9, color="white").encode(text="read:N")
    return (cells + wrong).properties(height=480).configure_view(strokeWidth=0).to_dict()


class Counted(NamedTuple):
    """What each pixel of a digit counted. values: floats (28, 28), in powers of ten of the odds. marks: what is written on each
    pixel, if anything, and told: what its tooltip says beside the value, both row by row."""

    values: np.ndarray
    marks: Sequence[str]
    told: Sequence[str]


PIXEL_PX = 12


def counted(found: Counted, image: np.ndarray, most: float, value_title: str, told_title: str) -> dict[str, Any]:
    """What each pixel of an image, uint8 (28, 28), counted: green for the digit, purple against it, with the edge of the ink.

    most: where the colours end on either side, the same for all that is to be compared.
    """
    pixels = [
        {"x": column, "y": row, "value": round(float(found.values[row, column]), 3), "mark": mark, "told": told}
        for (row, column), mark, told in zip(np.ndindex(image.shape), found.marks, found.told, strict=True)
    ]
    inked = np.pad(image >= 128, 1)
    down, across = np.argwhere(inked[1:] != inked[:-1]).tolist(), np.argwhere(inked[:, 1:] != inked[:, :-1]).tolist()
    edge = [{"x": column - 1, "x2": column, "y": row, "y2": row} for row, column in down]
    edge += [{"x": column, "x2": column, "y": row - 1, "y2": row} for row, column in across]
    return _counted(most, value_title, told_title) | {"datasets": tables(pixels=pixels, edge=edge)}


@functools.lru_cache(maxsize=64)
def _counted(most: float, value_title: str, told_title: str) -> dict[str, Any]:
    def place(field: str, domain: list[int]) -> dict[str, Any]:
        return {"shorthand": f"{field}:Q", "axis": None, "scale": alt.Scale(domain=domain, nice=False)}

    x, y = alt.X(**place("x", [0, IMAGE_SIZE_PX])), alt.Y(**place("y", [IMAGE_SIZE_PX, 0]))
    # Green and purple can be told apart by the colour-blind, and are no network's colours.
    color = alt.Color(
        "value:Q", scale=alt.Scale(scheme="purplegreen", domain=[-most, most], clamp=True),
        legend=alt.Legend(
            title=value_title, format="~f", labelExpr="datum.value > 0 ? '+' + datum.label : datum.label", orient="top",
            gradientLength=200, titleLimit=330, tickCount=5,
        ),
    )  # fmt: skip
    pixels = (
        alt.Chart(alt.NamedData("pixels"))
        .transform_calculate(right="datum.x + 1", below="datum.y + 1", row="datum.y + 1", column="datum.x + 1")
        .encode(
            x=x, y=y,
            tooltip=[
                alt.Tooltip("row:Q"), alt.Tooltip("column:Q"), alt.Tooltip("value:Q", title=value_title, format="+.2f"),
                alt.Tooltip("told:N", title=told_title),
            ],
        )
    )  # fmt: skip
    cells = pixels.mark_rect().encode(x2="right:Q", y2="below:Q", color=color)
    is_dark = f"abs(datum.value) > {0.6 * most}"
    marks = pixels.mark_text(fontSize=9, dx=PIXEL_PX / 2, dy=PIXEL_PX / 2).encode(
        text="mark:N", color=alt.when(is_dark).then(alt.value("white")).otherwise(alt.value("black"))
    )
    edge = alt.Chart(alt.NamedData("edge")).mark_rule(color="black", strokeWidth=1.5, strokeCap="square")
    edge = edge.encode(x=x, y=y, x2="x2:Q", y2="y2:Q")
    side = IMAGE_SIZE_PX * PIXEL_PX
    # Square pixels, however much room the legend takes.
    chart = (cells + edge + marks).properties(width=side, height=side, autosize=alt.AutoSizeParams(type="pad"))
    return chart.configure_view(strokeWidth=0).to_dict()


# After the palettes "bright" and "vibrant" by Paul Tol (https://personal.sron.nl/~pault/), which colour-blind people can tell
# apart as far as ten colours allow, all to be seen on light and on dark pages; each digit is written out besides.
DIGIT_COLORS = (
    "#4F8AC9", "#EE6677", "#3A9E4C", "#B59A1D", "#33AACC", "#BF4F95", "#888888", "#EE7733", "#009988", "#A08060",
)  # fmt: skip


class Dot(NamedTuple):
    """A digit on a map. x, y: where. label: which one it is. picture: the address of a picture of it."""

    x: float
    y: float
    label: int
    picture: str


def digit_map(network: str, dots: Sequence[Dot], nearest: Sequence[Dot], here: tuple[float, float]) -> dict[str, Any]:
    """Digits as a network sees them, those nearest to a drawing with a ring around them, and the drawing as a star."""

    def rows(some: Sequence[Dot]) -> list[dict[str, Any]]:
        return [{"x": dot.x, "y": dot.y, "label": str(dot.label), "image": dot.picture} for dot in some]

    star = [{"x": here[0], "y": here[1]}]
    return _digit_map(network) | {"datasets": tables(digits=rows(dots), nearest=rows(nearest), star=star)}


@functools.cache
def _digit_map(network: str) -> dict[str, Any]:
    labels = [str(digit) for digit in range(len(DIGIT_COLORS))]
    scale = alt.Scale(zero=False, nice=False, padding=12)
    x, y = alt.X("x:Q", axis=None, scale=scale), alt.Y("y:Q", axis=None, scale=scale)
    color = alt.Color("label:N", scale=alt.Scale(domain=labels, range=list(DIGIT_COLORS)), legend=None)
    tooltip = [alt.Tooltip("image:N", title="image"), alt.Tooltip("label:N", title="labelled")]

    def chart(rows: str) -> alt.Chart:
        return alt.Chart(alt.NamedData(rows)).encode(x=x, y=y)

    digits = chart("digits").mark_text(fontSize=11).encode(text="label:N", color=color, tooltip=tooltip)
    rings = chart("nearest").mark_point(size=260, strokeWidth=1.5, color=NEUTRAL, opacity=1).encode(tooltip=tooltip)
    near = chart("nearest").mark_text(fontSize=13, fontWeight="bold").encode(text="label:N", color=color, tooltip=tooltip)
    star = chart("star").mark_text(text="★", fontSize=30, color=COLORS[network])
    return (digits + rings + near + star).properties(height=420).configure_view(strokeWidth=0).to_dict()
