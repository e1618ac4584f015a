"""What lessons compute for a digit and a run, cached for all visitors.

Every function here that takes a `run_id` needs a readable run, and raises StoreError if there is no
such run or the store cannot be used, and TensorFlowError if TensorFlow cannot be used. Those that
look between the layers also raise RefusedError, see resources.chain.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from mnist_models.data import dataset, shifts, strokes
from mnist_models.data.corruptions import CORRUPTIONS
from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.explain import contrasts, explanations, neighbours, robustness
from mnist_models.explain.slices import Sliced
from mnist_models.runs.rights import Rights
from mnist_models.runs.tables import StoreError
from pages.parts import resources

if TYPE_CHECKING:  # importing them imports TensorFlow
    from mnist_models.explain.activations import Activations, Inspector
    from mnist_models.explain.feature_maps import Search
    from mnist_models.explain.history import History

# Enough of each digit to see what a filter looks for.
SEARCHED_IMAGES = 1_000


@st.cache_data(show_spinner=False, max_entries=256)
def everywhere(image: np.ndarray, prepared: bool) -> np.ndarray:
    """A digit at each of shifts.SHIFTS.

    Args:
        image: uint8 (28, 28).
        prepared: Whether each is preprocessed, and so re-centred, as a drawing is.

    Returns:
        uint8 (441, 28, 28).
    """
    return shifts.moved_and_prepared(image) if prepared else shifts.moved(image)


@st.cache_data(show_spinner=False, max_entries=256)
def read_everywhere(run_id: str, image: np.ndarray, prepared: bool) -> np.ndarray:
    """The probability of each digit at each position, float32 (441, 10), see `everywhere`."""
    return resources.classifier(run_id).probabilities(everywhere(image, prepared))


@st.cache_data(show_spinner=False, max_entries=256)
def distorted(image: np.ndarray, corruption: str) -> np.ndarray:
    """A digit at each amount of a distortion, uint8 (amounts, 28, 28)."""
    return CORRUPTIONS[corruption].along(image)


@st.cache_data(show_spinner=False, max_entries=256)
def read_along(run_id: str, image: np.ndarray, corruption: str) -> np.ndarray:
    """The probability of each digit at each amount of a distortion, float32 (amounts, 10)."""
    return resources.classifier(run_id).probabilities(distorted(image, corruption))


@st.cache_data(show_spinner=False, max_entries=256)
def contrasts_of(
    run_ids: tuple[str, ...], image: np.ndarray, label: int
) -> list[contrasts.Contrast]:
    """Over which changes of a digit two models part, see contrasts.contrasts."""
    models = [resources.classifier(run_id) for run_id in run_ids]
    return contrasts.contrasts(
        [(model.probabilities, model.confidence_threshold) for model in models], image, label
    )


def forget_readings() -> None:
    """Forgets what models have read here: one of them reads otherwise now."""
    for kept in (
        read_everywhere,
        read_along,
        contrasts_of,
        robustness_curve,
        read_replay,
        inspector,
        search,
        gradient,
        last_hidden,
        occlusion,
        attribution,
        change,
        known,
    ):
        kept.clear()


@st.cache_resource(show_spinner=False, max_entries=4)
def history(run_id: str) -> History:
    """A run at the epochs that are stored of it."""
    resources.tensorflow().wait()
    from mnist_models.explain.history import History

    return History(resources.store(), run_id)


@st.cache_data(show_spinner=False, max_entries=256)
def read_history(
    _history: History, run_id: str, epochs: tuple[float, ...], image: np.ndarray
) -> np.ndarray:
    """The probability of each digit at each stored epoch of a run.

    Args:
        _history: Of the run; it is not part of the cache's key.
        run_id, epochs: Which history it is, for the cache's key.
        image: uint8 (28, 28).

    Returns:
        float32 (epochs, 10).
    """
    return _history.probabilities(image[np.newaxis])[:, 0]


@st.cache_resource(show_spinner=False, max_entries=16)
def activations(
    _history: History,
    run_id: str,
    epochs: tuple[float, ...],
    place: int,
    image: np.ndarray,
    digit: int,
) -> tuple[Activations, np.ndarray]:
    """The activations for a digit at one stored epoch of a run, see History.activations.

    Args:
        _history: Of the run; it is not part of the cache's key.
        run_id, epochs: Which history it is, for the cache's key.
        place: The index of the epoch.
        image: uint8 (28, 28).
        digit: The digit whose evidence is computed.
    """
    return _history.activations(place, image, digit)


def delete_checkpoints(rights: Rights) -> None:
    """Deletes the stored epochs of all runs.

    Args:
        rights: Of who wants it.

    Raises:
        NotAllowedError: Only a teacher can.
        StoreError: The store cannot be written.
    """
    rights.delete_checkpoints()
    history.clear()


class Robustness(NamedTuple):
    """The accuracies of a run along a distortion.

    Attributes:
        accuracies: See robustness.robustness_curve.
        unsaved: Why they are in memory only, a sentence; None if they are in the store.
    """

    accuracies: list[float]
    unsaved: str | None = None


@st.cache_resource(show_spinner=False, max_entries=1_024)
def robustness_curve(run_id: str, corruption: str, count: int) -> Sliced[Robustness]:
    """The accuracy of a run along a distortion; it is done at once if the store has it.

    Args:
        run_id: The run.
        corruption: The distortion, a key of CORRUPTIONS.
        count: The number of test images, the first ones.
    """
    stored = None
    with suppress(StoreError):  # a store that cannot be read only costs the same time again
        stored = resources.store().robustness_curve(
            run_id, corruption, count, _origin(run_id, corruption)
        )
    return Sliced(
        lambda: _measured(run_id, corruption, count), None if stored is None else Robustness(stored)
    )


def _measured(run_id: str, corruption: str, count: int) -> Generator[float, None, Robustness]:
    read, digits = resources.classifier(run_id).probabilities, dataset.load().test.part(0, count)
    accuracies = yield from robustness.robustness_curve(read, CORRUPTIONS[corruption], digits)
    try:
        resources.store().save_robustness_curve(
            run_id, corruption, count, _origin(run_id, corruption), accuracies
        )
    except StoreError as error:
        return Robustness(accuracies, str(error))
    return Robustness(accuracies)


def _origin(run_id: str, corruption: str) -> str:
    return robustness.origin(resources.store().run(run_id), CORRUPTIONS[corruption])


@st.cache_data(show_spinner=False, max_entries=256)
def replay(objects: str) -> strokes.Replay:
    """The moments of a drawing.

    Args:
        objects: What is on the canvas, as Fabric.js writes it, as JSON.
    """
    return strokes.Replay.of(json.loads(objects))


@st.cache_data(show_spinner=False, max_entries=256)
def read_replay(run_id: str, objects: str) -> np.ndarray:
    """The probability of each digit at each moment of a drawing, float32 (moments, 10)."""
    return resources.classifier(run_id).probabilities(replay(objects).images)


@st.cache_resource(show_spinner=False, max_entries=32)
def inspector(run_id: str) -> Inspector:
    """The model of a run, compiled to give the activations of every layer."""
    network, reader = resources.chain(run_id), resources.classifier(run_id)
    from mnist_models.explain.activations import Inspector

    this = Inspector(network, reader.given, reader.pixels)
    this.activations(np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8), 0)
    return this


@st.cache_resource(show_spinner=False, max_entries=32)
def search(run_id: str) -> Search:
    """The search for the training digits that activate the filters of a run most, as far as any
    visitor has taken it."""
    this = inspector(run_id)
    from mnist_models.explain.feature_maps import Search

    return Search(this, dataset.load().train.images[:SEARCHED_IMAGES])


@st.cache_resource(show_spinner=False, max_entries=32)
def gradient(run_id: str) -> explanations.Gradient:
    """The gradient of a run's logits with respect to each pixel."""
    from mnist_models.explain.explanations import gradient_of

    return gradient_of(resources.chain(run_id), resources.classifier(run_id).seen)


@st.cache_resource(show_spinner=False, max_entries=32)
def last_hidden(run_id: str) -> neighbours.LastHidden:
    """The activations of a run's last hidden layer (an embedding)."""
    from mnist_models.explain.neighbours import last_hidden

    return last_hidden(resources.chain(run_id), resources.classifier(run_id).seen)


@st.cache_resource(show_spinner=False, max_entries=256)
def occlusion(
    run_id: str, image: np.ndarray, side_px: int, ink: int
) -> Sliced[explanations.Occlusion]:
    """The effect on the prediction of covering each part of a digit.

    Args:
        run_id: The run.
        image: uint8 (28, 28).
        side_px: The side of the square.
        ink: What it is covered with, 0 for paper to 255 for ink.
    """
    return Sliced(
        lambda: explanations.occlusion(
            resources.classifier(run_id).probabilities, image, side_px, ink
        )
    )


@st.cache_resource(show_spinner=False, max_entries=256)
def attribution(run_id: str, image: np.ndarray, digit: int) -> Sliced[explanations.Attribution]:
    """The attribution of a digit's score to each pixel, by integrated gradients."""
    return Sliced(lambda: explanations.integrated_gradients(gradient(run_id), image, digit))


@st.cache_resource(show_spinner=False, max_entries=64)
def change(run_id: str, image: np.ndarray, by: str) -> Sliced[explanations.Counterfactual]:
    """A small change that turns the prediction into another one.

    Args:
        run_id: The run.
        image: uint8 (28, 28).
        by: One of explanations.TOOLS, or "pixels".
    """
    read = resources.classifier(run_id).probabilities
    if by in explanations.TOOLS:
        return Sliced(lambda: explanations.smallest_stroke(read, image, by))
    return Sliced(lambda: explanations.few_pixels(read, gradient(run_id), image))


@st.cache_resource(show_spinner=False, max_entries=8)
def known(run_id: str) -> Sliced[neighbours.Known]:
    """The activations of a run's last hidden layer for the first training digits."""
    return Sliced(
        lambda: neighbours.know(
            last_hidden(run_id), dataset.load().train.images[: neighbours.COUNT]
        )
    )
