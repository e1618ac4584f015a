"""A Streamlit app started as users start it, and the browser that opens it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.request import urlopen

import psutil

ROOT = Path(__file__).parents[2]
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
STARTED_S = 60


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome on this machine. CHROMIUM, when set, names it."""
    found = [
        os.environ.get("CHROMIUM"),
        *map(shutil.which, NAMES),
        *(place for place in PLACES if Path(place).exists()),
    ]
    return next(filter(None, found), None)


class Server:
    """An app, started with Streamlit on a free port; this project's, with a store of its own,
    unless another one is named."""

    def __init__(
        self,
        folder: Path,
        script: Path = ROOT / "app.py",
        cwd: Path = ROOT,
        options: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        python: str | Path = sys.executable,
    ) -> None:
        """folder: where its store is. cwd: where it is started. options: for `streamlit run`.
        python: that runs it."""
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self.command = [
            str(python),
            "-m",
            "streamlit",
            "run",
            str(script),
            "--server.port",
            str(self.port),
            *options,
        ]
        self.cwd = cwd
        self.env = {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/runs.sqlite3", **(env or {})}
        self.start()

    def start(self) -> None:
        """Starts the app and waits until it answers."""
        self.process = subprocess.Popen(self.command, cwd=self.cwd, env=self.env)
        deadline = time.monotonic() + STARTED_S
        while True:
            try:
                with urlopen(f"{self.url}/_stcore/health", timeout=5):
                    return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        """Ends it as Ctrl-C would."""
        self.process.terminate()
        self.process.wait(timeout=30)

    def workers(self) -> list[psutil.Process]:
        """The processes that train; Dask's nannies spawn them."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in below if "spawn_main" in " ".join(process.cmdline())]

    def kill(self) -> None:
        """Ends it without a chance to clean up."""
        self.process.kill()
        self.process.wait(timeout=30)
