"""Play: fool one of the models, or beat both."""

import streamlit as st

from pages.parts import canvas, page, resources, selection, visitors
from pages.parts.classroom import beating, fooling, joining

GAMES = {"Fool one, not the other": fooling.play, "Beat the models": beating.play}


@page.guarded
def main() -> None:
    """The page."""
    page.begin("pages/play.py")
    st.header("Play")
    collection = joining.collection()
    if collection is None:
        st.info("No collection is open. A teacher begins one on the Class page.")
    elif joining.writer():
        with st.container(horizontal=True, vertical_alignment="center"):
            game = st.segmented_control(
                "Game",
                GAMES,
                default=next(iter(GAMES)),
                required=True,
                key="game",
                persist_state="session",
                label_visibility="collapsed",
            )
            runs = selection.choose("same")
        GAMES[game](collection, runs)
        canvas.watch_pen()
    visitors.know()
    resources.prepare()


main()
