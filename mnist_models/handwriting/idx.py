"""IDX, the format in which MNIST is published: read and written.

Two zeros, the type of the numbers, how many dimensions they have; each dimension as four bytes; the
numbers, row by row, the first byte of each the largest (http://yann.lecun.com/exdb/mnist/).
"""

import math
import struct

import numpy as np

from mnist_models.imports.refusal import DAMAGED, RefusedError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_DIMENSIONS = 4


def is_idx(content: bytes) -> bool:
    """Whether a file begins as IDX does."""
    return (
        len(content) > 3
        and content[:2] == b"\0\0"
        and content[2] in DTYPES
        and 0 < content[3] <= MOST_DIMENSIONS
    )


def write(array: np.ndarray) -> bytes:
    """An array of uint8 in any shape of up to four dimensions, as IDX."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape)
    return header + np.ascontiguousarray(array, np.uint8).tobytes()


def read(content: bytes) -> np.ndarray:
    """The array in an IDX file, which is one as far as its first bytes tell: nothing is copied.

    Raises:
        RefusedError: It is cut short, or more follows than its header says.
    """
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise RefusedError(DAMAGED)
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    dtype = np.dtype(DTYPES[content[2]])
    if math.prod(shape) * dtype.itemsize != len(content) - start:
        raise RefusedError(
            f"It should hold {' × '.join(map(str, shape))} numbers and holds others. {DAMAGED}"
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape)
