"""What all visitors share: the store of runs, the engine that trains, the networks that read."""

import atexit
import gc
import json
import threading
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import BinaryIO

import numpy as np
import streamlit as st

from mnist_models import dataset, explanations, import_tensorflow, neighbours, pretrained, shifts, strokes, sweeps
from mnist_models.dataset import IMAGE_SIZE_PX
from mnist_models.distortions import DISTORTIONS
from mnist_models.hyperparameters import NETWORKS, Hyperparameters
from mnist_models.progress import Curve
from mnist_models.readings import Readings
from mnist_models.runs import StoreError
from mnist_models.slices import Sliced
from mnist_models.store import RunStore

PAGE_FIRST_S = 0.5
# Enough of each digit to see what a filter looks for.
SEARCHED_IMAGES = 1_000


@st.cache_resource(show_spinner=False)
def store() -> RunStore:
    """The store of runs."""
    return RunStore()


@st.cache_resource(show_spinner=False)
def engine():
    """The engine, with runs of earlier app processes that ended too soon marked as interrupted."""
    from mnist_models.engine import Engine  # imports Dask: half a second that drawing need not wait for

    store().interrupt_orphans()
    store().purge()
    this = Engine(store())
    atexit.register(this.close)
    return this


@st.cache_resource(show_spinner=False, max_entries=32)
def classifier(run_id: str):
    """The network of a readable run, compiled. Raises StoreError. The first time takes a tenth of a second, and TensorFlow's
    import."""
    tensorflow_ready().wait()
    from mnist_models.classifier import Classifier

    reader = Classifier.of_run(store(), run_id)
    # The first reading allocates memory; no visitor should wait for that.
    reader.read(np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8))
    return reader


@st.cache_resource(show_spinner=False, max_entries=256)
def readings(run_id: str) -> Readings:
    """What a readable run reads in the 10,000 test images; read now, and kept, where that was not done when it was trained.
    Raises StoreError."""
    found = store().readings(run_id)
    if found is None:
        found = classifier(run_id).readings(dataset.load().test.images)
        with suppress(StoreError):  # a store that cannot be written only costs the same time again
            store().save_readings(run_id, found)
    return found


@st.cache_resource(show_spinner=False, max_entries=256)
def evaluation(run_id: str):
    """How well a readable run reads the test images, an evaluation.Evaluation. Raises StoreError."""
    from mnist_models.evaluation import evaluate  # imports scikit-learn: nearly a second

    return evaluate(readings(run_id), dataset.load().test.labels, store().run(run_id).temperature)


@st.cache_resource(show_spinner=False, max_entries=256)
def ended_curve(run_id: str) -> Curve:
    """The curve of a run that is not in progress. Raises StoreError."""
    return store().curve(run_id)


@st.cache_data(show_spinner=False, max_entries=256)
def layers(hyperparameters: Hyperparameters) -> list:
    """The layers that the hyperparameters build, each a networks.LayerSummary."""
    tensorflow_ready().wait()
    from mnist_models import networks

    return networks.summary(networks.build(hyperparameters, blank=True))


@st.cache_data(show_spinner=False, max_entries=256)
def everywhere(image: np.ndarray, prepared: bool) -> np.ndarray:
    """A digit at each of shifts.SHIFTS, uint8 (441, 28, 28). prepared: each is prepared as a drawing is before it is read."""
    return shifts.moved_and_prepared(image) if prepared else shifts.moved(image)


@st.cache_data(show_spinner=False, max_entries=256)
def read_everywhere(run_id: str, image: np.ndarray, prepared: bool) -> np.ndarray:
    """The probability of each digit at each place, float32 (441, 10). Raises StoreError."""
    return classifier(run_id).probabilities(everywhere(image, prepared))


@st.cache_data(show_spinner=False, max_entries=256)
def spoiled(image: np.ndarray, distortion: str) -> np.ndarray:
    """A digit by each amount of a distortion, uint8 (amounts, 28, 28)."""
    return DISTORTIONS[distortion].along(image)


@st.cache_data(show_spinner=False, max_entries=256)
def read_along(run_id: str, image: np.ndarray, distortion: str) -> np.ndarray:
    """The probability of each digit at each amount, float32 (amounts, 10). Raises StoreError."""
    return classifier(run_id).probabilities(spoiled(image, distortion))


@st.cache_resource(show_spinner=False, max_entries=8)
def history(run_id: str):
    """A readable run at earlier moments, a history.History. Raises StoreError."""
    tensorflow_ready().wait()
    from mnist_models.history import History

    return History(store(), run_id)


@st.cache_resource(show_spinner=False, max_entries=8)
def history_inspector(run_id: str):
    """The network of a run's history, compiled to tell what its layers pass on, an inside.Inspector. Raises StoreError."""
    from mnist_models.inside import Inspector

    return Inspector(history(run_id).network)


@st.cache_data(show_spinner=False, max_entries=256)
def read_history(run_id: str, image: np.ndarray) -> np.ndarray:
    """The probability of each digit at each moment of a run's history, float32 (moments, 10). Raises StoreError."""
    return history(run_id).probabilities(image[np.newaxis])[:, 0]


def forget_snapshots() -> None:
    """Deletes the earlier epochs of all runs, and forgets what was read with them. Raises StoreError."""
    store().forget_snapshots()
    history.clear()
    history_inspector.clear()
    read_history.clear()


@st.cache_resource(show_spinner=False, max_entries=1_024)
def sweep(run_id: str, distortion: str, count: int) -> Sliced[list[float]]:
    """How many of the first test digits a run reads rightly along a distortion, for all visitors. Raises StoreError."""
    return Sliced(sweeps.sweep(classifier(run_id).probabilities, DISTORTIONS[distortion], dataset.load().test.part(0, count)))


@st.cache_data(show_spinner=False, max_entries=256)
def replay(objects: str) -> strokes.Replay:
    """The moments of a drawing. objects: what the canvas tells, as JSON."""
    return strokes.Replay.of(json.loads(objects))


@st.cache_data(show_spinner=False, max_entries=256)
def read_replay(run_id: str, objects: str) -> np.ndarray:
    """The probability of each digit at each moment of a drawing, float32 (moments, 10). Raises StoreError."""
    return classifier(run_id).probabilities(replay(objects).images)


@st.cache_resource(show_spinner=False, max_entries=32)
def inspector(run_id: str):
    """The network of a readable run, compiled to tell what each of its layers passes on. Raises StoreError."""
    reader = classifier(run_id)
    from mnist_models.inside import Inspector

    this = Inspector(reader.network)
    this.look(np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8), 0)
    return this


@st.cache_resource(show_spinner=False, max_entries=32)
def search(run_id: str):
    """The search for the training digits that excite the filters of a readable run most, as far as any visitor has brought
    it. Raises StoreError."""
    this = inspector(run_id)
    from mnist_models.feature_maps import Search

    return Search(this, classifier(run_id).given(dataset.load().train.images[:SEARCHED_IMAGES]))


@st.cache_resource(show_spinner=False, max_entries=32)
def gradient(run_id: str):
    """How a readable run's reading changes with each pixel, an explanations.Gradient. Raises StoreError."""
    from mnist_models.explanations import gradient_of

    return gradient_of(classifier(run_id).network, classifier(run_id).seen)


@st.cache_resource(show_spinner=False, max_entries=32)
def last_hidden(run_id: str):
    """What a readable run passes on to its last layer, a neighbours.LastHidden. Raises StoreError."""
    from mnist_models.neighbours import last_hidden

    return last_hidden(classifier(run_id).network, classifier(run_id).seen)


@st.cache_resource(show_spinner=False, max_entries=256)
def occlusion(run_id: str, image: np.ndarray, side_px: int, ink: int) -> Sliced[explanations.Occlusion]:
    """What covering any part of a digit does to its reading. Raises StoreError."""
    return Sliced(explanations.occlusion(classifier(run_id).probabilities, image, side_px, ink))


@st.cache_resource(show_spinner=False, max_entries=256)
def attribution(run_id: str, image: np.ndarray, digit: int) -> Sliced[explanations.Attribution]:
    """What each pixel counted for a digit. Raises StoreError."""
    return Sliced(explanations.integrated_gradients(gradient(run_id), image, digit))


@st.cache_resource(show_spinner=False, max_entries=64)
def change(run_id: str, image: np.ndarray, by: str) -> Sliced[explanations.Search]:
    """A small change that has a digit read as another. by: one of explanations.TOOLS, or "pixels". Raises StoreError."""
    read = classifier(run_id).probabilities
    if by in explanations.TOOLS:
        return Sliced(explanations.smallest_stroke(read, image, by))
    return Sliced(explanations.few_pixels(read, gradient(run_id), image))


@st.cache_resource(show_spinner=False, max_entries=8)
def known(run_id: str) -> Sliced[neighbours.Known]:
    """The first training digits as a run's last hidden layer sees them, for all visitors. Raises StoreError."""
    return Sliced(neighbours.know(last_hidden(run_id), dataset.load().train.images[: neighbours.COUNT]))


def training_labels(hyperparameters: Hyperparameters) -> np.ndarray:
    """The labels that a network is told of its training images, uint8 (N,), wrong ones included."""
    tensorflow_ready().wait()
    from mnist_models.batches import wrong_labels

    return wrong_labels(dataset.split(hyperparameters.train_images, 0)[0].labels, hyperparameters)


@st.cache_data(show_spinner=False, max_entries=64)
def matched(hyperparameters: Hyperparameters, other: Hyperparameters) -> Hyperparameters | str:
    """A DNN with as many parameters as another network, or the sentence that says why there is none."""
    tensorflow_ready().wait()
    from mnist_models import networks

    try:
        return networks.resized(hyperparameters, networks.build(other, blank=True).count_params())
    except networks.ResizeError as error:
        return str(error)


def exported(run_id: str) -> bytes:
    """A run as a file."""
    tensorflow_ready().wait()
    from mnist_models.exports import export

    return export(store(), run_id)


def brought(file: BinaryIO) -> tuple[str | None, str | None]:
    """Takes a run as a file into the store: its id there, or why it cannot be taken, a sentence."""
    tensorflow_ready().wait()
    from mnist_models.exports import ExportError, import_run

    try:
        return import_run(store(), file).id, None
    except (ExportError, StoreError) as error:
        return None, str(error)


@st.cache_resource(show_spinner=False)
def tensorflow_ready() -> threading.Event:
    """Set once TensorFlow can be used; the first call begins to import it, in the background."""
    ready = threading.Event()
    threading.Thread(target=_load, args=(ready,), name="load TensorFlow", daemon=True).start()
    return ready


def _load(ready: threading.Event) -> None:
    try:
        import_tensorflow()
        import keras

        # After every script run Streamlit clears Keras's state, for all threads: it would spoil a network that is being built
        # for another visitor, and takes a quarter of a second of garbage collection. The networks here need no clearing.
        keras.backend.clear_session = lambda free_memory=True: None
    finally:
        ready.set()  # if it cannot be imported, whoever waits meets the same error, instead of waiting for ever
    for network in NETWORKS:
        classifier(pretrained.PREFIX + network)
    from pages.parts import charts  # noqa: F401, imports Altair

    for network in NETWORKS:  # imports scikit-learn
        evaluation(pretrained.PREFIX + network)
    # What is loaded now stays: collecting garbage need not look through TensorFlow's objects each time.
    gc.collect()
    gc.freeze()
    engine()


def while_loading() -> AbstractContextManager:
    """Says that TensorFlow is loading, if it still is, while what is inside waits for it."""
    return nullcontext() if tensorflow_ready().is_set() else st.spinner("TensorFlow is loading; this happens once.")


@st.cache_resource(show_spinner=False)
def prepare() -> None:
    """Begins to load, in the background, what the first stroke and the first training will need.

    Not at once: while TensorFlow is imported, little else is done, and the browser of the first visitor still asks for the
    scripts of what the page shows.
    """
    threading.Timer(PAGE_FIRST_S, tensorflow_ready).start()
