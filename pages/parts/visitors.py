"""Who uses this session: which device, and whether a teacher."""

import os
from collections.abc import Callable, Iterable

import streamlit as st

from mnist_models import class_address
from mnist_models.runs.rights import (
    TEACHER_PASSWORD,
    NotAllowedError,
    Rights,
    Teachers,
    Visitor,
    visitor_id,
)
from mnist_models.runs.tables import Run
from pages.parts import page, resources
from pages.parts.components import component

# In the session: the visitor's id; the widgets of the device and of the password.
VISITOR, DEVICE, PASSWORD = "visitor", "device", "teacher-password"
WHOSE = MINE, EVERYBODYS = "Mine", "Everybody's"
# What a proxy says of those for whom it asks.
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def know() -> None:
    """Asks the device who it is, once in a session; to be called at the end of each page on which
    that makes a difference."""
    _ask(VISITOR in st.session_state)


# A fragment, though the whole page is drawn anew then: what is told of a whole page takes the place
# of a press in a fragment that waits because the page is still being drawn, and the press is lost.
@st.fragment
def _ask(is_known: bool) -> None:
    component("device")(
        key=DEVICE, data={"known": is_known}, default={"secret": None}, on_secret_change=_told
    )
    if not is_known and VISITOR in st.session_state:
        st.rerun()


def _told() -> None:
    secret = st.session_state[DEVICE].secret
    if VISITOR not in st.session_state and isinstance(secret, str):
        st.session_state[VISITOR] = visitor_id(secret)


def me() -> Visitor:
    """Who uses this session."""
    known = st.session_state.get(VISITOR)
    return Visitor(known, is_teacher=known in _teachers() or _sits_at_the_machine())


def whose(runs: Iterable[Run]) -> Callable[[Run], bool]:
    """Draws the choice between one's own runs and everybody's, where there are others' at all.

    Args:
        runs: All that could be listed.

    Returns:
        Whether a run is to be listed.
    """
    this = me()
    trained = [run for run in runs if not run.is_pretrained]
    if this.id is None or all(map(this.owns, trained)):
        return lambda run: True
    choice = st.segmented_control(
        "Whose runs",
        WHOSE,
        default=MINE if any(map(this.owns, trained)) else EVERYBODYS,
        required=True,
        key="whose-runs",
        persist_state="session",
        label_visibility="collapsed",
    )
    return lambda run: choice != MINE or run.is_pretrained or this.owns(run)


def rights() -> Rights:
    """What whoever uses this session may do with runs."""
    return Rights(me(), resources.store(), resources.engine)


@st.cache_resource(show_spinner=False)
def _teachers() -> Teachers:
    return Teachers()


def _sits_at_the_machine() -> bool:
    """Whether the page was opened on the machine on which the app runs, where no password is set.

    Behind a proxy everybody seems to come from there; what gives it away is what the proxy adds, or
    that the browser asked for another address.
    """
    if os.environ.get(TEACHER_PASSWORD) or os.environ.get(class_address.PUBLIC_URL):
        return False
    headers, address = st.context.headers, st.context.ip_address
    asked = [headers.get("host"), (headers.get("origin") or "").partition("//")[2]]
    return (
        (address is None or class_address.is_loopback(address))
        and not any(headers.get(name) for name in FORWARDED)
        and all(class_address.is_loopback(_host(one)) for one in asked if one)
    )


def _host(address: str) -> str:
    """The host of an address, such as "[::1]:8501", without brackets and port."""
    return address[1:].partition("]")[0] if address[:1] == "[" else address.partition(":")[0]


def ask_for_password() -> None:
    """Lets a teacher say so, or says how one becomes one."""
    if me().is_teacher:
        st.caption("You are the teacher: everything may be done.")
        return
    with st.popover("I am the teacher", icon=":material/key:", type="tertiary"):
        if not os.environ.get(TEACHER_PASSWORD):
            st.markdown(
                "Open this page on the machine on which the app runs, under its own address "
                f"(localhost), or start the app with a password in `{TEACHER_PASSWORD}`."
            )
            return
        st.text_input("Teacher's password", type="password", key=PASSWORD, on_change=_admit)
        if problem := st.session_state.get("teacher-problem"):
            st.error(page.plain(problem))


def _admit() -> None:
    given = st.session_state[PASSWORD]
    st.session_state[PASSWORD] = ""
    st.session_state["teacher-problem"] = None
    if not given:
        return
    try:
        _teachers().admit(st.session_state.get(VISITOR), given, st.context.ip_address)
    except NotAllowedError as error:
        st.session_state["teacher-problem"] = str(error)
