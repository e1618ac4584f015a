"""The ready-made lessons: each shows what its answer says, on its own digit, for the pair of models
that it opens with."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.data.probabilities import digits_of
from pages.parts.lessons import cached, ready_made
from tests.pages.conftest import APP


def opened(name: str) -> AppTest:
    one = ready_made.LESSONS[name]
    app = AppTest.from_file(APP, default_timeout=120).switch_page(one.script)
    app.query_params.update({ready_made.NAME: name} | one.query)
    app.run()
    assert not app.exception and not app.warning
    app.button(key="lesson-show").click().run()
    assert not app.exception
    return app


def told(app: AppTest) -> str:
    return "\n".join(text.value for text in app.markdown)


def shares(app: AppTest) -> list[float]:
    return [float(metric.value.rstrip("%")) for metric in app.metric]


@pytest.mark.parametrize("name", [name for name in ready_made.LESSONS if name != "scramble"])
def test_it_opens_with_models_of_the_same_training(name):
    app = opened(name)
    assert [app.selectbox(key=f"reads-{network}").value for network in ("dnn", "cnn")] == [
        "teaching-dnn",
        "teaching-cnn",
    ]


def test_the_cnn_recognises_the_digit_at_more_positions_and_augmentation_helps_both():
    app = opened("slide")
    dnn, cnn = shares(app)
    assert 0 < dnn < cnn < 60 and "the CNN tolerates larger shifts" in told(app)
    app.segmented_control(key="pair").set_value("best").run()
    best = shares(app)
    assert best[0] > dnn and best[1] > cnn


def test_the_dnn_bears_more_blur():
    assert "Over the whole slider, the DNN is correct more often." in told(opened("noise"))


def test_the_weights_that_the_question_counts_are_those_of_the_models(monkeypatch):
    text = told(opened("inside"))
    assert re.search(r"784 weights for each unit, that of the other 25 for each kernel", text)
    assert "templates of 28×28" in text and "kernels of 5×5" in text


def test_without_neighbours_the_dnn_is_more_accurate():
    assert "Without neighbours, the DNN is more accurate." in told(opened("scramble"))


def test_the_cnn_holds_on_to_its_answer_longer():
    app = opened("reasons")
    for _ in range(200):
        if not app.get("progress"):
            break
        app.run()
    text = told(app)
    assert "the DNN reads **7**" in text.replace("The DNN", "the DNN") and "CNN reads **7**" in text
    first, second = re.search(
        r"DNN .*?\*\*([\d.]+) px of ink\*\*.*?CNN only after \*\*([\d.]+) px of ink", text
    ).groups()
    assert float(second) > 2 * float(first)


def test_after_one_epoch_only_the_cnn_recognises_the_digit():
    app = opened("time")
    assert [metric.value for metric in app.metric] != ["5", "5"] and app.metric[1].value == "5"
    assert "The CNN has predicted **5** since epoch **1**" in told(app)
    assert "The DNN has predicted **5** since epoch **4**" in told(app)


def test_after_one_epoch_the_cnn_is_more_accurate_than_the_dnn_after_four():
    test = dataset.load().test
    one, four = (
        (digits_of(cached.history(run_id).probabilities(test.images))[epoch] == test.labels).mean()
        for run_id, epoch in (("teaching-cnn", 1), ("teaching-dnn", 4))
    )
    said = re.findall(r"(\d\d\.\d)%", ready_made.LESSONS["time"].answer)
    assert [f"{100 * accuracy:.1f}" for accuracy in (one, four)] == said


def test_half_a_four_is_something_else_until_the_last_stroke():
    text = told(opened("strokes"))
    for title in ("DNN", "CNN"):
        assert re.search(rf"The {title} settles on \*\*4\*\* at .* in stroke 2 of 2", text)
    # "Neither, but for a hair": a few percent of the ink lie between them.
    settled = [int(percent) for percent in re.findall(r"at \*\*(\d+)%\*\* of the ink", text)]
    assert abs(settled[0] - settled[1]) <= 3
