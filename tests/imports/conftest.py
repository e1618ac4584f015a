"""Networks that the tests of this wing save in old and new forms."""

import numpy as np
import pytest

from tests.imports import forms


@pytest.fixture(scope="session")
def cnn():
    return forms.convolutional()


@pytest.fixture(scope="session")
def dnn():
    return forms.fully_connected()


@pytest.fixture(scope="session")
def pictures():
    """Images that a network takes, float32 (20, 28, 28, 1), with no pattern."""
    return np.random.default_rng(0).random((20, 28, 28, 1), np.float32)
