"""Only what says that it is markup is markup."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.pages.markup import Markup, element, empty, join

HOSTILE = '<script>alert("1")</script>&amp;\''


def test_text_is_escaped_and_elements_are_not() -> None:
    inner = element("b", HOSTILE)
    assert "<script>" not in inner
    assert element("p", inner, " & ") == f"<p>{inner} &amp; </p>"
    assert join(HOSTILE, Markup("<br>")).endswith("<br>")


def test_attributes_are_escaped_and_named_as_html_has_them() -> None:
    found = element("a", "x", href='"><script>', class_="one", aria_label="&", hidden=None)
    assert found == '<a href="&quot;&gt;&lt;script&gt;" class="one" aria-label="&amp;">x</a>'


def test_empty_elements_of_html_and_of_xml() -> None:
    assert element("meta", name="a") == '<meta name="a">'
    assert empty("link", rel="self") == '<link rel="self"/>'
    assert empty("path", d="M0 0") == '<path d="M0 0"/>'


@given(st.text())
def test_no_text_can_open_an_element_or_leave_an_attribute(text: str) -> None:
    found = element("p", text, title=text)
    assert found.count("<") == 2
    assert found.count('"') == 2


@pytest.mark.parametrize("parts", [("a", "b"), (Markup("a"), "b")])
def test_what_is_joined_is_markup(parts: tuple[str, ...]) -> None:
    assert isinstance(join(*parts), Markup)
