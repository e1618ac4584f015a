"""Networks as they learn: faster layers, and the same arithmetic as Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mnist_models.data import dataset
from mnist_models.models import fast_layers, networks
from mnist_models.models.classifier import copy_weights
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from tests.conftest import name_of

CNN = CnnHyperparameters(conv_layers="6x5/2,8x3+pool2", dense_units="12", dropout=0.0)
NETWORKS = {
    "dnn": DnnHyperparameters(hidden_units="16,12", dropout=0.0),
    "cnn": CNN,
    "cnn without batch normalisation": CNN.model_copy(update={"batch_norm": False}),
    "cnn, its last layers plain": CNN.model_copy(update={"plain_layers": 2}),
    "cnn without dense layers": CNN.model_copy(update={"dense_units": (), "activation": "tanh"}),
}
COUNT = 40


def by_name(variables):
    return {name_of(variable): variable for variable in variables}


def learned_from(network, digits):
    """The logits and, by the name of the weights, the gradients of the cross-entropy, as while
    learning."""
    variables = network.trainable_variables
    with tf.GradientTape() as tape:
        logits = network(digits.images, training=True)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(digits.labels.astype(int), logits)
        )
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return logits, dict(zip(map(name_of, variables), gradients, strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_learns_has_the_layers_of_the_one_that_is_kept_and_starts_with_its_weights(
    name,
):
    network = networks.build(NETWORKS[name])
    learner = fast_layers.to_learn(network, "float32")
    assert [(layer.name, layer.output.shape) for layer in learner.layers] == [
        (layer.name, layer.output.shape) for layer in network.layers
    ]
    assert all(
        isinstance(fast, type(kept))
        for fast, kept in zip(learner.layers, network.layers, strict=True)
    )
    kept = by_name(network.weights)
    for path, weights in by_name(learner.weights).items():
        np.testing.assert_array_equal(weights, kept.pop(path))
    # What is left are biases that batch normalisation would take away again.
    assert all(
        path.endswith("/bias")
        and f"{path.split('/')[0]}_batch_norm/beta" in by_name(learner.weights)
        for path in kept
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_one_step_computes_what_keras_does(name):
    network, digits = networks.build(NETWORKS[name]), dataset.load().train.part(0, COUNT)
    learner = fast_layers.to_learn(network, "float32")
    for variable in learner.trainable_variables:  # numbers that matter, in place of zeros and ones
        variable.assign(variable + 0.1 * keras.random.normal(variable.shape, seed=3))
    copy_weights(learner, network)
    logits, gradients = learned_from(learner, digits)
    expected, expected_gradients = learned_from(network, digits)
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)
    for path, gradient in gradients.items():
        np.testing.assert_allclose(gradient, expected_gradients[path], rtol=1e-3, atol=1e-4)
        assert np.abs(gradient).max() > 1e-5
    statistics = by_name(learner.non_trainable_weights)
    assert bool(statistics) == NETWORKS[name].batch_norm
    for path, weights in statistics.items():
        np.testing.assert_allclose(weights, by_name(network.weights)[path], rtol=1e-5, atol=1e-6)


def test_dropout_switches_off_the_same_units():
    hyperparameters = NETWORKS["dnn"].model_copy(update={"dropout": 0.5})
    network, images = networks.build(hyperparameters), dataset.load().train.images[:COUNT]
    learner = fast_layers.to_learn(network, "float32")
    np.testing.assert_allclose(
        learner(images, training=True), network(images, training=True), rtol=1e-3, atol=1e-4
    )
    assert np.abs(learner(images, training=True) - learner(images)).max() > 0.01


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_is_what_layers_pass_on_and_not_what_is_learned(name):
    network, digits = networks.build(NETWORKS[name]), dataset.load().train.part(0, COUNT)
    learner = fast_layers.to_learn(network, "bfloat16")
    assert {layer.output.dtype for layer in learner.layers[:-1]} == {"bfloat16"}
    assert {variable.dtype for variable in learner.weights} == {"float32"}
    logits, gradients = learned_from(learner, digits)
    expected, _ = learned_from(fast_layers.to_learn(network, "float32"), digits)
    assert logits.dtype == tf.float32 and {gradient.dtype for gradient in gradients.values()} == {
        tf.float32
    }
    difference = np.abs(logits - expected)
    assert 0 < difference.mean() < 0.05 * np.ptp(expected)
    # Other threads build networks at the same time: what they get by default stays what it was.
    assert keras.config.dtype_policy().name == "float32"
