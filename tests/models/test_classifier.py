"""The classifier: Keras's own probabilities, faster; and weights that are never mistaken for
others."""

import gc
import io
import os
import pickle
import zipfile

import keras
import numpy as np
import pytest
from keras.utils import clear_session  # the pages, in the same process, turn off keras.backend's

from mnist_models.data import dataset
from mnist_models.models import networks
from mnist_models.models.classifier import Classifier, pack_weights, unpack_weights
from mnist_models.models.folded import WeightsError
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from tests.conftest import name_of

DNN = DnnHyperparameters(hidden_units=(16,))
CNN = CnnHyperparameters(conv_layers="4x3/2+pool2", dense_units="8")


@pytest.fixture(scope="module")
def images():
    return dataset.load().test.images[:120]


@pytest.fixture(scope="module")
def weights():
    return pack_weights(networks.build(DNN))


def archive(arrays, save=np.savez_compressed):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def arrays_in(weights):
    with np.load(io.BytesIO(weights)) as file:
        return dict(file)


def assert_refused_and_unchanged(weights):
    network = networks.build(DNN.model_copy(update={"seed": 7}))
    before = network.get_weights()
    with pytest.raises(WeightsError, match=r"^The weights .*\.$"):
        unpack_weights(network, weights)
    for one, two in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("hyperparameters", [DNN, CNN], ids=["dnn", "cnn"])
def test_probabilities_are_the_softmax_of_what_keras_predicts(hyperparameters, images):
    network = networks.build(hyperparameters)
    expected = keras.ops.softmax(network.predict(images, verbose=0)).numpy()
    probabilities = Classifier(network, batch_size=50).probabilities(images)
    assert probabilities.shape == (120, 10) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities.std(axis=0).max() > 0.001


def test_a_network_that_learned_from_scrambled_images_is_given_such(images):
    network = networks.build(CNN)
    expected = Classifier(network).probabilities(dataset.scrambled(images))
    again = Classifier.from_weights(
        CNN.model_copy(update={"scrambled": True}), pack_weights(network)
    )
    np.testing.assert_allclose(again.probabilities(images), expected, atol=1e-6)
    assert np.abs(expected - Classifier(network).probabilities(images)).max() > 0.01
    np.testing.assert_array_equal(again.seen(images), dataset.scrambled(images))


def test_batches_are_as_large_as_asked_for(images):
    sizes = [len(batch) for batch in Classifier(networks.build(DNN), batch_size=50).batches(images)]
    assert sizes == [50, 50, 20]


def test_no_images_have_no_probabilities(images):
    assert Classifier(networks.build(DNN)).probabilities(images[:0]).shape == (0, 10)


def test_reading_one_image_tells_the_most_probable_digit(images):
    classifier = Classifier(networks.build(CNN))
    for image, expected in zip(images[:5], classifier.probabilities(images[:5]), strict=True):
        prediction = classifier.read(image)
        np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-6)
        assert prediction.digit == expected.argmax()
        assert prediction.probability == max(prediction.probabilities)
        assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)
        assert prediction.elapsed_ms > 0


def test_dropout_is_off_and_running_statistics_stay_while_reading(images):
    network = networks.build(DNN.model_copy(update={"dropout": 0.8}))
    before = network.get_weights()
    classifier = Classifier(network)
    np.testing.assert_allclose(
        classifier.probabilities(images), classifier.probabilities(images), atol=1e-6
    )
    for one, two in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_it_reads_what_the_network_has_learned_since(images):
    network = networks.build(DNN)
    classifier = Classifier(network)
    before = classifier.probabilities(images)
    network.set_weights([value + 0.1 for value in network.get_weights()])
    after = classifier.probabilities(images)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_allclose(after, keras.ops.softmax(network(images)).numpy(), atol=1e-6)


def test_it_reads_on_after_keras_forgets_everything_else(images):
    classifier = Classifier.from_weights(CNN, pack_weights(networks.build(CNN)))
    before = classifier.probabilities(images)
    clear_session()
    gc.collect()
    networks.build(CNN.model_copy(update={"seed": 5}))
    np.testing.assert_allclose(classifier.probabilities(images), before, atol=1e-6)


@pytest.mark.parametrize("hyperparameters", [DNN, CNN], ids=["dnn", "cnn"])
def test_packed_weights_come_back_unchanged(hyperparameters, images):
    network = networks.build(hyperparameters)
    chance = np.random.default_rng(1)
    network.set_weights(
        [chance.random(value.shape) for value in network.get_weights()]
    )  # running statistics too
    packed = pack_weights(network)
    again = Classifier.from_weights(hyperparameters, packed)
    for one, two in zip(network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(
        again.probabilities(images), Classifier(network).probabilities(images), atol=1e-6
    )
    assert sum(array.size for array in arrays_in(packed).values()) == network.count_params()


def test_weights_of_another_network_are_refused(weights):
    for other in (
        CNN,
        DNN.model_copy(update={"hidden_units": (8,)}),
        DNN.model_copy(update={"batch_norm": False}),
    ):
        assert_refused_and_unchanged(pack_weights(networks.build(other)))


def test_missing_and_surplus_arrays_are_refused(weights):
    arrays = arrays_in(weights)
    assert_refused_and_unchanged(archive(dict(list(arrays.items())[:-1])))
    assert_refused_and_unchanged(archive(arrays | {"surplus": np.zeros(1)}))


def test_arrays_of_another_shape_are_refused(weights):
    arrays = arrays_in(weights)
    assert_refused_and_unchanged(archive(arrays | {"logits/kernel": arrays["logits/kernel"].T}))


@pytest.mark.parametrize("dtype", ["<U3", "complex64", "datetime64[s]", "V8"])
def test_arrays_that_hold_no_numbers_are_refused(weights, dtype):
    arrays = arrays_in(weights)
    assert_refused_and_unchanged(archive(arrays | {"logits/bias": np.zeros(10, dtype)}))


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"PK\x03\x04",
        b"<html>404</html>",
        b"\x93NUMPY",
        pickle.dumps({"logits/bias": [0] * 10}),
    ],
    ids=["empty", "cut zip", "page", "cut array", "pickle"],
)
def test_what_is_no_archive_is_refused(damaged):
    assert_refused_and_unchanged(damaged)


def test_a_single_array_is_refused():
    file = io.BytesIO()
    np.save(file, np.zeros(10, np.float32))
    assert_refused_and_unchanged(file.getvalue())


def test_an_archive_of_something_else_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as other:
        other.writestr("readme.txt", "no weights here")
    assert_refused_and_unchanged(file.getvalue())


def test_nothing_in_an_archive_is_executed(weights, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.makedirs, (str(tmp_path / "proof"), 0o777, True))

    bias = np.empty(10, object)
    bias[:] = [Evil() for _ in bias]
    evil = archive(arrays_in(weights) | {"logits/bias": bias})
    assert_refused_and_unchanged(evil)
    assert not (tmp_path / "proof").exists()
    with np.load(io.BytesIO(evil), allow_pickle=True) as file:
        file["logits/bias"]
    assert (tmp_path / "proof").exists()  # it would have been, so the test can fail


def test_damage_anywhere_is_refused_or_does_no_harm(weights):
    """One changed byte: either it is noticed, or it is none that matters (a time, an unused
    flag)."""
    good = arrays_in(weights)
    network = networks.build(DNN, blank=True)
    refused = 0
    chance = np.random.default_rng(5)
    places = [
        *range(0, 200),
        *range(len(weights) - 200, len(weights)),
        *chance.integers(0, len(weights), 400),
    ]
    for place in places:
        damaged = bytearray(weights)
        damaged[place] ^= 1 << int(chance.integers(8))
        try:
            unpack_weights(network, bytes(damaged))
        except WeightsError:
            refused += 1
            continue
        for variable in network.weights:
            np.testing.assert_array_equal(variable.numpy(), good[name_of(variable)])
    assert refused > len(places) / 2
    for length in range(0, len(weights), len(weights) // 20):
        assert_refused_and_unchanged(weights[:length])


def test_names_of_weights_do_not_depend_on_keras_being_cleared_while_a_network_is_built(
    tiny_dnn, monkeypatch
):
    """As Streamlit does after every script run, from another thread. Here it comes just before each
    dense layer's weights: as a thread's loop it would hit anything in Keras, and a layer that fails
    in the middle of a build is left out by `keras.Sequential` without a word."""
    expected, paths = archive_names(tiny_dnn), paths_in(networks.build(tiny_dnn))
    build = keras.layers.Dense.build

    def cleared(layer, shape):
        clear_session(free_memory=False)
        build(layer, shape)

    monkeypatch.setattr(keras.layers.Dense, "build", cleared)
    assert archive_names(tiny_dnn) == expected
    assert paths_in(networks.build(tiny_dnn)) != paths  # so the test can fail


def paths_in(network):
    return [variable.path for variable in network.weights]


def archive_names(hyperparameters):
    return list(arrays_in(pack_weights(networks.build(hyperparameters))))
