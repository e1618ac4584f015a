"""Addresses to give away: as others reach them, as text and as a QR code."""

from collections.abc import Mapping
from pathlib import Path

import segno
import streamlit as st

from mnist_models import class_address
from mnist_models.settings import links

QR_PX = 170


def of_page(script: str, query: Mapping[str, str]) -> str:
    """The address of a page as a class reaches it.

    Args:
        script: The page.
        query: What its address says.
    """
    opened, _, _ = (st.context.url or "").partition("?")
    url = f"{opened.rpartition('/')[0]}/{Path(script).stem}" if "/" in opened else ""
    return links.to_url(class_address.for_class(url) or url, query)


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
