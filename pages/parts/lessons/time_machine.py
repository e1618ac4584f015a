"""Two models at earlier epochs of their training: their predictions, weights and activations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mnist_models.data.probabilities import digits_of
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    CnnHyperparameters,
    DnnHyperparameters,
    number,
)
from pages.parts import large_type, page
from pages.parts.lessons import cached, charts, frame

if TYPE_CHECKING:  # importing them imports TensorFlow
    from mnist_models.explain.activations import Activations
    from mnist_models.explain.history import History

MOST_CONVOLUTIONS = CnnHyperparameters.choices()["conv_layers"].max_count
MOST_DENSE = DnnHyperparameters.choices()["hidden_units"].max_count
# The key of the chosen layer, by kind of model.
LAYERS = {network: f"time-{network}-layer" for network in NETWORKS}
LAYER_NAMES = (
    *(f"conv_{place}" for place in range(1, MOST_CONVOLUTIONS + 1)),
    *(f"dense_{place}" for place in range(1, MOST_DENSE + 1)),
    "logits",
)


class Epoch(NamedTuple):
    """A model at the epoch that was chosen, or at the last one stored before it.

    Attributes:
        network: The kind of model.
        run: Its run.
        history: The run at all its stored epochs.
        place: The index of this epoch among them.
        read: The probability of each digit at each of them, float (epochs, 10).
    """

    network: str
    run: Run
    history: History
    place: int
    read: np.ndarray

    @property
    def title(self) -> str:
        return NETWORKS[self.network].title

    @property
    def name(self) -> str:
        """Such as "after 2 of 12 epochs"."""
        return (
            f"after {rounded(self.history.epochs[self.place])} of "
            f"{rounded(self.history.epochs[-1])} epochs"
        )

    @property
    def is_end(self) -> bool:
        return self.place == len(self.history.epochs) - 1


def beside(moments: Sequence[Epoch]) -> Iterator[tuple[DeltaGenerator, Epoch]]:
    """A column for each model, which begins with its prediction at that epoch."""
    for column, moment in zip(st.columns(len(moments), gap="medium"), moments, strict=True):
        with column:
            frame.show_prediction(
                f"{moment.title} {moment.name}",
                moment.read[moment.place],
                moment.run.measured.confidence_threshold,
            )
        yield column, moment


def probabilities(moments: Sequence[Epoch], image: np.ndarray, label: int) -> None:
    """The probability of each digit, epoch by epoch, and when each model settled on its answer."""
    st.markdown(
        " ".join(
            sentence(moment.network, moment.history.epochs, moment.read, label)
            for moment in moments
        )
    )
    for column, moment in beside(moments):
        epochs = [rounded(epoch) for epoch in moment.history.epochs]
        with column:
            large_type.chart(
                charts.learned(moment.network, epochs, moment.read, moment.place),
                key=f"time-{moment.network}",
                alt=f"Probability of each digit according to the {moment.title}, after each epoch",
            )
            if len(epochs) == 2:
                st.caption(
                    page.plain(
                        f"Of {moment.run.label}, only the first and the last epoch are stored. "
                        f"{_why(moment.run)}"
                    )
                )


def first_layers(moments: Sequence[Epoch], image: np.ndarray, label: int) -> None:
    """The templates or kernels of both first layers at those epochs, and their evidence for the
    digit."""
    # It imports TensorFlow, which is loaded by now.
    from pages.parts.lessons.inside import layers

    layers.colours()
    for column, moment in beside(moments):
        with column:
            activations, weights = _look(moment, moment.place, image, label)
            layers.first_layer(moment.history.inspector, activations, weights)


def layer_by_layer(moments: Sequence[Epoch], image: np.ndarray, label: int) -> None:
    """The activations of one layer of each model at those epochs, and at the end."""
    # It imports TensorFlow, which is loaded by now.
    from pages.parts.lessons.inside import layers

    layers.colours()
    for column, moment in beside(moments):
        then, end = (
            _look(moment, place, image, label)[0]
            for place in (moment.place, len(moment.history.epochs) - 1)
        )
        with column:
            inspector = moment.history.inspector
            stage = layers.choose_layer(inspector.stages, LAYERS[moment.network])
            if moment.is_end:
                layers.compared(stage, {"At the end": end})
                st.markdown(
                    "Move the slider back to see the activations of that epoch above these."
                )
            else:
                layers.compared(stage, {moment.name.capitalize(): then, "At the end": end})
                st.markdown(layers.agreement(inspector, then, end))
    if not all(moment.is_end for moment in moments):
        st.caption(
            "The correlation compares all activations of a layer with those at the end: at 1 their "
            "pattern is the same, at 0 they have nothing in common."
        )


def _look(
    moment: Epoch, place: int, image: np.ndarray, label: int
) -> tuple[Activations, np.ndarray]:
    return cached.activations(
        moment.history, moment.run.id, moment.history.epochs, place, image, label
    )


class View(NamedTuple):
    """One way to look at epochs.

    Attributes:
        title: Of the button.
        show: Draws it, from the epochs of both models, the image and its label.
    """

    title: str
    show: Callable[[Sequence[Epoch], np.ndarray, int], None]


VIEWS = {
    "probabilities": View("Ten probabilities", probabilities),
    "weights": View("First layers", first_layers),
    "layers": View("Layer by layer", layer_by_layer),
}


def rounded(epoch: float) -> str:
    """An epoch with at most two decimals."""
    return number(round(epoch, 2))


def _why(run: Run) -> str:
    if run.measured.epochs <= 1:
        return "It was trained for one epoch at most."
    return (
        "The others were not stored, or were deleted to make room for newer runs: "
        "train it again to see them."
    )


def sentence(network: str, epochs: tuple[float, ...], read: np.ndarray, label: int) -> str:
    """When a model settled on its prediction, in words.

    Args:
        network: The kind of model.
        epochs: The stored epochs.
        read: The probability of each digit at each of them, float (epochs, 10).
        label: The digit.
    """
    title, digits = NETWORKS[network].title, digits_of(read).tolist()
    others = [place for place, digit in enumerate(digits) if digit != digits[-1]]
    if not others:
        return (
            f"The {title} predicted {digits[-1]} by chance before training, "
            "and at every epoch since."
        )
    before, since = others[-1], others[-1] + 1
    text = f"The {title} has predicted **{digits[-1]}** since epoch **{rounded(epochs[since])}**"
    if before == 0:
        text += "; before training it was guessing"
    else:
        text += (
            f"; at epoch {rounded(epochs[before])}, the last one stored before that, it predicted "
            f"{digits[before]}"
        )
    changes = sum(one != other for one, other in itertools.pairwise(digits))
    text += f". Over the stored epochs, its answer changed {changes} times." if changes > 1 else "."
    if digits[-1] == label:
        return text
    if label in digits[1:]:
        last = max(place for place, digit in enumerate(digits) if digit == label)
        return (
            f"{text} At epoch {rounded(epochs[last])} it recognised the "
            f"{label}, and has lost it since."
        )
    return f"{text} At no stored epoch did it recognise the {label}."
