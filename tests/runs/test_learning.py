"""Runs that learn from a class's digits: what is kept of them, and what leaves the app."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.handwriting import exports as class_files
from mnist_models.handwriting.collection import Collection
from mnist_models.imports import imported
from mnist_models.limits import LimitError
from mnist_models.runs import database, exports, passing_on
from mnist_models.runs.engine import Engine
from mnist_models.runs.loading import keep_imported, load_classifier, load_reader
from mnist_models.runs.rights import Rights, Visitor
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import RunState, StoreError
from mnist_models.settings import links
from mnist_models.training.loop import train
from mnist_models.training.material import Material, Start
from tests.imports import forms
from tests.runs.test_engine import ended
from tests.runs.test_store import VERSION_1, all_of, execute

NAME = "9b, Monday"


@pytest.fixture(scope="module")
def material() -> Material:
    """Digits of four writers, one of whom is for the test."""
    mnist = dataset.load().train.part(30_000, 30_040)
    digits = Collection(mnist.images, mnist.labels, np.repeat(np.arange(4), 10))
    return Material(digits, digits.writers == 2, NAME, 0.5)


@pytest.fixture(scope="module")
def trained(tiny_dnn):
    """A training from MNIST alone."""
    return train(tiny_dnn)


@pytest.fixture(scope="module")
def learned(tiny_dnn, material):
    """A training from a class."""
    return train(tiny_dnn, material=material)


@pytest.fixture
def run(store, tiny_dnn, material, learned):
    run = store.create(tiny_dnn, "of a class", material=material)
    store.finish(run.id, learned)
    return store.run(run.id)


def files_in(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_run_keeps_what_it_learned_from_and_what_it_read(store, run, material, learned):
    source = RunStore().run(run.id).source
    assert source == material.source
    assert (source.writers, source.digits, source.held_out_writers) == (3, 30, 1)
    tested, result = store.class_result(run.id)
    np.testing.assert_array_equal(tested.images, material.tested.images)
    np.testing.assert_array_equal(tested.labels, material.tested.labels)
    assert set(tested.writers) == {2}
    np.testing.assert_array_equal(result.after, learned.class_result.after)
    assert result.before is None
    digits, is_test = class_files.from_npz(store.class_digits(run.id))
    assert sorted(set(digits.writers[~is_test])) == [0, 1, 3]


def test_a_run_of_mnist_has_nothing_of_that(store, tiny_dnn, trained):
    run = store.add(tiny_dnn, "of MNIST", trained)
    assert store.run(run.id).source is None and run.class_share == 0 and not run.is_fine_tuned
    assert store.class_result(run.id) is store.class_digits(run.id) is None
    assert store.run("shipped-dnn").source is None


def test_what_is_forgotten_of_a_run_is_forgotten_with_its_digits(store, run, tmp_path):
    store.delete([run.id])
    execute(tmp_path / "runs.sqlite3", "UPDATE runs SET deleted_at = '2020-01-01 00:00:00'")
    store.purge()
    assert not [line for line in all_of(tmp_path / "runs.sqlite3") if 'INTO "class_digits"' in line]
    assert store.class_digits(run.id) is None


@pytest.mark.parametrize("version", [3, 4])
def test_a_store_of_an_older_version_is_brought_up_to_date(
    store, tmp_path, tiny_dnn, material, learned, version
):
    file = tmp_path / "runs.sqlite3"
    older = [line for one in range(1, version) for line in database.MIGRATIONS[one]]
    known = f"INSERT INTO schema_version VALUES ({version})"
    execute(
        file, ";".join([VERSION_1, *older, "CREATE TABLE schema_version (version INTEGER)", known])
    )
    (old,) = store.runs()
    assert old.name == "an old one" and old.source is None
    run = store.create(tiny_dnn, material=material)
    store.finish(run.id, learned)
    assert store.run(run.id).source == material.source and store.class_result(run.id)


def test_a_process_that_trains_gets_the_digits_and_the_weights_and_needs_no_store(
    store, tiny_dnn, material, trained
):
    start = Start(run_id="quick-dnn", label="a model", test_accuracy=0.5)
    given = Material(
        material.digits, material.is_held_out, NAME, 0.5, start, weights=trained.weights
    )
    engine = Engine(store)
    try:
        run = ended(engine, engine.start(tiny_dnn, "theirs", material=given))
    finally:
        engine.close()
    assert run.state == RunState.FINISHED, run.error
    assert run.source == given.source and run.is_fine_tuned
    here = train(tiny_dnn, material=given).class_result
    _, there = store.class_result(run.id)
    np.testing.assert_array_equal(there.before, here.before)
    np.testing.assert_array_equal(there.after, here.after)


@pytest.fixture
def from_a_file(store, material):
    """Brings a file, and gives what is to be learned by the network in it."""

    def material_of(content):
        run, _, _ = keep_imported(store, "theirs", content)
        start = Start(run_id=run.id, label=run.label, test_accuracy=run.test_accuracy)
        weights = store.weights(run.id)
        return replace(material, start=start, weights=weights, card=run.imported)

    return material_of


def trained_by(store, hyperparameters, material):
    engine = Engine(store, processes=False)
    try:
        return ended(engine, engine.start(hyperparameters, "of the class", material=material))
    finally:
        engine.close()


def test_a_network_from_a_file_learns_and_leaves_as_the_network_that_it_has_become(
    store, tiny_dnn, from_a_file, tmp_path
):
    given = from_a_file(forms.pytorch(forms.state_dict(forms.fully_connected())))
    run = trained_by(store, tiny_dnn, given)
    assert run.state == RunState.FINISHED, run.error
    assert run.source == given.source and run.is_fine_tuned and run.has_learned_here
    assert run.training == tiny_dnn and store.curve(run.id).points
    with pytest.raises(StoreError, match="came from a file, so no script"):
        assert run.hyperparameters
    images = dataset.load().test.images[:200]
    read = load_reader(store, run.id).probabilities(images)
    before = imported.reopened(given.weights, given.card).probabilities(images)
    assert not np.allclose(read, before, atol=0.01)
    np.testing.assert_array_equal(store.predictions(run.id).digits[:200], read.argmax(axis=1))

    # It is a plain one, so that it can still be saved in other formats; sums in float32.
    told = load_classifier(store, run.id).probabilities(images)
    np.testing.assert_allclose(told, read, atol=1e-5)

    content = exports.export(store, [run.id])
    assert f"It learned from a class's digits: {NAME}" in files_in(content)["README.txt"].decode()
    elsewhere = RunStore(f"sqlite:///{tmp_path}/elsewhere.sqlite3")
    again = passing_on.import_run(elsewhere, content)
    assert (again.source, again.imported) == (run.source, run.imported)
    assert not again.has_learned_here
    # The same numbers in the same order: nothing was computed anew.
    np.testing.assert_array_equal(load_reader(elsewhere, again.id).probabilities(images), read)


def test_a_network_that_cannot_learn_says_why(store, tiny_dnn, from_a_file):
    run = trained_by(store, tiny_dnn, from_a_file(forms.onnx(forms.fully_connected())))
    assert run.state == RunState.FAILED
    assert run.error.startswith("A model in ONNX or TensorFlow Lite cannot be fine-tuned")


def test_models_for_each_writer_count_for_the_limit(store, tiny_dnn, material, monkeypatch):
    images = tiny_dnn.epochs * tiny_dnn.train_images
    monkeypatch.setenv("LIMIT_IMAGES_PER_RUN", str(2 * images))
    engine = Engine(store, processes=False)
    rights = Rights(Visitor("a" * 32), store, lambda: engine)
    in_turn = material.holding_out(np.zeros(len(material.digits), bool))
    with pytest.raises(LimitError, match="times 5 models"):
        rights.start(tiny_dnn, material=in_turn)
    assert store.runs() == []
    engine.close()


def test_an_exported_run_says_what_it_learned_from_and_holds_no_digit(store, run, tmp_path):
    contents = files_in(exports.export(store, [run.id]))
    readme = contents["README.txt"].decode()
    assert f"{NAME} (50%): 30 digits by 3 writers, and MNIST" in readme
    assert "not in this file" in " ".join(readme.split())
    assert max(map(len, readme.splitlines())) <= 100
    assert b"class.npz" in contents["train.py"] and b"class.npz" in contents["train.ipynb"]
    digits, _ = class_files.from_npz(store.class_digits(run.id))
    assert not [
        name
        for name, content in contents.items()
        if any(image.tobytes() in content for image in digits.images)
    ]
    elsewhere = RunStore(f"sqlite:///{tmp_path}/elsewhere.sqlite3")
    (brought,) = exports.import_runs(elsewhere, exports.export(store, [run.id]))
    assert elsewhere.run(brought.id).source == run.source
    assert elsewhere.class_result(brought.id) is None


def test_an_exported_run_of_mnist_speaks_of_no_class(store, tiny_dnn, trained):
    run = store.add(tiny_dnn, "of MNIST", trained)
    contents = files_in(exports.export(store, [run.id]))
    for name in ("README.txt", "train.py", "train.ipynb"):
        assert b"class.npz" not in contents[name] and b"start.keras" not in contents[name]
    assert json.loads(contents["run.json"])["learned_from"] is None


@pytest.mark.parametrize(
    "change", [{"share": 2}, {"collection": ""}, {"collection": "x" * 100}, {"digits": -1}]
)
def test_a_file_that_says_something_impossible_of_a_class_is_refused(store, run, change):
    contents = files_in(exports.export(store, [run.id]))
    card = json.loads(contents["run.json"])
    card["learned_from"] |= change
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (contents | {"run.json": json.dumps(card)}).items():
            archive.writestr(name, content)
    with pytest.raises(exports.ExportError):
        exports.import_runs(store, file)


def test_the_link_of_a_run_names_the_collection(run):
    query = run.query
    assert (query["class"], query["class_share"]) == (NAME, "0.5")
    assert links.from_query(query) == run.hyperparameters
    assert links.class_from_query(query) == (NAME, 0.5, None) == run.source.in_link
    assert links.class_from_query({"network": "dnn"}) is None
