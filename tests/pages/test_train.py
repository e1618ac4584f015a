"""The Train page, without a browser: the form, and runs in every state."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.hyperparameters import NETWORKS, CnnHyperparameters, DnnHyperparameters
from mnist_models.networks import build
from mnist_models.progress import Curve, Progress
from mnist_models.runs import Run, RunState, RunStore
from pages.parts import resources
from tests.pages.conftest import APP, TINY


def page(**session) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/train.py")
    for key, value in session.items():
        app.session_state[key] = value
    return app


def texts(app: AppTest) -> str:
    """All that the page says in words."""
    elements = [*app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.success]
    return "\n".join(str(element.value) for element in elements) + "\n".join(
        element.proto.text for element in app.get("progress")
    )


def total(app: AppTest) -> str:
    (metric,) = [metric for metric in app.metric if metric.label == "Parameters, all layers"]
    return metric.value


def part_curve() -> Curve:
    curve = Curve.empty(TINY)
    for step in (1, 2):
        told = {"losses": (2.0 - step / 2,), "accuracies": (0.5,), "images_per_s": 1e4, "elapsed_s": 0.1, "remaining_s": 1}
        curve.add(Progress(step=step, epoch=step / 4, **told))
    return curve


@pytest.mark.parametrize("network", NETWORKS)
def test_the_form_opens_with_the_defaults_and_what_they_build(network):
    app = page(network=network).run()
    assert not app.exception
    assert total(app) == f"{build(NETWORKS[network]()).count_params():,}"
    rows = app.dataframe[0].value
    assert rows["Layer"].iloc[-1] == "logits" and rows["Output shape"].iloc[-1] == "10"
    assert not app.button(key="train-start").disabled


@pytest.mark.parametrize("network", NETWORKS)
def test_every_hyperparameter_has_a_widget_with_a_help_text(network):
    app = page(network=network).run()
    widgets = [*app.slider, *app.select_slider, *app.selectbox, *app.toggle, *app.number_input]
    for name, choice in NETWORKS[network].choices().items():
        mine = [widget for widget in widgets if widget.key and widget.key.startswith(f"{network}.{name}")]
        assert mine, name
        assert choice.help in mine[0].help


def test_moving_a_slider_shows_the_new_parameter_count():
    app = page(network="dnn").run()
    app.slider(key="dnn.hidden_units.count").set_value(1).run()
    app.select_slider(key="dnn.hidden_units.0").set_value(100).run()
    app.toggle(key="dnn.batch_norm").set_value(False).run()
    assert total(app) == f"{784 * 100 + 100 + 100 * 10 + 10:,}"


def test_pooling_the_image_away_says_so_below_the_slider_and_disables_training():
    app = page(network="cnn").run()
    app.slider(key="cnn.conv_layers.count").set_value(3).run()
    for index in range(3):
        app.select_slider(key=f"cnn.conv_layers.{index}.pool").set_value(3).run()
    assert not app.exception
    assert app.button(key="train-start").disabled
    complaints = [error.value for error in app.error if "Convolution 3" in error.value]
    assert len(complaints) == 2  # below the slider, and where the layers would stand
    app.select_slider(key="cnn.conv_layers.0.pool").set_value(0).run()
    app.select_slider(key="cnn.conv_layers.1.pool").set_value(0).run()
    assert not app.button(key="train-start").disabled


def test_more_images_than_there_are_says_how_many_are_allowed():
    app = page(network="dnn").run()
    app.select_slider(key="dnn.train_images").set_value(60_000).run()
    assert any("at most 55,000 training images" in error.value for error in app.error)
    assert app.button(key="train-start").disabled


def test_a_recipe_moves_every_widget():
    app = page(network="cnn").run()
    app.selectbox(key="cnn.recipe").select("shipped").run()
    app.button(key="use-recipe").click().run()
    assert not app.exception
    assert total(app) == f"{resources.store().run('shipped-cnn').parameters:,}"
    assert app.selectbox(key="cnn.augmentation").value == "full"


def test_choices_survive_a_change_of_page():
    app = AppTest.from_file(APP, default_timeout=120).run()
    app.switch_page("pages/train.py").run()
    app.slider(key="cnn.epochs").set_value(7).run()
    app.switch_page("app.py").run()
    app.switch_page("pages/train.py").run()
    assert app.slider(key="cnn.epochs").value == 7


def test_a_run_that_another_process_trains_shows_its_curve_so_far(store):
    run = store.create(TINY)
    store.set_state(run.id, RunState.RUNNING)
    store.save_curve(run.id, part_curve())
    app = page(run=run.id).run()
    assert not app.exception
    assert "Training in another process" in texts(app)
    assert "went from 1.50 to **1.00**" in texts(app)
    store.set_state(run.id, RunState.INTERRUPTED)


def test_a_finished_run_shows_its_result_and_can_be_drawn_for(finished_run):
    app = page(run=finished_run.id).run()
    assert not app.exception
    assert [metric.value for metric in app.metric if metric.label == "Test digits read right"] == [
        f"{finished_run.test_accuracy:.2%}"
    ]
    assert app.button(key="draw-for")
    assert "digits it never learned from" in texts(app)


def test_a_failed_run_says_why(store):
    run = store.create(TINY)
    store.set_state(run.id, RunState.FAILED, "The dog ate it.")
    app = page(run=run.id).run()
    assert not app.exception
    assert "The dog ate it." in texts(app)


def test_an_interrupted_run_shows_the_curve_it_had(store):
    run = store.create(TINY)
    store.save_curve(run.id, part_curve())
    store.set_state(run.id, RunState.INTERRUPTED)
    app = page(run=run.id).run()
    assert not app.exception
    assert "The app was ended" in texts(app)
    assert "went from 1.50 to **1.00**" in texts(app)


def test_the_hyperparameters_of_a_run_can_be_used_again(finished_run):
    app = page(run=finished_run.id).run()
    app.button(key="use-run").click().run()
    assert not app.exception
    assert app.select_slider(key="dnn.train_images").value == TINY.train_images
    assert total(app) == f"{finished_run.parameters:,}"


def test_an_unknown_run_in_the_address_gets_a_sentence_that_repeats_nothing_of_it(finished_run):
    app = page()
    app.query_params["run"] = "![](https://example.org/p.png)"
    app.run()
    assert not app.exception
    assert "There is no such run here" in app.warning[0].value
    assert "example.org" not in texts(app)


def test_a_run_in_the_address_is_opened(store, finished_run):
    store.create(TINY, "a newer one")
    app = page()
    app.query_params["run"] = finished_run.id
    app.run()
    assert not app.exception
    assert app.selectbox(key="run").value == finished_run.id


def test_an_older_run_can_be_drawn_for_after_a_newer_one_has_ended(store, trained, finished_run):
    newer = store.create(TINY, "the newer one")
    store.finish(newer.id, trained)
    app = page(**{"reads-next": {"dnn": newer.id}}, run=finished_run.id).run()
    app.button(key="draw-for").click().run()
    app.switch_page("app.py").run()
    assert app.selectbox(key="reads-dnn").value == finished_run.id


def test_a_run_of_another_version_gets_a_sentence(store):
    run = store.create(TINY, "an old one")
    with store._session() as session:
        session.get(Run, run.id).values = TINY.model_dump(mode="json") | {"epochs": 500}
    store.set_state(run.id, RunState.INTERRUPTED)
    app = page(run=run.id).run()
    assert not app.exception
    assert "another version of this project" in texts(app)


def test_a_store_that_cannot_be_used_gets_a_sentence_and_the_form_stays(broken_store):
    app = page().run()
    assert not app.exception
    assert "cannot be used" in app.error[0].value
    assert app.button(key="train-start")


def test_training_from_the_page_ends_in_a_network_that_is_chosen_for_drawing(store):
    app = page(**{"network": "dnn", "dnn.epochs": 1, "dnn.train_images": 500}).run()
    app.button(key="train-start").click().run()
    assert not app.exception
    run_id = app.session_state["run"]
    deadline = time.monotonic() + 100
    while store.run(run_id).in_progress and time.monotonic() < deadline:
        time.sleep(0.2)
    assert store.run(run_id).state == RunState.FINISHED
    app.run()
    assert any(metric.label == "Test digits read right" for metric in app.metric)
    app.switch_page("app.py").run()
    assert app.selectbox(key="reads-dnn").value == run_id


def test_dnn_and_cnn_values_are_kept_apart():
    app = page(network="dnn").run()
    app.slider(key="dnn.epochs").set_value(9).run()
    app.segmented_control(key="network").set_value("cnn").run()
    assert app.slider(key="cnn.epochs").value == CnnHyperparameters().epochs
    app.segmented_control(key="network").set_value("dnn").run()
    assert app.slider(key="dnn.epochs").value == 9 != DnnHyperparameters().epochs


def test_a_run_can_be_named_before_it_is_started(store):
    app = page(**{"network": "dnn", "dnn.epochs": 1, "dnn.train_images": 100, "run-name": "  my first  "}).run()
    app.button(key="train-start").click().run()
    assert not app.exception
    assert store.run(app.session_state["run"]).name == "my first"


def test_before_anything_was_trained_the_page_invites_to(monkeypatch, tmp_path):
    empty = RunStore(f"sqlite:///{tmp_path}/runs.sqlite3")
    monkeypatch.setattr(resources, "store", lambda: empty)
    app = page().run()
    assert not app.exception
    assert "No network was trained here yet" in app.info[0].value


def test_a_third_training_waits_in_a_queue_and_each_can_be_stopped_from_the_page():
    long = DnnHyperparameters(hidden_units=(64,), epochs=100)
    engine = resources.engine()
    run_ids = [engine.start(long) for _ in range(3)]
    deadline = time.monotonic() + 60
    while not all((live := engine.live(run_id)) and live.latest for run_id in run_ids[:2]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "Waiting: 1 in the queue." in texts(page(run=run_ids[2]).run())
    running = page(run=run_ids[0]).run()
    assert "Epoch" in texts(running) and "images a second" in texts(running)
    for run_id in reversed(run_ids):
        page(run=run_id).run().button(key="train-stop").click().run()
    while any(map(engine.live, run_ids)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    states = [resources.store().run(run_id).state for run_id in run_ids]
    assert states == [RunState.STOPPED, RunState.STOPPED, RunState.FAILED]
