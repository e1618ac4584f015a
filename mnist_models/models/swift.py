"""A trained network that reads through ONNX Runtime, without TensorFlow.

One image takes a quarter of the processor's time that TensorFlow needs for it, 500 images three
quarters, and the network is ready in some milliseconds instead of a tenth of a second (ONNX Runtime
1.32 and TensorFlow 2.21, AVX-512). What looks between the layers, or learns, has Keras's network:
see classifier.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from mnist_models.data import dataset
from mnist_models.data.dataset import IMAGE_SIZE_PX, SCRAMBLE
from mnist_models.data.ink import INK
from mnist_models.models import folded
from mnist_models.models.folded import Layer
from mnist_models.models.predictions import CONFIDENCE_THRESHOLD
from mnist_models.models.reader import Reader
from mnist_models.settings.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

BATCH_SIZE = 100
# Of ONNX: the first with GELU, and a form that ONNX Runtime has read for years.
OPSET, FORM = 20, 10


class SwiftReader(Reader):
    """Reads digits with a network that has learned. Several threads may do so at the same time."""

    def __init__(
        self,
        hyperparameters: Hyperparameters,
        weights: bytes,
        confidence_threshold: float = CONFIDENCE_THRESHOLD,
    ) -> None:
        """Makes it ready.

        Args:
            weights: Of the network of these hyperparameters, see classifier.pack_weights.
            confidence_threshold: See Reader.

        Raises:
            WeightsError: They are another network's, or cannot be read.
        """
        self.confidence_threshold = confidence_threshold
        self._hyperparameters, self._weights = hyperparameters, weights
        options = onnxruntime.SessionOptions()
        # Memory and a busy core are for whoever works at the moment: there are dozens of readers.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            graph(hyperparameters, weights).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )

    def batches(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """The probabilities of up to BATCH_SIZE images at a time."""
        for start in range(0, len(images), BATCH_SIZE):
            (probabilities,) = self._session.run(
                None, {"images": images[start : start + BATCH_SIZE]}
            )
            yield probabilities

    def chain(self) -> keras.Sequential:
        # Imports TensorFlow.
        from mnist_models.models.classifier import trained

        return trained(self._hyperparameters, self._weights)

    def given(self, images: np.ndarray) -> np.ndarray:
        return dataset.scrambled(images) if self._hyperparameters.scrambled else images

    def seen(self, images: tf.Tensor) -> tf.Tensor:
        from mnist_models.models.classifier import scrambled

        return scrambled(images) if self._hyperparameters.scrambled else images


def graph(hyperparameters: Hyperparameters, weights: bytes) -> onnx.ModelProto:
    """The network as ONNX: "images", uint8 (N, 28, 28), to "probabilities", float32 (N, 10).

    Raises:
        WeightsError: The weights are another network's, or cannot be read.
    """
    layers = folded.layers(hyperparameters, folded.read(weights))
    made = _Graph()
    made.add("Cast", to=TensorProto.FLOAT)
    made.add("Mul", np.array(1 / INK, np.float32))
    if hyperparameters.scrambled:
        made.add("Flatten")
        made.add("Gather", SCRAMBLE.astype(np.int64), axis=1)
    made.add("Reshape", np.array([-1, 1, IMAGE_SIZE_PX, IMAGE_SIZE_PX]))
    side, channels = IMAGE_SIZE_PX, 1
    for layer in layers:
        side, channels = made.add_layer(layer, side, channels)
    made.add("Softmax", axis=1)
    return made.model()


class _Graph:
    """A chain of operators, each of which gets what the one before made."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    @property
    def _last(self) -> str:
        return self._nodes[-1].output[0] if self._nodes else "images"

    def add(self, operator: str, *constants: np.ndarray, **attributes: Any) -> None:
        """Adds an operator, with constants as its further inputs."""
        names = []
        for constant in constants:
            names.append(f"constant_{len(self._constants)}")
            self._constants.append(numpy_helper.from_array(constant, names[-1]))
        output = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, [self._last, *names], [output], **attributes))

    def add_layer(self, layer: Layer, side: int, channels: int) -> tuple[int, int]:
        """Adds a layer with its activation and pooling.

        Args:
            side, channels: Of what it is given.

        Returns:
            Those of what it makes.
        """
        units, after = len(layer.bias), layer.side(side)
        # From (row, column, channel, unit) to what ONNX wants, the channels of an image before its
        # rows.
        weights = layer.weights.astype(np.float32)
        weights = weights.reshape(layer.kernel or side, -1, channels, units)
        bias = layer.bias.astype(np.float32)
        if layer.kernel:
            self.add("Conv", weights.transpose(3, 2, 0, 1), bias, strides=[layer.stride] * 2)
        else:
            self.add("Flatten")
            self.add("Gemm", weights.transpose(2, 0, 1, 3).reshape(-1, units), bias)
        self._activate(layer.activation)
        if layer.pool:
            self.add("MaxPool", kernel_shape=[layer.pool] * 2, strides=[layer.pool] * 2)
        return after // (layer.pool or 1), units

    def _activate(self, activation: str) -> None:
        if activation == "silu":
            before = self._last
            self.add("Sigmoid")
            self._nodes.append(helper.make_node("Mul", [before, self._last], [f"{before}_silu"]))
        elif activation != "none":
            self.add(activation.capitalize())  # ONNX has Keras's names

    def model(self) -> onnx.ModelProto:
        images = helper.make_tensor_value_info(
            "images", TensorProto.UINT8, ["N", IMAGE_SIZE_PX, IMAGE_SIZE_PX]
        )
        # Whoever gives the last operator's output another name need not know which one it is.
        self._nodes[-1].output[0] = "probabilities"
        probabilities = helper.make_tensor_value_info(
            "probabilities", TensorProto.FLOAT, ["N", None]
        )
        found = helper.make_graph(
            self._nodes, "network", [images], [probabilities], self._constants
        )
        return helper.make_model(
            found, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORM
        )
