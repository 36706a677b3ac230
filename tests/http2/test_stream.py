"""One stream, and what is remembered of those that are closed."""

import pytest

from dohproxy.http2.blocks import HeaderList
from dohproxy.http2.errors import StreamFault
from dohproxy.http2.fields import read_head
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.stream import REMEMBERED_STREAMS, ClosedStreams, Stream
from tests.http2 import client as c

LIMITS = Http2Limits(max_body_bytes=10)


def begun(*fields: tuple[str, str]) -> Stream:
    """Return a POST that has just begun."""
    head = read_head([(name.encode(), value.encode()) for name, value in (*c.POST, *fields)])
    return Stream(1, head, 65_535, 3.0)


def test_a_request_is_handed_out_when_it_ends() -> None:
    stream = begun()
    stream.add_data(b"que", 3, LIMITS)
    stream.add_data(b"ry", 9, LIMITS)
    assert (stream.received_bytes, stream.flow_bytes, stream.begun) == (5, 12, 3.0)
    assert not stream.is_ready
    stream.end()
    assert [stream.is_complete, stream.is_ready, stream.is_handed_out] == [True, True, False]
    assert stream.hand_out() == b"query"
    assert (stream.is_ready, stream.is_handed_out, stream.body) == (False, True, None)


def test_a_request_that_is_too_large_is_handed_out_once() -> None:
    stream = begun()
    stream.add_data(bytes(11), 11, LIMITS)
    assert (stream.is_ready, stream.hand_out()) == (True, None)
    stream.add_data(bytes(11), 11, LIMITS)
    stream.end()
    assert (stream.is_complete, stream.is_ready, stream.body) == (True, False, None)


def test_nothing_is_kept_of_a_body_that_grows_too_large() -> None:
    stream = begun()
    stream.add_data(bytes(10), 10, LIMITS)
    assert stream.body == bytes(10)
    stream.add_data(b"x", 1, LIMITS)
    assert stream.body is None


def test_a_request_of_another_length_than_announced_is_not_complete() -> None:
    stream = begun(("content-length", "6"))
    stream.add_data(b"query", 5, LIMITS)
    with pytest.raises(StreamFault):
        stream.end()
    assert not stream.is_complete
    assert not stream.is_ready


def test_a_request_whose_header_was_too_large_announces_nothing() -> None:
    stream = Stream(7, None, 65_535, 0.0)
    stream.add_data(b"query", 5, LIMITS)
    stream.end()
    assert stream.is_complete


def test_trailers_end_a_request() -> None:
    stream = begun()
    stream.take_trailers(HeaderList([(b"x", b"1")]), ends_stream=True)
    assert stream.is_complete


@pytest.mark.parametrize(
    ("headers", "ends_stream"),
    [(HeaderList([]), False), (HeaderList(None), True), (HeaderList([(b":path", b"/")]), True)],
    ids=["that do not end the stream", "over their limits", "malformed"],
)
def test_bad_trailers_are_a_fault(headers: HeaderList, ends_stream: bool) -> None:
    with pytest.raises(StreamFault):
        begun().take_trailers(headers, ends_stream=ends_stream)


def test_the_last_closed_streams_are_remembered_and_no_more() -> None:
    closed = ClosedStreams()
    for stream_id in range(REMEMBERED_STREAMS + 1):
        closed.ended.append(stream_id)
        closed.reset_by_us.append(-stream_id)
    assert [each in closed.ended for each in (0, 1, REMEMBERED_STREAMS)] == [False, True, True]
    assert [each in closed.reset_by_us for each in (0, -1, -REMEMBERED_STREAMS)] == [False, True, True]
