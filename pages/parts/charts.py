"""Charts: pure functions from data to a Vega-Lite chart. DNN and CNN keep one colour each,
everywhere.

Altair writes each kind of chart once, with a place for the data; drawing it again only puts other
data there. (Building a chart takes Altair some 30 ms, and every stroke draws two.)

The colours are from Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which colour-blind
people can tell apart, and stand out from a light page as well as from a dark one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import altair as alt
import numpy as np

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.settings.hyperparameters import number
from mnist_models.training.progress import Curve, EpochEnd

if TYPE_CHECKING:
    import pyarrow as pa

COLORS = {"dnn": "#D55E00", "cnn": "#2A8CC9"}
# For what is not one network's; readable on a light page and on a dark one.
NEUTRAL = "#888888"
MUTED_OPACITY = 0.4
TITLES = {
    "loss": "Loss: mean cross-entropy, lower is better",
    "accuracy": "Accuracy: share of digits read right",
}
# Above this the validation loss counts as risen, not as trembling.
RISEN = 1.1
# A logarithmic scale has no zero.
SMALLEST = 1e-6
SMOOTHED_OVER = 30
# So many points of each curve tell their numbers to the pointer, and so many while a network is
# trained: a browser works out every word of every one of them each time that the curves are drawn
# anew, perhaps on the machine that trains.
HOVERED, HOVERED_LIVE = 60, 20
# The share of a training that counts as its beginning.
BEGINNING = 0.2
# Where an axis of accuracies may begin. Few: at another one a browser makes all of the chart anew,
# and what one looks at jumps.
FLOORS = (0.98, 0.95, 0.9, 0.8, 0.5, 0.0)


def tables(**rows: Sequence[dict[str, Any]]) -> dict[str, pa.Table]:
    """The data of a chart by name, in the form in which it goes to the browser: from rows Streamlit
    would make a pandas table first, which takes it more than a millisecond."""
    import pyarrow as pa  # a fifth of a second that the first canvas need not wait for

    return {name: pa.Table.from_pylist(some) for name, some in rows.items()}


def probabilities(network: str, values: tuple[float, ...]) -> dict[str, Any]:
    """A bar for the probability of each digit, the highest one in full colour.

    network: "dnn" or "cnn". values: of the digits 0 to 9, 0 to 1 each.
    """
    best = max(values)
    rows = [
        {
            "digit": str(digit),
            "probability": value,
            "label": f"{value:.1%}" if value >= 0.001 else "",
            "best": value == best,
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
    """A bar for how many images of each digit there are."""
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
    title = alt.Title("Images of each label", anchor="start", fontWeight="normal")
    return (
        (bars + labels).properties(height=260, title=title).configure_view(strokeWidth=0).to_dict()
    )


class Drawn(NamedTuple):
    """A training to draw. label: what the legend calls it, different for each. images_per_epoch:
    how many it learns from."""

    label: str
    network: str
    curve: Curve
    images_per_epoch: int


AXES = {"epochs": "epochs", "seconds": "seconds of training", "images": "images seen"}


def curves(
    drawn: Sequence[Drawn],
    quantity: str,
    axis: str = "epochs",
    *,
    log: bool = False,
    end: float | None = None,
    live: bool = False,
) -> dict[str, Any]:
    """One quantity over the course of one or more trainings.

    Training is a smoothed line over its raw points; validation, dots at the end of each epoch, a
    ring around the best one; changes of the learning rate are marked; where validation rises while
    training falls, the gap is named. quantity: "loss" or "accuracy". axis: see AXES. log: whether
    the loss has a logarithmic scale. end: of the x-axis. live: whether it is soon drawn again, with
    more points.
    """
    kinds = ("training", "hover", "validation", "best", "changes", "gap", "name")
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for one in drawn:
        for kind, found in _rows(one, quantity, axis, HOVERED_LIVE if live else HOVERED).items():
            rows[kind] += found
    filled = frozenset(kind for kind, found in rows.items() if found)
    low = _low(rows) if quantity == "accuracy" else 0.0
    spec = _curves(
        tuple((one.label, one.network) for one in drawn),
        quantity,
        axis,
        log and quantity == "loss",
        end,
        low,
        filled,
    )
    return spec | {"datasets": tables(**rows)}


def _rows(drawn: Drawn, quantity: str, axis: str, hovered: int) -> dict[str, list[dict[str, Any]]]:
    curve = drawn.curve

    def places(epochs: Sequence[float]) -> list[dict[str, Any]]:
        """Where on the x-axis these moments, told in epochs, are, and what their tooltips say of
        them."""
        moments = zip(epochs, curve.seconds_of(epochs), strict=True)
        # As fine as can be seen: a running training sends all of this again and again.
        values = (
            {
                "epochs": round(epoch, 3),
                "seconds": round(seconds, 2),
                "images": round(epoch * drawn.images_per_epoch),
            }
            for epoch, seconds in moments
        )
        return [{"run": drawn.label, **value, "x": value[axis]} for value in values]

    raw = [_drawable(getattr(point, quantity)) for point in curve.points]
    training = [
        {**place, "raw": value, "value": _drawable(smooth)}
        for place, value, smooth in zip(
            places([point.epoch for point in curve.points]), raw, smoothed(raw), strict=True
        )
    ]
    ends = _validated(curve)
    validation = [
        {**place, "value": _drawable(getattr(end, f"validation_{quantity}"))}
        for place, end in zip(places([end.epoch for end in ends]), ends, strict=True)
    ]
    changes = [
        {**place, "rate": f"highest learning rate {number(change.learning_rate)}"}
        for place, change in zip(
            places([change.epoch for change in curve.changes]), curve.changes, strict=True
        )
    ]
    hover = training[:: math.ceil(len(training) / hovered)] if training else []
    rows = {"training": training, "hover": hover, "validation": validation, "changes": changes}
    if ends:
        best = ends.index(_best(ends))
        rows["best"] = [validation[best]]
        if quantity == "loss" and overfits(curve):
            rows["gap"] = [
                {**place, "low": _drawable(end.loss)}
                for place, end in zip(validation[best:], ends[best:], strict=True)
            ]
            rows["name"] = [validation[-1]]
    return rows


def _low(rows: dict[str, list[dict[str, Any]]]) -> float:
    """Where the axis of accuracies begins: at 0 until something was validated, then low enough for
    all but the beginning, which would press the rest together."""
    if not rows["validation"]:
        return 0.0
    furthest = max(row["x"] for row in rows["training"])
    values = [row["value"] for row in rows["validation"]]
    values += [row["value"] for row in rows["training"] if row["x"] > BEGINNING * furthest]
    lowest = min(values)
    return next(floor for floor in FLOORS if floor <= lowest)


def _drawable(value: float) -> float:
    return round(max(value, SMALLEST), 6)


def smoothed(values: Sequence[float]) -> list[float]:
    """A moving average, centred so that it does not lag behind: of a thirtieth of the values, and
    fewer near both ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    reach = np.minimum(round(len(values) / SMOOTHED_OVER / 2), np.minimum(places, places[::-1]))
    return ((sums[places + reach + 1] - sums[places - reach]) / (2 * reach + 1)).tolist()


def _validated(curve: Curve) -> list[EpochEnd]:
    return [end for end in curve.epochs if end.validation_loss is not None]


def _best(ends: Sequence[EpochEnd]) -> EpochEnd:
    return min(ends, key=lambda end: end.validation_loss)


def overfits(curve: Curve) -> bool:
    """Whether validation has got clearly worse since its best epoch while training has got
    better."""
    ends = _validated(curve)
    if not ends:
        return False
    best, latest = _best(ends), ends[-1]
    return latest.validation_loss > RISEN * best.validation_loss and latest.loss < best.loss


@functools.lru_cache(maxsize=128)
def _curves(
    runs: tuple[tuple[str, str], ...],
    quantity: str,
    axis: str,
    log: bool,
    end: float | None,
    low: float,
    filled: frozenset[str],
) -> dict[str, Any]:
    """The chart without its data. low: where the axis of accuracies begins. filled: the kinds of
    rows that there are; of a layer without any, a browser complains each time."""
    percent = quantity == "accuracy"
    form = ".1%" if percent else ".3f"
    x = alt.X(
        "x:Q",
        title=AXES[axis],
        scale=alt.Scale(domain=[0, end]) if end else alt.Scale(zero=True, nice=False),
        axis=alt.Axis(format="~s" if axis == "images" else ",~f", tickCount=6),
    )
    scale = (
        alt.Scale(type="log")
        if log
        else alt.Scale(domain=[low, 1])
        if percent
        else alt.Scale(zero=True)
    )
    y, raw = (
        alt.Y(
            field,
            title=None,
            scale=scale,
            axis=alt.Axis(
                format=".0%" if percent else "~g" if log else "~f", tickCount=3 if log else 6
            ),
        )
        for field in ("value:Q", "raw:Q")
    )
    color = alt.Color(
        "run:N",
        title=None,
        scale=alt.Scale(
            domain=[label for label, _ in runs], range=shades([kind for _, kind in runs])
        ),
        legend=names_of_runs() if len(runs) > 1 else None,
    )
    dash = alt.StrokeDash(
        "of:N",
        title=None,
        scale=alt.Scale(domain=["training, smoothed", "validation"], range=[[1, 0], [6, 3]]),
        # Where the curve of this quantity does not go.
        legend=alt.Legend(
            orient="bottom-right" if percent else "top-right",
            symbolType="stroke",
            symbolSize=600,
            symbolStrokeWidth=2.5,
        ),
    )
    moment = [
        alt.Tooltip("run:N", title="run"),
        alt.Tooltip("epochs:Q", title="epochs", format=".2f"),
        alt.Tooltip("seconds:Q", title="seconds of training", format=",.1f"),
        alt.Tooltip("images:Q", title="images seen", format=",.0f"),
    ]

    def chart(rows: str, **encoding: Any) -> alt.Chart:
        return alt.Chart(alt.NamedData(rows)).encode(x=x, color=color, **encoding)

    nearest = alt.selection_point(
        on="pointerover", nearest=True, fields=["x"], empty=False, clear="pointerout"
    )
    validation = chart("validation", y=y).transform_calculate(of="'validation'")
    values = [
        alt.Tooltip("value:Q", title=f"{quantity}, smoothed", format=form),
        alt.Tooltip("raw:Q", title=quantity, format=form),
    ]
    line = {"clip": True}
    layers = {
        "gap": [chart("gap", y=y, y2="low:Q").mark_area(opacity=0.15, line=False)],
        "training": [
            chart("training", y=raw).mark_line(opacity=0.25, strokeWidth=1, **line),
            chart("training", y=y, strokeDash=dash)
            .transform_calculate(of="'training, smoothed'")
            .mark_line(strokeWidth=2, **line),
        ],
        "validation": [
            validation.encode(strokeDash=dash).mark_line(strokeWidth=1.5, **line),
            validation.encode(
                tooltip=[
                    *moment,
                    alt.Tooltip("value:Q", title=f"validation {quantity}", format=form),
                ]
            ).mark_point(filled=True, size=60, opacity=1),
        ],
        "best": [chart("best", y=y).mark_point(size=220, strokeWidth=2, opacity=1)],
        "changes": [
            chart("changes").mark_rule(strokeDash=[2, 2], opacity=0.8),
            chart("changes", text="rate:N")
            .encode(y=alt.value(alt.expr("height - 8") if percent else 8))
            .mark_text(align="left", dx=4),
        ],
        "name": [
            chart("name", y=y).mark_text(
                text="overfitting", align="right", dy=-12, fontSize=12, fontWeight="bold"
            )
        ],
    }
    hover = [
        chart("hover", y=y, tooltip=[*moment, *values])
        .mark_point(opacity=0, size=300, aria=False, **line)
        .add_params(nearest),
        chart(
            "hover", opacity=alt.when(nearest).then(alt.value(0.5)).otherwise(alt.value(0))
        ).mark_rule(),
    ]
    drawn = [layer for kind, some in layers.items() if kind in filled for layer in some]
    title = alt.Title(TITLES[quantity], anchor="start", fontWeight="normal")
    # Names may need a row each.
    return alt.layer(*drawn, *hover).properties(height=300 + 20 * len(runs), title=title).to_dict()


def names_of_runs() -> alt.Legend:
    """A legend of names that may be long, side by side only where there is room for two of them."""
    return alt.Legend(
        orient="top",
        columns=alt.expr("width > 650 ? 2 : 1"),
        labelLimit=240,
        symbolType="stroke",
        symbolOpacity=1,
    )


def shades(networks: Sequence[str]) -> list[str]:
    """A colour for each of several runs: that of its network, darker and lighter where it has more
    than one."""
    result = []
    for index, network in enumerate(networks):
        count, place = networks.count(network), networks[:index].count(network)
        result.append(_mixed(COLORS[network], 0.0 if count == 1 else place / (count - 1) - 0.5))
    return result


def _mixed(color: str, amount: float) -> str:
    """The colour mixed with white (amount > 0) or black (amount < 0), which is the share of it."""
    other = 255 if amount > 0 else 0
    parts = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part + (other - part) * abs(amount)):02x}" for part in parts)


def finding(curve: Curve, *, is_over: bool) -> str:
    """What a curve with at least one point shows, in words. is_over: nothing more will come."""
    first, last = curve.points[0], smoothed([point.loss for point in curve.points])[-1]
    text = f"The training loss went from {first.loss:.2f} to **{last:.2f}**."
    ends = _validated(curve)
    if not ends:
        return text + (
            " It was never validated."
            if is_over
            else " Validation follows at the end of each epoch."
        )
    best, latest = _best(ends), ends[-1]
    text += f" After epoch {_epoch(latest)} the network reads **{latest.validation_accuracy:.2%}** of digits it never learned from."
    if overfits(curve):
        text += (
            f" Its validation loss was lowest after epoch {_epoch(best)} and has risen since, "
            "while the training loss still "
            "falls: it now learns its training images by heart. That is **overfitting**."
        )
    elif latest is not best:
        text += f" Its validation loss was lowest after epoch {_epoch(best)}, which the ring marks."
    return text


def _epoch(end: EpochEnd) -> str:
    return number(round(end.epoch, 2))


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
                "words": f"{digit} read as {read}: {count:,} digits, {share:.2%} of this true digit",
                "color": _mixed(
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
        (True, True): _mixed(NEUTRAL, PALEST),
        (True, False): _mixed(first, 0.3),
        (False, True): _mixed(second, 0.3),
        (False, False): _mixed(NEUTRAL, 0.2),
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
            "words": f"{names[0]} {_RIGHT[first_right]}, {names[1]} {_RIGHT[second_right]}: {count:,} digits",
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
