"""What a class writes, in a real database: nothing is lost, nothing is kept twice, and nobody does
what is a teacher's."""

import sqlite3
import threading

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.handwriting.collection import Collection
from mnist_models.limits import LimitError
from mnist_models.runs import classes as classes_module
from mnist_models.runs.classes import Classes, folded, gathered
from mnist_models.runs.rights import NotAllowedError, Visitor
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import StoreError

ANN, BEN, TEACHER = Visitor("a" * 32), Visitor("b" * 32), Visitor("c" * 32, is_teacher=True)
IMAGE = dataset.load().test.images[0]
STROKES = "0k1c1c3c3c"


@pytest.fixture
def classes(store):
    return Classes(store.database)


@pytest.fixture
def monday(classes):
    classes.join("Ann", ANN)
    classes.join("Ben", BEN)
    return classes.create("9b, Monday", TEACHER)


def give(classes, collection, by, label=7, token=None, image=IMAGE):
    token = token or f"{by.id}-{len(classes.own(collection.id, by))}"
    classes.give(collection.id, token, label, image, STROKES, by)


def test_a_digit_is_kept_with_all_that_belongs_to_it(classes, monday):
    give(classes, monday, ANN, label=7)
    give(classes, monday, BEN, label=3, image=IMAGE.T)
    first, second = classes.given(monday.id)
    assert (first.nickname, first.drawing.label, first.drawing.strokes) == ("Ann", 7, STROKES)
    assert (first.image == IMAGE).all() and (second.image == IMAGE.T).all()
    digits = gathered([first, second])
    assert digits.labels.tolist() == [7, 3] and digits.writers.tolist() == [0, 1]
    assert [own.number for own in classes.own(monday.id, ANN)] == [first.drawing.number]
    # Another process, such as after the server was killed, finds the same.
    assert len(Classes(RunStore().database).given(monday.id)) == 2


def test_the_same_answer_given_twice_is_kept_once(classes, monday):
    for _ in range(2):
        give(classes, monday, ANN, token="the same")
    assert len(classes.given(monday.id)) == 1
    assert classes.changes(monday.id) == 1


def test_many_give_at_once_and_none_is_lost_or_doubled(classes, monday):
    visitors = [Visitor(f"{number:032x}") for number in range(20)]
    for number, visitor in enumerate(visitors):
        classes.join(f"Pupil {number}", visitor)
    problems = []

    def write(visitor):
        mine = Classes(RunStore().database)  # another connection, as of another process
        try:
            for label in range(10):
                give(mine, monday, visitor, label)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=write, args=[visitor]) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    given = classes.given(monday.id)
    assert len(given) == 200 == classes.changes(monday.id)
    assert len({(one.nickname, one.drawing.label) for one in given}) == 200


def test_a_nickname_goes_with_the_device_and_cannot_be_taken_over(classes, monday):
    other = Visitor("d" * 32)
    for name in ("Ann", "ann", " A n n ", "ＡＮＮ"):
        with pytest.raises(StoreError, match=r"called .* already: choose another"):
            classes.join(name, other)
    assert classes.writer(other) is None
    with pytest.raises(NotAllowedError, match="belongs to Ann"):
        classes.join("Somebody else", ANN)
    with pytest.raises(NotAllowedError, match="not said yet who you are"):
        classes.join("Nobody", Visitor())
    with pytest.raises(StoreError, match="at least one letter"):
        classes.join(" \n\t ", other)
    long = classes.join("x" * 10_000, other)
    assert long.nickname == "x" * 40
    assert folded("Ann") != folded("Anna")


def test_who_has_no_nickname_or_gave_too_much_gives_nothing(classes, monday, monkeypatch):
    with pytest.raises(NotAllowedError, match="nickname first"):
        give(classes, monday, Visitor("d" * 32))
    with pytest.raises(NotAllowedError, match="nickname first"):
        give(classes, monday, Visitor(), token="x")
    monkeypatch.setenv("LIMIT_DRAWINGS", "2")
    give(classes, monday, ANN)
    give(classes, monday, ANN)
    with pytest.raises(LimitError, match=r"given 2 digits, and 2 are the most.*Take one back"):
        give(classes, monday, ANN)
    give(classes, monday, BEN)
    classes.take_back(classes.own(monday.id, ANN)[0].number, ANN)
    give(classes, monday, ANN)
    assert len(classes.given(monday.id)) == 3


def test_ones_own_digits_are_taken_back_and_no_others(classes, monday):
    give(classes, monday, ANN)
    number = classes.own(monday.id, ANN)[0].number
    for stranger in (BEN, Visitor()):
        with pytest.raises(NotAllowedError, match="Only who gave"):
            classes.take_back(number, stranger)
    changes = classes.changes(monday.id)
    classes.take_back(number, ANN)
    classes.take_back(number, ANN)  # a second press
    assert not classes.given(monday.id) and classes.changes(monday.id) == changes + 1


def test_a_closed_or_deleted_collection_takes_nothing_and_is_brought_back_whole(classes, monday):
    give(classes, monday, ANN)
    classes.set_open(monday.id, TEACHER, is_open=False)
    with pytest.raises(NotAllowedError, match="closed"):
        give(classes, monday, ANN)
    classes.set_open(monday.id, TEACHER, is_open=True)
    classes.delete(monday.id, TEACHER)
    with pytest.raises(StoreError, match="may have been deleted"):
        give(classes, monday, ANN, token="late")
    assert not classes.collections()
    assert [one.id for one in classes.deleted()] == [monday.id]
    classes.purge()
    classes.restore(monday.id, TEACHER)
    assert [one.name for one in classes.collections()] == ["9b, Monday"]
    assert len(classes.given(monday.id)) == 1


def test_after_a_day_a_deleted_collection_is_forgotten_with_its_digits_and_writers(
    classes, monday, monkeypatch, tmp_path
):
    other = classes.create("8a", TEACHER)
    give(classes, monday, ANN)
    give(classes, monday, BEN)
    give(classes, other, BEN, token="in the other")
    classes.delete(monday.id, TEACHER)
    monkeypatch.setattr(classes_module, "UNDO_FOR", -classes_module.UNDO_FOR)
    classes.purge()
    with sqlite3.connect(tmp_path / "runs.sqlite3") as kept:
        assert kept.execute("SELECT nickname FROM writers").fetchall() == [("Ben",)]
        assert kept.execute("SELECT count(*) FROM drawings").fetchone() == (1,)
    assert len(classes.given(other.id)) == 1


def test_a_teacher_corrects_digits_and_writers_and_nobody_else_does(classes, monday):
    give(classes, monday, ANN, label=7)
    number = classes.own(monday.id, ANN)[0].number
    attempts = (
        lambda by: classes.create("mine", by),
        lambda by: classes.rename(monday.id, "mine", by),
        lambda by: classes.set_open(monday.id, by, is_open=False),
        lambda by: classes.delete(monday.id, by),
        lambda by: classes.restore(monday.id, by),
        lambda by: classes.set_hidden(number, by, is_hidden=True),
        lambda by: classes.relabel(number, 1, by),
        lambda by: classes.rename_writer(ANN.id, "Bad", by),
        lambda by: classes.remove_writer(ANN.id, by),
        lambda by: classes.announce("stroke-width", by),
        lambda by: classes.add(monday.id, digits_of([0]), ["x"], by),
    )
    before = classes.changes(monday.id)
    for attempt in attempts:
        for stranger in (ANN, Visitor()):
            with pytest.raises(NotAllowedError, match="Only a teacher can"):
                attempt(stranger)
    assert classes.changes(monday.id) == before
    classes.relabel(number, 1, TEACHER)
    with pytest.raises(StoreError, match="0 to 9"):
        classes.relabel(number, 10, TEACHER)
    assert gathered(classes.given(monday.id)).labels.tolist() == [1]
    classes.set_hidden(number, TEACHER, is_hidden=True)
    assert not classes.given(monday.id) and len(classes.given(monday.id, hidden=True)) == 1
    classes.set_hidden(number, TEACHER, is_hidden=False)
    with pytest.raises(StoreError, match="called BEN already"):
        classes.rename_writer(ANN.id, "BEN", TEACHER)
    classes.rename_writer(ANN.id, "Anna", TEACHER)
    assert classes.given(monday.id)[0].nickname == "Anna"
    classes.remove_writer(ANN.id, TEACHER)
    assert not classes.given(monday.id, hidden=True) and classes.writer(ANN) is None
    classes.announce("stroke-width", TEACHER)
    assert classes.announced() == "stroke-width"
    classes.announce(None, TEACHER)
    assert classes.announced() is None
    assert classes.changes(monday.id) > before


def digits_of(writers):
    count = len(writers)
    return Collection(
        dataset.load().test.images[:count],
        dataset.load().test.labels[:count],
        np.array(writers, np.int64),
    )


def test_digits_from_paper_get_writers_of_their_own(classes, monday):
    assert classes.add(monday.id, digits_of([0, 1, 0]), ["Ann", "Ann"], TEACHER) == 3
    given = classes.given(monday.id)
    assert [one.nickname for one in given] == ["Ann 2", "Ann 3", "Ann 2"]
    assert [one.drawing.strokes for one in given] == [None] * 3
    assert (gathered(given).images == digits_of([0, 1, 0]).images).all()
    longest = "x" * 40
    classes.add(monday.id, digits_of([0, 1]), [longest, longest], TEACHER)
    assert [one.nickname for one in classes.given(monday.id)][3:] == [longest, "x" * 38 + " 2"]
    classes.set_open(monday.id, TEACHER, is_open=False)
    with pytest.raises(NotAllowedError, match="closed"):
        classes.add(monday.id, digits_of([0]), ["Carl"], TEACHER)
    assert "Carl" not in {writer.nickname for writer, _ in classes.writers(monday.id)}


def test_each_change_that_is_seen_is_counted(classes, monday):
    counts = [classes.changes(monday.id)]
    give(classes, monday, ANN)
    number = classes.own(monday.id, ANN)[0].number
    for change in (
        lambda: None,
        lambda: classes.relabel(number, 2, TEACHER),
        lambda: classes.set_hidden(number, TEACHER, is_hidden=True),
        lambda: classes.rename_writer(ANN.id, "Anna", TEACHER),
        lambda: classes.take_back(number, ANN),
    ):
        change()
        counts.append(classes.changes(monday.id))
    assert counts == sorted(set(counts))
    with pytest.raises(StoreError, match="no collection"):
        classes.changes("nothing")
    with pytest.raises(StoreError, match="taken back in the meantime"):
        classes.relabel(number, 2, TEACHER)
