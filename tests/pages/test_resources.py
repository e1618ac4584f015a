"""What is loaded before anybody asks for it."""

import pytest

from mnist_models.data import dataset
from mnist_models.runs import worker
from pages.parts import resources
from tests.pages.conftest import wait_for_loader


@pytest.mark.parametrize(("wanted", "times"), [("1", 1), ("0", 0)])
def test_what_trains_starts_as_soon_as_the_app_has_loaded_unless_it_is_to_wait(
    monkeypatch, wanted, times
):
    connected = []
    resources.tensorflow().wait()
    wait_for_loader()
    monkeypatch.setattr(resources.engine(), "connect", lambda: connected.append(True))
    monkeypatch.setenv(worker.WARM_UP, wanted)
    resources._make_ready()
    assert len(connected) == times


def test_a_process_that_warms_up_has_read_the_digits_before_its_first_training():
    dataset.load.cache_clear()
    worker.warm_up()
    assert dataset.load.cache_info().currsize == 1
