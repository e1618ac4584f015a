"""What several tests share: small networks to train, and a store that is thrown away.

`pytest --without-tensorflow` runs what needs no TensorFlow, in processes where it cannot be
imported; `pytest -m tensorflow` runs the rest. A test that needs it is marked `tensorflow`: by
hand, or because its file imports it.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mnist_models.runs.store import RunStore
from mnist_models.runs.worker import WARM_UP
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from tests import needs

if TYPE_CHECKING:
    import keras

BROWSER = Path(__file__).parent / "browser"
# What is tested is small, and two processes test: more threads would only wait for each other. To
# test with another number, set it. TensorFlow reads these when it is imported.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def pytest_addoption(parser) -> None:
    parser.addoption(
        "--without-tensorflow",
        action="store_true",
        help="only what needs no TensorFlow, where it cannot be imported",
    )

    parser.addoption(
        "--last-bits",
        action="store_true",
        help="moves the last bits of all probabilities at random, as another processor would",
    )


def pytest_configure(config) -> None:
    if config.getoption("--without-tensorflow"):
        config.option.markexpr = "not tensorflow"
        for name in needs.TENSORFLOW:
            sys.modules[name] = None  # an import of it raises ImportError


def pytest_ignore_collect(collection_path: Path, config) -> bool | None:
    file = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
    if config.getoption("--without-tensorflow") and file.suffix == ".py" and file.exists():
        return needs.imports_tensorflow(file) or None
    return None


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their marks
def pytest_collection_modifyitems(items) -> None:
    for item in items:
        in_browser = item.path.parent == BROWSER
        if in_browser or needs.imports_tensorflow(item.path):
            item.add_marker("tensorflow")
    items.sort(key=lambda item: item.path.parent != BROWSER)  # it takes longest, so it comes first


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config, log):
    """Where several processes test, each file is tested by one, which prepares once what its tests
    share, and all that opens a browser by one, with one server. (`--dist loadgroup` would do this
    by marks, but its groups have no effect with this pytest.)"""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, _ = nodeid.partition("::")
            return "browser" if file.startswith("tests/browser/") else file

    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_kept(tmp_path_factory):
    """No test writes to `saved/` or finds somebody's cluster, even one that forgets to choose a
    store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", f"sqlite:///{tmp_path_factory.mktemp('store')}/runs.sqlite3")
        patch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
        patch.setenv(WARM_UP, "0")  # most tests train nothing
        yield


@pytest.fixture(scope="session", autouse=True)
def _last_bits(request):
    """With --last-bits, no two calls give the same probabilities to their last bit: what compares
    them as if they did fails here, not on somebody's processor."""
    if not request.config.getoption("--last-bits"):
        yield
        return
    from mnist_models.models.classifier import Classifier

    random, batches = np.random.default_rng(0), Classifier.batches

    def moved(classifier, images):
        for rows in batches(classifier, images):
            yield np.nextafter(rows, random.integers(0, 2, rows.shape).astype(np.float32))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classifier, "batches", moved)
        yield


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty store, which is also the one that DATABASE_URL names."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/runs.sqlite3")
    return RunStore()


@pytest.fixture(scope="session")
def tiny_dnn():
    return DnnHyperparameters(
        hidden_units=(16,), epochs=1, train_images=300, validation_images=100, batch_size=32
    )


@pytest.fixture(scope="session")
def tiny_cnn():
    return CnnHyperparameters(
        conv_layers=("4x3/2+pool2",),
        dense_units=(8,),
        epochs=1,
        train_images=200,
        validation_images=100,
        batch_size=32,
    )


@pytest.fixture
def bfloat16():
    """For tests that learn in bfloat16, which not every environment can."""
    from mnist_models.models import precision

    if not precision.can_be_bfloat16():
        pytest.skip("ONEDNN_MAX_CPU_ISA leaves nothing that computes bfloat16")


def name_of(variable) -> str:
    """A variable's name in the archives of classifier.pack_weights: its Keras path without the
    network's name."""
    return variable.path.split("/", 1)[1]


def with_random_statistics(hyperparameters) -> keras.Sequential:
    """An untrained network whose batch normalisation is not as it starts: there it changes
    nothing."""
    from mnist_models.models import networks

    network, random = networks.build(hyperparameters), np.random.default_rng(0)
    for layer in network.layers:
        if "batch_norm" in layer.name:
            layer.set_weights([random.uniform(0.5, 1.5, one.shape) for one in layer.get_weights()])
    return network


def racers(store, race) -> list:
    """The runs of one race that are there, in the order in which they were entered."""
    return [run for run in reversed(store.runs()) if run.race == race]


def scrambled(network: keras.Sequential, seed: int = 0) -> keras.Sequential:
    """The network with biases and batch normalisation as if it had learned: none 0 or 1, and some
    scales below zero."""
    chance = np.random.default_rng(seed)
    for layer in network.layers:
        if type(layer).__name__ in ("Conv2D", "Dense"):
            layer.bias.assign(chance.normal(0, 0.3, layer.bias.shape))
        if type(layer).__name__ == "BatchNormalization":
            for variable in (layer.gamma, layer.beta, layer.moving_mean):
                variable.assign(chance.normal(0, 1, variable.shape))
            layer.moving_variance.assign(chance.uniform(0.2, 3, layer.moving_variance.shape))
    return network


_BENT = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def passed_on_slowly(
    network: keras.Sequential, values: np.ndarray, start: int = 0
) -> dict[str, np.ndarray]:
    """What each layer passes on, by its name, worked out in float64 without Keras. values: what
    goes into layer `start`."""
    told = {}
    for layer in network.layers[start:]:
        weights = [weight.astype(float) for weight in layer.get_weights()]
        kind = type(layer).__name__
        if kind == "Rescaling":
            values = values / 255
        elif kind == "Reshape":
            values = values[..., np.newaxis]
        elif kind == "Flatten":
            values = values.reshape(-1)
        elif kind == "Dense":
            values = values @ weights[0] + weights[1]
        elif kind == "Conv2D":
            values = _convolved(values, *weights, layer.strides[0])
        elif kind == "BatchNormalization":
            scale, shift, mean, variance = weights
            values = (values - mean) / np.sqrt(variance + 0.001) * scale + shift
        elif kind == "MaxPooling2D":
            size = layer.pool_size[0]
            side = len(values) // size
            squares = [
                values[size * row : size * (row + 1), size * column : size * (column + 1)].max(
                    axis=(0, 1)
                )
                for row in range(side)
                for column in range(side)
            ]
            values = np.array(squares).reshape(side, side, -1)
        elif kind == "Activation":
            values = _BENT[layer.activation.__name__](values)
        else:
            assert kind == "Dropout"
        told[layer.name] = values
    return told


def _convolved(maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    size = len(kernel)
    side = (len(maps) - size) // stride + 1
    convolved = np.zeros((side, side, kernel.shape[-1]))
    for row in range(side):
        for column in range(side):
            patch = maps[
                row * stride : row * stride + size, column * stride : column * stride + size
            ]
            convolved[row, column] = (patch[..., np.newaxis] * kernel).sum(axis=(0, 1, 2)) + bias
    return convolved
