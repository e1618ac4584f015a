"""What is inside a network, for one digit: the weights of its first layer, and what every layer
passes on.

All of it is drawn from an Inspector and what it saw, whose weights they ever are: those of a run,
or of one of its epochs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.explain.activations import (
    Inspector,
    Look,
    Stage,
    contributions,
    likeness,
    responds,
)
from pages.parts import large_type
from pages.parts.lessons import pictures
from pages.parts.lessons.pictures import Picture

COLUMNS, TILE_PX = 8, 56
# So many tiles are shown smaller, and more in a row.
MANY, MANY_COLUMNS, MANY_TILE_PX = 64, 12, 34
# Of a first layer with more, those are shown that speak most for the digit, and as many of the last
# that speak against it.
SHOWN, LAST = 32, 8
STRONGEST = 16
FULL_COLOUR_FROM = 0.98
STRIP_PX, STRIP_COLUMNS, LARGEST_CELL_PX = 504, 56, 24
LOGIT_PX = 36
# Correlations from which on a layer is nearly as at the end, and below which it is far from that.
NEAR, FAR = 0.8, 0.6
KINDS = {"conv": "Convolution", "dense": "Dense layer", "logits": "Logits"}


def title(stage: Stage) -> str:
    """What people call it: "Convolution 2"."""
    kind, _, number = stage.name.partition("_")
    return f"{KINDS[kind]} {number}".strip()


def show(picture: Picture, alt: str, caption: str | None = None) -> None:
    """The picture as wide as it is meant to be, or as there is room."""
    st.image(picture.address, caption, width=picture.width_px, alt=alt)


def sheet(
    tiles: np.ndarray, labels: Sequence[str], columns: int, tile_px: int, framed: int | None = None
) -> Picture:
    """See pictures.sheet; in large type where that is on."""
    return pictures.sheet(tiles, labels, columns, tile_px, framed, large_type.px(pictures.TEXT_PX))


def colours() -> None:
    """What the colours of all that is drawn here say."""
    st.caption(
        "In all pictures of weights and activations, white is zero, orange is "
        "above zero and blue below."
    )


def choose_layer(stages: Sequence[Stage], key: str) -> Stage:
    """One of some layers, chosen here; at first, and where there is none like that which was chosen
    last, the first."""
    layers = {stage.name: stage for stage in stages}
    if len(layers) == 1:
        return stages[0]
    if st.session_state.get(key) not in layers:
        st.session_state[key] = stages[0].name
    return layers[
        st.segmented_control(
            "Layer",
            layers,
            required=True,
            key=key,
            persist_state="session",
            wrap=True,
            format_func=lambda name: title(layers[name]),
        )
    ]


def first_layer(inspector: Inspector, look: Look, weights: np.ndarray) -> None:
    """The weights of the first layer as pictures, what speaks most for the digit first, and what
    that tells. weights: see inside.templates."""
    stage, digit = inspector.stages[0], look.digit
    each = contributions(stage, look)
    count, side = weights.shape[:2]
    if stage.is_convolution:
        places = look.outputs[stage.output].shape[0]
        told = (
            f"**{count} kernels of {side}×{side}**: {weights.size:,} weights, each used at all "
            f"{places}×{places} places."
        )
    else:
        told = (
            f"**{count} templates of {side}×{side}**: {weights.size:,} weights, one for each unit "
            "and pixel, used nowhere else."
        )
    st.markdown(told)
    order = np.argsort(-each, kind="stable")
    if count > SHOWN:
        order = np.concatenate([order[: SHOWN - LAST], order[-LAST:]])
        of_all = (
            f"The {SHOWN - LAST} that speak most for {digit}; in the last row the {LAST} that "
            "speak most against it."
        )
    else:
        of_all = (
            f"All of them, from the one that speaks most for {digit} to the one "
            "that speaks most against it."
        )
    # A few weights are far larger than the rest, which would all be pale beside them.
    tiles = pictures.coloured(
        weights[order], float(np.quantile(np.abs(weights[order]), FULL_COLOUR_FROM))
    )
    show(
        sheet(tiles, [pictures.decimal(each[index], "+") for index in order], COLUMNS, TILE_PX),
        f"The weights of the first layer, sorted by how much they speak for {digit}",
    )
    st.caption(f"{of_all} {_measure(inspector, digit)}")
    st.markdown(spoken(each, digit))


def _measure(inspector: Inspector, digit: int) -> str:
    """What the number below a template is."""
    stage, *others = inspector.stages
    unit = (
        "filter's activation, summed over its map," if stage.is_convolution else "unit's activation"
    )
    if len(others) == 1:
        return (
            f"The number below is the {unit} times its weight to the logit of {digit}: exactly "
            "what it adds to that."
        )
    return (
        f"The number below is the {unit} times the gradient of the logit of {digit}: roughly what "
        "it adds to that."
    )


def spoken(each: np.ndarray, digit: int) -> str:
    """How much speaks for the digit and against it, and by how many that is said, in words. each:
    see contributions."""
    speaking, against = np.sort(each[each > 0])[::-1], each[each < 0]
    if not len(speaking):
        return (
            f"Nothing in this layer speaks for {digit}; what speaks against it adds up to "
            f"{against.sum():.1f}."
        )
    half = int(np.searchsorted(speaking.cumsum(), speaking.sum() / 2)) + 1
    return (
        f"{len(speaking)} of {len(each)} speak for {digit}, {speaking.sum():+.1f} together, and "
        f"{len(against)} against it, {against.sum():+.1f}. Half of what speaks for it comes from "
        f"{'one alone' if half == 1 else f'the first {half}'}."
    )


def layer_by_layer(inspector: Inspector, look: Look) -> None:
    """What each layer passes on: the strongest feature maps of a convolution, all units of a dense
    layer."""
    for stage in inspector.stages:
        told = activity(stage, look)
        if stage.is_convolution:
            pooled = (
                " Max-pooling leaves {0}×{0} of each.".format(len(look.outputs[stage.pool.name]))
                if stage.pool
                else ""
            )
            chosen = f" The {STRONGEST} strongest:" if stage.count > STRONGEST else ""
            told = f"{stage.count} maps of {_size(stage, look)} pixels. {told}{pooled}{chosen}"
        st.markdown(f"**{title(stage)}**: {told}")
        show(passed_on(stage, look, look), f"What {title(stage)} passes on")


def compared(stage: Stage, looks: Mapping[str, Look]) -> None:
    """What one layer passes on at several moments, below each other, the same unit or filter always
    at the same place. looks: by what is said of the moment, the end last."""
    end = list(looks.values())[-1]
    for moment, look in looks.items():
        fullest = float(np.abs(look.outputs[stage.output]).max())
        st.markdown(f"**{moment}**: {activity(stage, look)} Full colour is {fullest:.1f}.")
        show(passed_on(stage, look, end), f"What {title(stage)} passes on: {moment}")
    if stage.is_convolution:
        chosen = (
            f"The {STRONGEST} maps that are strongest at the end"
            if stage.count > STRONGEST
            else "All maps"
        )
        st.caption(f"{chosen}, {_size(stage, end)} pixels each.")


def agreement(inspector: Inspector, then: Look, end: Look) -> str:
    """How far each layer of a network already passes on what it does at the end, in words."""
    alike = {
        title(stage): likeness(then.outputs[stage.output], end.outputs[stage.output])
        for stage in inspector.stages
    }
    *hidden, logits = alike
    first, last = max(hidden, key=alike.get), min(hidden, key=alike.get)
    if len(hidden) == 1:
        told = (
            f"**Notice** how like itself at the end each layer is: {first} with a correlation of "
            f"**{alike[first]:.2f}**, the logits with **{alike[logits]:.2f}**."
        )
    else:
        told = (
            "**Notice** which of the layers before the logits is most like itself at the end: "
            f"{first}, with a correlation of **{alike[first]:.2f}**; {last} is least, with "
            f"**{alike[last]:.2f}**. The logits have **{alike[logits]:.2f}**."
        )
    if alike[logits] >= NEAR and alike[last] < FAR:
        told += (
            f" So the answer is nearly there while {last} has far to go: more "
            "than one way leads to it."
        )
    return told


def passed_on(stage: Stage, look: Look, by: Look) -> Picture:
    """What a layer passes on: all units of a dense layer, or the feature maps that are the
    strongest in the look `by`, at the same or another moment."""
    values = look.outputs[stage.output]
    if stage.is_convolution:
        chosen = np.argsort(-by.outputs[stage.output].max(axis=(0, 1)), kind="stable")[:STRONGEST]
        return contact_sheet(stage, look, chosen)
    if stage.activation:
        columns = min(STRIP_COLUMNS, stage.count)
        return pictures.strip(values, columns, min(STRIP_PX // columns, LARGEST_CELL_PX))
    tiles = pictures.coloured(values.reshape(-1, 1, 1))
    return sheet(tiles, [str(digit) for digit in range(CLASS_COUNT)], CLASS_COUNT, LOGIT_PX)


def _size(stage: Stage, look: Look) -> str:
    return "{0}×{0}".format(len(look.outputs[stage.output]))


def activity(stage: Stage, look: Look) -> str:
    """How much of a layer answers to the digit, in words."""
    values, active = look.outputs[stage.output], responds(stage, look)
    if stage.is_convolution:
        somewhere = int(active.any(axis=(0, 1)).sum())
        return (
            f"{somewhere} filters respond somewhere, at {active.mean():.0%} "
            "of all places on average."
        )
    if stage.activation:
        return f"{active.sum()} of {stage.count} units are active, {active.mean():.0%}."
    best, second = np.argsort(-values, kind="stable")[:2]
    return (
        f"{best} is highest with {values[best]:.1f}, then comes {second} with {values[second]:.1f}."
    )


def contact_sheet(
    stage: Stage, look: Look, chosen: np.ndarray, framed: int | None = None
) -> Picture:
    """Some feature maps of a convolution with the numbers of their filters, all on the scale of
    that layer."""
    maps = look.outputs[stage.output]
    tiles = pictures.coloured(np.moveaxis(maps[..., chosen], -1, 0), float(np.abs(maps).max()))
    columns, tile_px = (MANY_COLUMNS, MANY_TILE_PX) if len(chosen) > MANY else (COLUMNS, TILE_PX)
    return sheet(tiles, [str(index + 1) for index in chosen], columns, tile_px, framed)
