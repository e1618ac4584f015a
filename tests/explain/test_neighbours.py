"""The training digits that a network finds most like a drawing: against slow oracles."""

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.explain import neighbours
from mnist_models.explain.slices import Sliced
from mnist_models.models import networks
from mnist_models.models.classifier import Classifier
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters

IMAGES = dataset.load().train.images[:600]
DRAWING = dataset.load().test.images[:1]


def known(hidden, images=IMAGES):
    work = Sliced(lambda: neighbours.know(hidden, images))
    work.go_on(120)
    assert work.is_over
    return work.result


@pytest.fixture(scope="module")
def dense():
    return networks.build(DnnHyperparameters(hidden_units=(24,), batch_norm=False))


@pytest.fixture(scope="module")
def found(dense):
    return known(neighbours.last_hidden(dense))


def test_the_last_hidden_layer_is_what_comes_before_the_logits(dense):
    kernel, bias = (np.asarray(variable) for variable in dense.get_layer("dense_1").variables)
    expected = np.maximum(DRAWING.reshape(1, 784) / 255 @ kernel + bias, 0)
    np.testing.assert_allclose(neighbours.last_hidden(dense)(DRAWING), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("hyperparameters", "width"),
    [
        (CnnHyperparameters(conv_layers=("4x7/3",), dense_units=(), dropout=0.5), 8 * 8 * 4),
        (CnnHyperparameters(conv_layers=("4x3/2+pool2",), dense_units=(12,), dropout=0.5), 12),
        (DnnHyperparameters(hidden_units=(16, 8), activation="sigmoid", dropout=0.5), 8),
    ],
)
def test_every_architecture_has_one_and_it_is_what_its_layers_pass_on_one_by_one(
    hyperparameters, width
):
    network = networks.build(hyperparameters)
    outputs = DRAWING
    for layer in network.layers[:-1]:
        outputs = layer(outputs)
    features = neighbours.last_hidden(network)(DRAWING)
    assert features.shape == (1, width)
    np.testing.assert_allclose(features, outputs, atol=1e-5)


def test_the_nearest_are_those_at_the_smallest_distances(dense, found):
    hidden = neighbours.last_hidden(dense)
    features, here = hidden(IMAGES).astype(np.float64), hidden(DRAWING)[0]
    distances = np.array([np.sqrt(((one - here) ** 2).sum()) for one in features])
    nearest = found.nearest(here)
    assert len(set(nearest.tolist())) == 9
    # Features are kept with three digits: two that are nearly as near may change places.
    np.testing.assert_allclose(distances[nearest], np.sort(distances)[:9], rtol=2e-3)


def test_a_training_digit_is_nearest_to_itself(dense, found):
    hidden = neighbours.last_hidden(dense)
    assert [found.nearest(hidden(IMAGES[index : index + 1])[0])[0] for index in (0, 299, 599)] == [
        0,
        299,
        599,
    ]


def test_the_map_shows_the_two_directions_of_most_variance(found):
    features = found.features.astype(np.float64)
    centred = features - features.mean(axis=0)
    _, spreads, axes = np.linalg.svd(centred, full_matrices=False)
    assert found.shares == pytest.approx(spreads[:2] ** 2 / (spreads**2).sum(), rel=1e-3)
    expected = centred @ axes[:2].T
    places = found.on_map(found.features)
    for axis in range(2):  # whichever way round
        same = np.sign((places[:, axis] * expected[:, axis]).sum())
        np.testing.assert_allclose(
            places[:, axis] * same, expected[:, axis], atol=0.02 * np.abs(expected).max()
        )


def test_of_wide_layers_fewer_digits_are_kept(monkeypatch):
    network = networks.build(CnnHyperparameters(conv_layers=("4x3",), dense_units=()))
    monkeypatch.setattr(neighbours, "MOST_NUMBERS", 100 * 26 * 26 * 4 + 1)
    found = known(neighbours.last_hidden(network))
    assert found.features.shape == (100, 26 * 26 * 4) and found.features.dtype == np.float16
    hidden = neighbours.last_hidden(network)
    assert found.nearest(hidden(IMAGES[42:43])[0])[0] == 42


def test_a_network_that_sees_the_same_in_all_digits_has_no_variance_to_show():
    found = known(
        neighbours.last_hidden(networks.build(DnnHyperparameters(hidden_units=(16,)), blank=True))
    )
    assert found.shares == (0, 0)
    assert len(found.nearest(np.zeros(16, np.float32))) == 9


def test_a_network_of_scrambled_pixels_sees_them_scrambled(dense):
    reader = Classifier(dense, scrambles=True)
    found = neighbours.last_hidden(dense, reader.seen)(DRAWING)
    np.testing.assert_allclose(
        found, neighbours.last_hidden(dense)(dataset.scrambled(DRAWING)), atol=1e-5
    )
