"""The address that a class is given."""

import pytest

from mnist_models import class_address

HERE = "192.0.2.7"


@pytest.fixture(autouse=True)
def network(monkeypatch):
    monkeypatch.delenv(class_address.PUBLIC_URL, raising=False)
    monkeypatch.setattr(class_address, "of_this_machine", lambda: HERE)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_what_only_this_machine_can_open_becomes_its_address_in_the_network(host):
    assert class_address.for_class(f"http://{host}:8501/slide") == f"http://{HERE}:8501/slide"


@pytest.mark.parametrize(
    "url", ["http://192.0.2.40:8501", "https://digits.example.org/slide", "http://room-12/", ""]
)
def test_an_address_that_was_reached_from_elsewhere_stays(url):
    assert class_address.for_class(url) == url


def test_an_address_of_version_6_gets_its_brackets(monkeypatch):
    monkeypatch.setattr(class_address, "of_this_machine", lambda: "2001:db8::7")
    assert class_address.for_class("http://localhost:8501/") == "http://[2001:db8::7]:8501/"


def test_without_a_network_there_is_none(monkeypatch, capsys):
    monkeypatch.setattr(class_address, "of_this_machine", lambda: None)
    assert class_address.for_class("http://localhost:8501/slide") is None
    class_address.main("8501")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("public", ["https://example.org/digits", "https://example.org/digits/"])
def test_whoever_knows_better_says_so(monkeypatch, public):
    monkeypatch.setenv(class_address.PUBLIC_URL, public)
    slide = class_address.for_class("http://172.17.0.2:8501/slide")
    assert slide == "https://example.org/digits/slide"
    assert class_address.for_class("http://172.17.0.2:8501") == "https://example.org/digits"


def test_the_start_says_where_a_class_finds_the_app_and_what_to_do_if_it_does_not(capsys):
    class_address.main("8600")
    told = capsys.readouterr().out
    assert f"http://{HERE}:8600" in told and "firewall" in told
