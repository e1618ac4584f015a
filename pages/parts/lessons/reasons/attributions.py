"""Attributions: which pixels of a digit matter for the prediction, as a map for each model, by
occlusion or by integrated gradients, and in words."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.probabilities import SAME, digits_of
from mnist_models.explain.explanations import INK, Attribution, Occlusion
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import large_type
from pages.parts.lessons import charts

WHERE = (
    ("at the top left", "at the top", "at the top right"),
    ("on the left", "in the middle", "on the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)
# Thirds of the 20 pixels that digits fill.
THIRDS = (11, 17)
# In powers of ten; less is negligible.
HARDLY = 0.05
# Correlations from which two maps are called much the same, and partly the same.
ALIKE, PARTLY = 0.7, 0.3
# A few pixels can matter so much that all others would look pale: this share of the pixels lies
# within the scale of colours.
WITHIN = 0.95


def covers(
    found: Mapping[str, Occlusion],
    image: np.ndarray,
    digits: Mapping[str, int],
    square: str,
    cover: str,
) -> None:
    """Draws the effect of occlusion.

    Args:
        found: For each model, by kind.
        image: The digit, uint8 (28, 28).
        digits: The prediction of each model, by kind.
        square: What covers the digit, such as "5×5 square".
        cover: Of what it is, "paper" or "ink".
    """
    st.markdown(
        compared({network: one.falls for network, one in found.items()}, digits, "positions")
    )
    most = _end([one.falls for one in found.values()])
    for column, (network, one) in zip(
        st.columns(len(found), gap="medium"), found.items(), strict=True
    ):
        title, digit = NETWORKS[network].title, digits[network]
        read = digits_of(one.probabilities)
        predictions = [
            f"{now}, {probability:.1%}"
            for now, probability in zip(read, one.probabilities.max(axis=1), strict=True)
        ]
        marks = ["" if now == digit else str(now) for now in read]
        with column:
            pixels = charts.Attributions(one.falls, marks, predictions)
            words = (
                f"At **{(read != digit).mean():.1%}** of the positions, the square changes the "
                f"{title}'s prediction. {_worst_cover(one, digit, square, cover)}"
            )
            _map(
                network,
                pixels,
                image,
                most,
                "fall of the odds, in powers of ten",
                "prediction, covered",
                words,
            )
    st.caption(
        f"The colour of a pixel is the effect of a {square} of {cover} centred on it: +2 makes the "
        "odds of the predicted digit a hundred times lower, −2 a hundred times higher. A number is "
        "the digit predicted instead. The line is the edge of the ink. Both maps share one scale."
        + (
            " Paper on paper changes nothing: to see how the white parts matter, cover with ink."
            if cover == "paper"
            else ""
        )
    )


def _worst_cover(found: Occlusion, digit: int, square: str, cover: str) -> str:
    worst = int(found.falls.argmax())
    fall, then = float(found.falls.flat[worst]), found.probabilities[worst]
    if fall < HARDLY:
        return f"Wherever the {square} of {cover} is, the odds of {digit} hardly fall."
    other = digits_of(then)
    now = f"still {digit}" if other == digit else f"**{other}**"
    return (
        f"Covering hurts most {where(*divmod(worst, IMAGE_SIZE_PX))}: with the {square} of {cover} "
        f"there, the odds of {digit} are **{times(fall)} times** lower, and the prediction is "
        f"{now} (probability {then.max():.1%})."
    )


def gradients(
    found: Mapping[str, Attribution], image: np.ndarray, digits: Mapping[str, int]
) -> None:
    """Draws integrated gradients.

    Args:
        found: For each model whose layers are known, by kind.
        image: The digit, uint8 (28, 28).
        digits: The prediction of each model, by kind.
    """
    if len(found) > 1:
        st.markdown(
            compared({network: one.counted for network, one in found.items()}, digits, "pixels")
        )
    most = _end([one.counted for one in found.values()], WITHIN)
    ink = [f"{grey / INK:.0%}" for grey in image.flat]
    for column, (network, one) in zip(
        st.columns(len(found), gap="medium"), found.items(), strict=True
    ):
        title, digit = NETWORKS[network].title, digits[network]
        with column:
            pixels = charts.Attributions(one.counted, [""] * image.size, ink)
            _map(
                network,
                pixels,
                image,
                most,
                "attribution, in powers of ten of the odds",
                "ink",
                _best_part(one, title, digit),
            )
    scale = "Both maps share one scale; the" if len(found) > 1 else "The"
    st.caption(
        "Green ink is evidence for the predicted digit, purple ink evidence against it. The line "
        f"is the edge of the ink. {scale} strongest pixels, at most {1 - WITHIN:.0%}, lie beyond "
        "its ends. White paper has no attribution by this method, though it matters to a model: "
        "use occlusion with ink to see that."
    )


def _best_part(found: Attribution, title: str, digit: int) -> str:
    whole = (
        f"On blank paper, the {title}'s odds of {digit} are {odds(found.blank)}, in this digit "
        f"{odds(found.whole)}: **{found.whole - found.blank:+.1f} powers of ten**."
    )
    size, evidence = float(np.abs(found.counted).sum()), found.counted.clip(0)
    if evidence.sum() < HARDLY:
        return whole + " No ink is evidence for it."
    parts: dict[str, float] = {}
    for place, value in np.ndenumerate(evidence):
        parts[where(*place)] = parts.get(where(*place), 0) + float(value)
    best = max(parts, key=parts.__getitem__)
    return whole + (
        f" Of the evidence for it, {parts[best] / evidence.sum():.0%} is **{best}**; "
        f"{1 - evidence.sum() / size:.0%} of all attributions are evidence against it. The pixels "
        f"add up to {found.counted.sum():+.1f} powers of ten."
    )


def _map(
    network: str,
    pixels: charts.Attributions,
    image: np.ndarray,
    most: float,
    value: str,
    detail: str,
    words: str,
) -> None:
    """A map, and what it shows in words.

    Args:
        network: The kind of model.
        pixels: The attributions.
        image: The digit, uint8 (28, 28).
        most: Where the scale of colours ends on either side.
        value: The title of the values.
        detail: The title of what the tooltip says beside the value.
        words: What the map shows.
    """
    with st.container(horizontal=True, gap="small"):
        large_type.chart(
            charts.attributions(pixels, image, most, value, detail),
            key=f"counted-{network}",
            width="content",
            alt=f"Attributions of the {NETWORKS[network].title}, pixel by pixel",
        )
        with st.container():
            st.markdown(words)


def _end(maps: Sequence[np.ndarray], share: float = 1) -> float:
    """Where the scale of colours of several maps ends, such that a share of the values other than 0
    lies within. Rounded up, because a chart is cached for each end."""
    sizes = np.abs(np.concatenate([one.ravel() for one in maps]))
    end = float(np.quantile(sizes[sizes > 0], share)) if sizes.any() else 0
    steps = 2 if end > 2 else 10
    return max(1, math.ceil(steps * end)) / steps


def compared(maps: Mapping[str, np.ndarray], digits: Mapping[str, int], what: str) -> str:
    """Whether two models rely on the same parts, in words.

    Args:
        maps: Of each model, by kind.
        digits: The prediction of each model, by kind.
        what: What the maps consist of, such as "positions".
    """
    if len(set(digits.values())) > 1:
        return "They predict different digits, so each map is about another digit."
    first, second = (one.ravel() for one in maps.values())
    if min(np.ptp(first), np.ptp(second)) < SAME:
        return "One of the maps is the same everywhere, so there is nothing to compare."
    alike = float(np.corrcoef(first, second)[0, 1])
    same = (
        "much the same" if alike >= ALIKE else "partly the same" if alike >= PARTLY else "different"
    )
    return (
        f"Both rely on **{same}** {what}: the correlation of the two maps is {alike:.2f} (1 means "
        "the same map)."
    )


def where(row: int, column: int) -> str:
    """The part of the image in which a pixel is, in words."""
    down, across = np.searchsorted(THIRDS, (row, column), side="right")
    return WHERE[down][across]


def times(power: float) -> str:
    """Ten to this power, in words."""
    if power >= 9:
        return "more than a billion"
    value = float(f"{10**power:.1e}")
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def odds(power: float) -> str:
    """Odds of ten to this power, such as "450 : 1"."""
    return f"{times(power)} : 1" if power >= 0 else f"1 : {times(-power)}"
