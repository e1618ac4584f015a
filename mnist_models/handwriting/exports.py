"""A class's digits as files of the forms in which MNIST is passed on.

Pixels are as MNIST has them, 0 paper and 255 ink, so pictures are white on black.
"""

import gzip
import io
import zipfile

import numpy as np
from PIL import Image

from mnist_models.data import npz
from mnist_models.handwriting import idx
from mnist_models.handwriting.collection import Collection

IMAGES_FILE = "train-images-idx3-ubyte.gz"
LABELS_FILE = "train-labels-idx1-ubyte.gz"
# The best level, 9, takes ten times as long and makes files 3 % smaller.
GZIP_LEVEL = 6
CSV_HEADER = "label," + ",".join(f"pixel{number}" for number in range(28 * 28))


def to_npz(collection: Collection, is_test: np.ndarray | None = None) -> bytes:
    """The digits as Keras's mnist.npz: `x_train`, `y_train`, `x_test`, `y_test`; and who wrote
    which, `writers_train` and `writers_test`.

    Args:
        collection: The digits.
        is_test: Which of them are for the test, bool (N,); none if left out. Those arrays are
            there all the same, since readers ask for them.
    """
    is_test = np.zeros(len(collection), bool) if is_test is None else is_test
    return npz.write(
        {
            f"{name}_{part}": array
            for part, digits in (
                ("train", collection.take(~is_test)),
                ("test", collection.take(is_test)),
            )
            for name, array in (
                ("x", digits.images), ("y", digits.labels), ("writers", digits.writers)
            )
        }
    )  # fmt: skip


def from_npz(content: bytes) -> tuple[Collection, np.ndarray]:
    """The digits that `to_npz` wrote, those for the test last, and which are for the test, bool
    (N,)."""
    arrays = npz.read(io.BytesIO(content))
    images, labels, writers = (
        np.concatenate([arrays[f"{name}_train"], arrays[f"{name}_test"]])
        for name in ("x", "y", "writers")
    )
    is_test = np.arange(len(labels)) >= len(arrays["y_train"])
    return Collection(images, labels, writers), is_test


def to_idx(collection: Collection) -> bytes:
    """The digits as MNIST is published, a zip of images and labels, each packed with gzip. IDX has
    no place for writers."""
    return _zip(
        {
            IMAGES_FILE: gzip.compress(idx.write(collection.images), GZIP_LEVEL, mtime=0),
            LABELS_FILE: gzip.compress(idx.write(collection.labels), GZIP_LEVEL, mtime=0),
        }
    )


def to_csv(collection: Collection) -> bytes:
    """The digits as in Kaggle's Digit Recognizer: a line of names, then for each digit its label
    and 784 pixels, row by row. It has no column for writers."""
    rows = np.column_stack([collection.labels, collection.images.reshape(-1, 28 * 28)])
    lines = (",".join(map(str, row)) for row in rows.tolist())
    return "\n".join([CSV_HEADER, *lines, ""]).encode()


def to_zip(collection: Collection) -> bytes:
    """The digits as PNG pictures, white on black, in folders 0 to 9; the names say who wrote
    which."""
    files = {}
    for number, (image, label, writer) in enumerate(
        zip(collection.images, collection.labels, collection.writers, strict=True)
    ):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        files[f"{label}/{number:05}-writer-{writer}.png"] = stream.getvalue()
    return _zip(files)


def _zip(files: dict[str, bytes]) -> bytes:
    """A zip of files by name; what is in it is packed already."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()
