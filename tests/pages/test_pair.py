"""Which pair of models a page begins with, and who has chosen another one."""

from streamlit.testing.v1 import AppTest

from tests.pages.conftest import APP, address

BEST, SAME = ["shipped-dnn", "shipped-cnn"], ["teaching-dnn", "teaching-cnn"]


def opened(page: str = "app.py", **query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=120)
    if page != "app.py":
        app.switch_page(page)
    app.query_params.update(query)
    return app.run()


def selected(app: AppTest) -> list[str]:
    assert not app.exception
    return [app.selectbox(key=f"reads-{network}").value for network in ("dnn", "cnn")]


def test_draw_begins_with_the_best_and_a_lesson_with_the_same_training_until_one_is_chosen():
    app = opened()
    assert selected(app) == BEST and app.segmented_control(key="pair").value == "best"
    assert address(app) == {}
    app.switch_page("pages/slide.py").run()
    assert selected(app) == SAME and app.segmented_control(key="pair").value == "same"
    app.switch_page("app.py").run()
    assert selected(app) == BEST
    app.segmented_control(key="pair").set_value("same").run()
    assert selected(app) == SAME
    # It is remembered, on every page and in the address.
    assert address(app) == {"pair": "same"}
    app.switch_page("pages/slide.py").run()
    assert selected(app) == SAME
    app.segmented_control(key="pair").set_value("best").run()
    assert selected(app) == BEST
    app.switch_page("pages/inside.py").run()
    assert selected(app) == BEST


def test_an_address_names_the_pair_and_a_wrong_one_gets_a_sentence():
    app = opened(pair="same")
    assert selected(app) == SAME
    assert any("Both saw the same 55,000 images" in text.value for text in app.caption)
    app.segmented_control(key="pair").set_value("best").run()
    assert selected(app) == BEST and address(app) == {"pair": "best"}
    for page in ("app.py", "pages/slide.py"):
        app = opened(page, pair="worst")
        assert selected(app) == (BEST if page == "app.py" else SAME)
        assert "There is no pair 'worst'; there are same and best." in app.warning[0].value
    assert selected(opened("pages/slide.py", pair="best")) == BEST


def test_a_model_of_ones_own_is_in_neither_pair(finished_run):
    app = opened(pair="same")
    app.selectbox(key="reads-dnn").select(finished_run.id).run()
    assert selected(app) == [finished_run.id, SAME[1]]
    assert app.segmented_control(key="pair").value is None
    assert address(app) == {"dnn": finished_run.id, "cnn": SAME[1]}
    assert selected(opened(**address(app))) == [finished_run.id, SAME[1]]  # as a reload does
    app.query_params.clear()  # as a link to a page does
    app.switch_page("pages/slide.py").run()
    assert selected(app) == [finished_run.id, SAME[1]]


def test_switching_the_pair_that_is_on_off_changes_nothing():
    app = opened(pair="same")
    app.segmented_control(key="pair").set_value(None).run()
    assert selected(app) == SAME and app.segmented_control(key="pair").value == "same"


def test_a_ready_made_lesson_selects_its_pair_although_it_asks_its_question_first():
    app = opened(pair="best")
    app.query_params.clear()
    app.switch_page("pages/slide.py")
    app.query_params.update({"lesson": "slide", "pair": "same", "digit": "109"})
    app.run()
    app.button(key="lesson-show").click().run()
    assert selected(app) == SAME


def test_a_lesson_keeps_the_models_in_its_address_and_goes_on():
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/slide.py")
    app.query_params.update({"lesson": "slide", "pair": "same", "digit": "109"})
    app.run()
    app.button(key="lesson-show").click().run()
    app.segmented_control(key="pair").set_value("best").run()
    assert not app.exception and app.metric  # the lesson has not begun again
    kept = address(app)
    assert (kept["lesson"], kept["pair"], kept["digit"]) == ("slide", "best", "109")
    app.selectbox(key="reads-dnn").select("quick-dnn").run()
    assert not app.exception and app.metric
    kept = address(app)
    assert (kept["dnn"], kept["cnn"]) == ("quick-dnn", "shipped-cnn") and "pair" not in kept
    again = AppTest.from_file(APP, default_timeout=120).switch_page("pages/slide.py")
    again.query_params.update(kept)
    again.run()
    assert again.selectbox(key="reads-dnn").value == "quick-dnn"


def test_a_lesson_that_was_only_looked_at_names_no_models_in_its_address():
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/slide.py").run()
    assert not app.exception
    assert not {"pair", "dnn", "cnn"} & address(app).keys()
