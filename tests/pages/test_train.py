"""The Train page, without a browser: the form, and runs in every state."""

import io
import re
import time
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import streamlit as st
from PIL import Image, ImageColor
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Expander, Selectbox

from mnist_models.imports import bring
from mnist_models.models.networks import build
from mnist_models.runs import race
from mnist_models.runs.engine import Live
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run, RunState
from mnist_models.settings.hyperparameters import NETWORKS, CnnHyperparameters, DnnHyperparameters
from mnist_models.settings.notebook import notebook
from mnist_models.settings.script import script
from mnist_models.training.progress import Curve, Progress
from pages.parts import resources, visitors
from pages.parts.charts import palette
from tests.conftest import racers
from tests.pages.conftest import APP, TINY, address

# Of the files of a run, in the order of the menu.
KINDS = (
    ".zip", ".py", ".ipynb", ".png",
    ".keras", ".onnx", ".tflite", "-int8.tflite", "-tfjs.zip",
)  # fmt: skip


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
    (metric,) = [metric for metric in app.metric if metric.label == "Total parameters"]
    return metric.value


def runs_in_list(app: AppTest) -> Selectbox:
    """The list of runs."""
    (box,) = [box for box in app.selectbox if box.label == "Run"]
    return box


def complaints(app: AppTest) -> list[str]:
    """What is wrong with a link; the run that is shown may have a warning of its own."""
    return [one.value for one in app.warning if "link cannot be used" in one.value]


def settings(app: AppTest) -> Expander:
    """What the form is in."""
    return next(one for one in app.expander if one.label.startswith("**Settings**"))


def part_curve() -> Curve:
    curve = Curve.empty(TINY)
    for step in (1, 2):
        told = {
            "losses": (2.0 - step / 2,),
            "accuracies": (0.5,),
            "images_per_s": 1e4,
            "elapsed_s": 0.1,
            "remaining_s": 1,
        }
        curve.add(Progress(step=step, epoch=step / 4, learning_rate=0.001, **told))
    return curve


def until(condition):
    """Waits for something that the engine does."""
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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
        mine = [
            widget
            for widget in widgets
            if widget.key and widget.key.startswith(f"{network}.{name}")
        ]
        assert mine, name
        assert choice.help in mine[0].help


def test_moving_a_slider_shows_the_new_parameter_count():
    app = page(network="dnn").run()
    app.slider(key="dnn.hidden_units.count").set_value(1).run()
    app.select_slider(key="dnn.hidden_units.0").set_value(100).run()
    app.toggle(key="dnn.batch_norm").set_value(False).run()
    assert total(app) == f"{784 * 100 + 100 + 100 * 10 + 10:,}"


def test_pooling_the_image_away_says_so_below_the_slider_and_disables_training():
    app = page(network="cnn").run()  # three convolutions, two of which already halve the image
    for index in range(3):
        app.select_slider(key=f"cnn.conv_layers.{index}.pool").set_value(3).run()
    assert not app.exception
    assert app.button(key="train-start").disabled
    complaints = [error.value for error in app.error if "Convolutional layer 2" in error.value]
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
    app.selectbox(key="cnn.recipe").select("shipped-cnn").run()
    app.button(key="cnn.use-recipe").click().run()
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
    assert "fell from 1.50 to **1.00**" in texts(app)
    store.set_state(run.id, RunState.INTERRUPTED)


def test_a_finished_run_shows_its_result_and_can_be_drawn_for(finished_run):
    app = page(run=finished_run.id).run()
    assert not app.exception
    assert [metric.value for metric in app.metric if metric.label == "Test accuracy"] == [
        f"{finished_run.test_accuracy:.2%}"
    ]
    assert app.button(key="draw-for")
    assert "the validation accuracy is" in texts(app)


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
    assert "fell from 1.50 to **1.00**" in texts(app)


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
    assert "The run in the address is not here" in app.warning[0].value
    assert "example.org" not in texts(app)


def test_a_run_in_the_address_is_opened(store, finished_run):
    store.create(TINY, "a newer one")
    app = page()
    app.query_params["run"] = finished_run.id
    app.run()
    assert not app.exception
    assert runs_in_list(app).value == finished_run.id


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
    until(lambda: not store.run(run_id).in_progress)
    assert store.run(run_id).state == RunState.FINISHED
    app.run()
    assert any(metric.label == "Test accuracy" for metric in app.metric)
    app.switch_page("app.py").run()
    assert app.selectbox(key="reads-dnn").value == run_id


def test_a_press_whose_answer_was_ended_halfway_starts_no_second_run(store, finished_run):
    runs = len(store.runs())
    started = SimpleNamespace(run_ids=[finished_run.id])
    app = page(**{"network": finished_run.network, "train-press": started}).run()
    assert not app.exception
    assert app.session_state["run"] == finished_run.id and "train-press" not in app.session_state
    assert len(store.runs()) == runs


def test_dnn_and_cnn_values_are_kept_apart():
    app = page(network="dnn").run()
    app.slider(key="dnn.epochs").set_value(9).run()
    app.segmented_control(key="network").set_value("cnn").run()
    assert app.slider(key="cnn.epochs").value == CnnHyperparameters().epochs
    app.segmented_control(key="network").set_value("dnn").run()
    assert app.slider(key="dnn.epochs").value == 9 != DnnHyperparameters().epochs


def test_a_run_can_be_named_before_it_is_started(store):
    app = page(
        **{"network": "dnn", "dnn.epochs": 1, "dnn.train_images": 100, "run-name": "  my first  "}
    ).run()
    app.button(key="train-start").click().run()
    assert not app.exception
    assert store.run(app.session_state["run"]).name == "my first"


def test_before_anything_was_trained_the_form_has_the_page(monkeypatch, tmp_path):
    empty = RunStore(f"sqlite:///{tmp_path}/runs.sqlite3")
    monkeypatch.setattr(resources, "store", lambda: empty)
    app = page().run()
    assert not app.exception
    assert settings(app).proto.expanded and settings(app).label == "**Settings**"
    assert not [box for box in app.selectbox if box.label == "Run"]


def test_watching_a_run_folds_the_form_and_its_settings_unfold_it_with_nothing_lost(
    store, finished_run
):
    # A newer one, so that it is this that the page shows first.
    store.set_state(store.create(TINY).id, RunState.INTERRUPTED)
    app = page(network="dnn").run()
    app.slider(key="dnn.epochs").set_value(9).run()
    app.toggle(key="dnn.batch_norm").set_value(False).run()
    runs_in_list(app).set_value(finished_run.id).run()
    assert not settings(app).proto.expanded
    told = f"DNN, {finished_run.parameters:,} parameters, 1 epoch"
    assert settings(app).label == f"**Settings** · watching: {told}"
    assert app.slider(key="dnn.epochs").value == 9
    assert not app.toggle(key="dnn.batch_norm").value
    app.button(key="use-run").click().run()
    assert settings(app).proto.expanded
    assert app.slider(key="dnn.epochs").value == TINY.epochs


def test_a_run_that_others_have_started_does_not_fold_the_form(store):
    run = store.create(TINY)
    app = page().run()
    assert runs_in_list(app).value == run.id
    assert settings(app).proto.expanded
    store.set_state(run.id, RunState.INTERRUPTED)


def test_a_third_training_waits_in_a_queue_and_each_can_be_stopped_from_the_page():
    long = DnnHyperparameters(hidden_units=(16,), epochs=100, train_images=20_000)
    engine = resources.engine()
    run_ids = [engine.start(long) for _ in range(3)]
    until(lambda: all((live := engine.live(run_id)) and live.latest for run_id in run_ids[:2]))
    told = texts(page(run=run_ids[2]).run())
    assert "Waiting: number 1 in the queue. Models that can train at once: 2;" in told
    running = page(run=run_ids[0]).run()
    assert "Epoch" in texts(running) and "images per second" in texts(running)
    for run_id in reversed(run_ids):
        page(run=run_id).run().button(key="train-stop").click().run()
    until(lambda: not any(map(engine.live, run_ids)))
    states = [resources.store().run(run_id).state for run_id in run_ids]
    assert states == [RunState.STOPPED, RunState.STOPPED, RunState.FAILED]


# Driving
# ------------------------------------------------------------------------------------------


def test_a_training_is_paused_goes_on_for_an_epoch_and_at_another_learning_rate():
    engine = resources.engine()
    run_id = engine.start(DnnHyperparameters(hidden_units=(16,), epochs=100, train_images=5_000))
    until(lambda: (live := engine.live(run_id)) and live.latest)
    app = page(run=run_id).run()
    app.button(key="train-pause").click().run()
    until(lambda: engine.live(run_id).paused_at)
    app.run()
    assert "· paused ·" in texts(app)
    paused_in = int(engine.live(run_id).latest.epoch)
    app.button(key="train-step").click().run()
    until(lambda: (live := engine.live(run_id)).paused_at and live.latest.epoch == paused_in + 1)
    app.run()
    app.select_slider(key=f"rate-{run_id}-0.006").set_value(0.01).run()
    app.button(key="train-resume").click().run()
    until(lambda: engine.curve(run_id).changes)
    app.run()
    assert not app.exception
    assert app.button(key="train-pause")
    app.button(key="train-stop").click().run()
    until(lambda: engine.live(run_id) is None)
    (change,) = resources.store().curve(run_id).changes
    assert (change.epoch, change.learning_rate) == (paused_in + 1, 0.01)


# Racing
# ------------------------------------------------------------------------------------------


def race_page(**session) -> AppTest:
    small = {
        "race.train_images": 500,
        "race.validation_images": 100,
        "dnn.hidden_units.0": 16,
        "cnn.conv_layers.0.filters": 4,
    }
    return page(network="race", **small | session)


def test_a_race_ends_in_who_won_and_both_can_be_drawn_for(store, offered):
    app = race_page(**{"race.epochs": 1}).run()
    assert not app.exception
    app.button(key="train-start").click().run()
    assert not app.exception
    race = store.run(app.session_state["run"]).race
    until(lambda: all(run.readable for run in racers(store, race)))
    app.run()
    runs = racers(store, race)
    assert [run.network for run in runs] == list(NETWORKS)
    assert [run.images_seen for run in runs] == [500, 500]
    (verdict,) = app.success
    assert "won" in verdict.value or "Too close to call" in verdict.value
    for run in runs:
        assert f"{run.test_accuracy:.2%}" in verdict.value
        assert app.button(key=f"draw-for-{run.network}")
    # Handed in as one file, it is a race again where that is imported.
    name = f"race-{runs[0].id[:4]}"
    content = offered[f"{name}.zip"]()
    brought, problem = resources.imported(
        content, "race.zip", lambda share: None, visitors.rights()
    )
    assert problem is None and brought.race not in (None, race)
    assert len(racers(store, brought.race)) == 2
    with Image.open(io.BytesIO(offered[f"{name}.png"]())) as both:
        assert colors_of(both) == set(palette.COLORS.values())


def finished_race(store: RunStore, trained) -> list[Run]:
    """The two runs of a race in which both are as good."""
    runs = store.create_race([TINY, CnnHyperparameters(epochs=1, train_images=500)], "ours")
    for run in runs:
        store.finish(run.id, trained)
    return [store.run(run.id) for run in runs]


def test_a_bet_is_placed_before_the_start_stays_in_the_address_and_is_settled(store):
    app = race_page(**{"race.epochs": 1}).run()
    app.segmented_control(key="bet").set_value("cnn").run()
    app.button(key="train-start").click().run()
    assert not app.exception
    first = store.run(app.session_state["run"])
    assert (app.query_params["run"], app.query_params["bet"]) == (first.id, "cnn")
    assert app.segmented_control(key="bet").value is None  # the next race has a bet of its own
    until(lambda: all(run.readable for run in racers(store, first.race)))
    again = page()  # as after a reload
    again.query_params.update({"run": first.id, "bet": "cnn"})
    for visit in (app, again):
        (verdict,) = visit.run().success
        assert "The bet was on the CNN, " in verdict.value
    other = store.create(TINY)
    again.run()
    runs_in_list(again).set_value(other.id).run()
    assert again.query_params["run"] == other.id and "bet" not in again.query_params
    store.set_state(other.id, RunState.INTERRUPTED)


def test_a_bet_that_nobody_can_place_is_ignored(store, trained):
    app = page()
    app.query_params.update({"run": finished_race(store, trained)[0].id, "bet": "![](x)"})
    app.run()
    assert not app.exception
    (verdict,) = app.success
    assert "bet" not in verdict.value and "bet" not in app.query_params


def test_a_race_can_be_alone_on_the_screen_in_large_type_and_leads_back(store, trained):
    first, _ = finished_race(store, trained)
    app = page(network="dnn").run()
    app.slider(key="dnn.epochs").set_value(9).run()
    runs_in_list(app).set_value(first.id).run()
    app.button(key="alone").click().run()
    assert not app.exception
    assert (app.query_params["run"], app.query_params["hide"]) == (first.id, "1")
    assert app.session_state["is-large"]
    assert not app.expander and not app.get("page_link")
    accuracy = f"{first.measured.test_accuracy:.2%}"
    assert [metric.value for metric in app.metric] == [accuracy, accuracy]
    assert len(app.get("vega_lite_chart")) == 2 and app.success
    app.button(key="leave-alone").click().run()
    assert "hide" not in app.query_params and app.query_params["run"] == first.id
    assert not app.session_state["is-large"]
    assert app.slider(key="dnn.epochs").value == 9


def test_a_run_alone_is_reloaded_and_its_settings_in_the_address_stay_those_of_the_form(
    store, trained
):
    first, _ = finished_race(store, trained)
    app = linked(network="dnn", epochs="7", run=first.id, hide="1")
    assert not app.exception and not complaints(app)
    assert app.session_state["is-large"] and app.success
    app.button(key="leave-alone").click().run()
    assert app.slider(key="dnn.epochs").value == 7


def test_what_a_browser_tells_of_a_list_that_is_gone_is_no_choice(store):
    """As while a run that was just started takes the place of another one."""
    shown, started, told = (store.create(TINY) for _ in range(3))
    app = page(run=shown.id).run()
    app.session_state["run"] = started.id
    runs_in_list(app).set_value(told.id).run()
    assert not app.exception and runs_in_list(app).value == started.id
    for run in (shown, started, told):
        store.set_state(run.id, RunState.INTERRUPTED)


def test_two_races_that_begin_within_a_minute_are_told_apart(store, trained):
    """Two visitors' races: each goes on to see its own."""
    for chosen in [finished_race(store, trained)[0].id for _ in range(2)]:
        app = page(run=chosen).run()
        assert not app.exception
        assert runs_in_list(app).value == chosen
        labels = runs_in_list(app).options
        assert len(set(labels)) == len(labels) >= 2


def test_a_race_gives_both_the_same_data_seed_and_budget(monkeypatch):
    entered = []
    monkeypatch.setattr(
        resources.engine(),
        "race",
        lambda entrants, name, visitor: [entered.append(list(entrants)), "a", "b"][1:],
    )
    app = race_page(
        **{
            "race.budget": "images",
            "race.budget_images": 1_200,
            "race.seed": 7,
            "race.wrong_labels": 0.1,
        }
    ).run()
    app.button(key="train-start").click().run()
    dnn, cnn = entered[0]
    assert (dnn.network, cnn.network) == ("dnn", "cnn")
    for name in (*race.SHARED, *race.LIMITS):
        assert getattr(dnn, name) == getattr(cnn, name)
    assert (dnn.budget_images, dnn.epochs, dnn.seed, dnn.wrong_labels) == (1_200, 3, 7, 0.1)


def test_the_parameter_counts_of_a_race_can_be_matched():
    app = race_page().run()
    app.button(key="match").click().run()
    assert not app.exception
    counts = [
        int(metric.value.replace(",", ""))
        for metric in app.metric
        if metric.label.endswith(" parameters")
    ]
    assert counts[0] == pytest.approx(counts[1], rel=0.02)


def test_counts_that_cannot_be_matched_get_a_sentence():
    app = page(
        **{
            "network": "race",
            "cnn.conv_layers.count": 1,
            "cnn.dense_units.0": 1024,
            "cnn.conv_layers.0.pool": 0,
        }
    ).run()
    app.select_slider(key="cnn.conv_layers.0.filters").set_value(128).run()
    app.button(key="match").click().run()
    assert not app.exception
    assert any("No DNN here has about" in error.value for error in app.error)


def test_a_budget_of_more_images_than_epochs_allow_says_so_below_its_widget():
    app = race_page(
        **{"race.budget": "images", "race.budget_images": 100_000, "race.train_images": 100}
    ).run()
    assert not app.exception
    assert app.button(key="train-start").disabled
    assert sum("choose at most 10,000" in error.value for error in app.error) == 2


# Links
# ------------------------------------------------------------------------------------------


def linked(**query) -> AppTest:
    app = page()
    for name, text in query.items():
        app.query_params[name.replace("__", ".")] = text
    return app.run()


def test_a_link_moves_the_sliders_and_stays_until_they_are_moved():
    app = linked(network="dnn", hidden_units="100,80,50", plain_layers="1", epochs="7")
    assert not app.exception and not complaints(app)
    assert total(app) == "91,860"
    assert app.slider(key="dnn.epochs").value == 7
    kept = address(app)
    assert (kept["network"], kept["hidden_units"], kept["epochs"]) == ("dnn", "100,80,50", "7")
    app.slider(key="dnn.epochs").set_value(8).run()
    assert not app.exception and app.slider(key="dnn.epochs").value == 8
    kept = address(app)
    assert (kept["hidden_units"], kept["epochs"]) == ("100,80,50", "8")


def test_a_reload_shows_the_form_as_it_was():
    app = page().run()
    app.slider(key="cnn.epochs").set_value(11).run()
    again = page()
    again.query_params.update(address(app))
    again.run()
    assert not again.exception and again.slider(key="cnn.epochs").value == 11


def test_what_the_browser_still_tells_of_an_older_address_moves_nothing_back():
    app = page().run()
    app.slider(key="cnn.epochs").set_value(9).run()
    older = address(app)
    app.slider(key="cnn.epochs").set_value(11).run()
    app.query_params.update(older)
    app.run()
    assert not app.exception and app.slider(key="cnn.epochs").value == 11


def test_a_link_is_followed_again_by_who_comes_by_it_again():
    app = linked(network="dnn", epochs="7")
    link = address(app)  # the same as the app's own links to these settings
    app.slider(key="dnn.epochs").set_value(8).run()
    app.switch_page("app.py").run()
    app.switch_page("pages/train.py")
    app.query_params.clear()
    app.query_params.update(link)
    app.run()
    assert not app.exception and app.slider(key="dnn.epochs").value == 7


def test_a_link_to_a_race_moves_everything():
    app = linked(
        race="1",
        budget_s="20",
        epochs="100",
        seed="3",
        dnn__hidden_units="32",
        cnn__dense_units="none",
    )
    assert not app.exception and not complaints(app)
    assert app.session_state["network"] == "race"
    assert (
        app.session_state["race.budget"] == "seconds" and app.session_state["race.budget_s"] == 20
    )
    assert (
        app.session_state["dnn.hidden_units.count"] == 1
        and app.session_state["cnn.dense_units.count"] == 0
    )
    assert app.session_state["race.seed"] == 3


@pytest.mark.parametrize(
    "query",
    [
        {"network": "transformer"},
        {"network": "cnn", "epochs": "10000"},
        {"network": "cnn", "![x](https://example.org)": "1"},
        {"network": "dnn", "hidden_units": "9" * 5000},
        {"race": "1", "mlp__epochs": "3"},
    ],
)
def test_a_broken_link_gets_a_sentence_and_the_defaults(query):
    app = linked(**query)
    assert not app.exception
    # The run that is shown may have something to say, too.
    (warning,) = [one for one in app.warning if "This link cannot be used" in one.value]
    assert len(warning.value) < 700
    # Nothing that Markdown would make an image or a link of.
    assert not re.search(r"(?<!\\)[\[\]]", warning.value)
    assert total(app) == f"{build(CnnHyperparameters()).count_params():,}"


def test_the_link_and_the_code_of_the_settings_are_shown():
    app = page(network="dnn", **{"dnn.epochs": 9}).run()
    codes = [code.value for code in app.code]
    assert any("network=dnn" in code and "epochs=9" in code for code in codes)
    assert any("keras.Sequential" in code and "EPOCHS = 9" in code for code in codes)


def test_the_images_that_are_learned_from_can_be_looked_at():
    app = page(network="dnn", **{"dnn.train_images": 1_000, "data": True}).run()
    assert not app.exception
    assert "Of the 1,000 training images" in texts(app)


# Export and import
# ------------------------------------------------------------------------------------------


@pytest.fixture
def offered(monkeypatch):
    """What the pages offer for download, each by its file's name: a function that makes it."""
    found, draw = {}, st.download_button

    def button(label, data, **options):
        found[options["file_name"]] = data
        return draw(label, data, **options)

    monkeypatch.setattr(st, "download_button", button)
    return found


def colors_of(picture: Image.Image) -> set[str]:
    """Which of the models' colours are in a picture."""
    pixels = set(picture.convert("RGB").get_flattened_data())
    return {color for color in palette.COLORS.values() if ImageColor.getrgb(color) in pixels}


def test_the_menu_has_all_that_a_run_is_handed_in_with(finished_run, offered, tmp_path):
    app = page(run=finished_run.id).run()
    assert not app.exception
    name = f"dnn-{finished_run.id}"
    assert list(offered) == [*(f"{name}{kind}" for kind in KINDS), "mnist.npz"]
    labels = [button.proto.label for button in app.get("download_button")]
    for words in (
        "Everything", "Script", "Notebook", "Learning curves", "Keras model", "ONNX",
        "TensorFlow Lite (.tflite)", "TensorFlow Lite in int8", "TensorFlow.js", "MNIST",
    ):  # fmt: skip
        assert any(label.startswith(words) for label in labels)
    files = {file: content() for file, content in offered.items()}
    assert files[f"{name}.py"] == script(finished_run.hyperparameters)
    assert files[f"{name}.ipynb"] == notebook(finished_run.hyperparameters)
    for kind in (".onnx", ".tflite", "-int8.tflite", "-tfjs.zip"):
        assert bring.open_file(files[name + kind]).parameters > 0
    (tmp_path / "model.keras").write_bytes(files[f"{name}.keras"])
    model = keras.models.load_model(tmp_path / "model.keras")
    assert model.count_params() == finished_run.parameters
    with Image.open(io.BytesIO(files[f"{name}.png"])) as curves:
        assert curves.format == "PNG" and curves.width > 1_000
        assert colors_of(curves) == {palette.COLORS["dnn"]}
    with zipfile.ZipFile(io.BytesIO(files[f"{name}.zip"])) as archive:
        assert archive.read("learning-curves.png") == files[f"{name}.png"]
    with np.load(io.BytesIO(files["mnist.npz"])) as digits:
        assert digits["x_train"].shape == (60_000, 28, 28) and digits["y_test"].shape == (10_000,)


def test_a_run_without_a_model_offers_no_files(store, offered):
    run = store.create(TINY)
    store.set_state(run.id, RunState.FAILED, "It failed.")
    app = page(run=run.id).run()
    assert not app.exception and not offered


def test_a_run_taken_home_can_be_brought_back(store, finished_run, offered):
    app = page(run=finished_run.id).run()
    app.file_uploader(key="brought").upload(
        "run.zip", offered[f"dnn-{finished_run.id}.zip"](), "application/zip"
    ).run()
    assert not app.exception
    brought = store.run(runs_in_list(app).value)
    assert brought.id != finished_run.id
    assert (brought.values, brought.test_accuracy) == (
        finished_run.values,
        finished_run.test_accuracy,
    )


def test_a_file_that_is_no_run_gets_a_sentence_and_leaves_nothing(store, finished_run):
    before = len(store.runs())
    app = page(run=finished_run.id).run()
    app.file_uploader(key="brought").upload("run.zip", b"PK no", "application/zip").run()
    assert not app.exception
    assert app.error and len(store.runs()) == before


def test_a_network_that_cannot_be_kept_says_so(monkeypatch, store):
    run = store.create(TINY)
    live = Live(run.id, state=RunState.MEASURING, unkept="The disk is full.")
    monkeypatch.setattr(resources.engine(), "live", lambda run_id: live)
    app = page(run=run.id).run()
    assert not app.exception
    assert "The disk is full." in texts(app) and "leave the app running" in texts(app)
    store.set_state(run.id, RunState.INTERRUPTED)
