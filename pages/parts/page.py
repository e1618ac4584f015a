"""What every page begins with."""

import functools
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from mnist_models.errors import UnavailableError
from pages.parts import large_type, resources
from pages.parts.components import component

# The first digit of the test set. (An icon named by Streamlit would be fetched from the internet.)
ICON = Path(__file__).with_name("icon.png")
WORD_JOINER = "\u2060"
# In the session: the lesson from which the visitor came to draw, and how it was opened.
WAY_BACK = "way-back"
# Tables take their font size from the page once, as it is at that moment.
TYPE_FIRST_S = 0.1
PAGES = {
    "app.py": ("Draw", ":material/draw:"),
    "pages/train.py": ("Train", ":material/model_training:"),
    "pages/compare.py": ("Compare", ":material/compare:"),
}
# For a projector; Class leads there.
WALL = {"pages/wall.py": ("What the class has written", ":material/grid_on:")}
# All lessons on one page, and what a class does together.
FOR_CLASS = {
    "pages/lessons.py": ("All lessons, with links for a class", ":material/qr_code_2:"),
    "pages/class.py": ("Class: write digits together", ":material/groups:"),
    "pages/play.py": ("Play: fool a model, or beat both", ":material/sports_esports:"),
}
# In the order in which a class best takes them.
LESSONS = {
    "pages/slide.py": ("Slide: why is every drawing centred?", ":material/open_with:"),
    "pages/breaking.py": (
        "Where does it break: how much can a digit take?",
        ":material/broken_image:",
    ),
    "pages/inside.py": ("Look inside: what does a layer look for?", ":material/layers:"),
    "pages/scramble.py": ("Shuffle the pixels: who needs neighbours?", ":material/shuffle:"),
    "pages/strokes.py": ("Stroke by stroke: when did they know?", ":material/gesture:"),
    "pages/reasons.py": (
        "Why this answer: what mattered, and what would change it?",
        ":material/psychology_alt:",
    ),
    "pages/time_machine.py": ("Time machine: how did they learn?", ":material/history:"),
}


def plain(text: object) -> str:
    """The text as it is, for elements that render Markdown: the name of a file or a run may hold
    anything.

    Addresses are found in the text after its escapes were taken out: a word joiner, which nobody
    sees, keeps them from becoming links.
    """
    text = " ".join(str(text).split())
    text = re.sub(r"(www(?=\.)|:(?=//)|(?=@))", f"\\1{WORD_JOINER}", text, flags=re.IGNORECASE)
    return re.sub(r"([\\`*_\[\]<>$!~#|&]|:(?=\S))", r"\\\1", text)


def guarded(draw: Callable[..., None]) -> Callable[..., None]:
    """Wraps a function that draws, so that a store or a TensorFlow that cannot be used is an error
    on the page. Each fragment needs its own: exceptions do not leave it."""

    @functools.wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> None:
        try:
            draw(*args, **kwargs)
        except UnavailableError as error:
            st.error(plain(error))

    return drawn


def attempt(problem: str, change: Callable[..., object], *arguments: Any, **more: Any) -> None:
    """Does what a button is for. Why it could not be done, a sentence, is kept in the session, for
    `show_problem`, until the next attempt.

    Args:
        problem: Its key there.
    """
    st.session_state[problem] = None
    try:
        change(*arguments, **more)
    except UnavailableError as error:
        st.session_state[problem] = str(error)


def show_problem(problem: str) -> None:
    """Says why the last attempt changed nothing, if it did not; see `attempt`."""
    if sentence := st.session_state.get(problem):
        st.error(plain(sentence))


def let_browser_draw(seconds: float) -> None:
    """Waits before the rest of the page is sent, so that the browser draws what it has received:
    what arrives together is drawn together, once the last of it is there."""
    time.sleep(seconds)


def has_come(script: str) -> bool:
    """Whether the visitor has just come to a page from elsewhere; False once the page has begun."""
    return st.session_state.get("page") != script


def begin(script: str, *, navigation: bool = True) -> bool:
    """Sets the page up.

    Args:
        script: The page, a key of PAGES, WALL, FOR_CLASS or LESSONS.
        navigation: Whether to draw the links to all pages.

    Returns:
        Whether the visitor has just come from elsewhere.
    """
    title, _ = (PAGES | WALL | FOR_CLASS | LESSONS)[script]
    st.set_page_config(
        page_title=f"{title.split(':')[0]} · DNN and CNN classify digits",
        page_icon=ICON,
        layout="wide",
    )
    with st.container(
        horizontal=True, vertical_alignment="center", gap="xxsmall", key="navigation"
    ):
        if navigation:
            _links(PAGES, script)
            with st.popover("Lessons", icon=":material/school:", type="tertiary"):
                _links(FOR_CLASS | LESSONS, script)
        component("tap")(key="tap")
    if problem := resources.tensorflow().problem:
        st.error(plain(problem))
    is_new = has_come(script)
    if is_new and script != "app.py":
        st.session_state.pop(WAY_BACK, None)
    st.session_state["page"] = script
    large_type.begin()
    if large_type.is_on() and is_new:
        let_browser_draw(TYPE_FIRST_S)
    return is_new


def remember_way_back(script: str, query: dict[str, str]) -> None:
    """Has the Draw page lead back to a lesson, once it is opened next.

    Args:
        script: The lesson, a key of LESSONS.
        query: As it was opened.
    """
    st.session_state[WAY_BACK] = script, query


def link_back() -> None:
    """Draws the link back to the lesson from which the visitor came to draw, if they did."""
    if way_back := st.session_state.get(WAY_BACK):
        script, query = way_back
        st.page_link(
            script,
            label=f"Back to the lesson: {LESSONS[script][0].split(':')[0]}",
            icon=":material/undo:",
            query_params=query,
        )


def _links(pages: dict[str, tuple[str, str]], script: str) -> None:
    """A link to each of the pages; the one that is open cannot be followed."""
    for other, (label, icon) in pages.items():
        st.page_link(other, label=label, icon=icon, disabled=other == script)
