"""The formats of other programs in which a trained model can be had: what they are called, and what
goes in and comes out. `saving` writes them."""

from typing import NamedTuple

_ANY_SCALE = (
    "In: float32 (N, 28, 28), 0 is paper, ink is 255 or 1. Out: float32 (N, 10), a logit for each "
    "digit."
)


class Format(NamedTuple):
    """One of them.

    Attributes:
        title: Its name.
        ending: How the name of its file ends.
        about: What goes in and comes out, for whoever has the file.
    """

    title: str
    ending: str
    about: str


FORMATS = {
    "keras": Format("Keras model", ".keras", f"The model.keras of the zip. {_ANY_SCALE}"),
    "onnx": Format("ONNX", ".onnx", _ANY_SCALE),
    "tflite": Format("TensorFlow Lite", ".tflite", _ANY_SCALE),
    "tflite-int8": Format(
        "TensorFlow Lite in int8",
        "-int8.tflite",
        "A quarter of the size, computed in whole numbers. In: uint8 (N, 28, 28), 0 is paper, ink "
        "is 255. Out: float32 (N, 10), a logit for each digit.",
    ),
    "tfjs": Format(
        "TensorFlow.js",
        "-tfjs.zip",
        f"Unpack it and load its model.json with tf.loadLayersModel. {_ANY_SCALE}",
    ),
}
