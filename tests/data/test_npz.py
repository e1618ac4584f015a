"""Archives: read as they were written, or refused."""

import io

import numpy as np
import pytest

from mnist_models.data import npz

ARRAYS = {
    "a/b": np.arange(200, dtype=np.float32).reshape(10, 20),
    "c": np.array([1, 2, 3], np.uint8),
}


def written(save=np.savez_compressed) -> bytes:
    file = io.BytesIO()
    save(file, **ARRAYS)
    return file.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were(save):
    read = npz.read(io.BytesIO(written(save)))
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


def test_no_changed_bit_anywhere_changes_a_number_unnoticed():
    good = written()
    refused = 0
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        try:
            read = npz.read(io.BytesIO(bytes(damaged)))
        except npz.ArchiveError:
            refused += 1
            continue
        for name in ARRAYS.keys() & read.keys():  # a changed name is for the caller to notice
            np.testing.assert_array_equal(read[name], ARRAYS[name], strict=True)
    assert refused > len(good) / 2


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(npz.ArchiveError, match="No such file"):
        npz.read(tmp_path / "none.npz")


def test_an_archive_that_would_run_code_is_refused():
    file = io.BytesIO()
    np.savez(file, evil=np.array([print], dtype=object))
    with pytest.raises(npz.ArchiveError, match="allow_pickle"):
        npz.read(io.BytesIO(file.getvalue()))
