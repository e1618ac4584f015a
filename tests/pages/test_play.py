"""The page on which a class plays."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset, strokes
from mnist_models.data.preprocessing import prepare_ink
from mnist_models.runs import pretrained
from mnist_models.runs.rights import Visitor
from pages.parts import canvas, resources, visitors
from pages.parts.classroom import beating, fooling
from tests.pages.test_class import OTHER, SECRET, from_elsewhere, monday, visit, write_all

__all__ = ["from_elsewhere", "monday"]  # fixtures

ME, BEN = (Visitor(visitors.visitor_id(secret)) for secret in (SECRET, OTHER))
CARL = Visitor("c" * 32)
ONE_WITH_UPSTROKE = (
    strokes.Stroke(np.array([(60, 170), (150, 40)], float), 20),
    strokes.Stroke(np.array([(150, 40), (150, 240)], float), 20),
)


@pytest.fixture
def mia(monday, from_elsewhere):
    resources.classes().join("Mia", ME)
    resources.classes().join("Ben", BEN)
    return monday


def drawn(app: AppTest, drawing) -> AppTest:
    objects = canvas.objects_of(drawing)
    board = app.session_state[fooling.BOARD]
    board.drawing = {"objects": objects}
    board.preparation = prepare_ink(strokes.ink(strokes.from_canvas(objects)))
    board.is_new = False
    app.run()
    assert not app.exception
    return app


def read_by_the_pair(board) -> dict[str, int]:
    return {
        network: resources.classifier(run_id).read(board.preparation.image).digit
        for network, run_id in pretrained.ids("teaching").items()
    }


def test_a_digit_that_fools_one_model_goes_to_a_jury_that_does_not_see_what_was_read(mia):
    app = drawn(visit("play", collection=mia.id), ONE_WITH_UPSTROKE)
    read = read_by_the_pair(app.session_state[fooling.BOARD])
    if len(set(read.values())) == 1:
        pytest.fail(f"the drawing of this test fools nobody any more: {read}")
    target = read["cnn"]
    app.button_group(key="fool-digit").set_value(target).run()
    assert any("You fool the **DNN**" in one.value for one in app.markdown)
    app.button(key="hand-in").click().run()
    assert not app.exception and not app.error
    (judged,) = resources.games().judged(mia.id)
    assert (judged.attempt.label, judged.attempt.fooled) == (target, "dnn")
    assert not app.session_state[fooling.BOARD].drawing["objects"]
    key = f"vote-{judged.attempt.number}"
    assert not [group for group in app.button_group if group.key == key]  # not her own
    ben = visit("play", OTHER, collection=mia.id)
    assert not [one for one in ben.markdown if "the DNN reads" in one.value]
    ben.button_group(key=key).set_value(str(target)).run()
    assert resources.games().judged(mia.id)[0].votes == [target]
    assert not [group for group in ben.button_group if group.key == key]
    resources.classes().join("Carl", CARL)
    resources.games().vote(judged.attempt.number, target, CARL)
    resources.classes().give(mia.id, "one", 7, np.zeros((28, 28), np.uint8), "", ME)
    wall = visit("wall", collection=mia.id)  # the best ones are on the wall
    assert any("Everybody in the jury recognised these" in one.value for one in wall.markdown)
    resources.classes().remove_writer(CARL.id, Visitor(is_teacher=True))


def test_what_fools_both_or_none_cannot_be_handed_in(mia):
    app = drawn(visit("play", collection=mia.id), strokes.EXAMPLES[0].drawing(20).strokes)
    app.button_group(key="fool-digit").set_value(strokes.EXAMPLES[0].digit).run()
    assert app.button(key="hand-in").disabled
    assert any("Make it harder for one of them" in one.value for one in app.markdown)
    app.button_group(key="fool-digit").set_value(0).run()
    assert app.button(key="hand-in").disabled
    assert any("Both are wrong" in one.value for one in app.markdown)


def test_ten_hard_digits_are_read_by_a_pupil_and_both_models(mia):
    write_all(mia, 20)
    app = visit("play", collection=mia.id)
    app.button_group(key="game").set_value("Beat the models").run()
    assert not app.exception
    this = app.session_state[beating.ROUND]
    for place, label in enumerate(this.labels.tolist()):
        said = label if place < 8 else (label + 1) % 10
        app.button_group(key=f"beat-0-{place}").set_value(said).run()
        assert not app.exception
    values = {one.label: one.value for one in app.metric}
    assert values["You: right"] == "8 of 10"
    for network, run_id in pretrained.ids("teaching").items():
        right = int(
            (resources.classifier(run_id).predictions(this.images).digits == this.labels).sum()
        )
        assert values[f"{network.upper()}: right"] == f"{right} of 10"
    ((name, score),) = resources.games().scores(mia.id)
    assert (name, score.right) == ("Mia", 8)
    app.button(key="beat-again").click().run()
    assert app.session_state[beating.ROUND].number == 1 and not app.exception


def test_disputed_digits_are_those_that_a_pretrained_model_misclassifies(one_store):
    labels, chosen = dataset.load().test.labels, beating.disputed()
    wrong = {
        int(index)
        for pair in ("shipped", "teaching")
        for run_id in pretrained.ids(pair).values()
        for index in np.flatnonzero(resources.predictions(run_id).digits != labels)
    }
    assert set(chosen.tolist()) == wrong and len(chosen) > 100


def test_who_has_no_nickname_is_asked_for_one(monday, from_elsewhere):
    app = visit("play", collection=monday.id)
    assert [one for one in app.button if one.label == "Join"]
    assert not [one for one in app.button if one.label == "Hand it in"]
