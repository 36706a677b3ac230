"""How a connection begins (RFC 9113 section 3.4)."""

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import SettingsFrame

from tests.http2 import client as c
from tests.http2.client import Client, refused_with


def test_our_settings_come_first_and_unasked() -> None:
    [first] = Client(greets=False).read().frames
    assert isinstance(first, SettingsFrame)
    assert "ACK" not in first.flags


def test_our_settings_are_what_the_limits_say_and_that_there_is_no_connect_and_no_priority() -> None:
    [first] = Client(greets=False).read().frames
    assert isinstance(first, SettingsFrame)
    assert first.settings == {3: 100, 6: 8_192, 8: 0, 9: 1}


def test_the_preface_and_settings_are_answered_with_an_ack() -> None:
    _, ack = Client().frames
    assert isinstance(ack, SettingsFrame)
    assert "ACK" in ack.flags


@pytest.mark.parametrize("size", [1, 2, 3, 23, 24, 25, 32])
def test_a_preface_may_come_in_pieces(size: int) -> None:
    client = Client(greets=False)
    for start in range(0, len(c.HELLO), size):
        client.send(c.HELLO[start : start + size])
    assert client.is_well


def test_requests_may_follow_the_preface_at_once() -> None:
    client = Client(greets=False).send(c.HELLO, c.headers(1), c.headers(3))
    assert [request.stream_id for request in client.requests] == [1, 3]


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nHost: doh.example.net\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
        b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        c.settings(),
        b"\x00",
    ],
    ids=["HTTP/1.1", "wrong in the last byte", "another version", "a TLS hello", "settings alone", "one byte"],
)
def test_a_connection_that_begins_otherwise_is_refused(start: bytes) -> None:
    assert refused_with(Client(greets=False).send(start), ErrorCodes.PROTOCOL_ERROR)


def test_a_wrong_preface_is_refused_at_its_first_wrong_byte() -> None:
    client = Client(greets=False).send(c.PREFACE[:10])
    assert not client.engine.is_closing
    assert refused_with(client.send(b"?"), ErrorCodes.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "first",
    [
        c.headers(1),
        c.ping(),
        c.window_update(0, 1),
        c.priority(1),
        c.goaway(),
        c.frame(c.UNKNOWN, 0, 0),
        c.frame(c.SETTINGS, c.ACK, 0),
    ],
    ids=["HEADERS", "PING", "WINDOW_UPDATE", "PRIORITY", "GOAWAY", "an unknown frame", "an ACK of settings"],
)
def test_a_first_frame_that_is_not_settings_is_refused(first: bytes) -> None:
    assert refused_with(Client(greets=False).send(c.PREFACE, first), ErrorCodes.PROTOCOL_ERROR)


def test_nothing_is_owed_before_the_first_byte() -> None:
    client = Client(greets=False).send(b"")
    assert client.engine.is_idle
    assert client.engine.half_read_since is None
    assert client.send(c.HELLO).is_well
