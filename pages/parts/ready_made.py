"""Lessons that are ready for a class: five minutes each, with a question to ask first and what the class will find."""

from typing import NamedTuple

import streamlit as st

# What a link calls the ready-made lesson that it opens.
NAME = "lesson"


class ReadyMade(NamedTuple):
    """title: of the link. question: to ask the class first. finding: what it will find. script, query: the page
    as it opens."""

    title: str
    icon: str
    question: str
    finding: str
    script: str
    query: dict[str, str]


LESSONS = {
    "slide": ReadyMade(
        "Why is every drawing centred?", ":material/open_with:",
        "Two networks read nearly every digit in the middle of the picture. If the digit moves a few pixels, do they still?",
        "Both lose the digit as it moves away, and the DNN loses it sooner: what it learned of a pixel says nothing about the "
        "pixel beside it. With the switch on, each place is prepared again, and neither is wrong any more. Then choose the "
        "pair that learned without augmentation (under “Why?”): architecture and data both help.",
        "pages/slide.py", {"digit": "17", "prepared": "false"},
    ),
    "noise": ReadyMade(
        "How much noise can a digit bear?", ":material/broken_image:",
        "Which network will first fail to read a digit under falling snow, and will it notice that it has failed?",
        "",
        "pages/breaking.py", {"digit": "17", "distortion": "noise", "noise": "0"},
    ),
}  # fmt: skip


def listed() -> None:
    """A link to each of the lessons, with the question to ask."""
    for name, one in LESSONS.items():
        st.page_link(one.script, label=f"**{one.title}**", icon=one.icon, query_params={NAME: name} | one.query)
        st.caption(one.question)


def introduce(name: str) -> None:
    """What stands above a lesson that was opened ready-made."""
    if name not in LESSONS:
        return
    with st.container(border=True):
        st.markdown(f"**{LESSONS[name].title}** First ask: {LESSONS[name].question}")
        with st.expander("What you will find"):
            st.markdown(LESSONS[name].finding)
