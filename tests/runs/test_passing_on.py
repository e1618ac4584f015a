"""A network from somebody's file leaves in a run's file, and comes back as the same network."""

import io
import json
import zipfile

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.imports import reading
from mnist_models.imports.findings import Findings
from mnist_models.imports.refusal import RefusedError
from mnist_models.runs import exports, passing_on
from mnist_models.runs.loading import feed_by_hand, keep_imported, load_reader
from mnist_models.runs.store import RunStore
from tests.imports import forms

IMAGES = dataset.load().test.images[:200]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return RunStore(f"sqlite:///{tmp_path_factory.mktemp('here')}/runs.sqlite3")


@pytest.fixture
def there(tmp_path):
    return RunStore(f"sqlite:///{tmp_path}/runs.sqlite3")


def kept(store, name, content, config=None):
    run, _, _ = keep_imported(store, name, content, config)
    return run


@pytest.fixture(scope="module")
def runs(here, tmp_path_factory):
    cnn, dnn = forms.convolutional(), forms.fully_connected()
    config = json.dumps(forms.config_of(cnn)).encode()
    folder = tmp_path_factory.mktemp("files")
    return {
        "network.h5": kept(here, "with its layers beside", forms.h5(cnn, None), config),
        "network.keras": kept(here, "as Keras 3 saves it", forms.keras_file(dnn, folder)),
        "network.onnx": kept(here, "in ONNX", forms.onnx(dnn)),
        "network.pt": kept(here, "guessed", forms.pytorch(forms.state_dict(dnn))),
    }


@pytest.fixture(scope="module")
def exported(here, runs):
    return exports.export(here, [runs["network.h5"].id])


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(content, **values):
    """The file with something else in run.json, or another member."""
    contents = members(content) | values.pop("members", {})
    card = json.loads(contents["run.json"])
    card["found"] |= values
    contents["run.json"] = json.dumps(card).encode()
    return forms.zipped({name: member for name, member in contents.items() if member is not None})


@pytest.mark.parametrize("member", ["network.h5", "network.keras", "network.onnx", "network.pt"])
def test_it_comes_back_with_the_same_readings_name_and_findings(here, there, runs, member):
    run = runs[member]
    content = exports.export(here, [run.id])
    contents = members(content)
    assert {member, "run.json", "prepare.py", "README.txt"} <= set(contents)
    assert passing_on.is_passed_on(content) and reading.is_run(content)
    back = passing_on.import_run(there, content)
    assert (back.name, back.network) == (run.name, run.network)
    assert back.imported == json.loads(json.dumps(run.imported))
    assert back.test_accuracy == pytest.approx(run.test_accuracy)
    # The same numbers in the same order: nothing was computed anew.
    np.testing.assert_array_equal(
        load_reader(there, back.id).probabilities(IMAGES),
        load_reader(here, run.id).probabilities(IMAGES),
    )
    assert all(name in contents["README.txt"].decode() for name in contents if name != "README.txt")
    assert f"{run.test_accuracy:.2%}" in contents["README.txt"].decode()


def test_what_was_chosen_by_hand_is_kept(here, there, tmp_path):
    run = kept(here, "by hand", forms.keras_file(forms.fully_connected(), tmp_path))
    place = next(place for place, one in enumerate(run.imported["tried"]) if one["scale"] == "raw")
    feed_by_hand(here, run.id, place)
    back = passing_on.import_run(there, exports.export(here, [run.id]), "another name")
    assert back.name == "another name"
    assert back.imported == here.run(run.id).imported
    assert back.test_accuracy == pytest.approx(here.run(run.id).test_accuracy)
    assert load_reader(there, back.id).scale == "raw"


def test_a_claim_of_a_better_accuracy_is_not_believed(there, runs, exported):
    tried = json.loads(members(exported)["run.json"])["found"]["tried"]
    boast = [one | {"test_accuracy": 1.0} for one in tried]
    back = passing_on.import_run(there, changed(exported, tried=boast))
    assert back.test_accuracy == pytest.approx(runs["network.h5"].test_accuracy)
    assert f"Test accuracy {back.test_accuracy:.2%}" in back.imported["said"][-1]


@pytest.mark.parametrize(
    "values",
    [
        {"chosen": 99},
        {"by_hand": -1},
        {"classes": [0] * 10},
        {"classes": [*range(9), 40]},
        {"candidate": 7},
        {"tried": []},
        {"tried": [{"fit": "whole"}]},
        {"members": {"run.json": b'{"found": {}}'}},
        {"members": {"network.h5": b"<html>"}},
        {"members": {"network.h5": b"\x89HDF\r\n\x1a\n" + bytes(200)}},
        {"members": {"network.onnx": b"another one"}},
    ],
)
def test_damage_is_refused_in_a_sentence_and_leaves_nothing(there, exported, values):
    with pytest.raises(RefusedError) as problem:
        passing_on.import_run(there, changed(exported, **values))
    assert str(problem.value).endswith(".")
    assert there.runs() == []


def test_a_way_that_its_network_cannot_be_fed_in_is_refused(there, exported):
    tried = json.loads(members(exported)["run.json"])["found"]["tried"]
    with pytest.raises(RefusedError, match="is not true of it"):
        passing_on.import_run(there, changed(exported, tried=[tried[0] | {"fit": "padded"}]))


def test_a_network_in_a_zip_of_its_own_is_none_of_these(exported):
    assert not passing_on.is_passed_on(
        forms.zipped({"network.h5": members(exported)["network.h5"]})
    )


def test_findings_say_what_the_card_does(runs):
    card = runs["network.onnx"].imported
    found = Findings.of(card)
    assert found.tried[found.chosen].scale == card["scale"]
    assert found.by_hand is None
