"""The charts of the lessons: as in `charts`, pure functions from data to a Vega-Lite chart, each kind written once."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

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


# Below this probability all along, a line is not told from the axis.
SEEN_FROM = 0.01
# With less than this it leads only because all ten are nearly level, and is not named.
NAMED_FROM = 0.2
# Shares of the chart's width in which the name of a stroke, or its number, finds room.
NAME_SHARE, NUMBER_SHARE = 0.13, 0.03


class Course(NamedTuple):
    """What one network read along a drawing. ink: how much there was at each moment, 0 to 1. strokes: the stroke that was drawn
    then, from 0; -1 where there was only a picture. read: the probability of each digit, float (moments, 10). sure_from: the
    network is sure of a digit from this probability on."""

    network: str
    ink: Sequence[float]
    strokes: Sequence[int]
    read: np.ndarray
    sure_from: float


def course(drawn: Course, at: int) -> dict[str, Any]:
    """How probable one network finds each digit along a drawing: what it reads at the end in its colour, each other digit named
    where it leads most clearly. at: the moment that is marked."""
    return _course(drawn.network) | {"datasets": tables(**_course_rows(drawn), now=[{"ink": drawn.ink[at]}])}


def _course_rows(drawn: Course) -> dict[str, list[dict[str, Any]]]:
    read = drawn.read.round(4)
    leads = read.argmax(axis=1)
    final = leads[-1]
    lines = [
        {"ink": ink, "probability": float(read[place, digit]), "digit": str(digit), "final": bool(digit == final)}
        for digit in np.flatnonzero(read.max(axis=0) >= SEEN_FROM)
        for place, ink in enumerate(drawn.ink)
    ]
    peaks = {digit: np.where(leads == digit, read[:, digit], 0).argmax() for digit in set(leads)}
    named = {digit: place for digit, place in peaks.items() if read[place, digit] >= NAMED_FROM} | {final: len(leads) - 1}
    names = [
        {"ink": drawn.ink[place], "probability": float(read[place, digit]), "digit": str(digit), "final": bool(digit == final)}
        for digit, place in named.items()
    ]
    moments = [
        {"ink": ink, "stroke": stroke + 1, "reads": f"{digit}, {probability:.1%}"}
        for ink, stroke, digit, probability in zip(drawn.ink, drawn.strokes, leads, read.max(axis=1), strict=True)
    ]
    # Where each stroke ends: the last moment before the next begins.
    ends = {stroke: ink for ink, stroke in zip(drawn.ink, drawn.strokes, strict=True) if stroke >= 0}
    strokes = []
    for begins, (stroke, end) in zip([0.0, *ends.values()], ends.items(), strict=False):
        width = end - begins
        name = f"stroke {stroke + 1}" if width > NAME_SHARE else str(stroke + 1) if width > NUMBER_SHARE else ""
        strokes.append({"middle": (begins + end) / 2, "end": end, "name": name})
    return {
        "lines": lines, "names": names, "moments": moments, "strokes": strokes, "sure": [{"probability": drawn.sure_from}],
    }  # fmt: skip


@functools.cache
def _course(network: str) -> dict[str, Any]:
    share = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], grid=False, labelAngle=0)
    scale = alt.Scale(domain=[0, 1])
    ink = alt.X("ink:Q", title="share of the ink drawn", axis=share, scale=scale)
    # Room above for the names of digits and strokes.
    y = alt.Y(
        "probability:Q", title="probability", scale=alt.Scale(domain=[0, 1.2]),
        axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], gridOpacity=0.4),
    )  # fmt: skip

    def chart(rows: str, **encoding: Any) -> alt.Chart:
        return alt.Chart(alt.NamedData(rows)).encode(**encoding)

    lines = chart("lines", x=ink, y=y, detail="digit:N")
    names = chart("names", x=ink, y=y, text="digit:N")
    moment = [
        alt.Tooltip("ink:Q", title="ink drawn", format=".0%"), alt.Tooltip("stroke:Q", title="stroke"),
        alt.Tooltip("reads:N", title="reads"),
    ]  # fmt: skip
    bold = {"fontSize": 14, "fontWeight": "bold"}
    return (
        alt.layer(
            chart("strokes", x=alt.X("end:Q", scale=scale)).mark_rule(color=NEUTRAL, strokeWidth=1, opacity=0.6),
            chart("strokes", x=alt.X("middle:Q", scale=scale), text="name:N", y=alt.value(0)).mark_text(
                color=NEUTRAL, fontSize=11, baseline="top"
            ),
            chart("sure", y=y).mark_rule(color=NEUTRAL, strokeDash=[4, 4], opacity=0.8),
            lines.transform_filter("!datum.final").mark_line(color=NEUTRAL, strokeWidth=1.5, opacity=0.7),
            lines.transform_filter("datum.final").mark_line(color=COLORS[network], strokeWidth=3),
            chart("now", x=ink).mark_rule(color=COLORS[network], strokeWidth=2, opacity=0.8),
            names.transform_filter("!datum.final").mark_text(color=NEUTRAL, dy=-10, **bold),
            names.transform_filter("datum.final").mark_text(color=COLORS[network], dy=-12, dx=-2, align="right", **bold),
            # As wide as the moments are apart, so that there is one under the pointer everywhere.
            chart("moments", x=ink, tooltip=moment).mark_rule(opacity=0, strokeWidth=8),
        )
        .properties(height=300)
        .configure_view(strokeWidth=0)
        .to_dict()
    )
