"""Precision: chosen by hand, or by what the machine has units for and the size of the network."""

from pathlib import Path

import pytest
import tensorflow as tf

from mnist_models.models import networks, precision
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters

LARGE = CnnHyperparameters(conv_layers="32x3,64x3+pool3", dense_units="128")
SMALL = DnnHyperparameters(hidden_units="100,80,50")
ZEN_4 = "flags\t\t: fpu avx512f avx512_bf16 avx512vbmi"
SAPPHIRE_RAPIDS = "flags\t\t: fpu avx512f avx512_bf16 amx_bf16 amx_tile"
HASWELL = "flags\t\t: fpu avx avx2 fma"
ARM = "Features\t: fp asimd bf16"


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine one with another processor, and with graphics cards of these compute
    capabilities."""

    def pretend(cpuinfo, capabilities=()):
        def read_text(path, encoding):
            assert (str(path), encoding) == ("/proc/cpuinfo", "utf-8")
            if cpuinfo is None:
                raise FileNotFoundError
            return f"processor\t: 0\nmodel name\t: avx512_bf16 for everybody\n{cpuinfo}\n"

        cards = dict(enumerate(capabilities))
        monkeypatch.setattr(Path, "read_text", read_text)
        monkeypatch.setattr(
            tf.config,
            "list_physical_devices",
            lambda kind: list(cards) if kind == "GPU" else ["CPU"],
        )
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            lambda card: {"compute_capability": cards[card]} if cards[card] else {},
        )

    return pretend


def resolved(hyperparameters):
    return precision.resolve(hyperparameters, networks.build(hyperparameters, blank=True))


@pytest.mark.parametrize(
    ("cpuinfo", "capabilities", "expected"),
    [
        (ZEN_4, [], "bfloat16"),
        (SAPPHIRE_RAPIDS, [], "bfloat16"),
        (HASWELL, [], "float32"),
        (ARM, [], "float32"),
        (None, [], "float32"),  # Windows, macOS
        (HASWELL, [(8, 0)], "bfloat16"),
        (HASWELL, [(9, 0), (8, 6)], "bfloat16"),
        (ZEN_4, [(7, 5)], "float32"),  # the card trains, whatever the processor can
        (HASWELL, [(9, 0), (7, 0)], "float32"),
        (HASWELL, [None], "float32"),  # a card that does not tell
    ],
)
def test_automatic_is_bfloat16_where_there_are_units_for_it(
    machine, monkeypatch, cpuinfo, capabilities, expected
):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    machine(cpuinfo, capabilities)
    assert resolved(LARGE) == expected


def test_automatic_is_float32_for_a_small_network(machine):
    machine(ZEN_4)
    assert resolved(SMALL) == "float32"


@pytest.mark.parametrize("chosen", ["float32", "bfloat16"])
def test_what_was_chosen_is_taken_whatever_the_machine(machine, chosen):
    for cpuinfo in (ZEN_4, HASWELL):
        machine(cpuinfo)
        for hyperparameters in (LARGE, SMALL):
            assert resolved(hyperparameters.model_copy(update={"precision": chosen})) == chosen


@pytest.mark.parametrize(
    ("cpuinfo", "limit", "onednn", "can"),
    [
        (ZEN_4, "", "1", True),
        (ZEN_4, "avx2", "1", False),
        (ZEN_4, "AVX2", "0", True),
        (ZEN_4, "AVX512_CORE", "1", True),
        (HASWELL, "AVX2", "1", True),  # TensorFlow does it by itself
    ],
)
def test_where_onednn_is_kept_from_avx_512_nothing_learns_in_bfloat16(
    machine, monkeypatch, cpuinfo, limit, onednn, can
):
    machine(cpuinfo)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", onednn)
    assert precision.can_be_bfloat16() == can
    assert resolved(LARGE) == ("bfloat16" if can and cpuinfo == ZEN_4 else "float32")


def test_this_machine_can_be_asked():
    assert resolved(LARGE) in ("float32", "bfloat16")


@pytest.mark.parametrize(
    ("hyperparameters", "count"),
    [
        (SMALL, 784 * 100 + 100 * 80 + 80 * 50 + 50 * 10),
        # Kernels of 3×3 at each place that is left of 28×28, then a third of 24×24.
        (LARGE, 26 * 26 * 9 * 32 + 24 * 24 * 9 * 32 * 64 + 8 * 8 * 64 * 128 + 128 * 10),
    ],
)
def test_multiplications_are_counted_as_by_hand(hyperparameters, count):
    assert precision.multiply_adds(networks.build(hyperparameters, blank=True).layers) == count
