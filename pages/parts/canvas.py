"""The drawing board: a canvas to draw on, which keeps its drawing when the visitor leaves the page
and comes back."""

import base64
import functools
import io
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from mnist_models.data import dataset, strokes
from mnist_models.data.preprocessing import (
    Preparation,
    prepare_drawing,
    prepare_ink,
    prepare_picture,
)
from pages.parts.components import component

SIZE_PX = strokes.CANVAS_PX
# A digit put on the canvas by the app stands as large as people draw: MNIST's 20 of 28 pixels.
DIGIT_PX = 200
# MNIST's strokes are about 2 of 20 pixels wide.
BRUSH_PX = 20
PAPER, INK = "#ffffff", "#000000"
# In the session: what all pages show, and the visitor's own drawing while a lesson shows another.
BOARD, OWN = "board", "own-board"
# On a window up to this width, the canvas is as wide as the window but for its margins.
PHONE_PX = 480


@dataclass
class Board:
    """What is on a visitor's canvas. Lives in the session.

    Attributes:
        drawing: What the canvas shows, as Fabric.js writes it.
        sent: The drawing that was last sent to the canvas; `version` makes each one different,
            or the canvas would ignore it.
        received: The drawing that last came from the canvas.
        preparation: The drawing as the models see it; None when blank.
        exact: Whether the preparation was made from an image of which the canvas shows only a
            likeness.
        origin: Where the image came from, a sentence.
        label: The actual digit, if known.
        told: The digit that the visitor says they drew, if they have said so.
        index: The index of the test image, if it is one.
        is_new: Whether nothing has been drawn or chosen in this session yet; a digit may be shown
            for the time being.
        is_lent: Whether it shows a lesson's digit, in the place of the visitor's own drawing.
    """

    drawing: dict[str, Any] = field(default_factory=lambda: {"objects": []})
    sent: dict[str, Any] = field(default_factory=lambda: {"objects": []})
    version: int = 0
    received: dict[str, Any] | None = None
    preparation: Preparation | None = None
    exact: bool = False
    origin: str = ""
    label: int | None = None
    told: int | None = None
    index: int | None = None
    is_new: bool = True
    is_lent: bool = False

    @property
    def known(self) -> int | None:
        """The digit that is on the canvas, as far as anybody has said."""
        return self.told if self.label is None else self.label

    def send(self, drawing: dict[str, Any]) -> None:
        """Has the canvas show this drawing."""
        self.version += 1
        self.drawing, self.sent = drawing, {"objects": drawing["objects"], "version": self.version}

    def undo(self) -> None:
        """Removes the last stroke; the canvas then sends what is left."""
        self.exact = False
        self._identify(None, None)
        if len(self.drawing["objects"]) == 1:
            self.origin = ""  # nothing is left of an image from elsewhere
        self.send({"objects": self.drawing["objects"][:-1]})

    def clear(self) -> None:
        """Makes the canvas blank."""
        self.preparation, self.exact, self.origin = None, False, ""
        self._identify(None, None)
        self.send({"objects": []})

    def show(
        self,
        preparation: Preparation,
        origin: str,
        label: int | None = None,
        *,
        index: int | None = None,
        objects: list[dict[str, Any]] | None = None,
    ) -> None:
        """Puts a preprocessed image on the canvas, where it can be drawn over.

        Args:
            preparation: The image as the models see it.
            origin: Where it came from, a sentence.
            label: The actual digit, if known.
            index: The index of the test image, if it is one.
            objects: What the canvas is to show, as Fabric.js writes it, unless that is just the
                ink.
        """
        self.preparation, self.exact, self.origin = preparation, True, origin
        self._identify(label, index)
        self.send({"objects": objects or [_picture(preparation)]})

    def take(self, drawing: dict[str, Any], pixels: np.ndarray) -> None:
        """Takes over what is on the canvas now.

        Args:
            drawing: As Fabric.js writes it.
            pixels: uint8 (280, 280, 4).
        """
        if drawing == self.received:  # the canvas repeats itself until something new is drawn
            return
        has_just_appeared = self.is_new and not drawing["objects"]
        if not has_just_appeared and (
            not self.exact or len(drawing["objects"]) != len(self.drawing["objects"])
        ):
            self.preparation, self.exact = prepare_drawing(pixels), False
            self._identify(None, None)
        self.received = self.drawing = drawing

    def _identify(self, label: int | None, index: int | None) -> None:
        """Notes which digit is on the canvas now, as far as that is known."""
        self.is_new = self.is_lent = False
        self.label, self.index, self.told = label, index, None


def board() -> Board:
    """This visitor's drawing board."""
    return st.session_state.setdefault(BOARD, Board())


def show_test_digit(index: int) -> None:
    """Puts one of the 10,000 test images on this visitor's canvas."""
    test = dataset.load().test
    board().show(
        prepare_picture(Image.fromarray(test.images[index])),
        f"Test image {index:,}, label {test.labels[index]}. You can draw on top of it.",
        int(test.labels[index]),
        index=index,
    )


def show_for_now(show: Callable[[], None]) -> None:
    """Shows a digit, by one of these functions, to a visitor who has none yet."""
    show()
    board().is_new = True


def lend(show: Callable[[], None]) -> None:
    """Shows a lesson's digit, by one of these functions. The visitor's own drawing waits until
    `take_back`."""
    if not board().is_lent:
        st.session_state[OWN], st.session_state[BOARD] = board(), Board()
    show()
    board().is_lent = True


def own_board() -> Board:
    """The board with the visitor's own drawing, which may be waiting."""
    return st.session_state[OWN] if board().is_lent else board()


def take_back() -> None:
    """Brings the visitor's own drawing back, unless they have taken another digit since."""
    st.session_state[BOARD] = own_board()
    st.session_state.pop(OWN, None)


def show_any_test_digit() -> None:
    """Puts a random test image on this visitor's canvas."""
    show_test_digit(int(np.random.default_rng().integers(dataset.TEST_COUNT)))


def show_example(example: strokes.Example) -> None:
    """Puts one of the digits that the app can draw on this visitor's canvas."""
    show_strokes(
        example.drawing(BRUSH_PX).strokes, f"{example.title}. Keep drawing.", example.digit
    )


def show_strokes(drawn: Sequence[strokes.Stroke], origin: str, label: int) -> None:
    """Puts strokes on this visitor's canvas as if they had been drawn there; see Board."""
    show_objects(objects_of(drawn), origin, label)


def show_objects(objects: list[dict[str, Any]], origin: str, label: int | None) -> None:
    """Puts what a canvas has shown on this visitor's canvas; see Board.

    Args:
        objects: As Fabric.js writes it.
        origin: Where it came from, a sentence.
        label: The actual digit, if known.
    """
    preparation = prepare_ink(strokes.ink(strokes.from_canvas(objects)))
    board().show(preparation, origin, label, objects=objects)


def draw(brush_px: int) -> Preparation | None:
    """Shows the canvas.

    Args:
        brush_px: The width of the brush.

    Returns:
        The drawing as the models see it; None when blank.
    """
    return draw_on(board(), brush_px)


def draw_on(this: Board, brush_px: int = BRUSH_PX) -> Preparation | None:
    """Shows the canvas with a board that may be another than the one that all pages share.

    Args:
        brush_px: The width of the brush.

    Returns:
        The drawing as the models see it; None when blank.
    """
    if received := show_canvas(this, brush_px):
        this.take(*received)
    return this.preparation


def undo_button(this: Board, key: str) -> None:
    """A button that takes the last stroke back."""
    st.button(
        "Undo",
        icon=":material/undo:",
        on_click=this.undo,
        disabled=not this.drawing["objects"],
        key=key,
    )


def watch_pen() -> None:
    """Has each stroke on the page's canvas told at once, and none lost; to be called once on the
    page, outside of what a stroke redraws."""
    component("pen")(key="pen")


def show_canvas(this: Board, brush_px: int) -> tuple[dict[str, Any], np.ndarray] | None:
    """Shows the canvas component.

    Returns:
        The drawing, as Fabric.js writes it, and its pixels, uint8 (280, 280, 4); None before the
        canvas has sent any.
    """
    result = _component().st_canvas(
        stroke_width=brush_px,
        stroke_color=INK,
        background_color=PAPER,
        height=SIZE_PX,
        width=SIZE_PX,
        initial_drawing=this.sent,
        return_image_data=True,
        key="drawing",
    )
    pixels = result.image_data
    return None if pixels is None else (result.json_data, pixels)


@functools.cache
def _component() -> ModuleType:
    """The canvas component without its toolbar. Imported late: it can be only while Streamlit's
    server runs.

    The toolbar lies, invisible, over the top right corner of the canvas until a mouse has been
    there for a moment: a stroke that begins in that corner is lost, or presses one of its buttons,
    and a finger cannot even see it. The app has buttons of its own.
    """
    import streamlit_drawable_canvas  # type: ignore[import-untyped]  # it has no type hints

    # Streamlit warns that a component is declared twice, which is what is meant here.
    logging.getLogger("streamlit.components.v2.component_registry").setLevel(logging.ERROR)
    streamlit_drawable_canvas.out = st.components.v2.component(
        "streamlit-drawable-canvas.streamlit_drawable_canvas",
        js="index-*.js",
        css="index-*.css",
        html="<style>.dc-toolbar { display: none !important; } "
        f"@media (max-width: {PHONE_PX}px) "
        f"{{ .canvas-root {{ zoom: calc((100vw - 2rem) / {SIZE_PX}px); }} }}</style>"
        '<div class="canvas-root"></div>',
        isolate_styles=True,
    )
    return streamlit_drawable_canvas


def enlarged(image: np.ndarray, side_px: int) -> Image.Image:
    """A square image, enlarged so that single pixels can be seen, as dark ink on white paper.

    Args:
        image: uint8 (N, N); 0 is paper and 255 is ink.
        side_px: The side of the result.
    """
    return Image.fromarray(255 - image).resize((side_px, side_px), Image.Resampling.NEAREST)


def data_address(picture: Image.Image) -> str:
    """A data URL of the image, as a PNG."""
    png = io.BytesIO()
    picture.save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def objects_of(drawn: Sequence[strokes.Stroke]) -> list[dict[str, Any]]:
    """What the canvas would tell of these strokes, as Fabric.js writes it."""
    return [_stroke(stroke) for stroke in drawn]


def _stroke(stroke: strokes.Stroke) -> dict[str, Any]:
    """The object of Fabric.js that the canvas makes of a hand's way through these points; its
    position is that of its path."""
    return {
        "type": "Path",
        "path": strokes.brush_path(stroke.points.tolist()),
        "fill": None,
        "stroke": INK,
        "strokeWidth": stroke.brush_px,
        "strokeLineCap": "round",
        "strokeLineJoin": "round",
    }


def _picture(preparation: Preparation) -> dict[str, Any]:
    """The ink of a preparation as an image object of Fabric.js, in the middle of the canvas."""
    left, top, right, bottom = preparation.box
    ink = Image.fromarray(preparation.ink[top:bottom, left:right])
    scale = DIGIT_PX / max(ink.size)
    # Paper around it, so that its edge stays soft.
    ink = ImageOps.expand(ink, math.ceil(10 / scale))
    ink = ink.resize([max(1, round(side * scale)) for side in ink.size], Image.Resampling.BICUBIC)
    pixels = np.zeros((ink.height, ink.width, 4), np.uint8)
    pixels[..., 3] = np.asarray(ink)
    return {
        "type": "Image",
        "src": data_address(Image.fromarray(pixels)),
        "left": (SIZE_PX - ink.width) / 2,
        "top": (SIZE_PX - ink.height) / 2,
        "originX": "left",
        "originY": "top",
        "width": ink.width,
        "height": ink.height,
    }
