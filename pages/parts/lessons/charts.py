"""The charts of the lessons: as in `pages/parts/charts`, pure functions from data to a Vega-Lite
chart, each kind written once."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np

from mnist_models.data import shifts
from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.probabilities import NOT_SURE, digits_of
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts.charts.palette import COLORS, MUTED_OPACITY, NEUTRAL, names_of_runs, shades, tables
from pages.parts.lessons import pictures


class Position(NamedTuple):
    """The predictions for a digit that was moved.

    Attributes:
        dx, dy: In pixels, to the right and down.
        probability: Of the correct digit, according to one model.
        mistake: The digit that this model predicted instead; empty if it was correct.
        predictions: Of each model with its probability, by the model's title.
        picture: The digit at this position, a data URL.
    """

    dx: int
    dy: int
    probability: float
    mistake: str
    predictions: Mapping[str, str]
    picture: str


def positions(found: Sequence[Position], side_px: int) -> dict[str, Any]:
    """A map of the probability of the correct digit at each position, on one scale for all models,
    with the digit predicted instead where the model is wrong.

    Args:
        found: Of one model.
        side_px: The side of the map, which is a square.
    """
    rows = [
        {
            "dx": one.dx,
            "dy": one.dy,
            "probability": one.probability,
            "read": one.mistake,
            "image": one.picture,
            **one.predictions,
        }
        for one in found
    ]
    spec = _positions(tuple(found[0].predictions), side_px)
    return spec | {"datasets": tables(positions=rows)}


@functools.cache
def _positions(titles: tuple[str, ...], side_px: int) -> dict[str, Any]:
    # The labels are not chosen by `values`: Vega drops one of these if its position is rounded to
    # just outside of the axis.
    axis = alt.Axis(
        labelExpr="datum.value % 5 ? '' : datum.value > 0 ? '+' + datum.value : datum.value",
        labelAngle=0,
        labelOverlap=False,
        ticks=False,
        domain=False,
        grid=False,
    )
    probability = alt.Color(
        "probability:Q",
        scale=alt.Scale(scheme="viridis", domain=[0, 1]),
        legend=alt.Legend(
            title="probability of the correct digit", format=".0%", orient="top", gradientLength=200
        ),
    )
    tooltip = [
        alt.Tooltip("image:N", title="image"),
        alt.Tooltip("dx:Q", title="horizontal shift (px)", format="+d"),
        alt.Tooltip("dy:Q", title="vertical shift (px)", format="+d"),
        *(alt.Tooltip(f"{title}:N", title=title) for title in titles),
    ]
    base = alt.Chart(alt.NamedData("positions")).encode(
        x=alt.X("dx:O", title="horizontal shift (px)", axis=axis),
        y=alt.Y("dy:O", title="vertical shift (px)", axis=axis),
        tooltip=tooltip,
    )
    cells = base.mark_rect().encode(color=probability)
    # Where the model is wrong, the correct digit is improbable, so the cell is dark.
    wrong = base.mark_text(fontSize=9, color="white").encode(text="read:N")
    return _square(cells + wrong, side_px).configure_view(strokeWidth=0).to_dict()


def _square(chart: alt.LayerChart, side_px: int) -> alt.LayerChart:
    """A chart with two axes alike. Without `pad`, Streamlit fits the chart and its axes and legend
    into this size, and it is a square no more."""
    return chart.properties(width=side_px, height=side_px, autosize="pad")


# The room below the digit that is dragged, for a line of text.
LINE_PX = 24
# The selection of the place where it was let go.
LET_GO = "let_go"
# What else the browser is given: the digit, and the selection of the place where it is.
PICTURE, PLACE = "picture", "place"


def dragged(
    picture: str,
    predictions: Sequence[Mapping[str, str]],
    shift: tuple[int, int],
    side_px: int,
) -> dict[str, Any]:
    """The digit on its 28×28 pixels, which can be dragged to each of shifts.SHIFTS, and what each
    model predicts there. The browser has all predictions, so these keep up with the hand.

    Args:
        picture: The digit at its original position, a data URL.
        predictions: At each position, by kind of model.
        shift: Where the digit is at first, to the right and down, in pixels.
        side_px: The side of the square.
    """
    rows = [
        {"dx": dx, "dy": dy, **said}
        for (dx, dy), said in zip(shifts.SHIFTS, predictions, strict=True)
    ]
    spec = _dragged(tuple(predictions[0]), side_px)
    given: dict[str, Any] = {PICTURE: picture, PLACE: [{"dx": shift[0], "dy": shift[1]}]}
    params = [
        param | {"value": given[param["name"]]} if param["name"] in given else param
        for param in spec["params"]
    ]
    return spec | {"params": params, "datasets": tables(positions=rows)}


@functools.cache
def _dragged(networks: tuple[str, ...], side_px: int) -> dict[str, Any]:
    half = IMAGE_SIZE_PX / 2
    picture = alt.param(name=PICTURE, value="")
    place = alt.selection_point(
        name=PLACE,
        fields=["dx", "dy"],
        nearest=True,
        # Where a finger comes down, Vega does not know yet what lies under it: so the window.
        on="pointerdown, [window:pointerdown, window:pointerup] > pointermove",
        clear=False,
        toggle=False,
    )
    let_go = alt.selection_point(
        name=LET_GO, fields=["dx", "dy"], nearest=True, on="pointerup", clear=False, toggle=False
    )
    # It selects nothing that is used: by consuming these events, it keeps the page from being
    # scrolled by the finger that drags.
    still = alt.selection_point(name="still", on="touchstart!, touchmove!")
    x, y = (
        channel(
            field,
            scale=alt.Scale(domain=[-half, half], reverse=is_down, nice=False, zero=False),
            axis=None,
        )
        for channel, field, is_down in ((alt.X, "dx:Q", False), (alt.Y, "dy:Q", True))
    )
    positions = alt.Chart(alt.NamedData("positions"))
    here = positions.transform_filter(place)
    digit = here.mark_image(width=side_px, height=side_px, clip=True).encode(
        x=x, y=y, url=alt.value(alt.ExprRef(PICTURE))
    )
    lines = [
        here.transform_calculate(said=f"'{NETWORKS[network].title}: ' + datum.{network}")
        .mark_text(align="left", fontSize=16, fontWeight="bold", color=COLORS[network])
        .encode(x=alt.value(0), y=alt.value(side_px + LINE_PX * (line + 0.75)), text="said:N")
        for line, network in enumerate(networks)
    ]
    # Above the digit, so that it is there for the hand.
    handles = positions.mark_point(opacity=0).encode(x=x, y=y, tooltip=alt.value(None))
    corners = {"x": alt.value(0), "y": alt.value(0)}
    corners |= {"x2": alt.value(side_px), "y2": alt.value(side_px)}
    paper = here.mark_rect(fill="white", stroke=NEUTRAL).encode(**corners)
    layers = alt.layer(paper, digit, *lines, handles.add_params(place, let_go, still))
    square = _square(layers.add_params(picture), side_px)
    # In SVG, a finger's movements are all told of where it first touched the chart.
    square.usermeta = {"embedOptions": {"renderer": "canvas"}}
    return square.configure_view(strokeWidth=0).to_dict()


def along(
    amounts: Sequence[float],
    probabilities: Mapping[str, Sequence[float]],
    said: Mapping[str, Sequence[str]],
    label: int,
    amount: float,
    title: str,
) -> dict[str, Any]:
    """The probability of the correct digit along a distortion, a line for each model; its points
    say whether the model is right, wrong or not sure.

    Args:
        amounts: Of the distortion.
        probabilities: Of the correct digit at each amount, by kind of model.
        said: What each model says at each amount, "not sure" below its threshold, by kind.
        label: The correct digit.
        amount: The one that is marked.
        title: Of the x-axis.
    """
    rows = [
        {
            "network": NETWORKS[network].title,
            "amount": place,
            "probability": round(float(value), 4),
            "read": one,
            "outcome": one if one == NOT_SURE else "correct" if one == str(label) else "wrong",
        }
        for network, values in probabilities.items()
        for place, value, one in zip(amounts, values, said[network], strict=True)
    ]
    return _along(tuple(probabilities), title, _step(amounts)) | {
        "datasets": tables(predictions=rows, chosen=[{"amount": amount}])
    }


def _step(amounts: Sequence[float]) -> float:
    """The smallest step of a distortion: an axis has no labels between its steps."""
    return float(np.diff(amounts).min().round(6))


@functools.lru_cache(maxsize=64)
def _along(networks: tuple[str, ...], title: str, step: float) -> dict[str, Any]:
    x = alt.X(
        "amount:Q",
        title=title,
        scale=alt.Scale(zero=False, nice=False),
        axis=alt.Axis(tickMinStep=step),
    )
    color = alt.Color(
        "network:N",
        title=None,
        scale=alt.Scale(
            domain=[NETWORKS[network].title for network in networks],
            range=[COLORS[network] for network in networks],
        ),
        legend=alt.Legend(orient="top", symbolType="stroke"),
    )
    base = alt.Chart(alt.NamedData("predictions")).encode(
        x=x,
        color=color,
        y=alt.Y(
            "probability:Q",
            title="probability of the correct digit",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
        tooltip=[
            alt.Tooltip("network:N", title="model"),
            alt.Tooltip("amount:Q", title=title),
            alt.Tooltip("probability:Q", title="probability of the correct digit", format=".1%"),
            alt.Tooltip("read:N", title="prediction"),
        ],
    )
    chosen = (
        alt.Chart(alt.NamedData("chosen"))
        .mark_rule(color=NEUTRAL, strokeDash=[4, 3], strokeWidth=2)
        .encode(x=x)
    )
    points = base.mark_point(size=45, strokeWidth=2, opacity=1).encode(
        shape=alt.Shape(
            "outcome:N",
            scale=alt.Scale(
                domain=["correct", NOT_SURE, "wrong"], range=["circle", "triangle-up", "cross"]
            ),
            legend=alt.Legend(
                title=None,
                orient="bottom",
                symbolStrokeWidth=2,
                symbolFillColor="transparent",
            ),
        )
    )
    return (chosen + base.mark_line(strokeWidth=2.5) + points).properties(height=300).to_dict()


def robustness_curves(
    amounts: Sequence[float],
    accuracies: Mapping[str, Sequence[float]],
    networks: Sequence[str],
    title: str,
) -> dict[str, Any]:
    """Robustness curves: the accuracy of several models along a distortion.

    Args:
        amounts: Of the distortion.
        accuracies: At each amount, by the name of the model in the legend.
        networks: The kind of each, "dnn" or "cnn".
        title: Of the x-axis.
    """
    rows = [
        {"run": name, "amount": place, "accuracy": round(value, 4)}
        for name, values in accuracies.items()
        for place, value in zip(amounts, values, strict=True)
    ]
    spec = _robustness_curves(
        tuple(accuracies), tuple(networks), title, amounts[0], amounts[-1], _step(amounts)
    )
    return spec | {"datasets": tables(accuracies=rows)}


@functools.lru_cache(maxsize=64)
def _robustness_curves(
    names: tuple[str, ...],
    networks: tuple[str, ...],
    title: str,
    low: float,
    high: float,
    step: float,
) -> dict[str, Any]:
    x = alt.X(
        "amount:Q",
        title=title,
        scale=alt.Scale(domain=[low, high], nice=False),
        axis=alt.Axis(tickMinStep=step),
    )
    base = alt.Chart(alt.NamedData("accuracies")).encode(
        x=x,
        y=alt.Y(
            "accuracy:Q",
            title="accuracy on test images",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
        color=alt.Color(
            "run:N",
            title=None,
            scale=alt.Scale(domain=list(names), range=shades(networks)),
            legend=names_of_runs(),
        ),
        tooltip=[
            alt.Tooltip("run:N"),
            alt.Tooltip("amount:Q", title=title),
            alt.Tooltip("accuracy:Q", title="accuracy on test images", format=".1%"),
        ],
    )
    height = 280 + 20 * len(names)
    return (
        base.mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=40))
        .properties(height=height)
        .to_dict()
    )


def mistakes(found: Sequence[tuple[str, str, str, int]]) -> dict[str, Any]:
    """Bars for the misclassified test digits of several models.

    Args:
        found: For each bar the title of the model, its kind ("dnn" or "cnn"), the group of bars,
            and the number of mistakes.
    """
    rows = [
        {
            "network": title,
            "way": way,
            "wrong": wrong,
            "label": f"{wrong:,}",
            "color": COLORS[network],
        }
        for title, network, way, wrong in found
    ]
    return _mistakes() | {"datasets": tables(bars=rows)}


@functools.cache
def _mistakes() -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("bars")).encode(
        y=alt.Y("way:N", title=None, axis=alt.Axis(labelFontSize=13, ticks=False, domain=False)),
        x=alt.X(
            "wrong:Q",
            title="misclassified test digits, of 10,000",
            axis=alt.Axis(grid=False, format=",d", tickCount=5),
        ),
        tooltip=[
            alt.Tooltip("network:N", title="model"),
            alt.Tooltip("way:N", title="pixels"),
            alt.Tooltip("wrong:Q", title="misclassified", format=","),
        ],
        yOffset=alt.YOffset("network:N", sort="descending"),
    )
    bars = base.mark_bar(cornerRadiusEnd=3).encode(color=alt.Color("color:N", scale=None))
    labels = (
        base.mark_text(align="left", dx=5, fontSize=12, color=NEUTRAL)
        .encode(text=alt.Text("text:N"))
        .transform_calculate(text="datum.network + ': ' + datum.label")
    )
    return (bars + labels).properties(height=190).configure_view(strokeWidth=0).to_dict()


# The ten probabilities of one model along something
# ----------------------------------------------------------------------

# Room above for names.
PROBABILITY = alt.Y(
    "probability:Q",
    title="probability",
    scale=alt.Scale(domain=[0, 1.2]),
    axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], gridOpacity=0.4),
)
# A line that stays below this probability cannot be told from the axis.
SEEN_FROM = 0.01
# A digit that leads with less than this, because all ten are nearly level, is not labelled.
NAMED_FROM = 0.2
# The shares of the chart's width that the name of a stroke, or its number, needs.
NAME_SHARE, NUMBER_SHARE = 0.13, 0.03


class Course(NamedTuple):
    """The predictions of one model along a drawing.

    Attributes:
        network: The kind of model, "dnn" or "cnn".
        ink: How much there was at each moment, 0 to 1.
        strokes: The stroke that was being drawn, from 0; -1 where there was only an image.
        read: The probability of each digit, float (moments, 10).
        confidence_threshold: Of the model.
    """

    network: str
    ink: Sequence[float]
    strokes: Sequence[int]
    read: np.ndarray
    confidence_threshold: float


def _digit_rows(
    places: Sequence[dict[str, Any]], read: np.ndarray
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The data of a line for each digit, and of their labels: that of the final prediction is at
    the end, each other one where its digit leads most clearly.

    Args:
        places: The fields of each place on the x-axis.
        read: The probability of each digit, float (places, 10).

    Returns:
        The rows of the lines, and those of the labels.
    """
    leads, read = digits_of(read), read.round(4)
    final = int(leads[-1])

    def row(digit: int, place: int) -> dict[str, Any]:
        return {
            **places[place],
            "probability": float(read[place, digit]),
            "digit": str(digit),
            "final": bool(digit == final),
        }

    lines = [
        row(digit, place)
        for digit in np.flatnonzero(read.max(axis=0) >= SEEN_FROM).tolist()
        for place in range(len(places))
    ]
    peaks = {
        digit: int(np.where(leads == digit, read[:, digit], 0).argmax())
        for digit in set(leads.tolist())
    }
    named = {digit: place for digit, place in peaks.items() if read[place, digit] >= NAMED_FROM} | {
        final: len(leads) - 1
    }
    return lines, [row(digit, place) for digit, place in named.items()]


def _prediction(probabilities: np.ndarray) -> str:
    return f"{digits_of(probabilities)}, {probabilities.max():.1%}"


def _chart(rows: str, **encoding: Any) -> alt.Chart:
    return alt.Chart(alt.NamedData(rows)).encode(**encoding)


def _digit_layers(network: str, x: alt.X) -> tuple[list[alt.Chart], list[alt.Chart]]:
    """The lines and the labels of _digit_rows; those of the final prediction have the model's
    colour."""
    lines = _chart("lines", x=x, y=PROBABILITY, detail="digit:N")
    names = _chart("names", x=x, y=PROBABILITY, text="digit:N")
    bold: dict[str, Any] = {"fontSize": 14, "fontWeight": "bold"}
    return [
        lines.transform_filter("!datum.final").mark_line(
            color=NEUTRAL, strokeWidth=1.5, opacity=0.7
        ),
        lines.transform_filter("datum.final").mark_line(color=COLORS[network], strokeWidth=3),
    ], [
        names.transform_filter("!datum.final").mark_text(color=NEUTRAL, dy=-10, **bold),
        names.transform_filter("datum.final").mark_text(
            color=COLORS[network], dy=-12, dx=-2, align="right", **bold
        ),
    ]


def _of_layers(*layers: alt.Chart) -> dict[str, Any]:
    return alt.layer(*layers).properties(height=300).configure_view(strokeWidth=0).to_dict()


def course(drawn: Course, at: int) -> dict[str, Any]:
    """The probability of each digit along a drawing, according to one model: the final prediction
    in its colour, each other digit labelled where it leads most clearly.

    Args:
        drawn: The predictions.
        at: The index of the moment that is marked.
    """
    return _course(drawn.network) | {
        "datasets": tables(**_course_rows(drawn), now=[{"ink": drawn.ink[at]}])
    }


def _course_rows(drawn: Course) -> dict[str, list[dict[str, Any]]]:
    lines, names = _digit_rows([{"ink": ink} for ink in drawn.ink], drawn.read)
    moments = [
        {"ink": ink, "stroke": stroke + 1, "reads": _prediction(row)}
        for ink, stroke, row in zip(drawn.ink, drawn.strokes, drawn.read, strict=True)
    ]
    # Where each stroke ends: the last moment before the next begins.
    ends = {
        stroke: ink for ink, stroke in zip(drawn.ink, drawn.strokes, strict=True) if stroke >= 0
    }
    strokes = []
    for begins, (stroke, end) in zip([0.0, *ends.values()], ends.items(), strict=False):
        width = end - begins
        name = (
            f"stroke {stroke + 1}"
            if width > NAME_SHARE
            else str(stroke + 1)
            if width > NUMBER_SHARE
            else ""
        )
        strokes.append({"middle": (begins + end) / 2, "end": end, "name": name})
    return {
        "lines": lines,
        "names": names,
        "moments": moments,
        "strokes": strokes,
        "sure": [{"probability": drawn.confidence_threshold}],
    }


@functools.cache
def _course(network: str) -> dict[str, Any]:
    share = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], grid=False, labelAngle=0)
    scale = alt.Scale(domain=[0, 1])
    ink = alt.X("ink:Q", title="share of the ink drawn", axis=share, scale=scale)
    lines, names = _digit_layers(network, ink)
    moment = [
        alt.Tooltip("ink:Q", title="ink drawn", format=".0%"),
        alt.Tooltip("stroke:Q", title="stroke"),
        alt.Tooltip("reads:N", title="prediction"),
    ]
    return _of_layers(
        _chart("strokes", x=alt.X("end:Q", scale=scale)).mark_rule(
            color=NEUTRAL, strokeWidth=1, opacity=0.6
        ),
        _chart(
            "strokes", x=alt.X("middle:Q", scale=scale), text="name:N", y=alt.value(0)
        ).mark_text(color=NEUTRAL, fontSize=11, baseline="top"),
        _chart("sure", y=PROBABILITY).mark_rule(color=NEUTRAL, strokeDash=[4, 4], opacity=0.8),
        *lines,
        _chart("now", x=ink).mark_rule(color=COLORS[network], strokeWidth=2, opacity=0.8),
        *names,
        # Wide enough that there is a moment under the pointer everywhere.
        _chart("moments", x=ink, tooltip=moment).mark_rule(opacity=0, strokeWidth=8),
    )


def learned(network: str, epochs: Sequence[str], read: np.ndarray, at: int) -> dict[str, Any]:
    """The probability of each digit after each stored epoch, according to one model: the final
    prediction in its colour, each other digit labelled where it leads most clearly.

    Args:
        network: The kind of model, "dnn" or "cnn".
        epochs: Their names, in their order.
        read: The probability of each digit, float (epochs, 10).
        at: The index of the epoch that is marked.
    """
    lines, names = _digit_rows([{"epoch": epoch} for epoch in epochs], read)
    moments = [
        {"epoch": epoch, "reads": _prediction(row)} for epoch, row in zip(epochs, read, strict=True)
    ]
    spec = _learned(network, tuple(epochs))
    return spec | {
        "datasets": tables(lines=lines, names=names, moments=moments, now=[{"epoch": epochs[at]}])
    }


@functools.lru_cache(maxsize=64)
def _learned(network: str, epochs: tuple[str, ...]) -> dict[str, Any]:
    # In their order, and not to scale: much happens in the first epochs, and little in many later
    # ones.
    epoch = alt.X(
        "epoch:O",
        title="epochs of training",
        sort=list(epochs),
        axis=alt.Axis(labelAngle=0, grid=False),
    )
    lines, names = _digit_layers(network, epoch)
    moment = [alt.Tooltip("epoch:O", title="epochs"), alt.Tooltip("reads:N", title="prediction")]
    return _of_layers(
        *lines,
        _chart("now", x=epoch).mark_rule(color=COLORS[network], strokeWidth=2, opacity=0.8),
        *names,
        _chart("moments", x=epoch, tooltip=moment).mark_rule(opacity=0, strokeWidth=16),
    )


def by_channel(added: np.ndarray, chosen: int) -> dict[str, Any]:
    """Bars for what each map of the previous layer adds to one pixel.

    Args:
        added: float (channels,).
        chosen: The index of the map that has its full colour.
    """
    rows = [
        {
            "map": index + 1,
            "added": float(value),
            "above": bool(value > 0),
            "chosen": index == chosen,
        }
        for index, value in enumerate(added)
    ]
    return _by_channel() | {"datasets": tables(maps=rows)}


@functools.cache
def _by_channel() -> dict[str, Any]:
    above, below = (
        "#{:02x}{:02x}{:02x}".format(*color) for color in (pictures.ABOVE, pictures.BELOW)
    )
    bars = (
        alt.Chart(alt.NamedData("maps"))
        .mark_bar()
        .encode(
            x=alt.X(
                "map:O",
                title="map of the previous layer",
                axis=alt.Axis(labelAngle=0, labelOverlap=True, ticks=False),
            ),
            y=alt.Y("added:Q", title="contribution"),
            color=alt.when("datum.above").then(alt.value(above)).otherwise(alt.value(below)),
            opacity=alt.when("datum.chosen").then(alt.value(1)).otherwise(alt.value(MUTED_OPACITY)),
            tooltip=[
                alt.Tooltip("map:O"),
                alt.Tooltip("added:Q", title="contribution", format="+.3f"),
            ],
        )
    )
    return bars.properties(height=190).configure_view(strokeWidth=0).to_dict()


class Attributions(NamedTuple):
    """The attribution of each pixel of a digit.

    Attributes:
        values: float (28, 28), in powers of ten of the odds.
        marks: What is written on each pixel, if anything, row by row.
        details: What the tooltip of each pixel says beside its value, row by row.
    """

    values: np.ndarray
    marks: Sequence[str]
    details: Sequence[str]


PIXEL_PX = 12


def attributions(
    found: Attributions, image: np.ndarray, most: float, value_title: str, detail_title: str
) -> dict[str, Any]:
    """A map of attributions: green for the digit, purple against it, with the edge of the ink.

    Args:
        found: The attributions.
        image: The digit, uint8 (28, 28).
        most: Where the scale of colours ends on either side, the same for maps to be compared.
        value_title: Of the values.
        detail_title: Of the details.
    """
    pixels = [
        {
            "x": column,
            "y": row,
            "value": round(float(found.values[row, column]), 3),
            "mark": mark,
            "detail": detail,
        }
        for (row, column), mark, detail in zip(
            np.ndindex(image.shape), found.marks, found.details, strict=True
        )
    ]
    inked = np.pad(image >= 128, 1)
    down = np.argwhere(inked[1:] != inked[:-1]).tolist()
    across = np.argwhere(inked[:, 1:] != inked[:, :-1]).tolist()
    edge = [{"x": column - 1, "x2": column, "y": row, "y2": row} for row, column in down]
    edge += [{"x": column, "x2": column, "y": row - 1, "y2": row} for row, column in across]
    return _attributions(most, value_title, detail_title) | {
        "datasets": tables(pixels=pixels, edge=edge)
    }


@functools.lru_cache(maxsize=64)
def _attributions(most: float, value_title: str, detail_title: str) -> dict[str, Any]:
    def place(field: str, domain: list[int]) -> dict[str, Any]:
        return {
            "shorthand": f"{field}:Q",
            "axis": None,
            "scale": alt.Scale(domain=domain, nice=False),
        }

    x, y = alt.X(**place("x", [0, IMAGE_SIZE_PX])), alt.Y(**place("y", [IMAGE_SIZE_PX, 0]))
    # Colour-blind people can tell green and purple apart, and neither is the colour of a model.
    color = alt.Color(
        "value:Q",
        scale=alt.Scale(scheme="purplegreen", domain=[-most, most], clamp=True),
        legend=alt.Legend(
            title=value_title,
            format="~f",
            labelExpr="datum.value > 0 ? '+' + datum.label : datum.label",
            orient="top",
            gradientLength=200,
            titleLimit=330,
            tickCount=5,
        ),
    )
    pixels = (
        alt.Chart(alt.NamedData("pixels"))
        .transform_calculate(
            right="datum.x + 1", below="datum.y + 1", row="datum.y + 1", column="datum.x + 1"
        )
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("row:Q"),
                alt.Tooltip("column:Q"),
                # The legend says of what; a longer title is cut off on a phone.
                alt.Tooltip("value:Q", title="powers of ten", format="+.2f"),
                alt.Tooltip("detail:N", title=detail_title),
            ],
        )
    )
    cells = pixels.mark_rect().encode(x2="right:Q", y2="below:Q", color=color)
    is_dark = f"abs(datum.value) > {0.6 * most}"
    marks = pixels.mark_text(fontSize=9, dx=PIXEL_PX / 2, dy=PIXEL_PX / 2).encode(
        text="mark:N",
        color=alt.when(is_dark).then(alt.value("white")).otherwise(alt.value("black")),
    )
    edge = alt.Chart(alt.NamedData("edge")).mark_rule(
        color="black", strokeWidth=1.5, strokeCap="square"
    )
    edge = edge.encode(x=x, y=y, x2="x2:Q", y2="y2:Q")
    side = IMAGE_SIZE_PX * PIXEL_PX
    # Square pixels, however much room the legend takes.
    chart = (cells + edge + marks).properties(
        width=side, height=side, autosize=alt.AutoSizeParams(type="pad")
    )
    return chart.configure_view(strokeWidth=0).to_dict()


# After the palettes "bright" and "vibrant" by Paul Tol (https://personal.sron.nl/~pault/), which
# colour-blind people can tell apart as far as ten colours allow, visible on light and on dark
# pages. Each digit is also written out.
DIGIT_COLORS = (
    "#4F8AC9",
    "#EE6677",
    "#3A9E4C",
    "#B59A1D",
    "#33AACC",
    "#BF4F95",
    "#888888",
    "#EE7733",
    "#009988",
    "#A08060",
)


class Dot(NamedTuple):
    """A digit on a map.

    Attributes:
        x, y: Its position.
        label: Its label.
        picture: A data URL of it.
    """

    x: float
    y: float
    label: int
    picture: str


def digit_map(
    network: str, dots: Sequence[Dot], nearest: Sequence[Dot], here: tuple[float, float]
) -> dict[str, Any]:
    """A map of digits by the activations of a model's last hidden layer.

    Args:
        network: The kind of model, "dnn" or "cnn".
        dots: The digits.
        nearest: Those nearest to the drawing, which have a ring around them.
        here: The position of the drawing, which is a star.
    """

    def rows(some: Sequence[Dot]) -> list[dict[str, Any]]:
        return [
            {"x": dot.x, "y": dot.y, "label": str(dot.label), "image": dot.picture} for dot in some
        ]

    star = [{"x": here[0], "y": here[1]}]
    return _digit_map(network) | {
        "datasets": tables(digits=rows(dots), nearest=rows(nearest), star=star)
    }


@functools.cache
def _digit_map(network: str) -> dict[str, Any]:
    labels = [str(digit) for digit in range(len(DIGIT_COLORS))]
    scale = alt.Scale(zero=False, nice=False, padding=12)
    x, y = alt.X("x:Q", axis=None, scale=scale), alt.Y("y:Q", axis=None, scale=scale)
    color = alt.Color(
        "label:N", scale=alt.Scale(domain=labels, range=list(DIGIT_COLORS)), legend=None
    )
    tooltip = [alt.Tooltip("image:N", title="image"), alt.Tooltip("label:N", title="label")]

    def chart(rows: str) -> alt.Chart:
        return alt.Chart(alt.NamedData(rows)).encode(x=x, y=y)

    digits = (
        chart("digits").mark_text(fontSize=11).encode(text="label:N", color=color, tooltip=tooltip)
    )
    rings = (
        chart("nearest")
        .mark_point(size=260, strokeWidth=1.5, color=NEUTRAL, opacity=1)
        .encode(tooltip=tooltip)
    )
    near = (
        chart("nearest")
        .mark_text(fontSize=13, fontWeight="bold")
        .encode(text="label:N", color=color, tooltip=tooltip)
    )
    star = chart("star").mark_text(text="★", fontSize=30, color=COLORS[network])
    return (
        (digits + rings + near + star)
        .properties(height=420)
        .configure_view(strokeWidth=0)
        .to_dict()
    )
