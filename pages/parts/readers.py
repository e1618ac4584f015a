"""Which network of each kind reads: on the Draw page, and in the lessons."""

import streamlit as st

from mnist_models.runs.tables import Run, StoreError
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import page, resources


def choose(network: str, *, fixed: bool = False) -> Run:
    """A list of the networks of this kind that can read: those that ship, and every finished run.
    fixed: only the name of the one that is chosen."""
    key = f"reads-{network}"
    runs = readable(network, tell=True)
    # A network that this visitor trained is chosen for them as soon as it is done.
    awaited = st.session_state.get("reads-next", {})
    if awaited.get(network) in runs:
        st.session_state[key] = awaited.pop(network)
    if st.session_state.get(key) not in runs:
        if key in st.session_state:
            st.info("The network that read here was deleted. The one that ships reads now.")
        st.session_state[key] = next(iter(runs))
    if fixed:
        run = runs[st.session_state[key]]
        st.markdown(f"**{NETWORKS[network].title}:** {page.plain(_title(run))}")
        return run
    run_id = st.selectbox(
        f"{NETWORKS[network].title} to read with",
        runs,
        key=key,
        persist_state="session",
        format_func=lambda run_id: _title(runs[run_id]),
    )
    return runs[run_id]


def readable(network: str, *, tell: bool = False) -> dict[str, Run]:
    """The networks of this kind that can read, by id; without a store, those that ship. tell:
    whether it is said here that the store cannot be used."""
    try:
        found = resources.store().readable(network)
    except StoreError as error:
        if tell:
            st.warning(page.plain(error))
        found = [run for run in resources.store().shipped() if run.network == network]
    return {run.id: run for run in found}


def _title(run: Run) -> str:
    return f"{run.label} · {run.test_accuracy:.2%}"
