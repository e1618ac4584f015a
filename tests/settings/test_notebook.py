"""The notebook of a run: it trains the same network as the script, and shows what came of it."""

import base64
import io
import re

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from mnist_models.data import dataset
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from mnist_models.settings.notebook import HEADINGS, notebook
from mnist_models.settings.script import parts, script
from tests.settings.test_script import EVERY, assert_formatted

TRAIN, VALIDATION, TEST = 600, 100, 200
SMALL = {"epochs": 1, "train_images": TRAIN, "validation_images": VALIDATION, "batch_size": 32}
CHOSEN = {
    "cnn": CnnHyperparameters(conv_layers=("8x5/2+pool2",), dense_units=(32,), **SMALL),
    # Its images are varied and scrambled, its labels are shares of digits.
    "dnn": DnnHyperparameters(
        hidden_units=(64,), scrambled=True, augmentation="shift", label_smoothing=0.1, **SMALL
    ),
}
# A cell that lets the kernel talk to Jupyter, and nothing come from the internet.
OFFLINE = """
import socket
connect = socket.socket.connect
def refuse(self, address):
    if address[0] not in ("127.0.0.1", "localhost"):
        raise OSError("no network here")
    return connect(self, address)
socket.socket.connect = refuse
"""


def sources(text):
    return [cell.source for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]


@pytest.fixture(scope="module", params=CHOSEN)
def executed(request, tmp_path_factory):
    """A notebook as it is handed in, after all its cells were run in a folder of their own: its
    cells by the names of their parts, and the folder."""
    folder = tmp_path_factory.mktemp("notebook")
    train, test = dataset.load().train, dataset.load().test
    np.savez(
        folder / "mnist.npz",
        x_train=train.images[: TRAIN + VALIDATION],
        y_train=train.labels[: TRAIN + VALIDATION],
        x_test=test.images[:TEST],
        y_test=test.labels[:TEST],
    )
    hyperparameters = CHOSEN[request.param]
    content = nbformat.reads(notebook(hyperparameters), 4)
    content.cells.insert(0, nbformat.v4.new_code_cell(OFFLINE))
    where = {"metadata": {"path": str(folder)}}
    with pytest.MonkeyPatch.context() as patch:
        # Streamlit, where other tests started it, chose one that shows nothing.
        patch.delenv("MPLBACKEND", raising=False)
        done = NotebookClient(
            content, timeout=120, kernel_name="python3", resources=where
        ).execute()
    code = [cell for cell in done.cells if cell.cell_type == "code"][1:]
    names = [name for name in HEADINGS if name in parts(hyperparameters, is_notebook=True)]
    return dict(zip(names, code, strict=True)), folder


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def shown(cell):
    """The figure that a cell shows."""
    (picture,) = [
        output.data["image/png"]
        for output in cell.outputs
        if output.output_type == "display_data" and "image/png" in output.data
    ]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB"))


def test_it_is_valid_and_every_part_has_its_heading():
    for hyperparameters in EVERY.values():
        text = notebook(hyperparameters)
        assert text == notebook(hyperparameters)
        content = nbformat.reads(text, 4)
        nbformat.validate(content)
        assert [cell.cell_type for cell in content.cells[1::2]] == ["markdown"] * (
            len(content.cells) // 2
        )
        assert set(parts(hyperparameters, is_notebook=True)) <= {*HEADINGS, "about", "command"}


def test_it_trains_as_the_script_does():
    for hyperparameters in EVERY.values():
        code, text = sources(notebook(hyperparameters)), script(hyperparameters)
        same = [part for part in code if part in text]
        assert any("keras.Sequential" in part for part in same)
        assert any("def prepared" in part for part in same)
        (training,) = (part for part in code if "model.fit(" in part)
        assert training.replace("    verbose=2,  # a line for each epoch\n", "") in text


def test_cells_are_written_as_the_formatter_would(tmp_path):
    for place, hyperparameters in enumerate(EVERY.values()):
        (tmp_path / f"{place}.ipynb").write_text(notebook(hyperparameters), encoding="utf-8")
    assert_formatted(tmp_path, "F,I,UP,B,C4,SIM,N")


def test_it_reports_what_the_model_reads(executed):
    cells, _ = executed
    loss, accuracy = re.fullmatch(
        r"test loss (\d+\.\d{4}), test accuracy (\d+\.\d\d)%\n", printed(cells["test"])
    ).groups()
    assert float(loss) < 2.3 and float(accuracy) > 30  # chance: ln 10, and 10 %
    wrong = re.fullmatch(
        rf"(\d+) of {TEST} test images are misclassified\n", printed(cells["confusion"])
    )[1]
    assert int(wrong) == round(TEST * (1 - float(accuracy) / 100))


def test_it_shows_its_curves_and_its_confusion_matrix(executed):
    cells, folder = executed
    curves, confusion = shown(cells["curves"]), shown(cells["confusion"])
    for color in ((31, 119, 180), (255, 127, 14)):  # training and validation: both are drawn
        assert (curves == color).all(axis=-1).sum() > 20
    assert min(confusion.shape[:2]) > 300
    # Most images lie on the diagonal: there the matrix is dark.
    assert (confusion == (8, 48, 107)).all(axis=-1).any()
    assert (folder / "model.keras").exists()


def test_it_reads_a_picture(executed):
    cells, folder = executed
    digit, probability = re.fullmatch(
        r"digit\.png: (\d), probability (\d+\.\d)%\n", printed(cells["own"])
    ).groups()
    assert int(digit) in range(10) and 10 <= float(probability) <= 100
    with Image.open(folder / "digit.png") as picture:
        assert picture.size == (280, 280)
    assert (shown(cells["own"]) == (31, 119, 180)).all(axis=-1).any()  # the bars
