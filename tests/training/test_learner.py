"""Networks from files learn from a class as they are, whatever their layers and their feeding."""

from dataclasses import replace
from typing import NamedTuple

import keras
import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.handwriting.collection import Collection
from mnist_models.imports import archive, bring, imported, reading
from mnist_models.imports.feeding import BY_HAND, layouts
from mnist_models.imports.learning import LearningNetwork
from mnist_models.imports.refusal import RefusedError
from mnist_models.models.classifier import Classifier
from mnist_models.settings.hyperparameters import CnnHyperparameters
from mnist_models.training.loop import train
from mnist_models.training.material import Material, Start, to_fine_tune
from mnist_models.training.progress import Control, EpochEnd
from tests.imports import forms

LAYERS = keras.layers
TEST = dataset.load().test.images[:300]
HP = to_fine_tune(CnnHyperparameters(batch_size=32, validation_images=100)).model_copy(
    update={"epochs": 1, "train_images": 320}
)


class Theirs(NamedTuple):
    """A network, and how its card says that it is fed.

    Attributes:
        layers: From the image to the last but one; a number of classes and an activation follow.
        scale: A key of feeding.SCALES.
        layout: What differs in its layout from the first one that its shape allows.
        last: The activation function of its last layer.
        output: What that gives, see diagnosis.output_kind.
        classes: Which of its classes are the digits.
    """

    layers: list
    scale: str = "unit"
    layout: dict = {}  # noqa: RUF012, nobody changes it
    last: str = "softmax"
    output: str = "softmax"
    classes: tuple = tuple(range(10))


def branched(image):
    sides = [LAYERS.Conv2D(3, size, 2, padding="same", activation="relu")(image) for size in (3, 5)]
    both = LAYERS.Concatenate()([*sides, LAYERS.AveragePooling2D(2)(image)])
    added = LAYERS.Add()([both, LAYERS.Conv2D(7, 1, activation="tanh")(both)])
    return LAYERS.GlobalAveragePooling2D()(added)


KINDS = {
    "padding, average pooling and two activations": Theirs(
        [
            (28, 28, 1),
            LAYERS.Conv2D(4, 3, 2, padding="same", activation="elu"),
            LAYERS.AveragePooling2D(2, padding="same"),
            LAYERS.Conv2D(4, 3, activation="tanh"),
        ],
        "std",
    ),
    "batch normalisation and dropout anywhere": Theirs(
        [
            (28, 28, 1),
            LAYERS.BatchNormalization(),
            LAYERS.Conv2D(4, 3, 3, activation="relu"),
            LAYERS.Dropout(0.2),
            LAYERS.BatchNormalization(),
            LAYERS.MaxPooling2D(2),
            LAYERS.LeakyReLU(0.1),
        ],
        "pm1",
    ),
    "branches": Theirs([(28, 28, 1), branched]),
    "784 values from 0 to 255": Theirs([(784,), LAYERS.Dense(16, activation="tanh")], "raw"),
    "columns of length 1": Theirs([(28, 28), LAYERS.Flatten(), LAYERS.Dense(16)], "l2ax1"),
    "channels first": Theirs(
        [
            (1, 28, 28),
            LAYERS.Conv2D(4, 5, 2, data_format="channels_first", activation="relu"),
            LAYERS.BatchNormalization(axis=1),
            LAYERS.MaxPooling2D(2, data_format="channels_first"),
        ],
        "inverted",
    ),
    "32×32, three channels": Theirs(
        [(32, 32, 3), LAYERS.SeparableConv2D(4, 3, 2, activation="selu")], "center"
    ),
    "14×14, scores": Theirs(
        [
            (14, 14, 1),
            LAYERS.DepthwiseConv2D(3, depth_multiplier=2),
            LAYERS.PReLU(shared_axes=(1, 2)),
        ],
        last="linear",
        output="logits",
    ),
    "letters too, transposed": Theirs(
        [(28, 28, 1), LAYERS.Rescaling(2.0, -1.0), LAYERS.Conv2D(4, 5, 3, activation="gelu")],
        layout={"transposed": True},
        classes=(3, 1, 46, 0, 4, 5, 6, 7, 8, 9),
    ),
    "one number for each class": Theirs(
        [(28, 28), LAYERS.LSTM(8)], last="sigmoid", output="sigmoid"
    ),
    "logarithms, of any size": Theirs(
        [(None, None, 1), LAYERS.Conv2D(6, 5, 2), LAYERS.GlobalMaxPooling2D()],
        last="log_softmax",
        output="log-softmax",
    ),
}


def saved(theirs, folder):
    """The file of a network whose weights nothing in Keras would choose."""
    shape, *layers = theirs.layers
    image = outputs = keras.Input(shape)
    for layer in layers:
        outputs = layer(outputs)
    outputs = LAYERS.Dense(max(theirs.classes) + 1, activation=theirs.last)(
        LAYERS.Flatten()(outputs)
    )
    model = keras.Model(image, outputs)
    forms.give_weights(model)
    return forms.keras_file(model, folder)


@pytest.fixture(scope="module")
def digits():
    """Digits of four writers, one of whom is for the test."""
    mnist = dataset.load().train.part(30_000, 30_080)
    return Collection(mnist.images, mnist.labels, np.repeat(np.arange(4), 20))


def material_of(content, theirs, digits):
    """To learn from the class alone, from a network in a file."""
    layout = replace(layouts(bring.open_file(content).network.input_shape)[0], **theirs.layout)
    card = {
        "candidate": 0,
        "layout": vars(layout) | {"shape": list(layout.shape)},
        "scale": theirs.scale,
        "output": theirs.output,
        "classes": list(theirs.classes),
    }
    start = Start(run_id="0123abcd", label="theirs", test_accuracy=0.1)
    return Material(
        digits, digits.writers == 2, "9b", 1.0, start, archive.packed(content, None), card
    )


def normalisation(kept):
    """The arrays of all layers of an archive that normalise."""
    found = reading.read(*archive.unpacked(kept)).candidates[0]
    layers = [layer for layer in found.layers if layer.kind == "BatchNormalization"]
    return [array for layer in layers for array in layer.arrays]


def loss(read, labels):
    own = np.take_along_axis(read, labels[:, np.newaxis].astype(int), axis=1)
    return -np.log(np.maximum(own, 1e-30)).mean()


@pytest.mark.parametrize("name", KINDS)
def test_it_learns_from_the_readings_that_it_had_and_is_kept_as_it_is(name, digits, tmp_path):
    theirs = KINDS[name]
    material = material_of(saved(theirs, tmp_path), theirs, digits)
    before = imported.reopened(material.weights, material.card)
    start = LearningNetwork(material.weights, material.card, seed=0)
    # Sums in float32, of the same numbers in another order.
    np.testing.assert_allclose(
        Classifier(start.network).probabilities(digits.images),
        before.probabilities(digits.images),
        atol=1e-4,
    )
    trained = train(HP, material=material)
    result, tested, learned = trained.class_result, material.tested, material.learned
    assert (result.before == before.predictions(tested.images).digits).all()
    after = imported.reopened(trained.weights, trained.card)
    assert after.feeding == before.feeding and trained.card["output"] == theirs.output
    assert trained.card["classes"] == list(theirs.classes)
    assert loss(after.probabilities(learned.images), learned.labels) < loss(
        before.probabilities(learned.images), learned.labels
    )
    assert (result.after == after.predictions(tested.images).digits).all()
    read = trained.predictions.digits[: len(TEST)]
    assert (read == after.predictions(TEST).digits).all()
    for old, new in zip(
        normalisation(material.weights), normalisation(trained.weights), strict=True
    ):
        np.testing.assert_array_equal(old, new)


def test_what_has_a_probability_of_0_still_has_a_score(digits, tmp_path):
    """Else images that are read wrong beyond all bounds would teach nothing."""
    theirs = Theirs([(784,), LAYERS.Dense(16, activation="relu")], "raw")
    material = material_of(saved(theirs, tmp_path), theirs, digits)
    assert imported.reopened(material.weights, material.card).probabilities(TEST).min() < 1e-29
    logits = LearningNetwork(material.weights, material.card, seed=0).network(TEST).numpy()
    assert len(np.unique(logits)) > 0.99 * logits.size  # none is cut off


def test_the_chance_in_its_layers_comes_from_the_seed(digits, tmp_path):
    theirs = KINDS["batch normalisation and dropout anywhere"]
    material = material_of(saved(theirs, tmp_path), theirs, digits)

    def learns_from(seed):
        network = LearningNetwork(material.weights, material.card, seed).network
        return network(digits.images, training=True).numpy()

    np.testing.assert_array_equal(learns_from(1), learns_from(1))
    assert not np.allclose(learns_from(1), learns_from(2))


def test_stopped_in_the_middle_it_is_kept_as_it_is_then(digits, tmp_path):
    theirs = KINDS["784 values from 0 to 255"]
    material = material_of(saved(theirs, tmp_path), theirs, digits)
    ended = []

    def report(event):
        if isinstance(event, EpochEnd):
            ended.append(event)

    hp = HP.model_copy(update={"epochs": 50})
    trained = train(hp, report, lambda: Control(stop=bool(ended)), material)
    assert trained.stopped and trained.epochs < 50 and trained.class_result is None
    before = imported.reopened(material.weights, material.card)
    after = imported.reopened(trained.weights, trained.card)
    read = trained.predictions.digits[: len(TEST)]
    assert (read == after.predictions(TEST).digits).all()
    assert (read != before.predictions(TEST).digits).any()


def test_what_it_normalises_an_image_with_is_kept(digits, tmp_path):
    normal = LAYERS.Normalization()
    normal.adapt(digits.images[..., np.newaxis] / 255)
    parts = [keras.Input((28, 28, 1)), normal, LAYERS.Flatten(), LAYERS.Dense(10, "softmax")]
    content = forms.keras_file(keras.Sequential(parts), tmp_path)
    material = material_of(content, Theirs([]), digits)
    kept = LearningNetwork(material.weights, material.card, seed=0).kept()
    before = imported.reopened(material.weights, material.card)
    after = imported.reopened(kept.file, kept.card)
    # The same numbers, compiled twice.
    np.testing.assert_allclose(after.probabilities(TEST), before.probabilities(TEST), atol=1e-6)


def test_it_learns_fed_as_was_chosen_by_hand_and_is_fed_so_from_then_on(digits, tmp_path):
    theirs = KINDS["784 values from 0 to 255"]
    material = material_of(saved(theirs, tmp_path), theirs._replace(scale="unit"), digits)
    tried = [{"fit": "whole", "transposed": False, "scale": "raw"}]
    kept = LearningNetwork(material.weights, material.card | {"tried": tried, BY_HAND: 0}, 0).kept()
    assert kept.card["scale"] == "raw" and BY_HAND not in kept.card
    before = imported.reopened(material.weights, material.card).fed("raw")
    after = imported.reopened(kept.file, kept.card)
    # The same numbers, compiled twice.
    np.testing.assert_allclose(after.probabilities(TEST), before.probabilities(TEST), atol=1e-6)


def test_what_its_own_runtime_computes_cannot_learn(digits):
    theirs = KINDS["784 values from 0 to 255"]
    material = material_of(forms.onnx(forms.fully_connected()), theirs, digits)
    with pytest.raises(RefusedError, match=r"ONNX or TensorFlow Lite cannot be fine-tuned"):
        train(HP, material=material)
