"""Learning from the digits of a class: the part of the form that is there only once a class has
written some."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from mnist_models.handwriting.collection import Collection
from mnist_models.handwriting.splits import ONE_WRITER, hold_out
from mnist_models.runs import comparison
from mnist_models.runs.class_tables import ClassCollection
from mnist_models.runs.classes import gathered
from mnist_models.runs.tables import Run, StoreError
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import NETWORKS, Hyperparameters
from mnist_models.settings.links import FromClass
from mnist_models.training.material import Material, Source, Start, counted, to_fine_tune
from pages.parts import page, resources

# The widgets.
PANEL, COLLECTION, SHARE, TEST, START = (
    "class-panel", "class-collection", "class-share", "class-test", "class-start"
)  # fmt: skip
# In the session: what of a link could not be done, a sentence.
NOTE = "class-note"
SCRATCH = ""
# Which digits are for the test: the share that is held out, by its name.
THIRD, EACH = "A third", "Each writer in turn"
TESTS = {THIRD: 1 / 3, "A fifth": 1 / 5, "Half": 1 / 2}
# For more writers a third is enough to test on, and a model for each would take too long.
MOST_IN_TURN = 8
STEP_PERCENT = 5
SUGGESTED_PERCENT = 25


class Learning(NamedTuple):
    """What is to be learned from beside MNIST.

    Attributes:
        material: All but the weights to start from.
        start: The run to start from; None for random weights.
    """

    material: Material
    start: Run | None

    def loaded(self) -> Material:
        """The material with the weights to start from.

        Raises:
            StoreError: The run to start from is not there any more.
        """
        if self.start is None:
            return self.material
        weights = resources.store().weights(self.start.id)
        return dataclasses.replace(self.material, weights=weights)

    @property
    def file_start(self) -> Run | None:
        """The run to start from where its network came from a file: no hyperparameters describe
        its layers."""
        return self.start if self.start and self.start.imported else None


def _settings(start: Run) -> Hyperparameters:
    """The hyperparameters of a run to start from; of a network from a file the defaults, for the
    file says nothing of them."""
    return (
        NETWORKS[start.network](network=start.network) if start.imported else start.hyperparameters
    )


def fixed(start: Run) -> dict[str, Any]:
    """The hyperparameters that a run that goes on from this one cannot choose, by name: its
    network, and which pixels go where; of a network from a file also what it computes in."""
    settings = _settings(start)
    names = {choice.name for choice in settings.choices().values() if choice.group == "network"}
    names |= {"scrambled", "precision"} if start.imported else {"scrambled"}
    return {name: getattr(settings, name) for name in names}


def started_from(network: str) -> Run | None:
    """The run that was chosen to start from; None for random weights, or where nothing is to be
    learned from a class."""
    collection, run_id = _chosen(), st.session_state.get(f"{START}-{network}", SCRATCH)
    if collection is None or not st.session_state.get(SHARE):
        return None
    return next((run for run in _to_start_from(network) if run.id == run_id), None)


def read(network: str, seed: int) -> Learning | None:
    """What is chosen; None for MNIST alone.

    Args:
        network: The kind of model.
        seed: Decides which writers are held out.

    Raises:
        UnavailableError: All digits are by one writer.
    """
    collection, percent = _chosen(), st.session_state.get(SHARE)
    if collection is None or not percent:
        return None
    digits, start = _digits(collection), started_from(network)
    test = st.session_state.get(TEST, THIRD)
    if test == EACH and _can_be_in_turn(digits):
        is_held_out = np.zeros(len(digits), bool)
    else:
        is_held_out = hold_out(digits.writers, TESTS.get(test, TESTS[THIRD]), seed)
    material = Material(
        digits,
        is_held_out,
        collection.name,
        percent / 100,
        _as_start(start) if start else None,
        card=start.imported if start else None,
    )
    return Learning(material, start)


def draw(network: str, learning: Learning | None, fill: Callable[[Hyperparameters], None]) -> None:
    """The widgets, folded; nothing where no class has written.

    Args:
        network: The kind of model.
        learning: As `read` returned it.
        fill: Sets all other widgets of the form.
    """
    collections = {one.id: one for one in _collections()}
    if note := st.session_state.get(NOTE):
        st.info(page.plain(note))
    if not collections:
        return
    with st.expander("Learn from the class's digits", key=PANEL):
        chosen = st.selectbox(
            "Collection",
            collections,
            format_func=lambda one: collections[one].name,
            key=COLLECTION,
            persist_state="session",
        )
        st.slider(
            "Share of the class's digits",
            0,
            100,
            step=STEP_PERCENT,
            format="%d%%",
            key=SHARE,
            persist_state="session",
            on_change=_forget_note,
            help="Of every 100 images that the model learns from, this many are digits of the "
            "class, each of them many times over; the others are MNIST's. At 100% it learns from "
            "the class alone, and soon forgets MNIST.",
        )
        if not st.session_state[SHARE]:
            st.caption(
                f"At 0% the model learns from MNIST alone. Try {SUGGESTED_PERCENT}%: then every "
                "fourth image is the class's."
            )
            return
        _choose_start(network, fill)
        in_turn = [EACH] if _can_be_in_turn(_digits(collections[chosen])) else []
        st.segmented_control(
            "Kept for the test",
            [*TESTS, *in_turn],
            default=THIRD,
            required=True,
            key=TEST,
            persist_state="session",
            wrap=True,
            help="All digits of some writers, never some digits of a writer from whom the model "
            "also learns: it is to read hands that it has never seen. *Each writer in turn* trains "
            "one more model for each writer, from the digits of all others.",
        )
        st.markdown(_split(learning.material.source) if learning else ONE_WRITER)


def _choose_start(network: str, fill: Callable[[Hyperparameters], None]) -> None:
    """Random weights, or the run to fine-tune, which brings its settings with it."""
    runs = {run.id: run for run in _to_start_from(network)}
    key = f"{START}-{network}"

    def suggest() -> None:
        if run := runs.get(st.session_state[key]):
            fill(to_fine_tune(_settings(run)))

    st.selectbox(
        "Start from",
        [SCRATCH, *runs],
        format_func=lambda run_id: (
            f"{runs[run_id].label}, test accuracy {runs[run_id].test_accuracy:.2%}"
            if run_id
            else "random weights (from scratch)"
        ),
        key=key,
        persist_state="session",
        on_change=suggest,
        help="A trained model already knows digits and only has to get used to the class's hands: "
        "that is called fine-tuning, and takes seconds. Runs that learned from a class before are "
        "not offered: they may know the writers who are kept for the test. Nor are models from "
        "ONNX and TensorFlow Lite files: they are computed by runtimes of their own, which cannot "
        "train.",
    )
    if start := started_from(network):
        settings = (
            "Its file says nothing of other settings, so they are the defaults here"
            if start.imported
            else "The settings are those of that run"
        )
        st.caption(
            f"Fine-tuning {page.plain(start.label)}: the network is the same, so its layers cannot "
            f"be changed. {settings}, with fewer images and a lower learning rate, which you can "
            "change below."
        )


def _split(source: Source) -> str:
    """Who is learned from and who is tested on, in a sentence."""
    digits, writers = counted(source.digits, "digit"), counted(source.writers, "writer")
    if source.leaves_each_out:
        return (
            f"The model learns from **{digits} by {writers}**. For the test, {source.writers} more "
            "models are trained, each without one writer, and read that writer's digits."
        )
    held_out = counted(source.held_out_digits, "digit")
    return (
        f"The model learns from **{digits} by {writers}**, and is tested on **{held_out} by "
        f"{counted(source.held_out_writers, 'other writer')}**, from whom it learns nothing."
    )


def follow(network: str, wanted: FromClass | None) -> None:
    """Takes over what a link, or a run whose settings are copied, says of a class's digits, or says
    why that cannot be.

    Args:
        network: The kind of model.
        wanted: None for MNIST alone.
    """
    st.session_state[NOTE], st.session_state[SHARE] = None, 0
    st.session_state.update({f"{START}-{kind}": SCRATCH for kind in NETWORKS})
    if wanted is None:
        return
    found = next((one for one in _collections() if one.name == wanted.collection), None)
    if found is None:
        st.session_state[NOTE] = (
            "These settings are of a model that learned from the digits of a class, "
            f"{links.repeated(wanted.collection)}, which are not here: now they learn from MNIST "
            "alone."
        )
        return
    st.session_state[COLLECTION] = found.id
    st.session_state[SHARE] = STEP_PERCENT * max(1, round(100 * wanted.share / STEP_PERCENT))
    if wanted.start is None:
        return
    start = next((run for run in _to_start_from(network) if run.label == wanted.start), None)
    if start is None:
        st.session_state[NOTE] = (
            "These settings are of a model that was fine-tuned from "
            f"{links.repeated(wanted.start)}, which is not here: now they start from random "
            "weights. Choose another start, or more epochs and images."
        )
        return
    st.session_state[f"{START}-{network}"] = start.id


def _forget_note() -> None:
    st.session_state[NOTE] = None


def _collections() -> list[ClassCollection]:
    """What classes have written; nothing where the store cannot be used, which the page says."""
    try:
        return resources.classes().with_digits()
    except StoreError:
        return []


def _chosen() -> ClassCollection | None:
    """The collection that is chosen, or else the newest; None where no class has written."""
    collections = _collections()
    wanted = st.session_state.get(COLLECTION)
    return next((one for one in collections if one.id == wanted), next(iter(collections), None))


def _digits(collection: ClassCollection) -> Collection:
    return _gathered(collection.id, collection.changes)


@st.cache_resource(show_spinner=False, max_entries=8)
def _gathered(collection_id: str, changes: int) -> Collection:
    """The digits of a collection after so many changes."""
    return gathered(resources.classes().given(collection_id))


def _can_be_in_turn(digits: Collection) -> bool:
    return 2 <= len(np.unique(digits.writers)) <= MOST_IN_TURN


def _as_start(run: Run) -> Start:
    accuracy = run.measured.test_accuracy
    return Start(run_id=run.id, label=run.label, test_accuracy=accuracy)


def _to_start_from(network: str) -> list[Run]:
    """The runs that can be trained on, and that learned from no class: those may know the writers
    who are kept for the test."""
    runs = resources.store().readable(network)
    return [
        run
        for run in runs
        if not run.source
        and (resources.can_learn(run.id) if run.imported else comparison.settings(run))
    ]
