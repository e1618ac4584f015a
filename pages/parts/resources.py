"""What all visitors share: the store of runs, the engine that trains, the networks that read."""

import atexit
import gc
import threading
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import streamlit as st

from mnist_models import import_tensorflow, pretrained
from mnist_models.dataset import IMAGE_SIZE_PX
from mnist_models.hyperparameters import NETWORKS, Hyperparameters
from mnist_models.runs import RunStore


@st.cache_resource(show_spinner=False)
def store() -> RunStore:
    """The store of runs."""
    return RunStore()


@st.cache_resource(show_spinner=False)
def engine():
    """The engine, with runs of earlier app processes that ended too soon marked as interrupted."""
    from mnist_models.engine import Engine  # imports Dask: half a second that drawing need not wait for

    store().interrupt_orphans()
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


@st.cache_data(show_spinner=False, max_entries=256)
def layers(hyperparameters: Hyperparameters) -> list:
    """The layers that the hyperparameters build, each a networks.LayerSummary."""
    tensorflow_ready().wait()
    from mnist_models import networks

    return networks.summary(networks.build(hyperparameters, blank=True))


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
    # What is loaded now stays: collecting garbage need not look through TensorFlow's objects each time.
    gc.collect()
    gc.freeze()
    engine()


def while_loading() -> AbstractContextManager:
    """Says that TensorFlow is loading, if it still is, while what is inside waits for it."""
    return nullcontext() if tensorflow_ready().is_set() else st.spinner("TensorFlow is loading; this happens once.")


def prepare() -> None:
    """Begins to load, in the background, what the first stroke and the first training will need."""
    tensorflow_ready()
