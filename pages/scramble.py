"""Shuffle the pixels: what is left of both models when no pixel keeps its neighbours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from mnist_models.data import dataset
from mnist_models.data.preprocessing import Preparation
from mnist_models.models.reader import Prediction
from mnist_models.runs import pretrained
from mnist_models.runs.tables import Run
from mnist_models.settings import links, recipes
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type, memory, page, resources, selection
from pages.parts.lessons import charts, frame, pictures
from pages.parts.live import reading

SCRIPT = "pages/scramble.py"
# Accuracies that differ by less are called the same: another seed changes as much.
CLOSE = 0.002


@page.guarded
def main() -> None:
    """The page."""
    runs = {network: trained_on_shuffled(network) for network in NETWORKS}
    if frame.begin(SCRIPT, settings(runs)):
        board = canvas.board()
        if board.preparation is None:
            canvas.show_for_now(lambda: canvas.show_test_digit(frame.EXAMPLE))
        board.send(board.drawing)
    with frame.line_of_controls():
        shuffled = {network: choose(network, some) for network, some in runs.items()}
        frame.explain(
            "Here all 784 pixels of every image are shuffled by one fixed permutation, for "
            "training and for testing alike. Two models were trained on images shuffled like that, "
            "and two with the same settings on the original ones: a pair of this page alone, a "
            "small DNN and a small CNN without augmentation. "
            "**Notice** that the fully connected network hardly cares: it never knew which pixels "
            "are neighbours. A convolutional network looks for patterns of neighbouring pixels, "
            "and there are none left. **Try** drawing with the shuffle on: you cannot read it, but "
            "can they?"
        )
    original = pretrained_runs("quick")
    st.markdown(verdict(original, shuffled))
    draw_and_read(original, shuffled)
    st.subheader("Effect on test accuracy")
    large_type.chart(
        charts.mistakes(
            [
                (NETWORKS[network].title, network, kind, _misclassified(run))
                for kind, runs in (("original", original), ("shuffled", shuffled))
                for network, run in runs.items()
            ]
        ),
        key="scramble-mistakes",
        alt="Misclassified test digits of each model, with original and with shuffled pixels",
    )
    again()
    canvas.watch_pen()
    reading.follow(
        {
            _name(kind, network): run
            for kind, runs in (("original", original), ("shuffled", shuffled))
            for network, run in runs.items()
        }
    )
    resources.prepare()


def pretrained_runs(pair: str) -> dict[str, Run]:
    """A pair of pretrained models, by kind."""
    return {
        network: resources.store().run(run_id) for network, run_id in pretrained.ids(pair).items()
    }


def _key(network: str) -> str:
    return f"scramble-{network}-run"


def settings(runs: Mapping[str, Mapping[str, Run]]) -> frame.Settings:
    """What a link can set on this page.

    Args:
        runs: Those that can be chosen, by kind and id.
    """
    return {
        _key(network): frame.Setting(f"{network}-run", tuple(some))
        for network, some in runs.items()
    }


def trained_on_shuffled(network: str) -> dict[str, Run]:
    """The models of this kind that were trained on shuffled pixels, by id: the pretrained one, and
    those trained here."""
    return {
        run_id: run
        for run_id, run in selection.available(network).items()
        if run.values.get("scrambled")
    }


def choose(network: str, runs: Mapping[str, Run]) -> Run:
    """One of these models, chosen here if there are several."""
    key, ids = _key(network), list(runs)
    if st.session_state.setdefault(key, ids[0]) not in runs:
        st.session_state[key] = ids[0]
    if frame.is_presented() or len(runs) == 1:
        return runs[st.session_state[key]]
    run_id = st.selectbox(
        f"{NETWORKS[network].title} trained on shuffled pixels",
        ids,
        key=key,
        format_func=lambda run_id: (
            f"{runs[run_id].label} · {runs[run_id].measured.test_accuracy:.2%}"
        ),
        persist_state="session",
    )
    return runs[run_id]


@st.fragment
@page.guarded
def draw_and_read(original: Mapping[str, Run], shuffled: Mapping[str, Run]) -> None:
    """The canvas, the drawing shuffled, and four predictions. A fragment: a stroke redraws this and
    nothing else."""
    left, middle, right = st.columns([1.3, 0.7, 1], gap="medium")
    with left:
        memory.bring_back()
        with st.container(key="canvas", gap=None):
            preparation = canvas.draw(st.session_state.get("brush", canvas.BRUSH_PX))
        board = canvas.board()
        controls = st.container(horizontal=True, gap="xsmall")
        with controls:
            st.button("Clear", icon=":material/delete:", on_click=board.clear, key="scramble-clear")
            st.button(
                "Example",
                icon=":material/casino:",
                on_click=canvas.show_any_test_digit,
                key="scramble-example",
            )
    with middle:
        reading.shuffled()
    predictions = {}
    with right, resources.while_loading([*original.values(), *shuffled.values()]):
        for kind, runs in (("original", original), ("shuffled", shuffled)):
            st.markdown(f"**{kind.capitalize()} pixels**")
            with st.container(horizontal=True):
                for network, run in runs.items():
                    predictions[run.id] = show_prediction(_name(kind, network), run, preparation)
    with left:
        reading.tell(predictions, preparation)
    if preparation is None:
        return
    label = board.label if board.label is not None else frame.guess(preparation.image)
    chosen = {_key(network): run.id for network, run in shuffled.items()}
    of_link = settings({network: {run.id: run} for network, run in shuffled.items()})
    stage = frame.Stage(preparation.image, label, {}, controls)
    frame.present(SCRIPT, stage, of_link, chosen)
    frame.keep_address(SCRIPT, of_link, chosen)


def _name(kind: str, network: str) -> str:
    return f"{kind}-{network}"


def show_prediction(name: str, run: Run, preparation: Preparation | None) -> Prediction | None:
    """What a model reads, if there is anything to read.

    Args:
        name: Of the model on this page.
    """
    found = resources.classifier(run.id).read(preparation.image) if preparation else None
    with st.container(key=reading.prediction_key(name)):
        frame.show_prediction(
            f"{NETWORKS[run.network].title} prediction",
            np.array(found.probabilities) if found else None,
            run.measured.confidence_threshold,
        )
    return found


def _misclassified(run: Run) -> int:
    return round((1 - run.measured.test_accuracy) * dataset.TEST_COUNT)


def verdict(original: Mapping[str, Run], shuffled: Mapping[str, Run]) -> str:
    """What shuffling does to each model's test accuracy, and which model is better without
    neighbours, in words.

    Args:
        original: The models trained on original pixels, by kind.
        shuffled: The models trained on shuffled pixels, by kind.
    """
    text = " ".join(_effect(original[network], run) for network, run in shuffled.items())
    accuracies = {network: run.measured.test_accuracy for network, run in shuffled.items()}
    worst, best = sorted(accuracies, key=accuracies.__getitem__)
    if accuracies[best] - accuracies[worst] < CLOSE:
        return f"{text} Without neighbours, both are equally accurate."
    was_best = original[best].measured.test_accuracy > original[worst].measured.test_accuracy
    return (
        f"{text} Without neighbours, the {NETWORKS[best].title} is "
        f"{'still ' if was_best else ''}more accurate."
    )


def _effect(original: Run, shuffled: Run) -> str:
    """Test accuracy of one kind of model with original and with shuffled pixels; the difference
    only if nothing else differs."""
    title = NETWORKS[original.network].title
    before, after = original.measured.test_accuracy, shuffled.measured.test_accuracy
    if original.hyperparameters.model_copy(update={"scrambled": True}) != shuffled.hyperparameters:
        return f"{page.plain(shuffled.label)}: test accuracy **{after:.2%}** (shuffled)."
    return (
        f"{title}: test accuracy **{before:.2%}** (original), **{after:.2%}** (shuffled), "
        f"{pictures.decimal(100 * (after - before), '+').replace('-', '−')} points."
    )


def again() -> None:
    """Where to go from here: train such a pair, or move a digit with it."""
    found = {network: recipes.find("scrambled", network) for network in NETWORKS}
    entrants = {network: recipe.hyperparameters for network, recipe in found.items() if recipe}
    with st.container(horizontal=True):
        st.page_link(
            "pages/train.py",
            label="Train both on shuffled pixels, and watch them race",
            icon=":material/model_training:",
            query_params=links.race_to_query(entrants),
        )
        st.page_link(
            "pages/slide.py",
            label="Move a digit with the shuffled pair",
            icon=":material/open_with:",
            query_params=pretrained.ids("scrambled"),
        )


main()
