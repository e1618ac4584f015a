"""What a run has learned from a class, and what it has forgotten of MNIST: before and after, side
by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st

from mnist_models.data.dataset import TEST_COUNT
from mnist_models.handwriting import differences
from mnist_models.handwriting.collection import Collection
from mnist_models.models import intervals
from mnist_models.models.reader import Prediction
from mnist_models.runs import pretrained
from mnist_models.runs.tables import Run, UnknownRunError
from mnist_models.training.material import Result, Source, counted
from pages.parts import canvas, page, resources


class Side(NamedTuple):
    """One of the two models.

    Attributes:
        title: In Markdown.
        on_class: How many of the class's digits for the test it reads correctly.
        test_accuracy: On MNIST's 10,000 test images, 0 to 1.
        drawing: What it reads on the canvas; None where nothing is drawn, or it is not here.
    """

    title: str
    on_class: differences.Share
    test_accuracy: float
    drawing: Prediction | None


def draw(run: Run) -> None:
    """The two models side by side, and what differs in words.

    Args:
        run: A readable one that learned from a class.
    """
    source = run.source
    assert source
    st.markdown("**Before and after learning from the class**")
    st.caption(f"It learned from {page.plain(source)}.")
    found = resources.store().class_result(run.id)
    if found is None:
        st.caption(
            "How it reads the class's digits is not known here: it was stopped before they were "
            "read, or it was imported, and a run as a file does not contain the pupils' digits."
        )
        return
    before, after = _sides(run, source, *found)
    for column, side in zip(st.columns(2), (before, after), strict=True):
        with column:
            _draw_side(side, _tested(source))
    st.markdown(f"{_learned(before, after)} {_forgotten(before, after)}")


def _sides(run: Run, source: Source, tested: Collection, result: Result) -> tuple[Side, Side]:
    """The model before and after. One that started from random weights is compared with the
    pretrained model of its kind."""

    def side(title: str, digits: np.ndarray, accuracy: float, run_id: str) -> Side:
        right = differences.share(digits == tested.labels, tested.writers)
        return Side(title, right, accuracy, _drawing(run_id))

    if source.start:
        start = source.start
        assert result.before is not None  # it was read before the training
        title = f"Before: {page.plain(start.label)}"
        before = side(title, result.before, start.test_accuracy, start.run_id)
    else:
        other = resources.store().run(pretrained.PREFIX + run.network)
        title = f"{page.plain(other.label)}, which never saw the class"
        before = side(title, _read_by(other.id, run.id), other.measured.test_accuracy, other.id)
    title = f"After: {page.plain(run.label)}"
    return before, side(title, result.after, run.measured.test_accuracy, run.id)


@st.cache_resource(show_spinner=False, max_entries=64)
def _read_by(reader_id: str, run_id: str) -> np.ndarray:
    """What another model reads in the class's digits on which a run was tested, uint8 (N,)."""
    found = resources.store().class_result(run_id)
    assert found
    return resources.classifier(reader_id).probabilities(found[0].images).argmax(axis=1)


def _drawing(run_id: str) -> Prediction | None:
    preparation = canvas.board().preparation
    if preparation is None:
        return None
    try:
        return resources.classifier(run_id).read(preparation.image)
    except UnknownRunError:  # the run that it started from was deleted
        return None


def _tested(source: Source) -> str:
    """By whom the digits are on which the models are tested."""
    if source.leaves_each_out:
        return "each read by a model that learned nothing from its writer"
    return f"by {counted(source.held_out_writers, 'writer')} from whom it learned nothing"


def _draw_side(side: Side, tested: str) -> None:
    st.markdown(f"**{side.title}**")
    low, high = side.on_class.interval
    st.metric("Accuracy on the class", f"{side.on_class.value:.1%}")
    st.caption(
        f"{side.on_class.count:,} of {counted(side.on_class.of, 'digit')}, {tested}. Of other "
        f"digits of such writers, between {low:.1%} and {high:.1%} (95% interval)."
    )
    st.metric("Accuracy on MNIST", f"{side.test_accuracy:.2%}")
    if side.drawing:
        st.metric(
            "Reads your drawing as",
            f"{side.drawing.digit}, probability {side.drawing.probability:.0%}",
        )


def _learned(before: Side, after: Side) -> str:
    """What it has learned, in a sentence."""
    more = after.on_class.count - before.on_class.count
    if not more:
        return f"Of the class's {after.on_class.of:,} digits, both read equally many correctly."
    text = (
        f"Of the class's {after.on_class.of:,} digits, the model reads **{abs(more):,} "
        f"{'more' if more > 0 else 'fewer'}** correctly than the one before."
    )
    low, high = intervals.difference(*after.on_class.independent, *before.on_class.independent)
    return f"{text} That may be chance: more writers would tell." if low <= 0 <= high else text


def _forgotten(before: Side, after: Side) -> str:
    """What it has forgotten of MNIST, in a sentence."""
    fewer = round(TEST_COUNT * (before.test_accuracy - after.test_accuracy))
    if fewer <= 0:
        return (
            f"Of MNIST's {TEST_COUNT:,} test images it reads no fewer correctly: nothing was lost."
        )
    return (
        f"Of MNIST's {TEST_COUNT:,} test images it reads **{fewer:,} fewer** correctly: that is "
        "what learning from the class has cost."
    )
