"""Slide: a digit moved to every position, and both predictions there."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from mnist_models.data import shifts
from mnist_models.data.probabilities import NOT_SURE, answer, is_recognised
from mnist_models.runs import comparison
from mnist_models.runs.tables import Run
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import NETWORKS, CnnHyperparameters
from pages.parts import large_type, page, resources
from pages.parts.lessons import cached, charts, frame

SCRIPT = "pages/slide.py"
PREPARED, RIGHT, DOWN, DRAG = "slide-prepared", "slide-right", "slide-down", "slide-drag"
STEPS = tuple(range(-shifts.MOST_PX, shifts.MOST_PX + 1))
# A map or the digit to be dragged, without its axes and with them; two maps and the gap between.
SIDE_PX, PANEL_PX, MAPS_PX = 280, 350, 732
SETTINGS = {
    PREPARED: frame.Setting("prepared", (False, True)),
    RIGHT: frame.Setting("right", STEPS),
    DOWN: frame.Setting("down", STEPS),
}
AUGMENTATIONS = {
    "off": "no augmentation",
    "shift": "shifts only as augmentation",
    "full": "full augmentation",
}
# Shares of positions that differ by less are called the same.
CLOSE = 0.02


@page.guarded
def main() -> None:
    """The page."""
    frame.begin(SCRIPT, SETTINGS)
    for key in (RIGHT, DOWN):
        st.session_state.setdefault(key, 0)
    slide()


@st.fragment
@page.guarded
def slide() -> None:
    """The digit, the two models, and a map for each. A fragment: a choice redraws this and nothing
    else."""
    stage = frame.set_stage(
        "Every drawing is centred first (preprocessing). Here the digit is moved from the centre, "
        f"by up to {shifts.MOST_PX} of the 28 pixels each way, and both models classify it at each "
        f"of the {len(shifts.SHIFTS)} positions. **Notice** how far you can go before a model "
        "loses the digit. **Try:** see what preprocessing is worth. Switch on re-centring, and "
        "every position is as easy as the centre."
    )
    prepared = stage.controls.toggle(
        "Re-centre",
        key=PREPARED,
        persist_state="session",
        help="Crops, scales and centres the digit again at each position, as Draw does.",
    )
    frame.present(SCRIPT, stage, SETTINGS, {key: st.session_state[key] for key in SETTINGS})
    maps(stage, prepared)
    why(stage.runs)


def maps(stage: frame.Stage, prepared: bool) -> None:
    """The digit, to be moved, and where each model recognises it.

    Args:
        stage: The digit and the two models.
        prepared: Whether the digit is re-centred at each position.
    """
    image, label, runs, _ = stage
    with resources.while_loading(runs.values()):
        found = {
            network: cached.read_everywhere(run.id, image, prepared)
            for network, run in runs.items()
        }
    thresholds = {network: run.measured.confidence_threshold for network, run in runs.items()}
    shares = {
        network: float(is_recognised(read, label, thresholds[network]).mean())
        for network, read in found.items()
    }
    st.markdown(verdict(shares, label, prepared))
    # Squares of a fixed size, side by side where there is room.
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=large_type.px(PANEL_PX)):
            one_position(image, found, thresholds)
        # The maps are to be compared: where there is no room for all three, both go below.
        with st.container(horizontal=True, gap="medium", width=large_type.px(MAPS_PX)):
            for network, places in described(
                found, thresholds, label, cached.everywhere(image, prepared)
            ).items():
                title = NETWORKS[network].title
                with st.container(width=large_type.px(PANEL_PX)):
                    st.metric(
                        f"Positions where the {title} recognises the {label}",
                        f"{shares[network]:.1%}",
                    )
                    large_type.chart(
                        charts.positions(places, large_type.px(SIDE_PX)),
                        key=f"places-{network}",
                        width="content",
                        alt=f"Probability of {label} according to the {title}, at each position",
                    )
    st.caption(
        "Each cell of a map is a position of the digit: the brighter, the more probable the "
        "correct digit according to the model. A number is the digit predicted instead, and ? is "
        "“not sure”. Point at a cell, or tap it, to see the digit there and both predictions."
    )


def verdict(shares: dict[str, float], label: int, prepared: bool) -> str:
    """What the maps show, in words.

    Args:
        shares: The share of positions at which each model recognises the digit, by kind.
        label: The digit.
        prepared: Whether the digit was re-centred at each position.
    """
    (first, *others) = (
        (NETWORKS[network].title, f"**{share:.0%}**") for network, share in shares.items()
    )
    text = f"The {first[0]} reads it as {comparison.a_digit(label)} at {first[1]} of positions"
    text += "".join(f", the {title} at {share}" for title, share in others) + "."
    if prepared:
        return (
            f"{text} Re-centring undoes the shift, so neither model has to "
            "know where a digit may be."
        )
    (_, worse), (farther, better) = sorted(shares.items(), key=lambda share: share[1])
    if better - worse < CLOSE:
        return f"{text} For this digit, both tolerate the same shifts."
    # At most of the 441 positions too little of the digit is left to be recognised: what a model
    # predicts for all of those, it seems to recognise everywhere.
    return (
        f"{text} Without re-centring, the {NETWORKS[farther].title} tolerates larger shifts of "
        "this digit. That may be chance; try others."
    )


@st.fragment
@page.guarded
def one_position(
    image: np.ndarray, found: dict[str, np.ndarray], thresholds: dict[str, float]
) -> None:
    """The digit, to be dragged, or moved by two sliders, and both predictions. A fragment: the
    maps, which are large, are not redrawn.

    Args:
        image: The digit at its original position, uint8 (28, 28).
        found: The probabilities of each model, float32 (441, 10), by kind.
        thresholds: The confidence threshold of each model, by kind.
    """
    st.markdown("**Drag the digit**, with the mouse or a finger.")
    chart = st.container()
    dx, dy = (
        st.slider(
            f"Shift {way}",
            STEPS[0],
            STEPS[-1],
            key=key,
            format="%d px",
            persist_state="session",
        )
        for way, key in (("right", RIGHT), ("down", DOWN))
    )
    place = shifts.SHIFTS.index((dx, dy))
    predictions = " and the ".join(
        f"{NETWORKS[network].title} {_says(read[place], thresholds[network])} "
        f"({read[place].max():.1%})"
        for network, read in found.items()
    )
    st.markdown(f"{where(dx, dy)}, the {predictions}.")
    with chart:
        large_type.chart(
            charts.dragged(
                frame.data_url(image.tobytes()),
                [
                    {
                        network: f"{answer(read[place], thresholds[network])}, "
                        f"{read[place].max():.1%}"
                        for network, read in found.items()
                    }
                    for place in range(len(shifts.SHIFTS))
                ],
                (dx, dy),
                large_type.px(SIDE_PX),
            ),
            key=DRAG,
            width="content",
            on_select=_let_go,
            selection_mode=[charts.LET_GO],
            alt="The digit, which can be dragged, and both predictions where it is",
        )
    frame.keep_address(SCRIPT, SETTINGS, {key: st.session_state[key] for key in SETTINGS})


def _let_go() -> None:
    """Moves the sliders to where the digit was let go."""
    for place in st.session_state[DRAG]["selection"].get(charts.LET_GO, []):
        st.session_state[RIGHT], st.session_state[DOWN] = place["dx"], place["dy"]


def _says(probabilities: np.ndarray, confidence_threshold: float) -> str:
    said = answer(probabilities, confidence_threshold)
    return f"is **{said}**" if said == NOT_SURE else f"reads **{said}**"


def _instead(said: str, label: int) -> str:
    """What a cell says where the digit is not recognised."""
    if said == NOT_SURE:
        return "?"
    return "" if said == str(label) else said


def where(dx: int, dy: int) -> str:
    """A position in words.

    Args:
        dx, dy: In pixels, to the right and down.
    """
    ways = [
        f"{abs(px)} px {back if px < 0 else on}"
        for px, on, back in ((dx, "to the right", "to the left"), (dy, "down", "up"))
        if px
    ]
    return f"Shifted {' and '.join(ways)}" if ways else "At its original position"


def described(
    found: dict[str, np.ndarray],
    thresholds: dict[str, float],
    label: int,
    images: np.ndarray,
) -> dict[str, list[charts.Position]]:
    """The cells of each model's map.

    Args:
        found: The probabilities of each model, float32 (441, 10), by kind.
        thresholds: The confidence threshold of each model, by kind.
        label: The digit.
        images: The digit at each position, uint8 (441, 28, 28).
    """
    predictions = [
        {
            NETWORKS[network].title: (
                f"{answer(read[place], thresholds[network])}, {read[place].max():.1%}"
            )
            for network, read in found.items()
        }
        for place in range(len(images))
    ]
    pictures = [frame.data_url(image.tobytes()) for image in images]
    return {
        network: [
            charts.Position(
                dx,
                dy,
                round(float(read[place, label]), 4),
                _instead(answer(read[place], thresholds[network]), label),
                predictions[place],
                pictures[place],
            )
            for place, (dx, dy) in enumerate(shifts.SHIFTS)
        ]
        for network, read in found.items()
    }


def why(runs: Mapping[str, Run]) -> None:
    """Why that is so, and what training can change."""
    with st.expander("Why?"):
        st.markdown(
            "A fully connected network has its own weight for each pixel: what it has learned "
            "about a stroke in the middle says nothing about the same stroke two pixels away. A "
            "convolutional network looks for the same small pattern everywhere, so it finds the "
            "strokes wherever they are (convolution is equivariant to translation); only the dense "
            "layers after the convolutions, which depend on position, eventually get lost."
        )
        st.markdown(
            "Augmentation can replace some of what architecture gives: a model trained on shifted "
            "images tolerates larger shifts. "
            + " ".join(
                f"The {page.plain(run.label)} was trained with "
                f"{AUGMENTATIONS[run.values['augmentation']]}."
                for run in runs.values()
                if not run.imported
            )
        )
        st.page_link(
            "pages/train.py",
            label="Train a CNN on images that are only shifted, then choose it above",
            icon=":material/model_training:",
            query_params=links.to_query(CnnHyperparameters(augmentation="shift")),
        )


main()
