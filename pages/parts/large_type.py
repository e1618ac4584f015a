"""Large type, for a projector: of the page, of its charts, and the room that it takes."""

from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# What Streamlit measures all that it draws in, usually and in large type; and how much larger that
# is.
USUAL_PX, LARGE_PX = 16, 22
SCALE = LARGE_PX / USUAL_PX
# The session's: what the toggle says, and with what the page was drawn.
TOGGLE, IS_ON = "large", "is-large"
# What of a chart has the size of its type, all in pixels; and what of it charts leave to
# Streamlit's theme and to Vega-Lite.
SIZES = {"fontSize", "labelFontSize", "titleFontSize", "labelLimit", "titleLimit", "gradientLength"}
LEFT = {
    "axis": {"labelFontSize": 12, "titleFontSize": 14, "labelLimit": 100},
    "legend": {"labelFontSize": 14, "titleFontSize": 14, "labelLimit": 160, "titleLimit": 180},
    "title": {"fontSize": 16},
    "text": {"fontSize": 11},
}


def begin() -> None:
    """Large type from here on, where this visitor has chosen it. For all visitors alike, Streamlit
    has a theme; for one, it has no other way. The margins, which would grow with the type, give way
    to it."""
    st.session_state[IS_ON] = st.session_state.get(TOGGLE, False)
    if is_on():
        st.html(
            f"<style>html {{ font-size: {LARGE_PX}px !important; }} "
            "[data-testid=stMainBlockContainer] { padding: 4rem 2rem !important; }</style>"
        )


def switch_on() -> None:
    """Large type the next time that a page begins, as if the toggle had been moved."""
    st.session_state[TOGGLE] = True


def is_on() -> bool:
    """Whether the page is drawn in large type."""
    return st.session_state.get(IS_ON, False)


def choose() -> None:
    """A toggle for it. The page is drawn anew as soon as it is moved."""
    if st.toggle("Large type, for a projector", key=TOGGLE, persist_state="session") != is_on():
        st.rerun()


def px(size_px: int) -> int:
    """So many pixels, or as many more as the type is larger: for the size of what has words in
    it."""
    return round(SCALE * size_px) if is_on() else size_px


def columns(shares: list[float], least_px: int) -> list[DeltaGenerator]:
    """Columns of these shares; in large type as wide as each other, and below each other where the
    window has no room for so many of at least that width."""
    if not is_on():
        return st.columns(shares, gap="medium")
    grid = st.grid(len(shares), min_column_width=px(least_px), gap="medium")
    return [grid.cell() for _ in shares]


def chart(
    spec: Mapping[str, Any], rows: list[dict[str, Any]] | None = None, **details: Any
) -> DeltaGenerator:
    """A Vega-Lite chart. rows: its data where that is apart from the spec. details: see
    st.vega_lite_chart."""
    return st.vega_lite_chart(rows, enlarged(spec) if is_on() else spec, **details)


def enlarged(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The same chart in large type: another spec, for a spec is kept for all visitors. It is
    higher, or the type would take the chart's room, unless its size is fixed."""
    whole = spec | {"config": LEFT | spec.get("config", {})}
    if "width" not in spec and "height" in spec:
        whole["height"] = round(SCALE * spec["height"])
    # The data tells nothing of type, and may be huge.
    return {name: part if name == "datasets" else _scaled(part) for name, part in whole.items()}


def _scaled(part: Any) -> Any:
    match part:
        case dict():
            return {
                name: SCALE * value if name in SIZES else _scaled(value)
                for name, value in part.items()
            }
        case list():
            return [_scaled(one) for one in part]
    return part
