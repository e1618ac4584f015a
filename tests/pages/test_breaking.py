"""The lesson on where a digit breaks, without a browser."""

import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.data.corruptions import CORRUPTIONS
from pages.parts import resources
from pages.parts.lessons import cached
from tests.pages.conftest import lesson

TEST = dataset.load().test


def page() -> AppTest:
    return lesson("breaking")


def read(app: AppTest, run_id: str, name: str, amount: float):
    """A model's prediction for the digit of the page, distorted, by itself."""
    image = app.session_state["board"].preparation.image
    return resources.classifier(run_id).read(CORRUPTIONS[name].apply(image[np.newaxis], amount)[0])


def rows(app: AppTest, place: int, name: str) -> list[dict]:
    chart = app.get("vega_lite_chart")[place].proto
    (dataset,) = [one for one in chart.datasets if one.name == name]
    return resources_table(dataset.data.data)


def resources_table(data: bytes) -> list[dict]:
    import pyarrow as pa

    return pa.ipc.open_stream(data).read_all().to_pylist()


def choose(app: AppTest, run_ids: list[str], corruption: str) -> None:
    """Whose curves are to be seen, and along what."""
    app.segmented_control(key="breaking-distortion").set_value(corruption).run()
    app.multiselect(key="breaking-runs").set_value(run_ids).run()
    assert not app.exception


def read_the_test_set(app: AppTest) -> None:
    """Presses the button, and waits until the curves are there."""
    app.button(key="breaking-start").click().run()
    deadline = time.monotonic() + 60
    while "breaking-stop" in {button.key for button in app.button} and time.monotonic() < deadline:
        assert not app.exception
        app.run()
    assert not app.exception
    assert app.button(key="breaking-start").disabled


def has_curves(app: AppTest) -> bool:
    return len(app.get("vega_lite_chart")) == 2  # the first one is of the digit


def start_again() -> AppTest:
    """The page when all that was kept in memory of runs and their curves is gone, as when the app
    is started again."""
    for shared in (cached.robustness_curve, resources.store, resources.classifier):
        shared.clear()
    return page().run()


def test_the_slider_spoils_the_digit_under_both_networks():
    app = page().run()
    assert not app.exception
    assert [metric.value for metric in app.metric] == ["4", "4"]
    app.segmented_control(key="breaking-distortion").set_value("cover").run()
    app.select_slider(key="breaking-cover").set_value(14).run()
    assert not app.exception
    for metric, run_id in zip(app.metric, ("shipped-dnn", "shipped-cnn"), strict=True):
        expected = read(app, run_id, "cover", 14)
        assert metric.value == (str(expected.digit) if expected.is_confident else "not sure")
        assert metric.delta.startswith(f"probability {expected.probability:.1%}")


def test_a_distortion_is_played_from_where_it_stands():
    app = page().run()
    app.segmented_control(key="breaking-distortion").set_value("blur").run()
    app.select_slider(key="breaking-blur").set_value(2.0).run()
    app.button(key="breaking-blur-play").click().run()
    app.run()
    assert not app.exception
    blurred = read(app, "shipped-cnn", "blur", 3.0)
    assert app.select_slider(key="breaking-blur").value == 3.0
    assert app.metric[1].value == (str(blurred.digit) if blurred.is_confident else "not sure")
    # Another distortion does not begin by itself.
    app.segmented_control(key="breaking-distortion").set_value("noise").run()
    app.segmented_control(key="breaking-distortion").set_value("blur").run()
    assert not app.exception
    assert app.select_slider(key="breaking-blur").value == 3.0
    assert app.button(key="breaking-blur-play")


def test_the_chart_and_the_words_are_those_of_reading_one_by_one():
    app = page().run()
    app.segmented_control(key="breaking-distortion").set_value("scale").run()
    assert not app.exception
    amounts = CORRUPTIONS["scale"].amounts
    expected = [read(app, "shipped-dnn", "scale", amount) for amount in amounts]
    found = [row for row in rows(app, 0, "predictions") if row["network"] == "DNN"]
    assert [row["read"] for row in found] == [str(one.digit) for one in expected]
    assert [row["probability"] for row in found] == pytest.approx(
        [one.probabilities[4] for one in expected], abs=2e-4
    )
    wrong = [
        amount
        for amount, one in zip(amounts, expected, strict=True)
        if one.digit != 4 or not one.is_confident
    ]
    first = [
        max(amount for amount in wrong if amount < 100),
        *[amount for amount in wrong if amount > 100][:1],
    ]
    (told,) = [text.value for text in app.markdown if "The DNN first fails at" in text.value]
    for amount in first:
        assert f"**{amount}**%" in told


def test_the_whole_test_set_is_read_in_slices_and_kept(finished_run):
    app = page().run()
    app.segmented_control(key="breaking-distortion").set_value("invert").run()
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    choose(app, [finished_run.id], "invert")
    app.button(key="breaking-start").click().run()
    robustness_curve = cached.robustness_curve(finished_run.id, "invert", 2_000)
    deadline = time.monotonic() + 60
    while not robustness_curve.is_over and time.monotonic() < deadline:
        assert not app.exception
        assert app.button(key="breaking-stop")
        app.run()
    accuracies = robustness_curve.result.accuracies
    amounts = CORRUPTIONS["invert"].amounts
    for place in (0, 10, 20):
        images = CORRUPTIONS["invert"].apply(TEST.images[:2_000], amounts[place])
        digits = resources.classifier(finished_run.id).predictions(images).digits
        assert accuracies[place] == pytest.approx((digits == TEST.labels[:2_000]).mean())
    app.run()
    assert not app.exception
    assert app.button(key="breaking-start").disabled
    found = rows(app, 1, "accuracies")
    assert [row["accuracy"] for row in found] == pytest.approx(accuracies, abs=1e-4)
    assert any(
        f"accuracy {accuracies[0]:.1%} on 2,000 undistorted test images" in text.value
        for text in app.markdown
    )


def test_reading_the_test_set_can_be_stopped(finished_run):
    app = page().run()
    app.multiselect(key="breaking-runs").set_value([finished_run.id]).run()
    app.segmented_control(key="breaking-images").set_value(10_000).run()
    app.button(key="breaking-start").click().run()
    assert not app.exception
    app.button(key="breaking-stop").click().run()
    assert not app.exception
    robustness_curve = cached.robustness_curve(finished_run.id, "turn", 10_000)
    share = robustness_curve.share
    assert 0 < share < 1
    app.run()
    assert robustness_curve.share == share
    assert not app.button(key="breaking-start").disabled


def test_curves_are_there_when_the_app_is_started_again(finished_run):
    # No other test asks for this distortion: nothing of it is kept yet.
    chosen = [finished_run.id, "quick-dnn"]
    app = start_again()
    choose(app, chosen, "thin")
    assert not has_curves(app)
    read_the_test_set(app)
    before = rows(app, 1, "accuracies")
    assert len(before) == 2 * len(CORRUPTIONS["thin"].amounts)
    app = start_again()
    choose(app, chosen, "thin")
    assert rows(app, 1, "accuracies") == before
    assert app.button(key="breaking-start").disabled
    # Of more digits, or otherwise spoiled, nothing is known yet.
    app.segmented_control(key="breaking-images").set_value(10_000).run()
    assert not app.exception and not has_curves(app)
    assert not app.button(key="breaking-start").disabled


def test_of_several_curves_those_that_are_not_kept_yet_can_be_read(finished_run):
    cached.robustness_curve("quick-dnn", "blur", 2_000).go_on(60)
    app = start_again()
    choose(app, [finished_run.id, "quick-dnn"], "blur")
    assert {row["run"] for row in rows(app, 1, "accuracies")} == {"DNN without augmentation"}
    read_the_test_set(app)
    assert {row["run"] for row in rows(app, 1, "accuracies")} == {
        "DNN without augmentation",
        finished_run.label,
    }


@pytest.mark.parametrize("what", ["network", "distortion"])
def test_a_curve_of_an_earlier_version_is_not_shown(monkeypatch, what):
    cached.robustness_curve("quick-dnn", "blur", 2_000).go_on(60)
    app = start_again()
    choose(app, ["quick-dnn"], "blur")
    assert has_curves(app)
    blur = CORRUPTIONS["blur"]
    resources.store.clear()
    if what == "distortion":
        monkeypatch.setitem(
            CORRUPTIONS, "blur", replace(blur, apply=lambda images, px: blur.apply(images, px / 2))
        )
    else:
        run = resources.store().run("quick-dnn")
        monkeypatch.setattr(run, "created_at", run.created_at + timedelta(days=1))
    cached.robustness_curve.clear()
    app.run()
    assert not app.exception and not has_curves(app)
    assert not app.button(key="breaking-start").disabled


def test_curves_that_cannot_be_kept_are_shown_all_the_same(broken_store):
    cached.robustness_curve.clear()
    app = page().run()
    choose(app, ["quick-dnn"], "blur")
    read_the_test_set(app)
    assert has_curves(app)
    (told,) = [warning.value for warning in app.warning if "could not be saved" in warning.value]
    assert "until the app ends" in told and "cannot be used" in told
    cached.robustness_curve.clear()


def test_without_a_store_the_shipped_networks_can_still_be_broken(broken_store):
    app = page().run()
    assert not app.exception
    assert len(app.metric) == 2 and "cannot be used" in app.warning[0].value
