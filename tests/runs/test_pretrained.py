"""The networks that ship: their cards say what evaluation measures, and they read well enough to
ship."""

import dataclasses
import json

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.models import networks
from mnist_models.models.classifier import Classifier, pack_weights
from mnist_models.models.evaluation import evaluate
from mnist_models.models.predictions import Predictions
from mnist_models.runs import pretrained
from mnist_models.settings.hyperparameters import validate
from mnist_models.settings.recipes import find
from mnist_models.training.checkpoints import Checkpoint
from mnist_models.training.progress import POINTS, Curve, Trained

SNAPSHOTS = (Checkpoint(0.5, b"early"), Checkpoint(1, b"later"))
LOWEST_TEST_ACCURACY = {
    "shipped-dnn": 0.988,
    "shipped-cnn": 0.996,
    "teaching-dnn": 0.965,
    "teaching-cnn": 0.99,
    "quick-dnn": 0.978,
    "quick-cnn": 0.992,
    "scrambled-dnn": 0.978,
    "scrambled-cnn": 0.95,
}
IDS = [run_id for pair in pretrained.PAIRS for run_id in pretrained.ids(pair).values()]


@pytest.fixture(scope="module", params=IDS)
def pretrained_runs(request):
    return pretrained.facts()[request.param]


def test_one_of_each_network_ships_in_each_pair():
    assert list(pretrained.facts()) == IDS == list(LOWEST_TEST_ACCURACY)


def test_the_card_says_what_evaluation_measures(pretrained_runs):
    hyperparameters = validate(pretrained_runs["values"])
    test = dataset.load().test
    predictions = Classifier.from_weights(
        hyperparameters, pretrained.weights(pretrained_runs["id"])
    ).predictions(test.images)
    result = evaluate(predictions, test.labels)
    # Another processor adds in another order, which may turn an image that is on the brink.
    assert pretrained_runs["test_accuracy"] == pytest.approx(result.accuracy, abs=0.0003)
    assert pretrained_runs["test_loss"] == pytest.approx(result.loss, rel=0.01)
    assert (
        pretrained_runs["parameters"] == networks.build(hyperparameters, blank=True).count_params()
    )


def test_it_reads_well_enough_to_ship(pretrained_runs):
    assert pretrained_runs["test_accuracy"] >= LOWEST_TEST_ACCURACY[pretrained_runs["id"]]


def test_it_was_trained_as_its_recipe_says(pretrained_runs):
    assert (
        validate(pretrained_runs["values"])
        == find(pretrained_runs["id"].split("-")[0], pretrained_runs["network"]).hyperparameters
    )


def test_its_curve_tells_of_every_epoch(pretrained_runs):
    curve = pretrained.curve(pretrained_runs["id"])
    hyperparameters = validate(pretrained_runs["values"])
    assert [end.epoch for end in curve.epochs] == list(
        range(1, round(pretrained_runs["epochs"]) + 1)
    )
    assert POINTS / 2 <= len(curve.points) <= POINTS
    assert curve.batches == curve.steps_per_epoch * pretrained_runs["epochs"]
    assert curve.steps_per_epoch == Curve.empty(hyperparameters).steps_per_epoch
    assert curve.points[-1].loss < curve.points[0].loss
    # No image of the test set has been looked at while choosing: validation comes from the training
    # set.
    assert curve.epochs[-1].validation_accuracy == pytest.approx(
        pretrained_runs["test_accuracy"], abs=0.01
    )


def test_its_time_has_a_time_zone(pretrained_runs):
    assert pretrained_runs["created_at"].utcoffset() is not None


def test_what_is_written_is_what_was_trained(tmp_path, tiny_dnn):
    weights = pack_weights(networks.build(tiny_dnn))
    predictions = Predictions.of(np.full((10_000, 10), 0.1, np.float16))
    trained = Trained(
        weights,
        predictions,
        12_730,
        Curve.empty(tiny_dnn),
        False,
        1.0,
        1.26,
        0.9,
        0.6,
        0.5,
        0.9,
        SNAPSHOTS,
    )
    (tmp_path / "new" / "folder").mkdir(parents=True)
    (tmp_path / "new" / "folder" / "dnn.epoch-7.npz").write_bytes(b"of another training")
    pretrained.write(
        tmp_path / "new" / "folder", tiny_dnn, trained, "python -m mnist_models train dnn"
    )
    files = {file.name: file for file in (tmp_path / "new" / "folder").iterdir()}
    assert set(files) == {
        "dnn.npz",
        "dnn.readings.npz",
        "dnn.json",
        "dnn.epoch-0.5.npz",
        "dnn.epoch-1.npz",
    }
    assert files["dnn.epoch-0.5.npz"].read_bytes() == b"early"
    assert files["dnn.npz"].read_bytes() == weights
    assert files["dnn.readings.npz"].read_bytes() == predictions.pack()
    card = json.loads(files["dnn.json"].read_text())
    assert validate(card["hyperparameters"]) == tiny_dnn
    assert Curve.model_validate(card["curve"]) == trained.curve
    assert card["command"] == "python -m mnist_models train dnn"
    for name in (
        "parameters",
        "epochs",
        "temperature",
        "confidence_threshold",
        "test_loss",
        "test_accuracy",
    ):
        assert card[name] == getattr(trained, name)
    assert card["elapsed_s"] == 1.3
    assert {field.name for field in dataclasses.fields(Trained)} - set(card) == {
        "weights",
        "predictions",
        "stopped",
        "checkpoints",
        "class_result",
        "card",
    }


@pytest.mark.parametrize("run_id", IDS)
def test_its_weights_are_numbers(run_id):
    network = Classifier.from_weights(
        validate(pretrained.facts()[run_id]["values"]), pretrained.weights(run_id)
    ).network
    assert all(np.isfinite(value).all() for value in network.get_weights())


@pytest.mark.parametrize("run_id", IDS)
def test_its_earlier_epochs_are_few_enough_for_everybody_to_download(run_id):
    checkpoints = pretrained.checkpoints(run_id)
    assert (
        len(checkpoints) >= 3
        and sum(len(checkpoint.weights) for checkpoint in checkpoints)
        <= pretrained.MOST_CHECKPOINT_BYTES
    )
    assert [checkpoint.epoch for checkpoint in checkpoints] == sorted(
        {checkpoint.epoch for checkpoint in checkpoints}
    )
    assert (
        checkpoints[0].epoch == 1 and checkpoints[-1].epoch < pretrained.facts()[run_id]["epochs"]
    )
