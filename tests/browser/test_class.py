"""A class of three devices: the teacher's, with the wall; a pupil's phone; a pupil's laptop."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import Browser, Page, expect

from benchmarks.visitor import VisitError, Visitor, drawings
from mnist_models.runs import rights
from mnist_models.runs.classes import Classes
from mnist_models.runs.store import RunStore
from tests.browser.hand import canvas, draw, draw_by_touch
from tests.browser.server import Server

# Strokes by the digit that is asked for.
DIGITS = {
    0: [[(140, 40), (80, 80), (75, 190), (140, 240), (205, 190), (200, 80), (140, 40)]],
    1: [[(140, 40), (140, 240)]],
    2: [[(80, 90), (140, 45), (195, 90), (80, 235), (205, 235)]],
    3: [[(80, 60), (190, 60), (130, 130), (195, 185), (140, 235), (80, 215)]],
    4: [[(110, 45), (75, 160), (205, 160)], [(170, 100), (165, 240)]],
    5: [[(190, 50), (95, 50), (90, 135), (180, 140), (190, 210), (130, 240), (80, 220)]],
    6: [[(170, 45), (90, 150), (100, 225), (170, 230), (185, 170), (110, 160)]],
    7: [[(70, 60), (200, 60), (130, 235)]],
    8: [[(180, 80), (130, 45), (95, 85), (180, 190), (140, 240), (95, 195), (180, 80)]],
    9: [[(185, 100), (120, 130), (100, 70), (170, 50), (185, 100), (170, 240)]],
}


def invitation(teacher: Page) -> str:
    """The address that the class sees, which is also in the QR code."""
    teacher.get_by_role("button", name="Invite the class").click()
    teacher.get_by_alt_text("QR code of the link").wait_for()
    address = teacher.locator("[data-testid=stCode]").inner_text().strip()
    teacher.keyboard.press("Escape")
    return address


def join(pupil: Page, address: str, nickname: str) -> None:
    pupil.goto(address)
    pupil.get_by_role("textbox", name="Your nickname").fill(nickname)
    pupil.get_by_role("button", name="Join").click()
    canvas(pupil).wait_for()


def write(pupil: Page, hand) -> int:
    """Writes the digit that is asked for, and waits until the next one is."""
    heading = pupil.get_by_role("heading", name=re.compile("Write a"))
    digit = int(heading.inner_text()[-1])
    hand(pupil, DIGITS[digit])
    pupil.get_by_role("button", name="Done").click()
    expect(heading).not_to_have_text(f"Write a {digit}")
    # The canvas is blank again. For a moment, the page shows the button of before as well.
    expect(pupil.get_by_role("button", name="Done", disabled=False)).to_have_count(0)
    return digit


def test_a_class_goes_from_the_qr_code_to_the_wall(
    chromium: Browser, server, page: Page, phone: Page
):
    page.goto(f"{server.url}/class")
    page.get_by_role("button", name="New collection").click()
    page.get_by_label("Name of the new collection").fill("9b, Monday")
    page.get_by_label("Name of the new collection").press("Enter")
    page.get_by_role("button", name="Begin", exact=True).click()
    expect(page).to_have_url(re.compile("collection="))
    address = invitation(page)
    laptop = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    laptop.set_default_timeout(60_000)
    join(phone, address, "Mia")
    join(laptop, address, "Ben")

    page.get_by_role("link", name="See what the class has written").click()
    expect(page.get_by_text("appear here as they come")).to_be_visible()
    tiles = page.locator(".wall button")
    first = write(phone, draw_by_touch)
    expect(tiles).to_have_count(1)  # by itself
    expect(tiles.first).to_have_attribute("title", re.compile(f"^{first} by Mia: the DNN reads"))
    seen = tiles.first.element_handle()
    second = write(laptop, draw)
    expect(tiles).to_have_count(2)
    expect(tiles.first).to_have_attribute("title", re.compile(f"^{second} by Ben"))
    assert seen.is_visible()  # the first one is still the same element: nothing flickers

    # Who she is, and what she gave, outlive a reload; any of it can be taken back.
    phone.reload()
    expect(phone.get_by_text("you are Mia")).to_be_visible()
    expect(phone.get_by_text("You have given 1 digit.")).to_be_visible()

    tiles.first.click()
    page.get_by_role("button", name="Open on Draw").click()
    expect(page.get_by_text("Written by Ben")).to_be_visible()
    laptop.context.close()


def test_nothing_that_was_kept_is_lost_when_the_server_is_killed(tmp_path):
    server = Server(tmp_path)
    try:
        store = Classes(RunStore(server.env["DATABASE_URL"]).database)
        collection = store.create("9b", rights.Visitor(is_teacher=True)).id
        secret = "ab" * 32
        store.join("Mia", rights.Visitor(rights.visitor_id(secret)))

        async def write(count: int) -> None:
            pupil = Visitor(server.url, 60)
            await pupil.open("class", f"collection={collection}")
            await pupil.introduce(secret)
            for drawing in drawings(count):
                await pupil.write(drawing)
                kept.append(drawing)

        kept: list[str] = []
        with ThreadPoolExecutor() as apart:  # Playwright's event loop may run in this thread
            writing = apart.submit(asyncio.run, write(100))
            while len(kept) < 5:
                time.sleep(0.01)
            server.kill()
            assert isinstance(writing.exception(), VisitError)
        # One more may have been kept, of which the pupil was not told any more.
        assert len(store.given(collection)) - len(kept) in (0, 1)
        server.start()
        before = len(store.given(collection))
        with ThreadPoolExecutor() as apart:
            apart.submit(asyncio.run, write(3)).result()
        assert len(store.given(collection)) == before + 3
    finally:
        server.stop()
