"""The lesson on where a digit breaks, without a browser."""

import time

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models import dataset
from mnist_models.distortions import DISTORTIONS
from pages.parts import resources
from pages.parts.lessons import work
from tests.pages.conftest import APP

TEST = dataset.load().test


def page() -> AppTest:
    return AppTest.from_file(APP, default_timeout=120).switch_page("pages/breaking.py")


def read(app: AppTest, run_id: str, name: str, amount: float):
    """What a network reads in the digit of the page, spoiled, read by itself."""
    image = app.session_state["board"].preparation.image
    return resources.classifier(run_id).read(DISTORTIONS[name].apply(image[np.newaxis], amount)[0])


def rows(app: AppTest, place: int, name: str) -> list[dict]:
    chart = app.get("vega_lite_chart")[place].proto
    (dataset,) = [one for one in chart.datasets if one.name == name]
    return resources_table(dataset.data.data)


def resources_table(data: bytes) -> list[dict]:
    import pyarrow as pa

    return pa.ipc.open_stream(data).read_all().to_pylist()


def test_the_slider_spoils_the_digit_under_both_networks():
    app = page().run()
    assert not app.exception
    assert [metric.value for metric in app.metric] == ["2", "2"]
    app.segmented_control(key="breaking-distortion").set_value("cover").run()
    app.select_slider(key="breaking-cover").set_value(14).run()
    assert not app.exception
    for metric, run_id in zip(app.metric, ("shipped-dnn", "shipped-cnn"), strict=True):
        expected = read(app, run_id, "cover", 14)
        assert metric.value == str(expected.digit)
        assert metric.delta.startswith(f"{expected.probability:.1%} sure")


def test_the_chart_and_the_words_are_those_of_reading_one_by_one():
    app = page().run()
    app.segmented_control(key="breaking-distortion").set_value("scale").run()
    assert not app.exception
    amounts = DISTORTIONS["scale"].amounts
    expected = [read(app, "shipped-dnn", "scale", amount) for amount in amounts]
    found = [row for row in rows(app, 0, "readings") if row["network"] == "DNN"]
    assert [row["read"] for row in found] == [str(one.digit) for one in expected]
    assert [row["probability"] for row in found] == pytest.approx([one.probabilities[2] for one in expected], abs=2e-4)
    wrong = [amount for amount, one in zip(amounts, expected, strict=True) if one.digit != 2]
    first = [max(amount for amount in wrong if amount < 100), *[amount for amount in wrong if amount > 100][:1]]
    (told,) = [text.value for text in app.markdown if "The DNN first fails at" in text.value]
    for amount in first:
        assert f"**{amount}**%" in told


def test_the_whole_test_set_is_read_in_slices_and_kept(finished_run):
    app = page().run()
    app.segmented_control(key="breaking-distortion").set_value("invert").run()
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    app.multiselect(key="breaking-runs").set_value([finished_run.id]).run()
    assert not app.exception
    app.button(key="breaking-start").click().run()
    sweep = work.sweep(finished_run.id, "invert", 2_000)
    deadline = time.monotonic() + 60
    while not sweep.is_over and time.monotonic() < deadline:
        assert not app.exception
        assert app.button(key="breaking-stop")
        app.run()
    accuracies = sweep.result
    amounts = DISTORTIONS["invert"].amounts
    for place in (0, 10, 20):
        images = DISTORTIONS["invert"].apply(TEST.images[:2_000], amounts[place])
        digits = resources.classifier(finished_run.id).readings(images).digits
        assert accuracies[place] == pytest.approx((digits == TEST.labels[:2_000]).mean())
    app.run()
    assert not app.exception
    assert app.button(key="breaking-start").disabled
    found = rows(app, 1, "accuracies")
    assert [row["accuracy"] for row in found] == pytest.approx(accuracies, abs=1e-4)
    assert any(f"reads {accuracies[0]:.1%} of 2,000 unspoiled test digits" in text.value for text in app.markdown)


def test_reading_the_test_set_can_be_stopped(finished_run):
    app = page().run()
    app.multiselect(key="breaking-runs").set_value([finished_run.id]).run()
    app.segmented_control(key="breaking-images").set_value(10_000).run()
    app.button(key="breaking-start").click().run()
    assert not app.exception
    app.button(key="breaking-stop").click().run()
    assert not app.exception
    sweep = work.sweep(finished_run.id, "turn", 10_000)
    share = sweep.share
    assert 0 < share < 1
    app.run()
    assert sweep.share == share
    assert not app.button(key="breaking-start").disabled


def test_without_a_store_the_shipped_networks_can_still_be_broken(broken_store):
    app = page().run()
    assert not app.exception
    assert len(app.metric) == 2 and "cannot be used" in app.warning[0].value
