"""What a network wants to be fed, and how well it then reads: measured, as no file says it."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from mnist_models.data import dataset
from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.data.probabilities import digits_of
from mnist_models.imports.feeding import SCALES, Feeding, layouts
from mnist_models.imports.refusal import RefusedError
from mnist_models.models.calibration import expected_calibration_error, temperature
from mnist_models.models.predictions import Predictions

# Of training images, which the network has most likely seen, and as many test images: for all ways,
# and for the promising ones, fewer where these would take longer.
FIRST, MORE, TRIALS_S = 100, 1_000, 0.8
# What reads this much worse than the best at first is not measured further, and what reads this
# much worse in the end is not taken: shares of all images.
CLEARLY_WORSE, ABOUT_AS_WELL = 0.08, 0.005
# Nor is what has a loss at first that will hardly become nearly the lowest: as a factor, and in
# nats, about what a single image that is wrong beyond all bounds adds.
MUCH, MUCH_NATS = 1.5, 0.1
# Of these the loss has to be nearly the lowest: as a factor, and in nats over all images together,
# what a single one adds that is read wrongly.
NEARLY, ONE_IMAGE_NATS = 1.1, 4
# Below this accuracy the loss says nothing. A network whose training was too short is uncertain;
# then the larger its inputs, the lower its loss, whatever it learned from. The accuracy alone
# decides, where it differs by more than its standard error.
WEAK = 0.9
# One image that is wrong beyond all bounds must not decide.
LEAST_PROBABILITY = 1e-6
# Below it nothing fits: a digit is told right less often than every second time.
USABLE = 0.5
# Digits under other classes than 0 to 9 have to read this much better to be believed.
MATCH_GAIN = 0.2
BATCH = 500
SMALLEST = 1e-30
# Probabilities of one byte each, in quantised networks, sum to 1 only about.
SUM_OFF = 0.05
# What gives more numbers for an image than any alphabet has characters makes images of images; to
# read with it would take minutes, and much memory.
MOST_CLASSES = 10_000
# The scale that has whole numbers only.
WHOLE = "raw"


class Network(Protocol):
    """Whatever computes a network: floats in, what its last layer says out."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Of one image, without the batch."""

    @property
    def is_whole(self) -> bool:
        """Whether it takes whole numbers, so that pixels cannot have been scaled to fractions."""

    def outputs(self, batch: np.ndarray) -> np.ndarray:
        """Float32 (N, *input_shape) in, (N, classes) out."""


class StoppedError(Exception):
    """Whoever waited does not wait any more."""


@dataclass(frozen=True)
class Trial:
    """One way to feed a network, tried.

    Attributes:
        feeding: The way.
        train_accuracy, test_accuracy: Share of right readings among the training and test images
            that it was tried on, 0 to 1.
        loss: Mean cross-entropy on both, in nats.
        confidence: The median probability of the digit that was read, 0 to 1.
        images: How many images it was tried on.
        classes: Which of the network's classes are the digits 0 to 9.
    """

    feeding: Feeding
    train_accuracy: float
    test_accuracy: float
    loss: float
    confidence: float
    images: int
    classes: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        return (self.train_accuracy + self.test_accuracy) / 2


@dataclass(frozen=True)
class Quality:
    """How well a network reads the 10,000 test images when it is fed in one way.

    Attributes:
        test_accuracy: 0 to 1.
        predictions: What it reads in them.
        temperature: What its logits have to be divided by for the best probabilities.
        calibration_error: See calibration.expected_calibration_error.
    """

    test_accuracy: float
    predictions: Predictions
    temperature: float
    calibration_error: float

    @classmethod
    def of(cls, read: np.ndarray) -> "Quality":
        """That of these probabilities, float32 (10,000, 10)."""
        labels = dataset.load().test.labels
        return cls(
            test_accuracy=float((digits_of(read) == labels).mean()),
            predictions=Predictions.of(read),
            temperature=temperature(read, labels),
            calibration_error=expected_calibration_error(read, labels),
        )


@dataclass(frozen=True)
class Diagnosis(Quality):
    """What was measured of a network; how well it reads, when it is fed as it wants.

    Attributes:
        trials: All ways that were tried, in the order of the rule.
        chosen: The one that it wants; the best one where nothing fits.
        output: What its last layer gives: "softmax", "logits", "log-softmax" or "sigmoid".
        class_count: How many classes it tells apart.
        usable: Whether it reads digits at all.
        elapsed_s: How long this took, in seconds.
    """

    trials: tuple[Trial, ...]
    chosen: Trial
    output: str
    class_count: int
    usable: bool
    elapsed_s: float


def output_kind(outputs: np.ndarray) -> str:
    """What a last layer gives, by its values, (N, classes)."""
    sums = outputs.sum(axis=1)
    if outputs.min() >= -1e-6 and np.abs(sums - 1).max() < SUM_OFF:
        return "softmax"
    if outputs.max() <= 1e-4 and np.abs(np.exp(outputs.clip(-80, 0)).sum(axis=1) - 1).max() < 1e-2:
        return "log-softmax"
    if outputs.min() >= 0 and outputs.max() <= 1:
        return "sigmoid"
    return "logits"


def rows(outputs: np.ndarray, count: int) -> np.ndarray:
    """What a network says of so many images, a row of numbers for each: (count, classes)."""
    return np.nan_to_num(outputs.reshape(count, -1), nan=0.0, posinf=1e30, neginf=-1e30)


def probabilities(outputs: np.ndarray, kind: str, classes: Sequence[int]) -> np.ndarray:
    """The probability of each digit: (N, classes) in, float32 (N, 10) out.

    Args:
        kind: See output_kind.
        classes: Which of the network's classes are the digits 0 to 9; all others are ruled out.
    """
    chosen = outputs[:, list(classes)].astype(np.float64)
    if kind in ("softmax", "sigmoid"):
        chosen = np.log(np.maximum(chosen, SMALLEST))
    chosen = np.exp(chosen - chosen.max(axis=1, keepdims=True))
    return (chosen / chosen.sum(axis=1, keepdims=True)).astype(np.float32)


def diagnose(
    network: Network,
    progress: Callable[[float], None] = lambda share: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Diagnosis:
    """Tries every way to feed a network, chooses one, and measures that on the whole test set.

    Args:
        progress: Is told how much is done, 0 to 1.
        is_stopped: Is asked whether to go on.

    Raises:
        RefusedError: It takes no image of a digit, or tells fewer than ten classes apart, or far
            more than there can be.
        StoppedError: It was stopped.
    """
    start = time.perf_counter()
    measure = _Measure(network, is_stopped)
    trials = measure.trials(lambda share: progress(share / 2))
    found = measure.whole(trials, choose(trials), lambda share: progress((1 + share) / 2))
    return replace(found, elapsed_s=time.perf_counter() - start)


def measured(
    network: Network,
    trials: Sequence[Trial],
    chosen: Trial,
    progress: Callable[[float], None] = lambda share: None,
) -> Diagnosis:
    """Measures a network on the whole test set where the ways to feed it were tried before.

    Args:
        trials: All of them.
        chosen: The one in which it is fed.
        progress: See diagnose.

    Raises:
        RefusedError: See diagnose.
    """
    return _Measure(network, lambda: False).whole(trials, chosen, progress)


def as_trained(network: Network, feeding: Feeding, classes: Sequence[int]) -> Diagnosis:
    """Measures a network on the whole test set that is known to be fed in this way, and to have
    the digits under these classes, since it was trained so."""
    measure = _Measure(network, lambda: False)
    trial = measure.trial(feeding, MORE, tuple(classes))
    return measure.whole([trial], trial, lambda share: None)


def choose(trials: Sequence[Trial]) -> Trial:
    """The way that a network wants.

    Of those that read about as well as the best, those with nearly the lowest loss: a network that
    is fed otherwise than in its training often reads as well, but is falsely certain or uncertain.
    Of these the first in the order of SCALES, the most common first.
    """
    most = max(trial.images for trial in trials)
    known = [trial for trial in trials if trial.images == most]
    best = max(trial.accuracy for trial in known)
    if _is_weak(best):
        chance = math.sqrt(best * (1 - best) / most)
        likely = [trial for trial in known if trial.accuracy >= best - chance]
    else:
        near = [trial for trial in known if trial.accuracy >= best - ABOUT_AS_WELL]
        allowed = NEARLY * min(trial.loss for trial in near) + ONE_IMAGE_NATS / most
        likely = [trial for trial in near if trial.loss <= allowed]
    order = list(SCALES)
    return min(likely, key=lambda trial: (order.index(trial.feeding.scale), -trial.accuracy))


def _is_weak(accuracy: float) -> bool:
    """Whether a network with this accuracy reads digits, but so badly that its loss says nothing.
    Of one that reads none, the best way is shown."""
    return USABLE <= accuracy < WEAK


def quick_score(network: Network) -> tuple[float, float]:
    """How well a network reads a few digits, fed in the best way, enough to tell the right one of
    several candidates: its accuracy, 0 to 1, and its loss."""
    measure = _Measure(network, lambda: False)
    trials = [measure.trial(feeding, FIRST) for feeding in ways(network)]
    best = max(trials, key=lambda trial: (trial.accuracy, -trial.loss))
    return best.accuracy, best.loss


def ways(network: Network) -> list[Feeding]:
    """All ways to feed a network, but for transposed images.

    Raises:
        RefusedError: It takes no image of a digit.
    """
    scales = [WHOLE] if network.is_whole else list(SCALES)
    return [Feeding(layout, scale) for layout in layouts(network.input_shape) for scale in scales]


class _Measure:
    """Trials on the same images, each of which is read once in each way."""

    def __init__(self, network: Network, is_stopped: Callable[[], bool]) -> None:
        self.network, self.is_stopped = network, is_stopped
        self.mnist = dataset.load()
        # By the way to feed it: what it says of the first training and of the first test images.
        self._said: dict[Feeding, tuple[np.ndarray, np.ndarray]] = {}

    def outputs(self, feeding: Feeding, images: np.ndarray) -> np.ndarray:
        """What the network says of images, uint8 (N, 28, 28)."""
        if self.is_stopped():
            raise StoppedError
        said = rows(self.network.outputs(feeding(images)), len(images))
        if said.shape[1] < CLASS_COUNT:
            raise RefusedError(
                f"Its network tells {said.shape[1]} classes apart; reading digits takes at least "
                f"{CLASS_COUNT}."
            )
        if said.shape[1] > MOST_CLASSES:
            raise RefusedError(
                f"Its network gives {said.shape[1]:,} numbers for each image, which are no "
                f"classes; a network that reads digits gives {CLASS_COUNT}, one for each digit."
            )
        return said

    def first(self, feeding: Feeding, count: int) -> np.ndarray:
        """What it says of so many training images, and then of as many test images."""
        train, test = self.mnist.train.images, self.mnist.test.images
        start = len(self._said[feeding][0]) if feeding in self._said else 0
        if start < count:
            new = self.outputs(feeding, np.concatenate([train[start:count], test[start:count]]))
            on_train, on_test = self._said.get(feeding, (new[:0], new[:0]))
            self._said[feeding] = (
                np.concatenate([on_train, new[: count - start]]),
                np.concatenate([on_test, new[count - start :]]),
            )
        return np.concatenate([said[:count] for said in self._said[feeding]])

    def whole(
        self, trials: Sequence[Trial], chosen: Trial, progress: Callable[[float], None]
    ) -> Diagnosis:
        """Reads the whole test set in one way, and says what all trials come to."""
        start = time.perf_counter()
        images = self.mnist.test.images
        outputs = [self._said[chosen.feeding][1]] if chosen.feeding in self._said else []
        for place in range(sum(map(len, outputs)), len(images), BATCH):
            progress(place / len(images))
            outputs.append(self.outputs(chosen.feeding, images[place : place + BATCH]))
        said = np.concatenate(outputs)
        kind = output_kind(said)
        quality = Quality.of(probabilities(said, kind, chosen.classes))
        progress(1.0)
        return Diagnosis(
            **vars(quality),
            trials=tuple(trials),
            chosen=chosen,
            output=kind,
            class_count=said.shape[1],
            usable=quality.test_accuracy >= USABLE,
            elapsed_s=time.perf_counter() - start,
        )

    def trials(self, progress: Callable[[float], None]) -> list[Trial]:
        """All ways, the hopeless ones on fewer images."""
        plain = ways(self.network)
        self.trial(plain[0], 1)  # what the first call prepares does not count
        found, took_s = [], []
        for place, feeding in enumerate(plain):
            progress(0.4 * place / len(plain))
            start = time.perf_counter()
            found.append(self.trial(feeding, FIRST))
            took_s.append(time.perf_counter() - start)
        best = max(found, key=lambda trial: trial.accuracy).feeding
        turned = replace(best.layout, transposed=True)
        other = self.trial(Feeding(turned, best.scale), FIRST)
        if other.accuracy > max(trial.accuracy for trial in found):
            scales = dict.fromkeys(feeding.scale for feeding in plain)
            found += [self.trial(Feeding(turned, scale), FIRST) for scale in scales]
        else:
            found.append(other)
        top = max(trial.accuracy for trial in found)
        least = top - CLEARLY_WORSE
        most = MUCH * min(trial.loss for trial in found if trial.accuracy >= least) + MUCH_NATS
        if _is_weak(top):
            most = math.inf
        promising = [
            place
            for place, trial in enumerate(found)
            if trial.accuracy >= least and trial.loss <= most
        ]
        # The least: whatever else the machine does must not change what is chosen.
        image_s = min(took_s) / (2 * FIRST)
        affordable = int(TRIALS_S / image_s / 2 / len(promising))
        more = min(MORE, max(2 * FIRST, affordable))
        for count, place in enumerate(promising):
            progress(0.4 + 0.6 * count / len(promising))
            found[place] = self.trial(found[place].feeding, more)
        return found

    def trial(self, feeding: Feeding, count: int, classes: tuple[int, ...] | None = None) -> Trial:
        """One way, on so many training images and as many test images.

        Args:
            classes: Which of its classes are the digits 0 to 9; None where that is not known.
        """
        said = self.first(feeding, count)
        labels = np.concatenate([self.mnist.train.labels[:count], self.mnist.test.labels[:count]])
        kind = output_kind(said)
        if classes is None:
            classes = _classes(said, kind, labels)
        read = probabilities(said, kind, classes)
        right = digits_of(read) == labels
        return Trial(
            feeding,
            float(right[:count].mean()),
            float(right[count:].mean()),
            _loss(read, labels),
            float(np.median(read.max(axis=1))),
            2 * count,
            classes,
        )


def _classes(said: np.ndarray, kind: str, labels: np.ndarray) -> tuple[int, ...]:
    """Which classes are the digits 0 to 9: the first ten, unless others read far better.

    Args:
        said: Of training images and as many test images, (N, classes).
        kind: See output_kind.
        labels: uint8 (N,), the digits.
    """
    count = len(said) // 2
    plain, other = tuple(range(CLASS_COUNT)), matched(said[:count], labels[:count])
    on_test = labels[count:]
    right, other_right = (
        (digits_of(probabilities(said[count:], kind, classes)) == on_test).mean()
        for classes in (plain, other)
    )
    return other if other_right >= max(USABLE, right + MATCH_GAIN) else plain


def _loss(read: np.ndarray, labels: np.ndarray) -> float:
    own = np.take_along_axis(read, labels[:, np.newaxis].astype(int), axis=1)
    return float(np.log(1 / np.maximum(own, LEAST_PROBABILITY)).mean())


def matched(outputs: np.ndarray, labels: np.ndarray) -> tuple[int, ...]:
    """Which classes are the digits 0 to 9 if each is the class that its images are read as most.

    Args:
        outputs: (N, classes).
        labels: uint8 (N,), the digits.
    """
    counts = np.zeros((CLASS_COUNT, outputs.shape[1]))
    np.add.at(counts, (labels, outputs.argmax(axis=1)), 1)
    # Where nothing speaks for another class, each digit keeps its own.
    counts[np.arange(CLASS_COUNT), np.arange(CLASS_COUNT)] += 0.5
    _, classes = linear_sum_assignment(-counts)
    return tuple(classes.tolist())
