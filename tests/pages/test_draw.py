"""The Draw page, without a browser: the canvas is replaced by what a visitor would have drawn on
it."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.models import portable
from pages.parts import canvas, example, resources
from tests.pages.conftest import APP, told


def drawn_seven() -> np.ndarray:
    """A canvas, uint8 (280, 280, 4), on which somebody drew a 7."""
    image = Image.new("RGBA", (canvas.SIZE_PX, canvas.SIZE_PX), canvas.PAPER)
    ImageDraw.Draw(image).line(
        [(70, 70), (200, 70), (130, 230)], canvas.INK, canvas.BRUSH_PX, joint="curve"
    )
    return np.asarray(image)


def draw_seven(monkeypatch) -> None:
    """The canvas tells of a 7 from now on."""
    monkeypatch.setattr(
        canvas, "show_canvas", lambda board, brush_px: ({"objects": [{}]}, drawn_seven())
    )


def page() -> AppTest:
    return AppTest.from_file(APP, default_timeout=120)


def reading(app: AppTest, network: str) -> str:
    (metric,) = [metric for metric in app.metric if metric.label == f"{network.upper()} reads"]
    return metric.value


def test_a_blank_canvas_is_not_read_and_invites_to_draw():
    app = page().run()
    assert not app.exception
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["–", "–"]
    assert told(app, "answers") == {
        "answers": {"shipped-dnn": None, "shipped-cnn": None},
        "steps": None,
        "numbers": None,
    }


def test_both_networks_read_a_drawing_side_by_side_and_agree(monkeypatch):
    draw_seven(monkeypatch)
    app = page().run()
    assert not app.exception
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["7", "7"]
    assert "both say **7**" in app.info[0].value
    assert (
        sum(
            "parameters" in caption.value and "test accuracy" in caption.value
            for caption in app.caption
        )
        == 2
    )


def test_what_is_no_digit_is_called_so_and_what_it_might_be_is_still_told(monkeypatch):
    sheet = Image.new("RGBA", (280, 280), "white")
    pen = ImageDraw.Draw(sheet)
    for ends in ([(40, 140), (240, 140)], [(90, 53), (190, 227)], [(190, 53), (90, 227)]):
        pen.line(ends, fill="black", width=16)  # an asterisk
    monkeypatch.setattr(
        canvas, "show_canvas", lambda board, brush_px: ({"objects": [{}]}, np.asarray(sheet))
    )
    app = page().run()
    assert not app.exception
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["not sure", "not sure"]
    for answer in told(app, "answers")["answers"].values():
        assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)  # of float32
    assert "Neither is sure" in app.info[0].value and not app.success and not app.warning


def test_the_browser_is_given_what_the_models_see_and_the_models_themselves(monkeypatch):
    draw_seven(monkeypatch)
    app = page().run()
    preparation = app.session_state["board"].preparation
    steps = told(app, "answers")["steps"]
    image = np.frombuffer(base64.b64decode(steps["image"]), np.uint8)
    np.testing.assert_array_equal(image, preparation.image.ravel())
    assert steps["box"] == [140, 174]
    scaled, drawn = (
        np.frombuffer(base64.b64decode(steps[name]["pixels"]), np.uint8).reshape(
            steps[name]["height"], steps[name]["width"]
        )
        for name in ("scaled", "drawn")
    )
    np.testing.assert_array_equal(scaled, preparation.scaled)
    # The ink in its box, smaller.
    left, top, right, bottom = preparation.box
    assert drawn.shape == (98, round(98 * 140 / 174))
    assert drawn.mean() == pytest.approx(preparation.ink[top:bottom, left:right].mean(), abs=2)
    for model in told(app, "reading")["models"]:
        run = resources.store().run(model["id"])
        assert model["threshold"] == run.measured.confidence_threshold
        assert model["address"].endswith(".gz")


def test_a_model_too_large_for_the_browser_says_that_it_reads_when_the_pen_is_lifted(
    monkeypatch, finished_run
):
    monkeypatch.setattr(portable, "MOST_PARAMETERS", finished_run.parameters - 1)
    resources.for_browser.clear()
    app = page()
    app.session_state["reads-chosen"] = True
    app.session_state["selected-dnn"] = finished_run.id
    app.session_state["selected-cnn"] = "shipped-cnn"
    app.run()
    assert not app.exception
    addresses = {one["id"]: one["address"] for one in told(app, "reading")["models"]}
    assert addresses[finished_run.id] is None
    (caption,) = [
        caption.value
        for caption in app.caption
        if caption.value.startswith(f"{finished_run.parameters:,} parameters")
    ]
    assert caption.endswith("read when you lift the pen")
    resources.for_browser.clear()


def test_the_metric_stands_alone_in_its_keyed_container(monkeypatch):
    draw_seven(monkeypatch)
    app = page().run()
    for network in ("dnn", "cnn"):
        container = next(
            block
            for block in _blocks(app._tree.root)
            if block.proto and f"prediction-{network}" in str(block.proto)
        )
        assert [type(child).__name__ for child in container.children.values()] == ["Metric"]


def _blocks(node):
    for child in getattr(node, "children", {}).values():
        if hasattr(child, "children"):
            yield child
            yield from _blocks(child)


def test_an_example_is_put_on_the_canvas_with_its_label():
    app = page().run()
    app.button(key="example").click().run()
    assert not app.exception
    (origin,) = [caption.value for caption in app.caption if caption.value.startswith("Test image")]
    index = int(origin.split()[2].rstrip(",").replace(",", ""))
    assert f"label {dataset.load().test.labels[index]}" in origin
    # Of one test image in a hundred or so, a model is not sure.
    for network in ("dnn", "cnn"):
        assert reading(app, network).isdigit() or reading(app, network) == "not sure"


def test_clear_takes_everything_off_the_canvas():
    app = page().run()
    app.button(key="example").click().run()
    app.button(key="clear").click().run()
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["–", "–"]
    assert not any(caption.value.startswith("Test image") for caption in app.caption)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [("broken.png", b"\x89PNG\r\n\x1a\n broken", "broken.png"), ("empty.png", b"", "empty.png")],
)
def test_a_picture_that_cannot_be_read_gets_a_sentence_and_the_drawing_and_its_readings_stay(
    name, content, complaint
):
    app = page().run()
    app.button(key="example").click().run()
    drawn = app.session_state["board"].drawing
    read = [reading(app, network) for network in ("dnn", "cnn")]
    assert "–" not in read
    app.file_uploader(key="picture").upload(name, content, "image/png").run()
    assert not app.exception
    assert complaint in app.error[0].value
    assert [reading(app, network) for network in ("dnn", "cnn")] == read
    assert app.session_state["board"].drawing == drawn != {"objects": []}


def number(*digits: int) -> Image.Image:
    """Test digits of MNIST side by side, dark on white, mode RGBA, 280×280."""
    test = dataset.load().test
    sheet = Image.new("RGBA", (280, 280), "white")
    for place, digit in enumerate(digits):
        image = test.images[np.flatnonzero(test.labels == digit)[0]]
        side = 280 // len(digits)
        tile = Image.fromarray(255 - image).resize((side, side), Image.Resampling.BICUBIC)
        sheet.paste(tile, (place * side, 90))
    return sheet


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_a_drawn_number_is_read_digit_by_digit(monkeypatch):
    monkeypatch.setattr(
        canvas,
        "show_canvas",
        lambda board, brush_px: ({"objects": [{}]}, np.asarray(number(4, 2))),
    )
    app = page().run()
    assert not app.exception
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["42", "42"]
    assert "2 digits. They agree: both read **42**." in app.info[0].value
    assert "Each digit" in [head.value for head in app.subheader]


def test_one_digit_of_an_uploaded_number_can_be_chosen():
    app = page().run()
    app.file_uploader(key="picture").upload("42.png", png(number(4, 2)), "image/png").run()
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["42", "42"]
    app.button(key="only-1").click().run()
    assert not app.exception
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["2", "2"]


def test_an_uploaded_page_of_digits_is_read_line_by_line():
    rows = Image.new("RGBA", (280 * 3, 3 * 180), "white")
    for place, digits in enumerate([(1, 2, 3, 4, 5), (6, 7, 8, 9, 0), (3, 1, 4, 1, 5)]):
        line = number(*digits).crop((0, 85, 280, 155)).resize((840, 210))
        rows.paste(line, (0, place * 170))
    app = page().run()
    app.file_uploader(key="picture").upload("page.png", png(rows), "image/png").run()
    assert not app.exception
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["15 digits", "15 digits"]
    lines = [text.value for text in app.markdown if text.value.startswith("Line ")]
    assert lines == [
        f"Line {place}: DNN **{digits}**, CNN **{digits}**"
        for place, digits in ((1, "12345"), (2, "67890"), (3, "31415"))
    ]


def test_what_is_too_wide_for_a_digit_says_what_to_do(monkeypatch):
    sheet = Image.new("RGBA", (280, 280), "white")
    ImageDraw.Draw(sheet).line(
        [(20 + 15 * step, 110 if step % 2 else 170) for step in range(17)], "black", 12
    )
    monkeypatch.setattr(
        canvas, "show_canvas", lambda board, brush_px: ({"objects": [{}]}, np.asarray(sheet))
    )
    app = page().run()
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["not sure", "not sure"]
    assert any("leave a gap between them" in caption.value for caption in app.caption)


def test_the_drawing_survives_a_change_of_page():
    app = page().run()
    app.button(key="example").click().run()
    before = [reading(app, network) for network in ("dnn", "cnn")]
    app.switch_page("pages/train.py").run()
    app.switch_page("app.py").run()
    assert not app.exception
    assert [reading(app, network) for network in ("dnn", "cnn")] == before


def test_two_visitors_do_not_see_each_others_drawings():
    one, other = page().run(), page().run()
    one.button(key="example").click().run()
    other.run()
    assert reading(one, "dnn").isdigit()
    assert reading(other, "dnn") == "–"


def test_a_finished_run_can_be_chosen_to_read_with(monkeypatch, finished_run):
    draw_seven(monkeypatch)
    app = page().run()
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    assert not app.exception
    assert any(
        f"{finished_run.parameters:,} parameters" in caption.value for caption in app.caption
    )


def test_without_a_store_the_shipped_networks_still_read(monkeypatch, broken_store):
    draw_seven(monkeypatch)
    app = page().run()
    assert not app.exception
    assert "cannot be used" in app.warning[0].value
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["7", "7"]


def test_a_run_whose_weights_are_damaged_gets_a_sentence_and_the_other_network_still_reads(
    monkeypatch, store, finished_run
):
    draw_seven(monkeypatch)
    with store._session() as session:
        session.execute(
            text("UPDATE weights SET weights = x'00' WHERE run_id = :run"), {"run": finished_run.id}
        )
    app = page().run()
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    assert not app.exception
    assert "Choose another run" in app.error[0].value
    assert [reading(app, network) for network in ("dnn", "cnn")] == ["–", "7"]


def test_a_problem_with_a_picture_is_forgotten_with_the_next_thing_done():
    app = page().run()
    app.file_uploader(key="picture").upload("broken.png", b"", "image/png").run()
    assert app.error
    app.button(key="example").click().run()
    assert not app.error


def test_the_name_of_a_picture_is_no_markdown():
    app = page().run()
    app.file_uploader(key="picture").upload("![x](https://example.org).png", b"", "image/png").run()
    assert "\\!\\[x\\](https\\:\u2060//example.org).png: This file" in app.error[0].value


def test_an_example_plays_with_what_both_models_say_until_something_is_drawn(monkeypatch):
    played = []
    monkeypatch.setattr(example, "_component", lambda: lambda *, key, data: played.append(data))
    resources.tensorflow().wait()
    app = AppTest.from_file(APP, default_timeout=60).run()
    assert not app.exception
    shown = played[-1]
    assert shown["percents"][-1] == 100
    for model in shown["models"]:
        assert len(model["said"]) == len(shown["percents"])
        assert model["said"][-1] == str(example.EXAMPLE.digit) != model["said"][0]
    app.button(key="example").click().run()
    assert not app.exception and len(played) == 1
