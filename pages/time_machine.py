"""The time machine: a model's prediction for this digit after each epoch of its training."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from mnist_models.training import checkpoints
from pages.parts import page, resources, visitors
from pages.parts.lessons import cached, frame, time_machine
from pages.parts.lessons.playing import Player

if TYPE_CHECKING:  # importing it imports TensorFlow
    from mnist_models.explain.history import History

SCRIPT = "pages/time_machine.py"
EPOCH, VIEW = "time-epoch", "time-view"
# One epoch changes much.
PLAYER = Player(EPOCH, tick_s=0.7)
# What a link can say: any whole number of epochs. If that epoch is not stored, the one before it is
# shown.
EPOCHS = tuple(range(101))
SETTINGS = {
    EPOCH: frame.Setting("epoch", EPOCHS),
    VIEW: frame.Setting("view", tuple(time_machine.VIEWS)),
    **{
        key: frame.Setting(f"{network}-layer", time_machine.LAYER_NAMES)
        for network, key in time_machine.LAYERS.items()
    },
}


@page.guarded
def main() -> None:
    """The page."""
    if frame.begin(SCRIPT, SETTINGS):
        PLAYER.stop()
    st.session_state.setdefault(VIEW, SETTINGS[VIEW].allowed[0])
    travel()
    stored_epochs()


@st.fragment
@page.guarded
def travel() -> None:
    """The digit and both models, at all stored epochs. A fragment: a choice redraws this and
    nothing else."""
    stage = frame.set_stage(
        "While a model is trained, its weights are stored after every epoch (checkpoints), or "
        "after the most informative epochs if there are many. Here each of those earlier models "
        "classifies your digit. **Notice** that before the first epoch the prediction is random, "
        "and how much one epoch changes. **Try** a digit that looks like two others: the model may "
        "have changed its answer. Then go layer by layer: which layers stop changing first?"
    )
    image, _, runs, controls = stage
    with resources.while_loading():
        histories = {network: cached.history(run.id) for network, run in runs.items()}
        read = {
            network: cached.read_history(
                histories[network], run.id, histories[network].epochs, image
            )
            for network, run in runs.items()
        }
    epochs = sorted({epoch for history in histories.values() for epoch in history.epochs})
    if (wanted := st.session_state.get(EPOCH)) not in epochs:
        # Other epochs are stored of the models that are selected now.
        st.session_state[EPOCH] = (
            epochs[-1] if wanted is None else epochs[max(0, bisect.bisect(epochs, wanted) - 1)]
        )
    with controls:
        view = st.segmented_control(
            "View",
            time_machine.VIEWS,
            format_func=lambda name: time_machine.VIEWS[name].title,
            required=True,
            key=VIEW,
            persist_state="session",
            label_visibility="collapsed",
        )
    assert view is not None  # it is required
    frame.present(SCRIPT, stage, SETTINGS, _values())
    PLAYER.fragment(at_epoch, stage, epochs, histories, read, view)


def at_epoch(
    stage: frame.Stage,
    epochs: Sequence[float],
    histories: Mapping[str, History],
    read: Mapping[str, np.ndarray],
    view: str,
) -> None:
    """An epoch, and both models as they were then.

    Args:
        stage: The digit and the two models.
        epochs: All that are stored of either.
        histories: The models at their stored epochs, by kind.
        read: The probability of each digit at each of these, float (epochs, 10), by kind.
        view: A key of time_machine.VIEWS.
    """
    PLAYER.choose(
        epochs,
        lambda is_playing: st.select_slider(
            "Epoch",
            epochs,
            key=EPOCH,
            format_func=time_machine.rounded,
            persist_state="session",
            disabled=is_playing,
        ),
    )
    epoch = st.session_state[EPOCH]
    moments = [
        time_machine.Epoch(
            network,
            run,
            histories[network],
            bisect.bisect(histories[network].epochs, epoch) - 1,
            read[network],
        )
        for network, run in stage.runs.items()
    ]
    time_machine.VIEWS[view].show(moments, stage.image, stage.label)
    frame.keep_address(SCRIPT, SETTINGS, _values())


def _values() -> dict[str, Any]:
    """What is set now, by the keys of SETTINGS."""
    found = {key: st.session_state[key] for key in SETTINGS if key in st.session_state}
    return found | {EPOCH: int(found[EPOCH])}


@page.guarded
def stored_epochs() -> None:
    """For a teacher: how much disk space the checkpoints of all runs take, and a way to free it."""
    if frame.is_presented():
        return
    visitors.know()
    if not visitors.me().is_teacher:
        return
    with st.expander("Stored epochs"):
        taken = resources.store().checkpoint_bytes()
        st.markdown(
            f"The stored epochs of all runs take **{taken / 1e6:,.1f} MB** of disk space, out of "
            f"at most {checkpoints.MOST_BYTES_OF_ALL / 1e6:,.0f} MB. When that is full, the oldest "
            f"runs lose theirs. One run keeps at most {checkpoints.MOST_BYTES / 1e6:,.0f} MB, "
            "early epochs more densely than late ones. The runs themselves stay."
        )
        with st.popover(
            "Delete all stored epochs", icon=":material/delete_sweep:", disabled=not taken
        ):
            st.markdown(
                "The earlier epochs of all runs, of all visitors, will be gone, and this page can "
                "no longer show them. The trained models stay. The disk space becomes free for the "
                "epochs of new runs."
            )
            if st.button("Delete for good", key="time-forget", disabled=not taken):
                cached.delete_checkpoints(visitors.rights())
                st.rerun()


main()
