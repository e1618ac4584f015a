"""Exports: a run as a file and back, whole or not at all, whoever made the file."""

import csv
import io
import json
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.models.classifier import pack_weights
from mnist_models.runs import exports
from mnist_models.runs.exports import ExportError
from mnist_models.runs.loading import load_classifier
from mnist_models.runs.race import SHARED
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import RunState, StoreError, UnknownRunError
from mnist_models.settings.hyperparameters import DnnHyperparameters, HyperparametersError
from mnist_models.settings.script import script
from mnist_models.training.loop import train
from mnist_models.training.progress import Control, Curve, EpochEnd

PNG = b"a picture"
SHIPPED = ["shipped-dnn", "shipped-cnn"]


@pytest.fixture(scope="module")
def trained(tiny_cnn):
    return train(tiny_cnn)


@pytest.fixture(scope="module")
def exported(tiny_cnn, trained, tmp_path_factory):
    """A run as a file; its store is another one than that of the tests."""
    store = RunStore(f"sqlite:///{tmp_path_factory.mktemp('elsewhere')}/runs.sqlite3")
    return exports.export(store, [store.add(tiny_cnn, "my network", trained).id], PNG)


@pytest.fixture(scope="module")
def race(tiny_dnn, tiny_cnn, trained, tmp_path_factory):
    """A race as a file, with what each of its runs was: its name, hyperparameters and training."""
    values = tiny_dnn.model_copy(update={name: getattr(tiny_cnn, name) for name in SHARED})
    entered = [(tiny_cnn, "theirs", trained), (values, "ours", train(values))]
    store = RunStore(f"sqlite:///{tmp_path_factory.mktemp('race')}/runs.sqlite3")
    runs = store.add_race(entered)
    return exports.export(store, [run.id for run in runs], PNG), entered


def members(exported):
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(contents, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in contents.items() if isinstance(contents, dict) else contents:
            archive.writestr(name, content)
    return file.getvalue()


def with_card(exported, change):
    """The file with a changed run.json; change: of what it holds, in place."""
    contents = members(exported)
    card = json.loads(contents["run.json"])
    change(card)
    return zipped(contents | {"run.json": json.dumps(card)})


def arrays_of(weights):
    with np.load(io.BytesIO(weights)) as archive:
        return dict(archive)


def with_arrays(exported, arrays, save=np.savez_compressed):
    packed = io.BytesIO()
    save(packed, **arrays)
    return zipped(members(exported) | {"weights.npz": packed.getvalue()})


def raw_npz(arrays):
    """An archive of arrays from their bytes, whatever they are."""
    return zipped({f"{name}.npy": content for name, content in arrays.items()})


def npy(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


def is_the_same(run, store, tiny_cnn, trained):
    arrays, expected = arrays_of(store.weights(run.id)), arrays_of(trained.weights)
    return (
        run.hyperparameters == tiny_cnn
        and list(arrays) == list(expected)
        and all(np.array_equal(arrays[name], expected[name]) for name in expected)
        and store.curve(run.id) == Curve.model_validate(trained.curve.model_dump())
        and np.array_equal(store.predictions(run.id).digits, trained.predictions.digits)
        and {name: getattr(run, name) for name in trained.measures}
        == pytest.approx(trained.measures)
    )


def refused(store, file, words=None):
    """The sentence with which a file is refused; the store is as it was."""
    before = len(store.runs())
    with pytest.raises(ExportError, match=words) as caught:
        exports.import_runs(store, file)
    sentence = str(caught.value)
    assert sentence.startswith("This file cannot be imported: ") and sentence.endswith(
        " exported here."
    )
    assert len(sentence) < 450 and sentence.isprintable()
    assert len(store.runs()) == before
    return sentence


# There and back
# ------------------------------------------------------------------------------------------


def test_an_exported_run_comes_back_as_it_was(store, exported, tiny_cnn, trained):
    for file in (exported, io.BytesIO(exported)):
        (run,) = exports.import_runs(store, file)
        assert (run.name, run.state, run.network) == ("my network", RunState.FINISHED, "cnn")
        assert is_the_same(run, store, tiny_cnn, trained)
    assert len(store.runs()) == 2
    again = exports.export(store, [run.id])
    assert members(again)["weights.npz"] == members(exported)["weights.npz"]


def test_a_race_comes_back_as_a_race(store, race):
    file, entered = race
    runs = {run.network: run for run in exports.import_runs(store, file)}
    assert len({run.race for run in runs.values()} - {None}) == 1 and len(store.runs()) == 2
    for values, name, its in entered:
        run = runs[values.network]
        assert run.name == name and is_the_same(run, store, values, its)
    again = members(exports.export(store, [run.id for run in runs.values()]))
    assert all(
        again[f"{kind}/weights.npz"] == members(file)[f"{kind}/weights.npz"] for kind in runs
    )


def test_the_file_of_a_race_holds_a_folder_for_each_of_its_runs(race):
    file, entered = race
    folders = [f"{values.network}/{name}" for values, _, _ in entered for name in exports.OF_A_RUN]
    contents = members(file)
    assert set(contents) == {*exports.OF_ALL, *folders}
    readme = contents["README.txt"].decode()
    for values, name, its in entered:
        assert f"{name}: a {values.title}" in readme and f"{its.test_accuracy:.2%}" in readme
        assert contents[f"{values.network}/train.py"].decode() == script(values)


def test_what_was_no_race_does_not_become_one(store, race):
    contents = members(race[0])
    there, here = ("dnn/run.json", "cnn/run.json")
    refused(
        store,
        zipped(contents | {there: contents[here], "dnn/weights.npz": contents["cnn/weights.npz"]}),
        "not of the kind that its folder says",
    )
    card = json.loads(contents[there])
    card["hyperparameters"]["seed"] = 9
    refused(store, zipped(contents | {there: json.dumps(card)}), "not those of one race .Seed has")
    del contents[here]
    refused(store, zipped(contents), "something else")


def test_a_stopped_run_comes_back_as_stopped(store, tiny_dnn):
    longer = tiny_dnn.model_copy(update={"epochs": 3})
    ended = []
    stopped = train(
        longer,
        lambda event: ended.append(isinstance(event, EpochEnd)),
        lambda: Control(stop=any(ended)),
    )
    assert stopped.stopped and stopped.epochs < 3
    (run,) = exports.import_runs(
        store, exports.export(store, [store.add(longer, "stopped", stopped).id])
    )
    assert run.state == RunState.STOPPED and run.epochs == stopped.epochs


@pytest.mark.parametrize("run_id", SHIPPED)
def test_a_network_that_ships_can_be_exported_and_becomes_a_run(store, run_id):
    (run,) = exports.import_runs(store, exports.export(store, [run_id]), "mine")
    pretrained_runs = store.run(run_id)
    assert (run.name, run.hyperparameters) == ("mine", pretrained_runs.hyperparameters)
    assert run.test_accuracy == pytest.approx(pretrained_runs.test_accuracy, abs=0.0003)
    assert store.curve(run.id) == store.curve(run_id)
    assert [kept.id for kept in store.runs()] == [run.id]


def test_what_has_no_weights_cannot_be_exported(store, tiny_dnn):
    with pytest.raises(StoreError, match="is queued and has no weights"):
        exports.export(store, [store.create(tiny_dnn).id])
    with pytest.raises(UnknownRunError):
        exports.export(store, ["nothing"])


def test_how_well_it_reads_is_measured_and_not_believed(store, exported, trained):
    def boast(card):
        card["measures"] |= {"test_accuracy": 1.0, "test_loss": 0.0, "parameters": 1}

    (run,) = exports.import_runs(store, with_card(exported, boast))
    assert (run.test_accuracy, run.test_loss) == pytest.approx(
        (trained.test_accuracy, trained.test_loss)
    )
    assert run.parameters == trained.parameters
    assert store.predictions(run.id).digits.tolist() == trained.predictions.digits.tolist()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("x" * 100, "x" * 40),
        ("a\x00b\n\u202ec\x7f", "abc"),
        ("  ", "CNN"),
        ("", "CNN"),
        ("**Ärger** 数字", "**Ärger** 数字"),
    ],
)
def test_a_name_is_cut_and_cleaned(store, exported, name, kept):
    assert exports.read(with_card(exported, lambda card: card.update(name=name)))[0].name == kept


# For people and other programs
# ------------------------------------------------------------------------------------------


def test_it_holds_what_its_readme_says(exported, tiny_cnn, trained):
    contents = members(exported)
    assert set(contents) == {*exports.OF_ALL, *exports.OF_A_RUN}
    readme = contents["README.txt"].decode()
    assert all(name in readme for name in contents if name != "README.txt")
    assert contents["learning-curves.png"] == PNG
    assert (
        "my network" in readme and f"{trained.test_accuracy:.2%}" in readme and "logits" in readme
    )
    assert contents["train.py"].decode() == script(tiny_cnn)
    card = json.loads(contents["run.json"])
    assert (card["version"], card["name"], card["network"]) == (1, "my network", "cnn")
    assert card["hyperparameters"] == tiny_cnn.model_dump(mode="json")
    names = {"confidence_threshold": "sure_from"}  # as in the first version of the format
    assert card["measures"] == {
        names.get(name, name): value for name, value in trained.measures.items()
    }
    assert card["created_at"].endswith("+00:00")
    points = list(csv.DictReader(io.StringIO(contents["curve.csv"].decode())))
    assert list(points[0]) == ["epoch", "seconds", "loss", "accuracy"]
    assert [float(point["loss"]) for point in points] == [
        point.loss for point in trained.curve.points
    ]
    assert [float(point["seconds"]) for point in points] == pytest.approx(trained.curve.seconds)
    (end,) = csv.DictReader(io.StringIO(contents["epochs.csv"].decode()))
    assert float(end["validation_loss"]) == trained.curve.epochs[0].validation_loss


def test_a_file_without_a_picture_speaks_of_none(store, tiny_cnn, trained):
    contents = members(exports.export(store, [store.add(tiny_cnn, "x", trained).id]))
    assert set(contents) == {"README.txt", *exports.OF_A_RUN}
    assert "learning-curves.png" not in contents["README.txt"].decode()


@pytest.mark.parametrize("scrambled", [False, True])
def test_the_readme_says_how_to_evaluate_the_model(
    store, tiny_dnn, scrambled, monkeypatch, tmp_path
):
    import keras

    values = tiny_dnn.model_copy(update={"scrambled": scrambled})
    trained = train(values)
    contents = members(exports.export(store, [store.add(values, "mine", trained).id]))
    (tmp_path / "model.keras").write_bytes(contents["model.keras"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        keras.datasets.mnist, "load_data", lambda: (None, tuple(dataset.load().test))
    )
    code = "".join(
        line[18:] + "\n"
        for line in contents["README.txt"].decode().splitlines()
        if line.startswith(" " * 18)
    )
    names = {}
    exec(
        code.replace(
            "model.evaluate(images, labels)", "result = model.evaluate(images, labels, verbose=0)"
        ),
        names,
    )
    assert names["result"][1] == pytest.approx(trained.test_accuracy, abs=0.0003)


def test_the_tables_leave_out_what_there_is_none_of(store, tiny_dnn):
    unwatched = tiny_dnn.model_copy(update={"validation_images": 0})
    contents = members(exports.export(store, [store.add(unwatched, "x", train(unwatched)).id]))
    (end,) = csv.DictReader(io.StringIO(contents["epochs.csv"].decode()))
    assert end["validation_loss"] == "" and float(end["loss"]) > 0


def test_the_model_can_be_evaluated_without_the_project(exported, trained, tmp_path):
    """In a process of its own, in a folder of its own."""
    (tmp_path / "model.keras").write_bytes(members(exported)["model.keras"])
    test = dataset.load().test
    np.savez(tmp_path / "digits.npz", images=test.images, labels=test.labels)
    code = """
import sys, keras, numpy as np
digits = np.load("digits.npz")
model = keras.models.load_model("model.keras")
print(*model.evaluate(digits["images"], digits["labels"], verbose=0))
total = keras.ops.softmax(model(digits["images"][:1])).numpy().sum()
print(float(total), "mnist_models" in sys.modules)
few = digits["images"][:500]
for given in (few / 255, (few / 255)[..., None].astype("float32"), few.astype("float32")):
    print(float(abs(model(given) - model(few)).numpy().max()))
print(keras.models.load_model("model.keras").predict(few[..., None], verbose=0).shape)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-I", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured, others, *differences, shape = done.stdout.splitlines()
    loss, accuracy = map(float, measured.split())
    assert loss == pytest.approx(trained.test_loss, rel=1e-4)
    # Of digits that are equally probable but for the last bit, Keras takes either one.
    assert accuracy == pytest.approx(trained.test_accuracy, abs=0.001)
    # 1/255 and the quotient are rounded once each.
    assert max(map(float, differences)) < 1e-4 and shape == "(500, 10)"
    assert others == "1.0 False" or others.startswith(("0.99999", "1.0000"))


# What is refused
# ------------------------------------------------------------------------------------------


def test_what_is_no_export_is_refused(store, exported):
    for file in (
        b"",
        b"PK",
        b"x" * 100,
        b"\x89PNG" + b"\0" * 5_000,
        zipped({}),
        zipped({"notes.txt": "hello"}),
    ):
        refused(store, file)
    contents = members(exported)
    for left_out in ("run.json", "weights.npz"):
        refused(
            store,
            zipped({name: content for name, content in contents.items() if name != left_out}),
            "something else",
        )


@pytest.mark.parametrize(
    "name", ["../run.json", "/etc/passwd", "..\\x", "folder/run.json", "more.txt", "run.json/"]
)
def test_members_that_no_export_has_are_refused(store, exported, name):
    refused(store, zipped(members(exported) | {name: b"x"}), "something else")


def test_only_the_card_and_the_weights_are_read(store, exported, tiny_cnn, trained):
    contents = members(exported)
    kept = {"run.json": contents["run.json"], "weights.npz": contents["weights.npz"]}
    others = {
        "model.keras": b"\x80\x04.",
        "train.py": b"raise SystemExit",
        "README.txt": b"\xff",
        "curve.csv": b"",
    }
    for file in (zipped(kept), zipped(others | kept), zipped(kept, zipfile.ZIP_STORED)):
        assert is_the_same(*exports.import_runs(store, file), store, tiny_cnn, trained)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(store, exported):
    contents = members(exported)
    refused(
        store,
        zipped([*contents.items(), ("run.json", contents["run.json"])]),
        "two files of the same name",
    )
    arrays = [
        (f"{name}.npy", npy(array)) for name, array in arrays_of(contents["weights.npz"]).items()
    ]
    refused(
        store,
        zipped(contents | {"weights.npz": zipped([*arrays, arrays[0]])}),
        "two files of the same name",
    )


def test_a_link_is_not_followed(store, exported, tmp_path):
    (tmp_path / "secret.json").write_bytes(members(exported)["run.json"])
    link = zipfile.ZipInfo("run.json")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    contents = members(exported)
    del contents["run.json"]
    refused(
        store,
        zipped([*contents.items(), (link, str(tmp_path / "secret.json"))]),
        "run.json is damaged",
    )


def test_what_needs_a_password_is_refused(store, exported):
    changed = bytearray(exported)
    for signature, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        start = -1
        while (start := exported.find(signature, start + 1)) >= 0:
            changed[start + place] |= 1
    refused(store, bytes(changed), "password")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(store, exported, compression):
    refused(store, zipped(members(exported), compression), "another program")


def test_thousands_of_members_are_refused_before_they_are_listed(store, exported):
    many = zipped(members(exported) | {f"{number}.txt": b"" for number in range(5_000)})
    refused(store, many, "more in it")
    inside = raw_npz({f"{number}": b"" for number in range(5_000)})
    refused(store, zipped(members(exported) | {"weights.npz": inside}))


def test_a_file_too_large_is_refused_unread(store, exported, tmp_path, monkeypatch):
    sparse = tmp_path / "large.zip"
    with sparse.open("wb") as file:
        file.truncate(exports.MOST_BYTES + 1)
    with sparse.open("rb") as file:
        refused(store, file, "never has more than 1,000 MB")


@pytest.mark.parametrize("member", ["run.json", "weights.npz"])
def test_a_zip_bomb_is_refused_unpacked(store, exported, member):
    bomb = zipped(members(exported) | {member: bytes(300_000_000)})
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    refused(store, bomb, "larger than this network can make it")
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_zip_bomb_among_the_arrays_is_refused_unpacked(store, exported):
    arrays = {
        name: npy(array) for name, array in arrays_of(members(exported)["weights.npz"]).items()
    }
    first = next(iter(arrays))
    bomb = zipped(members(exported) | {"weights.npz": raw_npz(arrays | {first: bytes(30_000_000)})})
    tracemalloc.start()
    refused(store, bomb, "larger than this network's can be")
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("declared", [1, 100, 2**31])
def test_a_size_that_is_a_lie_is_refused(store, exported, declared):
    """In the directory, and at the member."""
    changed = bytearray(exported)
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        at_member = archive.getinfo("weights.npz").header_offset
    at_directory = exported.find(b"PK\1\2")
    while exported[at_directory + 46 : at_directory + 57] != b"weights.npz":
        at_directory = exported.find(b"PK\1\2", at_directory + 1)
    struct.pack_into("<I", changed, at_directory + 24, declared)
    refused(store, bytes(changed))
    struct.pack_into("<I", changed, at_member + 22, declared)
    refused(store, bytes(changed))


def test_arrays_that_would_need_more_memory_than_they_have_bytes_are_refused(store, exported):
    arrays = {
        name: npy(array) for name, array in arrays_of(members(exported)["weights.npz"]).items()
    }
    first = next(iter(arrays))
    for shape in ((10**12,), (-1,), (10**6, 10**6), ()):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f4", "fortran_order": False, "shape": shape}
        )
        lie = raw_npz(arrays | {first: header.getvalue() + b"\0" * 12})
        refused(store, zipped(members(exported) | {"weights.npz": lie}), "its weights are damaged")


def test_pickled_arrays_are_never_unpickled(store, exported, tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "was-here"), "w")

    arrays = arrays_of(members(exported)["weights.npz"])
    first = next(iter(arrays))
    refused(
        store,
        with_arrays(exported, arrays | {first: np.array([Evil()], object)}),
        "of another kind",
    )
    assert not (tmp_path / "was-here").exists()


def test_weights_that_do_not_fit_are_refused(store, exported):
    arrays = arrays_of(members(exported)["weights.npz"])
    kernel = next(name for name in arrays if name.endswith("kernel"))
    without = {name: array for name, array in arrays.items() if name != kernel}
    for changed, words in (
        (without, "do not belong to the network"),
        (arrays | {"more": np.zeros(3, np.float32)}, "do not belong to the network"),
        (without | {"conv_9/kernel": arrays[kernel]}, "do not belong to the network"),
        (arrays | {kernel: arrays[kernel][..., :-1]}, "do not belong to the network"),
        (arrays | {kernel: arrays[kernel].astype(np.float64)}, "of another kind"),
        (arrays | {kernel: arrays[kernel].astype(">f4")}, "of another kind"),
        (arrays | {kernel: np.asfortranarray(arrays[kernel])}, "of another kind"),
        (arrays | {kernel: np.full_like(arrays[kernel], np.nan)}, "no numbers"),
        (arrays | {kernel: np.full_like(arrays[kernel], np.inf)}, "no numbers"),
        (arrays | {kernel: np.full_like(arrays[kernel], 3e38)}, "no number"),
    ):
        refused(store, with_arrays(exported, changed), words)


def test_weights_of_another_network_are_refused(store, exported, tiny_cnn, tiny_dnn):
    from mnist_models.models import networks

    other = pack_weights(networks.build(tiny_cnn.model_copy(update={"dense_units": (9,)})))
    refused(store, zipped(members(exported) | {"weights.npz": other}), "do not belong")
    refused(store, zipped(members(exported) | {"weights.npz": b"no archive"}), "no zip")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda card: card.update(version=2),
            "another version of this project .its format is 2, this is 1",
        ),
        (lambda card: card.update(format="holiday pictures"), "run.json is damaged"),
        (lambda card: card.pop("hyperparameters"), "run.json is damaged"),
        (lambda card: card.update(state="running"), "run.json is damaged"),
        (lambda card: card.update(name=5), "run.json is damaged"),
        (lambda card: card.update(network="rnn"), "There is no network 'rnn'"),
        (lambda card: card.update(network=["dnn"]), "run.json is damaged"),
        (lambda card: card.update(network="dnn"), "A DNN has no 'conv_layers'"),
        (lambda card: card["hyperparameters"].update(epochs=0), "Epochs cannot be 0; allowed is"),
        (lambda card: card["hyperparameters"].update({"x" * 10_000: 1}), "not valid"),
        (lambda card: card["hyperparameters"].update(dense_units=[1024] * 1_000), "not valid"),
        (lambda card: card["hyperparameters"].update(dropout=float("nan")), "not valid"),
    ],
)
def test_a_card_that_is_not_valid_is_refused(store, exported, change, words):
    refused(store, with_card(exported, change), words)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"version":' + b"9" * 5_000],
)
def test_a_card_that_is_no_card_is_refused(store, exported, content):
    refused(store, zipped(members(exported) | {"run.json": content}), "run.json is damaged")


@pytest.mark.parametrize(
    "change",
    [
        lambda curve: curve.update(steps_per_epoch=0),
        lambda curve: curve.update(steps_per_epoch=8),
        lambda curve: curve.update(batches_per_point=0),
        lambda curve: curve.update(batches=-1),
        lambda curve: curve.update(points=curve["points"] * 100, seconds=[]),
        lambda curve: curve.update(points=curve["points"][::-1]),
        lambda curve: curve.update(seconds=curve["seconds"][::-1]),
        lambda curve: curve.update(seconds=curve["seconds"][:1]),
        lambda curve: curve["points"][0].__setitem__(1, float("nan")),
        lambda curve: curve["points"][0].__setitem__(1, float("inf")),
        lambda curve: curve["points"][0].__setitem__(1, -1),
        lambda curve: curve["points"][0].__setitem__(2, 1.5),
        lambda curve: curve["points"][-1].__setitem__(0, 2),
        lambda curve: curve.update(epochs=curve["epochs"] * 2),
        lambda curve: curve["epochs"][0].update(validation_loss=None),
        lambda curve: curve["epochs"][0].update(validation_accuracy=-0.1),
        lambda curve: curve["epochs"][0].update(elapsed_s=-1),
        lambda curve: curve["epochs"][0].update(elapsed_s=1e300),
        lambda curve: curve["epochs"][0].update(epoch=1.5),
        lambda curve: curve.update(changes=[{"epoch": 0.5, "learning_rate": float("inf")}]),
        lambda curve: curve.update(changes=[{"epoch": 0.5, "learning_rate": 0.1}] * 10_001),
    ],
)
def test_a_curve_that_cannot_be_is_refused(store, exported, change):
    refused(
        store,
        with_card(exported, lambda card: change(card["curve"])),
        "curve cannot be that of its training",
    )


@pytest.mark.parametrize(
    "measures", [{"epochs": 1.5}, {"epochs": -1}, {"elapsed_s": float("inf")}, {"elapsed_s": 1e300}]
)
def test_measures_that_cannot_be_are_refused(store, exported, measures):
    refused(
        store,
        with_card(exported, lambda card: card["measures"].update(measures)),
        "cannot be that of its training",
    )


def test_what_only_a_running_training_knows_is_not_taken(store, exported):
    def change(card):
        card["curve"] |= {"pending": [[1, 1]] * 1_000, "elapsed_s": 5}

    (found,) = exports.read(with_card(exported, change))
    curve = found.trained.curve
    assert (curve.pending, curve.elapsed_s) == ([], 0.0)


# Damage
# ------------------------------------------------------------------------------------------


def test_a_damaged_file_is_refused_or_comes_back_as_it_was(store, exported, tiny_cnn, trained):
    """Flipped bits, cut ends, members exchanged: nothing else is raised, and nothing that differs
    gets into the store."""
    chance = random.Random(4)
    contents = members(exported)
    imported = refusals = 0

    def damaged():
        changed = bytearray(exported)
        match chance.randrange(5):
            case 0:
                return exported[: chance.randrange(len(exported))]
            case 1:
                start = chance.randrange(len(exported))
                del changed[start : start + chance.randint(1, 2_000)]
            case 2:  # near its directory, where most of it is decided
                for _ in range(chance.randint(1, 3)):
                    changed[-chance.randint(1, 600)] ^= 1 << chance.randrange(8)
            case 3:
                one, other = chance.sample(sorted(contents), 2)
                return zipped(contents | {one: contents[other], other: contents[one]})
            case _:
                for _ in range(chance.choice((1, 1, 1, 20))):
                    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        return bytes(changed)

    for _ in range(40):
        try:
            (run,) = exports.import_runs(store, damaged())
        except ExportError:
            refusals += 1
        else:
            imported += 1
            assert is_the_same(run, store, tiny_cnn, trained)
        assert len(store.runs()) == imported
    assert imported >= 3 and refusals >= 10


def test_damage_inside_the_card_is_refused_or_gives_valid_hyperparameters(exported):
    """Bits flipped in run.json under a good checksum, as somebody who writes such a file by hand
    could have them."""
    chance = random.Random(5)
    contents = members(exported)
    refusals = 0
    for _ in range(25):
        card = bytearray(contents["run.json"])
        for _ in range(chance.choice((1, 3, 10))):
            card[chance.randrange(len(card))] ^= 1 << chance.randrange(7)
        try:
            (found,) = exports.read(zipped(contents | {"run.json": bytes(card)}))
        except ExportError:
            refusals += 1
        else:
            assert found.hyperparameters == type(found.hyperparameters).model_validate(
                found.hyperparameters.model_dump()
            )
            assert len(found.name) <= exports.NAME_CHARACTERS
    assert refusals >= 10


def test_an_import_that_the_store_cannot_keep_leaves_nothing(store, exported, monkeypatch):
    assert not issubclass(StoreError, ExportError) and not issubclass(
        HyperparametersError, ExportError
    )

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(RunStore, "_keep", fail)
    with pytest.raises(StoreError, match="no space left"):
        exports.import_runs(store, exported)
    assert store.runs() == []


def test_an_imported_run_reads_digits(store, exported, trained):
    (run,) = exports.import_runs(store, exported)
    predictions = load_classifier(store, run.id).predictions(dataset.load().test.images[:50])
    assert predictions.digits.tolist() == trained.predictions.digits[:50].tolist()


@pytest.mark.parametrize(
    "budget", [{"budget_images": 128}, {"budget_images": 1_250}, {"budget_s": 1}]
)
def test_a_run_that_ended_within_an_epoch_comes_back(store, budget):
    values = DnnHyperparameters(
        hidden_units=(8,),
        train_images=1_000,
        batch_size=128,
        validation_images=0,
        epochs=2,
        **budget,
    )
    run = store.create(values)
    store.finish(run.id, train(values))
    assert not store.run(run.id).epochs.is_integer() or budget == {"budget_s": 1}
    (brought,) = exports.import_runs(store, exports.export(store, [run.id]))
    assert brought.epochs == store.run(run.id).epochs
    assert store.curve(brought.id).model_dump() == store.curve(run.id).model_dump()
