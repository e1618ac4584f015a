"""What a class plays, in a real database: points only for what others recognise."""

import pytest

from mnist_models.data import dataset
from mnist_models.limits import LimitError
from mnist_models.runs.classes import Classes
from mnist_models.runs.games import JURY, Games, standings
from mnist_models.runs.rights import NotAllowedError, Visitor

ANN, BEN, CARL, DORA = (Visitor(letter * 32) for letter in "abcd")
TEACHER = Visitor("e" * 32, is_teacher=True)
IMAGE = dataset.load().test.images[0]
READ = {"dnn": 1, "cnn": 7}


@pytest.fixture
def classes(store):
    return Classes(store.database)


@pytest.fixture
def games(store):
    return Games(store.database)


@pytest.fixture
def monday(classes):
    for name, visitor in (("Ann", ANN), ("Ben", BEN), ("Carl", CARL), ("Dora", DORA)):
        classes.join(name, visitor)
    return classes.create("9b, Monday", TEACHER).id


def hand_in(games, collection, by=ANN, token="one", read=READ):
    games.hand_in(collection, token, 7, read, IMAGE, "0k1c1c", by)


def test_a_point_is_given_when_the_whole_jury_sees_the_digit_that_was_meant(games, monday):
    hand_in(games, monday)
    hand_in(games, monday)  # sent twice
    (judged,) = games.judged(monday)
    assert (judged.attempt.fooled, judged.attempt.read, judged.votes) == ("dnn", 1, [])
    number = judged.attempt.number
    assert games.for_jury(monday, ANN) is None  # not on her own
    games.vote(number, 7, ANN)
    assert games.for_jury(monday, BEN).number == number
    games.vote(number, 7, BEN)
    games.vote(number, 7, BEN)  # once each
    assert games.for_jury(monday, BEN) is None
    assert not games.judged(monday)[0].is_decided
    assert standings(games.judged(monday)) == [("Ann", 0, 1)]
    games.vote(number, 7, CARL)
    assert JURY == 2 and games.judged(monday)[0].is_accepted
    assert games.for_jury(monday, DORA) is None  # it is decided
    games.vote(number, 1, DORA)
    assert games.judged(monday)[0].is_accepted
    assert standings(games.judged(monday)) == [("Ann", 1, 0)]


@pytest.mark.parametrize("second", [1, None])
def test_no_point_where_one_of_the_jury_sees_something_else(games, monday, second):
    hand_in(games, monday)
    number = games.judged(monday)[0].attempt.number
    games.vote(number, 7, BEN)
    games.vote(number, second, CARL)
    (judged,) = games.judged(monday)
    assert judged.is_decided and not judged.is_accepted
    assert standings([judged]) == [("Ann", 0, 0)]


def test_what_fools_both_or_none_or_comes_from_nobody_is_not_taken(
    games, classes, monday, monkeypatch
):
    for read in ({"dnn": 7, "cnn": 7}, {"dnn": 1, "cnn": 9}):
        with pytest.raises(NotAllowedError, match="One model has to be fooled"):
            hand_in(games, monday, read=read)
    for stranger in (Visitor(), Visitor("f" * 32)):
        with pytest.raises(NotAllowedError, match="nickname first"):
            hand_in(games, monday, stranger)
        with pytest.raises(NotAllowedError, match="nickname first"):
            games.vote(1, 7, stranger)
        with pytest.raises(NotAllowedError, match="nickname first"):
            games.keep_score(monday, {"you": 1, "dnn": 1, "cnn": 1}, stranger)
    monkeypatch.setenv("LIMIT_DRAWINGS", "1")
    hand_in(games, monday, token="first")
    with pytest.raises(LimitError, match="handed in 1"):
        hand_in(games, monday, token="second")
    classes.set_open(monday, TEACHER, is_open=False)
    with pytest.raises(NotAllowedError, match="closed"):
        hand_in(games, monday, BEN, token="late")
    assert len(games.judged(monday)) == 1


def test_the_best_round_of_each_is_kept(games, monday):
    games.keep_score(monday, {"you": 6, "dnn": 4, "cnn": 5}, ANN)
    games.keep_score(monday, {"you": 8, "dnn": 3, "cnn": 6}, ANN)
    games.keep_score(monday, {"you": 7, "dnn": 9, "cnn": 9}, ANN)
    games.keep_score(monday, {"you": 9, "dnn": 2, "cnn": 2}, BEN)
    found = [(name, one.right, one.dnn, one.cnn) for name, one in games.scores(monday)]
    assert found == [("Ben", 9, 2, 2), ("Ann", 8, 3, 6)]


def test_who_is_removed_leaves_nothing_in_the_games_either(games, classes, monday):
    hand_in(games, monday)
    hand_in(games, monday, BEN, token="other")
    for judged in games.judged(monday):
        games.vote(judged.attempt.number, 7, CARL)
    games.vote(games.judged(monday)[1].attempt.number, 7, ANN)
    games.keep_score(monday, {"you": 6, "dnn": 4, "cnn": 5}, ANN)
    classes.remove_writer(ANN.id, TEACHER)
    (left,) = games.judged(monday)
    assert left.nickname == "Ben" and left.votes == [7]  # Carl's; Ann's is gone
    assert not games.scores(monday)
