"""NumPy archives (.npz), read with every checksum checked."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


class ArchiveError(ValueError):
    """An archive that is missing, damaged, or none."""


def write(arrays: Mapping[str, np.ndarray], *, compressed: bool = True) -> bytes:
    """An archive of arrays, by name; without compression it is made ten times as fast."""
    archive = io.BytesIO()
    save: Any = np.savez_compressed if compressed else np.savez  # its names are arrays' names
    save(archive, **arrays)
    return archive.getvalue()


def read(file: Path | BinaryIO) -> dict[str, np.ndarray]:
    """All arrays of an archive that `numpy.savez` or `savez_compressed` wrote, by name.

    `numpy.load` stops reading where an array should end; a damaged header can make that come before
    the end of its data, where the checksum is compared. Here each array is read to its end first.
    Nothing in the archive is ever executed.

    Raises:
        ArchiveError: It is missing, damaged, or no archive.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return {
                name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()
            }
    # Damage makes zipfile and NumPy raise nearly everything: BadZipFile, zlib.error, RuntimeError,
    # TokenError, TypeError, ...
    except Exception as error:
        raise ArchiveError(str(error) or type(error).__name__) from error


def _array(content: bytes) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
