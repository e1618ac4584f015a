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
    """A chart whose cells can be clicked.

    Attributes:
        rows: Its data, separate from the spec, so that a click changes only the rows.
        spec: The rest of it.
    """

    rows: list[dict[str, Any]]
    spec: dict[str, Any]


# Where cells begin and end, so that they are square at every width of the chart.
SQUARE = [0, alt.ExprRef("min(width, height)")]
# Cells are light in both themes, as paper is, so that the black numbers on them can be read.
INK = "black"
PALEST = 0.7
_OUTCOMES = {True: "correct", False: "wrong"}


def confusion(
    network: str,
    counts: np.ndarray,
    *,
    normalised: bool,
    marked: tuple[int, int] | None = None,
    version: int = 0,
) -> Clickable:
    """A confusion matrix: correct predictions are grey, mistakes have the model's colour, stronger
    the more of them there are.

    A click on a cell sends its fields: digit, read, version.

    Args:
        network: The kind of model, "dnn" or "cnn".
        counts: int (10, 10); rows are the actual digits, columns the predicted ones.
        normalised: Whether a cell shows its share of the row instead of a count.
        marked: The cell with a frame, actual and predicted digit.
        version: Another one after each click, or a second click on the same cell would change
            nothing.
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
                "words": f"{digit} predicted as {read}: {count:,} images, "
                f"{share:.2%} of this actual digit",
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
    axis: dict[str, Any] = {
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
            title="predicted",
            scale=alt.Scale(domain=digits, range=SQUARE),
            axis=alt.Axis(orient="top", labelAlign="center", **axis),
        ),
        y=alt.Y(
            "digit:O",
            title="actual",
            scale=alt.Scale(domain=digits, range=SQUARE),
            axis=alt.Axis(labelBaseline="middle", **axis),
        ),
        tooltip=[
            alt.Tooltip("digit:O", title="actual"),
            alt.Tooltip("read:O", title="predicted"),
            alt.Tooltip("count:Q", title="images", format=","),
            alt.Tooltip("share:Q", title="share of this actual digit", format=".2%"),
        ],
    )
    text = "Share of each actual digit (row), in percent" if normalised else "Number of images"
    return _clickable(base, ["digit", "read"], text, height=440, font_px=11)


def four_boxes(
    counts: dict[tuple[bool, bool], int],
    names: tuple[str, str],
    networks: tuple[str, str],
    marked: tuple[bool, bool],
    version: int = 0,
) -> Clickable:
    """How many test images both of two models classify correctly, only one, or neither.

    A click on a box sends its fields: first, second, version.

    Args:
        counts: By whether the first and the second model are correct.
        names: Of the models.
        networks: The kind of each.
        marked: The box with a frame.
        version: See `confusion`.
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
            "words": f"{names[0]} {_OUTCOMES[first_right]}, {names[1]} {_OUTCOMES[second_right]}: "
            f"{count:,} images",
        }
        for (first_right, second_right), count in counts.items()
    ]
    return Clickable(rows, _four_boxes(names))


@functools.lru_cache(maxsize=16)
def _four_boxes(names: tuple[str, str]) -> dict[str, Any]:
    def axis(name: str, **details: Any) -> alt.Axis:
        return alt.Axis(
            labelExpr=f"'{name} ' + (datum.value ? 'correct' : 'wrong')",
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
        tooltip=[alt.Tooltip("count:Q", title="test images", format=",")],
    )
    return _clickable(base, ["first", "second"], "Number of test images", height=180, font_px=20)


def _cells(**encoding: Any) -> alt.Chart:
    return alt.Chart(alt.NamedData("rows")).encode(**encoding)


def _clickable(
    base: alt.Chart, fields: list[str], title: str, height: int, font_px: int
) -> dict[str, Any]:
    """Coloured cells with a number in each; a click on one is a selection of its fields called
    "cell"."""
    click = alt.selection_point(
        "cell", fields=[*fields, "version"], on="click", toggle=False, clear=False
    )
    colored = base.encode(color=alt.Color("color:N", scale=None), description="words:N")
    cells = colored.mark_rect(cornerRadius=3, cursor="pointer").add_params(click)
    marked = base.transform_filter("datum.marked")
    # Black within white: one of the two is visible on any page.
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
    """One measure for each digit: a dot for each of one or two models, and a line between the two.

    Args:
        values: Ten for each model, 0 to 1.
        names: Of the models in the legend, different for each.
        networks: The kind of each.
        measure: Its name.
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
                alt.Tooltip("network:N", title="model"),
                alt.Tooltip("value:Q", title=measure, format=".2%"),
            ],
        )
    )
    return (lines + dots).properties(height=385).to_dict()
