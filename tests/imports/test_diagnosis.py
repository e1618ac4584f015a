"""What a network wants to be fed is found by measuring it, whatever it learned from."""

import keras
import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.imports import diagnosis, feeding
from mnist_models.imports.feeding import SCALES, Feeding, Layout
from mnist_models.imports.refusal import RefusedError
from tests.imports import forms


class Taught:
    """A network whose training is known; what it says may be changed."""

    is_whole = False

    def __init__(self, model, change=lambda said: said, shape=None):
        self.model, self.change = model, change
        self.input_shape = shape or model.input_shape[1:]

    def outputs(self, batch):
        given = batch.reshape(-1, *self.model.input_shape[1:])
        return self.change(self.model(given, training=False).numpy())


def fed(scale, **layout):
    """How a network was fed in training: a function of images."""
    return Feeding(Layout((784,), 28, **layout), scale)


def plain(found):
    """What was tried with images that are not transposed, by scale."""
    upright = [trial for trial in found.trials if not trial.feeding.layout.transposed]
    return {trial.feeding.scale: trial for trial in upright}


@pytest.mark.parametrize("scale", [name for name in SCALES if name != "inverted"])
def test_the_scale_of_its_training_is_found(scale):
    found = diagnosis.diagnose(Taught(forms.fully_connected(fed(scale))))
    assert found.chosen.feeding.scale == scale and found.usable
    assert {trial.feeding.scale for trial in found.trials} == set(SCALES)


def test_white_paper_is_found():
    network = Taught(forms.fully_connected(fed("inverted")))
    assert diagnosis.diagnose(network).chosen.feeding.scale == "inverted"


def test_transposed_pictures_are_found():
    found = diagnosis.diagnose(Taught(forms.fully_connected(fed("unit", transposed=True))))
    assert found.chosen.feeding.layout.transposed and found.chosen.feeding.scale == "unit"
    assert found.usable


def test_its_accuracy_and_calibration_are_those_of_all_test_images(dnn):
    test = dataset.load().test
    read = dnn(test.images.reshape(-1, 784) / np.float32(255)).numpy()
    found = diagnosis.diagnose(Taught(dnn))
    assert found.test_accuracy == pytest.approx((read.argmax(axis=1) == test.labels).mean())
    np.testing.assert_allclose(found.predictions.probabilities, read, atol=1e-5)
    assert found.class_count == 10 and found.output == "softmax"


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("logits", lambda said: np.log(said + 1e-9) + 3),
        ("log-softmax", lambda said: np.log(said + 1e-9)),
        ("sigmoid", lambda said: said / (said + 0.5)),
    ],
)
def test_other_outputs_are_told_by_their_values(dnn, kind, change):
    found = diagnosis.diagnose(Taught(dnn, change))
    assert found.output == kind
    plain = diagnosis.diagnose(Taught(dnn))
    assert found.test_accuracy == pytest.approx(plain.test_accuracy, abs=1e-3)
    if kind != "sigmoid":
        difference = found.predictions.probabilities - plain.predictions.probabilities
        assert np.abs(difference).max() < 1e-3


def test_classes_in_another_order_are_found(dnn):
    order = np.random.default_rng(5).permutation(10)
    found = diagnosis.diagnose(Taught(dnn, lambda said: said[:, order]))
    assert found.chosen.classes == tuple(np.argsort(order).tolist())
    assert found.test_accuracy == diagnosis.diagnose(Taught(dnn)).test_accuracy


def test_only_digits_are_allowed_where_there_are_letters(dnn):
    """As EMNIST's networks: half of what is a 1 is read as an l."""

    def with_letters(said):
        letters = np.zeros((len(said), 37), np.float32)
        letters[::2, 11] = 0.9 * said[::2, 1]
        digits = said.copy()
        digits[::2, 1] *= 0.1
        return np.concatenate([digits, letters], axis=1)

    found = diagnosis.diagnose(Taught(dnn, with_letters))
    assert found.class_count == 47 and found.chosen.classes == tuple(range(10))
    plain = diagnosis.diagnose(Taught(dnn)).test_accuracy
    assert found.test_accuracy > plain - 0.06


def test_what_reads_nothing_is_not_usable():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="relu")])
    assert not diagnosis.diagnose(Taught(model)).usable


def test_fewer_than_ten_classes_are_refused(dnn):
    with pytest.raises(RefusedError, match="tells 3 classes apart"):
        diagnosis.diagnose(Taught(dnn, lambda said: said[:, :3]))


def test_what_makes_images_of_images_is_refused_after_the_first(dnn):
    seen = []

    def enlarged(said):
        seen.append(len(said))
        return np.ones((len(said), 160 * 160), np.float32)

    with pytest.raises(RefusedError, match="gives 25,600 numbers for each image"):
        diagnosis.diagnose(Taught(dnn, enlarged))
    assert sum(seen) == 2  # a training and a test image


def test_it_can_be_stopped_and_tells_how_far_it_is(dnn):
    shares = []
    with pytest.raises(diagnosis.StoppedError):
        diagnosis.diagnose(Taught(dnn), shares.append, lambda: len(shares) > 5)
    assert len(shares) == 6
    diagnosis.diagnose(Taught(dnn), shares.append)
    whole = shares[6:]
    assert whole == sorted(whole) and whole[0] == 0 and whole[-1] == 1


def test_whole_numbers_are_given_no_fractions(dnn):
    network = Taught(dnn)
    network.is_whole = True
    assert {trial.feeding.scale for trial in diagnosis.diagnose(network).trials} == {"raw"}


def trial(scale, accuracy, loss, images=2_000):
    feeding = Feeding(Layout((784,), 28), scale)
    return diagnosis.Trial(feeding, accuracy, accuracy, loss, 0.9, images, tuple(range(10)))


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        # The best by far.
        ([("unit", 0.9, 0.3), ("std", 0.98, 0.1)], "std"),
        # As good, but falsely certain or uncertain.
        ([("unit", 0.98, 0.20), ("std", 0.979, 0.02)], "std"),
        ([("unit", 0.98, 0.03), ("raw", 0.982, 0.5)], "unit"),
        # Nothing speaks for the second, so the more common one.
        ([("unit", 0.98, 0.0301), ("raw", 0.982, 0.03)], "unit"),
        # Trained too shortly: its loss tells only how large its inputs are.
        ([("unit", 0.575, 2.10), ("std", 0.580, 1.80)], "unit"),
        # Not usable: the best is shown.
        ([("unit", 0.11, 2.40), ("std", 0.12, 2.50), ("raw", 0.10, 9.00)], "std"),
        # Better by more than chance.
        ([("unit", 0.570, 1.80), ("std", 0.585, 2.10)], "std"),
    ],
)
def test_the_rule_of_the_choice(trials, chosen):
    assert diagnosis.choose([trial(*one) for one in trials]).feeding.scale == chosen


@pytest.mark.parametrize(("images", "chosen"), [(480, "unit"), (2_000, "raw")])
def test_one_image_that_is_read_wrongly_does_not_decide(images, chosen):
    trials = [trial("unit", 0.998, 0.003, images), trial("raw", 1.0, 0.0, images)]
    assert diagnosis.choose(trials).feeding.scale == chosen


def test_what_was_trained_too_shortly_is_not_judged_by_its_loss():
    """It is uncertain, so larger inputs lower its loss."""
    short = forms.fully_connected(fed("unit"))
    last = short.layers[-1]
    last.set_weights([array / 10 for array in last.get_weights()])

    def often_wrong(said):
        # Every third image is read as the next digit.
        return np.where(np.arange(len(said))[:, None] % 3 == 0, np.roll(said, 1, axis=1), said)

    found = diagnosis.diagnose(Taught(short, often_wrong))
    by_scale = plain(found)
    assert by_scale["std"].loss < by_scale["unit"].loss < by_scale["raw"].loss / 2
    assert by_scale["raw"].images == by_scale["unit"].images > 200
    assert found.chosen.feeding.scale == "unit"


@pytest.mark.parametrize(
    ("shape", "titles"),
    [
        ((28, 28), ["28×28"]),
        ((784,), ["784 values in a row"]),
        ((None, None, 1), ["28×28×1"]),
        ((1, 28, 28), ["1×28×28"]),
        ((28, 28, 3), ["28×28×3"]),
        ((3, 32, 32), ["3×32×32, with a margin of zeros around it", "3×32×32, resized"]),
        ((14, 14, 1), ["14×14×1, resized"]),
        ((64,), ["64 values in a row, resized"]),
        ((4, 196), ["4×196"]),
    ],
)
def test_every_layout_of_a_digit_is_known(shape, titles):
    found = feeding.layouts(shape)
    assert [layout.title for layout in found] == titles
    images = dataset.load().test.images[:3]
    for layout in found:
        given = Feeding(layout, "unit")(images)
        assert given.shape == (3, *layout.shape) and given.dtype == np.float32
        assert given.min() >= 0 and given.max() <= 1.0001


@pytest.mark.parametrize("shape", [(100, 200), (10,), (), (7,), (300, 300, 1), (28, 28, 4)])
def test_no_digit_is_given_to_what_takes_something_else(shape):
    with pytest.raises(RefusedError, match="no picture of one digit"):
        feeding.layouts(shape)


def test_layouts_keep_rows_columns_and_channels_apart():
    image = np.arange(784).reshape(1, 28, 28).astype(np.uint8)
    plain = image[0].astype(np.float32)
    given = Feeding(Layout((3, 28, 28), 28, 3, channels_first=True), "raw")(image)[0]
    assert (given[2] == plain).all()
    given = Feeding(Layout((28, 28, 3), 28, 3), "raw")(image)[0]
    assert (given[..., 1] == plain).all()
    given = Feeding(Layout((28, 28), 28, transposed=True), "raw")(image)[0]
    assert (given == plain.T).all()
    given = Feeding(Layout((32, 32), 32, fit="padded"), "raw")(image)[0]
    assert (given[2:30, 2:30] == plain).all() and given.sum() == plain.sum()


def test_halving_averages_and_keeps_the_mean():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 8:16, 12:20] = 200
    given = Feeding(Layout((14, 14), 14, fit="resized"), "raw")(image)[0]
    assert given.max() == pytest.approx(200) and given.sum() * 4 == pytest.approx(image.sum())


def test_the_columns_of_l2ax1_are_those_of_keras_normalize():
    images = dataset.load().test.images[:5]
    ours = Feeding(Layout((28, 28), 28), "l2ax1")(images)
    np.testing.assert_allclose(ours, keras.utils.normalize(images, axis=1), atol=1e-6)


def test_no_image_is_read_twice_in_the_same_way(dnn):
    """Reading is what takes the time; whatever is read again in another way differs in its
    values."""
    seen = []

    class Counting(Taught):
        def outputs(self, batch):
            seen.append(batch.reshape(len(batch), -1).copy())
            return super().outputs(batch)

    found = diagnosis.diagnose(Counting(dnn))
    read = np.concatenate(seen)
    assert len(np.unique(read, axis=0)) == len(read)
    chosen = found.chosen.images // 2
    beside = [trial.images for trial in found.trials if trial is not found.chosen]
    assert len(read) == len(dataset.load().test) + chosen + sum(beside)


def test_what_has_a_far_higher_loss_is_not_read_further(dnn):
    found = diagnosis.diagnose(Taught(dnn))
    by_scale = plain(found)
    # It reads as well where ink is 255, but is falsely certain.
    unit, raw = by_scale["unit"], by_scale["raw"]
    assert abs(unit.accuracy - raw.accuracy) < 0.08 and raw.loss > 2 * unit.loss
    assert unit.images > raw.images == 200
