"""The lesson that looks inside, without a browser."""

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from mnist_models.training.loop import train
from pages.parts import canvas, resources
from pages.parts.lessons import cached, frame
from tests.conftest import passed_on_slowly
from tests.pages.conftest import lesson

DNN, CNN = "shipped-dnn", "shipped-cnn"
SMALL = {"epochs": 1, "train_images": 100, "validation_images": 0}
ODD_DNN = DnnHyperparameters(
    hidden_units=(40,), activation="sigmoid", batch_norm=False, dropout=0, **SMALL
)
ODD_CNN = CnnHyperparameters(
    conv_layers="4x7/3+pool3", dense_units="", activation="tanh", batch_norm=False, **SMALL
)


@pytest.fixture(scope="module")
def image():
    """What the networks are given of the example."""
    return canvas.prepare_picture(
        canvas.Image.fromarray(dataset.load().test.images[frame.EXAMPLE])
    ).image


@pytest.fixture(scope="module")
def odd_runs():
    """Networks that lack what the shipped ones have."""
    runs = {}
    for hyperparameters in (ODD_DNN, ODD_CNN):
        run = resources.store().create(hyperparameters)
        resources.store().finish(run.id, train(hyperparameters))
        runs[hyperparameters.network] = run.id
    return runs


@pytest.fixture
def no_search(monkeypatch):
    """The search for what excites a filter is over before it began."""
    monkeypatch.setattr(cached, "SEARCHED_IMAGES", 0)
    cached.search.clear()
    yield
    cached.search.clear()


def page() -> AppTest:
    return lesson("inside")


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption))


def steps(app: AppTest) -> list[float]:
    """The result of each step of the arithmetic."""
    (table,) = [text.value for text in app.markdown if "| result |" in text.value]
    return [float(number) for number in re.findall(r"\| (-?[\d.]+) \|$", table, flags=re.MULTILINE)]


def test_who_comes_without_a_drawing_sees_what_an_example_does_in_both_networks(image):
    app = page().run()
    assert not app.exception
    told = texts(app)
    assert "**512 templates of 28×28**: 401,408 weights" in told
    assert "**32 kernels of 3×3**: 288 weights, each used at all 26×26 positions" in told
    for run_id in (DNN, CNN):
        outputs = passed_on_slowly(resources.chain(run_id), image)
        sums = outputs["dense_1_batch_norm"]
        assert f"**Dense layer 1**: {(sums > 0).sum()} of {len(sums)} units are active" in told
        assert (
            f"**Logits**: {outputs['logits'].argmax()} is highest with "
            f"{outputs['logits'].max():.1f}" in told
        )
    assert (outputs["conv_4_batch_norm"] > 0).any(axis=(0, 1)).sum() == int(
        re.search(r"\*\*Convolution 4\*\*: 64 maps of 8×8 pixels. (\d+) filters are active", told)[
            1
        ]
    )


def test_at_first_the_strongest_pixel_of_the_first_convolution_is_worked_out(image, no_search):
    app = page().run()
    expected = passed_on_slowly(resources.chain(CNN), image)
    maps = expected["conv_1_relu"]
    row, column, index = np.unravel_index(maps.argmax(), maps.shape)
    bias = resources.chain(CNN).get_layer("conv_1").bias.numpy()[index]
    assert steps(app) == pytest.approx(
        [
            expected[layer][row, column, index] - less
            for layer, less in (
                ("conv_1", bias),
                ("conv_1", 0),
                ("conv_1_batch_norm", 0),
                ("conv_1_relu", 0),
            )
        ],
        abs=2e-3,
    )
    assert f"The pixel in row {row + 1}, column {column + 1}" in told_by_pictures(app)


def test_any_pixel_of_any_layer_can_be_chosen(image, no_search):
    app = page()
    for key, value in {"layer": "conv_3", "filter": 5, "row": 7, "column": 2, "channel": 9}.items():
        app.session_state[f"inside-{key}"] = value
    app.run()
    assert not app.exception
    expected = passed_on_slowly(resources.chain(CNN), image)
    assert steps(app)[-1] == pytest.approx(expected["conv_3_relu"][6, 1, 4], abs=2e-3)
    assert "The patch: 3×3 of map 9." in told_by_pictures(app)


def test_played_the_kernel_slides_along_the_row_of_the_pixel(image, no_search):
    app = page().run()
    maps = passed_on_slowly(resources.chain(CNN), image)["conv_1_relu"]
    row, _, index = np.unravel_index(maps.argmax(), maps.shape)
    app.button(key="inside-column-play").click().run()
    for column in (1, 2, 3):
        assert not app.exception
        assert app.select_slider(key="inside-column").value == column
        assert f"The pixel in row {row + 1}, column {column} is" in told_by_pictures(app)
        assert steps(app)[-1] == pytest.approx(maps[row, column - 1, index], abs=2e-3)
        app.run()
    app.button(key="inside-column-stop").click().run()
    assert not app.select_slider(key="inside-column").disabled


def test_what_another_layer_does_not_have_is_the_strongest_again(no_search):
    app = page().run()
    app.select_slider(key="inside-row").set_value(26).run()
    app.session_state["inside-layer"] = "conv_4"
    app.run()
    assert not app.exception
    assert app.select_slider(key="inside-row").value == 0
    assert app.select_slider(key="inside-row").options == ["strongest", *map(str, range(1, 9))]


def test_another_digit_has_other_templates_speak_for_it(no_search):
    app = page().run()
    before = [text.value for text in app.markdown if "are evidence for 4" in text.value]
    app.selectbox[0].select(7).run()
    assert not app.exception
    assert (
        len(before) == 2
        and len([text for text in app.markdown if "are evidence for 7" in text.value]) == 2
    )


def test_networks_without_dense_head_or_normalisation_are_looked_into_too(odd_runs, no_search):
    app = page()
    for network, run_id in odd_runs.items():
        app.session_state[f"selected-{network}"] = run_id
    app.run()
    assert not app.exception
    told = texts(app)
    assert "**40 templates" in told and "**4 kernels of 7×7**" in told
    assert "exactly what it adds" in told and "roughly" not in told
    assert len(steps(app)) == 3 and "tanh" in told and "Max-pooling" in told
    assert [one.key for one in app.segmented_control] == ["pair"]


def test_what_excites_a_filter_is_looked_for_in_the_training_digits_until_all_were_seen(
    monkeypatch,
):
    monkeypatch.setattr(cached, "SEARCHED_IMAGES", 100)
    cached.search.clear()
    app = page().run()
    while not cached.search(CNN).is_over:
        app.run()
    assert not app.exception
    assert "The highest activations in 100 training images" in texts(app.run())
    app.toggle(key="inside-search").set_value(False).run()
    assert "The highest activation for this digit" in texts(app)
    cached.search.clear()


def test_without_a_store_the_shipped_networks_are_still_looked_into(broken_store, no_search):
    app = page().run()
    assert not app.exception
    assert "512 templates" in texts(app) and "cannot be used" in app.warning[0].value


def told_by_pictures(app: AppTest) -> str:
    """What is written below the pictures."""
    return "\n".join(caption for picture in app.image for caption in picture.captions)


@pytest.mark.parametrize(
    ("each", "told"),
    [
        (
            [-1.0, -2.0],
            "Nothing in this layer is evidence for 7; the evidence against it adds up to -3.0.",
        ),
        (
            [1.0, 6.0, 0.0, -2.0],
            "2 of 4 are evidence for 7, +7.0 in total, and 1 evidence against it, -2.0. Half of "
            "the evidence for it comes from one alone.",
        ),
        (
            [2.0, 2.0, 2.0, 2.0],
            "4 of 4 are evidence for 7, +8.0 in total, and 0 evidence against it, +0.0. Half of "
            "the evidence for it comes from the first 2.",
        ),
    ],
)
def test_what_speaks_for_a_digit_is_told_from_the_numbers(each, told):
    from pages.parts.lessons.inside import layers

    assert layers.evidence(np.array(each), 7) == told


def test_a_filter_that_nothing_excites_and_one_that_blank_paper_excites_are_told_of():
    from pages.parts.lessons.inside.activating import Patch, findings

    ink, blank = np.full((3, 3), 9, np.uint8), np.zeros((3, 3), np.uint8)
    dead = Patch(0.0, ink, 2, "this digit")
    assert findings([dead], dead, 1000) == "Nothing here activates this filter above zero."
    own, higher = Patch(0.5, ink, 2, "this digit"), Patch(2.0, blank, 8, "digit 8")
    assert "paper without ink" in findings([higher], own, 1000)
    told = findings([Patch(2.0, ink, 8, "digit 8"), Patch(1.0, ink, 8, "digit 8")], own, 1000)
    assert (
        "2 of the 2 patches come from the digit 8." in told and "0.50, 25% of the highest." in told
    )
    assert "This digit is among them." in findings([Patch(0.5, ink, 2, "digit 2"), own], own, 1000)
