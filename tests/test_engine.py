"""The engine, with real processes: nothing waits for training, nothing that was learned is lost, nothing is left behind."""

import contextlib
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

from mnist_models import dataset, engine
from mnist_models.classifier import Classifier
from mnist_models.engine import PLACES, Engine
from mnist_models.hyperparameters import DnnHyperparameters
from mnist_models.runs import RunState, RunStore

ROOT = Path(__file__).parents[1]
LONG = DnnHyperparameters(hidden_units=(16,), epochs=100, train_images=50_000, validation_images=100)
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


def stop_all(trainer, *run_ids):
    for run_id in run_ids:
        trainer.stop(run_id)
    return [ended(trainer, run_id) for run_id in run_ids]


def command_of(process):
    """Its command line; empty when it has ended in the meantime."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def clusters_of_this_process():
    """The schedulers and nannies of embedded clusters."""
    return {process for process in psutil.Process().children() if "dask spec" in command_of(process)}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def dask_process(kind, *arguments):
    """A scheduler or a worker as an administrator starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, "--host", "127.0.0.1", "--no-dashboard"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
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
    """Schedulers, nannies and workers below this process; a browser and its server may be there too."""
    parts = [process for process in psutil.Process().children() if "dask" in command_of(process)]
    return parts + [worker for part in parts for worker in part.children(recursive=True)]


@pytest.fixture(scope="module")
def trainer(database):
    """One engine with its embedded cluster for all tests. Closing it ends the processes that it started."""
    before = set(cluster_processes())
    trainer = Engine(RunStore(f"sqlite:///{database}"))
    yield trainer
    ours = set(cluster_processes()) - before
    trainer.close()
    # What is left is Python's own tracker of shared resources, which serves the whole process.
    _, alive = psutil.wait_procs([process for process in ours if "resource_tracker" not in command_of(process)], timeout=30)
    assert alive == []


# Trainings --------------------------------------------------------------------------------------------------------------


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
    assert run.test_accuracy == pytest.approx(np.mean(read == dataset.load().test.labels), abs=0.001)
    assert run.epochs == 1 and run.elapsed_s > 0 and run.parameters == classifier.network.count_params()


def test_progress_arrives_while_it_runs_and_stop_keeps_what_was_learned(trainer):
    run_id = trainer.start(LONG)
    first = learning(trainer, run_id)
    assert trainer.live(run_id).state == trainer.store.run(run_id).state == RunState.RUNNING
    early = trainer.curve(run_id)
    later = until(lambda: trainer.live(run_id).latest.epoch > 2 and trainer.live(run_id).latest)
    assert later.step > first.step and later.images_per_s > 0 and later.remaining_s > 0
    assert len(trainer.curve(run_id).points) > len(early.points)  # which has stayed as it was
    assert trainer.curve(run_id).epochs[0].validation_accuracy > 0.5
    assert until(lambda: trainer.store.curve(run_id).epochs)  # already kept, should this process end
    assert not trainer.live(run_id).stopping
    trainer.stop(run_id)
    run = ended(trainer, run_id)
    assert (run.state, run.error) == (RunState.STOPPED, None)
    assert 2 < run.epochs < 100
    assert run.test_accuracy > 0.7
    assert trainer.store.curve(run_id).batches == round(run.epochs * trainer.store.curve(run_id).steps_per_epoch)
    assert Classifier.from_weights(run.hyperparameters, trainer.store.weights(run_id))


def test_whoever_comes_later_waits_in_a_queue_that_moves(trainer, tiny_dnn):
    assert PLACES == 2
    first, second = trainer.start(LONG), trainer.start(LONG)
    third, fourth, fifth = (trainer.start(tiny_dnn) for _ in range(3))
    until(lambda: [trainer.live(run_id).position for run_id in (first, second, third, fourth, fifth)] == [0, 0, 1, 2, 3])
    assert [trainer.store.run(run_id).state for run_id in (third, fourth)] == [RunState.QUEUED] * 2
    # One that waits ends at once when stopped, and the others move up.
    trainer.stop(fourth)
    gone = ended(trainer, fourth)
    assert gone.state == RunState.FAILED and gone.error == engine.STOPPED_TOO_EARLY
    until(lambda: [trainer.live(run_id).position for run_id in (third, fifth)] == [1, 2])
    learning(trainer, first), learning(trainer, second)
    trainer.stop(first)
    assert ended(trainer, third).state == ended(trainer, fifth).state == RunState.FINISHED
    trainer.stop(second)
    assert [ended(trainer, run_id).state for run_id in (first, second)] == [RunState.STOPPED] * 2


def test_stopping_before_the_first_batch_leaves_a_sentence_and_a_free_place(trainer, tiny_dnn):
    for _ in range(PLACES):
        run_id = trainer.start(LONG)
        trainer.stop(run_id)
        run = ended(trainer, run_id)
        assert run.state == RunState.FAILED and run.error == engine.STOPPED_TOO_EARLY
    assert ended(trainer, trainer.start(tiny_dnn)).state == RunState.FINISHED


def test_stopping_what_is_over_or_unknown_changes_nothing(trainer, tiny_dnn):
    run_id = trainer.start(tiny_dnn)
    ended(trainer, run_id)
    trainer.stop(run_id)
    trainer.stop("unknown")
    assert ended(trainer, trainer.start(tiny_dnn)).state == RunState.FINISHED
    assert trainer.store.run(run_id).state == RunState.FINISHED
    assert trainer.live("unknown") is None


def test_a_training_that_fails_ends_in_its_sentence(trainer):
    diverging = DnnHyperparameters(
        hidden_units=(256, 256), activation="silu", optimizer="sgd", learning_rate=1.0, schedule="constant", batch_norm=False,
        dropout=0.0, train_images=500, batch_size=50, validation_images=0, epochs=10,
    )  # fmt: skip
    run = ended(trainer, trainer.start(diverging))
    assert run.state == RunState.FAILED
    assert "learning rate of 1 is too high" in run.error and run.error.endswith(".")


def test_trainings_do_the_same_in_a_worker_as_here(trainer, tiny_dnn):
    from mnist_models.training import train

    run_id = trainer.start(tiny_dnn)
    ended(trainer, run_id)
    here = train(tiny_dnn)
    assert trainer.curve(run_id).points == here.curve.points


# What goes wrong --------------------------------------------------------------------------------------------------------


def process_that_trains(trainer, run_id):
    """The worker process that the scheduler has given this run to."""
    client = trainer._client
    address = next(address for address, keys in client.processing().items() if run_id in keys)
    process = psutil.Process(client.run(os.getpid, workers=[address])[address])
    assert process in psutil.Process().children(recursive=True)
    return process


def test_a_killed_process_fails_only_its_own_run(trainer, tiny_dnn):
    victim, other = trainer.start(LONG), trainer.start(LONG)
    learning(trainer, victim), learning(trainer, other)
    waiting = trainer.start(tiny_dnn)
    process_that_trains(trainer, victim).send_signal(signal.SIGKILL)
    run = ended(trainer, victim)
    assert run.state == RunState.FAILED and run.error == engine.WORKER_DIED
    assert trainer.store.curve(victim).batches > 0  # what it told is kept
    before = trainer.live(other).latest.step
    until(lambda: trainer.live(other).latest.step > before)
    trainer.stop(other)
    assert ended(trainer, other).state == RunState.STOPPED
    assert ended(trainer, waiting).state == RunState.FINISHED
    # The process has been replaced: two can train again.
    again = [trainer.start(LONG) for _ in range(PLACES)]
    for run_id in again:
        learning(trainer, run_id)
    assert [run.state for run in stop_all(trainer, *again)] == [RunState.STOPPED] * PLACES


@contextlib.contextmanager
def table_gone(database, name):
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.execute(f"ALTER TABLE {name} RENAME TO elsewhere")
        try:
            yield
        finally:
            connection.execute(f"ALTER TABLE elsewhere RENAME TO {name}")


def test_a_network_that_cannot_be_kept_is_a_failed_run_and_the_next_one_is_kept(trainer, database, tiny_dnn):
    with table_gone(database, "weights"):
        run = ended(trainer, trainer.start(tiny_dnn))
    assert run.state == RunState.FAILED
    assert run.error.startswith("It was trained, but could not be kept.") and "no such table: weights" in run.error
    assert ended(trainer, trainer.start(tiny_dnn)).state == RunState.FINISHED


def test_a_store_that_takes_nothing_any_more_does_not_hold_up_the_queue(trainer, database, tiny_dnn):
    runs = [trainer.start(LONG) for _ in range(PLACES)]
    for run_id in runs:
        learning(trainer, run_id)
    with table_gone(database, "runs"):
        for run_id in runs:
            trainer.stop(run_id)
        until(lambda: not any(trainer.live(run_id) for run_id in runs), 30)
    assert ended(trainer, trainer.start(tiny_dnn)).state == RunState.FINISHED


def test_an_end_is_noticed_however_much_else_there_is_to_do(trainer, tiny_dnn):
    """Many workers tell of their trainings all the time: here as many messages as fifty of them would send."""
    run_id = trainer.start(tiny_dnn)

    def is_over():
        for _ in range(10):
            trainer._post(lambda: None)
        return trainer.live(run_id) is None

    until(is_over, 20)
    assert trainer.store.run(run_id).state == RunState.FINISHED


# Processes --------------------------------------------------------------------------------------------------------------


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


# Started in any folder, as with "streamlit run /where/it/is/app.py": the cluster must find the package all the same.
OWNER = """
import sys
sys.path.insert(0, sys.argv[2])
from mnist_models.engine import Engine
from mnist_models.hyperparameters import DnnHyperparameters
from mnist_models.runs import RunStore
engine = Engine(RunStore(sys.argv[1]))
run_id = engine.start(DnnHyperparameters(epochs=100))
print("engine", flush=True)
while not engine._client:
    pass
print("cluster", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("moment", ["engine", "cluster"], ids=["while the cluster starts", "once it is there"])
def test_no_process_outlives_the_one_that_started_it_however_that_ends(tmp_path, moment):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, f"sqlite:///{tmp_path}/runs.sqlite3", str(ROOT)], cwd=tmp_path, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with owner:
        while owner.stdout.readline().strip() != moment:
            assert owner.poll() is None
        # The first to come is the scheduler; the last are the workers, which their nannies spawn.
        first, count = ("spec", 1) if moment == "engine" else ("spawn_main", PLACES)
        family = psutil.Process(owner.pid)
        until(lambda: sum(first in command_of(process) for process in family.children(recursive=True)) >= count)
        children = family.children(recursive=True)
        owner.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    left = [command_of(process) for process in alive]
    for process in alive:
        process.kill()
    assert left == []


# Other clusters ---------------------------------------------------------------------------------------------------------


def test_threads_serve_where_processes_cannot(store, tiny_dnn):
    before = clusters_of_this_process()
    trainer = Engine(store, processes=False)
    try:
        finishing, stopping = trainer.start(tiny_dnn), trainer.start(LONG)
        assert ended(trainer, finishing).state == RunState.FINISHED
        learning(trainer, stopping)
        trainer.stop(stopping)
        assert ended(trainer, stopping).state == RunState.STOPPED
        assert clusters_of_this_process() == before
    finally:
        trainer.close()


def test_an_external_cluster_trains_once_it_is_there_and_is_missed_when_it_has_gone(store, tiny_dnn, monkeypatch):
    monkeypatch.setattr(engine, "CONNECT_TIMEOUT_S", 1)
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
    before = clusters_of_this_process()
    trainer = Engine(store)
    with contextlib.ExitStack() as processes, contextlib.closing(trainer):
        # Nothing listens.
        run = ended(trainer, trainer.start(tiny_dnn))
        assert run.state == RunState.FAILED
        assert run.error.startswith(f"The Dask cluster at {address} cannot be reached") and "then start" in run.error
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
            told = [event for _, event in client.get_events(trainer._topic) if event["run_id"] == waiting]
            assert {event["worker"] for event in told} == {worker}
            assert [event["kind"] for event in told][:: len(told) - 1] == ["Started", "Measuring"]

        # One worker is one place.
        first, second = trainer.start(LONG), trainer.start(tiny_dnn)
        learning(trainer, first)
        until(lambda: trainer.live(second).position == 1)

        # The scheduler dies: the run fails, and so do those that wait or come, instead of waiting for ever.
        scheduler.kill()
        for run_id in (first, second, trainer.start(tiny_dnn)):
            run = ended(trainer, run_id, 40)
            assert run.state == RunState.FAILED and run.error.endswith(".")
