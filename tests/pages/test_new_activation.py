"""What it takes to add an activation: its row in the table of activations, and nothing else."""

import numpy as np
from streamlit.testing.v1 import AppTest

from mnist_models.__main__ import build_parser
from mnist_models.models import networks
from mnist_models.runs.loading import load_classifier
from mnist_models.settings import hyperparameters, links
from mnist_models.settings.hyperparameters import ACTIVATIONS, Activation, validate
from mnist_models.settings.script import script
from mnist_models.training.loop import train
from pages.parts.lessons import cached
from tests.pages.conftest import APP, lesson

VALUES = {
    "network": "cnn", "conv_layers": "4x7/3", "dense_units": "", "activation": "elu",
    "epochs": 1, "train_images": 100, "validation_images": 0,
}  # fmt: skip


def test_a_new_activation_needs_its_row_in_the_table_and_nothing_else(monkeypatch, store):
    monkeypatch.setitem(ACTIVATIONS, "elu", Activation("ELU", "what is below zero levels off"))
    monkeypatch.setattr(cached, "SEARCHED_IMAGES", 0)

    chosen = validate(VALUES)
    assert hyperparameters.value_label("elu") == "ELU"
    assert links.from_query(links.to_query(chosen)) == chosen
    assert build_parser().parse_args(["train", "cnn", "--activation", "elu"]).activation == "elu"
    code = script(chosen)
    assert 'Activation("elu")' in code and "he_normal" in code
    layer = networks.build(chosen).get_layer("conv_1_elu")
    assert float(layer(np.float32([[-1.0]]))[0, 0]) < 0  # Keras's own, not ReLU

    run = store.create(chosen)
    store.finish(run.id, train(chosen))
    assert load_classifier(store, run.id).read(np.zeros((28, 28), np.uint8)).probability > 0

    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/train.py").run()
    assert "ELU" in app.selectbox(key="cnn.activation").options
    app = lesson("inside")
    app.session_state["selected-cnn"] = run.id
    app.run()
    assert not app.exception
    assert any("ELU: what is below zero levels off" in text.value for text in app.markdown)
    cached.search.clear()
