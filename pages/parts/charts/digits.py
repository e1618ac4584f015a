"""Charts with a bar for each digit."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from mnist_models.data.probabilities import digits_of
from pages.parts.charts.palette import (
    COLORS,
    MUTED_OPACITY,
    NEUTRAL,
    tables,
)


def probabilities(network: str, values: tuple[float, ...]) -> dict[str, Any]:
    """A bar for the probability of each digit, the highest one in full colour.

    Args:
        network: The kind of model, "dnn" or "cnn".
        values: Of the digits 0 to 9, 0 to 1 each.
    """
    best = int(digits_of(np.array(values)))
    rows = [
        {
            "digit": str(digit),
            "probability": value,
            "label": f"{value:.1%}" if value >= 0.001 else "",
            "best": digit == best,
        }
        for digit, value in enumerate(values)
    ]
    return _probabilities(network) | {"datasets": tables(digits=rows)}


@functools.cache
def _probabilities(network: str) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("digits")).encode(
        y=alt.Y(
            "digit:O",
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelFontSize=14, labelPadding=8),
        ),
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1.18]), axis=None),
    )
    bars = base.mark_bar(color=COLORS[network], cornerRadiusEnd=3, height={"band": 0.75}).encode(
        opacity=alt.when("datum.best").then(alt.value(1)).otherwise(alt.value(MUTED_OPACITY)),
        tooltip=[alt.Tooltip("digit:O"), alt.Tooltip("probability:Q", format=".2%")],
    )
    labels = base.mark_text(align="left", dx=5, fontSize=12, color=NEUTRAL).encode(text="label:N")
    return (bars + labels).properties(height=250).configure_view(strokeWidth=0).to_dict()


def distribution(counts: Sequence[int]) -> dict[str, Any]:
    """A bar for the number of images of each class.

    Args:
        counts: Ten of them.
    """
    rows = [
        {"digit": str(digit), "images": int(count), "label": f"{count:,}"}
        for digit, count in enumerate(counts)
    ]
    return _distribution() | {"datasets": tables(digits=rows)}


@functools.cache
def _distribution() -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("digits")).encode(
        y=alt.Y(
            "digit:O",
            title="label",
            axis=alt.Axis(labelOverlap=False, ticks=False, domain=False, labelPadding=8),
        ),
        x=alt.X("images:Q", title=None, axis=None),
        tooltip=[alt.Tooltip("digit:O", title="label"), alt.Tooltip("images:Q", format=",")],
    )
    bars = base.mark_bar(color=NEUTRAL, cornerRadiusEnd=3)
    labels = base.mark_text(align="left", dx=5, fontSize=12, color=NEUTRAL).encode(text="label:N")
    title = alt.Title("Images per class", anchor="start", fontWeight="normal")
    return (
        (bars + labels).properties(height=260, title=title).configure_view(strokeWidth=0).to_dict()
    )
