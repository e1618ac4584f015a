"""What excites a filter: the patches of many digits to which it answers most."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import streamlit as st

from mnist_models.data import dataset
from mnist_models.explain.activations import Inspector, Look, Stage
from mnist_models.explain.feature_maps import Search, receptive_field, strongest
from pages.parts import large_type
from pages.parts.lessons import cached, pictures, waiting
from pages.parts.lessons.inside import layers

PATCH_PX = 84
MOST_EXCITED = 9


class Patch(NamedTuple):
    """A part of a digit that excites a filter: the filter's answer, the part, and what is said of
    it."""

    value: float
    part: np.ndarray
    digit: int
    called: str


def patches(run_id: str, inspector: Inspector, look: Look, stage: Stage, filter_index: int) -> None:
    """The patches that excite a filter most: of the digit that was looked at, and of training
    digits, until all were seen or nobody is interested any more."""
    search = cached.search(run_id)
    wanted = st.toggle(
        f"Look through {len(search.images):,} training digits for what excites filter "
        f"{filter_index + 1} most",
        value=True,
        key="inside-search",
        persist_state="session",
    )
    if not wanted:
        _show(inspector, look, stage, filter_index, None)
        return

    def show() -> None:
        _show(inspector, look, stage, filter_index, search)

    waiting.until_over(
        {"search": search},
        f"Searching {len(search.images):,} training images",
        lambda _: show(),
        meanwhile=show,
    )


def _show(
    inspector: Inspector, look: Look, stage: Stage, filter_index: int, search: Search | None
) -> None:
    """The patches found so far; without a search, the digit's own patch only."""
    own = _own(inspector, look, stage, filter_index)
    patches = [own]
    if search:
        train = dataset.load().train
        for one in search.most_excited(stage, filter_index, MOST_EXCITED):
            part = receptive_field(inspector.convolutions, stage, one.row, one.column).of(
                search.images[one.index]
            )
            digit = int(train.labels[one.index])
            patches.append(Patch(one.value, part, digit, f"digit {digit}"))
    patches = sorted(patches, key=lambda patch: -patch.value)[:MOST_EXCITED]
    told = [f"{patch.called}: {patch.value:.2f}" for patch in patches]
    # A picture of each: a narrow window has them in several rows.
    shown = [
        layers.sheet([pictures.inked(patch.part)], [label], 1, large_type.px(PATCH_PX))
        for patch, label in zip(patches, told, strict=True)
    ]
    st.image(
        [picture.address for picture in shown],
        width=shown[0].width_px,
        alt=[f"A patch that excites filter {filter_index + 1}, {label}" for label in told],
    )
    st.markdown(findings(patches, own, search.seen if search else 0))


def _own(inspector: Inspector, look: Look, stage: Stage, filter_index: int) -> Patch:
    """The patch of the digit itself that excites the filter most."""
    feature_map = look.outputs[stage.output][..., filter_index]
    row, column = strongest(feature_map)
    part = receptive_field(inspector.convolutions, stage, row, column).of(look.image)
    return Patch(float(feature_map[row, column]), part, look.digit, "this digit")


def findings(patches: list[Patch], own: Patch, seen: int) -> str:
    """What the patches have in common, in words. seen: of how many training digits they are the
    strongest."""
    if patches[0].value <= 0:
        return "Nothing here makes this filter answer above zero."
    if not seen:
        return f"The highest answer that this digit gets from it is {own.value:.2f}."
    told = f"The strongest of {seen:,} training digits, one patch of each."
    if not any(patch.part.any() for patch in patches):
        return told + " They are blank: what excites this filter most is paper without ink."
    digit, count = Counter(patch.digit for patch in patches).most_common(1)[0]
    told += f" {count} of the {len(patches)} patches come from the digit {digit}."
    if any(patch is own for patch in patches):
        return told + " This digit is among them."
    return (
        told + f" This digit's own highest answer is {own.value:.2f}, "
        f"{own.value / patches[0].value:.0%} of the first."
    )
