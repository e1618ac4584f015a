"""The lesson that shuffles pixels, without a browser."""

import dataclasses

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset, strokes
from mnist_models.settings import links, recipes
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, resources
from tests.pages.conftest import APP, TINY, told


def page() -> AppTest:
    return AppTest.from_file(APP, default_timeout=120).switch_page("pages/scramble.py")


def test_four_networks_read_the_digit_two_of_them_scrambled():
    app = page().run()
    assert not app.exception
    image = app.session_state["board"].preparation.image
    expected = [
        resources.classifier(f"{pair}-{network}").read(image)
        for pair in ("quick", "scrambled")
        for network in NETWORKS
    ]
    assert (
        [metric.value for metric in app.metric] == [str(one.digit) for one in expected] == ["4"] * 4
    )
    assert [metric.delta for metric in app.metric] == [
        f"probability {one.probability:.1%}" for one in expected
    ]
    places = {model["place"]: model["id"] for model in told(app, "reading")["models"]}
    assert places == {
        f"prediction-{kind}-{network}": f"{pair}-{network}"
        for kind, pair in (("original", "quick"), ("shuffled", "scrambled"))
        for network in NETWORKS
    }
    # With this the browser shuffles the image that it shows.
    order = told(app, "reading")["order"]
    np.testing.assert_array_equal(
        image.ravel()[order], dataset.scrambled(image[np.newaxis]).ravel()
    )


def test_who_is_not_sure_says_so():
    """Of a 4 on the way."""
    readers = [
        resources.classifier(f"{pair}-{network}")
        for pair in ("quick", "scrambled")
        for network in NETWORKS
    ]
    replay = strokes.Replay.of(canvas.objects_of(strokes.EXAMPLES[0].drawing(20).strokes))
    preparation = next(
        found
        for found in map(canvas.prepare_ink, replay.images[1:])
        if not all(reader.read(found.image).is_confident for reader in readers)
    )
    app = page()
    app.session_state["board"] = board = canvas.Board()
    board.show(preparation, "", 4)
    app.run()
    assert not app.exception
    reads = [reader.read(preparation.image) for reader in readers]
    assert [metric.value for metric in app.metric] == [
        str(one.digit) if one.is_confident else "not sure" for one in reads
    ]


def test_what_scrambling_costs_is_told_from_the_networks():
    app = page().run()
    store = resources.store()
    accuracies = {
        network: [store.run(f"{pair}-{network}").test_accuracy for pair in ("quick", "scrambled")]
        for network in NETWORKS
    }
    (told,) = [text.value for text in app.markdown if "(original), " in text.value]
    for network, (plain, scrambled) in accuracies.items():
        assert (
            f"{NETWORKS[network].title}: test accuracy **{plain:.2%}** (original), "
            f"**{scrambled:.2%}** (shuffled)" in told
        )
    # What the lesson teaches.
    losses = {network: plain - scrambled for network, (plain, scrambled) in accuracies.items()}
    assert losses["dnn"] < 0.005 < losses["cnn"]


def test_a_pair_that_was_trained_here_can_take_the_place(store, trained):
    values = TINY.model_copy(update={"scrambled": True})
    run = store.create(values, "mine")
    store.finish(run.id, dataclasses.replace(trained, test_accuracy=0.5))
    app = page().run()
    app.selectbox(key="scramble-dnn-run").select(run.id).run()
    assert not app.exception
    # There is nothing to compare a model of other hyperparameters with.
    assert any("test accuracy **50.00%** (shuffled)." in text.value for text in app.markdown)
    assert not any("DNN: test accuracy" in text.value for text in app.markdown)
    store.delete([run.id])
    app.run()
    assert not app.exception
    assert not any("**50.00%**" in text.value for text in app.markdown)


def test_a_link_leads_to_a_race_of_both_scrambled():
    app = page().run()
    (link,) = [
        link.proto.query_string for link in app.get("page_link") if "race" in link.proto.label
    ]
    query = dict(part.split("=") for part in link.split("&"))
    entrants = links.race_from_query(query)
    assert entrants == {
        network: recipes.find("scrambled", network).hyperparameters for network in NETWORKS
    }


@pytest.mark.parametrize("button", ["scramble-clear", "scramble-example"])
def test_the_canvas_can_be_cleared_and_filled(button):
    app = page().run()
    app.button(key=button).click().run()
    assert not app.exception
    blank = [metric.value == "–" for metric in app.metric]
    assert blank == [button == "scramble-clear"] * 4


def test_without_a_store_the_shipped_pairs_still_read(broken_store):
    app = page().run()
    assert not app.exception
    assert len(app.metric) == 4
