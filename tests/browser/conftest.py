"""A real Chromium that uses the app as users start it; where there is none, one line says how to
get it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.server import FLAGS, Server, find_chromium

# Generous: machines that run tests are slow and shared.
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)

CHROMIUM = find_chromium()
collect_ignore_glob = [] if CHROMIUM else ["test_*.py"]


def pytest_terminal_summary(terminalreporter) -> None:
    if not CHROMIUM:
        terminalreporter.write_line(
            "SKIPPED all tests in a browser: no Chromium or Chrome was found. Install one (Debian: "
            "apt install chromium), or set CHROMIUM to its path."
        )


# For this folder and no longer: while Playwright is there, an event loop runs in this thread, and
# what other tests use would stumble over it.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
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
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    yield page
    context.close()
