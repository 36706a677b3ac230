"""Header blocks as they come in; what they may be on a connection is in `test_connection_headers`."""

import pytest

from dohproxy.http2.blocks import BlockReader, HeaderBlock
from dohproxy.http2.errors import ConnectionFault, ErrorCode
from dohproxy.http2.limits import Http2Limits
from tests.http2 import client as c

FIELDS = [(name.encode(), value.encode()) for name, value in c.GET]
BLOCK = c.block(c.GET)
END = c.END_HEADERS | c.END_STREAM


def reader() -> BlockReader:
    """Return a new connection's reader."""
    return BlockReader(Http2Limits())


def test_a_block_in_one_frame_is_whole_at_once() -> None:
    blocks = reader()
    assert blocks.begin(END, 1, BLOCK, 0.0) == HeaderBlock(1, True, False, FIELDS)
    assert (blocks.stream_id, blocks.half_read_since) == (0, None)


def test_a_block_in_several_frames_is_whole_with_the_last() -> None:
    blocks = reader()
    assert blocks.begin(c.END_STREAM, 5, BLOCK[:9], 7.0) is None
    assert blocks.go_on(0, BLOCK[9:30]) is None
    assert (blocks.stream_id, blocks.half_read_since) == (5, 7.0)
    assert blocks.go_on(c.END_HEADERS, BLOCK[30:]) == HeaderBlock(5, True, False, FIELDS)
    assert (blocks.stream_id, blocks.half_read_since) == (0, None)


@pytest.mark.parametrize(("depends_on", "itself"), [(0, False), (3, False), (1, True), (0x8000_0001, True)])
def test_a_block_says_whether_its_stream_depends_on_itself(depends_on: int, itself: bool) -> None:
    payload = depends_on.to_bytes(4) + b"\x0f" + BLOCK
    block = reader().begin(END | c.PRIORITISED, 1, payload, 0.0)
    assert block == HeaderBlock(1, True, itself, FIELDS)


def test_a_dependency_is_forgotten_with_its_block() -> None:
    blocks = reader()
    blocks.begin(END | c.PRIORITISED, 1, b"\x00\x00\x00\x01\x0f" + BLOCK, 0.0)
    assert blocks.begin(END, 3, BLOCK, 0.0) == HeaderBlock(3, True, False, FIELDS)


def test_a_block_over_its_limits_has_no_fields() -> None:
    assert reader().begin(END, 1, BLOCK * 20, 0.0) == HeaderBlock(1, True, False, None)


def test_each_block_has_its_own_continuations() -> None:
    blocks = reader()
    for stream_id in (1, 3, 5):
        blocks.begin(0, stream_id, BLOCK, 0.0)
        for _ in range(7):
            assert blocks.go_on(0, b"") is None
        assert blocks.go_on(c.END_HEADERS, b"") is not None


def test_a_continuation_of_nothing_is_a_fault() -> None:
    with pytest.raises(ConnectionFault) as caught:
        reader().go_on(c.END_HEADERS, b"")
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


def test_nothing_is_kept_of_a_block_that_is_given_up() -> None:
    blocks = reader()
    blocks.begin(0, 1, BLOCK, 0.0)
    blocks.clear()
    assert (blocks.stream_id, blocks.half_read_since) == (0, None)
