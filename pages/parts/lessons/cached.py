"""What the lessons compute of a digit and a run, kept for all visitors."""

import json
from collections.abc import Generator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import streamlit as st

from mnist_models.data import dataset, shifts, strokes
from mnist_models.data.corruptions import CORRUPTIONS
from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.explain import explanations, neighbours, robustness
from mnist_models.explain.slices import Sliced
from mnist_models.runs.tables import StoreError
from pages.parts import resources

# Enough of each digit to see what a filter looks for.
SEARCHED_IMAGES = 1_000


@st.cache_data(show_spinner=False, max_entries=256)
def everywhere(image: np.ndarray, prepared: bool) -> np.ndarray:
    """A digit at each of shifts.SHIFTS, uint8 (441, 28, 28). prepared: each is prepared as a
    drawing is before it is read."""
    return shifts.moved_and_prepared(image) if prepared else shifts.moved(image)


@st.cache_data(show_spinner=False, max_entries=256)
def read_everywhere(run_id: str, image: np.ndarray, prepared: bool) -> np.ndarray:
    """The probability of each digit at each place, float32 (441, 10). Raises StoreError."""
    return resources.classifier(run_id).probabilities(everywhere(image, prepared))


@st.cache_data(show_spinner=False, max_entries=256)
def spoiled(image: np.ndarray, corruption: str) -> np.ndarray:
    """A digit by each amount of a distortion, uint8 (amounts, 28, 28)."""
    return CORRUPTIONS[corruption].along(image)


@st.cache_data(show_spinner=False, max_entries=256)
def read_along(run_id: str, image: np.ndarray, corruption: str) -> np.ndarray:
    """The probability of each digit at each amount, float32 (amounts, 10). Raises StoreError."""
    return resources.classifier(run_id).probabilities(spoiled(image, corruption))


@st.cache_resource(show_spinner=False, max_entries=4)
def history(run_id: str):
    """A readable run at earlier moments, a history.History. Raises StoreError."""
    resources.tensorflow().wait()
    from mnist_models.explain.history import History

    return History(resources.store(), run_id)


@st.cache_data(show_spinner=False, max_entries=256)
def read_history(_history, run_id: str, epochs: tuple[float, ...], image: np.ndarray) -> np.ndarray:
    """The probability of each digit at each of a history's moments, float32 (moments, 10). run_id,
    epochs: which it is."""
    return _history.probabilities(image[np.newaxis])[:, 0]


@st.cache_resource(show_spinner=False, max_entries=16)
def look(
    _history, run_id: str, epochs: tuple[float, ...], place: int, image: np.ndarray, digit: int
) -> tuple:
    """What the network made of a digit at one of a history's moments, see History.look. run_id,
    epochs: which history it is."""
    return _history.look(place, image, digit)


def delete_checkpoints() -> None:
    """Deletes the earlier epochs of all runs. Raises StoreError."""
    resources.store().delete_checkpoints()
    history.clear()


class Robustness(NamedTuple):
    """accuracies: see robustness.robustness_curve. unkept: why they are kept in memory only, a sentence; None
    where they are in the store."""

    accuracies: list[float]
    unkept: str | None = None


@st.cache_resource(show_spinner=False, max_entries=1_024)
def robustness_curve(run_id: str, corruption: str, count: int) -> Sliced[Robustness]:
    """How many of the first test digits a run reads rightly along a distortion, for all visitors;
    over at once where the store has kept it. Working at it raises StoreError."""
    kept = None
    with suppress(StoreError):  # a store that cannot be read only costs the same time again
        kept = resources.store().robustness_curve(
            run_id, corruption, count, _origin(run_id, corruption)
        )
    return Sliced(lambda: _swept(run_id, corruption, count), kept and Robustness(kept))


def _swept(run_id: str, corruption: str, count: int) -> Generator[float, None, Robustness]:
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
    """The moments of a drawing. objects: what the canvas tells, as JSON."""
    return strokes.Replay.of(json.loads(objects))


@st.cache_data(show_spinner=False, max_entries=256)
def read_replay(run_id: str, objects: str) -> np.ndarray:
    """The probability of each digit at each moment of a drawing, float32 (moments, 10). Raises
    StoreError."""
    return resources.classifier(run_id).probabilities(replay(objects).images)


@st.cache_resource(show_spinner=False, max_entries=32)
def inspector(run_id: str):
    """The network of a readable run, compiled to tell what each of its layers passes on. Raises
    StoreError."""
    reader = resources.classifier(run_id)
    from mnist_models.explain.activations import Inspector

    this = Inspector(reader.network, reader.given)
    this.look(np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8), 0)
    return this


@st.cache_resource(show_spinner=False, max_entries=32)
def search(run_id: str):
    """The search for the training digits that excite the filters of a readable run most, as far as
    any visitor has brought it. Raises StoreError."""
    this = inspector(run_id)
    from mnist_models.explain.feature_maps import Search

    return Search(this, dataset.load().train.images[:SEARCHED_IMAGES])


@st.cache_resource(show_spinner=False, max_entries=32)
def gradient(run_id: str):
    """How a readable run's reading changes with each pixel, an explanations.Gradient. Raises
    StoreError."""
    from mnist_models.explain.explanations import gradient_of

    return gradient_of(resources.classifier(run_id).network, resources.classifier(run_id).seen)


@st.cache_resource(show_spinner=False, max_entries=32)
def last_hidden(run_id: str):
    """What a readable run passes on to its last layer, a neighbours.LastHidden. Raises
    StoreError."""
    from mnist_models.explain.neighbours import last_hidden

    return last_hidden(resources.classifier(run_id).network, resources.classifier(run_id).seen)


@st.cache_resource(show_spinner=False, max_entries=256)
def occlusion(
    run_id: str, image: np.ndarray, side_px: int, ink: int
) -> Sliced[explanations.Occlusion]:
    """What covering any part of a digit does to its reading. Raises StoreError."""
    return Sliced(
        lambda: explanations.occlusion(
            resources.classifier(run_id).probabilities, image, side_px, ink
        )
    )


@st.cache_resource(show_spinner=False, max_entries=256)
def attribution(run_id: str, image: np.ndarray, digit: int) -> Sliced[explanations.Attribution]:
    """What each pixel counted for a digit. Raises StoreError."""
    return Sliced(lambda: explanations.integrated_gradients(gradient(run_id), image, digit))


@st.cache_resource(show_spinner=False, max_entries=64)
def change(run_id: str, image: np.ndarray, by: str) -> Sliced[explanations.Search]:
    """A small change that has a digit read as another. by: one of explanations.TOOLS, or "pixels".
    Raises StoreError."""
    read = resources.classifier(run_id).probabilities
    if by in explanations.TOOLS:
        return Sliced(lambda: explanations.smallest_stroke(read, image, by))
    return Sliced(lambda: explanations.few_pixels(read, gradient(run_id), image))


@st.cache_resource(show_spinner=False, max_entries=8)
def known(run_id: str) -> Sliced[neighbours.Known]:
    """The first training digits as a run's last hidden layer sees them, for all visitors. Raises
    StoreError."""
    return Sliced(
        lambda: neighbours.know(
            last_hidden(run_id), dataset.load().train.images[: neighbours.COUNT]
        )
    )
