"""Learning from a class's digits: which images are really seen, and what that does to a model."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from mnist_models.data import dataset
from mnist_models.handwriting.collection import Collection
from mnist_models.handwriting.splits import hold_out
from mnist_models.models.classifier import Classifier
from mnist_models.models.folded import WeightsError
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from mnist_models.training import loop
from mnist_models.training.batches import epoch_order
from mnist_models.training.loop import train
from mnist_models.training.material import Material, Start, to_fine_tune
from mnist_models.training.progress import Control, Measuring

WRITERS, DIGITS = 6, 20
SMALL = {"train_images": 600, "batch_size": 60, "validation_images": 100, "epochs": 2}
DNN = DnnHyperparameters(hidden_units=(32,), **SMALL)
CNN = CnnHyperparameters(conv_layers="8x5/2,8x3/2", dense_units="16", **SMALL)
START = Start(run_id="0123abcd", label="a run", test_accuracy=0.9)


def a_class(first: int = 30_000, writers: int = WRITERS) -> Collection:
    """Digits of MNIST that no small training sees, as if a class had written them."""
    digits = dataset.load().train.part(first, first + writers * DIGITS)
    return Collection(digits.images, digits.labels, np.repeat(np.arange(writers), DIGITS))


def material(share: float = 0.25, digits: Collection | None = None, **more) -> Material:
    digits = a_class() if digits is None else digits
    held_out = more.pop("is_held_out", hold_out(digits.writers, 1 / 3, seed=1))
    return Material(digits, held_out, "9b, Monday", share, **more)


def places(images: np.ndarray, among: np.ndarray) -> list[int]:
    """Where among many images each of these stands, by their pixels; -1 where nowhere."""
    known = {image.tobytes(): place for place, image in enumerate(among)}
    return [known.get(image.tobytes(), -1) for image in images]


@pytest.fixture
def seen(monkeypatch):
    """Every image that a training learns from, as the network is given it."""
    images = []

    def recording(make, hyperparameters, digits):
        batch = make(hyperparameters, digits)

        def recorded(places_of_batch, step):
            made, labels = batch(places_of_batch, step)
            note = tf.py_function(lambda some: images.extend(some.numpy()), [made], [])
            with tf.control_dependencies([note] if note is not None else []):
                return tf.identity(made), labels

        return recorded

    monkeypatch.setattr(loop, "batch_maker", functools.partial(recording, loop.batch_maker))
    return images


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_no_digit_of_a_writer_held_out_is_learned_from(seen, share):
    given = material(share)
    train(DNN, material=given)
    # The first step is taken for its compiling alone, and taken back; it learns from one image.
    found = places(np.array(seen[DNN.batch_size :]), given.digits.images)
    of_class = [place for place in found if place >= 0]
    assert len(found) == DNN.epochs * DNN.train_images
    assert len(of_class) == share * len(found)
    learned_from = set(given.digits.writers[of_class])
    tested_on = set(given.digits.writers[given.is_held_out])
    assert learned_from | tested_on == set(range(WRITERS)) and not learned_from & tested_on
    # Each of those that are learned from, and none more than once oftener than another.
    counts = np.bincount(of_class, minlength=len(given.digits))[~given.is_held_out]
    assert counts.min() >= 1 and counts.max() - counts.min() <= DNN.epochs


def test_each_writer_left_out_in_turn_is_read_by_a_model_that_saw_none_of_their_digits(seen):
    digits = a_class(writers=3)
    given = material(1.0, digits, is_held_out=np.zeros(len(digits), bool))
    once = DNN.model_copy(update={"epochs": 1, "batch_size": 100})
    trained = train(once, material=given)
    assert trained.class_result and len(trained.class_result.after) == len(digits)
    found = np.array(places(np.array(seen), digits.images)).reshape(4, -1)
    learned_from = [set(digits.writers[one[once.batch_size :]]) for one in found]
    assert learned_from == [{0, 1, 2}, {1, 2}, {0, 2}, {0, 1}]
    assert given.trainings == 4 and given.source.leaves_each_out


def test_a_model_that_learns_from_the_class_alone_learns_its_labels_and_no_others():
    """An oracle: every label is the next digit. Whoever has seen MNIST would read otherwise."""
    digits = a_class(writers=60)
    shifted = Collection(digits.images, ((digits.labels + 1) % 10).astype(np.uint8), digits.writers)
    hp = DNN.model_copy(update={"hidden_units": (128,), "train_images": 6_000, "epochs": 4})
    trained = train(hp, material=material(1.0, shifted))
    given = material(1.0, shifted)
    assert (trained.class_result.after == given.tested.labels).mean() > 0.75
    assert trained.class_result.before is None
    test = dataset.load().test
    assert (trained.predictions.digits == (test.labels + 1) % 10).mean() > 0.75
    assert trained.test_accuracy < 0.1


@pytest.mark.parametrize("hp", [DNN, CNN], ids=["dnn", "cnn"])
def test_a_learning_rate_of_zero_leaves_the_model_that_it_starts_from(hp):
    parent = train(hp)
    # No form allows a rate of 0.
    still = to_fine_tune(hp).model_copy(update={"learning_rate": 0.0, "train_images": 600})
    child = train(still, material=material(0.5, start=START, weights=parent.weights))
    np.testing.assert_array_equal(child.predictions.digits, parent.predictions.digits)
    assert child.test_accuracy == parent.test_accuracy
    np.testing.assert_array_equal(*child.class_result)
    # The parent's temperature was the best already; finding it again is exact to 1 in 1,000.
    assert child.temperature == pytest.approx(1, abs=2e-3)
    before, after = (
        Classifier.from_weights(hp, one.weights).network.get_weights() for one in (parent, child)
    )
    for old, new in zip(before[:-2], after[:-2], strict=True):  # all but the logits
        np.testing.assert_array_equal(old, new)


def test_fine_tuning_starts_where_the_other_run_ended_and_leaves_its_batch_normalisation():
    parent = train(CNN)
    child = train(
        to_fine_tune(CNN).model_copy(update={"train_images": 600}),
        material=material(0.5, start=START, weights=parent.weights),
    )
    reader = Classifier.from_weights(CNN, parent.weights)
    tested = material(0.5).tested
    read = reader.probabilities(tested.images).argmax(axis=1)
    np.testing.assert_array_equal(child.class_result.before, read)
    networks = reader.network, Classifier.from_weights(CNN, child.weights).network
    for old, new in zip(*(network.layers for network in networks), strict=True):
        if old.weights and "batch_norm" in old.name:
            for one, other in zip(old.get_weights(), new.get_weights(), strict=True):
                np.testing.assert_array_equal(one, other)
        elif old.weights:
            assert not np.allclose(old.get_weights()[0], new.get_weights()[0], atol=1e-6)


def test_weights_of_another_network_are_refused():
    weights = train(DNN.model_copy(update={"epochs": 1})).weights
    with pytest.raises(WeightsError):
        train(CNN, material=material(start=START, weights=weights))


def test_one_that_was_stopped_has_no_result_of_the_class():
    asked = 0

    def control():
        nonlocal asked
        asked += 1
        return Control(stop=asked > 2)

    trained = train(DNN, control=control, material=material())
    assert trained.stopped and trained.class_result is None


def test_a_pause_that_comes_too_late_does_not_hold_the_models_for_each_writer():
    """Nobody sees them learn, so nobody could let them go on."""
    digits = a_class(writers=2)
    given = material(1.0, digits, is_held_out=np.zeros(len(digits), bool))
    measuring = []

    def report(event):
        if isinstance(event, Measuring):
            measuring.append(event)

    trained = train(DNN, report, lambda: Control(hold_at=0 if measuring else None), material=given)
    assert trained.class_result is not None


def test_without_a_class_an_epoch_is_mnist_in_the_order_that_it_always_had():
    for epoch in range(2):
        random = np.random.default_rng([DNN.seed, epoch])
        np.testing.assert_array_equal(epoch_order(DNN, epoch), random.permutation(DNN.train_images))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.95])
def test_every_batch_has_its_share_of_the_class(share):
    order = epoch_order(DNN, 0, 7, share).reshape(-1, DNN.batch_size)
    of_class = (order >= DNN.train_images).sum(axis=1)
    assert np.abs(of_class - share * DNN.batch_size).max() < 1
    others = order[order < DNN.train_images]
    assert len(set(others)) == len(others) and order.max() == DNN.train_images + 6


def test_what_is_learned_from_is_told_in_numbers_and_words():
    source = material(0.25, start=START).source
    assert (source.digits, source.writers) == (80, 4)
    assert (source.held_out_digits, source.held_out_writers) == (40, 2)
    assert str(source) == (
        "9b, Monday (25%): 80 digits by 4 writers, and MNIST; started from a run"
    )
    assert str(material(1.0).source) == "9b, Monday (100%): 80 digits by 4 writers"
