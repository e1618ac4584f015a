"""The test set, distorted more and more."""

import pytest

from mnist_models import dataset, networks
from mnist_models.classifier import Classifier
from mnist_models.distortions import DISTORTIONS
from mnist_models.slices import Sliced
from mnist_models.sweeps import sweep

DIGITS = dataset.load().test.part(0, 330)


@pytest.fixture(scope="module")
def reader(tiny_cnn):
    return Classifier(networks.build(tiny_cnn))


def test_a_sweep_is_the_accuracy_at_each_amount(reader):
    distortion = DISTORTIONS["scale"]
    work = Sliced(lambda: sweep(reader.probabilities, distortion, DIGITS))
    work.go_on(60)
    assert work.is_over
    for amount, accuracy in zip(distortion.amounts, work.result, strict=True):
        digits = [read.digit for read in reader.read_all(distortion.apply(DIGITS.images, amount))]
        assert accuracy == pytest.approx((digits == DIGITS.labels).mean())


def test_a_sweep_takes_small_steps_and_tells_how_far_it_is(reader):
    shares = list(sweep(reader.probabilities, DISTORTIONS["blur"], DIGITS))
    assert len(shares) == 2 * len(DISTORTIONS["blur"].amounts)
    assert shares == sorted(shares) and shares[-1] == 1 and shares[0] < 0.1
