"""Training for everybody: a queue of runs, what is wanted of them, and what they tell.

The engine hands runs to the cluster, as many at once as it has places, one visitor after the
other; passes on what is wanted of them; listens to what they report; and writes it to the store.
One thread does all of that, so nothing here needs a lock: everything that happens is a message to
it, and what others may see is replaced as a whole, never changed.
"""

import itertools
import logging
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from distributed import Variable, get_worker
from distributed.utils import CancelledError

from mnist_models.errors import UnavailableError
from mnist_models.runs.cluster import CONNECT_TIMEOUT_S, Cluster
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run, RunState, StoreError, UnknownRunError
from mnist_models.settings.hyperparameters import Hyperparameters, validate
from mnist_models.training import progress
from mnist_models.training.material import Material
from mnist_models.training.progress import STOPPED_TOO_EARLY, Control, Curve, Trained

SAVE_CURVE_EVERY_S = 2
CONTROL_CHECK_S = 0.1
LOOK_EVERY_S = 0.1
# A pause that keeps others waiting ends after so long; so does a wait at the start of a race.
LONGEST_PAUSE_S = 300
# A network that could not be kept, because a disk is full for example, is kept as soon as that can
# be done.
RETRY_EVERY_S = 2

EVENTS = {
    kind.__name__: kind
    for kind in (
        progress.Progress,
        progress.EpochEnd,
        progress.Paused,
        progress.RateChange,
        progress.Measuring,
    )
}

WORKER_DIED = (
    "The process that trained this network ended unexpectedly, perhaps because the machine ran out "
    "of memory. "
    "Nothing else was affected: start it again, with smaller layers or batches if it happens twice."
)
CLUSTER_LOST = (
    "The connection to the processes that train was lost, and this training with it. Start it "
    "again; if that fails too, see "
    "whether the Dask cluster runs, or restart the app."
)


@dataclass(frozen=True)
class Live:
    """A run in progress, as it is at this moment.

    Attributes:
        position: In the queue, from 1; 0 when it has a place.
        places: How many runs can train at once, as of when it began to wait.
        latest: The last Progress, None before the first.
        wanted: What was last wanted of it.
        paused_at: When (time.monotonic) it came to stand still; None while it goes on.
        unkept: Why its network, which is trained, could not be kept yet; a sentence.
    """

    run_id: str
    state: RunState = RunState.QUEUED
    position: int = 0
    places: int = 0
    latest: progress.Progress | None = None
    wanted: Control = field(default_factory=Control)
    paused_at: float | None = None
    unkept: str | None = None


@dataclass
class _Job:
    """All that the engine knows of one run. Changed in the engine's own thread only.

    Attributes:
        live: What others see of it; None once it has ended for them.
        visitor: Who wants it.
        group: The same for all runs that start together.
        future: Of the worker that trains it, or may still be building its model after a stop.
        curve: As far as the worker has reported.
        saved_at: When (time.monotonic) the curve was last saved.
        at_start_of: The race at whose start it stands, until the others of the race are there.
        trained: What could not be saved yet.
        error: Why it failed, where the store does not know yet.
        material: What it learns from beside MNIST, until it is trained.
    """

    live: Live | None
    visitor: str | None
    group: str
    material: Material | None = None
    future: Any = None
    curve: Curve | None = None
    saved_at: float = 0.0
    at_start_of: str | None = None
    trained: Trained | None = None
    error: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do or to remember."""
        return self.live is None and self.future is None and self.error is None

    def update(self, **changes: Any) -> None:
        """Replaces what others see, as a whole."""
        assert self.live
        self.live = replace(self.live, **changes)


def train_on_worker(
    run_id: str, values: dict[str, Any], topic: str, material: Material | None
) -> Trained:
    """Runs in a worker of the cluster: trains, reports what happens under `topic`, and does what
    the run's variable wants. All that it learns from beside MNIST comes with the call: the worker's
    machine may have no store."""
    from mnist_models.training.loop import train

    this_worker = get_worker()

    def tell(kind: str, **fields: Any) -> None:
        this_worker.log_event(topic, {"run_id": run_id, "kind": kind, "fields": fields})

    tell("Started")
    variable = Variable(_variable_name(run_id))
    wanted, checked_at = Control(), 0.0

    def control() -> Control:
        nonlocal wanted, checked_at
        task = this_worker.state.tasks.get(run_id)
        if (
            task is None or task.state == "cancelled"
        ):  # the one who started this has gone: nobody could end it, or a pause of it
            return Control(stop=True)
        # Each look costs a message to the scheduler, and the smallest networks ask thousands of
        # times a second.
        if time.monotonic() - checked_at > CONTROL_CHECK_S:
            with suppress(TimeoutError):
                wanted = Control.model_validate(variable.get(timeout=CONNECT_TIMEOUT_S))
            checked_at = time.monotonic()
        return wanted

    return train(
        validate(values),
        report=lambda event: tell(type(event).__name__, **event.model_dump(mode="json")),
        control=control,
        material=material,
    )


def _variable_name(run_id: str) -> str:
    return f"wanted-{run_id}"


class Engine:
    """Trains networks for everybody who uses this store, without making anybody wait."""

    def __init__(
        self, store: RunStore, *, address: str | None = None, processes: bool = os.name != "nt"
    ) -> None:
        """Prepares the engine; no process is started yet.

        Args:
            address: Of a Dask scheduler; DASK_SCHEDULER_ADDRESS when None; an embedded cluster when
                that is not set either.
            processes: Whether the embedded cluster consists of processes, or of threads (Dask's
                subprocesses need POSIX).
        """
        self.store = store
        self._address = address or os.environ.get("DASK_SCHEDULER_ADDRESS")
        self._processes = processes
        self._topic = f"training-{os.getpid()}-{id(self)}"
        self._messages: queue.SimpleQueue[tuple[Callable, tuple] | None] = queue.SimpleQueue()
        self._jobs: dict[str, _Job] = {}
        # Runs that start together: one alone, or those of a race.
        self._waiting: list[list[Run]] = []
        self._tried_at = 0.0
        self._cluster: Cluster | None = None
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    def connect(self) -> None:
        """Starts the embedded cluster, or looks for the other one, before anybody trains: else the
        first training waits for it."""
        self._post(self._reconnect_if_lost)

    def start(
        self,
        hyperparameters: Hyperparameters,
        name: str | None = None,
        visitor: str | None = None,
        material: Material | None = None,
    ) -> str:
        """Puts a new run into the queue and returns its id at once.

        Args:
            name: See RunStore.create.
            visitor: Who wants it: the queue goes round among visitors.
            material: What it learns from beside MNIST.

        Raises:
            StoreError: When it cannot be kept.
        """
        run = self.store.create(hyperparameters, name, visitor, material)
        return self._start([run], material)[0]

    def race(
        self,
        entrants: Iterable[Hyperparameters],
        name: str | None = None,
        visitor: str | None = None,
    ) -> list[str]:
        """Puts runs into the queue that begin to learn at the same moment, and returns their ids at
        once. See `start`.

        Raises:
            StoreError: The store cannot be read or written.
        """
        return self._start(self.store.create_race(entrants, name, visitor))

    def _start(self, runs: list[Run], material: Material | None = None) -> list[str]:
        for run in runs:
            # Here already: the page asks for it next.
            self._jobs[run.id] = _Job(Live(run.id), run.visitor, run.race or run.id, material)
        self._post(self._enqueue, runs)
        return [run.id for run in runs]

    def control(self, run_id: str, **wanted: Any) -> None:
        """Changes what is wanted of a run in progress, field by field, see progress.Control.

        A stop ends one that is training within about a second, keeping what it learned, and one
        that waits at once.
        """
        self._post(self._control, run_id, wanted)

    def live(self, run_id: str) -> Live | None:
        """A run of this engine that is in progress; None once it has ended."""
        job = self._jobs.get(run_id)
        return job.live if job else None

    def waiting(self, visitor: str | None) -> int:
        """How many runs of a visitor wait for a place; a race counts once."""
        return len(
            {
                job.group
                for job in list(self._jobs.values())
                if job.visitor == visitor
                and job.live
                and job.live.state == RunState.QUEUED
                and job.future is None
            }
        )

    def curve(self, run_id: str) -> Curve:
        """How a run's training went so far, whether in progress or not.

        Raises:
            UnknownRunError: There is no such run.
        """
        job = self._jobs.get(run_id)
        return (job and job.curve) or self.store.curve(run_id)

    def close(self) -> None:
        """Ends the embedded cluster, and with it the runs in progress."""
        self._post(self._catch_up)
        self._post(self._disconnect)
        self._messages.put(None)
        self._thread.join(timeout=10)

    # What follows runs in the engine's own thread.

    @property
    def _training(self) -> dict[str, _Job]:
        """The runs that were handed to the cluster, and whose worker has not ended."""
        return {run_id: job for run_id, job in list(self._jobs.items()) if job.future}

    @property
    def _unsaved(self) -> dict[str, _Job]:
        """The runs of which the store does not know yet how they ended."""
        jobs = list(self._jobs.items())
        return {run_id: job for run_id, job in jobs if job.trained or job.error}

    def _post(self, what: Callable, *arguments: Any) -> None:
        self._messages.put((what, arguments))

    def _work(self) -> None:
        looked_at = 0.0
        while True:
            try:
                is_busy = self._waiting or self._training or self._unsaved
                message = self._messages.get(timeout=LOOK_EVERY_S if is_busy else None)
            except queue.Empty:
                message = (self._look, ())
            if message is None:
                return
            self._try(*message)
            # Even while one message follows the other.
            if time.monotonic() - looked_at > LOOK_EVERY_S:
                self._try(self._look, ())
                looked_at = time.monotonic()

    def _try(self, what: Callable, arguments: tuple) -> None:
        try:
            what(*arguments)
        except Exception:
            logging.getLogger(__name__).exception(
                "The engine could not go on with %s", what.__name__
            )

    def _look(self) -> None:
        """Sees to what no message reports: runs that have ended, workers that have come, a cluster
        that has gone."""
        for run_id, job in self._training.items():
            future = job.future
            if future.done():
                try:
                    self._done(run_id, job)
                finally:
                    # Until it is released, Dask would train it again should the worker that holds
                    # the result die, and a reference to it may be left in the traceback of what
                    # another run raised.
                    future.release()
        if time.monotonic() - self._tried_at > RETRY_EVERY_S:
            self._catch_up()
        if self._waiting:
            for run_id, job in list(self._jobs.items()):
                if job.live and _is_long_ago(job.live.paused_at):
                    self._control(run_id, {"hold_at": None})
        self._start_races()
        self._fill_places()

    def _catch_up(self) -> None:
        """Writes to the store what it could not take before."""
        self._tried_at = time.monotonic()
        for run_id, job in self._unsaved.items():
            if job.trained:
                self._save(run_id, job, job.trained)
            else:
                with suppress(StoreError):
                    self.store.set_state(run_id, RunState.FAILED, job.error)
                    job.error = None
                    self._drop_if_over(run_id, job)

    def _connect(self) -> None:
        try:
            self._cluster = Cluster(self._address, self._processes)
            self._cluster.client.subscribe_topic(
                self._topic, lambda event: self._post(self._told, event[1])
            )
        except Exception as error:  # Dask raises nearly anything for an address that it cannot use
            where = (
                f"The Dask cluster at {self._address}"
                if self._address
                else "The processes for training"
            )
            for run in itertools.chain.from_iterable(self._waiting):
                self._fail(
                    run.id,
                    f"{where} cannot be reached ({error}). Check it, then start the training "
                    "again.",
                )
            self._waiting.clear()
            self._disconnect()

    def _disconnect(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster:
            cluster.close()

    def _reconnect_if_lost(self) -> None:
        """Starts afresh when the cluster cannot be used any more; the runs that it trained have
        failed."""
        training = self._training
        if self._cluster and self._cluster.is_lost(is_busy=bool(training)):
            for run_id, job in training.items():
                job.future = job.at_start_of = None
                if job.live:
                    self._fail(run_id, CLUSTER_LOST)
                self._drop_if_over(run_id, job)
            self._disconnect()
        if self._cluster is None:
            self._connect()

    def _enqueue(self, runs: list[Run]) -> None:
        self._waiting.append(runs)
        self._fill_places()

    def _go_round(self) -> None:
        """Brings what waits into the order in which it gets a place: first the next run of each
        visitor who has none in training, then of those who have one, and so on; those of the same
        round in the order in which they came."""
        rounds = Counter(
            visitor for visitor, _ in {(job.visitor, job.group) for job in self._training.values()}
        )
        in_round = []
        for together in self._waiting:
            visitor = together[0].visitor
            in_round.append((rounds[visitor], together))
            rounds[visitor] += 1
        self._waiting = [together for _, together in sorted(in_round, key=lambda one: one[0])]

    def _fill_places(self) -> None:
        if self._waiting or self._training:
            self._reconnect_if_lost()
        self._go_round()
        places = self._cluster.places if self._waiting and self._cluster else 0
        while self._waiting:
            free = places - len(self._training)
            if free < min(len(self._waiting[0]), max(places, 1)):
                break
            together = self._waiting[0]
            if len(together) > places:  # they would wait for each other for ever
                self._waiting[:1] = [[run] for run in together]
                continue
            # While a worker that died is being replaced, Dask would give both of a race to the one
            # that is there.
            if len(together) > 1 and (not self._cluster or self._cluster.workers < len(together)):
                break
            self._waiting.pop(0)
            if len(together) > 1:  # they stand at the start until all are there
                for run in together:
                    self._jobs[run.id].at_start_of = run.race
            for run in together:
                try:
                    self._submit(run)
                # Dask raises nearly anything when the cluster is lost at this very moment.
                except Exception:
                    logging.getLogger(__name__).exception(
                        "The run %s could not be handed to the cluster", run.id
                    )
                    self._fail(run.id, CLUSTER_LOST)
        for position, together in enumerate(self._waiting, start=1):
            for run in together:
                self._jobs[run.id].update(position=position, places=places)

    def _submit(self, run: Run) -> None:
        job = self._jobs[run.id]
        job.curve = Curve.empty(run.training)
        job.update(position=0)
        self._instruct(run.id, job)
        assert self._cluster
        job.future = self._cluster.client.submit(
            train_on_worker,
            run.id,
            run.training.model_dump(mode="json"),
            self._topic,
            job.material,
            key=run.id,
            pure=False,
            retries=0,
        )

    def _instruct(self, run_id: str, job: _Job) -> None:
        """Tells the worker of a run what is wanted of it."""
        assert self._cluster and job.live
        wanted = job.live.wanted
        if job.at_start_of:
            wanted = wanted.model_copy(update={"hold_at": 0})
        Variable(_variable_name(run_id), client=self._cluster.client).set(wanted.model_dump())

    def _control(self, run_id: str, wanted: dict[str, Any]) -> None:
        job = self._jobs.get(run_id)
        if job and job.future:
            self._reconnect_if_lost()
        # It may have ended by itself in the meantime, or with a cluster that was lost.
        if not job or not job.live:
            return
        job.update(wanted=job.live.wanted.model_copy(update=wanted))
        if job.future:
            self._instruct(run_id, job)
        if job.live.wanted.stop and not job.live.latest:
            # Its worker, if it has one, is still building the network and is not waited for.
            groups = ([run for run in group if run.id != run_id] for group in self._waiting)
            self._waiting = [group for group in groups if group]
            self._fail(run_id, STOPPED_TOO_EARLY)

    def _start_races(self) -> None:
        """Lets the runs of a race go once all that are left of them stand at the start, or one of
        them has for very long."""
        races: dict[str, dict[str, _Job]] = {}
        for run_id, job in list(self._jobs.items()):
            if job.live and job.at_start_of:
                races.setdefault(job.at_start_of, {})[run_id] = job
        for racers in races.values():
            standing_since = [job.live.paused_at for job in racers.values() if job.live]
            if all(standing_since) or any(map(_is_long_ago, standing_since)):
                for job in racers.values():
                    job.at_start_of = None
                for run_id in racers:
                    self._control(run_id, {})

    def _told(self, message: dict[str, Any]) -> None:
        run_id, kind = message["run_id"], message["kind"]
        job = self._jobs.get(run_id)
        if not job or not job.live:  # it was stopped before its first batch
            return
        if kind == "Started":
            if job.live.state != RunState.QUEUED:
                job.future.cancel()  # Dask gave it to another worker because the first one died
                return
            job.update(state=RunState.RUNNING)
            self.store.set_state(run_id, RunState.RUNNING)
            return
        event = EVENTS[kind].model_validate(message["fields"])
        assert job.curve  # it has one since it was handed to the cluster
        curve = job.curve.copy_of()
        curve.add(event)
        job.curve = curve
        match event:
            case progress.Measuring():
                job.update(state=RunState.MEASURING)
            case progress.Progress():
                job.update(latest=event, paused_at=None)
            case progress.Paused():
                job.update(paused_at=time.monotonic())
                self._start_races()
        is_rare = kind not in ("Progress", "EpochEnd")
        if is_rare or time.monotonic() - job.saved_at > SAVE_CURVE_EVERY_S:
            job.saved_at = time.monotonic()
            self.store.save_curve(run_id, curve)

    def _done(self, run_id: str, job: _Job) -> None:
        future, job.future = job.future, None
        if self._cluster and self._cluster.is_connected:
            Variable(_variable_name(run_id), client=self._cluster.client).delete()
        if not job.live:  # it was stopped before its first batch
            self._drop_if_over(run_id, job)
            return
        try:
            trained = future.result()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._fail(run_id, _explained(error))
        else:
            self._save(run_id, job, trained)

    def _save(self, run_id: str, job: _Job, trained: Trained) -> None:
        """Writes a trained network to the store; where that fails it stays here, to be tried
        again."""
        try:
            self.store.finish(run_id, trained)
        except UnknownRunError as error:  # another app with the same store has forgotten it
            logging.getLogger(__name__).error("A trained network could not be kept: %s", error)
        except StoreError as error:
            job.trained = trained
            job.update(state=RunState.MEASURING, unkept=str(error))
            return
        job.trained = None
        self._end(run_id, job)

    def _fail(self, run_id: str, error: str) -> None:
        job = self._jobs[run_id]
        try:
            # First: without its end a run would look as if it went on.
            self.store.set_state(run_id, RunState.FAILED, error)
            if job.curve:
                self.store.save_curve(run_id, job.curve)
        except StoreError:
            logging.getLogger(__name__).exception(
                "That the run %s has ended (%s) could not be kept yet", run_id, error
            )
            job.error = error
        finally:  # those who wait for it, and the next in the queue, wait no longer
            self._end(run_id, job)

    def _end(self, run_id: str, job: _Job) -> None:
        """From now on the store answers for the run."""
        job.live = job.curve = job.material = None
        self._drop_if_over(run_id, job)
        self._start_races()

    def _drop_if_over(self, run_id: str, job: _Job) -> None:
        if job.is_over:
            self._jobs.pop(run_id, None)


def _is_long_ago(paused_at: float | None) -> bool:
    """Whether a pause that began then (time.monotonic), if there is one, has lasted as long as one
    may."""
    return paused_at is not None and time.monotonic() - paused_at > LONGEST_PAUSE_S


def _explained(error: BaseException) -> str:
    """A sentence for what ended a training."""
    # Of a module that imports TensorFlow, or of Dask's scheduler: known here by name only.
    kind = type(error).__name__
    if kind == "TrainingError" or isinstance(error, UnavailableError):
        return str(error)
    if kind == "KilledWorker" or isinstance(error, CancelledError):
        return WORKER_DIED
    reason = (str(error).strip() or kind).splitlines()[0][:300]
    return (
        f"The training failed unexpectedly ({kind}: {reason}). Smaller layers or batches may help."
    )
