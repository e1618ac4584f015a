"""The drawing board: a canvas to draw on, which keeps its drawing when the visitor leaves the page
and comes back."""

import base64
import functools
import io
import logging
import math
from collections.abc import Sequence
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

SIZE_PX = strokes.CANVAS_PX
# A digit put on the canvas by the app stands as large as people draw: MNIST's 20 of 28 pixels.
DIGIT_PX = 200
# MNIST's strokes are about 2 of 20 pixels wide.
BRUSH_PX = 20
PAPER, INK = "#ffffff", "#000000"


@dataclass
class Board:
    """What is on a visitor's canvas. Lives in the session.

    drawing: what the canvas shows, in Fabric.js's form. given: what it was told to show last;
    `version` makes each different, or the canvas would not listen. told: what it told last.
    preparation: what the networks read; None when blank. exact: the preparation is of a picture,
    and the canvas shows only a likeness of it. origin: where the picture came from. label: the
    digit that it is, where that is known. index: which of the test images it is, where it is one.
    """

    drawing: dict[str, Any] = field(default_factory=lambda: {"objects": []})
    given: dict[str, Any] = field(default_factory=lambda: {"objects": []})
    version: int = 0
    told: dict[str, Any] | None = None
    preparation: Preparation | None = None
    exact: bool = False
    origin: str = ""
    label: int | None = None
    index: int | None = None

    def give(self, drawing: dict[str, Any]) -> None:
        """Has the canvas show this drawing."""
        self.version += 1
        self.drawing, self.given = drawing, {"objects": drawing["objects"], "version": self.version}

    def undo(self) -> None:
        """Takes the last stroke back; the canvas then tells what is left."""
        self.exact, self.label, self.index = False, None, None
        if len(self.drawing["objects"]) == 1:  # of a picture from elsewhere, nothing is left
            self.origin = ""
        self.give({"objects": self.drawing["objects"][:-1]})

    def clear(self) -> None:
        """A blank canvas."""
        self.preparation, self.exact, self.origin, self.label, self.index = (
            None,
            False,
            "",
            None,
            None,
        )
        self.give({"objects": []})

    def show(
        self,
        preparation: Preparation,
        origin: str,
        label: int | None = None,
        *,
        index: int | None = None,
        objects: list[dict[str, Any]] | None = None,
    ) -> None:
        """Puts a prepared picture on the canvas, where it can be drawn over. index: of the test
        image that it is. objects: what the canvas is to show of it, in Fabric.js's form, where that
        is not just its ink."""
        self.preparation, self.exact, self.origin, self.label, self.index = (
            preparation,
            True,
            origin,
            label,
            index,
        )
        self.give({"objects": objects or [_picture(preparation)]})

    def take(self, drawing: dict[str, Any], pixels: np.ndarray) -> None:
        """What the canvas tells is on it now; pixels: uint8 (280, 280, 4)."""
        if drawing == self.told:  # the canvas repeats itself until something new is drawn
            return
        if not self.exact or len(drawing["objects"]) != len(self.drawing["objects"]):
            self.preparation, self.exact, self.label, self.index = (
                prepare_drawing(pixels),
                False,
                None,
                None,
            )
        self.told = self.drawing = drawing


def board() -> Board:
    """This visitor's drawing board."""
    return st.session_state.setdefault("board", Board())


def show_test_digit(index: int) -> None:
    """Puts one of the 10,000 test images on this visitor's canvas."""
    test = dataset.load().test
    board().show(
        prepare_picture(Image.fromarray(test.images[index])),
        f"Test image {index:,}, labelled {test.labels[index]}. Draw over it!",
        int(test.labels[index]),
        index=index,
    )


def show_any_test_digit() -> None:
    """Puts one of the test images, chosen by chance, on this visitor's canvas."""
    show_test_digit(int(np.random.default_rng().integers(dataset.TEST_COUNT)))


def show_example(example: strokes.Example) -> None:
    """Puts one of the digits that the app can draw on this visitor's canvas."""
    show_strokes(example.drawing(BRUSH_PX).strokes, f"{example.title}. Draw on!", example.digit)


def show_strokes(drawn: Sequence[strokes.Stroke], origin: str, label: int) -> None:
    """Puts strokes on this visitor's canvas as if they had been drawn there; see Board."""
    objects = [_stroke(stroke) for stroke in drawn]
    preparation = prepare_ink(strokes.ink(strokes.from_canvas(objects)))
    board().show(preparation, origin, label, objects=objects)


def draw(brush_px: int) -> Preparation | None:
    """Shows the canvas and returns what the networks read of it, None when blank. brush_px: how
    wide it draws."""
    this = board()
    if news := show_canvas(this, brush_px):
        this.take(*news)
    return this.preparation


def show_canvas(this: Board, brush_px: int) -> tuple[dict[str, Any], np.ndarray] | None:
    """Shows the canvas component and returns what it tells, if anything: the drawing, and its
    pixels, uint8 (280, 280, 4)."""
    result = _component().st_canvas(
        stroke_width=brush_px,
        stroke_color=INK,
        background_color=PAPER,
        height=SIZE_PX,
        width=SIZE_PX,
        initial_drawing=this.given,
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
    import streamlit_drawable_canvas

    # Streamlit warns that a component is declared twice, which is what is meant here.
    logging.getLogger("streamlit.components.v2.component_registry").setLevel(logging.ERROR)
    streamlit_drawable_canvas.out = st.components.v2.component(
        "streamlit-drawable-canvas.streamlit_drawable_canvas",
        js="index-*.js",
        css="index-*.css",
        html='<style>.dc-toolbar { display: none !important; }</style><div class="canvas-root"></div>',
        isolate_styles=True,
    )
    return streamlit_drawable_canvas


def enlarged(image: np.ndarray, side_px: int) -> Image.Image:
    """A square of ink, uint8 (N, N), as dark ink on white paper, so large that single pixels can be
    seen."""
    return Image.fromarray(255 - image).resize((side_px, side_px), Image.Resampling.NEAREST)


def data_address(picture: Image.Image) -> str:
    """An address that holds the picture itself, as a PNG."""
    png = io.BytesIO()
    picture.save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def _stroke(stroke: strokes.Stroke) -> dict[str, Any]:
    """What the canvas makes of a hand's way through these points, as an object of Fabric.js; its
    place is that of its path."""
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
    ink = ImageOps.expand(
        ink, math.ceil(10 / scale)
    )  # paper around it, so that its edge stays soft
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
