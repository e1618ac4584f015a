"""The digits: complete, unchanged, read-only, and never silently damaged."""

import hashlib

import numpy as np
import pytest

from mnist_models.data import dataset

# SHA-256 of the four IDX files as they were published.
PUBLISHED = {
    "train.images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train.labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test.images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "test.labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def idx_bytes(array):
    """The array as an IDX file: two zeros, the type code of uint8, the rank, big-endian sizes, the
    bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(
        size.to_bytes(4, "big") for size in array.shape
    )
    return header + array.tobytes()


@pytest.mark.parametrize("name", PUBLISHED)
def test_arrays_are_byte_for_byte_the_published_files(name):
    part, field = name.split(".")
    array = getattr(getattr(dataset.load(), part), field)
    assert hashlib.sha256(idx_bytes(array)).hexdigest() == PUBLISHED[name]


def test_arrays_are_read_only_and_shared():
    assert dataset.load() is dataset.load()
    with pytest.raises(ValueError, match="read-only"):
        dataset.load().train.images[0, 0, 0] = 1
    train, validation = dataset.split(100, 50)
    assert np.shares_memory(train.images, dataset.load().train.images)
    with pytest.raises(ValueError, match="read-only"):
        validation.labels[0] = 1


def test_split_takes_training_digits_from_the_front_and_validation_digits_from_the_end():
    whole = dataset.load().train
    train, validation = dataset.split(55_000, 5_000)
    assert len(train) == 55_000 and len(validation) == 5_000
    assert np.array_equal(train.images, whole.images[:55_000])
    assert np.array_equal(validation.labels, whole.labels[55_000:])


def test_split_refuses_to_let_training_and_validation_overlap():
    with pytest.raises(ValueError, match="60,000"):
        dataset.split(55_001, 5_000)


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "cut short", "one byte changed", "not an archive", "foreign"]
)
def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path, damage):
    file = tmp_path / "mnist.npz"
    good = dataset.DATA_FILE.read_bytes()
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "cut short":
            file.write_bytes(good[: len(good) // 2])
        case "one byte changed":
            middle = len(good) // 2
            file.write_bytes(good[:middle] + bytes([good[middle] ^ 0xFF]) + good[middle + 1 :])
        case "not an archive":
            file.write_bytes(b"<html>404</html>" * 100)
        case "foreign":
            np.savez(
                file,
                **{
                    k: np.zeros((3, 3))
                    for k in ("train_images", "train_labels", "test_images", "test_labels")
                },
            )
    with pytest.raises(dataset.DatasetError, match=r"[Rr]estore it"):
        dataset.load(file)


def test_scrambling_is_a_permutation_that_leaves_no_pixel_where_it_was_for_long():
    assert sorted(dataset.SCRAMBLE.tolist()) == list(range(784))
    assert (np.arange(784) == dataset.SCRAMBLE).sum() < 5


def test_scrambled_images_have_the_same_pixels_at_places_that_are_the_same_for_all():
    images = dataset.load().test.images[:3]
    scrambled = dataset.scrambled(images)
    assert scrambled.shape == images.shape and scrambled.dtype == np.uint8
    for place, source in enumerate(dataset.SCRAMBLE.tolist()):
        for image, result in zip(images, scrambled, strict=True):
            assert result[place // 28, place % 28] == image[source // 28, source % 28]
