"""The models' answers on the page: those of the server, and in between, while a digit is drawn,
what a worker in the visitor's browser reads with the same models; see reading.js."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image
from streamlit import runtime

from mnist_models.data.dataset import SCRAMBLE
from mnist_models.data.preprocessing import THICKEST_STROKE_PX, THINNEST_STROKE_PX, Preparation
from mnist_models.data.probabilities import NOT_SURE, SAME
from mnist_models.models import portable
from mnist_models.models.reader import Prediction
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import resources
from pages.parts.charts.palette import COLORS
from pages.parts.components import component

# What reads, without the page and apart from it, in this order.
SCRIPTS = ("live/ink", "live/webassembly", "live/sums", "live/network")
STYLES = Path(__file__).with_name("reading.css")
# The ink of a drawing is sent to be looked at, no larger than this.
SENT_PX = 98


def prediction_key(name: str) -> str:
    """The key of the container in which a model's prediction stands, a metric alone.

    Args:
        name: Of the model on its page, such as "dnn".
    """
    return f"prediction-{name}"


def answer(prediction: Prediction | None) -> str:
    """What a model says, in the metric of its prediction."""
    if prediction is None:
        return "–"
    return NOT_SURE if prediction.answer is None else str(prediction.answer)


def when(run: Run) -> str:
    """What is to be said of a model that is too large for the browser, or came from a file and has
    other layers than the browser knows: when it reads."""
    is_late = run.measured.parameters > portable.MOST_PARAMETERS or (
        # Of those that were trained here, files are made once the page is there.
        run.imported and resources.for_browser(run.id) is None
    )
    return " · read when you lift the pen" if is_late else ""


def bars(name: str) -> None:
    """The place for a model's confidence and the probability of each digit."""
    with st.container(key=f"probabilities-{prediction_key(name)}"):
        st.html('<div class="digit-bars"></div>')


def steps() -> None:
    """The place for how the drawing became the 28×28 pixels that the models see."""
    _pictures("steps", 196)


def shuffled() -> None:
    """The place for the 28×28 pixels of the drawing, and the same pixels shuffled."""
    _pictures("shuffled", 140)


def _pictures(key: str, side_px: int) -> None:
    with st.container(key=key):
        st.html(f'<div class="pictures" style="--side: {side_px}px"></div>')


def follow(runs: Mapping[str, Run]) -> None:
    """Has the browser read along with these models; to be called at the end of the page, for what
    the browser needs is made now.

    Args:
        runs: The models, by their names on the page.
    """
    st.html(STYLES)
    # What is said to screen readers alone takes no room.
    reading = component(
        "live/reading",
        html='<div class="told" role="status"></div>',
        css=".told { position: absolute; width: 1px; height: 1px; overflow: hidden; "
        "clip-path: inset(50%); }",
        worker=(*SCRIPTS, "live/worker"),
    )
    reading(
        key="reading",
        data={
            "models": [
                {
                    "id": run.id,
                    "title": NETWORKS[run.network].title,
                    "color": COLORS[run.network],
                    "place": prediction_key(name),
                    "threshold": run.measured.confidence_threshold,
                    "address": _address(run),
                }
                for name, run in runs.items()
            ],
            "same": SAME,
            "notSure": NOT_SURE,
            "order": SCRAMBLE.tolist(),
            "strokes": f"{THINNEST_STROKE_PX:g}–{THICKEST_STROKE_PX:g}",
        },
    )


def tell(
    predictions: Mapping[str, Prediction | None],
    preparation: Preparation | None,
    numbers: Mapping[str, str] | None = None,
) -> None:
    """Shows what the server reads.

    Args:
        predictions: By the ids of the models; None where there is none.
        preparation: The drawing as the models see it; None when blank.
        numbers: By the ids of the models, the number that several digits make; None for a single
            digit. The browser reads single digits only.
    """
    component("live/answers")(
        key="answers",
        data={
            "answers": {
                run_id: found and {"probabilities": found.probabilities, "ms": found.elapsed_ms}
                for run_id, found in predictions.items()
            },
            "steps": _steps(preparation) if preparation and not numbers else None,
            "numbers": numbers,
        },
    )


def _address(run: Run) -> str | None:
    """Where the browser finds the file of a model, which it keeps; None for a model that it cannot
    read with."""
    file = resources.for_browser(run.id)
    if file is None or not runtime.exists():
        return None
    address = runtime.get_instance().media_file_mgr.add(
        file, "application/gzip", coordinates=f"portable-{run.id}"
    )
    return f"{st.get_option('server.baseUrlPath').rstrip('/')}{address}"


def _steps(preparation: Preparation) -> dict[str, Any]:
    left, top, right, bottom = preparation.box
    drawn = Image.fromarray(preparation.ink[top:bottom, left:right])
    drawn.thumbnail((SENT_PX, SENT_PX), Image.Resampling.BILINEAR)
    return {
        "drawn": _picture(np.asarray(drawn)),
        "box": [right - left, bottom - top],
        "scaled": _picture(preparation.scaled),
        "image": _text(preparation.image),
        "stroke_px": preparation.stroke_px,
    }


def _picture(pixels: np.ndarray) -> dict[str, Any]:
    height, width = pixels.shape
    return {"width": width, "height": height, "pixels": _text(pixels)}


def _text(pixels: np.ndarray) -> str:
    return base64.b64encode(pixels.tobytes()).decode()
