"""A network from somebody's file as a run's file, to take to another machine, and back.

The file is a zip with the network's own file as it was brought, beside what was found out about it.
On the way back that file is read as any other: nothing in it is executed, and how well the network
reads is measured again.
"""

import io
import textwrap
import zipfile
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel

from mnist_models.imports import archive, containers, reading
from mnist_models.imports.containers import Files, Kind
from mnist_models.imports.feeding import Feeding
from mnist_models.imports.findings import UNTRUE, Findings
from mnist_models.imports.recipe import recipe
from mnist_models.imports.refusal import DAMAGED, RefusedError
from mnist_models.runs.loading import keep_imported
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run, clean_name
from mnist_models.training.material import Source

README, PREPARE, LAYERS, NETWORK = "README.txt", "prepare.py", "layers.json", "network"
ENDINGS = {
    Kind.HDF5: ".h5",
    Kind.ONNX: ".onnx",
    Kind.TFLITE: ".tflite",
    Kind.PICKLE: ".pt",
}
# Zips that have endings of their own, by what is in them.
ZIPS = {reading.CONFIG: ".keras", "data.pkl": ".pt"}
README_TEXT = """\
{name}: a network that reads handwritten digits, trained elsewhere; test accuracy {accuracy}

{said}

{network}the network's own file, as it was brought
{layers}prepare.py    Python that prepares a picture for it; it needs NumPy and Pillow
run.json      its name, and every way to feed it that was tried, for programs

python -m mnist_models import FILE.zip
    takes this file into the app; so does "Import a run or a model" on its Train page. Both read the
    network's file and run.json, execute nothing in them, and measure the network again
"""
LAYERS_TEXT = "layers.json   the description of its layers\n"


class _Card(BaseModel):
    """What run.json holds.

    Attributes:
        learned_from: See tables.Run.source.
    """

    format: Literal["mnist_models imported network"] = "mnist_models imported network"
    version: Literal[1] = 1
    name: str
    found: Findings
    learned_from: Source | None = None


def is_passed_on(content: bytes) -> bool:
    """Whether a run's file holds a network from somebody's file."""
    names = [name.rpartition("/")[2] for name in containers.names(content)]
    return reading.RUN in names and any(name.startswith(f"{NETWORK}.") for name in names)


def export(store: RunStore, run: Run) -> bytes:
    """Such a network as a zip; its README says what is in it.

    Raises:
        StoreError, RefusedError: What was kept of it is not there, or damaged.
    """
    assert run.imported
    content, config = archive.unpacked(store.weights(run.id))
    ending = _ending(content)
    card = _Card(name=run.name, found=Findings.of(run.imported), learned_from=run.source)
    said = list(run.imported["said"])
    if run.source:
        said.append(f"It learned from a class's digits: {run.source}.")
    contents: dict[str, str | bytes] = {
        reading.RUN: card.model_dump_json(),
        NETWORK + ending: content,
        PREPARE: recipe(Feeding.in_use(run.imported)),
        README: README_TEXT.format(
            name=run.name,
            accuracy=f"{run.test_accuracy:.2%}",
            said="\n".join(textwrap.fill(said, 100) for said in said),
            network=f"{NETWORK + ending:14}",
            layers=LAYERS_TEXT if config else "",
        ),
    }
    if config:
        contents[LAYERS] = config
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packing:
        for name, member in contents.items():
            packing.writestr(name, member)
    return file.getvalue()


def _ending(content: bytes) -> str:
    """How the name of a network's file ends, such as ".h5"."""
    kind = containers.kind_of(content)
    if kind is not Kind.ZIP:
        return ENDINGS[kind]
    inside = Files(content)
    return next((ending for name, ending in ZIPS.items() if name in inside), ".zip")


def import_run(
    store: RunStore,
    content: bytes,
    name: str | None = None,
    visitor: str | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Run:
    """A new run of the store from a file that `export` made, under its own name unless another is
    given.

    Raises:
        RefusedError: The file is none of ours, damaged, or its network cannot be used here.
        StoreError: It cannot be kept.
    """
    files = Files(content)
    try:
        card = _Card.model_validate_json(files[reading.RUN])
        (network,) = (one for one in files if one.startswith(f"{NETWORK}."))
    except (ValueError, KeyError) as error:  # pydantic's own is a ValueError
        raise RefusedError(f"Its run.json is damaged, or something else. {DAMAGED}") from error
    run, _, _ = keep_imported(
        store,
        name or clean_name(card.name) or network,
        files[network],
        files.get(LAYERS),
        progress,
        visitor,
        card.found,
        card.learned_from,
    )
    if run is None:
        raise RefusedError(UNTRUE)
    return run
