"""What every page begins with."""

import re
from pathlib import Path

import streamlit as st

from pages.parts import resources

# The first digit of the test set. (An icon named by Streamlit would be fetched from the internet.)
ICON = Path(__file__).with_name("icon.png")
PAGES = {
    "app.py": ("Draw", ":material/draw:"),
    "pages/train.py": ("Train", ":material/model_training:"),
}


def plain(text: object) -> str:
    """The text as it is, for elements that read Markdown: a file's or a run's name could say anything."""
    return re.sub(r"([\\`*_\[\]<>$!~#|]|:(?=\S))", r"\\\1", str(text))


def begin(script: str) -> bool:
    """Sets the page up and draws the links to all pages. True when the visitor has just come from elsewhere."""
    title, _ = PAGES[script]
    st.set_page_config(page_title=f"{title} · DNN and CNN read digits", page_icon=ICON, layout="wide")
    resources.prepare()
    with st.container(horizontal=True, key="navigation"):
        for other, (label, other_icon) in PAGES.items():
            st.page_link(other, label=label, icon=other_icon, disabled=other == script)
    has_come = st.session_state.get("page") != script
    st.session_state["page"] = script
    return has_come
