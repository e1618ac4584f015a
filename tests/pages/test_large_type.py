"""Large type, in which charts are drawn too."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts import large_type
from pages.parts.charts import digits
from tests.pages.conftest import APP


def opened(page: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=120).switch_page(f"pages/{page}.py").run()
    assert not app.exception
    return app


def sizes_of(part) -> list[float]:
    """Every size of type that a spec, or a part of it, names."""
    if isinstance(part, dict):
        named = [value for name, value in part.items() if name.lower().endswith("fontsize")]
        return named + [size for value in part.values() for size in sizes_of(value)]
    return [size for one in part for size in sizes_of(one)] if isinstance(part, list) else []


def specs(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]


@pytest.mark.parametrize("page", ["slide", "breaking", "scramble"])
def test_large_type_is_that_of_the_charts_too(page):
    app = opened(page)
    usual = specs(app)
    app.toggle(key="large").set_value(True).run()
    assert not app.exception
    for before, after in zip(usual, specs(app), strict=True):
        settings = after.pop("config")
        assert sizes_of(after) == [large_type.SCALE * size for size in sizes_of(before)]
        assert settings["axis"]["labelFontSize"] > 16 and settings["legend"]["titleFontSize"] > 19
        assert after["height"] > 1.3 * before["height"]
    app.toggle(key="large").set_value(False).run()
    assert specs(app) == usual


def test_one_visitor_with_large_type_changes_the_charts_of_no_other():
    usual = specs(opened("slide"))
    app = opened("slide")
    app.toggle(key="large").set_value(True).run()
    assert specs(app) != usual
    assert specs(opened("slide")) == usual


def test_the_data_of_a_chart_is_the_same_in_large_type():
    spec = digits.distribution([1] * 10)
    assert large_type.enlarged(spec)["datasets"] is spec["datasets"]
