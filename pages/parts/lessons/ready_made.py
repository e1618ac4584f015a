"""Lessons that are ready for a class: five minutes each, with a question to ask first and what the
class will find."""

from typing import NamedTuple

import streamlit as st

from mnist_models.data import strokes
from pages.parts import canvas

# What a link calls the ready-made lesson that it opens.
NAME = "lesson"


class ReadyMade(NamedTuple):
    """title: of the link. question: to ask the class first. finding: what it will find. script,
    query: the page as it opens."""

    title: str
    icon: str
    question: str
    finding: str
    script: str
    query: dict[str, str]


LESSONS = {
    "slide": ReadyMade(
        "1. Why is every drawing centred?",
        ":material/open_with:",
        "Two networks read nearly every digit in the middle of the picture. If the digit moves a "
        "few pixels, do they still?",
        "Both lose the digit as it moves away, and the DNN loses it sooner: what it learned of a "
        "pixel says nothing about the pixel beside it. Switch the preparation on, and each place "
        "is read as the middle is: a program around the network can do what the network cannot. "
        "Then press “Learned without”: without augmentation both maps shrink, so data can do some "
        "of what architecture does.",
        "pages/slide.py",
        {"digit": "11", "prepared": "false"},
    ),
    "noise": ReadyMade(
        "2. How much snow can a digit bear?",
        ":material/broken_image:",
        "Noise falls on a digit, more and more of it. The CNN is the better reader; is it also the "
        "one that holds out longer?",
        "It is not. The small patterns that make a CNN so good are the first thing that noise "
        "destroys, while a DNN adds up all 784 pixels, and the noise in them cancels out. Ask the "
        "whole test set whether this digit was an exception. Then take another way to spoil it: "
        "which network is better depends on what happens to the digit, and only trying it tells.",
        "pages/breaking.py",
        {"digit": "11", "distortion": "noise", "noise": "0"},
    ),
    "inside": ReadyMade(
        "3. What does a layer look for?",
        ":material/layers:",
        "The first layer of one network has 784 weights for each unit, that of the other 9 for "
        "each kernel, used at every place. In which of the two will you recognise something?",
        "In neither at first sight, and that is the point: the DNN's templates cover the whole "
        "image, each good for one place only; the CNN's kernels are edges so small that only their "
        "feature maps, which you can recognise, show what they do. Choose a pixel below and follow "
        "its arithmetic with a pocket calculator: patch times kernel, added, and bent.",
        "pages/inside.py",
        {"digit": "11"},
    ),
    "scramble": ReadyMade(
        "4. Who needs neighbours?",
        ":material/shuffle:",
        "All pixels change places, the same way for every image. You cannot read a thing. Which "
        "network will mind?",
        "The DNN reads as well as before: it has a weight for each pixel, wherever that stands. "
        "The CNN gets worse than the DNN: small patterns are all it looks for, and there are none. "
        "What made it win is that neighbouring pixels belong together, which somebody told it by "
        "its architecture. Draw a digit, and see all four read it.",
        "pages/scramble.py",
        {"digit": "11"},
    ),
    "strokes": ReadyMade(
        "5. When did they know?",
        ":material/gesture:",
        "Somebody draws a 4, its upright last. At what moment do you know what it will be, and at "
        "what moment do the networks?",
        "Press Play. Half a 4 is called a 1, then this and that, and the reading flips within a "
        "few millimetres of the last stroke: the networks learned from whole digits only and have "
        "no idea of what is still to come. You knew earlier, because you do. Then draw your own "
        "digit on the Draw page and come back.",
        "pages/strokes.py",
        {
            "strokes": strokes.to_text(strokes.EXAMPLES[0].drawing(canvas.BRUSH_PX)),
            "label": str(strokes.EXAMPLES[0].digit),
            "drawn": "0",
        },
    ),
}


def listed() -> None:
    """A link to each of the lessons, with the question to ask."""
    for name, one in LESSONS.items():
        st.page_link(
            one.script,
            label=f"**{one.title}**",
            icon=one.icon,
            query_params={NAME: name} | one.query,
        )
        st.caption(one.question)


def introduce(name: str) -> None:
    """What stands above a lesson that was opened ready-made."""
    if name not in LESSONS:
        return
    with st.container(border=True):
        st.markdown(f"**{LESSONS[name].title}** First ask: {LESSONS[name].question}")
        with st.expander("What you will find"):
            st.markdown(LESSONS[name].finding)
