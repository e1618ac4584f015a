"""The engine, with real processes: nothing waits for training, nothing that was learned is lost,
nothing is left behind."""

import contextlib
import gc
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client

from mnist_models.data import dataset
from mnist_models.models.classifier import Classifier
from mnist_models.runs import cluster, engine
from mnist_models.runs.cluster import PLACES
from mnist_models.runs.engine import Engine
from mnist_models.runs.loading import load_classifier
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import RunState
from mnist_models.settings.hyperparameters import DnnHyperparameters
from tests.conftest import racers

ROOT = Path(__file__).parents[2]
LONG = DnnHyperparameters(
    hidden_units=(16,), epochs=100, train_images=50_000, validation_images=100
)
# Soon done with an epoch, but not with all of them.
OCCUPYING = LONG.model_copy(update={"train_images": 1_000})
# Generous, for busy machines: a test that passes waits for none of them.
PATIENCE_S = 90


def until(condition, patience_s=PATIENCE_S):
    """What the condition has become, once it is true."""
    deadline = time.monotonic() + patience_s
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{condition} never came true"
        time.sleep(0.02)
    return result


def ended(trainer, run_id, patience_s=PATIENCE_S):
    """The run, once the engine is done with it."""
    until(lambda: trainer.live(run_id) is None, patience_s)
    return trainer.store.run(run_id)


def learning(trainer, run_id):
    """What a run has told of itself, once it has told of a batch."""
    until(lambda: (live := trainer.live(run_id)) is None or live.latest)
    assert trainer.live(run_id), f"it has ended already: {trainer.store.run(run_id).state}"
    return trainer.live(run_id).latest


def standing(trainer, run_id):
    """What a run has told of itself, once it has learned something and stands still."""
    until(lambda: (live := trainer.live(run_id)).latest and live.paused_at)
    return trainer.live(run_id).latest


def occupy(trainer, run_ids):
    """Lets runs that have a place stand still after their first epoch: they keep it, and leave the
    processor to what is tested."""
    for run_id in run_ids:
        trainer.control(run_id, hold_at=1)
    for run_id in run_ids:
        standing(trainer, run_id)


def stop_all(trainer, *run_ids):
    for run_id in run_ids:
        trainer.control(run_id, stop=True)
    return [ended(trainer, run_id) for run_id in run_ids]


def command_of(process):
    """Its command line; empty when it has ended in the meantime."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def clusters_of_this_process():
    """The schedulers and nannies of embedded clusters."""
    return {
        process for process in psutil.Process().children() if "dask spec" in command_of(process)
    }


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def dask_process(kind, *arguments):
    """A scheduler or a worker as an administrator starts it."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            f"distributed.cli.dask_{kind}",
            *arguments,
            "--host",
            "127.0.0.1",
            "--no-dashboard",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    children = []
    try:
        yield process
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.terminate()
        process.wait(timeout=30)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return tmp_path_factory.mktemp("engine") / "runs.sqlite3"


def cluster_processes():
    """Schedulers, nannies and workers below this process; a browser and its server may be there
    too."""
    parts = [process for process in psutil.Process().children() if "dask" in command_of(process)]
    return parts + [worker for part in parts for worker in part.children(recursive=True)]


@pytest.fixture(scope="module")
def only_trainer(database):
    """One engine with its embedded cluster for all tests. Closing it ends the processes that it
    started."""
    before = set(cluster_processes())
    trainer = Engine(RunStore(f"sqlite:///{database}"))
    yield trainer
    ours = set(cluster_processes()) - before
    trainer.close()
    # What is left is Python's own tracker of shared resources, which serves the whole process.
    _, alive = psutil.wait_procs(
        [process for process in ours if "resource_tracker" not in command_of(process)], timeout=30
    )
    assert alive == []


@pytest.fixture
def trainer(only_trainer):
    """The one engine. A test that fails leaves its runs; they must not keep the next one
    waiting."""
    yield only_trainer
    stop_all(only_trainer, *only_trainer._jobs)


# Trainings
# ------------------------------------------------------------------------------------------


def test_a_training_ends_and_everything_is_kept(trainer, tiny_cnn):
    run_id = trainer.start(tiny_cnn, "my network")
    assert trainer.live(run_id).run_id == run_id
    assert trainer.store.run(run_id).name == "my network"
    run = ended(trainer, run_id)
    assert (run.state, run.error) == (RunState.FINISHED, None)
    curve = trainer.curve(run_id)
    assert len(curve.epochs) == 1 and len(curve.points) == curve.steps_per_epoch == 7
    classifier = Classifier.from_weights(run.hyperparameters, trainer.store.weights(run_id))
    read = classifier.probabilities(dataset.load().test.images).argmax(axis=1)
    assert run.test_accuracy == pytest.approx(
        np.mean(read == dataset.load().test.labels), abs=0.001
    )
    assert (
        run.epochs == 1
        and run.elapsed_s > 0
        and run.parameters == classifier.network.count_params()
    )


def test_progress_arrives_while_it_runs_and_stop_keeps_what_was_learned(trainer):
    run_id = trainer.start(LONG)
    first = learning(trainer, run_id)
    assert trainer.live(run_id).state == trainer.store.run(run_id).state == RunState.RUNNING
    early = trainer.curve(run_id)
    later = until(lambda: trainer.live(run_id).latest.epoch > 2 and trainer.live(run_id).latest)
    assert later.step > first.step and later.images_per_s > 0 and later.remaining_s > 0
    assert len(trainer.curve(run_id).points) > len(early.points)  # which has stayed as it was
    assert trainer.curve(run_id).epochs[0].validation_accuracy > 0.5
    assert until(
        lambda: trainer.store.curve(run_id).epochs
    )  # already kept, should this process end
    assert not trainer.live(run_id).wanted.stop
    trainer.control(run_id, stop=True)
    run = ended(trainer, run_id)
    assert (run.state, run.error) == (RunState.STOPPED, None)
    assert 2 < run.epochs < 100
    assert run.test_accuracy > 0.7
    assert trainer.store.curve(run_id).batches == round(
        run.epochs * trainer.store.curve(run_id).steps_per_epoch
    )
    assert Classifier.from_weights(run.hyperparameters, trainer.store.weights(run_id))


def test_whoever_comes_later_waits_in_a_queue_that_moves(trainer, tiny_dnn):
    assert PLACES == 2
    first, second = trainer.start(OCCUPYING), trainer.start(OCCUPYING)
    third, fourth, fifth = (trainer.start(tiny_dnn) for _ in range(3))
    until(
        lambda: (
            [trainer.live(run_id).position for run_id in (first, second, third, fourth, fifth)]
            == [0, 0, 1, 2, 3]
        )
    )
    assert [trainer.store.run(run_id).state for run_id in (third, fourth)] == [RunState.QUEUED] * 2
    # One that waits ends at once when stopped, and the others move up.
    trainer.control(fourth, stop=True)
    gone = ended(trainer, fourth)
    assert gone.state == RunState.FAILED and gone.error == engine.STOPPED_TOO_EARLY
    until(lambda: [trainer.live(run_id).position for run_id in (third, fifth)] == [1, 2])
    occupy(trainer, [first, second])
    trainer.control(first, stop=True)
    assert ended(trainer, third).state == ended(trainer, fifth).state == RunState.FINISHED
    trainer.control(second, stop=True)
    assert [ended(trainer, run_id).state for run_id in (first, second)] == [RunState.STOPPED] * 2


def test_the_queue_goes_round_among_visitors(trainer, tiny_dnn):
    occupying = [trainer.start(OCCUPYING, visitor="ann"), trainer.start(OCCUPYING, visitor="ben")]
    ann = [trainer.start(tiny_dnn, visitor="ann") for _ in range(3)]
    ben = trainer.start(tiny_dnn, visitor="ben")
    *race, carl = (
        *trainer.race([tiny_dnn] * 2, visitor="carl"),
        trainer.start(tiny_dnn, visitor="carl"),
    )
    # Carl, who trains nothing yet, comes first, with both of his race; then, of those who have a
    # place or a race ahead, one run each in the order in which they came.
    order = [race[0], race[1], ann[0], ben, carl, ann[1], ann[2]]
    until(lambda: [trainer.live(run_id).position for run_id in order] == [1, 1, 2, 3, 4, 5, 6])
    assert [trainer.waiting(name) for name in ("ann", "ben", "carl", "dora")] == [3, 1, 2, 0]
    stop_all(trainer, *order, *occupying)


def test_stopping_before_the_first_batch_leaves_a_sentence_and_a_free_place(trainer, tiny_dnn):
    for _ in range(PLACES):
        run_id = trainer.start(LONG)
        trainer.control(run_id, stop=True)
        run = ended(trainer, run_id)
        assert run.state == RunState.FAILED and run.error == engine.STOPPED_TOO_EARLY
    assert ended(trainer, trainer.start(tiny_dnn)).state == RunState.FINISHED


def test_stopping_what_is_over_or_unknown_changes_nothing(trainer, tiny_dnn):
    run_id = trainer.start(tiny_dnn)
    ended(trainer, run_id)
    trainer.control(run_id, stop=True)
    trainer.control("unknown", stop=True)
    assert ended(trainer, trainer.start(tiny_dnn)).state == RunState.FINISHED
    assert trainer.store.run(run_id).state == RunState.FINISHED
    assert trainer.live("unknown") is None


def test_a_training_that_fails_ends_in_its_sentence(trainer):
    diverging = DnnHyperparameters(
        hidden_units=(256, 256),
        activation="silu",
        optimizer="sgd",
        learning_rate=1.0,
        schedule="constant",
        batch_norm=False,
        dropout=0.0,
        train_images=500,
        batch_size=50,
        validation_images=0,
        epochs=10,
    )
    run = ended(trainer, trainer.start(diverging))
    assert run.state == RunState.FAILED
    assert "learning rate of 1 is too high" in run.error and run.error.endswith(".")


def test_trainings_do_the_same_in_a_worker_as_here(trainer, tiny_dnn):
    from mnist_models.training.loop import train

    run_id = trainer.start(tiny_dnn)
    ended(trainer, run_id)
    here = train(tiny_dnn)
    # Dask gives its workers one thread for what OpenMP does: a last bit may differ.
    told = [(point.loss, point.accuracy) for point in trainer.curve(run_id).points]
    expected = [(point.loss, point.accuracy) for point in here.curve.points]
    np.testing.assert_allclose(told, expected, rtol=1e-3)


# A pause, a step, another learning rate
# ---------------------------------------------------------------------------------


def test_a_run_pauses_goes_on_one_epoch_at_a_time_and_changes_its_learning_rate(trainer):
    run_id = trainer.start(LONG.model_copy(update={"schedule": "constant"}))
    learning(trainer, run_id)
    trainer.control(run_id, hold_at=0)
    paused = standing(trainer, run_id)
    assert (
        trainer.live(run_id).wanted.hold_at == 0 and trainer.live(run_id).state == RunState.RUNNING
    )
    # What was learned so far is kept already, should this process end during the pause.
    assert trainer.curve(run_id).batches == paused.step
    until(lambda: trainer.store.curve(run_id).batches == paused.step)

    epoch = int(paused.epoch) + 1
    for _ in range(2):
        time.sleep(0.3)
        assert trainer.live(run_id).latest == paused
        trainer.control(run_id, hold_at=epoch)
        until(lambda: trainer.live(run_id).paused_at and trainer.live(run_id).latest.epoch == epoch)  # noqa: B023
        paused, epoch = trainer.live(run_id).latest, epoch + 1
    assert [end.epoch for end in trainer.curve(run_id).epochs] == list(range(1, epoch))

    trainer.control(run_id, learning_rate=0.0005)
    assert (
        trainer.live(run_id).latest == paused
    )  # it is a change of the rate only: it still stands still
    trainer.control(run_id, hold_at=None)
    until(lambda: trainer.live(run_id).latest.step > paused.step)
    assert trainer.live(run_id).paused_at is None
    assert [paused.learning_rate, trainer.live(run_id).latest.learning_rate] == pytest.approx(
        [0.006, 0.0005]
    )
    (run,) = stop_all(trainer, run_id)
    assert run.state == RunState.STOPPED
    (change,) = trainer.store.curve(run_id).changes
    assert (change.epoch, change.learning_rate) == (paused.epoch, 0.0005)


def test_what_is_wanted_of_a_run_that_waits_is_done_when_it_has_a_place(trainer, monkeypatch):
    """And a pause that keeps it waiting ends by itself."""
    first, second = trainer.start(LONG), trainer.start(LONG)
    learning(trainer, first), learning(trainer, second)
    for run_id in (first, second):
        trainer.control(run_id, hold_at=0)
    before = [standing(trainer, run_id).step for run_id in (first, second)]
    monkeypatch.setattr(engine, "LONGEST_PAUSE_S", 0.5)
    time.sleep(0.6)  # while nobody waits, a pause lasts
    assert [trainer.live(run_id).latest.step for run_id in (first, second)] == before
    waiting = trainer.start(LONG)
    trainer.control(waiting, hold_at=1)
    trainer.control(waiting, learning_rate=0.0001)
    for run_id, step in zip((first, second), before, strict=True):
        until(lambda: trainer.live(run_id).latest.step > step)  # noqa: B023
    assert [trainer.live(run_id).wanted.hold_at for run_id in (first, second, waiting)] == [
        None,
        None,
        1,
    ]
    assert trainer.live(waiting).position == 1
    trainer.control(first, stop=True)
    latest = standing(trainer, waiting)
    assert latest.epoch == 1 and latest.learning_rate < 0.00011
    assert trainer.store.curve(waiting).changes[0].epoch == 0
    # It keeps nobody waiting: it stands still for longer than the longest pause.
    time.sleep(0.6)
    assert trainer.live(waiting).latest == latest
    assert [run.state for run in stop_all(trainer, first, second, waiting)] == [
        RunState.STOPPED
    ] * 3


def test_a_run_can_be_stopped_while_it_stands_still(trainer):
    run_id = trainer.start(LONG)
    learning(trainer, run_id)
    trainer.control(run_id, hold_at=0)
    paused = standing(trainer, run_id)
    (run,) = stop_all(trainer, run_id)
    assert run.state == RunState.STOPPED and run.epochs == pytest.approx(paused.epoch)
    assert load_classifier(trainer.store, run_id)


# Races
# ------------------------------------------------------------------------------------------


BUDGET = {"epochs": 100, "budget_images": 450, "seed": 3}


def entrants(*hyperparameters, **changed):
    return [one.model_copy(update={**BUDGET, **changed}) for one in hyperparameters]


@contextlib.contextmanager
def told_by(trainer, *, unheard=None):
    """What runs tell, as (run, kind) in the order in which the engine hears of it. It does not hear
    those of the network `unheard`, as if they were still being built."""
    told, original = [], trainer._told

    def listen(message):
        told.append((message["run_id"], message["kind"]))
        if trainer.store.run(message["run_id"]).network != unheard:
            original(message)

    trainer._told = listen
    try:
        yield told
    finally:
        del trainer._told


def test_both_runs_of_a_race_begin_to_learn_together_and_learn_from_equally_many_images(
    trainer, tiny_dnn, tiny_cnn
):
    with told_by(trainer) as told:
        race = trainer.race(entrants(tiny_dnn, tiny_cnn), "the final")
        assert [trainer.live(run_id).run_id for run_id in race] == race
        runs = [ended(trainer, run_id) for run_id in race]
    assert [run.state for run in runs] == [RunState.FINISHED] * 2
    # Neither has learned before both were ready, and each has been told to go once.
    kinds = [kind for _, kind in told]
    begun = kinds.index("Progress")
    assert sorted(run_id for run_id, kind in told[:begun] if kind == "Paused") == sorted(race)
    assert "Paused" not in kinds[begun:]
    assert [run.epochs * run.hyperparameters.train_images for run in runs] == pytest.approx(
        [450, 450]
    )
    assert [run.hyperparameters.network for run in runs] == ["dnn", "cnn"] and {
        run.name for run in runs
    } == {"the final"}
    assert [run.id for run in racers(trainer.store, runs[0].race)] == race


def test_a_race_learns_as_each_would_alone(trainer, tiny_dnn, tiny_cnn):
    alone = trainer.start(*entrants(tiny_dnn))
    race = trainer.race(entrants(tiny_dnn, tiny_cnn))
    assert [ended(trainer, run_id).state for run_id in (alone, *race)] == [RunState.FINISHED] * 3
    assert trainer.curve(race[0]).points == trainer.curve(alone).points
    assert trainer.store.run(race[0]).test_accuracy == trainer.store.run(alone).test_accuracy


def test_a_second_race_waits_as_a_whole_and_then_runs(trainer, tiny_dnn, tiny_cnn):
    first = trainer.race([OCCUPYING, OCCUPYING])
    second = trainer.race(entrants(tiny_dnn, tiny_cnn))
    alone = trainer.start(tiny_dnn)
    everybody = [*first, *second, alone]
    until(lambda: [trainer.live(run_id).position for run_id in everybody] == [0, 0, 1, 1, 2])
    occupy(trainer, first)
    # With one place free the second race still waits, and nobody overtakes it.
    stop_all(trainer, first[0])
    time.sleep(0.5)
    assert [trainer.live(run_id).position for run_id in (*second, alone)] == [1, 1, 2]
    assert [trainer.store.run(run_id).state for run_id in (*second, alone)] == [RunState.QUEUED] * 3
    stop_all(trainer, first[1])
    assert [ended(trainer, run_id).state for run_id in (*second, alone)] == [RunState.FINISHED] * 3
    assert [trainer.store.run(run_id).state for run_id in first] == [RunState.STOPPED] * 2


def test_one_of_a_race_that_is_stopped_in_the_queue_leaves_the_other_to_run_alone(
    trainer, tiny_dnn, tiny_cnn
):
    busy = [trainer.start(OCCUPYING) for _ in range(PLACES)]
    gone, left = trainer.race(entrants(tiny_dnn, tiny_cnn))
    trainer.control(gone, stop=True)
    assert ended(trainer, gone).error == engine.STOPPED_TOO_EARLY
    until(lambda: trainer.live(left).position == 1)
    occupy(trainer, busy)
    stop_all(trainer, *busy)
    assert ended(trainer, left).state == RunState.FINISHED


def test_one_of_a_race_that_is_stopped_before_the_start_lets_the_other_go(
    trainer, tiny_dnn, tiny_cnn
):
    with told_by(trainer, unheard="cnn") as told:
        late, waiting = trainer.race(entrants(tiny_cnn, tiny_dnn))
        until(lambda: trainer.live(waiting).paused_at)
        # What a person wants of it meanwhile does not let it start before the other, but is done
        # afterwards.
        trainer.control(waiting, hold_at=None)
        trainer.control(waiting, hold_at=1)
        time.sleep(0.5)
        assert trainer.live(waiting).latest is None
        assert (waiting, "Progress") not in told
        trainer.control(late, stop=True)
        assert ended(trainer, late).error == engine.STOPPED_TOO_EARLY
        until(lambda: trainer.live(waiting).latest and trainer.live(waiting).paused_at)
        assert trainer.live(waiting).latest.epoch == 1
        trainer.control(waiting, hold_at=None)
        assert ended(trainer, waiting).state == RunState.FINISHED
    assert (late, "Progress") not in told


def test_a_race_whose_other_run_never_comes_to_the_start_begins_without_it(
    trainer, tiny_dnn, tiny_cnn, monkeypatch
):
    monkeypatch.setattr(engine, "LONGEST_PAUSE_S", 0.5)
    with told_by(trainer, unheard="cnn"):
        late, waiting = trainer.race(entrants(tiny_cnn, tiny_dnn))
        assert [ended(trainer, run_id, 30).state for run_id in (waiting, late)] == [
            RunState.FINISHED
        ] * 2


def test_more_runs_than_places_race_one_after_the_other(trainer, tiny_dnn):
    race = trainer.race(entrants(*[tiny_dnn] * (PLACES + 1)))
    assert [ended(trainer, run_id).state for run_id in race] == [RunState.FINISHED] * (PLACES + 1)


# What goes wrong
# ------------------------------------------------------------------------------------------


def process_that_trains(trainer, run_id):
    """The worker process that the scheduler has given this run to."""
    client = trainer._cluster.client
    address = next(address for address, keys in client.processing().items() if run_id in keys)
    process = psutil.Process(client.run(os.getpid, workers=[address])[address])
    assert process in psutil.Process().children(recursive=True)
    return process


@pytest.fixture
def _nothing_collected():
    """What is let go of by chance only, when Python looks for cycles, is not let go of."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_nothing_collected")
def test_a_killed_process_fails_only_its_own_run_and_is_replaced(trainer, tiny_dnn):
    victim, other = trainer.race([LONG] * PLACES)
    waiting = trainer.start(tiny_dnn)
    trainer.control(other, hold_at=1)
    learning(trainer, victim)
    paused = standing(trainer, other)
    process_that_trains(trainer, victim).send_signal(signal.SIGKILL)
    run = ended(trainer, victim)
    assert run.state == RunState.FAILED and run.error == engine.WORKER_DIED
    assert trainer.store.curve(victim).batches > 0  # what it told is kept
    assert trainer.live(other).latest == paused
    trainer.control(other, hold_at=None)
    until(lambda: trainer.live(other).latest.step > paused.step)
    assert stop_all(trainer, other)[0].state == RunState.STOPPED
    assert ended(trainer, waiting).state == RunState.FINISHED
    # Nothing is left for the cluster to do again when the next process dies.
    until(
        lambda: (
            not trainer._cluster.client.run_on_scheduler(
                lambda dask_scheduler: list(dask_scheduler.tasks)
            )
        ),
        10,
    )
    # The process is being replaced: a race waits for it, so that each run has one of its own.
    with told_by(trainer) as told:
        race = trainer.race(entrants(tiny_dnn, tiny_dnn))
        assert [ended(trainer, run_id).state for run_id in race] == [RunState.FINISHED] * PLACES
    begun = [kind for _, kind in told].index("Progress")
    assert sorted(run_id for run_id, kind in told[:begun] if kind == "Paused") == sorted(race)


@contextlib.contextmanager
def table_gone(database, name):
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.execute(f"ALTER TABLE {name} RENAME TO elsewhere")
        try:
            yield
        finally:
            connection.execute(f"ALTER TABLE elsewhere RENAME TO {name}")


def test_a_network_that_cannot_be_kept_is_held_until_the_store_works_again(
    trainer, database, tiny_dnn
):
    run_id = trainer.start(tiny_dnn)
    with table_gone(database, "weights"):
        until(lambda: trainer.live(run_id).unkept)
        live = trainer.live(run_id)
        assert "no such table: weights" in live.unkept and live.unkept.endswith(".")
        assert live.state == RunState.MEASURING
        assert trainer.store.run(run_id).in_progress and not trainer.store.run(run_id).readable
        # It has given its place back, and others are not held up.
        others = [trainer.start(OCCUPYING) for _ in range(PLACES)]
        occupy(trainer, others)
    run = ended(trainer, run_id, 20)
    assert (run.state, run.error) == (RunState.FINISHED, None)
    assert load_classifier(trainer.store, run_id)
    assert len(trainer.store.curve(run_id).epochs) == 1
    assert [run.state for run in stop_all(trainer, *others)] == [RunState.STOPPED] * PLACES


def test_a_store_that_takes_nothing_any_more_does_not_hold_up_the_queue(
    trainer, database, tiny_dnn
):
    runs = [trainer.start(OCCUPYING) for _ in range(PLACES)]
    occupy(trainer, runs)
    next_one = trainer.start(LONG)
    with table_gone(database, "runs"):
        for run_id in runs:
            trainer.control(run_id, stop=True)
        until(lambda: all(trainer.live(run_id).unkept for run_id in runs), 30)
        learning(trainer, next_one)
    assert [ended(trainer, run_id, 20).state for run_id in runs] == [RunState.STOPPED] * PLACES
    assert stop_all(trainer, next_one)[0].state == RunState.STOPPED
    assert ended(trainer, trainer.start(tiny_dnn)).state == RunState.FINISHED


def test_an_end_is_noticed_however_much_else_there_is_to_do(trainer, tiny_dnn):
    """Many workers tell of their trainings all the time: here as many messages as fifty of them
    would send."""
    run_id = trainer.start(tiny_dnn)

    def is_over():
        for _ in range(10):
            trainer._post(lambda: None)
        return trainer.live(run_id) is None

    until(is_over, 20)
    assert trainer.store.run(run_id).state == RunState.FINISHED


# Processes
# ------------------------------------------------------------------------------------------


def test_the_cluster_listens_to_this_machine_only(trainer, tiny_dnn):
    ended(trainer, trainer.start(tiny_dnn))
    listening = [
        connection.laddr.ip
        for process in cluster_processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 1 + 2 * PLACES  # the scheduler, and each worker with its nanny
    assert set(listening) <= {"127.0.0.1", "::1"}


def test_trainings_leave_the_processor_to_the_web_server(trainer):
    run_id = trainer.start(LONG)
    learning(trainer, run_id)
    assert process_that_trains(trainer, run_id).nice() > psutil.Process().nice()
    stop_all(trainer, run_id)


# Started in any folder, as with "streamlit run /where/it/is/app.py": the cluster must find the
# package all the same.
OWNER = """
import sys
sys.path.insert(0, sys.argv[2])
from mnist_models.runs.engine import Engine
from mnist_models.settings.hyperparameters import DnnHyperparameters
from mnist_models.runs.store import RunStore
engine = Engine(RunStore(sys.argv[1]))
run_id = engine.start(DnnHyperparameters(epochs=100))
print("engine", flush=True)
while not engine._cluster:
    pass
print("cluster", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "moment", ["engine", "cluster"], ids=["while the cluster starts", "once it is there"]
)
def test_no_process_outlives_the_one_that_started_it_however_that_ends(tmp_path, moment):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, f"sqlite:///{tmp_path}/runs.sqlite3", str(ROOT)],
        cwd=tmp_path,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with owner:
        while owner.stdout.readline().strip() != moment:
            assert owner.poll() is None
        # The first to come is the scheduler; the last are the workers, which their nannies spawn.
        first, count = ("spec", 1) if moment == "engine" else ("spawn_main", PLACES)
        family = psutil.Process(owner.pid)
        until(
            lambda: (
                sum(first in command_of(process) for process in family.children(recursive=True))
                >= count
            )
        )
        children = family.children(recursive=True)
        owner.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    left = [command_of(process) for process in alive]
    for process in alive:
        process.kill()
    assert left == []


# Other clusters
# ------------------------------------------------------------------------------------------


def test_threads_serve_where_processes_cannot(store, tiny_dnn):
    before = clusters_of_this_process()
    trainer = Engine(store, processes=False)
    try:
        finishing, stopping = trainer.start(tiny_dnn), trainer.start(LONG)
        assert ended(trainer, finishing).state == RunState.FINISHED
        learning(trainer, stopping)
        trainer.control(stopping, stop=True)
        assert ended(trainer, stopping).state == RunState.STOPPED
        assert clusters_of_this_process() == before
    finally:
        trainer.close()


def test_an_external_cluster_trains_once_it_is_there_and_is_missed_when_it_has_gone(
    store, tiny_dnn, monkeypatch
):
    for module in (engine, cluster):
        monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 1)
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
    before = clusters_of_this_process()
    trainer = Engine(store)
    with contextlib.ExitStack() as processes, contextlib.closing(trainer):
        # Nothing listens.
        run = ended(trainer, trainer.start(tiny_dnn))
        assert run.state == RunState.FAILED
        assert (
            run.error.startswith(f"The Dask cluster at {address} cannot be reached")
            and "then start" in run.error
        )
        assert clusters_of_this_process() == before  # nor was one embedded instead

        # A scheduler, but no worker yet: the run waits for one.
        scheduler = processes.enter_context(dask_process("scheduler", "--port", str(port)))
        with Client(address, timeout=PATIENCE_S, set_as_default=False) as client:
            waiting = trainer.start(tiny_dnn)
            until(lambda: trainer.live(waiting).position == 1)
            processes.enter_context(dask_process("worker", address, "--nthreads", "1"))
            client.wait_for_workers(1, timeout=PATIENCE_S)
            assert ended(trainer, waiting, 40).state == RunState.FINISHED

            # It happened there: the scheduler has heard that worker tell of this run.
            (worker,) = client.scheduler_info()["workers"]
            told = [
                event
                for _, event in client.get_events(trainer._topic)
                if event["run_id"] == waiting
            ]
            assert {event["worker"] for event in told} == {worker}
            assert [event["kind"] for event in told][:: len(told) - 1] == ["Started", "Measuring"]

        # One worker is one place. Two that should start together would wait for each other there
        # for ever.
        race = trainer.race(entrants(tiny_dnn, tiny_dnn))
        assert [ended(trainer, run_id, 40).state for run_id in race] == [RunState.FINISHED] * 2
        first, second = trainer.start(LONG), trainer.start(tiny_dnn)
        learning(trainer, first)
        until(lambda: trainer.live(second).position == 1)

        # The scheduler dies: the run fails, and so do those that wait or come, instead of waiting
        # for ever.
        scheduler.kill()
        for run_id in (first, second, trainer.start(tiny_dnn)):
            run = ended(trainer, run_id, 40)
            assert run.state == RunState.FAILED and run.error.endswith(".")
