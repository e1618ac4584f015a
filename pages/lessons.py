"""All lessons on one page: their questions, and links for a class, as text and as QR codes."""

import streamlit as st

from pages.parts import addresses, page, resources, visitors
from pages.parts.lessons import ready_made


@page.guarded
def main() -> None:
    """The page."""
    page.begin("pages/lessons.py")
    st.header("Seven lessons for a class")
    st.markdown(
        "Each takes about five minutes. Its link opens it with its question alone: ask the class, "
        "take a vote, then press *Show*."
    )
    for_class = st.toggle("Show links and QR codes for the class", key="lessons-for-class")
    if for_class:
        addresses.explain()
    is_teacher = visitors.me().is_teacher
    announced = resources.classes().announced() if is_teacher else None
    for number, (name, lesson) in enumerate(ready_made.LESSONS.items(), 1):
        with st.container(border=True):
            st.markdown(f"**{lesson.title}**  \n{lesson.question}")
            with st.container(horizontal=True, vertical_alignment="center"):
                ready_made.link(name, f"Open lesson {number}")
                if is_teacher:
                    _announce(name, announced == name)
            if for_class:
                address = addresses.of_page(lesson.script, ready_made.query(name))
                with st.container(horizontal=True, vertical_alignment="center"):
                    addresses.show(address, f"lesson {lesson.title}")
    visitors.ask_for_password()
    visitors.know()
    resources.prepare()


def _announce(name: str, is_announced: bool) -> None:
    """Puts a lesson on everybody's home page, or takes it away."""
    st.button(
        "Take it off the home page" if is_announced else "Put it on everybody's home page",
        icon=":material/campaign:",
        type="tertiary",
        key=f"announce-{name}",
        on_click=page.guarded(resources.classes().announce),
        args=[None if is_announced else name, visitors.me()],
    )


main()
