"""Files of handwritten digits in, a collection out: NPZ, IDX, CSV, pictures in folders, and the
files of EMNIST and QMNIST.

Which form it is, is told by its first bytes and by what is in it, never by its name. Nothing is
unpickled, executed, or written to disk.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from mnist_models.data import npz, pictures
from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.data.paper import rim
from mnist_models.data.preprocessing import prepare_picture
from mnist_models.handwriting import arrays, idx, matlab
from mnist_models.handwriting.arrays import PIXELS, Part
from mnist_models.handwriting.collection import UNKNOWN_WRITER, Collection
from mnist_models.handwriting.orientation import is_transposed
from mnist_models.imports.containers import MOST_BYTES, Files
from mnist_models.imports.refusal import DAMAGED, RefusedError

# Each picture takes milliseconds to prepare.
MOST_PICTURES = 10_000
MOST_UNPACKED_BYTES = 250_000_000
# A hundred bytes for the name of each digit, and some.
MOST_DIRECTORY_BYTES = 12_000_000
GZIP, ZIP = b"\x1f\x8b", (b"PK\3\4", b"PK\5\6")
# In QMNIST's labels, beside six other numbers (C. Yadav and L. Bottou, Cold Case: The Lost MNIST
# Digits, 2019): the digit, and who wrote it.
QMNIST_COLUMNS, QMNIST_LABEL, QMNIST_WRITER = 8, 0, 2
FORMS = (
    "an NPZ like mnist.npz, a zip of IDX files (images and labels), a CSV with a label and 784 "
    "pixels a line, EMNIST's .mat, or a zip of pictures in folders 0 to 9"
)


class Read(NamedTuple):
    """What was in a file.

    Attributes:
        collection: The digits, upright.
        said: In sentences: what file it was, how many digits by how many writers, and what was
            done to them.
    """

    collection: Collection
    said: str


class _Found(NamedTuple):
    """What kind of file it is, in a word with its article, and the arrays in it."""

    form: str
    parts: list[Part]


def read(name: str, content: bytes) -> Read:
    """The digits in a file.

    Images stand upright afterwards: EMNIST's have rows and columns exchanged, which is told by how
    they look, and where that leaves it open, by the name. Dark ink on light paper becomes light on
    dark. Of more than MOST_DIGITS digits the first are taken.

    Args:
        name: Of the file.
        content: Up to 100 MB.

    Raises:
        RefusedError: It is damaged, too large, or no file of digits.
    """
    if len(content) > MOST_BYTES:
        raise RefusedError(
            f"It has {len(content) / 1e6:,.0f} MB; files of up to {MOST_BYTES / 1e6:,.0f} MB are "
            "read. Bring a part of it, such as the test digits alone."
        )
    if not content:
        raise RefusedError("It is empty: save or download it again.")
    if content.startswith(GZIP):
        content = _gunzipped(content, MOST_UNPACKED_BYTES)
    found = _zip(content) if content.startswith(ZIP) else _single(content)
    checked = [arrays.checked(part) for part in found.parts]
    whole = Collection(
        np.concatenate([one.images for one in checked]),
        np.concatenate([one.labels for one in checked]),
        np.concatenate([one.writers for one in checked]),
    )
    if not len(whole):
        raise RefusedError("There are no digits in it.")
    more = len(whole) > arrays.MOST_DIGITS
    whole = whole.take(slice(arrays.MOST_DIGITS))
    said = [_inventory(found.form, whole, more)]
    if np.median([rim(image) for image in whole.images[:: len(whole) // 1000 + 1]]) > 127:
        whole = Collection(255 - whole.images, whole.labels, whole.writers)
        said.append("They were dark on light and are light on dark now, as MNIST's are.")
    if is_transposed(whole.images, whole.labels, otherwise="emnist" in name.lower()):
        upright = np.ascontiguousarray(whole.images.transpose(0, 2, 1))
        whole = Collection(upright, whole.labels, whole.writers)
        said.append("Rows and columns were exchanged, as in EMNIST's files; now they are upright.")
    return Read(whole, " ".join(said))


def _inventory(form: str, whole: Collection, more: bool) -> str:
    """What file it was, and what was taken from it."""
    count = f"{len(whole):,} digit{'s' * (len(whole) > 1)}"
    if more:
        count = f"more than {count}, of which the first {len(whole):,} were taken"
    writers = len(np.unique(whole.writers[whole.writers != UNKNOWN_WRITER]))
    by = f"by {writers:,} writer{'s' * (writers > 1)}"
    return f"{form} with {count}, {by if writers else 'without saying who wrote which'}."


def _gunzipped(content: bytes, most_bytes: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(most_bytes + 1)
    except Exception as error:  # gzip raises several, zlib.error and EOFError among them
        raise RefusedError(DAMAGED) from error
    if len(unpacked) > most_bytes:
        raise RefusedError(
            f"More than {most_bytes / 1e6:,.0f} MB are packed in it: bring a part of it, such as "
            "the test digits alone."
        )
    return unpacked


def _single(content: bytes) -> _Found:
    """As `_zip`, for a file that is none."""
    if idx.is_idx(content):
        raise RefusedError(
            "It is an IDX file, of images or of labels alone: pack both into a zip, under their "
            "published names, and bring that."
        )
    if content.startswith(matlab.START):
        return _Found("A MATLAB file", arrays.named(matlab.read(content, MOST_UNPACKED_BYTES)))
    if content.startswith(b"\x89PNG") or content.startswith(b"\xff\xd8\xff"):
        raise RefusedError(
            "It is a single picture: pack pictures into a zip with folders 0 to 9, and bring that."
        )
    if content.isascii() and _columns(content) >= PIXELS:
        return _Found("A CSV table", [_table(content)])
    raise RefusedError(f"It is no file of digits that can be read. These can: {FORMS}.")


def _zip(content: bytes) -> _Found:
    """What is in a zip: arrays, IDX files, a table, a MATLAB file, or pictures, whichever comes
    first."""
    files = Files(content, MOST_UNPACKED_BYTES, MOST_DIRECTORY_BYTES)
    names = list(files)
    if any(name.endswith(".npy") for name in names):
        try:
            return _Found("An NPZ file", arrays.named(npz.read(io.BytesIO(content))))
        except npz.ArchiveError as error:
            raise RefusedError(DAMAGED) from error
    if any("-idx" in name or ".idx" in name for name in names):
        return _Found("A zip of IDX files", list(_idx_pairs(files, names)))
    for name in names:
        if name.lower().endswith(".mat"):
            return _single(files[name])
    tables = [files[name] for name in names if name.lower().endswith(".csv")]
    # Kaggle's zip has digits without labels beside the others, and an example of an answer.
    if labelled := [table for table in tables if _columns(table) > PIXELS]:
        return _Found("A zip of CSV tables", [_table(table) for table in labelled])
    return _Found("A zip of pictures", [_pictures(files, names)])


def _idx_pairs(files: Files, names: Iterable[str]) -> Iterator[Part]:
    """The images with their labels, found by their published names, such as
    "train-images-idx3-ubyte.gz" and "qmnist-train-labels-idx2-int.gz"."""
    room = MOST_UNPACKED_BYTES
    pairs: dict[str, dict[str, np.ndarray]] = {}
    for name in names:
        kind = next((one for one in ("images", "labels") if one in name.lower()), None)
        if kind is None:
            continue
        content = files[name]
        if content.startswith(GZIP):
            content = _gunzipped(content, room)
            room -= len(content)
        if not idx.is_idx(content):
            raise RefusedError(f"“{name}” in it is no IDX file. {DAMAGED}")
        pairs.setdefault(name.lower().partition(kind)[0], {})[kind] = idx.read(content)
    for start, pair in pairs.items():
        if len(pair) < 2:
            missing = "labels" if "images" in pair else "images"
            raise RefusedError(
                f"It has no {missing} beside “{start}{next(iter(pair))}…”: pack both into one zip, "
                "under their published names."
            )
        labels = pair["labels"]
        if labels.ndim == 2 and labels.shape[1] == QMNIST_COLUMNS:
            yield Part(pair["images"], labels[:, QMNIST_LABEL], labels[:, QMNIST_WRITER])
        else:
            yield Part(pair["images"], labels)
    if not pairs:
        raise RefusedError(
            "The IDX files in it are called neither images nor labels: give them their published "
            "names, such as train-images-idx3-ubyte and train-labels-idx1-ubyte."
        )


def _columns(content: bytes) -> int:
    """How many columns the first line of a table has."""
    return content[: 20 * PIXELS].partition(b"\n")[0].count(b",") + 1


def _table(content: bytes) -> Part:
    """The digits in a CSV: a line each, the label first, with names above or without."""
    if _columns(content) != PIXELS + 1:
        raise RefusedError(
            f"It has {_columns(content):,} columns: expected {PIXELS + 1}, a label and {PIXELS} "
            "pixels. Digits without labels, such as Kaggle's test.csv, are not read."
        )
    first, _, after = content.partition(b"\n")
    has_names = not first.partition(b",")[0].strip().isdigit()
    body = after if has_names else content
    if not body.strip():
        raise RefusedError("There are no digits in it.")
    try:
        rows = np.loadtxt(
            io.BytesIO(body), np.int16, delimiter=",", comments=None, ndmin=2, encoding="ascii",
            max_rows=arrays.MOST_DIGITS + 1,
        )  # fmt: skip
    except (ValueError, OverflowError) as error:
        raise RefusedError(
            f"It is damaged, or not all in it is whole numbers ({error}): expected a label and "
            f"{PIXELS} pixels of 0 to 255 a line, with commas between."
        ) from error
    return Part(rows[:, 1:], rows[:, 0])


def _pictures(files: Files, names: Iterable[str]) -> Part:
    """The digits in pictures, each in a folder called by its label."""
    found = [
        (name, int(folder), re.search(r"writer-(\d+)", name))
        for name in names
        if name.lower().endswith(pictures.SUFFIXES)
        and len(folder := PurePosixPath(files.folder + name).parent.name) == 1
        and folder in "0123456789"
    ]
    if not found:
        raise RefusedError(f"There are no digits in it that can be read. These can: {FORMS}.")
    if len(found) > MOST_PICTURES:
        raise RefusedError(
            f"There are {len(found):,} pictures in it; up to {MOST_PICTURES:,} are read. Bring "
            "fewer, or the same digits as IDX or NPZ."
        )
    images = []
    for name, _, _ in found:
        try:
            images.append(_picture(files[name]))
        except pictures.PictureError as error:
            raise RefusedError(f"“{files.folder}{name}” in it cannot be read: {error}") from error
    return Part(
        np.array(images),
        np.array([label for _, label, _ in found], np.uint8),
        np.array([int(writer[1]) if writer else UNKNOWN_WRITER for _, _, writer in found]),
    )


def _picture(content: bytes) -> np.ndarray:
    """What the networks read of a picture: uint8 (28, 28). One of 28×28 in grey is prepared
    already."""
    picture = pictures.open_picture(content)
    if picture.mode != "L" or picture.size != (IMAGE_SIZE_PX, IMAGE_SIZE_PX):
        return prepare_picture(picture).image
    image = np.asarray(picture)
    return 255 - image if np.median(rim(image)) > 127 else image
