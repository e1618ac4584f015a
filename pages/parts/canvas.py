"""The drawing board: a canvas to draw on, which keeps its drawing when the visitor leaves the page and comes back."""

import base64
import functools
import io
import logging
import math
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from mnist_models.preprocessing import Preparation, prepare_drawing

SIZE_PX = 280
# A digit put on the canvas by the app stands as large as people draw: MNIST's 20 of 28 pixels.
DIGIT_PX = 200
# MNIST's strokes are about 2 of 20 pixels wide.
BRUSH_PX = 20
PAPER, INK = "#ffffff", "#000000"


@dataclass
class Board:
    """What is on a visitor's canvas. Lives in the session.

    initial: the Fabric.js drawing that the canvas shows when it is mounted. drawing: the same with all strokes since.
    generation: counts up to mount a new canvas. preparation: what the networks read of it; None when blank.
    origin: where it came from when it was not drawn, a sentence.
    """

    initial: dict[str, Any] = field(default_factory=lambda: {"objects": []})
    drawing: dict[str, Any] = field(default_factory=lambda: {"objects": []})
    generation: int = 0
    preparation: Preparation | None = None
    origin: str = ""
    undone: int = 0

    def remount(self) -> None:
        """Shows the drawing on a new canvas, as after a change of page, which takes the old one away."""
        self.initial = self.drawing
        self.generation += 1

    def undo(self) -> None:
        """Takes the last stroke back. The canvas that is there shows the rest and tells what is left on it."""
        self.undone += 1
        # Without the number a canvas that had been told of the same strokes before would not listen.
        self.initial = self.drawing = {"objects": self.drawing["objects"][:-1], "undone": self.undone}

    def clear(self) -> None:
        """A blank canvas."""
        self.drawing, self.preparation, self.origin = {"objects": []}, None, ""
        self.remount()

    def show(self, preparation: Preparation, origin: str) -> None:
        """Puts the ink of a prepared picture on the canvas, where it can be drawn over."""
        self.drawing, self.preparation, self.origin = {"objects": [_picture(preparation)]}, preparation, origin
        self.remount()


def board() -> Board:
    """This visitor's drawing board."""
    return st.session_state.setdefault("board", Board())


def draw(brush_px: int) -> Preparation | None:
    """Shows the canvas and returns what the networks read of it, None when blank. brush_px: how wide it draws."""
    this = board()
    # A canvas that was just mounted has nothing to tell yet: the board knows what is on it.
    if told := show_canvas(this, brush_px):
        this.drawing, pixels = told
        this.preparation = prepare_drawing(pixels)
    return this.preparation


def show_canvas(this: Board, brush_px: int) -> tuple[dict[str, Any], np.ndarray] | None:
    """Shows the canvas component and returns what it tells, if anything: the drawing, and its pixels, uint8 (280, 280, 4)."""
    result = _component().st_canvas(
        stroke_width=brush_px,
        stroke_color=INK,
        background_color=PAPER,
        height=SIZE_PX,
        width=SIZE_PX,
        initial_drawing=this.initial,
        return_image_data=True,
        key=f"canvas-{this.generation}",
    )
    pixels = result.image_data
    return None if pixels is None else (result.json_data, pixels)


@functools.cache
def _component() -> ModuleType:
    """The canvas component without its toolbar. Imported late: it can be only while Streamlit's server runs.

    The toolbar lies, invisible, over the top right corner of the canvas until a mouse has been there for a moment: a stroke
    that begins in that corner is lost, or presses one of its buttons, and a finger cannot even see it. The app has buttons of
    its own.
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


def _picture(preparation: Preparation) -> dict[str, Any]:
    """The ink of a preparation as an image object of Fabric.js, in the middle of the canvas."""
    left, top, right, bottom = preparation.box
    ink = Image.fromarray(preparation.ink[top:bottom, left:right])
    scale = DIGIT_PX / max(ink.size)
    ink = ImageOps.expand(ink, math.ceil(10 / scale))  # paper around it, so that its edge stays soft
    ink = ink.resize([max(1, round(side * scale)) for side in ink.size], Image.Resampling.BICUBIC)
    pixels = np.zeros((ink.height, ink.width, 4), np.uint8)
    pixels[..., 3] = np.asarray(ink)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    return {
        "type": "Image",
        "src": "data:image/png;base64," + base64.b64encode(png.getvalue()).decode(),
        "left": (SIZE_PX - ink.width) / 2,
        "top": (SIZE_PX - ink.height) / 2,
        "originX": "left",
        "originY": "top",
        "width": ink.width,
        "height": ink.height,
    }
