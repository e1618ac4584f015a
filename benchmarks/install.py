"""What it takes to have the app: a fresh environment, its first start, and the memory of its
processes."""

import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

from benchmarks import apps, results
from benchmarks.browser import launched, visitor
from benchmarks.page import begin_training, start_s
from benchmarks.results import ROOT, Row
from tests.browser.server import Server

TRAINING_S = 20
PARAMETERS = "544,522"


def install(folder: Path) -> Iterator[Row]:
    """Downloads and installs everything, nothing from a cache, and starts the app for the first
    time from there."""
    environment = folder / "environment"
    started = time.monotonic()
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-cache-dir",
    ]
    subprocess.run([*pip, "--require-hashes", "-r", ROOT / "requirements.lock"], check=True)
    seconds = time.monotonic() - started
    size_mb = sum(file.lstat().st_size for file in environment.rglob("*")) / apps.MB
    yield Row(
        "Installing into a fresh environment, downloads included",
        f"{seconds:.0f} s, {size_mb:,.0f} MB",
    )
    with launched() as browser:
        first, *others = (
            start_s(browser, lambda _: Server(folder, python=python), folder) for _ in range(4)
        )
    for place, what in enumerate(("the canvas", "the first prediction")):
        later_s = statistics.median(times_s[place] for times_s in others)
        yield Row(
            f"From starting the server to {what}: the very first time (later)",
            f"{first[place]:.1f} s ({later_s:.1f} s)",
        )


def memory(folder: Path) -> Iterator[Row]:
    """The memory that would come back if each process ended, after a few strokes, and while a
    network is trained."""
    apps.export_networks(folder)
    with apps.ready(apps.plain(folder)) as server:
        plain_mb = apps.memory_mb(apps.family(server))
    with apps.ready(apps.ours(folder)) as server, launched() as browser, visitor(browser) as page:
        its_own, *others = apps.family(server)
        yield Row(
            "Memory of the server with both models loaded, and of its processes "
            "that wait for a training run",
            f"{apps.memory_mb([its_own]):.0f} MB, {apps.memory_mb(others):.0f} MB",
            f"{plain_mb:.0f} MB",
        )
        begin_training(page, server)
        time.sleep(TRAINING_S)
        if not apps.running(server):
            raise RuntimeError("The training was over before its memory was measured.")
        yield Row(
            f"Memory of the process that trains a CNN of {PARAMETERS} parameters",
            f"{max(apps.memory_mb([process]) for process in apps.family(server)[1:]):.0f} MB",
        )


PARTS: dict[str, results.Part] = {"install": install, "memory": memory}

if __name__ == "__main__":
    results.main("install", __doc__, PARTS)
