"""Lessons that are ready for a class: five minutes each, with a question to ask first and the
answer for the teacher."""

from typing import NamedTuple

import streamlit as st

from mnist_models.data import strokes
from pages.parts import canvas, large_type, page, resources, selection

# The name of the ready-made lesson in a link.
NAME = "lesson"
# A class meets models of which nothing but the architecture differs.
SAME_TRAINING = {selection.ADDRESS: "same"}


# What a class can vote for, as an address names it.
VOTES = {"dnn": "The DNN", "cnn": "The CNN", "neither": "Neither", "unknown": "Don't know"}
# In an address: what the class has voted for, once it has seen the lesson, perhaps nothing.
VOTE, NO_VOTE = "vote", "none"
DIGIT_PX = 140


class ReadyMade(NamedTuple):
    """A lesson.

    Attributes:
        question: To ask the class first.
        answer: For the teacher, folded away.
        script, query: The page as it opens.
    """

    question: str
    answer: str
    script: str
    query: dict[str, str]

    @property
    def title(self) -> str:
        """Such as "1. Slide: why is every drawing centred?"."""
        return f"{list(page.LESSONS).index(self.script) + 1}. {page.LESSONS[self.script][0]}"

    @property
    def short_title(self) -> str:
        """The same for where there is little room, such as "1. Slide"."""
        return self.title.split(":")[0]


LESSONS = {
    "slide": ReadyMade(
        "Both models classify almost every centred digit correctly. Which of them still recognises "
        "it when it moves a few pixels?",
        "The CNN, but not for long: both lose the digit as it moves away from the centre, and the "
        "DNN loses it sooner: what "
        "it has learned about one pixel tells it nothing about the pixel next to it. Switch on "
        "re-centring, and every position is as easy as the centre: preprocessing can do what the "
        "model cannot. Then switch to “At their best”: with augmentation both maps grow, so "
        "augmentation can replace some of what architecture gives.",
        "pages/slide.py",
        {**SAME_TRAINING, "digit": "109", "prepared": "false"},
    ),
    "noise": ReadyMade(
        "A digit is blurred, more and more. The CNN is the more accurate model. Which of the two "
        "holds out longer?",
        "The DNN. The small patterns that make a CNN so accurate are the first thing that blur "
        "destroys, while a DNN compares the whole image, of which the coarse shape is left. Check "
        "on the whole test set whether this digit was an exception. Then try another distortion: "
        "which model is more robust depends on what happens to the digit, and the "
        "only way to know is to test.",
        "pages/breaking.py",
        {**SAME_TRAINING, "digit": "11", "distortion": "blur", "blur": "0"},
    ),
    "inside": ReadyMade(
        "The first layer of one model has 784 weights for each unit, that of the other 25 for each "
        "kernel, used at every position. In which of the two will you recognise something?",
        "In neither at first sight, and that is the point. The DNN's templates cover the whole "
        "image, each good for one place only. The CNN's kernels are so small that only their "
        "feature maps, which you can recognise, show what they detect. Press Play below, and a "
        "kernel slides along a row of the digit; stop it, and follow the arithmetic of one pixel "
        "with a pocket calculator: patch times kernel, summed, then passed "
        "through the activation.",
        "pages/inside.py",
        {**SAME_TRAINING, "digit": "11"},
    ),
    "scramble": ReadyMade(
        "All pixels are shuffled by one fixed permutation, the same for every image. You cannot "
        "read anything. Which model will care?",
        "The CNN. The DNN is as accurate as before: it has a weight for each pixel, wherever it "
        "is. The CNN becomes less accurate than the DNN: it looks only for small patterns, and "
        "there are none. "
        "What made it win is that neighbouring pixels belong together, and its architecture builds "
        "that in. Draw a digit and let all four models predict it.",
        "pages/scramble.py",
        {"digit": "11"},
    ),
    "strokes": ReadyMade(
        "Somebody draws a 4, the vertical stroke last. Which of the two models is the first to "
        "know that it will be a 4?",
        "Neither, but for a hair. Press Play. Half a 4 is read as a 1, then as other digits, and "
        "the answer flips within a few millimetres of the last stroke: the models learned from "
        "whole digits only and have no idea of what is still to come. You knew earlier, because "
        "you do. Then let pupils draw their own digit on the home page and come back.",
        "pages/strokes.py",
        {
            **SAME_TRAINING,
            "strokes": strokes.to_text(strokes.EXAMPLES[0].drawing(canvas.BRUSH_PX)) or "",
            "label": str(strokes.EXAMPLES[0].digit),
            "drawn": "0",
        },
    ),
    "reasons": ReadyMade(
        "Both models read this 7 correctly. One stroke of a pen is to make another digit of it, as "
        "short a stroke as possible. Which of the two holds on to the 7 longer?",
        "The CNN: it takes more than twice as much ink. (Of the first 100 test digits, the CNN "
        "takes more ink for 66, the DNN for 19.) Look at the two changed digits: would a person "
        "still call them a 7? Then look at “What mattered?”: a model cannot say why it answers "
        "what it answers, but it can be tested.",
        "pages/reasons.py",
        {**SAME_TRAINING, "digit": "64", "view": "change", "change": "pen"},
    ),
    "time": ReadyMade(
        "Both models have seen each of the 55,000 training images once (one epoch); in the end, it "
        "will be four times. Which of the two recognises this 5 by now?",
        "The CNN. Press Play. After one epoch the CNN has 98.4% test accuracy, more than the DNN "
        "after four (97.3%): what a kernel learns at one position it knows at every other, so each "
        "image teaches it more.",
        "pages/time_machine.py",
        {**SAME_TRAINING, "digit": "478", "epoch": "1", "view": "probabilities"},
    ),
}


def hide(name: str | None) -> None:
    """Lets a lesson begin with its question again."""
    st.session_state.pop(_shown_key(name), None)
    st.session_state.pop(_vote_key(name), None)


def introduce(name: str) -> None:
    """Draws the question of a lesson that was opened ready-made, and takes the vote. Until the
    class wants to see, it draws nothing else, and ends the run of the page."""
    one, is_shown = LESSONS[name], st.session_state.get(_shown_key(name), False)
    if is_shown:
        vote = st.session_state.get(_vote_key(name))
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            said = f" The class says: **{VOTES[vote]}**." if vote else ""
            st.markdown(f"**{one.title}** {one.question}{said}")
            with st.popover("Answer (for the teacher)", icon=":material/key:"):
                st.markdown(one.answer)
            _link_to_next(name)
        return
    with st.container(border=True):
        st.subheader(one.title)
        st.markdown(one.question)
        if "digit" in one.query and (asked := canvas.board().preparation):
            picture = canvas.enlarged(asked.image, DIGIT_PX)
            st.image(picture, width=DIGIT_PX, alt="The digit of this lesson")
        st.segmented_control(
            "What does the class say?",
            VOTES,
            format_func=VOTES.__getitem__,
            key=_vote_key(name),
            persist_state="session",
        )
        st.button(
            "Show",
            icon=":material/visibility:",
            type="primary",
            key="lesson-show",
            on_click=lambda: st.session_state.update({_shown_key(name): True}),
        )
    large_type.choose()
    resources.prepare()
    st.stop()


def in_address(name: str | None) -> dict[str, str]:
    """What a lesson's address says of it, so that a reload goes on with it."""
    if name not in LESSONS:
        return {}
    return {NAME: name, VOTE: st.session_state.get(_vote_key(name)) or NO_VOTE}


def follow_vote(name: str | None, vote: str) -> list[str]:
    """Goes on with a lesson that has been shown, see `in_address`.

    Returns:
        What is wrong with the vote, a sentence, if anything is.
    """
    if vote not in (*VOTES, NO_VOTE):
        return [f"{VOTE} cannot be {vote[:40]!r}; allowed is {', '.join(VOTES)} or {NO_VOTE}."]
    st.session_state[_shown_key(name)] = True
    if vote in VOTES:
        st.session_state[_vote_key(name)] = vote
    return []


def _vote_key(name: str | None) -> str:
    return f"lesson-vote-{name}"


def _shown_key(name: str | None) -> str:
    return f"lesson-shown-{name}"


def _link_to_next(name: str) -> None:
    names = list(LESSONS)
    for following in names[names.index(name) + 1 :][:1]:
        link(following, f"Next lesson: {LESSONS[following].short_title}")


def link(name: str, label: str) -> None:
    """Draws the link that opens a lesson with its question.

    Args:
        name: A key of LESSONS.
        label: Of the link.
    """
    one = LESSONS[name]
    _, icon = page.LESSONS[one.script]
    st.page_link(one.script, label=label, icon=icon, query_params=query(name))


def query(name: str) -> dict[str, str]:
    """What is in the address of a lesson, a key of LESSONS, as it opens."""
    return {NAME: name} | LESSONS[name].query
