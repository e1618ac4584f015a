"""A game: ten hard digits, read by a pupil and by both models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import streamlit as st

from mnist_models.data import dataset
from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.runs import pretrained
from mnist_models.runs.class_tables import ClassCollection
from mnist_models.runs.classes import gathered
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type, page, resources, visitors
from pages.parts.classroom import readings

# In the session: the round that is being played.
ROUND = "beat-round"
DIGITS, MOST_OF_THE_CLASS = 10, 4
PICTURE_PX = 224
YOU = "you"


class Round(NamedTuple):
    """Ten digits and what was said of them so far.

    Attributes:
        number: How many rounds there were before.
        images: uint8 (10, 28, 28).
        labels: uint8 (10,).
        read: By kind of model, what it reads, uint8 (10,).
        said: What the visitor said, as far as they have come.
    """

    number: int
    images: np.ndarray
    labels: np.ndarray
    read: dict[str, np.ndarray]
    said: list[int]

    def right(self) -> dict[str, int]:
        """How many of the ten the visitor and each model read right."""
        said = np.array(self.said, np.uint8)
        return {YOU: int((said == self.labels[: len(said)]).sum())} | {
            network: int((read == self.labels).sum()) for network, read in self.read.items()
        }


@st.cache_resource(show_spinner=False)
def disputed() -> np.ndarray:
    """The test images that at least one of the four models of both pretrained pairs misclassifies,
    as indices, int (N,)."""
    labels = dataset.load().test.labels
    wrong = np.zeros(len(labels), bool)
    for pair in ("shipped", "teaching"):
        for run_id in pretrained.ids(pair).values():
            wrong |= resources.predictions(run_id).digits != labels
    return np.flatnonzero(wrong)


def begin(collection: ClassCollection, runs: Mapping[str, Run], number: int) -> Round:
    """A new round: of the class's own digits up to four that one of the models misclassifies, and
    disputed test images; in random order."""
    random = np.random.default_rng()
    test = dataset.load().test
    chosen = random.choice(disputed(), DIGITS, replace=False)
    images, labels = test.images[chosen], test.labels[chosen]
    given = resources.classes().given(collection.id)
    if given:
        own = gathered(given)
        answers = [readings.of(run.id, given) for run in runs.values()]
        hard = np.flatnonzero(np.any([found != own.labels for found in answers], axis=0))
        taken = random.permutation(hard)[:MOST_OF_THE_CLASS]
        images[: len(taken)], labels[: len(taken)] = own.images[taken], own.labels[taken]
    order = random.permutation(DIGITS)
    images, labels = images[order], labels[order]
    return Round(
        number, images, labels, {network: _read(run, images) for network, run in runs.items()}, []
    )


def _read(run: Run, images: np.ndarray) -> np.ndarray:
    with resources.while_loading([run]):
        return resources.classifier(run.id).predictions(images).digits


@st.fragment
@page.guarded
def play(collection: ClassCollection, runs: Mapping[str, Run]) -> None:
    """One digit after the other, then who was right about which. A fragment: an answer redraws this
    and nothing else."""
    this: Round | None = st.session_state.get(ROUND)
    if this is None:
        this = st.session_state[ROUND] = begin(collection, runs, 0)
    if len(this.said) < DIGITS:
        _ask(this, collection)
    else:
        _result(this)
        st.button(
            "Play again",
            icon=":material/replay:",
            key="beat-again",
            on_click=lambda: st.session_state.update(
                {ROUND: begin(collection, runs, this.number + 1)}
            ),
        )
    if scores := resources.games().scores(collection.id):
        st.markdown("The best round of each, and how the models did on the same ten digits:")
        st.dataframe(
            {
                "Name": [nickname for nickname, _ in scores],
                "Right": [score.right for _, score in scores],
                "DNN": [score.dnn for _, score in scores],
                "CNN": [score.cnn for _, score in scores],
            },
            hide_index=True,
            width=420,
            alt="The best round of each writer",
        )


def _ask(this: Round, collection: ClassCollection) -> None:
    place = len(this.said)
    st.markdown(
        f"Digit **{place + 1}** of {DIGITS}. Each of them is misclassified by at least one model."
    )
    st.image(
        canvas.enlarged(this.images[place], 2 * PICTURE_PX),
        width=large_type.px(PICTURE_PX),
        alt="The digit that is asked for",
    )
    key = f"beat-{this.number}-{place}"

    def answer() -> None:
        if (said := st.session_state[key]) is None:
            return
        this.said.append(said)
        if len(this.said) == DIGITS:
            resources.games().keep_score(collection.id, this.right(), visitors.me())

    st.pills("Which digit is this?", range(CLASS_COUNT), key=key, on_change=page.guarded(answer))


def _result(this: Round) -> None:
    right = this.right()
    names = {YOU: "You"} | {network: NETWORKS[network].title for network in this.read}
    for column, (who, count) in zip(st.columns(len(right)), right.items(), strict=True):
        column.metric(f"{names[who]}: right", f"{count} of {DIGITS}")
    best = max(count for who, count in right.items() if who != YOU)
    if right[YOU] > best:
        st.success("You beat both models.")
    elif right[YOU] == best:
        st.info("A draw with the better of the models.")
    else:
        st.info("A model was better this time.")
    with st.container(horizontal=True, gap="small"):
        for place in range(DIGITS):
            said = [this.said[place], *(int(read[place]) for read in this.read.values())]
            lines = [
                f"{name}: {digit} {'✓' if digit == this.labels[place] else '✗'}"
                for name, digit in zip(names.values(), said, strict=True)
            ]
            st.image(
                canvas.enlarged(this.images[place], PICTURE_PX),
                "  \n".join([f"label **{this.labels[place]}**", *lines]),
                width=large_type.px(104),
                alt=f"A digit with the label {this.labels[place]}",
            )
