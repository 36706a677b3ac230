"""The strict reading of the `dns` variable: one query, one spelling."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.doh.base64url import decode, decoded_bytes

RFC_8484_MESSAGE = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"
RFC_8484_LONG_MESSAGE = (
    "AAABAAABAAAAAAAAAWE-NjJjaGFyYWN0ZXJsYWJlbC1tYWtlcy1iYXNlNjR1cmwtZGlzdGluY3QtZnJvbS1zdGFuZGFyZC1iYXNlNjQHZXhhbXBs"
    "ZQNjb20AAAEAAQ"
)


def _encode(wire: bytes) -> str:
    return base64.urlsafe_b64encode(wire).rstrip(b"=").decode()


@given(st.binary(max_size=300))
def test_every_message_survives_the_round_trip(wire: bytes) -> None:
    assert decode(_encode(wire)) == wire


@given(st.binary(max_size=300))
def test_the_length_is_known_before_decoding(wire: bytes) -> None:
    assert decoded_bytes(_encode(wire)) == len(wire)


@pytest.mark.parametrize(
    ("encoded", "length", "start"),
    [
        pytest.param(RFC_8484_MESSAGE, 33, b"\x00\x00\x01\x00", id="the first example of RFC 8484"),
        pytest.param(RFC_8484_LONG_MESSAGE, 94, b"\x00\x00\x01\x00", id="its second, with a minus in it"),
        pytest.param("__8", 2, b"\xff\xff", id="an underscore"),
        pytest.param("", 0, b"", id="nothing"),
    ],
)
def test_a_text_of_the_standards_is_read(encoded: str, length: int, start: bytes) -> None:
    decoded = decode(encoded)
    assert len(decoded) == length
    assert decoded.startswith(start)


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param("AAA=", id="padding"),
        pytest.param("AA==", id="two characters of padding"),
        pytest.param("AA=", id="half of the padding"),
        pytest.param("AAAA=", id="padding where none could be"),
        pytest.param("AAAA====", id="a group of nothing but padding"),
        pytest.param("=AAA", id="padding first"),
        pytest.param("AA+A", id="a plus, of the other alphabet"),
        pytest.param("AA/A", id="a slash, of the other alphabet"),
        pytest.param("A", id="a single character"),
        pytest.param("AAAAA", id="a single character left over"),
        pytest.param("AB", id="spare bits set behind one byte"),
        pytest.param("AAB", id="spare bits set behind two bytes"),
        pytest.param("AA A", id="a space"),
        pytest.param("AAA\n", id="a newline"),
        pytest.param("AAA ", id="a space at the end"),
        pytest.param("AA%2D", id="a percent escape"),
        pytest.param("AA.A", id="a dot"),
        pytest.param("A\u00c4AA", id="a letter that is not ASCII"),
        pytest.param("AA\u00c4", id="a letter that is not ASCII, last in an open group"),
        pytest.param("AA\udc80", id="a byte that is not UTF-8"),
        pytest.param("AA\x00A", id="a zero byte"),
    ],
)
def test_any_other_spelling_is_refused(encoded: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(encoded)


@given(st.text(max_size=40))
def test_no_text_at_all_does_more_than_be_refused(text: str) -> None:
    try:
        decoded = decode(text)
    except ValueError:
        return
    assert _encode(decoded) == text


@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_second_spelling_means_the_same_message(wire: bytes, data: st.DataObject) -> None:
    encoded = _encode(wire)
    place = data.draw(st.integers(0, len(encoded) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
    changed = encoded[:place] + other + encoded[place + 1 :]
    try:
        assert (decode(changed) == wire) == (changed == encoded)
    except ValueError:
        assert changed != encoded
