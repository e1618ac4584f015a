"""Train, where a class has written: the form, a model that learns from it, before and after."""

import re

import keras
import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.data.preprocessing import prepare_picture
from mnist_models.handwriting.collection import Collection
from mnist_models.handwriting.splits import ONE_WRITER
from mnist_models.runs.loading import keep_imported, load_reader
from mnist_models.runs.rights import Visitor
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import NETWORKS
from mnist_models.training.material import FINE_TUNING, to_fine_tune
from pages.parts import canvas, resources
from pages.parts.train import class_digits
from tests.imports import forms
from tests.pages.conftest import APP, TINY
from tests.pages.test_train import complaints, page, texts, total, until

TEACHER = Visitor("e" * 32, is_teacher=True)
NAME = "9b, Monday"
WRITERS, DIGITS = 6, 10


def fill(collection, writers: int) -> list[str]:
    """Has so many writers give ten digits each; their ids."""
    mnist = dataset.load().train.part(30_000, 30_000 + writers * DIGITS)
    digits = Collection(mnist.images, mnist.labels, np.repeat(np.arange(writers), DIGITS))
    nicknames = [f"{collection.name} {number}" for number in range(writers)]
    resources.classes().add(collection.id, digits, nicknames, TEACHER)
    return [writer.id for writer, _ in resources.classes().writers(collection.id)]


@pytest.fixture
def a_class(one_store):
    """A collection with digits of several writers."""
    classes = resources.classes()
    collection = classes.create(NAME, TEACHER)
    writers = fill(collection, WRITERS)
    yield collection
    classes.delete(collection.id, TEACHER)
    for writer in writers:
        classes.remove_writer(writer, TEACHER)


def panels(app: AppTest) -> list:
    return [one for one in app.expander if one.label == "Learn from the class's digits"]


def with_share(percent: int, **session) -> AppTest:
    app = page(**session).run()
    app.slider(key=class_digits.SHARE).set_value(percent).run()
    assert not app.exception
    return app


def started(app: AppTest):
    """The run that the button starts, once it is trained."""
    before = {run.id for run in resources.store().runs()}
    app.button(key="train-start").click().run()
    (run_id,) = {run.id for run in resources.store().runs()} - before
    until(lambda: not resources.store().run(run_id).in_progress)
    run = resources.store().run(run_id)
    assert run.readable, run.error
    return run


def test_where_no_class_has_written_nobody_notices(one_store):
    assert not panels(page().run())


def test_an_empty_collection_changes_nothing(one_store):
    collection = resources.classes().create("nobody yet", TEACHER)
    assert not panels(page().run())
    resources.classes().delete(collection.id, TEACHER)


def test_a_collection_whose_digits_are_all_hidden_changes_nothing(a_class):
    classes = resources.classes()
    for given in classes.given(a_class.id):
        classes.set_hidden(given.drawing.number, TEACHER, is_hidden=True)
    assert not panels(page().run())


def test_a_visitor_who_leaves_it_alone_learns_from_mnist(a_class):
    app = page().run()
    (panel,) = panels(app)
    assert not panel.proto.expanded and "learns from MNIST alone" in texts(app)


def test_a_race_has_no_such_part(a_class):
    assert not panels(page(network="race").run())


def test_the_page_says_before_the_start_who_is_learned_from_and_who_is_tested_on(a_class):
    app = with_share(25)
    assert "learns from **40 digits by 4 writers**" in texts(app)
    assert "tested on **20 digits by 2 other writers**" in texts(app)
    app.segmented_control(key=class_digits.TEST).set_value("Half").run()
    assert "tested on **30 digits by 3 other writers**" in texts(app)
    app.segmented_control(key=class_digits.TEST).set_value(class_digits.EACH).run()
    assert "6 more models are trained" in texts(app)


def test_one_writer_gets_a_sentence_and_no_training(one_store):
    collection = resources.classes().create("alone", TEACHER)
    writers = fill(collection, 1)
    app = with_share(50)
    assert ONE_WRITER in texts(app)
    assert app.button(key="train-start").disabled
    resources.classes().delete(collection.id, TEACHER)
    for writer in writers:
        resources.classes().remove_writer(writer, TEACHER)


def test_fine_tuning_takes_over_the_settings_of_a_run_and_keeps_its_network(a_class, finished_run):
    app = with_share(25, network="dnn")
    app.selectbox(key=f"{class_digits.START}-dnn").select(finished_run.id).run()
    assert not app.exception
    assert total(app) == f"{finished_run.parameters:,}"
    assert app.slider(key="dnn.epochs").value == FINE_TUNING["epochs"]
    assert app.select_slider(key="dnn.learning_rate").value == FINE_TUNING["learning_rate"]
    keys = [widget.key for widget in (*app.slider, *app.toggle, *app.selectbox)]
    assert not [key for key in keys if key and key.startswith("dnn.hidden_units")]
    assert "dnn.scrambled" not in keys and "layers cannot be changed" in texts(app)
    app.slider(key=class_digits.SHARE).set_value(0).run()
    assert app.slider(key="dnn.hidden_units.count").value == 1  # it can be chosen again


def padded_and_averaged() -> keras.Sequential:
    """A network such as the form has none, for standardised images."""

    def standardised(images):
        return (images[..., np.newaxis] / np.float32(255) - 0.1307) / np.float32(0.3081)

    keras.utils.set_random_seed(5)
    features = [
        keras.layers.Conv2D(8, 5, 2, padding="same", activation="elu"),
        keras.layers.AveragePooling2D(2),
        keras.layers.Flatten(),
    ]
    return forms.taught(keras.Sequential([keras.Input((28, 28, 1)), *features]), standardised)


@pytest.fixture
def theirs(store, tmp_path):
    """A run of such a network."""
    run, _, _ = keep_imported(store, "theirs", forms.keras_file(padded_and_averaged(), tmp_path))
    yield run
    store.delete([run.id])


def fine_tuned(theirs):
    """The page on which a run was chosen to start from, and the run that was started there."""
    app = with_share(50, network="cnn")
    app.selectbox(key=f"{class_digits.START}-cnn").select(theirs.id).run()
    assert not app.exception and total(app) == f"{theirs.parameters:,}"
    assert "Conv2D, AveragePooling2D, Flatten, Dense" in texts(app)
    assert "Its file says nothing of other settings" in texts(app)
    keys = [widget.key for widget in (*app.slider, *app.toggle, *app.selectbox)]
    assert not {"cnn.conv_layers.count", "cnn.precision", "cnn.scrambled"} & set(keys)
    app.select_slider(key="cnn.train_images").set_value(500).run()
    return started(app)


def test_a_network_from_a_file_is_fine_tuned_from_the_readings_that_it_had(a_class, theirs, store):
    assert theirs.imported["scale"] == "std"
    run = fine_tuned(theirs)
    assert run.source.start.label == theirs.label and run.parameters == theirs.parameters
    tested, (before, _) = store.class_result(run.id)
    assert (before == load_reader(store, theirs.id).predictions(tested.images).digits).all()
    app = page(run=run.id).run()
    assert not app.exception and not app.error
    assert f"Before: {theirs.label}" in texts(app)
    # Its file, and no script of layers that it does not have.
    assert [one.proto.label for one in app.get("download_button")] == ["Export (.zip)"]
    app.button(key="use-run").click().run()
    assert not app.exception
    assert app.selectbox(key=f"{class_digits.START}-cnn").value == theirs.id
    assert total(app) == f"{theirs.parameters:,}"
    compared = AppTest.from_file(APP, default_timeout=120).switch_page("pages/compare.py")
    compared.query_params.update({"first": theirs.id, "second": run.id})
    compared.session_state["runs-panel"] = True
    compared.run()
    assert not compared.exception
    assert f"It learned from {NAME} (50%): 40 digits by 4 writers" in texts(compared)
    # It is fed as it was trained, so nothing else was tried.
    assert [box.key for box in compared.selectbox if box.key and "feeding-" in box.key] == [
        f"feeding-{theirs.id}"
    ]
    store.delete([run.id])


def test_a_network_that_its_own_runtime_computes_is_not_offered(a_class, store):
    other, _, _ = keep_imported(store, "in ONNX", forms.onnx(forms.fully_connected()))
    box = with_share(50, network="dnn").selectbox(key=f"{class_digits.START}-dnn")
    assert not any(other.label in one for one in box.options)
    assert "Nor are models from ONNX and TensorFlow Lite" in box.help
    store.delete([other.id])


def test_a_fine_tuned_run_shows_before_and_after_and_keeps_them_when_the_class_is_deleted(
    a_class, finished_run
):
    app = with_share(50, network="dnn")
    app.selectbox(key=f"{class_digits.START}-dnn").select(finished_run.id).run()
    app.select_slider(key="dnn.train_images").set_value(500).run()
    run = started(app)
    assert run.source.collection == NAME and run.source.start.run_id == finished_run.id
    tested, (before, after) = resources.store().class_result(run.id)
    assert len(tested) == len(before) == len(after) == run.source.held_out_digits == 20

    resources.classes().delete(a_class.id, TEACHER)
    app = page(run=run.id)
    image = dataset.load().test.images[0]
    preparation = prepare_picture(Image.fromarray(image))
    app.session_state["board"] = canvas.Board(preparation=preparation, is_new=False)
    app.run()
    resources.classes().restore(a_class.id, TEACHER)
    assert not app.exception
    shown = {metric.label: [] for metric in app.metric}
    for metric in app.metric:
        shown[metric.label].append(metric.value)
    right = [(one == tested.labels).mean() for one in (before, after)]
    assert shown["Accuracy on the class"] == [f"{one:.1%}" for one in right]
    assert shown["Accuracy on MNIST"] == [f"{one.test_accuracy:.2%}" for one in (finished_run, run)]
    read = [resources.classifier(one.id).read(preparation.image) for one in (finished_run, run)]
    assert [value[0] for value in shown["Reads your drawing as"]] == [
        str(one.digit) for one in read
    ]
    assert f"{NAME} (50%): 40 digits by 4 writers, and MNIST" in texts(app)
    more = int((after == tested.labels).sum() - (before == tested.labels).sum())
    assert f"**{abs(more):,} {'more' if more > 0 else 'fewer'}**" in texts(app) or not more
    # It knows writers who might be for the test of another run: no run goes on from it.
    app = with_share(50, network="dnn")
    offered = app.selectbox(key=f"{class_digits.START}-dnn").options
    assert any(finished_run.label in one for one in offered)
    assert not any(run.label in one for one in offered)


def test_one_from_random_weights_is_compared_with_the_pretrained_model(a_class):
    app = with_share(100, network="dnn")
    app.slider(key="dnn.epochs").set_value(1).run()
    app.select_slider(key="dnn.train_images").set_value(500).run()
    app.segmented_control(key=class_digits.TEST).set_value(class_digits.EACH).run()
    run = started(app)
    assert run.source.leaves_each_out and run.source.share == 1
    app = page(run=run.id).run()
    assert not app.exception
    assert "which never saw the class" in texts(app)
    tested, (_, after) = resources.store().class_result(run.id)
    assert len(tested) == len(after) == WRITERS * DIGITS
    assert "read by a model that learned nothing from its writer" in texts(app)


def test_a_link_of_a_class_that_is_here_chooses_it(a_class):
    app = page()
    for name, text in {"network": "dnn", "class": NAME, "class_share": "0.5"}.items():
        app.query_params[name] = text
    app.run()
    assert not app.exception and not complaints(app)
    assert app.slider(key=class_digits.SHARE).value == 50
    assert any("class_share=0.5" in code.value for code in app.code)


@pytest.mark.parametrize("start", ["DNN, same training", "a run of elsewhere"])
def test_a_link_of_a_fine_tuned_run_finds_its_start_or_says_that_it_is_not_here(a_class, start):
    hyperparameters = to_fine_tune(resources.store().run("teaching-dnn").hyperparameters)
    query = links.to_query(hyperparameters) | links.class_to_query(
        links.FromClass(NAME, 0.25, start)
    )
    app = page()
    for name, text in query.items():
        app.query_params[name] = text
    app.run()
    assert not app.exception and not complaints(app)
    assert app.slider(key=class_digits.SHARE).value == 25
    is_here = start == resources.store().run("teaching-dnn").label
    chosen = app.selectbox(key=f"{class_digits.START}-dnn").value
    assert chosen == ("teaching-dnn" if is_here else class_digits.SCRATCH)
    assert ("start from random weights" in texts(app)) != is_here


def test_a_link_of_a_class_that_is_not_here_opens_with_mnist_and_says_why(one_store):
    app = page()
    for name, text in {"network": "dnn", "class": "*Elsewhere*", "class_share": "0.5"}.items():
        app.query_params[name] = text
    app.run()
    assert not app.exception and not panels(app)
    assert re.search(r"learned from the digits of a class, '\\\*Elsewhere\\\*'", texts(app))
    assert not app.button(key="train-start").disabled


@pytest.mark.parametrize("share", ["0", "2", "1e-3", "", "x" * 5_000])
def test_a_link_with_a_wrong_share_is_a_sentence(a_class, share):
    app = page()
    for name, text in {"network": "dnn", "class": NAME, "class_share": share}.items():
        app.query_params[name] = text
    app.run()
    (sentence,) = complaints(app)
    assert "above 0, up to 1" in sentence and len(sentence) < 400


@pytest.mark.parametrize("is_teacher", [True, False])
def test_only_a_teacher_can_save_the_digits_that_a_run_learned_from(
    a_class, store, trained, monkeypatch, is_teacher
):
    digits = class_digits._digits(a_class)
    material = class_digits.Material(digits, digits.writers < 2, NAME, 0.25)
    run = store.create(TINY, "of a class", material=material)
    store.finish(run.id, trained)
    if not is_teacher:  # somebody on another machine
        monkeypatch.setattr(type(st.context), "ip_address", "192.0.2.7")
    app = page(run=run.id).run()
    assert not app.exception
    assert ("Only a teacher can save them" in texts(app)) == is_teacher


def test_compare_says_what_a_run_learned_from(a_class, store):
    digits = class_digits._digits(a_class)
    held_out = digits.writers < 2
    material = class_digits.Material(digits, held_out, NAME, 0.25)
    run = store.create(TINY, "of a class", material=material)
    store.set_state(run.id, "failed", "It was not trained.")
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/compare.py")
    app.session_state["runs-panel"] = True
    app.run()
    assert not app.exception
    table = app.dataframe[0].value.set_index("Name")["Learned from"]
    assert table[run.label] == f"{NAME} (25%): 40 digits by 4 writers, and MNIST"
    assert set(table[[f"Pretrained {kind.title}" for kind in NETWORKS.values()]]) == {"MNIST"}
