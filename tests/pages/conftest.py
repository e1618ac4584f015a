"""Pages share one store, engine and set of networks, as the visitors of one app do."""

import functools
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from mnist_models.runs import engine
from mnist_models.runs.store import RunStore
from mnist_models.settings.hyperparameters import NETWORKS, DnnHyperparameters
from mnist_models.training.loop import train
from pages.parts import canvas, resources

APP = Path(__file__).parents[2] / "app.py"
TINY = DnnHyperparameters(hidden_units=(16,), epochs=1, train_images=500, validation_images=100)


def lesson(name: str) -> AppTest:
    """A lesson's page, not yet run, for a visitor who has chosen the pair at its best; who has
    chosen none meets the pair of the same training there."""
    app = AppTest.from_file(APP, default_timeout=120).switch_page(f"pages/{name}.py")
    app.session_state["reads-chosen"] = True
    for network in NETWORKS:
        app.session_state[f"selected-{network}"] = f"shipped-{network}"
    return app


def told(app: AppTest, component: str) -> dict[str, Any]:
    """What a component of the page has been given."""
    (found,) = [
        one.proto.json for one in app.get("bidi_component") if one.proto.component_name == component
    ]
    return json.loads(found)


def address(app: AppTest) -> dict[str, str]:
    """What the browser's address is to say."""
    return dict(parse_qsl(told(app, "address")["search"].removeprefix("?"), strict_parsing=True))


def true_digit(app: AppTest) -> Selectbox:
    """Where a lesson asks which digit it is."""
    (box,) = [box for box in app.selectbox if box.label == "True digit"]
    return box


def wait_for_loader() -> None:
    """Waits until nothing is loaded in the background any more."""
    for thread in threading.enumerate():
        if thread.name == resources.LOADER:
            thread.join()


@pytest.fixture(autouse=True, scope="session")
def one_store(tmp_path_factory):
    """A store of its own for the pages of this test run; what they share is closed at the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", f"sqlite:///{tmp_path_factory.mktemp('pages')}/runs.sqlite3")
        # AppTest has no connection: as if the browser ran on the machine of the app.
        patch.setattr(type(st.context), "ip_address", None)
        # What trains for the pages are threads: processes would import TensorFlow for themselves.
        patch.setattr(engine, "Engine", functools.partial(engine.Engine, processes=False))
        st.cache_resource.clear()
        yield
        wait_for_loader()  # else it would still load as the process ends
        resources.engine().close()
        st.cache_resource.clear()


@pytest.fixture(autouse=True, scope="session")
def components_looked_for_once():
    """Streamlit's test driver looks for components in the metadata of every installed package, anew
    for every page: a third of what these tests took."""
    with pytest.MonkeyPatch.context() as patch:
        found = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", found)
        yield


@pytest.fixture(autouse=True)
def canvas_that_tells_nothing(monkeypatch):
    """Streamlit's test driver has no components: the canvas shows what the board holds, and nobody
    draws on it."""
    monkeypatch.setattr(canvas, "show_canvas", lambda board, brush_px: None)


@pytest.fixture
def store() -> RunStore:
    """The store that the pages use, without any runs."""
    return resources.store()


@pytest.fixture(scope="session")
def trained():
    """A small DNN, really trained."""
    return train(TINY)


@pytest.fixture
def finished_run(store, trained):
    """A run that has ended well."""
    run = store.create(TINY, "a small one")
    store.finish(run.id, trained)
    return store.run(run.id)


@pytest.fixture
def broken_store(monkeypatch, tmp_path):
    """Pages whose store cannot be opened: there is a file where its folder should be."""
    (tmp_path / "file").write_text("not a folder")
    broken = RunStore(f"sqlite:///{tmp_path}/file/runs.sqlite3")
    monkeypatch.setattr(resources, "store", lambda: broken)
