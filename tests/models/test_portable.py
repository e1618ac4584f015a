"""Models as files for a browser: an independent reader of the file gives what Keras gives."""

import gzip
import json

import numpy as np
import pytest
from scipy.special import erf, expit, softmax

from mnist_models.data import dataset, npz
from mnist_models.models import networks, portable
from mnist_models.models.classifier import Classifier, weights_of
from mnist_models.models.folded import WeightsError
from mnist_models.settings.hyperparameters import (
    ACTIVATIONS,
    CnnHyperparameters,
    DnnHyperparameters,
)
from tests.conftest import with_random_statistics

CHOSEN = [
    DnnHyperparameters(hidden_units=(16, 8), batch_norm=True),
    DnnHyperparameters(hidden_units=(32,), batch_norm=False),
    DnnHyperparameters(hidden_units=(12,), scrambled=True),
    CnnHyperparameters(conv_layers=("8x5/2+pool2", "12x3"), dense_units=(16,)),
    CnnHyperparameters(conv_layers=("4x3/3",), dense_units=(), batch_norm=False, scrambled=True),
    CnnHyperparameters(conv_layers=("6x7+pool3", "8x3/2"), batch_norm=True, plain_layers=1),
]


ORACLE = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "silu": lambda x: x * expit(x),
    "tanh": np.tanh,
    "sigmoid": expit,
}


def read(file, images):
    """The probabilities, as the file's description says they come about."""
    content = gzip.decompress(file)
    length = int.from_bytes(content[:4], "little")
    layers = json.loads(content[4 : 4 + length])
    numbers = np.frombuffer(content[4 + length :], "<f2").astype(np.float64)
    maps = images[..., np.newaxis] / 255
    for layer in layers:
        if "order" in layer:
            maps = maps.reshape(len(maps), -1)[:, layer["order"]].reshape(maps.shape)
            continue
        size = layer.get("pool", layer.get("kernel", maps.shape[1]))
        step = layer.get("pool", layer.get("stride", 1))
        windows = np.lib.stride_tricks.sliding_window_view(maps, (size, size), axis=(1, 2))
        windows = windows[:, ::step, ::step]  # (N, rows, columns, channels, size, size)
        if "pool" in layer:
            maps = windows.max(axis=(-1, -2))
            continue
        units, inputs = layer["units"], layer["inputs"]
        bias, kernel, numbers = np.split(numbers, [units, units + inputs * units])
        patches = np.moveaxis(windows, 3, -1).reshape(*windows.shape[:3], inputs)
        maps = ORACLE[layer["activation"]](patches @ kernel.reshape(inputs, units) + bias)
    assert not len(numbers)
    return softmax(maps.reshape(len(maps), -1), axis=1)


@pytest.mark.parametrize("hyperparameters", CHOSEN)
def test_a_file_gives_the_probabilities_of_the_network(hyperparameters):
    network = with_random_statistics(hyperparameters)
    images = dataset.load().test.images[:40]
    expected = Classifier(network, scrambles=hyperparameters.scrambled).probabilities(images)
    file = portable.pack(hyperparameters, npz.write(weights_of(network)))
    # Weights in half precision have three digits.
    np.testing.assert_allclose(read(file, images), expected, atol=5e-3)
    assert np.ptp(expected, axis=0).max() > 0.05  # the images are told apart


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_told(activation):
    hyperparameters = DnnHyperparameters(hidden_units=(16, 16), activation=activation)
    network = with_random_statistics(hyperparameters)
    images = dataset.load().test.images[:40]
    file = portable.pack(hyperparameters, npz.write(weights_of(network)))
    np.testing.assert_allclose(
        read(file, images), Classifier(network).probabilities(images), atol=5e-3
    )


def test_the_same_model_has_the_same_file_and_another_one_another():
    files = []
    for seed in (0, 0, 1):
        hyperparameters = DnnHyperparameters(hidden_units=(8,), seed=seed)
        weights = npz.write(weights_of(networks.build(hyperparameters)))
        files.append(portable.pack(hyperparameters, weights))
    assert files[0] == files[1] != files[2]


def test_a_model_that_is_too_large_has_no_file(monkeypatch):
    hyperparameters = DnnHyperparameters(hidden_units=(8,), batch_norm=False)
    network = networks.build(hyperparameters)
    weights = npz.write(weights_of(network))
    monkeypatch.setattr(portable, "MOST_PARAMETERS", network.count_params())
    assert portable.pack(hyperparameters, weights)
    monkeypatch.setattr(portable, "MOST_PARAMETERS", network.count_params() - 1)
    assert portable.pack(hyperparameters, weights) is None


@pytest.mark.parametrize("value", [1e6, np.inf, np.nan])
def test_weights_for_which_half_precision_has_no_room_have_no_file(value):
    hyperparameters = DnnHyperparameters(hidden_units=(8,), batch_norm=False)
    arrays = weights_of(networks.build(hyperparameters))
    arrays["dense_1/kernel"][0, 0] = value
    assert portable.pack(hyperparameters, npz.write(arrays)) is None


def test_damaged_weights_and_those_of_another_network_are_refused():
    hyperparameters = DnnHyperparameters(hidden_units=(8,))
    dense, convolutional = (
        npz.write(weights_of(networks.build(one)))
        for one in (hyperparameters, CnnHyperparameters())
    )
    for values, weights in (
        (hyperparameters, b"damaged"),
        (hyperparameters, convolutional),
        (CnnHyperparameters(), dense),
    ):
        with pytest.raises(WeightsError):
            portable.pack(values, weights)
