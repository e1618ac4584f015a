"""The script and the notebook of a run that learned from a class, run as programs of their own."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mnist_models.data import dataset, npz
from mnist_models.handwriting.collection import Collection
from mnist_models.handwriting.exports import to_npz
from mnist_models.models import networks, saving
from mnist_models.models.classifier import Classifier
from mnist_models.settings.hyperparameters import DnnHyperparameters
from mnist_models.settings.notebook import notebook
from mnist_models.settings.script import script
from tests.settings.test_script import assert_formatted, variant

HP = DnnHyperparameters(
    hidden_units=(64,), epochs=2, train_images=2_000, validation_images=100, batch_size=50
)
COUNT, WRITERS = 400, 20


@pytest.fixture
def folder(tmp_path):
    """Where a script finds MNIST, and a class whose labels are each the next digit."""
    mnist = dataset.load().train
    digits = mnist.part(30_000, 30_000 + COUNT)
    labels = ((digits.labels + 1) % 10).astype(np.uint8)
    writers = np.repeat(np.arange(WRITERS), COUNT // WRITERS)
    collection = Collection(digits.images, labels, writers)
    (tmp_path / "class.npz").write_bytes(to_npz(collection, writers < 5))
    test = dataset.load().test.part(0, 200)
    small = {
        "x_train": mnist.images[:3_000], "y_train": mnist.labels[:3_000],
        "x_test": test.images, "y_test": test.labels,
    }  # fmt: skip
    (tmp_path / "mnist.npz").write_bytes(npz.write(small))
    return tmp_path


def run(folder, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-I", str(folder / "train.py")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def accuracies(done) -> list[float]:
    """Of the class's other writers, and of MNIST's test set: the ends of the last two lines."""
    assert done.returncode == 0, done.stderr
    return [float(line.split()[-1].rstrip("%")) for line in done.stdout.splitlines()[-2:]]


def test_a_script_that_learns_from_the_class_alone_learns_its_labels(folder):
    of_class, of_mnist = accuracies(run(folder, script(HP, 1.0)))
    assert of_class > 60 and of_mnist < 20


def test_a_script_without_the_digits_says_what_it_lacks(folder):
    (folder / "class.npz").unlink()
    done = run(folder, script(HP, 0.5))
    assert done.returncode and "class.npz" in done.stderr and "teacher" in done.stderr


def test_a_fine_tuned_script_starts_from_the_model_beside_it(folder):
    """With next to no rate it ends as it began."""
    still = HP.model_copy(update={"learning_rate": 1e-12})
    text = script(still, 0.5, fine_tuned=True)
    done = run(folder, text)
    assert done.returncode and "start.keras" in done.stderr
    network = networks.build(HP)
    (folder / "start.keras").write_bytes(saving.as_keras(network))
    of_class, of_mnist = accuracies(run(folder, text))
    reader = Classifier(network)
    for told, file in ((of_class, "class.npz"), (of_mnist, "mnist.npz")):
        with np.load(folder / file) as digits:
            right = reader.probabilities(digits["x_test"]).argmax(axis=1) == digits["y_test"]
        assert told == pytest.approx(100 * right.mean(), abs=1.01)  # of 100 one may be a tie


@pytest.mark.parametrize(
    "name", ["constant", "scrambled", "wrong labels", "label smoothing, weight decay"]
)
def test_such_scripts_are_written_as_the_formatter_would(tmp_path, name):
    for place, fine_tuned in enumerate((False, True)):
        text = script(variant(name), 0.25, fine_tuned=fine_tuned)
        (tmp_path / f"{place}.py").write_text(text, encoding="utf-8")
    assert_formatted(tmp_path, "E,F,W,I,UP,B,C4,SIM,PT,N")


def test_a_notebook_takes_the_class_from_the_same_files():
    assert "class.npz" in notebook(HP, 0.5) and "start.keras" not in notebook(HP, 0.5)
    assert "start.keras" in notebook(HP, 0.5, fine_tuned=True)
    assert "class.npz" not in notebook(HP)
