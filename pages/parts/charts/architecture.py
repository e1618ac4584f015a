"""A network as a drawing: its layers from the image to the logits, and what each makes of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import altair as alt

from mnist_models.data.dataset import IMAGE_SIZE_PX
from pages.parts.charts.palette import COLORS, NEUTRAL, mixed, tables

if TYPE_CHECKING:  # importing it imports TensorFlow
    from mnist_models.models.networks import LayerSummary

KINDS = {
    "conv": "Convolution",
    "pool": "Max pooling",
    "dense": "Dense layer",
    "logits": "Logits",
}
# Blocks keep their size on every screen, so that those of two models can be compared.
ROW_PX, MIDDLE_PX, BAR_PX = 42, 46, 12
# A square or a bar grows by so much when the side of the maps, or the number of units, doubles.
SIDE_PX, UNITS_PX, SMALLEST_PX = 6, 8, 4
# Feature maps are a stack: one more square each time their number triples, so far apart.
MAPS_PER_SQUARE, GAP_PX = 3, 3


class Block(NamedTuple):
    """A layer with what belongs to it, such as its batch normalisation.

    Attributes:
        title: Its name on the page.
        shape: Of its output, without the batch.
        parameters: How many it has.
    """

    title: str
    shape: tuple[int, ...]
    parameters: int


def blocks(layers: Sequence[LayerSummary]) -> list[Block]:
    """The image and the layers that make something else of it. What changes neither the number of
    outputs nor has parameters of its own (scaling, activation, dropout, flattening) is left out.

    Args:
        layers: From the image on.
    """
    found = [Block("Image", (IMAGE_SIZE_PX, IMAGE_SIZE_PX), 0)]
    name = ""
    for layer in layers:
        last = found[-1]
        if name and layer.name.startswith(f"{name}_"):
            found[-1] = last._replace(parameters=last.parameters + layer.parameters)
        elif layer.parameters or math.prod(layer.shape) != math.prod(last.shape):
            name = layer.name
            kind, _, number = name.partition("_")
            found.append(Block(f"{KINDS[kind]} {number}".strip(), layer.shape, layer.parameters))
    return found


def finding(layers: Sequence[LayerSummary]) -> str:
    """Where most of the parameters are, a sentence in Markdown."""
    drawn = blocks(layers)
    most, total = max(drawn, key=lambda block: block.parameters), sum(b.parameters for b in drawn)
    return f"{most.title} has {most.parameters / total:.0%} of the parameters."


def drawing(network: str, layers: Sequence[LayerSummary]) -> dict[str, Any]:
    """The layers from top to bottom, with shapes and parameters. Feature maps are squares, the
    larger the maps, in a stack, the deeper the more there are of them; units are a bar.

    Args:
        network: The kind of model, "dnn" or "cnn".
        layers: From the image on.
    """
    maps, units, labels = [], [], []
    for place, block in enumerate(blocks(layers)):
        shape, parameters = "×".join(map(str, block.shape)), f"{block.parameters:,}"
        label = f"{block.title} · {shape}\n{parameters} parameters"
        told = {
            "label": label,
            "color": COLORS[network] if place else NEUTRAL,
            "title": block.title,
            "output": shape,
            "parameters": parameters,
        }
        labels.append({"label": label})
        if len(block.shape) == 1:
            half_px = (SMALLEST_PX + UNITS_PX * math.log2(block.shape[0])) / 2
            units.append({**told, "x": MIDDLE_PX - half_px, "x2": MIDDLE_PX + half_px})
            continue
        side, _, *channels = block.shape
        side_px = SMALLEST_PX + SIDE_PX * math.log2(side)
        behind = round(math.log(channels[0] if channels else 1, MAPS_PER_SQUARE))
        for depth in range(behind, -1, -1):
            shift_px = GAP_PX * (depth - behind / 2)
            maps.append({**told, "x": MIDDLE_PX + shift_px, "up": -shift_px, "size": side_px**2})
    spec = _drawing(mixed(COLORS[network], -0.5), len(labels))
    return spec | {"datasets": tables(maps=maps, units=units, labels=labels)}


@functools.lru_cache(maxsize=32)
def _drawing(edge: str, count: int) -> dict[str, Any]:
    """The drawing of so many blocks, without its data.

    Args:
        edge: The colour of the squares' edges.
        count: The number of blocks.
    """
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, 1], range=[0, 1]))
    # The labels of an axis have the page's colour, on light and on dark ones.
    y = alt.Y(
        "label:N",
        title=None,
        sort=None,
        scale=alt.Scale(type="point", padding=0.5),
        axis=alt.Axis(
            labelExpr="split(datum.label, '\\n')",
            labelFontSize=13,
            labelLimit=260,
            labelBaseline="bottom",
            labelOverlap=False,
            ticks=False,
            domain=False,
            grid=False,
        ),
    )
    up = alt.YOffset("up:Q", scale=alt.Scale(domain=[0, 1], range=[0, 1]))
    color = alt.Color("color:N", scale=None)
    tooltip = [alt.Tooltip(f"{name}:N") for name in ("title", "output", "parameters")]

    def rows(name: str, **encoding: Any) -> alt.Chart:
        return alt.Chart(alt.NamedData(name)).encode(y=y, **encoding)

    size = alt.Size("size:Q", scale=None)
    layers = (
        rows("labels", x=alt.value(MIDDLE_PX)).mark_line(color=NEUTRAL, strokeWidth=1),
        rows("maps", x=x, yOffset=up, color=color, size=size, tooltip=tooltip).mark_point(
            shape="square", filled=True, opacity=1, stroke=edge, strokeWidth=1
        ),
        rows("units", x=x, x2="x2:Q", color=color, tooltip=tooltip).mark_rule(strokeWidth=BAR_PX),
    )
    whole = alt.layer(*layers).properties(height=ROW_PX * count)
    return whole.configure_view(strokeWidth=0).to_dict()
