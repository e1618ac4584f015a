"""What is kept of a network: its file, and the description of its layers where that is another one,
in one archive."""

import io

import numpy as np

from mnist_models.data import npz
from mnist_models.imports.refusal import RefusedError

SAVED, CONFIG = "saved", "config"


def packed(content: bytes, config: bytes | None) -> bytes:
    """Both in one archive."""
    arrays = {SAVED: np.frombuffer(content, np.uint8)}
    if config is not None:
        arrays[CONFIG] = np.frombuffer(config, np.uint8)
    return npz.write(arrays)


def unpacked(kept: bytes) -> tuple[bytes, bytes | None]:
    """The file, and the description of its layers or None.

    Raises:
        RefusedError: The archive is damaged.
    """
    try:
        arrays = npz.read(io.BytesIO(kept))
        return arrays[SAVED].tobytes(), arrays[CONFIG].tobytes() if CONFIG in arrays else None
    except (npz.ArchiveError, KeyError) as error:
        raise RefusedError("What was kept of it is damaged: bring the file again.") from error
