"""Components of our own: scripts that run in the visitor's browser, each a file beside this one."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


@functools.cache
def component(name: str, html: str | None = None, css: str | None = None) -> Callable[..., Any]:
    """What puts a component on the page. It is declared once for all visitors: where it is declared
    again, those that are on a page already vanish.

    Args:
        name: Of the component, and of its script, NAME.js.
        html, css: What it begins with.
    """
    script = Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8")
    return st.components.v2.component(name, html=html, css=css, js=script)
