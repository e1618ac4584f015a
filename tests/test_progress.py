"""Curves: as fine as a screen needs, made of the right batches, the same however progress arrives."""

import random

import numpy as np
import pytest

from mnist_models.hyperparameters import DnnHyperparameters
from mnist_models.progress import POINTS, Curve, EpochEnd, Measuring, Progress, steps_per_epoch


def progress(step, losses, accuracies):
    return Progress(
        step=step, epoch=0.5, losses=losses, accuracies=accuracies, images_per_s=1.0, elapsed_s=1.0, remaining_s=None
    )


def epoch_end(epoch):
    return EpochEnd(epoch=epoch, loss=0.5, accuracy=0.9, validation_loss=None, validation_accuracy=None, elapsed_s=3.0)


def drawn(hyperparameters, losses, accuracies, sizes):
    """The curve of these batches, told of in events of these sizes, over and over."""
    curve = Curve.empty(hyperparameters)
    step, turn = 0, 0
    while step < len(losses):
        end = min(step + sizes[turn % len(sizes)], len(losses))
        curve.add(progress(end, tuple(losses[step:end]), tuple(accuracies[step:end])))
        step, turn = end, turn + 1
    return curve


def batches_of(hyperparameters):
    chance = np.random.default_rng(3)
    count = steps_per_epoch(hyperparameters) * hyperparameters.epochs
    return chance.random(count).tolist(), chance.random(count).tolist()


@pytest.mark.parametrize(
    ("train_images", "batch_size", "steps"),
    [(100, 8, 13), (1_000, 1_000, 1), (1_001, 1_000, 2), (100, 1_024, 1), (55_000, 128, 430)],
)
def test_an_epoch_has_as_many_batches_as_the_images_fill(train_images, batch_size, steps):
    assert steps_per_epoch(DnnHyperparameters(train_images=train_images, batch_size=batch_size)) == steps


@pytest.mark.parametrize("epochs", [1, 3, 7, 100])
@pytest.mark.parametrize(("train_images", "batch_size"), [(100, 100), (3_000, 128), (60_000, 128)])
def test_a_curve_has_at_most_some_400_points_and_never_far_fewer_than_it_could(epochs, train_images, batch_size):
    hyperparameters = DnnHyperparameters(epochs=epochs, train_images=train_images, batch_size=batch_size, validation_images=0)
    losses, accuracies = batches_of(hyperparameters)
    curve = drawn(hyperparameters, losses, accuracies, [len(losses)])
    assert min(len(losses), POINTS) / 2 <= len(curve.points) <= POINTS


def test_a_point_is_the_mean_of_its_batches_and_stands_where_the_last_of_them_ended():
    hyperparameters = DnnHyperparameters(epochs=5, train_images=25_600, batch_size=128, validation_images=0)
    losses, accuracies = batches_of(hyperparameters)  # 5 × 200, which is 3 batches a point
    curve = drawn(hyperparameters, losses, accuracies, [7])
    assert curve.batches_per_point == 3
    assert len(curve.points) == 333 and curve.batches == 1_000
    for place in (0, 1, 100, 332):
        batches = slice(3 * place, 3 * place + 3)
        assert curve.points[place] == pytest.approx(
            (3 * (place + 1) / 200, np.mean(losses[batches]), np.mean(accuracies[batches]))
        )


def test_a_curve_does_not_depend_on_how_batches_are_told_of():
    hyperparameters = DnnHyperparameters(epochs=4, train_images=60_000, batch_size=128, validation_images=0)
    losses, accuracies = batches_of(hyperparameters)
    at_once = drawn(hyperparameters, losses, accuracies, [len(losses)])
    one_by_one = drawn(hyperparameters, losses, accuracies, [1])
    chance = random.Random(1)
    anyhow = drawn(hyperparameters, losses, accuracies, [chance.randint(1, 40) for _ in range(100)])
    assert at_once == one_by_one == anyhow


def test_epoch_ends_are_kept_in_order_and_measuring_leaves_no_mark():
    curve = Curve.empty(DnnHyperparameters())
    for event in (epoch_end(1), epoch_end(2), Measuring(stopped=False)):
        curve.add(event)
    assert curve.epochs == [epoch_end(1), epoch_end(2)]
    assert curve.points == []


def test_curves_of_two_trainings_share_nothing():
    first, second = Curve.empty(DnnHyperparameters()), Curve.empty(DnnHyperparameters())
    first.add(epoch_end(1))
    first.add(progress(1, (0.5,), (0.5,)))
    assert second.epochs == [] and second.pending == [] and second.batches == 0


def test_json_and_back_changes_nothing():
    hyperparameters = DnnHyperparameters(epochs=1, train_images=1_280, validation_images=100)
    curve = drawn(hyperparameters, *batches_of(hyperparameters), [3])
    curve.add(epoch_end(1))
    assert len(curve.points) == 10
    assert Curve.model_validate_json(curve.model_dump_json()) == curve
    for event in (progress(3, (0.5, 0.25), (1.0, 0.0)), epoch_end(4), Measuring(stopped=True)):
        assert type(event).model_validate(event.model_dump(mode="json")) == event


def test_a_curve_that_is_closed_early_keeps_the_batches_that_made_no_whole_point():
    hyperparameters = DnnHyperparameters(epochs=100, train_images=12_800, batch_size=128, validation_images=0)
    curve = Curve.empty(hyperparameters)
    assert curve.batches_per_point == 25
    curve.add(progress(10, [2.0] * 5 + [1.0] * 5, [0.5] * 10))
    assert curve.points == []
    curve.close()
    assert curve.points == [(0.1, 1.5, 0.5)]
    curve.close()
    assert len(curve.points) == 1
