"""Networks as files for other programs: what each format's own reader makes of them is what ours
make of the same images."""

import io
import json
import zipfile

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

from mnist_models.data import dataset
from mnist_models.imports import bring
from mnist_models.models import networks, saving
from mnist_models.runs.loading import load_classifier
from mnist_models.settings.hyperparameters import (
    ACTIVATIONS,
    CnnHyperparameters,
    DnnHyperparameters,
)
from tests.conftest import scrambled

COUNT = 1_000
# Logits, float32, summed up in another order.
CLOSE = 1e-4
CHOSEN = {
    "cnn": CnnHyperparameters(
        conv_layers=("8x5/2+pool2", "12x3"), dense_units=(16,), batch_norm=True
    ),
    "cnn without dense layers": CnnHyperparameters(conv_layers=("4x3/3",), dense_units=()),
    **{
        activation: DnnHyperparameters(hidden_units=(32, 16), activation=activation)
        for activation in ACTIVATIONS
    },
}
# Every way in which images may be given.
SCALES = {"ink is 255": 1, "ink is 1": 1 / 255}


@pytest.fixture(scope="module", params=CHOSEN)
def network(request):
    return scrambled(networks.build(CHOSEN[request.param]))


@pytest.fixture(scope="module")
def images():
    return dataset.load().test.images[:COUNT]


def logits_of(network, images):
    return network.predict(images, verbose=0)


def by_onnx(content, images):
    session = onnxruntime.InferenceSession(content)
    return session.run(["logits"], {"image": images})[0]


def by_tflite(content, images):
    interpreter = Interpreter(model_content=content)
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(taken["index"], images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(taken["index"], images)
    interpreter.invoke()
    return interpreter.get_tensor(given["index"])


def by_our_reader(content, images):
    """A file as somebody brings it."""
    brought = bring.open_file(content)
    try:
        return brought.network.outputs(images)
    finally:
        brought.close()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("write", "read"),
    [
        (saving.as_onnx, by_onnx),
        (saving.as_tflite, by_tflite),
        (saving.as_tfjs, by_our_reader),
    ],
)
def test_another_reader_gives_the_same_logits(network, images, write, read, scale):
    given = (images * SCALES[scale]).astype(np.float32)
    got = read(write(network), given)
    assert got.dtype == np.float32 and got.shape == (COUNT, 10)
    np.testing.assert_allclose(got, logits_of(network, images), atol=CLOSE, rtol=CLOSE)


@pytest.mark.parametrize("run_id", ["shipped-dnn", "shipped-cnn"])
def test_in_whole_numbers_it_reads_as_well(run_id, store):
    mnist = dataset.load()
    network = load_classifier(store, run_id).network
    # It is measured on images that it was not calibrated with.
    content, test = saving.as_tflite_int8(network, mnist.train.images[:200]), mnist.test
    accuracy, expected = (
        (logits.argmax(axis=1) == test.labels).mean()
        for logits in (by_tflite(content, test.images), logits_of(network, test.images))
    )
    assert accuracy == pytest.approx(expected, abs=0.003)
    assert len(content) < 0.5 * len(saving.as_tflite(network))


def test_it_is_what_tensorflow_js_documents():
    """The form of its layers models, and of Keras 2 in them:
    https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts"""
    network = scrambled(networks.build(CHOSEN["silu"]))
    with zipfile.ZipFile(io.BytesIO(saving.as_tfjs(network))) as archive:
        described = json.loads(archive.read("model.json"))
        (group,) = described["weightsManifest"]
        assert set(archive.namelist()) == {"model.json", *group["paths"]}
        size = sum(len(archive.read(path)) for path in group["paths"])
    assert described["format"] == "layers-model"
    assert size == 4 * sum(np.prod(one["shape"], dtype=int) for one in group["weights"])
    assert {one["dtype"] for one in group["weights"]} == {"float32"}
    model = described["modelTopology"]["model_config"]
    layers = {layer["name"]: layer for layer in model["config"]["layers"]}
    assert model["class_name"] == "Model"
    assert layers["image"]["config"]["batch_input_shape"] == [None, 28, 28]
    assert layers["scaled"]["inbound_nodes"] == [[["grey", 0, 0, {}], ["scale", 0, 0, {}]]]
    assert model["config"]["output_layers"] == [["logits", 0, 0]]
    assert {one["name"].split("/")[0] for one in group["weights"]} <= set(layers)
    # It calls SiLU by its older name.
    assert layers["dense_1_silu"]["config"]["activation"] == "swish"
    assert "keras_tensor" not in json.dumps(described)
