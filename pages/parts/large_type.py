"""Large type for a projector: font sizes of the page and its charts, and the room they take."""

from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# The root font size, by which Streamlit scales all that it draws: usually, and in large type.
USUAL_PX, LARGE_PX = 16, 22
SCALE = LARGE_PX / USUAL_PX
# In the session: what the toggle says, and how the page was drawn.
TOGGLE, IS_ON = "large", "is-large"
# The properties of a chart that grow with its font, all in pixels; and the values of those that our
# charts leave to Streamlit's theme and to Vega-Lite.
SIZES = {"fontSize", "labelFontSize", "titleFontSize", "labelLimit", "titleLimit", "gradientLength"}
DEFAULTS: dict[str, Any] = {
    "axis": {"labelFontSize": 12, "titleFontSize": 14, "labelLimit": 100},
    "legend": {"labelFontSize": 14, "titleFontSize": 14, "labelLimit": 160, "titleLimit": 180},
    "title": {"fontSize": 16},
    "text": {"fontSize": 11},
}


def begin() -> None:
    """Switches to large type if this visitor has chosen it. Streamlit's theme is the same for all
    visitors, so for one of them only a style sheet is left. Margins do not grow: the room is needed
    for the text."""
    was_on = is_on()
    st.session_state[IS_ON] = st.session_state.get(TOGGLE, False)
    if was_on and not is_on():
        # Said, because the style sheet of before goes only at the end of the run: charts that are
        # drawn until then would keep its font size.
        st.html(f"<style>html {{ font-size: {USUAL_PX}px !important; }}</style>")
    if is_on():
        st.html(
            f"<style>html {{ font-size: {LARGE_PX}px !important; }} "
            "[data-testid=stMainBlockContainer] "
            "{ padding-left: 2rem !important; padding-right: 2rem !important; }</style>"
        )


def switch_on() -> None:
    """Large type the next time that a page begins, as if the toggle had been switched on."""
    switch(True)


def switch(on: bool) -> None:
    """Large type or not, the next time that a page begins, as if the toggle had been used."""
    st.session_state[TOGGLE] = on


def is_on() -> bool:
    """Whether the page is drawn in large type."""
    return st.session_state.get(IS_ON, False)


def choose() -> None:
    """A toggle for large type, which redraws the page."""
    if st.toggle("Large type (for a projector)", key=TOGGLE, persist_state="session") != is_on():
        st.rerun()


def px(size_px: int) -> int:
    """A size in pixels, scaled with the font: for elements that hold text."""
    return round(SCALE * size_px) if is_on() else size_px


def columns(shares: list[float], least_px: int) -> list[DeltaGenerator]:
    """Columns; in large type of equal width, and stacked if the window is too narrow.

    Args:
        shares: Their relative widths.
        least_px: The smallest width of a column in large type, before scaling.
    """
    if not is_on():
        return st.columns(shares, gap="medium")
    grid = st.grid(len(shares), min_column_width=px(least_px), gap="medium")
    return [grid.cell() for _ in shares]


def chart(
    spec: Mapping[str, Any], rows: list[dict[str, Any]] | None = None, **details: Any
) -> DeltaGenerator:
    """Draws a Vega-Lite chart.

    Args:
        spec: The chart.
        rows: Its data, if that is not in the spec.
        details: See st.vega_lite_chart.
    """
    return st.vega_lite_chart(rows, enlarged(spec) if is_on() else dict(spec), **details)


def enlarged(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The same chart in large type, as a copy, because a spec is cached for all visitors. It is
    higher, or the text would take the chart's room, unless its size is fixed."""
    whole: dict[str, Any] = dict(spec) | {"config": DEFAULTS | spec.get("config", {})}
    if "width" not in spec and "height" in spec:
        whole["height"] = round(SCALE * spec["height"])
    # The data has no font sizes, and may be huge.
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
