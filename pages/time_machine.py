"""The time machine: how a network would have read this digit, epoch by epoch of its training."""

import bisect

import streamlit as st

from mnist_models.training import checkpoints
from pages.parts import page, resources
from pages.parts.lessons import cached, frame, time_machine

SCRIPT = "pages/time_machine.py"
EPOCH, VIEW = "time-epoch", "time-view"
# What a link can say: any whole number of epochs; the moment before it is shown where there is none
# for it.
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
    frame.begin(SCRIPT, SETTINGS)
    st.session_state.setdefault(VIEW, SETTINGS[VIEW].allowed[0])
    st.header("The time machine: how did they learn to read it?")
    st.markdown(
        "While a network is trained, its weights are kept after every epoch, or after the most "
        "telling ones where there are many. Here each of those earlier networks reads your digit. "
        "**Notice** that before the first epoch the reading is pure chance, and how much one epoch "
        "changes. **Try** a digit that looks like two others: the network may have changed its "
        "mind about it. Then go layer by layer: which of them stop changing first?"
    )
    travel()
    kept()


@st.fragment
@page.guarded
def travel() -> None:
    """The digit, an epoch, and what both networks were then. A fragment: the slider redraws this
    and nothing else."""
    image, label = frame.digit()
    runs = frame.networks()
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
        # Of the networks that read now, some other epochs were kept.
        st.session_state[EPOCH] = (
            epochs[-1] if wanted is None else epochs[max(0, bisect.bisect(epochs, wanted) - 1)]
        )
    epoch = st.select_slider(
        "After so many epochs of training",
        epochs,
        key=EPOCH,
        format_func=time_machine.rounded,
        persist_state="session",
    )
    at = [
        time_machine.Moment(
            network,
            run,
            histories[network],
            bisect.bisect(histories[network].epochs, epoch) - 1,
            read[network],
        )
        for network, run in runs.items()
    ]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "What to look at",
            time_machine.VIEWS,
            format_func=lambda name: time_machine.VIEWS[name].title,
            required=True,
            key=VIEW,
            persist_state="session",
        )
        layers = {
            key: st.session_state[key]
            for key in time_machine.LAYERS.values()
            if key in st.session_state
        }
        values = {EPOCH: int(epoch), VIEW: view, **layers}
        frame.present(SCRIPT, image, label, runs, SETTINGS, values)
    time_machine.VIEWS[view].show(at, image, label)


@page.guarded
def kept() -> None:
    """How much of the disk the epochs of all runs take, and a way to have it back."""
    if frame.is_presented():
        return
    with st.expander("What is kept"):
        taken = resources.store().checkpoint_bytes()
        st.markdown(
            f"The epochs of all runs take **{taken / 1e6:,.1f} MB** of the disk; they may take "
            f"{checkpoints.MOST_BYTES_OF_ALL / 1e6:,.0f} MB. Where that is not enough, the oldest "
            f"runs lose theirs; of one run at most {checkpoints.MOST_BYTES / 1e6:,.0f} MB are "
            "kept, the first epochs closest together. Runs themselves stay."
        )
        with st.popover("Forget them all", icon=":material/delete_sweep:", disabled=not taken):
            st.markdown(
                "No run of anybody who uses this app can be travelled through any more; each still "
                "reads as it does. What they took of the disk is used again "
                "for the epochs of new runs."
            )
            if st.button("Forget them for good", key="time-forget", disabled=not taken):
                cached.delete_checkpoints()
                st.rerun()


main()
