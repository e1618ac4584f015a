"""Damaged and odd variants of saved networks, thousands of them: each is read, or refused in a
sentence. `python -m tests.imports.damage 3000` tries so many."""

import io
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mnist_models.imports import onnx_file, reading
from mnist_models.imports.reading import ONNX, Foreign
from mnist_models.imports.refusal import RefusedError
from tests.imports import forms

READ = "read"


def originals() -> dict[str, bytes]:
    """A whole file in each form, by name."""
    cnn, dnn = forms.convolutional(), forms.fully_connected()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "keras"
        checkpoint = Path(name) / "checkpoint"
        for one in (folder, checkpoint):
            one.mkdir()
        return {
            "h5": forms.h5(cnn, forms.config_of(cnn)),
            "h5 weights": forms.h5(cnn, None),
            "h5 of Keras 0": forms.h5_of_keras_0(cnn, is_theano=True),
            "h5 of Keras 1": forms.keras_1_theano(cnn)[0],
            "keras": forms.keras_file(cnn, folder),
            "keras 2.13": forms.keras_file_of_2_13(cnn),
            "weights.h5": forms.weights_file(dnn, folder),
            "SavedModel": forms.zipped(forms.saved_model(cnn, checkpoint)),
            "tfjs": forms.zipped(forms.tfjs(cnn)),
            "pytorch": forms.pytorch(forms.state_dict(cnn)),
            "onnx": forms.onnx(dnn),
            "onnx in two": forms.zipped(
                {"m.onnx": forms.onnx(dnn, external="m.data"), "m.data": forms.kernels(dnn)}
            ),
        }


def damaged(content: bytes, chance: np.random.Generator) -> bytes:
    """A variant: bits flipped, cut, doubled, zeroed, or, in a zip, the same inside it."""
    if content.startswith(b"PK") and chance.random() < 0.7:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        # The small ones describe the large ones.
        names = sorted(files, key=lambda name: len(files[name]))
        name = names[int(len(names) * chance.random() ** 2)]
        if chance.random() < 0.1:
            del files[name]
        else:
            files[name] = damaged(files[name], chance)
        return forms.zipped(files)
    changed = bytearray(content)
    # Most of a file is weights; what describes them is at its ends and between them.
    low = chance.integers(0, max(1, len(changed)))
    if chance.random() < 0.5:
        low = min(int(low), int(chance.integers(0, 4_000)))
    place = int(min(low, max(0, len(changed) - 1)))
    match int(chance.integers(0, 6)):
        case 0:
            for _ in range(int(chance.integers(1, 20))):
                if changed:
                    spot = min(place + int(chance.integers(0, 300)), len(changed) - 1)
                    changed[spot] ^= 1 << int(chance.integers(0, 8))
        case 1:
            del changed[place:]
        case 2:
            del changed[place : place + int(chance.integers(1, 100))]
        case 3:
            changed[place:place] = changed[place : place + int(chance.integers(1, 200))]
        case 4:
            size = int(chance.integers(1, 64))
            changed[place : place + size] = b"\xff" * size if chance.random() < 0.5 else bytes(size)
        case 5:
            changed[place : place + 8] = int(chance.integers(0, 2**62)).to_bytes(8, "little")
    return bytes(changed)


def variants(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """So many variants, each with the name of its original."""
    whole = originals()
    chance = np.random.default_rng(seed)
    for number in range(count):
        name = list(whole)[number % len(whole)]
        yield name, damaged(whole[name], chance)


def outcome(content: bytes) -> str:
    """What becomes of a file: READ, or the sentence that refuses it; all else is raised."""
    try:
        found = reading.read(content)
        if isinstance(found, Foreign) and found.form == ONNX:
            onnx_file.check_external(onnx_file.summary(found.content), found.beside)
    except RefusedError as error:
        return str(error)
    return READ


if __name__ == "__main__":
    counts: Counter[tuple[str, str]] = Counter()
    longest_s = 0.0
    for name, content in variants(int(sys.argv[1]), seed=1):
        start = time.perf_counter()
        counts[name, READ if outcome(content) == READ else "refused"] += 1
        longest_s = max(longest_s, time.perf_counter() - start)
    for key, count in sorted(counts.items()):
        print(*key, count)
    print(f"{sum(counts.values())} variants, the longest took {longest_s:.2f} s")
