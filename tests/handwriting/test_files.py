"""Digits as files: written so that others read them, and read whoever wrote them."""

import csv
import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from mnist_models.data import dataset
from mnist_models.handwriting import arrays, exports, files, idx
from mnist_models.handwriting.collection import Collection
from mnist_models.imports.refusal import RefusedError

COUNT = 60


@pytest.fixture(scope="module")
def written():
    test = dataset.load().test
    return Collection(test.images[:COUNT], test.labels[:COUNT], np.arange(COUNT) // 7 + 3)


def zipped(entries):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def unzipped(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def independent_idx(content):
    """IDX by the letter of its description."""
    zeros, kind, dimensions = struct.unpack(">HBB", content[:4])
    assert (zeros, kind) == (0, 8)
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    values = list(content[4 + 4 * dimensions :])
    return np.array(values, np.uint8).reshape(shape)


def png(image, mode="L"):
    stream = io.BytesIO()
    Image.fromarray(image).convert(mode).save(stream, "PNG")
    return stream.getvalue()


def csv_text(images, labels, header=True):
    stream = io.StringIO()
    rows = csv.writer(stream)
    if header:
        rows.writerow(["label", *(f"pixel{number}" for number in range(784))])
    rows.writerows([label, *image.reshape(-1)] for image, label in zip(images, labels, strict=True))
    return stream.getvalue().encode()


def mat(images, labels, writers, **options):
    """As EMNIST's: each image column by column, labels and writers as columns."""
    part = {
        "images": images.transpose(0, 2, 1).reshape(-1, 784),
        "labels": labels[:, np.newaxis].astype(float),
        "writers": writers[:, np.newaxis].astype(float),
    }
    stream = io.BytesIO()
    mapping = np.array([[digit, 48 + digit] for digit in range(10)])
    savemat(stream, {"dataset": {"train": part, "test": part, "mapping": mapping}}, **options)
    return stream.getvalue()


def qmnist_labels(labels, writers):
    columns = np.zeros((len(labels), 8), ">i4")
    columns[:, 0], columns[:, 2], columns[:, 5] = labels, writers, np.arange(len(labels)) + 90_000
    return struct.pack(">HBBII", 0, 12, 2, *columns.shape) + columns.tobytes()


def assert_same(read, written, writers=None):
    np.testing.assert_array_equal(read.collection.images, written.images)
    np.testing.assert_array_equal(read.collection.labels, written.labels)
    np.testing.assert_array_equal(
        read.collection.writers, np.full(len(written), -1) if writers is None else writers
    )


# Written: by independent readers.


def test_npz_is_laid_out_as_kerass(written):
    is_test = written.writers > 9
    with np.load(io.BytesIO(exports.to_npz(written, is_test)), allow_pickle=False) as saved:
        assert set(dataset.for_keras()) <= set(saved)
        for name, array in dataset.for_keras().items():
            assert saved[name].dtype == array.dtype and saved[name].shape[1:] == array.shape[1:]
        np.testing.assert_array_equal(saved["x_test"], written.images[is_test])
        np.testing.assert_array_equal(saved["y_train"], written.labels[~is_test])
        np.testing.assert_array_equal(saved["writers_test"], written.writers[is_test])
    with np.load(io.BytesIO(exports.to_npz(written)), allow_pickle=False) as saved:
        assert saved["x_test"].shape == (0, 28, 28) and len(saved["x_train"]) == COUNT


def test_idx_is_as_mnist_is_published(written):
    parts = unzipped(exports.to_idx(written))
    images, labels = (
        independent_idx(gzip.decompress(parts[f"train-{name}-ubyte.gz"]))
        for name in ("images-idx3", "labels-idx1")
    )
    np.testing.assert_array_equal(images, written.images)
    np.testing.assert_array_equal(labels, written.labels)


def test_csv_is_as_kaggles(written):
    rows = list(csv.DictReader(io.StringIO(exports.to_csv(written).decode())))
    assert [int(row["label"]) for row in rows] == written.labels.tolist()
    for row, image in zip(rows, written.images, strict=True):
        assert [int(row[f"pixel{place}"]) for place in range(784)] == image.reshape(-1).tolist()


def test_pictures_are_in_folders_by_label(written):
    parts = unzipped(exports.to_zip(written))
    assert len(parts) == COUNT
    for number, (name, content) in enumerate(parts.items()):
        assert name.startswith(f"{written.labels[number]}/")
        with Image.open(io.BytesIO(content)) as picture:
            assert picture.mode == "L"
            np.testing.assert_array_equal(np.asarray(picture), written.images[number])


# Read.


@pytest.mark.parametrize("keeps", ["to_npz", "to_zip"])
def test_what_keeps_writers_comes_back_whole(written, keeps):
    read = files.read("class", getattr(exports, keeps)(written))
    assert_same(read, written, written.writers)
    assert "60 digits, by 9 writers" in read.said


@pytest.mark.parametrize("loses", ["to_idx", "to_csv"])
def test_the_others_come_back_without_writers(written, loses):
    read = files.read("class", getattr(exports, loses)(written))
    assert_same(read, written)
    assert "without saying who" in read.said


def test_an_npz_may_have_a_test_part_fractions_and_a_channel(written):
    stream = io.BytesIO()
    x, y = written.images[..., np.newaxis] / np.float32(255), written.labels.astype(np.int64)
    np.savez(stream, x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    assert_same(files.read("a.npz", stream.getvalue()), written)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda one: zipped({"train.csv": one})])
def test_tables_have_names_above_or_not_and_may_be_packed(written, header, pack):
    content = csv_text(written.images, written.labels, header)
    assert_same(files.read("train.csv", pack(content)), written)


def test_of_kaggles_zip_the_digits_with_labels_are_read(written):
    rows = csv_text(written.images, written.labels).splitlines()
    parts = {
        "digit-recognizer/sample_submission.csv": b"ImageId,Label\n1,0\n",
        "digit-recognizer/test.csv": b"\n".join(row.partition(b",")[2] for row in rows),
        "digit-recognizer/train.csv": b"\n".join(rows),
    }
    assert_same(files.read("digit-recognizer.zip", zipped(parts)), written)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_emnists_idx_is_turned_upright(written, suffix):
    """Its names are those that NIST gives; with others the digits themselves tell."""
    turned = np.ascontiguousarray(written.images.transpose(0, 2, 1))
    pack = gzip.compress if suffix else bytes
    for start in ("gzip/emnist-digits-train", "digits"):
        parts = {
            f"{start}-images-idx3-ubyte{suffix}": pack(idx.write(turned)),
            f"{start}-labels-idx1-ubyte{suffix}": pack(idx.write(written.labels)),
        }
        read = files.read("mine.zip", zipped(parts))
        assert_same(read, written)
        assert "upright" in read.said


def test_what_tells_nothing_about_how_it_is_turned_is_decided_by_the_name(written):
    zeros = written.take(np.flatnonzero(written.labels == 0)[:3])
    turned = Collection(
        np.ascontiguousarray(zeros.images.transpose(0, 2, 1)), zeros.labels, zeros.writers
    )
    content = exports.to_csv(turned)
    assert_same(files.read("emnist-digits-test.csv", content), zeros)
    assert_same(files.read("zeros.csv", content), turned)


@pytest.mark.parametrize("digit", range(10))
def test_upright_digits_of_mnist_are_never_turned(digit):
    test = dataset.load().test
    images, labels = (array[test.labels == digit] for array in test)
    for start in range(0, 800, 20):
        part = slice(start, start + 20)
        assert not files.is_transposed(images[part], labels[part], otherwise=False)


@pytest.mark.parametrize("options", [{}, {"do_compression": True}])
def test_emnists_matlab_files_are_read_with_their_writers(written, options):
    content = mat(written.images, written.labels, written.writers, **options)
    both = Collection(*(np.concatenate([array, array]) for array in vars(written).values()))
    read = files.read("emnist-digits.mat", content)
    assert_same(read, both, both.writers)
    assert "upright" in read.said


def test_qmnists_labels_bring_their_writers(written):
    parts = {
        "qmnist-test-images-idx3-ubyte.gz": gzip.compress(idx.write(written.images)),
        "qmnist-test-labels-idx2-int.gz": gzip.compress(
            qmnist_labels(written.labels, written.writers)
        ),
    }
    read = files.read("qmnist.zip", zipped(parts))
    assert_same(read, written, written.writers)
    assert "upright" not in read.said


def test_dark_digits_on_light_paper_become_light_on_dark(written):
    inverted = Collection(255 - written.images, written.labels, written.writers)
    for content in (exports.to_npz(inverted), exports.to_zip(inverted)):
        assert_same(files.read("x", content), written, written.writers)


def test_larger_pictures_are_prepared_as_one_that_is_uploaded(written):
    large = {
        f"photos/{label}/{number}.png": png(np.kron(255 - image, np.ones((5, 5), np.uint8)), "RGB")
        for number, (image, label) in enumerate(zip(written.images, written.labels, strict=True))
    }
    parts = {"__MACOSX/photos/4/._7.png": b"x", "photos/read me.txt": b"x"} | large
    read = files.read("photos.zip", zipped(parts)).collection
    assert read.labels.tolist() == written.labels.tolist()
    apart = np.abs(read.images.astype(float) - written.images).mean(axis=(1, 2))
    # Enlarged and prepared again, a digit may move by a pixel and be smoothed: 10 of 255 on
    # average, where another digit is 40 away.
    assert np.median(apart) < 15


def test_a_zip_of_one_folder_keeps_its_label(written):
    fours = written.take(written.labels == 4)
    assert_same(files.read("4.zip", exports.to_zip(fours)), fours, fours.writers)


def test_of_too_many_digits_the_first_are_taken(written, monkeypatch):
    monkeypatch.setattr(arrays, "MOST_DIGITS", 50)
    for content in (exports.to_npz(written), exports.to_csv(written), exports.to_idx(written)):
        read = files.read("x", content)
        np.testing.assert_array_equal(read.collection.images, written.images[:50])
        assert "more than 50 digits, of which the first 50" in read.said


# Refused.


def npz_of(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


X, Y = np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8)
FOREIGN = {
    "empty": (b"", "empty"),
    "text": (b"three, four", "no file of digits"),
    "a picture": (png(X[0]), "single picture"),
    "images alone": (idx.write(X), "pack both"),
    "no labels": (zipped({"train-images-idx3-ubyte": idx.write(X)}), "no labels beside"),
    "strange names": (zipped({"a.idx": idx.write(X)}), "published names"),
    "letters": (npz_of(x=X, y=Y + 26), "letters"),
    "half labels": (npz_of(x=X, y=Y + 0.5), "0 to 9"),
    "fewer labels": (npz_of(x=X, y=Y[:2]), "a label for each"),
    "other sizes": (npz_of(x=np.zeros((3, 8, 8)), y=Y), "8 × 8"),
    "one image": (npz_of(x=X[0], y=Y), "28 pixels each"),
    "one number": (npz_of(x=np.float32(3), y=Y), "pixels"),
    "negative": (npz_of(x=X - 1.0, y=Y), "from -1"),
    "not a number": (npz_of(x=X * np.nan, y=Y), "from nan"),
    "texts": (npz_of(x=X.astype(str), y=Y), "not made of numbers"),
    "writers by name": (npz_of(x=X, y=Y, writers=np.array(["a", "b", "c"])), "writers"),
    "pickled": (npz_of(x=np.array([{}, {}, {}]), y=Y), "damaged"),
    "other arrays": (npz_of(a=X, b=Y), "x_train"),
    "no digits": (npz_of(x=X[:0], y=Y[:0]), "no digits"),
    "no labels in a table": (b"1," * 783 + b"1\n", "784 columns"),
    "words in a table": (b"label," + b"p," * 783 + b"p\n" + b"x," * 784 + b"1\n", "row"),
    "a large number": (b"7," * 784 + b"70000\n", "whole numbers"),
    "names only": (b"label," + b"p," * 783 + b"p\n", "no digits"),
    "no picture": (zipped({"4/a.png": b"no"}), "“4/a.png”"),
    "a blank picture": (zipped({"4/a.png": png(np.full((90, 90), 255, np.uint8))}), "stands out"),
    "no folders": (zipped({"a.png": png(X[0])}), "no digits in it"),
    "an empty zip": (zipped({}), "no digits in it"),
    "a web page": (b"<!DOCTYPE html><p>1,2", "no file of digits"),
}


@pytest.mark.parametrize(("content", "sentence"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_gets_a_sentence(content, sentence):
    with pytest.raises(RefusedError, match=sentence):
        files.read("x", content)


def test_what_unpacks_to_far_more_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(files, "MOST_UNPACKED_BYTES", 1_000_000)
    bomb = bytes(1_000_001)
    stream = io.BytesIO()
    savemat(stream, {"x": np.frombuffer(bomb, np.uint8)}, do_compression=True)
    for content in (
        gzip.compress(bomb), zipped({"a.csv": bomb}), stream.getvalue(),
        zipped({"images-idx": gzip.compress(bomb)}),
        zipped({f"{part}images-idx": gzip.compress(idx.write(X[:2])) for part in range(700)}),
    ):  # fmt: skip
        with pytest.raises(RefusedError, match=r"MB (are|were)|up to"):
            files.read("x", content)


def test_too_many_pictures_are_not_prepared(monkeypatch):
    monkeypatch.setattr(files, "MOST_PICTURES", 2)
    with pytest.raises(RefusedError, match="up to 2"):
        files.read("x", zipped({f"4/{number}.png": b"" for number in range(3)}))


def test_the_size_of_a_file_is_limited(monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    with pytest.raises(RefusedError, match="MB"):
        files.read("x", bytes(1001))


def damaged(content, random):
    """Cut, or with some bytes changed; in a zip, sometimes what is inside it."""
    if content.startswith(b"PK") and random.random() < 0.6:
        parts = unzipped(content)
        name = sorted(parts)[random.integers(len(parts))]
        return zipped(parts | {name: damaged(parts[name], random)})
    if content.startswith(files.GZIP) and random.random() < 0.6:
        return gzip.compress(damaged(gzip.decompress(content), random))
    if random.random() < 0.3:
        return content[: random.integers(len(content) + 1)]
    changed = bytearray(content)
    # What matters most is at the beginning.
    high = len(changed) if random.random() < 0.5 else min(len(changed), 300)
    for place in random.integers(0, max(high, 1), random.integers(1, 6)):
        if place < len(changed):
            changed[place] = random.integers(256)
    return bytes(changed)


def test_damaged_files_are_read_or_get_a_sentence(written):
    few = written.take(np.arange(12))
    originals = [
        *(getattr(exports, name)(few) for name in ("to_npz", "to_idx", "to_csv", "to_zip")),
        npz_of(x=few.images, y=few.labels),
        mat(few.images, few.labels, few.writers),
        mat(few.images, few.labels, few.writers, do_compression=True),
        zipped(
            {
                "qmnist-train-images-idx3-ubyte": idx.write(few.images),
                "qmnist-train-labels-idx2-int": qmnist_labels(few.labels, few.writers),
            }
        ),
    ]
    random = np.random.default_rng(0)
    sentences = []
    for number in range(400):
        content = damaged(originals[number % len(originals)], random)
        try:
            assert len(files.read("class", content).collection) > 0
        except RefusedError as error:
            sentences.append(str(error))
    assert 100 < len(sentences) < 390
    assert all(one[0] in "ITM“" and one.endswith(".") for one in sentences)
