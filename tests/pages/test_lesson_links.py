"""Links to lessons: what they open, what they hide, and what is said of those that cannot be
used."""

from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mnist_models.data import dataset
from mnist_models.data.corruptions import CORRUPTIONS
from mnist_models.data.preprocessing import prepare_ink
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas
from pages.parts.lessons import frame, ready_made
from pages.parts.page import LESSONS
from tests.pages.conftest import APP, TINY, address, true_digit
from tests.pages.test_memory import drawn

LABELS = dataset.load().test.labels


def opened(page: str, **query: str) -> AppTest:
    """A page, as whoever follows a link to it sees it."""
    app = AppTest.from_file(APP, default_timeout=120).switch_page(f"pages/{page}.py")
    for name, text in query.items():
        app.query_params[name] = text
    app.run()
    assert not app.exception
    return app


def link_of(app: AppTest) -> dict[str, str]:
    """The query of the link that a page offers."""
    (code,) = [code.value for code in app.code if "?" in code.value]
    return dict(parse_qsl(urlsplit(code).query))


def drawing() -> np.ndarray:
    """A 7, prepared."""
    ink = np.zeros((60, 60), np.uint8)
    ink[8:13, 15:45] = 255
    for row in range(13, 55):
        ink[row, 44 - row // 2 : 49 - row // 2] = 255
    return prepare_ink(ink).image


def test_a_link_opens_its_digit_its_networks_and_its_settings(finished_run):
    app = opened("slide", digit="17", dnn=finished_run.id, cnn="quick-cnn", prepared="true")
    board = app.session_state["board"]
    assert (board.index, board.label) == (17, LABELS[17])
    assert (
        app.selectbox(key="reads-dnn").value == finished_run.id
        and app.selectbox(key="reads-cnn").value == "quick-cnn"
    )
    assert app.toggle(key="slide-prepared").value is True
    assert not app.warning


def test_the_link_that_a_page_offers_opens_it_as_it_is():
    app = opened("slide")
    app.selectbox(key="reads-cnn").select("shipped-cnn")
    app.toggle(key="slide-prepared").set_value(True).run()
    assert link_of(app) == {
        "v": "1",
        "digit": str(frame.EXAMPLE),
        "dnn": "teaching-dnn",
        "cnn": "shipped-cnn",
        "prepared": "true",
        "right": "0",
        "down": "0",
    }
    again = opened("slide", **link_of(app))
    assert link_of(again) == link_of(app)
    assert [metric.value for metric in again.metric] == [metric.value for metric in app.metric]


def test_a_link_carries_a_drawing_and_the_digit_that_it_is():
    image = drawing()
    text = frame.to_text(image)
    assert len(text) < 784
    app = opened("slide", ink=text, label="7")
    board = app.session_state["board"]
    assert board.label == 7 == true_digit(app).value
    assert np.abs(board.preparation.image.astype(int) - image).max() <= 17 + 8
    assert (
        link_of(app)["ink"] == frame.to_text(board.preparation.image)
        and link_of(app)["label"] == "7"
    )
    assert any("came with a link" in caption.value for caption in app.caption)


def test_a_link_carries_strokes_where_a_digit_was_drawn():
    app = opened("strokes")
    query = link_of(app)
    assert query["label"] == "4" and "ink" not in query
    for page in ("slide", "strokes"):
        again = opened(page, **{name: query[name] for name in ("strokes", "label")})
        board = again.session_state["board"]
        assert board.label == 4 and len(board.drawing["objects"]) == 2
        difference = np.abs(
            board.preparation.image.astype(int) - app.session_state["board"].preparation.image
        )
        assert difference.mean() < 5
        assert len(link_of(again)["strokes"]) < 600


@pytest.mark.parametrize(
    ("page", "query"),
    [
        *(
            ("breaking", {"distortion": name, name: links.to_text(one.amounts[-2])})
            for name, one in CORRUPTIONS.items()
        ),
        ("slide", {"prepared": "true", "right": "3", "down": "-2"}),
        ("time_machine", {"epoch": "2", "view": "probabilities"}),
        (
            "time_machine",
            {"epoch": "1", "view": "layers", "dnn-layer": "dense_2", "cnn-layer": "conv_3"},
        ),
        ("reasons", {"way": "gradients", "change": "pixels"}),
        ("reasons", {"way": "cover", "side": "7", "cover": "ink", "change": "rubber"}),
        ("inside", {"layer": "conv_2", "filter": "3", "row": "5", "column": "4", "channel": "2"}),
        ("strokes", {"drawn": "40"}),
    ],
)
def test_the_settings_of_each_lesson_are_those_of_its_link(page, query):
    app = opened(page, cnn="quick-cnn", dnn="quick-dnn", **query)
    assert not app.warning
    offered = link_of(app)
    assert {name: offered[name] for name in query} == query
    assert offered["cnn"] == "quick-cnn" and offered["dnn"] == "quick-dnn"


def test_the_address_opens_a_lesson_in_large_type_if_that_is_on_but_the_link_for_phones_does_not():
    app = opened("slide")
    app.toggle(key="large").set_value(True).run()
    assert address(app)["large"] == "1" and "large" not in link_of(app)
    again = opened("slide", **address(app))
    assert again.toggle(key="large").value is True and not again.warning
    again.toggle(key="large").set_value(False).run()
    # Charts are drawn while the style sheet of before is there, unless another takes its place.
    assert "font-size: 16px" in again.get("html")[0].proto.body and "large" not in address(again)
    assert not again.run().get("html")
    assert "22px" in opened("slide", large="1", hide="1").get("html")[0].proto.body


def test_a_link_to_the_scramble_says_which_networks_read_scrambled(store, trained):
    run = store.create(TINY.model_copy(update={"scrambled": True}), "mine")
    store.finish(run.id, trained)
    app = opened("scramble", digit="17", **{"dnn-run": run.id})
    assert app.selectbox(key="scramble-dnn-run").value == run.id
    expected = {"digit": "17", "dnn-run": run.id, "cnn-run": "scrambled-cnn", "v": "1"}
    assert link_of(app) == expected
    assert not opened("scramble", hide="1", **link_of(app)).selectbox


def test_a_link_names_its_models_whichever_the_visitor_has_selected(finished_run):
    link = link_of(opened("slide"))
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/slide.py").run()
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    app.query_params.update(link)
    app.run()
    assert app.selectbox(key="reads-dnn").value == "teaching-dnn"


def test_a_link_of_a_version_that_is_not_known_gets_a_sentence_and_changes_nothing():
    app = opened("slide", v="99", prepared="true")
    assert "update the app" in app.warning[0].value
    assert app.toggle(key="slide-prepared").value is False


def test_what_links_call_the_settings_of_each_lesson_stays():
    """Links that people have shared use these names; a widget's key may change, these may not."""
    found = {}
    for script in LESSONS:
        warning = opened(script.removeprefix("pages/").removesuffix(".py"), nonsense="1").warning
        named = warning[0].value.partition("it has ")[2].rstrip(".").replace("\\", "")
        found[script] = set(named.split(", ")) - {"digit", *NETWORKS}
    assert found == {
        "pages/slide.py": {"prepared", "right", "down"},
        "pages/scramble.py": {"dnn-run", "cnn-run"},
        "pages/time_machine.py": {"epoch", "view", "dnn-layer", "cnn-layer"},
        "pages/breaking.py": {"distortion", "images", *CORRUPTIONS},
        "pages/strokes.py": {"drawn"},
        "pages/inside.py": {"layer", "filter", "row", "column", "channel"},
        "pages/reasons.py": {"view", "way", "side", "cover", "change"},
    }
    assert set(CORRUPTIONS) == {
        "turn", "scale", "shear", "thicken", "thin", "blur", "noise", "cover", "invert",
    }  # fmt: skip


def test_a_link_that_is_followed_once_more_opens_the_lesson_as_it_was_but_keeps_a_drawing():
    app = opened("slide", digit="17", prepared="true")
    app.toggle(key="slide-prepared").set_value(False)
    app.button(key="lesson-example").click().run()
    app.switch_page("app.py").run()
    app.switch_page("pages/slide.py")
    app.query_params.update({"digit": "17", "prepared": "true"})
    app.run()
    assert app.session_state["board"].index == 17 and app.toggle(key="slide-prepared").value is True
    app.switch_page("app.py").run()
    board = app.session_state["board"]
    board.label = board.index = None  # as after a stroke
    app.switch_page("pages/slide.py")
    app.query_params.update({"digit": "17", "prepared": "true"})
    app.run()
    assert not app.exception
    assert app.session_state["board"].index is None


def followed(app: AppTest, page: str = "slide", **query: str) -> AppTest:
    """A link that is followed by a visitor who is here already."""
    app.switch_page(f"pages/{page}.py")
    app.query_params.clear()
    app.query_params.update(query)
    app.run()
    assert not app.exception
    return app


def at_home(app: AppTest) -> canvas.Board:
    """What the home page shows to who comes back."""
    app.switch_page("app.py")
    app.query_params.clear()
    app.run()
    assert not app.exception
    return app.session_state["board"]


def test_a_lesson_shows_its_own_digit_and_leaves_the_visitors_drawing_alone():
    app = AppTest.from_file(APP, default_timeout=120).run()
    drawn(app)
    objects = app.session_state["board"].drawing["objects"]
    for digit in ("17", "109"):
        followed(app, digit=digit)
        assert app.session_state["board"].index == int(digit)
    board = at_home(app)
    assert board.drawing["objects"] == objects and board.label is None
    assert app.metric[0].value == "4"
    # Another digit that they ask for is theirs.
    followed(app, digit="17").button(key="lesson-example").click().run()
    index = app.session_state["board"].index
    assert at_home(app).index == index


def test_who_came_for_a_lesson_finds_an_empty_canvas_at_home():
    board = at_home(opened("slide", digit="17"))
    assert board.is_new and not board.drawing["objects"]


def test_what_was_changed_after_a_link_stays_changed():
    app = opened("slide", digit="17", prepared="true")
    app.toggle(key="slide-prepared").set_value(False).run()
    app.button(key="lesson-example").click().run()
    assert not app.exception
    assert app.toggle(key="slide-prepared").value is False
    assert link_of(app)["prepared"] == "false"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"digit": "10000"}, "digit cannot be '10000'; allowed is a whole number from 0 to 9999."),
        ({"digit": "٣"}, "digit cannot be"),
        ({"digit": "-1"}, "digit cannot be"),
        ({"ink": "xyz", "label": "3"}, "Its drawing is damaged"),
        ({"ink": "", "label": "3"}, "Its drawing is damaged"),
        ({"ink": "00f0" * 200, "label": "3"}, "Its drawing is damaged"),
        ({"ink": "0f0f", "label": "12"}, "label cannot be '12'; allowed is a digit from 0 to 9."),
        ({"ink": "0f0f"}, "label cannot be ''"),
        ({"strokes": "0kzzzz", "label": "3"}, "Its drawing is damaged"),
        ({"dnn": "1a2b3c4d"}, "There is no run '1a2b3c4d'."),
        ({"dnn": "quick-cnn"}, "is not a trained DNN"),
        ({"prepared": "yes"}, "prepared cannot be 'yes'; allowed is one of false, true."),
        ({"speed": "9"}, "This page has no 'speed'"),
        ({"lesson": "nothing"}, "There is no lesson 'nothing'"),
    ],
)
def test_of_a_link_that_is_wrong_the_rest_is_used_and_the_wrong_part_told(query, words):
    app = opened("slide", cnn="quick-cnn", **query)
    told = [warning.value.replace("\\", "") for warning in app.warning]
    assert any(words in one for one in told), told
    assert app.selectbox(key="reads-cnn").value == "quick-cnn"
    assert len(app.metric) == 2


def test_of_many_options_a_sentence_names_the_ends():
    (warning,) = opened("strokes", drawn="101").warning
    assert "drawn cannot be '101'; allowed is one of 0, 1 … 100." in warning.value.replace("\\", "")


def test_a_link_can_hide_what_else_could_be_chosen():
    app = opened("slide", digit="17", dnn="quick-dnn", hide="1")
    assert not [box.key for box in app.selectbox if box.key.startswith("reads-")]
    assert not [button for button in app.button if button.key == "lesson-example"]
    assert any(
        "DNN:** DNN without augmentation · test accuracy " in text.value for text in app.markdown
    )
    assert any(f"True digit: **{LABELS[17]}**" in text.value for text in app.markdown)
    assert app.toggle(key="slide-prepared").value is False  # the lesson itself stays
    shown = opened("slide", digit="17", dnn="quick-dnn")
    assert [metric.value for metric in shown.metric] == [metric.value for metric in app.metric]


def test_the_code_of_a_link_is_made_when_it_is_asked_for():
    def codes(app: AppTest) -> int:
        return sum("QR code" in image.proto.imgs[0].alt for image in app.image)

    app = opened("slide")
    assert codes(app) == 0 and link_of(app)
    app.session_state["lesson-present"] = True
    assert codes(app.run()) == 1 and not app.exception


def test_the_toggle_adds_hiding_to_the_link():
    app = opened("slide")
    app.toggle(key="lesson-hide").set_value(True).run()
    assert link_of(app)["hide"] == "1"


def test_large_type_stays_on_other_pages():
    app = opened("slide")
    assert not app.get("html")
    app.toggle(key="large").set_value(True).run()
    assert "22px" in app.get("html")[0].proto.body
    for page in ("compare", "train"):
        app.switch_page(f"pages/{page}.py").run()
        assert not app.exception
        assert "22px" in app.get("html")[0].proto.body


def test_the_name_of_a_run_in_a_hidden_choice_is_no_markdown(store, trained):
    run = store.create(TINY, "![x](https://example.org)")
    store.finish(run.id, trained)
    app = opened("slide", dnn=run.id, hide="1")
    assert not [text.value for text in app.markdown if "![x]" in text.value]


@pytest.mark.parametrize("name", ready_made.LESSONS)
def test_a_ready_made_lesson_opens_with_its_question_and_no_warning(name):
    one = ready_made.LESSONS[name]
    app = opened(one.script.removeprefix("pages/").removesuffix(".py"), lesson=name, **one.query)
    assert not app.warning
    assert [text.value for text in app.markdown] == [one.question]
    # "This 7" is to be seen.
    pictures = [image.proto.imgs[0].alt for image in app.image]
    assert pictures == ["The digit of this lesson"] * ("digit" in one.query)
    app.segmented_control(key=f"lesson-vote-{name}").set_value("cnn").run()
    app.button(key="lesson-show").click().run()
    assert not app.exception
    said = f"**{one.title}** {one.question} The class says: **The CNN**."
    assert any(text.value == said for text in app.markdown)
    assert not [button for button in app.button if button.key == "lesson-show"]
    assert any(one.answer in text.value for text in app.markdown)
    names = list(ready_made.LESSONS)
    following = [
        link.proto.query_string
        for link in app.get("page_link")
        if link.proto.label.startswith("Next lesson: ")
    ]
    expected = [f"lesson={other}" for other in names[names.index(name) + 1 :][:1]]
    assert [query.split("&")[0] for query in following] == expected


def test_back_leads_to_the_lesson_as_it_was_left_with_its_vote_and_its_digit():
    app = opened("slide", lesson="slide", **ready_made.LESSONS["slide"].query)
    app.segmented_control(key="lesson-vote-slide").set_value("dnn").run()
    app.button(key="lesson-show").click().run()
    app.toggle(key="slide-prepared").set_value(True).run()
    app.button(key="lesson-example").click().run()
    index, left = app.session_state["board"].index, address(app)
    app.switch_page("pages/breaking.py")
    app.query_params.clear()
    app.query_params.update(ready_made.query("noise"))
    app.run()
    app.button(key="lesson-show").click().run()
    assert app.session_state["board"].index != index
    app.switch_page("pages/slide.py")
    app.query_params.clear()
    app.query_params.update(left)
    app.run()
    assert not app.exception
    assert any("The class says: **The DNN**" in text.value for text in app.markdown)
    assert app.toggle(key="slide-prepared").value is True
    assert app.session_state["board"].index == index


def test_a_reload_opens_a_lesson_with_its_digit_and_its_settings():
    app = opened("breaking")
    app.segmented_control(key="breaking-distortion").set_value("blur").run()
    app.button(key="lesson-example").click().run()
    again = opened("breaking", **address(app))
    assert again.segmented_control(key="breaking-distortion").value == "blur"
    assert again.session_state["board"].index == app.session_state["board"].index
    assert not again.warning


def test_a_reload_goes_on_with_a_lesson_that_was_shown_and_with_large_type():
    app = opened("slide", **ready_made.query("slide"))
    app.toggle(key="large").set_value(True).run()
    app.segmented_control(key="lesson-vote-slide").set_value("unknown").run()
    app.button(key="lesson-show").click().run()
    again = opened("slide", **address(app))
    assert any("The class says: **Don't know**." in text.value for text in again.markdown)
    assert again.toggle(key="large").value is True
    # Without a vote, too.
    app = opened("slide", **ready_made.query("slide"))
    app.button(key="lesson-show").click().run()
    again = opened("slide", **address(app))
    assert again.metric and not any("The class says" in text.value for text in again.markdown)
    (warning,) = opened("slide", **ready_made.query("slide"), vote="![](x)").warning
    assert "vote cannot be" in warning.value and "![" not in warning.value


def test_what_the_browser_still_tells_of_an_older_address_changes_nothing_back():
    app = opened("slide")
    older = address(app)
    app.button(key="lesson-example").click().run()
    app.toggle(key="slide-prepared").set_value(True).run()
    index = app.session_state["board"].index
    app.query_params.update(older)
    app.run()
    assert not app.exception and app.toggle(key="slide-prepared").value is True
    assert app.session_state["board"].index == index


def test_a_lesson_begins_with_its_question_again_and_its_link_keeps_it():
    one = ready_made.LESSONS["slide"]
    app = opened("slide", lesson="slide", **one.query)
    app.segmented_control(key="lesson-vote-slide").set_value("dnn").run()
    app.button(key="lesson-show").click().run()
    link = link_of(app)
    assert (link["lesson"], link["digit"]) == ("slide", "109")
    app.query_params.clear()
    app.query_params.update(link)
    app.run()
    assert app.button(key="lesson-show")
    assert app.segmented_control(key="lesson-vote-slide").value is None


def test_one_page_lists_all_lessons_in_order_with_links_and_codes_for_a_class():
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/lessons.py").run()
    assert not app.exception and not app.code
    assert [one.script for one in ready_made.LESSONS.values()] == list(LESSONS)
    listed = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    for number, (name, one) in enumerate(ready_made.LESSONS.items(), 1):
        assert f"lesson={name}" in listed[f"Open lesson {number}"]
        assert f"**{one.title}**  \n{one.question}" in [text.value for text in app.markdown]
    app.toggle(key="lessons-for-class").set_value(True).run()
    assert not app.exception
    addresses = [dict(parse_qsl(urlsplit(code.value).query)) for code in app.code]
    assert addresses == [ready_made.query(name) for name in ready_made.LESSONS]
    assert len(app.image) == len(addresses)
