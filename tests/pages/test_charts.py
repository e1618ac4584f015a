"""The data that charts send to the browser."""

import pytest

from pages.parts import charts

VALUES = (0.0, 0.0, 0.7, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0)


def test_each_digit_has_a_bar_and_only_the_most_probable_one_is_in_full_colour():
    rows = charts.probabilities("cnn", VALUES)["datasets"]["digits"].to_pylist()
    assert [row["probability"] for row in rows] == pytest.approx(VALUES)
    assert [row["digit"] for row in rows if row["best"]] == ["2"]
    assert [row["label"] for row in rows if row["label"]] == ["70.0%", "30.0%"]


def test_a_line_joins_what_two_networks_reach_for_each_digit():
    data = charts.by_digit([VALUES, VALUES[::-1]], ("DNN", "CNN"), ("dnn", "cnn"), "recall")["datasets"]
    assert data["lines"].to_pylist()[2] == {"digit": "2", "low": 0.0, "high": 0.7}
    assert {(row["network"], row["value"]) for row in data["dots"].to_pylist() if row["digit"] == "2"} == {
        ("DNN", 0.7),
        ("CNN", 0.0),
    }
