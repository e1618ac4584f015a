"""An example that plays over an empty canvas until the visitor draws."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from mnist_models.data import strokes
from mnist_models.data.probabilities import answer
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, resources
from pages.parts.charts.palette import COLORS
from pages.parts.components import component
from pages.parts.lessons import cached

# A 4, its upright last: on the way it looks like other digits.
EXAMPLE = strokes.EXAMPLES[0]
PLAYED_MS = 4_000


def play(runs: Mapping[str, Run]) -> None:
    """Plays the example to visitors who have not drawn yet, over the canvas; to be called just
    before that is drawn.

    Args:
        runs: The two models, by kind, whose answers are shown as soon as the first ones are loaded.
    """
    # A container in any case: what follows must not move when the example goes.
    with st.container():
        if canvas.board().is_new:
            _component()(key="example-played", data=_played(runs))


def _played(runs: Mapping[str, Run]) -> dict[str, Any]:
    """What the browser plays."""
    objects = json.dumps(canvas.objects_of(EXAMPLE.drawing(canvas.BRUSH_PX).strokes))
    replay = cached.replay(objects)
    return {
        "side": canvas.SIZE_PX,
        "brush": canvas.BRUSH_PX,
        "ms": PLAYED_MS,
        "strokes": EXAMPLE.strokes,
        "percents": [moment.percent for moment in replay.moments],
        "models": [
            {
                "title": NETWORKS[network].title,
                "color": COLORS[network],
                "said": [
                    answer(read, run.measured.confidence_threshold)
                    for read in cached.read_replay(run.id, objects)
                ]
                if resources.tensorflow().can_read
                else [],
            }
            for network, run in runs.items()
        ],
    }


def _component() -> Callable[..., Any]:
    # Of no height, so that it lies over the canvas, and as wide as that.
    return component(
        "example",
        html='<div class="example" aria-hidden="true"></div>',
        css=".example { height: 0; position: relative; } "
        ".example svg { position: absolute; z-index: 100; pointer-events: none; "
        f"width: {canvas.SIZE_PX}px; font: 15px sans-serif; }} "
        f"@media (max-width: {canvas.PHONE_PX}px) {{ .example svg {{ width: calc(100vw - 2rem); }} "
        "}",
    )
