"""A chart with a bar for each digit."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import altair as alt

from pages.parts.charts.palette import NEUTRAL, tables


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
