"""Where training runs: processes of this machine, or the Dask cluster that DASK_SCHEDULER_ADDRESS
names."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster, SubprocessCluster

from mnist_models.runs import worker

# The number of models that are trained at once on this machine.
PLACES = 2
CONNECT_TIMEOUT_S = 15
CLOSE_TIMEOUT_S = 2


class Cluster:
    """A connection to a Dask cluster: one elsewhere, or one that is started here and ends with this
    process.

    Attributes:
        client: Dask's own, for what it does well by itself.
    """

    def __init__(self, address: str | None, processes: bool) -> None:
        """Connects to a cluster, or starts one.

        Args:
            address: Of a Dask scheduler; None starts a cluster here.
            processes: Whether that one consists of processes, or of threads.

        Raises:
            Exception: Nearly anything, when there is none at the address.
        """
        self._processes = None
        self._embedded: LocalCluster | SubprocessCluster | None = None
        if address is None:
            self._embedded = _process_cluster() if processes else _thread_cluster()
            self._processes = self._embedded if processes else None
        try:
            self.client = Client(
                address or self._embedded, timeout=CONNECT_TIMEOUT_S, set_as_default=False
            )
        except Exception:
            if self._embedded:
                self._embedded.close(timeout=CLOSE_TIMEOUT_S)
            raise

    @property
    def is_connected(self) -> bool:
        return self.client.status == "running"

    def is_lost(self, *, is_busy: bool) -> bool:
        """Whether it has to be left and another one begun.

        Args:
            is_busy: Something is trained in it.
        """
        if not self.is_connected:
            return True
        if self._processes is None:
            return False
        # Without its nanny a worker ends too and does not come back. While the other one trains,
        # that can wait.
        nannies = [_is_alive(nanny) for nanny in self._processes.workers.values()]
        return (
            not _is_alive(self._processes.scheduler)
            or not any(nannies)
            or not (all(nannies) or is_busy)
        )

    @property
    def places(self) -> int:
        """How many networks it can train at once."""
        if self._embedded is None:
            return self.workers
        return (
            PLACES
            if self._processes is None
            else sum(map(_is_alive, self._processes.workers.values()))
        )

    @property
    def workers(self) -> int:
        """How many workers are there at this moment; one that died is missing until another has
        taken its place."""
        with suppress(
            OSError
        ):  # the connection was lost at this moment, which is noticed before the next look
            return len(self.client.nthreads())
        return 0

    def close(self) -> None:
        """Leaves the cluster; one that was started here ends."""
        for closing in (self.client, self._embedded):
            if closing:
                with suppress(OSError, TimeoutError):
                    closing.close(timeout=CLOSE_TIMEOUT_S)


def _process_cluster() -> SubprocessCluster:
    # The scheduler's standard error is a pipe that nobody reads: once its log had filled it, the
    # scheduler would stand still.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "error")
    os.environ[worker.OWNER] = str(os.getpid())
    # The processes must find this package wherever the app was started from.
    root = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    preload = [worker.__name__]
    return SubprocessCluster(
        host="127.0.0.1",
        n_workers=PLACES,
        threads_per_worker=1,
        # A run whose worker died fails; by default Dask would start it afresh on other workers, up
        # to three times.
        scheduler_kwargs={
            "allowed_failures": 0,
            "preload": preload,
            "dashboard": False,
            "dashboard_address": "127.0.0.1:0",
        },
        worker_kwargs={
            "memory_limit": 0,
            "preload": preload,
            "preload_nanny": preload,
        },
        silence_logs=logging.ERROR,
    )


def _thread_cluster() -> LocalCluster:
    return LocalCluster(
        processes=False,
        n_workers=PLACES,
        threads_per_worker=1,
        dashboard_address=None,
        memory_limit=0,
    )


def _is_alive(part: Any) -> bool:
    """Whether a subprocess of the cluster, scheduler or nanny, still runs."""
    return part.process is not None and part.process.returncode is None
