"""What every page begins with, and how it writes what others have named."""

import pytest

from pages.parts.page import WORD_JOINER, plain


@pytest.mark.parametrize("text", ["CNN 1a2b", "my 3rd (best), so far: 99.2 %", "école – 数字"])
def test_plain_words_stay_as_they_are(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("**bold** _it_ `code`", r"\*\*bold\*\* \_it\_ \`code\`"),
        ("[a](b) ![c](d) <b>", r"\[a\](b) \!\[c\](d) \<b\>"),
        (":red[x] :material/draw:", r"\:red\[x\] \:material/draw:"),
        ("$x$ # ~ |", r"\$x\$ \# \~ \|"),
        ("fish &amp; chips", r"fish \&amp; chips"),
        ("one\n===\n- two\n1. three", "one === - two 1. three"),
    ],
)
def test_nothing_in_a_name_is_markdown(text, written):
    assert plain(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/",
        "HTTP://evil.example",
        "www.evil.example",
        "WWW.evil.example",
        "me@evil.example",
    ],
)
def test_no_address_in_a_name_becomes_a_link(text):
    """Links are found in the text without its escapes: something that nobody sees must stand within
    them."""
    written = plain(text)
    assert written.replace("\\", "").replace(WORD_JOINER, "") == text
    for start in ("://", "www.", "@"):
        assert start not in written.lower().replace("\\", "") or f"{WORD_JOINER}@" in written
