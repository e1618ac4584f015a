"""Models that read through ONNX Runtime: they give what Keras gives."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from mnist_models.data import dataset, npz
from mnist_models.models import networks, swift
from mnist_models.models.classifier import Classifier, pack_weights, weights_of
from mnist_models.models.folded import WeightsError
from mnist_models.models.swift import SwiftReader
from mnist_models.settings.hyperparameters import (
    ACTIVATIONS,
    CnnHyperparameters,
    DnnHyperparameters,
)
from tests.conftest import with_random_statistics
from tests.models.test_portable import CHOSEN

DNN = DnnHyperparameters(hidden_units=(8,))


@pytest.mark.parametrize("hyperparameters", CHOSEN)
def test_it_gives_the_probabilities_of_the_network(hyperparameters):
    network = with_random_statistics(hyperparameters)
    images = dataset.load().test.images[:40]
    given = dataset.scrambled(images) if hyperparameters.scrambled else images
    expected = keras.ops.softmax(network.predict(given, verbose=0)).numpy()
    found = SwiftReader(hyperparameters, pack_weights(network)).probabilities(images)
    assert found.dtype == np.float32
    # Sums of a thousand float32 products, in another order.
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.05  # the images are told apart


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "form",
    [DnnHyperparameters(hidden_units=(16, 16)), CnnHyperparameters(conv_layers=("4x3+pool2",))],
    ids=["dnn", "cnn"],
)
def test_it_knows_every_activation(form, activation):
    hyperparameters = form.model_copy(update={"activation": activation})
    network = with_random_statistics(hyperparameters)
    images = dataset.load().test.images[:40]
    found = SwiftReader(hyperparameters, pack_weights(network)).probabilities(images)
    np.testing.assert_allclose(found, Classifier(network).probabilities(images), atol=1e-5)


def test_many_images_come_in_batches_and_none_give_none(monkeypatch):
    monkeypatch.setattr(swift, "BATCH_SIZE", 50)
    images = dataset.load().test.images[:120]
    reader = SwiftReader(DNN, pack_weights(networks.build(DNN)))
    assert [len(batch) for batch in reader.batches(images)] == [50, 50, 20]
    one_by_one = np.concatenate([reader.probabilities(images[[at]]) for at in range(120)])
    np.testing.assert_allclose(reader.probabilities(images), one_by_one, atol=1e-6)
    assert reader.probabilities(images[:0]).shape == (0, 10)


def test_threads_that_read_at_the_same_time_read_the_same():
    network = networks.build(CnnHyperparameters(conv_layers=("4x3+pool2",), dense_units=()))
    hyperparameters = CnnHyperparameters(conv_layers=("4x3+pool2",), dense_units=())
    reader = SwiftReader(hyperparameters, pack_weights(network))
    images = dataset.load().test.images[:200]
    alone = reader.probabilities(images)
    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(reader.probabilities, [images] * 16):
            np.testing.assert_allclose(found, alone, atol=1e-6)


@pytest.mark.parametrize(
    "weights",
    [
        b"damaged",
        pack_weights(networks.build(DnnHyperparameters(hidden_units=(9,)))),
        pack_weights(networks.build(CnnHyperparameters())),
        npz.write({"dense_1/bias": np.zeros(8, np.float32)}),
    ],
    ids=["damaged", "another size", "another kind", "not whole"],
)
def test_other_weights_are_refused(weights):
    with pytest.raises(WeightsError, match=r"^The weights .*\.$"):
        SwiftReader(DNN, weights)


def test_half_precision_weights_are_read_too():
    network = networks.build(DNN)
    halves = {name: array.astype(np.float16) for name, array in weights_of(network).items()}
    images = dataset.load().test.images[:20]
    found = SwiftReader(DNN, npz.write(halves)).probabilities(images)
    # Three digits of each weight.
    np.testing.assert_allclose(found, Classifier(network).probabilities(images), atol=5e-3)


def test_reading_needs_no_tensorflow():
    script = (
        "import sys, numpy as np\n"
        "from mnist_models.runs.loading import load_reader\n"
        "from mnist_models.runs.store import RunStore\n"
        "for run in (store := RunStore('sqlite://')).pretrained_runs():\n"
        "    load_reader(store, run.id).read(np.zeros((28, 28), np.uint8))\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert said.stdout.split() == ["False", "False"], said.stderr
