"""The Compare page, without a browser: the table, two networks side by side, and the digits that
split them."""

import re

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.runs import comparison, pretrained
from mnist_models.runs.comparison import Box
from mnist_models.runs.tables import RunState
from pages.parts import canvas, resources
from tests.pages.conftest import APP, TINY
from tests.pages.test_train import texts

DNN, CNN = "shipped-dnn", "shipped-cnn"
READINGS = [pretrained.predictions(run_id) for run_id in (DNN, CNN)]
LABELS = dataset.load().test.labels
BOXES = comparison.boxes(*READINGS, LABELS)
LEAD = (
    f"The CNN classifies **{len(BOXES[Box.SECOND]) - len(BOXES[Box.FIRST])} more digits** correctly"
)
MISREAD = [int((reading.digits != LABELS).sum()) for reading in READINGS]


def page(**session) -> AppTest:
    """The page, not yet run, with the table unfolded."""
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/compare.py")
    app.session_state["runs-panel"] = True
    for key, value in session.items():
        app.session_state[key] = value
    return app


def listed(app: AppTest):
    """The table of runs, by the runs' labels."""
    return app.dataframe[0].value.set_index("Name")


def gallery(app: AppTest, key: str) -> list[int]:
    """The test images that a gallery shows, in its order."""
    return [
        int(button.key.removeprefix(f"{key}-"))
        for button in app.button
        if button.label.startswith("No. ") and button.key.startswith(key)
    ]


def captions(app: AppTest) -> list[str]:
    """What stands below the digits of all galleries, in their order."""
    return [caption for pictures in app.get("image") for caption in pictures.captions]


def two(app: AppTest) -> tuple[str, str]:
    return tuple(place(app, name).value for name in ("First model", "Second model"))


def place(app: AppTest, name: str):
    """The list of the networks for this place."""
    return next(box for box in app.selectbox if box.label == name)


@pytest.fixture
def others(store, trained):
    """Three more runs of one name, which differ in their dropout; deleted in the end."""
    runs = [
        store.create(TINY.model_copy(update={"dropout": dropout}), "one of three")
        for dropout in (0.1, 0.3, 0.5)
    ]
    for run in runs:
        store.finish(run.id, trained)
    yield [store.run(run.id) for run in runs]
    store.restore([run.id for run in runs])
    store.delete([run.id for run in runs])


def test_the_page_opens_with_all_runs_and_the_best_of_each_network_side_by_side(finished_run):
    app = page().run()
    assert not app.exception
    assert {finished_run.label, "Pretrained DNN", "Pretrained CNN"} <= set(listed(app).index)
    assert two(app) == (DNN, CNN)
    assert f"{LEAD} than the DNN; both misclassify {len(BOXES[Box.NEITHER])}." in texts(app)
    assert f"The DNN misclassifies **{MISREAD[0]}** of 10,000 digits" in texts(app)
    assert f"The CNN misclassifies **{MISREAD[1]}** of" in texts(app)


def test_the_page_begins_with_the_two_models_and_the_table_is_folded(finished_run):
    app = page(**{"runs-panel": False}).run()
    assert not app.exception
    assert two(app) == (DNN, CNN) and LEAD in texts(app)
    assert "Name" not in app.dataframe[0].value
    app.session_state["runs-panel"] = True
    app.run()
    assert finished_run.label in listed(app).index


def test_the_table_tells_of_each_run_what_came_out_of_it(finished_run):
    row = listed(page().run()).loc[finished_run.label]
    assert row["Model"] == "DNN" and row["State"] == "finished"
    assert row["Test accuracy"] == pytest.approx(100 * finished_run.test_accuracy)
    assert (row["Test loss"], row["Parameters"]) == (
        finished_run.test_loss,
        finished_run.parameters,
    )
    assert row["Training time (s)"] == finished_run.elapsed_s


def test_of_the_hyperparameters_only_those_that_differ_are_in_the_table(others):
    app = page().run()
    app.text_input(key="compare-text").set_value("ONE of three").run()
    assert not app.exception
    assert sorted(listed(app).index) == sorted(run.label for run in others)
    assert sorted(listed(app)["Dropout"]) == [0.1, 0.3, 0.5]
    assert not {"Epochs", "Optimizer", "Hidden layers", "Seed"} & set(listed(app))


def test_the_filter_takes_the_network_too_and_says_when_nothing_is_left(finished_run):
    app = page(**{"compare-networks": ["cnn"]}).run()
    assert set(listed(app)["Model"]) == {"CNN"}
    app.text_input(key="compare-text").set_value("no such name").run()
    assert not app.exception
    assert app.button(key="delete-runs").disabled
    assert any("No run matches this name" in info.value for info in app.info)
    assert two(app) == (DNN, CNN)


def test_runs_that_came_to_nothing_are_in_the_table_but_cannot_be_compared(store):
    runs = {
        state: store.create(TINY, f"it {state}")
        for state in (RunState.FAILED, RunState.INTERRUPTED, RunState.RUNNING)
    }
    for state, run in runs.items():
        store.set_state(run.id, state, "The dog ate it.")
    app = page(**{"compare-ticked": {runs[RunState.FAILED].id}}).run()
    assert not app.exception
    states = listed(app)["State"]
    assert {state: states[run.label] for state, run in runs.items()} == {
        state: str(state) for state in runs
    }
    assert not any(
        run.label in option for run in runs.values() for option in place(app, "First model").options
    )
    assert any("There is no curve of these runs" in info.value for info in app.info)
    store.set_state(runs[RunState.RUNNING].id, RunState.INTERRUPTED)


def test_a_run_is_renamed_and_an_empty_name_is_refused(store, others):
    run = others[0]
    app = page(**{"compare-ticked": {run.id}}).run()
    app.text_input(key=f"new-name-{run.id}").set_value("   ").run()
    app.button(key="rename-run").click().run()
    assert "A run needs a name" in app.error[0].value
    assert store.run(run.id).name == "one of three"
    app.text_input(key=f"new-name-{run.id}").set_value(" **bold** ").run()
    app.button(key="rename-run").click().run()
    assert not app.exception and not app.error
    assert store.run(run.id).name == "**bold**"
    assert f"**bold** {run.id[:4]}" in listed(app).index


def test_deleted_runs_are_gone_at_once_and_undo_brings_them_back_ticked(store, others):
    gone = others[:2]
    app = page(
        **{
            "compare-ticked": {run.id for run in gone},
            "compare-second": gone[0].id,
            "compare-address": (None, None),
        }
    ).run()
    assert two(app)[1] == gone[0].id
    app.button(key="delete-runs").click().run()
    assert not app.exception
    assert "Deleted 2 runs." in texts(app)
    assert not {run.label for run in gone} & set(listed(app).index)
    assert two(app) == (DNN, CNN)
    app.button(key="undo-delete").click().run()
    assert {run.label for run in gone} <= set(listed(app).index)
    assert "Deleted" not in texts(app)
    assert app.button(key="delete-runs").label == "Delete 2 runs"


@pytest.mark.parametrize("pretrained", [True, False])
def test_what_must_not_be_deleted_stays_with_a_sentence_why(store, others, pretrained):
    stays = DNN if pretrained else store.create(TINY, "in progress").id
    app = page(**{"compare-ticked": {stays, others[0].id}}).run()
    app.button(key="delete-runs").click().run()
    assert not app.exception
    assert ("comes with the app" if pretrained else "stop it first") in app.error[0].value
    assert store.run(others[0].id) and store.run(stays)
    assert app.run().error  # until something else is done
    if not pretrained:
        store.set_state(stays, RunState.INTERRUPTED)


def test_a_name_is_no_markdown(store, trained):
    run = store.create(TINY, "![x](https://example.org)")
    store.finish(run.id, trained)
    app = page(**{"compare-ticked": {run.id}}).run()
    assert not app.exception
    assert "\\!\\[x\\](https\\:\u2060//example.org)" in texts(app) and "![x]" not in texts(app)
    app.button(key="delete-runs").click().run()
    assert "Deleted \\!\\[x\\]" in texts(app)


def test_two_ticked_runs_are_compared_and_their_networks_told_apart_where_they_are_of_one_kind(
    others,
):
    app = page(**{"compare-ticked": {run.id for run in others[:2]}}).run()
    app.button(key="compare-two").click().run()
    assert not app.exception
    assert set(two(app)) == {run.id for run in others[:2]}
    assert not app.session_state["runs-panel"]  # the comparison is seen at once
    assert tuple(app.query_params[name] for name in ("first", "second")) == two(app)
    assert "The first DNN and the second DNN classify equally many test digits correctly" in texts(
        app
    )
    assert "for the second DNN (" in texts(app)
    assert any(caption.count("first: ") == 1 for caption in captions(app))


def test_how_far_the_probabilities_can_be_believed_is_told_before_and_after_the_temperature(store):
    app = page()
    app.query_params.update({"first": DNN, "second": CNN})
    app.run()
    assert not app.exception
    for run_id in (DNN, CNN):
        run, evaluation = store.run(run_id), resources.evaluation(run_id)
        told = [
            caption.value
            for caption in app.caption
            if caption.value.startswith(f"{run.hyperparameters.title}: on average, the prob")
        ]
        assert len(told) == 1
        assert f"differs by {evaluation.calibration_error:.2%} from" in told[0]
        assert f"before temperature scaling (T = {run.temperature:.2f}," in told[0]
        assert told[0].endswith(f" by {evaluation.untempered_calibration_error:.2%}.")


def test_a_comparison_can_be_linked_and_an_unknown_run_in_a_link_gets_a_sentence(finished_run):
    app = page()
    app.query_params.update({"first": finished_run.id, "second": DNN})
    app.run()
    assert two(app) == (finished_run.id, DNN) and not app.warning
    app = page()
    app.query_params.update({"first": finished_run.id, "second": "![](https://example.org)"})
    app.run()
    assert not app.exception
    assert two(app) == (finished_run.id, CNN)
    assert "not here or has no model" in app.warning[0].value and "example.org" not in texts(app)


def test_one_network_chosen_twice_is_shown_alone_with_a_sentence():
    app = page().run()
    place(app, "First model").select(CNN).run()
    assert not app.exception
    assert any("one and the same model" in info.value for info in app.info)
    assert f"The CNN misclassifies **{MISREAD[1]}** of" in texts(
        app
    ) and "more digits" not in texts(app)


@pytest.mark.parametrize("box", Box)
def test_the_digits_of_each_box_are_shown_a_page_at_a_time(box):
    app = page().run()
    pills = next(group for group in app.pills if group.key == "parting-shipped-dnn-shipped-cnn-box")
    pills.set_value(box).run()
    assert not app.exception
    assert gallery(app, "parting-shipped-dnn-shipped-cnn-box-digits") == BOXES[box][:24].tolist()
    if len(BOXES[box]) > 24:
        app.button(key="parting-shipped-dnn-shipped-cnn-box-digits-more").click().run()
        assert (
            gallery(app, "parting-shipped-dnn-shipped-cnn-box-digits") == BOXES[box][:48].tolist()
        )


def test_the_list_of_cells_begins_with_the_most_frequent_mistake_and_shows_the_digits_of_any():
    app = page().run()
    cells = app.selectbox(key="confusion-shipped-dnn-shipped-cnn-cell")
    tables = [confusion_matrix(LABELS, reading.digits) for reading in READINGS]
    most = max(table[~np.eye(10, dtype=bool)].max() for table in tables)
    name, label, digit, count = re.fullmatch(
        r"(.NN): (\d) predicted as (\d) \((\d+) digits\)", cells.options[0]
    ).groups()
    assert int(count) == most == tables[("DNN", "CNN").index(name)][int(label), int(digit)]
    cells.set_value((1, 9, 4)).run()
    assert not app.exception
    found = np.flatnonzero((LABELS == 9) & (READINGS[1].digits == 4))
    assert sorted(gallery(app, "confusion-shipped-dnn-shipped-cnn-cell-digits")) == found.tolist()
    confidences = (
        READINGS[1]
        .confidences[gallery(app, "confusion-shipped-dnn-shipped-cnn-cell-digits")]
        .tolist()
    )
    assert confidences == sorted(confidences, reverse=True)


def test_each_digit_is_told_with_what_was_read_and_how_sure():
    app = page().run()
    index = BOXES[Box.SECOND][0]
    dnn, cnn = ((reading.digits[index], reading.confidences[index]) for reading in READINGS)
    told = (
        f"actual **{LABELS[index]}**  \nDNN: {dnn[0]} ✗ {dnn[1]:.1%}  "
        f"\nCNN: {cnn[0]} ✓ {cnn[1]:.1%}"
    )
    assert told in captions(app)


def test_a_digit_is_opened_on_the_drawing_page():
    app = page().run()
    index = int(BOXES[Box.SECOND][0])
    app.button(key=f"parting-shipped-dnn-shipped-cnn-box-digits-{index}").click().run()
    assert not app.exception
    board: canvas.Board = app.session_state["board"]
    assert (
        board.origin == f"Test image {index:,}, label {LABELS[index]}. You can draw on top of it."
    )
    assert any(
        metric.label == "CNN reads" and metric.value == str(LABELS[index]) for metric in app.metric
    )


def test_a_run_of_an_older_version_is_read_once_and_what_it_reads_kept(store, others, trained):
    run_id = others[0].id
    with store._session() as session:
        session.execute(text("DELETE FROM readings WHERE run_id = :run"), {"run": run_id})
    assert store.predictions(run_id) is None
    resources.predictions.clear(run_id)
    app = page(**{"compare-second": run_id, "compare-address": (None, None)}).run()
    assert not app.exception
    np.testing.assert_array_equal(store.predictions(run_id).digits, trained.predictions.digits)


def test_without_a_store_the_networks_that_ship_are_still_compared(broken_store):
    app = page().run()
    assert not app.exception
    assert ["cannot be used" in error.value for error in app.error] == [True]
    assert LEAD in texts(app)
