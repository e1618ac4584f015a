"""What every lesson begins with: the digit that it is about, and the two networks that read it."""

import functools
import hashlib

import numpy as np
import streamlit as st
from PIL import Image

from mnist_models import pretrained
from mnist_models.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.hyperparameters import NETWORKS
from mnist_models.runs import Run
from pages.parts import canvas, readers, resources

# A 2 of the test set: shown to whoever comes without a drawing.
EXAMPLE = 1
DIGIT_PX = 140


def digit() -> tuple[np.ndarray, int]:
    """The digit on the visitor's canvas, or an example, as both networks read it, uint8 (28, 28); and which one it is.

    It is asked for here: of a drawing, only its maker knows.
    """
    if canvas.board().preparation is None:
        canvas.show_test_digit(EXAMPLE)
    board = canvas.board()
    image = board.preparation.image
    with st.container(horizontal=True, gap="medium", key="lesson-digit"):
        picture = Image.fromarray(255 - image).resize((DIGIT_PX, DIGIT_PX), Image.Resampling.NEAREST)
        st.image(picture, width=DIGIT_PX, alt="The digit as the networks read it")
        with st.container(width="content"):
            st.caption("Your drawing, as both networks read it." if board.label is None else board.origin.split(". ")[0] + ".")
            label = st.selectbox(
                "It is a", range(CLASS_COUNT), index=board.label if board.label is not None else _guess(image),
                key=f"lesson-label-{hashlib.sha1(image).hexdigest()}", persist_state="session", width=120,
            )  # fmt: skip
            with st.container(horizontal=True, gap="xsmall"):
                st.button(
                    "Another example", icon=":material/casino:", on_click=canvas.show_any_test_digit, key="lesson-example"
                )
                st.page_link("app.py", label="Draw one", icon=":material/draw:")
    return image, label


def _guess(image: np.ndarray) -> int:
    """What the last of the networks, the convolutional one, reads: nearly always what its maker says too."""
    with resources.while_loading():
        return resources.classifier(pretrained.PREFIX + list(NETWORKS)[-1]).read(image).digit


def networks() -> dict[str, Run]:
    """The two networks, chosen here as on the Draw page."""
    chosen = {}
    for network, column in zip(NETWORKS, st.columns(len(NETWORKS), gap="medium"), strict=True):
        with column:
            chosen[network] = readers.choose(network)
    return chosen


@functools.lru_cache(maxsize=4096)
def address(pixels: bytes) -> str:
    """The address of a picture, itself in it, of a digit: 28×28 bytes, dark ink on white, twice as large."""
    picture = Image.frombytes("L", (IMAGE_SIZE_PX, IMAGE_SIZE_PX), pixels).point(lambda ink: 255 - ink)
    return canvas.data_address(picture.resize((2 * IMAGE_SIZE_PX, 2 * IMAGE_SIZE_PX), Image.Resampling.NEAREST))
