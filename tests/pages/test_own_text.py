"""The operators' own paragraphs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.pages.document import Language
from dohproxy.pages.own_text import MOST_OWN_BYTES, MOST_PARAGRAPHS, NOTHING, read_own_text, with_links

EN, FR = Language.ENGLISH, Language.FRENCH


def test_paragraphs_end_at_an_empty_line_and_a_mark_is_for_what_follows() -> None:
    found = read_own_text(b"for all,\r\nin two lines\r\n\r\n[en]\nEnglish\n[FR]\nun\n\n \n\ndeux\n")
    assert found == {EN: ["for all, in two lines", "English"], FR: ["for all, in two lines", "un", "deux"]}


@pytest.mark.parametrize("content", [b"", b"\n\n\n", b"[en]\n[fr]\n", "\ufeff".encode()])
def test_nothing_is_nothing(content: bytes) -> None:
    assert read_own_text(content) == {EN: [], FR: []}
    assert set(NOTHING) == set(Language)


def test_what_cannot_be_printed_is_a_blank() -> None:
    assert read_own_text(b"a\x00b\x1b[31m")[EN] == ["a b [31m"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (bytes(MOST_OWN_BYTES + 1), "has more than 4096 bytes"),
        (b"caf\xe9", "is not UTF-8 text .byte 3."),
        (b"a\n\n" * (MOST_PARAGRAPHS + 1), "has more than 32 paragraphs"),
        (b"<" * 2_000, "has more than 6144 bytes for one language"),
        (b"https://example.org/ " * 150, "has more than 6144 bytes for one language"),
    ],
    ids=["too long", "Latin-1", "in too many pieces", "too much to escape", "too many links"],
)
def test_what_cannot_be_used_is_told(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_own_text(content)


@given(st.binary(max_size=300))
def test_any_bytes_are_paragraphs_or_told(content: bytes) -> None:
    try:
        found = read_own_text(content)
    except ValueError:
        return
    assert all(one.strip() and one.isprintable() for paragraphs in found.values() for one in paragraphs)


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("see https://a.example/b.", 'see <a href="https://a.example/b">https://a.example/b</a>.'),
        ("(http://a.example/?b=c&d)", '(<a href="http://a.example/?b=c&amp;d">http://a.example/?b=c&amp;d</a>)'),
        ("javascript:alert(1) ftp://a.example <b>", "javascript:alert(1) ftp://a.example &lt;b&gt;"),
    ],
)
def test_urls_become_links_and_nothing_else_does(text: str, markup: str) -> None:
    assert with_links(text) == markup
