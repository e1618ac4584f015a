"""What two predictions come to: what visitors say they wrote, the tally, and where to see why."""

import numpy as np
import pytest
from PIL import Image, ImageOps
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.explain import contrasts
from pages.parts import canvas, resources
from tests.pages.conftest import APP

TEST = dataset.load().test
SAME = ("teaching-dnn", "teaching-cnn")


@pytest.fixture
def drawn(monkeypatch):
    """Draws a test image by hand: nobody but the visitor knows its label."""

    def draw(index: int) -> None:
        ink = Image.fromarray(255 - TEST.images[index]).resize((200, 200), Image.Resampling.BICUBIC)
        sheet = ImageOps.expand(ink, 40, 255).convert("RGBA")
        objects = {"objects": [{"drawn": index}]}
        monkeypatch.setattr(
            canvas, "show_canvas", lambda board, brush_px: (objects, np.asarray(sheet))
        )

    return draw


def opened() -> AppTest:
    app = AppTest.from_file(APP, default_timeout=120)
    app.query_params["pair"] = "same"
    return app.run()


def tell(app: AppTest, digit: int | None) -> AppTest:
    (question,) = [one for one in app.pills if one.label == "What did you write?"]
    question.set_value(digit).run()
    assert not app.exception
    return app


def tally(app: AppTest) -> list[str]:
    return [
        one.value for one in app.caption if "drawing" in one.value and "both right" in one.value
    ]


def why(app: AppTest) -> list:
    return [link for link in app.get("page_link") if link.proto.label == "See why"]


def says(run_id: str, image: np.ndarray) -> int | None:
    read = resources.classifier(run_id).read(image)
    return read.digit if read.is_confident else None


def disagreed(right: str) -> list[int]:
    """Test images of which only this model of the pair is right, surely, as the other is wrong."""
    (wrong,) = {*SAME} - {right}
    one, other = (resources.predictions(run_id) for run_id in (right, wrong))
    found = (one.digits == TEST.labels) & (one.confidences > 0.8)
    found &= (other.digits != TEST.labels) & (other.confidences > 0.7)
    return np.flatnonzero(found).tolist()


def test_what_was_written_can_be_told_and_is_counted_once_a_drawing(drawn):
    drawn(0)
    app = opened()
    assert "both say **7**" in app.info[0].value and not app.success and not tally(app)
    assert tally(tell(app, 7)) == [
        "Same training · **1 drawing:** both right 1, only the CNN 0, only the DNN 0, neither 0."
    ]
    # Told otherwise, it is another outcome of the same drawing; untold, it is none.
    assert "**1 drawing:** both right 0" in tally(tell(app, 1))[0] and "neither 1" in tally(app)[0]
    assert tally(tell(app, None)) == []
    tell(app, 7)
    drawn(1)
    app.run()
    assert "**1 drawing:**" in tally(app)[0]
    assert "**2 drawings:** both right 2" in tally(tell(app, 2))[0]
    # Other models, another tally; the first is still there for the first ones.
    app.segmented_control(key="pair").set_value("best").run()
    assert "**1 drawing:**" in tally(app)[0]
    app.segmented_control(key="pair").set_value("same").run()
    assert "**2 drawings:**" in tally(app)[0]


def test_a_lesson_knows_what_was_told(drawn):
    drawn(0)
    app = opened()
    tell(app, 1)
    app.switch_page("pages/slide.py").run()
    assert (
        app.selectbox(key=next(b.key for b in app.selectbox if b.label == "True digit")).value == 1
    )


def test_nobody_is_asked_what_a_test_image_is(drawn):
    app = opened()
    app.button(key="example").click().run()
    assert not [one for one in app.pills if one.label == "What did you write?"]


def ahead(found: list[contrasts.Contrast], right: str) -> list[contrasts.Contrast]:
    """Those in which this model recognises the digit more often."""
    return [one for one in found if one.gap and (one.gap > 0) == (right == SAME[1])]


@pytest.mark.parametrize("right", SAME)
def test_where_they_disagree_a_link_leads_to_the_lesson_that_shows_why(drawn, right):
    readers = [resources.classifier(run_id) for run_id in SAME]
    models = [(reader.probabilities, reader.confidence_threshold) for reader in readers]
    for index in disagreed(right):  # until drawing it has changed nothing
        drawn(index)
        app, label = opened(), int(TEST.labels[index])
        image = app.session_state["board"].preparation.image
        found = ahead(contrasts.contrasts(models, image, label), right)
        if found and [says(run_id, image) == label for run_id in SAME] == [
            run_id == right for run_id in SAME
        ]:
            break
    tell(app, label)
    (link,) = why(app)
    query = dict(part.split("=") for part in link.proto.query_string.split("&"))
    assert (query["dnn"], query["cnn"]) == SAME
    assert link.proto.page == ("slide" if found[0].corruption is None else "breaking")
    assert query.get("distortion") == found[0].corruption
    dnn, cnn = found[0].shares
    assert any(
        f"the DNN at **{dnn:.0%}** and the CNN at **{cnn:.0%}** of " in text.value
        for text in app.markdown
    )


def test_where_they_agree_there_is_nothing_to_see(drawn):
    drawn(0)
    assert not why(opened())
