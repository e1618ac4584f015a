"""Which kind of file this is, told by its first bytes, and the files inside a zip."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from mnist_models.imports.refusal import DAMAGED, RefusedError

MOST_BYTES = 100_000_000
MOST_UNPACKED_BYTES = 200_000_000
MOST_DIRECTORY_BYTES = 1_000_000
MOST_JSON_BYTES = 20_000_000
# What macOS puts into every zip beside the files.
APPLE = "__MACOSX/"
END, END_64, LOCATOR_64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"


class Kind(StrEnum):
    """What a file is, as far as its first bytes tell."""

    HDF5 = "HDF5"
    ZIP = "zip"
    JSON = "JSON"
    ONNX = "ONNX"
    TFLITE = "TFLite"
    PICKLE = "pickle"


# What people take for a network, by how it begins.
OTHERS = {
    b"version https://git-lfs": "It is only a Git LFS pointer, three lines that say where the file "
    "is: run `git lfs pull` where you cloned it, or use the download button of its page.",
    b"<!DOCTYPE": "It is a web page, not a network: use the download button of the page.",
    b"<html": "It is a web page, not a network: use the download button of the page.",
    b"\x89PNG": "It is a picture: read it with the command `predict`, or draw the digit.",
    b"\xff\xd8\xff": "It is a picture: read it with the command `predict`, or draw the digit.",
    b"\x93NUMPY": "It is a single NumPy array: save the whole model (`model.save('model.keras')`).",
    b"\x1f\x8b": "It is packed with gzip: unpack it, and bring what is inside.",
    b"Rar!": "It is packed with RAR: unpack it, and bring what is inside.",
    b"7z\xbc\xaf": "It is packed with 7-Zip: unpack it, and bring what is inside.",
    b"%PDF": "It is a PDF document, not a network.",
}


def kind_of(content: bytes) -> Kind:
    """What a file is.

    Raises:
        RefusedError: Nothing that a network is kept in, empty, or too large.
    """
    if len(content) > MOST_BYTES:
        raise RefusedError(
            f"It has {len(content) / 1e6:,.0f} MB; files of up to {MOST_BYTES / 1e6:,.0f} MB are "
            "read. Save it without its optimizer, or train a smaller network."
        )
    if not content:
        raise RefusedError("It is empty: save or download it again.")
    for start, sentence in OTHERS.items():
        if content.startswith(start):
            raise RefusedError(sentence)
    if content.startswith(b"\x89HDF\r\n\x1a\n"):
        return Kind.HDF5
    if content.startswith((b"PK\3\4", END)):
        return Kind.ZIP
    if content[4:8] == b"TFL3":
        return Kind.TFLITE
    if content.lstrip()[:1] in (b"{", b"["):
        return Kind.JSON
    if content[:1] == b"\x80" and content[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return Kind.PICKLE
    if content.startswith(b"\x08\x01\x12"):
        raise RefusedError(
            "It is only the description of a SavedModel: bring a zip of the whole folder, with its "
            "folder `variables`."
        )
    if content.startswith(b"\n") and b"Placeholder" in content[:1000]:
        raise RefusedError(
            "It is a frozen TensorFlow graph, a form that TensorFlow itself has given up. "
            "Save the model as .keras or .h5 where it was made, or convert it with tf2onnx."
        )
    # ONNX is a bare protocol buffer: its first field is the version of its format, a small number.
    if content[:1] == b"\x08" and content[2:3] in (b"\x12", b"\x3a", b"\x1a", b"\x22"):
        return Kind.ONNX
    raise RefusedError(
        "It is no file of a network that is known here (.keras, .h5, a zip of a SavedModel or of "
        "TensorFlow.js, .onnx, .tflite, .pt), and no run that was exported here: save the model "
        "in one of these forms."
    )


def names(content: bytes) -> list[str]:
    """The names of what is in a zip; of what is none, or damaged, none."""
    try:
        if _directory_bytes(content) > MOST_DIRECTORY_BYTES:
            return []
        return zipfile.ZipFile(io.BytesIO(content)).namelist()
    except Exception:  # damage makes zipfile raise nearly everything
        return []


class Files(Mapping[str, bytes]):
    """The files inside a zip, by name, read when they are asked for. Nothing is unpacked to disk,
    so a name cannot lead anywhere.

    The names of a folder that all share one are without it, and backslashes, which Windows
    programs write, are slashes. What macOS adds is left out.

    Attributes:
        folder: That folder, such as "model/", or "".
    """

    def __init__(
        self,
        content: bytes,
        most_unpacked_bytes: int = MOST_UNPACKED_BYTES,
        most_directory_bytes: int = MOST_DIRECTORY_BYTES,
    ) -> None:
        """Reads the directory.

        Args:
            content: The zip.
            most_unpacked_bytes: How much may be packed in it.
            most_directory_bytes: How long the list of its files may be.

        Raises:
            RefusedError: It is damaged, or more is packed in it than that.
        """
        if _directory_bytes(content) > most_directory_bytes:
            raise RefusedError("There are far more files in it than can be read.")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
            infos = [info for info in self._archive.infolist() if not info.is_dir()]
        except Exception as error:  # damage makes zipfile raise nearly everything
            raise RefusedError(DAMAGED) from error
        if (total := sum(info.file_size for info in infos)) > most_unpacked_bytes:
            raise RefusedError(
                f"What is packed in it has {total / 1e6:,.0f} MB; up to "
                f"{most_unpacked_bytes / 1e6:,.0f} MB are read."
            )
        own = {
            name: info
            for info in infos
            if not (name := info.filename.replace("\\", "/")).startswith(APPLE)
        }
        names = list(own)
        folder = names[0].partition("/")[0] + "/" if names else ""
        cut = len(folder) if folder != "/" and all(one.startswith(folder) for one in names) else 0
        while cut and len(names) > 1:  # a folder in a folder
            inner = names[0][cut:].partition("/")[0] + "/"
            if not all(one[cut:].startswith(inner) for one in names):
                break
            cut += len(inner)
        self.folder = names[0][:cut] if names else ""
        self._infos = {name[cut:]: info for name, info in own.items()}

    def __getitem__(self, name: str) -> bytes:
        info = self._infos[name]
        if info.flag_bits & 1:
            raise RefusedError("It needs a password: pack it again without one.")
        # Others than these may ask for much memory themselves.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RefusedError("It is packed in an unusual way: pack it again as a plain zip.")
        try:
            with self._archive.open(info) as member:
                content = member.read(info.file_size + 1)
        except Exception as error:
            raise RefusedError(DAMAGED) from error
        if len(content) != info.file_size:
            raise RefusedError(DAMAGED)
        return content

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)


def _directory_bytes(content: bytes) -> int:
    """How long a zip's directory says it is, before zipfile reads all of it."""
    end = content.rfind(END, max(0, len(content) - 65_557))
    if end < 0 or end + 22 > len(content):
        raise RefusedError(DAMAGED)
    size = int.from_bytes(content[end + 12 : end + 16], "little")
    if content[end - 20 : end - 16] == LOCATOR_64:
        start = int.from_bytes(content[end - 12 : end - 4], "little")
        if content[start : start + 4] == END_64:
            size = max(
                size % 0xFFFF_FFFF, int.from_bytes(content[start + 40 : start + 48], "little")
            )
    return size


def parsed_json(content: bytes | str) -> Any:
    """What a JSON text says.

    Raises:
        RefusedError: It is none, too long, or nested without end.
    """
    if len(content) > MOST_JSON_BYTES:
        raise RefusedError("The description of the network in it is far too long.")
    try:
        return json.loads(content, object_hook=_without_tuples)
    except (ValueError, RecursionError) as error:
        raise RefusedError(DAMAGED) from error


def _without_tuples(said: dict) -> Any:
    """A list where TensorFlow wrote down a tuple."""
    is_tuple = said.get("class_name") in ("__tuple__", "TensorShape") and "items" in said
    return said["items"] if is_tuple else said
