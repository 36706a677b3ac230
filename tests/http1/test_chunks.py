"""Bodies in chunks, however they are cut."""

import pytest

from dohproxy.http1.chunks import ChunkedBody
from dohproxy.http1.errors import BadRequest, Fault
from dohproxy.http1.limits import LONGEST_CHUNK_LINE, LONGEST_FIELD, MOST_CHUNKS, MOST_TRAILERS

MOST_BYTES = 1_024


def read(data: bytes, size: int = 0) -> tuple[ChunkedBody, bytes]:
    """Read a body given in pieces of this size; return it and what is left behind it."""
    chunked = ChunkedBody(MOST_BYTES)
    held = b""
    for start in range(0, len(data), size or len(data)):
        held += data[start : start + (size or len(data))]
        held = held[chunked.read(held, 0) :]
    return chunked, held


def fault_of(data: bytes, size: int = 0) -> Fault:
    """Why this is none, however it is cut."""
    with pytest.raises(BadRequest) as caught:
        read(data, size)
    return caught.value.fault


WHOLE = {
    "one chunk": (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "no chunk": (b"0\r\n\r\n", b""),
    "several": (b"5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n", b"hello world"),
    "sizes in any case": (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"01234567890123456789"),
    "leading zeros": (b"0005\r\nhello\r\n0000000000000000\r\n\r\n", b"hello"),
    "extensions": (b'5;a=b;c="d;e"\r\nhello\r\n0;f\r\n\r\n', b"hello"),
    "a space before an extension": (b"5 ;a\r\nhello\r\n0\r\n\r\n", b"hello"),
    "trailers": (b"5\r\nhello\r\n0\r\nX-Sum: a\r\nX-Empty:\r\n\r\n", b"hello"),
    "line ends in it": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    "the most bytes": (b"400\r\n" + bytes(1024) + b"\r\n0\r\n\r\n", bytes(1024)),
    "the most chunks": (b"1\r\na\r\n" * (MOST_CHUNKS - 1) + b"0\r\n\r\n", b"a" * (MOST_CHUNKS - 1)),
}


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
@pytest.mark.parametrize(("data", "body"), WHOLE.values(), ids=WHOLE)
def test_a_body_is_read_however_it_is_cut(data: bytes, body: bytes, size: int) -> None:
    chunked, left = read(data + b"GET", size)
    assert (chunked.is_complete, chunked.is_too_long, chunked.body(), left) == (True, False, body, b"GET")


@pytest.mark.parametrize("spelling", ["%x", "%X", "%02x", "%02X", "%03x"])
def test_every_size_of_one_digit_or_two_is_read_however_it_is_spelled(spelling: str) -> None:
    for size in range(1, 256):
        body = b"a" * size
        chunked, _ = read((spelling % size).encode() + b"\r\n" + body + b"\r\n0\r\n\r\n")
        assert (chunked.is_complete, chunked.body()) == (True, body)


BROKEN = {
    "no size": b"\r\n",
    "no number": b"zz\r\n",
    "a sign": b"+5\r\n",
    "a prefix": b"0x5\r\n",
    "a space before": b" 5\r\n",
    "a space behind": b"5 \r\n",
    "a number beyond 64 bits": b"1" * 17 + b"\r\n",
    "an underscore": b"1_0\r\n",
    "a bare LF": b"5\nhello",
    "a bare CR": b"5\rhello",
    "a newline in an extension": b"5;a\nb\r\n",
    "a bare CR in an extension": b"5;a\rb\r\n",
    "NUL in an extension": b"5;a\x00b\r\n",
    "a chunk longer than its size": b"3\r\nabcdef\r\n",
    "a chunk that ends in LF": b"3\r\nabc\n0\r\n\r\n",
    "a chunk that ends in CR and something": b"3\r\nabc\rx",
    "a trailer with a space": b"0\r\nX : y\r\n",
    "a folded trailer": b"0\r\nX: y\r\n z\r\n",
    "a trailer without a colon": b"0\r\nX\r\n",
    "a trailer that says where it ends": b"0\r\nContent-Length: 5\r\n",
    "a trailer that says how it is coded": b"0\r\ntransfer-encoding: chunked\r\n",
    "a trailer that says where it goes": b"0\r\nHOST: a\r\n",
    "a bare LF at the end": b"0\r\n\n",
    "a trailer that ends in LF": b"0\r\nX: y\n\r\n",
}


@pytest.mark.parametrize("size", [0, 1, 2])
@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_one_is_refused_as_soon_as_it_is(data: bytes, size: int) -> None:
    # Nothing behind it is needed to tell.
    assert fault_of(data, size) is Fault.MALFORMED


@pytest.mark.parametrize("size", [0, 100])
@pytest.mark.parametrize("line", [b"1;" + b"a" * 300, b"0" * 300])
def test_a_size_without_end_is_refused(line: bytes, size: int) -> None:
    assert len(line) > LONGEST_CHUNK_LINE
    assert fault_of(line, size) is Fault.MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"401\r\n", id="one chunk"),
        pytest.param(b"ffffffffffffffff\r\n", id="a huge one"),
        pytest.param((b"100\r\n" + bytes(256) + b"\r\n") * 4 + b"1\r\n", id="several"),
        pytest.param(b"1\r\na\r\n" * MOST_CHUNKS + b"1\r\n", id="many"),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_a_long_one_is_known_by_the_size_that_is_too_much(data: bytes, size: int) -> None:
    chunked, _ = read(data, size)
    assert (chunked.is_too_long, chunked.is_complete) == (True, False)
    assert len(chunked.body()) <= MOST_BYTES


@pytest.mark.parametrize(
    "trailers",
    [
        pytest.param(b"X: a\r\n" * (MOST_TRAILERS + 1), id="many"),
        pytest.param((b"X: " + b"a" * 2000 + b"\r\n") * 5, id="large ones"),
        pytest.param(b"X: " + b"a" * LONGEST_FIELD, id="one without end"),
    ],
)
@pytest.mark.parametrize("size", [0, 13])
def test_trailers_have_the_limits_of_fields(trailers: bytes, size: int) -> None:
    assert fault_of(b"0\r\n" + trailers, size) is Fault.LARGE_HEADER


def test_what_is_not_whole_is_waited_for() -> None:
    data = b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"
    for cut in range(len(data)):
        chunked, _ = read(data[:cut], 1)
        assert not chunked.is_complete
        assert not chunked.is_too_long
