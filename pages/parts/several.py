"""Several digits in one drawing or picture: the number they make, and what each of them is read
as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from mnist_models.data import numbers
from mnist_models.data.pictures import with_boxes
from mnist_models.data.preprocessing import Preparation, prepare_found
from mnist_models.errors import UnavailableError
from mnist_models.models.reader import Prediction, Reader
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, resources

KEPT = "several digits"
DIGIT_PX = 84
MOST_SHOWN = 12
# What is wider than this, as a share of its height, and read by no model is perhaps several digits.
WIDE = 1.3


@dataclass(frozen=True)
class Several:
    """The digits in a drawing.

    Attributes:
        ink: uint8 (H, W), all of it.
        lines: The digits in reading order.
        images: What the models see of each, uint8 (N, 28, 28).
        predictions: What each model reads in each, by kind.
    """

    ink: np.ndarray
    lines: list[list[numbers.Piece]]
    images: np.ndarray
    predictions: dict[str, list[Prediction]]

    @property
    def digits(self) -> list[numbers.Piece]:
        return [piece for line in self.lines for piece in line]

    @property
    def is_page(self) -> bool:
        """Whether they are too many to make a number or to be shown one by one."""
        return len(self.digits) > MOST_SHOWN

    def lines_said(self, network: str) -> list[str]:
        """What a model reads in each line."""
        predictions = iter(self.predictions[network])
        return [numbers.said(next(predictions) for _ in line) for line in self.lines]

    def said(self, network: str) -> str:
        """The number that a model reads; of a page, how many digits there are."""
        return f"{len(self.digits)} digits" if self.is_page else " ".join(self.lines_said(network))


def find(
    runs: Mapping[str, Run],
    preparation: Preparation | None,
    predictions: Mapping[str, Prediction | None],
) -> Several | None:
    """The digits in a drawing if they are several; None for one, and where a model is missing.

    Args:
        runs: The two models, by kind.
        preparation: The drawing; None when blank.
        predictions: What they read in the whole of it, by kind.
    """
    # A test digit is known to be one, of however many parts; and nobody writes two in one stroke.
    board = canvas.board()
    is_one_stroke = [one.get("type") for one in board.drawing["objects"]] == ["Path"]
    if preparation is None or board.label is not None or is_one_stroke:
        return None
    read = [np.array([one.probabilities]) for one in predictions.values() if one]
    if len(read) < len(runs) or numbers.sureness(read)[0] >= numbers.SURELY_ONE:
        return None
    asked = [(run.id, run.imported) for run in runs.values()]
    kept = st.session_state.get(KEPT)
    if kept is None or kept[0] is not preparation or kept[1] != asked:
        try:
            with resources.while_loading(runs.values()):
                models = {network: resources.classifier(run.id) for network, run in runs.items()}
        except UnavailableError:
            return None
        kept = st.session_state[KEPT] = preparation, asked, _found(preparation.ink, models)
    return kept[2]


def _found(ink: np.ndarray, models: Mapping[str, Reader]) -> Several | None:
    lines = numbers.lines(
        ink, lambda images: [model.probabilities(images) for model in models.values()]
    )
    pieces = [piece for line in lines for piece in line]
    if len(pieces) == 1:
        return None
    images = np.stack([prepare_found(piece.ink).image for piece in pieces])
    return Several(
        ink,
        lines,
        images,
        {network: model.predict_all(images) for network, model in models.items()},
    )


def agreement(several: Several) -> None:
    """A line that says which number each model reads."""
    count = len(several.digits)
    said = {network: several.said(network) for network in several.predictions}
    if several.is_page:
        alike = [
            len({one.answer for one in both}) == 1
            for both in zip(*several.predictions.values(), strict=True)
        ]
        st.info(
            f"{count} digits in {len(several.lines)} lines. The models say the same of "
            f"{sum(alike)} of them.",
            icon=":material/apps:",
        )
    elif len(set(said.values())) == 1:
        st.info(
            f"{count} digits. They agree: both read **{said.popitem()[1]}**.",
            icon=":material/equal:",
        )
    else:
        sentence = "; ".join(
            f"the {NETWORKS[network].title} reads **{number}**" for network, number in said.items()
        )
        st.warning(f"{count} digits. They differ: {sentence}.", icon=":material/call_split:")
    if any("?" in number for number in said.values()):
        st.caption(
            "A question mark stands where a model is not sure. Leave a gap between digits that "
            "touch; if only one of these is a digit, choose it below."
        )


def show(several: Several) -> None:
    """Where the digits are, and what both models read in each."""
    st.subheader("Each digit")
    if several.is_page:
        both = zip(*several.predictions.values(), strict=True)
        texts = [numbers.said_of_one(one) for one in both]
        st.image(
            with_boxes(
                Image.fromarray(255 - several.ink), [one.box for one in several.digits], texts
            ),
            caption="What both models read; where they differ, the DNN's reading comes first. "
            "A question mark means not sure.",
        )
        said = [several.lines_said(network) for network in several.predictions]
        titles = [NETWORKS[network].title for network in several.predictions]
        for number, line in enumerate(zip(*said, strict=True), 1):
            read = ", ".join(
                f"{title} **{digits}**" for title, digits in zip(titles, line, strict=True)
            )
            st.markdown(f"Line {number}: {read}")
        return
    with st.container(horizontal=True, gap="medium"):
        for place, (piece, image) in enumerate(zip(several.digits, several.images, strict=True)):
            with st.container(width=2 * DIGIT_PX, key=f"digit-{place}"):
                st.image(canvas.enlarged(image, DIGIT_PX), caption=_read(several, place))
                st.button(
                    "Only this one",
                    key=f"only-{place}",
                    on_click=_only,
                    args=(piece, place + 1),
                )


def _read(several: Several, place: int) -> str:
    """What each model reads in one of the digits."""
    return " · ".join(
        f"{NETWORKS[network].title}: "
        + (f"{one.digit}" if one.is_confident else f"not sure, perhaps {one.digit}")
        + f" ({one.probability:.0%})"
        for network, one in (
            (network, all_[place]) for network, all_ in several.predictions.items()
        )
    )


def _only(piece: numbers.Piece, number: int) -> None:
    """Puts one of the digits on the canvas, alone."""
    canvas.board().show(
        prepare_found(piece.ink), f"Digit {number} of what was there. You can draw on top of it."
    )


def hint(preparation: Preparation, predictions: Mapping[str, Prediction]) -> None:
    """Says what to do about what is too wide for a digit and could not be cut up."""
    left, top, right, bottom = preparation.box
    unsure = not any(one.is_confident for one in predictions.values())
    if unsure and right - left > WIDE * (bottom - top):
        st.caption(
            "This is wider than a digit. If it is several that touch, leave a gap between them; if "
            "there is more in the picture, crop it to one digit."
        )
