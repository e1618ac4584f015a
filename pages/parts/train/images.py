"""The training images: how many there are of each class, and what they look like."""

import numpy as np
import streamlit as st
from PIL import Image

from mnist_models.data import dataset
from mnist_models.data.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.settings.hyperparameters import Hyperparameters
from mnist_models.training.material import Source, counted
from pages.parts import large_type, resources
from pages.parts.charts import digits

EXAMPLES = 3
GAP_PX = 4
ENLARGED = 2


def show_samples(hyperparameters: Hyperparameters, source: Source | None) -> None:
    """The distribution of labels in the training set, and samples of each class, as the model gets
    them.

    Args:
        source: What else it learns from, which is only named.
    """
    panel = st.expander("Show the training images", on_change="rerun", key="data")
    if not panel.open:
        return
    with panel:
        if source:
            st.markdown(
                f"Of every 100 images that it learns from, {source.share * 100:.0f} are of "
                f"{counted(source.digits, 'digit')} of the class. The others are MNIST's, below."
                if source.share < 1
                else "It learns from the class's digits alone, and from none of MNIST's, below."
            )
        images = dataset.split(hyperparameters.train_images, 0)[0].images
        with resources.while_loading():
            labels = resources.training_labels(hyperparameters)
        counts = np.bincount(labels, minlength=CLASS_COUNT)
        large_type.chart(
            digits.distribution(counts.tolist()),
            key="distribution",
            alt="Images per class",
        )
        fewest, most = int(counts.argmin()), int(counts.argmax())
        st.markdown(
            f"Of the {len(labels):,} training images, the most frequent label is {most} "
            f"({counts[most]:,}), the least frequent {fewest} ({counts[fewest]:,}): always "
            f"guessing {most} would be correct {counts[most] / len(labels):.0%} of the time."
        )
        st.image(montage(images, labels), width="stretch", alt="The first images of each class")
        st.caption(
            f"The first {EXAMPLES} images labelled 0, 1, … 9, from left to right."
            + (
                " Some labels are wrong: you chose label noise."
                if hyperparameters.wrong_labels
                else ""
            )
        )


def montage(images: np.ndarray, labels: np.ndarray) -> Image.Image:
    """The first images of each class, a column for each; dark ink on white.

    Args:
        images: uint8 (N, 28, 28).
        labels: uint8 (N,).
    """
    side = IMAGE_SIZE_PX + GAP_PX
    sheet = np.zeros((EXAMPLES * side, CLASS_COUNT * side), np.uint8)
    for digit in range(CLASS_COUNT):
        for row, index in enumerate(np.flatnonzero(labels == digit)[:EXAMPLES]):
            top, left = row * side + GAP_PX // 2, digit * side + GAP_PX // 2
            sheet[top : top + IMAGE_SIZE_PX, left : left + IMAGE_SIZE_PX] = images[index]
    picture = Image.fromarray(255 - sheet)
    return picture.resize([length * ENLARGED for length in picture.size], Image.Resampling.NEAREST)
