"""The store of runs: everything comes back as it was, all of it or nothing, whoever else is
writing."""

import itertools
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, inspect

from mnist_models.data import dataset
from mnist_models.models.predictions import Predictions
from mnist_models.runs import database, pretrained
from mnist_models.runs import store as store_module
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import (
    IN_PROGRESS,
    READABLE,
    Run,
    RunState,
    StoreError,
    UnknownRunError,
)
from mnist_models.settings.hyperparameters import NETWORKS
from mnist_models.training.checkpoints import Checkpoint
from mnist_models.training.progress import Curve, EpochEnd, Progress, Trained
from tests.conftest import racers

ROOT = Path(__file__).parents[2]
READINGS = Predictions.of(np.float16([[0.75, 0.25, *[0] * 8], [0] * 9 + [1]]))
# Those that ship.
DNNS, CNNS = (
    [pretrained.ids(pair)[network] for pair in pretrained.PAIRS] for network in ("dnn", "cnn")
)


def curve_of(hyperparameters):
    curve = Curve.empty(hyperparameters)
    told = {"learning_rate": 0.01, "images_per_s": 1, "elapsed_s": 1, "remaining_s": None}
    curve.add(Progress(step=2, epoch=0.2, losses=(2.5, 2.25), accuracies=(0.1, 0.2), **told))
    curve.add(
        EpochEnd(
            epoch=1,
            loss=2.0,
            accuracy=0.3,
            validation_loss=None,
            validation_accuracy=None,
            elapsed_s=2,
        )
    )
    return curve


@pytest.fixture
def trained(tiny_dnn):
    return Trained(
        weights=bytes(range(256)) * 100,
        predictions=READINGS,
        parameters=12_730,
        curve=curve_of(tiny_dnn),
        stopped=False,
        epochs=1.0,
        elapsed_s=0.75,
        temperature=0.9,
        confidence_threshold=0.6,
        test_loss=0.5,
        test_accuracy=0.875,
        checkpoints=(Checkpoint(0.25, b"early"), Checkpoint(0.5, b"later")),
    )


def stopped(trained):
    return Trained(**{**vars(trained), "stopped": True, "epochs": 0.4})


def columns(run):
    return {column.key: getattr(run, column.key) for column in inspect(Run).column_attrs}


def in_another_process(code, store, *, wait=True):
    """Runs code that finds the store under `store` and the tiny hyperparameters under `hp`."""
    prepared = (
        "import sys\nfrom mnist_models.runs.tables import RunState\nfrom mnist_models.runs.store "
        "import RunStore\n"
        "from mnist_models.settings.hyperparameters import *\n"
        f"store = RunStore({store.database.url!r})\nhp = DnnHyperparameters(epochs=1)\n{code}"
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


# What is kept
# ------------------------------------------------------------------------------------------


def test_a_new_run_waits_and_is_found_by_whoever_looks(store, tiny_dnn):
    run = store.create(tiny_dnn, "my first")
    assert (run.state, run.name, run.network) == (RunState.QUEUED, "my first", "dnn")
    assert run.in_progress and not run.readable
    found = RunStore().run(run.id)
    assert columns(found) == columns(run)
    assert found.hyperparameters == tiny_dnn
    assert (found.error, found.parameters, found.epochs, found.test_accuracy) == (
        None,
        None,
        None,
        None,
    )


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
    for name in (
        "parameters",
        "epochs",
        "elapsed_s",
        "temperature",
        "confidence_threshold",
        "test_loss",
        "test_accuracy",
    ):
        assert getattr(found, name) == getattr(trained, name)
    assert other.weights(run.id) == trained.weights
    for kept, read in zip(other.predictions(run.id), trained.predictions, strict=True):
        np.testing.assert_array_equal(kept, read)
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


def test_runs_are_listed_the_newest_first_and_readable_ones_after_what_ships(
    store, tiny_dnn, tiny_cnn, trained
):
    first, second, foreign, waiting = (
        store.create(hyperparameters)
        for hyperparameters in (tiny_dnn, tiny_dnn, tiny_cnn, tiny_dnn)
    )
    for run in (first, second, foreign):
        store.finish(run.id, trained if run is first else stopped(trained))
    assert [run.id for run in store.runs()] == [waiting.id, foreign.id, second.id, first.id]
    assert [run.id for run in store.readable("dnn")] == [*DNNS, second.id, first.id]
    assert [run.id for run in store.readable("cnn")] == [*CNNS, foreign.id]


def test_every_state_is_in_progress_readable_or_over():
    over = {RunState.FAILED, RunState.INTERRUPTED}
    assert set(IN_PROGRESS) | set(READABLE) | over == set(RunState)
    assert len(IN_PROGRESS) + len(READABLE) + len(over) == len(RunState)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_that_ships_is_a_finished_run_like_any_other(store, network):
    run = store.run(pretrained.PREFIX + network)
    assert (
        run.state == RunState.FINISHED and run.readable and run.hyperparameters.network == network
    )
    assert store.weights(run.id) == pretrained.weights(run.id)
    assert store.curve(run.id) == pretrained.curve(run.id)
    assert 0.9 < run.test_accuracy < 1


# What goes wrong
# ------------------------------------------------------------------------------------------


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
        assert (found.state, found.parameters, found.test_accuracy) == (
            RunState.RUNNING,
            None,
            None,
        )
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
def test_a_store_that_cannot_be_used_is_a_sentence_and_the_shipped_networks_are_still_there(
    tmp_path, tiny_dnn, how
):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "damaged.sqlite3").write_bytes(b"no database at all " * 1_000)
    (tmp_path / "folder.sqlite3").mkdir()
    store = RunStore(BROKEN[how].format(tmp_path))
    for attempt in (
        lambda: store.create(tiny_dnn),
        store.runs,
        lambda: store.run("abc"),
        store.interrupt_orphans,
    ):
        with pytest.raises(
            StoreError, match=r"^The store of runs at .* cannot be used .*DATABASE_URL.*\.$"
        ):
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


def test_the_store_is_where_database_url_says_and_else_in_the_folder_saved(
    tmp_path, monkeypatch, tiny_dnn
):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/a/b/runs.sqlite3")
    RunStore().create(tiny_dnn)
    assert (tmp_path / "a" / "b" / "runs.sqlite3").stat().st_size > 0
    monkeypatch.delenv("DATABASE_URL")
    assert RunStore().database.url == f"sqlite:///{ROOT}/saved/runs.sqlite3"


# Several at once
# ------------------------------------------------------------------------------------------


def test_runs_of_a_process_that_has_ended_are_interrupted_and_those_of_a_living_one_go_on(
    store, tiny_dnn, trained
):
    orphans = in_another_process(
        "ids = [store.create(hp).id for _ in range(3)]\n"
        "store.set_state(ids[1], RunState.RUNNING)\nstore.set_state(ids[2], RunState.FAILED, 'Too "
        "hot.')\nprint(*ids)",
        store,
    ).split()
    living = in_another_process(
        "print(store.create(hp).id, flush=True)\nsys.stdin.read()", store, wait=False
    )
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
    assert (
        store.run(other).state == RunState.INTERRUPTED
        and store.run(own.id).state == RunState.QUEUED
    )


def test_a_process_that_has_the_number_of_an_ended_one_is_not_mistaken_for_it():
    host, pid, created = store_module._this_process().rsplit(" ", 2)
    assert int(pid) == os.getpid()
    for one_machine in (False, True):
        assert not store_module._is_gone(f"{host} {pid} {created}", one_machine)
        assert not store_module._is_gone(
            f"{host} {pid} {float(created) + 1}", one_machine
        )  # somebody set the clock
        assert store_module._is_gone(f"{host} {pid} {float(created) - 1000}", one_machine)
    elsewhere = f"another-machine {pid} {created}"
    assert not store_module._is_gone(elsewhere, one_machine=False)
    assert store_module._is_gone(
        elsewhere, one_machine=True
    )  # a file of this machine, which had another name then


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
import numpy as np
from mnist_models.training.progress import Curve, Trained
from mnist_models.models.predictions import Predictions
predictions = Predictions.of(np.full((100, 10), 0.1))
trained = Trained(b"w" * 50_000, predictions, 1, Curve.empty(hp), False, 1.0, 1.0, 1.0, 0.5, 1.0, 0.5)
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


# Older and newer databases
# ------------------------------------------------------------------------------------------


# The tables of version 1, with a run as they held it: fewer hyperparameters, no readings, a curve
# without seconds.
VERSION_1 = """
CREATE TABLE runs (
    id VARCHAR NOT NULL, name VARCHAR NOT NULL, network VARCHAR NOT NULL, hyperparameters JSON NOT NULL, state VARCHAR NOT NULL,
    created_at DATETIME NOT NULL, owner VARCHAR, error VARCHAR, parameters INTEGER, epochs DOUBLE, elapsed_s DOUBLE,
    test_loss DOUBLE, test_accuracy DOUBLE, PRIMARY KEY (id)
);
CREATE TABLE curves (
    run_id VARCHAR NOT NULL, curve JSON NOT NULL, PRIMARY KEY (run_id), FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE weights (
    run_id VARCHAR NOT NULL, weights BLOB NOT NULL, PRIMARY KEY (run_id), FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE INDEX ix_runs_network ON runs (network);
CREATE INDEX ix_runs_state ON runs (state);
INSERT INTO runs VALUES ('0a1b2c3d', 'an old one', 'dnn', '{"network": "dnn", "activation": "tanh", "epochs": 1,
    "train_images": 300, "batch_size": 100, "validation_images": 100, "hidden_units": [16]}', 'finished',
    '2024-05-06 07:08:09.000010', 'host 1 1.0', NULL, 12730, 1.0, 0.75, 0.5, 0.875);
INSERT INTO curves VALUES ('0a1b2c3d', '{"steps_per_epoch": 3, "batches_per_point": 1, "points": [[0.333, 2.5, 0.1],
    [0.667, 2.0, 0.2], [1.0, 1.5, 0.3]], "epochs": [{"epoch": 1, "loss": 2.0, "accuracy": 0.2, "validation_loss": 1.25,
    "validation_accuracy": 0.5, "elapsed_s": 0.75}], "batches": 3}');
INSERT INTO weights VALUES ('0a1b2c3d', x'00010203');
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "runs.sqlite3"


def execute(file, script):
    with closing(sqlite3.connect(file)) as database:
        database.executescript(script)


def all_of(file):
    """Everything in a database, as SQL."""
    with closing(sqlite3.connect(file)) as database:
        return list(database.iterdump())


def tables_of(file):
    """Each table's columns and indexes."""
    with closing(sqlite3.connect(file)) as database:
        names = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: [
                {row[1] for row in database.execute(f"PRAGMA {what}({name})")}
                for what in ("table_info", "index_list")
            ]
            for name in names
        }


def test_a_database_of_version_1_keeps_its_runs_and_gets_what_is_new(
    store, file, tiny_dnn, trained
):
    execute(file, VERSION_1)
    (run,) = store.runs()
    assert (run.id, run.name, run.state) == ("0a1b2c3d", "an old one", RunState.FINISHED)
    assert run.created_at == datetime(2024, 5, 6, 7, 8, 9, 10, UTC)
    assert (run.parameters, run.epochs, run.temperature, run.confidence_threshold) == (
        12_730,
        1.0,
        1.0,
        0.5,
    )
    assert run.test_accuracy == 0.875
    assert (run.race, run.deleted_at) == (None, None)
    assert run.hyperparameters.activation == "tanh" and run.hyperparameters.budget_images == 0
    assert store.weights(run.id) == bytes(range(4))
    curve = store.curve(run.id)
    assert [point.loss for point in curve.points] == [2.5, 2.0, 1.5] and curve.epochs[
        0
    ].validation_accuracy == 0.5
    assert curve.seconds_of([1]) == [0.75]
    assert [readable.id for readable in store.readable("dnn")] == [*DNNS, run.id]
    # What it did not know of yet can be added, and everything that is new works.
    assert store.predictions(run.id) is None
    store.save_predictions(run.id, READINGS)
    np.testing.assert_array_equal(store.predictions(run.id).digits, READINGS.digits)
    (racer,) = store.create_race([tiny_dnn])
    store.finish(racer.id, trained)
    assert [run.id for run in racers(store, racer.race)] == [racer.id]
    store.save_robustness_curve(run.id, "blur", 2_000, "here", [0.5])
    assert store.robustness_curve(run.id, "blur", 2_000, "here") == [0.5]
    store.delete([run.id])
    assert [run.id for run in RunStore().runs()] == [racer.id]


def test_a_migrated_database_has_the_tables_of_a_new_one(file, tmp_path):
    execute(file, VERSION_1)
    for path in (file, tmp_path / "new.sqlite3"):
        RunStore(f"sqlite:///{path}").runs()
    assert tables_of(file) == tables_of(tmp_path / "new.sqlite3")
    assert {"race", "deleted_at"} <= tables_of(file)["runs"][0]


def test_a_database_knows_its_version_and_is_migrated_once(store, file, tiny_dnn):
    execute(file, VERSION_1)
    for _ in range(2):
        RunStore().runs()
        with closing(sqlite3.connect(file)) as kept:
            assert kept.execute("SELECT version FROM schema_version").fetchall() == [
                (database.SCHEMA_VERSION,)
            ]
    kept = all_of(file)
    RunStore().runs()
    assert all_of(file) == kept


def test_a_migration_that_fails_changes_nothing_and_is_done_when_it_can(store, file, monkeypatch):
    execute(file, VERSION_1)
    before = all_of(file)
    with monkeypatch.context() as patch:
        patch.setattr(
            database,
            "MIGRATIONS",
            {1: (*database.MIGRATIONS[1], "ALTER TABLE nowhere ADD COLUMN nothing VARCHAR")},
        )
        with pytest.raises(StoreError, match=r"no such table: nowhere.*\.$"):
            store.runs()
    assert all_of(file) == before
    assert [run.name for run in store.runs()] == ["an old one"]


def test_a_database_of_a_newer_version_is_a_sentence_and_left_as_it_is(store, file, tiny_dnn):
    store.create(tiny_dnn)
    execute(
        file,
        f"UPDATE schema_version SET version = {database.SCHEMA_VERSION + 1}; "
        "CREATE TABLE what_comes (id INTEGER)",
    )
    before = all_of(file)
    newer = RunStore()
    for attempt in (
        newer.runs,
        lambda: newer.create(tiny_dnn),
        newer.interrupt_orphans,
        newer.purge,
    ):
        with pytest.raises(
            StoreError,
            match=rf"newer version.* of version {database.SCHEMA_VERSION + 1}, .*DATABASE_URL.*\.$",
        ):
            attempt()
    assert all_of(file) == before
    assert newer.run("shipped-dnn").readable


def test_a_database_that_others_use_too_gets_our_tables(store, file, tiny_dnn):
    execute(file, "CREATE TABLE customers (id INTEGER); INSERT INTO customers VALUES (3)")
    run = store.create(tiny_dnn)
    assert RunStore().run(run.id).hyperparameters == tiny_dnn
    assert 'INSERT INTO "customers" VALUES(3);' in all_of(file)


def test_threads_that_come_first_at_the_same_moment_migrate_a_database_once(store, file, tiny_dnn):
    execute(file, VERSION_1)
    at_once = threading.Barrier(6)

    def work(own):
        at_once.wait()
        return own.create(tiny_dnn).id

    with ThreadPoolExecutor(6) as threads:
        ids = list(threads.map(work, [RunStore() for _ in range(6)]))
    assert {run.id for run in store.runs()} == {"0a1b2c3d", *ids}


def test_processes_that_come_first_at_the_same_moment_migrate_a_database_once(store, file):
    execute(file, VERSION_1)
    code = "print('ready', flush=True)\nsys.stdin.readline()\nprint(len(store.runs()), store.create(hp).state)"
    processes = [in_another_process(code, store, wait=False) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("now\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(errors)
    assert len(store.runs()) == 4


# What a person does with runs
# ------------------------------------------------------------------------------------------


def finished(store, hyperparameters, trained, name=None):
    run = store.create(hyperparameters, name)
    store.finish(run.id, trained)
    return run.id


def test_a_run_has_the_name_that_it_is_given(store, tiny_dnn, trained):
    run_id = finished(store, tiny_dnn, trained, "my first")
    waiting = store.create(tiny_dnn)
    store.rename(run_id, "my best")
    store.rename(waiting.id, "in a while")
    found = RunStore().run(run_id)
    assert (found.name, found.label, found.state) == (
        "my best",
        f"my best {run_id[:4]}",
        RunState.FINISHED,
    )
    assert [run.name for run in store.runs()] == ["in a while", "my best"]
    assert store.weights(run_id) == trained.weights


def test_a_deleted_run_is_gone_and_can_be_brought_back(store, tiny_dnn, trained):
    kept, first, second = (finished(store, tiny_dnn, trained) for _ in range(3))
    store.delete([first, second])
    other = RunStore()
    assert [run.id for run in other.runs()] == [kept]
    assert [run.id for run in other.readable("dnn")] == [*DNNS, kept]
    for ask in (other.run, other.curve, other.weights, other.predictions):
        with pytest.raises(UnknownRunError, match=r"may have been deleted; choose another one\.$"):
            ask(first)
    with pytest.raises(UnknownRunError):
        store.rename(first, "again")
    with pytest.raises(UnknownRunError):
        store.delete([first])
    other.restore([first, "unknown"])
    assert {run.id for run in store.runs()} == {kept, first}
    assert store.weights(first) == trained.weights and store.run(first).state == RunState.FINISHED
    np.testing.assert_array_equal(
        store.predictions(first).probabilities, trained.predictions.probabilities
    )
    other.restore([second])
    assert [run.id for run in store.runs()] == [second, first, kept]


def test_failed_and_interrupted_runs_can_be_deleted(store, tiny_dnn):
    ids = [store.create(tiny_dnn).id for _ in range(2)]
    store.set_state(ids[0], RunState.FAILED, "Too hot.")
    store.set_state(ids[1], RunState.INTERRUPTED)
    store.delete(ids)
    assert store.runs() == []


@pytest.mark.parametrize("state", IN_PROGRESS)
def test_of_several_runs_all_are_deleted_or_none(store, tiny_dnn, trained, state):
    done = finished(store, tiny_dnn, trained)
    going = store.create(tiny_dnn)
    store.set_state(going.id, state)
    with pytest.raises(
        StoreError, match=rf"^{going.label} is still being trained: stop it first.*\.$"
    ):
        store.delete([done, going.id])
    with pytest.raises(StoreError, match=r"^Pretrained DNN comes with the app .*\.$"):
        store.delete([done, "shipped-dnn"])
    with pytest.raises(UnknownRunError, match=r"There is no run 'nothing'.*\.$"):
        store.delete([done, "nothing"])
    assert {run.id for run in store.runs()} == {done, going.id}
    store.delete([])
    store.delete([done])
    assert [run.id for run in store.runs()] == [going.id]


def test_the_networks_that_ship_keep_their_names(store):
    with pytest.raises(
        StoreError, match=r"^Pretrained CNN comes with the app and stays as it is; choose .*\.$"
    ):
        store.rename("shipped-cnn", "mine")
    with pytest.raises(UnknownRunError):
        store.rename("nothing", "something")
    assert [run.id for run in store.pretrained_runs()] == [
        "shipped-dnn",
        "shipped-cnn",
        "teaching-dnn",
        "teaching-cnn",
        "quick-dnn",
        "quick-cnn",
        "scrambled-dnn",
        "scrambled-cnn",
    ]
    assert store.run("shipped-cnn").name == "Pretrained CNN"


def test_a_deleted_run_is_forgotten_after_a_day(store, file, tiny_dnn, trained):
    kept, young, old = (finished(store, tiny_dnn, trained) for _ in range(3))
    for run_id in (kept, young, old):
        store.save_robustness_curve(run_id, "blur", 2_000, "here", [0.5])
    store.delete([young, old])
    now = datetime.now(UTC).replace(tzinfo=None)
    for run_id, hours in ((young, 23), (old, 25)):
        execute(
            file,
            f"UPDATE runs SET deleted_at = '{now - timedelta(hours=hours)}' WHERE id = '{run_id}'",
        )
    store.purge()
    store.restore([young, old])
    assert {run.id for run in store.runs()} == {kept, young}
    assert store.weights(young) == trained.weights and store.robustness_curve(
        young, "blur", 2_000, "here"
    ) == [0.5]
    for line in all_of(file):
        assert (
            old not in line
        )  # neither its curve, nor its weights, nor its readings, snapshots and sweeps
    store.purge()
    assert {run.id for run in store.runs()} == {kept, young}


def test_snapshots_are_kept_in_the_order_of_their_epochs_and_can_be_forgotten(
    store, tiny_dnn, trained
):
    run_id, other = (finished(store, tiny_dnn, trained) for _ in range(2))
    assert RunStore().checkpoints(run_id) == list(trained.checkpoints)
    assert store.checkpoint_bytes() == 20
    store.finish(run_id, trained)  # again, as after a failure in the middle
    assert store.checkpoints(run_id) == list(trained.checkpoints) and store.checkpoint_bytes() == 20
    store.delete_checkpoints()
    assert (
        store.checkpoints(run_id) == store.checkpoints(other) == []
        and store.checkpoint_bytes() == 0
    )
    assert store.weights(run_id) == trained.weights
    with pytest.raises(UnknownRunError):
        store.checkpoints("nothing")


def test_the_snapshots_of_the_oldest_runs_make_room_for_those_of_new_ones(
    store, tiny_dnn, trained, monkeypatch
):
    monkeypatch.setattr("mnist_models.runs.store.MOST_BYTES_OF_ALL", 25)
    oldest, middle = (finished(store, tiny_dnn, trained) for _ in range(2))
    assert [len(store.checkpoints(run_id)) for run_id in (oldest, middle)] == [2, 2]
    newest = finished(store, tiny_dnn, trained)
    assert [len(store.checkpoints(run_id)) for run_id in (oldest, middle, newest)] == [0, 2, 2]
    assert store.checkpoint_bytes() == 20
    assert store.weights(oldest) == trained.weights


def test_a_run_that_was_trained_elsewhere_is_added_with_all_that_it_left_behind(
    store, tiny_cnn, trained
):
    added = store.add(tiny_cnn, "from a friend", trained)
    other = RunStore()
    found = other.run(added.id)
    assert columns(found) == columns(added)
    assert (found.name, found.network, found.state) == ("from a friend", "cnn", RunState.FINISHED)
    assert found.hyperparameters == tiny_cnn
    for name, value in trained.measures.items():
        assert getattr(found, name) == value
    assert other.weights(added.id) == trained.weights
    assert other.curve(added.id).model_dump() == trained.curve.model_dump()
    np.testing.assert_array_equal(other.predictions(added.id).digits, trained.predictions.digits)
    assert store.add(tiny_cnn, "half of one", stopped(trained)).state == RunState.STOPPED
    # Nobody looks after it, and nobody is missed.
    store.interrupt_orphans()
    assert store.run(added.id).state == RunState.FINISHED


def test_a_run_that_cannot_be_added_whole_is_not_there_at_all(store, file, tiny_dnn, trained):
    store.runs()
    execute(file, "ALTER TABLE readings RENAME TO elsewhere")
    with pytest.raises(StoreError, match="no such table: readings"):
        store.add(tiny_dnn, "half", trained)
    assert store.runs() == []


def test_the_runs_of_a_race_are_found_in_the_order_in_which_they_entered(
    store, tiny_dnn, tiny_cnn, trained
):
    race = store.create_race((tiny_cnn, tiny_dnn, tiny_cnn), "a race")
    other = store.create_race((tiny_dnn, tiny_cnn))
    for run in (*race, *other):
        store.finish(run.id, trained)
    assert {run.name for run in race} == {"a race"} and [run.name for run in other] == [
        "DNN",
        "CNN",
    ]
    assert [run.id for run in racers(store, race[0].race)] == [run.id for run in race]
    assert [run.id for run in racers(store, other[0].race)] == [run.id for run in other]
    assert racers(store, "another") == [] and store.create(tiny_dnn).race is None
    store.delete([race[1].id])
    assert [run.id for run in racers(store, race[0].race)] == [race[0].id, race[2].id]


def test_a_race_that_cannot_be_kept_whole_is_not_there_at_all(
    store, tiny_dnn, tiny_cnn, monkeypatch
):
    store.runs()
    ids = iter(["a race", "1234abcd", "1234abcd"])  # the second run cannot have the id of the first
    monkeypatch.setattr(store_module.secrets, "token_hex", lambda size: next(ids))
    with pytest.raises(StoreError):
        store.create_race([tiny_dnn, tiny_cnn])
    assert store.runs() == []


def test_what_a_run_reads_is_kept_and_what_ships_reads_is_there(store, tiny_dnn, trained):
    run_id = finished(store, tiny_dnn, trained)
    assert store.predictions(store.create(tiny_dnn).id) is None
    other = Predictions.of(np.float16(np.eye(10)))
    store.save_predictions(run_id, other)
    np.testing.assert_array_equal(store.predictions(run_id).digits, range(10))
    for network in NETWORKS:
        accuracy = (
            store.predictions(pretrained.PREFIX + network).digits == dataset.load().test.labels
        ).mean()
        assert accuracy == store.run(pretrained.PREFIX + network).test_accuracy


# Sweeps
# ------------------------------------------------------------------------------------------


def test_sweeps_of_a_trained_run_and_of_one_that_ships_are_kept_each_by_itself(
    store, tiny_dnn, trained
):
    run_ids = (
        finished(store, tiny_dnn, trained),
        store.add(tiny_dnn, "from elsewhere", trained).id,
        "shipped-dnn",
    )
    kept = {
        (run_id, corruption, digits): [number / 7, 0.25, 1.0]
        for number, (run_id, corruption, digits) in enumerate(
            itertools.product(run_ids, ("turn", "blur"), (2_000, 10_000))
        )
    }
    for what in kept:
        assert store.robustness_curve(*what, "here") is None
    for what, accuracies in kept.items():
        store.save_robustness_curve(*what, "here", accuracies)
    other = RunStore()
    assert {what: other.robustness_curve(*what, "here") for what in kept} == kept


def test_a_sweep_of_another_origin_is_not_found_and_gives_way(store):
    store.save_robustness_curve("shipped-cnn", "turn", 2_000, "an older version", [0.5, 1.0])
    assert store.robustness_curve("shipped-cnn", "turn", 2_000, "here") is None
    store.save_robustness_curve("shipped-cnn", "turn", 2_000, "here", [0.25])
    assert store.robustness_curve("shipped-cnn", "turn", 2_000, "here") == [0.25]
    assert store.robustness_curve("shipped-cnn", "turn", 2_000, "an older version") is None


def test_sweeps_are_kept_only_of_runs_that_are_there(store, file, tiny_dnn, trained):
    deleted = finished(store, tiny_dnn, trained)
    store.delete([deleted])
    for run_id in (deleted, "nothing", "shipped-mlp"):
        with pytest.raises(UnknownRunError):
            store.save_robustness_curve(run_id, "turn", 2_000, "here", [0.5])
    assert not [line for line in all_of(file) if 'INTO "sweeps"' in line]


def test_a_database_without_sweeps_gets_room_for_them_and_can_be_used_by_the_version_before(
    store, file, tiny_dnn, trained
):
    run_id = finished(store, tiny_dnn, trained)
    execute(file, "DROP TABLE sweeps")
    before = all_of(file)
    newer = RunStore()
    assert newer.robustness_curve(run_id, "turn", 2_000, "here") is None
    assert [line for line in all_of(file) if "sweeps" not in line] == before
    newer.save_robustness_curve(run_id, "turn", 2_000, "here", [0.5])
    assert RunStore().robustness_curve(run_id, "turn", 2_000, "here") == [0.5]
    # That version deletes what it knows of, and nothing may hold on to it.
    known = "DELETE FROM curves; DELETE FROM weights; DELETE FROM readings; DELETE FROM snapshots; DELETE FROM runs"
    execute(file, f"PRAGMA foreign_keys=ON; {known}")
    assert newer.runs() == []


def test_a_sweep_that_several_keep_at_the_same_moment_is_kept(store, file):
    """The second one finds no row yet, and the first one's when it writes."""
    first = (
        "INSERT INTO sweeps (run_id, distortion, digits, origin, accuracies) "
        "VALUES ('quick-dnn', 'turn', 2000, 'here', '[0.5]')"
    )
    event.listen(store.database._sessions, "before_flush", lambda *_: execute(file, first))
    store.save_robustness_curve("quick-dnn", "turn", 2_000, "here", [0.5])
    assert store.robustness_curve("quick-dnn", "turn", 2_000, "here") == [0.5]


def test_threads_and_stores_that_keep_the_same_sweeps_do_not_disturb_each_other(store):
    store.runs()
    at_once = threading.Barrier(8)

    def work(own):
        at_once.wait()
        for digits in range(20):
            own.save_robustness_curve("quick-dnn", "turn", digits, "here", [digits / 20])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, [store] * 4 + [RunStore() for _ in range(4)]))
    for digits in range(20):
        assert store.robustness_curve("quick-dnn", "turn", digits, "here") == [digits / 20]
