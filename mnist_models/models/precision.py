"""Which numbers a network learns in, where that is left to the machine: float32, or bfloat16 where
it is faster with them."""

import os
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
# Where ONEDNN_MAX_CPU_ISA says one of these, oneDNN has no bfloat16. TensorFlow does not know: it
# asks the processor, and where that has AVX-512 the process ends with the first product of two
# matrices.
WITHOUT_BFLOAT16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI"}
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


def can_be_bfloat16() -> bool:
    """Whether a network can learn in bfloat16 here, fast or slowly: not where oneDNN was asked to
    do without what TensorFlow finds in the processor."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    return (
        limit not in WITHOUT_BFLOAT16
        or os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0"
        or "avx512f" not in _processor_flags()
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
    return can_be_bfloat16() and not PROCESSOR_FLAGS.isdisjoint(_processor_flags())


def _processor_flags() -> list[str]:
    """What the processor can, in Linux's words; nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # another system than Linux
        return []
    return next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
