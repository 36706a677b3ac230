"""Frames with the wrong length, on the wrong kind of stream, with odd flags, padding and reserved bits
(RFC 9113 sections 4.1, 4.2 and 6)."""

import struct

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import PingFrame, SettingsFrame

from tests.http2 import client as c
from tests.http2.client import Client, refused_with, reset_with

FRAME_SIZE, PROTOCOL = ErrorCodes.FRAME_SIZE_ERROR, ErrorCodes.PROTOCOL_ERROR
PRIORITY_FIELDS = struct.pack("!IB", 0, 15)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        pytest.param(c.data(0, b"x"), PROTOCOL, id="6.1 DATA on stream 0"),
        pytest.param(c.headers(0), PROTOCOL, id="6.2 HEADERS on stream 0"),
        pytest.param(c.priority(0, 3), PROTOCOL, id="6.3 PRIORITY on stream 0"),
        pytest.param(c.rst_stream(0), PROTOCOL, id="6.4 RST_STREAM on stream 0"),
        pytest.param(c.frame(c.RST_STREAM, 0, 1, bytes(3)), FRAME_SIZE, id="6.4 RST_STREAM of 3 bytes"),
        pytest.param(c.frame(c.RST_STREAM, 0, 1, bytes(5)), FRAME_SIZE, id="6.4 RST_STREAM of 5 bytes"),
        pytest.param(c.frame(c.RST_STREAM, 0, 1), FRAME_SIZE, id="6.4 RST_STREAM of no byte"),
        pytest.param(c.frame(c.SETTINGS, 0, 1), PROTOCOL, id="6.5 SETTINGS on a stream"),
        pytest.param(c.frame(c.SETTINGS, c.ACK, 1), PROTOCOL, id="6.5 ACK of SETTINGS on a stream"),
        pytest.param(c.frame(c.SETTINGS, c.ACK, 0, bytes(6)), FRAME_SIZE, id="6.5 ACK of SETTINGS with a payload"),
        pytest.param(c.frame(c.SETTINGS, 0, 0, bytes(5)), FRAME_SIZE, id="6.5 SETTINGS of 5 bytes"),
        pytest.param(c.frame(c.SETTINGS, 0, 0, bytes(7)), FRAME_SIZE, id="6.5 SETTINGS of 7 bytes"),
        pytest.param(c.frame(c.SETTINGS, 0, 0, b"\x00\x03\x00"), FRAME_SIZE, id="6.5 SETTINGS of 3 bytes"),
        pytest.param(c.frame(c.PUSH_PROMISE, 4, 1, bytes(4)), PROTOCOL, id="8.4 PUSH_PROMISE from a client"),
        pytest.param(c.frame(c.PUSH_PROMISE, 4, 0, bytes(4)), PROTOCOL, id="6.6 PUSH_PROMISE on stream 0"),
        pytest.param(c.frame(c.PING, 0, 1, bytes(8)), PROTOCOL, id="6.7 PING on a stream"),
        pytest.param(c.ping(bytes(7)), FRAME_SIZE, id="6.7 PING of 7 bytes"),
        pytest.param(c.ping(bytes(9)), FRAME_SIZE, id="6.7 PING of 9 bytes"),
        pytest.param(c.ping(b""), FRAME_SIZE, id="6.7 PING of no byte"),
        pytest.param(c.ping(bytes(6), c.ACK), FRAME_SIZE, id="6.7 ACK of a PING of 6 bytes"),
        pytest.param(c.frame(c.GOAWAY, 0, 1, bytes(8)), PROTOCOL, id="6.8 GOAWAY on a stream"),
        pytest.param(c.frame(c.GOAWAY, 0, 0, bytes(7)), FRAME_SIZE, id="6.8 GOAWAY of 7 bytes"),
        pytest.param(c.frame(c.WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE, id="6.9 WINDOW_UPDATE of 3 bytes"),
        pytest.param(c.frame(c.WINDOW_UPDATE, 0, 1, bytes(5)), FRAME_SIZE, id="6.9 WINDOW_UPDATE of 5 bytes"),
        pytest.param(c.frame(c.CONTINUATION, 4, 0), PROTOCOL, id="6.10 CONTINUATION on stream 0"),
    ],
)
def test_a_frame_that_its_type_does_not_allow_ends_the_connection(wrong: bytes, code: ErrorCodes) -> None:
    client = Client().send(c.headers(1, c.POST, end=False))
    assert refused_with(client.send(wrong), code)


@pytest.mark.parametrize("size", [0, 4, 6], ids="6.3 PRIORITY of {} bytes".format)
def test_a_priority_of_another_length_ends_its_stream(size: int) -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.frame(c.PRIORITY, 0, 1, bytes(size)))
    assert reset_with(client, 1, FRAME_SIZE)


def test_a_priority_of_another_length_on_a_stream_without_state_ends_the_connection() -> None:
    """RST_STREAM may not be sent on an idle stream, and a stream error may be made one of the connection (5.4.2)."""
    assert refused_with(Client().send(c.frame(c.PRIORITY, 0, 1, bytes(4))), FRAME_SIZE)


@pytest.mark.parametrize(
    "kind",
    [c.DATA, c.HEADERS, c.SETTINGS, c.PING, c.GOAWAY, c.CONTINUATION, c.UNKNOWN],
    ids=["DATA", "HEADERS", "SETTINGS", "PING", "GOAWAY", "CONTINUATION", "an unknown type"],
)
def test_a_frame_over_the_largest_size_is_refused_before_it_is_read(kind: int) -> None:
    header = c.frame(kind, 0, 1, bytes(16_385))[:9]
    client = Client().send(c.headers(1, c.POST, end=False))
    assert refused_with(client.send(header), FRAME_SIZE)


def test_a_data_frame_of_the_largest_size_is_taken() -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.data(1, bytes(16_384), end=True))
    assert [request.body for request in client.requests] == [None]
    assert client.is_well


def test_unknown_frames_are_ignored_wherever_they_stand() -> None:
    frames = [c.frame(kind, 0xFF, stream_id, b"anything") for kind in (10, 99, 255) for stream_id in (0, 1, 8)]
    assert Client().send(*frames).is_well


def test_unknown_flags_are_ignored() -> None:
    client = Client().send(
        c.frame(c.PING, 0xFE, 0, b"unflag_1"),
        c.frame(c.SETTINGS, 0xFE, 0),
        c.frame(c.HEADERS, 0xD7 & ~c.END_STREAM, 1, c.block(c.POST)),
        c.frame(c.DATA, 0xF6, 1, b"ab"),
        c.frame(c.WINDOW_UPDATE, 0xFF, 1, struct.pack("!I", 1)),
        c.frame(c.DATA, 0xF7, 1, b"c"),
    )
    assert [request.body for request in client.requests] == [b"abc"]
    assert client.is_well


def test_the_reserved_bit_of_a_stream_id_is_ignored() -> None:
    client = Client().send(c.headers(0x8000_0001), c.frame(c.PING, 0, 0x8000_0000, bytes(8)))
    assert [request.stream_id for request in client.requests] == [1]
    assert client.is_well


def test_the_reserved_bit_of_a_window_increment_is_ignored() -> None:
    assert Client().send(c.window_update(0, 0x8000_0001)).is_well


def test_the_exclusive_bit_of_a_priority_is_no_part_of_the_stream_id() -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.priority(1, 0x8000_0001))
    assert reset_with(client, 1, PROTOCOL)


@pytest.mark.parametrize("padding", [0, 1, 255])
def test_padding_is_no_part_of_a_body(padding: int) -> None:
    padded = bytes([padding]) + b"query" + bytes(padding)
    client = Client().send(c.headers(1, c.POST, end=False), c.frame(c.DATA, c.PADDED | c.END_STREAM, 1, padded))
    assert [request.body for request in client.requests] == [b"query"]


@pytest.mark.parametrize("padding", [0, 1, 255])
def test_padding_is_no_part_of_a_header_block(padding: int) -> None:
    padded = bytes([padding]) + c.block(c.GET) + bytes(padding)
    flags = c.PADDED | c.END_STREAM | c.END_HEADERS
    assert len(Client().send(c.frame(c.HEADERS, flags, 1, padded)).requests) == 1


def test_padding_and_priority_together_are_read() -> None:
    padded = b"\x03" + PRIORITY_FIELDS + c.block(c.GET) + bytes(3)
    flags = c.PADDED | c.PRIORITISED | c.END_STREAM | c.END_HEADERS
    assert Client().send(c.frame(c.HEADERS, flags, 1, padded)).requests[0].head.path == c.QUERY_PATH


def test_a_data_frame_may_be_all_padding() -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.frame(c.DATA, c.PADDED, 1, b"\x04" + bytes(4)))
    assert client.is_well


@pytest.mark.parametrize(
    ("flags", "payload", "code"),
    [
        pytest.param(c.PADDED, b"", FRAME_SIZE, id="no byte for the length of the padding"),
        pytest.param(c.PADDED, b"\x01", PROTOCOL, id="as long as the payload"),
        pytest.param(c.PADDED, b"\x05" + bytes(4), PROTOCOL, id="longer than the rest by one"),
        pytest.param(c.PADDED, b"\xff" + bytes(4), PROTOCOL, id="far longer"),
    ],
)
@pytest.mark.parametrize("kind", [c.DATA, c.HEADERS], ids=["6.1 DATA", "6.2 HEADERS"])
def test_padding_that_does_not_fit_ends_the_connection(kind: int, flags: int, payload: bytes, code: ErrorCodes) -> None:
    client = Client().send(c.headers(1, c.POST, end=False))
    assert refused_with(client.send(c.frame(kind, flags | c.END_HEADERS, 1, payload)), code)


@pytest.mark.parametrize(
    ("flags", "payload", "code"),
    [
        pytest.param(c.PRIORITISED, bytes(4), FRAME_SIZE, id="four bytes"),
        pytest.param(c.PRIORITISED, b"", FRAME_SIZE, id="nothing"),
        pytest.param(c.PRIORITISED | c.PADDED, bytes(5), FRAME_SIZE, id="four bytes and no padding"),
        pytest.param(c.PRIORITISED | c.PADDED, b"\x01" + bytes(5), PROTOCOL, id="padding over the priority"),
    ],
)
def test_headers_too_short_for_their_priority_end_the_connection(flags: int, payload: bytes, code: ErrorCodes) -> None:
    assert refused_with(Client().send(c.frame(c.HEADERS, flags | c.END_HEADERS, 1, payload)), code)


def test_a_ping_is_answered_with_its_own_bytes() -> None:
    client = Client().send(c.ping(b"what-for"))
    assert isinstance(client.frames[-1], PingFrame)
    assert (client.frames[-1].opaque_data, list(client.frames[-1].flags)) == (b"what-for", ["ACK"])


def test_an_answer_to_a_ping_is_not_answered() -> None:
    client = Client()
    before = len(client.frames)
    assert len(client.send(c.ping(flags=c.ACK)).frames) == before
    assert client.is_well


@pytest.mark.parametrize("code", [0x0, 0x8, 0xFF, 0xFFFF_FFFF])
def test_an_error_code_that_we_do_not_know_is_no_error(code: int) -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.rst_stream(1, code))
    assert client.is_well


def test_each_settings_frame_is_acknowledged_once_and_in_order() -> None:
    client = Client(greets=False).send(c.HELLO, c.settings((1, 0)), c.ping(), c.settings((77, 7)))
    kinds = [(type(each), "ACK" in each.flags) for each in client.frames[1:]]
    assert kinds == [(SettingsFrame, True), (SettingsFrame, True), (PingFrame, True), (SettingsFrame, True)]
