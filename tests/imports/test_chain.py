"""A network from a file as a chain of layers, from an image to the scores of ten digits."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnist_models.data import dataset
from mnist_models.explain.activations import Inspector, sees_image, templates
from mnist_models.explain.explanations import gradient_of, log_odds
from mnist_models.explain.feature_maps import arithmetic, receptive_field
from mnist_models.imports import bring, diagnosis
from mnist_models.imports.feeding import SCALES, Feeding, layouts
from mnist_models.imports.imported import ImportedReader
from mnist_models.imports.refusal import RefusedError
from tests.imports import forms

LAYERS = keras.layers
IMAGES = dataset.load().test.images[:6]
DIGITS = tuple(range(10))
# Each with what is peculiar to it: how it ends, what its layers are, what it is given.
NETWORKS = {
    "dense": [(784,), LAYERS.Dense(9, activation="relu"), LAYERS.Dropout(0.2)],
    "margins": [
        (28, 28, 1),
        LAYERS.Conv2D(3, 3, padding="same"),
        LAYERS.BatchNormalization(),
        LAYERS.ReLU(),
        LAYERS.MaxPooling2D(2, padding="same"),
        LAYERS.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        LAYERS.BatchNormalization(scale=False),
        LAYERS.MaxPooling2D(3, 2),
        LAYERS.Flatten(),
    ],
    "colours": [
        (32, 32, 3),
        LAYERS.ZeroPadding2D(1),
        LAYERS.Conv2D(3, 5, activation="elu", dilation_rate=2),
        LAYERS.AveragePooling2D(2),
        LAYERS.Conv2D(4, 3, use_bias=False),
        LAYERS.LeakyReLU(0.1),
        LAYERS.Flatten(),
    ],
    "small": [(14, 14, 1), LAYERS.Conv2D(5, 3, activation="tanh"), LAYERS.Flatten()],
    "recurrent": [(28, 28), LAYERS.LSTM(6)],
}
ENDS = {
    "softmax": [LAYERS.Dense(10, activation="softmax")],
    "softmax of its own": [LAYERS.Dense(10), LAYERS.Softmax()],
    "logits": [LAYERS.Dense(10)],
    "relu": [LAYERS.Dense(10, activation="relu")],
    "sigmoid": [LAYERS.Dense(10, activation="sigmoid")],
    "no dense layer": [
        LAYERS.Reshape((1, 1, -1)),
        LAYERS.Conv2D(10, 1, activation="softmax"),
        LAYERS.Reshape((10,)),
    ],
}


def brought(name: str, end: str, folder) -> bring.Brought:
    """A network that was saved and read, with weights that no layer has at first."""
    shape, *layers = NETWORKS[name]
    parts = [layer.from_config(layer.get_config()) for layer in (*layers, *ENDS[end])]
    model = keras.Sequential([keras.Input(shape), *parts])
    forms.give_weights(model)
    return bring.open_file(forms.keras_file(model, folder))


def reader_of(network: bring.Brought, feeding: Feeding, classes=DIGITS) -> ImportedReader:
    said = diagnosis.rows(network.network.outputs(feeding(IMAGES)), len(IMAGES))
    return ImportedReader(network, feeding, diagnosis.output_kind(said), classes)


def inspector_of(name: str, folder, scale="unit") -> tuple[Inspector, ImportedReader]:
    network = brought(name, "softmax", folder)
    reader = reader_of(network, Feeding(layouts(network.network.input_shape)[-1], scale))
    return Inspector(reader.chain(), reader.given), reader


def check_reads_the_same(reader: ImportedReader) -> None:
    """The softmax of the chain is what the reader says, fed in both ways."""
    network, expected = reader.chain(), reader.probabilities(IMAGES)
    for given in (reader.given(IMAGES), reader.seen(tf.constant(IMAGES))):
        said = tf.nn.softmax(network(given, training=False)).numpy()
        # The probabilities were rounded to float32 on their way, logits of some hundred too.
        np.testing.assert_allclose(said, expected, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "dense"])
def test_the_chain_reads_what_the_network_does_however_it_is_fed(name, tmp_path):
    network = brought(name, "softmax", tmp_path)
    for layout, scale in itertools.product(layouts(network.network.input_shape), SCALES):
        check_reads_the_same(reader_of(network, Feeding(layout, scale)))


@pytest.mark.parametrize("end", ENDS)
def test_the_chain_reads_what_the_network_does_whatever_it_ends_in(end, tmp_path):
    network = brought("dense", end, tmp_path)
    (layout,) = layouts(network.network.input_shape)
    check_reads_the_same(reader_of(network, Feeding(layout, "unit")))


def test_transposed_images_and_other_classes_are_part_of_the_chain(tmp_path):
    shape, *layers = NETWORKS["margins"]
    model = keras.Sequential([keras.Input(shape), *layers, LAYERS.Dense(47, activation="softmax")])
    network = bring.open_file(forms.keras_file(model, tmp_path))
    (layout,) = layouts(network.network.input_shape)
    transposed = Feeding(replace(layout, transposed=True), "unit")
    check_reads_the_same(reader_of(network, transposed, (3, 1, 46, 0, 4, 5, 6, 7, 8, 9)))


def test_layers_have_the_names_that_lessons_know(tmp_path):
    inspector, _ = inspector_of("margins", tmp_path)
    assert [(stage.name, stage.function) for stage in inspector.stages] == [
        ("conv_1", "relu"),
        ("conv_2", "relu"),
        ("logits", None),
    ]
    first, second, _ = inspector.stages
    # What comes after the activation is no step to what goes into it.
    assert first.norm and not second.norm
    # Squares that overlap are not those that a pixel belongs to.
    assert first.pool and not second.pool
    assert [type(layer).__name__ for layer in inspector.others] == ["BatchNormalization"]
    assert sees_image(inspector.network, first) and not sees_image(inspector.network, second)


@pytest.mark.parametrize("name", ["margins", "colours", "small"])
def test_the_steps_to_a_pixel_add_up_to_what_keras_makes_of_it(name, tmp_path):
    inspector, _ = inspector_of(name, tmp_path, "std")
    activations = inspector.activations(IMAGES[0], 0)
    assert inspector.convolutions
    for stage in inspector.convolutions:
        expected = activations.outputs[stage.summed]
        last = len(expected) - 1
        for row, column in ((0, 0), (0, last), (last, last // 2)):
            for index in range(stage.count):
                result = arithmetic(stage, activations, index, row, column)
                # Sums of some ten products in float32.
                assert result.summed == pytest.approx(expected[row, column, index], abs=1e-4)


@pytest.mark.parametrize("name", ["margins", "colours", "small"])
def test_a_pixel_sees_the_pixels_that_change_it_whatever_the_margins(name, tmp_path):
    inspector, _ = inspector_of(name, tmp_path)
    for layer in inspector.network.layers:
        if isinstance(layer, LAYERS.Conv2D):
            layer.kernel.assign(np.ones(layer.kernel.shape))
            if layer.bias is not None:
                layer.bias.assign(np.zeros(layer.bias.shape))
        if isinstance(layer, LAYERS.BatchNormalization):
            for shift in (layer.beta, layer.moving_mean):  # nothing in, nothing out
                shift.assign(np.zeros(shift.shape))
    side = inspector.network.input_shape[1]
    inspector.given = lambda images: images.astype(np.float32)
    lines = 255 * np.eye(side, dtype=np.uint8)
    rows = [
        inspector.activations(np.repeat(line[:, np.newaxis], side, axis=1), 0) for line in lines
    ]
    for stage in inspector.convolutions:
        end = len(rows[0].outputs[stage.output]) - 1
        for row in {0, end // 2, end}:
            field = receptive_field(inspector.network, stage, row, end // 2)
            seen = [
                place
                for place, activations in enumerate(rows)
                if activations.outputs[stage.summed][row, end // 2, 0] > 0
            ]
            within = range(max(field.top, 0), min(field.top + field.side, side))
            # A kernel that leaves out pixels may leave out the first inside.
            left_out = stage.weights.dilation_rate[0] - 1
            assert 0 <= seen[0] - within[0] <= left_out
            assert 0 <= within[-1] - seen[-1] <= left_out
            assert field.of(lines).shape == (field.side, field.side)


def test_templates_of_grey_images_in_three_channels_add_the_channels_up(tmp_path):
    inspector, _ = inspector_of("colours", tmp_path)
    stage = inspector.stages[0]
    kernel = stage.weights.kernel.numpy()
    np.testing.assert_allclose(templates(stage), np.moveaxis(kernel.sum(axis=2), -1, 0), atol=1e-6)


@pytest.mark.parametrize("name", ["colours", "small"])
def test_gradients_are_those_of_the_drawing_though_the_network_sees_another_size(name, tmp_path):
    inspector, reader = inspector_of(name, tmp_path, "pm1")
    image, digit = IMAGES[0].astype(np.float32), 3
    gradient = gradient_of(inspector.network, reader.seen)
    (odds,), (slopes,) = gradient(image[np.newaxis], digit)
    expected = log_odds(reader.probabilities(IMAGES[:1]), digit)[0]
    assert odds == pytest.approx(expected, abs=1e-3)
    for row, column in ((14, 14), (9, 20), (20, 10)):
        moved = np.repeat(image[np.newaxis], 2, axis=0)
        moved[:, row, column] += (-4, 4)
        (before, after), _ = gradient(moved, digit)
        # Odds near 1 in float32, over eight shades; the network is nearly straight there.
        assert slopes[row, column] == pytest.approx((after - before) / 8, abs=2e-4, rel=0.1)


def test_layers_that_branch_are_refused_in_a_sentence(tmp_path):
    image = keras.Input((784,))
    hidden = LAYERS.Dense(10)(image)
    model = keras.Model(image, LAYERS.Add()([hidden, LAYERS.Dense(10)(hidden)]))
    network = bring.open_file(forms.keras_file(model, tmp_path))
    (layout,) = layouts(network.network.input_shape)
    with pytest.raises(RefusedError, match="Its layers branch"):
        reader_of(network, Feeding(layout, "unit")).chain()


def test_a_recurrent_layer_hides_what_it_sees(tmp_path):
    inspector, _ = inspector_of("recurrent", tmp_path)
    assert [type(layer).__name__ for layer in inspector.others] == ["LSTM"]
    assert [stage.name for stage in inspector.stages] == ["logits"]
    assert not sees_image(inspector.network, inspector.stages[0])
