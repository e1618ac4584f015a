"""Class: everybody writes digits, which become a data set of the class's own."""

import streamlit as st

from pages.parts import canvas, page, resources, visitors
from pages.parts.classroom import joining, managing, writing


@page.guarded
def main() -> None:
    """The page."""
    page.begin("pages/class.py")
    collection = joining.collection()
    if visitors.me().is_teacher:
        managing.collections(collection)
    if collection is None:
        st.header("The class's own digits")
        if not visitors.me().is_teacher:
            st.info("No collection is open yet. Your teacher begins one on this page.")
    elif not collection.is_open:
        st.header(page.plain(collection.name))
        st.info("This collection is closed: no digits can be given at the moment.")
    elif writer := joining.writer():
        st.caption(f"{page.plain(collection.name)} · you are **{page.plain(writer.nickname)}**")
        writing.write(collection)
        canvas.watch_pen()
    if collection:
        st.page_link(
            "pages/wall.py",
            label="See what the class has written",
            icon=":material/grid_on:",
            query_params={joining.COLLECTION: collection.id},
        )
    visitors.ask_for_password()
    visitors.know()
    resources.prepare()


main()
