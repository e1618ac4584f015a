"""What all visitors share: the store of runs, the engine that trains, the models that classify.

Functions that take a `run_id` need a readable run, and raise StoreError if there is no such run or
the store cannot be used, and TensorFlowError if TensorFlow cannot be used.
"""

from __future__ import annotations

import atexit
import gc
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from mnist_models import tensorflow_loader
from mnist_models.data import dataset, npz
from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.errors import UnavailableError
from mnist_models.imports.refusal import RefusedError
from mnist_models.models import portable
from mnist_models.models.folded import WeightsError
from mnist_models.models.predictions import Predictions
from mnist_models.models.reader import Reader
from mnist_models.runs import pretrained, worker
from mnist_models.runs.classes import Classes
from mnist_models.runs.games import Games
from mnist_models.runs.rights import Rights
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run, StoreError
from mnist_models.settings.hyperparameters import NETWORKS, DnnHyperparameters, Hyperparameters
from mnist_models.tensorflow_loader import TensorFlowError
from mnist_models.training.progress import Curve

if TYPE_CHECKING:  # importing them imports Dask, TensorFlow and scikit-learn
    import keras

    from mnist_models.models.evaluation import Evaluation
    from mnist_models.models.networks import LayerSummary
    from mnist_models.runs.engine import Engine

PAGE_FIRST_S = 0.5
# The name of the thread that imports TensorFlow and then loads the pretrained models.
LOADER = "load TensorFlow"


@st.cache_resource(show_spinner=False)
def store() -> RunStore:
    """The store of runs."""
    return RunStore()


@st.cache_resource(show_spinner=False)
def classes() -> Classes:
    """The store of what classes write."""
    found = Classes(store().database)
    found.purge()
    return found


@st.cache_resource(show_spinner=False)
def games() -> Games:
    """The store of what classes play."""
    return Games(store().database)


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """The engine, with runs of earlier app processes that ended too soon marked as interrupted."""
    # Imports Dask: half a second that drawing need not wait for.
    from mnist_models.runs.engine import Engine

    store().interrupt_orphans()
    store().purge()
    this = Engine(store())
    atexit.register(this.close)
    return this


@st.cache_resource(show_spinner=False, max_entries=32)
def classifier(run_id: str) -> Reader:
    """The model of a run, ready to read. A model from a file, the first time, takes a tenth of a
    second, and TensorFlow's import."""
    if store().run(run_id).imported:
        tensorflow().wait()
    # Imports ONNX Runtime.
    from mnist_models.runs.loading import load_reader

    reader = load_reader(store(), run_id)
    # The first prediction allocates memory; no visitor should wait for that.
    reader.read(np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8))
    return reader


@st.cache_resource(show_spinner=False, max_entries=32)
def chain(run_id: str) -> keras.Sequential:
    """The network of a run, for lessons that look between its layers, see reader.Reader.chain.

    Raises:
        RefusedError: It came from a file, and its layers are not known, or no chain.
    """
    tensorflow().wait()
    reader = classifier(run_id)
    try:
        return reader.chain()
    except RefusedError as error:
        raise RefusedError(
            f"{store().run(run_id).label} came from a file, and its layers cannot be looked into. "
            f"{error}"
        ) from error


@st.cache_resource(show_spinner=False, max_entries=256)
def can_learn(run_id: str) -> bool:
    """Whether a network from a file can be trained on: one that was rebuilt, and is not damaged.
    Needs no TensorFlow."""
    from mnist_models.imports import archive, reading

    try:
        found = reading.read(*archive.unpacked(store().weights(run_id)))
    except RefusedError:
        return False
    return not isinstance(found, reading.Foreign)


@st.cache_resource(show_spinner=False, max_entries=32)
def for_browser(run_id: str) -> bytes | None:
    """The model of a run as a file to read with in a browser, see portable.py; None where there is
    none. Needs no TensorFlow."""
    from mnist_models.runs import loading

    try:
        return portable.pack(*loading.load_weights(store(), store().run(run_id)))
    except (StoreError, WeightsError, RefusedError) as error:
        # Reading with it on the server says what is wrong.
        logging.getLogger(__name__).info("%s cannot be read in a browser: %s", run_id, error)
        return None


@st.cache_resource(show_spinner=False, max_entries=256)
def predictions(run_id: str) -> Predictions:
    """The predictions of a run for the 10,000 test images; computed and stored now, unless that was
    done when it was trained."""
    found = store().predictions(run_id)
    if found is None:
        found = classifier(run_id).predictions(dataset.load().test.images)
        with suppress(StoreError):  # a store that cannot be written only costs the same time again
            store().save_predictions(run_id, found)
    return found


@st.cache_resource(show_spinner=False, max_entries=256)
def evaluation(run_id: str) -> Evaluation:
    """The evaluation of a run on the test images."""
    from mnist_models.models.evaluation import evaluate  # imports scikit-learn: nearly a second

    return evaluate(
        predictions(run_id), dataset.load().test.labels, store().run(run_id).measured.temperature
    )


@st.cache_resource(show_spinner=False, max_entries=256)
def ended_curve(run_id: str) -> Curve:
    """The curve of a run that is not in progress."""
    return store().curve(run_id)


@st.cache_data(show_spinner=False, max_entries=256)
def layers(hyperparameters: Hyperparameters) -> list[LayerSummary]:
    """The layers of a model with these hyperparameters."""
    tensorflow().wait()
    from mnist_models.models import networks

    return networks.summary(networks.build(hyperparameters, blank=True))


def training_labels(hyperparameters: Hyperparameters) -> np.ndarray:
    """The labels of the training images, uint8 (N,), including label noise."""
    tensorflow().wait()
    from mnist_models.training.batches import wrong_labels

    return wrong_labels(dataset.split(hyperparameters.train_images, 0)[0].labels, hyperparameters)


@st.cache_data(show_spinner=False, max_entries=64)
def matched(
    hyperparameters: DnnHyperparameters, other: Hyperparameters
) -> DnnHyperparameters | str:
    """A DNN with as many parameters as another model.

    Args:
        hyperparameters: Of the DNN whose layers are to change.
        other: Of the other model.

    Returns:
        The new hyperparameters, or a sentence that says why there are none.
    """
    tensorflow().wait()
    from mnist_models.models import networks

    try:
        return networks.resized(hyperparameters, networks.build(other, blank=True).count_params())
    except networks.ResizeError as error:
        return str(error)


def exported(run_ids: Sequence[str], picture: bytes | None = None) -> bytes:
    """A run, or the runs of a race, as a file.

    Args:
        picture: Their learning curves, as a PNG; None where there are none.
    """
    tensorflow().wait()
    from mnist_models.runs.exports import export

    return export(store(), run_ids, picture)


def model_file(run_id: str, form: str) -> bytes:
    """The model of a run as a file for other programs.

    Args:
        form: One of formats.FORMATS.
    """
    tensorflow().wait()
    from mnist_models.runs.exports import model

    return model(store(), run_id, form)


@st.cache_resource(show_spinner=False)
def mnist_for_keras() -> bytes:
    """MNIST as Keras keeps it, a NumPy archive; packing it takes seconds."""
    return npz.write(dataset.for_keras())


def imported(
    content: bytes, name: str, progress: Callable[[float], None], rights: Rights
) -> tuple[Run | None, str | None]:
    """Imports an exported run, or race, into the store, or somebody's saved network.

    Args:
        content: The file.
        name: The file's.
        progress: Is told how much is done, 0 to 1.
        rights: Of who brings it.

    Returns:
        The run, of a race one of its runs, or else a sentence that says why it cannot be imported.
    """
    tensorflow().wait()
    from mnist_models.imports import reading, words
    from mnist_models.runs import passing_on
    from mnist_models.runs.exports import ExportError, import_runs
    from mnist_models.runs.loading import keep_imported

    visitor = rights.visitor.id
    try:
        rights.may_import(content)
        if passing_on.is_passed_on(content):
            return passing_on.import_run(store(), content, None, visitor, progress), None
        if reading.is_run(content):
            return import_runs(store(), content, visitor=visitor)[0], None
        run, brought, found = keep_imported(
            store(), name, content, progress=progress, visitor=visitor
        )
        return run, None if run else words.what_it_wants(brought, found)
    except (ExportError, UnavailableError) as error:
        return None, str(error)


def feed_by_hand(run_id: str, place: int, rights: Rights) -> None:
    """Has a network from somebody's file fed in another way from now on, see loading.feed_by_hand;
    what was read with it before is forgotten, but for what lessons keep.

    Args:
        rights: Of who wants it.

    Raises:
        UnavailableError: That cannot be done, and nothing has changed.
    """
    rights.may_feed_by_hand(run_id)
    tensorflow().wait()
    from mnist_models.runs import loading

    loading.feed_by_hand(store(), run_id, place)
    for kept in (classifier, chain, for_browser, predictions, evaluation):
        kept.clear(run_id)


class Loading:
    """The import of TensorFlow, which everybody who needs it waits for."""

    def __init__(self) -> None:
        # Why TensorFlow cannot be used, a sentence, as soon as that is known.
        self.problem = tensorflow_loader.machine_problem()
        # Whether the models of the first page are there: they read without TensorFlow.
        self.can_read = False
        self._over = threading.Event()
        self._begun = threading.Lock()

    def begin(self) -> None:
        """Begins to import it, in the background; only the first call does anything."""
        if self._begun.acquire(blocking=False):
            threading.Thread(target=self._load, name=LOADER, daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether nobody has to wait any more."""
        return self._over.is_set()

    def wait(self) -> None:
        """Waits until TensorFlow can be used.

        Raises:
            TensorFlowError: It cannot be used.
        """
        self.begin()
        self._over.wait()
        if self.problem:
            raise TensorFlowError(self.problem)

    def _load(self) -> None:
        try:
            for network in NETWORKS:
                classifier(pretrained.PREFIX + network)
            self.can_read = True
            tensorflow_loader.load()
            import keras

            # After every script run Streamlit clears Keras's state, for all threads: it would
            # spoil a network that is being built for another visitor, and takes a quarter of a
            # second of garbage collection. The networks here need no clearing.
            keras.backend.clear_session = lambda free_memory=True: None
        except TensorFlowError as error:
            self.problem = str(error)
            logging.getLogger(__name__).error("%s", error, exc_info=error.__cause__)
        finally:
            self._over.set()
        if not self.problem:
            _make_ready()


@st.cache_resource(show_spinner=False)
def tensorflow() -> Loading:
    """The loading of TensorFlow, over or not."""
    return Loading()


def _make_ready() -> None:
    """Loads what the first chart and the first training need."""
    import altair  # noqa: F401, half a second that the first chart need not wait for

    for network in NETWORKS:  # imports scikit-learn
        evaluation(pretrained.PREFIX + network)
    # What is loaded now stays: collecting garbage need not look through TensorFlow's objects each
    # time.
    gc.collect()
    gc.freeze()
    if worker.warms_up():
        engine().connect()


def while_loading(read_with: Iterable[Run] | None = None) -> AbstractContextManager[None]:
    """Shows that TensorFlow is loading, if it still is, while the body of the `with` waits for it.

    Args:
        read_with: The models, if that is all that it is needed for: only those from files are read
            with through TensorFlow.
    """
    is_needed = read_with is None or any(run.imported for run in read_with)
    if tensorflow().is_over or not is_needed:
        return nullcontext()
    return st.spinner("TensorFlow is loading (only once) …")


@st.cache_resource(show_spinner=False)
def prepare() -> None:
    """Begins to load, in the background, what the first stroke and the first training will need.

    Not at once: while TensorFlow is imported, little else is done, and the browser of the first
    visitor still asks for the scripts of what the page shows.
    """
    threading.Timer(PAGE_FIRST_S, tensorflow().begin).start()
