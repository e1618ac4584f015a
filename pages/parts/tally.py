"""What visitors say they wrote, and which model was right about it, counted for this session."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.runs import comparison
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas

if TYPE_CHECKING:  # importing it imports TensorFlow
    from mnist_models.models.classifier import Prediction

# In the session: by the ids of the two models, the box of each drawing that was told of.
TALLY = "tally"


def ask(
    run_ids: Mapping[str, str], predictions: Mapping[str, "Prediction"], image: np.ndarray
) -> None:
    """Asks which digit was drawn, one tap, and notes it on the board and in the tally.

    Args:
        run_ids: Of the two models, by kind.
        predictions: Theirs for the drawing, by kind.
        image: The drawing as the models see it, uint8 (28, 28).
    """
    drawing = hashlib.sha1(image.tobytes()).hexdigest()
    told = st.pills(
        "What did you write?", range(CLASS_COUNT), key=f"wrote-{drawing}", persist_state="session"
    )
    canvas.board().told = told
    boxes = st.session_state.setdefault(TALLY, {}).setdefault(tuple(run_ids.values()), {})
    boxes.pop(drawing, None)
    if told is not None:
        boxes[drawing] = comparison.box(
            *(one.is_confident and one.digit == told for one in predictions.values())
        )


def show(run_ids: Mapping[str, str]) -> None:
    """Shows how often each of two models, by kind, was right so far."""
    if boxes := st.session_state.get(TALLY, {}).get(tuple(run_ids.values())):
        counts = Counter(boxes.values())
        titles = [NETWORKS[network].title for network in run_ids]
        st.caption(comparison.tally({box: counts[box] for box in comparison.Box}, *titles))
