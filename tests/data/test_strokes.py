"""A drawing taken apart, and when a network knew what it would be."""

import base64
import io
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_models.data import strokes
from mnist_models.data.preprocessing import prepare_drawing, prepare_ink
from mnist_models.data.strokes import Drawing, Moment
from mnist_models.runs.loading import load_reader
from mnist_models.runs.pretrained import PREFIX
from mnist_models.runs.store import RunStore

# What the canvas told in a real browser of what was drawn there with a mouse: objects, and its
# pixels.
TOLD = json.loads(Path(__file__).with_name("canvas_told.json").read_text(encoding="utf-8"))


def path(*points, brush_px=20):
    """A stroke as the canvas tells it."""
    return {"type": "Path", "path": strokes.brush_path(points), "strokeWidth": brush_px}


def picture(ink, **place):
    """An image object as the canvas tells it: black, as transparent as there is no ink."""
    pixels = np.zeros((*ink.shape, 4), np.uint8)
    pixels[..., 3] = ink
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    src = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    sides = {"width": ink.shape[1], "height": ink.shape[0], "scaleX": 1, "scaleY": 1}
    return {
        "type": "Image",
        "src": src,
        "left": 0,
        "top": 0,
        "originX": "left",
        "originY": "top",
        **sides,
        **place,
    }


def distance(points, x, y):
    """From a place to the nearest point of a line through points."""
    nearest = math.inf
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        share = (
            min(max(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0), 1) if length else 0
        )
        nearest = min(nearest, math.hypot(x - x0 - share * (x1 - x0), y - y0 - share * (y1 - y0)))
    return nearest


TWO = [path((60, 60), (60, 160), (180, 160)), path((150, 90), (150, 240), brush_px=8)]
REAL = pytest.mark.parametrize("told", TOLD, ids=lambda told: told["title"])


def test_a_curve_and_lines_become_points_that_lie_on_them_no_farther_apart_than_two_pixels():
    (stroke,) = strokes.from_canvas(
        [
            {
                "path": [["M", 10, 20], ["L", 30, 20], ["Q", 90, 20, 90, 80], ["L", 90, 81]],
                "strokeWidth": 12,
            }
        ]
    ).strokes
    assert stroke.brush_px == 12
    for one in (stroke, *strokes.from_canvas(TWO).strokes):
        assert np.hypot(*np.diff(one.points, axis=0).T).max() < 2.001
    assert stroke.points[0].tolist() == [10, 20] and stroke.points[-1].tolist() == [90, 81]
    line, curve = stroke.points[stroke.points[:, 0] <= 30], stroke.points[stroke.points[:, 0] > 30]
    assert (line[:, 1] == 20).all()
    # (30, 20) to (90, 80) around (90, 20): x = 30 + 60 (2t - t²) and y = 20 + 60 t².
    share = np.sqrt((curve[:-1, 1] - 20) / 60)
    np.testing.assert_allclose(curve[:-1, 0], 30 + 60 * (2 * share - share**2))


@REAL
def test_the_path_of_a_brush_is_the_one_that_the_canvas_makes(told):
    """Its curves bend at the points where the hand was. It begins and ends a fiftieth of a pixel
    beyond them."""
    for one in [one for one in told["objects"] if one["type"] == "Path"]:
        hand = [(x, y) for kind, x, y, *_ in one["path"] if kind == "Q"] + [
            tuple(one["path"][-1][1:])
        ]
        ours = strokes.brush_path(hand)
        assert [kind for kind, *_ in ours] == [kind for kind, *_ in one["path"]]
        for (_, *numbers), (_, *theirs) in zip(ours, one["path"], strict=True):
            assert numbers == pytest.approx(theirs, abs=0.021)


@REAL
def test_a_drawing_looks_as_in_a_real_browser(told):
    canvas = np.asarray(Image.open(io.BytesIO(base64.b64decode(told["png"]))))
    ours = strokes.ink(strokes.from_canvas(told["objects"]))
    difference = np.abs(255 - canvas.astype(int) - ours)
    assert difference.mean() < 1 and (difference > 128).sum() < 20
    for network in ("dnn", "cnn"):
        reader = load_reader(RunStore(), PREFIX + network)
        in_browser, here = reader.probabilities(
            np.stack([prepare_drawing(canvas).image, prepare_ink(ours).image])
        )
        assert in_browser.argmax() == here.argmax() == told["label"]
        # The edges of strokes are not smoothed to the same grey: where a model hesitates, that
        # moves its probabilities by some percent.
        np.testing.assert_allclose(in_browser, here, atol=0.06)


def test_strokes_have_round_ends_and_joints_and_their_own_width():
    drawing = strokes.from_canvas(TWO)
    ink = strokes.ink(drawing)
    assert ink.shape == (280, 280) and ink.dtype == np.uint8
    for row, column in np.random.default_rng(1).integers(30, 270, (500, 2)):
        inside = max(
            stroke.brush_px / 2 - distance(stroke.points, column + 0.5, row + 0.5)
            for stroke in drawing.strokes
        )
        if abs(inside) > 1.2:
            assert ink[row, column] == (255 if inside > 0 else 0)


def test_a_dot_is_as_large_as_the_brush_and_has_one_moment():
    drawing = strokes.from_canvas(
        [{"path": [["M", 99.98, 100], ["L", 100.02, 100]], "strokeWidth": 20}]
    )
    assert strokes.ink(drawing).sum() / 255 == pytest.approx(math.pi * 100, rel=0.06)
    for dot in (drawing, strokes.from_canvas([path((100, 100), (100, 100))])):
        (moment,) = strokes.moments(dot)
        assert moment == Moment(0, len(dot.strokes[0].points), 1.0) and moment.percent == 100


def test_moments_lie_evenly_along_the_strokes_with_the_begin_and_the_end_of_each():
    drawing = strokes.from_canvas(TWO)
    moments = strokes.moments(drawing)
    assert 55 <= len(moments) <= 62
    lengths = [stroke.along_px()[-1] for stroke in drawing.strokes]
    whole = sum(lengths) + 20 + 8
    inks = [moment.ink for moment in moments]
    assert inks == sorted(set(inks)) and inks[-1] == pytest.approx(1)
    first = [moment for moment in moments if moment.stroke == 0]
    second = moments[len(first) :]
    assert first[0].points == second[0].points == 1
    assert [first[-1].points, second[-1].points] == [
        len(stroke.points) for stroke in drawing.strokes
    ]
    assert first[0].ink == pytest.approx(20 / whole) and first[-1].ink == pytest.approx(
        (20 + lengths[0]) / whole
    )
    assert second[0].ink == pytest.approx((20 + lengths[0] + 8) / whole)
    for some in (first, second):
        # Points are up to two pixels apart.
        even = np.linspace(some[0].ink, some[-1].ink, len(some))
        assert (np.abs([moment.ink for moment in some] - even) * whole).max() <= 2.01


def test_of_more_strokes_than_moments_some_ends_are_left_out_but_not_the_last():
    dots = [{"path": [["M", x, 50], ["L", x + 0.04, 50]], "strokeWidth": 4} for x in range(20, 220)]
    moments = strokes.moments(strokes.from_canvas(dots))
    assert len(moments) == strokes.MOST_MOMENTS and len(
        {moment.stroke for moment in moments}
    ) == len(moments)
    assert moments[-1].stroke == 199 and moments[-1].ink == pytest.approx(1)


@pytest.mark.parametrize(
    "objects", [TWO, [picture(np.full((40, 60), 90, np.uint8), left=100, top=20), *TWO]]
)
def test_what_was_there_by_each_moment_is_what_its_strokes_alone_would_be(objects):
    replay = strokes.Replay.of(objects)
    assert replay.images.shape == (len(replay.moments), 28, 28) and replay.images.dtype == np.uint8
    found = list(strokes.inks(replay.drawing, replay.moments))
    for moment, ink, image in zip(replay.moments, found, replay.images, strict=True):
        alone = strokes.ink(strokes.until(replay.drawing, moment))
        np.testing.assert_array_equal(ink, alone)
        np.testing.assert_array_equal(image, prepare_ink(alone).image)
    np.testing.assert_array_equal(found[-1], strokes.ink(replay.drawing))


def test_moments_may_skip_strokes():
    drawing = strokes.from_canvas([path((x, 40), (x, 200)) for x in range(20, 260, 40)])
    some = [Moment(1, 5, 0), Moment(4, 9, 0), Moment(5, 30, 0)]
    for moment, ink in zip(some, strokes.inks(drawing, some), strict=True):
        np.testing.assert_array_equal(ink, strokes.ink(strokes.until(drawing, moment)))


def test_a_picture_lies_under_the_strokes_and_is_the_first_moment():
    spot = np.zeros((40, 60), np.uint8)
    spot[10:30, 10:50] = 255
    drawing = strokes.from_canvas(
        [picture(spot, left=130, top=70, originX="center", originY="center"), TWO[0]]
    )
    expected = np.zeros((280, 280), np.uint8)
    expected[60:80, 110:150] = 255
    np.testing.assert_array_equal(drawing.picture, expected)
    first = strokes.moments(drawing)[0]
    assert first == Moment(-1, 0, 0.0) and strokes.until(drawing, first).strokes == ()
    np.testing.assert_array_equal(next(strokes.inks(drawing, [first])), expected)


def test_a_picture_is_shown_as_large_as_the_canvas_shows_it():
    drawing = strokes.from_canvas(
        [picture(np.full((10, 20), 255, np.uint8), left=30, top=50, scaleX=3, scaleY=2)]
    )
    assert (
        drawing.strokes == ()
        and (drawing.picture[50:70, 30:90] == 255).all()
        and drawing.picture.sum() == 255 * 60 * 20
    )


def test_a_stroke_beyond_the_canvas_is_blank_and_no_error():
    replay = strokes.Replay.of([path((400, 400), (400, 500))])
    assert not replay.images.any() and len(replay.images) == len(replay.moments)


def test_without_strokes_there_are_no_moments():
    replay = strokes.Replay.of([])
    assert (
        replay.moments == ()
        and replay.images.shape == (0, 28, 28)
        and replay.drawing == Drawing((), None)
    )


def test_the_moment_at_a_share_of_the_ink_is_the_last_that_has_come():
    replay = strokes.Replay.of(TWO)
    assert replay.at(0) == 0 and replay.at(100) == len(replay.moments) - 1
    for index, moment in enumerate(replay.moments):
        assert moment.percent - 1 < 100 * moment.ink <= moment.percent + 1e-6
        assert (
            replay.moments[replay.at(moment.percent)].percent == moment.percent
            and replay.at(moment.percent) >= index
        )


def decided_slowly(read, confidence_threshold):
    """One moment after the other, as one would tell it."""
    said, since, was_sure, earlier, sure_of = "nothing", 0, False, None, None
    for index, row in enumerate(read):
        digit = max(range(10), key=lambda digit: row[digit])
        now = digit if row[digit] >= confidence_threshold else "not sure"
        if index and now != said:
            since, was_sure, earlier = index, said != "not sure", sure_of
        if now != "not sure":
            sure_of = now
        said = now
    return digit, said != "not sure", since, was_sure, earlier


@pytest.mark.parametrize("seed", range(40))
def test_a_decision_is_the_last_change_of_mind(seed):
    random = np.random.default_rng(seed)
    read = random.dirichlet(np.ones(10) * 0.2, random.integers(1, 12))
    read[:, 3:] = 0  # few digits, so that some stay the same
    read /= read.sum(axis=1, keepdims=True)
    assert tuple(strokes.decide(read, 0.7)) == decided_slowly(read.tolist(), 0.7)


@pytest.mark.parametrize("example", strokes.EXAMPLES, ids=lambda example: example.title)
def test_every_example_has_several_strokes_on_the_canvas_and_is_read_in_the_end(example):
    drawing = strokes.from_canvas([path(*points) for points in example.strokes])
    assert len(drawing.strokes) > 1
    assert all(
        (stroke.points > 10).all() and (stroke.points < 270).all() for stroke in drawing.strokes
    )
    image = prepare_ink(strokes.ink(drawing)).image
    for network in ("dnn", "cnn"):
        reading = load_reader(RunStore(), PREFIX + network).read(image)
        assert reading.digit == example.digit and reading.is_confident


@pytest.mark.parametrize("example", strokes.EXAMPLES, ids=lambda example: str(example.digit))
def test_strokes_in_a_link_are_nearly_those_that_were_drawn(example):
    drawing = example.drawing(20)
    text = strokes.to_text(drawing)
    assert re.fullmatch("[0-9a-z-]+", text) and len(text) < 500
    again = strokes.from_text(text)
    assert [stroke.brush_px for stroke in again.strokes] == [20] * len(drawing.strokes)
    difference = np.abs(strokes.ink(again).astype(int) - strokes.ink(drawing))
    assert difference.mean() < 3
    for before, after in zip(drawing.strokes, again.strokes, strict=True):
        assert np.abs(before.points[[0, -1]] - after.points[[0, -1]]).max() <= 0.5


def test_what_leaves_the_canvas_stays_at_its_edge_in_a_link():
    drawing = strokes.Drawing((strokes.Stroke(np.array([[-30.0, 10], [400, 10]]), 7.6),))
    (stroke,) = strokes.from_text(strokes.to_text(drawing)).strokes
    assert stroke.points.tolist() == [[0, 10], [280, 10], [280, 10]] and stroke.brush_px == 8


def test_what_no_link_can_carry_is_no_text():
    dots = tuple(strokes.Stroke(np.array([[5.0, 5], [9, 9]]), 20) for _ in range(200))
    assert strokes.to_text(strokes.Drawing(dots)) is None
    assert strokes.to_text(strokes.Drawing(dots[:3], np.zeros((280, 280), np.uint8))) is None
    assert strokes.to_text(strokes.Drawing(())) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "0k",
        "0k0505-",
        "0k05059",
        "0k0505-0",
        "0K0505",
        "000505",
        "0kzz05",
        "0k0505" * 500,
        "ñ",
    ],
)
def test_text_of_another_kind_is_no_drawing(text):
    assert strokes.from_text(text) is None
