"""A run at earlier moments of its training."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.explain.activations import stages, templates
from mnist_models.explain.history import History
from mnist_models.models import networks
from mnist_models.models.classifier import Classifier, pack_half, pack_weights, unpack_weights
from mnist_models.runs import pretrained
from mnist_models.runs.loading import load_classifier
from mnist_models.runs.tables import StoreError, UnknownRunError
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from mnist_models.training.checkpoints import Checkpoint
from mnist_models.training.loop import train
from tests.conftest import passed_on_slowly

IMAGES = dataset.load().test.images[:20]
SMALL = {"epochs": 2, "train_images": 100, "validation_images": 0, "batch_size": 16}
UNUSUAL = {
    "one dense layer": DnnHyperparameters(hidden_units=(8,), batch_norm=False, dropout=0, **SMALL),
    "deep": DnnHyperparameters(hidden_units=(12, 8, 8), activation="tanh", plain_layers=1, **SMALL),
    "one convolution, no dense head": CnnHyperparameters(
        conv_layers="4x7/3", dense_units="", activation="gelu", **SMALL
    ),
    "stride 3 and pools": CnnHyperparameters(
        conv_layers="4x5/3+pool2,5x3", dense_units="8,8", batch_norm=False, **SMALL
    ),
    "scrambled": CnnHyperparameters(
        conv_layers="4x3+pool3", dense_units="8", scrambled=True, **SMALL
    ),
}


@pytest.fixture(scope="module")
def longer(tiny_cnn):
    """Hyperparameters for three epochs, and what came of them."""
    values = tiny_cnn.model_copy(update={"epochs": 3, "validation_images": 0})
    return values, train(values)


@pytest.fixture
def run(store, longer):
    values, trained = longer
    return store.add(values, "mine", trained)


def test_a_moment_is_what_a_shorter_training_would_have_ended_with(store, run, longer):
    # With a constant rate, epochs do not depend on how many are to come.
    values = longer[0].model_copy(update={"schedule": "constant"})
    run = store.add(values, "constant", train(values))
    history = History(store, run.id)
    assert history.epochs == (0, 1, 2, 3)
    found = history.probabilities(IMAGES)
    assert found.shape == (4, 20, 10) and found.dtype == np.float32
    for epochs in (1, 2, 3):
        shorter = train(values.model_copy(update={"epochs": epochs}))
        expected = Classifier.from_weights(values, shorter.weights).probabilities(IMAGES)
        np.testing.assert_allclose(found[epochs], expected, atol=0.005)
    untrained = Classifier(networks.build(values)).probabilities(IMAGES)
    np.testing.assert_allclose(found[0], untrained, atol=0.005)


def test_a_network_of_a_moment_reads_as_it_did_then(store, run):
    history = History(store, run.id)
    found = history.probabilities(IMAGES)
    reader = Classifier(history.network)
    for place in (0, 2, 3):
        with history.moment(place):
            np.testing.assert_allclose(reader.probabilities(IMAGES), found[place], atol=1e-5)
    np.testing.assert_allclose(history.probabilities(IMAGES), found, atol=1e-5)


def test_the_end_is_the_model_that_the_draw_page_shows_in_full_precision(store, run):
    history = History(store, run.id)
    drawn = load_classifier(store, run.id).probabilities(IMAGES)
    # Weights in half precision would differ by about 0.001.
    np.testing.assert_allclose(history.probabilities(IMAGES)[-1], drawn, atol=1e-6)


@pytest.mark.parametrize("values", UNUSUAL.values(), ids=UNUSUAL)
def test_what_every_layer_passes_on_at_a_moment_is_what_a_network_with_those_weights_does(
    store, values
):
    run = store.add(values, "mine", train(values))
    history = History(store, run.id)
    kept = [checkpoint.weights for checkpoint in store.checkpoints(run.id) if checkpoint.epoch < 2]
    assert history.epochs == (0, 1, 2) and len(kept) == 1
    given = dataset.scrambled(IMAGES[:1])[0] if values.scrambled else IMAGES[0]
    told = {}
    for place, weights in enumerate(
        [pack_weights(networks.build(values)), kept[0], store.weights(run.id)]
    ):
        plain = networks.build(values, blank=True)
        unpack_weights(plain, weights)
        activations, first = history.activations(place, IMAGES[0], 7)
        np.testing.assert_allclose(first, templates(stages(plain)[0]), atol=2e-3)
        expected = passed_on_slowly(plain, given)
        assert list(activations.outputs) == list(expected)
        for name, output in expected.items():
            np.testing.assert_allclose(
                activations.outputs[name], output, atol=0.02, err_msg=f"{name} at {place}"
            )
        told[place] = activations.outputs
    for stage in history.inspector.stages:
        assert np.abs(told[0][stage.output] - told[1][stage.output]).max() > 0.02


def test_whoever_looks_at_the_same_time_sees_the_epoch_that_they_asked_for(store, run):
    history = History(store, run.id)
    places = [0, 3, 1, 2] * 10
    expected = [history.activations(place, IMAGES[0], 7) for place in range(4)]
    with ThreadPoolExecutor(8) as visitors:
        seen = visitors.map(lambda place: history.activations(place, IMAGES[0], 7), places)
        for place, (activations, first) in zip(places, seen, strict=True):
            # Alone or among others, a last bit may differ; between epochs, far more does.
            np.testing.assert_allclose(first, expected[place][1], atol=1e-5)
            for name, output in expected[place][0].outputs.items():
                np.testing.assert_allclose(activations.outputs[name], output, atol=1e-5)


def test_of_a_run_without_kept_epochs_there_are_the_beginning_and_the_end(store, run):
    store.delete_checkpoints()
    assert History(store, run.id).epochs == (0, 3)


def test_epochs_that_do_not_fit_the_network_get_a_sentence(store, longer, tiny_dnn):
    import dataclasses

    values, trained = longer
    strange = dataclasses.replace(
        trained, checkpoints=(Checkpoint(1, pack_weights(networks.build(tiny_dnn))),)
    )
    with pytest.raises(StoreError, match=r"The epochs that were kept of mine .* cannot be used"):
        History(store, store.add(values, "mine", strange).id)


def test_a_run_that_is_not_there_gets_a_sentence(store):
    with pytest.raises(UnknownRunError):
        History(store, "nothing")


@pytest.mark.parametrize(
    "run_id", [run_id for pair in pretrained.PAIRS for run_id in pretrained.ids(pair).values()]
)
def test_networks_that_ship_learned_as_their_histories_tell(store, run_id):
    history = History(store, run_id)
    test = dataset.load().test.part(0, 500)
    accuracies = (history.probabilities(test.images).argmax(axis=2) == test.labels).mean(axis=1)
    assert len(history.epochs) >= 4
    assert accuracies[0] < 0.4 and accuracies[1] > 0.8 and accuracies[-1] > 0.95
    assert accuracies[-1] >= accuracies[1]


def test_weights_in_half_of_the_bytes_are_nearly_the_same_and_large_ones_are_kept_whole():
    values = DnnHyperparameters(hidden_units=(64,))
    network = networks.build(values)
    whole, half = pack_weights(network), pack_half(network)
    assert len(half) < 0.6 * len(whole)
    network.get_layer("logits").bias.assign(np.full(10, 1e6))
    again = Classifier.from_weights(values, pack_half(network)).network
    assert again.get_layer("logits").bias.numpy().tolist() == [1e6] * 10
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3, rtol=1e-3)


def test_where_early_stopping_brought_an_earlier_epoch_back_that_is_the_end(store, tiny_dnn):
    values = tiny_dnn.model_copy(
        update={
            "epochs": 40,
            "early_stopping": 2,
            "early_stopping_on": "validation_accuracy",
            "learning_rate": 0.02,
        }
    )
    trained = train(values)
    best = max(trained.curve.epochs, key=lambda end: end.validation_accuracy).epoch
    assert best < trained.epochs
    history = History(store, store.add(values, "mine", trained).id)
    assert history.epochs == tuple(float(epoch) for epoch in range(int(best) + 1))
    expected = Classifier.from_weights(values, trained.weights).probabilities(IMAGES)
    np.testing.assert_allclose(history.probabilities(IMAGES)[-1], expected, atol=0.005)
