"""What ten probabilities say does not hang on their last bit, which differs between processors."""

import numpy as np
import pytest

from mnist_models.data import strokes
from mnist_models.data.probabilities import digits_of, in_words, is_confident
from mnist_models.explain import explanations
from mnist_models.explain.activations import likeness
from mnist_models.explain.slices import Sliced
from mnist_models.models.predictions import Predictions

EVEN = np.full(10, 0.1, np.float32)


def nudged(row, digit, up=True):
    """The row with one probability moved by its last bit."""
    row = row.copy()
    row[digit] = np.nextafter(row[digit], np.float32(up))
    return row


def last_bits(row):
    """The row, and with each of its probabilities moved up and down by its last bit."""
    return np.stack([row, *(nudged(row, digit, up) for digit in range(10) for up in (0, 1))])


class LastBits:
    """A model that finds all digits equally probable, but for the last bit, which is another one
    each time."""

    def __init__(self):
        self.random = np.random.default_rng(0)

    def __call__(self, images):
        rows = last_bits(EVEN)
        return rows[self.random.integers(0, len(rows), len(images))]


def done(steps):
    work = Sliced(lambda: steps)
    work.go_on(60)
    return work.result


@pytest.mark.parametrize("pair", [(2, 7), (0, 9)])
def test_of_equally_probable_digits_the_lowest_is_read_whatever_the_last_bit(pair):
    row = np.zeros(10, np.float32)
    row[list(pair)] = 0.5
    assert set(digits_of(last_bits(row)).tolist()) == {pair[0]}
    assert set(Predictions.of(last_bits(row)).digits.tolist()) == {pair[0]}
    assert digits_of(nudged(row, pair[1])) == pair[0] != nudged(row, pair[1]).argmax()


def test_what_is_clearly_more_probable_is_read():
    random = np.random.default_rng(1).dirichlet(np.ones(10), (50, 20)).astype(np.float32)
    np.testing.assert_array_equal(digits_of(random), random.argmax(axis=-1))


def test_being_sure_does_not_hang_on_the_last_bit_of_the_threshold():
    threshold = np.float32(0.7)
    assert is_confident(np.nextafter(threshold, np.float32(0)), 0.7) and is_confident(
        threshold, 0.7
    )
    assert not is_confident(0.699, 0.7)


def test_a_guess_is_told_where_the_model_is_not_sure():
    row = np.full(10, 0.02)
    row[4] = 0.82
    assert in_words(row, 0.7) == "probability 82.0%"
    assert in_words(row, 0.9) == "perhaps 4, probability 82.0%"


def test_a_last_bit_changes_no_mind_along_a_drawing():
    row = np.zeros(10, np.float32)
    row[[4, 9]] = 0.5
    for confidence_threshold in (0.5, 0.6):
        decision = strokes.decide(last_bits(row), confidence_threshold)
        assert (decision.digit, decision.since, decision.earlier) == (4, 0, None)
        assert decision.is_confident == (confidence_threshold == 0.5)


def test_a_last_bit_is_no_evidence_and_no_other_reading():
    image = np.zeros((28, 28), np.uint8)
    image[8:20, 12:16] = 255
    assert not done(explanations.occlusion(LastBits(), image, 3, 0)).falls.any()
    assert done(explanations.smallest_stroke(LastBits(), image, "pen")).image is None

    def gradient(images, digit):
        return np.zeros(len(images)), np.zeros(images.shape)

    assert done(explanations.few_pixels(LastBits(), gradient, image)).image is None


def test_a_last_bit_is_no_pattern():
    flat = np.full((26, 26), 0.3, np.float32)
    noisy = flat.copy()
    noisy[::2] = np.nextafter(flat[::2], np.float32(1))
    assert likeness(flat, noisy) == likeness(noisy, noisy.T) == 1
    assert likeness(noisy, np.arange(26 * 26).reshape(26, 26)) == 0
