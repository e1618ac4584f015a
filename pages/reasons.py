"""Why this answer: what mattered in the digit, what would change the prediction, and which training
digits are nearest to it for each model."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from mnist_models.data.probabilities import NOT_SURE
from mnist_models.explain import explanations, neighbours
from mnist_models.explain.slices import Sliced
from mnist_models.imports.refusal import RefusedError
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import page, resources
from pages.parts.lessons import cached, frame, waiting
from pages.parts.lessons.reasons import attributions, counterfactuals, nearest

SCRIPT = "pages/reasons.py"
VIEW, WAY, SIDE, COVER = "reasons-view", "reasons-way", "reasons-side", "reasons-cover"
CHANGE = "reasons-change"
VIEWS = {
    "mattered": "What mattered?",
    "change": "What would change it?",
    "nearest": "Nearest training digits",
}
WAYS = {"cover": "Occlusion", "gradients": "Integrated gradients"}
COVERS = {"paper": 0, "ink": explanations.INK}
CHANGES = {
    "pen": "Pen stroke",
    "rubber": "Eraser stroke",
    "pixels": "Single pixels",
}
SETTINGS = {
    VIEW: frame.Setting("view", tuple(VIEWS)),
    WAY: frame.Setting("way", tuple(WAYS)),
    SIDE: frame.Setting("side", explanations.SIDES_PX),
    COVER: frame.Setting("cover", tuple(COVERS)),
    CHANGE: frame.Setting("change", tuple(CHANGES)),
}
STARTS = {VIEW: "mattered", WAY: "cover", SIDE: 5, COVER: "paper", CHANGE: "pen"}


@page.guarded
def main() -> None:
    """The page."""
    frame.begin(SCRIPT, SETTINGS)
    for key, first in STARTS.items():
        st.session_state.setdefault(key, first)
    reasons()


@page.guarded
def reasons() -> None:
    """The digit, the two models, and one of three ways to test them."""
    stage = frame.set_stage(
        "A model cannot say why it predicts what it predicts, but it can be tested: what if this "
        "part were covered, what if a stroke were added, and which training digits are most "
        "similar to this one? **Notice** which strokes each answer depends on, and whether both "
        "models rely on the same ones. **Try** a digit written badly on purpose, and see how "
        "little ink turns it into another digit."
    )
    image, label, runs, _ = stage
    frame.present(SCRIPT, stage, SETTINGS, _values())
    with resources.while_loading(runs.values()):
        read = {network: resources.classifier(run.id).read(image) for network, run in runs.items()}
    odds = {
        network: attributions.odds(
            float(explanations.log_odds(np.array([one.probabilities]), one.digit)[0])
        )
        for network, one in read.items()
    }
    predictions = ", the ".join(
        f"{NETWORKS[network].title} "
        + ("reads" if one.is_confident else f"is **{NOT_SURE}**, perhaps")
        + f" **{one.digit}**, probability {one.probability:.1%} (odds {odds[network]})"
        for network, one in read.items()
    )
    is_wrong = any(one.digit != label for one in read.values())
    st.markdown(
        f"The {predictions}."
        + (" Each is tested on its own prediction, right or wrong." if is_wrong else "")
    )
    digits = {network: one.digit for network, one in read.items()}
    view = st.segmented_control(
        "View",
        VIEWS,
        format_func=VIEWS.__getitem__,
        required=True,
        key=VIEW,
        persist_state="session",
        label_visibility="collapsed",
    )
    match view:
        case "mattered":
            what_mattered(image, runs, digits)
        case "change":
            what_would_change(image, runs, digits)
        case "nearest":
            nearest_digits(image, runs)
    how()


@st.fragment
@page.guarded
def what_mattered(image: np.ndarray, runs: Mapping[str, Run], digits: Mapping[str, int]) -> None:
    """A map for each model of what mattered (an attribution).

    Args:
        image: The digit, uint8 (28, 28).
        runs: The two models, by kind.
        digits: The prediction of each, by kind.
    """
    with st.container(horizontal=True):
        way = st.segmented_control(
            "Method",
            WAYS,
            format_func=WAYS.__getitem__,
            required=True,
            key=WAY,
            persist_state="session",
            label_visibility="collapsed",
        )
        if way == "gradients":
            runs = _with_layers(runs)
            works: dict[str, Sliced] = {
                network: cached.attribution(run.id, image, digits[network])
                for network, run in runs.items()
            }
            show = functools.partial(attributions.gradients, image=image, digits=digits)
        else:
            with st.popover("Square", icon=":material/tune:"):
                side_px = st.segmented_control(
                    "Size of the square",
                    explanations.SIDES_PX,
                    format_func=lambda side_px: f"{side_px}×{side_px} px",
                    required=True,
                    key=SIDE,
                    persist_state="session",
                )
                cover = st.segmented_control(
                    "Covered with", COVERS, required=True, key=COVER, persist_state="session"
                )
            assert side_px is not None and cover is not None  # they are required
            works = {
                network: cached.occlusion(run.id, image, side_px, COVERS[cover])
                for network, run in runs.items()
            }
            square = f"{side_px}×{side_px} square"
            show = functools.partial(
                attributions.covers, image=image, digits=digits, square=square, cover=cover
            )
    frame.keep_address(SCRIPT, SETTINGS, _values())
    waiting.until_over(works, "Computing attributions …", show)


def _values() -> dict[str, Any]:
    """What is set now, by the keys of SETTINGS."""
    return {key: st.session_state[key] for key in SETTINGS}


def _with_layers(runs: Mapping[str, Run]) -> dict[str, Run]:
    """Those of the models whose layers are known, by kind; of the others the page says that they
    are not."""
    found = {}
    for network, run in runs.items():
        try:
            with resources.while_loading():
                resources.chain(run.id)
            found[network] = run
        except RefusedError as error:
            st.info(page.plain(error))
    return found


@st.fragment
@page.guarded
def what_would_change(
    image: np.ndarray, runs: Mapping[str, Run], digits: Mapping[str, int]
) -> None:
    """The smallest change found that turns each prediction into another one (a counterfactual)."""
    by = st.segmented_control(
        "What may change",
        CHANGES,
        format_func=CHANGES.__getitem__,
        required=True,
        key=CHANGE,
        persist_state="session",
    )
    assert by is not None  # it is required
    if by == "pixels":
        runs = _with_layers(runs)
    works = {network: cached.change(run.id, image, by) for network, run in runs.items()}
    thresholds = {network: run.measured.confidence_threshold for network, run in runs.items()}
    show = functools.partial(
        counterfactuals.show,
        image=image,
        digits=digits,
        confidence_thresholds=thresholds,
        by=by,
    )
    frame.keep_address(SCRIPT, SETTINGS, _values())
    waiting.until_over(works, "Trying small changes …", show)


@st.fragment
@page.guarded
def nearest_digits(image: np.ndarray, runs: Mapping[str, Run]) -> None:
    """The training digits that are nearest to this one in each model's last hidden layer."""
    runs = _with_layers(runs)
    works = {network: cached.known(run.id) for network, run in runs.items()}
    frame.keep_address(SCRIPT, SETTINGS, _values())
    doing = f"Computing features of {neighbours.COUNT:,} training digits (once) …"
    waiting.until_over(works, doing, functools.partial(nearest.show, image=image, runs=runs))


def how() -> None:
    """How all of this is measured, and where the methods come from."""
    with st.expander("How is this measured?"):
        st.markdown(
            "**Odds** say how many times as probable a digit is as all others together: 99.9% are "
            "odds of 999 : 1. They still change where a probability near 100% hardly does. Changes "
            "are given in powers of ten: +3 is a thousand times."
        )
        st.markdown(
            "**Occlusion** covers a square around each of the 784 pixels and classifies the digit "
            "again ([Zeiler and Fergus 2014](https://arxiv.org/abs/1311.2901), who used a grey "
            "square). It shows what really happens, but for squares rather than pixels, and no "
            "model was trained on digits with holes."
        )
        st.markdown(
            "**Integrated gradients** ([Sundararajan, Taly and Yan "
            "2017](https://arxiv.org/abs/1703.01365)): the ink fades in from blank paper over "
            f"{explanations.STEPS} steps, and each pixel is credited with what its ink adds on the "
            "way. Apart from a small error, the sum over all pixels is "
            "everything that the ink adds."
        )
        st.markdown(
            "**What would change the answer** is found by trial (a counterfactual). All strokes of "
            "a fixed set are tried, from the one that changes the least ink on, so the first that "
            "works is the smallest of them; a curved one might be smaller still. Single pixels are "
            "chosen greedily (after [Papernot et al. 2016](https://arxiv.org/abs/1511.07528)). "
            "That a few pixels are enough, where a person sees no other digit, is known of all "
            "kinds of networks ([Szegedy et al. 2014](https://arxiv.org/abs/1312.6199): "
            "adversarial perturbations)."
        )
        st.markdown(
            "**Nearest training digits** compares the activations of the last hidden layer (an "
            f"embedding) by Euclidean distance with those of MNIST's first {neighbours.COUNT:,} "
            "training digits. The map is a principal component analysis of the first "
            f"{neighbours.MAPPED:,} of them."
        )


main()
