"""What may be sent; on a connection, see `test_connection_flow`."""

import pytest

from dohproxy.http2.errors import ConnectionFault, ErrorCode, StreamFault
from dohproxy.http2.fields import RequestHead, RestOfHead
from dohproxy.http2.flow import SendWindows
from dohproxy.http2.stream import Stream

HEAD = RequestHead(RestOfHead("GET", None, (), None), "/")
LARGEST = 2**31 - 1


def stream(stream_id: int = 1, window: int = 65_535) -> Stream:
    """Return a stream with this window."""
    return Stream(stream_id, HEAD, window, 0.0)


def test_what_fits_goes_out_in_one_frame() -> None:
    windows, one = SendWindows(), stream()
    windows.queue(one, b"answer", 1.0)
    assert windows.send(one) == b"\x00\x00\x06\x00\x01\x00\x00\x00\x01answer"
    assert (windows.connection, one.send_window, windows.sent_bytes) == (65_529, 65_529, 6)
    assert (windows.blocked_bytes, windows.blocked_since) == (0, None)


@pytest.mark.parametrize("window", [0, -1, -70_000])
def test_nothing_goes_out_through_a_closed_window(window: int) -> None:
    windows, one = SendWindows(), stream(window=window)
    windows.queue(one, b"answer", 1.0)
    assert windows.send(one) == b""
    assert (windows.blocked_bytes, windows.blocked_since) == (6, 1.0)


def test_what_waits_is_counted_over_all_streams() -> None:
    windows, one, other = SendWindows(), stream(1, 2), stream(3, 0)
    for number, each in enumerate((one, other)):
        windows.queue(each, b"answer", float(number))
        windows.send(each)
    assert (windows.blocked_bytes, windows.blocked_since) == (10, 0.0)
    windows.drop(one)
    assert (windows.blocked_bytes, windows.blocked_since, one.out) == (6, 1.0, b"")
    windows.drop_all()
    assert (windows.blocked_bytes, windows.blocked_since) == (0, None)


def test_a_stream_that_waits_for_nothing_may_be_dropped() -> None:
    windows = SendWindows()
    windows.drop(stream())
    assert windows.blocked_bytes == 0


def test_a_new_size_moves_every_window_by_the_difference() -> None:
    windows, one, other = SendWindows(), stream(1, 65_535), stream(3, 10)
    windows.follow_settings([(4, 100)], [one, other])
    assert (one.send_window, other.send_window, windows.initial) == (100, 10 - 65_435, 100)
    assert windows.connection == 65_535


def test_a_stream_window_may_grow_to_its_largest() -> None:
    windows, one = SendWindows(), stream(window=0)
    windows.grow(LARGEST, one)
    assert one.send_window == LARGEST


def test_a_negative_window_may_take_a_larger_increment_than_is_left_open() -> None:
    windows, one = SendWindows(), stream(window=-5)
    windows.grow(LARGEST, one)
    assert one.send_window == LARGEST - 5


@pytest.mark.parametrize(
    ("increment", "code"), [(0, ErrorCode.PROTOCOL_ERROR), (LARGEST, ErrorCode.FLOW_CONTROL_ERROR)]
)
def test_a_bad_increment_is_a_fault_of_what_it_is_for(increment: int, code: ErrorCode) -> None:
    with pytest.raises(StreamFault) as of_stream:
        SendWindows().grow(increment, stream())
    assert (of_stream.value.stream_id, of_stream.value.code) == (1, code)
    with pytest.raises(ConnectionFault) as of_connection:
        SendWindows().grow(increment, None)
    assert of_connection.value.code is code
