"""The lesson on how networks came to their readings, without a browser."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.explain.history import History
from mnist_models.models import networks
from mnist_models.models.classifier import unpack_weights
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from mnist_models.training.loop import train
from pages.parts import resources
from pages.parts.lessons import cached
from tests.conftest import passed_on_slowly
from tests.pages.conftest import TINY, lesson

THREE_EPOCHS = TINY.model_copy(update={"epochs": 3})
SMALL = {"epochs": 2, "train_images": 100, "validation_images": 0, "batch_size": 16}
ONE_LAYER = DnnHyperparameters(
    hidden_units=(40,), activation="sigmoid", batch_norm=False, dropout=0, **SMALL
)
NO_HEAD = CnnHyperparameters(
    conv_layers="20x7/3+pool3", dense_units="", activation="tanh", batch_norm=False, **SMALL
)


def page() -> AppTest:
    return lesson("time_machine")


def inside(view: str, *runs, **layers: str) -> AppTest:
    """The page, with what is in these runs chosen to be seen. layers: of each network."""
    app = page()
    app.session_state["time-view"] = view
    for run in runs:
        app.session_state[f"selected-{run.network}"] = run.id
    for network, layer in layers.items():
        app.session_state[f"time-{network}-layer"] = layer
    return app.run()


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption))


@pytest.fixture(scope="module")
def trained_longer():
    return train(THREE_EPOCHS)


@pytest.fixture
def longer_run(store, trained_longer):
    return store.add(THREE_EPOCHS, "three epochs", trained_longer)


def test_the_slider_goes_through_the_epochs_that_were_kept(longer_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(longer_run.id).run()
    assert not app.exception
    image = app.session_state["board"].preparation.image
    expected = History(resources.store(), longer_run.id).probabilities(image[np.newaxis])[:, 0]
    for epoch in (0, 1, 2, 3):
        app.select_slider(key="time-epoch").set_value(epoch).run()
        assert not app.exception
        metric = app.metric[0]
        assert metric.label == f"DNN after {epoch} of 3 epochs"
        digit, probability = expected[epoch].argmax(), expected[epoch].max()
        is_sure = probability >= longer_run.measured.confidence_threshold
        assert metric.value == (str(digit) if is_sure else "not sure")
        assert metric.delta == ("" if is_sure else f"perhaps {digit}, ") + (
            f"probability {probability:.1%}"
        )
        assert is_sure or epoch < 3
        assert not is_sure or epoch > 0


def test_played_it_goes_through_all_epochs_and_stops_at_the_last():
    app = page().run()
    epochs = sorted(
        {epoch for one in ("shipped-dnn", "shipped-cnn") for epoch in cached.history(one).epochs}
    )
    app.button(key="time-epoch-play").click().run()
    seen = [app.select_slider(key="time-epoch").value]
    while app.select_slider(key="time-epoch").disabled and len(seen) < 200:
        app.run()
        assert not app.exception
        seen.append(app.select_slider(key="time-epoch").value)
    assert seen == [*epochs[1:], epochs[-1]]
    assert app.button(key="time-epoch-play")


def test_where_the_other_network_has_no_such_epoch_the_one_before_is_shown(longer_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(longer_run.id).run()
    epochs = cached.history("shipped-cnn").epochs
    app.select_slider(key="time-epoch").set_value(epochs[-2]).run()
    assert not app.exception
    assert app.metric[0].label == "DNN after 3 of 3 epochs"
    assert app.metric[1].label.startswith(f"CNN after {epochs[-2]:g} of ")


def test_an_epoch_that_another_network_does_not_have_gives_way_to_the_one_before(longer_run):
    app = page().run()
    epochs = cached.history("shipped-dnn").epochs
    app.select_slider(key="time-epoch").set_value(epochs[-1]).run()
    app.selectbox(key="reads-dnn").select("quick-dnn")
    app.selectbox(key="reads-cnn").select("quick-cnn").run()
    assert not app.exception
    assert app.select_slider(key="time-epoch").value == 4


@pytest.fixture(scope="module")
def trained_unusually():
    return [(values, train(values)) for values in (ONE_LAYER, NO_HEAD)]


@pytest.fixture
def unusual(trained_unusually):
    """Runs with no more layers than there must be, by the network; with all their epochs, which
    another test may have deleted."""
    return {
        values.network: resources.store().add(values, "unusual", trained)
        for values, trained in trained_unusually
    }


def test_what_a_layer_passed_on_is_told_of_the_weights_of_that_epoch(unusual):
    app = inside("layers", *unusual.values())
    app.select_slider(key="time-epoch").set_value(1).run()
    assert not app.exception
    image, told = app.session_state["board"].preparation.image, texts(app)
    for run, output in ((unusual["dnn"], "dense_1"), (unusual["cnn"], "conv_1")):
        (checkpoint,) = [one for one in resources.store().checkpoints(run.id) if one.epoch == 1]
        for moment, weights in (
            ("After 1 of 2 epochs", checkpoint.weights),
            ("At the end", resources.store().weights(run.id)),
        ):
            network = networks.build(run.hyperparameters, blank=True)
            unpack_weights(network, weights)
            outputs = passed_on_slowly(network, image)
            active = outputs[output] > 0
            fullest = np.abs(outputs[f"{output}_{run.hyperparameters.activation}"]).max()
            if run.network == "dnn":
                counted = f"{active.sum()} of 40 units are active, {active.mean():.0%}."
            else:
                counted = (
                    f"{active.any(axis=(0, 1)).sum()} filters are active somewhere, at "
                    f"{active.mean():.0%} of all positions"
                )
            assert any(
                text.value.startswith(f"**{moment}**: {counted}")
                and text.value.endswith(f"Colour scale: up to {fullest:.1f}.")
                for text in app.markdown
            ), (moment, counted, fullest)
    assert "The 16 maps with the highest activations at the end, 8×8 pixels each." in told


@pytest.mark.parametrize("view", ["weights", "layers"])
def test_the_pictures_follow_the_slider(view, unusual):
    app = inside(view, *unusual.values())
    shown = {}
    for epoch in (0, 1, 2):
        app.select_slider(key="time-epoch").set_value(epoch).run()
        assert not app.exception
        shown[epoch] = [
            address
            for picture in app.image
            for address in picture.value
            if "svg" in address and "QR code" not in picture.proto.imgs[0].alt
        ]
    if view == "weights":
        assert [len(some) for some in shown.values()] == [2, 2, 2]
        assert all(len(set(of_one)) == 3 for of_one in zip(*shown.values(), strict=True))
    else:  # of each network what was then and what is at the end, which stays
        assert [len(some) for some in shown.values()] == [4, 4, 2]
        assert shown[0][1::2] == shown[1][1::2] == shown[2]
        assert (
            len({shown[0][0], shown[1][0], shown[2][0]})
            == 3
            == len({shown[0][2], shown[1][2], shown[2][1]})
        )


@pytest.mark.parametrize("layer", ["conv_1", "conv_2", "conv_3", "dense_1", "logits"])
def test_every_layer_can_be_looked_at(layer):
    app = inside("layers", cnn=layer)
    app.select_slider(key="time-epoch").set_value(1)
    app.selectbox(key="reads-cnn").select("quick-cnn").run()
    assert not app.exception
    assert app.session_state["time-cnn-layer"] == layer
    assert {
        "conv": " filters are active",
        "dens": "of 64 units are active",
        "logi": "is highest with",
    }[layer[:4]] in texts(app)


def test_a_layer_that_another_network_does_not_have_gives_way_to_its_first(unusual):
    app = inside("layers", unusual["cnn"], cnn="conv_3", dnn="dense_3")
    assert not app.exception
    assert (
        app.session_state["time-cnn-layer"] == "conv_1"
        and app.session_state["time-dnn-layer"] == "dense_3"
    )


def test_it_says_which_layers_are_like_themselves_at_the_end():
    app = inside("layers")
    assert "with a correlation of" not in texts(app) and "Move the slider back" in texts(app)
    app.select_slider(key="time-epoch").set_value(1).run()
    image, label = app.session_state["board"].preparation.image, app.session_state["board"].label
    history = History(resources.store(), "shipped-cnn")
    then, end = (
        history.activations(place, image, label)[0].outputs
        for place in (1, len(history.epochs) - 1)
    )
    alike = {
        name: np.corrcoef(then[output].ravel(), end[output].ravel())[0, 1]
        for name, output in {
            **{f"Convolution {place}": f"conv_{place}_relu" for place in (1, 2, 3, 4)},
            "Dense layer 1": "dense_1_relu",
        }.items()
    }
    first, *_, last = sorted(alike, key=alike.get, reverse=True)
    assert first == "Convolution 1"
    told = texts(app)
    assert (
        f"{first}, with a correlation of **{alike[first]:.2f}**; {last} is furthest from it, with "
        f"**{alike[last]:.2f}**" in told
    )
    assert f"So the answer is nearly there while {last} is still far from its final state" in told


def test_of_a_single_hidden_layer_no_other_is_said_to_be_less_alike(unusual):
    app = inside("layers", *unusual.values())
    app.select_slider(key="time-epoch").set_value(0).run()
    told = [text.value for text in app.markdown if "with a correlation of" in text.value]
    assert len(told) == 2 and all(
        text.startswith("**Notice** how close each layer already is to its final state")
        for text in told
    )


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ([2, 2, 2, 2], "The DNN predicted 2 by chance before training"),
        (
            [7, 2, 2, 2],
            "The DNN has predicted **2** since epoch **1**; before training it was guessing.",
        ),
        (
            [7, 3, 3, 2],
            "since epoch **3**; at epoch 2, the last one stored before that, "
            "it predicted 3. Over the",
        ),
        ([7, 3, 3, 2], "Over the stored epochs, its answer changed 2 times."),
        ([2, 3, 3, 3], "At no stored epoch did it recognise the 4."),
        ([7, 3, 4, 3], "At epoch 2 it recognised the 4, and has lost it since."),
    ],
)
def test_it_says_when_a_network_came_to_its_reading(digits, words, longer_run, monkeypatch):
    really = cached.read_history
    read = np.eye(10, dtype=np.float32)[digits]
    monkeypatch.setattr(
        cached,
        "read_history",
        lambda history, run_id, *rest: (
            read if run_id == longer_run.id else really(history, run_id, *rest)
        ),
    )
    app = page().run()
    app.selectbox(key="reads-dnn").select(longer_run.id).run()
    assert not app.exception
    assert any(words in text.value for text in app.markdown)


def test_what_is_kept_is_told_and_can_be_forgotten(longer_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(longer_run.id).run()
    taken = resources.store().checkpoint_bytes()
    assert (
        taken
        >= sum(
            len(checkpoint.weights) for checkpoint in resources.store().checkpoints(longer_run.id)
        )
        > 0
    )
    assert any(f"**{taken / 1e6:,.1f} MB**" in text.value for text in app.markdown)
    app.button(key="time-forget").click().run()
    assert not app.exception
    assert resources.store().checkpoint_bytes() == 0
    assert any("Of three epochs" in caption.value.replace("\\", "") for caption in app.caption)
    assert app.button(key="time-forget").disabled


def test_a_run_of_one_epoch_says_why_there_are_two_moments(finished_run):
    app = page().run()
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    assert not app.exception
    assert any("It was trained for one epoch at most." in caption.value for caption in app.caption)


def test_without_a_store_the_shipped_networks_still_travel(broken_store):
    app = page().run()
    assert not app.exception
    assert len(app.metric) == 2 and "cannot be used" in app.warning[0].value
