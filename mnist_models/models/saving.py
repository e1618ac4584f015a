"""A trained network as a file for other programs: Keras, ONNX, TensorFlow Lite, TensorFlow.js.

All but the int8 one take images whose ink is 255 or 1, see `of_any_scale`; what comes out of each
are logits, as of `networks.build`.
"""

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from mnist_models.data.dataset import IMAGE_SIZE_PX

IMAGES = tf.TensorSpec((None, IMAGE_SIZE_PX, IMAGE_SIZE_PX), tf.float32, "image")


def of_any_scale(network: keras.Sequential) -> keras.Model:
    """The network for images whose ink is 255 or 1: most people scale MNIST before they use it, and
    its first layer, which scales too, would leave them nearly blank.

    It is made of layers that Keras has, and TensorFlow.js too, so that it can be loaded without
    this project.
    """
    images = keras.Input((IMAGE_SIZE_PX, IMAGE_SIZE_PX), name="image")
    grey = keras.layers.Reshape((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 1), name="grey")(images)
    most = keras.layers.MaxPooling2D(IMAGE_SIZE_PX, name="most_ink")(grey)
    # 1 where the most ink of an image is up to 1, and 0 where it is 2 or more.
    is_share = keras.layers.ReLU(max_value=1, name="is_scaled")(
        keras.layers.Rescaling(-1, offset=2, name="below_2")(most)
    )
    scale = keras.layers.Rescaling(1 - 1 / 255, offset=1 / 255, name="scale")(is_share)
    outputs = keras.layers.Multiply(name="scaled")([grey, scale])
    for layer in network.layers[1:]:
        outputs = layer(outputs)
    return keras.Model(images, outputs, name=network.name)


def as_keras(network: keras.Sequential) -> bytes:
    """A .keras file that can be evaluated as soon as it is loaded; it takes images (N, 28, 28) and
    (N, 28, 28, 1)."""
    model = of_any_scale(network)
    # Plain SGD keeps nothing of its own from step to step that a loaded model would miss and warn
    # of.
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return saved(model)


def saved(model: keras.Model) -> bytes:
    """A model as a .keras file, just as it is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        model.save(file)
        return file.read_bytes()


def as_onnx(network: keras.Sequential) -> bytes:
    """An ONNX file: "image", float32 (N, 28, 28), to "logits", float32 (N, 10)."""
    graph, _ = tf2onnx.convert.from_function(
        _function(of_any_scale(network)), [IMAGES], custom_op_handlers={"Erfc": (_erfc, [])}
    )
    return graph.SerializeToString()


def _erfc(graph: Any, node: Any, name: str, arguments: list[Any]) -> None:
    """A handler of tf2onnx for what GELU is made of and ONNX does not have: 1 - erf."""
    graph.remove_node(name)
    erf = graph.make_node("Erf", node.input)
    one = graph.make_const(f"{name}/one", np.float32(1))
    graph.make_node("Sub", [one.output[0], erf.output[0]], name=name, outputs=node.output)


def as_tflite(network: keras.Sequential) -> bytes:
    """A TensorFlow Lite file: float32 (N, 28, 28) to float32 (N, 10)."""
    return _converter(of_any_scale(network)).convert()


def as_tflite_int8(network: keras.Sequential, images: np.ndarray) -> bytes:
    """A TensorFlow Lite file that computes with whole numbers: uint8 (N, 28, 28), ink is 255, to
    float32 (N, 10).

    Args:
        images: Training images, uint8 (N, 28, 28), as this network is given them: what its layers
            make of these tells how large a step of each of its numbers is.
    """

    def one_by_one() -> Iterator[list[np.ndarray]]:
        for image in images:
            yield [image[np.newaxis].astype(np.float32)]

    floats = keras.Input((IMAGE_SIZE_PX, IMAGE_SIZE_PX))
    outputs = floats
    for layer in network.layers:
        outputs = layer(outputs)
    converter = _converter(keras.Model(floats, outputs))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = one_by_one
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    return converter.convert()


def _converter(model: keras.Model) -> tf.lite.TFLiteConverter:
    return tf.lite.TFLiteConverter.from_concrete_functions(
        [_function(model).get_concrete_function()],
        tf.Module(),  # for variables, of which there are none
    )


def _function(model: keras.Model) -> tf.types.experimental.PolymorphicFunction:
    """What a model does, its weights constants in it: converters fold what they can, and lose no
    variables."""
    weights = [
        [variable.numpy() for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def function(image: tf.Tensor) -> dict[str, tf.Tensor]:
        logits, _ = model.stateless_call(*weights, image, training=False)
        return {"logits": logits}

    return tf.function(function, input_signature=[IMAGES])


def as_tfjs(network: keras.Sequential) -> bytes:
    """A zip of a model.json and its weights, for `tf.loadLayersModel`: float32 (N, 28, 28) to
    float32 (N, 10).

    The form: https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts. Its
    descriptions of layers are those of Keras 2.
    """
    model = of_any_scale(network)
    weights = [
        (f"{layer.name}/{variable.name}", variable.numpy())
        for layer in model.layers
        for variable in layer.weights
        if variable.name != "seed_generator_state"
    ]
    file = "weights.bin"
    description = {
        "format": "layers-model",
        "generatedBy": f"keras v{keras.__version__}",
        "convertedBy": "mnist_models",
        "modelTopology": {
            "keras_version": keras.__version__,
            "backend": "tensorflow",
            "model_config": {"class_name": "Model", "config": _of_keras_2(model)},
        },
        "weightsManifest": [
            {
                "paths": [file],
                "weights": [
                    {"name": name, "shape": list(array.shape), "dtype": "float32"}
                    for name, array in weights
                ],
            }
        ],
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", json.dumps(description))
        archive.writestr(file, b"".join(array.astype("<f4").tobytes() for _, array in weights))
    return content.getvalue()


def _of_keras_2(model: keras.Model) -> dict[str, Any]:
    """What Keras 2 would say of a model: how its layers are made and from which others each gets
    its values."""
    layers = []
    for layer in model.get_config()["layers"]:
        values = {
            name: value
            for name, value in layer["config"].items()
            # How weights begin and are kept small is of no use to a trained network.
            if not name.endswith(("_initializer", "_regularizer", "_constraint"))
        }
        values["dtype"] = "float32"
        if "batch_shape" in values:
            values["batch_input_shape"] = values.pop("batch_shape")
        if values.get("activation") == "silu":
            values["activation"] = "swish"
        given = [
            [tensor["config"]["keras_history"][0], 0, 0, {}]
            for node in layer["inbound_nodes"]
            for tensor in np.ravel(node["args"])
        ]
        layers.append(
            {
                "class_name": layer["class_name"],
                "name": layer["name"],
                "config": values,
                "inbound_nodes": [given] if given else [],
            }
        )
    return {
        "name": model.name,
        "layers": layers,
        "input_layers": [[layers[0]["name"], 0, 0]],
        "output_layers": [[layers[-1]["name"], 0, 0]],
    }
