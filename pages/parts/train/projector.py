"""A run alone on the screen, in large type, for a projector: asked for in the page's address."""

import streamlit as st

from pages.parts import large_type, page
from pages.parts.lessons import frame

# In the session, while a run is alone: whether the page was in large type before.
WAS_LARGE = "large-before-alone"


def begin(script: str) -> tuple[bool, bool]:
    """Sets the page up, see page.begin.

    Returns:
        Whether the address asks for a run alone, and whether the visitor has just come from
        elsewhere.
    """
    is_alone = frame.is_presented()
    if is_alone and WAS_LARGE not in st.session_state:
        st.session_state[WAS_LARGE] = large_type.is_on()
        large_type.switch(True)
    elif not is_alone and WAS_LARGE in st.session_state:  # also by the browser's Back
        large_type.switch(st.session_state.pop(WAS_LARGE))
    return is_alone, page.begin(script, navigation=not is_alone)


def enter(run_id: str) -> None:
    """A button that shows a run, or the race of which this is the first, alone."""
    if st.button("Show on the projector", icon=":material/present_to_all:", key="alone"):
        st.query_params.update({"run": run_id, frame.HIDE: "1"})
        st.rerun()


def leave() -> None:
    """A button that leads back to the whole page."""
    if st.button(
        "Back to the whole page", icon=":material/tune:", type="tertiary", key="leave-alone"
    ):
        del st.query_params[frame.HIDE]
        st.rerun()
