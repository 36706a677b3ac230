"""What the client that keeps its connections speaks: what it sends is valid, and what it counts was answered."""

import struct

import dns.message
import hpack
import pytest

from bench.peers.clients import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    SETTINGS,
    LoadFailed,
    frame,
)
from bench.peers.speakers import (
    PING,
    RST_STREAM,
    DotReader,
    DotSpeaker,
    Http1Reader,
    Http1Speaker,
    Http2Reader,
    Http2Speaker,
    Method,
    prepare_name,
    render,
)
from bench.questions import PATH, A, query
from dohproxy.doh.base64url import decode

FIRST, NAME = "www.example.net", "www.example.org"
ANSWER = query(NAME, A)[:2] + b"\x81\x80" + b"\x00\x01" * 2 + b"\x00" * 4 + b"a question and an address"
EMPTY = ANSWER[:6] + b"\x00\x00" + ANSWER[8:]
SERVFAIL = ANSWER[:3] + b"\x82" + ANSWER[4:]
TRUNCATED = ANSWER[:11]


def name_in(message: bytes) -> str:
    """Return what a DNS message asks for."""
    return str(dns.message.from_wire(message).question[0])


# --- HTTP/1.1 ---


def http1(body: bytes, status: str = "200 OK", length: str = "Content-Length") -> bytes:
    """Return one response."""
    return f"HTTP/1.1 {status}\r\n{length}: {len(body)}\r\nServer: x\r\n\r\n".encode() + body


def test_an_http1_get_has_its_query_in_its_target() -> None:
    speaker = Http1Speaker("GET", FIRST)
    line = render(prepare_name(speaker, NAME), 7).partition(b"\r\n")[0].decode()
    assert line.startswith(f"GET {PATH}?dns=")
    assert name_in(decode(line.split()[1].partition("dns=")[2])) == f"{NAME}. IN A"
    assert speaker.opening.startswith(b"GET ")


def test_an_http1_post_has_its_query_in_its_body() -> None:
    head, _, body = render(prepare_name(Http1Speaker("POST", FIRST), NAME), 7).partition(b"\r\n\r\n")
    assert head.startswith(f"POST {PATH} HTTP/1.1".encode())
    assert f"Content-Length: {len(body)}".encode() in head
    assert name_in(body) == f"{NAME}. IN A"


@pytest.mark.parametrize("cut", [1, 10, 60, 1_000], ids=lambda cut: f"in pieces of {cut}")
def test_http1_responses_are_counted_however_they_come(cut: int) -> None:
    reader, data = Http1Reader(), http1(ANSWER) + http1(ANSWER, length="content-length")
    assert sum(reader.read(data[start : start + cut]) for start in range(0, len(data), cut)) == 2
    assert reader.answers == 2


@pytest.mark.parametrize(
    "response",
    [http1(ANSWER, "400 Bad Request"), http1(SERVFAIL), http1(EMPTY), http1(TRUNCATED), http1(b"")],
    ids=["another status", "SERVFAIL", "no record", "less than a header", "nothing"],
)
def test_an_http1_response_without_an_address_is_a_response_and_no_answer(response: bytes) -> None:
    reader = Http1Reader()
    assert reader.read(response) == 1
    assert reader.answers == 0


def test_an_http1_response_of_unknown_length_means_nothing() -> None:
    with pytest.raises(LoadFailed, match="how long"):
        Http1Reader().read(http1(ANSWER, length="Content-Size"))


# --- HTTP/2 ---


def requests_in(data: bytes) -> dict[int, tuple[dict[bytes, bytes], bytes]]:
    """Return the fields and the body of each stream, as a server reads them."""
    decoder, found = hpack.Decoder(), dict[int, tuple[dict[bytes, bytes], bytes]]()
    while data:
        length, kind = int.from_bytes(data[:3]), data[3]
        stream, payload, data = int.from_bytes(data[5:9]), data[9 : 9 + length], data[9 + length :]
        if kind == HEADERS:
            found[stream] = dict(decoder.decode(payload, raw=True)), b""
        elif kind == DATA:
            found[stream] = found[stream][0], payload
    return found


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_http2_requests_can_be_sent_again_on_any_connection_that_has_been_opened(method: Method) -> None:
    speaker = Http2Speaker(method, FIRST)
    prepared = prepare_name(speaker, NAME)
    assert prepare_name(speaker, NAME) == prepared
    assert speaker.opening.startswith(PREFACE)
    sent = speaker.opening[len(PREFACE) :] + render(prepared, speaker.next_stream) + render(prepared, 9)
    streams = requests_in(sent)
    assert list(streams) == [1, speaker.next_stream, 9]
    for stream, name in zip(streams, (FIRST, NAME, NAME), strict=True):
        fields, body = streams[stream]
        assert fields[b":method"] == method.encode()
        path = fields[b":path"].decode()
        message = body if method == "POST" else decode(path.partition("dns=")[2])
        assert name_in(message) == f"{name}. IN A"
        assert (b"content-type" in fields) is (method == "POST")


def http2(body: bytes, status: int = 200, stream: int = 3) -> bytes:
    """Return one response in two frames."""
    block = hpack.Encoder().encode([(":status", str(status)), ("content-type", "application/dns-message")])
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, body)


@pytest.mark.parametrize("cut", [1, 10, 60, 1_000], ids=lambda cut: f"in pieces of {cut}")
def test_http2_responses_are_counted_however_they_come(cut: int) -> None:
    reader, data = Http2Reader(), http2(ANSWER) + http2(ANSWER, stream=5)
    assert sum(reader.read(data[start : start + cut]) for start in range(0, len(data), cut)) == 2
    assert reader.answers == 2


@pytest.mark.parametrize(
    "response",
    [http2(ANSWER, 400), http2(SERVFAIL), http2(EMPTY), http2(TRUNCATED), http2(b"")],
    ids=["another status", "SERVFAIL", "no record", "less than a header", "nothing"],
)
def test_an_http2_response_without_an_address_is_a_response_and_no_answer(response: bytes) -> None:
    reader = Http2Reader()
    assert reader.read(response) == 1
    assert reader.answers == 0


def test_an_http2_response_may_end_with_its_head() -> None:
    reader = Http2Reader()
    assert reader.read(frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\x8c")) == 1
    assert reader.answers == 0


def test_settings_and_pings_are_owed_an_answer() -> None:
    reader, opaque = Http2Reader(), struct.pack("!Q", 7)
    assert reader.read(frame(SETTINGS, 0, 0, b"") + frame(SETTINGS, ACK, 0, b"") + frame(PING, 0, 0, opaque)) == 0
    assert reader.owed == frame(SETTINGS, ACK, 0, b"") + frame(PING, ACK, 0, opaque)


@pytest.mark.parametrize(
    "refusal",
    [
        frame(RST_STREAM, 0, 3, b"\x00" * 4),
        frame(GOAWAY, 0, 0, b"\x00" * 8),
        frame(DATA, END_STREAM | 0x8, 3, b"\x01" + ANSWER + b"\x00"),
    ],
    ids=["a stream that is reset", "a goodbye", "padding"],
)
def test_what_cannot_be_counted_means_nothing(refusal: bytes) -> None:
    with pytest.raises(LoadFailed):
        Http2Reader().read(refusal)


# --- DoT ---


def dot(message: bytes) -> bytes:
    """Return one message as it goes into the stream."""
    return len(message).to_bytes(2) + message


def test_a_dot_query_is_behind_its_length_and_has_the_id_it_is_given() -> None:
    speaker = DotSpeaker("query", FIRST)
    sent = render(prepare_name(speaker, NAME), 0xABCD, speaker.number_bytes)
    assert sent == dot(query(NAME, A, identifier=0xABCD))
    assert speaker.opening == dot(query(FIRST, A))


def test_dot_ids_begin_anew_where_two_bytes_end() -> None:
    prepared = prepare_name(DotSpeaker("query", FIRST), NAME)
    assert render(prepared, 0x1_0002, DotSpeaker.number_bytes) == dot(query(NAME, A, identifier=2))


@pytest.mark.parametrize("cut", [1, 3, 10, 60, 1_000], ids=lambda cut: f"in pieces of {cut}")
def test_dot_messages_are_counted_however_they_come(cut: int) -> None:
    reader, data = DotReader(), dot(ANSWER) + dot(ANSWER)
    assert sum(reader.read(data[start : start + cut]) for start in range(0, len(data), cut)) == 2
    assert reader.answers == 2


@pytest.mark.parametrize(
    "message", [SERVFAIL, EMPTY, TRUNCATED, b""], ids=["SERVFAIL", "no record", "less than a header", "nothing"]
)
def test_a_dot_message_without_an_address_is_a_response_and_no_answer(message: bytes) -> None:
    reader = DotReader()
    assert reader.read(dot(message)) == 1
    assert reader.answers == 0
