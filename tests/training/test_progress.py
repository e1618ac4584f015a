"""Curves: as fine as a screen needs, made of the right batches, the same however progress
arrives."""

import random

import numpy as np
import pytest

from mnist_models.settings.hyperparameters import DnnHyperparameters
from mnist_models.training.progress import (
    POINTS,
    Curve,
    EpochEnd,
    Measuring,
    Paused,
    Progress,
    RateChange,
    planned_images,
    planned_steps,
    steps_per_epoch,
)


def progress(step, losses, accuracies):
    return Progress(
        step=step,
        epoch=0.5,
        losses=losses,
        accuracies=accuracies,
        learning_rate=0.01,
        images_per_s=1.0,
        elapsed_s=step / 100,
        remaining_s=None,
    )


def epoch_end(epoch):
    return EpochEnd(
        epoch=epoch,
        loss=0.5,
        accuracy=0.9,
        validation_loss=None,
        validation_accuracy=None,
        elapsed_s=3.0,
    )


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
    assert (
        steps_per_epoch(DnnHyperparameters(train_images=train_images, batch_size=batch_size))
        == steps
    )


@pytest.mark.parametrize("epochs", [1, 3, 7, 100])
@pytest.mark.parametrize(("train_images", "batch_size"), [(100, 100), (3_000, 128), (60_000, 128)])
def test_a_curve_has_at_most_400_points_and_never_far_fewer_than_it_could(
    epochs, train_images, batch_size
):
    hyperparameters = DnnHyperparameters(
        epochs=epochs, train_images=train_images, batch_size=batch_size, validation_images=0
    )
    losses, accuracies = batches_of(hyperparameters)
    curve = drawn(hyperparameters, losses, accuracies, [len(losses)])
    # It has halved whenever it came to 400.
    assert min(len(losses), POINTS // 2) <= len(curve.points) < POINTS


def test_a_point_is_the_mean_of_its_batches_and_stands_where_the_last_of_them_ended():
    hyperparameters = DnnHyperparameters(
        epochs=5, train_images=25_600, batch_size=128, validation_images=0
    )
    losses, accuracies = batches_of(hyperparameters)  # 5 × 200, which is 4 batches a point
    curve = drawn(hyperparameters, losses, accuracies, [7])
    assert curve.batches_per_point == 4
    assert len(curve.points) == 250 and curve.batches == 1_000
    for place in (0, 1, 100, 249):
        batches = slice(4 * place, 4 * place + 4)
        assert curve.points[place] == pytest.approx(
            (4 * (place + 1) / 200, np.mean(losses[batches]), np.mean(accuracies[batches]))
        )


def test_a_curve_does_not_depend_on_how_batches_are_told_of():
    hyperparameters = DnnHyperparameters(
        epochs=4, train_images=60_000, batch_size=128, validation_images=0
    )
    losses, accuracies = batches_of(hyperparameters)
    at_once = drawn(hyperparameters, losses, accuracies, [len(losses)])
    one_by_one = drawn(hyperparameters, losses, accuracies, [1])
    chance = random.Random(1)
    anyhow = drawn(hyperparameters, losses, accuracies, [chance.randint(1, 40) for _ in range(100)])
    assert at_once.points == one_by_one.points == anyhow.points
    # Batches take equally long here, so that it does not matter either when they are told of.
    assert at_once.seconds == pytest.approx(
        one_by_one.seconds
    ) and at_once.seconds == pytest.approx(anyhow.seconds)
    assert one_by_one.model_copy(update={"seconds": [], "elapsed_s": 0}) == at_once.model_copy(
        update={"seconds": [], "elapsed_s": 0}
    )


@pytest.mark.parametrize("count", [1, 399, 400, 401, 799, 800, 801, 12_345])
def test_points_are_halved_at_400_and_each_is_the_mean_of_its_batches(count):
    hyperparameters = DnnHyperparameters(train_images=1_000, batch_size=100, validation_images=0)
    chance = np.random.default_rng(count)
    losses, accuracies = chance.random((2, count)).tolist()
    size = 1
    while count // size >= POINTS:
        size *= 2
    curves = [
        drawn(hyperparameters, losses, accuracies, sizes)
        for sizes in ([1], [count], chance.integers(1, 90, 50).tolist())
    ]
    for curve in curves:
        assert curve.batches_per_point == size and curve.batches == count
        assert len(curve.points) == len(curve.seconds) == count // size < POINTS
        curve.close()
        assert curve.batches_per_point == size
        assert len(curve.points) == len(curve.seconds) == -(-count // size) <= POINTS
        assert curve.points == curves[0].points
    for place, point in enumerate(curves[0].points):
        batches = slice(size * place, min(size * (place + 1), count))
        assert point == pytest.approx(
            (batches.stop / 10, np.mean(losses[batches]), np.mean(accuracies[batches]))
        )


def test_there_are_never_more_than_400_points_and_none_is_forgotten():
    hyperparameters = DnnHyperparameters(train_images=1_000, batch_size=100, validation_images=0)
    curve = Curve.empty(hyperparameters)
    for step in range(1, 2_000):
        curve.add(progress(step, [float(step)], [0.5]))
        assert len(curve.points) == len(curve.seconds) == step // curve.batches_per_point < POINTS
        assert len(curve.pending) == step % curve.batches_per_point
        # The mean of 1 to n is half of n + 1, wherever the borders of the points are.
        told = [point.loss for point in curve.points for _ in range(curve.batches_per_point)] + [
            loss for loss, _ in curve.pending
        ]
        assert sum(told) == pytest.approx(step * (step + 1) / 2)


def test_each_point_knows_when_it_was_reached():
    """Two epochs of ten batches, the second half as fast, half a second of validation after
    each."""
    curve = Curve.empty(DnnHyperparameters(train_images=1_000, batch_size=100, validation_images=0))
    told = {"images_per_s": 1.0, "learning_rate": 0.01, "remaining_s": None}

    def batches(step, epoch, count, elapsed_s):
        curve.add(
            Progress(
                step=step,
                epoch=epoch,
                losses=(1,) * count,
                accuracies=(0,) * count,
                elapsed_s=elapsed_s,
                **told,
            )
        )

    batches(4, 0.4, 4, 0.4)
    batches(10, 1.0, 6, 1.0)
    curve.add(epoch_end(1).model_copy(update={"elapsed_s": 1.5}))
    curve.add(RateChange(epoch=1, learning_rate=0.1))
    batches(20, 2.0, 10, 3.5)
    curve.add(epoch_end(2).model_copy(update={"elapsed_s": 4.0}))
    assert curve.seconds == pytest.approx([*np.arange(1, 11) / 10, *(1.5 + np.arange(1, 11) / 5)])
    assert curve.seconds == sorted(set(curve.seconds))
    assert curve.seconds_of([0, 0.4, 0.45, 1.5, 1.55]) == pytest.approx([0, 0.4, 0.45, 2.5, 2.6])
    assert curve.seconds_of([]) == []
    # The end of an epoch is told of when its validation is over.
    assert curve.seconds_of([1, 2]) == pytest.approx([1.5, 4.0])
    assert curve.changes == [RateChange(epoch=1, learning_rate=0.1)]
    # Once halved, and from JSON, it tells the same to within one point.
    curve._halve()
    found = Curve.model_validate_json(curve.model_dump_json())
    assert found.seconds_of([0, 0.4, 1.5, 2]) == pytest.approx([0, 0.4, 2.5, 4.0], abs=0.21)


def test_time_never_goes_back_where_a_budget_ends_within_an_epoch():
    """44 of 300 images are two batches of 32 and 12, a fifth of the epoch's batches, but less than
    a sixth of its images."""
    curve = Curve.empty(
        DnnHyperparameters(train_images=300, batch_size=32, validation_images=0, budget_images=44)
    )
    curve.add(progress(2, [1.0, 1.0], [0.5, 0.5]))
    curve.add(epoch_end(44 / 300))
    seconds = curve.seconds_of(np.linspace(0, 0.3, 50))
    assert seconds == sorted(seconds)
    assert seconds[0] == 0 and seconds[-1] == 3.0


# As the version before this one kept it: no seconds, no changes, epochs in whole numbers.
OLDER = """{"steps_per_epoch": 10, "batches_per_point": 3, "points": [[0.3, 2.0, 0.25], [0.6, 1.0, 0.5], [1.0, 0.5, 0.75]],
"epochs": [{"epoch": 1, "loss": 1.2, "accuracy": 0.5, "validation_loss": null, "validation_accuracy": null, "elapsed_s": 4.0}],
"batches": 10}"""


def test_the_curve_of_an_older_version_is_still_read():
    curve = Curve.model_validate_json(OLDER)
    assert len(curve.points) == 3 and curve.points[1] == (0.6, 1.0, 0.5)
    assert (curve.seconds, curve.changes, curve.batches_per_point) == ([], [], 3)
    assert curve.epochs[0].epoch == 1
    # Between the ends of its epochs nothing is known of time.
    assert curve.seconds_of([0, 0.5, 1]) == pytest.approx([0, 2, 4])
    assert Curve.model_validate(curve.model_dump(mode="json")).model_dump() == curve.model_dump()


@pytest.mark.parametrize(
    ("chosen", "images", "steps"),
    [
        ({}, 900, 30),
        ({"budget_images": 450}, 450, 15),
        ({"budget_images": 300}, 300, 10),
        ({"budget_images": 301}, 301, 11),
        ({"budget_images": 10}, 10, 1),
        ({"budget_images": 901}, 900, 30),
    ],
    ids=str,
)
def test_the_plan_is_the_epochs_or_the_budget_whichever_ends_first(chosen, images, steps):
    hyperparameters = DnnHyperparameters(epochs=3, train_images=300, batch_size=32, **chosen)
    assert (planned_images(hyperparameters), planned_steps(hyperparameters)) == (images, steps)


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
    found = Curve.model_validate_json(curve.model_dump_json())
    assert found.model_dump() == curve.model_dump() and len(found.seconds) == 10
    for event in (
        progress(3, (0.5, 0.25), (1.0, 0.0)),
        epoch_end(4),
        Measuring(stopped=True),
        Paused(epoch=2.5),
        RateChange(epoch=0.5, learning_rate=0.1),
    ):
        assert type(event).model_validate(event.model_dump(mode="json")) == event


def test_a_curve_that_is_closed_early_keeps_the_batches_that_made_no_whole_point():
    hyperparameters = DnnHyperparameters(
        epochs=100, train_images=12_800, batch_size=128, validation_images=0
    )
    curve = Curve.empty(hyperparameters)
    curve.add(progress(400, [2.0] * 400, [0.5] * 400))
    assert curve.batches_per_point == 2 and len(curve.points) == 200
    curve.add(progress(403, [2.0, 1.0, 0.5], [0.5] * 3))
    assert curve.points[200:] == [(4.02, 1.5, 0.5)]
    curve.close()
    assert curve.points[201:] == [(4.03, 0.5, 0.5)]
    assert len(curve.seconds) == 202 and curve.seconds[-1] == pytest.approx(4.03)
    curve.close()
    assert len(curve.points) == 202
