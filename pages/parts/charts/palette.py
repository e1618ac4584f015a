"""What all charts share: their colours, and the form of their data. DNN and CNN keep one colour
each, everywhere.

A chart is a pure function from data to a Vega-Lite chart. Altair builds each kind once, with named
data; drawing it again only replaces the data. (Building a chart takes Altair some 30 ms, and every
stroke draws two.)

The colours are from Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which colour-blind
people can tell apart, and stand out from a light page as well as from a dark one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt
    import pyarrow as pa

COLORS = {"dnn": "#D55E00", "cnn": "#2A8CC9"}
# For what belongs to no model; readable on light and on dark pages.
NEUTRAL = "#888888"
MUTED_OPACITY = 0.4


def tables(**rows: Sequence[dict[str, Any]]) -> dict[str, pa.Table]:
    """The data of a chart by name, as Arrow tables: from rows Streamlit would make a pandas table
    first, which takes more than a millisecond."""
    # Importing it takes a fifth of a second, for which the first canvas need not wait.
    import pyarrow as pa

    return {name: pa.Table.from_pylist(some) for name, some in rows.items()}


def names_of_runs() -> alt.Legend:
    """A legend of names that may be long, side by side only if there is room for two of them."""
    import altair as alt  # half a second, for which the first canvas need not wait

    return alt.Legend(
        orient="top",
        columns=alt.expr("width > 650 ? 2 : 1"),
        labelLimit=240,
        symbolType="stroke",
        symbolOpacity=1,
    )


def shades(networks: Sequence[str]) -> list[str]:
    """A colour for each of several runs: that of its kind of model, in darker and lighter shades if
    there are several of a kind.

    Args:
        networks: The kind of each run.
    """
    result = []
    for index, network in enumerate(networks):
        count, place = networks.count(network), networks[:index].count(network)
        result.append(mixed(COLORS[network], 0.0 if count == 1 else place / (count - 1) - 0.5))
    return result


def mixed(color: str, amount: float) -> str:
    """A colour mixed with white or black.

    Args:
        color: Such as "#D55E00".
        amount: The share of white, or if negative, that of black; -1 to 1.
    """
    other = 255 if amount > 0 else 0
    parts = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part + (other - part) * abs(amount)):02x}" for part in parts)
