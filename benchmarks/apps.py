"""The two apps that are measured side by side: this project's, and the one that most people would
write."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.visitor import Visitor, drawings
from mnist_models import tensorflow_loader
from mnist_models.runs import pretrained
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run, RunState
from mnist_models.settings import recipes
from tests.browser.server import Server

PLAIN = Path(__file__).with_name("plain_app.py")
# Streamlit's defaults, but for what lets it start unattended on a machine without internet.
UNATTENDED = [
    "--server.headless",
    "true",
    "--browser.gatherUsageStats",
    "false",
    "--browser.serverAddress",
    "localhost",
]
# A training that lasts longer than any lesson.
TRAINED = recipes.RECIPES["simple-cnn"].hyperparameters.model_copy(update={"epochs": 100})
# So long a visitor waits for an answer; a longer wait is an error, and the visitor gives up.
PATIENCE_S = 60.0
STROKES_TO_WARM_UP = 3
QUIET_WITHIN_S = 60
# Of a processor, while nothing is asked of an app.
QUIET_CORES = 0.1
MB = 1_000_000


def ours(folder: Path, options: Sequence[str] = ()) -> Server:
    """This app as users start it, with a store of its own in the folder."""
    return Server(folder, options=options)


def plain(folder: Path) -> Server:
    """The plain app, with the networks that `export_networks` wrote into the folder; started there,
    so that this project's settings are not its own."""
    return Server(
        folder, PLAIN, cwd=folder, options=UNATTENDED, env={"PLAIN_NETWORKS": str(folder)}
    )


def earlier(folder: Path, tree: Path) -> Server:
    """An earlier version of this app, in a folder with what it needs in .venv, as its users started
    it."""
    python = tree.resolve() / ".venv" / "bin" / "python"
    return Server(folder, tree.resolve() / "app.py", cwd=tree.resolve(), python=python)


def export_networks(folder: Path) -> None:
    """Writes the shipped networks as the Keras files that the plain app reads, in a process of its
    own: what measures must not have loaded TensorFlow."""
    exporting = multiprocessing.get_context("spawn").Process(target=_export, args=[folder])
    exporting.start()
    exporting.join()
    if exporting.exitcode:
        raise RuntimeError(
            "The networks for the plain app could not be written; what went wrong stands above."
        )


def _export(folder: Path) -> None:
    tensorflow_loader.load()
    from mnist_models.models import networks
    from mnist_models.models.classifier import unpack_weights

    facts = pretrained.facts()
    for network, run_id in pretrained.ids("shipped").items():
        model = networks.build(
            Run(state=RunState.FINISHED, **facts[run_id]).hyperparameters, blank=True
        )
        unpack_weights(model, pretrained.weights(run_id))
        model.save(folder / f"{network}.keras")


@contextmanager
def ready(server: Server, *, is_drawn_on: bool = True) -> Iterator[Server]:
    """A server to which all is loaded: somebody has drawn, and it and the processes that it has
    started are quiet. is_drawn_on: whether somebody draws first; visitor.py knows how to do that
    in this version and in the plain app only."""
    try:
        if is_drawn_on:
            asyncio.run(_warm_up(server.url))
        processes = family(server)
        deadline = time.monotonic() + QUIET_WITHIN_S
        took_s = 1.0
        while took_s > QUIET_CORES:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{server.url} is still busy with {took_s:.1f} cores, "
                    "though nothing is asked of it."
                )
            before_s = cpu_s(processes)
            time.sleep(1)
            took_s = cpu_s(processes) - before_s
        yield server
    finally:
        end(server)


async def _warm_up(url: str) -> None:
    visitor = Visitor(url, PATIENCE_S)
    await visitor.open()
    for drawing in drawings(STROKES_TO_WARM_UP):
        await visitor.draw(drawing, time.monotonic())
    await visitor.leave()


def end(server: Server) -> None:
    """Stops a server and waits for all that it has started: what comes next has the machine for
    itself."""
    processes = family(server)
    server.stop()
    psutil.wait_procs(processes, timeout=QUIET_WITHIN_S)


def family(server: Server) -> list[psutil.Process]:
    """The server's process, then those that it has started."""
    process = psutil.Process(server.process.pid)
    return [process, *process.children(recursive=True)]


def cpu_s(processes: Sequence[psutil.Process]) -> float:
    """The seconds of processor time that those of the processes have taken that have not ended."""
    taken_s = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            taken_s += times.user + times.system
    return taken_s


def memory_mb(processes: Sequence[psutil.Process]) -> float:
    """What would come back if these processes ended: the memory that they have written to and share
    with nobody.

    Without the pages of files that they only read: those the system takes back, and reads again, as
    it likes. Linux tells.
    """
    return sum(part.private_dirty for process in processes for part in process.memory_maps()) / MB


def running(server: Server) -> int:
    """How many networks learn at this moment."""
    return sum(run.state == RunState.RUNNING for run in RunStore(server.env["DATABASE_URL"]).runs())
