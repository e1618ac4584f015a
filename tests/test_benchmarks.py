"""What the benchmarks draw and run, and the table that they write; how fast anything is, is not
asserted anywhere."""

import importlib
import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import drawing, handwriting, plain_training, results, training
from benchmarks.drawing import WAYS, Way
from mnist_models.data import dataset
from mnist_models.settings.recipes import RECIPES

SEVEN = [[(0, 0), (50, 0), (20, 100)]]


def ink_box(canvas):
    """Left, top, right and bottom of what is darker than half."""
    rows, columns = (np.flatnonzero((canvas < 128).any(axis=axis)) for axis in (1, 0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_digit_is_drawn_as_large_as_asked_and_within_the_canvas(way):
    canvas = drawing.draw(SEVEN, way, np.random.default_rng(1))
    assert canvas.shape == (280, 280) and canvas.dtype == np.uint8
    left, top, right, bottom = ink_box(canvas)
    assert bottom - top == pytest.approx(way.size_px + way.brush_px, abs=2)
    assert right - left == pytest.approx(way.size_px / 2 + way.brush_px, abs=2)
    assert min(left, top) >= 0 and max(right, bottom) <= 280
    if not way.anywhere:
        assert (left + right) / 2 == pytest.approx(140, abs=1.5) and (
            top + bottom
        ) / 2 == pytest.approx(140, abs=1.5)


def test_a_digit_anywhere_stands_elsewhere_each_time():
    random = np.random.default_rng(1)
    places = {ink_box(drawing.draw(SEVEN, Way(110, 14, anywhere=True), random)) for _ in range(5)}
    assert len(places) == 5


def test_a_dot_is_drawn_as_the_brush():
    left, top, right, bottom = ink_box(
        drawing.draw([[(5, 5)]], Way(200, 20), np.random.default_rng(1))
    )
    assert (right - left, bottom - top) == pytest.approx((20, 20), abs=1.5)


def test_recordings_are_read_from_lines_of_json(tmp_path):
    file = tmp_path / "strokes.jsonl"
    lines = [
        {"label": 7, "writer": "a", "strokes": SEVEN},
        {"label": 1, "strokes": [[[0, 0], [0, 9]]]},
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    first, second = drawing.read(file)
    assert (first.label, first.writer, len(first.strokes[0])) == (7, "a", 3)
    assert (second.label, second.writer) == (1, "")


def test_letters_are_drawn_in_several_fonts_at_the_size_asked():
    letters = list(drawing.letters())
    assert len({font for _, font in letters}) > 3 and len({letter for letter, _ in letters}) == 52
    assert {letter for letter, _ in drawing.letters("αΩ")} == {"α", "Ω"}
    for letter in "Am":
        left, top, right, bottom = ink_box(drawing.draw_letter(letter, letters[0][1], Way(200, 20)))
        assert max(right - left, bottom - top) == pytest.approx(200, abs=4)


def test_no_two_scribbles_are_the_same():
    random = np.random.default_rng(1)
    drawn = [drawing.draw(drawing.random_strokes(random), Way(200, 20), random) for _ in range(4)]
    assert len({canvas.tobytes() for canvas in drawn}) == 4 and all(
        (canvas < 128).any() for canvas in drawn
    )


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Every part of every benchmark was measured."""
    monkeypatch.setattr(results, "KEPT", tmp_path / "kept")
    for name, parts in results.BENCHMARKS.items():
        for part in parts:
            results.keep(
                name,
                part,
                [results.Row(f"what {name} measures of {part}", "12 ms", "34 ms", "at most 20 ms")],
            )
    return tmp_path / "kept"


def test_the_table_stands_between_its_marks_in_the_order_of_the_benchmarks(tmp_path, kept):
    file = tmp_path / "README.md"
    file.write_text(f"before\n{results.MARKS[0]}\nold\n{results.MARKS[1]}\nafter\n")
    assert results.write_table(file) is None
    text = file.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    rows = [line for line in text.splitlines() if line.startswith("| what ")]
    every = [(name, part) for name, parts in results.BENCHMARKS.items() for part in parts]
    assert rows == [
        f"| what {name} measures of {part} | 12 ms | 34 ms | at most 20 ms |"
        for name, part in every
    ]


def test_a_table_that_cannot_be_written_is_a_sentence(tmp_path, kept):
    file = tmp_path / "README.md"
    file.write_text("no marks")
    assert "lacks the lines" in results.write_table(file) and file.read_text() == "no marks"


def test_what_was_not_measured_is_told_and_the_rest_stands_in_the_table(tmp_path, kept):
    file = tmp_path / "README.md"
    file.write_text("\n".join(results.MARKS))
    next(kept.glob("handwriting, strokes*")).unlink()
    assert "not in the table: handwriting (strokes)." in results.write_table(file)
    text = file.read_text()
    assert "of strokes" in text and "what handwriting measures of strokes" not in text
    assert "what handwriting measures of non-digits" in text


@pytest.mark.parametrize("name", results.BENCHMARKS)
def test_every_part_of_a_benchmark_can_be_measured(name):
    module = importlib.import_module(f"benchmarks.{name}")
    assert tuple(module.PARTS) == results.BENCHMARKS[name]


def test_parts_that_are_not_asked_for_stay_as_they_were_measured(monkeypatch, kept, capsys):
    parts = {
        part: lambda folder, part=part: iter([results.Row(part, "5 ms")])
        for part in results.BENCHMARKS["page"]
    }
    monkeypatch.setattr("sys.argv", ["page.py", "--only", "starts"])
    results.main("page", "How soon.", parts)
    assert "| starts | 5 ms |  |  |" in capsys.readouterr().out
    found = {
        file.stem: json.loads(file.read_text())["rows"][0]["ours"] for file in kept.glob("page*")
    }
    assert found == {
        "page, strokes": "12 ms",
        "page, earlier": "12 ms",
        "page, live": "12 ms",
        "page, pages": "12 ms",
        "page, starts": "5 ms",
    }


@pytest.mark.parametrize(("recipe", "parameters"), [("simple-nn", 91_860), ("simple-cnn", 544_522)])
def test_the_plain_training_has_the_network_of_ours_and_ends_where_it_is_asked_to(
    monkeypatch, recipe, parameters
):
    test = dataset.load().test
    few = dataset.load()._replace(test=test.part(0, 1_000))
    monkeypatch.setattr(dataset, "load", lambda: few)
    monkeypatch.setattr(plain_training, "TRAIN_IMAGES", 100)
    monkeypatch.setattr(plain_training, "VALIDATION_IMAGES", 100)
    small = {"train_images": 100, "validation_images": 100, "epochs": 1}
    hyperparameters = RECIPES[recipe].hyperparameters.model_copy(update=small)
    ours = training.train_here(hyperparameters.model_dump(mode="json"))
    until = plain_training.train(hyperparameters.network, 32, seed=1, epochs=None, until=0.1)
    once = plain_training.train(hyperparameters.network, 32, seed=1, epochs=1, until=None)
    assert ours["parameters"] == once["parameters"] == until["parameters"] == parameters
    assert until["epochs"] == once["epochs"] == 1 and until["accuracy"] >= 0.1
    assert min(ours["seconds"], once["seconds"], until["seconds"]) > 0


def test_what_learning_from_an_image_takes_is_counted_by_layer():
    values = RECIPES["simple-nn"].hyperparameters.model_dump(mode="json")
    # Two operations a weight, three times; but the first layer's inputs are the image, which learns
    # nothing.
    weights = [784 * 100, 100 * 80, 80 * 50, 50 * 10]
    assert training.count_operations(values) == {"operations": 6 * sum(weights) - 2 * weights[0]}


def test_pictures_to_measure_are_in_folders_or_in_a_manifest(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "a.png").touch()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "b.png").touch()
    assert handwriting.labelled_pictures(tmp_path) == [(tmp_path / "7" / "a.png", 7, "7")]
    rows = [{"file": "c.png", "expected": None, "kind": "numbers"}]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert handwriting.labelled_pictures(tmp_path) == [(tmp_path / "c.png", None, "numbers")]


def test_misread_pictures_are_drawn_beside_what_was_seen(tmp_path, capsys):
    seven = Image.fromarray(drawing.draw(SEVEN, WAYS[0], np.random.default_rng(1)))
    seven.save(tmp_path / "seven.png")
    picture = handwriting.Labelled(tmp_path / "seven.png", 1, "sevens")
    handwriting.draw_misread_pictures([(picture, "DNN: 7")], tmp_path / "sheet.png")
    assert "sheet.png" in capsys.readouterr().out
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    tile = handwriting.TILE_PX
    # The picture and what the models saw of it.
    assert (sheet[:tile, :tile] < 100).any() and (sheet[:tile, tile + 4 : 2 * tile] < 100).any()
