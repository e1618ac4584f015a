"""A network from a file, told as hyperparameters and weights, reads what it did before."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.imports import archive, bring
from mnist_models.imports.as_ours import told_as_ours
from mnist_models.imports.feeding import COLUMNS, SCALES, Feeding, layouts
from mnist_models.imports.imported import ImportedReader
from mnist_models.imports.refusal import RefusedError
from mnist_models.models.classifier import Classifier
from tests.imports import forms

LAYERS = keras.layers
IMAGES = dataset.load().test.images[:40]
PLAIN = {
    "dense": [(784,), LAYERS.Dense(20, activation="relu"), LAYERS.Dropout(0.3)],
    "convolutional": [
        (28, 28, 1),
        LAYERS.Conv2D(8, 5, activation="relu"),
        LAYERS.MaxPooling2D(2),
        LAYERS.Conv2D(4, 3, strides=2, activation="relu", use_bias=False),
        LAYERS.Dropout(0.2),
        LAYERS.Flatten(),
        LAYERS.Dense(12, activation="relu"),
        LAYERS.Dropout(0.5),
    ],
    "normalised": [
        (28, 28),
        LAYERS.Reshape((28, 28, 1)),
        LAYERS.Conv2D(6, 3),
        LAYERS.BatchNormalization(epsilon=1e-2),
        LAYERS.Activation("tanh"),
        LAYERS.MaxPooling2D(3),
        LAYERS.Flatten(),
        LAYERS.Dense(16),
        LAYERS.BatchNormalization(scale=False),
        LAYERS.Activation("tanh"),
        LAYERS.Dense(9, activation="tanh"),
    ],
}
OTHERS = {
    "padding": [(28, 28, 1), LAYERS.Conv2D(8, 3, padding="same", activation="relu")],
    "an activation that is no choice": [(784,), LAYERS.Dense(20, activation="elu")],
    "two activations": [
        (784,),
        LAYERS.Dense(20, activation="relu"),
        LAYERS.Dense(20, activation="tanh"),
    ],
    "normalised after the activation": [
        (784,),
        LAYERS.Dense(20, activation="relu"),
        LAYERS.BatchNormalization(),
    ],
    "the average of squares": [
        (28, 28, 1),
        LAYERS.Conv2D(8, 3, activation="relu"),
        LAYERS.AveragePooling2D(2),
    ],
    "a hidden layer without activation": [(784,), LAYERS.Dense(20)],
    "a wide layer": [(784,), LAYERS.Dense(1_200, activation="relu")],
    "another size": [(14, 14, 1), LAYERS.Conv2D(8, 3, activation="relu")],
    "three channels": [(28, 28, 3), LAYERS.Conv2D(8, 3, activation="relu")],
    "a dense layer that sees a row at a time": [(28, 28), LAYERS.Dense(16, activation="relu")],
    "recurrent": [(28, 28), LAYERS.LSTM(8)],
}


def saved(parts, folder):
    """A network whose weights nothing in Keras would choose."""
    shape, *layers = parts
    layers = [layer.from_config(layer.get_config()) for layer in layers]
    end = [LAYERS.Flatten(), LAYERS.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input(shape), *layers, *end])
    forms.give_weights(model)
    return forms.keras_file(model, folder)


def card_of(feeding, classes=range(10)):
    layout = vars(feeding.layout) | {"shape": list(feeding.layout.shape)}
    return {
        "candidate": 0, "layout": layout, "scale": feeding.scale, "output": "softmax",
        "classes": list(classes),
    }  # fmt: skip


def first_layout(content):
    return layouts(bring.open_file(content).network.input_shape)[0]


@pytest.mark.parametrize("scale", [name for name in SCALES if name != COLUMNS])
@pytest.mark.parametrize("name", PLAIN)
def test_it_reads_what_it_did_whatever_it_was_fed(name, scale, tmp_path):
    content = saved(PLAIN[name], tmp_path)
    feeding = Feeding(first_layout(content), scale)
    ours = told_as_ours(archive.packed(content, None), card_of(feeding))
    before = ImportedReader(bring.open_file(content), feeding, "softmax", range(10))
    after = Classifier.from_weights(ours.hyperparameters, ours.weights)
    # Sums of hundreds of products in float32, of values up to 255.
    np.testing.assert_allclose(after.probabilities(IMAGES), before.probabilities(IMAGES), atol=2e-4)


def test_the_hyperparameters_are_those_of_its_layers(tmp_path):
    for folder in (names := ["dense", "convolutional", "normalised"]):
        (tmp_path / folder).mkdir()
    found = []
    for name in names:
        content = saved(PLAIN[name], tmp_path / name)
        feeding = Feeding(first_layout(content), "unit")
        found.append(told_as_ours(archive.packed(content, None), card_of(feeding)).hyperparameters)
    dense, convolutional, normalised = found
    assert (dense.network, dense.hidden_units, dense.activation) == ("dnn", (20,), "relu")
    assert dense.dropout == pytest.approx(0.3) and not dense.batch_norm
    assert [str(layer) for layer in convolutional.conv_layers] == ["8x5+pool2", "4x3/2"]
    assert convolutional.dense_units == (12,) and convolutional.dropout == pytest.approx(0.5)
    assert normalised.batch_norm and normalised.plain_layers == 1
    assert normalised.activation == "tanh"


def test_of_more_classes_the_digits_are_taken(tmp_path):
    image = keras.Input((784,))
    hidden = LAYERS.Dense(20, activation="relu")(image)
    model = keras.Model(image, LAYERS.Dense(47, activation="softmax")(hidden))
    content, classes = forms.keras_file(model, tmp_path), (3, 1, 46, 0, 4, 5, 6, 7, 8, 9)
    feeding = Feeding(first_layout(content), "unit")
    ours = told_as_ours(archive.packed(content, None), card_of(feeding, classes))
    before = ImportedReader(bring.open_file(content), feeding, "softmax", classes)
    after = Classifier.from_weights(ours.hyperparameters, ours.weights)
    np.testing.assert_allclose(after.probabilities(IMAGES), before.probabilities(IMAGES), atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_what_no_hyperparameters_describe_is_refused(name, tmp_path):
    content = saved(OTHERS[name], tmp_path)
    feeding = Feeding(first_layout(content), "unit")
    with pytest.raises(RefusedError, match="cannot be saved in another format"):
        told_as_ours(archive.packed(content, None), card_of(feeding))


def test_so_is_another_feeding_and_another_runtime(tmp_path):
    content = saved(PLAIN["dense"], tmp_path)
    layout = first_layout(content)
    for feeding in (Feeding(layout, COLUMNS), Feeding(replace(layout, transposed=True), "unit")):
        with pytest.raises(RefusedError, match="cannot be saved in another format"):
            told_as_ours(archive.packed(content, None), card_of(feeding))
    with pytest.raises(RefusedError, match="cannot be saved in another format"):
        told_as_ours(
            archive.packed(forms.onnx(forms.fully_connected()), None),
            card_of(Feeding(layout, "unit")),
        )
