"""What is inside a network, for one digit: the weights of its first layer, and what every layer passes on.

All of it is drawn from an Inspector and what it saw, whose weights they ever are: those of a run, or of one of its epochs.
"""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from mnist_models.dataset import CLASS_COUNT
from mnist_models.inside import Inspector, Look, Stage, contributions, responds, templates
from pages.parts import large_type
from pages.parts.lessons import pictures
from pages.parts.lessons.pictures import Picture

COLUMNS, TILE_PX = 8, 56
# So many tiles are shown smaller, and more in a row.
MANY, MANY_COLUMNS, MANY_TILE_PX = 64, 12, 34
# Of a first layer with more, those are shown that speak most for the digit, and as many of the last that speak against it.
SHOWN, LAST = 32, 8
STRONGEST = 16
FULL_COLOUR_FROM = 0.98
STRIP_PX, STRIP_COLUMNS, LARGEST_CELL_PX = 504, 56, 24
LOGIT_PX = 36
KINDS = {"conv": "Convolution", "dense": "Dense layer", "logits": "Logits"}


def title(stage: Stage) -> str:
    """What people call it: "Convolution 2"."""
    kind, _, number = stage.name.partition("_")
    return f"{KINDS[kind]} {number}".strip()


def show(picture: Picture, alt: str, caption: str | None = None) -> None:
    """The picture as wide as it is meant to be, or as there is room."""
    st.image(picture.address, caption, width=picture.width_px, alt=alt)


def sheet(tiles: np.ndarray, labels: Sequence[str], columns: int, tile_px: int, framed: int | None = None) -> Picture:
    """See pictures.sheet; in large type where that is on."""
    return pictures.sheet(tiles, labels, columns, tile_px, framed, large_type.px(pictures.TEXT_PX))


def first_layer(inspector: Inspector, look: Look) -> None:
    """The weights of the first layer as pictures, what speaks most for the digit first, and what that tells."""
    stage, digit = inspector.stages[0], look.digit
    weights, each = templates(stage), contributions(stage, look)
    count, side = weights.shape[:2]
    if stage.is_convolution:
        places = look.outputs[stage.output].shape[0]
        told = f"**{count} kernels of {side}×{side}**: {weights.size:,} weights, each used at all {places}×{places} places."
    else:
        told = (
            f"**{count} templates of {side}×{side}**: {weights.size:,} weights, one for each unit and pixel, used nowhere else."
        )
    st.markdown(told)
    order = np.argsort(-each, kind="stable")
    if count > SHOWN:
        order = np.concatenate([order[: SHOWN - LAST], order[-LAST:]])
        of_all = f"The {SHOWN - LAST} that speak most for {digit}; in the last row the {LAST} that speak most against it."
    else:
        of_all = f"All of them, from the one that speaks most for {digit} to the one that speaks most against it."
    # A few weights are far larger than the rest, which would all be pale beside them.
    tiles = pictures.coloured(weights[order], float(np.quantile(np.abs(weights[order]), FULL_COLOUR_FROM)))
    show(
        sheet(tiles, [pictures.decimal(each[index], "+") for index in order], COLUMNS, TILE_PX),
        f"The weights of the first layer, sorted by how much they speak for {digit}",
    )
    st.caption(f"{of_all} {_measure(inspector, digit)}")
    st.markdown(spoken(each, digit))


def _measure(inspector: Inspector, digit: int) -> str:
    """What the number below a template is."""
    stage, *others = inspector.stages
    unit = "filter's activation, summed over its map," if stage.is_convolution else "unit's activation"
    if len(others) == 1:
        return f"The number below is the {unit} times its weight to the logit of {digit}: exactly what it adds to that."
    return f"The number below is the {unit} times the gradient of the logit of {digit}: roughly what it adds to that."


def spoken(each: np.ndarray, digit: int) -> str:
    """How much speaks for the digit and against it, and by how many that is said, in words. each: see contributions."""
    speaking, against = np.sort(each[each > 0])[::-1], each[each < 0]
    if not len(speaking):
        return f"Nothing in this layer speaks for {digit}; what speaks against it adds up to {against.sum():.1f}."
    half = int(np.searchsorted(speaking.cumsum(), speaking.sum() / 2)) + 1
    return (
        f"{len(speaking)} of {len(each)} speak for {digit}, {speaking.sum():+.1f} together, and {len(against)} against it, "
        f"{against.sum():+.1f}. Half of what speaks for it comes from {'one alone' if half == 1 else f'the first {half}'}."
    )


def layer_by_layer(inspector: Inspector, look: Look) -> None:
    """What each layer passes on: the strongest feature maps of a convolution, all units of a dense layer."""
    for stage in inspector.stages:
        st.markdown(f"**{title(stage)}**: {passed_on(stage, look)}")
        if stage.is_convolution:
            maps = look.outputs[stage.output]
            chosen = np.argsort(-maps.max(axis=(0, 1)), kind="stable")[:STRONGEST]
            picture = contact_sheet(stage, look, chosen)
        elif stage is inspector.stages[-1]:
            tiles = pictures.coloured(look.outputs[stage.output].reshape(-1, 1, 1))
            picture = sheet(tiles, [str(digit) for digit in range(CLASS_COUNT)], CLASS_COUNT, LOGIT_PX)
        else:
            columns = min(STRIP_COLUMNS, stage.count)
            picture = pictures.strip(look.outputs[stage.output], columns, min(STRIP_PX // columns, LARGEST_CELL_PX))
        show(picture, f"What {title(stage)} passes on")


def passed_on(stage: Stage, look: Look) -> str:
    """What a layer makes of the digit, in words."""
    values, active = look.outputs[stage.output], responds(stage, look)
    if stage.is_convolution:
        side, somewhere = len(values), int(active.any(axis=(0, 1)).sum())
        then = " Max-pooling leaves {0}×{0} of each.".format(len(look.outputs[stage.pool.name])) if stage.pool else ""
        chosen = f" The {STRONGEST} strongest:" if stage.count > STRONGEST else ""
        return (
            f"{stage.count} maps of {side}×{side} pixels. {somewhere} filters respond somewhere, at {active.mean():.0%} of all "
            f"places on average.{then}{chosen}"
        )
    if stage.activation:
        return f"{active.sum()} of {stage.count} units are active, {active.mean():.0%}."
    best, second = np.argsort(-values, kind="stable")[:2]
    return f"{best} is highest with {values[best]:.1f}, then comes {second} with {values[second]:.1f}."


def contact_sheet(stage: Stage, look: Look, chosen: np.ndarray, framed: int | None = None) -> Picture:
    """Some feature maps of a convolution with the numbers of their filters, all on the scale of that layer."""
    maps = look.outputs[stage.output]
    tiles = pictures.coloured(np.moveaxis(maps[..., chosen], -1, 0), float(np.abs(maps).max()))
    columns, tile_px = (MANY_COLUMNS, MANY_TILE_PX) if len(chosen) > MANY else (COLUMNS, TILE_PX)
    return sheet(tiles, [str(index + 1) for index in chosen], columns, tile_px, framed)
