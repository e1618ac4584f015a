"""Pictures with more in them than paper and a digit: what the models see is the digit alone."""

import io

import numpy as np
import pytest
from PIL import Image

from mnist_models.data import dataset
from mnist_models.data.paper import find_sheet, inside_rim_lines
from mnist_models.data.pictures import open_picture
from mnist_models.data.preprocessing import prepare_ink, prepare_picture
from tests.data import scenes
from tests.data.test_preprocessing import likeness

TEST = dataset.load().test
PICTURES = 16
NOTES = [(245, 225, 110), (250, 170, 190), (170, 230, 150), (150, 210, 240)]
PALE = [((250, 235, 90), (235, 233, 228)), ((190, 240, 120), (225, 225, 222))]
LIGHT_TABLE = {"grey": 240.0, "paper": (170.0, 165.0, 150.0)}


def png(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def on_table(sides, turned=0.0, **table):
    return lambda ink, random: scenes.photo(
        scenes.on_table(ink, random, sides, turned, **table), random
    )


def ruled(dark, apart_px, **page):
    return lambda ink, random: scenes.photo(
        scenes.lines(ink, random, apart_px, dark, **page), random
    )


def rim(sides, line_px, grey, paper, pen):
    return lambda ink, random: png(
        scenes.framed(ink, random, sides, line_px, grey, paper=paper, pen=pen)
    )


def more(what):
    return lambda ink, random: png(scenes.and_more(ink, random, what))


def in_photo(scene):
    return lambda ink, random: scenes.photo(scene(ink, random), random)


# How a page with ink on it becomes a file; how large a digit is, as a share of the page's height.
KINDS = {
    "table to the left": (on_table("L", share=(0.03, 0.12)), 0.4),
    "table above, turned": (on_table("T", 3.0, share=(0.05, 0.12)), 0.4),
    "table in two corners": (on_table("LT", share=(0.04, 0.12)), 0.4),
    "table on three sides": (on_table("LTR", 2.0), 0.3),
    "table all around": (on_table("LTRB", -5.0, grey=80.0), 0.3),
    "light table": (on_table("LRTB", 2.0, **LIGHT_TABLE), 0.3),
    "squared from afar": (ruled(0.35, 14), 0.18),
    "ruled from afar": (ruled(0.45, 17, squared=False, turned=1.0), 0.18),
    "squared close": (ruled(0.3, 40, line_px=2), 0.5),
    "margin lines": (in_photo(scenes.margin_lines), 0.4),
    "punched holes": (in_photo(scenes.punched_holes), 0.4),
    "yellow marker": (in_photo(lambda ink, random: scenes.sheet(ink, random, *PALE[0][::-1])), 0.5),
    "green marker": (in_photo(lambda ink, random: scenes.sheet(ink, random, *PALE[1][::-1])), 0.5),
    "black frame": (rim("LTRB", 3, 0, 255, 0), 0.5),
    "white frame": (rim("LTRB", 2, 255, 20, 235), 0.6),
    "grey cell": (rim("RB", 2, 130, 30, 240), 0.6),
    "cell": (rim("LT", 1, 0, 255, 20), 0.5),
    **{what: (more(what), 0.35) for what in scenes.MORE},
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_digit_is_seen(kind):
    made, share = KINDS[kind]
    likenesses = []
    for seed in range(PICTURES):
        random = np.random.default_rng(seed)
        # A circle that leaves the page is none.
        ink = scenes.placed(
            TEST.images[300 + seed], (320, 240), 320 * share, random, middle=kind == "circle"
        )
        seen = prepare_picture(open_picture(made(ink, random))).image
        likenesses.append(likeness(seen, prepare_ink((ink * 255).astype(np.uint8)).image))
    # One in sixteen may be lost, as when a line meets the digit.
    assert np.sort(likenesses)[1] > 0.8
    assert np.median(likenesses) > 0.95


def test_the_digit_on_a_sticky_note_is_seen():
    likenesses = []
    for seed in range(PICTURES):
        random = np.random.default_rng(seed)
        digit = TEST.images[300 + seed]
        colour, turned = NOTES[seed % 4], random.uniform(-6, 6)
        scene = scenes.sticky_note(digit, (320, 320), random, colour, turned=turned)
        seen = prepare_picture(open_picture(scenes.photo(scene, random))).image
        likenesses.append(likeness(seen, digit))
    assert np.sort(likenesses)[1] > 0.8
    assert np.median(likenesses) > 0.9


@pytest.mark.parametrize("pen_share", [0.15, 0.2, 0.26])
def test_a_thick_pen_cropped_tightly_is_ink(pen_share):
    seven = [[(0, 0), (60, 5), (25, 100)]]
    three = [[(5, 5), (45, 0), (50, 30), (20, 45), (55, 65), (45, 95), (0, 100)]]
    for seed, strokes in enumerate([seven, three] * 4):
        random = np.random.default_rng(seed)
        file = scenes.photo(scenes.thick_and_tight(strokes, random, pen_share), random)
        ink = scenes.written(strokes, (400, 400), 300, 300 * pen_share, random)
        expected = prepare_ink((ink * 255).astype(np.uint8)).image
        assert likeness(prepare_picture(open_picture(file)).image, expected) > 0.85


@pytest.mark.parametrize("longer_px", [8, 12, 19])
@pytest.mark.parametrize("margin_px", [1, 90])
def test_a_tiny_digit_is_as_it_was(longer_px, margin_px):
    likenesses = []
    for digit in TEST.images[300:340]:
        rows, columns = np.nonzero(digit > 50)
        box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        tight = Image.fromarray(digit[box])
        scale = longer_px / max(tight.size)
        tiny = tight.resize([max(1, round(side * scale)) for side in tight.size])
        page = Image.fromarray(255 - np.pad(np.asarray(tiny), margin_px))
        likenesses.append(likeness(prepare_picture(page).image, digit))
    assert np.mean(likenesses) > (0.85 if longer_px == 8 else 0.93)


@pytest.mark.parametrize("shadow", [False, True])
def test_paper_that_fills_the_picture_is_no_sheet_on_a_table(shadow):
    for seed in range(30):
        random = np.random.default_rng(seed)
        ink = scenes.placed(TEST.images[seed], (320, 240), 320 * random.uniform(0.3, 0.7), random)
        picture = open_picture(scenes.photo(scenes.sheet(ink, random), random, shadow=shadow))
        seen = prepare_picture(picture).image
        assert shadow or find_sheet(picture) is None
        assert likeness(seen, prepare_ink((ink * 255).astype(np.uint8)).image) > 0.8


def test_a_thick_zero_is_no_sheet():
    y, x = np.mgrid[-1:1:300j, -0.75:0.75:225j]
    radius = np.hypot(x / 0.55, y / 0.75)
    zero = 220.0 - 180 * ((radius < 1) & (radius > 0.55))
    assert find_sheet(Image.fromarray(zero.astype(np.uint8))) is None


def test_a_digit_that_reaches_the_rim_is_no_line_along_it():
    for sides in ("T", "TR", "LB", "TB"):
        seven = np.full((100, 60), 255, np.uint8)
        for side in sides:
            seven[
                {"T": np.s_[:8], "B": np.s_[-8:], "L": np.s_[:, :8], "R": np.s_[:, -8:]}[side]
            ] = 0
        assert inside_rim_lines(seven) == (0, 0, 60, 100)
