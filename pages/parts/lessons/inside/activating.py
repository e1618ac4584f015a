"""What activates a filter: the patches of many digits for which its activation is highest."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import streamlit as st

from mnist_models.data import dataset
from mnist_models.explain.activations import Activations, Inspector, Stage
from mnist_models.explain.feature_maps import Search, receptive_field, strongest
from pages.parts import large_type
from pages.parts.lessons import cached, pictures, waiting
from pages.parts.lessons.inside import layers

PATCH_PX = 84
MOST_PATCHES = 9


class Patch(NamedTuple):
    """A part of a digit that activates a filter.

    Attributes:
        activation: Of the filter.
        pixels: The part, uint8 (side, side).
        digit: The label of the digit.
        name: What the page calls the digit.
    """

    activation: float
    pixels: np.ndarray
    digit: int
    name: str


def patches(
    run_id: str, inspector: Inspector, activations: Activations, stage: Stage, filter_index: int
) -> None:
    """The patches that activate a filter most: of this digit, and of training digits, until all
    were searched or the visitor leaves.

    Args:
        run_id: The run, for the search that all visitors share.
        inspector: Its model.
        activations: The activations for this digit.
        stage: The convolution.
        filter_index: From 0.
    """
    search = cached.search(run_id)
    wanted = st.toggle(
        f"Find what activates filter {filter_index + 1} most in "
        f"{len(search.images):,} training images",
        value=True,
        key="inside-search",
        persist_state="session",
    )
    if not wanted:
        _show(inspector, activations, stage, filter_index, None)
        return

    def show() -> None:
        _show(inspector, activations, stage, filter_index, search)

    waiting.until_over(
        {"search": search},
        f"Searching {len(search.images):,} training images …",
        lambda _: show(),
        meanwhile=show,
    )


def _show(
    inspector: Inspector,
    activations: Activations,
    stage: Stage,
    filter_index: int,
    search: Search | None,
) -> None:
    """The patches found so far; without a search, only the one of this digit."""
    own = _own(inspector, activations, stage, filter_index)
    patches = [own]
    if search:
        train = dataset.load().train
        for one in search.most_activating(stage, filter_index, MOST_PATCHES):
            part = receptive_field(inspector.network, stage, one.row, one.column).of(
                search.images[one.index]
            )
            digit = int(train.labels[one.index])
            patches.append(Patch(one.value, part, digit, f"digit {digit}"))
    patches = sorted(patches, key=lambda patch: -patch.activation)[:MOST_PATCHES]
    labels = [f"{patch.name}: {patch.activation:.2f}" for patch in patches]
    # An image of each, so that a narrow window can show them in several rows.
    shown = [
        layers.sheet([pictures.inked(patch.pixels)], [label], 1, large_type.px(PATCH_PX))
        for patch, label in zip(patches, labels, strict=True)
    ]
    st.image(
        [picture.address for picture in shown],
        width=shown[0].width_px,
        alt=[f"A patch that activates filter {filter_index + 1}, {label}" for label in labels],
    )
    st.markdown(findings(patches, own, search.seen if search else 0))


def _own(inspector: Inspector, activations: Activations, stage: Stage, filter_index: int) -> Patch:
    """The patch of this digit that activates the filter most."""
    feature_map = activations.outputs[stage.output][..., filter_index]
    row, column = strongest(feature_map)
    part = receptive_field(inspector.network, stage, row, column).of(activations.image)
    return Patch(float(feature_map[row, column]), part, activations.digit, "this digit")


def findings(patches: list[Patch], own: Patch, seen: int) -> str:
    """What the patches have in common, in words.

    Args:
        patches: Those with the highest activations first.
        own: The one of this digit.
        seen: The number of training digits that were searched.
    """
    if patches[0].activation <= 0:
        return "Nothing here activates this filter above zero."
    if not seen:
        return f"The highest activation for this digit is {own.activation:.2f}."
    text = f"The highest activations in {seen:,} training images, one patch of each."
    if not any(patch.pixels.any() for patch in patches):
        return text + " They are blank: what activates this filter most is paper without ink."
    digit, count = Counter(patch.digit for patch in patches).most_common(1)[0]
    text += f" {count} of the {len(patches)} patches come from the digit {digit}."
    if any(patch is own for patch in patches):
        return text + " This digit is among them."
    return (
        text + f" The highest activation for this digit is {own.activation:.2f}, "
        f"{own.activation / patches[0].activation:.0%} of the highest."
    )
