"""Counterfactuals: the digit changed a little, the new prediction, and the size of the change."""

from collections.abc import Mapping

import numpy as np
import streamlit as st
from PIL import Image

from mnist_models.explain.explanations import (
    INK,
    MOST_PIXELS,
    PIXELS_TRIED,
    TOOLS,
    Counterfactual,
    ink_changed_px,
)
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts.lessons import frame

# Two changes are called about the same if the larger is at most this many times the smaller.
CLOSE = 1.1
# How sentences name the tools.
NAMES = {"pen": "pen", "rubber": "eraser"}
PICTURE_PX = 168
ADDED, REMOVED = (0, 158, 115), (204, 121, 167)


def show(
    found: Mapping[str, Counterfactual],
    image: np.ndarray,
    digits: Mapping[str, int],
    confidence_thresholds: Mapping[str, float],
    by: str,
) -> None:
    """Draws the changes found.

    Args:
        found: The smallest change for each model, by kind; of single pixels, for those whose layers
            are known.
        image: The digit, uint8 (28, 28).
        digits: The prediction of each model, by kind.
        confidence_thresholds: Of each model, by kind.
        by: What was allowed to change the digit, a tool or "pixels".
    """
    sizes = {
        network: size(image, one.image, by)
        for network, one in found.items()
        if one.image is not None
    }
    if len(found) > 1:
        st.markdown(verdict(sizes, list(found), by))
    for column, (network, one) in zip(
        st.columns(len(found), gap="medium"), found.items(), strict=True
    ):
        title, digit = NETWORKS[network].title, digits[network]
        with column:
            if one.image is None or one.probabilities is None:
                st.metric(f"{title} prediction, unchanged", digit)
                st.markdown(_nothing(one, by))
                continue
            with st.container(horizontal=True, gap="small"):
                st.image(
                    recoloured(image, one.image),
                    width=PICTURE_PX,
                    alt=f"The digit, changed until the {title} predicts another one",
                )
                frame.show_prediction(
                    f"{title} prediction after the change",
                    one.probabilities,
                    confidence_thresholds[network],
                )
            ink_px = float(ink_changed_px(np.zeros_like(image), image))
            st.markdown(
                f"Before, the prediction was {digit}. Changed: "
                f"**{measured(sizes[network], by)}**; the digit has {ink_px:.0f} px of ink."
            )
            st.caption(_tried(one, by))
    st.caption(
        "Green ink was added, purple ink was removed; 1 px of ink is one pixel full of it. The "
        "models classify the digit as it is here: it is not centred again."
    )


def size(before: np.ndarray, after: np.ndarray, by: str) -> float:
    """The size of a change: the number of pixels, or the amount of ink in full pixels."""
    return (
        float((before != after).sum()) if by == "pixels" else float(ink_changed_px(before, after))
    )


def measured(size: float, by: str) -> str:
    """The size of a change, with its unit."""
    if by == "pixels":
        return "1 pixel" if size == 1 else f"{size:.0f} pixels"
    return f"{size:.1f} px of ink"


def verdict(sizes: Mapping[str, float], networks: list[str], by: str) -> str:
    """Which model is more robust on this digit, in words.

    Args:
        sizes: Of the changes that were found, by kind of model.
        networks: All kinds of model.
        by: What was allowed to change the digit, a tool or "pixels".
    """
    what = "single pixels" if by == "pixels" else f"{NAMES[by]} strokes"
    titles = {network: NETWORKS[network].title for network in networks}
    if not sizes:
        return (
            f"Neither changes its answer: none of the {what} tried turns "
            "this digit into another one."
        )
    amounts = {network: f"**{measured(one, by)}**" for network, one in sizes.items()}
    if len(sizes) < len(networks):
        robust = next(network for network in networks if network not in sizes)
        (moved,) = sizes
        return (
            f"The {titles[moved]} changes its answer after {amounts[moved]}. The {titles[robust]} "
            f"does not: none of the {what} tried changes it."
        )
    (weaker, least), (stronger, most) = sorted(sizes.items(), key=lambda one: one[1])
    if most <= CLOSE * least:
        return (
            f"The {titles[weaker]} changes its answer after {amounts[weaker]}, the "
            f"{titles[stronger]} after {amounts[stronger]}: both are about "
            "equally robust on this digit."
        )
    return (
        f"The {titles[weaker]} changes its answer after {amounts[weaker]}, the {titles[stronger]} "
        f"only after {amounts[stronger]}. So the {titles[stronger]} is more robust on this digit. "
        "That may be chance; try others."
    )


def _nothing(search: Counterfactual, by: str) -> str:
    """That no change was found, and what to try next."""
    if by == "pixels":
        return (
            f"Even {MOST_PIXELS} pixels, chosen one by one, do not turn it into "
            "another digit. Try a stroke."
        )
    return (
        f"None of all {search.among:,} {NAMES[by]} strokes turns it into another digit. Try "
        "another tool, or single pixels."
    )


def _tried(search: Counterfactual, by: str) -> str:
    """How much was tried until a change was found."""
    if by == "pixels":
        return (
            f"{search.tried:,} changes were tried: one pixel at a time was set to ink or paper, "
            f"each time the best of the {PIXELS_TRIED} for which the gradient promised most (a "
            "greedy search). Fewer pixels might be enough."
        )
    return (
        f"Of {search.among:,} straight {NAMES[by]} strokes, {TOOLS[by].width_px} px wide, between "
        f"the points of a grid, the {search.tried - 1:,} that change less ink do "
        "not change the prediction."
    )


def recoloured(before: np.ndarray, after: np.ndarray) -> Image.Image:
    """The changed digit, dark ink on white, with added ink in green and removed ink in purple.

    Args:
        before, after: uint8 (28, 28).
    """
    old, new = (one[..., np.newaxis] / INK for one in (before, after))
    colors = (
        (1 - np.maximum(old, new)) * INK
        + (new - old).clip(0) * ADDED
        + (old - new).clip(0) * REMOVED
    )
    return Image.fromarray(colors.round().astype(np.uint8)).resize(
        (PICTURE_PX, PICTURE_PX), Image.Resampling.NEAREST
    )
