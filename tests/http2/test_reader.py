"""From bytes to frames."""

import pytest

from dohproxy.http2.errors import ConnectionFault, ErrorCode
from dohproxy.http2.reader import Frame, FrameReader
from tests.http2 import client as c

STREAM = c.PREFACE + c.settings((3, 5)) + c.headers(1) + c.frame(c.UNKNOWN, 0xFF, 0x8000_0007, b"payload")
FRAMES: list[Frame] = [
    (c.SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00\x05"),
    (c.HEADERS, 5, 1, c.block(c.GET)),
    (c.UNKNOWN, 0xFF, 7, b"payload"),
]


def read_all(reader: FrameReader, data: bytes, now: float = 0.0) -> list[Frame]:
    """Return every frame that is whole with this data."""
    return list(reader.frames(data, now))


@pytest.mark.parametrize("size", [1, 2, 8, 9, 10, 24, 33, 50, len(STREAM)])
def test_frames_do_not_depend_on_how_their_bytes_arrive(size: int) -> None:
    reader, found = FrameReader(), []
    for start in range(0, len(STREAM), size):
        found += read_all(reader, STREAM[start : start + size])
    assert found == FRAMES
    assert reader.half_read_since is None


def test_no_frame_is_read_before_the_whole_preface() -> None:
    reader = FrameReader()
    assert read_all(reader, c.PREFACE[:-1]) == []
    assert reader.half_read_since is not None


def test_a_wrong_preface_is_a_fault() -> None:
    with pytest.raises(ConnectionFault) as caught:
        read_all(FrameReader(), b"PRI * HTTP/2.0\r\n\r\nXX")
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


def test_a_frame_that_is_too_long_is_a_fault_as_soon_as_its_length_is_known() -> None:
    reader = FrameReader()
    assert len(read_all(reader, c.HELLO + b"\x00\x40\x01\x00\x00\x00\x00\x00")) == 1
    with pytest.raises(ConnectionFault) as caught:
        read_all(reader, b"\x01")
    assert caught.value.code is ErrorCode.FRAME_SIZE_ERROR


def test_a_frame_of_the_largest_size_is_read() -> None:
    reader = FrameReader()
    assert len(read_all(reader, c.HELLO + c.data(1, bytes(16_384)))[1][3]) == 16_384


def test_only_an_unfinished_frame_is_kept() -> None:
    reader = FrameReader()
    assert len(read_all(reader, c.HELLO + c.ping() * 1_000 + b"\x00\x00")) == 1_001
    assert reader.half_read_since is not None
    assert len(read_all(reader, c.ping()[2:])) == 1
    assert reader.half_read_since is None


def test_it_says_since_when_a_frame_is_unfinished() -> None:
    """The time of the first byte of this very frame, however many came whole before it."""
    reader = FrameReader()
    for now, data, since in (
        (1.0, c.HELLO, None),
        (2.0, c.ping()[:1], 2.0),
        (3.0, c.ping()[1:5], 2.0),
        (4.0, c.ping()[5:] + c.ping()[:3], 4.0),
        (5.0, c.ping()[3:] + c.ping() + c.ping()[:3], 5.0),
        (6.0, c.ping()[3:4], 5.0),
        (7.0, c.ping()[4:], None),
    ):
        read_all(reader, data, now)
        assert reader.half_read_since == since, now


def test_nothing_is_kept_once_the_connection_ends() -> None:
    reader = FrameReader()
    read_all(reader, c.HELLO + b"\x00", 1.0)
    reader.clear()
    assert reader.half_read_since is None
    assert len(read_all(reader, c.ping())) == 1


def test_nothing_is_kept_of_a_read_that_ends_the_connection() -> None:
    reader = FrameReader()
    for kind, *_ in reader.frames(c.HELLO + c.ping() + c.ping()[:5], 1.0):
        if kind == c.PING:
            reader.clear()
            break
    assert reader.half_read_since is None
    assert read_all(reader, c.ping()) == [(c.PING, 0, 0, b"12345678")]
