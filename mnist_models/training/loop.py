"""Hyperparameters in; progress out, and at the end a trained network.

Knows neither screens nor processes: what to do with progress, and when to stop, is the caller's.
"""

import math
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from mnist_models.data import dataset
from mnist_models.data.dataset import Digits
from mnist_models.handwriting.collection import Collection
from mnist_models.handwriting.splits import leave_one_out
from mnist_models.models import networks, precision
from mnist_models.models.classifier import Classifier
from mnist_models.models.evaluation import evaluate
from mnist_models.settings.hyperparameters import Hyperparameters, number
from mnist_models.training import checkpoints
from mnist_models.training.batches import batch_maker, epoch_order
from mnist_models.training.checkpoints import Checkpoint
from mnist_models.training.learner import FileLearner, Learner, OwnLearner
from mnist_models.training.material import Material, Result
from mnist_models.training.progress import (
    STOPPED_TOO_EARLY,
    Control,
    Curve,
    EpochEnd,
    Event,
    Measuring,
    Paused,
    Progress,
    RateChange,
    Trained,
    planned_images,
    planned_steps,
)

# How long one compiled call should take. Shorter: calls cost more than they do. Longer: curves and
# Stop lag.
CALL_S = 0.15
NO_BFLOAT16 = (
    "This machine cannot learn in bfloat16 while the environment variable ONEDNN_MAX_CPU_ISA keeps "
    "TensorFlow from the processor's AVX-512. Choose float32 or the automatic precision, or start "
    "without that variable."
)
HOLD_CHECK_S = 0.02
SGD_MOMENTUM = 0.9
# One-cycle learning rate (Smith and Topin 2018): the share of the steps in which it rises, and
# where it starts and ends.
WARM_UP = 0.3
START_DIVISOR, END_DIVISOR = 25, 10_000


class TrainingError(Exception):
    """Training cannot go on. Its text is a sentence for users."""


def train(
    hyperparameters: Hyperparameters,
    report: Callable[[Event], None] = lambda event: None,
    control: Callable[[], Control] = Control,
    material: Material | None = None,
) -> Trained:
    """Trains the network that the hyperparameters describe and measures it on the test set.

    Args:
        report: Called with what happens, from this thread.
        control: Asked several times a second what is wanted. The same hyperparameters, left alone
            and without a limit in seconds, give the same result on the same machine.
        material: A class's digits to learn from, beside MNIST's training images or instead of them,
            and weights to start from. An epoch is as long as without. Where each writer is to be
            left out in turn, the network is trained once more for each of them after the one that
            is returned, which learns from all.

    Raises:
        TrainingError: When the loss is no longer a number, or when it was stopped before its first
            batch.
        WeightsError: The weights to start from are those of another network.
        RefusedError: The network from a file to start from cannot learn, or is damaged.
    """
    hp = hyperparameters
    train_digits, validation_digits = dataset.split(hp.train_images, hp.validation_images)
    learner = _learner(hp, material)
    before = None
    if material:
        train_digits = _joined(train_digits, material.learned)
        if material.weights:
            before = _read(learner.classifier, material.tested)
    learn = _compile_steps(hp, learner.learning, train_digits)
    course = _Course(hp, learn, report, control, material)
    early = _EarlyStopping(hp.early_stopping, hp.early_stopping_on, learner.network)
    kept: tuple[Checkpoint, ...] = ()
    stopped = False
    while not course.is_complete:
        loss, accuracy = course.learn_epoch()
        learner.catch_up()
        validation_loss, validation_accuracy = _measure(
            learner.classifier, validation_digits, control
        )
        if control().stop:
            stopped = True
            break
        if validation_loss is not None:
            _check(np.array(validation_loss), course.peak, course.step)
        end = course.end_epoch(loss, accuracy, validation_loss, validation_accuracy)
        kept = checkpoints.thinned((*kept, *learner.checkpoints(end.epoch)), checkpoints.MOST_BYTES)
        if early.ends(end):
            break
    if not course.step:
        raise TrainingError(STOPPED_TOO_EARLY)
    if not stopped:
        early.restore_best()
    # A loss is known before its step is taken: whether the last one went too far, only the weights
    # tell.
    for weights in learner.network.get_weights():
        _check(weights, course.peak, course.step)
    course.tell(Measuring(stopped=stopped))
    model = learner.kept(validation_digits)
    evaluation = evaluate(model.predictions, dataset.load().test.labels, model.temperature)
    after = (
        _read_class(hp, learner.classifier, control, material) if material and not stopped else None
    )
    course.curve.close()
    return Trained(
        **model._asdict(),
        curve=course.curve,
        stopped=stopped,
        epochs=course.epochs,
        elapsed_s=course.learned_at_s,
        test_loss=evaluation.loss,
        test_accuracy=evaluation.accuracy,
        checkpoints=tuple(checkpoint for checkpoint in kept if checkpoint.epoch < course.epochs),
        class_result=None if after is None else Result(before, after),
    )


def _learner(hp: Hyperparameters, material: Material | None) -> Learner:
    """What is to be trained.

    Raises:
        TrainingError: This machine cannot compute as was chosen.
        WeightsError, RefusedError: See train.
    """
    weights = material.weights if material else None
    if material and weights and material.card:
        return FileLearner(hp, weights, material.card)
    network = networks.build(hp)
    numbers = precision.resolve(hp, network)
    if numbers == "bfloat16" and not precision.can_be_bfloat16():
        raise TrainingError(NO_BFLOAT16)
    return OwnLearner(hp, network, numbers, weights)


def _joined(digits: Digits, learned: Collection) -> Digits:
    """MNIST's digits, and after them a class's."""
    return Digits(
        np.concatenate([digits.images, learned.images]),
        np.concatenate([digits.labels, learned.labels]),
    )


def _read(classifier: Classifier, digits: Collection) -> np.ndarray:
    """The most probable digit in each image, uint8 (N,)."""
    return classifier.probabilities(digits.images).argmax(axis=1).astype(np.uint8)


def _read_class(
    hp: Hyperparameters, classifier: Classifier, control: Callable[[], Control], material: Material
) -> np.ndarray | None:
    """What is read in the class's digits that are for the test, uint8 (N,): by the classifier that
    has learned from other writers; or, where that has learned from all, by one for each writer that
    has learned from the others. None where one of these was stopped or did not learn."""
    if material.is_held_out.any():
        return _read(classifier, material.tested)

    def never_holding() -> Control:  # there are no curves to look at meanwhile
        return control().model_copy(update={"hold_at": None})

    after = np.zeros(len(material.digits), np.uint8)
    for _, is_held_out in leave_one_out(material.digits.writers):
        try:
            fold = train(hp, control=never_holding, material=material.holding_out(is_held_out))
        except TrainingError:  # the model that learned from all is not lost with it
            return None
        if fold.class_result is None:
            return None
        after[is_held_out] = fold.class_result.after
    return after


class _Course:
    """Goes through the batches in their order, at the learning rate of each, obeys what is wanted,
    and reports how it goes."""

    def __init__(
        self,
        hp: Hyperparameters,
        learn: Callable,
        report: Callable[[Event], None],
        control: Callable[[], Control],
        material: Material | None,
    ) -> None:
        """Prepares the training; nothing is computed yet.

        Args:
            learn: See _compile_steps.
            material: See train.
        """
        self.class_digits = len(material.learned) if material else 0
        self.class_share = material.share if material else 0.0
        self.hp, self.learn, self.report, self.control = hp, learn, report, control
        self.curve = Curve.empty(hp)
        self.peak = hp.learning_rate
        self.planned_images, self.planned_steps = planned_images(hp), planned_steps(hp)
        self.step = self.images = 0
        self.steps_per_call, self.step_s = 1, 0.0
        self.learned_at_s = 0.0  # when the last batch had been learned from
        self.started, self.paused_s = time.perf_counter(), 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first batch was about to be learned from, without pauses."""
        return time.perf_counter() - self.started - self.paused_s

    @property
    def epochs(self) -> float:
        """How many passes over the training images there have been."""
        return self.images / self.hp.train_images

    @property
    def is_complete(self) -> bool:
        """Whether as much was learned from as was planned, or time is up."""
        return self.images >= self.planned_images or self._time_left_s <= 0

    @property
    def _time_left_s(self) -> float:
        return self.hp.budget_s - self.elapsed_s if self.hp.budget_s else math.inf

    def tell(self, event: Event) -> None:
        """Takes an event into the curve and passes it on."""
        self.curve.add(event)
        self.report(event)

    def learn_epoch(self) -> tuple[float, float]:
        """Learns from each training image once, or until it should stop or a budget is used up; the
        mean loss and accuracy of what it saw."""
        hp = self.hp
        epoch = self.images // hp.train_images
        order = epoch_order(hp, epoch, self.class_digits, self.class_share)
        order = order[: min(len(order), self.planned_images - self.images)]
        loss = right = seen = 0
        while seen < len(order) and self._may_go_on() and not (seen and self._time_left_s <= 0):
            call_started = time.perf_counter()
            batches = _next_batches(
                order, hp.batch_size, seen // hp.batch_size, self._steps_in_next_call()
            )
            rates = self._next_rates(len(batches))
            losses, accuracies = (
                values.numpy()
                for values in self.learn(
                    tf.constant(batches), tf.constant(rates), tf.constant(self.step)
                )
            )
            call_s = time.perf_counter() - call_started
            self.step += len(batches)
            self.images += batches.size
            seen += batches.size
            _check(losses, self.peak, self.step)
            loss += float(losses.sum(dtype=np.float64)) * batches.shape[1]
            right += float(accuracies.sum(dtype=np.float64)) * batches.shape[1]
            self.step_s, self.learned_at_s = call_s / len(batches), self.elapsed_s
            self.steps_per_call = max(1, round(CALL_S / self.step_s))
            self._tell_progress(losses, accuracies, float(rates[-1]), batches.size / call_s)
        return loss / max(seen, 1), right / max(seen, 1)

    def _may_go_on(self) -> bool:
        """Does what is wanted, pausing for as long as that is wanted; False when it should
        stop."""
        wanted = self.control()
        if self._is_to_hold(wanted):
            paused = time.perf_counter()
            self.tell(Paused(epoch=self.epochs))
            while self._is_to_hold(wanted):
                time.sleep(HOLD_CHECK_S)
                wanted = self.control()
            self.paused_s += time.perf_counter() - paused
        peak = wanted.learning_rate or self.hp.learning_rate
        if peak != self.peak:
            self.peak = peak
            self.tell(RateChange(epoch=self.epochs, learning_rate=peak))
        return not wanted.stop

    def _is_to_hold(self, wanted: Control) -> bool:
        if wanted.stop or wanted.hold_at is None:
            return False
        # Those who asked for the end of an epoch knew a moment ago how many there were: it may be
        # the end of a later one.
        return not wanted.hold_at or (self.epochs >= wanted.hold_at and self.epochs.is_integer())

    def _steps_in_next_call(self) -> int:
        if (
            self.step_s and self.hp.budget_s
        ):  # so that it ends when its time is up, and not a call later
            return max(1, min(self.steps_per_call, int(self._time_left_s / self.step_s)))
        return self.steps_per_call

    def _next_rates(self, count: int) -> np.ndarray:
        """The learning rates of the next `count` batches, float32 (count,)."""
        steps = np.arange(count)
        if self.hp.budget_s:
            done = (self.elapsed_s + steps * self.step_s) / self.hp.budget_s
        else:
            done = (self.step + steps) / self.planned_steps
        return learning_rates(self.hp.schedule, self.peak, np.minimum(done, 1))

    def _tell_progress(
        self, losses: np.ndarray, accuracies: np.ndarray, learning_rate: float, images_per_s: float
    ) -> None:
        elapsed_s = self.learned_at_s
        by_steps_s = elapsed_s * (self.planned_steps - self.step) / self.step
        remaining_s = min(by_steps_s, self._time_left_s)
        # How long one call of a single step takes is no measure for the rest.
        is_first = self.step == len(losses)
        self.tell(
            Progress(
                step=self.step,
                epoch=self.epochs,
                losses=tuple(losses.tolist()),
                accuracies=tuple(accuracies.tolist()),
                learning_rate=learning_rate,
                images_per_s=images_per_s,
                elapsed_s=elapsed_s,
                remaining_s=None if is_first else max(0.0, remaining_s),
            )
        )

    def end_epoch(
        self,
        loss: float,
        accuracy: float,
        validation_loss: float | None,
        validation_accuracy: float | None,
    ) -> EpochEnd:
        """Reports that an epoch, or what a budget left of it, has ended."""
        end = EpochEnd(
            epoch=self.epochs,
            loss=loss,
            accuracy=accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            elapsed_s=self.learned_at_s,
        )
        self.tell(end)
        return end


class _EarlyStopping:
    """Ends a training that gets no better, and brings the best epoch's weights back."""

    def __init__(self, patience: int, measure: str, network: keras.Model) -> None:
        """Watches one measure of a training.

        Args:
            patience: In epochs; 0 never ends it.
            measure: See Hyperparameters.early_stopping_on.
        """
        self.patience, self.measure, self.network = patience, measure, network
        self.best, self.best_weights, self.epochs_without_gain = -math.inf, None, 0

    def ends(self, end: EpochEnd) -> bool:
        """Whether it is enough after this epoch."""
        if not self.patience:
            return False
        score = end.score(self.measure)
        self.epochs_without_gain += 1
        if score > self.best:
            self.best, self.best_weights, self.epochs_without_gain = (
                score,
                self.network.get_weights(),
                0,
            )
        return self.epochs_without_gain >= self.patience

    def restore_best(self) -> None:
        """Gives the network the weights of its best epoch, if they were kept."""
        if self.best_weights:
            self.network.set_weights(self.best_weights)


def _check(values: np.ndarray, learning_rate: float, step: int) -> None:
    """Refuses values that are no numbers.

    Raises:
        TrainingError: One of the values, of losses or weights, is not finite.
    """
    if not np.isfinite(values).all():
        raise TrainingError(
            f"After {step:,} batches the loss is no longer a number. The learning rate of "
            f"{number(learning_rate)} is too "
            "high for this network: choose a lower one, or switch batch normalisation on."
        )


def learning_rates(schedule: str, peak: float, done: np.ndarray) -> np.ndarray:
    """The learning rate at moments of a training, float32 of the shape of `done`: the share of it
    that is over, 0 to 1.

    Args:
        schedule: See Hyperparameters.schedule.
        peak: The highest learning rate.
    """
    match schedule:
        case "constant":
            rates = np.full(done.shape, peak)
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


def _next_batches(order: np.ndarray, batch_size: int, first: int, count: int) -> np.ndarray:
    """Up to `count` batches from the `first` on: int32 (batches, batch size), places of images in
    the training set.

    The last batch of an epoch may be smaller, and then comes alone.
    """
    whole = len(order) // batch_size
    if first < whole:
        return order[first * batch_size : min(first + count, whole) * batch_size].reshape(
            -1, batch_size
        )
    return order[np.newaxis, whole * batch_size :]


def _measure(
    classifier: Classifier, digits: Digits, control: Callable[[], Control]
) -> tuple[float | None, float | None]:
    """Mean cross-entropy in nats and accuracy; None each when there are no digits or it was
    stopped."""
    batches = []
    for batch in classifier.batches(digits.images):
        if control().stop:
            return None, None
        batches.append(batch)
    if not batches:
        return None, None
    probabilities = np.concatenate(batches)
    right = np.take_along_axis(probabilities, digits.labels[:, np.newaxis], axis=1)
    loss = -np.log(np.maximum(right, np.finfo(np.float32).tiny)).mean()
    return float(loss), float((probabilities.argmax(axis=1) == digits.labels).mean())


def _compile_steps(hp: Hyperparameters, network: keras.Model, digits: Digits) -> Callable:
    """A function that learns from several batches in one call: far less overhead than one call a
    batch.

    It takes int32 (batches, batch size) places of images, float32 (batches,) learning rates and the
    number of the first step; it returns the mean cross-entropy and the accuracy of each batch, both
    float32 (batches,).
    """
    make_batch = batch_maker(hp, digits)
    optimizer = _optimizer(hp)
    optimizer.build(network.trainable_variables)
    kernels = [variable for variable in network.trainable_variables if variable.name == "kernel"]
    # AdamW decays weights by itself; for the others it is a penalty on the loss.
    penalty = 0.0 if hp.optimizer == "adamw" else hp.weight_decay / 2

    def learn_batch(
        places: tf.Tensor, rate: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The cross-entropy and the accuracy of one batch, before it is learned from."""
        images, labels = make_batch(places, step)
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            # The last images are those without labels.
            logits, others = tf.split(network(images, training=True), [tf.size(labels), -1])
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            objective = loss
            if hp.label_smoothing:
                objective += hp.label_smoothing * (_loss_to_even(logits) - objective)
            if hp.non_digits:
                objective += hp.non_digits * _loss_to_even(others)
            if penalty:
                objective += penalty * tf.add_n(
                    [tf.reduce_sum(tf.square(kernel)) for kernel in kernels]
                )
        gradients = tape.gradient(
            objective, [variable.value for variable in network.trainable_variables]
        )
        optimizer.apply(gradients, network.trainable_variables)
        right = tf.argmax(logits, axis=1, output_type=tf.int32) == labels
        return loss, tf.reduce_mean(tf.cast(right, tf.float32))

    # Without AutoGraph, which takes half a second to rewrite this code and leaves a file of it
    # behind.
    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None,), tf.float32),
            tf.TensorSpec((), tf.int32),
        ],
        autograph=False,
    )
    def learn(
        batches: tf.Tensor, rates: tf.Tensor, first_step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def learn_next(
            index: tf.Tensor, losses: tf.TensorArray, accuracies: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.TensorArray, tf.TensorArray]:
            loss, accuracy = learn_batch(batches[index], rates[index], first_step + index)
            return index + 1, losses.write(index, loss), accuracies.write(index, accuracy)

        count = tf.shape(batches)[0]
        nothing = tf.TensorArray(tf.float32, count)
        _, losses, accuracies = tf.while_loop(
            lambda index, *_: index < count, learn_next, (0, nothing, nothing)
        )
        return losses.stack(), accuracies.stack()

    compiled = learn.get_concrete_function()
    # The first step also allocates memory and starts threads. It is taken here, and taken back, so
    # that no step's time includes that, nor the compiling: of two networks in a race it would cost
    # one more than the other.
    variables = [*network.variables, *optimizer.variables]
    before = [variable.numpy() for variable in variables]
    compiled(tf.zeros((1, hp.batch_size), tf.int32), tf.zeros((1,)), tf.constant(0))
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    return compiled


def _loss_to_even(logits: tf.Tensor) -> tf.Tensor:
    """Mean cross-entropy to all digits being equally probable."""
    return -tf.reduce_mean(tf.nn.log_softmax(logits))


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
