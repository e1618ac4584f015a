"""Learning curves, and what they say in words."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

from mnist_models.data.probabilities import SAME
from mnist_models.settings.hyperparameters import number
from mnist_models.training.progress import Curve, EpochEnd
from pages.parts.charts.palette import (
    names_of_runs,
    shades,
    tables,
)

TITLES = {
    "loss": "Loss: mean cross-entropy, lower is better",
    "accuracy": "Accuracy: share of digits classified correctly",
}
# The validation loss counts as risen above this multiple of its lowest value.
RISEN = 1.1
# A logarithmic scale has no zero.
SMALLEST = 1e-6
SMOOTHED_OVER = 30
HEIGHT_PX = 320
# The number of points of each curve with a tooltip, and the number during training: a browser
# formats every tooltip each time the curves are redrawn, perhaps on the machine that trains.
HOVERED, HOVERED_LIVE = 60, 20
# The share of a training run that counts as its beginning.
BEGINNING = 0.2
# Where an axis of accuracies may begin. Few values: at another one a browser rebuilds the chart,
# and the lines jump.
FLOORS = (0.98, 0.95, 0.9, 0.8, 0.5, 0.0)


class Drawn(NamedTuple):
    """A training run to draw.

    Attributes:
        label: Its name in the legend, different for each.
        network: The kind of model, "dnn" or "cnn".
        curve: Its curve.
        images_per_epoch: The number of its training images.
    """

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
    """One quantity over the course of one or more training runs.

    Training is a smoothed line over its raw points. Validation is a dot at the end of each epoch,
    with a ring around the best one. Changes of the learning rate are marked. Where the validation
    loss rises while the training loss falls, the gap is labelled.

    Args:
        drawn: The runs.
        quantity: "loss" or "accuracy".
        axis: See AXES.
        log: Whether the loss has a logarithmic scale.
        end: Of the x-axis.
        live: Whether the chart will soon be redrawn with more points.
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
        """The positions of moments, given in epochs, on the x-axis, and the fields of their
        tooltips."""
        moments = zip(epochs, curve.seconds_of(epochs), strict=True)
        # No finer than can be seen: during training, all of this is sent again and again.
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
    """Where the axis of accuracies begins: at 0 until the first validation, then low enough for all
    but the beginning, which would squeeze the rest."""
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


def _loss(end: EpochEnd) -> float:
    assert end.validation_loss is not None  # it is one of those that were validated
    return end.validation_loss


def _best(ends: Sequence[EpochEnd]) -> EpochEnd:
    """The epoch with the least validation loss; of several whose losses are the same, the last."""
    least = min(map(_loss, ends))
    return [end for end in ends if _loss(end) <= least + SAME][-1]


def overfits(curve: Curve) -> bool:
    """Whether the validation loss has clearly risen since its best epoch while the training loss
    has fallen."""
    ends = _validated(curve)
    if not ends:
        return False
    best, latest = _best(ends), ends[-1]
    return _loss(latest) > RISEN * _loss(best) and latest.loss < best.loss


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
    """The chart without its data.

    Args:
        low: Where the axis of accuracies begins.
        filled: The kinds of rows that there are; a layer without rows is a warning in the browser.
    """
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
                format=".1~%" if percent else "~g" if log else "~f", tickCount=3 if log else 6
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
        # In the corner where the curve of this quantity is not.
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
    line: dict[str, Any] = {"clip": True}
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
    return (
        alt.layer(*drawn, *hover)
        .properties(height=HEIGHT_PX + 20 * len(runs), title=title)
        .to_dict()
    )


def finding(curve: Curve, *, is_over: bool) -> str:
    """What a curve shows, in words.

    Args:
        curve: With at least one point.
        is_over: Whether the run is over.
    """
    first, last = curve.points[0], smoothed([point.loss for point in curve.points])[-1]
    text = (
        f"The training loss fell from {first.loss:.2f} to **{last:.2f}**."
        if last < first.loss
        else f"The training loss rose from {first.loss:.2f} to **{last:.2f}**."
    )
    ends = _validated(curve)
    if not ends:
        return text + (
            " There was no validation."
            if is_over
            else " Validation follows at the end of each epoch."
        )
    best, latest = _best(ends), ends[-1]
    text += (
        f" After epoch {_epoch(latest)}, the validation accuracy is "
        f"**{latest.validation_accuracy:.2%}**."
    )
    if overfits(curve):
        text += (
            f" Its validation loss was lowest after epoch {_epoch(best)} and has risen since, "
            "while the training loss still falls: it now memorises its training images. That is "
            "**overfitting**."
        )
    elif latest is not best:
        text += f" Its validation loss was lowest after epoch {_epoch(best)}, which the ring marks."
    return text


def _epoch(end: EpochEnd) -> str:
    return number(round(end.epoch, 2))
