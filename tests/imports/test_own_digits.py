"""A digit of one's own: why it was read wrong, and the lines that prepare it rightly."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from mnist_models.data import dataset
from mnist_models.data.preprocessing import prepare_drawing
from mnist_models.imports import archive, diagnosis, imported, mistakes
from mnist_models.imports.feeding import SCALES, Feeding, Layout
from mnist_models.imports.recipe import recipe
from tests.imports import forms


def drawn(image, offset=0):
    """A test digit as somebody would have drawn it: black on a white sheet of 280 pixels, the digit
    small where it is off the middle."""
    side = 120 if offset else 280
    ink = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    sheet = Image.new("L", (280, 280), 255)
    sheet.paste(Image.fromarray(255 - np.asarray(ink)), (offset, offset))
    return sheet


LAYOUTS = [
    Layout((784,), 28),
    Layout((28, 28, 1), 28, transposed=True),
    Layout((3, 28, 28), 28, 3, channels_first=True),
    Layout((32, 32, 3), 32, 3, fit="padded"),
    Layout((20, 20), 20, fit="cropped"),
    Layout((14, 14, 1), 14, fit="resized"),
    Layout((1, 32, 32), 32, fit="resized"),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.title)
@pytest.mark.parametrize("scale", SCALES)
def test_the_printed_lines_prepare_a_picture_as_the_network_wants_it(layout, scale, tmp_path):
    feeding = Feeding(layout, scale)
    source = recipe(feeding)
    assert "mnist_models" not in source
    assert all(len(line) <= 120 for line in source.splitlines())
    own: dict = {}
    exec(compile(source, "recipe.py", "exec"), own)
    for place in (0, 3, 6):
        image = dataset.load().test.images[place]
        drawn(image).save(tmp_path / "digit.png")
        given = own["prepare"](tmp_path / "digit.png")
        wanted = feeding(image[np.newaxis])
        assert given.shape == wanted.shape and given.dtype == np.float32
        # A digit that is enlarged and made small again is a little softer than it was.
        spread = wanted.max() - wanted.min()
        assert np.abs(given - wanted).mean() < 0.06 * spread


def test_light_ink_on_dark_paper_is_prepared_alike(tmp_path):
    own: dict = {}
    exec(recipe(Feeding(LAYOUTS[0], "unit")), own)
    sheet = drawn(dataset.load().test.images[0])
    sheet.save(tmp_path / "dark.png")
    Image.fromarray(255 - np.asarray(sheet)).save(tmp_path / "light.png")
    dark, light = (own["prepare"](tmp_path / name) for name in ("dark.png", "light.png"))
    np.testing.assert_array_equal(dark, light)


@pytest.fixture(scope="module")
def reader():
    model = forms.fully_connected()
    content = forms.h5(model, forms.config_of(model))
    brought, found = imported.examined(content)
    return imported.reopened(archive.packed(content, None), imported.card_of(brought, found))


def test_the_printed_lines_make_a_network_read_what_is_drawn(reader, tmp_path):
    own: dict = {}
    exec(recipe(reader.feeding), own)
    test = dataset.load().test.part(0, 100)
    right = []
    for image, label in zip(test.images, test.labels, strict=True):
        drawn(image, 30).save(tmp_path / "digit.png")
        said = reader._brought.network.outputs(own["prepare"](tmp_path / "digit.png"))
        right.append(said.argmax() == label)
    as_they_are = (reader.predictions(test.images).digits == test.labels).mean()
    assert np.mean(right) > as_they_are - 0.07


def test_a_drawing_is_read_five_ways_and_the_step_that_breaks_it_is_named(reader):
    test = dataset.load().test
    counts = np.zeros(5)
    for image, label in zip(test.images[:40], test.labels, strict=False):
        preparation = prepare_drawing(np.asarray(drawn(image, 30)))
        ways = mistakes.five_ways(reader, preparation)
        counts += [way.prediction.digit == label for way in ways]
    assert counts[-1] > 28  # prepared as MNIST was, most are right
    assert counts[:2].max() < counts[-1] - 10  # a small digit in a corner; white paper
    assert all(way.image.shape == (28, 28) and way.image.dtype == np.uint8 for way in ways)


def way(title, digit):
    blank = np.zeros((28, 28), np.uint8)
    return mistakes.Way(title, blank, blank.astype(np.float32), _Read(digit))


@dataclasses.dataclass
class _Read:
    digit: int


def test_what_broke_first_is_said():
    ways = [way("whole", 7), way("inverted", 3), way("scale", 5), way("place", 7), way("right", 7)]
    assert mistakes.explained(ways) == (
        "Right, it reads 7. The first step that breaks it: inverted, and it reads 3."
    )
    assert mistakes.explained(ways, 7) == mistakes.explained(ways)
    assert "Even right it reads 7, not 1" in mistakes.explained(ways, 1)
    assert "in all five ways" in mistakes.explained([way("a", 7)] * 5)


def test_what_the_network_is_fed_each_time_can_be_looked_at(reader):
    drawing = prepare_drawing(np.asarray(drawn(dataset.load().test.images[0])))
    ways = mistakes.five_ways(reader, drawing)
    *_, other, _, right = ways
    np.testing.assert_allclose(right.fed, drawing.image / 255, rtol=1e-6)  # of float32
    np.testing.assert_array_equal(other.fed, drawing.image)


def test_a_network_that_learned_from_white_paper_is_shown_black_paper_as_the_mistake(reader):
    drawing = prepare_drawing(np.asarray(drawn(dataset.load().test.images[0])))
    mistake = mistakes.five_ways(reader.fed("inverted"), drawing)[1]
    assert mistake.title == "inverted: black paper, white ink"
    assert mistake.fed[0, 0] == 0  # paper


def test_a_network_is_fed_as_its_owner_chooses_and_again_as_it_was_measured():
    model = forms.convolutional()
    brought, found = imported.examined(forms.h5(model, forms.config_of(model)))
    kept = archive.packed(forms.h5(model, forms.config_of(model)), None)
    card = imported.card_of(brought, found)
    test = dataset.load().test
    scales = [trial["scale"] for trial in card["tried"]]
    changed, quality = imported.fed_by_hand(kept, card, scales.index("raw"))
    plain = model.predict(test.images.astype(np.float32)[..., np.newaxis], verbose=0)
    assert quality.test_accuracy == pytest.approx(
        (plain.argmax(axis=1) == test.labels).mean(), abs=1e-3
    )  # two digits may be equally probable, but for the order in which floats are added
    assert imported.reopened(kept, changed).scale == "raw"
    assert f"{quality.test_accuracy:.2%}" in changed["said"][-1]
    assert changed["said"][:-1] == card["said"][:-1]
    back, quality = imported.fed_by_hand(kept, changed, scales.index("unit"))
    assert imported.reopened(kept, back).feeding == found.chosen.feeding
    assert quality.test_accuracy == pytest.approx(found.test_accuracy)
    assert back["said"] == card["said"]


def test_another_scale_is_another_feeding_of_the_same_network(reader):
    image = dataset.load().test.images[:1]
    raw = reader.fed("raw")
    assert reader.scale == "unit" and raw.scale == "raw"
    said = raw._brought.network.outputs(image.reshape(1, 784).astype(np.float32))
    np.testing.assert_allclose(
        raw.probabilities(image), diagnosis.probabilities(said, "softmax", range(10))
    )
