"""Hyperparameters in; progress out, and at the end a trained network.

Knows neither screens nor processes: what to do with progress, and when to stop, is the caller's.
"""

import math
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from mnist_models import dataset, networks
from mnist_models.augmentation import AUGMENTATIONS
from mnist_models.classifier import Classifier, pack_weights
from mnist_models.dataset import CLASS_COUNT, Digits
from mnist_models.evaluation import evaluate
from mnist_models.hyperparameters import Hyperparameters, number
from mnist_models.progress import STOPPED_TOO_EARLY, Curve, EpochEnd, Event, Measuring, Progress, Trained

# How long one compiled call should take. Shorter: calls cost more than they do. Longer: curves and Stop lag.
CALL_S = 0.15
SGD_MOMENTUM = 0.9
# One-cycle learning rate (Smith and Topin 2018): the share of the steps in which it rises, and where it starts and ends.
WARM_UP = 0.3
START_DIVISOR, END_DIVISOR = 25, 10_000


class TrainingError(Exception):
    """Training cannot go on. Its text is a sentence for users."""


def train(
    hyperparameters: Hyperparameters,
    report: Callable[[Event], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Trains the network that the hyperparameters describe and measures it on the test set.

    report: called with what happens, from this thread. should_stop: asked several times a second; once true it must stay so:
    training ends, and what was learned so far is the result. The same hyperparameters give the same result on the same machine.
    Raises TrainingError when the loss is no longer a number, or when it was stopped before its first batch.
    """
    hp = hyperparameters
    train_digits, validation_digits = dataset.split(hp.train_images, hp.validation_images)
    network = networks.build(hp)
    classifier = Classifier(network)
    learn = _compile_steps(hp, network, Digits(train_digits.images, wrong_labels(train_digits.labels, hp)))
    course = _Course(hp, learn, report, should_stop)
    early = _EarlyStopping(hp.early_stopping, network)
    stopped = False
    for epoch in range(hp.epochs):
        loss, accuracy = course.learn_epoch(epoch)
        validation_loss, validation_accuracy = _measure(classifier, validation_digits, should_stop)
        if should_stop():
            stopped = True
            break
        if validation_loss is not None:
            _check(np.array(validation_loss), hp, course.step)
        course.end_epoch(epoch, loss, accuracy, validation_loss, validation_accuracy)
        if early.ends(validation_loss):
            break
    if not course.step:
        raise TrainingError(STOPPED_TOO_EARLY)
    if not stopped:
        early.restore_best()
    # A loss is known before its step is taken: whether the last one went too far, only the weights tell.
    for weights in network.get_weights():
        _check(weights, hp, course.step)
    elapsed_s = course.elapsed_s
    course.tell(Measuring(stopped=stopped))
    test = evaluate(classifier, dataset.load().test)
    course.curve.close()
    return Trained(
        weights=pack_weights(network),
        parameters=network.count_params(),
        curve=course.curve,
        stopped=stopped,
        epochs=course.step / course.curve.steps_per_epoch,
        elapsed_s=elapsed_s,
        test_loss=test.loss,
        test_accuracy=test.accuracy,
    )


class _Course:
    """Goes through the batches in their order, at the learning rate of each, and tells how it goes."""

    def __init__(
        self, hp: Hyperparameters, learn: Callable, report: Callable[[Event], None], should_stop: Callable[[], bool]
    ) -> None:
        """learn: see _compile_steps."""
        self.hp, self.learn, self.report, self.should_stop = hp, learn, report, should_stop
        self.curve = Curve.empty(hp)
        self.total_steps = hp.epochs * self.curve.steps_per_epoch
        self.step = 0
        self.steps_per_call = 1
        self.started = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first batch was about to be learned from."""
        return time.perf_counter() - self.started

    def tell(self, event: Event) -> None:
        """Takes an event into the curve and passes it on."""
        self.curve.add(event)
        self.report(event)

    def learn_epoch(self, epoch: int) -> tuple[float, float]:
        """Learns from each training image once, or until it should stop; the mean loss and accuracy of what it saw."""
        hp, first = self.hp, epoch * self.curve.steps_per_epoch
        order = np.random.default_rng([hp.seed, epoch]).permutation(hp.train_images).astype(np.int32)
        loss = right = images = 0.0
        while self.step < first + self.curve.steps_per_epoch and not self.should_stop():
            call_started = time.perf_counter()
            batches = _next_batches(order, hp.batch_size, self.step - first, self.steps_per_call)
            rates = learning_rates(hp, np.arange(self.step, self.step + len(batches)), self.total_steps)
            losses, accuracies = (
                values.numpy() for values in self.learn(tf.constant(batches), tf.constant(rates), tf.constant(self.step))
            )
            call_s = time.perf_counter() - call_started
            self.step += len(batches)
            _check(losses, hp, self.step)
            loss += float(losses.sum(dtype=np.float64)) * batches.shape[1]
            right += float(accuracies.sum(dtype=np.float64)) * batches.shape[1]
            images += batches.size
            self._tell_progress(losses, accuracies, batches.size / call_s)
            self.steps_per_call = max(1, round(len(batches) * CALL_S / call_s))
        return loss / max(images, 1), right / max(images, 1)

    def _tell_progress(self, losses: np.ndarray, accuracies: np.ndarray, images_per_s: float) -> None:
        elapsed_s = self.elapsed_s
        # The first call also allocates memory and starts threads: no measure for the rest.
        is_first = self.step == len(losses)
        self.tell(
            Progress(
                step=self.step,
                epoch=self.step / self.curve.steps_per_epoch,
                losses=tuple(losses.tolist()),
                accuracies=tuple(accuracies.tolist()),
                images_per_s=images_per_s,
                elapsed_s=elapsed_s,
                remaining_s=None if is_first else elapsed_s * (self.total_steps - self.step) / self.step,
            )
        )

    def end_epoch(
        self, epoch: int, loss: float, accuracy: float, validation_loss: float | None, validation_accuracy: float | None
    ) -> None:
        """Tells that an epoch, counted from 0, has ended."""
        self.tell(
            EpochEnd(
                epoch=epoch + 1,
                loss=loss,
                accuracy=accuracy,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                elapsed_s=self.elapsed_s,
            )
        )


class _EarlyStopping:
    """Ends a training whose validation loss falls no more, and brings the best epoch's weights back."""

    def __init__(self, patience: int, network: keras.Model) -> None:
        """patience: in epochs; 0 never ends it."""
        self.patience, self.network = patience, network
        self.best_loss, self.best_weights, self.epochs_without_gain = math.inf, None, 0

    def ends(self, validation_loss: float | None) -> bool:
        """Whether, after one more epoch with this validation loss, it is enough."""
        if not self.patience:
            return False
        self.epochs_without_gain += 1
        if validation_loss < self.best_loss:
            self.best_loss, self.best_weights, self.epochs_without_gain = validation_loss, self.network.get_weights(), 0
        return self.epochs_without_gain >= self.patience

    def restore_best(self) -> None:
        """Gives the network the weights of its best epoch, if they were kept."""
        if self.best_weights:
            self.network.set_weights(self.best_weights)


def _check(values: np.ndarray, hp: Hyperparameters, step: int) -> None:
    """Raises TrainingError unless all values, of losses or weights, are finite."""
    if not np.isfinite(values).all():
        raise TrainingError(
            f"After {step:,} batches the loss is no longer a number. The learning rate of {number(hp.learning_rate)} is too "
            "high for this network: choose a lower one, or switch batch normalisation on."
        )


def learning_rates(hyperparameters: Hyperparameters, steps: np.ndarray, total_steps: int) -> np.ndarray:
    """The learning rate at each of these steps, float32 of the same shape; steps count from 0."""
    done = steps / total_steps
    peak = hyperparameters.learning_rate
    match hyperparameters.schedule:
        case "constant":
            rates = np.full(steps.shape, peak)
        case "cosine":
            rates = _cosine(peak, 0, done)
        case "one_cycle":
            rates = np.where(
                done < WARM_UP,
                _cosine(peak / START_DIVISOR, peak, done / WARM_UP),
                _cosine(peak, peak / END_DIVISOR, (done - WARM_UP) / (1 - WARM_UP)),
            )
    return rates.astype(np.float32)


def _cosine(start: float, end: float, done: np.ndarray) -> np.ndarray:
    """From `start` to `end` along half a cosine, while `done` goes from 0 to 1."""
    return end + (start - end) * (1 + np.cos(np.pi * done)) / 2


def wrong_labels(labels: np.ndarray, hyperparameters: Hyperparameters) -> np.ndarray:
    """The labels, uint8 (N,), with the chosen share of them replaced, each by another digit."""
    random = np.random.default_rng([hyperparameters.seed, 2**32])
    chosen = random.permutation(len(labels))[: round(hyperparameters.wrong_labels * len(labels))]
    labels = labels.copy()
    labels[chosen] = (labels[chosen] + random.integers(1, CLASS_COUNT, len(chosen))) % CLASS_COUNT
    return labels


def _next_batches(order: np.ndarray, batch_size: int, first: int, count: int) -> np.ndarray:
    """Up to `count` batches from the `first` on: int32 (batches, batch size), places of images in the training set.

    The last batch of an epoch may be smaller, and then comes alone.
    """
    whole = len(order) // batch_size
    if first < whole:
        return order[first * batch_size : min(first + count, whole) * batch_size].reshape(-1, batch_size)
    return order[np.newaxis, whole * batch_size :]


def _measure(classifier: Classifier, digits: Digits, should_stop: Callable[[], bool]) -> tuple[float | None, float | None]:
    """Mean cross-entropy in nats and accuracy; None each when there are no digits or it was stopped."""
    batches = []
    for batch in classifier.batches(digits.images):
        if should_stop():
            return None, None
        batches.append(batch)
    if not batches:
        return None, None
    probabilities = np.concatenate(batches)
    right = np.take_along_axis(probabilities, digits.labels[:, np.newaxis], axis=1)
    loss = -np.log(np.maximum(right, np.finfo(np.float32).tiny)).mean()
    return float(loss), float((probabilities.argmax(axis=1) == digits.labels).mean())


def _compile_steps(hp: Hyperparameters, network: keras.Model, digits: Digits) -> Callable:
    """A function that learns from several batches in one call: far less overhead than one call a batch.

    It takes int32 (batches, batch size) places of images, float32 (batches,) learning rates and the number of the first
    step; it returns the mean cross-entropy and the accuracy of each batch, both float32 (batches,).
    """
    images, labels = tf.constant(digits.images), tf.constant(digits.labels, tf.int32)
    augment = AUGMENTATIONS[hp.augmentation]
    optimizer = _optimizer(hp)
    optimizer.build(network.trainable_variables)
    kernels = [variable for variable in network.trainable_variables if variable.name == "kernel"]
    # AdamW decays weights by itself; for the others it is a penalty on the loss.
    penalty = 0.0 if hp.optimizer == "adamw" else hp.weight_decay / 2

    @tf.function(
        input_signature=[tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.float32), tf.TensorSpec((), tf.int32)]
    )
    def learn(batches, rates, first_step):
        count = tf.shape(batches)[0]
        batch_losses, accuracies = tf.TensorArray(tf.float32, count), tf.TensorArray(tf.float32, count)
        for index in tf.range(count):
            batch_labels = tf.gather(labels, batches[index])
            batch_images = augment(tf.gather(images, batches[index]), tf.stack([hp.seed, first_step + index]))
            optimizer.learning_rate.assign(rates[index])
            with tf.GradientTape() as tape:
                logits = network(batch_images, training=True)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(batch_labels, logits))
                objective = loss
                if hp.label_smoothing:
                    even = -tf.reduce_mean(tf.nn.log_softmax(logits))
                    objective += hp.label_smoothing * (even - objective)
                if penalty:
                    objective += penalty * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])
            gradients = tape.gradient(objective, [variable.value for variable in network.trainable_variables])
            optimizer.apply(gradients, network.trainable_variables)
            right = tf.argmax(logits, axis=1, output_type=tf.int32) == batch_labels
            batch_losses = batch_losses.write(index, loss)
            accuracies = accuracies.write(index, tf.reduce_mean(tf.cast(right, tf.float32)))
        return batch_losses.stack(), accuracies.stack()

    return learn.get_concrete_function()  # compiled here, so that no step's time includes it


def _optimizer(hp: Hyperparameters) -> keras.Optimizer:
    match hp.optimizer:
        case "adam":
            return keras.optimizers.Adam(hp.learning_rate)
        case "adamw":
            optimizer = keras.optimizers.AdamW(hp.learning_rate, weight_decay=hp.weight_decay)
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
            return optimizer
        case "sgd":
            return keras.optimizers.SGD(hp.learning_rate, momentum=SGD_MOMENTUM, nesterov=True)
        case "rmsprop":
            return keras.optimizers.RMSprop(hp.learning_rate)
