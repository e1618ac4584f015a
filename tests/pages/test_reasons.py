"""The lesson that asks why, without a browser."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset, strokes
from mnist_models.explain.neighbours import Known
from mnist_models.settings.hyperparameters import CnnHyperparameters
from mnist_models.training.loop import train
from pages.parts import canvas, resources
from pages.parts.lessons import cached, charts, waiting
from pages.parts.lessons.reasons import attributions, counterfactuals, nearest
from tests.pages.conftest import lesson

TITLES = ("DNN", "CNN")


def page(view: str = "mattered") -> AppTest:
    app = lesson("reasons")
    app.session_state["reasons-view"] = view
    return settled(app.run())


def see(app: AppTest, view: str) -> AppTest:
    app.segmented_control(key="reasons-view").set_value(view).run()
    return settled(app)


def settled(app: AppTest) -> AppTest:
    """The page when all is done: here, nothing redraws itself."""
    for _ in range(200):
        assert not app.exception
        if not app.get("progress"):
            return app
        app.run()
    raise AssertionError("It never came to an end.")


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def told(app: AppTest, words: str) -> list[str]:
    return [text.value for text in [*app.markdown, *app.caption] if words in text.value]


def test_who_comes_without_a_drawing_learns_why_the_example_is_read_as_it_is():
    app = page()
    assert app.session_state["board"].label == 4
    assert told(app, "The DNN reads **4**") and told(app, "the CNN reads **4**")
    image = app.session_state["board"].preparation.image
    for title in TITLES:
        reader, moved = resources.classifier(f"shipped-{title.lower()}"), 0
        images = np.repeat(image[np.newaxis], 784, axis=0)
        for place, covered in enumerate(images):
            row, column = divmod(place, 28)
            covered[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = 0
        moved = (reader.probabilities(images).argmax(axis=1) != 4).mean()
        assert told(
            app, f"At **{moved:.1%}** of the positions, the square changes the {title}'s prediction"
        )
    assert len(told(app, "the correlation of the two maps is")) == 1
    see(app, "change")
    for title in TITLES:
        assert metrics(app)[f"{title} prediction after the change"] != "4"
    assert len(told(app, "that change less ink do not change the prediction")) == 2
    see(app, "nearest")
    for title in TITLES:
        assert told(app, f"**{title}**: all nine nearest digits have the label **4**.")


def test_a_model_below_its_threshold_is_said_to_be_unsure():
    """Of a 4 without its second stroke."""
    app = lesson("reasons")
    half = canvas.objects_of(strokes.EXAMPLES[0].drawing(20).strokes[:1])
    app.session_state["board"] = board = canvas.Board()
    board.show(canvas.prepare_ink(strokes.ink(strokes.from_canvas(half))), "", 4, objects=half)
    settled(app.run())
    image = board.preparation.image
    reads = {
        title: resources.classifier(f"shipped-{title.lower()}").read(image) for title in TITLES
    }
    assert not all(read.is_confident for read in reads.values())
    for title, read in reads.items():
        says = "reads" if read.is_confident else "is **not sure**, perhaps"
        assert told(app, f"{title} {says} **{read.digit}**, probability {read.probability:.1%}")


def test_the_maps_can_be_of_other_covers_and_of_gradients():
    app = page()
    shares = told(app, "of the positions, the square changes")
    app.segmented_control(key="reasons-cover").set_value("ink").run()
    app.segmented_control(key="reasons-side").set_value(7).run()
    settled(app)
    assert len(shares) == 2 and told(app, "of the positions, the square changes") != shares
    assert told(app, "with the 7×7 square of ink there") and told(app, "7×7 square of ink")
    app.segmented_control(key="reasons-way").set_value("gradients").run()
    settled(app)
    for title in TITLES:
        (words,) = told(app, f"On blank paper, the {title}'s odds of 4 are")
        assert "powers of ten**" in words
    app.segmented_control(key="reasons-way").set_value("cover").run()
    assert told(settled(app), "7×7 square of ink")  # what was chosen before is kept


@pytest.mark.parametrize(
    ("by", "words"),
    [("rubber", "straight eraser strokes, 4 px wide"), ("pixels", "changes were tried")],
)
def test_it_can_be_changed_by_other_means(by, words):
    app = page("change")
    app.segmented_control(key="reasons-change").set_value(by).run()
    settled(app)
    assert len(told(app, words)) + len(told(app, "into another digit")) >= 2


def test_whoever_drew_something_else_is_told_that_the_reading_is_explained_all_the_same():
    app = page()
    assert not told(app, "right or wrong")
    app.selectbox[0].select(7).run()
    assert told(settled(app), "right or wrong")


def test_a_run_of_the_visitors_is_asked_too(finished_run):
    app = page("nearest")
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    settled(app)
    image = app.session_state["board"].preparation.image
    assert told(app, f"The DNN reads **{resources.classifier(finished_run.id).read(image).digit}**")
    assert told(app, "two directions out of 16 in the model's last hidden layer")


def test_a_network_without_a_dense_head_has_a_last_hidden_layer_too(store):
    hyperparameters = CnnHyperparameters(
        conv_layers=("4x7/3",),
        dense_units=(),
        activation="tanh",
        batch_norm=False,
        epochs=1,
        train_images=500,
        validation_images=100,
    )
    run = store.create(hyperparameters, "no head")
    store.finish(run.id, train(hyperparameters))
    app = page("nearest")
    app.selectbox(key="reads-cnn").select(run.id).run()
    settled(app)
    assert told(app, "two directions out of 256 in the model's last hidden layer")
    see(app, "mattered")
    for way in ("gradients", "cover"):
        app.segmented_control(key="reasons-way").set_value(way).run()
    see(app, "change")
    for by in ("rubber", "pixels"):
        app.segmented_control(key="reasons-change").set_value(by).run()
        settled(app)


def test_without_a_store_the_shipped_networks_are_asked_all_the_same(broken_store):
    app = page()
    assert len(told(app, "of the positions, the square changes")) == 2
    assert "cannot be used" in app.warning[0].value


def test_what_takes_long_is_done_in_slices_and_a_bar_tells_how_far_it_is(monkeypatch):
    monkeypatch.setattr(waiting, "SLICE_S", 0)
    cached.occlusion.clear()
    app = lesson("reasons").run()
    assert not app.exception
    assert app.get("progress") and not told(app, "hurts most")
    assert told(settled(app), "hurts most")


def test_where_a_pixel_is_and_how_odds_are_said():
    assert (
        attributions.where(4, 4) == "at the top left"
        and attributions.where(14, 14) == "in the middle"
    )
    assert (
        attributions.where(27, 14) == "at the bottom"
        and attributions.where(14, 20) == "on the right"
    )
    assert [attributions.times(power) for power in (0, 0.5, 3.2, 6, 12)] == [
        "1.0",
        "3.2",
        "1,600",
        "1,000,000",
        "more than a billion",
    ]
    assert (attributions.odds(3), attributions.odds(-2)) == ("1,000 : 1", "1 : 100")


def test_two_maps_are_compared_only_where_they_are_about_the_same_digit():
    one = np.arange(784.0).reshape(28, 28)
    other = np.random.default_rng(0).permuted(one)
    assert "much the same" in attributions.compared(
        {"dnn": one, "cnn": 2 * one}, {"dnn": 2, "cnn": 2}, "positions"
    )
    assert "partly the same" in attributions.compared(
        {"dnn": one, "cnn": one + 1.5 * other}, {"dnn": 2, "cnn": 2}, "positions"
    )
    assert "different** positions" in attributions.compared(
        {"dnn": one, "cnn": -one}, {"dnn": 2, "cnn": 2}, "positions"
    )
    assert "different digits" in attributions.compared(
        {"dnn": one, "cnn": one}, {"dnn": 2, "cnn": 7}, "positions"
    )
    assert "nothing to compare" in attributions.compared(
        {"dnn": one, "cnn": 0 * one}, {"dnn": 2, "cnn": 2}, "positions"
    )


def test_a_network_that_nothing_moves_is_said_to_be_unmoved():
    networks = ["dnn", "cnn"]
    assert "Neither changes its answer" in counterfactuals.verdict({}, networks, "rubber")
    assert "The CNN does not" in counterfactuals.verdict({"dnn": 2.0}, networks, "pen")
    assert "the CNN only after **3 pixels**" in counterfactuals.verdict(
        {"dnn": 1.0, "cnn": 3.0}, networks, "pixels"
    )
    assert "the DNN only after **3.0 px of ink**" in counterfactuals.verdict(
        {"dnn": 3.0, "cnn": 1.0}, networks, "pen"
    )
    assert "about equally robust" in counterfactuals.verdict(
        {"dnn": 1.0, "cnn": 1.0}, networks, "pixels"
    )
    assert "about equally robust" in counterfactuals.verdict(
        {"dnn": 18.9, "cnn": 18.5}, networks, "pen"
    )


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("covers", "hardly fall"),
        ("gradients", "No ink is evidence for it"),
        ("pen", "None of all 2,000 pen strokes"),
        ("pixels", "Even 20"),
    ],
)
def test_what_nothing_can_move_is_shown_too(part, words):
    app = AppTest.from_function(_unmoved, default_timeout=30, args=(part,)).run()
    assert not app.exception
    assert len(told(app, words)) == 2


def _unmoved(part):
    import numpy as np

    from mnist_models.explain import explanations
    from pages.parts.lessons.reasons import attributions, counterfactuals

    image, digits = np.zeros((28, 28), np.uint8), {"dnn": 0, "cnn": 0}
    flat, even = np.zeros((28, 28)), np.full((784, 10), 0.1, np.float32)
    if part == "covers":
        attributions.covers(
            dict.fromkeys(digits, explanations.Occlusion(flat, even)),
            image,
            digits,
            "5×5 square",
            "paper",
        )
    elif part == "gradients":
        attributions.gradients(
            dict.fromkeys(digits, explanations.Attribution(flat, 0.0, 0.0)), image, digits
        )
    else:
        unmoved = explanations.Counterfactual(None, None, 2000, 2000)
        counterfactuals.show(
            dict.fromkeys(digits, unmoved), image, digits, dict.fromkeys(digits, 0.5), part
        )


def test_a_network_that_would_not_be_sure_of_what_it_reads_now_is_said_to_be_unsure():
    app = AppTest.from_function(_moved, default_timeout=30).run()
    assert not app.exception
    assert [(one.label, one.value, one.delta) for one in app.metric] == [
        ("DNN prediction after the change", "not sure", "perhaps 3, probability 40.0%"),
        ("CNN prediction after the change", "3", "probability 40.0%"),
    ]
    assert len(told(app, "Before, the prediction was 0")) == 2


def _moved():
    import numpy as np

    from mnist_models.explain.explanations import Counterfactual
    from pages.parts.lessons.reasons import counterfactuals

    before, after = np.zeros((2, 28, 28), np.uint8)
    after[3, 4] = 255
    probabilities = np.full(10, 0.6 / 9, np.float32)
    probabilities[3] = 0.4
    moved = dict.fromkeys(("dnn", "cnn"), Counterfactual(after, probabilities, 5, 2000))
    counterfactuals.show(moved, before, dict.fromkeys(moved, 0), {"dnn": 0.5, "cnn": 0.3}, "pen")


def test_added_ink_is_green_and_ink_taken_away_purple():
    before, after = np.zeros((28, 28), np.uint8), np.zeros((28, 28), np.uint8)
    before[0, 0] = before[0, 1] = 255
    after[0, 0] = after[0, 2] = 255
    pixels = np.asarray(counterfactuals.recoloured(before, after))[::6, ::6]
    assert pixels[0, :4].tolist() == [
        [0, 0, 0],
        list(counterfactuals.REMOVED),
        list(counterfactuals.ADDED),
        [255, 255, 255],
    ]


def test_the_nearest_are_told_by_their_labels_and_where_the_map_says_otherwise_it_is_said():
    labels = dataset.load().train.labels[:100]
    features = np.eye(10, dtype=np.float16)[labels]  # a network that sees nothing but the label
    along = features @ np.arange(10)  # on this axis 9 is at 9
    known = Known(
        features,
        np.zeros(10, np.float32),
        np.array([np.arange(10), np.zeros(10)], np.float32),
        (0.5, 0.1),
    )
    nines = np.flatnonzero(labels == 9)[:9]
    assert len(nines) == 9 and along[nines].tolist() == [9.0] * 9
    nine = np.eye(10, dtype=np.float32)[9:]
    assert nearest.words(known, nine, nines) == (
        "all nine nearest digits have the label **9**. On the map, it is closest "
        "to the centre of the 9s."
    )
    mixed = np.concatenate([nines[:7], np.flatnonzero(labels == 4)[:2]])
    assert "7 have the label **9**, 2 the label 4." in nearest.words(known, nine, mixed)
    assert "the centre of the 3s: two directions do not show everything" in nearest.words(
        known, nine / 3, nines
    )


def test_the_edge_of_the_ink_is_drawn_around_it():
    image = np.zeros((28, 28), np.uint8)
    image[3:5, 7] = 255  # two pixels, one above the other, have six sides
    counted = charts.Attributions(np.zeros((28, 28)), [""] * 784, [""] * 784)
    spec = charts.attributions(counted, image, 1, "value", "told")
    sides = {tuple(row.values()) for row in spec["datasets"]["edge"].to_pylist()}
    assert sides == {
        (7, 8, 3, 3),
        (7, 8, 5, 5),
        (7, 7, 3, 4),
        (8, 8, 3, 4),
        (7, 7, 4, 5),
        (8, 8, 4, 5),
    }
    assert len(spec["datasets"]["pixels"]) == 784
