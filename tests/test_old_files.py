"""What older versions of the app made still opens: a store, a run as a file, links.

The files in tests/old were made by the version before 0.1.0, with small models; each is kept as it
was written.
"""

import gzip
import json
from pathlib import Path

import pytest

from mnist_models.data import dataset
from mnist_models.data.corruptions import CORRUPTIONS
from mnist_models.explain import robustness
from mnist_models.models.evaluation import evaluate
from mnist_models.runs.exports import import_runs
from mnist_models.runs.loading import load_classifier
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import RunState
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters

OLD = Path(__file__).with_name("old")
SMALL = {"epochs": 2, "train_images": 300, "validation_images": 100, "batch_size": 64}
DNN = DnnHyperparameters(hidden_units=(12,), activation="gelu", learning_rate=0.01, **SMALL)
CNN = CnnHyperparameters(conv_layers="4x5/2+pool2", dense_units="8", **SMALL)
# What the version that trained them told of each: test accuracy and confidence threshold.
MEASURED = {"b314adcc": (0.4351, 0.1871155403623284), "b4f2ae00": (0.1828, 0.10490814734248229)}


@pytest.fixture
def old_store(tmp_path):
    (tmp_path / "runs.sqlite3").write_bytes(
        gzip.decompress((OLD / "store.sqlite3.gz").read_bytes())
    )
    return RunStore(f"sqlite:///{tmp_path}/runs.sqlite3")


def test_the_runs_of_an_old_store_are_all_there(old_store):
    runs = {run.id: run for run in old_store.runs()}
    assert {run.name for run in runs.values()} == {"an old DNN", "an old CNN", "one that waited"}
    assert [runs[run_id].hyperparameters for run_id in MEASURED] == [DNN, CNN]
    for run_id, (accuracy, threshold) in MEASURED.items():
        assert runs[run_id].test_accuracy == accuracy
        assert runs[run_id].confidence_threshold == threshold
        assert len(old_store.curve(run_id).epochs) == 2
        assert [checkpoint.epoch for checkpoint in old_store.checkpoints(run_id)] == [1.0]


def test_a_run_that_an_old_app_left_in_its_queue_is_marked_as_interrupted(old_store):
    old_store.interrupt_orphans()
    (waited,) = [run for run in old_store.runs() if run.name == "one that waited"]
    assert waited.state == RunState.INTERRUPTED


@pytest.mark.parametrize("run_id", MEASURED)
def test_the_models_of_an_old_store_classify_as_they_did(old_store, run_id):
    test = dataset.load().test
    kept = old_store.predictions(run_id)
    accuracy = MEASURED[run_id][0]
    assert evaluate(kept, test.labels, 1.0).accuracy == pytest.approx(accuracy)
    again = load_classifier(old_store, run_id).predictions(test.images)
    # On another processor the last bits differ, and a digit between two equal ones with them.
    assert evaluate(again, test.labels, 1.0).accuracy == pytest.approx(accuracy, abs=0.002)


def test_the_robustness_curve_of_an_old_store_is_found(old_store):
    run_id = next(iter(MEASURED))
    origin = robustness.origin(old_store.run(run_id), CORRUPTIONS["noise"])
    curve = old_store.robustness_curve(run_id, "noise", 100, origin)
    assert curve is not None and curve[0] == 0.43 and len(curve) == 31


def test_an_old_run_as_a_file_is_imported(store):
    with (OLD / "run.zip").open("rb") as file:
        (run,) = import_runs(store, file)
    accuracy, threshold = MEASURED["b4f2ae00"]
    assert run.name == "an old CNN" and run.hyperparameters == CNN
    assert run.confidence_threshold == threshold
    assert run.test_accuracy == pytest.approx(accuracy, abs=0.002)  # measured again


def test_old_links_mean_what_they_meant():
    defaults = json.loads((OLD / "defaults-1.json").read_text())
    dnn = {"network": "dnn", "hidden_units": "12", "activation": "gelu", "epochs": "2"}
    read = links.from_query(dnn)
    values = defaults["dnn"] | {"hidden_units": [12], "activation": "gelu", "epochs": 2}
    assert read.model_dump(mode="json") == values
    race = links.race_from_query({"race": "1", "epochs": "2", "dnn.hidden_units": "64"})
    assert race["dnn"].model_dump(mode="json") == defaults["dnn"] | {
        "hidden_units": [64],
        "epochs": 2,
    }
    assert race["cnn"].model_dump(mode="json") == defaults["cnn"] | {"epochs": 2}
