"""What in a digit counted for its reading: a map of each network, by covering or by gradients, and
what it shows in words."""

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
# Powers of ten, of which less is nothing to speak of.
HARDLY = 0.05
# Correlations from which on two maps are called alike, and partly alike.
ALIKE, PARTLY = 0.7, 0.3
# A few pixels can count so much by themselves that all others would look pale.
WITHIN = 0.95


def covers(
    found: Mapping[str, Occlusion],
    image: np.ndarray,
    digits: Mapping[str, int],
    square: str,
    cover: str,
) -> None:
    """What covering does. digits: what each network reads in the image. square: such as "5×5
    square". cover: of what it is."""
    st.markdown(compared({network: one.falls for network, one in found.items()}, digits, "places"))
    most = _end([one.falls for one in found.values()])
    for column, (network, one) in zip(
        st.columns(len(found), gap="medium"), found.items(), strict=True
    ):
        title, digit, read = (
            NETWORKS[network].title,
            digits[network],
            digits_of(one.probabilities),
        )
        told = [
            f"{now}, {probability:.1%}"
            for now, probability in zip(read, one.probabilities.max(axis=1), strict=True)
        ]
        marks = ["" if now == digit else str(now) for now in read]
        with column:
            st.metric(f"Covers that change what the {title} reads", f"{(read != digit).mean():.1%}")
            pixels = charts.Counted(one.falls, marks, told)
            words = _worst_cover(one, digit, square, cover)
            _map(network, pixels, image, most, "odds fall by powers of ten", "read then", words)
    st.caption(
        f"The colour of a pixel is what a {square} of {cover} around it does: +2 makes the odds of "
        "the digit read a hundred times lower, −2 a hundred times higher. A number is the digit "
        "that is read instead. The line is the edge of the ink. Both maps have one scale."
        + (
            " Paper on paper changes nothing: to ask what the white parts count, cover with ink."
            if cover == "paper"
            else ""
        )
    )


def _worst_cover(found: Occlusion, digit: int, square: str, cover: str) -> str:
    worst = int(found.falls.argmax())
    fall, then = float(found.falls.flat[worst]), found.probabilities[worst]
    if fall < HARDLY:
        return f"Wherever the {square} of {cover} lies, the odds of {digit} hardly fall."
    other = digits_of(then)
    now = f"still reads {digit}" if other == digit else f"reads **{other}**"
    return (
        f"The {cover} hurts most {where(*divmod(worst, IMAGE_SIZE_PX))}: with the {square} there, "
        f"the odds of {digit} are **{times(fall)} times** lower, and it {now} "
        f"({then.max():.1%} probable)."
    )


def gradients(
    found: Mapping[str, Attribution], image: np.ndarray, digits: Mapping[str, int]
) -> None:
    """What each pixel counted. digits: what each network reads in the image."""
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
            st.metric(
                f"What the ink adds to the {title}'s odds of {digit}",
                f"{one.whole - one.blank:+.1f} powers of ten",
            )
            pixels = charts.Counted(one.counted, [""] * image.size, ink)
            _map(
                network,
                pixels,
                image,
                most,
                "ink counts, in powers of ten",
                "ink",
                _best_part(one, digit),
            )
    st.caption(
        "Green ink speaks for the digit read, purple ink against it. The line is the edge of the "
        f"ink. Both maps have one scale; the strongest of their pixels, at most {1 - WITHIN:.0%}, "
        "lie beyond its ends. White paper counts nothing here by the way that it is measured, "
        "though it matters to a network: cover with ink to see it."
    )


def _best_part(found: Attribution, digit: int) -> str:
    whole = (
        f"On blank paper the odds of {digit} are {odds(found.blank)}, in this digit "
        f"**{odds(found.whole)}**."
    )
    size, speaking = float(np.abs(found.counted).sum()), found.counted.clip(0)
    if speaking.sum() < HARDLY:
        return whole + " No ink speaks for it."
    parts: dict[str, float] = {}
    for place, value in np.ndenumerate(speaking):
        parts[where(*place)] = parts.get(where(*place), 0) + float(value)
    best = max(parts, key=parts.__getitem__)
    return whole + (
        f" Of what speaks for it, {parts[best] / speaking.sum():.0%} stands **{best}**; "
        f"{1 - speaking.sum() / size:.0%} of all that counts speaks against it. The pixels sum to "
        f"{found.counted.sum():+.1f} powers of ten."
    )


def _map(
    network: str,
    pixels: charts.Counted,
    image: np.ndarray,
    most: float,
    value: str,
    told: str,
    words: str,
) -> None:
    """A map, and what it shows in words."""
    with st.container(horizontal=True, gap="small"):
        large_type.chart(
            charts.counted(pixels, image, most, value, told),
            key=f"counted-{network}",
            width="content",
            alt=f"What counted for the {NETWORKS[network].title}, pixel by pixel",
        )
        with st.container():
            st.markdown(words)


def _end(maps: Sequence[np.ndarray], share: float = 1) -> float:
    """Where the colours of several maps end, for so large a share of what is not 0. Rounded up: a
    chart is kept for each."""
    sizes = np.abs(np.concatenate([one.ravel() for one in maps]))
    end = float(np.quantile(sizes[sizes > 0], share)) if sizes.any() else 0
    steps = 2 if end > 2 else 10
    return max(1, math.ceil(steps * end)) / steps


def compared(maps: Mapping[str, np.ndarray], digits: Mapping[str, int], what: str) -> str:
    """Whether two networks lean on the same. what: such as "places"."""
    if len(set(digits.values())) > 1:
        return "They read different digits, so each map is about another one."
    first, second = (one.ravel() for one in maps.values())
    if min(np.ptp(first), np.ptp(second)) < SAME:
        return "One of the maps is the same everywhere, so there is nothing to compare."
    alike = float(np.corrcoef(first, second)[0, 1])
    same = (
        "much the same" if alike >= ALIKE else "partly the same" if alike >= PARTLY else "different"
    )
    return (
        f"Both lean on **{same}** {what}: the correlation of the two maps is {alike:.2f}, where 1 "
        "is the same map."
    )


def where(row: int, column: int) -> str:
    """In which part of the picture a pixel is."""
    down, across = np.searchsorted(THIRDS, (row, column), side="right")
    return WHERE[down][across]


def times(power: float) -> str:
    """Ten to this power, as people say it."""
    if power >= 9:
        return "more than a billion"
    value = float(f"{10**power:.1e}")
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def odds(power: float) -> str:
    """Odds, which are ten to this power."""
    return f"{times(power)} to 1" if power >= 0 else f"1 to {times(-power)}"
