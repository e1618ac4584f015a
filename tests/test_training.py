"""Training: steps that an independent oracle confirms, the same result every time, and an end whenever it is asked for."""

import io
import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnist_models import dataset, networks, training
from mnist_models.classifier import Classifier
from mnist_models.evaluation import evaluate
from mnist_models.hyperparameters import CnnHyperparameters, DnnHyperparameters, Hyperparameters
from mnist_models.progress import EpochEnd, Measuring, Progress
from mnist_models.training import TrainingError, learning_rates, train, wrong_labels
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
SMALL = {"hidden_units": (32,), "train_images": 300, "batch_size": 32, "validation_images": 100, "epochs": 2}
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
    return curve.model_dump(exclude={"epochs": {"__all__": {"elapsed_s"}}})


def loss_and_accuracy(hyperparameters, weights, digits):
    """By Keras, of the network with these weights."""
    network = Classifier.from_weights(hyperparameters, weights).network
    network.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return network.evaluate(digits.images, digits.labels, batch_size=100, verbose=0)


class Listener:
    """Remembers what training tells, and asks it to stop after some batches."""

    def __init__(self, stop_after=math.inf):
        self.events = []
        self.stop_after = stop_after

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def should_stop(self):
        return sum(len(event.losses) for event in self.of(Progress)) >= self.stop_after


# One learning step ------------------------------------------------------------------------------------------------------


def gradients_by_hand(network, digits, objective):
    """The gradient of the objective, which takes one-hot labels and logits, for all digits at once."""
    labels = tf.one_hot(digits.labels, 10)
    with tf.GradientTape() as tape:
        value = objective(labels, network(digits.images, training=True))
    return tape.gradient(value, [variable.value for variable in network.trainable_variables])


def test_the_first_step_follows_the_gradient_of_the_cross_entropy():
    hyperparameters = DnnHyperparameters(hidden_units=(32, 16), optimizer="sgd", learning_rate=0.1, **PLAIN)
    network = networks.build(hyperparameters)
    digits = dataset.load().train.part(0, 100)
    gradients = gradients_by_hand(
        network, digits, lambda labels, logits: tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))
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
        hidden_units=(32,), optimizer="sgd", learning_rate=0.1, label_smoothing=0.2, weight_decay=0.1, **PLAIN
    )
    network = networks.build(hyperparameters)
    digits = dataset.load().train.part(0, 100)
    smoothed = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    gradients = gradients_by_hand(network, digits, smoothed)
    plain = float(keras.losses.SparseCategoricalCrossentropy(from_logits=True)(digits.labels, network(digits.images)))
    # The gradient of an L2 penalty of half the decay is the decay times the kernel; biases are left alone.
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
        # A bias before batch normalisation has a gradient of 0 but for rounding, which all but SGD scale up to a step.
        ({"optimizer": "sgd", "batch_norm": True}, keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)),
        ({"optimizer": "adam"}, keras.optimizers.Adam(0.01)),
        ({"optimizer": "rmsprop"}, keras.optimizers.RMSprop(0.01)),
        ({"optimizer": "adamw", "weight_decay": 0.1}, keras.optimizers.AdamW(0.01, weight_decay=0.1)),
    ],
    ids=["sgd", "adam", "rmsprop", "adamw"],
)
def test_several_steps_are_those_of_keras_itself(chosen, oracle):
    hyperparameters = CnnHyperparameters(
        conv_layers="4x5/2+pool2", dense_units="8", activation="tanh", learning_rate=0.01, **PLAIN | {"epochs": 3} | chosen
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
    assert np.abs(network.get_weights()[0] - networks.build(hyperparameters).get_weights()[0]).max() > 0.001


# The whole training -----------------------------------------------------------------------------------------------------


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
    assert [event.epoch for event in listener.of(Progress)] == [step / 10 for step in steps]
    assert all(event.images_per_s > 0 and event.elapsed_s > 0 for event in listener.of(Progress))
    assert listener.of(Progress)[0].remaining_s is None and listener.of(Progress)[-1].remaining_s == 0
    assert trained.curve.epochs == listener.of(EpochEnd) and [end.epoch for end in trained.curve.epochs] == [1, 2]
    # Nine batches of 32 and one of 12: an epoch's mean is over images.
    for place, end in enumerate(trained.curve.epochs):
        assert end.loss == pytest.approx(
            np.average(batch_losses[10 * place : 10 * place + 10], weights=[32] * 9 + [12]), rel=1e-5
        )
    assert listener.events[-1] == Measuring(stopped=False)
    assert (trained.stopped, trained.epochs) == (False, 2.0)
    assert len(trained.curve.points) == 20
    network = networks.build(hyperparameters)
    assert trained.parameters == network.count_params()
    digits = dataset.split(300, 100)[1]
    last = trained.curve.epochs[-1]
    assert (last.validation_loss, last.validation_accuracy) == pytest.approx(
        loss_and_accuracy(hyperparameters, trained.weights, digits), abs=1e-5
    )
    test = evaluate(Classifier.from_weights(hyperparameters, trained.weights), dataset.load().test)
    assert (trained.test_loss, trained.test_accuracy) == (test.loss, test.accuracy)


@pytest.mark.parametrize(
    ("cls", "values"),
    [(DnnHyperparameters, SMALL), (CnnHyperparameters, SMALL_CNN)],
    ids=["dnn", "cnn"],
)
def test_the_same_hyperparameters_give_the_same_curve_and_weights_and_another_seed_others(cls, values, monkeypatch):
    hyperparameters = cls(**values, augmentation="full", wrong_labels=0.1, dropout=0.3)
    first = train(hyperparameters)
    # However many batches are learned from in one call, and whatever else happens in the process.
    monkeypatch.setattr(training, "CALL_S", 0)
    keras.utils.set_random_seed(99)
    second = train(hyperparameters)
    assert without_times(first.curve) == without_times(second.curve)
    assert_same_weights(first.weights, second.weights)
    other = train(hyperparameters.model_copy(update={"seed": 2}))
    assert without_times(first.curve) != without_times(other.curve)
    assert_other_weights(first.weights, other.weights)


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


OPTIONS = {name: Hyperparameters.choices()[name].options for name in ("optimizer", "activation", "schedule", "augmentation")}


@pytest.mark.parametrize("place", range(max(map(len, OPTIONS.values()))))
def test_every_option_trains(place):
    options = {name: some[place % len(some)] for name, some in OPTIONS.items()}
    trained = train(DnnHyperparameters(**SMALL | {"epochs": 3}, **options))
    assert all(np.isfinite(array).all() for array in arrays_in(trained.weights).values())
    assert trained.curve.epochs[-1].loss < trained.curve.epochs[0].loss


def test_the_largest_seed_trains():
    seed = Hyperparameters.choices()["seed"].high
    trained = train(DnnHyperparameters(**SMALL | {"epochs": 1, "augmentation": "full", "wrong_labels": 0.1, "seed": seed}))
    assert trained.epochs == 1


def test_fewer_images_than_a_batch_are_one_batch():
    trained = train(DnnHyperparameters(**SMALL | {"train_images": 100, "batch_size": 1024}))
    assert trained.curve.steps_per_epoch == 1 and len(trained.curve.points) == 2


def test_without_validation_images_there_is_no_validation_loss():
    trained = train(DnnHyperparameters(**SMALL | {"validation_images": 0}))
    assert [(end.validation_loss, end.validation_accuracy) for end in trained.curve.epochs] == [(None, None)] * 2
    assert trained.test_accuracy > 0.3


def test_every_epoch_sees_every_image_once_in_another_order(monkeypatch):
    seen = []
    original = training._next_batches

    def listen(order, *arguments):
        batches = original(order, *arguments)
        seen.extend(batches.ravel().tolist())
        return batches

    monkeypatch.setattr(training, "_next_batches", listen)
    train(DnnHyperparameters(**SMALL))
    first, second = seen[:300], seen[300:]
    assert sorted(first) == sorted(second) == list(range(300))
    assert first != second


# Its end ----------------------------------------------------------------------------------------------------------------


def test_stop_ends_training_before_the_last_epoch():
    hyperparameters = DnnHyperparameters(**SMALL | {"epochs": 100, "schedule": "constant"})
    listener = Listener(stop_after=45)
    trained = train(hyperparameters, listener.events.append, listener.should_stop)
    assert trained.stopped and 4.5 <= trained.epochs < 100
    assert trained.epochs == listener.of(Progress)[-1].epoch
    assert listener.events[-1] == Measuring(stopped=True)
    assert len(trained.curve.epochs) == int(trained.epochs)
    test = evaluate(Classifier.from_weights(hyperparameters, trained.weights), dataset.load().test)
    assert (trained.test_loss, trained.test_accuracy) == (test.loss, test.accuracy)
    assert trained.test_accuracy > 0.3


def test_stop_before_the_first_batch_leaves_nothing_to_keep():
    with pytest.raises(TrainingError, match="before its first batch"):
        train(DnnHyperparameters(**SMALL), should_stop=lambda: True)


def test_early_stopping_ends_training_and_returns_the_best_epoch():
    hyperparameters = DnnHyperparameters(
        hidden_units=(64,), epochs=60, early_stopping=3, learning_rate=0.01, schedule="constant", dropout=0.0,
        wrong_labels=0.3, train_images=200, validation_images=200, batch_size=32,
    )  # fmt: skip
    trained = train(hyperparameters)
    losses = [end.validation_loss for end in trained.curve.epochs]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 < 60
    assert trained.epochs == len(losses) and not trained.stopped
    # Measured on the labels as published: what is held back for validation is never given wrong ones.
    loss, accuracy = loss_and_accuracy(hyperparameters, trained.weights, dataset.split(200, 200)[1])
    assert loss == pytest.approx(losses[best], abs=1e-4)
    assert loss < losses[-1] - 0.01
    assert accuracy == pytest.approx(trained.curve.epochs[best].validation_accuracy)


def test_too_high_a_learning_rate_ends_in_a_sentence_that_says_what_to_do():
    with pytest.raises(TrainingError, match=r"^After \d+ batches .* learning rate of 1 is too high.* lower one.*\.$"):
        train(DnnHyperparameters(**DIVERGES))


def test_weights_that_the_last_step_broke_are_an_error_too(monkeypatch):
    """A loss is told before its step is taken: that the last step went too far shows only when the network is measured."""
    monkeypatch.setattr(training, "CALL_S", 0)  # one batch a call
    hyperparameters = DnnHyperparameters(**DIVERGES)
    listener = Listener()
    with pytest.raises(TrainingError):
        train(hyperparameters, listener.events.append)
    listener = Listener(stop_after=len(listener.of(Progress)))  # the last batch with a loss
    with pytest.raises(TrainingError, match="learning rate"):
        train(hyperparameters, listener.events.append, listener.should_stop)


# Its parts --------------------------------------------------------------------------------------------------------------


def rates_of(schedule, steps=1_000, learning_rate=0.5):
    return learning_rates(DnnHyperparameters(schedule=schedule, learning_rate=learning_rate), np.arange(steps), steps)


def test_a_constant_rate_is_constant():
    rates = rates_of("constant")
    assert rates.dtype == np.float32 and rates.shape == (1_000,)
    assert (rates == 0.5).all()


def test_cosine_falls_from_the_chosen_rate_to_nearly_nothing():
    rates = rates_of("cosine")
    np.testing.assert_allclose(rates, [0.25 * (1 + math.cos(math.pi * step / 1_000)) for step in range(1_000)], rtol=1e-4)
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
    hyperparameters = DnnHyperparameters(schedule=schedule)
    one_by_one = [learning_rates(hyperparameters, np.arange(step, step + 1), 50)[0] for step in range(50)]
    np.testing.assert_array_equal(one_by_one, learning_rates(hyperparameters, np.arange(50), 50))
    assert np.isfinite(learning_rates(hyperparameters, np.arange(1), 1)).all()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5])
def test_exactly_the_chosen_share_of_labels_is_wrong(share):
    labels = dataset.load().train.labels[:2_000]
    changed = wrong_labels(labels, DnnHyperparameters(wrong_labels=share))
    assert changed.dtype == np.uint8 and changed.max() <= 9
    assert (changed != labels).sum() == round(share * 2_000)


def test_wrong_labels_are_spread_evenly_and_follow_the_seed():
    labels = dataset.load().train.labels[:20_000]
    changed, same, other = (wrong_labels(labels, DnnHyperparameters(wrong_labels=0.5, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(changed, same)
    assert (changed != other).any()
    offsets = np.bincount((changed.astype(int) - labels)[changed != labels] % 10, minlength=10)
    assert offsets[0] == 0 and offsets[1:].min() > 0.9 * offsets[1:].max() * 0.9
    halves = (changed != labels)[:10_000].mean(), (changed != labels)[10_000:].mean()
    assert halves == pytest.approx((0.5, 0.5), abs=0.02)


def test_an_epoch_whose_last_step_destroyed_the_weights_is_not_told_of_with_numbers_that_are_none():
    hyperparameters = DnnHyperparameters(
        activation="silu", optimizer="sgd", learning_rate=1.0, batch_norm=False, schedule="constant", epochs=100,
        train_images=100, batch_size=128, validation_images=100,
    )  # fmt: skip
    events = []
    with pytest.raises(TrainingError, match="learning rate"):
        train(hyperparameters, events.append)
    ends = [event for event in events if isinstance(event, EpochEnd)]
    assert all(math.isfinite(end.validation_loss) for end in ends)
    assert len(ends) < len([event for event in events if isinstance(event, Progress)])  # the last one was kept back
