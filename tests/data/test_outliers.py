"""Drawings that are no digits look as prepared drawings do, and come from their seed alone."""

import numpy as np
import pytest
from scipy import ndimage

from mnist_models.data.outliers import outliers
from mnist_models.data.preprocessing import center_of_mass
from mnist_models.data.skeletons import LETTERS, drawn


def test_the_same_seed_gives_the_same_scribbles_and_another_gives_others():
    first, second = outliers(50, 1), outliers(50, 2)
    outliers.cache_clear()
    np.testing.assert_array_equal(outliers(50, 1), first)
    assert (first != second).any(axis=(1, 2)).all()


@pytest.mark.parametrize("count", [0, 1, 700])
def test_there_are_as_many_as_asked_for(count):
    images = outliers(count, 1)
    assert images.shape == (count, 28, 28) and images.dtype == np.uint8


def test_they_are_as_large_as_prepared_drawings_and_stand_in_the_middle():
    images = outliers(300, 1)
    for image in images:
        rows, columns = (np.flatnonzero((image > 127).any(axis=axis)) for axis in (1, 0))
        sides = (np.ptp(rows) + 1, np.ptp(columns) + 1)
        assert max(sides) <= 21 and min(sides) >= 5
        assert image.max() == 255
    centers = np.array([center_of_mass(image) for image in images])
    assert np.abs(np.median(centers, axis=0) - 14).max() < 0.75 and np.abs(centers - 14).max() < 7


def test_letters_are_among_them_the_right_way_round():
    images = outliers(2_000, 1)
    letters = drawn([LETTERS["E"]], 100, np.random.default_rng(2))
    upright, mirrored = (
        (alike(images, ways) > 0.9).sum() for ways in (letters, letters[:, :, ::-1])
    )
    assert upright >= 5 and mirrored <= upright / 5


def alike(images, others):
    """How like the most similar of the others each image is, 1 for the same."""
    normal = [
        flat / np.linalg.norm(flat, axis=1, keepdims=True)
        for flat in (
            ndimage.gaussian_filter(stack.astype(float), (0, 1, 1)).reshape(len(stack), -1)
            for stack in (images, others)
        )
    ]
    return (normal[0] @ normal[1].T).max(axis=1)


def test_nobody_can_change_what_everybody_gets():
    with pytest.raises(ValueError, match="read-only"):
        outliers(10, 1)[0] = 0
