"""The charts of the lessons: as in `charts`, pure functions from data to a Vega-Lite chart, each kind written once."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

from pages.parts import pictures
from pages.parts.charts import MUTED_OPACITY, tables


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


def by_channel(added: np.ndarray, chosen: int) -> dict[str, Any]:
    """What each map of the layer before adds to one pixel, float (channels,), the chosen one in full colour."""
    rows = [
        {"map": index + 1, "added": float(value), "above": bool(value > 0), "chosen": index == chosen}
        for index, value in enumerate(added)
    ]
    return _by_channel() | {"datasets": tables(maps=rows)}


@functools.cache
def _by_channel() -> dict[str, Any]:
    above, below = ("#{:02x}{:02x}{:02x}".format(*color) for color in (pictures.ABOVE, pictures.BELOW))
    bars = alt.Chart(alt.NamedData("maps")).mark_bar().encode(
        x=alt.X("map:O", title="map of the layer before", axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False)),
        y=alt.Y("added:Q", title="adds"),
        color=alt.when("datum.above").then(alt.value(above)).otherwise(alt.value(below)),
        opacity=alt.when("datum.chosen").then(alt.value(1)).otherwise(alt.value(MUTED_OPACITY)),
        tooltip=[alt.Tooltip("map:O"), alt.Tooltip("added:Q", title="adds", format="+.3f")],
    )  # fmt: skip
    return bars.properties(height=190).configure_view(strokeWidth=0).to_dict()
