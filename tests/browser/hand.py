"""What a visitor's hand does: draw with a mouse or a finger, look at what was read."""

from playwright.sync_api import CDPSession, Locator, Page, expect

# Strokes on the 280×280 canvas: lists of (x, y) in pixels.
SEVEN = [[(70, 70), (200, 70), (130, 230)]]
# Begins in the top right corner, as many people's zeros do.
ZERO = [
    [
        (215, 14), (170, 14), (120, 30), (85, 75), (70, 130), (75, 190), (100, 240), (140, 260),
        (180, 250), (210, 215), (228, 160), (232, 100), (228, 50), (215, 14),
    ]
]  # fmt: skip


def open_draw(page: Page, url: str) -> None:
    """Opens the home page and waits for the canvas."""
    page.goto(url)
    canvas(page).wait_for()


def follow(page: Page, name: str) -> None:
    """Follows a link once the page is drawn, as people do: what the page tells by itself just after
    it has opened can otherwise take the place of the page that is asked for."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.get_by_role("link", name=name, exact=True).click()


def open_lesson(page: Page, name: str) -> None:
    """Goes to a lesson from any page."""
    page.get_by_role("button", name="Lessons").click()
    page.get_by_role("link", name=name).click()


def take_to_lesson(page: Page, url: str, strokes: list, digit: str, name: str) -> None:
    """Draws a digit, and goes to a lesson with it once both networks have read it."""
    open_draw(page, url)
    draw(page, strokes)
    expect_reading(page, digit)
    open_lesson(page, name)


def canvas(page: Page) -> Locator:
    """The canvas that takes strokes."""
    return page.locator("canvas.upper-canvas")


def draw(page: Page, strokes: list) -> None:
    """Draws with the mouse."""
    for stroke in strokes:
        begin_to_draw(page, stroke)
        page.mouse.up()


def begin_to_draw(page: Page, stroke: list) -> None:
    """Draws with the mouse, whose button stays down."""
    box = canvas(page).bounding_box()
    corner, *way = [(box["x"] + x, box["y"] + y) for x, y in stroke]
    page.mouse.move(*corner)
    page.mouse.down()
    for place in way:
        page.mouse.move(*place, steps=4)


def draw_by_touch(page: Page, strokes: list) -> None:
    """Draws with a finger."""
    canvas(page).scroll_into_view_if_needed()
    for stroke in strokes:
        touch(page, canvas(page), stroke)


def touch(page: Page, target: Locator, way: list, end: str = "touchEnd") -> None:
    """Moves a finger over an element, along points from its top left corner, until it is lifted, or
    taken away by the system ("touchCancel")."""
    end_touch(begin_to_touch(page, target, way), end)


def begin_to_touch(page: Page, target: Locator, way: list) -> CDPSession:
    """Moves a finger over an element, where it stays until `end_touch` is given what this
    returns."""
    box = target.bounding_box()
    session = page.context.new_cdp_session(page)
    for step, (x, y) in enumerate(way):
        place = {"x": box["x"] + x, "y": box["y"] + y}
        kind = "touchMove" if step else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
    return session


def end_touch(session: CDPSession, end: str = "touchEnd") -> None:
    """Lifts the finger, or has the system take it away ("touchCancel")."""
    session.send("Input.dispatchTouchEvent", {"type": end, "touchPoints": []})


def expect_reading(page: Page, digit: str, networks: tuple[str, ...] = ("dnn", "cnn")) -> None:
    """Waits until both networks read this digit on the server; "–" for none."""
    for network in networks:
        expect(prediction(page, network)).to_have_text(digit)
    expect(page.locator(".inference", has_text="in your browser")).to_have_count(0)


def prediction(page: Page, name: str) -> Locator:
    """Where the page shows the digit that a model reads."""
    return page.locator(f".st-key-prediction-{name} [data-testid=stMetricValue]")
