"""Header blocks over several frames, requests that are malformed, bodies and trailers
(RFC 9113 sections 4.3, 6.10, 8.1 to 8.3)."""

import pytest
from h2.errors import ErrorCodes

from tests.http2 import client as c
from tests.http2.client import Client, Fields, refused_with, reset_with
from tests.http2.events import RequestReceived

PROTOCOL = ErrorCodes.PROTOCOL_ERROR
COMPRESSION = ErrorCodes.COMPRESSION_ERROR
BLOCK = c.block(c.GET)
THE_REST = c.frame(c.CONTINUATION, c.END_HEADERS, 1, BLOCK[20:])


def begun(*, end: bool = True) -> Client:
    """Return a client that has sent the first part of a header block."""
    return Client().send(c.frame(c.HEADERS, c.END_STREAM if end else 0, 1, BLOCK[:20]))


# --- CONTINUATION ---


def test_a_header_block_may_be_continued() -> None:
    assert begun().send(THE_REST).requests[0].head.path == c.QUERY_PATH


def test_a_header_block_may_be_continued_byte_by_byte_within_its_limit() -> None:
    parts = [BLOCK[20 + at : 21 + at] for at in range(7)]
    client = begun().send(*(c.frame(c.CONTINUATION, 0, 1, part) for part in parts))
    assert client.send(c.frame(c.CONTINUATION, c.END_HEADERS, 1, BLOCK[27:])).is_well


def test_a_fragment_may_be_empty() -> None:
    client = Client().send(c.frame(c.HEADERS, c.END_STREAM, 1), c.frame(c.CONTINUATION, 0, 1))
    assert client.send(c.frame(c.CONTINUATION, c.END_HEADERS, 1, BLOCK)).is_well


def test_the_flag_that_ends_the_stream_stands_in_headers_not_in_continuation() -> None:
    client = begun(end=False).send(c.frame(c.CONTINUATION, c.END_HEADERS | c.END_STREAM, 1, BLOCK[20:]))
    assert client.requests == []
    assert [request.body for request in client.send(c.data(1, b"body", end=True)).requests] == [b"body"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(c.headers(3), id="6.2 HEADERS of another stream"),
        pytest.param(c.headers(1), id="6.2 HEADERS of the same stream"),
        pytest.param(c.priority(1), id="4.3 PRIORITY of the same stream"),
        pytest.param(c.data(1), id="6.10 DATA"),
        pytest.param(c.ping(), id="6.10 PING"),
        pytest.param(c.settings(), id="6.10 SETTINGS"),
        pytest.param(c.window_update(0, 1), id="6.10 WINDOW_UPDATE"),
        pytest.param(c.rst_stream(1), id="6.10 RST_STREAM"),
        pytest.param(c.goaway(), id="6.10 GOAWAY"),
        pytest.param(c.frame(c.CONTINUATION, c.END_HEADERS, 3, BLOCK[20:]), id="6.10 CONTINUATION of another stream"),
        pytest.param(c.frame(c.CONTINUATION, c.END_HEADERS, 0, BLOCK[20:]), id="6.10 CONTINUATION of stream 0"),
        pytest.param(c.frame(c.UNKNOWN, 0, 1, b"x"), id="5.5 an unknown frame"),
        pytest.param(c.frame(c.UNKNOWN, 0, 0, b"x"), id="5.5 an unknown frame of the connection"),
    ],
)
def test_nothing_may_stand_within_a_header_block(other: bytes) -> None:
    assert refused_with(begun().send(other), PROTOCOL)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(c.headers(1, c.POST, end=False), id="HEADERS that end a block"),
        pytest.param(c.frame(c.HEADERS, 0, 1, BLOCK[:20]) + THE_REST, id="CONTINUATION that ends a block"),
        pytest.param(c.headers(1, c.POST, end=False) + c.data(1, b"x"), id="DATA"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_continuation_of_nothing_ends_the_connection(before: bytes) -> None:
    assert refused_with(Client().send(before, c.frame(c.CONTINUATION, c.END_HEADERS, 1, b"")), PROTOCOL)


def test_a_block_that_is_under_way_is_no_stream_yet() -> None:
    client = begun()
    assert client.engine.streams_under_way == 0
    assert client.engine.is_half_read
    assert not client.engine.is_idle


# --- HPACK on a connection; the decoder's own rules are in test_hpack ---


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(BLOCK + b"\x80", id="7541 6.1 index 0"),
        pytest.param(BLOCK + b"\xc6", id="7541 2.3.3 index out of range"),
        pytest.param(BLOCK + b"\x20", id="7541 4.2 size update behind a field"),
        pytest.param(b"\x3f\xe2\x1f" + BLOCK, id="7541 6.3 size update over the limit"),
        pytest.param(BLOCK + b"\x00\x01a\x82\x1f\xff", id="7541 5.2 padding longer than 7 bits"),
        pytest.param(BLOCK[:-3], id="a block that is cut"),
    ],
)
@pytest.mark.parametrize("stream_id", [1, 3], ids=["on a stream that we reset", "on a new stream"])
def test_a_broken_block_ends_the_connection_wherever_it_stands(broken: bytes, stream_id: int) -> None:
    client = Client().send(c.headers(1, c.GET[:2], end=False))
    assert refused_with(client.send(c.frame(c.HEADERS, c.END_HEADERS, stream_id, broken)), COMPRESSION)


# --- Malformed requests ---


def without(name: str) -> Fields:
    """Return a good request without one field."""
    return tuple(field for field in c.GET if field[0] != name)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(without(":method"), id="8.3.1 no :method"),
        pytest.param(without(":scheme"), id="8.3.1 no :scheme"),
        pytest.param(without(":path"), id="8.3.1 no :path"),
        pytest.param((*without(":path"), (":path", "")), id="8.3.1 empty :path"),
        pytest.param((*c.GET, (":method", "GET")), id="8.3.1 :method twice"),
        pytest.param((*c.GET, (":scheme", "https")), id="8.3.1 :scheme twice"),
        pytest.param((*c.GET, (":path", "/")), id="8.3.1 :path twice"),
        pytest.param((*c.GET, (":authority", "doh.example.net")), id="8.3.1 :authority twice"),
        pytest.param((*c.GET, (":test", "1")), id="8.3 an unknown pseudo-header field"),
        pytest.param((*c.GET, (":status", "200")), id="8.3 a pseudo-header field of responses"),
        pytest.param((*c.GET, (":protocol", "websocket")), id="8.3 :protocol, which is not offered"),
        pytest.param((("accept", "*/*"), *c.GET), id="8.3 pseudo-header fields after a regular one"),
        pytest.param((*c.GET, ("X-Test", "1")), id="8.2 upper case"),
        pytest.param((*c.GET, ("connection", "keep-alive")), id="8.2.2 connection"),
        pytest.param((*c.GET, ("te", "trailers, deflate")), id="8.2.2 te with more than trailers"),
        pytest.param((*c.GET, ("x-test", "a\r\nb: c")), id="8.2.1 a line end"),
        pytest.param((*c.GET, ("content-length", "1")), id="8.1.1 content-length without a body"),
        pytest.param((), id="no field"),
    ],
)
def test_a_malformed_request_ends_its_stream(fields: Fields) -> None:
    assert reset_with(Client().send(c.headers(1, fields)), 1, PROTOCOL)


def test_a_malformed_request_is_not_handed_out() -> None:
    assert Client().send(c.headers(1, c.GET[:3])).events == []


# --- Bodies ---


@pytest.mark.parametrize("chunks", [(b"query",), (b"que", b"ry"), (b"", b"query", b""), (b"q", b"u", b"e", b"r", b"y")])
def test_a_body_may_come_in_any_number_of_frames(chunks: tuple[bytes, ...]) -> None:
    client = Client().send(c.headers(1, (*c.POST, ("content-length", "5")), end=False))
    client.send(*(c.data(1, chunk) for chunk in chunks), c.data(1, end=True))
    assert [request.body for request in client.requests] == [b"query"]


@pytest.mark.parametrize("announced", ["0", "4", "6", "4096", "9999999999"])
@pytest.mark.parametrize("chunks", [(b"query",), (b"que", b"ry")], ids=["one frame", "two frames"])
def test_a_body_of_another_length_than_announced_ends_its_stream(announced: str, chunks: tuple[bytes, ...]) -> None:
    client = Client().send(c.headers(1, (*c.POST, ("content-length", announced)), end=False))
    client.send(*(c.data(1, chunk) for chunk in chunks[:-1]), c.data(1, chunks[-1], end=True))
    assert client.events == []
    assert reset_with(client, 1, PROTOCOL)


def test_bodies_of_interleaved_streams_are_kept_apart() -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.headers(3, c.POST, end=False))
    client.send(c.data(1, b"on"), c.data(3, b"thr"), c.data(1, b"e", end=True), c.data(3, b"ee", end=True))
    assert [(request.stream_id, request.body) for request in client.requests] == [(1, b"one"), (3, b"three")]


def test_a_body_of_the_largest_size_is_kept() -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.data(1, bytes(4_096), end=True))
    assert [request.body for request in client.requests] == [bytes(4_096)]


def test_a_body_that_is_too_large_is_known_before_its_end_and_not_kept() -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.data(1, bytes(4_096)))
    assert client.requests == []
    client.send(c.data(1, b"x"), c.data(1, bytes(1_000)))
    assert [request.body for request in client.requests] == [None]


def test_an_answer_before_the_end_of_a_request_tells_the_client_to_stop() -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.data(1, bytes(5_000))).answer(1, status=413)
    assert client.responses[1] == [(":status", "413")]
    assert client.has_ended(1)
    client.send(c.data(1, bytes(5_000)), c.data(1, end=True))
    assert reset_with(client, 1, ErrorCodes.NO_ERROR)


# --- Trailers ---


def test_trailers_may_end_a_request() -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.data(1, b"query"), c.headers(1, (("x-sum", "1"),)))
    assert [request.body for request in client.requests] == [b"query"]
    assert client.is_well


def test_trailers_may_follow_a_header_without_a_body() -> None:
    assert Client().send(c.headers(1, c.POST, end=False), c.headers(1, (("x-sum", "1"),))).is_well


def test_trailers_are_no_fields_of_the_request() -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.headers(1, (("content-type", "text/plain"),)))
    assert client.requests[0].head.fields == (("content-type", "application/dns-message"),)


def test_trailers_over_several_frames_are_read() -> None:
    trailers = c.block((("x-sum", "1"),))
    client = Client().send(c.headers(1, c.POST, end=False), c.frame(c.HEADERS, c.END_STREAM, 1, trailers[:3]))
    assert client.send(c.frame(c.CONTINUATION, c.END_HEADERS, 1, trailers[3:])).is_well


@pytest.mark.parametrize(
    "trailers",
    [
        pytest.param(c.headers(1, (("x-sum", "1"),), end=False), id="8.1 that do not end the stream"),
        pytest.param(c.headers(1, ((":method", "POST"),)), id="8.1 with a pseudo-header field"),
        pytest.param(c.headers(1, ((":status", "200"),)), id="8.1 with a pseudo-header field of responses"),
        pytest.param(c.headers(1, (("X-Sum", "1"),)), id="8.2 with upper case"),
        pytest.param(c.headers(1, (("connection", "close"),)), id="8.2.2 with a field of the connection"),
        pytest.param(c.headers(1, (("x-sum", "a\x00"),)), id="8.2.1 with a byte that is not allowed"),
        pytest.param(c.headers(1, (("x", "1"),) * 65), id="with more fields than the limit"),
        pytest.param(c.headers(1, (("x", "1" * 9_000),)), id="with more bytes than the limit"),
    ],
)
def test_bad_trailers_end_the_stream(trailers: bytes) -> None:
    client = Client().send(c.headers(1, c.POST, end=False), c.data(1, b"query"), trailers)
    assert client.events == []
    assert reset_with(client, 1, PROTOCOL)


def test_trailers_do_not_make_up_for_a_body_that_is_too_short() -> None:
    client = Client().send(c.headers(1, (*c.POST, ("content-length", "9")), end=False), c.data(1, b"query"))
    assert reset_with(client.send(c.headers(1, (("x-sum", "1"),))), 1, PROTOCOL)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "BREW"])
def test_a_method_is_the_frontend_s_to_judge(method: str) -> None:
    client = Client().send(c.headers(1, ((":method", method), *c.GET[1:])))
    assert [request.head.method for request in client.requests] == [method]
    assert client.answer(1, status=405).responses[1] == [(":status", "405")]


def test_connect_is_handed_out_with_its_authority() -> None:
    client = Client().send(c.headers(1, ((":method", "CONNECT"), (":authority", "192.0.2.1:53"))))
    [request] = client.events
    assert isinstance(request, RequestReceived)
    assert (request.head.method, request.head.path) == ("CONNECT", "192.0.2.1:53")
