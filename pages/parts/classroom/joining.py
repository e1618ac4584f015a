"""How somebody comes to write for a class: which collection, and under which nickname."""

import random
from collections.abc import Sequence

import streamlit as st

from mnist_models.runs.class_tables import ClassCollection, Writer
from mnist_models.runs.tables import NAME_CHARACTERS
from pages.parts import page, resources, visitors

# In an address, and in the session.
COLLECTION = "collection"
NICKNAME, OFFERED, PROBLEM = "nickname", "offered-nickname", "join-problem"
KINDS = ("Blue", "Brave", "Calm", "Clever", "Green", "Happy", "Quick", "Quiet", "Red", "Silver")
ANIMALS = (
    "Badger", "Dolphin", "Falcon", "Fox", "Hedgehog", "Heron", "Lynx", "Otter", "Owl", "Panda",
    "Raven", "Seal", "Squirrel", "Swallow", "Tiger", "Turtle", "Whale", "Wolf",
)  # fmt: skip


def collection() -> ClassCollection | None:
    """The collection in the address, or else the newest that is open, for a teacher also one that
    is closed; what is wrong with the address is said on the page."""
    listed = resources.classes().collections()
    asked = st.query_params.get(COLLECTION)
    for one in listed:
        if one.id == asked:
            return one
    if asked is not None:
        st.warning(
            "The collection in the address is not here; it may have been deleted. Ask your teacher "
            "for the link."
        )
    is_teacher = visitors.me().is_teacher
    return next((one for one in listed if one.is_open or is_teacher), None)


def choose(listed: Sequence[ClassCollection], chosen: ClassCollection) -> None:
    """The list of all collections; the one that is chosen goes into the address."""
    # Another list for each: what a browser still tells of the one before is no choice.
    key = f"collection-list-{chosen.id}"
    names = {one.id: one.name for one in listed}

    def follow() -> None:
        st.query_params[COLLECTION] = st.session_state[key]

    st.selectbox(
        "Collection",
        names,
        index=list(names).index(chosen.id),
        key=key,
        format_func=lambda one: f"{names[one]} ({one[:4]})",
        on_change=follow,
        label_visibility="collapsed",
    )


def writer() -> Writer | None:
    """The visitor as a writer; one who has no nickname yet is asked for one."""
    if visitors.me().id is None:
        st.caption("One moment …")
        return None
    if found := resources.classes().writer(visitors.me()):
        return found
    offered = st.session_state.setdefault(
        OFFERED, f"{random.choice(KINDS)} {random.choice(ANIMALS)}"
    )
    with st.form("join", width=420):
        st.text_input(
            "Your nickname",
            value=offered,
            max_chars=NAME_CHARACTERS,
            key=NICKNAME,
            help="Everybody in the class can see it. Do not write your full name.",
        )
        st.form_submit_button("Join", type="primary", icon=":material/login:", on_click=_join)
        page.show_problem(PROBLEM)
    return None


def _join() -> None:
    nickname = st.session_state[NICKNAME]
    page.attempt(PROBLEM, resources.classes().join, nickname, visitors.me())
