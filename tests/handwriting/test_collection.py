"""A collection holds together what belongs together, and nothing else."""

import numpy as np
import pytest

from mnist_models.handwriting.collection import Collection


def collection(count=3):
    return Collection(
        np.arange(count * 784).astype(np.uint8).reshape(count, 28, 28),
        np.arange(count, dtype=np.uint8) % 10,
        np.arange(count, dtype=np.int64) // 2,
    )


@pytest.mark.parametrize("indices", [[2, 0], [True, False, True]])
def test_taking_keeps_images_labels_and_writers_together(indices):
    whole = collection()
    taken = whole.take(np.array(indices))
    assert len(taken) == 2 and len(whole) == 3
    for name in ("images", "labels", "writers"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(whole, name)[indices])


def test_there_may_be_nothing_in_it():
    assert len(collection(0)) == 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("images", lambda one: one.images.astype(np.float32)),
        ("images", lambda one: one.images.reshape(-1, 784)),
        ("labels", lambda one: one.labels[:2]),
        ("labels", lambda one: one.labels.astype(np.int64)),
        ("labels", lambda one: one.labels + np.uint8(8)),
        ("writers", lambda one: one.writers[:2]),
        ("writers", lambda one: one.writers.astype(np.int32)),
    ],
)
def test_other_shapes_dtypes_and_labels_are_refused(name, change):
    whole = collection()
    arrays = {**vars(whole), name: change(whole)}
    with pytest.raises(ValueError, match=name):
        Collection(**arrays)
