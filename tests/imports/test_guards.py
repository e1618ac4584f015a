"""What a file from anybody may try: each time a sentence; nothing is run, read or left behind."""

import io
import json
import pickle
import zipfile
from collections import OrderedDict

import h5py
import numpy as np
import pytest
import tensorflow as tf

from mnist_models.imports import bring, containers, hdf5, onnx_file, reading, rebuild
from mnist_models.imports.refusal import RefusedError
from tests.imports import forms


def refused(content, words, config=None):
    with pytest.raises(RefusedError) as caught:
        bring.open_file(content, config).close()
    text = str(caught.value)
    assert words in text and text[0].isupper() and text.endswith((".", ")"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "It is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b'{"cells": [], "nbformat": 4}', "a notebook"),
        (b'{"a": 1}', "describes no network"),
        (b"PK\5\6" + bytes(18), "a zip without a network"),
        (b"PK\3\4" + bytes(40), "damaged"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "damaged"),
        (b"\x08\x01\x12\x05hello", "description of a SavedModel"),
        (bytes(50), "no file of a network"),
        (pickle.dumps([1, 2]), "Python pickle"),
        (pickle.dumps({"sklearn": np.zeros(3)}), "Python pickle"),
        (b"[" * 100_000, "damaged"),
    ],
)  # fmt: skip
def test_what_is_no_network_is_told_by_its_first_bytes(content, words):
    refused(content, words)


def test_a_file_that_is_too_large_is_not_read(monkeypatch):
    monkeypatch.setattr(containers, "MOST_BYTES", 10)
    refused(b"\x89HDF\r\n\x1a\n12345678", "are read")


def edited(cnn, change):
    """An HDF5 file of the CNN, changed by a function of the open file."""
    stream = io.BytesIO(forms.h5(cnn, forms.config_of(cnn)))
    with h5py.File(stream, "r+") as file:
        change(file["model_weights/dense/dense"], file)
    return stream.getvalue()


def test_links_lead_nowhere(cnn, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["kernel"] = np.zeros((200, 10))

    def outside(group, file):
        del group["kernel:0"]
        group["kernel:0"] = h5py.ExternalLink(str(secret), "/kernel")

    def inside(group, file):
        del group["kernel:0"]
        group["kernel:0"] = h5py.SoftLink("/model_weights/dense/dense/bias:0")

    for change in (outside, inside):
        refused(edited(cnn, change), "only points to another place")


def test_arrays_that_are_elsewhere_are_not_fetched(cnn, tmp_path):
    elsewhere = tmp_path / "numbers"
    elsewhere.write_bytes(bytes(8000))

    def external(group, file):
        del group["kernel:0"]
        group.create_dataset(
            "kernel:0", (200, 10), "f4", external=[(str(elsewhere), 0, h5py.h5f.UNLIMITED)]
        )

    def virtual(group, file):
        del group["kernel:0"]
        layout = h5py.VirtualLayout((200, 10), "f4")
        layout[:] = h5py.VirtualSource(str(elsewhere), "kernel", (200, 10))
        group.create_virtual_dataset("kernel:0", layout)

    for change in (external, virtual):
        refused(edited(cnn, change), "in another file")


def test_arrays_that_claim_more_than_the_file_holds_are_not_made_room_for(cnn):
    def sparse(group, file):
        del group["kernel:0"]
        group.create_dataset("kernel:0", (10**7, 10**4), "f4", chunks=(100, 100))

    content = edited(cnn, sparse)
    assert len(content) < 1_000_000
    refused(content, "claims to hold 400,000,000,000 bytes")


def test_many_names_of_any_length_are_read():
    names = [f"layer_{place}_{'x' * (place % 7)}" for place in range(1_500)]
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs.create("model_config", "ü" * 70_000)
        for part in range(15):  # an attribute has room for so many
            file.attrs[f"layer_names{part}"] = names[100 * part : 100 * (part + 1)]
    found = hdf5.read(stream.getvalue()).attributes[""]
    assert [one for part in range(15) for one in found[f"layer_names{part}"]] == names
    assert found["model_config"] == "ü" * 70_000


@pytest.mark.parametrize("packing", [{}, {"compression": "gzip", "shuffle": True}])
def test_arrays_in_chunks_are_put_together(packing):
    array = np.arange(7 * 11 * 3, dtype=np.float64).reshape(7, 11, 3)
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("a/b", data=array, chunks=(3, 4, 2), fletcher32=True, **packing)
        file.create_dataset("c", data=array.astype(">i2"))
    found = hdf5.read(stream.getvalue()).arrays
    np.testing.assert_array_equal(found["a/b"], array)
    np.testing.assert_array_equal(found["c"], array)


def test_a_newer_form_of_hdf5_is_refused_in_a_sentence():
    stream = io.BytesIO()
    with h5py.File(stream, "w", libver="latest") as file:
        file["a"] = np.zeros(3)
    refused(stream.getvalue(), "newer form of HDF5")


def test_a_group_that_holds_itself_ends(cnn):
    def circle(group, file):
        group["again"] = group.parent

    found = hdf5.read(edited(cnn, circle))
    assert len(found.arrays) == 6


def test_groups_nested_without_end_are_refused(cnn):
    def deep(group, file):
        for _ in range(100):
            group = group.create_group("in")

    refused(edited(cnn, deep), "nested")


def test_numbers_that_are_none_are_refused(cnn):
    def broken(group, file):
        group["kernel:0"][0, 0] = np.nan

    refused(edited(cnn, broken), "no numbers (NaN or infinite)")


def test_models_nested_without_end_are_refused(cnn):
    config = forms.config_of(cnn)
    for _ in range(50):
        config = {"class_name": "Sequential", "config": {"layers": [config]}}
    refused(forms.h5(cnn, config), "nested more than")


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("UpSampling2D", {"size": [4000, 4000]}),
        ("ZeroPadding2D", {"padding": [4000, 4000]}),
        ("Resizing", {"height": 4000, "width": 4000}),
    ],
)
def test_images_are_not_blown_up(cnn, kind, settings):
    config = forms.config_of(cnn)
    part = {"class_name": kind, "config": {"name": "large", **settings}}
    config["config"]["layers"].insert(1, part)
    with pytest.raises(RefusedError, match="values of one image"):
        rebuild.build(reading.read(forms.h5(cnn, config)).candidates[0])


def test_a_dense_layer_gets_no_more_room_than_its_arrays_have(cnn):
    config = forms.config_of(cnn)
    config["config"]["layers"][-1]["config"]["units"] = 4000
    with pytest.raises(RefusedError, match="found 200×10, 10"):
        rebuild.build(reading.read(forms.h5(cnn, config)).candidates[0])


def test_a_zip_that_unpacks_to_far_more_is_not_unpacked():
    """The smallest that is too large for a network: 200 MB of zeros, in 200 kB."""
    refused(forms.zipped({"config.json": bytes(containers.MOST_UNPACKED_BYTES + 1)}), "are read")


def test_a_zip_that_lies_about_sizes_is_refused():
    content = bytearray(forms.zipped({"saved_model.pb": b"x" * 1000, "b": b""}))
    place = content.rfind(b"PK\1\2", 0, content.rfind(b"PK\1\2"))
    content[place + 24 : place + 28] = (100).to_bytes(4, "little")  # how long it is, unpacked
    with pytest.raises(RefusedError, match="damaged"):
        containers.Files(bytes(content))["saved_model.pb"]


def test_names_in_a_zip_lead_nowhere(tmp_path, monkeypatch, cnn):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    files = forms.saved_model(cnn, tmp_path / "kept")
    content = forms.zipped(files | {"../../up.txt": b"x", "/root.txt": b"x"})
    before = sorted(tmp_path.rglob("*"))
    assert bring.open_file(content).parameters == cnn.count_params()
    assert sorted(tmp_path.rglob("*")) == before and not (tmp_path.parent / "up.txt").exists()


def test_what_macos_packs_beside_a_folder_is_left_out(cnn):
    network = forms.h5(cnn, forms.config_of(cnn))
    files = {"model/cnn.h5": network, "__MACOSX/model/._cnn.h5": b"x"}
    assert bring.open_file(forms.zipped(files)).parameters == cnn.count_params()


def test_a_zip_with_a_password_says_so():
    content = bytearray(forms.zipped({"saved_model.pb": b"x", "variables/variables.index": b"x"}))
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(mark, place + 1)
    refused(bytes(content), "password")


class Touch:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_is_unpickled(tmp_path):
    made = tmp_path / "made"
    content = pickle.dumps({"state_dict": Touch(made)})
    refused(content, "not opened here")
    refused(forms.zipped({"archive/data.pkl": content, "archive/version": b"3"}), "not opened here")
    assert not made.exists()
    pickle.loads(content)["state_dict"].close()
    assert made.exists()  # so that the above can fail


def test_a_pickle_that_holds_itself_is_looked_into_once():
    inside: dict = {}
    inside |= {"a": inside, "b": [inside], "state_dict": inside}
    refused(pickle.dumps(inside), "Python pickle")
    deep: list = []
    for _ in range(300):
        deep = [deep]
    refused(pickle.dumps({"model": deep}), "Python pickle")


def test_a_tensor_beyond_its_storage_is_refused(cnn):
    arrays = forms.state_dict(cnn)
    content = forms.pytorch(arrays)
    files = {info.filename: zipfile.ZipFile(io.BytesIO(content)).read(info)
             for info in zipfile.ZipFile(io.BytesIO(content)).infolist()}  # fmt: skip
    files["archive/data/0"] = files["archive/data/0"][:-4]
    refused(forms.zipped(files), "damaged")


def test_a_torchscript_program_is_not_run():
    for data in ("data.pkl", "attributes.pkl"):  # now, and in 2019
        files = {f"m/{data}": b"x", "m/code/m.py": b"x", "m/version": b"1"}
        refused(forms.zipped(files), "TorchScript")


def test_transformers_and_the_like_are_not_guessed():
    odd = OrderedDict({"q": np.zeros((3, 4, 5), np.float32), "k": np.zeros((3, 3), np.float32)})
    refused(forms.pytorch(odd), "the 2 arrays (q 3×4×5, k 3×3) are not those of a plain chain")


def test_a_saved_model_without_its_weights_says_which_file_is_missing(cnn, tmp_path):
    files = forms.saved_model(cnn, tmp_path)
    shard = next(name for name in files if ".data-" in name)
    refused(forms.zipped({k: v for k, v in files.items() if k != shard}), shard)
    without = {name: one for name, one in files.items() if not name.startswith("variables")}
    refused(forms.zipped(without | {"x": b""}), "`variables`")


def test_a_saved_model_with_its_weights_in_the_graph_says_so(tmp_path):
    tf.train.Checkpoint(step=tf.Variable(1)).write(str(tmp_path / "variables"))
    files = {f"variables/{file.name}": file.read_bytes() for file in tmp_path.iterdir()}
    refused(forms.zipped(files | {"saved_model.pb": b""}), "constants in its graph")


def test_a_saved_model_with_too_few_arrays_says_so(cnn, dnn, tmp_path):
    files = forms.saved_model(cnn, tmp_path / "cnn", nested=True)
    other = forms.saved_model(dnn, tmp_path / "dnn", nested=True)
    described = {"keras_metadata.pb": files["keras_metadata.pb"]}
    refused(forms.zipped(other | described), "has 4 arrays of weights, and its network has 6")


def test_tensorflow_js_without_its_weights_says_which_file_is_missing(cnn):
    files = forms.tfjs(cnn)
    refused(files["model.json"], "zip it together")
    refused(forms.zipped({"model.json": files["model.json"], "x": b""}), "group1-shard1of1.bin")


def test_an_onnx_file_reaches_no_other_file(dnn, tmp_path):
    """Its own way to the file with its weights could lead anywhere."""
    outside = tmp_path / "weights.data"
    outside.write_bytes(forms.kernels(dnn))
    for name in (str(outside), "../weights.data", "missing.data"):
        refused(forms.onnx(dnn, external=name), "second file")
    short = {"m.onnx": forms.onnx(dnn, external="m.data"), "m.data": b"short"}
    refused(forms.zipped(short), "too short")


def test_an_onnx_file_that_cannot_be_computed_says_why(dnn):
    odd = forms.onnx(dnn).replace(b"Softmax", b"Sowhatx")
    refused(odd, "cannot be computed with onnxruntime")


def test_a_network_that_takes_more_than_an_image_says_so(dnn):
    shape = forms.field(1, forms.field(1, 1))
    kind = forms.field(1, forms.field(1, 1) + forms.field(2, shape))
    rate = forms.field(11, forms.field(1, "rate") + forms.field(2, kind))
    # A message that comes twice is the two together: another input of the same graph.
    refused(forms.onnx(dnn) + forms.field(7, rate), "takes 2 inputs")


def test_an_endless_network_is_ended(dnn, monkeypatch):
    from mnist_models.imports import foreign

    monkeypatch.setattr(foreign, "LONGEST_S", 0.0)
    refused(forms.onnx(dnn), "so it was ended")


def test_external_arrays_hidden_in_a_constant_are_found():
    tensor = forms.field(13, forms.field(1, "location") + forms.field(2, "/etc/hostname"))
    node = forms.field(4, "Constant") + forms.field(5, forms.field(5, tensor))
    inner = forms.field(5, forms.field(6, forms.field(1, node)))
    graph = forms.field(1, forms.field(4, "If") + inner)
    plain = forms.field(1, forms.field(4, "Relu"))
    for hidden in (
        forms.field(7, forms.field(1, node)),
        forms.field(7, graph),
        forms.field(7, forms.field(1, node)) + forms.field(7, plain),  # two graphs, taken as one
        forms.field(7, plain) + forms.field(25, forms.field(7, node)),  # in a function
    ):
        with pytest.raises(RefusedError, match="another file"):
            onnx_file.summary(forms.field(1, 8) + hidden)


def test_a_config_for_weights_is_held_to_the_same_rules(cnn):
    config = forms.config_of(cnn)
    config["config"]["layers"][1]["class_name"] = "Lambda"
    refused(forms.h5(cnn, None), "which is code", json.dumps(config).encode())
