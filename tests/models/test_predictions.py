"""What a network read in many digits: small, exact about which digit, and refused when damaged."""

import io

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.models.predictions import Predictions, PredictionsError
from mnist_models.runs import pretrained
from mnist_models.settings.hyperparameters import NETWORKS


@pytest.fixture(scope="module")
def probabilities():
    logits = np.random.default_rng(5).normal(0, 4, (2_000, 10))
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


def packed(**arrays):
    archive = io.BytesIO()
    np.savez_compressed(archive, **arrays)
    return archive.getvalue()


def test_the_most_probable_digit_is_the_one_that_is_read(probabilities):
    predictions = Predictions.of(probabilities)
    assert predictions.digits.dtype == np.uint8 and predictions.digits.shape == (2_000,)
    np.testing.assert_array_equal(predictions.digits, probabilities.argmax(axis=1))
    np.testing.assert_array_equal(predictions.confidences, probabilities.max(axis=1))
    assert predictions.probabilities is probabilities


def test_what_is_packed_comes_back_with_three_digits_after_the_point(probabilities):
    predictions = Predictions.of(probabilities)
    found = Predictions.unpack(predictions.pack())
    np.testing.assert_array_equal(found.digits, predictions.digits)
    np.testing.assert_allclose(found.probabilities, probabilities, atol=0.0005)
    assert found.confidences.shape == (2_000,)
    # What was packed once does not change any more.
    again = Predictions.unpack(found.pack())
    np.testing.assert_array_equal(again.probabilities, found.probabilities)
    np.testing.assert_array_equal(again.digits, found.digits)


def test_which_digit_was_read_is_kept_even_where_rounding_makes_two_equal():
    close = np.full((1, 10), 0.05, np.float32)
    close[0, 3], close[0, 7] = 0.3000, 0.30005
    found = Predictions.unpack(Predictions.of(close).pack())
    assert found.probabilities[0, 3] == found.probabilities[0, 7]
    assert found.digits.tolist() == [7]


def test_no_image_at_all_is_packed_too():
    found = Predictions.unpack(Predictions.of(np.empty((0, 10), np.float32)).pack())
    assert (
        found.digits.shape == (0,)
        and found.probabilities.shape == (0, 10)
        and found.confidences.shape == (0,)
    )


def test_readings_of_the_whole_test_set_take_less_than_a_few_hundred_kilobytes():
    for network in NETWORKS:
        predictions = pretrained.predictions(pretrained.PREFIX + network)
        assert len(predictions.digits) == len(dataset.load().test.labels)
        assert len(predictions.pack()) < 300_000


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"PK\x03\x04",
        b"no archive at all" * 100,
        packed(weights=np.zeros(3)),
        packed(digits=np.zeros(3, np.uint8)),
        packed(digits=np.zeros(3, np.uint8), probabilities=np.zeros((4, 10), np.float16)),
        packed(digits=np.zeros(3, np.uint8), probabilities=np.zeros((3, 9), np.float16)),
        packed(digits=np.zeros(3), probabilities=np.zeros((3, 10), np.float16)),
        packed(digits=np.zeros(3, np.uint8), probabilities=np.full((3, 10), "x")),
        packed(digits=np.uint8(3), probabilities=np.zeros((3, 10), np.float16)),
        packed(digits=np.full(3, 10, np.uint8), probabilities=np.zeros((3, 10), np.float16)),
    ],
    ids=[
        "nothing",
        "a beginning",
        "text",
        "weights",
        "digits only",
        "more rows",
        "nine digits",
        "floats",
        "words",
        "one",
        "tens",
    ],
)
def test_damaged_predictions_are_a_sentence(damaged):
    with pytest.raises(PredictionsError, match=r"^The predictions .*\.$"):
        Predictions.unpack(damaged)


def test_each_flipped_byte_is_noticed_or_harms_nothing(probabilities):
    predictions = Predictions.of(probabilities[:20])
    whole = predictions.pack()
    noticed = 0
    for place in range(0, len(whole), 7):
        try:
            found = Predictions.unpack(
                whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
            )
        except PredictionsError:
            noticed += 1
        else:
            np.testing.assert_array_equal(found.digits, predictions.digits)
            np.testing.assert_allclose(found.probabilities, predictions.probabilities, atol=0.0005)
    assert noticed > len(whole) / 7 / 2
