"""Where training runs: processes of this machine, or the Dask cluster that DASK_SCHEDULER_ADDRESS names.

The engine hands runs to the cluster, as many at once as it has places, first come, first served; listens to what they tell;
and writes it to the store. One thread does all of that, so nothing here needs a lock: everything that happens is a message
to it, and what others may see is replaced as a whole, never changed.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed import Client, Event, LocalCluster, SubprocessCluster, get_worker
from distributed.utils import CancelledError

from mnist_models import progress, worker
from mnist_models.hyperparameters import Hyperparameters, validate
from mnist_models.progress import STOPPED_TOO_EARLY, Curve, Trained
from mnist_models.runs import Run, RunState, RunStore, StoreError

PLACES = 2
CONNECT_TIMEOUT_S = 15
SAVE_CURVE_EVERY_S = 2
STOP_CHECK_S = 0.1
LOOK_EVERY_S = 0.1
CLOSE_TIMEOUT_S = 2

EVENTS = {kind.__name__: kind for kind in (progress.Progress, progress.EpochEnd, progress.Measuring)}

WORKER_DIED = (
    "The process that trained this network ended unexpectedly, perhaps because the machine ran out of memory. "
    "Nothing else was affected: start it again, with smaller layers or batches if it happens twice."
)
CLUSTER_LOST = (
    "The connection to the processes that train was lost, and this training with it. Start it again; if that fails too, see "
    "whether the Dask cluster runs, or restart the app."
)


@dataclass(frozen=True)
class Live:
    """A run in progress, as it is at this moment.

    position: in the queue, from 1; 0 when it has a place. latest: the last Progress, None before the first.
    stopping: it was asked to stop and has not yet ended.
    """

    run_id: str
    state: RunState = RunState.QUEUED
    position: int = 0
    latest: progress.Progress | None = None
    stopping: bool = False


def train_on_worker(run_id: str, values: dict[str, Any], topic: str) -> Trained:
    """Runs in a worker of the cluster: trains, tells what happens under `topic`, and stops when the run's event is set."""
    from mnist_models.training import train

    this_worker = get_worker()

    def tell(kind: str, **fields: Any) -> None:
        this_worker.log_event(topic, {"run_id": run_id, "kind": kind, "fields": fields})

    tell("Started")
    stop = Event(_stop_name(run_id))
    checked_at, stopped = 0.0, False

    def should_stop() -> bool:
        nonlocal checked_at, stopped
        # Each look costs a message to the scheduler, and the smallest networks ask thousands of times a second.
        if not stopped and time.monotonic() - checked_at > STOP_CHECK_S:
            stopped, checked_at = stop.is_set(), time.monotonic()
        return stopped

    return train(
        validate(values),
        report=lambda event: tell(type(event).__name__, **event.model_dump(mode="json")),
        should_stop=should_stop,
    )


def _stop_name(run_id: str) -> str:
    return f"stop-{run_id}"


class Engine:
    """Trains networks for everybody who uses this store, without making anybody wait."""

    def __init__(self, store: RunStore, *, address: str | None = None, processes: bool = os.name != "nt") -> None:
        """address: of a Dask scheduler; DASK_SCHEDULER_ADDRESS when None; an embedded cluster when that is not set either.
        processes: whether the embedded cluster consists of processes, or of threads (Dask's subprocesses need POSIX)."""
        self.store = store
        self._address = address or os.environ.get("DASK_SCHEDULER_ADDRESS")
        self._processes = processes
        self._topic = f"training-{os.getpid()}-{id(self)}"
        self._messages: queue.SimpleQueue[tuple[Callable, tuple] | None] = queue.SimpleQueue()
        self._live: dict[str, Live] = {}
        self._waiting: list[Run] = []
        self._futures: dict[str, Any] = {}
        self._curves: dict[str, Curve] = {}
        self._saved_at: dict[str, float] = {}
        self._client: Client | None = None
        self._cluster: LocalCluster | SubprocessCluster | None = None
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()
        self._post(self._connect)

    def start(self, hyperparameters: Hyperparameters, name: str | None = None) -> str:
        """Puts a new run into the queue and returns its id at once. Raises StoreError when it cannot be kept."""
        run = self.store.create(hyperparameters, name)
        self._live[run.id] = Live(run.id)  # here already, so that whoever asks next finds it
        self._post(self._enqueue, run)
        return run.id

    def stop(self, run_id: str) -> None:
        """Ends a run: one that is training within about a second, keeping what it learned; one that waits at once."""
        self._post(self._stop, run_id)

    def live(self, run_id: str) -> Live | None:
        """A run of this engine that is in progress; None once it has ended."""
        return self._live.get(run_id)

    def curve(self, run_id: str) -> Curve:
        """How a run's training went so far, whether in progress or not. Raises UnknownRunError."""
        return self._curves.get(run_id) or self.store.curve(run_id)

    def close(self) -> None:
        """Ends the embedded cluster, and with it the runs in progress."""
        self._post(self._disconnect)
        self._messages.put(None)
        self._thread.join(timeout=10)

    # What follows runs in the engine's own thread.

    def _post(self, what: Callable, *arguments: Any) -> None:
        self._messages.put((what, arguments))

    def _work(self) -> None:
        looked_at = 0.0
        while True:
            try:
                message = self._messages.get(timeout=LOOK_EVERY_S if self._futures or self._waiting else None)
            except queue.Empty:
                message = (self._look, ())
            if message is None:
                return
            self._try(*message)
            if time.monotonic() - looked_at > LOOK_EVERY_S:  # though there may always be a next message
                self._try(self._look, ())
                looked_at = time.monotonic()

    def _try(self, what: Callable, arguments: tuple) -> None:
        try:
            what(*arguments)
        except Exception:
            logging.getLogger(__name__).exception("The engine could not go on with %s", what.__name__)

    def _look(self) -> None:
        """Sees to what no message tells of: runs that have ended, workers that have come, a cluster that has gone."""
        for run_id, future in list(self._futures.items()):
            if future.done():
                self._done(run_id, future)
        self._fill_places()

    def _connect(self) -> None:
        try:
            if self._address:
                self._client = Client(self._address, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
            else:
                self._cluster = _process_cluster() if self._processes else _thread_cluster()
                self._client = Client(self._cluster, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
            self._client.subscribe_topic(self._topic, lambda event: self._post(self._told, event[1]))
        except Exception as error:  # Dask raises nearly anything for an address that it cannot use
            where = f"The Dask cluster at {self._address}" if self._address else "The processes for training"
            for run in self._waiting:
                self._fail(run.id, f"{where} cannot be reached ({error}). Check it, then start the training again.")
            self._waiting.clear()
            self._disconnect()

    def _disconnect(self) -> None:
        client, cluster, self._client, self._cluster = self._client, self._cluster, None, None
        for closing in (client, cluster):
            if closing:
                with suppress(OSError, TimeoutError):
                    closing.close(timeout=CLOSE_TIMEOUT_S)

    def _reconnect_if_lost(self) -> None:
        """Starts afresh when the cluster cannot be used any more; the runs that it trained have failed."""
        if self._client and self._is_lost():
            for run_id in list(self._futures):
                self._futures.pop(run_id)
                if run_id in self._live:
                    self._fail(run_id, CLUSTER_LOST)
            self._disconnect()
        if self._client is None:
            self._connect()

    def _is_lost(self) -> bool:
        if self._client.status != "running":
            return True
        if not (self._cluster and self._processes):
            return False
        # Without its nanny a worker ends too and does not come back. While the other one trains, that can wait.
        nannies = [_is_alive(nanny) for nanny in self._cluster.workers.values()]
        return not _is_alive(self._cluster.scheduler) or not any(nannies) or not (all(nannies) or self._futures)

    def _places(self) -> int:
        if self._client is None:
            return 0
        if not self._cluster:
            with suppress(OSError):  # the connection was lost at this moment, which is noticed before the next look
                return len(self._client.nthreads())
            return 0
        return sum(map(_is_alive, self._cluster.workers.values())) if self._processes else PLACES

    def _enqueue(self, run: Run) -> None:
        self._waiting.append(run)
        self._fill_places()

    def _fill_places(self) -> None:
        if self._waiting or self._futures:
            self._reconnect_if_lost()
        places = self._places() if self._waiting else 0
        while self._waiting and len(self._futures) < places:
            run = self._waiting.pop(0)
            self._curves[run.id] = Curve.empty(run.hyperparameters)
            self._live[run.id] = Live(run.id)
            self._futures[run.id] = self._client.submit(
                train_on_worker, run.id, run.values, self._topic, key=run.id, pure=False, retries=0
            )
        for position, run in enumerate(self._waiting, start=1):
            self._live[run.id] = replace(self._live[run.id], position=position)

    def _stop(self, run_id: str) -> None:
        live = self._live.get(run_id)
        if live is None:  # it has ended by itself in the meantime
            return
        if run_id in self._futures:
            self._reconnect_if_lost()
        if run_id in self._futures:
            Event(_stop_name(run_id), client=self._client).set()
        live = self._live.get(run_id)
        if live is None:  # the cluster was lost, and the run with it
            return
        if live.latest:
            self._live[run_id] = replace(live, stopping=True)
        else:  # its worker, if it has one, is still building the network and is not waited for
            self._waiting = [run for run in self._waiting if run.id != run_id]
            self._fail(run_id, STOPPED_TOO_EARLY)

    def _told(self, message: dict[str, Any]) -> None:
        run_id, kind = message["run_id"], message["kind"]
        live = self._live.get(run_id)
        if live is None:  # it was stopped before its first batch
            return
        if kind == "Started":
            if live.state != RunState.QUEUED:  # Dask gave it to another worker because the first one died
                self._futures[run_id].cancel()
                return
            self._live[run_id] = replace(live, state=RunState.RUNNING)
            self.store.set_state(run_id, RunState.RUNNING)
            return
        event = EVENTS[kind].model_validate(message["fields"])
        curve = self._curves[run_id].model_copy(deep=True)
        curve.add(event)
        self._curves[run_id] = curve
        if kind == "Measuring":
            self._live[run_id] = replace(live, state=RunState.MEASURING)
        elif kind == "Progress":
            self._live[run_id] = replace(live, latest=event)
        if kind != "Progress" or time.monotonic() - self._saved_at.get(run_id, 0) > SAVE_CURVE_EVERY_S:
            self._saved_at[run_id] = time.monotonic()
            self.store.save_curve(run_id, self._curves[run_id])

    def _done(self, run_id: str, future: Any) -> None:
        self._futures.pop(run_id)
        if run_id not in self._live:  # it was stopped before its first batch
            return
        try:
            trained = future.result()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._fail(run_id, _explained(error))
        else:
            try:
                self.store.finish(run_id, trained)
                self._forget(run_id)
            except StoreError as error:
                self._fail(run_id, f"It was trained, but could not be kept. {error}")

    def _fail(self, run_id: str, error: str) -> None:
        try:
            self.store.set_state(run_id, RunState.FAILED, error)  # first: without its end a run would look as if it went on
            if run_id in self._curves:
                self.store.save_curve(run_id, self._curves[run_id])
        except StoreError:
            logging.getLogger(__name__).exception("That the run %s has ended (%s) could not be kept", run_id, error)
        finally:  # whoever waits for it, and whoever is next, waits no longer
            self._forget(run_id)

    def _forget(self, run_id: str) -> None:
        for memory in (self._live, self._curves, self._saved_at):
            memory.pop(run_id, None)


def _explained(error: BaseException) -> str:
    """A sentence for what ended a training."""
    kind = type(error).__name__  # of a module that imports TensorFlow, or of Dask's scheduler: known here by name only
    if kind == "TrainingError":
        return str(error)
    if kind == "KilledWorker" or isinstance(error, CancelledError):
        return WORKER_DIED
    reason = (str(error).strip() or kind).splitlines()[0][:300]
    return f"The training failed unexpectedly ({kind}: {reason}). Smaller layers or batches may help."


def _process_cluster() -> SubprocessCluster:
    # The scheduler's standard error is a pipe that nobody reads: once its log had filled it, the scheduler would stand still.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "error")
    os.environ[worker.OWNER] = str(os.getpid())
    # The processes must find this package wherever the app was started from.
    root = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    preload = [worker.__name__]
    return SubprocessCluster(
        host="127.0.0.1",
        n_workers=PLACES,
        threads_per_worker=1,
        # A run whose worker died fails; by default Dask would start it afresh on other workers, up to three times.
        scheduler_kwargs={"allowed_failures": 0, "preload": preload, "dashboard": False, "dashboard_address": "127.0.0.1:0"},
        worker_kwargs={
            "memory_limit": 0,
            "preload": preload,
            "preload_nanny": preload,
        },
        silence_logs=logging.ERROR,
    )


def _is_alive(part: Any) -> bool:
    """Whether a subprocess of the cluster, scheduler or nanny, still runs."""
    return part.process is not None and part.process.returncode is None


def _thread_cluster() -> LocalCluster:
    return LocalCluster(processes=False, n_workers=PLACES, threads_per_worker=1, dashboard_address=None, memory_limit=0)
