"""The browser that the benchmarks measure with: that of the tests, without a visible window."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.server import FLAGS, find_chromium

WINDOW = {"width": 1280, "height": 1000}
PATIENCE_MS = 120_000


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visitor(browser: Browser) -> Iterator[Page]:
    """The page of somebody who was never here before."""
    context = browser.new_context(viewport=WINDOW)
    # Nor was anything drawn before a page is opened once more.
    context.add_init_script("sessionStorage.clear()")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()
