"""Values of [about]."""

from pathlib import Path

import pytest

from dohproxy.config.about_values import MOST_LINE_BYTES, parse_contact, parse_line, parse_site
from dohproxy.config.addresses import Unusable

HERE = Path("/etc/dohproxy")


@pytest.mark.parametrize("text", ["Example Association", "Fédération des associations"])
def test_a_line(text: str) -> None:
    assert parse_line(text, HERE) == text


@pytest.mark.parametrize("text", ["", " ", "two\nlines", "\x1b[31m", "é" * MOST_LINE_BYTES])
def test_what_is_no_line_is_told(text: str) -> None:
    with pytest.raises(Unusable, match="write"):
        parse_line(text, HERE)


@pytest.mark.parametrize("text", ["https://example.org", "http://example.org:8080/a?b#c", "https://[2001:db8::1]/"])
def test_a_site(text: str) -> None:
    assert parse_site(text, HERE) == text


@pytest.mark.parametrize(
    "text",
    [
        "example.org",
        "ftp://example.org",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "https://[::1",
        "https://a b",
        "https://exämple.org",
        "https://me:secret@example.org",
        "https://example.org/" + MOST_LINE_BYTES * "a",
    ],
)
def test_what_is_no_site_is_told(text: str) -> None:
    with pytest.raises(Unusable):
        parse_site(text, HERE)


@pytest.mark.parametrize("text", ["dns@example.org", "a.b+c@sub.example.org", "https://example.org/contact"])
def test_a_contact(text: str) -> None:
    assert parse_contact(text, HERE) == text


@pytest.mark.parametrize(
    "text", ["dns", "dns@", "@example.org", "dns@example", "a b@example.org", "mailto:a@b.c", "tel:1"]
)
def test_what_is_no_contact_is_told(text: str) -> None:
    with pytest.raises(Unusable, match="a mail address nor a URL"):
        parse_contact(text, HERE)


def test_a_long_contact_is_refused_at_once() -> None:
    with pytest.raises(Unusable):
        parse_contact("a@" + "b." * 100_000, HERE)
