"""A real Chromium that uses the app as users start it; where there is none, one line says how to get it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
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
# Generous: machines that run tests are slow and shared.
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome on this machine. CHROMIUM, when set, names it."""
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), *(place for place in PLACES if Path(place).exists())]
    return next(filter(None, found), None)


CHROMIUM = find_chromium()
collect_ignore_glob = [] if CHROMIUM else ["test_*.py"]


def pytest_terminal_summary(terminalreporter) -> None:
    if not CHROMIUM:
        terminalreporter.write_line(
            "SKIPPED all tests in a browser: no Chromium or Chrome was found. "
            "Install one (Debian: apt install chromium), or set CHROMIUM to its path."
        )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Server:
    """The app, started with Streamlit on a free port, with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self.start()

    def start(self) -> None:
        """Starts the app and waits until it answers."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": f"sqlite:///{self.folder}/runs.sqlite3"},
        )
        deadline = time.monotonic() + STARTED_S
        while True:
            try:
                with urlopen(f"{self.url}/_stcore/health", timeout=5):
                    return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        """Ends it as Ctrl-C would."""
        self.process.terminate()
        self.process.wait(timeout=30)

    def kill(self) -> None:
        """Ends it without a chance to clean up."""
        self.process.kill()
        self.process.wait(timeout=30)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """One app for all tests; they share its runs, as visitors do."""
    server = Server(tmp_path_factory.mktemp("app"))
    yield server
    server.stop()


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    """A new visitor. A test fails when the browser logged an error of a script."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


@pytest.fixture
def phone(chromium: Browser, server: Server) -> Iterator[Page]:
    """A new visitor with a phone: a small window, fingers, no mouse."""
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    yield page
    context.close()
