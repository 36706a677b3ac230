"""Names as people write them, and comments behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.policy.blocklists.lines import BadLine, show_bytes, wire_name, without_comment
from dohproxy.wire.name import from_text


@given(st.text(st.characters(codec="ascii", categories=("Ll", "Nd")), min_size=1, max_size=20))
def test_a_name_has_the_wire_form_that_a_query_has(label: str) -> None:
    assert wire_name(f"{label}.Example.".encode()) == from_text(f"{label}.example")


@pytest.mark.parametrize(
    ("text", "name"), [("B\u00fccher.Example", "xn--bcher-kva.example"), ("a\u3002example", "a.example")]
)
def test_a_name_in_its_own_script_becomes_what_is_asked_for(text: str, name: str) -> None:
    assert wire_name(text.encode()) == from_text(name)


def test_what_is_no_name_is_shown_cut_and_without_what_a_terminal_would_obey() -> None:
    with pytest.raises(BadLine) as caught:
        wire_name(b"\x1b[31m" + b"x" * 1_000)
    assert len(str(caught.value)) < 100
    assert "\x1b" not in str(caught.value)
    assert show_bytes(b"\xff") == '"\ufffd"'


@pytest.mark.parametrize(
    ("line", "rest"),
    [(b"a # b", b"a "), (b"# b", b""), (b"a#b", b"a#b"), (b"a#b #c", b"a#b "), (b"a\t#", b"a\t"), (b"a", b"a")],
)
def test_a_comment_begins_a_word(line: bytes, rest: bytes) -> None:
    assert without_comment(line) == rest
