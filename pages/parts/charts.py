"""Charts: pure functions from data to a Vega-Lite chart. DNN and CNN keep one colour each, everywhere.

Altair writes each kind of chart once, with a place for the data; drawing it again only puts other data there. (Building a chart
takes Altair some 30 ms, and every stroke draws two.)

The colours are from Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which colour-blind people can tell apart, and
stand out from a light page as well as from a dark one.
"""

import functools
from typing import Any

import altair as alt

from mnist_models.progress import Curve

COLORS = {"dnn": "#D55E00", "cnn": "#2A8CC9"}
MUTED_OPACITY = 0.4
TITLES = {"loss": "Loss: mean cross-entropy, lower is better", "accuracy": "Accuracy: share of digits read right"}
# Above this the validation loss counts as risen, not as trembling.
RISEN = 1.1


def probabilities(network: str, values: tuple[float, ...]) -> dict[str, Any]:
    """A bar for the probability of each digit, the highest one in full colour.

    network: "dnn" or "cnn". values: of the digits 0 to 9, 0 to 1 each.
    """
    best = max(values)
    rows = [
        {"digit": str(digit), "probability": value, "label": f"{value:.1%}" if value >= 0.001 else "", "best": value == best}
        for digit, value in enumerate(values)
    ]
    return _probabilities(network) | {"datasets": {"digits": rows}}


@functools.cache
def _probabilities(network: str) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("digits")).encode(
        y=alt.Y("digit:O", title=None, axis=alt.Axis(ticks=False, domain=False, labelFontSize=14, labelPadding=8)),
        x=alt.X("probability:Q", scale=alt.Scale(domain=[0, 1.18]), axis=None),
    )
    bars = base.mark_bar(color=COLORS[network], cornerRadiusEnd=3, height={"band": 0.75}).encode(
        opacity=alt.when("datum.best").then(alt.value(1)).otherwise(alt.value(MUTED_OPACITY)),
        tooltip=[alt.Tooltip("digit:O"), alt.Tooltip("probability:Q", format=".2%")],
    )
    labels = base.mark_text(align="left", dx=5, fontSize=12, color="#888").encode(text="label:N")
    return (bars + labels).properties(height=250).configure_view(strokeWidth=0).to_dict()


def training_curve(network: str, curve: Curve, quantity: str, epochs: int) -> dict[str, Any]:
    """One quantity over the epochs of a training: the training batches as a thin line, validation as points on the epochs.

    network: "dnn" or "cnn". quantity: "loss" or "accuracy". epochs: how many were asked for; the x-axis ends there.
    """
    batches = [{"epoch": point.epoch, "value": getattr(point, quantity), "of": "training"} for point in curve.points]
    validation = [
        {"epoch": end.epoch, "value": getattr(end, f"validation_{quantity}"), "of": "validation"}
        for end in curve.epochs
        if end.validation_loss is not None
    ]
    return _training_curve(network, quantity, epochs) | {"datasets": {"batches": batches, "validation": validation}}


@functools.lru_cache(maxsize=64)
def _training_curve(network: str, quantity: str, epochs: int) -> dict[str, Any]:
    percent = quantity == "accuracy"
    encoding = {
        "x": alt.X("epoch:Q", title="epoch", scale=alt.Scale(domain=[0, epochs]), axis=alt.Axis(tickMinStep=1, format="d")),
        "y": alt.Y(
            "value:Q",
            title=None,
            scale=alt.Scale(zero=not percent),
            axis=alt.Axis(format=".0%" if percent else "", tickCount=6),
        ),
        "tooltip": [
            alt.Tooltip("of:N", title="measured on"),
            alt.Tooltip("epoch:Q", format=".2f"),
            alt.Tooltip("value:Q", title=quantity, format=".1%" if percent else ".3f"),
        ],
        "strokeDash": alt.StrokeDash(
            "of:N",
            title=None,
            scale=alt.Scale(domain=["training", "validation"], range=[[1, 0], [6, 3]]),
            # Where the curve of this quantity does not go.
            legend=alt.Legend(
                orient="bottom-right" if percent else "top-right", symbolType="stroke", symbolSize=600, symbolStrokeWidth=2.5
            ),
        ),
    }
    color = COLORS[network]
    training = alt.Chart(alt.NamedData("batches")).mark_line(color=color, opacity=0.55, strokeWidth=1.5).encode(**encoding)
    checks = (
        alt.Chart(alt.NamedData("validation"))
        .mark_line(color=color, strokeWidth=2.5, point={"color": color, "filled": True, "size": 60})
        .encode(**encoding)
    )
    title = alt.Title(TITLES[quantity], anchor="start", fontWeight="normal")
    return (training + checks).properties(height=260, title=title).to_dict()


def finding(curve: Curve) -> str:
    """What a curve with at least one point shows, in words."""
    first, last = curve.points[0], curve.points[-1]
    text = f"The training loss went from {first.loss:.2f} to **{last.loss:.2f}**."
    checks = [end for end in curve.epochs if end.validation_loss is not None]
    if not checks:
        return text + " Validation follows at the end of each epoch."
    best, latest = min(checks, key=lambda end: end.validation_loss), checks[-1]
    text += (
        f" After epoch {latest.epoch} the network reads **{latest.validation_accuracy:.2%}** of digits it never learned from."
    )
    if latest.validation_loss > RISEN * best.validation_loss and latest.loss < best.loss:
        text += (
            f" Its validation loss was lowest after epoch {best.epoch} and has risen since, while the training loss still "
            "falls: it now learns its training images by heart. That is **overfitting**."
        )
    elif latest is not best:
        text += f" Its validation loss was lowest after epoch {best.epoch}."
    return text
