"""What two predictions for a drawing come to: whether the models agree, which of them is right, how
often so far, and where to see why."""

import hashlib
from collections import Counter
from collections.abc import Mapping

import numpy as np
import streamlit as st

from mnist_models.data.corruptions import CORRUPTIONS
from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.explain import contrasts
from mnist_models.models.reader import Prediction
from mnist_models.runs import comparison
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, memory, selection
from pages.parts.lessons import cached, frame


def _answers(predictions: Mapping[str, Prediction]) -> set[int | None]:
    """What the models say, each answer once; None is "not sure"."""
    return {one.answer for one in predictions.values()}


def agreement(predictions: Mapping[str, Prediction]) -> None:
    """A line that says whether the models agree, in a container of its own: it is hidden while the
    browser reads on."""
    with st.container(key="agreement"):
        _agreement(predictions)


def _agreement(predictions: Mapping[str, Prediction]) -> None:
    digits = _answers(predictions)
    if digits == {None}:
        st.info(
            "Neither is sure. Perhaps this is not a digit, or it is written in a "
            "way they have never seen.",
            icon=":material/question_mark:",
        )
    elif len(digits) == 1:
        # No tick: two models can agree on what is wrong.
        st.info(f"They agree: both say **{digits.pop()}**.", icon=":material/equal:")
    else:
        sentence = "; ".join(
            f"the {NETWORKS[network].title} "
            + (f"says **{prediction.digit}**" if prediction.is_confident else "is not sure")
            for network, prediction in predictions.items()
        )
        # Not being sure is no disagreement.
        both_answer = None not in digits
        st.warning(
            f"They disagree: {sentence}." if both_answer else f"T{sentence[1:]}.",
            icon=":material/call_split:",
        )


def ask(
    run_ids: Mapping[str, str], predictions: Mapping[str, Prediction], image: np.ndarray
) -> None:
    """Asks which digit was drawn, one tap, and notes it on the board and in the tally.

    Args:
        run_ids: Of the two models, by kind.
        predictions: Theirs for the drawing, by kind.
        image: The drawing as the models see it, uint8 (28, 28).
    """
    drawing = hashlib.sha1(image.tobytes()).hexdigest()
    answers = st.session_state.setdefault(memory.TOLD, {})
    told = st.pills(
        "What did you write?",
        range(CLASS_COUNT),
        default=answers.get(drawing),
        key=f"wrote-{drawing}",
        persist_state="session",
    )
    canvas.board().told = told
    boxes = st.session_state.setdefault(memory.TALLY, {}).setdefault(tuple(run_ids.values()), {})
    answers.pop(drawing, None)
    boxes.pop(drawing, None)
    if told is not None:
        answers[drawing] = told
        boxes[drawing] = comparison.box(*_right(predictions, told))


def _right(predictions: Mapping[str, Prediction], label: int) -> list[bool]:
    """Whether each model is right; one that is not sure is not."""
    return [one.answer == label for one in predictions.values()]


def tally(run_ids: Mapping[str, str]) -> None:
    """Shows how often each of two models, by kind, was right so far."""
    if boxes := st.session_state.get(memory.TALLY, {}).get(tuple(run_ids.values())):
        counts = Counter(boxes.values())
        titles = [NETWORKS[network].title for network in run_ids]
        text = comparison.tally({box: counts[box] for box in comparison.Box}, *titles)
        pair = selection.selected_pair()
        st.caption(f"{selection.PAIRS[pair].title} · {text}" if pair else text)


def see_why(
    run_ids: Mapping[str, str], predictions: Mapping[str, Prediction], image: np.ndarray
) -> None:
    """Where the models disagree, a link to the lesson that shows best why, for this very digit: it
    is the one in which they differ most.

    Args:
        run_ids: Of the two models, by kind.
        predictions: Theirs for the drawing, by kind.
        image: The drawing as the models see it, uint8 (28, 28).
    """
    if len(_answers(predictions)) == 1:
        return
    known = canvas.board().known
    label = frame.guess(image) if known is None else known
    contrast = contrasts.showing(
        cached.contrasts_of(tuple(run_ids.values()), image, label), *_right(predictions, label)
    )
    titles = [NETWORKS[network].title for network in run_ids]
    shares = " and ".join(
        f"the {title} at **{share:.0%}**"
        for title, share in zip(titles, contrast.shares, strict=True)
    )
    if contrast.corruption is None:
        script, query = "pages/slide.py", {}
        change, steps = f"Moved by up to {contrasts.NEAR_PX} pixels", "positions"
    else:
        script, query = "pages/breaking.py", {"distortion": contrast.corruption}
        change = f"With more and more distortion ({CORRUPTIONS[contrast.corruption].title.lower()})"
        steps = "steps"
    st.markdown(f"{change}, it is read as {comparison.a_digit(label)} by {shares} of {steps}.")
    st.page_link(
        script,
        label="See why",
        icon=":material/help_center:",
        query_params={links.VERSION_NAME: str(links.VERSION), **run_ids, **query},
    )
