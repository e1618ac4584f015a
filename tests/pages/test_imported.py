"""A network from somebody's file, on the pages: uploaded once, it is a model like any other."""

import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.runs.loading import load_reader
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import resources
from tests.imports import forms
from tests.pages.conftest import APP, lesson
from tests.pages.test_draw import draw_seven, reading


@pytest.fixture(scope="module")
def uploaded():
    """The Train page after a CNN in HDF5 was uploaded, and a DNN in ONNX."""
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/train.py").run()
    app.file_uploader(key="brought").upload(
        "theirs.onnx", forms.onnx(forms.fully_connected()), "application/octet-stream"
    ).run()
    assert not app.exception
    cnn = forms.convolutional()
    content = forms.h5(cnn, forms.config_of(cnn))
    app.file_uploader(key="brought").upload("theirs.h5", content, "application/x-hdf5").run()
    assert not app.exception
    return app


@pytest.fixture(scope="module")
def runs(uploaded):
    """Both, by kind."""
    return {run.network: run for run in resources.store().runs() if run.imported}


def texts(app):
    return " ".join(one.value for one in (*app.markdown, *app.success, *app.error, *app.info))


def test_the_diagnosis_is_told_where_the_file_was_uploaded(uploaded, runs):
    said = texts(uploaded)
    assert f"Imported as {runs['cnn'].label}" in said
    assert "Keras HDF5 (.h5), written by Keras 2.4.0" in said
    assert "It wants 28×28×1; 0 to 1." in said
    (table,) = [one.value for one in uploaded.dataframe if "Fed" in one.value]
    assert len(table) >= 8 and table["Test accuracy"].max() > 80
    # It is not among what was trained here.
    assert not any("theirs" in str(box.options) for box in uploaded.selectbox)


def test_the_models_read_what_their_files_read(runs):
    test = dataset.load().test
    for network, run in runs.items():
        kept = resources.store().predictions(run.id)
        assert (kept.digits == test.labels).mean() == pytest.approx(run.test_accuracy)
        reader = load_reader(resources.store(), run.id)
        now = reader.predictions(test.images[:300])
        assert (now.digits == kept.digits[:300]).all(), network


def selected(app, runs):
    app.session_state["reads-chosen"] = True
    for network in NETWORKS:
        app.session_state[f"selected-{network}"] = runs[network].id
    return app


def test_they_read_a_drawing(runs, monkeypatch):
    draw_seven(monkeypatch)
    app = selected(AppTest.from_file(APP, default_timeout=120), runs).run()
    assert not app.exception
    assert all(reading(app, network) in "0123456789" for network in NETWORKS)


def test_they_are_compared_with_any_other(runs):
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/compare.py")
    app.query_params.update({"first": runs["cnn"].id, "second": "shipped-cnn"})
    app.session_state["runs-panel"] = True
    app.run()
    assert not app.exception and not app.error
    assert app.session_state["compare-first"] == runs["cnn"].id


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("slide", {}),
        ("breaking", {}),
        ("strokes", {}),
        ("scramble", {}),
        ("reasons", {"reasons-view": "mattered", "reasons-way": "cover"}),
        ("reasons", {"reasons-view": "change", "reasons-change": "pen"}),
    ],
)
def test_lessons_that_ask_for_readings_have_them(runs, name, values):
    app = selected(lesson(name), runs)
    for key, value in values.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception and not app.error


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("inside", {}),
        ("time_machine", {}),
        ("reasons", {"reasons-view": "mattered", "reasons-way": "gradients"}),
        ("reasons", {"reasons-view": "change", "reasons-change": "pixels"}),
        ("reasons", {"reasons-view": "nearest"}),
    ],
)
def test_views_that_need_layers_say_that_they_cannot_be_had(runs, name, values):
    app = selected(lesson(name), runs)
    for key, value in values.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception
    assert any("came from a file" in one.value for one in app.error)


def test_what_is_no_network_gets_a_sentence_and_leaves_nothing(runs):
    before = len(resources.store().runs())
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/train.py").run()
    app.file_uploader(key="brought").upload("no.h5", b"<html>", "text/html").run()
    assert not app.exception
    assert "It is a web page" in texts(app) and len(resources.store().runs()) == before
