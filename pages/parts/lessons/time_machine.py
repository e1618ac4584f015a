"""Two networks at earlier moments of their training: what each read then, had learned by then, and
passed on."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

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
from pages.parts.lessons import cached, charts

MOST_CONVOLUTIONS = CnnHyperparameters.choices()["conv_layers"].max_count
MOST_DENSE = DnnHyperparameters.choices()["hidden_units"].max_count
# The layer that is looked at, by the network; what a network does not have gives way to its first
# one.
LAYERS = {network: f"time-{network}-layer" for network in NETWORKS}
LAYER_NAMES = (
    *(f"conv_{place}" for place in range(1, MOST_CONVOLUTIONS + 1)),
    *(f"dense_{place}" for place in range(1, MOST_DENSE + 1)),
    "logits",
)


class Moment(NamedTuple):
    """A network at the epoch that was chosen, or at the last one kept before that.

    history: a history.History. place: among its epochs. read: the probability of each digit at each
    of them, (moments, 10).
    """

    network: str
    run: Run
    history: Any
    place: int
    read: np.ndarray

    @property
    def title(self) -> str:
        return NETWORKS[self.network].title

    @property
    def told(self) -> str:
        """After how many epochs it is."""
        return (
            f"after {rounded(self.history.epochs[self.place])} of "
            f"{rounded(self.history.epochs[-1])} epochs"
        )

    @property
    def is_end(self) -> bool:
        return self.place == len(self.history.epochs) - 1


def beside(moments: Sequence[Moment]) -> Iterator[tuple[DeltaGenerator, Moment]]:
    """A column for each network, which begins with what it read at its moment."""
    for column, moment in zip(st.columns(len(moments), gap="medium"), moments, strict=True):
        probabilities = moment.read[moment.place]
        column.metric(
            f"The {moment.title} {moment.told}",
            str(digits_of(probabilities)),
            f"{probabilities.max():.1%} sure",
            delta_color="off",
            delta_arrow="off",
        )
        yield column, moment


def probabilities(moments: Sequence[Moment], image: np.ndarray, label: int) -> None:
    """How probable both networks found each digit, epoch by epoch, and when they came to their
    reading."""
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
                alt=f"How probable the {moment.title} found each digit after each epoch",
            )
            if len(epochs) == 2:
                st.caption(
                    page.plain(
                        f"Of {moment.run.label} only the beginning and the end are known. "
                        f"{_why(moment.run)}"
                    )
                )


def first_layers(moments: Sequence[Moment], image: np.ndarray, label: int) -> None:
    """The templates or kernels of both first layers, and what of them speaks for the digit, as they
    were at those moments."""
    from pages.parts.lessons.inside import layers  # it imports TensorFlow, which is there by now

    layers.colours()
    for column, moment in beside(moments):
        with column:
            look, weights = _look(moment, moment.place, image, label)
            layers.first_layer(moment.history.inspector, look, weights)


def layer_by_layer(moments: Sequence[Moment], image: np.ndarray, label: int) -> None:
    """What a layer of each network passed on of the digit at those moments, and what it passes on
    at the end."""
    from pages.parts.lessons.inside import layers  # it imports TensorFlow, which is there by now

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
                    "Move the slider back, and what this layer passed on then stands above this."
                )
            else:
                layers.compared(stage, {moment.told.capitalize(): then, "At the end": end})
                st.markdown(layers.agreement(inspector, then, end))
    if not all(moment.is_end for moment in moments):
        st.caption(
            "A correlation compares all numbers that a layer passes on with those of the end: at 1 "
            "their pattern is the same, at 0 they have none in common."
        )


def _look(moment: Moment, place: int, image: np.ndarray, label: int) -> tuple:
    return cached.look(moment.history, moment.run.id, moment.history.epochs, place, image, label)


class View(NamedTuple):
    """One way to see moments. title: for whoever chooses. show: draws it, of the moments, the image
    and its label."""

    title: str
    show: Callable[[Sequence[Moment], np.ndarray, int], None]


VIEWS = {
    "probabilities": View("Ten probabilities", probabilities),
    "weights": View("First layers", first_layers),
    "layers": View("Layer by layer", layer_by_layer),
}


def rounded(epoch: float) -> str:
    return number(round(epoch, 2))


def _why(run: Run) -> str:
    if run.epochs <= 1:
        return "It was trained for no more than one epoch."
    return (
        "Its epochs were not kept, or made room for those of newer runs: train it "
        "again to travel through them."
    )


def sentence(network: str, epochs: tuple[float, ...], read: np.ndarray, label: int) -> str:
    """When a network came to its reading, in words. read: the probability of each digit at each
    moment, (moments, 10)."""
    title, digits = NETWORKS[network].title, digits_of(read).tolist()
    others = [place for place, digit in enumerate(digits) if digit != digits[-1]]
    if not others:
        return (
            f"The {title} happened to read it as {digits[-1]} before it had learned anything, and "
            "has done so ever since."
        )
    before, since = others[-1], others[-1] + 1
    told = f"The {title} has read it as **{digits[-1]}** since epoch **{rounded(epochs[since])}**"
    if before == 0:
        told += ", and guessed before it had learned anything"
    else:
        told += (
            f"; at epoch {rounded(epochs[before])}, the last one kept before that, it read "
            f"{digits[before]}"
        )
    changes = sum(one != other for one, other in itertools.pairwise(digits))
    told += (
        f". Over the epochs that were kept it changed its mind {changes} times."
        if changes > 1
        else "."
    )
    if digits[-1] == label:
        return told
    if label in digits[1:]:
        last = max(place for place, digit in enumerate(digits) if digit == label)
        return (
            f"{told} At epoch {rounded(epochs[last])} it knew the {label}, and has lost it since."
        )
    return f"{told} At no epoch that was kept did it know that this is a {label}."
