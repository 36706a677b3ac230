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


def read_all(reader: FrameReader) -> list[Frame]:
    """Return every whole frame."""
    return list(iter(reader.next_frame, None))


@pytest.mark.parametrize("size", [1, 2, 8, 9, 10, 24, 33, 50, len(STREAM)])
def test_frames_do_not_depend_on_how_their_bytes_arrive(size: int) -> None:
    reader, found = FrameReader(), []
    for start in range(0, len(STREAM), size):
        reader.feed(STREAM[start : start + size], 0.0)
        found += read_all(reader)
    assert found == FRAMES
    assert reader.half_read_since is None


def test_no_frame_is_read_before_the_whole_preface() -> None:
    reader = FrameReader()
    reader.feed(c.PREFACE[:-1], 0.0)
    assert read_all(reader) == []
    assert reader.half_read_since is not None


def test_a_wrong_preface_is_a_fault() -> None:
    with pytest.raises(ConnectionFault) as caught:
        FrameReader().feed(b"PRI * HTTP/2.0\r\n\r\nXX", 0.0)
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


def test_a_frame_that_is_too_long_is_a_fault_as_soon_as_its_length_is_known() -> None:
    reader = FrameReader()
    reader.feed(c.HELLO + b"\x00\x40\x01\x00\x00\x00\x00\x00", 0.0)
    assert len(read_all(reader)) == 1
    reader.feed(b"\x01", 0.0)
    with pytest.raises(ConnectionFault) as caught:
        reader.next_frame()
    assert caught.value.code is ErrorCode.FRAME_SIZE_ERROR


def test_a_frame_of_the_largest_size_is_read() -> None:
    reader = FrameReader()
    reader.feed(c.HELLO + c.data(1, bytes(16_384)), 0.0)
    assert len(read_all(reader)[1][3]) == 16_384


def test_only_an_unfinished_frame_is_kept() -> None:
    reader = FrameReader()
    reader.feed(c.HELLO + c.ping() * 1_000 + b"\x00\x00", 0.0)
    assert len(read_all(reader)) == 1_001
    assert reader.half_read_since is not None
    reader.feed(c.ping()[2:], 0.0)
    assert len(read_all(reader)) == 1
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
        reader.feed(data, now)
        read_all(reader)
        assert reader.half_read_since == since, now


def test_nothing_is_kept_once_the_connection_ends() -> None:
    reader = FrameReader()
    reader.feed(c.HELLO + b"\x00", 1.0)
    read_all(reader)
    reader.clear()
    assert (reader.half_read_since, reader.next_frame()) == (None, None)
