"""Components of our own: scripts that run in the visitor's browser, each a file below this
folder."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent


@functools.cache
def component(
    name: str, html: str | None = None, css: str | None = None, worker: tuple[str, ...] = ()
) -> Callable[..., Any]:
    """What puts a component on the page. It is declared once for all visitors: where it is declared
    again, those that are on a page already vanish.

    Args:
        name: Of the component, and of its script, NAME.js.
        html, css: What it begins with.
        worker: Names of scripts that run apart from the page. The component's own script finds
            them, one after the other, in the text WORKER.
    """
    code = _script(name)
    if worker:
        code = f"const WORKER = {json.dumps(''.join(map(_script, worker)))}\n{code}"
    return st.components.v2.component(Path(name).name, html=html, css=css, js=code)


def _script(name: str) -> str:
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")
