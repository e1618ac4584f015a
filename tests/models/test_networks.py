"""Networks: the sizes that the arithmetic says, the shapes that a forward pass has, the same start
for the same seed."""

import math
import re

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.models import networks
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters, validate
from mnist_models.settings.recipes import RECIPES

ALL_RECIPES = [recipe.hyperparameters for recipe in RECIPES.values()]


@pytest.mark.parametrize(
    ("hyperparameters", "count"),
    [
        (DnnHyperparameters(hidden_units="512,256", batch_norm=False), 535_818),
        (
            DnnHyperparameters(hidden_units="100,80,50", batch_norm=False),
            784 * 100 + 100 + 8_080 + 4_050 + 510,
        ),
        # Batch normalisation keeps four numbers a unit: scale, offset, running mean and variance.
        (
            DnnHyperparameters(hidden_units="100,80,50", batch_norm=True),
            784 * 100 + 100 + 8_080 + 4_050 + 510 + 4 * 230,
        ),
        (
            CnnHyperparameters(conv_layers="32x3,64x3+pool3", dense_units="128", batch_norm=False),
            544_522,
        ),
        (
            CnnHyperparameters(
                conv_layers="32x3+pool2,64x3+pool2,128x3+pool2", dense_units="128", batch_norm=False
            ),
            110_474,
        ),
        # 8 filters of 5×5 and a bias; stride 2 leaves 12×12; no dense layer on top.
        (
            CnnHyperparameters(conv_layers="8x5/2", dense_units="none", batch_norm=False),
            8 * 26 + 12 * 12 * 8 * 10 + 10,
        ),
    ],
    ids=str,
)
def test_parameter_counts_are_exact(hyperparameters, count):
    network = networks.build(hyperparameters, blank=True)
    assert network.count_params() == count
    assert sum(layer.parameters for layer in networks.summary(network)) == count


@pytest.mark.parametrize("hyperparameters", ALL_RECIPES)
def test_summary_tells_the_shapes_of_a_real_forward_pass(hyperparameters):
    network = networks.build(hyperparameters, blank=True)
    passed_on = dataset.load().test.images[:3]
    rows = networks.summary(network)
    assert [row.name for row in rows] == [layer.name for layer in network.layers]
    for layer, row in zip(network.layers, rows, strict=True):
        passed_on = layer(passed_on)
        assert row.shape == tuple(passed_on.shape[1:])
        assert row.parameters == sum(int(np.prod(weights.shape)) for weights in layer.get_weights())


@pytest.mark.parametrize("hyperparameters", ALL_RECIPES)
def test_images_go_in_as_they_are_and_logits_come_out(hyperparameters):
    network = networks.build(hyperparameters)
    assert network.inputs[0].dtype == "uint8" and network.inputs[0].shape == (None, 28, 28)
    logits = network(dataset.load().test.images[:5]).numpy()
    assert logits.shape == (5, 10) and logits.dtype == np.float32
    # Logits, no probabilities: they take both signs and do not sum to 1.
    assert logits.min() < 0 < logits.max()
    assert np.ptp(logits, axis=0).max() > 0


def test_the_first_layer_scales_ink_to_one():
    network = networks.build(DnnHyperparameters())
    scaled = network.layers[0](np.array([[[0, 51, 255]]], np.uint8)).numpy()
    np.testing.assert_allclose(scaled, [[[0, 0.2, 1]]])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("cls", [DnnHyperparameters, CnnHyperparameters])
def test_the_same_seed_gives_the_same_initial_weights_and_another_seed_others(cls, activation):
    first, same, other = (
        networks.build(cls(activation=activation, seed=seed)).get_weights() for seed in (1, 1, 2)
    )
    for one, two in zip(first, same, strict=True):
        np.testing.assert_array_equal(one, two)
    kernels = [index for index, weights in enumerate(first) if weights.ndim > 1]
    assert len(kernels) >= 3
    for index in kernels:
        assert not np.array_equal(first[index], other[index])


def test_no_two_layers_start_alike():
    network = networks.build(DnnHyperparameters(hidden_units="64,64,64", batch_norm=False))
    _, second, third = (network.get_layer(f"dense_{place}").get_weights()[0] for place in (1, 2, 3))
    assert abs(np.corrcoef(second.ravel(), third.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 784), ("tanh", 2 / (784 + 512))])
def test_initial_weights_spread_as_the_activation_needs(activation, variance):
    kernel = (
        networks.build(DnnHyperparameters(hidden_units="512", activation=activation))
        .get_layer("dense_1")
        .get_weights()[0]
    )
    assert kernel.var() == pytest.approx(variance, rel=0.02)
    assert kernel.mean() == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("cls", [DnnHyperparameters, CnnHyperparameters])
def test_the_largest_seed_builds_a_network(cls):
    largest = cls.choices()["seed"].high
    first, second = (
        networks.build(cls(seed=seed)).get_weights()[0] for seed in (largest, largest - 1)
    )
    assert np.isfinite(first).all() and not np.array_equal(first, second)


@pytest.mark.parametrize("cls", [DnnHyperparameters, CnnHyperparameters])
def test_the_seeds_in_a_network_fit_the_integers_of_every_backend(cls):
    network = networks.build(cls(seed=cls.choices()["seed"].high))
    seeds = [int(seed) for seed in re.findall(r'"seed": (\d+)', network.to_json())]
    assert len(seeds) > 3 and len(set(seeds)) == len(seeds)
    assert max(seeds) < 2**31


@pytest.mark.parametrize("hyperparameters", ALL_RECIPES)
def test_a_blank_network_has_the_same_shapes_and_only_zeros_to_learn(hyperparameters):
    blank, drawn = (networks.build(hyperparameters, blank=blank) for blank in (True, False))
    assert [tuple(variable.shape) for variable in blank.variables] == [
        tuple(variable.shape) for variable in drawn.variables
    ]
    assert [variable.path for variable in blank.weights] == [
        variable.path for variable in drawn.weights
    ]
    kernels = [variable for variable in blank.variables if variable.name == "kernel"]
    assert kernels
    assert not any(kernel.numpy().any() for kernel in kernels)
    assert not blank(dataset.load().test.images[:2]).numpy().any()


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(
    ("cls", "layers"),
    [
        (DnnHyperparameters, {"hidden_units": "16,8"}),
        (CnnHyperparameters, {"conv_layers": "4x3,4x3", "dense_units": "16,8"}),
        (CnnHyperparameters, {"conv_layers": "4x3,4x3", "dense_units": ""}),
    ],
    ids=["dnn", "cnn", "cnn without dense layers"],
)
def test_batch_normalisation_and_dropout_are_there_exactly_when_chosen(
    cls, layers, batch_norm, dropout
):
    hyperparameters = cls(batch_norm=batch_norm, dropout=dropout, **layers)
    kinds = [type(layer).__name__ for layer in networks.build(hyperparameters, blank=True).layers]
    dense = kinds.count("Dense") - 1
    assert kinds.count("BatchNormalization") == batch_norm * (kinds.count("Conv2D") + dense)
    assert kinds.count("Dropout") == bool(dropout) * max(dense, 1)
    assert kinds.count("Activation") == kinds.count("Conv2D") + dense
    assert kinds[-1] == "Dense"


def treated(hyperparameters, kind):
    """The hidden layers that this kind of layer follows, in order; by "flatten", the one without
    dense layers."""
    names = [
        layer.name
        for layer in networks.build(hyperparameters, blank=True).layers
        if type(layer).__name__ == kind
    ]
    return [name.removesuffix("_batch_norm").removesuffix("_dropout") for name in names]


@pytest.mark.parametrize("plain_layers", range(5))
def test_the_last_dense_layers_are_plain_when_chosen(plain_layers):
    hyperparameters = DnnHyperparameters(
        hidden_units="64,32,16", batch_norm=True, dropout=0.5, plain_layers=plain_layers
    )
    expected = ["dense_1", "dense_2", "dense_3"][: max(3 - plain_layers, 0)]
    assert (
        treated(hyperparameters, "BatchNormalization")
        == treated(hyperparameters, "Dropout")
        == expected
    )


@pytest.mark.parametrize("plain_layers", range(6))
def test_plain_layers_of_a_cnn_are_counted_from_the_output_through_the_convolutions(plain_layers):
    hyperparameters = CnnHyperparameters(
        conv_layers="4x3,4x3",
        dense_units="16,8",
        batch_norm=True,
        dropout=0.5,
        plain_layers=plain_layers,
    )
    left = max(4 - plain_layers, 0)
    assert (
        treated(hyperparameters, "BatchNormalization")
        == ["conv_1", "conv_2", "dense_1", "dense_2"][:left]
    )
    # Convolutions have no dropout.
    assert treated(hyperparameters, "Dropout") == ["dense_1", "dense_2"][: max(left - 2, 0)]


@pytest.mark.parametrize(
    ("plain_layers", "normal"), [(0, ["conv_1", "conv_2"]), (1, ["conv_1"]), (2, []), (8, [])]
)
def test_without_dense_layers_the_last_convolution_is_the_first_to_be_plain(plain_layers, normal):
    hyperparameters = CnnHyperparameters(
        conv_layers="4x3,4x3",
        dense_units="none",
        batch_norm=True,
        dropout=0.5,
        plain_layers=plain_layers,
    )
    assert treated(hyperparameters, "BatchNormalization") == normal
    assert treated(hyperparameters, "Dropout") == (["dropout"] if plain_layers == 0 else [])


def test_plain_layers_start_as_any_others():
    """So that what is compared is the treatment alone."""
    plain, treated = (
        networks.build(DnnHyperparameters(hidden_units="16", dropout=0.0, plain_layers=count))
        .get_layer("dense_1")
        .get_weights()
        for count in (1, 0)
    )
    np.testing.assert_array_equal(plain[0], treated[0])
    assert plain[0].any()


ACTIVATIONS = {
    "relu": lambda x: max(x, 0),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
}


@pytest.mark.parametrize("activation", DnnHyperparameters.choices()["activation"].options)
def test_every_activation_bends_along_its_formula(activation):
    network = networks.build(DnnHyperparameters(activation=activation))
    values = np.linspace(-3, 3, 13, dtype=np.float32)
    bent = network.get_layer(f"dense_1_{activation}")(values).numpy()
    np.testing.assert_allclose(
        bent, [ACTIVATIONS[activation](value) for value in values], atol=1e-6
    )


# Networks of one size
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "parameters"),
    [
        ((256, 128), 57_418),
        ((64,), 110_474),
        ((1024,), 1_208_766),
        ((512, 16, 16), 4_096_470),
        ((8, 1024), 6_500),
        ((8,), 9_999),
    ],
)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_dnn_is_resized_to_a_number_of_parameters_within_two_percent(
    units, parameters, batch_norm
):
    hyperparameters = DnnHyperparameters(hidden_units=units, batch_norm=batch_norm, dropout=0.1)
    found = networks.resized(hyperparameters, parameters)
    assert networks.build(found, blank=True).count_params() == pytest.approx(parameters, rel=0.02)
    assert found.model_copy(update={"hidden_units": units}) == hyperparameters
    assert validate(found.model_dump()) == found


def test_resizing_keeps_the_shape_of_the_layers_where_it_can():
    found = networks.resized(DnnHyperparameters(hidden_units=(400, 200, 100)), 100_000).hidden_units
    assert len(found) == 3
    assert found[0] / found[1] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("plain_layers", range(4))
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_size_of_a_dnn_is_known_before_it_is_built(batch_norm, plain_layers):
    hyperparameters = DnnHyperparameters(
        hidden_units=(64, 32, 16), batch_norm=batch_norm, plain_layers=plain_layers
    )
    built = networks.build(hyperparameters, blank=True)
    assert networks._size(hyperparameters) == built.count_params()


@pytest.mark.parametrize("parameters", [500, 6_000, 20_000_000])
def test_a_size_that_no_dnn_has_gets_a_sentence(parameters):
    with pytest.raises(networks.ResizeError, match=r"between 6,370 and 5,0\d\d,\d\d\d\.$"):
        networks.resized(DnnHyperparameters(batch_norm=False), parameters)
