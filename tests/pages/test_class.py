"""The pages on which a class writes and looks at what it has written."""

import itertools
import re
from collections import Counter
from io import BytesIO

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset, strokes
from mnist_models.data.preprocessing import prepare_ink
from mnist_models.handwriting import exports, files
from mnist_models.handwriting.collection import Collection
from mnist_models.runs.classes import gathered
from mnist_models.runs.rights import Visitor
from pages.parts import canvas, resources, visitors
from pages.parts.classroom import managing, writing
from tests.pages.conftest import APP, told

SECRET = "0123456789abcdef" * 4
OTHER = SECRET.replace("0", "1")
TEACHER = Visitor("e" * 32, is_teacher=True)
FOUR = strokes.EXAMPLES[0].drawing(20).strokes


@pytest.fixture
def monday(one_store):
    collection = resources.classes().create("9b, Monday", TEACHER)
    yield collection
    resources.classes().delete(collection.id, TEACHER)
    for secret in (SECRET, OTHER):
        resources.classes().remove_writer(visitors.visitor_id(secret), TEACHER)


@pytest.fixture
def from_elsewhere(monkeypatch):
    """Visitors do not sit at the machine of the app."""
    monkeypatch.setattr(type(st.context), "ip_address", "192.0.2.7")


def visit(name: str, secret: str = SECRET, **query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60).switch_page(f"pages/{name}.py")
    app.session_state[visitors.VISITOR] = visitors.visitor_id(secret)
    for key, text in query.items():
        app.query_params[key] = text
    app.run()
    assert not app.exception
    return app


def button(app: AppTest, label: str):
    (found,) = [one for one in app.button if one.label == label]
    return found


def joined(collection, nickname: str, secret: str = SECRET) -> AppTest:
    app = visit("class", secret, collection=collection.id)
    app.text_input(key="nickname").set_value(nickname)
    button(app, "Join").click().run()
    assert not app.exception
    return app


def drawn(app: AppTest, drawing=FOUR) -> AppTest:
    """The page, once something was drawn on its canvas."""
    board = app.session_state[writing.BOARD]
    objects = canvas.objects_of(drawing)
    board.drawing = {"objects": objects}
    board.preparation = prepare_ink(strokes.ink(strokes.from_canvas(objects)))
    board.is_new = False
    return app.run()


def asked(app: AppTest) -> int:
    """The digit that is asked for."""
    (digit,) = [
        int(found[1])
        for one in app.markdown
        if (found := re.search(r"Write a \*\*(\d)", one.value))
    ]
    return digit


def problems(app: AppTest) -> list[str]:
    return [one.value for one in app.error]


def test_a_pupil_joins_writes_what_is_asked_for_and_takes_it_back(monday, from_elsewhere):
    app = joined(monday, "Mia <b>")
    first = asked(app)
    assert button(app, "Done").disabled
    button(drawn(app), "Done").click().run()
    assert not app.exception and not problems(app)
    (given,) = resources.classes().given(monday.id)
    assert (given.nickname, given.drawing.label) == ("Mia <b>", first)
    kept = strokes.from_text(given.drawing.strokes)
    assert len(kept.strokes) == len(FOUR)
    seen = prepare_ink(strokes.ink(strokes.from_canvas(canvas.objects_of(FOUR)))).image
    assert (given.image == seen).all()
    assert asked(app) != first
    assert not app.session_state[writing.BOARD].drawing["objects"]
    assert any("You have given **1** digit." in one.value for one in app.caption)
    assert not [one for one in app.button if one.label in ("New collection", "Close")]
    app.session_state[f"own-{given.drawing.number}-1"] = {"selection": {"rows": [0], "columns": []}}
    app.run()
    button(app, "Take back").click().run()
    assert not resources.classes().given(monday.id)


def test_a_press_of_done_that_comes_again_keeps_nothing_twice(monday, from_elsewhere):
    app = joined(monday, "Mia")
    drawn(app)
    request = app.session_state[writing.REQUEST]
    button(app, "Done").click().run()
    # The connection was lost, so the browser still shows what was asked for before.
    drawn(app)
    assert app.session_state[writing.REQUEST].token != request.token
    assert not [one for one in app.button if one.key == f"done-{request.token}"]
    resources.classes().give(
        monday.id,
        request.token,
        request.digit,
        np.zeros((28, 28), np.uint8),
        "0k1c1c",
        Visitor(visitors.visitor_id(SECRET)),
    )
    assert len(resources.classes().given(monday.id)) == 1


def test_digits_are_asked_for_equally_often_and_never_twice_in_a_row(monday, from_elsewhere):
    me = Visitor(visitors.visitor_id(SECRET))
    joined(monday, "Mia")
    digits = []
    for turn in range(40):
        digit = writing.next_digit(resources.classes().own(monday.id, me))
        resources.classes().give(
            monday.id, f"mia-{turn}", digit, np.zeros((28, 28), np.uint8), "0k1c1c", me
        )
        digits.append(digit)
    assert all(digit != after for digit, after in itertools.pairwise(digits))
    for count in (10, 20, 30, 40):
        # A digit that would come twice in a row waits for one more turn.
        assert max(Counter(digits[:count]).values()) <= count // 10 + 1
    assert digits[:10] != sorted(digits[:10])


def test_a_drawing_too_long_to_keep_stays_with_a_sentence(monday, from_elsewhere):
    app = joined(monday, "Mia")
    zigzag = np.array([(20 + 240 * (step % 2), step) for step in range(280)], float)
    drawn(app, (strokes.Stroke(zigzag, 20), strokes.Stroke(zigzag[::-1], 20)))
    button(app, "Done").click().run()
    assert "too long to be kept" in problems(app)[0] and not app.exception
    assert len(app.session_state[writing.BOARD].drawing["objects"]) == 2
    assert not resources.classes().given(monday.id)


def test_a_collection_that_is_deleted_or_closed_meanwhile_loses_no_drawing(monday, from_elsewhere):
    app = joined(monday, "Mia")
    drawn(app)
    resources.classes().set_open(monday.id, TEACHER, is_open=False)
    button(app, "Done").click().run(timeout=60)
    assert not app.exception
    assert any("closed" in one.value for one in app.info) or "closed" in problems(app)[0]
    assert app.session_state[writing.BOARD].drawing["objects"]
    resources.classes().delete(monday.id, TEACHER)
    app.run()
    assert any("may have been deleted" in one.value for one in app.warning)
    resources.classes().restore(monday.id, TEACHER)


def test_a_nickname_that_is_taken_is_a_sentence(monday, from_elsewhere):
    joined(monday, "Mia")
    other = joined(monday, "MIA", OTHER)
    assert "called MIA already" in problems(other)[0]
    other.text_input(key="nickname").set_value("Ben")
    button(other, "Join").click().run()
    assert not problems(other) and asked(other) in range(10)


def test_a_teacher_begins_closes_renames_deletes_and_restores_a_collection(one_store):
    app = visit("class")
    app.text_input(key=managing.NAME).set_value("8a")
    app.button(key="begin-collection").click().run()
    (begun,) = [one for one in resources.classes().collections() if one.name == "8a"]
    assert (
        app.query_params["collection"] == [begun.id] or app.query_params["collection"] == begun.id
    )
    app.button(key="open-or-close").click().run()
    assert any("closed" in one.value for one in app.info)
    app.text_input(key=f"collection-name-{begun.id}").set_value("8b").run()
    app.button(key="rename-collection").click().run()
    assert [one.name for one in resources.classes().collections() if one.id == begun.id] == ["8b"]
    app.button(key="delete-collection").click().run()
    assert begun.id not in {one.id for one in resources.classes().collections()}
    app.button(key=f"restore-{begun.id}").click().run()
    assert begun.id in {one.id for one in resources.classes().collections()}
    app.text_input(key=managing.NAME).set_value("  ")
    app.button(key="begin-collection").click().run()
    assert "at least one letter" in problems(app)[0] and not app.exception
    resources.classes().delete(begun.id, TEACHER)


def test_digits_from_a_file_are_shown_before_they_are_kept(monday):
    test = dataset.load().test
    digits = Collection(test.images[:30], test.labels[:30], np.arange(30) % 3)
    app = visit("class", collection=monday.id)
    brought = managing._of_file("digits.npz", exports.to_npz(digits))
    assert (brought.digits.labels == digits.labels).all()
    app.session_state[managing.BROUGHT] = brought
    app.run()
    assert not app.exception and not resources.classes().given(monday.id)
    app.text_input(key=managing.WHOSE).set_value("Old").run()
    app.button(key="keep-brought").click().run()
    given = resources.classes().given(monday.id)
    assert len(given) == 30 and {one.nickname for one in given} == {"Old", "Old 2", "Old 3"}
    assert (gathered(given).images == digits.images).all()
    assert managing.BROUGHT not in app.session_state
    # What is downloaded is read again by the same rules.
    for _, form in managing.FORMATS.values():
        found = files.read("digits", managing._exported(monday.id, form)).collection
        assert sorted(found.labels) == sorted(digits.labels)


def test_a_sheet_of_boxes_is_looked_at_box_by_box(monday):
    boxes = Collection(
        dataset.load().test.images[:3], dataset.load().test.labels[:3], np.zeros(3, np.int64)
    )
    app = visit("class", collection=monday.id)
    app.session_state[managing.BROUGHT] = managing.Brought(
        "sheet.jpg", boxes, "Look at each.", [255 - image for image in boxes.images]
    )
    app.run()
    assert not app.exception
    app.button(key="keep-brought").click().run()
    assert gathered(resources.classes().given(monday.id)).labels.tolist() == boxes.labels.tolist()


def test_a_picture_that_is_no_sheet_and_a_file_that_is_none_are_sentences(monday):
    blank = BytesIO()
    Image.new("L", (400, 600), 255).save(blank, "PNG")
    with pytest.raises(Exception, match=r"\.$"):
        managing._of_sheet("blank.png", blank.getvalue())
    with pytest.raises(Exception, match=r"\.$"):
        managing._of_file("notes.txt", b"nothing of use")


def write_all(collection, count: int) -> None:
    """Test digits, of two writers in turn; every fifth has a wrong label."""
    test = dataset.load().test
    for number in range(count):
        me = Visitor(f"{number % 2:032x}")
        if resources.classes().writer(me) is None:
            resources.classes().join(f"Pupil {number % 2} of {collection.id}", me)
        label = int(test.labels[number])
        label = (label + 1) % 10 if number % 5 == 0 else label
        resources.classes().give(
            collection.id, f"{collection.id}-{number}", label, test.images[number], "", me
        )


def test_the_wall_shows_each_digit_with_what_a_wrong_model_reads(monday, from_elsewhere):
    write_all(monday, 50)
    app = visit("wall", collection=monday.id)
    tiles = told(app, "wall")["tiles"]
    assert len(tiles) == 50
    labels = gathered(resources.classes().given(monday.id)).labels
    assert [int(tile["label"]) for tile in tiles] == labels[::-1].tolist()  # the newest first
    # An independent count of what both models of the same training read.
    right = {}
    for network in ("dnn", "cnn"):
        read = resources.predictions(f"teaching-{network}").digits[:50]
        right[network] = read == labels
        (metric,) = [one for one in app.metric if one.label.startswith(network.upper())]
        assert metric.value == f"{right[network].mean():.1%}"
    wrong = [(~right["dnn"][place]).astype(int) + (~right["cnn"][place]) for place in range(50)]
    assert [len(tile["wrong"]) for tile in tiles] == wrong[::-1]
    (which,) = [group for group in app.button_group if group.key == "wall-filter"]
    which.set_value("Misclassified").run()
    assert len(told(app, "wall")["tiles"]) == int(np.count_nonzero(wrong))


def test_a_digit_on_the_wall_opens_on_draw_as_it_was_drawn(monday, from_elsewhere):
    me = Visitor(visitors.visitor_id(SECRET))
    joined(monday, "Mia")
    text = strokes.to_text(strokes.Drawing(FOUR))
    image = prepare_ink(strokes.ink(strokes.from_text(text))).image
    resources.classes().give(monday.id, "one", 4, image, text, me)
    app = visit("wall", collection=monday.id)
    number = resources.classes().given(monday.id)[0].drawing.number
    app.session_state["wall-opened"] = number
    app.run()
    assert any("A **4** by Mia" in one.value for one in app.markdown)
    assert not [one for one in app.button if one.label == "Hide it"]  # a teacher's
    app.button(key="wall-draw").click().run()
    assert not app.exception
    board = app.session_state["board"]
    assert board.label == 4 and "Written by Mia" in board.origin
    assert (board.preparation.image == image).all()
    assert len(board.drawing["objects"]) == len(FOUR)


def test_a_teacher_hides_and_relabels_on_the_wall(monday):
    write_all(monday, 2)
    first, second = (one.drawing.number for one in resources.classes().given(monday.id))
    app = visit("wall", collection=monday.id)
    app.session_state["wall-opened"] = first
    app.run()
    app.button(key=f"hide-{first}").click().run()
    assert not app.exception
    assert [tile["number"] for tile in told(app, "wall")["tiles"]] == [second]
    app.session_state["wall-opened"] = second
    app.run()
    app.button_group(key=f"label-{second}").set_value(9).run()
    assert [tile["label"] for tile in told(app, "wall")["tiles"]] == ["9"]
    app = visit("class", collection=monday.id)
    app.button(key=f"unhide-{first}").click().run()
    assert not app.exception and not problems(app)
    assert len(resources.classes().given(monday.id)) == 2


def test_what_sets_a_class_apart_is_said_only_where_it_is_more_than_chance(monday, from_elsewhere):
    write_all(monday, 40)
    app = visit("wall", collection=monday.id)
    for panel in app.expander:
        app.session_state[f"wall-{panel.label}"] = True
    app.run()
    assert not app.exception
    texts = " ".join(one.value for one in app.markdown)
    # They are MNIST's own digits.
    assert "Strokes are" in texts and "no habit of this class differs" in texts.lower()


def test_an_empty_collection_and_none_at_all_say_what_to_do(monday, from_elsewhere):
    assert any("appear here" in one.value for one in visit("wall", collection=monday.id).info)
    resources.classes().delete(monday.id, TEACHER)
    for name in ("wall", "class"):
        app = visit(name)
        if not resources.classes().collections():
            assert any("collection" in one.value for one in app.info)
