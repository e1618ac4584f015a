"""The command line: results on standard output, everything else on standard error, an exit status
that tells."""

import contextlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from mnist_models import __main__ as command_line
from mnist_models import reading
from mnist_models.data import dataset
from mnist_models.data.pictures import open_picture
from mnist_models.data.preprocessing import prepare_picture
from mnist_models.models.classifier import Classifier
from mnist_models.models.evaluation import evaluate
from mnist_models.models.formats import FORMATS
from mnist_models.runs import pretrained, race
from mnist_models.runs.tables import RunState
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import NETWORKS, validate
from mnist_models.settings.notebook import notebook
from mnist_models.settings.recipes import RECIPES
from mnist_models.settings.script import script
from mnist_models.training.loop import train
from mnist_models.training.progress import MEASURES, Curve
from tests.imports import forms

ROOT = Path(__file__).parents[1]
TINY = [
    "--hidden-units",
    "16",
    "--epochs",
    "1",
    "--train-images",
    "300",
    "--validation-images",
    "100",
    "--batch-size",
    "32",
]
TINY_CNN = ["--conv-layers", "4x3/2+pool2", "--dense-units", "8", *TINY[2:]]


@pytest.fixture
def run(store, capsys):
    """Runs a command in this process: its exit status, and what it wrote to standard output and
    standard error."""
    before = signal.getsignal(signal.SIGINT)

    def run(*arguments):
        try:
            status = command_line.main([str(argument) for argument in arguments])
        except SystemExit as exit:  # how argparse ends after --help and wrong usage
            status = exit.code
        return status, *capsys.readouterr()

    yield run
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The first 40 test digits as PNG files."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for place, image in enumerate(dataset.load().test.images[:40]):
        paths.append(folder / f"{place:02}.png")
        Image.fromarray(image).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def fully_connected():
    return forms.fully_connected()


# train
# ------------------------------------------------------------------------------------------


def test_train_prints_one_json_object_and_keeps_the_run(run, store):
    status, out, errors = run(
        "train", "dnn", *TINY, "--learning-rate", "0.01", "--name", "my network", "--json"
    )
    assert status == 0, errors
    facts = json.loads(out)
    assert "epoch 1: loss" in errors and "validation loss" in errors
    (kept,) = store.runs()
    assert (kept.id, kept.name, kept.network, kept.state) == (
        facts["run"],
        "my network",
        "dnn",
        RunState.FINISHED,
    )
    for name in ("name", "network", "state", *MEASURES):
        assert facts[name] == getattr(kept, name)
    assert facts["hyperparameters"] == kept.hyperparameters.model_dump(mode="json")
    assert kept.hyperparameters == validate(
        {"network": "dnn", "hidden_units": [16], "learning_rate": 0.01}
        | {
            "epochs": 1,
            "train_images": 300,
            "validation_images": 100,
            "batch_size": 32,
        }
    )
    assert len(store.curve(kept.id).epochs) == 1
    # What was trained can be measured and read with at once.
    status, out, _ = run("evaluate", "dnn", "--run", facts["run"], "--json")
    assert status == 0
    assert (
        json.loads(out)["accuracy"] == facts["test_accuracy"]
        and json.loads(out)["run"] == facts["run"]
    )


def test_train_writes_a_card_and_weights_that_can_be_read_back(run, store, tmp_path):
    folder = tmp_path / "new" / "folder"
    status, out, errors = run(
        "train", "cnn", *TINY_CNN, "--augmentation", "shift", "--output", folder
    )
    assert status == 0, errors
    assert "test accuracy" in out and "parameters" in out
    assert sorted(file.name for file in folder.iterdir()) == [
        "cnn.json",
        "cnn.npz",
        "cnn.readings.npz",
    ]
    card = json.loads((folder / "cnn.json").read_text())
    hyperparameters = validate(card["hyperparameters"])
    assert (
        hyperparameters.augmentation == "shift"
        and str(hyperparameters.conv_layers[0]) == "4x3/2+pool2"
    )
    weights = (folder / "cnn.npz").read_bytes()
    (kept,) = store.runs()
    assert store.weights(kept.id) == weights
    test = dataset.load().test
    result = evaluate(
        Classifier.from_weights(hyperparameters, weights).predictions(test.images), test.labels
    )
    assert (card["test_accuracy"], card["test_loss"]) == pytest.approx(
        (result.accuracy, result.loss)
    )
    assert f"{result.accuracy:.2%}" in out
    assert Curve.model_validate(card["curve"]).epochs[0].epoch == 1
    assert card["command"].startswith("python -m mnist_models")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dnn", "--epochs", "0"], ["Epochs cannot be '0'", "from 1 to 100"]),
        (
            ["dnn", "--learning-rate", "fast"],
            ["Learning rate cannot be 'fast'", "from 0.00001 to 1"],
        ),
        (["cnn", "--conv-layers", "32x7/3+pool3,32x3"], ["Convolutional layer 2", "2×2 px"]),
        (["cnn", "--activation", "step", "--dropout", "2"], ["relu, gelu", "from 0 to 0.8"]),
        (["dnn", "--train-images", "60000"], ["at most 55,000"]),
    ],
)
def test_hyperparameters_out_of_bounds_are_a_sentence_and_no_run(run, store, arguments, words):
    status, out, errors = run("train", *arguments)
    assert (status, out) == (1, "")
    assert all(word in errors for word in words)
    assert "Traceback" not in errors
    assert store.runs() == []


def test_a_training_that_fails_is_a_sentence_and_a_failed_run(run, store):
    status, out, errors = run(
        "train",
        "dnn",
        "--hidden-units",
        "256,256",
        "--activation",
        "silu",
        "--optimizer",
        "sgd",
        "--learning-rate",
        "1",
        "--schedule",
        "constant",
        "--batch-norm",
        "false",
        "--dropout",
        "0",
        "--train-images",
        "500",
        "--batch-size",
        "50",
        "--epochs",
        "10",
    )
    assert (status, out) == (1, "")
    assert "learning rate of 1 is too high" in errors and "Traceback" not in errors
    (kept,) = store.runs()
    assert kept.state == RunState.FAILED and kept.error in errors


def test_a_recipe_knows_its_network_and_what_is_chosen_takes_the_place_of_its_own(run, store):
    chosen = ["--epochs", "1", "--train-images", "300", "--validation-images", "100"]
    status, out, errors = run("train", "--recipe", "Simple NN", *chosen, "--json")
    assert status == 0, errors
    (kept,) = store.runs()
    expected = {"epochs": 1, "train_images": 300, "validation_images": 100}
    assert kept.hyperparameters == RECIPES["simple-nn"].hyperparameters.model_copy(update=expected)
    assert json.loads(out)["parameters"] == kept.parameters == 91_860
    assert store.predictions(kept.id).digits.shape == (10_000,)
    # With the network its own name is enough, and so is the network alone.
    for arguments, recipe in ((["cnn", "--recipe", "quick"], "quick-cnn"), (["cnn"], "quick-cnn")):
        small = ["--conv-layers", "4x3/3", "--dense-units", "none", *chosen]
        assert run("train", *arguments, *small, "--json")[0] == 0
        facts = store.runs()[0].hyperparameters.model_dump(mode="json")
        for name, value in RECIPES[recipe].hyperparameters.model_dump(mode="json").items():
            assert facts[name] == value or name in ("conv_layers", "dense_units", *expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["Name the network to train (dnn or cnn), or a recipe: --recipe NAME."]),
        (["--recipe", "nonsense"], ["There is no recipe 'nonsense'", *RECIPES]),
        (["--recipe", "quick"], ["There is no recipe 'quick'", "quick-dnn"]),
        (["cnn", "--recipe", "simple-nn"], ["The recipe simple-nn is for a DNN; leave cnn out."]),
        (
            ["dnn", "--recipe", "Optimal CNN, model 1"],
            ["The recipe optimal-cnn-model-1 is for a CNN; leave dnn out."],
        ),
        (["--recipe", "simple-nn", "--conv-layers", "4x3"], ["A DNN has no 'conv_layers'"]),
        (["cnn", "--hidden-units", "16"], ["A CNN has no 'hidden_units'"]),
        (
            ["--recipe", "ann", "--early-stopping-on", "luck"],
            ["validation_loss, validation_accuracy, training_loss"],
        ),
    ],
    ids=[
        "neither",
        "wrong",
        "of which network",
        "of the dnn",
        "of the cnn",
        "its layers",
        "their layers",
        "its values",
    ],
)
def test_a_recipe_or_network_that_cannot_be_meant_is_a_sentence_and_no_run(
    run, store, arguments, words
):
    status, out, errors = run("train", *arguments)
    assert (status, out) == (1, "")
    for word in words:
        assert word in errors
    assert errors.strip().endswith(".") and "Traceback" not in errors
    assert store.runs() == []


def test_recipes_are_listed_with_their_networks_parameters_and_what_was_reported(run):
    status, out, errors = run("recipes", "--json")
    assert (status, errors) == (0, "")
    rows = {row["name"]: row for row in map(json.loads, out.splitlines())}
    assert list(rows) == list(RECIPES)
    for name, recipe in RECIPES.items():
        assert rows[name]["network"] == recipe.hyperparameters.network
        assert rows[name]["reported"] == recipe.reported
    parameters = {
        "ann": 535_818,
        "optimal-cnn-model-2": 119_850,
        "simple-cnn": 544_522,
        "shipped-cnn": 198_762,
    }
    assert {name: rows[name]["parameters"] for name in parameters} == parameters

    status, out, errors = run("recipes")
    assert (status, errors) == (0, "")
    assert "simple-cnn: CNN, 544,522 parameters, reported 99.22%" in out
    for recipe in RECIPES.values():
        assert recipe.name in out and recipe.origin in out


def test_a_budget_of_images_ends_a_training_here_too(run, store):
    status, out, errors = run("train", "dnn", *TINY, "--budget-images", "150", "--json")
    assert status == 0 and "epoch 0.5: loss" in errors
    assert json.loads(out)["epochs"] == store.runs()[0].epochs == 0.5


@pytest.mark.parametrize("network", NETWORKS)
def test_help_lists_every_hyperparameter_with_what_is_allowed_and_why(run, network):
    status, out, _ = run("train", network, "--help")
    assert status == 0
    text = " ".join(out.split())
    for name, choice in NETWORKS[network].choices().items():
        assert f"--{name.replace('_', '-')} VALUE" in text
        for words in (choice.help, choice.allowed, choice.reason):
            assert " ".join(words.split()) in text
    for choice in ("--recipe", "--name", "--json", "--output"):
        assert choice in text


@pytest.mark.parametrize("command", ["train", "recipes", "evaluate", "predict"])
def test_every_command_is_helped_with(run, command):
    assert command in run("--help")[1]
    status, out, _ = run(command, "--help")
    assert status == 0 and "usage: python -m mnist_models" in out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["train", "mlp"],
        ["evaluate", "mlp"],
        ["predict"],
        ["train", "dnn", "--kernel", "3"],
        ["recipes", "quick"],
    ],
)
def test_wrong_usage_is_explained(run, arguments):
    status, out, errors = run(*arguments)
    assert (status, out) == (2, "")
    assert "usage: python -m mnist_models" in errors and "error:" in errors


# evaluate
# ------------------------------------------------------------------------------------------


def test_evaluate_measures_the_network_that_ships(run):
    status, out, errors = run("evaluate", "dnn", "--json")
    assert (status, errors) == (0, "")
    result = json.loads(out)
    facts = pretrained.facts()["shipped-dnn"]
    assert result["run"] == "shipped-dnn"
    assert result["accuracy"] == pytest.approx(facts["test_accuracy"], abs=0.0003)
    assert result["loss"] == pytest.approx(facts["test_loss"], rel=0.01)
    confusion = np.array(result["confusion"])
    assert confusion.shape == (10, 10) and confusion.sum() == 10_000
    assert np.trace(confusion) / 10_000 == result["accuracy"]
    assert [digit["support"] for digit in result["digits"]] == confusion.sum(axis=1).tolist()
    assert [digit["recall"] for digit in result["digits"]] == pytest.approx(
        np.diag(confusion) / confusion.sum(axis=1)
    )
    assert set(result["digits"][0]) == {"precision", "recall", "f1", "support"}

    status, out, _ = run("evaluate", "dnn")
    assert status == 0
    lines = out.splitlines()
    assert f"{result['accuracy']:.2%}" in lines[0] and "10,000 test digits" in lines[0]
    tables = [[int(number) for number in line.split()] for line in lines[-10:]]
    assert tables == [[digit, *row] for digit, row in enumerate(result["confusion"])]


@pytest.mark.parametrize(
    "command", [["evaluate", "cnn", "--run"], ["predict", "nothing.png", "--cnn"]]
)
def test_a_run_that_does_not_serve_is_a_sentence(run, store, tiny_dnn, tiny_cnn, command):
    waiting, foreign = store.create(tiny_cnn), store.create(tiny_dnn)
    for run_id, words in (
        ("nothing", "There is no run 'nothing'"),
        (foreign.id, "is a DNN; choose one that is a CNN"),
        ("shipped-dnn", "is a DNN; choose one that is a CNN"),
        (waiting.id, "is queued and has no weights"),
    ):
        status, out, errors = run(*command, run_id)
        assert (status, out) == (1, "")
        assert words in errors and "Traceback" not in errors


def test_damaged_weights_are_a_sentence(run, store, tmp_path):
    _, out, _ = run("train", "dnn", *TINY, "--json")
    run_id = json.loads(out)["run"]
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.sqlite3")) as database, database:
        database.execute("UPDATE weights SET weights = x'504b0304'")
    status, out, errors = run("evaluate", "dnn", "--run", run_id)
    assert (status, out) == (1, "")
    assert "The weights cannot be read" in errors and "Traceback" not in errors


def test_a_store_that_cannot_be_written_is_a_sentence_but_the_shipped_networks_read(
    run, tmp_path, monkeypatch, pictures
):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/file/runs.sqlite3")
    status, out, errors = run("train", "dnn", *TINY)
    assert (status, out) == (1, "")
    assert "DATABASE_URL" in errors and "Traceback" not in errors
    status, out, errors = run("predict", pictures[0])
    assert (status, errors) == (0, "") and str(pictures[0]) in out


# predict
# ------------------------------------------------------------------------------------------


def drawn_number(path, *digits, lines=1):
    """Saves test digits of MNIST side by side, in so many lines, as a picture."""
    test = dataset.load().test
    tiles = [255 - test.images[np.flatnonzero(test.labels == digit)[0]] for digit in digits]
    page = np.vstack([np.hstack(tiles)] * lines)
    Image.fromarray(page).resize((84 * len(digits), 84 * lines)).save(path)
    return path


def test_predict_tells_several_digits_apart(run, tmp_path):
    path = drawn_number(tmp_path / "42.png", 4, 2)
    assert run("predict", path)[1] == f"{path}: DNN reads 42, CNN reads 42\n"
    row = json.loads(run("predict", "--json", path)[1])
    assert not row["dnn"]["sure"] and not row["cnn"]["sure"]
    assert [one["cnn"]["digit"] for one in row["digits"]] == [4, 2]
    for one, (low, high) in zip(row["digits"], [(0, 0.5), (0.5, 1)], strict=True):
        left, top, right, bottom = one["box"]
        assert low < left < right < high and 0 < top < bottom < 1 and one["line"] == 1


def test_predict_reads_a_page_line_by_line_and_shows_where(run, tmp_path):
    path = drawn_number(tmp_path / "page.png", 3, 1, 4, 1, 5, lines=3)
    status, out, errors = run("predict", "--sheet", path, "--boxes", tmp_path / "boxes.png")
    assert (status, errors) == (0, "")
    assert out.splitlines() == [
        f"{path}, line {line}: DNN reads 31415, CNN reads 31415" for line in (1, 2, 3)
    ]
    boxed = np.asarray(Image.open(tmp_path / "boxes.png").convert("RGB")).astype(int)
    assert boxed.shape[:2] == (252, 420)
    # Boxes are drawn in a colour, the digits are not.
    assert (np.ptp(boxed, axis=2) > 100).sum() > 15 * 100


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--boxes", "no/such/folder/boxes.png"], "in a folder that is there"),
        (["--boxes", "boxes.docx"], "ends in .png"),
        (["other.png", "--boxes", "boxes.png"], "one picture"),
    ],
)
def test_boxes_that_cannot_be_written_are_a_sentence(run, tmp_path, more, words):
    status, _, errors = run("predict", drawn_number(tmp_path / "42.png", 4, 2), *more)
    assert status == 1 and words in errors and "Traceback" not in errors


def test_predict_reads_each_picture_with_both_networks(run, pictures):
    status, out, errors = run("predict", "--json", *pictures)
    assert (status, errors) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["image"] for row in rows] == [str(path) for path in pictures]
    images = np.stack([prepare_picture(open_picture(path)).image for path in pictures])
    for network in NETWORKS:
        facts = pretrained.facts()[pretrained.PREFIX + network]
        weights = pretrained.weights(facts["id"])
        expected = Classifier.from_weights(validate(facts["values"]), weights).probabilities(images)
        for row, probabilities in zip(rows, expected, strict=True):
            assert list(row) == ["image", *NETWORKS, "digits"]
            reading = row[network]
            assert list(reading) == ["digit", "sure", "probability", "probabilities"]
            np.testing.assert_allclose(reading["probabilities"], probabilities, atol=1e-6)
            assert reading["digit"] == probabilities.argmax()
            assert reading["probability"] == max(reading["probabilities"])
        right = np.array([row[network]["digit"] for row in rows]) == dataset.load().test.labels[:40]
        assert right.mean() >= 0.9

    status, out, _ = run("predict", *pictures[:3])
    assert status == 0
    for line, path, row in zip(out.splitlines(), pictures, rows, strict=False):
        assert line.startswith(f"{path}: ")
        assert (
            f"DNN reads {row['dnn']['digit']} (" in line
            and f"CNN reads {row['cnn']['digit']} (" in line
        )
    assert len(out.splitlines()) == 3


def test_predict_reads_with_the_runs_that_are_chosen(run, pictures):
    _, out, _ = run("train", "dnn", *TINY, "--json")
    chosen = json.loads(out)["run"]
    with_shipped, with_chosen = (
        json.loads(run("predict", "--json", *options, pictures[0])[1])
        for options in ([], ["--dnn", chosen])
    )
    same, other = (
        np.subtract(*(read[network]["probabilities"] for read in (with_shipped, with_chosen)))
        for network in ("cnn", "dnn")
    )
    assert np.abs(same).max() < 1e-6 and np.abs(other).max() > 0.001


def test_a_broken_file_among_good_ones_is_reported_and_the_rest_are_read(run, pictures, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(pictures[0].read_bytes()[:60])
    blank = tmp_path / "blank.png"
    Image.new("L", (50, 50), 255).save(blank)
    missing = tmp_path / "missing.png"
    status, out, errors = run(
        "predict", "--json", pictures[0], broken, pictures[1], blank, missing, tmp_path, pictures[2]
    )
    assert status == 1
    assert [json.loads(line)["image"] for line in out.splitlines()] == [
        str(path) for path in pictures[:3]
    ]
    lines = errors.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(path) for path in (broken, blank, missing, tmp_path)
    ]
    assert all(line.endswith(".") and "Traceback" not in line for line in lines)
    status, out, errors = run("predict", missing)
    assert (status, out) == (1, "") and str(missing) in errors


def test_hundreds_of_pictures_are_read_in_one_call_and_stay_in_order(run, pictures, tmp_path):
    many = pictures * 11
    assert len(many) > 2 * reading.PICTURES_AT_ONCE
    status, out, errors = run("predict", "--json", *many)
    assert (status, errors) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["image"] for row in rows] == [str(path) for path in many]
    digits = np.array([row["cnn"]["digit"] for row in rows]).reshape(11, 40)
    assert (digits == digits[0]).all() and len(set(digits[0])) > 5


# As users start it
# ------------------------------------------------------------------------------------------


def test_standard_output_of_a_real_process_holds_results_only(pictures, store):
    """And standard error only the sentence on the file whose name is no text, which does not keep
    the rest from being read: nothing that TensorFlow says."""
    paths = [os.fsencode(pictures[0].parent) + b"/\xff.png", os.fsencode(pictures[0])]
    done = subprocess.run(
        [sys.executable, "-m", "mnist_models", "predict", "--json", *paths],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["image"] == str(pictures[0])
    (line,) = done.stderr.splitlines()
    assert b"ff.png: " in line and line.endswith(b".")


def test_ctrl_c_ends_a_training_and_keeps_what_was_learned(store):
    small = ["--hidden-units", "32", "--epochs", "100"]
    command = [sys.executable, "-m", "mnist_models", "train", "dnn", *small, "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        seen = io.BytesIO()
        while b"epoch 1: loss" not in seen.getvalue():
            seen.write(process.stderr.read1(1000) or pytest.fail(seen.getvalue().decode()))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    facts = json.loads(out)
    kept = store.run(facts["run"])
    assert facts["state"] == kept.state == RunState.STOPPED
    assert 1 <= kept.epochs < 100 and kept.test_accuracy > 0.8
    assert (
        Classifier.from_weights(kept.hyperparameters, store.weights(kept.id)).network.count_params()
        == kept.parameters
    )
    assert len(store.curve(kept.id).epochs) == int(kept.epochs)


def test_a_folder_that_cannot_be_written_is_told_of_before_anything_is_trained(
    run, store, tmp_path
):
    (tmp_path / "file").write_text("not a folder")
    status, out, errors = run("train", "dnn", "--epochs", "1", "--output", tmp_path / "file")
    assert (status, out) == (1, "")
    assert "choose another folder" in errors
    assert store.runs() == []


# Runs as files, scripts and links
# ---------------------------------------------------------------------------------------


def test_a_run_is_exported_and_imported(run, store, tmp_path):
    _, out, _ = run("train", "dnn", *TINY, "--name", "there and back", "--json")
    facts = json.loads(out)
    status, out, errors = run("export", facts["run"], tmp_path / "run.zip")
    assert (status, errors) == (0, "") and str(tmp_path / "run.zip") in out
    status, out, errors = run("import", tmp_path / "run.zip")
    assert (status, errors) == (0, "") and f"{facts['test_accuracy']:.2%}" in out
    assert run("import", tmp_path / "run.zip", "--name", "again")[0] == 0
    assert [kept.name for kept in store.runs()] == ["again", "there and back", "there and back"]
    assert len({store.weights(kept.id) for kept in store.runs()}) == 1


@pytest.mark.parametrize("form", FORMATS)
def test_a_model_alone_is_exported_and_read(run, store, tmp_path, form):
    """By whoever imports it as somebody's network."""
    file = tmp_path / f"model{FORMATS[form].ending}"
    status, out, errors = run("export", "shipped-cnn", file, "--format", form)
    assert (status, errors) == (0, "") and str(file) in out
    status, out, errors = run("import", file, "--json")
    assert status == 0, errors
    # What int8 may cost.
    expected = pytest.approx(store.run("shipped-cnn").test_accuracy, abs=0.003)
    assert json.loads(out)["test_accuracy"] == expected


def test_a_notebook_is_exported(run, tmp_path, tiny_dnn, store):
    status, _, errors = run(
        "export", store.create(tiny_dnn).id, tmp_path / "run.ipynb", "--format", "notebook"
    )
    assert (status, errors) == (0, "")
    assert (tmp_path / "run.ipynb").read_text(encoding="utf-8") == notebook(tiny_dnn)


def test_a_race_is_exported_and_imported(run, store, tmp_path, tiny_dnn, tiny_cnn):
    same = {name: getattr(tiny_cnn, name) for name in race.SHARED}
    racers = store.create_race([tiny_dnn.model_copy(update=same), tiny_cnn], "ours")
    for racer in racers:
        store.finish(racer.id, train(racer.hyperparameters))
    status, out, errors = run("export", racers[0].id, tmp_path / "race.zip", "--race")
    assert (status, errors) == (0, "") and out.startswith("ours")
    status, out, errors = run("import", tmp_path / "race.zip", "--name", "theirs")
    assert (status, errors) == (0, "") and len(out.splitlines()) == 2
    brought = [kept for kept in store.runs() if kept.name == "theirs"]
    assert len(brought) == 2 and len({kept.race for kept in brought}) == 1
    assert brought[0].race not in (None, racers[0].race)


def test_what_cannot_be_exported_or_imported_is_a_sentence(run, store, tmp_path, tiny_dnn):
    (tmp_path / "no.zip").write_bytes(b"no zip")
    (tmp_path / "folder").mkdir()
    for arguments, words in (
        (["export", "nothing", tmp_path / "run.zip"], "There is no run 'nothing'"),
        (
            ["export", store.create(tiny_dnn).id, tmp_path / "run.zip"],
            "is queued and has no weights",
        ),
        (["export", "shipped-dnn", tmp_path / "folder"], "choose another file"),
        (["export", "shipped-dnn", tmp_path / "run.zip", "--race"], "leave --race out"),
        (
            ["export", "shipped-dnn", tmp_path / "run.zip", "--race", "--format", "onnx"],
            "leave --format out",
        ),
        (["import", tmp_path / "missing.zip"], "choose another file"),
        (["import", tmp_path / "folder"], "choose another file"),
        (["import", tmp_path / "no.zip"], "no run that was exported here"),
    ):
        status, out, errors = run(*arguments)
        assert (status, out) == (1, "")
        assert words in errors and "Traceback" not in errors
    assert len(store.runs()) == 1 and not (tmp_path / "run.zip").exists()


def test_somebodys_network_is_described(run, store, tmp_path, fully_connected):
    (tmp_path / "digits.h5").write_bytes(forms.h5(fully_connected, None))
    (tmp_path / "digits.json").write_text(json.dumps(forms.config_of(fully_connected)))
    status, out, errors = run("import", tmp_path / "digits.h5", tmp_path / "digits.json")
    assert status == 0, errors
    assert "Keras HDF5 (.h5), written by Keras 2.4.0. 238,510 parameters: Dense, Dense." in out
    assert "It wants 784 values in a row; 0 to 1." in out and "Test accuracy 8" in out
    assert "each column divided by its length" in out  # the table has all that was tried
    # Alone, its weights tell enough for a guess.
    (tmp_path / "digits.onnx").write_bytes(forms.onnx(fully_connected))
    status, out, errors = run("import", tmp_path / "digits.h5", tmp_path / "digits.onnx", "--json")
    assert status == 0, errors
    guessed, exact = map(json.loads, out.splitlines())
    assert guessed["guessed"] and not exact["guessed"]
    for facts in (guessed, exact):
        assert facts["usable"] and facts["fed"]["scale"] == "unit" and facts["class_count"] == 10
        assert facts["parameters"] == fully_connected.count_params()
    assert guessed["test_accuracy"] == pytest.approx(exact["test_accuracy"], abs=1e-3)
    # Each is kept, and measured and read with like a run.
    kept = {one.id: one for one in store.runs()}
    assert len(kept) == 3 and {guessed["run"], exact["run"]} < set(kept)
    for facts in (guessed, exact):
        status, out, errors = run("evaluate", "dnn", "--run", facts["run"], "--json")
        assert status == 0, errors
        assert json.loads(out)["accuracy"] == pytest.approx(facts["test_accuracy"], abs=1e-3)


def test_somebodys_network_is_exported_and_imported(run, store, tmp_path, fully_connected):
    model = forms.h5(fully_connected, forms.config_of(fully_connected))
    (tmp_path / "digits.h5").write_bytes(model)
    assert run("import", tmp_path / "digits.h5")[0] == 0
    (kept,) = store.runs()
    assert run("export", kept.id, tmp_path / "run.zip")[0] == 0
    status, out, errors = run("import", tmp_path / "run.zip", "--name", "passed on")
    assert (status, errors) == (0, "")
    assert f"trained elsewhere, test accuracy {kept.test_accuracy:.2%}" in out
    (again,) = [one for one in store.runs() if one.id != kept.id]
    assert again.name == "passed on" and again.imported == kept.imported


def test_a_picture_is_read_five_ways_and_the_lines_that_prepare_it_are_printed(
    run, store, tmp_path, fully_connected, pictures
):
    (tmp_path / "digits.onnx").write_bytes(forms.onnx(fully_connected))
    status, out, errors = run(
        "import", tmp_path / "digits.onnx", "--prepare", "--picture", pictures[0]
    )
    assert status == 0, errors
    assert "  not inverted: white paper, black ink\n" in out
    assert "Prepared as MNIST was, it reads 7." in out or "It reads 7 in all five ways" in out
    own = {}
    exec(out[out.index("import numpy as np") :], own)
    given = own["prepare"](pictures[0])
    assert given.shape == (1, 784) and 0.99 < given.max() <= 1
    status, out, errors = run(
        "import", tmp_path / "digits.onnx", "--picture", tmp_path / "digits.onnx"
    )
    assert status == 1 and "is not an image that can be read" in errors


def test_a_network_that_reads_nothing_is_described_and_not_kept(run, store, tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, name="dense")])
    (tmp_path / "new.h5").write_bytes(forms.h5(model, forms.config_of(model)))
    status, out, errors = run("import", tmp_path / "new.h5")
    assert status == 0, errors
    assert "Nothing fits: of 8 ways to feed it" in out and "Kept as" not in out
    assert store.runs() == []


def test_a_file_that_is_no_network_is_explained_and_the_others_are_described(
    run, store, tmp_path, fully_connected
):
    (tmp_path / "digits.onnx").write_bytes(forms.onnx(fully_connected))
    (tmp_path / "pointer.h5").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    status, out, errors = run("import", tmp_path / "pointer.h5", tmp_path / "digits.onnx", "--json")
    assert status == 1 and json.loads(out)["form"] == "ONNX"
    assert f"{tmp_path / 'pointer.h5'}: It is only a Git LFS pointer" in errors


def test_the_code_and_the_link_of_a_run_and_of_a_recipe_are_printed(run, store, tiny_dnn):
    for arguments, hyperparameters in (
        ([store.create(tiny_dnn).id], tiny_dnn),
        (["--recipe", "Simple CNN"], RECIPES["simple-cnn"].hyperparameters),
        (["shipped-dnn"], RECIPES["shipped-dnn"].hyperparameters),
    ):
        assert run("code", *arguments) == (0, script(hyperparameters), "")
        url = links.to_url("http://localhost:8501/train", links.to_query(hyperparameters))
        assert run("link", *arguments) == (0, f"{url}\n", "")
    assert run("link", "shipped-cnn", "--address", "https://x.org/train")[1].startswith(
        "https://x.org/train?network=cnn&"
    )


@pytest.mark.parametrize("command", ["code", "link"])
def test_code_and_links_of_nothing_are_explained(run, command):
    assert run(command)[0] == 2
    assert run(command, "shipped-dnn", "--recipe", "ann")[0] == 2
    for arguments, words in (
        (["nothing"], "There is no run 'nothing'"),
        (["--recipe", "x"], "There is no recipe 'x'"),
    ):
        status, out, errors = run(command, *arguments)
        assert (status, out) == (1, "") and words in errors
