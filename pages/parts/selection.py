"""Which model of each kind classifies the drawing: on the Draw page, and in the lessons.

This module alone knows where the session keeps it.
"""

from collections.abc import Mapping

import streamlit as st

from mnist_models.runs.tables import Run, StoreError
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import page, resources

# By kind, the id of a run in progress that is to be selected as soon as it has finished.
AWAITED = "reads-next"


def _key(network: str) -> str:
    return f"reads-{network}"


def choose(network: str, *, fixed: bool = False) -> Run:
    """Draws the list of the models of one kind: the pretrained ones, and every finished run.

    Args:
        network: The kind, a key of NETWORKS.
        fixed: Whether to show only the name of the selected model, without the list.

    Returns:
        The selected model.
    """
    key = _key(network)
    runs = available(network, warn=True)
    # A model that this visitor trained is selected for them as soon as it is done.
    awaited = st.session_state.get(AWAITED, {})
    if awaited.get(network) in runs:
        st.session_state[key] = awaited.pop(network)
    if st.session_state.get(key) not in runs:
        if key in st.session_state:
            st.info("The model selected here was deleted. The pretrained one is used instead.")
        st.session_state[key] = next(iter(runs))
    if fixed:
        run = runs[st.session_state[key]]
        st.markdown(f"**{NETWORKS[network].title}:** {page.plain(_title(run))}")
        return run
    run_id = st.selectbox(
        f"{NETWORKS[network].title} model",
        runs,
        key=key,
        persist_state="session",
        format_func=lambda run_id: _title(runs[run_id]),
    )
    return runs[run_id]


def available(network: str, *, warn: bool = False) -> dict[str, Run]:
    """The models of one kind that can classify, by id; without a store, the pretrained ones.

    Args:
        network: The kind, a key of NETWORKS.
        warn: Whether to say on the page that the store cannot be used.
    """
    try:
        found = resources.store().readable(network)
    except StoreError as error:
        if warn:
            st.warning(page.plain(error))
        found = [run for run in resources.store().pretrained_runs() if run.network == network]
    return {run.id: run for run in found}


def select(run: Run) -> None:
    """Selects a model, whatever else was selected or awaited."""
    st.session_state[_key(run.network)] = run.id
    st.session_state.get(AWAITED, {}).pop(run.network, None)


def selected_ids() -> list[str]:
    """The ids of the selected models, one of each kind; all kinds must have been drawn."""
    return [st.session_state[_key(network)] for network in NETWORKS]


def select_when_finished(run_ids: Mapping[str, str]) -> None:
    """Selects runs in progress as soon as they have finished.

    Args:
        run_ids: By kind.
    """
    st.session_state[AWAITED] = st.session_state.get(AWAITED, {}) | dict(run_ids)


def has_news() -> bool:
    """Whether an awaited run has finished since the lists of models were drawn."""
    awaited = st.session_state.get(AWAITED, {})
    return any(run_id in available(network) for network, run_id in awaited.items())


def _title(run: Run) -> str:
    return f"{run.label} · {run.measured.test_accuracy:.2%}"
