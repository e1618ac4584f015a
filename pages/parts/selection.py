"""Which model of each kind classifies the drawing: on the Draw page, and in the lessons.

This module alone knows where the session keeps it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import streamlit as st

from mnist_models.runs import pretrained
from mnist_models.runs.tables import Run, StoreError
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import addresses, page, resources


class Pair(NamedTuple):
    """A pretrained DNN and a pretrained CNN that go together.

    Attributes:
        title: Of its button.
        models: A key of pretrained.PAIRS.
        why: What comparing them shows, two sentences.
    """

    title: str
    models: str
    why: str


# By the name in an address.
PAIRS = {
    "same": Pair(
        "Same training",
        "teaching",
        "Both saw the same 55,000 images in the same order, four times and without augmentation, "
        "and have nearly the same number of parameters: what differs is the architecture. "
        "Augmentation helps both and leaves this gap; a DNN with fourteen times the parameters, "
        "trained with it for 80 epochs, nearly closes it: see “At their best”.",
    ),
    "best": Pair(
        "At their best",
        "shipped",
        "Each was trained as well as we could, with augmentation, the DNN four times as large and "
        "for four times as many epochs. On drawings they are right equally often, but when "
        "the CNN is wrong, it is more often not sure.",
    ),
}
ADDRESS = "pair"
# By kind, the id of a run in progress that is to be selected as soon as it has finished.
AWAITED = "reads-next"
# Whether this visitor has chosen models; else each page has a pair that it begins with.
CHOSEN = "reads-chosen"
SWITCH = "pair"
# In the session: what the address said of the models, and what is wrong with it.
FOLLOWED, PROBLEMS = "models-followed", "models-problems"


def _key(network: str) -> str:
    # Not that of the list: Streamlit forgets what is set for a widget that the same run of the page
    # does not draw, as when a link selects a model and the lesson first asks its question.
    return f"selected-{network}"


def _list_key(network: str) -> str:
    return f"reads-{network}"


def choose(pair: str, *, fixed: bool = False) -> dict[str, Run]:
    """Draws the switch between the pairs and, folded away, the list of the models of each kind: the
    pretrained ones, and every finished run. Both stand side by side in a horizontal container.

    Args:
        pair: A key of PAIRS, selected for visitors who have not chosen yet.
        fixed: Whether to show only the names of the selected models.

    Returns:
        The selected models, by kind.
    """
    # What is wrong with the store is said once.
    runs = {network: available(network, warn=not place) for place, network in enumerate(NETWORKS)}
    for network, run_id in pretrained.ids(PAIRS[pair].models).items():
        key = _key(network)
        # A model that this visitor trained is selected for them as soon as it is done.
        awaited = st.session_state.get(AWAITED, {})
        if awaited.get(network) in runs[network]:
            st.session_state[CHOSEN] = True
            st.session_state[key] = awaited.pop(network)
        if key not in st.session_state or not st.session_state.get(CHOSEN):
            st.session_state[key] = run_id
        if st.session_state[key] not in runs[network]:
            st.info("The model selected here was deleted. A pretrained one is used instead.")
            st.session_state[key] = run_id
    chosen = {network: runs[network][st.session_state[_key(network)]] for network in NETWORKS}
    if fixed:
        for network, run in chosen.items():
            st.markdown(
                f"**{NETWORKS[network].title}:** {page.plain(run.label)} · test accuracy "
                f"{run.measured.test_accuracy:.2%}"
            )
    else:
        _switch()
        # The switch says which pair it is; other models are named.
        names = " · ".join(run.label for run in chosen.values())
        with st.popover(
            "Models" if selected_pair() else page.plain(names),
            icon=":material/tune:",
            key="change-models",
        ):
            explain()
            for network in NETWORKS:
                _list(network, runs[network])
            st.page_link(
                "pages/train.py",
                label="Bring a model that you trained (at the end of Train)",
                icon=":material/upload:",
            )
    return chosen


def _switch() -> None:
    # Where other models are selected, neither pair is.
    st.session_state[SWITCH] = selected_pair()
    st.segmented_control(
        "Pair of models",
        PAIRS,
        format_func=lambda name: PAIRS[name].title,
        key=SWITCH,
        on_change=lambda: select_pair(st.session_state[SWITCH] or selected_pair()),
        label_visibility="collapsed",
    )


def _list(network: str, runs: Mapping[str, Run]) -> None:
    st.session_state[_list_key(network)] = st.session_state[_key(network)]
    st.selectbox(
        f"{NETWORKS[network].title} model",
        runs,
        key=_list_key(network),
        format_func=lambda run_id: _title(runs[run_id]),
        on_change=lambda: select(runs[st.session_state[_list_key(network)]]),
    )


def selected_pair() -> str | None:
    """The pair that is selected, a key of PAIRS; None where other models are."""
    for name, pair in PAIRS.items():
        if list(pretrained.ids(pair.models).values()) == selected_ids():
            return name
    return None


def explain() -> None:
    """Says what comparing the selected pair shows."""
    if name := selected_pair():
        st.caption(f"**{PAIRS[name].title}.** {PAIRS[name].why}")


def select_pair(name: str | None) -> None:
    """Selects a pair, a key of PAIRS; None changes nothing."""
    if name:
        for run_id in pretrained.ids(PAIRS[name].models).values():
            select(resources.store().run(run_id))


def of_address(query: Mapping[str, str]) -> dict[str, str]:
    """What an address says of the models."""
    return {name: query[name] for name in (ADDRESS, *NETWORKS) if name in query}


def follow(query: Mapping[str, str]) -> list[str]:
    """Selects the pair, or the models, that an address names.

    Args:
        query: What it says of the models, see `of_address`.

    Returns:
        What is wrong with it, a sentence each.
    """
    problems = []
    for name, text in query.items():
        if name in NETWORKS:
            problems += _follow_run(name, text)
        elif text in PAIRS:
            select_pair(text)
        else:
            problems.append(f"There is no pair {text[:40]!r}; there are {' and '.join(PAIRS)}.")
    return problems


def _follow_run(network: str, run_id: str) -> list[str]:
    try:
        run = resources.store().run(run_id)
    except StoreError as error:
        return [str(error)]
    if run.network != network or not run.readable:
        return [
            f"{run.label} is not a trained {NETWORKS[network].title}; choose another one below."
        ]
    select(run)
    return []


def follow_address(script: str, has_come: bool) -> None:
    """Selects what the page's address names, once; what is wrong with it is said on the page.

    Args:
        script: The page.
        has_come: Whether the visitor has just come from elsewhere.
    """
    if addresses.is_kept(script, st.query_params.to_dict(), has_come):
        return
    query = of_address(st.query_params)
    if has_come or query != st.session_state.get(FOLLOWED):
        st.session_state[FOLLOWED], st.session_state[PROBLEMS] = query, follow(query)
    for problem in st.session_state[PROBLEMS]:
        st.warning(page.plain(problem))


def in_address() -> dict[str, str]:
    """What an address says of the models that the visitor has chosen: the pair, or else both; of
    those that a page began with, nothing."""
    if not st.session_state.get(CHOSEN):
        return {}
    if pair := selected_pair():
        return {ADDRESS: pair}
    return dict(zip(NETWORKS, selected_ids(), strict=True))


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
    st.session_state[CHOSEN] = True
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
