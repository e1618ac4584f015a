"""HDF5 files, read without HDF5's own library: that one follows links into other files, and some
damaged files keep it busy for ever.

What Keras writes is a small part of the format, which has been the same since 2005: groups as
tables of symbols, attributes beside them, arrays in one piece or in chunks. The format:
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from mnist_models.imports.refusal import DAMAGED, RefusedError

NOWHERE = 2**64 - 1
MOST_OBJECTS = 20_000
MOST_PARTS = 200_000
DEEPEST = 16
MOST_TEXT_BYTES = 20_000_000
MOST_ARRAY_BYTES = 200_000_000
SHARED = 2
# The numbers of classes of types.
WHOLE, FLOAT, TEXT, VARIABLE = 0, 1, 3, 9
DEFLATE, SHUFFLE, FLETCHER = 1, 2, 3
COMPACT, CONTIGUOUS, CHUNKED = 0, 1, 2
NEWER = "It is written in a newer form of HDF5 than Keras uses: save the model with Keras itself."


class Message(IntEnum):
    """The messages of an object's header."""

    DATASPACE = 1
    LINK_INFO = 2
    DATATYPE = 3
    LINK = 6
    EXTERNAL = 7
    LAYOUT = 8
    FILTERS = 11
    ATTRIBUTE = 12
    CONTINUED = 16
    SYMBOLS = 17
    ATTRIBUTE_INFO = 21


class Contents(NamedTuple):
    """What is in an HDF5 file.

    Attributes:
        arrays: Arrays of numbers, float32, by their paths, without the first slash.
        attributes: Attributes by the path of what they belong to, and by name: texts, and lists of
            texts; others are left out.
    """

    arrays: dict[str, np.ndarray]
    attributes: dict[str, dict[str, Any]]


def read(content: bytes) -> Contents:
    """All arrays of numbers and all texts in an HDF5 file, but for those of optimizers.

    Raises:
        RefusedError: It is damaged, points at other files, or claims to hold more than it can.
    """
    found = Contents({}, {})
    try:
        _File(content).collect(found)
    except RefusedError:
        raise
    except (IndexError, ValueError, OverflowError, TypeError, zlib.error, RecursionError) as error:
        raise RefusedError(DAMAGED) from error
    return found


class _Type(NamedTuple):
    """A type: its class, its size in bytes, and that of NumPy where it is a number."""

    kind: int
    size: int
    dtype: np.dtype | None = None
    is_text: bool = False


@dataclass
class _Header:
    """What an object's header says.

    Attributes:
        shape: Of an array.
        layout: Where its numbers are: (class, address, size in bytes, sizes of chunks), or the
            numbers themselves.
    """

    shape: tuple[int, ...] | None = None
    type: _Type | None = None
    layout: tuple[int, int, int, tuple[int, ...]] | bytes | None = None
    filters: tuple[int, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    children: dict[str, int] = field(default_factory=dict)


class _File:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.left_bytes = MOST_ARRAY_BYTES
        self.left_text_bytes = MOST_TEXT_BYTES
        self.left_parts = MOST_PARTS
        self.seen: set[int] = set()
        self.heaps: dict[int, dict[int, tuple[int, int]]] = {}

    def part(self, start: int, size: int) -> bytes:
        """So many bytes from there on."""
        if start < 0 or size < 0 or start + size > len(self.content):
            raise RefusedError(DAMAGED)
        return self.content[start : start + size]

    def number(self, start: int, size: int = 8) -> int:
        return int.from_bytes(self.part(start, size), "little")

    def collect(self, found: Contents) -> None:
        version = self.number(8, 1)
        if version in (0, 1):
            if self.part(13, 2) != b"\x08\x08":  # numbers of another length than anybody's
                raise RefusedError(DAMAGED)
            start = 24 + 4 * version
            base, root = self.number(start), self.number(start + 40)
        else:
            raise RefusedError(NEWER if version in (2, 3) else DAMAGED)
        if base:
            raise RefusedError(NEWER)
        self._object("", root, 0, found)

    def _object(self, path: str, address: int, depth: int, found: Contents) -> None:
        """Notes an object, and all that is below it; each once."""
        if depth > DEEPEST or len(self.seen) > MOST_OBJECTS:
            raise RefusedError("Its groups are nested or many beyond what a network has.")
        if address in self.seen:
            return
        self.seen.add(address)
        header = self._header(address, path)
        found.attributes[path] = header.attributes
        for name, child in header.children.items():
            inner = f"{path}/{name}".lstrip("/")
            if not inner.startswith("optimizer"):  # its numbers are not the network's
                self._object(inner, child, depth + 1, found)
        if header.shape is not None and header.type and header.type.dtype is not None:
            found.arrays[path] = self._array(path, header, header.type.dtype)

    def _header(self, address: int, path: str) -> _Header:
        header = _Header()
        if self.part(address, 4) == b"OHDR":
            raise RefusedError(NEWER)
        if self.number(address, 1) != 1:
            raise RefusedError(DAMAGED)
        for kind, flags, start in self._messages(address):
            if flags & SHARED and kind in list(Message):
                raise RefusedError(NEWER)  # it is kept elsewhere and shared
            match kind:
                case Message.DATASPACE:
                    header.shape = self._shape(start)
                case Message.DATATYPE:
                    header.type = self._type(start)
                case Message.LAYOUT:
                    header.layout = self._layout(start)
                case Message.FILTERS:
                    header.filters = self._filters(start)
                case Message.ATTRIBUTE:
                    self._attribute(start, header.attributes)
                case Message.SYMBOLS:
                    self._symbols(self.number(start), self.number(start + 8), header, path)
                case Message.LINK:
                    self._link(start, header, path)
                case Message.EXTERNAL:
                    raise RefusedError(
                        f"The numbers of its {path[:80]!r} are in another file: save the model "
                        "again, with all weights in one file."
                    )
                case Message.LINK_INFO | Message.ATTRIBUTE_INFO:
                    # Both tell first what they have, then where it is.
                    is_counted = self.number(start + 1, 1) & 1
                    place = start + 2 + (8 if kind == Message.LINK_INFO else 2) * is_counted
                    if self.number(place) != NOWHERE:
                        raise RefusedError(NEWER)
        return header

    def _messages(self, address: int) -> Iterator[tuple[int, int, int]]:
        """The messages of a header: kind, flags, and where the message is."""
        waiting = [(address + 16, self.number(address + 8, 4))]
        while waiting:
            start, size = waiting.pop(0)
            self.part(start, size)
            end = start + size
            while start + 8 <= end:
                self._count()
                kind, length = self.number(start, 2), self.number(start + 2, 2)
                if start + 8 + length > end:
                    raise RefusedError(DAMAGED)
                if kind == Message.CONTINUED:
                    waiting.append((self.number(start + 8), self.number(start + 16)))
                else:
                    yield kind, self.number(start + 4, 1), start + 8
                start += 8 + length

    def _count(self) -> None:
        """Ends what goes round in a circle."""
        self.left_parts -= 1
        if self.left_parts < 0:
            raise RefusedError(DAMAGED)

    def _shape(self, start: int) -> tuple[int, ...] | None:
        version, rank = self.number(start, 1), self.number(start + 1, 1)
        if version not in (1, 2) or rank > 8:
            raise RefusedError(DAMAGED)
        if version == 2 and self.number(start + 3, 1) == 2:
            return None  # nothing at all
        start += 8 if version == 1 else 4
        return tuple(self.number(start + 8 * place) for place in range(rank))

    def _type(self, start: int) -> _Type:
        kind, bits = self.number(start, 1) & 15, self.number(start + 1, 1)
        size = self.number(start + 4, 4)
        order = ">" if bits & 1 else "<"
        if kind == FLOAT and size in (2, 4, 8):
            # Of the other floats of two bytes, bfloat16 is one.
            exponents = {2: 5, 4: 8, 8: 11}
            if self.number(start + 13, 1) == exponents[size]:
                return _Type(kind, size, np.dtype(f"{order}f{size}"))
        if kind == WHOLE and size in (1, 2, 4, 8):
            return _Type(kind, size, np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}"))
        return _Type(kind, size, None, kind == TEXT or (kind == VARIABLE and bits & 15 == 1))

    def _layout(self, start: int) -> tuple[int, int, int, tuple[int, ...]] | bytes:
        if self.number(start, 1) != 3:
            raise RefusedError(
                "The numbers of one of its arrays are in another file, or written in a newer form "
                "of HDF5: save the model again with Keras itself."
            )
        kind = self.number(start + 1, 1)
        if kind == COMPACT:
            return self.part(start + 4, self.number(start + 2, 2))
        if kind == CONTIGUOUS:
            return kind, self.number(start + 2), self.number(start + 10), ()
        if kind == CHUNKED:
            rank = self.number(start + 2, 1) - 1
            sizes = tuple(self.number(start + 11 + 4 * place, 4) for place in range(rank))
            return kind, self.number(start + 3), 0, sizes
        raise RefusedError(DAMAGED)

    def _filters(self, start: int) -> tuple[int, ...]:
        version, count = self.number(start, 1), self.number(start + 1, 1)
        if version != 1:
            raise RefusedError(NEWER)
        start += 8
        found = []
        for _ in range(count):
            kind, name, values = (self.number(start + place, 2) for place in (0, 2, 6))
            if kind not in (DEFLATE, SHUFFLE, FLETCHER):
                raise RefusedError("Its numbers are packed in an unusual way: save it with Keras.")
            found.append(kind)
            start += 8 + name + 4 * (values + values % 2)
        return tuple(found)

    def _attribute(self, start: int, to: dict[str, Any]) -> None:
        version = self.number(start, 1)
        sizes = [self.number(start + place, 2) for place in (2, 4, 6)]
        if version not in (1, 2, 3):
            raise RefusedError(DAMAGED)
        start += 9 if version == 3 else 8
        places = []
        for size in sizes:
            places.append(start)
            start += size + (-size % 8 if version == 1 else 0)
        name = _text(self.part(places[0], sizes[0]))
        kind, shape = self._type(places[1]), self._shape(places[2])
        if not kind.is_text or shape is None:
            return
        count = math.prod(shape)
        self.part(start, count * kind.size)
        self.left_text_bytes -= count * kind.size
        if self.left_text_bytes < 0:
            raise RefusedError(DAMAGED)
        texts = [
            _text(self.part(place, kind.size) if kind.kind == TEXT else self._in_heap(place))
            for place in range(start, start + count * kind.size, kind.size or 1)
        ]
        to[name] = texts if shape else texts[0]

    def _in_heap(self, start: int) -> bytes:
        """A text of any length, which is kept elsewhere in the file."""
        length, address = self.number(start, 4), self.number(start + 4)
        wanted = self.number(start + 12, 4)
        if not length:
            return b""
        self.left_text_bytes -= length
        place, size = self._heap(address).get(wanted, (0, 0))
        if length > size or self.left_text_bytes < 0:
            raise RefusedError(DAMAGED)
        return self.part(place, length)

    def _heap(self, address: int) -> dict[int, tuple[int, int]]:
        """Where each thing in a heap of texts is, and how long, by its number."""
        if address not in self.heaps:
            if self.part(address, 4) != b"GCOL":
                raise RefusedError(DAMAGED)
            heap = self.heaps[address] = {}
            place, end = address + 16, address + self.number(address + 8)
            while place + 16 <= end:
                self._count()
                number, size = self.number(place, 2), self.number(place + 8)
                if not number:  # what is free
                    break
                heap[number] = place + 16, size
                place += 16 + size + -size % 8
        return self.heaps[address]

    def _symbols(self, tree: int, heap: int, header: _Header, path: str) -> None:
        """The names in a group, each with where the object is."""
        if self.part(heap, 4) != b"HEAP":
            raise RefusedError(DAMAGED)
        names = self.part(self.number(heap + 24), self.number(heap + 8))
        for table in self._leaves(tree, 0, 8, 0):
            if self.part(table, 4) != b"SNOD":
                raise RefusedError(DAMAGED)
            for place in range(self.number(table + 6, 2)):
                self._count()
                entry = table + 8 + 40 * place
                start = self.number(entry)
                name = _text(names[start : names.index(b"\0", start)])
                if self.number(entry + 16, 4) == 2:
                    raise RefusedError(_link_elsewhere(f"{path}/{name}"))
                header.children[name] = self.number(entry + 8)

    def _leaves(self, tree: int, kind: int, key_bytes: int, depth: int) -> Iterator[int]:
        """Where the leaves of a tree are, in order; of one of chunks, where their keys are."""
        if depth > DEEPEST or self.part(tree, 5) != b"TREE" + bytes([kind]):
            raise RefusedError(DAMAGED)
        level, count = self.number(tree + 5, 1), self.number(tree + 6, 2)
        for place in range(count):
            self._count()
            key = tree + 24 + place * (key_bytes + 8)
            child = self.number(key + key_bytes)
            if level:
                yield from self._leaves(child, kind, key_bytes, depth + 1)
            else:
                yield child if kind == 0 else key

    def _link(self, start: int, header: _Header, path: str) -> None:
        """A name in a group of the newer kind."""
        flags = self.number(start + 1, 1)
        place = start + 2
        kind = 0
        if flags & 8:
            kind, place = self.number(place, 1), place + 1
        place += 8 * bool(flags & 4) + bool(flags & 16)
        size = 1 << (flags & 3)
        length = self.number(place, size)
        name = _text(self.part(place + size, length))
        if kind:
            raise RefusedError(_link_elsewhere(f"{path}/{name}"))
        header.children[name] = self.number(place + size + length)

    def _array(self, path: str, header: _Header, dtype: np.dtype) -> np.ndarray:
        shape = header.shape or ()
        size = math.prod(shape) * dtype.itemsize
        self.left_bytes -= size
        stored = header.layout
        if stored is None:
            raise RefusedError(DAMAGED)
        if isinstance(stored, bytes):
            held, content = len(stored), stored
        elif stored[0] == CONTIGUOUS:
            held = 0 if stored[1] == NOWHERE else stored[2]
            content = self.part(stored[1], size) if 0 < size <= held else b""
        else:
            return self._chunked(path, header, dtype, size)
        if size > held or self.left_bytes < 0:
            raise RefusedError(_claims(path, size))
        return np.frombuffer(content, dtype, math.prod(shape)).reshape(shape).astype(np.float32)

    def _chunked(self, path: str, header: _Header, dtype: np.dtype, size: int) -> np.ndarray:
        shape = header.shape or ()
        assert isinstance(header.layout, tuple)
        _, tree, _, sizes = header.layout
        rank = len(shape)
        if len(sizes) != rank or 0 in sizes or self.left_bytes < 0:
            raise RefusedError(_claims(path, size))
        chunk_bytes = math.prod(sizes) * dtype.itemsize
        keys = [] if tree == NOWHERE else list(self._leaves(tree, 1, 16 + 8 * rank, 0))
        # Chunks that were never written are zeros, which a network has no use for.
        if len(keys) < math.prod(-(-side // one) for side, one in zip(shape, sizes, strict=True)):
            raise RefusedError(_claims(path, size))
        self.left_bytes -= chunk_bytes * len(keys)
        if self.left_bytes < 0:
            raise RefusedError(_claims(path, size))
        whole = np.zeros(shape, np.float32)
        for key in keys:
            packed = self.part(self.number(key + 16 + 8 * rank), self.number(key, 4))
            content = _unpacked(packed, header.filters, dtype.itemsize, chunk_bytes)
            chunk = np.frombuffer(content, dtype, math.prod(sizes)).reshape(sizes)
            starts = [self.number(key + 8 + 8 * place) for place in range(rank)]
            inside = tuple(
                slice(first, first + one) for first, one in zip(starts, sizes, strict=True)
            )
            room = whole[inside].shape
            whole[inside] = chunk[tuple(slice(0, one) for one in room)]
        return whole


def _unpacked(content: bytes, filters: tuple[int, ...], item: int, most_bytes: int) -> bytes:
    for kind in reversed(filters):
        if kind == FLETCHER:
            content = content[:-4]
        elif kind == DEFLATE:
            content = zlib.decompressobj().decompress(content, most_bytes + 1)
        else:
            parts = np.frombuffer(content, np.uint8)
            content = parts.reshape(item, -1).T.tobytes()
    return content


def _text(content: bytes) -> str:
    return content.split(b"\0", 1)[0].decode("utf-8", "replace")


def _link_elsewhere(path: str) -> str:
    return (
        f"Its {path.lstrip('/')[:80]!r} only points to another place or file: save the model "
        "again, with all weights in one file."
    )


def _claims(path: str, size: int) -> str:
    return (
        f"Its {path[:80]!r} claims to hold {size:,} bytes, which are not in the file: it is "
        "damaged, or was never filled."
    )
