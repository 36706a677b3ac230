"""HTTP and DoT as kept connections speak them: requests that are bytes before anybody asks, responses that are counted.

Nothing here touches a socket. A request is prepared once for each name and rendered for each sending, which is one
`join` of bytes; what comes back is looked at as far as its status, its rcode and its end, because a client that does
more costs more than the servers that are measured.
"""

import re
import struct
from typing import Final, Literal, Protocol

import hpack
from hpack import NeverIndexedHeaderTuple

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
    target,
)
from bench.questions import HOST, MEDIA_TYPE, PATH, A, query

Method = Literal["GET", "POST", "query"]
"""HTTP's, and the only one that DoT has."""
Prepared = tuple[bytes, ...]
"""One request, cut where the number of its stream belongs, over DoT its ID; HTTP/1.1 has none and so no cut."""

RST_STREAM, PING, WINDOW_UPDATE = 3, 6, 8
INITIAL_WINDOW: Final = 4
STREAM_BYTES: Final = 4
STREAM_AT: Final = 5
"""Where the number of the stream stands in a frame (RFC 9113 section 4.1)."""
LENGTH_BYTES: Final = 2
ID_BYTES: Final = 2
WIDE_WINDOW: Final = 2**30
"""So wide that no response ever waits for it."""
USER_AGENT: Final = "bench"
_PADDED_OR_PRIORITY: Final = 0x28
_STATUS_200: Final = 0x88
"""An index of HPACK's static table (RFC 7541 appendix A), and with it all of a 200's first field."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


def has_answer(data: bytes, start: int, end: int) -> bool:
    """Tell whether bytes are a DNS message without an error and with a record in its answer section."""
    return end - start >= 12 and not data[start + 3] & 0x0F and data[start + 6 : start + 8] != b"\x00\x00"


class Reader(Protocol):
    """Counts the responses of one connection."""

    owed: bytes
    """What the connection has to send beside its requests."""

    @property
    def answers(self) -> int:
        """How many were a DNS message with a record, over HTTP with status 200."""

    def read(self, data: bytes) -> int:
        """Take what has come; return how many responses ended in it. Raises LoadFailed."""


class Speaker(Protocol):
    """One protocol and method, the same for all connections."""

    method: Method
    alpn: str
    opening: bytes
    """What a connection sends first, one request at its end."""
    next_stream: int
    """The number of the request after that."""
    number_bytes: int
    """How long such a number is."""

    def prepare(self, path: str, body: bytes) -> Prepared:
        """Return a request that can be sent over every connection, any number of times."""

    def reader(self) -> Reader:
        """Return what reads a new connection."""


def prepare_name(speaker: Speaker, name: str) -> Prepared:
    """Return a request for the address of a name."""
    return speaker.prepare(target(name) if speaker.method == "GET" else PATH, query(name, A))


def render(prepared: Prepared, stream: int, number_bytes: int = STREAM_BYTES) -> bytes:
    """Return a request as it is sent; a number that is too long begins anew at 0."""
    return stream.to_bytes(8)[-number_bytes:].join(prepared)


# --- HTTP/1.1 ---


class Http1Reader:
    """Responses with a Content-Length, one after the other."""

    owed = b""

    def __init__(self) -> None:
        self.answers = 0
        self._rest = b""

    def read(self, data: bytes) -> int:
        """Take what has come; return how many responses ended in it."""
        data = self._rest + data
        ended = start = 0
        while (head := data.find(b"\r\n\r\n", start)) >= 0:
            length = _LENGTH.search(data, start, head + 2)
            if length is None:
                raise LoadFailed("a response does not say how long it is")
            stop = head + 4 + int(length[1])
            if stop > len(data):
                break
            self.answers += data.startswith(b"HTTP/1.1 200", start) and has_answer(data, head + 4, stop)
            ended, start = ended + 1, stop
        self._rest = data[start:]
        return ended


class Http1Speaker:
    """HTTP/1.1 with as few fields as a client can do with."""

    alpn = "http/1.1"
    next_stream = 0
    number_bytes = STREAM_BYTES

    def __init__(self, method: Method, name: str) -> None:
        self.method = method
        self.opening = render(prepare_name(self, name), 0)

    def prepare(self, path: str, body: bytes) -> Prepared:
        """Return a request."""
        fields = [f"Host: {HOST}", f"User-Agent: {USER_AGENT}", f"Accept: {MEDIA_TYPE}"]
        if self.method == "POST":
            fields += [f"Content-Type: {MEDIA_TYPE}", f"Content-Length: {len(body)}"]
        head = "\r\n".join([f"{self.method} {path} HTTP/1.1", *fields, "", ""]).encode("ascii")
        return (head + body if self.method == "POST" else head,)

    def reader(self) -> Reader:
        """Return what reads a new connection."""
        return Http1Reader()


# --- HTTP/2 ---


class Http2Reader:
    """Frames of any streams; HPACK is not followed, because an indexed 200 looks the same at any time."""

    def __init__(self) -> None:
        self.owed = b""
        self._rest = b""
        self._good_heads = 0
        self._good_bodies = 0

    @property
    def answers(self) -> int:
        """How many had status 200 and a DNS message with a record: no more than either of them."""
        return min(self._good_heads, self._good_bodies)

    def read(self, data: bytes) -> int:
        """Take what has come; return how many responses ended in it."""
        data = self._rest + data
        ended = at = 0
        size = len(data)
        while size - at >= 9:
            start = at + 9
            stop = start + int.from_bytes(data[at : at + 3])
            if stop > size:
                break
            kind, flags = data[at + 3], data[at + 4]
            if kind in (HEADERS, DATA):
                if flags & _PADDED_OR_PRIORITY:
                    raise LoadFailed("a response has padding, which nobody counts")
                if kind == HEADERS:
                    self._good_heads += data[start] == _STATUS_200
                else:
                    self._good_bodies += has_answer(data, start, stop)
                ended += flags & END_STREAM
            else:
                self._control(kind, flags, data[start:stop])
            at = stop
        self._rest = data[at:]
        return ended

    def _control(self, kind: int, flags: int, payload: bytes) -> None:
        if kind in (RST_STREAM, GOAWAY):
            raise LoadFailed("the server ends a stream" if kind == RST_STREAM else "the server says goodbye")
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.owed += frame(kind, ACK, 0, payload if kind == PING else b"")


class Http2Speaker:
    """HTTP/2 as browsers and nghttp2 speak it: what is the same in every request is indexed, the path never.

    The first request of a connection teaches the server its fields, so that all that follow are the same bytes on
    every connection but for the number of their stream.
    """

    alpn = "h2"
    next_stream = 3
    number_bytes = STREAM_BYTES

    def __init__(self, method: Method, name: str) -> None:
        self._encoder = hpack.Encoder()
        self.method = method
        self.opening = (
            PREFACE
            + frame(SETTINGS, 0, 0, struct.pack("!HI", INITIAL_WINDOW, WIDE_WINDOW))
            + frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", WIDE_WINDOW))
            + render(prepare_name(self, name), 1)
        )

    def prepare(self, path: str, body: bytes) -> Prepared:
        """Return a request."""
        before = ((":method", self.method), (":scheme", "https"), (":authority", HOST))
        after = [("user-agent", USER_AGENT), ("accept", MEDIA_TYPE)]
        if self.method == "POST":
            after.append(("content-type", MEDIA_TYPE))
        block = self._encoder.encode([*before, NeverIndexedHeaderTuple(":path", path), *after])
        if self.method == "GET":
            return frame(HEADERS, END_STREAM | END_HEADERS, 0, block)[:STREAM_AT], block
        data = frame(DATA, END_STREAM, 0, body)
        return frame(HEADERS, END_HEADERS, 0, block)[:STREAM_AT], block + data[:STREAM_AT], body

    def reader(self) -> Reader:
        """Return what reads a new connection."""
        return Http2Reader()


# --- DoT ---


class DotReader:
    """Messages, each behind its length (RFC 7766 section 8); whose answer one is nobody asks."""

    owed = b""

    def __init__(self) -> None:
        self.answers = 0
        self._rest = b""

    def read(self, data: bytes) -> int:
        """Take what has come; return how many messages ended in it."""
        data = self._rest + data
        ended = at = 0
        size = len(data)
        while size - at >= LENGTH_BYTES:
            start = at + LENGTH_BYTES
            stop = start + int.from_bytes(data[at:start])
            if stop > size:
                break
            self.answers += has_answer(data, start, stop)
            ended, at = ended + 1, stop
        self._rest = data[at:]
        return ended


class DotSpeaker:
    """DNS over TLS (RFC 7858): the ID counts the queries of a connection, so that no two in flight have the same."""

    method: Method = "query"
    alpn = "dot"
    next_stream = 2
    number_bytes = ID_BYTES

    def __init__(self, _method: Method, name: str) -> None:
        self.opening = render(prepare_name(self, name), 0, ID_BYTES)

    def prepare(self, _path: str, body: bytes) -> Prepared:
        """Return a query."""
        return len(body).to_bytes(LENGTH_BYTES), body[ID_BYTES:]

    def reader(self) -> Reader:
        """Return what reads a new connection."""
        return DotReader()
