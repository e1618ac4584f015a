"""Who may change what, with a real store and a real engine."""

import pytest

from mnist_models.limits import LimitError, Limits, limits
from mnist_models.runs import rights as rights_module
from mnist_models.runs.engine import Engine
from mnist_models.runs.rights import NotAllowedError, Rights, Teachers, Visitor, visitor_id
from mnist_models.runs.tables import RunState

ANN, BEN, TEACHER = Visitor("a" * 32), Visitor("b" * 32), Visitor("c" * 32, is_teacher=True)
UNKNOWN = Visitor()


@pytest.fixture
def engine(store):
    engine = Engine(store, processes=False)
    yield engine
    engine.close()


@pytest.fixture
def of(store, engine):
    """The rights of a visitor."""
    return lambda visitor: Rights(visitor, store, lambda: engine)


def test_only_who_started_a_run_or_a_teacher_changes_it(store, of, tiny_dnn):
    run = store.create(tiny_dnn, "Ann's", ANN.id)
    store.set_state(run.id, RunState.STOPPED)
    for stranger in (BEN, UNKNOWN):
        for attempt in (
            lambda mine: mine.rename(run.id, "taken"),
            lambda mine: mine.delete([run.id]),
            lambda mine: mine.control([run.id], stop=True),
            lambda mine: mine.may_feed_by_hand(run.id),
        ):
            with pytest.raises(
                NotAllowedError, match=r"somebody else's run.* copy its settings\.$"
            ):
                attempt(of(stranger))
        assert store.run(run.id).name == "Ann's"
    of(ANN).rename(run.id, "still Ann's")
    of(TEACHER).delete([run.id])
    assert not of(BEN).deleted() and [kept.id for kept in of(ANN).deleted()] == [run.id]
    of(BEN).restore([run.id])
    assert not store.runs()
    of(ANN).restore([run.id])
    assert [kept.name for kept in store.runs()] == ["still Ann's"]


def test_of_several_runs_all_must_be_ones_own(store, of, tiny_dnn):
    mine, other = (store.create(tiny_dnn, None, visitor.id) for visitor in (ANN, BEN))
    for run in (mine, other):
        store.set_state(run.id, RunState.STOPPED)
    with pytest.raises(NotAllowedError):
        of(ANN).delete([mine.id, other.id])
    assert len(store.runs()) == 2


def test_runs_without_a_visitor_are_the_teachers(store, of, tiny_dnn):
    run = store.create(tiny_dnn)  # as the command line makes it, and as older versions did
    store.set_state(run.id, RunState.STOPPED)
    for stranger in (ANN, UNKNOWN):
        assert not stranger.owns(run)
        with pytest.raises(NotAllowedError):
            of(stranger).delete([run.id])
    assert TEACHER.owns(run)
    of(TEACHER).delete([run.id])


def test_a_teacher_alone_stops_everybody_and_deletes_stored_epochs(store, of):
    for attempt in (of(ANN).stop_all, of(ANN).delete_checkpoints):
        with pytest.raises(NotAllowedError, match="Only a teacher"):
            attempt()
    of(TEACHER).delete_checkpoints()
    of(TEACHER).stop_all()


def test_a_run_that_learns_from_too_many_images_is_refused_but_not_to_a_teacher(
    store, of, tiny_dnn, monkeypatch
):
    monkeypatch.setenv("LIMIT_IMAGES_PER_RUN", str(tiny_dnn.train_images - 1))
    for attempt in (of(ANN).start, lambda one: of(ANN).race([one, one])):
        with pytest.raises(LimitError, match=r"300 images .* 299, .*fewer epochs"):
            attempt(tiny_dnn)
    assert not store.runs()
    assert store.run(of(TEACHER).start(tiny_dnn)).visitor == TEACHER.id


def test_who_is_not_known_yet_starts_and_imports_nothing(store, of, tiny_dnn):
    for attempt in (lambda mine: mine.start(tiny_dnn), lambda mine: mine.may_import(b"x")):
        with pytest.raises(NotAllowedError, match="not said yet who you are"):
            attempt(of(UNKNOWN))
    assert not store.runs()


def test_a_visitor_waits_with_a_few_runs_only(store, engine, of, tiny_dnn, monkeypatch):
    monkeypatch.setenv("LIMIT_RUNS_WAITING", "2")
    long = tiny_dnn.model_copy(update={"epochs": 100, "train_images": 30_000})
    started: list[str] = []
    with pytest.raises(LimitError, match=r"2 of your runs are waiting already"):
        started.extend(of(ANN).start(long) for _ in range(20))
    kept = {run.id for run in store.runs()}
    assert kept == set(started) and len(started) >= 2
    started.append(of(BEN).start(tiny_dnn))  # nobody else is kept from starting
    for run_id in started:
        engine.control(run_id, stop=True)


@pytest.mark.tensorflow
def test_imports_are_bounded_in_size_and_number(store, of, tiny_dnn, trained_bytes, monkeypatch):
    monkeypatch.setenv("LIMIT_UPLOAD_MB", "1")
    with pytest.raises(LimitError, match=r"2 MB, and 1 MB are allowed"):
        of(ANN).may_import(b"x" * 2_000_000)
    monkeypatch.setenv("LIMIT_MODELS_IMPORTED", "1")
    of(ANN).may_import(b"x")
    store.add(tiny_dnn, "brought", trained_bytes, ANN.id)
    with pytest.raises(LimitError, match=r"imported 1 runs and models, and 1 can be kept.*delete"):
        of(ANN).may_import(b"x")
    of(BEN).may_import(b"x")
    of(TEACHER).may_import(b"x" * 2_000_000)


@pytest.fixture
def trained_bytes(tiny_dnn):
    from mnist_models.training.loop import train

    return train(tiny_dnn)


def test_limits_are_read_from_the_environment_and_checked(monkeypatch):
    assert limits() == Limits()
    monkeypatch.setenv("LIMIT_DRAWINGS", "7")
    assert limits().drawings == 7
    for wrong in ("many", "0", "-3", ""):
        monkeypatch.setenv("LIMIT_DRAWINGS", wrong)
        with pytest.raises(LimitError, match=r"LIMIT_DRAWINGS.* leave it out for 500"):
            limits()


def test_a_secret_cannot_be_told_from_what_is_kept_of_it():
    secret = "0123456789abcdef" * 4
    known = visitor_id(secret)
    assert known == visitor_id(secret) and len(known) == 32
    assert known not in secret and secret not in known
    assert visitor_id(secret.replace("0", "1")) != known
    for wrong in ("", "short", "G" * 64, "a" * 31, "a" * 129, secret + "\n"):
        assert visitor_id(wrong) is None


def test_the_password_makes_a_teacher_and_wrong_ones_are_counted(monkeypatch):
    teachers = Teachers()
    monkeypatch.delenv("TEACHER_PASSWORD", raising=False)
    with pytest.raises(NotAllowedError):  # where none is set, none is right
        teachers.admit(ANN.id, "", "192.0.2.1")
    monkeypatch.setenv("TEACHER_PASSWORD", "naïve 7")
    with pytest.raises(NotAllowedError, match="not the teacher's password"):
        teachers.admit(ANN.id, "naive 7", "192.0.2.1")
    assert ANN.id not in teachers
    teachers.admit(ANN.id, "naïve 7", "192.0.2.1")
    assert ANN.id in teachers and BEN.id not in teachers and None not in teachers
    with pytest.raises(NotAllowedError, match="store data"):
        teachers.admit(None, "naïve 7", "192.0.2.1")
    assert None not in teachers
    for _ in range(rights_module.ATTEMPTS):
        with pytest.raises(NotAllowedError):
            teachers.admit(BEN.id, "wrong", "192.0.2.2")
    with pytest.raises(NotAllowedError, match="wait a minute"):  # even the right one
        teachers.admit(BEN.id, "naïve 7", "192.0.2.2")
    teachers.admit(BEN.id, "naïve 7", "192.0.2.3")  # a teacher elsewhere is not kept out
    clock = rights_module.time.monotonic() + rights_module.ATTEMPTS_S + 1
    monkeypatch.setattr(rights_module.time, "monotonic", lambda: clock)
    teachers.admit(TEACHER.id, "naïve 7", "192.0.2.2")
