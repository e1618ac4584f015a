"""What is inside a model, for one digit: the weights of its first layer, and the activations of all
layers.

All of it is drawn from an Inspector and its Look at a digit, whether the weights are those of a run
or of one of its epochs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.explain.activations import (
    Activations,
    Inspector,
    Stage,
    contributions,
    likeness,
    responds,
)
from pages.parts import large_type
from pages.parts.lessons import pictures
from pages.parts.lessons.pictures import Picture

COLUMNS, TILE_PX = 8, 56
# More tiles than this are shown smaller, and more in a row.
MANY, MANY_COLUMNS, MANY_TILE_PX = 64, 12, 34
# In a first layer with more than SHOWN units, the strongest evidence for the digit is shown, and
# LAST units of the strongest evidence against it.
SHOWN, LAST = 32, 8
STRONGEST = 16
FULL_COLOUR_FROM = 0.98
STRIP_PX, STRIP_COLUMNS, LARGEST_CELL_PX = 504, 56, 24
LOGIT_PX = 36
# The correlation with the final state from which a layer is nearly there, and below which it is far
# from it.
NEAR, FAR = 0.8, 0.6
KINDS = {"conv": "Convolution", "dense": "Dense layer", "logits": "Logits"}


def title(stage: Stage) -> str:
    """The name of a layer on the page, such as "Convolution 2"."""
    kind, _, number = stage.name.partition("_")
    return f"{KINDS[kind]} {number}".strip()


def show(picture: Picture, alt: str, caption: str | None = None) -> None:
    """Draws a picture at its own width, or narrower if there is no room."""
    st.image(picture.address, caption, width=picture.width_px, alt=alt)


def sheet(
    tiles: np.ndarray | Sequence[np.ndarray],
    labels: Sequence[str],
    columns: int,
    tile_px: int,
    framed: int | None = None,
) -> Picture:
    """See pictures.sheet; labels grow with large type."""
    return pictures.sheet(tiles, labels, columns, tile_px, framed, large_type.px(pictures.TEXT_PX))


def colours() -> None:
    """The legend of all pictures drawn here."""
    st.caption(
        "In all pictures of weights and activations, white is zero, orange "
        "positive and blue negative."
    )


def choose_layer(stages: Sequence[Stage], key: str) -> Stage:
    """A layer that is chosen here; at first the first one, also if the model has no layer like the
    one chosen last.

    Args:
        stages: The layers to choose from.
        key: Of the widget.
    """
    layers = {stage.name: stage for stage in stages}
    if len(layers) == 1:
        return stages[0]
    if st.session_state.get(key) not in layers:
        st.session_state[key] = stages[0].name
    name = st.segmented_control(
        "Layer",
        layers,
        required=True,
        key=key,
        persist_state="session",
        wrap=True,
        format_func=lambda name: title(layers[name]),
    )
    assert name is not None  # it is required
    return layers[name]


def first_layer(inspector: Inspector, activations: Activations, weights: np.ndarray) -> None:
    """The weights of the first layer as pictures, the strongest evidence for the digit first, and
    that in words.

    Args:
        inspector: The model.
        activations: Its activations for the digit.
        weights: See activations.templates.
    """
    stage, digit = inspector.stages[0], activations.digit
    each = contributions(stage, activations)
    count, *sides = weights.shape
    size = "×".join(map(str, sides))
    if stage.is_convolution:
        text = (
            f"**{count} kernels of {size}**: {stage.inputs * stage.count:,} weights, "
            f"each used at all {_size(stage, activations)} positions."
        )
    else:
        text = (
            f"**{count} templates of {size}**: {weights.size:,} weights, one weight per "
            "unit and pixel, never shared."
        )
    st.markdown(text)
    order = np.argsort(-each, kind="stable")
    if count > SHOWN:
        order = np.concatenate([order[: SHOWN - LAST], order[-LAST:]])
        of_all = (
            f"The {SHOWN - LAST} with the strongest evidence for {digit}; in the last row, the "
            f"{LAST} with the strongest evidence against it."
        )
    else:
        of_all = (
            f"All of them, from the strongest evidence for {digit} to the "
            "strongest evidence against it."
        )
    # A few weights are far larger than the rest, which would all look pale.
    tiles = pictures.coloured(
        weights[order], float(np.quantile(np.abs(weights[order]), FULL_COLOUR_FROM))
    )
    show(
        sheet(tiles, [pictures.decimal(each[index], "+") for index in order], COLUMNS, TILE_PX),
        f"The weights of the first layer, sorted by their evidence for {digit}",
    )
    st.caption(f"{of_all} {_measure(inspector, digit)}")
    st.markdown(evidence(each, digit))


def _measure(inspector: Inspector, digit: int) -> str:
    """What the number below a template means."""
    stage, *others = inspector.stages
    unit = (
        "filter's activation, summed over its map," if stage.is_convolution else "unit's activation"
    )
    if len(others) == 1 and not others[0].activation:
        return (
            f"The number below is the {unit} times its weight to the score (logit) of {digit}: "
            "exactly what it adds to that score."
        )
    return (
        f"The number below is the {unit} times the gradient of the score (logit) of {digit}: "
        "roughly what it adds to that score."
    )


def evidence(each: np.ndarray, digit: int) -> str:
    """How much evidence there is for the digit and against it, and from how many units, in words.

    Args:
        each: See activations.contributions.
        digit: The digit.
    """
    supporting, against = np.sort(each[each > 0])[::-1], each[each < 0]
    if not len(supporting):
        return (
            f"Nothing in this layer is evidence for {digit}; the evidence against it adds up to "
            f"{against.sum():.1f}."
        )
    half = int(np.searchsorted(supporting.cumsum(), supporting.sum() / 2)) + 1
    return (
        f"{len(supporting)} of {len(each)} are evidence for {digit}, {supporting.sum():+.1f} in "
        f"total, and {len(against)} evidence against it, {against.sum():+.1f}. Half of the "
        f"evidence for it comes from {'one alone' if half == 1 else f'the first {half}'}."
    )


def layer_by_layer(inspector: Inspector, activations: Activations) -> None:
    """The activations of each layer: the strongest feature maps of a convolution, all units of a
    dense layer."""
    for stage in inspector.stages:
        text = activity(stage, activations)
        if stage.is_convolution:
            pooled = (
                " Max-pooling leaves {}×{} of each.".format(
                    *activations.outputs[stage.pool.name].shape
                )
                if stage.pool
                else ""
            )
            chosen = f" The {STRONGEST} strongest:" if stage.count > STRONGEST else ""
            text = (
                f"{stage.count} maps of {_size(stage, activations)} pixels. {text}{pooled}{chosen}"
            )
        st.markdown(f"**{title(stage)}**: {text}")
        show(picture_of(stage, activations, activations), f"Activations of {title(stage)}")
    if inspector.others:
        kinds = ", ".join(dict.fromkeys(type(layer).__name__ for layer in inspector.others))
        st.caption(f"Not shown: its layers of other kinds with weights ({kinds}).")


def compared(stage: Stage, activations_of: Mapping[str, Activations]) -> None:
    """The activations of one layer at several epochs, below each other, each unit or filter always
    at the same position.

    Args:
        stage: The layer.
        looks: By the name of the epoch, the final one last.
    """
    end = list(activations_of.values())[-1]
    for moment, activations in activations_of.items():
        fullest = float(np.abs(activations.outputs[stage.output]).max())
        st.markdown(
            f"**{moment}**: {activity(stage, activations)} Colour scale: up to {fullest:.1f}."
        )
        show(picture_of(stage, activations, end), f"Activations of {title(stage)}: {moment}")
    if stage.is_convolution:
        chosen = (
            f"The {STRONGEST} maps with the highest activations at the end"
            if stage.count > STRONGEST
            else "All maps"
        )
        st.caption(f"{chosen}, {_size(stage, end)} pixels each.")


def agreement(inspector: Inspector, then: Activations, end: Activations) -> str:
    """How close each layer of a model already is to its final state, in words.

    Args:
        inspector: The model.
        then: Its activations at an earlier epoch.
        end: Its activations at the final one.
    """
    alike = {
        title(stage): likeness(then.outputs[stage.output], end.outputs[stage.output])
        for stage in inspector.stages
    }
    *hidden, logits = alike
    first, last = max(hidden, key=alike.__getitem__), min(hidden, key=alike.__getitem__)
    if len(hidden) == 1:
        text = (
            f"**Notice** how close each layer already is to its final state: {first} with a "
            f"correlation of **{alike[first]:.2f}**, the logits with **{alike[logits]:.2f}**."
        )
    else:
        text = (
            f"**Notice** which layer is already closest to its final state: {first}, with a "
            f"correlation of **{alike[first]:.2f}**; {last} is furthest from it, with "
            f"**{alike[last]:.2f}**. The logits have **{alike[logits]:.2f}**."
        )
    if alike[logits] >= NEAR and alike[last] < FAR:
        text += (
            f" So the answer is nearly there while {last} is still far from its final state: there "
            "is more than one way to it."
        )
    return text


def picture_of(stage: Stage, activations: Activations, by: Activations) -> Picture:
    """The activations of a layer: all units of a dense layer, or the strongest feature maps.

    Args:
        stage: The layer.
        activations: The activations.
        by: Those that decide which feature maps are the strongest, of the same or another epoch.
    """
    values = activations.outputs[stage.output]
    if stage.is_convolution:
        chosen = np.argsort(-by.outputs[stage.output].max(axis=(0, 1)), kind="stable")[:STRONGEST]
        return contact_sheet(stage, activations, chosen)
    if not stage.is_logits:
        columns = min(STRIP_COLUMNS, stage.count)
        return pictures.strip(values, columns, min(STRIP_PX // columns, LARGEST_CELL_PX))
    tiles = pictures.coloured(values.reshape(-1, 1, 1))
    return sheet(tiles, [str(digit) for digit in range(CLASS_COUNT)], CLASS_COUNT, LOGIT_PX)


def _size(stage: Stage, activations: Activations) -> str:
    """That of its feature maps, before they are pooled, such as "26×26"."""
    return "{}×{}".format(*activations.outputs[stage.output].shape)


def activity(stage: Stage, activations: Activations) -> str:
    """How much of a layer is active for the digit, in words."""
    values, active = activations.outputs[stage.output], responds(stage, activations)
    if stage.is_convolution:
        somewhere = int(active.any(axis=(0, 1)).sum())
        return (
            f"{somewhere} filters are active somewhere, at {active.mean():.0%} of "
            "all positions on average."
        )
    if not stage.is_logits:
        return f"{active.sum()} of {stage.count} units are active, {active.mean():.0%}."
    best, second = np.argsort(-values, kind="stable")[:2]
    return (
        f"{best} is highest with {values[best]:.1f}, then comes {second} with {values[second]:.1f}."
    )


def contact_sheet(
    stage: Stage, activations: Activations, chosen: np.ndarray, framed: int | None = None
) -> Picture:
    """Some feature maps of a convolution with the numbers of their filters, on one scale of
    colours.

    Args:
        stage: The convolution.
        activations: Its activations.
        chosen: The indices of the filters.
        framed: Which of the chosen ones stands out.
    """
    maps = activations.outputs[stage.output]
    tiles = pictures.coloured(np.moveaxis(maps[..., chosen], -1, 0), float(np.abs(maps).max()))
    columns, tile_px = (MANY_COLUMNS, MANY_TILE_PX) if len(chosen) > MANY else (COLUMNS, TILE_PX)
    return sheet(tiles, [str(index + 1) for index in chosen], columns, tile_px, framed)
