"""Why this reading: what counted in the digit, what would change it, and which training digits look
like it to each network."""

import functools
from collections.abc import Mapping

import numpy as np
import streamlit as st

from mnist_models.explain import explanations, neighbours
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import page, resources
from pages.parts.lessons import cached, frame, waiting
from pages.parts.lessons.reasons import alike, changes, evidence

SCRIPT = "pages/reasons.py"
WAY, SIDE, COVER, CHANGE = "reasons-way", "reasons-side", "reasons-cover", "reasons-change"
WAYS = {"cover": "Covering", "gradients": "Gradients"}
COVERS = {"paper": 0, "ink": explanations.INK}
CHANGES = {
    "pen": "A stroke of the pen",
    "rubber": "A stroke of the rubber",
    "pixels": "Single pixels",
}
SETTINGS = {
    WAY: frame.Setting("way", tuple(WAYS)),
    SIDE: frame.Setting("side", explanations.SIDES_PX),
    COVER: frame.Setting("cover", tuple(COVERS)),
    CHANGE: frame.Setting("change", tuple(CHANGES)),
}
STARTS = {WAY: "cover", SIDE: 5, COVER: "paper", CHANGE: "pen"}


@page.guarded
def main() -> None:
    """The page."""
    frame.begin(SCRIPT, SETTINGS)
    for key, first in STARTS.items():
        st.session_state.setdefault(key, first)
    st.header("Why this reading, and what would change it?")
    st.markdown(
        "A network cannot say why it reads what it reads, but it can be asked: what if this part "
        "were covered, what if a stroke were added, and which of your training digits look like "
        "this one? **Notice** which strokes each reading hangs on, and whether both networks lean "
        "on the same ones. **Try** a digit written badly on purpose, and see how little ink makes "
        "another one of it."
    )
    reasons()


@page.guarded
def reasons() -> None:
    """The digit, the two networks, and three ways to ask them why."""
    image, label = frame.digit()
    runs = frame.networks()
    values = {key: st.session_state[key] for key in SETTINGS}
    frame.present(SCRIPT, image, label, runs, SETTINGS, values)
    with resources.while_loading():
        read = {network: resources.classifier(run.id).read(image) for network, run in runs.items()}
    told = ", and the ".join(
        f"{NETWORKS[network].title} reads **{one.digit}**, {one.probability:.1%} probable, which "
        "are odds of "
        ""
        f"{evidence.odds(float(explanations.log_odds(np.array([one.probabilities]), one.digit)[0]))}"
        for network, one in read.items()
    )
    is_wrong = any(one.digit != label for one in read.values())
    st.markdown(
        f"The {told}."
        + (" Each is asked about what it reads itself, right or wrong." if is_wrong else "")
    )
    digits = {network: one.digit for network, one in read.items()}
    what_counted(image, runs, digits)
    what_would_change(image, runs, digits)
    what_is_alike(image, runs)
    how()


@st.fragment
@page.guarded
def what_counted(image: np.ndarray, runs: Mapping[str, Run], digits: Mapping[str, int]) -> None:
    """A map of each network of what counted. digits: what each reads in the image."""
    st.subheader("What counted?")
    with st.container(horizontal=True, gap="medium"):
        way = st.segmented_control(
            "Found by",
            WAYS,
            format_func=WAYS.__getitem__,
            required=True,
            key=WAY,
            persist_state="session",
        )
        if way == "gradients":
            works = {
                network: cached.attribution(run.id, image, digits[network])
                for network, run in runs.items()
            }
            show = functools.partial(evidence.gradients, image=image, digits=digits)
        else:
            side_px = st.segmented_control(
                "A square of",
                explanations.SIDES_PX,
                format_func=lambda side_px: f"{side_px}×{side_px} px",
                required=True,
                key=SIDE,
                persist_state="session",
            )
            cover = st.segmented_control(
                "Covered with", COVERS, required=True, key=COVER, persist_state="session"
            )
            works = {
                network: cached.occlusion(run.id, image, side_px, COVERS[cover])
                for network, run in runs.items()
            }
            square = f"{side_px}×{side_px} square"
            show = functools.partial(
                evidence.covers, image=image, digits=digits, square=square, cover=cover
            )
    waiting.until_over(works, "Both networks are asked.", show)


@st.fragment
@page.guarded
def what_would_change(
    image: np.ndarray, runs: Mapping[str, Run], digits: Mapping[str, int]
) -> None:
    """The smallest change found that makes each network read another digit."""
    st.subheader("What would change its mind?")
    by = st.segmented_control(
        "What may change",
        CHANGES,
        format_func=CHANGES.__getitem__,
        required=True,
        key=CHANGE,
        persist_state="session",
    )
    works = {network: cached.change(run.id, image, by) for network, run in runs.items()}
    confidence_threshold = {network: run.confidence_threshold for network, run in runs.items()}
    show = functools.partial(
        changes.show, image=image, digits=digits, confidence_threshold=confidence_threshold, by=by
    )
    waiting.until_over(works, "Small changes are tried.", show)


@st.fragment
@page.guarded
def what_is_alike(image: np.ndarray, runs: Mapping[str, Run]) -> None:
    """The training digits that look most like this one to each network."""
    st.subheader("What looks like it to each network?")
    works = {network: cached.known(run.id) for network, run in runs.items()}
    doing = f"Both networks look at {neighbours.COUNT:,} training digits, once for all visitors."
    waiting.until_over(works, doing, functools.partial(alike.show, image=image, runs=runs))


def how() -> None:
    """How all of this is measured, and by whose methods."""
    with st.expander("How is this measured?"):
        st.markdown(
            "**Odds** tell how many times as probable the digit is as all others together: 99.9% "
            "are odds of 999 to 1. They still move where a probability near 100% does not, and are "
            "told in powers of ten: +3 is a thousand times."
        )
        st.markdown(
            "**Covering** puts a square around each of the 784 pixels and reads again ([Zeiler and "
            "Fergus 2014](https://arxiv.org/abs/1311.2901), there with a grey square). What it "
            "tells is what really happens, but of squares, not of pixels, and no network learned "
            "from digits with holes."
        )
        st.markdown(
            "**Gradients** are integrated gradients ([Sundararajan, Taly and Yan "
            f"2017](https://arxiv.org/abs/1703.01365)): the ink comes in over {explanations.STEPS} "
            "steps from blank paper, and each pixel is given what its ink adds on the way. The sum "
            "of all pixels is all that the ink adds, but for a small error."
        )
        st.markdown(
            "**What would change its mind** is found by trying. All strokes are read, from the one "
            "that changes the least ink on, so the first that is found is the smallest of them; a "
            "curved one might be smaller still. Single pixels are chosen greedily (after [Papernot "
            "and others 2016](https://arxiv.org/abs/1511.07528)). That few are enough, where a "
            "person sees no other digit, was found of all kinds of networks ([Szegedy and others "
            "2014](https://arxiv.org/abs/1312.6199))."
        )
        st.markdown(
            "**What looks like it** compares what each network passes on to its last layer, by "
            f"Euclidean distance, with that of MNIST's first {neighbours.COUNT:,} training digits. "
            f"The map is a principal component analysis of the first {neighbours.MAPPED:,} of them."
        )


main()
