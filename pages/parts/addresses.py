"""Addresses: the page's own, kept true; and those to give away, as others reach them, as text and
as a QR code."""

from collections import deque
from collections.abc import Mapping
from pathlib import Path

import segno
import streamlit as st

from mnist_models import class_address
from mnist_models.settings import links
from pages.parts.components import component

QR_PX = 170
# In the session: what each page's address has said of late, by page.
KEPT = "addresses"
MOST_KEPT = 100


def keep(script: str, query: dict[str, str]) -> None:
    """Has the browser's address say how the page is now. What the server is told of it may be
    older. Only one part of a page may do so.

    Args:
        script: The page.
        query: What its address is to say.
    """
    st.session_state.setdefault(KEPT, {}).setdefault(script, deque(maxlen=MOST_KEPT)).append(query)
    component("address")(
        key="address",
        data={
            "page": _path(script),
            "search": links.to_url("", query) if query else "",
            # Another one has come since, by the page itself or by Back.
            "told": st.query_params.to_dict(),
        },
    )


def kept(script: str) -> dict[str, str] | None:
    """What a page's address said when the visitor left it; None if it was not kept."""
    found = st.session_state.get(KEPT, {}).get(script)
    return found[-1] if found else None


def is_kept(script: str, query: dict[str, str], has_come: bool) -> bool:
    """Whether the session has what an address says, or something newer: it is the one that the page
    had when the visitor left it or, while they stay, one of those that it was given.

    Args:
        script: The page.
        query: What the address says, as the server is told.
        has_come: Whether the visitor has just come from elsewhere.
    """
    found = st.session_state.get(KEPT, {}).get(script, ())
    return query == kept(script) if has_come else query in found


def of_page(script: str, query: Mapping[str, str]) -> str:
    """The address of a page as a class reaches it.

    Args:
        script: The page.
        query: What its address says.
    """
    opened, _, _ = (st.context.url or "").partition("?")
    url = f"{opened.rpartition('/')[0]}/{_path(script)}" if "/" in opened else ""
    return links.to_url(class_address.for_class(url) or url, query)


def _path(script: str) -> str:
    return "" if script == "app.py" else Path(script).stem


def show(address: str, what: str, *, is_seen: bool = True) -> None:
    """An address as text, which can be copied, and as a QR code.

    Args:
        address: Such as "http://192.0.2.7:8501/slide?digit=7".
        what: What it leads to, for those who cannot see the code.
        is_seen: Whether the code, which takes longer than the rest, is worth making now.
    """
    st.code(address, language=None, wrap_lines=True)
    if not is_seen:
        return
    # Its border is the quiet zone that a scanner needs; white also where the page is dark.
    picture = segno.make(address, error="l").svg_inline(scale=4, border=4, light="white")
    st.image(picture, width=QR_PX, alt=f"QR code of the link to {what}")


def explain() -> None:
    """Who reaches the addresses, and what to do if they do not."""
    if st.get_option("server.address") and class_address.is_loopback(
        st.get_option("server.address")
    ):
        st.warning(
            "The app listens on this machine only, so nobody else can open these addresses. Start "
            "it without `--server.address` for a class."
        )
    elif class_address.for_class(st.context.url or "") is None:
        st.warning(
            "This machine is in no network, so nobody else can open these addresses. Join the "
            "class's network, or open a hotspot, and reload this page."
        )
    else:
        st.caption(class_address.FIREWALL)
