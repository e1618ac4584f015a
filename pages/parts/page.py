"""What every page begins with."""

import functools
import re
import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from mnist_models.errors import UnavailableError
from pages.parts import large_type, resources

# The first digit of the test set. (An icon named by Streamlit would be fetched from the internet.)
ICON = Path(__file__).with_name("icon.png")
WORD_JOINER = "\u2060"
# Tables take their size of type from the page, once: from what it is by then.
TYPE_FIRST_S = 0.1
PAGES = {
    "app.py": ("Draw", ":material/draw:"),
    "pages/train.py": ("Train", ":material/model_training:"),
    "pages/compare.py": ("Compare", ":material/compare:"),
}
LESSONS = {
    "pages/slide.py": ("Slide: who still reads a moved digit?", ":material/open_with:"),
    "pages/scramble.py": ("Scramble: who needs neighbours?", ":material/shuffle:"),
    "pages/time_machine.py": ("Time machine: how did they learn to read it?", ":material/history:"),
    "pages/breaking.py": (
        "Where does it break? Turned, blurred, half hidden",
        ":material/broken_image:",
    ),
    "pages/strokes.py": ("Stroke by stroke: when did they know?", ":material/gesture:"),
    "pages/inside.py": ("Look inside: what does each layer see?", ":material/layers:"),
    "pages/reasons.py": (
        "Why this reading? What counted, and what would change it",
        ":material/psychology_alt:",
    ),
}


def plain(text: object) -> str:
    """The text as it is, for elements that read Markdown: a file's or a run's name could say
    anything.

    Addresses are found in the text after its escapes were taken out: a word joiner, which nobody
    sees, keeps them from becoming links.
    """
    text = " ".join(str(text).split())
    text = re.sub(r"(www(?=\.)|:(?=//)|(?=@))", f"\\1{WORD_JOINER}", text, flags=re.IGNORECASE)
    return re.sub(r"([\\`*_\[\]<>$!~#|&]|:(?=\S))", r"\\\1", text)


def guarded(draw: Callable[..., None]) -> Callable[..., None]:
    """A function that says what is wrong where `draw` cannot be done, because of the store or of
    TensorFlow. Fragments need one each: their exceptions never reach the page that called them."""

    @functools.wraps(draw)
    def drawn(*args, **kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except UnavailableError as error:
            st.error(plain(error))

    return drawn


def let_browser_draw(seconds: float) -> None:
    """Waits before the rest of a page is sent, so that the browser draws what it has got by then:
    what arrives in one go is drawn in one go, as late as the last of it."""
    time.sleep(seconds)


def begin(script: str, *, navigation: bool = True) -> bool:
    """Sets the page up and draws the links to all pages, unless without. True when the visitor has
    just come from elsewhere."""
    title, _ = (PAGES | LESSONS)[script]
    st.set_page_config(
        page_title=f"{title.split(':')[0]} · DNN and CNN read digits", page_icon=ICON, layout="wide"
    )
    if navigation:
        with st.container(horizontal=True, vertical_alignment="center", key="navigation"):
            _links(PAGES, script)
            with st.popover("Lessons", icon=":material/school:", type="tertiary"):
                _links(LESSONS, script)
    if problem := resources.tensorflow().problem:
        st.error(plain(problem))
    has_come = st.session_state.get("page") != script
    st.session_state["page"] = script
    large_type.begin()
    if large_type.is_on() and has_come:
        let_browser_draw(TYPE_FIRST_S)
    return has_come


def _links(pages: dict[str, tuple[str, str]], script: str) -> None:
    """A link to each of the pages; the one that is open cannot be followed."""
    for other, (label, icon) in pages.items():
        st.page_link(other, label=label, icon=icon, disabled=other == script)
