"""What models read in the digits of a class, each of which is read once for all visitors."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from mnist_models.runs.classes import Given
from pages.parts import resources


def of(run_id: str, given: Sequence[Given]) -> np.ndarray:
    """The digit that a model reads in each image, uint8 (N,)."""
    known = _known(run_id)
    if new := [one for one in given if one.drawing.number not in known]:
        reader = resources.classifier(run_id)
        digits = reader.predictions(np.stack([one.image for one in new])).digits
        known.update(zip((one.drawing.number for one in new), digits.tolist(), strict=True))
    return np.array([known[one.drawing.number] for one in given], np.uint8)


@st.cache_resource(show_spinner=False, max_entries=16)
def _known(run_id: str) -> dict[int, int]:
    """What a model has read so far, by the numbers of the digits."""
    return {}
