"""Evaluation: the numbers that a hand, scikit-learn and Keras come to as well."""

import keras
import numpy as np
import pytest
from sklearn import metrics

from mnist_models.data import dataset
from mnist_models.models import networks
from mnist_models.models.classifier import Classifier
from mnist_models.models.evaluation import DigitReport, evaluate
from mnist_models.settings.hyperparameters import DnnHyperparameters

HYPERPARAMETERS = DnnHyperparameters(hidden_units=(16,), batch_norm=False)


@pytest.fixture(scope="module")
def certain():
    """Reads digit n, nearly certain, where pixel n of the first row is ink."""
    network = networks.build(HYPERPARAMETERS, blank=True)
    first, first_bias, last, last_bias = network.get_weights()
    first[np.arange(10), np.arange(10)] = 1
    last[np.arange(10), np.arange(10)] = 100  # ink 255 in pixel n: a logit of 100 for digit n
    network.set_weights([first, first_bias, last, last_bias])
    return Classifier(network)


def images_read_as(digits):
    images = np.zeros((len(digits), 28, 28), np.uint8)
    images[np.arange(len(digits)), 0, digits] = 255
    return images


def test_a_case_made_by_hand(certain):
    labels = [1, 1, 1, 7, 7, 1, 7, 2]
    read = [1, 1, 1, 7, 7, 7, 1, 0]
    result = evaluate(certain.predictions(images_read_as(read)), np.uint8(labels))
    assert result.accuracy == 5 / 8
    expected = np.zeros((10, 10), int)
    expected[1, 1], expected[1, 7], expected[7, 7], expected[7, 1], expected[2, 0] = 3, 1, 2, 1, 1
    np.testing.assert_array_equal(result.confusion, expected)
    assert result.digits[1] == DigitReport(3 / 4, 3 / 4, 3 / 4, 4)
    assert result.digits[7] == DigitReport(2 / 3, 2 / 3, pytest.approx(2 / 3), 3)
    assert result.digits[2] == DigitReport(0, 0, 0, 1)
    assert result.digits[0] == DigitReport(0, 0, 0, 0)
    assert result.digits[9] == DigitReport(0, 0, 0, 0)
    assert np.isfinite(result.loss) and result.loss > 3 / 8 * 30


def test_a_perfect_network_has_no_loss_and_a_diagonal(certain):
    labels = np.uint8([*range(10), 3, 3])
    result = evaluate(certain.predictions(images_read_as(labels)), labels)
    assert (result.accuracy, result.loss) == (1, pytest.approx(0, abs=1e-6))
    np.testing.assert_array_equal(result.confusion, np.diag([1, 1, 1, 3, 1, 1, 1, 1, 1, 1]))
    assert [report.support for report in result.digits] == [1, 1, 1, 3, 1, 1, 1, 1, 1, 1]


def test_an_undecided_network_loses_the_logarithm_of_ten():
    digits = dataset.load().test.part(0, 500)
    result = evaluate(
        Classifier(networks.build(HYPERPARAMETERS, blank=True)).predictions(digits.images),
        digits.labels,
    )
    assert result.loss == pytest.approx(np.log(10), rel=1e-6)
    assert result.confusion[:, 0].sum() == result.confusion.sum() == 500


def test_scikit_learn_and_keras_come_to_the_same_numbers():
    network = networks.build(DnnHyperparameters(hidden_units=(16,)))
    digits = dataset.load().test.part(0, 3_000)
    result = evaluate(Classifier(network).predictions(digits.images), digits.labels)
    read = network.predict(digits.images, verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(result.confusion, metrics.confusion_matrix(digits.labels, read))
    assert result.accuracy == metrics.accuracy_score(digits.labels, read)
    assert result.confusion.sum() == 3_000
    network.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert result.loss == pytest.approx(
        network.evaluate(digits.images, digits.labels, verbose=0), rel=1e-5
    )
    report = metrics.classification_report(digits.labels, read, output_dict=True, zero_division=0)
    for digit, found in enumerate(result.digits):
        expected = report[str(digit)]
        assert (found.precision, found.recall, found.f1, found.support) == pytest.approx(
            (expected["precision"], expected["recall"], expected["f1-score"], expected["support"])
        )
