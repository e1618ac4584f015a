"""The time machine: how a network would have read this digit, epoch by epoch of its training."""

import bisect
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from mnist_models import snapshots
from mnist_models.hyperparameters import NETWORKS, number
from mnist_models.runs import Run
from pages.parts import large_type, page, resources
from pages.parts.lessons import lesson, lesson_charts, work

SCRIPT = "pages/time_machine.py"
EPOCH = "time-epoch"
# What a link can say: any whole number of epochs; the moment before it is shown where there is none for it.
EPOCHS = tuple(range(101))


def main() -> None:
    """The page."""
    lesson.begin(SCRIPT, {EPOCH: EPOCHS})
    st.header("The time machine: how did they learn to read it?")
    st.markdown(
        "While a network is trained, its weights are kept after every epoch, or after the most telling ones where there are "
        "many. Here each of those earlier networks reads your digit. **Notice** that before the first epoch the reading is "
        "pure chance, and how much one epoch changes. **Try** a digit that looks like two others: the network may have changed "
        "its mind about it."
    )
    travel()
    kept()


@st.fragment
@page.guarded
def travel() -> None:
    """The digit, an epoch, and what both networks read then. A fragment: the slider redraws this and nothing else."""
    image, label = lesson.digit()
    runs = lesson.networks()
    with resources.while_loading():
        histories = {network: work.history(run.id) for network, run in runs.items()}
        read = {
            network: work.read_history(histories[network], run.id, histories[network].epochs, image)
            for network, run in runs.items()
        }
    epochs = sorted({epoch for history in histories.values() for epoch in history.epochs})
    if (wanted := st.session_state.get(EPOCH)) not in epochs:
        # Of the networks that read now, some other epochs were kept.
        st.session_state[EPOCH] = epochs[-1] if wanted is None else epochs[max(0, bisect.bisect(epochs, wanted) - 1)]
    epoch = st.select_slider(
        "After so many epochs of training", epochs, key=EPOCH, format_func=_rounded, persist_state="session"
    )
    lesson.present(SCRIPT, image, label, runs, {EPOCH: int(epoch)})
    st.markdown(" ".join(sentence(network, histories[network].epochs, read[network], label) for network in runs))
    places = {network: bisect.bisect(history.epochs, epoch) - 1 for network, history in histories.items()}
    for column, (network, run) in zip(st.columns(len(runs), gap="medium"), runs.items(), strict=True):
        title, moments = NETWORKS[network].title, histories[network].epochs
        place = places[network]
        with column:
            probabilities = read[network][place]
            st.metric(
                f"The {title} after {_rounded(moments[place])} of {_rounded(moments[-1])} epochs", str(probabilities.argmax()),
                f"{probabilities.max():.1%} sure", delta_color="off", delta_arrow="off",
            )  # fmt: skip
            large_type.chart(
                lesson_charts.learned(network, [_rounded(moment) for moment in moments], read[network], place),
                key=f"time-{network}", alt=f"How probable the {title} found each digit after each epoch",
            )  # fmt: skip
            if len(moments) == 2:
                st.caption(page.plain(f"Of {run.label} only the beginning and the end are known. {_why(run)}"))
    first_layers(image, label, histories, places)


def first_layers(image: np.ndarray, label: int, histories: Mapping[str, Any], places: Mapping[str, int]) -> None:
    """The templates or kernels of both first layers, and what of them speaks for the digit, as they were at those moments."""
    from pages.parts.lessons import inspection  # it imports TensorFlow, which is there by now

    st.subheader("What their first layers had learned by then")
    for column, (network, history) in zip(st.columns(len(histories), gap="medium"), histories.items(), strict=True):
        with column, history.moment(places[network]):
            st.markdown(f"##### {NETWORKS[network].title}")
            inspection.first_layer(history.inspector, history.inspector.look(image, label))


def _rounded(epoch: float) -> str:
    return number(round(epoch, 2))


def _why(run: Run) -> str:
    if run.epochs <= 1:
        return "It was trained for no more than one epoch."
    return "Its epochs were not kept, or made room for those of newer runs: train it again to travel through them."


def sentence(network: str, epochs: tuple[float, ...], read: np.ndarray, label: int) -> str:
    """When a network came to its reading, in words. read: the probability of each digit at each moment, (moments, 10)."""
    title, digits = NETWORKS[network].title, read.argmax(axis=1).tolist()
    others = [place for place, digit in enumerate(digits) if digit != digits[-1]]
    if not others:
        return f"The {title} happened to read it as {digits[-1]} before it had learned anything, and has done so ever since."
    before, since = others[-1], others[-1] + 1
    told = f"The {title} has read it as **{digits[-1]}** since epoch **{_rounded(epochs[since])}**"
    if before == 0:
        told += ", and guessed before it had learned anything"
    else:
        told += f"; at epoch {_rounded(epochs[before])}, the last one kept before that, it read {digits[before]}"
    changes = sum(one != other for one, other in itertools.pairwise(digits))
    told += f". Over the epochs that were kept it changed its mind {changes} times." if changes > 1 else "."
    if digits[-1] == label:
        return told
    if label in digits[1:]:
        last = max(place for place, digit in enumerate(digits) if digit == label)
        return f"{told} At epoch {_rounded(epochs[last])} it knew the {label}, and has lost it since."
    return f"{told} At no epoch that was kept did it know that this is a {label}."


@page.guarded
def kept() -> None:
    """How much of the disk the epochs of all runs take, and a way to have it back."""
    if lesson.is_presented():
        return
    with st.expander("What is kept"):
        taken = resources.store().snapshot_bytes()
        st.markdown(
            f"The epochs of all runs take **{taken / 1e6:,.1f} MB** of the disk; they may take "
            f"{snapshots.MOST_BYTES_OF_ALL / 1e6:,.0f} MB. Where that is not enough, the oldest runs lose theirs; of one run "
            f"at most {snapshots.MOST_BYTES / 1e6:,.0f} MB are kept, the first epochs closest together. Runs themselves stay."
        )
        with st.popover("Forget them all", icon=":material/delete_sweep:", disabled=not taken):
            st.markdown(
                "No run of anybody who uses this app can be travelled through any more; each still reads as it does. What "
                "they took of the disk is used again for the epochs of new runs."
            )
            if st.button("Forget them for good", key="time-forget", disabled=not taken):
                work.forget_snapshots()
                st.rerun()


main()
