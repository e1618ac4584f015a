"""What would change a network's mind: digits as they were changed, what is read in them now, and
how much that took."""

from collections.abc import Mapping

import numpy as np
import streamlit as st
from PIL import Image

from mnist_models.data.probabilities import digits_of, is_confident
from mnist_models.explain.explanations import (
    INK,
    MOST_PIXELS,
    PIXELS_TRIED,
    TOOLS,
    Search,
    ink_changed_px,
)
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import large_type

# Changes of which the larger is no more times the smaller are called about the same.
CLOSE = 1.1
PICTURE_PX = 168
WORDS_PX = 160
ADDED, TAKEN = (0, 158, 115), (204, 121, 167)


def show(
    found: Mapping[str, Search],
    image: np.ndarray,
    digits: Mapping[str, int],
    confidence_threshold: Mapping[str, float],
    by: str,
) -> None:
    """The changes found. digits: what each network reads in the image. sure_from: see tables.Run.
    by: what was allowed to change the digit, a tool or "pixels"."""
    sizes = {
        network: size(image, one.image, by)
        for network, one in found.items()
        if one.image is not None
    }
    st.markdown(verdict(sizes, list(found), by))
    for column, (network, one) in zip(
        st.columns(len(found), gap="medium"), found.items(), strict=True
    ):
        title, digit = NETWORKS[network].title, digits[network]
        with column:
            if one.image is None:
                st.metric(f"The {title} still reads", digit)
                st.markdown(_nothing(one, by))
                continue
            with st.container(horizontal=True, gap="small"):
                st.image(
                    recoloured(image, one.image),
                    width=PICTURE_PX,
                    alt=f"The digit, changed for the {title}",
                )
                with st.container(width=large_type.px(WORDS_PX)):
                    st.metric(f"The {title} now reads", int(digits_of(one.probabilities)))
                    ink_px = float(ink_changed_px(np.zeros_like(image), image))
                    probability = float(one.probabilities.max())
                    unsure = (
                        ", so it would say that it is not sure"
                        if not is_confident(probability, confidence_threshold[network])
                        else ""
                    )
                    st.markdown(
                        f"with probability {probability:.1%}{unsure}; before, it read {digit}. "
                        f"Changed: **{measured(sizes[network], by)}**; the digit "
                        f"has {ink_px:.0f} px of ink."
                    )
            st.caption(_tried(one, by))
    st.caption(
        "Green ink was added, purple ink was taken away; a px of ink is a pixel full of it. The "
        "networks read the digit as it stands here: it is not prepared again."
    )


def size(before: np.ndarray, after: np.ndarray, by: str) -> float:
    """How large a change is: the number of pixels, or the ink in pixels full of it."""
    return (
        float((before != after).sum()) if by == "pixels" else float(ink_changed_px(before, after))
    )


def measured(size: float, by: str) -> str:
    """The size of a change, with its unit."""
    if by == "pixels":
        return "1 pixel" if size == 1 else f"{size:.0f} pixels"
    return f"{size:.1f} px of ink"


def verdict(sizes: Mapping[str, float], networks: list[str], by: str) -> str:
    """Which network holds on to its reading. sizes: of the changes that were found, by network."""
    what = "single pixels" if by == "pixels" else f"strokes of the {by}"
    titles = {network: NETWORKS[network].title for network in networks}
    if not sizes:
        return (
            f"Neither changes its mind: none of the {what} that were tried makes "
            "another digit of this one."
        )
    told = {network: f"**{measured(one, by)}**" for network, one in sizes.items()}
    if len(sizes) < len(networks):
        firm = next(network for network in networks if network not in sizes)
        (moved,) = sizes
        return (
            f"The {titles[moved]} changes its mind after {told[moved]}. The {titles[firm]} does "
            f"not: none of the {what} that were tried moves it."
        )
    (weaker, least), (firmer, most) = sorted(sizes.items(), key=lambda one: one[1])
    if most <= CLOSE * least:
        return (
            f"The {titles[weaker]} changes its mind after {told[weaker]}, the {titles[firmer]} "
            f"after {told[firmer]}: neither holds on to this digit much more firmly."
        )
    return (
        f"The {titles[weaker]} changes its mind after {told[weaker]}, the {titles[firmer]} only "
        f"after {told[firmer]}. So it is the {titles[firmer]} that holds on to this digit more "
        "firmly. One digit can be luck: try others."
    )


def _nothing(search: Search, by: str) -> str:
    """That no change was found, and where to look on."""
    if by == "pixels":
        return (
            f"Even {MOST_PIXELS} pixels, chosen one by one, do not make it read "
            "another digit. Try a stroke."
        )
    return (
        f"None of all {search.among:,} strokes of the {by} makes it read another digit. Try "
        "another tool, or single pixels."
    )


def _tried(search: Search, by: str) -> str:
    """What was tried until a change was found."""
    if by == "pixels":
        return (
            f"{search.tried:,} changes were tried: one pixel after the other was made ink or "
            f"paper, each time the best of the {PIXELS_TRIED} of which the gradient promised most. "
            "Fewer pixels might do."
        )
    return (
        f"Of {search.among:,} strokes of a {by} {TOOLS[by].width_px} px wide, straight from point "
        f"to point of a grid, the {search.tried - 1:,} that change less ink do "
        "not change what it reads."
    )


def recoloured(before: np.ndarray, after: np.ndarray) -> Image.Image:
    """The changed digit, dark ink on white, with the ink that was added in green and the ink that
    was taken away in purple."""
    old, new = (one[..., np.newaxis] / INK for one in (before, after))
    colors = (
        (1 - np.maximum(old, new)) * INK + (new - old).clip(0) * ADDED + (old - new).clip(0) * TAKEN
    )
    return Image.fromarray(colors.round().astype(np.uint8)).resize(
        (PICTURE_PX, PICTURE_PX), Image.Resampling.NEAREST
    )
