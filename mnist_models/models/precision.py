"""Which numbers a network learns in, where that is left to the machine: float32, or bfloat16 where
it is faster with them."""

from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mnist_models.settings.hyperparameters import Hyperparameters

# What Linux calls the units of x86 processors that multiply bfloat16: of AVX-512 (AMD since Zen 4,
# Intel since Cooper Lake) and of AMX (Intel since Sapphire Rapids). oneDNN, with which TensorFlow
# computes, uses both.
PROCESSOR_FLAGS = {"avx512_bf16", "amx_bf16"}
# NVIDIA's graphics cards have such units since Ampere.
COMPUTE_CAPABILITY = (8, 0)
# In a small network what bfloat16 saves in multiplying is less than it costs to convert weights.
MULTIPLY_ADDS = 500_000


def resolve(hyperparameters: Hyperparameters, network: keras.Sequential) -> str:
    """ "float32" or "bfloat16": what was chosen for this network, or what it learns faster in on
    this machine."""
    if hyperparameters.precision != "auto":
        return hyperparameters.precision
    return (
        "bfloat16" if multiply_adds(network.layers) >= MULTIPLY_ADDS and _has_units() else "float32"
    )


def multiply_adds(layers: Iterable[keras.Layer]) -> int:
    """How many multiplications, each with an addition, one image takes on its way through the
    layers of a network."""
    return sum(
        int(np.prod(layer.kernel.shape))
        * int(np.prod(layer.output.shape[1:-1]))  # of each place of a map
        for layer in layers
        if hasattr(layer, "kernel")
    )


def _has_units() -> bool:
    """Whether what trains here, graphics card or processor, has units for bfloat16."""
    if cards := tf.config.list_physical_devices("GPU"):
        capabilities = [
            tf.config.experimental.get_device_details(card).get("compute_capability")
            for card in cards
        ]
        return all(capability and capability >= COMPUTE_CAPABILITY for capability in capabilities)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # another system than Linux
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return not PROCESSOR_FLAGS.isdisjoint(flags)
