"""Who a page takes a visitor for, and what it then offers."""

import re

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from mnist_models.runs.tables import RunState
from pages.parts import resources, visitors
from pages.parts.lessons import ready_made
from tests.pages.conftest import APP, TINY

SECRET = "0123456789abcdef" * 4


def at_the_machine(monkeypatch, ip_address=None, **headers) -> bool:
    monkeypatch.setattr(type(st.context), "ip_address", ip_address)
    monkeypatch.setattr(
        type(st.context),
        "headers",
        {name.replace("_", "-"): text for name, text in headers.items()},
    )
    return visitors.me().is_teacher


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1:8501", "[::1]:8501", "localhost"])
def test_who_sits_at_the_machine_itself_is_the_teacher(monkeypatch, host):
    assert at_the_machine(monkeypatch, None, host=host, origin=f"http://{host}")


def test_a_server_that_listens_for_ipv6_too_sees_the_machine_itself_under_another_address(
    monkeypatch,
):
    for ip_address in ("::ffff:127.0.0.1", "127.0.0.1", "::1"):
        assert at_the_machine(monkeypatch, ip_address, host="127.0.0.1:8501")
    assert not at_the_machine(monkeypatch, "::ffff:192.0.2.7", host="127.0.0.1:8501")


@pytest.mark.parametrize(
    ("ip_address", "headers"),
    [
        ("192.0.2.7", {"host": "192.0.2.1:8501", "origin": "http://192.0.2.1:8501"}),
        ("192.0.2.7", {"host": "localhost:8501", "origin": "http://localhost:8501"}),
        # Behind a proxy on the same machine.
        (None, {"host": "digits.example.org", "origin": "https://digits.example.org"}),
        (None, {"host": "localhost:8501", "origin": "https://digits.example.org"}),
        (None, {"host": "localhost:8501", "x_forwarded_for": "127.0.0.1"}),
        (None, {"host": "localhost:8501", "forwarded": "for=127.0.0.1"}),
        (None, {"host": "localhost:8501", "x_real_ip": "127.0.0.1"}),
        (None, {"host": "localhost:8501", "via": "1.1 proxy"}),
    ],
)
def test_nobody_else_is(monkeypatch, ip_address, headers):
    assert not at_the_machine(monkeypatch, ip_address, **headers)


@pytest.mark.parametrize("name", ["TEACHER_PASSWORD", "PUBLIC_URL"])
def test_a_password_or_a_public_address_ends_that(monkeypatch, name):
    monkeypatch.setenv(name, "https://digits.example.org")
    assert not at_the_machine(monkeypatch, None, host="localhost:8501")


def visit(name: str, secret: str | None, monkeypatch) -> AppTest:
    """A page for a visitor from elsewhere, whose device has told its secret."""
    monkeypatch.setattr(type(st.context), "ip_address", "192.0.2.7")
    app = AppTest.from_file(APP, default_timeout=120).switch_page(f"pages/{name}.py")
    if secret:
        app.session_state[visitors.VISITOR] = visitors.visitor_id(secret)
    return app.run()


@pytest.fixture
def anns(one_store):
    """A run of the visitor whose secret is SECRET, in nobody's cluster."""
    store = resources.store()
    run = store.create(TINY, "Ann's", visitors.visitor_id(SECRET))
    store.set_state(run.id, RunState.FAILED, "It ended.")
    yield run
    store.delete([run.id])


def test_train_opens_on_ones_own_run_and_lists_others_only_when_asked(anns, monkeypatch):
    own = visit("train", SECRET, monkeypatch)
    assert own.session_state["run"] == anns.id
    other = visit("train", SECRET.replace("0", "1"), monkeypatch)
    assert "run" not in other.session_state
    # Somebody who has no runs yet is offered everybody's.
    (whose,) = (group for group in other.button_group if group.key == "whose-runs")
    assert whose.value == visitors.EVERYBODYS
    (listed,) = (box for box in other.selectbox if box.label == "Run")
    assert listed.value is None
    assert any(label.startswith("Ann's") for label in listed.options)
    whose.set_value(visitors.MINE).run()
    (listed,) = (box for box in other.selectbox if box.label == "Run")
    assert not any(label.startswith("Ann's") for label in listed.options)


def test_nobody_else_is_offered_to_delete_stored_epochs(monkeypatch):
    def offered(app: AppTest) -> bool:
        return any(one.label == "Stored epochs" for one in app.expander)

    assert not offered(visit("time_machine", SECRET, monkeypatch))
    monkeypatch.undo()
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/time_machine.py").run()
    assert offered(app)


def test_pages_change_runs_through_the_visitors_rights_only():
    changing = r"(store|engine)\(\)\.(start|race|control|rename|delete|restore|add|create|change)"
    files = [APP, *(APP.parent / "pages").rglob("*.py")]
    assert len(files) > 50
    assert not [file.name for file in files if re.search(changing, file.read_text("utf-8"))]


def test_a_teacher_puts_a_lesson_on_everybodys_home_page(monkeypatch):
    def todays(app: AppTest) -> list[str]:
        links = [one.proto for one in app.get("page_link")]
        return [one.label for one in links if one.label.startswith("Today's lesson")]

    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/lessons.py").run()
    assert not todays(AppTest.from_file(APP, default_timeout=120).run())
    name = next(iter(ready_made.LESSONS))
    app.button(key=f"announce-{name}").click().run()
    assert not app.exception
    title = ready_made.LESSONS[name].short_title
    assert todays(AppTest.from_file(APP, default_timeout=120).run()) == [f"Today's lesson: {title}"]
    other = visit("lessons", SECRET, monkeypatch)
    assert not [one for one in other.button if (one.key or "").startswith("announce")]
    app.button(key=f"announce-{name}").click().run()
    assert not todays(AppTest.from_file(APP, default_timeout=120).run())


def test_ones_own_run_is_shown_even_if_an_older_one_was_before_the_device_had_told():
    store = resources.store()
    older = store.create(TINY, "of the command line")
    own = store.create(TINY, "one's own", visitors.visitor_id(SECRET))  # both wait in a queue
    app = AppTest.from_file(APP, default_timeout=120).switch_page("pages/train.py").run()
    assert app.session_state["run"] == older.id  # a teacher's, as long as nobody else is known
    app.session_state[visitors.VISITOR] = visitors.visitor_id(SECRET)
    assert app.run().session_state["run"] == own.id
    for run in (older, own):
        store.set_state(run.id, RunState.FAILED, "It ended.")
    store.delete([older.id, own.id])
