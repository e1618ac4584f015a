"""What several tests share: small networks to train, and a store that is thrown away."""

import pytest

from mnist_models.hyperparameters import CnnHyperparameters, DnnHyperparameters
from mnist_models.store import RunStore


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_kept(tmp_path_factory):
    """No test writes to `saved/` or finds somebody's cluster, even one that forgets to choose a store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", f"sqlite:///{tmp_path_factory.mktemp('store')}/runs.sqlite3")
        patch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
        yield


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty store, which is also the one that DATABASE_URL names."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/runs.sqlite3")
    return RunStore()


@pytest.fixture(scope="session")
def tiny_dnn():
    return DnnHyperparameters(hidden_units=(16,), epochs=1, train_images=300, validation_images=100, batch_size=32)


@pytest.fixture(scope="session")
def tiny_cnn():
    return CnnHyperparameters(
        conv_layers=("4x3/2+pool2",), dense_units=(8,), epochs=1, train_images=200, validation_images=100, batch_size=32
    )


def name_of(variable) -> str:
    """A variable's name in the archives of classifier.pack_weights: its Keras path without the network's name."""
    return variable.path.split("/", 1)[1]


def racers(store, race) -> list:
    """The runs of one race that are there, in the order in which they were entered."""
    return [run for run in reversed(store.runs()) if run.race == race]
