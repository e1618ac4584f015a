"""What the class has written: a wall for the projector."""

import streamlit as st

from pages.parts import large_type, page, resources, selection, visitors
from pages.parts.classroom import joining, wall


@page.guarded
def main() -> None:
    """The page."""
    page.begin("pages/wall.py")
    collection = joining.collection()
    if collection is None:
        st.header("What the class has written")
        st.info("There is no collection yet. A teacher begins one on the Class page.")
    else:
        st.header(page.plain(collection.name))
        with st.container(horizontal=True, vertical_alignment="center"):
            runs = selection.choose("same")
            st.page_link(
                "pages/class.py",
                label="Write digits",
                icon=":material/draw:",
                query_params={joining.COLLECTION: collection.id},
            )
            large_type.choose()
        wall.show(collection, runs)
    visitors.know()
    resources.prepare()


main()
