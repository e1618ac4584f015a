"""A network from somebody's file, on the pages: uploaded once, it is a model like any other."""

import functools
import inspect
import types

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.explain import neighbours
from mnist_models.imports import mistakes
from mnist_models.imports.recipe import recipe
from mnist_models.runs.loading import keep_imported, load_reader
from mnist_models.runs.tables import WeightsRow
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, page, resources, several
from pages.parts.lessons import cached
from tests.imports import forms
from tests.models import test_portable
from tests.pages.conftest import APP, lesson
from tests.pages.test_draw import draw_seven, drawn_seven, reading
from tests.pages.test_outcome import tell
from tests.pages.test_reasons import settled


@pytest.fixture(scope="module")
def uploaded():
    """The Train page after a CNN in HDF5 was uploaded, and a DNN in ONNX."""
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/train.py").run()
    app.file_uploader(key="brought").upload(
        "theirs.onnx", forms.onnx(forms.fully_connected()), "application/octet-stream"
    ).run()
    assert not app.exception
    cnn = forms.convolutional()
    content = forms.h5(cnn, forms.config_of(cnn))
    app.file_uploader(key="brought").upload("theirs.h5", content, "application/x-hdf5").run()
    assert not app.exception
    return app


@pytest.fixture(scope="module")
def runs(uploaded):
    """Both, by kind."""
    return {run.network: run for run in resources.store().runs() if run.imported}


def texts(app):
    return " ".join(one.value for one in (*app.markdown, *app.success, *app.error, *app.info))


def test_the_diagnosis_is_told_where_the_file_was_uploaded(uploaded, runs):
    said = texts(uploaded)
    assert f"Imported as {runs['cnn'].label}" in said
    assert "Keras HDF5 (.h5), written by Keras 2.4.0" in said
    assert "It wants 28×28×1; 0 to 1." in said
    (table,) = [one.value for one in uploaded.dataframe if "Fed" in one.value]
    assert len(table) >= 8 and table["Test accuracy"].max() > 80
    # It is not among what was trained here.
    assert not any("theirs" in str(box.options) for box in uploaded.selectbox)


def test_the_models_read_what_their_files_read(runs):
    test = dataset.load().test
    for network, run in runs.items():
        kept = resources.store().predictions(run.id)
        assert (kept.digits == test.labels).mean() == pytest.approx(run.test_accuracy)
        reader = load_reader(resources.store(), run.id)
        now = reader.predictions(test.images[:300])
        assert (now.digits == kept.digits[:300]).all(), network


def selected(app, runs):
    app.session_state["reads-chosen"] = True
    for network in NETWORKS:
        app.session_state[f"selected-{network}"] = runs[network].id
    return app


def test_they_read_a_drawing(runs, monkeypatch):
    draw_seven(monkeypatch)
    app = selected(AppTest.from_file(APP, default_timeout=120), runs).run()
    assert not app.exception
    assert all(reading(app, network) in "0123456789" for network in NETWORKS)


def test_while_a_digit_is_drawn_the_browser_reads_with_what_it_knows_the_layers_of(runs):
    images = dataset.load().test.images[:40]
    reader = load_reader(resources.store(), runs["cnn"].id)
    # Weights in half precision have three digits.
    np.testing.assert_allclose(
        test_portable.read(resources.for_browser(runs["cnn"].id), images),
        reader.probabilities(images),
        atol=5e-3,
    )
    assert resources.for_browser(runs["dnn"].id) is None
    app = AppTest.from_file(APP, default_timeout=120)
    selected(app, runs)
    captions = [one.value for one in app.run().caption if " parameters" in one.value]
    assert [one.endswith("read when you lift the pen") for one in captions] == [True, False]


def ways_shown(app):
    """What is said below each picture of how a network was fed."""
    captions = [image.proto.imgs[0].caption for image in app.image]
    return [caption for caption in captions if "reads **" in caption]


def asked_why(runs):
    """The Draw page with both selected, and the question about the CNN unfolded."""
    app = selected(AppTest.from_file(APP, default_timeout=120), runs)
    app.session_state[f"why-{runs['cnn'].id}"] = True
    return app


def test_nothing_is_read_five_ways_before_somebody_asks_why(runs, monkeypatch):
    draw_seven(monkeypatch)
    monkeypatch.setattr(mistakes, "five_ways", None)
    app = selected(AppTest.from_file(APP, default_timeout=120), runs).run()
    assert not app.exception
    labels = [one.label for one in app.expander]
    names = [page.plain(runs[network].label) for network in NETWORKS]
    assert labels == [f"Why was {name} wrong on my digit?" for name in names]
    assert not app.code
    app = AppTest.from_file(APP, default_timeout=120).run()  # with our own models
    assert not app.expander


def test_a_drawing_is_read_five_ways_by_their_network_and_the_first_mistake_named(
    runs, monkeypatch
):
    app = asked_why(runs).run()
    assert not app.exception and not ways_shown(app)
    assert "Draw a single digit" in texts(app)
    draw_seven(monkeypatch)
    app = asked_why(runs).run()
    assert not app.exception
    reader = resources.classifier(runs["cnn"].id)
    ways = mistakes.five_ways(reader, app.session_state["board"].preparation)
    shown = ways_shown(app)
    assert len(shown) == 5
    for way, caption in zip(ways, shown, strict=True):
        assert caption.startswith(f"reads **{way.prediction.digit}** (")
        assert way.title[1:] in caption
    assert "values 0 to 255" in shown[2] and "values 0 to 1" in shown[4]
    assert mistakes.explained(ways).split(",")[0] in texts(app)
    assert [one.value for one in app.code] == [recipe(reader.feeding).strip()]


def test_whoever_says_what_they_wrote_is_told_whether_the_network_itself_is_wrong(
    runs, monkeypatch
):
    draw_seven(monkeypatch)
    app = asked_why(runs).run()
    read = resources.classifier(runs["cnn"].id).read(app.session_state["board"].preparation.image)
    other = (read.digit + 1) % 10
    tell(app, other)
    assert f"it reads {read.digit}, not {other}: how the picture" in texts(app)


def draw_two_digits(monkeypatch):
    sheet = np.concatenate([drawn_seven()[:, :200], drawn_seven()[:, 60:]], axis=1)
    monkeypatch.setattr(canvas, "show_canvas", lambda board, brush_px: ({"objects": [{}]}, sheet))


def test_several_digits_are_not_read_five_ways(runs, monkeypatch):
    draw_two_digits(monkeypatch)
    app = asked_why(runs).run()
    assert not app.exception
    assert "2 digits" in texts(app) and not ways_shown(app)
    assert "Draw a single digit" in texts(app)


def test_from_the_diagnosis_it_is_one_click_to_why_it_was_wrong(runs):
    app = compared(runs).run()
    assert not app.exception
    app.button(key=f"see-why-{runs['cnn'].id}").click().run()
    app.switch_page("app.py").run()  # as the button did, which the test driver does not follow
    assert not app.exception
    assert app.session_state["selected-cnn"] == runs["cnn"].id
    assert len(app.code) == 1


def compared(runs):
    """The Compare page with both."""
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/compare.py")
    app.query_params.update({"first": runs["cnn"].id, "second": runs["dnn"].id})
    return app


def test_another_feeding_can_be_chosen_by_hand_and_everything_follows(runs, monkeypatch):
    run, test = runs["cnn"], dataset.load().test
    places = {trial["title"]: place for place, trial in enumerate(run.imported["tried"])}
    measured, raw = places["28×28×1; 0 to 1"], places["28×28×1; 0 to 255"]
    draw_two_digits(monkeypatch)
    visitor = selected(AppTest.from_file(APP, default_timeout=120), runs).run()
    numbers = visitor.session_state[several.KEPT][2].predictions["cnn"]
    app = compared(runs).run()
    box = app.selectbox(key=f"feeding-{run.id}")
    assert box.options[0] == "As measured: 28×28×1; 0 to 1"
    before = resources.predictions(run.id)
    along = cached.read_along(run.id, test.images[0], "turn")
    box.set_value(raw).run()
    try:
        assert not app.exception and not app.error
        changed = resources.store().run(run.id)
        assert app.selectbox(key=f"feeding-{run.id}").value == raw
        # An oracle: the same network, fed the pixels as they are.
        said = forms.convolutional().predict(
            test.images.astype(np.float32)[..., np.newaxis], verbose=0
        )
        expected = (said.argmax(axis=1) == test.labels).mean()
        assert expected != pytest.approx(run.test_accuracy, abs=1e-3)
        # Two digits may be equally probable but for the order in which floats are added.
        assert changed.test_accuracy == pytest.approx(expected, abs=3e-4)
        assert f"Test accuracy {changed.test_accuracy:.2%}" in texts(app)
        assert any(f"{changed.test_accuracy:.2%}" in one for one in app.selectbox[0].options)
        now = resources.predictions(run.id)
        assert (now.digits != before.digits).any()
        assert (now.digits == test.labels).mean() == pytest.approx(changed.test_accuracy)
        assert not np.allclose(along, cached.read_along(run.id, test.images[0], "turn"))
        assert resources.evaluation(run.id).accuracy == pytest.approx(changed.test_accuracy)
        # Another visitor's digits are read anew.
        visitor.run()
        again = visitor.session_state[several.KEPT][2].predictions["cnn"]
        assert [one.probability for one in again] != [one.probability for one in numbers]
        # The drawing is read so at once, and the lines prepare a picture so.
        draw_seven(monkeypatch)
        app = asked_why(runs).run()
        assert "values 0 to 255" in ways_shown(app)[4]
        assert "Values: 0 to 255." in app.code[0].value
    finally:  # on Draw, where it can be chosen too
        draw_seven(monkeypatch)
        app = asked_why(runs).run()
        app.selectbox(key=f"feeding-{run.id}").set_value(measured).run()
    assert not app.exception
    assert "values 0 to 1" in ways_shown(app)[4] and "Values: 0 to 1." in app.code[0].value
    assert resources.store().run(run.id).test_accuracy == pytest.approx(run.test_accuracy)
    assert (resources.predictions(run.id).digits == before.digits).all()


def test_where_another_feeding_cannot_be_had_a_sentence_says_why_and_nothing_changes(runs):
    store = resources.store()
    model = forms.fully_connected()
    content = forms.h5(model, forms.config_of(model))
    run, _, _ = keep_imported(store, "damaged", content)
    with store._session() as session:
        session.get(WeightsRow, run.id).weights = b"not an archive any more"
    app = compared(runs)
    app.query_params["first"] = run.id
    app.run()
    box = app.selectbox(key=f"feeding-{run.id}")
    box.set_value(1).run()
    assert not app.exception
    assert "What was kept of it is damaged: bring the file again." in texts(app)
    assert app.selectbox(key=f"feeding-{run.id}").value == 0  # as measured
    assert store.run(run.id).imported == run.imported
    store.delete([run.id])


def test_what_lessons_have_read_with_a_model_is_all_forgotten(monkeypatch):
    by_run = {
        name
        for name, function in vars(cached).items()
        if callable(function)
        and hasattr(function, "clear")
        and {"run_id", "run_ids"} & set(inspect.signature(function).parameters)
    }
    # These look at the course of a training, of models that were trained here only.
    ours = {"history", "read_history", "activations"}
    cleared = set()
    for name in by_run:
        monkeypatch.setattr(
            cached, name, types.SimpleNamespace(clear=functools.partial(cleared.add, name))
        )
    cached.forget_readings()
    assert cleared == by_run - ours


def test_they_are_compared_with_any_other(runs):
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/compare.py")
    app.query_params.update({"first": runs["cnn"].id, "second": "shipped-cnn"})
    app.session_state["runs-panel"] = True
    app.run()
    assert not app.exception and not app.error
    assert app.session_state["compare-first"] == runs["cnn"].id


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("slide", {}),
        ("breaking", {}),
        ("strokes", {}),
        ("scramble", {}),
        ("reasons", {"reasons-view": "mattered", "reasons-way": "cover"}),
        ("reasons", {"reasons-view": "change", "reasons-change": "pen"}),
    ],
)
def test_lessons_that_ask_for_readings_have_them(runs, name, values):
    app = selected(lesson(name), runs)
    for key, value in values.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception and not app.error


@pytest.mark.parametrize(
    ("name", "values", "shown"),
    [
        ("inside", {}, "**12 kernels of 5×5**: 300 weights, each used at all 24×24 positions."),
        (
            "reasons",
            {"reasons-view": "mattered", "reasons-way": "gradients"},
            "On blank paper, the CNN's odds of",
        ),
        (
            "reasons",
            {"reasons-view": "change", "reasons-change": "pixels"},
            "CNN prediction after the change",
        ),
        ("reasons", {"reasons-view": "nearest"}, "**CNN**: "),
    ],
)
def test_views_that_need_layers_show_those_that_are_known_and_say_which_are_not(
    runs, monkeypatch, name, values, shown
):
    monkeypatch.setattr(neighbours, "COUNT", 300)
    monkeypatch.setattr(cached, "SEARCHED_IMAGES", 50)
    app = selected(lesson(name), runs)
    for key, value in values.items():
        app.session_state[key] = value
    app = settled(app.run())
    assert not app.error
    label = page.plain(runs["dnn"].label)
    assert [one.value for one in app.info] == [
        f"{label} came from a file, and its layers cannot be looked into. ONNX is computed by its "
        "own runtime, which does not tell what is between the layers: bring the model as Keras "
        "saves it (.keras, .h5)."
    ]
    metrics = " ".join(one.label for one in app.metric)
    assert shown in f"{texts(app)} {metrics}"
    # The view of their CNN beside that of ours is complete.
    app.session_state["selected-dnn"] = "shipped-dnn"
    app = settled(app.run())
    assert not app.error and not app.info


def test_the_course_of_a_training_elsewhere_cannot_be_had(runs):
    app = selected(lesson("time_machine"), runs).run()
    assert not app.exception
    assert any("came from a file" in one.value for one in app.error)


def test_one_pixel_is_followed_through_their_network(runs):
    """The steps to the pixel add up to what the network itself makes of it."""
    app = selected(lesson("inside"), runs)
    app.session_state["inside-search"] = False
    app.session_state["inside-layer"] = "conv_2"
    app = settled(app.run())
    (table,) = [one.value for one in app.markdown if "| result |" in one.value]
    assert "ReLU: negative values become zero. **This is the pixel**" in table
    image = app.session_state["board"].preparation.image
    theirs = forms.convolutional()
    maps = theirs.layers[2](theirs.layers[1](theirs.layers[0](image[None, ..., None] / 255)))
    maps = maps.numpy()[0]
    brightest = maps.max(axis=(0, 1)).max()
    assert float(table.rpartition("| ")[2].split(" |")[0]) == pytest.approx(brightest, abs=2e-3)


def test_what_is_no_network_gets_a_sentence_and_leaves_nothing(runs):
    before = len(resources.store().runs())
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/train.py").run()
    app.file_uploader(key="brought").upload("no.h5", b"<html>", "text/html").run()
    assert not app.exception
    assert "It is a web page" in texts(app) and len(resources.store().runs()) == before


def test_it_is_exported_where_the_diagnosis_is_and_imported_as_the_same(runs):
    app = compared(runs).run()
    assert not app.exception
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels == ["Export (.zip)"] * 2
    content = resources.exported([runs["cnn"].id])
    train = AppTest.from_file(APP, default_timeout=120).switch_page("pages/train.py").run()
    train.file_uploader(key="brought").upload("again.zip", content, "application/zip").run()
    assert not train.exception and not train.error
    again, _ = train.session_state["brought-run"]
    assert f"Imported as {again.label}" in texts(train)
    assert "It wants 28×28×1; 0 to 1." in texts(train)
    assert again.imported == resources.store().run(runs["cnn"].id).imported
    resources.store().delete([again.id])
