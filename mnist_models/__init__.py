"""Dense and convolutional networks that read handwritten digits. Knows no screen: never imports
streamlit."""

import os
import sys

# TensorFlow reads this while it is imported; without it, it warns of graphics cards that are not
# there.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras, seconds of work, without the lines about the processor that
    TensorFlow writes to standard error whatever its log level. Programs call this once before
    anything that needs them."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import keras

        keras.ops.zeros(1)  # the last of those lines come with the first operation
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
