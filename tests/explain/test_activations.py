"""What is inside a network, against the same worked out by hand."""

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.explain.activations import (
    Inspector,
    contributions,
    likeness,
    responds,
    stages,
    templates,
)
from mnist_models.models import networks
from mnist_models.models.classifier import Classifier
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from tests.conftest import passed_on_slowly, scrambled

IMAGE = dataset.load().test.images[0]
BLANK = np.zeros_like(IMAGE)
# Without two pixels alike: of equal ones, max-pooling may pass on either.
NOISE = np.random.default_rng(3).integers(0, 256, (28, 28), np.uint8)
SINGLE = DnnHyperparameters(hidden_units=(8,), batch_norm=False, dropout=0)
DEEP = DnnHyperparameters(hidden_units=(12, 8), activation="tanh", plain_layers=1)
NO_HEAD = CnnHyperparameters(conv_layers="4x5/3+pool2", dense_units="", activation="gelu")
HEAD = CnnHyperparameters(
    conv_layers="4x3+pool3,5x3/2", dense_units="8", activation="silu", batch_norm=False
)
ALL = pytest.mark.parametrize(
    "hyperparameters", [SINGLE, DEEP, NO_HEAD, HEAD], ids=["single", "deep", "no_head", "head"]
)


def inspector(hyperparameters) -> Inspector:
    return Inspector(scrambled(networks.build(hyperparameters)))


def test_a_stage_is_a_layer_with_weights_and_what_follows_it():
    one, two, three, logits = stages(networks.build(HEAD))
    assert (one.name, one.before.name, one.summed, one.output) == (
        "conv_1",
        "channel",
        "conv_1",
        "conv_1_silu",
    )
    assert (
        one.is_convolution and one.pool.pool_size == (3, 3) and one.norm is None and one.count == 4
    )
    assert (two.before.name, two.pool) == ("pool_1", None) and two.is_convolution
    assert (three.name, three.before.name, three.count) == (
        "dense_1",
        "flatten",
        8,
    ) and not three.is_convolution
    assert (logits.name, logits.output, logits.activation) == ("logits", "logits", None)


def test_batch_normalisation_belongs_to_the_stage_that_has_it():
    normalised, plain, _ = stages(networks.build(DEEP))
    assert (normalised.summed, normalised.output) == ("dense_1_batch_norm", "dense_1_tanh")
    assert (plain.summed, plain.norm) == ("dense_2", None)


@ALL
def test_every_layer_passes_on_what_is_worked_out_by_hand(hyperparameters):
    this = inspector(hyperparameters)
    outputs = this.activations(IMAGE, 7).outputs
    expected = passed_on_slowly(this.network, IMAGE)
    assert list(outputs) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(outputs[name], values, atol=1e-4, err_msg=name)


@ALL
def test_the_influence_of_a_number_is_what_the_logit_changes_with_it(hyperparameters):
    this = inspector(hyperparameters)
    activations = this.activations(NOISE, 3)
    names = [layer.name for layer in this.network.layers]
    for stage in this.stages[:-1]:
        output, influence = (
            activations.outputs[stage.output].astype(float),
            activations.influence[stage.output],
        )
        for place in np.argsort(-np.abs(influence), axis=None)[:3]:
            change = np.zeros(output.size)
            change[place] = 1e-5
            higher, lower = (
                passed_on_slowly(
                    this.network,
                    output + sign * change.reshape(output.shape),
                    names.index(stage.output) + 1,
                )
                for sign in (1, -1)
            )
            slope = (higher["logits"][3] - lower["logits"][3]) / 2e-5
            assert influence.flat[place] == pytest.approx(slope, rel=1e-2, abs=1e-4)
            assert slope


def test_in_the_last_hidden_layer_the_contributions_and_the_bias_make_the_logit():
    this = inspector(SINGLE)
    activations, logits = this.activations(IMAGE, 4), this.stages[-1].weights
    each = contributions(this.stages[0], activations)
    outgoing = logits.kernel.numpy()[:, 4]
    np.testing.assert_allclose(each, activations.outputs["dense_1_relu"] * outgoing, atol=1e-6)
    assert each.sum() + logits.bias.numpy()[4] == pytest.approx(
        activations.outputs["logits"][4], abs=1e-4
    )


def test_a_filter_contributes_what_all_pixels_of_its_map_do():
    this = inspector(HEAD)
    activations, stage = this.activations(IMAGE, 2), this.stages[0]
    maps, influence = activations.outputs["conv_1_silu"], activations.influence["conv_1_silu"]
    for index, contribution in enumerate(contributions(stage, activations)):
        slowly = sum(
            float(maps[row, column, index]) * float(influence[row, column, index])
            for row in range(26)
            for column in range(26)
        )
        assert contribution == pytest.approx(slowly, abs=1e-4)


@pytest.mark.parametrize("hyperparameters", [SINGLE, DEEP])
def test_a_template_tells_what_the_ink_adds_to_what_goes_into_the_activation(hyperparameters):
    this = inspector(hyperparameters)
    stage = this.stages[0]
    added = (
        this.activations(IMAGE, 0).outputs[stage.summed]
        - this.activations(BLANK, 0).outputs[stage.summed]
    )
    pictures = templates(stage)
    assert pictures.shape == (stage.count, 28, 28)
    np.testing.assert_allclose((pictures * (IMAGE / 255)).sum(axis=(1, 2)), added, atol=1e-3)


@pytest.mark.parametrize("hyperparameters", [NO_HEAD, HEAD])
def test_so_does_a_kernel_for_a_patch(hyperparameters):
    this = inspector(hyperparameters)
    stage = this.stages[0]
    added = (
        this.activations(IMAGE, 0).outputs[stage.summed]
        - this.activations(BLANK, 0).outputs[stage.summed]
    )
    size, stride = stage.weights.kernel_size[0], stage.weights.strides[0]
    row, column = 8 // stride, 12 // stride
    patch = (
        IMAGE[row * stride : row * stride + size, column * stride : column * stride + size] / 255
    )
    assert patch.any()
    np.testing.assert_allclose(
        (templates(stage) * patch).sum(axis=(1, 2)), added[row, column], atol=1e-3
    )


@ALL
def test_a_unit_responds_where_what_goes_into_its_activation_is_above_zero(hyperparameters):
    this = inspector(hyperparameters)
    activations, expected = this.activations(IMAGE, 0), passed_on_slowly(this.network, IMAGE)
    for stage in this.stages:
        sums = expected[stage.summed]
        clear = np.abs(sums) > 1e-3
        np.testing.assert_array_equal(responds(stage, activations)[clear], (sums > 0)[clear])


def test_the_peaks_of_many_images_are_those_of_each():
    this = inspector(HEAD)
    images = dataset.load().test.images[:20]
    peaks = this.peaks(images)
    assert list(peaks) == ["conv_1", "conv_2"]
    for stage in this.convolutions:
        for index, image in enumerate(images):
            maps = this.activations(image, 0).outputs[stage.output].reshape(-1, stage.count)
            np.testing.assert_allclose(peaks[stage.name].values[index], maps.max(axis=0), atol=1e-5)
            at = maps[peaks[stage.name].places[index], np.arange(stage.count)]
            np.testing.assert_allclose(at, maps.max(axis=0), atol=1e-5)


def test_likeness_is_a_correlation_whatever_the_shape_and_the_size_of_the_numbers():
    one = np.random.default_rng(1).normal(size=(3, 3, 2)).astype(np.float32)
    assert likeness(one, 5 * one + 3) == pytest.approx(1) and likeness(one, -one) == pytest.approx(
        -1
    )
    other = np.where(np.arange(18).reshape(one.shape) % 3, one, -one)
    expected = np.mean((one - one.mean()) * (other - other.mean())) / (one.std() * other.std())
    assert likeness(one, other) == pytest.approx(expected, abs=1e-5)


def test_without_any_pattern_likeness_is_all_or_nothing():
    plain, other, patterned = (
        np.full((2, 2), 0.1, np.float32),
        np.zeros((2, 2), np.float32),
        np.eye(2, dtype=np.float32),
    )
    assert likeness(plain, other) == 1 and likeness(plain, patterned) == 0 == likeness(
        patterned, plain
    )


def test_a_network_of_scrambled_pixels_is_looked_at_with_such():
    network = networks.build(CnnHyperparameters(conv_layers="4x3", dense_units="8"))
    activations = Inspector(network, Classifier(network, scrambles=True).given).activations(
        IMAGE, 3
    )
    scrambled_image = dataset.scrambled(IMAGE[np.newaxis])[0]
    np.testing.assert_array_equal(activations.image, scrambled_image)
    expected = Inspector(network).activations(scrambled_image, 3)
    for name, output in expected.outputs.items():
        np.testing.assert_allclose(activations.outputs[name], output, atol=1e-5)
