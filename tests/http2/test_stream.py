"""One stream, and what is remembered of those that are closed."""

import pytest

from dohproxy.http2.blocks import HeaderBlock
from dohproxy.http2.errors import ErrorCode, StreamFault
from dohproxy.http2.events import HeaderTooLarge, RequestReceived
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.stream import REMEMBERED_STREAMS, ClosedStreams, Stream, begin_stream
from tests.http2 import client as c

LIMITS = Http2Limits(max_body_bytes=10)


def begun(*fields: tuple[str, str]) -> Stream:
    """Return a POST that has just begun."""
    raw = [(name.encode(), value.encode()) for name, value in (*c.POST, *fields)]
    stream, event = begin_stream(HeaderBlock(1, False, False, raw), 65_535, 3.0)
    assert event is None
    return stream


def test_a_request_is_handed_out_when_it_ends() -> None:
    stream = begun()
    assert stream.add_data(b"que", 3, LIMITS) is None
    assert stream.add_data(b"ry", 9, LIMITS) is None
    assert (stream.received_bytes, stream.flow_bytes, stream.begun) == (5, 12, 3.0)
    assert stream.end() == RequestReceived(1, stream.head, b"query")
    assert (stream.is_complete, stream.is_handed_out, stream.body) == (True, True, [])


def test_a_request_that_is_too_large_is_handed_out_once() -> None:
    stream = begun()
    assert stream.add_data(bytes(11), 11, LIMITS) == RequestReceived(1, stream.head, b"", body_too_large=True)
    assert stream.add_data(bytes(11), 11, LIMITS) is None
    assert stream.end() is None
    assert stream.is_complete
    assert stream.body == []


def test_a_request_of_another_length_than_announced_is_not_complete() -> None:
    stream = begun(("content-length", "6"))
    stream.add_data(b"query", 5, LIMITS)
    with pytest.raises(StreamFault):
        stream.end()
    assert not stream.is_complete
    assert not stream.is_handed_out


def test_a_stream_without_fields_is_one_whose_header_is_too_large() -> None:
    stream, event = begin_stream(HeaderBlock(7, True, False, None), 65_535, 0.0)
    assert event == HeaderTooLarge(7)
    assert stream.end() is None


def test_a_malformed_request_begins_no_stream() -> None:
    with pytest.raises(StreamFault) as caught:
        begin_stream(HeaderBlock(7, True, False, []), 65_535, 0.0)
    assert (caught.value.stream_id, caught.value.code) == (7, ErrorCode.PROTOCOL_ERROR)


def test_trailers_end_a_request() -> None:
    assert begun().take_trailers(HeaderBlock(1, True, False, [(b"x", b"1")])) is not None


@pytest.mark.parametrize(
    "block",
    [
        HeaderBlock(1, False, False, []),
        HeaderBlock(1, True, False, None),
        HeaderBlock(1, True, False, [(b":path", b"/")]),
    ],
    ids=["that do not end the stream", "over their limits", "malformed"],
)
def test_bad_trailers_are_a_fault(block: HeaderBlock) -> None:
    with pytest.raises(StreamFault):
        begun().take_trailers(block)


def test_the_last_closed_streams_are_remembered_and_no_more() -> None:
    closed = ClosedStreams()
    for stream_id in range(REMEMBERED_STREAMS + 1):
        closed.add(stream_id, reset_by_us=False)
    assert [closed.has_ended(0), closed.has_ended(1), closed.has_ended(REMEMBERED_STREAMS)] == [False, True, True]


def test_streams_that_we_reset_are_remembered_apart() -> None:
    closed = ClosedStreams()
    closed.add(1, reset_by_us=True)
    closed.add(3, reset_by_us=False)
    assert [closed.was_reset_by_us(1), closed.was_reset_by_us(3)] == [True, False]
    assert [closed.has_ended(1), closed.has_ended(3)] == [False, True]
