"""One pixel of a feature map: which one, its receptive field, and how its value is computed."""

from typing import NamedTuple

import numpy as np
import streamlit as st

from mnist_models.explain.activations import Activations, Inspector, Stage
from mnist_models.explain.feature_maps import (
    Arithmetic,
    arithmetic,
    pooled,
    receptive_field,
    strongest,
)
from mnist_models.settings.hyperparameters import ACTIVATIONS
from pages.parts import large_type, page
from pages.parts.lessons import charts, pictures
from pages.parts.lessons.inside import activating, layers
from pages.parts.lessons.playing import Player

# The first option of each slider; the others count from 1.
STRONGEST = 0
ROW = "inside-row"
LARGE_PX, GRID_PX = 220, 270


class Pixel(NamedTuple):
    """A pixel of a feature map; filter_index, row and column count from 0."""

    stage: Stage
    filter_index: int
    row: int
    column: int


@st.fragment
@page.guarded
def explain(run_id: str, inspector: Inspector, activations: Activations, player: Player) -> None:
    """A pixel that is chosen here, and how its value is computed. A fragment: a choice redraws this
    and nothing else.

    Args:
        run_id: The run.
        inspector: Its model.
        activations: The activations for this digit.
        player: Of the column in which the pixel is; it slides the kernel along a row.
    """
    stage = layers.choose_layer(inspector.convolutions, "inside-layer")
    maps = activations.outputs[stage.output]
    left, right = st.columns([1, 1.1], gap="medium")
    with right:
        filter_index = _choose("Filter", stage.count, "inside-filter")
        if filter_index is None:
            filter_index = int(maps.max(axis=(0, 1)).argmax())
    with left:
        sheet = layers.contact_sheet(
            stage, activations, np.arange(stage.count), framed=filter_index
        )
        layers.show(sheet, f"All feature maps of {layers.title(stage)}")
        st.caption(
            f"{layers.title(stage)}: all {stage.count} feature maps of this digit, by the number "
            "of their filter."
        )
    player.fragment(_slide_kernel, inspector, activations, stage, filter_index, player)
    activating.patches(run_id, inspector, activations, stage, filter_index)


def _slide_kernel(
    inspector: Inspector,
    activations: Activations,
    stage: Stage,
    filter_index: int,
    player: Player,
) -> None:
    """The pixel that is explained: the one with the highest activation in the filter, row and
    column that were chosen; and the arithmetic."""
    feature_map = activations.outputs[stage.output][..., filter_index]
    side = len(feature_map)
    row = _choose("Row of the map", side, ROW)
    shown = _in_range(player.key, side)
    place = strongest(feature_map, row, None if shown == STRONGEST else shown - 1)
    player.choose(
        range(1, side + 1),
        lambda is_playing: _choose("Column of the map", side, player.key, is_playing),
        # One row of the map, from its beginning to its end.
        on_play=lambda: st.session_state.update({ROW: place[0] + 1}),
    )
    column = st.session_state[player.key]
    pixel = Pixel(
        stage,
        filter_index,
        *strongest(feature_map, row, None if column == STRONGEST else column - 1),
    )
    _places(inspector, pixel, activations)
    _steps(pixel, activations, inspector.pixels)


def _choose(label: str, count: int, key: str, is_playing: bool = False) -> int | None:
    """Chooses one of several.

    Returns:
        Its index, from 0; None for the strongest.
    """
    _in_range(key, count)
    chosen = st.select_slider(
        label,
        range(count + 1),
        key=key,
        persist_state="session",
        format_func=lambda number: "strongest" if number == STRONGEST else str(number),
        disabled=is_playing,
    )
    return None if chosen == STRONGEST else chosen - 1


def _in_range(key: str, count: int) -> int:
    """What is chosen of several; the strongest where that is none of them, as when another layer
    has fewer."""
    if st.session_state.get(key) not in range(count + 1):
        st.session_state[key] = STRONGEST
    return st.session_state[key]


def _places(inspector: Inspector, pixel: Pixel, activations: Activations) -> None:
    """The pixel in its feature map, and its receptive field in the digit."""
    field = receptive_field(inspector.network, pixel.stage, pixel.row, pixel.column)
    maps = activations.outputs[pixel.stage.output]
    feature_map = maps[..., pixel.filter_index]
    with st.container(horizontal=True, gap="medium"):
        layers.show(
            pictures.enlarged(pictures.inked(activations.image), LARGE_PX, field),
            "The digit, and the receptive field of the pixel in it",
            f"Its receptive field in the image: {field.side}×{field.side} pixels.",
        )
        layers.show(
            pictures.enlarged(
                pictures.coloured(feature_map, float(np.abs(maps).max())),
                LARGE_PX,
                (pixel.row, pixel.column, 1),
            ),
            "The feature map, and the pixel in it",
            f"Feature map {pixel.filter_index + 1}. The pixel in row {pixel.row + 1}, column "
            f"{pixel.column + 1} is {feature_map[pixel.row, pixel.column]:.3f}.",
        )


def _steps(pixel: Pixel, activations: Activations, pixels: str) -> None:
    """The arithmetic, from the input of the filter to the value of the pixel.

    Args:
        pixels: What the network is given of the image, a phrase.
    """
    stage, *place = pixel
    result = arithmetic(stage, activations, *place)
    size, channels = result.kernel.shape[1:]
    st.markdown(
        f"**Where {result.value:.3f} comes from**: map {pixel.filter_index + 1}, row "
        f"{pixel.row + 1}, column {pixel.column + 1}"
    )
    channel = 0
    if channels > 1:
        st.markdown(_inputs(result.by_channel))
        chosen = _choose("Map of the previous layer", channels, "inside-channel")
        channel = int(np.abs(result.by_channel).argmax()) if chosen is None else chosen
        large_type.chart(
            charts.by_channel(result.by_channel, channel),
            key="inside-by-channel",
            alt="What each map of the previous layer adds to the sum",
        )
    seen = f"map {channel + 1}" if channels > 1 else pixels
    added = result.by_channel[channel]
    with st.container(horizontal=True, gap="small"):
        for values, caption in (
            (result.patch, f"The patch: {size}×{size} of {seen}"),
            (result.kernel, f"times the kernel of filter {pixel.filter_index + 1}"),
            (result.products, f"products, sum {added:.3f}"),
        ):
            shown = values[..., channel]
            number_px = large_type.px(pictures.NUMBER_PX)
            picture = pictures.grid(pictures.coloured(shown), shown, GRID_PX, number_px)
            layers.show(picture, caption, caption + ".")
    st.markdown(_table(result, stage, pooled(stage, activations, *place) if stage.pool else None))


def _inputs(by_channel: np.ndarray) -> str:
    """Which maps of the previous layer matter most, in words."""
    order = np.argsort(-np.abs(by_channel), kind="stable")
    most = ", ".join(f"{by_channel[index]:+.2f} from map {index + 1}" for index in order[:3])
    return (
        f"This filter has one kernel for each of the {len(by_channel)} maps of the previous layer, "
        f"and adds up the results: most of all {most}; all others together "
        f"{by_channel[order[3:]].sum():+.2f}."
    )


def _table(result: Arithmetic, stage: Stage, kept: float | None) -> str:
    """Each step with its result, as a table.

    Args:
        result: The arithmetic.
        stage: The convolution.
        kept: The value that max-pooling keeps in the pixel's square; None without pooling, or
            beyond the last whole square.
    """
    rows = [
        (f"sum of all {result.products.size:,} products", result.total - result.bias),
        (f"plus the bias of {result.bias:.3f}", result.total),
    ]
    if norm := result.normalisation:
        rows.append(
            (
                f"batch normalisation: minus the mean {norm.mean:.3f}, divided by the standard "
                f"deviation {norm.spread:.3f}, times {norm.scale:.3f}, plus {norm.shift:.3f}",
                result.summed,
            )
        )
    if stage.function:
        known = ACTIVATIONS.get(stage.function)
        effect = f"{known.label}: {known.effect}" if known else f"activation: {stage.function}"
        rows.append((effect, result.value))
    rows[-1] = f"{rows[-1][0]}. **This is the pixel**", result.value
    table = "\n".join(
        [
            "| step | result |",
            "| --- | ---: |",
            *(f"| {step} | {value:.3f} |" for step, value in rows),
        ]
    )
    if stage.pool:
        size = stage.pool.pool_size[0]
        if kept is None:
            table += (
                "\n\nMax-pooling drops it: the edge of the map is beyond the last whole "
                f"{size}×{size} square."
            )
        elif kept == result.value:
            table += f"\n\nMax-pooling keeps it: no pixel of its {size}×{size} square is higher."
        else:
            table += (
                f"\n\nMax-pooling drops it: the highest value in its {size}×{size} square is "
                f"{kept:.3f}."
            )
    return table
