"""Protocol buffers, read field by field, without their schemas and without any generated code."""

from collections.abc import Iterator

from mnist_models.imports.refusal import DAMAGED, RefusedError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SIZES = {FIXED64: 8, FIXED32: 4}


def fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: each one's number with its value, an int, or bytes where it is text,
    another message, or packed numbers.

    Raises:
        RefusedError: It is no message.
    """
    place = 0
    while place < len(content):
        key, place = varint(content, place)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, place = varint(content, place)
            yield number, value
            continue
        if wire == BYTES:
            size, place = varint(content, place)
        elif wire in SIZES:
            size = SIZES[wire]
        else:
            raise RefusedError(DAMAGED)
        if place + size > len(content):
            raise RefusedError(DAMAGED)
        part = content[place : place + size]
        yield number, part if wire == BYTES else int.from_bytes(part, "little")
        place += size


def varint(content: bytes, place: int) -> tuple[int, int]:
    """A number of variable length at a place, with the place after it.

    Raises:
        RefusedError: There is none.
    """
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            break
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise RefusedError(DAMAGED)


def messages(content: bytes, number: int) -> list[bytes]:
    """All values of one field that are bytes."""
    return [
        value for found, value in fields(content) if found == number and isinstance(value, bytes)
    ]


def text(content: bytes, number: int) -> str:
    """The last value of a field as text; empty where it is missing."""
    return (messages(content, number) or [b""])[-1].decode("utf-8", "replace")


def integer(content: bytes, number: int) -> int:
    """The last value of a field that is a number; 0 where it is missing."""
    found = [
        value for place, value in fields(content) if place == number and isinstance(value, int)
    ]
    return found[-1] if found else 0
