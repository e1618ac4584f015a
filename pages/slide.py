"""Slide: a digit moved to every place, and what both networks read there."""

import numpy as np
import streamlit as st

from mnist_models.data import shifts
from mnist_models.data.probabilities import digits_of
from mnist_models.runs.tables import Run
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import NETWORKS, CnnHyperparameters
from pages.parts import canvas, large_type, page, resources
from pages.parts.lessons import cached, charts, frame

SCRIPT = "pages/slide.py"
PREPARED, RIGHT, DOWN = "slide-prepared", "slide-right", "slide-down"
STEPS = tuple(range(-shifts.MOST_PX, shifts.MOST_PX + 1))
DIGIT_PX = 112
SETTINGS = {
    PREPARED: frame.Setting("prepared", (False, True)),
    RIGHT: frame.Setting("right", STEPS),
    DOWN: frame.Setting("down", STEPS),
}
# Shares of places that differ by less are called the same.
CLOSE = 0.02


@page.guarded
def main() -> None:
    """The page."""
    frame.begin(SCRIPT, SETTINGS)
    for key in (RIGHT, DOWN):
        st.session_state.setdefault(key, 0)
    st.header("Slide your digit, and see who still reads it")
    st.markdown(
        "Every drawing is put into the middle before it is read. Here it is moved from there, by "
        f"up to {shifts.MOST_PX} of the 28 pixels each way, and read at each of the "
        f"{len(shifts.SHIFTS)} places. **Notice** how far each network can follow. **Try** what "
        "preparation is worth: switch it on, and every place is read as the middle is."
    )
    slide()


@st.fragment
@page.guarded
def slide() -> None:
    """The digit, the two networks, and a map of each. A fragment: what is chosen here redraws this
    and nothing else."""
    image, label = frame.digit()
    runs = frame.networks()
    frame.pairs({"shipped": "Learned with augmentation", "quick": "Learned without"})
    prepared = st.toggle(
        "Prepared at each place: cropped, scaled and centred again, as every drawing is",
        key=PREPARED,
        persist_state="session",
    )
    moved = {key: st.session_state[key] for key in (RIGHT, DOWN)}
    frame.present(SCRIPT, image, label, runs, SETTINGS, {PREPARED: prepared} | moved)
    with resources.while_loading():
        found = {
            network: cached.read_everywhere(run.id, image, prepared)
            for network, run in runs.items()
        }
    shares = {network: float((digits_of(read) == label).mean()) for network, read in found.items()}
    st.markdown(verdict(shares, label, prepared))
    images = cached.everywhere(image, prepared)
    for column, (network, places) in zip(
        st.columns(len(runs), gap="medium"), described(found, label, images).items(), strict=True
    ):
        title = NETWORKS[network].title
        with column:
            st.metric(f"Places where the {title} reads {label}", f"{shares[network]:.1%}")
            large_type.chart(
                charts.places(places),
                key=f"places-{network}",
                alt=f"How probable the {title} finds {label} at each place",
            )
    st.caption(
        "Each cell is a place: the brighter, the more probable the right digit. A number is the "
        "digit that was read instead. Point at a cell to see the digit there, and what both "
        "networks read; or choose a place here."
    )
    one_place(images, found)
    why(runs)


def verdict(shares: dict[str, float], label: int, prepared: bool) -> str:
    """What the maps show, in words."""
    told = " and the ".join(
        f"{NETWORKS[network].title} at **{share:.0%}**" for network, share in shares.items()
    )
    told = f"The {told} of the places read it as {label}."
    if prepared:
        return (
            told + " Preparation undoes the shift, so neither network has to know "
            "where a digit may stand."
        )
    (_, worse), (farther, better) = sorted(shares.items(), key=lambda share: share[1])
    if better - worse < CLOSE:
        return told + " Of this digit, neither can follow farther than the other."
    told += f" Without preparation, the {NETWORKS[farther].title} can follow this digit farther."
    # Of the 441 places, most show too little to be read: what a network calls those, it seems to
    # read wherever it is.
    return told + (
        " One digit can be luck: a network that calls a 7 whatever it cannot make out is right "
        "about every 7. Try others."
    )


@st.fragment
@page.guarded
def one_place(images: np.ndarray, found: dict[str, np.ndarray]) -> None:
    """The digit at a place that is chosen here, and what is read there. A fragment: the maps, which
    are large, stay."""
    right, down = st.columns(2, gap="medium")
    dx = right.slider(
        "Moved to the right",
        STEPS[0],
        STEPS[-1],
        key=RIGHT,
        format="%d px",
        persist_state="session",
    )
    dy = down.slider(
        "Moved down", STEPS[0], STEPS[-1], key=DOWN, format="%d px", persist_state="session"
    )
    place = shifts.SHIFTS.index((dx, dy))
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        st.image(
            canvas.enlarged(images[place], DIGIT_PX), width=DIGIT_PX, alt="The digit at this place"
        )
        told = " and the ".join(
            f"{NETWORKS[network].title} reads **{digits_of(read[place])}** ({read[place].max():.1%})"
            for network, read in found.items()
        )
        st.markdown(f"{where(dx, dy)}, the {told}.")


def where(dx: int, dy: int) -> str:
    """A place in words. dx, dy: in pixels, to the right and down."""
    ways = [
        f"{abs(px)} px {back if px < 0 else on}"
        for px, on, back in ((dx, "to the right", "to the left"), (dy, "down", "up"))
        if px
    ]
    return f"Moved {' and '.join(ways)}" if ways else "Where it was"


def described(
    found: dict[str, np.ndarray], label: int, images: np.ndarray
) -> dict[str, list[charts.Place]]:
    """The cells of each network's map. found: probabilities, float32 (441, 10) each. images: uint8
    (441, 28, 28)."""
    told = [
        {
            NETWORKS[network].title: f"{digits_of(read[place])}, {read[place].max():.1%}"
            for network, read in found.items()
        }
        for place in range(len(images))
    ]
    pictures = [frame.address(image.tobytes()) for image in images]
    return {
        network: [
            charts.Place(
                dx,
                dy,
                round(float(read[place, label]), 4),
                str(digit) if (digit := digits_of(read[place])) != label else "",
                told[place],
                pictures[place],
            )
            for place, (dx, dy) in enumerate(shifts.SHIFTS)
        ]
        for network, read in found.items()
    }


def why(runs: dict[str, Run]) -> None:
    """Why it is so, and what training can change."""
    with st.expander("Why?"):
        st.markdown(
            "A dense network has a weight of its own for each pixel: what it has learned of a "
            "stroke in the middle says nothing about the same stroke two pixels farther. A "
            "convolutional network looks for the same small pattern everywhere, so it finds the "
            "strokes wherever they are; only its dense layers on top, which know places, lose "
            "their way in the end."
        )
        st.markdown(
            "Data can do some of what architecture does: a network that learned from moved images "
            "follows farther. "
            + " ".join(
                f"The {page.plain(run.label)} learned with augmentation "
                f"{run.values['augmentation']}."
                for run in runs.values()
            )
        )
        st.page_link(
            "pages/train.py",
            label="Train a CNN with images that are only moved, then choose it above",
            icon=":material/model_training:",
            query_params=links.to_query(CnnHyperparameters(augmentation="shift")),
        )


main()
