"""Training: steps that an independent oracle confirms, the same result every time, and an end
whenever it is asked for."""

import io
import itertools
import math
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnist_models.data import dataset
from mnist_models.data.outliers import outliers
from mnist_models.models import calibration, networks
from mnist_models.models.classifier import Classifier
from mnist_models.models.evaluation import evaluate
from mnist_models.settings.hyperparameters import (
    CnnHyperparameters,
    DnnHyperparameters,
    Hyperparameters,
)
from mnist_models.training import loop
from mnist_models.training.loop import TrainingError, learning_rates, train
from mnist_models.training.progress import (
    Control,
    EpochEnd,
    Measuring,
    Paused,
    Progress,
    RateChange,
)
from tests.conftest import name_of

# Nothing random, one batch an epoch, the learning rate as it is: what an oracle can follow.
PLAIN = {
    "batch_norm": False,
    "dropout": 0.0,
    "schedule": "constant",
    "train_images": 100,
    "batch_size": 128,
    "validation_images": 0,
    "epochs": 1,
}
SMALL = {
    "hidden_units": (32,),
    "train_images": 300,
    "batch_size": 32,
    "validation_images": 100,
    "epochs": 2,
}
SMALL_CNN = {
    "conv_layers": "4x3/2+pool2",
    "dense_units": "8",
    "train_images": 200,
    "batch_size": 64,
    "validation_images": 100,
    "epochs": 1,
}
DIVERGES = {
    "hidden_units": (256, 256),
    "activation": "silu",
    "optimizer": "sgd",
    "learning_rate": 1.0,
    "schedule": "constant",
    "batch_norm": False,
    "dropout": 0.0,
    "train_images": 500,
    "batch_size": 50,
    "validation_images": 0,
    "epochs": 10,
}


def arrays_in(weights):
    with np.load(io.BytesIO(weights)) as archive:
        return dict(archive)


def assert_same_weights(first, second, **tolerance):
    first, second = arrays_in(first), arrays_in(second)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], **{"rtol": 0, "atol": 0} | tolerance)


def assert_other_weights(first, second):
    first, second = arrays_in(first), arrays_in(second)
    assert any(np.abs(first[name] - second[name]).max() > 1e-6 for name in first)


def without_times(curve):
    return curve.model_dump(exclude={"seconds": True, "epochs": {"__all__": {"elapsed_s"}}})


def loss_and_accuracy(hyperparameters, trained, digits):
    """By Keras, of the network as it was before its logits were divided by a temperature."""
    network = Classifier.from_weights(hyperparameters, trained.weights).network
    for variable in network.get_layer("logits").variables:
        variable.assign(variable.value * trained.temperature)
    network.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return network.evaluate(digits.images, digits.labels, batch_size=100, verbose=0)


def evaluation_of(hyperparameters, weights):
    """On the test set, of the network with these weights."""
    test = dataset.load().test
    return evaluate(
        Classifier.from_weights(hyperparameters, weights).predictions(test.images), test.labels
    )


class Listener:
    """Remembers what training tells, and asks it to stop after some batches."""

    def __init__(self, stop_after=math.inf):
        self.events = []
        self.stop_after = stop_after

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def control(self):
        return Control(
            stop=sum(len(event.losses) for event in self.of(Progress)) >= self.stop_after
        )


# One learning step
# ------------------------------------------------------------------------------------------


def gradients_by_hand(network, digits, objective):
    """The gradient of the objective, which takes one-hot labels and logits, for all digits at
    once."""
    labels = tf.one_hot(digits.labels, 10)
    with tf.GradientTape() as tape:
        value = objective(labels, network(digits.images, training=True))
    return tape.gradient(value, [variable.value for variable in network.trainable_variables])


def test_the_first_step_follows_the_gradient_of_the_cross_entropy():
    hyperparameters = DnnHyperparameters(
        hidden_units=(32, 16), optimizer="sgd", learning_rate=0.1, **PLAIN
    )
    network = networks.build(hyperparameters)
    digits = dataset.load().train.part(0, 100)
    gradients = gradients_by_hand(
        network,
        digits,
        lambda labels, logits: tf.reduce_mean(
            tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        ),
    )
    # Nesterov momentum m from rest: velocity -rate · g, and a step of m · velocity - rate · g.
    expected = {
        name_of(variable): variable.numpy() - 0.1 * (1 + 0.9) * gradient.numpy()
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True)
    }
    trained = arrays_in(train(hyperparameters).weights)
    assert trained.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(trained[name], expected[name], atol=1e-6)
        assert np.abs(gradients[0]).max() > 0.001


def test_label_smoothing_and_weight_decay_are_part_of_what_is_descended_but_not_of_the_loss_told():
    hyperparameters = DnnHyperparameters(
        hidden_units=(32,),
        optimizer="sgd",
        learning_rate=0.1,
        label_smoothing=0.2,
        weight_decay=0.1,
        **PLAIN,
    )
    network = networks.build(hyperparameters)
    digits = dataset.load().train.part(0, 100)
    smoothed = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    gradients = gradients_by_hand(network, digits, smoothed)
    plain = float(
        keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
            digits.labels, network(digits.images)
        )
    )
    # The gradient of an L2 penalty of half the decay is the decay times the kernel; biases are left
    # alone.
    expected = {
        name_of(variable): variable.numpy()
        - 0.19 * (gradient.numpy() + (0.1 * variable.numpy() if variable.name == "kernel" else 0))
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True)
    }
    trained = train(hyperparameters)
    for name, array in arrays_in(trained.weights).items():
        np.testing.assert_allclose(array, expected[name], atol=1e-6)
    assert trained.curve.points[0].loss == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize(
    ("chosen", "oracle"),
    [
        # A bias before batch normalisation has a gradient of 0 but for rounding, which all but SGD
        # scale up to a step.
        (
            {"optimizer": "sgd", "batch_norm": True},
            keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        ),
        ({"optimizer": "adam"}, keras.optimizers.Adam(0.01)),
        ({"optimizer": "rmsprop"}, keras.optimizers.RMSprop(0.01)),
        (
            {"optimizer": "adamw", "weight_decay": 0.1},
            keras.optimizers.AdamW(0.01, weight_decay=0.1),
        ),
    ],
    ids=["sgd", "adam", "rmsprop", "adamw"],
)
def test_several_steps_are_those_of_keras_itself(chosen, oracle):
    hyperparameters = CnnHyperparameters(
        conv_layers="4x5/2+pool2",
        dense_units="8",
        activation="tanh",
        learning_rate=0.01,
        **PLAIN | {"epochs": 3} | chosen,
    )
    if hyperparameters.weight_decay:
        oracle.exclude_from_weight_decay(var_names=["bias"])
    network = networks.build(hyperparameters)
    network.compile(oracle, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    digits = dataset.load().train.part(0, 100)
    losses = [float(network.train_on_batch(digits.images, digits.labels)) for _ in range(3)]
    trained = train(hyperparameters)
    assert trained.curve.points[0].loss == pytest.approx(losses[0], abs=1e-5)
    weights = arrays_in(trained.weights)
    assert len(weights) == len(network.weights)
    for variable in network.weights:
        np.testing.assert_allclose(weights[name_of(variable)], variable.numpy(), atol=1e-4)
    assert (
        np.abs(network.get_weights()[0] - networks.build(hyperparameters).get_weights()[0]).max()
        > 0.001
    )


# The whole training
# ------------------------------------------------------------------------------------------


def test_a_network_learns_a_few_hundred_digits():
    hyperparameters = DnnHyperparameters(**SMALL | {"epochs": 8, "train_images": 500})
    trained = train(hyperparameters)
    assert trained.curve.epochs[0].accuracy < 0.6
    assert trained.curve.epochs[-1].accuracy > 0.85
    assert trained.curve.epochs[-1].loss < trained.curve.epochs[0].loss / 2
    assert trained.test_accuracy > 0.7  # so it is no mere memory


def test_what_is_told_and_what_is_returned_agree():
    hyperparameters = DnnHyperparameters(**SMALL)
    listener = Listener()
    trained = train(hyperparameters, listener.events.append)
    steps = [event.step for event in listener.of(Progress)]
    batch_losses = [loss for event in listener.of(Progress) for loss in event.losses]
    assert steps == sorted(set(steps)) and steps[-1] == 20 == len(batch_losses)
    seen = [step // 10 * 300 + step % 10 * 32 for step in steps]
    assert [event.epoch for event in listener.of(Progress)] == [images / 300 for images in seen]
    assert all(event.images_per_s > 0 and event.elapsed_s > 0 for event in listener.of(Progress))
    assert (
        listener.of(Progress)[0].remaining_s is None and listener.of(Progress)[-1].remaining_s == 0
    )
    assert trained.curve.epochs == listener.of(EpochEnd) and [
        end.epoch for end in trained.curve.epochs
    ] == [1, 2]
    # Nine batches of 32 and one of 12: an epoch's mean is over images.
    for place, end in enumerate(trained.curve.epochs):
        assert end.loss == pytest.approx(
            np.average(batch_losses[10 * place : 10 * place + 10], weights=[32] * 9 + [12]),
            rel=1e-5,
        )
    assert listener.events[-1] == Measuring(stopped=False)
    assert (trained.stopped, trained.epochs) == (False, 2.0)
    assert len(trained.curve.points) == 20
    network = networks.build(hyperparameters)
    assert trained.parameters == network.count_params()
    digits = dataset.split(300, 100)[1]
    last = trained.curve.epochs[-1]
    assert (last.validation_loss, last.validation_accuracy) == pytest.approx(
        loss_and_accuracy(hyperparameters, trained, digits), abs=1e-5
    )
    test = evaluation_of(hyperparameters, trained.weights)
    assert (trained.test_loss, trained.test_accuracy) == (test.loss, test.accuracy)
    assert (
        trained.test_accuracy == (trained.predictions.digits == dataset.load().test.labels).mean()
    )


@pytest.mark.parametrize(
    ("cls", "values"),
    [(DnnHyperparameters, SMALL), (CnnHyperparameters, SMALL_CNN)],
    ids=["dnn", "cnn"],
)
def test_the_same_hyperparameters_give_the_same_curve_and_weights_and_another_seed_others(
    cls, values, monkeypatch
):
    hyperparameters = cls(**values, augmentation="full", wrong_labels=0.1, dropout=0.3)
    first = train(hyperparameters)
    # However many batches are learned from in one call, and whatever else happens in the process.
    monkeypatch.setattr(loop, "CALL_S", 0)
    keras.utils.set_random_seed(99)
    second = train(hyperparameters)
    assert without_times(first.curve) == without_times(second.curve)
    assert_same_weights(first.weights, second.weights)
    other = train(hyperparameters.model_copy(update={"seed": 2}))
    assert without_times(first.curve) != without_times(other.curve)
    assert_other_weights(first.weights, other.weights)


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(
    ("cls", "values"),
    [(DnnHyperparameters, SMALL), (CnnHyperparameters, SMALL_CNN)],
    ids=["dnn", "cnn"],
)
def test_in_bfloat16_the_same_is_learned_again_and_kept_and_measured_in_float32(cls, values):
    hyperparameters = cls(**values, augmentation="full", dropout=0.3, precision="bfloat16")
    first, second = train(hyperparameters), train(hyperparameters)
    assert without_times(first.curve) == without_times(second.curve)
    assert_same_weights(first.weights, second.weights)
    assert {array.dtype.name for array in arrays_in(first.weights).values()} == {"float32"}
    test = evaluation_of(hyperparameters, first.weights)
    assert (first.test_loss, first.test_accuracy) == (test.loss, test.accuracy)
    other = train(hyperparameters.model_copy(update={"precision": "float32"}))
    assert_other_weights(first.weights, other.weights)
    # Rounding to 8 bits changes little.
    assert first.curve.points[0].loss == pytest.approx(other.curve.points[0].loss, rel=0.1)


def test_where_bfloat16_would_end_the_process_a_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(loop.precision, "can_be_bfloat16", lambda: False)
    with pytest.raises(TrainingError, match=r"ONEDNN_MAX_CPU_ISA.*Choose float32"):
        train(DnnHyperparameters(**SMALL, precision="bfloat16"))


def test_what_is_chosen_changes_what_is_learned():
    plain = DnnHyperparameters(**SMALL | {"dropout": 0.0, "epochs": 1})
    choices = [
        {},
        {"label_smoothing": 0.2},
        {"dropout": 0.5},
        {"augmentation": "shift"},
        {"optimizer": "adam", "weight_decay": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.1},  # apart from the gradient, not in it
    ]
    weights = [train(plain.model_copy(update=chosen)).weights for chosen in choices]
    for first, second in itertools.combinations(weights, 2):
        assert_other_weights(first, second)


OPTIONS = {
    name: Hyperparameters.choices()[name].options
    for name in ("optimizer", "activation", "schedule", "augmentation")
}


@pytest.mark.parametrize("place", range(max(map(len, OPTIONS.values()))))
def test_every_option_trains(place):
    options = {name: some[place % len(some)] for name, some in OPTIONS.items()}
    trained = train(DnnHyperparameters(**SMALL | {"epochs": 3}, **options))
    assert all(np.isfinite(array).all() for array in arrays_in(trained.weights).values())
    assert trained.curve.epochs[-1].loss < trained.curve.epochs[0].loss


def test_scrambled_pixels_are_learned_from_and_measured_with():
    values = DnnHyperparameters(**SMALL | {"epochs": 3, "scrambled": True})
    trained = train(values)
    assert trained.curve.epochs[-1].validation_accuracy > 0.5 and trained.test_accuracy > 0.5
    weights = {"weights": trained.weights, "hyperparameters": values}
    assert (
        np.mean(
            Classifier.from_weights(**weights).predictions(dataset.load().test.images).digits
            == dataset.load().test.labels
        )
        == trained.test_accuracy
    )
    unaware = Classifier.from_weights(
        values.model_copy(update={"scrambled": False}), trained.weights
    )
    assert (
        np.mean(
            unaware.predictions(dataset.load().test.images).digits == dataset.load().test.labels
        )
        < 0.4
    )


def test_the_weights_after_earlier_epochs_are_kept_but_not_those_of_the_end():
    trained = train(DnnHyperparameters(**SMALL | {"epochs": 4}))
    assert [checkpoint.epoch for checkpoint in trained.checkpoints] == [1, 2, 3]
    assert len({checkpoint.weights for checkpoint in trained.checkpoints}) == 3


def test_no_more_weights_are_kept_than_there_is_room_for(monkeypatch):
    size = len(train(DnnHyperparameters(**SMALL)).checkpoints[0].weights)
    monkeypatch.setattr(loop.checkpoints, "MOST_BYTES", 4 * size)
    trained = train(DnnHyperparameters(**SMALL | {"epochs": 12}))
    assert [checkpoint.epoch for checkpoint in trained.checkpoints] == [1, 3, 8]


def test_the_largest_seed_trains():
    seed = Hyperparameters.choices()["seed"].high
    trained = train(
        DnnHyperparameters(
            **SMALL | {"epochs": 1, "augmentation": "full", "wrong_labels": 0.1, "seed": seed}
        )
    )
    assert trained.epochs == 1


def test_fewer_images_than_a_batch_are_one_batch():
    trained = train(DnnHyperparameters(**SMALL | {"train_images": 100, "batch_size": 1024}))
    assert trained.curve.steps_per_epoch == 1 and len(trained.curve.points) == 2


def test_without_validation_images_there_is_no_validation_loss():
    trained = train(DnnHyperparameters(**SMALL | {"validation_images": 0}))
    assert [(end.validation_loss, end.validation_accuracy) for end in trained.curve.epochs] == [
        (None, None)
    ] * 2
    assert trained.test_accuracy > 0.3


def test_every_epoch_sees_every_image_once_in_another_order(monkeypatch):
    seen = []
    original = loop._next_batches

    def listen(order, *arguments):
        batches = original(order, *arguments)
        seen.extend(batches.ravel().tolist())
        return batches

    monkeypatch.setattr(loop, "_next_batches", listen)
    train(DnnHyperparameters(**SMALL))
    first, second = seen[:300], seen[300:]
    assert sorted(first) == sorted(second) == list(range(300))
    assert first != second


def test_a_network_that_was_shown_non_digits_is_less_sure_of_others_and_reads_digits_as_well():
    """Scribbles of another seed: none that it was shown."""
    settings = {
        "hidden_units": (64,),
        "epochs": 4,
        "train_images": 2_000,
        "validation_images": 1_000,
    }
    sure, right = {}, {}
    for share in (0.0, 0.5):
        hyperparameters = DnnHyperparameters(**settings, non_digits=share)
        trained = train(hyperparameters)
        probabilities = Classifier.from_weights(hyperparameters, trained.weights).probabilities(
            outliers(200, 99)
        )
        sure[share], right[share] = (probabilities.max(axis=1) > 0.7).mean(), trained.test_accuracy
    assert sure[0.5] < 0.6 * sure[0.0]
    assert right[0.5] > right[0.0] - 0.03


# Its end
# ------------------------------------------------------------------------------------------


def test_no_other_temperature_would_make_its_probabilities_better():
    hyperparameters = DnnHyperparameters(**SMALL | {"epochs": 8, "label_smoothing": 0.3})
    trained = train(hyperparameters)
    digits = dataset.split(300, 100)[1]
    probabilities = Classifier.from_weights(hyperparameters, trained.weights).probabilities(
        digits.images
    )
    assert trained.temperature < 0.8  # smoothing made it less sure than it might be
    assert calibration.temperature(probabilities, digits.labels) == pytest.approx(1, abs=0.01)


def test_without_validation_images_probabilities_stay_as_they_are():
    assert train(DnnHyperparameters(**SMALL | {"validation_images": 0})).temperature == 1.0


def test_stop_ends_training_before_the_last_epoch():
    hyperparameters = DnnHyperparameters(**SMALL | {"epochs": 100, "schedule": "constant"})
    listener = Listener(stop_after=45)
    trained = train(hyperparameters, listener.events.append, listener.control)
    assert trained.stopped and 4.5 <= trained.epochs < 100
    assert trained.epochs == listener.of(Progress)[-1].epoch
    assert listener.events[-1] == Measuring(stopped=True)
    assert len(trained.curve.epochs) == int(trained.epochs)
    test = evaluation_of(hyperparameters, trained.weights)
    assert (trained.test_loss, trained.test_accuracy) == (test.loss, test.accuracy)
    assert trained.test_accuracy > 0.3


def test_stop_before_the_first_batch_leaves_nothing_to_keep():
    with pytest.raises(TrainingError, match="before its first batch"):
        train(DnnHyperparameters(**SMALL), control=lambda: Control(stop=True))


def test_early_stopping_ends_training_and_returns_the_best_epoch():
    hyperparameters = DnnHyperparameters(
        hidden_units=(64,),
        epochs=60,
        early_stopping=3,
        learning_rate=0.01,
        schedule="constant",
        dropout=0.0,
        wrong_labels=0.3,
        train_images=200,
        validation_images=200,
        batch_size=32,
    )
    trained = train(hyperparameters)
    losses = [end.validation_loss for end in trained.curve.epochs]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 < 60
    assert trained.epochs == len(losses) and not trained.stopped
    # Measured on the labels as published: what is held back for validation is never given wrong
    # ones.
    loss, accuracy = loss_and_accuracy(hyperparameters, trained, dataset.split(200, 200)[1])
    assert loss == pytest.approx(losses[best], abs=1e-4)
    assert loss < losses[-1] - 0.01
    assert accuracy == pytest.approx(trained.curve.epochs[best].validation_accuracy)


def test_too_high_a_learning_rate_ends_in_a_sentence_that_says_what_to_do():
    with pytest.raises(
        TrainingError,
        match=r"^After \d+ batches .* learning rate of 1 is too high.* lower one.*\.$",
    ):
        train(DnnHyperparameters(**DIVERGES))


def test_weights_that_the_last_step_broke_are_an_error_too(monkeypatch):
    """A loss is told before its step is taken: that the last step went too far shows only when the
    network is measured."""
    monkeypatch.setattr(loop, "CALL_S", 0)  # one batch a call
    hyperparameters = DnnHyperparameters(**DIVERGES)
    listener = Listener()
    with pytest.raises(TrainingError):
        train(hyperparameters, listener.events.append)
    listener = Listener(stop_after=len(listener.of(Progress)))  # the last batch with a loss
    with pytest.raises(TrainingError, match="learning rate"):
        train(hyperparameters, listener.events.append, listener.control)


@pytest.mark.parametrize(
    ("measure", "best_of"),
    [("validation_accuracy", max), ("training_loss", min), ("training_accuracy", max)],
)
def test_early_stopping_keeps_the_best_epoch_by_the_measure_that_is_chosen(measure, best_of):
    hyperparameters = DnnHyperparameters(
        hidden_units=(16,),
        epochs=60,
        early_stopping=2,
        early_stopping_on=measure,
        learning_rate=0.05,
        schedule="constant",
        dropout=0.5,
        train_images=200,
        validation_images=200,
        batch_size=32,
    )
    trained = train(hyperparameters)
    told = [getattr(end, measure.removeprefix("training_")) for end in trained.curve.epochs]
    best = told.index(best_of(told))
    assert len(told) == best + 1 + 2 < 60
    assert not trained.stopped and trained.epochs == len(told)
    # What is returned is the network as it was then: one that was trained for no longer.
    then = train(hyperparameters.model_copy(update={"epochs": best + 1, "early_stopping": 0}))
    assert_same_weights(trained.weights, then.weights)


# A pause
# ------------------------------------------------------------------------------------------


def last_step(listener):
    progress = listener.of(Progress)
    return progress[-1].step if progress else 0


def test_pauses_stand_still_and_change_nothing(monkeypatch):
    monkeypatch.setattr(loop, "CALL_S", 0)  # one batch a call
    hyperparameters = DnnHyperparameters(**SMALL | {"epochs": 3, "augmentation": "full"})
    undisturbed = train(hyperparameters)
    listener = Listener()
    # Before the first batch, within an epoch, and between two epochs: how often "hold" is still the
    # answer.
    holds = {0: 3, 7: 20, 20: 3}
    moments = []

    def control():
        step = last_step(listener)
        holds[step] = holds.get(step, 0) - 1
        return Control(hold_at=0 if holds[step] >= 0 else None)

    def report(event):
        moments.append((event, time.perf_counter()))
        listener.events.append(event)

    trained = train(hyperparameters, report, control)
    assert_same_weights(undisturbed.weights, trained.weights)
    assert without_times(undisturbed.curve) == without_times(trained.curve)
    assert [event.epoch for event in listener.of(Paused)] == [0, 7 * 32 / 300, 2]
    # After each comes the next batch, and nothing in between.
    steps = [0] + [event.step if isinstance(event, Progress) else None for event in listener.events]
    for place, event in enumerate(listener.events):
        if isinstance(event, Paused) and event.epoch != 2:
            assert steps[place + 2] == steps[place] + 1
    # The time of the long one is real, but it is not time of training.
    place = next(
        place
        for place, event in enumerate(listener.events)
        if isinstance(event, Paused) and event.epoch > 0
    )
    (before, _), (_, paused_at), (after, gone_on_at) = moments[place - 1 : place + 2]
    stood_still_s = 19 * loop.HOLD_CHECK_S
    assert gone_on_at - paused_at >= stood_still_s
    assert (
        after.elapsed_s - before.elapsed_s
        <= gone_on_at - moments[place - 1][1] - stood_still_s + 0.001
    )
    assert trained.elapsed_s <= moments[-1][1] - moments[0][1] - stood_still_s


def test_a_hold_at_an_epoch_stops_exactly_there_and_goes_on():
    hyperparameters = DnnHyperparameters(**SMALL | {"epochs": 3})
    listener = Listener()
    asked_again = 0

    def control():
        nonlocal asked_again
        asked_again += bool(listener.of(Paused))
        return Control(hold_at=2 if asked_again < 3 else None)

    trained = train(hyperparameters, listener.events.append, control)
    (paused,) = listener.of(Paused)
    place = listener.events.index(paused)
    assert paused.epoch == 2
    before = [event for event in listener.events[:place] if isinstance(event, Progress)]
    assert before[-1].step == 20 and before[-1].epoch == 2
    assert listener.events[place - 1].epoch == 2 and isinstance(
        listener.events[place - 1], EpochEnd
    )
    assert listener.events[place + 1].step > 20
    assert trained.epochs == 3 and not trained.stopped


def test_a_hold_at_the_last_epoch_is_the_end_and_one_that_is_over_is_now():
    hyperparameters = DnnHyperparameters(**SMALL)
    listener = Listener()
    assert train(hyperparameters, listener.events.append, lambda: Control(hold_at=2)).epochs == 2
    assert listener.of(Paused) == []
    polls = itertools.count()
    train(
        hyperparameters,
        listener.events.append,
        lambda: Control(hold_at=0 if next(polls) < 3 else None),
    )
    assert [event.epoch for event in listener.of(Paused)] == [0]


def test_one_epoch_at_a_time_pauses_after_each():
    listener = Listener()
    hyperparameters = DnnHyperparameters(**SMALL | {"epochs": 4})
    trained = train(
        hyperparameters,
        listener.events.append,
        lambda: Control(hold_at=len(listener.of(Paused)) + 1),
    )
    # Each pause is the word to go on to the next.
    assert [event.epoch for event in listener.of(Paused)] == [1, 2, 3]
    assert trained.epochs == 4


def test_stop_ends_a_pause_and_keeps_what_was_learned(monkeypatch):
    monkeypatch.setattr(loop, "CALL_S", 0)
    hyperparameters = DnnHyperparameters(**SMALL | {"epochs": 100})
    listener = Listener()
    asked_again = 0

    def control():
        nonlocal asked_again
        asked_again += bool(listener.of(Paused))
        return Control(hold_at=0 if last_step(listener) >= 15 else None, stop=asked_again > 5)

    trained = train(hyperparameters, listener.events.append, control)
    assert trained.stopped and trained.curve.batches == 15
    assert trained.epochs == listener.of(Paused)[0].epoch == (300 + 5 * 32) / 300
    assert listener.events[-1] == Measuring(stopped=True)
    assert trained.test_accuracy == evaluation_of(hyperparameters, trained.weights).accuracy


def test_stop_while_it_stands_at_the_start_leaves_nothing_to_keep():
    polls = itertools.count()
    with pytest.raises(TrainingError, match="before its first batch"):
        train(DnnHyperparameters(**SMALL), control=lambda: Control(hold_at=0, stop=next(polls) > 3))


# The learning rate, changed by hand
# ----------------------------------------------------------------------------------


def test_another_learning_rate_is_what_keras_would_learn_with():
    hyperparameters = DnnHyperparameters(
        hidden_units=(32,), optimizer="sgd", learning_rate=0.01, **PLAIN | {"epochs": 2}
    )
    network = networks.build(hyperparameters)
    oracle = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    network.compile(oracle, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    digits = dataset.load().train.part(0, 100)
    network.train_on_batch(digits.images, digits.labels)
    oracle.learning_rate = 0.2
    network.train_on_batch(digits.images, digits.labels)
    listener = Listener()
    trained = train(
        hyperparameters,
        listener.events.append,
        lambda: Control(learning_rate=0.2 if listener.of(Progress) else None),
    )
    weights = arrays_in(trained.weights)
    for variable in network.weights:
        np.testing.assert_allclose(weights[name_of(variable)], variable.numpy(), atol=1e-5)
    assert [event.learning_rate for event in listener.of(Progress)] == pytest.approx([0.01, 0.2])
    assert_other_weights(trained.weights, train(hyperparameters).weights)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_a_learning_rate_that_is_changed_is_the_highest_of_the_same_schedule(monkeypatch, schedule):
    monkeypatch.setattr(loop, "CALL_S", 0)  # one batch a call
    hyperparameters = DnnHyperparameters(
        **SMALL | {"epochs": 3, "schedule": schedule, "learning_rate": 0.01}
    )
    listener = Listener()

    def wanted(step):
        """Changed within the first epoch, and back again at the end of the second."""
        return 0.002 if 4 <= step < 20 else None

    trained = train(
        hyperparameters,
        listener.events.append,
        lambda: Control(learning_rate=wanted(last_step(listener))),
    )
    peaks = np.array([wanted(step) or 0.01 for step in range(30)])
    expected = learning_rates(schedule, 1, np.arange(30) / 30) * peaks
    assert [event.learning_rate for event in listener.of(Progress)] == pytest.approx(
        expected.tolist(), rel=1e-5
    )
    changes = [
        RateChange(epoch=4 * 32 / 300, learning_rate=0.002),
        RateChange(epoch=2, learning_rate=0.01),
    ]
    assert listener.of(RateChange) == trained.curve.changes == changes
    assert_other_weights(trained.weights, train(hyperparameters).weights)


def test_the_learning_rate_that_it_has_already_is_no_change():
    listener = Listener()
    hyperparameters = DnnHyperparameters(**SMALL)
    train(
        hyperparameters,
        listener.events.append,
        lambda: Control(learning_rate=hyperparameters.learning_rate),
    )
    assert listener.of(RateChange) == []


def test_a_learning_rate_that_was_changed_is_the_one_that_was_too_high():
    listener = Listener()
    hyperparameters = DnnHyperparameters(**DIVERGES | {"learning_rate": 0.01})
    with pytest.raises(TrainingError, match="learning rate of 1 is too high"):
        train(
            hyperparameters,
            listener.events.append,
            lambda: Control(learning_rate=1.0 if listener.of(Progress) else None),
        )


# Budgets
# ------------------------------------------------------------------------------------------


BUDGETED = DnnHyperparameters(**SMALL | {"epochs": 3, "schedule": "constant"})


def images_learned_from(hyperparameters):
    """The training, and the places of the images in the order in which it learned from them."""
    seen = []
    original = loop._next_batches

    def listen(*arguments):
        batches = original(*arguments)
        seen.extend(batches.ravel().tolist())
        return batches

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_next_batches", listen)
        return train(hyperparameters), seen


@pytest.fixture(scope="module")
def unlimited():
    return images_learned_from(BUDGETED)


@pytest.mark.parametrize(
    ("budget", "whole_batches", "batches", "ends"),
    [
        (10, 0, 1, [10 / 300]),
        (256, 8, 8, [256 / 300]),
        (300, 10, 10, [1]),
        (450, 14, 15, [1, 1.5]),
        (600, 20, 20, [1, 2]),
    ],
)
def test_a_budget_of_images_ends_training_with_exactly_that_many(
    unlimited, budget, whole_batches, batches, ends
):
    every, order = unlimited
    trained, seen = images_learned_from(BUDGETED.model_copy(update={"budget_images": budget}))
    assert seen == order[:budget]
    assert [end.epoch for end in trained.curve.epochs] == ends
    assert trained.epochs == ends[-1] and not trained.stopped
    assert trained.curve.epochs[-1].validation_accuracy is not None
    # Where it ends, the last batch may be smaller; all before are those of a training without a
    # budget.
    assert trained.curve.batches == batches
    assert trained.curve.points[:whole_batches] == every.curve.points[:whole_batches]
    for end, other in zip(trained.curve.epochs, every.curve.epochs, strict=False):
        assert (end.loss == other.loss) == (end.epoch == other.epoch)


def test_a_budget_of_more_images_than_the_epochs_have_changes_nothing():
    hyperparameters = DnnHyperparameters(**SMALL)
    plain, generous = (
        train(hyperparameters),
        train(hyperparameters.model_copy(update={"budget_images": 601})),
    )
    assert_same_weights(plain.weights, generous.weights)
    assert without_times(plain.curve) == without_times(generous.curve)


def test_within_a_budget_of_images_the_schedule_comes_to_its_end(monkeypatch):
    monkeypatch.setattr(loop, "CALL_S", 0)
    listener = Listener()
    hyperparameters = DnnHyperparameters(
        **SMALL | {"epochs": 100, "schedule": "one_cycle", "budget_images": 450}
    )
    trained = train(hyperparameters, listener.events.append)
    rates = [event.learning_rate for event in listener.of(Progress)]
    assert rates == pytest.approx(
        learning_rates("one_cycle", hyperparameters.learning_rate, np.arange(15) / 15).tolist()
    )
    assert listener.of(Progress)[-1].remaining_s == 0
    assert trained.epochs == 1.5


def test_a_budget_of_seconds_ends_training_when_they_are_over_and_the_schedule_with_them():
    hyperparameters = DnnHyperparameters(
        hidden_units=(64,),
        epochs=100,
        train_images=50_000,
        batch_size=32,
        validation_images=100,
        budget_s=1,
        schedule="one_cycle",
        learning_rate=0.01,
    )
    listener = Listener()
    polls = itertools.count()
    # It first stands still for a second: that is not counted.
    trained = train(
        hyperparameters,
        listener.events.append,
        lambda: Control(hold_at=0 if next(polls) < 1 / loop.HOLD_CHECK_S else None),
    )
    assert len(listener.of(Paused)) == 1
    assert 0.9 < trained.elapsed_s < 3  # the last batch may end a moment early
    assert not trained.stopped and 0 < trained.epochs < 100
    assert trained.curve.epochs[-1].epoch == trained.epochs
    progress = listener.of(Progress)
    rates = [event.learning_rate for event in progress]
    assert len(rates) > 3 and max(rates) > 0.005
    # Late by one call at most, whose steps' times are an estimate.
    assert rates[-1] < 0.002 and progress[-1].remaining_s < 0.5
    assert all(event.remaining_s is None or event.remaining_s <= 1 for event in progress)
    assert trained.test_accuracy > 0.5


def test_a_budget_of_seconds_takes_the_place_of_the_epochs():
    trained = train(DnnHyperparameters(**SMALL | {"budget_s": 1, "epochs": 1}))
    assert trained.epochs > 1 and 0.9 < trained.elapsed_s < 10
    assert trained.curve.epochs[-1].epoch == trained.epochs


# Its parts
# ------------------------------------------------------------------------------------------


def rates_of(schedule, steps=1_000, learning_rate=0.5):
    return learning_rates(schedule, learning_rate, np.arange(steps) / steps)


def test_a_constant_rate_is_constant():
    rates = rates_of("constant")
    assert rates.dtype == np.float32 and rates.shape == (1_000,)
    assert (rates == 0.5).all()


def test_cosine_falls_from_the_chosen_rate_to_nearly_nothing():
    rates = rates_of("cosine")
    np.testing.assert_allclose(
        rates, [0.25 * (1 + math.cos(math.pi * step / 1_000)) for step in range(1_000)], rtol=1e-4
    )
    assert rates[0] == 0.5 and rates[500] == pytest.approx(0.25) and 0 < rates[-1] < 1e-5
    assert (np.diff(rates) < 0).all()


def test_one_cycle_rises_for_three_tenths_and_then_falls():
    rates = rates_of("one_cycle")
    assert rates[0] == pytest.approx(0.5 / 25)
    assert rates[150] == pytest.approx((0.5 / 25 + 0.5) / 2)
    assert rates[300] == pytest.approx(0.5) == rates.max()
    assert rates[650] == pytest.approx((0.5 + 0.5 / 10_000) / 2)
    assert 0.5 / 10_000 <= rates[-1] < 0.5 / 10_000 + 1e-5
    assert (np.diff(rates[:301]) > 0).all() and (np.diff(rates[300:]) < 0).all()


@pytest.mark.parametrize("schedule", OPTIONS["schedule"])
def test_a_rate_depends_on_the_step_and_not_on_who_asks(schedule):
    done = np.arange(51) / 50
    one_by_one = [learning_rates(schedule, 0.003, done[step : step + 1])[0] for step in range(51)]
    np.testing.assert_array_equal(one_by_one, learning_rates(schedule, 0.003, done))
    assert np.isfinite(one_by_one).all() and min(one_by_one) >= 0


def test_an_epoch_whose_last_step_destroyed_the_weights_is_not_told_of_with_numbers_that_are_none():
    hyperparameters = DnnHyperparameters(
        activation="silu",
        optimizer="sgd",
        learning_rate=1.0,
        batch_norm=False,
        schedule="constant",
        epochs=100,
        train_images=100,
        batch_size=128,
        validation_images=100,
    )
    events = []
    with pytest.raises(TrainingError, match="learning rate"):
        train(hyperparameters, events.append)
    ends = [event for event in events if isinstance(event, EpochEnd)]
    assert all(math.isfinite(end.validation_loss) for end in ends)
    assert len(ends) < len(
        [event for event in events if isinstance(event, Progress)]
    )  # the last one was kept back
