"""Several visitors of one app, of whom none sits at the machine: what belongs to whom."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.visitor import Visitor
from mnist_models.runs.rights import TEACHER_PASSWORD
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import DnnHyperparameters
from tests.browser.server import Server

LONG = DnnHyperparameters(hidden_units=(16,), epochs=60, train_images=50_000)
PASSWORD = "open sesame"


@pytest.fixture(scope="module")
def school(tmp_path_factory) -> Iterator[Server]:
    """An app with a teacher's password."""
    server = Server(tmp_path_factory.mktemp("school"), env={TEACHER_PASSWORD: PASSWORD})
    yield server
    server.stop()


@pytest.fixture
def come(chromium: Browser) -> Iterator:
    """Another visitor, with a browser of their own."""
    contexts = []

    def visitor() -> Page:
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 1000}))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        return page

    yield visitor
    for context in contexts:
        context.close()


def test_a_device_tells_who_it_is_once_and_not_just_after_a_link_was_followed(school, come):
    page = come()
    page.add_init_script("""
        window.told = []
        const send = WebSocket.prototype.send
        WebSocket.prototype.send = function (data) {
            const text = data.buffer ? new TextDecoder().decode(data) : ""
            if (text.includes("secret")) window.told.push(performance.now())
            return send.call(this, data)
        }
    """)
    known = page.locator(".st-key-train-start button:enabled")
    page.goto(f"{school.url}/train")
    known.wait_for()
    assert page.evaluate("window.told.length") == 1
    page.add_init_script("""
        const observer = new MutationObserver(() => {
            const link = document.querySelector("a[data-testid=stPageLink-NavLink]")
            if (!link || window.followed) return
            link.focus()
            window.followed = performance.now()
        })
        observer.observe(document, {childList: true, subtree: true})
    """)
    page.reload()  # another session
    known.wait_for()
    (after_ms,) = page.evaluate("window.told.map((at) => at - window.followed)")
    assert after_ms >= 1000


def test_a_run_is_controlled_by_its_owner_and_a_teacher_and_by_no_message_sent_by_hand(
    school, come
):
    ann, ben = come(), come()
    ann.goto(links.to_url(f"{school.url}/train", links.to_query(LONG)))
    ann.locator(".st-key-train-start button").click()
    stop = ann.locator(".st-key-train-stop button")
    expect(stop).to_be_enabled()
    ann.get_by_text("images per second").wait_for()
    run = ann.url.partition("run=")[2].partition("&")[0]
    ann.reload()  # the device keeps who she is
    expect(stop).to_be_enabled()

    ben.goto(f"{school.url}/train")
    expect(ben.locator(".st-key-train-start button")).to_be_enabled()
    expect(ben.get_by_text("images per second")).to_have_count(0)  # not his
    ben.goto(f"{school.url}/train?run={run}")
    ben.get_by_text("images per second").wait_for()
    expect(ben.get_by_text("Somebody else's run")).to_be_visible()
    expect(ben.locator(".st-key-train-stop")).to_have_count(0)

    with ThreadPoolExecutor() as apart:  # Playwright's event loop runs in this thread
        apart.submit(asyncio.run, press_by_hand(school.url, f"run={run}")).result()
    expect(ann.get_by_text("images per second")).to_be_visible()
    expect(stop).to_be_enabled()

    ben.goto(f"{school.url}/lessons")
    ben.get_by_role("button", name="I am the teacher").click()
    field = ben.get_by_label("Teacher's password")
    field.fill("wrong")
    field.press("Enter")
    expect(ben.get_by_text("That is not the teacher's password")).to_be_visible()
    field.fill(PASSWORD)
    field.press("Enter")
    expect(ben.get_by_text("You are the teacher")).to_be_visible()
    ben.goto(f"{school.url}/train?run={run}")
    ben.locator(".st-key-train-stop button").click()
    expect(ann.get_by_text("images per second")).to_have_count(0)
    expect(ann.get_by_text("stopped").first).to_be_visible()


async def press_by_hand(url: str, query: str) -> None:
    """Sends what Ann's browser sends for Stop and Pause, from a session that watches her run. What
    these buttons are called in a message is no secret: everybody's are called the same."""
    owner, stranger = Visitor(url, 60), Visitor(url, 60)
    await owner.open("train", urlencode(links.to_query(LONG)))
    await owner.introduce("1" * 64)
    await owner.press(f"Train this {LONG.title}")
    assert {"Stop", "Pause"} <= set(owner.widgets.buttons)
    await stranger.open("train", query)
    await stranger.introduce("2" * 64)
    assert "Stop" not in stranger.widgets.buttons
    for label in ("Stop", "Pause"):
        await stranger.send_press(*owner.widgets.buttons[label])
    await owner.press("Stop")
    await owner.leave()
    await stranger.leave()


def test_who_opens_the_page_on_the_machine_itself_by_its_number_is_the_teacher(page, server):
    page.goto(f"{server.url.replace('localhost', '127.0.0.1')}/class")
    expect(page.get_by_text("You are the teacher: everything may be done.")).to_be_visible()
