"""MATLAB's files of version 5, as EMNIST is published: the arrays in them, and nothing executed.

SciPy reads them too, but takes as much memory as a damaged file asks for. The format is described
in The MathWorks, MAT-File Format (version 5): elements of a type, a length and data, nested.
"""

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from mnist_models.imports.refusal import DAMAGED, RefusedError

START = b"MATLAB 5.0 MAT-file"
HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
DTYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
STRUCT = 2
# Of double, single, and all integers.
NUMERIC = range(6, 16)
# EMNIST's are dataset, train and images.
MOST_DEPTH = 5


def read(content: bytes, most_bytes: int) -> dict[str, np.ndarray]:
    """All arrays of numbers in a file, by the names of what they are nested in, such as
    "dataset/train/images"; whatever else is in it is passed over.

    Args:
        content: The file, which begins with START.
        most_bytes: How much may be packed in it.

    Raises:
        RefusedError: It is damaged, or more is packed in it.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER_BYTES - 2 : HEADER_BYTES])
    if order is None:
        raise RefusedError(DAMAGED)
    found: dict[str, np.ndarray] = {}
    for kind, data in _elements(memoryview(content)[HEADER_BYTES:], order):
        if kind == COMPRESSED:
            unpacked = _unpacked(data, most_bytes)
            most_bytes -= len(unpacked)
            for inner, inner_data in _elements(memoryview(unpacked), order):
                if inner == MATRIX:
                    found |= _arrays(inner_data, order, "", 0)
        elif kind == MATRIX:
            found |= _arrays(data, order, "", 0)
    return found


def _unpacked(data: memoryview, most_bytes: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(data, most_bytes + 1)
    except zlib.error as error:
        raise RefusedError(DAMAGED) from error
    if len(unpacked) > most_bytes:
        raise RefusedError(
            f"More than {most_bytes / 1e6:,.0f} MB are packed in it: bring a smaller part of it."
        )
    if not stream.eof:
        raise RefusedError(DAMAGED)
    return unpacked


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The type and the data of each element, one after another."""
    place = 0
    while place + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, place)
        start = place + 8
        if kind >> 16:  # up to four bytes of data are kept in the tag itself
            kind, length, start = kind & 0xFFFF, kind >> 16, place + 4
            end = place + 8
            if length > 4:
                raise RefusedError(DAMAGED)
        else:
            end = start + length
            # All but compressed elements are filled up to a multiple of eight bytes.
            end += -length % 8 if kind != COMPRESSED else 0
        if start + length > len(data):
            raise RefusedError(DAMAGED)
        yield kind, data[start : start + length]
        place = end


def _arrays(data: memoryview, order: str, name: str, depth: int) -> dict[str, np.ndarray]:
    """The arrays in a matrix: itself if it is of numbers, its fields' if it is a struct."""
    elements = _elements(data, order)
    try:
        flags, dimensions, own_name = (part for _, part in (next(elements) for _ in range(3)))
        shape = np.frombuffer(dimensions, f"{order}i4").tolist()
        array_class = np.frombuffer(flags, f"{order}u4")[0] & 0xFF
        name = name or bytes(own_name).decode("ascii")
        if array_class in NUMERIC:
            kind, numbers = next(elements)
            values = np.frombuffer(numbers, order + DTYPES[kind])
            if min(shape) < 0 or math.prod(shape) != len(values):
                raise RefusedError(DAMAGED)
            return {name: values.reshape(shape, order="F")}
        if array_class != STRUCT or math.prod(shape) != 1 or depth > MOST_DEPTH:
            return {}
        width = int(np.frombuffer(next(elements)[1], f"{order}i4")[0])
        letters = bytes(next(elements)[1])
        if width < 1:
            raise RefusedError(DAMAGED)
        fields = [
            letters[start : start + width].rstrip(b"\0").decode("ascii")
            for start in range(0, len(letters), width)
        ]
        found: dict[str, np.ndarray] = {}
        for field in fields:
            kind, matrix = next(elements)
            if kind == MATRIX:
                found |= _arrays(matrix, order, f"{name}/{field}", depth + 1)
        return found
    # What damage makes of lengths, types and names.
    except (ValueError, KeyError, IndexError, RuntimeError, StopIteration) as error:
        raise RefusedError(DAMAGED) from error
