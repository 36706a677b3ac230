"""Huffman strings: what the library's encoder writes is read back, and what its decoder refuses is refused."""

import pytest
from hpack.exceptions import HPACKDecodingError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import HUFFMAN_FAIL, HUFFMAN_TABLE, decode_huffman
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.http2.huffman import CODE_LENGTHS, BrokenString, decode

ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def test_every_symbol_has_the_code_of_the_library() -> None:
    assert list(CODE_LENGTHS) == REQUEST_CODES_LENGTH
    # By itself, so that it is the code that counts and not what was decoded before.
    for symbol in range(256):
        text = bytes((symbol,))
        assert decode(ENCODER.encode(text)) == text


def test_every_byte_in_every_state_is_what_it_is_to_the_library() -> None:
    # Each state is reached by the fewest nibbles that lead there; one more byte is one step.
    ways, todo = {0: b""}, [0]
    for state in todo:
        for nibble in range(256):
            middle, flags, _ = HUFFMAN_TABLE[state << 4 | nibble >> 4]
            if flags & HUFFMAN_FAIL:
                continue
            following, flags, _ = HUFFMAN_TABLE[middle << 4 | nibble & 0xF]
            if not flags & HUFFMAN_FAIL and following not in ways:
                ways[following] = ways[state] + bytes((nibble,))
                todo.append(following)
    for way in ways.values():
        for byte in range(256):
            _agree(way + bytes((byte,)))


@given(st.binary(max_size=200))
def test_every_text_is_read_as_it_was_written(text: bytes) -> None:
    assert decode(ENCODER.encode(text)) == text


@given(st.binary(max_size=12))
def test_any_bytes_are_to_it_what_they_are_to_the_library(string: bytes) -> None:
    _agree(string)


def _agree(string: bytes) -> None:
    try:
        expected = decode_huffman(string)
    except HPACKDecodingError:
        with pytest.raises(BrokenString):
            decode(string)
    else:
        assert decode(string) == expected


@pytest.mark.parametrize(
    "string",
    [
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff" + ENCODER.encode(b"aeiost" * 40),
        ENCODER.encode(b"a") + b"\xff",
        ENCODER.encode(b"\xff")[:-1],
        b"\x00",
    ],
    ids=[
        "the end of a string",
        "the end of a string, and symbols behind it",
        "padding of a byte",
        "a code without its end",
        "padding of zeros",
    ],
)
def test_a_broken_string_is_refused(string: bytes) -> None:
    with pytest.raises(BrokenString):
        decode(string)
