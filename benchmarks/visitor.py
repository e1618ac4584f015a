"""A visitor without a browser: Streamlit's own messages over a WebSocket, as its page in a browser
sends and receives them.

`websockets` is the client: Streamlit itself requires it.
"""

import asyncio
import base64
import functools
import io
import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from mnist_models.data.strokes import Sheet, brush_path

BRUSH_PX = 20
# So far apart the points of a hand are that the canvas hears of.
POINTS_PX = 8
NETWORKS = 2
# In the name of the component that is drawn on.
CANVAS = "drawable-canvas"
# The component that tells who a device is.
DEVICE = "device"
# What the page shows in place of a reading while there is none.
NO_READING = "–"


class VisitError(Exception):
    """Something that a visitor would notice: no answer, half an answer, an error on the page, a
    lost connection."""


@dataclass
class Widgets:
    """What the page has told of its widgets. states: of those whose value a browser sends with
    every message, by id."""

    canvas: str = ""
    device: tuple[str, str] = "", ""  # id, fragment
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)  # label -> id, fragment
    fragment: str = ""
    states: dict[str, dict] = field(default_factory=dict)

    def learn(self, element: Element, fragment: str) -> None:
        match element.WhichOneof("type"):
            case "bidi_component" if CANVAS in element.bidi_component.component_name:
                self.canvas, self.fragment = element.bidi_component.id, fragment
            case "bidi_component" if element.bidi_component.component_name == DEVICE:
                self.device = element.bidi_component.id, fragment
            case "button":
                self.buttons[element.button.label] = element.button.id, fragment
            case "slider":
                self.states[element.slider.id] = {
                    "double_array_value": {"data": element.slider.default}
                }
            case "selectbox":
                chosen = element.selectbox.options[element.selectbox.default]
                self.states[element.selectbox.id] = {"string_value": chosen}


class Visitor:
    """One visitor with a session of their own. Every method waits until the page has been drawn, at
    most `patience_s`."""

    def __init__(self, url: str, patience_s: float) -> None:
        """url: of the app, such as http://localhost:8501."""
        self.url = url
        self.patience_s = patience_s
        self.widgets = Widgets()
        self._at: dict[str, str] = {}  # where: the page and its query, which go with every message
        self._every: tuple[float, str] = (
            0.0,
            "",
        )  # seconds after which the page redraws a part of itself, and that part
        self._connection: ClientConnection | None = None
        self._pictures: set[str] = set()  # that the browser has in its cache

    async def open(self, page: str = "", query: str = "") -> None:
        """Opens a page by its name, "" for the home page, with a query such as "network=cnn"."""
        try:
            self._connection = await connect(
                self.url.replace("http", "ws", 1) + "/_stcore/stream",
                origin=self.url,
                subprotocols=["streamlit"],
                max_size=None,
                proxy=None,
                open_timeout=self.patience_s,
                ping_interval=None,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise VisitError(f"no connection ({error!r})") from error
        self._at = {"query_string": query}
        await self._run(BackMsg(rerun_script={**self._at, "page_name": page, "widget_states": {}}))

    async def draw(self, drawing: str, drawn: float) -> float:
        """Has the canvas tell what is on it. Returns the seconds from then until both readings have
        come.

        drawing: what the canvas tells, see `drawings`. drawn: when (time.monotonic): perhaps before
        this is called, because the page was still busy with what follows the readings of the
        drawing before.
        """
        predictions = await self._put(drawing)
        if len(predictions) != NETWORKS:
            raise VisitError(f"{len(predictions)} readings instead of {NETWORKS}")
        return max(predictions.values()) - drawn

    async def write(self, drawing: str) -> float:
        """Gives a digit to the class: has the canvas tell what is on it, and presses Done. Returns
        the seconds from then until the next digit is asked for, when this one is kept."""
        await self._put(drawing)
        pressed = time.monotonic()
        await self.press("Done")
        return time.monotonic() - pressed

    async def _put(self, drawing: str) -> dict[str, float]:
        """Has the canvas tell what is on it; see `_run`."""
        canvas = {"id": self.widgets.canvas, "json_value": drawing}
        others = [{"id": widget, **state} for widget, state in self.widgets.states.items()]
        states = {"widgets": [*others, canvas]}
        message = {**self._at, "fragment_id": self.widgets.fragment, "widget_states": states}
        return await self._run(BackMsg(rerun_script=message))

    async def introduce(self, secret: str) -> None:
        """Has the device tell who it is.

        secret: see device.js.
        """
        device, fragment = self.widgets.device
        states = {"widgets": [{"id": device, "json_value": json.dumps({"secret": secret})}]}
        await self._run(
            BackMsg(rerun_script={**self._at, "fragment_id": fragment, "widget_states": states})
        )

    async def press(self, label: str) -> None:
        """Presses a button."""
        await self.send_press(*self.widgets.buttons[label])

    async def send_press(self, widget: str, fragment: str) -> None:
        """Sends what a browser sends when a button is pressed, whether the page shows it or not.

        widget, fragment: its id, and that of the part of the page in which it stands.
        """
        states = {"widgets": [{"id": widget, "trigger_value": True}]}
        await self._run(
            BackMsg(rerun_script={**self._at, "fragment_id": fragment, "widget_states": states})
        )

    async def watch(self) -> None:
        """Has the page redraw what it wants to redraw, as often as it wants, until this is
        cancelled."""
        while True:
            interval_s, fragment = self._every
            await asyncio.sleep(interval_s)
            message = {
                **self._at,
                "fragment_id": fragment,
                "is_auto_rerun": True,
                "widget_states": {},
            }
            await self._run(BackMsg(rerun_script=message))

    async def leave(self) -> None:
        """Closes the page, if it was opened."""
        if self._connection:
            await self._connection.close()

    async def _run(self, message: BackMsg) -> dict[str, float]:
        """Sends a message, waits until the script has run, and fetches the pictures that it shows:
        when each reading came (time.monotonic), by its label."""
        if self._connection is None:
            raise VisitError("the page was never open")
        try:
            async with asyncio.timeout(self.patience_s):
                await self._connection.send(message.SerializeToString())
                return await self._answer()
        except TimeoutError as error:
            raise VisitError(f"no answer within {self.patience_s:.0f} s") from error
        except (OSError, EOFError, WebSocketException) as error:
            raise VisitError(f"connection lost ({error!r})") from error

    async def _answer(self) -> dict[str, float]:
        predictions: dict[str, float] = {}
        pictures: list[str] = []
        while True:
            data = await self._connection.recv()
            received = time.monotonic()
            message = ForwardMsg.FromString(data)
            match message.WhichOneof("type"):
                case "navigation":
                    self._at["page_script_hash"] = message.navigation.page_script_hash
                case "page_info_changed":
                    self._at["query_string"] = message.page_info_changed.query_string
                case "auto_rerun":
                    self._every = message.auto_rerun.interval, message.auto_rerun.fragment_id
                case "delta" if message.delta.WhichOneof("type") == "new_element":
                    element = message.delta.new_element
                    match element.WhichOneof("type"):
                        case "metric" if element.metric.body != NO_READING:
                            predictions[element.metric.label] = received
                        case "imgs":
                            pictures += [picture.url for picture in element.imgs.imgs]
                        case "exception":
                            raise VisitError(
                                f"{element.exception.type}: {element.exception.message}"
                            )
                        case _:
                            self.widgets.learn(element, message.delta.fragment_id)
                case "script_finished" if (
                    message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR
                ):
                    raise VisitError("the script cannot be compiled")
                case "script_finished" if (
                    message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
                ):
                    await self._fetch(pictures)
                    return predictions

    async def _fetch(self, pictures: list[str]) -> None:
        """Fetches pictures over one connection, but for those that a browser would have in its
        cache."""
        new = [
            picture
            for picture in dict.fromkeys(pictures)
            if picture.startswith("/") and picture not in self._pictures
        ]
        if not new:
            return
        self._pictures.update(new)
        host = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(host.hostname, host.port)
        for picture in new:
            writer.write(f"GET {picture} HTTP/1.1\r\nHost: {host.netloc}\r\n\r\n".encode())
            status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            if " 200 " not in status:
                raise VisitError(f"a picture of the page is missing ({status})")
            (length,) = (
                int(line.split(":")[1])
                for line in headers
                if line.lower().startswith("content-length")
            )
            await reader.readexactly(length)
        writer.close()


# Digits as people write them on the canvas: strokes of (x, y) in pixels.
DIGITS = (
    [
        [
            (140, 50),
            (90, 75),
            (75, 140),
            (90, 205),
            (140, 230),
            (190, 205),
            (205, 140),
            (190, 75),
            (140, 50),
        ]
    ],
    [[(105, 95), (145, 50), (145, 230)], [(100, 230), (190, 230)]],
    [[(85, 90), (105, 55), (160, 50), (190, 90), (165, 140), (80, 228), (205, 225)]],
    [[(90, 60), (150, 50), (185, 85), (135, 132), (190, 165), (170, 220), (85, 222)]],
    [[(115, 50), (75, 150), (205, 150)], [(165, 95), (165, 235)]],
    [[(100, 60), (92, 130), (150, 118), (192, 160), (165, 220), (82, 222)], [(100, 60), (192, 56)]],
    [[(165, 48), (105, 105), (80, 175), (110, 230), (170, 225), (185, 175), (140, 150), (88, 180)]],
    [[(75, 60), (200, 60), (125, 232)], [(100, 142), (182, 142)]],
    [
        [
            (180, 75),
            (135, 50),
            (95, 85),
            (140, 135),
            (185, 185),
            (140, 230),
            (95, 190),
            (140, 135),
            (180, 75),
        ]
    ],
    [[(185, 95), (140, 130), (95, 95), (135, 50), (185, 95), (170, 232)]],
)


@functools.cache
def drawings(count: int) -> tuple[str, ...]:
    """What the canvas tells after each stroke of many digits, drawn one after the other, no two
    alike; as JSON."""
    return tuple(itertools.islice(_drawings(), count))


def _drawings() -> Iterator[str]:
    chance = random.Random(0)
    for digit in itertools.cycle(DIGITS):
        across, down, size = (
            chance.uniform(-25, 25),
            chance.uniform(-25, 25),
            chance.uniform(0.7, 1.05),
        )
        strokes = []
        for stroke in digit:
            corners = [
                (140 + (x - 140) * size + across, 140 + (y - 140) * size + down) for x, y in stroke
            ]
            strokes.append(
                [(x + chance.gauss(0, 0.7), y + chance.gauss(0, 0.7)) for x, y in _along(corners)]
            )
            yield _told(strokes)


def _along(corners: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Points along a line through corners."""
    for (x, y), (next_x, next_y) in itertools.pairwise(corners):
        steps = max(1, round(((next_x - x) ** 2 + (next_y - y) ** 2) ** 0.5 / POINTS_PX))
        for step in range(steps):
            yield x + (next_x - x) * step / steps, y + (next_y - y) * step / steps
    yield corners[-1]


def _told(strokes: list[list[tuple[float, float]]]) -> str:
    """What the canvas component tells of its drawing: Fabric.js's objects, and the picture as a
    PNG."""
    sheet = Sheet()
    for stroke in strokes:
        sheet.draw(np.array(stroke), BRUSH_PX)
    png = io.BytesIO()
    Image.fromarray(255 - sheet.ink()).convert("RGBA").save(png, "PNG")
    raw = {
        "version": "7.4.0",
        "objects": [_path(stroke) for stroke in strokes],
        "background": "#ffffff",
    }
    data = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    return json.dumps({"drawing": {"raw": raw, "data": data}})


def _path(stroke: list[tuple[float, float]]) -> dict:
    """A stroke as an object of Fabric.js."""
    points = [(round(x, 3), round(y, 3)) for x, y in stroke]
    (left, right), (top, bottom) = ((min(side), max(side)) for side in zip(*points, strict=True))
    locks = (
        "lockMovementX",
        "lockMovementY",
        "lockRotation",
        "lockScalingX",
        "lockScalingY",
        "lockSkewingX",
        "lockSkewingY",
    )
    return {
        **dict.fromkeys((*locks, "lockScalingFlip"), False),
        "type": "Path",
        "version": "7.4.0",
        "originX": "center",
        "originY": "center",
        "left": (left + right) / 2,
        "top": (top + bottom) / 2,
        "width": right - left,
        "height": bottom - top,
        "fill": None,
        "stroke": "#000000",
        "strokeWidth": BRUSH_PX,
        "strokeDashArray": None,
        "strokeLineCap": "round",
        "strokeDashOffset": 0,
        "strokeLineJoin": "round",
        "strokeUniform": False,
        "strokeMiterLimit": 10,
        "scaleX": 1,
        "scaleY": 1,
        "angle": 0,
        "flipX": False,
        "flipY": False,
        "opacity": 1,
        "shadow": None,
        "visible": True,
        "backgroundColor": "",
        "fillRule": "nonzero",
        "paintFirst": "fill",
        "globalCompositeOperation": "source-over",
        "skewX": 0,
        "skewY": 0,
        "path": brush_path(points),
    }
