"""The store of runs: everything comes back as it was, all of it or nothing, whoever else is writing."""

import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect

from mnist_models import pretrained, runs
from mnist_models.hyperparameters import NETWORKS
from mnist_models.progress import Curve, EpochEnd, Progress, Trained
from mnist_models.runs import IN_PROGRESS, READABLE, Run, RunState, RunStore, StoreError, UnknownRunError

ROOT = Path(__file__).parents[1]


def curve_of(hyperparameters):
    curve = Curve.empty(hyperparameters)
    curve.add(
        Progress(step=2, epoch=0.2, losses=(2.5, 2.25), accuracies=(0.1, 0.2), images_per_s=1, elapsed_s=1, remaining_s=None)
    )
    curve.add(EpochEnd(epoch=1, loss=2.0, accuracy=0.3, validation_loss=None, validation_accuracy=None, elapsed_s=2))
    return curve


@pytest.fixture
def trained(tiny_dnn):
    return Trained(
        weights=bytes(range(256)) * 100, parameters=12_730, curve=curve_of(tiny_dnn), stopped=False, epochs=1.0, elapsed_s=0.75,
        test_loss=0.5, test_accuracy=0.875,
    )  # fmt: skip


def stopped(trained):
    return Trained(**{**vars(trained), "stopped": True, "epochs": 0.4})


def columns(run):
    return {column.key: getattr(run, column.key) for column in inspect(Run).column_attrs}


def in_another_process(code, store, *, wait=True):
    """Runs code that finds the store under `store` and the tiny hyperparameters under `hp`."""
    prepared = (
        "import sys\nfrom mnist_models.runs import *\nfrom mnist_models.hyperparameters import *\n"
        f"store = RunStore({store._url!r})\nhp = DnnHyperparameters(epochs=1)\n{code}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", prepared],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if not wait:
        return process
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return out


# What is kept -----------------------------------------------------------------------------------------------------------


def test_a_new_run_waits_and_is_found_by_whoever_looks(store, tiny_dnn):
    run = store.create(tiny_dnn, "my first")
    assert (run.state, run.name, run.network) == (RunState.QUEUED, "my first", "dnn")
    assert run.in_progress and not run.readable
    found = RunStore().run(run.id)
    assert columns(found) == columns(run)
    assert found.hyperparameters == tiny_dnn
    assert (found.error, found.parameters, found.epochs, found.test_accuracy) == (None, None, None, None)


def test_a_run_knows_when_it_was_created_and_in_which_time_zone(store, tiny_dnn):
    run = store.create(tiny_dnn)
    (listed,) = RunStore().runs()
    for found in (run, RunStore().run(run.id), listed):
        assert found.created_at.utcoffset() == timedelta(0)
        assert timedelta(0) <= datetime.now(UTC) - found.created_at < timedelta(minutes=1)
    # So that it can be sorted together with the networks that ship.
    assert max([*RunStore().readable("dnn"), listed], key=lambda run: run.created_at).id == run.id


def test_runs_of_one_name_have_different_labels(store, tiny_dnn, tiny_cnn):
    runs = [
        store.create(tiny_dnn),
        store.create(tiny_dnn),
        store.create(tiny_cnn),
        *(store.create(tiny_cnn, "mine") for _ in "ab"),
    ]
    assert [run.name for run in runs] == ["DNN", "DNN", "CNN", "mine", "mine"]
    assert len({run.label for run in runs}) == len(runs)
    assert all(run.label.startswith(run.name) for run in runs)
    assert store.run("shipped-dnn").label == store.run("shipped-dnn").name


def test_a_finished_run_keeps_all_that_it_leaves_behind(store, tiny_dnn, trained):
    run = store.create(tiny_dnn)
    store.set_state(run.id, RunState.RUNNING)
    assert RunStore().run(run.id).state == RunState.RUNNING
    store.finish(run.id, trained)
    other = RunStore()
    found = other.run(run.id)
    assert found.state == RunState.FINISHED and found.readable and not found.in_progress
    for name in ("parameters", "epochs", "elapsed_s", "test_loss", "test_accuracy"):
        assert getattr(found, name) == getattr(trained, name)
    assert other.weights(run.id) == trained.weights
    assert other.curve(run.id).model_dump() == trained.curve.model_dump()
    assert columns(found) == columns(store.run(run.id))


def test_a_stopped_run_can_be_read_with(store, tiny_dnn, trained):
    run = store.create(tiny_dnn)
    store.finish(run.id, stopped(trained))
    assert store.run(run.id).state == RunState.STOPPED and store.run(run.id).readable
    assert store.weights(run.id) == trained.weights
    assert store.run(run.id).epochs == 0.4


def test_a_failed_run_keeps_its_sentence_and_its_curve(store, tiny_dnn):
    run = store.create(tiny_dnn)
    store.save_curve(run.id, curve_of(tiny_dnn))
    store.set_state(run.id, RunState.FAILED, "It was too hot.")
    found = RunStore().run(run.id)
    assert (found.state, found.error) == (RunState.FAILED, "It was too hot.")
    assert not found.readable and not found.in_progress
    assert len(store.curve(run.id).points) == 2
    with pytest.raises(StoreError, match=r"is failed and has no weights; choose .*\.$"):
        store.weights(run.id)


def test_a_curve_can_be_saved_again_and_again(store, tiny_dnn):
    run = store.create(tiny_dnn)
    assert store.curve(run.id) == Curve.empty(tiny_dnn)
    store.save_curve(run.id, Curve.empty(tiny_dnn))
    store.save_curve(run.id, curve_of(tiny_dnn))
    assert RunStore().curve(run.id).model_dump() == curve_of(tiny_dnn).model_dump()


def test_runs_are_listed_the_newest_first_and_readable_ones_after_what_ships(store, tiny_dnn, tiny_cnn, trained):
    first, second, foreign, waiting = (
        store.create(hyperparameters) for hyperparameters in (tiny_dnn, tiny_dnn, tiny_cnn, tiny_dnn)
    )
    for run in (first, second, foreign):
        store.finish(run.id, trained if run is first else stopped(trained))
    assert [run.id for run in store.runs()] == [waiting.id, foreign.id, second.id, first.id]
    assert [run.id for run in store.readable("dnn")] == ["shipped-dnn", second.id, first.id]
    assert [run.id for run in store.readable("cnn")] == ["shipped-cnn", foreign.id]


def test_every_state_is_in_progress_readable_or_over():
    over = {RunState.FAILED, RunState.INTERRUPTED}
    assert set(IN_PROGRESS) | set(READABLE) | over == set(RunState)
    assert len(IN_PROGRESS) + len(READABLE) + len(over) == len(RunState)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_that_ships_is_a_finished_run_like_any_other(store, network):
    run = store.run(pretrained.PREFIX + network)
    assert run.state == RunState.FINISHED and run.readable and run.hyperparameters.network == network
    assert store.weights(run.id) == pretrained.weights(run.id)
    assert store.curve(run.id) == pretrained.curve(run.id)
    assert 0.9 < run.test_accuracy < 1


# What goes wrong --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run_id", ["nothing", "", "shipped-mlp", "'; DROP TABLE runs; --"])
def test_an_unknown_run_is_a_sentence(store, tiny_dnn, trained, run_id):
    for ask in (store.run, store.curve, store.weights):
        with pytest.raises(UnknownRunError, match=r"There is no run .*\.$"):
            ask(run_id)
    with pytest.raises(UnknownRunError):
        store.set_state(run_id, RunState.RUNNING)
    with pytest.raises(UnknownRunError):
        store.finish(run_id, trained)
    with pytest.raises(StoreError):
        store.save_curve(run_id, Curve.empty(tiny_dnn))
    assert store.runs() == []


def test_a_failing_finish_leaves_nothing_half_written(store, tiny_dnn, trained, tmp_path):
    run = store.create(tiny_dnn)
    store.set_state(run.id, RunState.RUNNING)
    store.save_curve(run.id, Curve.empty(tiny_dnn))
    with closing(sqlite3.connect(tmp_path / "runs.sqlite3")) as database:
        database.execute("ALTER TABLE weights RENAME TO elsewhere")
        with pytest.raises(StoreError, match="weights"):
            store.finish(run.id, trained)
        found = RunStore().run(run.id)
        assert (found.state, found.parameters, found.test_accuracy) == (RunState.RUNNING, None, None)
        assert RunStore().curve(run.id) == Curve.empty(tiny_dnn)
        database.execute("DROP TABLE weights")  # the other store made a new one
        database.execute("ALTER TABLE elsewhere RENAME TO weights")
    store.finish(run.id, trained)
    assert store.run(run.id).state == RunState.FINISHED


BROKEN = {
    "below a file": "sqlite:///{}/file/runs.sqlite3",
    "deeper below a file": "sqlite:///{}/file/further/down/runs.sqlite3",
    "damaged": "sqlite:///{}/damaged.sqlite3",
    "a folder": "sqlite:///{}/folder.sqlite3",
    "no address": "runs please",
    "an unknown database": "papyrus://somewhere/runs",
    "a driver that is not installed": "mssql+pymssql://somebody@127.0.0.1/runs",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_store_that_cannot_be_used_is_a_sentence_and_the_shipped_networks_are_still_there(tmp_path, tiny_dnn, how):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "damaged.sqlite3").write_bytes(b"no database at all " * 1_000)
    (tmp_path / "folder.sqlite3").mkdir()
    store = RunStore(BROKEN[how].format(tmp_path))
    for attempt in (lambda: store.create(tiny_dnn), store.runs, lambda: store.run("abc"), store.interrupt_orphans):
        with pytest.raises(StoreError, match=r"^The store of runs at .* cannot be used .*DATABASE_URL.*\.$"):
            attempt()
    for network in NETWORKS:
        run = store.run(pretrained.PREFIX + network)
        assert run.readable and store.weights(run.id) and store.curve(run.id).points


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://somebody:hunter2@127.0.0.1:1/runs",
        "mssql+pymssql://somebody:hunter2@127.0.0.1:1/runs",
        "postgresql//somebody:hunter2@127.0.0.1/runs",
        "papyrus://somebody:hunter2@127.0.0.1/runs",
        "mysql://somebody:hunter2@[/runs",
    ],
)
def test_a_password_never_appears_in_an_error(url):
    with pytest.raises(StoreError) as caught:
        RunStore(url).runs()
    assert "hunter2" not in str(caught.value)


def test_the_store_is_where_database_url_says_and_else_in_the_folder_saved(tmp_path, monkeypatch, tiny_dnn):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/a/b/runs.sqlite3")
    RunStore().create(tiny_dnn)
    assert (tmp_path / "a" / "b" / "runs.sqlite3").stat().st_size > 0
    monkeypatch.delenv("DATABASE_URL")
    assert RunStore()._url == f"sqlite:///{ROOT}/saved/runs.sqlite3"


# Several at once --------------------------------------------------------------------------------------------------------


def test_runs_of_a_process_that_has_ended_are_interrupted_and_those_of_a_living_one_go_on(store, tiny_dnn, trained):
    orphans = in_another_process(
        "ids = [store.create(hp).id for _ in range(3)]\n"
        "store.set_state(ids[1], RunState.RUNNING)\nstore.set_state(ids[2], RunState.FAILED, 'Too hot.')\nprint(*ids)",
        store,
    ).split()
    living = in_another_process("print(store.create(hp).id, flush=True)\nsys.stdin.read()", store, wait=False)
    try:
        other = living.stdout.readline().strip()
        own = store.create(tiny_dnn)
        done = store.create(tiny_dnn)
        store.finish(done.id, trained)
        store.interrupt_orphans()
        states = [store.run(run_id).state for run_id in (*orphans, other, own.id, done.id)]
    finally:
        living.communicate("")
    assert states == ["interrupted", "interrupted", "failed", "queued", "queued", "finished"]
    store.interrupt_orphans()
    assert store.run(other).state == RunState.INTERRUPTED and store.run(own.id).state == RunState.QUEUED


def test_a_process_that_has_the_number_of_an_ended_one_is_not_mistaken_for_it():
    host, pid, created = runs._this_process().rsplit(" ", 2)
    assert int(pid) == os.getpid()
    for one_machine in (False, True):
        assert not runs._is_gone(f"{host} {pid} {created}", one_machine)
        assert not runs._is_gone(f"{host} {pid} {float(created) + 1}", one_machine)  # somebody set the clock
        assert runs._is_gone(f"{host} {pid} {float(created) - 1000}", one_machine)
    elsewhere = f"another-machine {pid} {created}"
    assert not runs._is_gone(elsewhere, one_machine=False)
    assert runs._is_gone(elsewhere, one_machine=True)  # a file of this machine, which had another name then


def test_threads_that_come_first_at_the_same_moment_share_a_new_store(store, tiny_dnn, trained):
    at_once = threading.Barrier(8)

    def work(own):
        at_once.wait()
        run = own.create(tiny_dnn)
        for state in (RunState.RUNNING, RunState.MEASURING):
            own.set_state(run.id, state)
            own.save_curve(run.id, trained.curve)
        own.finish(run.id, trained)
        return run.id

    with ThreadPoolExecutor(8) as threads:  # four share one, four have their own
        ids = list(threads.map(work, [store] * 4 + [RunStore() for _ in range(4)]))
    assert len(set(ids)) == 8
    assert {run.id for run in store.runs()} == set(ids)
    assert all(run.state == RunState.FINISHED for run in store.runs())


def test_processes_that_come_first_at_the_same_moment_share_a_new_store(store):
    code = """
from mnist_models.progress import Curve, Trained
trained = Trained(b"w" * 50_000, 1, Curve.empty(hp), False, 1.0, 1.0, 1.0, 0.5)
sys.stdin.readline()
for _ in range(15):
    run = store.create(hp)
    store.set_state(run.id, RunState.RUNNING)
    store.finish(run.id, trained)
    store.runs()
"""
    processes = [in_another_process(code, store, wait=False) for _ in range(3)]
    for process in processes:
        process.stdin.write("now\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(errors)
    assert [run.state for run in store.runs()] == [RunState.FINISHED] * 45
