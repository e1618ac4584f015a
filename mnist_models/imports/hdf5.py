"""HDF5 files, read with guards: only what lies in the file itself, and no more than it can hold."""

import io
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import h5py
import numpy as np

from mnist_models.imports.refusal import DAMAGED, RefusedError

MOST_OBJECTS = 20_000
DEEPEST = 16
MOST_ATTRIBUTE_BYTES = 20_000_000
MOST_ARRAY_BYTES = 200_000_000
# Keras writes without any of these; whoever packs, packs so. Others would be code to load.
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
# What the best compression makes of zeros.
MOST_SQUEEZED = 1032


class Contents(NamedTuple):
    """What is in an HDF5 file.

    Attributes:
        arrays: Arrays of numbers by their paths, without the first slash, in the file's order.
        attributes: Attributes by the path of what they belong to, and by name: texts, lists of
            texts; the rest is left out.
    """

    arrays: dict[str, np.ndarray]
    attributes: dict[str, dict[str, Any]]


def read(content: bytes) -> Contents:
    """All arrays of numbers and all texts in an HDF5 file.

    Raises:
        RefusedError: It is damaged, points at other files, or claims to hold more than it can.
    """
    found = Contents({}, {})
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            left = [MOST_ARRAY_BYTES]
            for path, item in _items(file, "", 0, set()):
                found.attributes[path] = _attributes(item)
                if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu":
                    found.arrays[path] = _array(path, item, left)
    except RefusedError:
        raise
    except Exception as error:  # damage makes h5py raise nearly everything
        raise RefusedError(DAMAGED) from error
    return found


def _items(
    group: h5py.Group, path: str, depth: int, seen: set[int]
) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """A group and all that is below it, each once.

    Raises:
        RefusedError: Some of it lies elsewhere, or there is no end to it.
    """
    if depth > DEEPEST or len(seen) > MOST_OBJECTS:
        raise RefusedError("Its groups are nested or many beyond what a network has.")
    seen.add(h5py.h5o.get_info(group.id).addr)
    yield path, group
    for name in group:
        inner = f"{path}/{name}".lstrip("/")
        if inner.startswith("optimizer"):  # its numbers are not the network's
            continue
        # Asked before anything is opened: opening follows a link, even into another file.
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise RefusedError(
                f"Its {inner[:80]!r} only points to another place or file: save the model again, "
                "with all weights in one file."
            )
        item = group[name]
        if h5py.h5o.get_info(item.id).addr in seen:
            continue
        if isinstance(item, h5py.Group):
            yield from _items(item, inner, depth + 1, seen)
        elif isinstance(item, h5py.Dataset):
            seen.add(h5py.h5o.get_info(item.id).addr)
            yield inner, item


def _array(path: str, item: h5py.Dataset, left: list[int]) -> np.ndarray:
    """An array, after a look at what it claims. left: how many bytes may still be read."""
    how = item.id.get_create_plist()
    if how.get_external_count() or how.get_layout() == h5py.h5d.VIRTUAL:
        raise RefusedError(
            f"The numbers of its {path[:80]!r} are in another file: save the model again, with all "
            "weights in one file."
        )
    if {how.get_filter(place)[0] for place in range(how.get_nfilters())} - FILTERS:
        raise RefusedError(
            f"Its {path[:80]!r} is packed in an unusual way: save the model with Keras itself."
        )
    squeezed = MOST_SQUEEZED if how.get_nfilters() else 1
    if item.nbytes > item.id.get_storage_size() * squeezed or item.nbytes > left[0]:
        raise RefusedError(
            f"Its {path[:80]!r} claims to hold {item.nbytes:,} bytes, which are not in the file: "
            "it is damaged, or was never filled."
        )
    left[0] -= item.nbytes
    return item[()].astype(np.float32) if item.dtype != np.float32 else item[()]


def _attributes(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """The texts and lists of texts that something is labelled with."""
    found: dict[str, Any] = {}
    for name in item.attrs:
        attribute = item.attrs.get_id(name)
        if math.prod(attribute.shape or ()) * attribute.dtype.itemsize > MOST_ATTRIBUTE_BYTES:
            raise RefusedError(DAMAGED)
        if h5py.check_string_dtype(attribute.dtype) is None and attribute.dtype.kind not in "SO":
            continue
        value = item.attrs[name]
        if isinstance(value, np.ndarray):
            found[name] = [_text(one) for one in value.ravel().tolist()]
        else:
            found[name] = _text(value)
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
