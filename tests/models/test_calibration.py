"""Temperature and calibration error, against cases whose answer is known."""

import numpy as np
import pytest

from mnist_models.models.calibration import (
    confidence_threshold,
    expected_calibration_error,
    temperature,
    tempered,
)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def honest():
    """Logits (20000, 10) whose softmax is the probability with which each label was drawn, and the
    labels."""
    random = np.random.default_rng(1)
    logits = random.normal(0, 3, (20_000, 10))
    chosen = (softmax(logits).cumsum(axis=1) > random.random((20_000, 1))).argmax(axis=1)
    return logits, chosen.astype(np.uint8)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_takes_back_what_logits_were_multiplied_by(honest, factor):
    logits, labels = honest
    assert temperature(softmax(logits * factor), labels) == pytest.approx(factor, rel=0.03)


def test_tempered_probabilities_are_those_of_divided_logits(honest):
    logits, _ = honest
    found = tempered(softmax(logits), 2.5)
    np.testing.assert_allclose(found, softmax(logits / 2.5), atol=1e-9)
    np.testing.assert_allclose(tempered(found, 1 / 2.5), softmax(logits), atol=1e-9)


def test_probabilities_that_were_rounded_to_0_can_be_tempered():
    probabilities = np.eye(10, dtype=np.float32)
    found = tempered(probabilities, 2.0)
    assert np.isfinite(found).all() and (found.argmax(axis=1) == np.arange(10)).all()
    assert np.isfinite(temperature(probabilities, np.arange(10, dtype=np.uint8)))


def test_honest_probabilities_have_nearly_no_calibration_error(honest):
    logits, labels = honest
    assert expected_calibration_error(softmax(logits), labels) < 0.01
    assert expected_calibration_error(softmax(logits * 3), labels) > 0.05


def test_the_calibration_error_of_a_small_case_is_the_one_worked_out_by_hand():
    probabilities = np.full((4, 10), 0.0)
    probabilities[:, 0] = [0.9, 0.9, 0.9, 0.6]
    probabilities[:, 1] = [0.1, 0.1, 0.1, 0.4]
    labels = np.array([0, 0, 1, 0], np.uint8)
    # Three readings of 0.9, two of them right, are 0.7 too sure in sum; one of 0.6 that is right is
    # 0.4 not sure enough.
    assert expected_calibration_error(probabilities, labels) == pytest.approx((0.7 + 0.4) / 4)


def test_a_probability_of_1_is_in_the_last_bin():
    assert expected_calibration_error(np.eye(10), np.arange(10, dtype=np.uint8)) == 0.0


def test_sure_is_what_few_non_digits_reach_but_nearly_all_digits_do():
    def most_probable(values):
        probabilities = np.full((len(values), 10), 0.0)
        probabilities[:, 3] = values
        return probabilities

    digits, scribbles = (
        most_probable(np.linspace(0.8, 1, 1_001)),
        most_probable(np.linspace(0, 0.5, 1_001)),
    )
    assert confidence_threshold(digits, scribbles) == pytest.approx(
        0.481
    )  # 96.2 % of the scribbles are below
    doubtful = most_probable(np.linspace(0.2, 1, 1_001))
    assert confidence_threshold(doubtful, scribbles) == pytest.approx(
        0.2 + 0.8 * 0.004
    )  # or too many digits would be lost
