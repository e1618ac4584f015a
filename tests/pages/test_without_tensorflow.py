"""The pages where TensorFlow cannot be used: they say so, and draw what they can."""

import logging

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mnist_models import tensorflow_loader
from mnist_models.settings.hyperparameters import NETWORKS
from mnist_models.tensorflow_loader import TensorFlowError
from pages.parts import canvas, page, resources
from pages.parts.live import reading
from tests.pages.conftest import APP

PAGES = sorted(page.PAGES | page.LESSONS)


@pytest.fixture
def old_processor(monkeypatch, tmp_path):
    """A processor without AVX, for an app that has just been started."""
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu sse4_2\n")
    monkeypatch.setattr(tensorflow_loader, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(tensorflow_loader.platform, "machine", lambda: "x86_64")
    st.cache_resource.clear()
    st.cache_data.clear()
    yield
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.mark.parametrize("script", PAGES)
def test_every_page_says_what_the_machine_lacks(old_processor, script):
    app = AppTest.from_file(APP, default_timeout=60)
    if script != "app.py":
        app.switch_page(script)
    app.run()
    assert not app.exception
    assert "no AVX instructions" in app.error[0].value


def test_a_drawing_is_read_all_the_same(old_processor):
    app = AppTest.from_file(APP, default_timeout=60).run()
    app.session_state["board"] = canvas.Board()
    app.button(key="example").click().run()
    assert not app.exception
    image = app.session_state["board"].preparation.image
    assert [metric.value for metric in app.metric] == [
        reading.answer(resources.classifier(f"shipped-{network}").read(image))
        for network in NETWORKS
    ]


def test_the_reason_is_said_once_more_on_the_console(old_processor, caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(TensorFlowError, match="no AVX"):
        resources.tensorflow().wait()
    assert "no AVX instructions" in caplog.text
