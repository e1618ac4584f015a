"""What a network learns from: how many of each digit there are, and what they look like."""

import numpy as np
import streamlit as st
from PIL import Image

from mnist_models.data import dataset
from mnist_models.data.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.settings.hyperparameters import Hyperparameters
from pages.parts import large_type, resources
from pages.parts.charts import digits

EXAMPLES = 3
GAP_PX = 4
ENLARGED = 2


def look(hyperparameters: Hyperparameters) -> None:
    """The distribution of the digits in the training set, and samples, with the labels that the
    network is told."""
    panel = st.expander("Look at the images to learn from", on_change="rerun", key="data")
    if not panel.open:
        return
    with panel:
        images = dataset.split(hyperparameters.train_images, 0)[0].images
        with resources.while_loading():
            labels = resources.training_labels(hyperparameters)
        counts = np.bincount(labels, minlength=CLASS_COUNT)
        large_type.chart(
            digits.distribution(counts),
            key="distribution",
            alt="How many images there are of each label",
        )
        fewest, most = int(counts.argmin()), int(counts.argmax())
        st.markdown(
            f"Of the {len(labels):,} training images, most are labelled {most} ({counts[most]:,}), "
            f"fewest {fewest} ({counts[fewest]:,}): who always guesses {most} is right "
            f"{counts[most] / len(labels):.0%} of the time."
        )
        st.image(montage(images, labels), width="stretch", alt="The first images of each label")
        st.caption(
            f"The first {EXAMPLES} images labelled 0, 1, … 9, from left to right."
            + (" Some labels are wrong, as you chose." if hyperparameters.wrong_labels else "")
        )


def montage(images: np.ndarray, labels: np.ndarray) -> Image.Image:
    """The first images of each label, a column for each digit; dark ink on white."""
    side = IMAGE_SIZE_PX + GAP_PX
    sheet = np.zeros((EXAMPLES * side, CLASS_COUNT * side), np.uint8)
    for digit in range(CLASS_COUNT):
        for row, index in enumerate(np.flatnonzero(labels == digit)[:EXAMPLES]):
            top, left = row * side + GAP_PX // 2, digit * side + GAP_PX // 2
            sheet[top : top + IMAGE_SIZE_PX, left : left + IMAGE_SIZE_PX] = images[index]
    picture = Image.fromarray(255 - sheet)
    return picture.resize([length * ENLARGED for length in picture.size], Image.Resampling.NEAREST)
