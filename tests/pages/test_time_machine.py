"""The lesson on how networks came to their readings, without a browser."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.history import History
from mnist_models.training import train
from pages.parts import resources
from pages.parts.lessons import work
from tests.pages.conftest import APP, TINY

THREE_EPOCHS = TINY.model_copy(update={"epochs": 3})


def page() -> AppTest:
    return AppTest.from_file(APP, default_timeout=120).switch_page("pages/time_machine.py")


@pytest.fixture(scope="module")
def trained_longer():
    return train(THREE_EPOCHS)


@pytest.fixture
def longer_run(store, trained_longer):
    return store.add(THREE_EPOCHS, "three epochs", trained_longer)


def test_the_slider_goes_through_the_epochs_that_were_kept(longer_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(longer_run.id).run()
    assert not app.exception
    image = app.session_state["board"].preparation.image
    expected = History(resources.store(), longer_run.id).probabilities(image[np.newaxis])[:, 0]
    for epoch in (0, 1, 2, 3):
        app.select_slider(key="time-epoch").set_value(epoch).run()
        assert not app.exception
        metric = app.metric[0]
        assert metric.label == f"The DNN after {epoch} of 3 epochs"
        assert metric.value == str(expected[epoch].argmax()) and metric.delta == f"{expected[epoch].max():.1%} sure"


def test_where_the_other_network_has_no_such_epoch_the_one_before_is_shown(longer_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(longer_run.id).run()
    epochs = work.history("shipped-cnn").epochs
    app.select_slider(key="time-epoch").set_value(epochs[-2]).run()
    assert not app.exception
    assert app.metric[0].label == "The DNN after 3 of 3 epochs"
    assert app.metric[1].label.startswith(f"The CNN after {epochs[-2]:g} of ")


def test_an_epoch_that_another_network_does_not_have_gives_way_to_the_one_before(longer_run):
    app = page().run()
    epochs = work.history("shipped-dnn").epochs
    app.select_slider(key="time-epoch").set_value(epochs[-1]).run()
    app.selectbox(key="reads-dnn").select("quick-dnn")
    app.selectbox(key="reads-cnn").select("quick-cnn").run()
    assert not app.exception
    assert app.select_slider(key="time-epoch").value == 4


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ([2, 2, 2, 2], "The DNN happened to read it as 2 before it had learned anything"),
        ([7, 2, 2, 2], "The DNN has read it as **2** since epoch **1**, and guessed before it had learned anything."),
        ([7, 3, 3, 2], "since epoch **3**; at epoch 2, the last one kept before that, it read 3. Over the epochs"),
        ([7, 3, 3, 2], "that were kept it changed its mind 2 times."),
        ([2, 3, 3, 3], "At no epoch that was kept did it know that this is a 2."),
        ([7, 3, 2, 3], "At epoch 2 it knew the 2, and has lost it since."),
    ],
)
def test_it_says_when_a_network_came_to_its_reading(digits, words, longer_run, monkeypatch):
    really = work.read_history
    read = np.eye(10, dtype=np.float32)[digits]
    monkeypatch.setattr(
        work, "read_history", lambda history, run_id, *rest: read if run_id == longer_run.id else really(history, run_id, *rest)
    )
    app = page().run()
    app.selectbox(key="reads-dnn").select(longer_run.id).run()
    assert not app.exception
    assert any(words in text.value for text in app.markdown)


def test_what_is_kept_is_told_and_can_be_forgotten(longer_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(longer_run.id).run()
    taken = resources.store().snapshot_bytes()
    assert taken >= sum(len(snapshot.weights) for snapshot in resources.store().snapshots(longer_run.id)) > 0
    assert any(f"**{taken / 1e6:,.1f} MB**" in text.value for text in app.markdown)
    app.button(key="time-forget").click().run()
    assert not app.exception
    assert resources.store().snapshot_bytes() == 0
    assert any("Of three epochs" in caption.value.replace("\\", "") for caption in app.caption)
    assert app.button(key="time-forget").disabled


def test_a_run_of_one_epoch_says_why_there_are_two_moments(finished_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    assert not app.exception
    assert any("It was trained for no more than one epoch." in caption.value for caption in app.caption)


def test_without_a_store_the_shipped_networks_still_travel(broken_store):
    app = page().run()
    assert not app.exception
    assert len(app.metric) == 2 and "cannot be used" in app.warning[0].value
