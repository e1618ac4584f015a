"""A run, or the runs of a race, as a file, to keep, hand in or take to another machine, and back.

The file is a zip. For people and other programs it holds a saved Keras model, the curve as tables
and as a picture, and a script and a notebook that train the network again; that of a race, a folder
of these for each of its runs. Only two of a run's members are ever read here, run.json and
weights.npz, and nothing in it is ever executed: a file may come from anybody.
"""

import csv
import io
import math
import os
import textwrap
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mnist_models.data import dataset
from mnist_models.models import networks, saving
from mnist_models.models.calibration import COLDEST, HOTTEST
from mnist_models.models.classifier import Classifier, pack_weights
from mnist_models.models.evaluation import evaluate
from mnist_models.models.folded import WeightsError
from mnist_models.models.formats import FORMATS
from mnist_models.models.predictions import CONFIDENCE_THRESHOLD
from mnist_models.runs import passing_on, race
from mnist_models.runs.loading import load_classifier
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import NAME_CHARACTERS, Run, RunState, clean_name
from mnist_models.settings import hyperparameters
from mnist_models.settings.hyperparameters import Hyperparameters, HyperparametersError
from mnist_models.settings.notebook import notebook
from mnist_models.settings.script import script
from mnist_models.training.material import Source
from mnist_models.training.progress import (
    POINTS,
    Curve,
    Trained,
    planned_images,
    planned_steps,
    steps_per_epoch,
)

VERSION = 1
CARD, WEIGHTS, MODEL, SCRIPT, NOTEBOOK, CURVE, EPOCHS = OF_A_RUN = (
    "run.json",
    "weights.npz",
    "model.keras",
    "train.py",
    "train.ipynb",
    "curve.csv",
    "epochs.csv",
)
# In the file of a race these stand beside the folders of its runs, else beside what is of the run.
README, PICTURE = OF_ALL = ("README.txt", "learning-curves.png")
# The folders of a race, each named by its kind of network.
FOLDERS = tuple(f"{network}/" for network in hyperparameters.NETWORKS)
# Enough that int8 loses nothing measurable; the whole training set would take minutes.
CALIBRATION_IMAGES = 300
# The largest network that can be chosen, exported, is smaller.
MOST_BYTES = 1_000_000_000
MOST_CARD_BYTES = 2_000_000
# Some hundred members; zipfile reads all of a directory at once.
MOST_DIRECTORY_BYTES = 50_000
# What an archive of weights has beyond their numbers, generously: names, shapes and a directory.
OVERHEAD_BYTES = 50_000
MOST_CHANGES = 10_000
LONGEST_S = 1e8

README_TEXT = """\
{heading}
{source}
{commands}

{picture}model.keras   the trained network, for Keras 3:

                  import keras
                  _, (images, labels) = keras.datasets.mnist.load_data()
{scramble}                  model = keras.models.load_model("model.keras")
                  model.evaluate(images, labels)

              In go images (N, 28, 28) or (N, 28, 28, 1): 0 is paper, ink is 255, or 1 in floats.
              Out come logits (N, 10), one for each digit;
              keras.ops.softmax(model(images)) are the probabilities.
              Keras exports a loaded model to ONNX only after it was called once:

                  model(images[:1])
                  model.export("model.onnx", format="onnx")  # needs tf2onnx

train.py      a script that builds the same network and trains it again; it needs Keras with
              TensorFlow, JAX or PyTorch, matplotlib to draw curves.png, Pillow to read pictures.
              Without internet, put mnist.npz beside it, which the app's menu "Export" offers
train.ipynb   the same as a Jupyter notebook, which shows curves and confusion matrix; it needs
              matplotlib too
curve.csv     the learning curve: passes over the training images, seconds, training loss and
              training accuracy
epochs.csv    the same at the end of each epoch, and on the validation images
run.json      name, hyperparameters, results and curve, for programs
weights.npz   the weights as NumPy arrays, one for each variable of the network

The app imports this file again: it reads run.json and weights.npz, and measures the model again.

Its menu "Export" also has the model alone, in the formats of other programs; so has
python -m mnist_models export RUN FILE --format NAME

{formats}
"""

HEADING_TEXT = "{name}: a {title} that reads handwritten digits, test accuracy {accuracy}"

COMMANDS_TEXT = """\
python train.py 7.png
    reads the digit in a picture with model.keras
python train.py
    trains such a network again: puts it into model.keras, the course of its training into
    history.json and curves.png
python -m mnist_models import FILE.zip
    takes this file into the app; so does "Import a run or a model" on its Train page"""

RACE_TEXT = """\
A race: both models learned from the same images in the same order, and had the same budget

{runs}

Each has a folder here; start those of these commands that begin with python train.py there:"""

PICTURE_TEXT = """\
learning-curves.png
              loss and accuracy over the course of training
"""

SCRAMBLE_TEXT = """\
                  # It learned from scrambled images, and reads no others.
                  import numpy
                  order = numpy.random.RandomState(0).permutation(784)
                  images = images.reshape(-1, 784)[:, order].reshape(-1, 28, 28)
"""


NO_DIGITS_TEXT = (
    "The digits are the pupils', so they are not in this file: a teacher can save them as "
    "class.npz on the Train page (menu Export of the run), to put beside train.py."
)


class ExportError(ValueError):
    """A file that cannot be imported. Its text is for users: what is wrong with it, and what to
    do."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This file cannot be imported: {reason}. Choose the zip of a run that was exported "
            "here."
        )


class _Measures(BaseModel):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    parameters: int
    epochs: float
    elapsed_s: float
    temperature: float = 1.0
    # Under the name that it had in the first version of the format.
    confidence_threshold: float = Field(CONFIDENCE_THRESHOLD, alias="sure_from")
    test_loss: float
    test_accuracy: float


class _Card(BaseModel):
    """What run.json holds.

    Attributes:
        created_at: In ISO 8601, with the time zone.
        learned_from: What it learned from beside MNIST, in numbers and names only.
    """

    format: Literal["mnist_models run"] = "mnist_models run"
    version: int = VERSION
    name: str
    network: str
    hyperparameters: dict[str, Any]
    state: Literal[RunState.FINISHED, RunState.STOPPED]
    created_at: str
    measures: _Measures
    curve: Curve
    learned_from: Source | None = None


class Import(NamedTuple):
    """A run from a file, checked and measured again, that no store has yet."""

    name: str
    hyperparameters: Hyperparameters
    trained: Trained
    source: Source | None


def export(store: RunStore, run_ids: Sequence[str], picture: bytes | None = None) -> bytes:
    """A trained run, a pretrained model or a network from a file, or the runs of a race, as a zip;
    its README says what is in it.

    Args:
        run_ids: The run; or those of a race, one of each kind of network.
        picture: Their learning curves as a PNG, which becomes a part of it.

    Raises UnknownRunError, StoreError for runs without weights, and RefusedError where what was
    kept of a file is damaged.
    """
    runs = [store.run(run_id) for run_id in run_ids]
    if runs[0].imported:  # it was in no race
        return passing_on.export(store, runs[0])
    contents: dict[str, str | bytes] = {} if picture is None else {PICTURE: picture}
    for run in runs:
        folder = f"{run.network}/" if len(runs) > 1 else ""
        contents |= {folder + name: content for name, content in _contents(store, run).items()}
    contents[README] = _readme(runs, has_picture=picture is not None)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


def _readme(runs: Sequence[Run], *, has_picture: bool) -> str:
    headings = [
        HEADING_TEXT.format(
            name=run.name, title=run.hyperparameters.title, accuracy=f"{run.test_accuracy:.2%}"
        )
        for run in runs
    ]
    return README_TEXT.format(
        heading=headings[0] if len(runs) == 1 else RACE_TEXT.format(runs="\n".join(headings)),
        commands=COMMANDS_TEXT,
        picture=PICTURE_TEXT if has_picture else "",
        formats="\n".join(
            textwrap.fill(f"{name:14}{form.about}", 100, subsequent_indent=14 * " ")
            for name, form in FORMATS.items()
        ),
        # What both models of a race learn from is the same.
        scramble=SCRAMBLE_TEXT if runs[0].hyperparameters.scrambled else "",
        source=_told(runs[0].source) if runs[0].source else "",
    )


def _told(source: Source) -> str:
    """What a run learned from a class, and what of it is not in the file."""
    text = f"It learned from a class's digits: {source}."
    if source.start:
        text += " train.py needs that model as start.keras beside it."
    return "\n" + textwrap.fill(f"{text} {NO_DIGITS_TEXT}", 100) + "\n"


def _contents(store: RunStore, run: Run) -> dict[str, str | bytes]:
    """What is of one run, by name: each of OF_A_RUN."""
    curve, weights, values = store.curve(run.id), store.weights(run.id), run.hyperparameters
    card = _Card(
        name=run.name,
        network=run.network,
        hyperparameters=values.model_dump(mode="json"),
        state=run.state,
        created_at=run.created_at.isoformat(timespec="seconds"),
        measures=_Measures(**run.measured._asdict()),
        curve=curve,
        learned_from=run.source,
    )
    # Older curves have none.
    seconds = curve.seconds or curve.seconds_of([point.epoch for point in curve.points])
    return {
        CARD: card.model_dump_json(by_alias=True),
        WEIGHTS: weights,
        MODEL: model(store, run.id, "keras"),
        SCRIPT: script(values, run.class_share, fine_tuned=run.is_fine_tuned),
        NOTEBOOK: notebook(values, run.class_share, fine_tuned=run.is_fine_tuned),
        CURVE: _table(
            ("epoch", "seconds", "loss", "accuracy"),
            (
                (point.epoch, moment, point.loss, point.accuracy)
                for point, moment in zip(curve.points, seconds, strict=True)
            ),
        ),
        EPOCHS: _table(
            ("epoch", "seconds", "loss", "accuracy", "validation_loss", "validation_accuracy"),
            (
                (
                    end.epoch,
                    end.elapsed_s,
                    end.loss,
                    end.accuracy,
                    end.validation_loss,
                    end.validation_accuracy,
                )
                for end in curve.epochs
            ),
        ),
    }


def model(store: RunStore, run_id: str, form: str) -> bytes:
    """The network of a trained run as a file for other programs.

    Args:
        form: One of `formats.FORMATS`, which says what goes in and comes out.

    Raises:
        StoreError: The run is not there, or has no weights.
        RefusedError: It came from a file, and is no network that hyperparameters describe.
    """
    return _WRITERS[form](load_classifier(store, run_id))


def _in_int8(classifier: Classifier) -> bytes:
    images = dataset.load().train.images[:CALIBRATION_IMAGES]
    return saving.as_tflite_int8(classifier.network, classifier.given(images))


_WRITERS: dict[str, Callable[[Classifier], bytes]] = {
    "keras": lambda classifier: saving.as_keras(classifier.network),
    "onnx": lambda classifier: saving.as_onnx(classifier.network),
    "tflite": lambda classifier: saving.as_tflite(classifier.network),
    "tflite-int8": _in_int8,
    "tfjs": lambda classifier: saving.as_tfjs(classifier.network),
}


def _table(names: tuple[str, ...], rows: Iterable[tuple]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()


def import_runs(
    store: RunStore, file: BinaryIO | bytes, name: str | None = None, visitor: str | None = None
) -> list[Run]:
    """New runs of the store from a file that `export` made, one or those of a race, under their own
    names unless another is given.

    Args:
        visitor: Who imports it, see tables.Run.

    Raises ExportError, StoreError; then nothing of it is in the store.
    """
    found = read(file)
    runs = [(one.hyperparameters, name or one.name, one.trained) for one in found]
    if len(found) > 1:
        return store.add_race(runs, visitor)
    return [store.add(*runs[0], visitor, found[0].source)]


def read(file: BinaryIO | bytes) -> list[Import]:
    """What is in a file that `export` made: a run, or those of a race. How well each network reads
    is measured, not believed: that takes seconds.

    Raises:
        ExportError: When the file is none of ours, damaged, or larger than any of ours can be.
    """
    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    # Damage makes zipfile and NumPy raise nearly everything: BadZipFile, zlib.error, EOFError,
    # NotImplementedError, ...
    try:
        return _read(stream)
    except (ExportError, dataset.DatasetError):
        raise
    except Exception as error:
        raise ExportError("it is damaged, or something else than an exported run") from error


class _Described(NamedTuple):
    """What a file says of a run; its weights, packed and not looked at yet, may unpack to as many
    bytes."""

    card: _Card
    values: Hyperparameters
    weights: bytes
    most_bytes: int


def _read(file: BinaryIO) -> list[Import]:
    size = file.seek(0, os.SEEK_END)
    if size > MOST_BYTES:
        raise ExportError(
            f"it has {size / 1e6:,.0f} MB, and an exported run never has more than "
            f"{MOST_BYTES / 1e6:,.0f} MB"
        )
    with _opened(file) as archive:
        members = _members(archive)
        folders = FOLDERS if FOLDERS[0] + CARD in members else ("",)
        needed = {folder + name for folder in folders for name in (CARD, WEIGHTS)}
        known = {*OF_ALL, *(folder + name for folder in folders for name in OF_A_RUN)}
        if not needed <= set(members) <= known:
            raise ExportError("it is something else than an exported run")
        if sum(info.file_size for info in members.values()) > MOST_BYTES:
            raise ExportError("what is packed in it is larger than an exported run")
        described = [_described(archive, members, folder) for folder in folders]
        if archive.testzip():  # the rest of it is not used, but whoever keeps the file should know
            raise ExportError("a part of it is damaged")
    if len(described) > 1:
        _check_race(described)
    return [_measured(one) for one in described]


def _described(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], folder: str
) -> _Described:
    card = _card(_content(archive, members[folder + CARD], MOST_CARD_BYTES))
    values = _hyperparameters(card)
    _check_course(card, values)
    # Only now is it known how large the weights may be.
    parameters = networks.build(values, blank=True).count_params()
    most_bytes = int(1.01 * parameters * np.dtype(np.float32).itemsize) + OVERHEAD_BYTES
    weights = _content(archive, members[folder + WEIGHTS], most_bytes)
    return _Described(card, values, weights, most_bytes)


def _check_race(described: Sequence[_Described]) -> None:
    """Refuses runs that cannot be those of one race.

    Raises:
        ExportError: One stands in the folder of another kind, or they differ in what a race shares.
    """
    entrants = {one.values.network: one.values for one in described}
    if [f"{network}/" for network in entrants] != list(FOLDERS):
        raise ExportError("a run in it is not of the kind that its folder says")
    try:
        race.check(entrants)
    except HyperparametersError as error:
        raise ExportError(
            f"its runs are not those of one race ({error.problems[0].sentence.removesuffix('.')})"
        ) from error


def _measured(described: _Described) -> Import:
    """The run with its model, which is built and measured on the test set.

    Raises:
        ExportError: The weights are no numbers, or not those of this network.
    """
    card, values, weights, most_bytes = described
    _check_arrays(weights, most_bytes)
    try:
        classifier = Classifier.from_weights(values, weights)
    except WeightsError as error:
        raise ExportError("its weights do not belong to the network that it describes") from error
    if not all(np.isfinite(array).all() for array in classifier.network.get_weights()):
        raise ExportError("some of its weights are no numbers")
    test = dataset.load().test
    predictions = classifier.predictions(test.images)
    if not np.isfinite(predictions.probabilities).all():
        raise ExportError("with its weights, what the network reads is no number")
    evaluation = evaluate(predictions, test.labels)
    return Import(
        name=clean_name(card.name) or values.title,
        hyperparameters=values,
        trained=Trained(
            weights=pack_weights(classifier.network),
            predictions=predictions,
            parameters=classifier.network.count_params(),
            curve=card.curve,
            stopped=card.state == RunState.STOPPED,
            epochs=card.measures.epochs,
            elapsed_s=card.measures.elapsed_s,
            temperature=card.measures.temperature,
            confidence_threshold=card.measures.confidence_threshold,
            test_loss=evaluation.loss,
            test_accuracy=evaluation.accuracy,
        ),
        source=card.learned_from,
    )


def _opened(file: BinaryIO) -> zipfile.ZipFile:
    """A zip whose directory is small enough to be read. Raises ExportError for another one, and
    when it is none."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 42))
    tail = file.read()
    # The last 22 bytes end the directory and tell its size, unless a comment comes after them or,
    # 20 bytes before, the pointer to another end, that of a zip of more than 4 GB: ours has
    # neither.
    pointer, end = tail[-42:-22], tail[-22:]
    if not end.startswith(b"PK\5\6") or end[20:] != b"\0\0" or pointer.startswith(b"PK\6\7"):
        raise ExportError("it is no zip, or one that is damaged or was made by another program")
    if int.from_bytes(end[12:16], "little") > MOST_DIRECTORY_BYTES:
        raise ExportError("there is more in it than in an exported run")
    return zipfile.ZipFile(file)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """What is in a zip, by name.

    Raises:
        ExportError: Where a name comes twice.
    """
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ExportError("it holds two files of the same name")
    return members


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most_bytes: int) -> bytes:
    """One member, its checksum checked.

    Raises:
        ExportError: When it is larger than that, whatever it says of itself.
    """
    if info.flag_bits & 1:
        raise ExportError("it needs a password")
    if info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):  # others may ask for much memory themselves
        raise ExportError("it was compressed by another program")
    if info.file_size > most_bytes:
        raise ExportError(
            f"its {info.filename[:NAME_CHARACTERS]!r} is larger than this network can make it"
        )
    with archive.open(info) as member:
        content = member.read(most_bytes + 1)  # up to the end, where the checksum is compared
    if len(content) != info.file_size:
        raise ExportError("it is damaged")
    return content


def _card(content: bytes) -> _Card:
    try:
        card = _Card.model_validate_json(content)
    except ValidationError as error:
        raise ExportError("its run.json is damaged, or something else") from error
    if card.version != VERSION:
        raise ExportError(
            f"it was made by another version of this project (its format is {card.version}, this "
            f"is {VERSION})"
        )
    card.curve.pending, card.curve.elapsed_s = [], 0.0  # of use only while a training runs
    return card


def _hyperparameters(card: _Card) -> Hyperparameters:
    try:
        return hyperparameters.validate(card.hyperparameters | {"network": card.network})
    except HyperparametersError as error:
        sentence = error.problems[0].sentence
        raise ExportError(
            f"its hyperparameters are not valid ({sentence[:200].removesuffix('.')})"
        ) from error


def _check_course(card: _Card, values: Hyperparameters) -> None:
    """Refuses a course of training that cannot have happened.

    Raises:
        ExportError: The curve and the measures cannot be those of a training with these
            hyperparameters.
    """
    curve, measures = card.curve, card.measures
    # A curve counts epochs in batches, of which the last is smaller; the rest counts them in
    # images.
    most_epochs = max(
        planned_steps(values) / steps_per_epoch(values),
        planned_images(values) / values.train_images,
    )
    points = np.array(curve.points, np.float64).reshape(-1, 3)
    ends, changes = curve.epochs, curve.changes
    validated = [
        end
        for end in ends
        if end.validation_loss is not None and end.validation_accuracy is not None
    ]
    losses = [
        *points[:, 1],
        *(end.loss for end in ends),
        *(end.validation_loss for end in validated),
    ]
    accuracies = [
        *points[:, 2],
        *(end.accuracy for end in ends),
        *(end.validation_accuracy for end in validated),
    ]
    is_sound = (
        curve.steps_per_epoch == steps_per_epoch(values)
        and 1 <= curve.batches_per_point <= planned_steps(values)
        and 0 <= curve.batches <= planned_steps(values)
        and len(points) <= POINTS
        and len(ends) <= (POINTS if values.budget_s else values.epochs)
        and len(changes) <= MOST_CHANGES
        and len(curve.seconds) in (0, len(points))
        and all((end.validation_loss is None) == (end.validation_accuracy is None) for end in ends)
        and _rise(points[:, 0], most_epochs)
        and _rise(curve.seconds, LONGEST_S)
        and _rise([end.epoch for end in ends], most_epochs)
        and _rise([end.elapsed_s for end in ends], LONGEST_S)
        and _rise([change.epoch for change in changes], most_epochs)
        and _between(losses, 0, math.inf)
        and _between(accuracies, 0, 1)
        and _between([change.learning_rate for change in changes], 0, 1)
        and _between([measures.epochs], 0, most_epochs)
        and _between([measures.elapsed_s], 0, LONGEST_S)
        and _between([measures.temperature], COLDEST, HOTTEST)
        and _between([measures.confidence_threshold], 0, 1)
    )
    if not is_sound:
        raise ExportError("its curve cannot be that of its training")


def _rise(values: Sequence[float] | np.ndarray, high: float) -> bool:
    """Whether these are numbers from 0 to `high`, none smaller than the one before."""
    return _between(values, 0, high) and bool((np.diff(np.array(values)) >= 0).all())


def _between(values: Iterable[float], low: float, high: float) -> bool:
    array = np.array(values, np.float64)
    return bool((np.isfinite(array) & (array >= low) & (array <= high + 1e-9)).all())


def _check_arrays(weights: bytes, most_bytes: int) -> None:
    """NumPy makes room for as much as an array says it has before it reads any of it.

    Raises:
        ExportError: Unless an archive's arrays are float32, in C order, exactly as long as they
            say, and fit into `most_bytes` unpacked.
    """
    with _opened(io.BytesIO(weights)) as archive:
        members = _members(archive)
        if sum(info.file_size for info in members.values()) > most_bytes:
            raise ExportError("its weights are larger than this network's can be")
        for info in members.values():
            stream = io.BytesIO(_content(archive, info, info.file_size))
            if np.lib.format.read_magic(stream) != (1, 0):
                raise ExportError("its weights are of another kind")
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            if is_fortran or dtype != np.float32:
                raise ExportError("its weights are of another kind")
            if len(stream.getbuffer()) - stream.tell() != math.prod(shape) * dtype.itemsize:
                raise ExportError("its weights are damaged")
