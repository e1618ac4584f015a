"""Charts that compare models on the test set; a click on a cell chooses it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

from mnist_models.data.dataset import CLASS_COUNT
from pages.parts.charts.palette import (
    COLORS,
    NEUTRAL,
    mixed,
    shades,
    tables,
)


class Clickable(NamedTuple):
    """A chart whose cells can be clicked. rows: its data, apart from the spec, so that a click
    changes only what it marks."""

    rows: list[dict[str, Any]]
    spec: dict[str, Any]


# Cells are light in both themes, as paper is, so that the black numbers on them can be read.
INK = "black"
PALEST = 0.7
_RIGHT = {True: "right", False: "wrong"}


def confusion(
    network: str,
    counts: np.ndarray,
    *,
    normalised: bool,
    marked: tuple[int, int] | None = None,
    version: int = 0,
) -> Clickable:
    """A confusion matrix: the digits read right are grey, mistakes have the network's colour, the
    more the stronger.

    A click tells the fields of its cell: digit, read, version. counts: int (10, 10), rows are the
    true digits. normalised: whether a cell tells its share of the true digit, or a count. marked:
    the cell, true digit and digit read, with a frame. version: to be another one after each click,
    or the next click on the same cell would be no news.
    """
    most = max(1, int((counts - np.diag(np.diag(counts))).max()))
    rows = []
    for digit, read in np.argwhere(counts).tolist():
        count, share = int(counts[digit, read]), float(counts[digit, read] / counts[digit].sum())
        rows.append(
            {
                "digit": str(digit),
                "read": str(read),
                "version": version,
                "count": count,
                "share": share,
                "label": f"{share:.1%}"[:-1] if normalised else f"{count:,}",
                "marked": (digit, read) == marked,
                "words": f"{digit} read as {read}: {count:,} digits, "
                f"{share:.2%} of this true digit",
                "color": mixed(
                    NEUTRAL if digit == read else COLORS[network],
                    PALEST * (digit == read or 1 - count / most),
                ),
            }
        )
    return Clickable(rows, _confusion(normalised))


@functools.cache
def _confusion(normalised: bool) -> dict[str, Any]:
    digits = [str(digit) for digit in range(CLASS_COUNT)]
    axis = {
        "labelAngle": 0,
        "labelFontSize": 13,
        "labelOverlap": False,
        "ticks": False,
        "domain": False,
        "grid": False,
    }
    base = _cells(
        x=alt.X(
            "read:O",
            title="digit read",
            scale=alt.Scale(domain=digits),
            axis=alt.Axis(orient="top", labelAlign="center", **axis),
        ),
        y=alt.Y(
            "digit:O",
            title="true digit",
            scale=alt.Scale(domain=digits),
            axis=alt.Axis(labelBaseline="middle", **axis),
        ),
        tooltip=[
            alt.Tooltip("digit:O", title="true digit"),
            alt.Tooltip("read:O", title="digit read"),
            alt.Tooltip("count:Q", title="test digits", format=","),
            alt.Tooltip("share:Q", title="share of this true digit", format=".2%"),
        ],
    )
    text = "Share of each true digit, in percent" if normalised else "Number of test digits"
    return _clickable(base, ["digit", "read"], text, height=440, font_px=11)


def four_boxes(
    counts: dict[tuple[bool, bool], int],
    names: tuple[str, str],
    networks: tuple[str, str],
    marked: tuple[bool, bool],
    version: int = 0,
) -> Clickable:
    """How many digits both of two networks read right, only one, or neither; keys tell who is
    right, the first and the second.

    A click tells the fields of its box: first, second, version (see `confusion`).
    """
    first, second = shades(networks)
    looks = {
        (True, True): mixed(NEUTRAL, PALEST),
        (True, False): mixed(first, 0.3),
        (False, True): mixed(second, 0.3),
        (False, False): mixed(NEUTRAL, 0.2),
    }
    rows = [
        {
            "first": first_right,
            "second": second_right,
            "version": version,
            "count": count,
            "label": f"{count:,}",
            "marked": (first_right, second_right) == marked,
            "color": looks[first_right, second_right],
            "words": f"{names[0]} {_RIGHT[first_right]}, {names[1]} {_RIGHT[second_right]}: "
            f"{count:,} digits",
        }
        for (first_right, second_right), count in counts.items()
    ]
    return Clickable(rows, _four_boxes(names))


@functools.lru_cache(maxsize=16)
def _four_boxes(names: tuple[str, str]) -> dict[str, Any]:
    def axis(name: str, **details: Any) -> alt.Axis:
        return alt.Axis(
            labelExpr=f"'{name} ' + (datum.value ? 'right' : 'wrong')",
            labelAngle=0,
            labelFontSize=13,
            labelLimit=200,
            ticks=False,
            domain=False,
            labelFlush=False,
            **details,
        )

    base = _cells(
        x=alt.X(
            "second:O",
            title=None,
            sort="descending",
            axis=axis(names[1], orient="top", labelAlign="center"),
        ),
        y=alt.Y(
            "first:O", title=None, sort="descending", axis=axis(names[0], labelBaseline="middle")
        ),
        tooltip=[alt.Tooltip("count:Q", title="test digits", format=",")],
    )
    return _clickable(base, ["first", "second"], "Number of test digits", height=180, font_px=20)


def _cells(**encoding: Any) -> alt.Chart:
    return alt.Chart(alt.NamedData("rows")).encode(**encoding)


def _clickable(
    base: alt.Chart, fields: list[str], title: str, height: int, font_px: int
) -> dict[str, Any]:
    """Coloured cells with a number in each; a click on one selects its fields, by the name
    "cell"."""
    click = alt.selection_point(
        "cell", fields=[*fields, "version"], on="click", toggle=False, clear=False
    )
    colored = base.encode(color=alt.Color("color:N", scale=None), description="words:N")
    cells = colored.mark_rect(cornerRadius=3, cursor="pointer").add_params(click)
    marked = base.transform_filter("datum.marked")
    # Black within white: one of the two is seen on any page.
    frames = [
        marked.mark_rect(
            cornerRadius=3,
            filled=False,
            strokeWidth=width,
            color=color,
            cursor="pointer",
            aria=False,
        )
        for width, color in ((6, "white"), (3, INK))
    ]
    labels = base.mark_text(fontSize=font_px, color=INK, cursor="pointer", aria=False).encode(
        text="label:N"
    )
    titled = alt.Title(title, anchor="start", fontWeight="normal")
    spec = (
        alt.layer(cells, *frames, labels)
        .properties(height=height, title=titled)
        .configure_view(strokeWidth=0)
        .to_dict()
    )
    del spec["data"]  # it comes with each call
    return spec


def by_digit(
    values: Sequence[Sequence[float]],
    names: tuple[str, ...],
    networks: tuple[str, ...],
    measure: str,
) -> dict[str, Any]:
    """One measure of one or two networks for each digit, 0 to 1: a dot for each, a line between the
    two.

    values: one sequence of ten for each network. names: what the legend calls them, different for
    each. measure: its name.
    """
    dots = [
        {"digit": str(digit), "network": name, "value": value}
        for name, found in zip(names, values, strict=True)
        for digit, value in enumerate(found)
    ]
    lines = [
        {"digit": str(digit), "low": min(found), "high": max(found)}
        for digit, found in enumerate(zip(*values, strict=True))
    ]
    return _by_digit(names, networks, measure) | {"datasets": tables(dots=dots, lines=lines)}


@functools.lru_cache(maxsize=64)
def _by_digit(names: tuple[str, ...], networks: tuple[str, ...], measure: str) -> dict[str, Any]:
    y = alt.Y(
        "digit:O",
        title="digit",
        axis=alt.Axis(
            labelFontSize=13,
            labelOverlap=False,
            labelBaseline="middle",
            ticks=False,
            domain=False,
            grid=True,
        ),
    )
    axis = alt.Axis(format=".1%", tickCount=5)
    scale = alt.Scale(zero=False, nice=True)
    color = alt.Color(
        "network:N",
        title=None,
        scale=alt.Scale(domain=list(names), range=shades(networks)),
        legend=alt.Legend(orient="top", symbolSize=120, symbolOpacity=1)
        if len(names) > 1
        else None,
    )
    lines = (
        alt.Chart(alt.NamedData("lines"))
        .mark_rule(strokeWidth=3, opacity=0.35, color=NEUTRAL)
        .encode(y=y, x=alt.X("low:Q", title=measure, axis=axis, scale=scale), x2="high:Q")
    )
    dots = (
        alt.Chart(alt.NamedData("dots"))
        .mark_circle(size=130, opacity=1)
        .encode(
            y=y,
            x=alt.X("value:Q", title=measure, axis=axis, scale=scale),
            color=color,
            tooltip=[
                alt.Tooltip("digit:O"),
                alt.Tooltip("network:N"),
                alt.Tooltip("value:Q", title=measure, format=".2%"),
            ],
        )
    )
    return (lines + dots).properties(height=385).to_dict()
