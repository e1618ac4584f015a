"""The test set, distorted more and more."""

import pytest

from mnist_models import dataset, networks
from mnist_models.classifier import Classifier
from mnist_models.distortions import DISTORTIONS
from mnist_models.sweeps import Sweep

DIGITS = dataset.load().test.part(0, 130)


@pytest.fixture(scope="module")
def reader(tiny_cnn):
    return Classifier(networks.build(tiny_cnn), batch_size=50)


def test_a_sweep_is_the_accuracy_at_each_amount(reader):
    distortion = DISTORTIONS["hide"]
    sweep = Sweep(reader, distortion, DIGITS)
    while not sweep.is_complete:
        sweep.step()
    for amount, accuracy in zip(distortion.amounts, sweep.accuracies, strict=True):
        digits = [reader.read(image).digit for image in distortion.apply(DIGITS.images, amount)]
        assert accuracy == pytest.approx((digits == DIGITS.labels).mean())


def test_a_sweep_takes_small_steps_and_tells_how_far_it_is(reader):
    distortion = DISTORTIONS["scale"]
    sweep = Sweep(reader, distortion, DIGITS)
    done = [sweep.done]
    while not sweep.is_complete:
        sweep.step()
        done.append(sweep.done)
    assert done[0] == 0 and done[-1] == 1 and done == sorted(done)
    assert len(done) == 3 * len(distortion.amounts) + 2
    before = list(sweep.accuracies)
    sweep.step()
    assert sweep.accuracies == before


def test_what_was_read_before_it_was_stopped_stays(reader):
    sweep = Sweep(reader, DISTORTIONS["blur"], DIGITS)
    for _ in range(7):
        sweep.step()
    assert len(sweep.accuracies) == 2 and not sweep.is_complete
