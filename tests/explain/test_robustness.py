"""The test set, distorted more and more."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mnist_models.data import dataset
from mnist_models.data.corruptions import CORRUPTIONS
from mnist_models.explain.robustness import origin, robustness_curve
from mnist_models.explain.slices import Sliced
from mnist_models.models import networks
from mnist_models.models.classifier import Classifier
from mnist_models.runs.store import RunStore

DIGITS = dataset.load().test.part(0, 330)


@pytest.fixture(scope="module")
def reader(tiny_cnn):
    return Classifier(networks.build(tiny_cnn))


def test_a_sweep_is_the_accuracy_at_each_amount(reader):
    corruption = CORRUPTIONS["scale"]
    work = Sliced(lambda: robustness_curve(reader.probabilities, corruption, DIGITS))
    work.go_on(60)
    assert work.is_over
    for amount, accuracy in zip(corruption.amounts, work.result, strict=True):
        digits = [
            read.digit for read in reader.predict_all(corruption.apply(DIGITS.images, amount))
        ]
        assert accuracy == pytest.approx((digits == DIGITS.labels).mean())


def test_a_sweep_takes_small_steps_and_tells_how_far_it_is(reader):
    shares = list(robustness_curve(reader.probabilities, CORRUPTIONS["blur"], DIGITS))
    assert len(shares) == 2 * len(CORRUPTIONS["blur"].amounts)
    assert shares == sorted(shares) and shares[-1] == 1 and shares[0] < 0.1


@pytest.fixture
def pretrained_run():
    """A network that ships, as each start of the app finds it."""
    return RunStore().run("quick-dnn")


def test_the_origin_of_a_sweep_is_the_same_after_every_start_and_of_each_sweep_another_one(
    pretrained_run,
):
    again, other = RunStore().run("quick-dnn"), RunStore().run("quick-cnn")
    assert origin(again, CORRUPTIONS["blur"]) == origin(pretrained_run, CORRUPTIONS["blur"])
    assert (
        len(
            {
                origin(run, corruption)
                for run in (pretrained_run, other)
                for corruption in CORRUPTIONS.values()
            }
        )
        == 18
    )


def test_a_network_that_was_trained_anew_has_sweeps_of_another_origin(pretrained_run):
    before = origin(pretrained_run, CORRUPTIONS["blur"])
    pretrained_run.name = "quicker"
    assert origin(pretrained_run, CORRUPTIONS["blur"]) == before
    pretrained_run.created_at += timedelta(days=1)
    assert origin(pretrained_run, CORRUPTIONS["blur"]) != before


NOISE = CORRUPTIONS["noise"]


@pytest.mark.parametrize(
    ("changed", "is_another"),
    [
        (
            replace(
                NOISE,
                title="Snow",
                help="Snows.",
                apply=lambda images, percent: NOISE.apply(images, percent),
            ),
            False,
        ),
        (replace(NOISE, amounts=NOISE.amounts[:-1]), True),
        (replace(NOISE, amounts=tuple(amount + 0.001 for amount in NOISE.amounts)), True),
        (
            replace(NOISE, apply=lambda images, percent: NOISE.apply(images, min(percent, 140))),
            True,
        ),
        # The same for one digit alone, but not for several.
        (
            replace(NOISE, apply=lambda images, percent: NOISE.apply(images[::-1], percent)[::-1]),
            True,
        ),
    ],
    ids=[
        "other words",
        "fewer amounts",
        "amounts hardly moved",
        "weaker at the end",
        "another order",
    ],
)
def test_a_distortion_that_does_something_else_has_sweeps_of_another_origin(
    pretrained_run, changed, is_another
):
    assert (origin(pretrained_run, changed) != origin(pretrained_run, NOISE)) == is_another
