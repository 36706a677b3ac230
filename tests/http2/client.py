"""Speaks HTTP/2 frame by frame, right and wrong, without any code of the package under test but the engine it talks to.

What the engine says is read by `hyperframe` and `hpack`, which others wrote.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from h2.errors import ErrorCodes
from hpack import Decoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame

from dohproxy.http2.connection import Http2Connection
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.response import Response
from tests.http2.events import Event, Recorder, RequestReceived

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION) = range(10)
UNKNOWN = 0xBE
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_HEADER_LIST = range(1, 7)
LARGEST_WINDOW = 2**31 - 1

Fields = tuple[tuple[str, str], ...]

QUERY_PATH = "/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA25ldAAAAQAB"
GET: Fields = (
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "doh.example.net"),
    (":path", QUERY_PATH),
)
POST: Fields = (
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "doh.example.net"),
    (":path", "/dns-query"),
    ("content-type", "application/dns-message"),
)


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return any frame whatever."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream_id) + payload


def settings(*entries: tuple[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", key, value) for key, value in entries))


HELLO = PREFACE + settings()


def literal(name: str | bytes, value: str | bytes) -> bytes:
    """Return a field as a literal that is not indexed, both strings plain."""
    return b"\x00" + string(name) + string(value)


def string(text: str | bytes) -> bytes:
    """Return a string of HPACK, plain."""
    raw = text.encode("latin-1") if isinstance(text, str) else text
    return integer(len(raw), 7) + raw


def integer(value: int, prefix: int, high_bits: int = 0) -> bytes:
    """Return an integer of HPACK."""
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes([high_bits | value])
    encoded = bytearray([high_bits | limit])
    value -= limit
    while value > 0x7F:
        encoded.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes([*encoded, value])


def block(fields: Fields) -> bytes:
    """Return a header block that leaves the dynamic table alone."""
    return b"".join(literal(name, value) for name, value in fields)


def headers(stream_id: int, fields: Fields = GET, *, end: bool = True) -> bytes:
    """Return a HEADERS frame with all of a header block."""
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream_id, block(fields))


def data(stream_id: int, payload: bytes = b"", *, end: bool = False) -> bytes:
    """Return a DATA frame."""
    return frame(DATA, END_STREAM if end else 0, stream_id, payload)


def rst_stream(stream_id: int, code: int = ErrorCodes.CANCEL) -> bytes:
    """Return a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, struct.pack("!I", code))


def window_update(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream_id, struct.pack("!I", increment))


def priority(stream_id: int, depends_on: int = 0, weight: int = 15) -> bytes:
    """Return a PRIORITY frame."""
    return frame(PRIORITY, 0, stream_id, struct.pack("!IB", depends_on, weight))


def ping(payload: bytes = b"12345678", flags: int = 0) -> bytes:
    """Return a PING frame."""
    return frame(PING, flags, 0, payload)


def goaway(code: int = ErrorCodes.NO_ERROR, debug: bytes = b"") -> bytes:
    """Return a GOAWAY frame."""
    return frame(GOAWAY, 0, 0, struct.pack("!II", 0, code) + debug)


def parsed(wire: bytes) -> list[Frame]:
    """Return what `hyperframe` makes of an output; it must be whole frames."""
    found = []
    while wire:
        each, length = Frame.parse_frame_header(memoryview(wire[:9]))
        assert len(wire) >= 9 + length, "a frame is cut"
        assert length <= 16_384, "a frame is larger than a client has to take"
        each.parse_body(memoryview(wire[9 : 9 + length]))
        found.append(each)
        wire = wire[9 + length :]
    return found


def fields_of(decoder: Decoder, header: HeadersFrame) -> list[tuple[str, str]]:
    """Return what `hpack` makes of a header block."""
    return [(str(name), str(value)) for name, value, *_ in decoder.decode(header.data)]


@dataclass
class Client:
    """One client, connected to an engine of its own."""

    limits: Http2Limits = field(default_factory=Http2Limits)
    greets: bool = True
    is_known: bool = True
    """It has sent a valid DNS query before."""
    now: float = 1_000.0
    answers: Callable[[Event], Response | None] = lambda _: None
    """What its frontend says at once."""

    def __post_init__(self) -> None:
        self.events: list[Event] = []
        self.engine = Http2Connection(self.limits, self.now, Recorder(self.events, self.answers))
        self.frames: list[Frame] = []
        self.responses: dict[int, list[tuple[str, str]]] = {}
        self._decoder = Decoder()
        if self.is_known:
            self.engine.note_valid_request()
        if self.greets:
            self.send(HELLO)

    def send(self, *frames: bytes) -> "Client":
        """Send bytes, and read what the engine has to say."""
        self.engine.receive(b"".join(frames), self.now)
        return self.read()

    def answer(self, stream_id: int, body: bytes = b"", status: int = 200, fields: Fields = ()) -> "Client":
        """Let the engine answer a request."""
        self.engine.respond(stream_id, Response(status, fields, body), self.now)
        return self.read()

    def read(self) -> "Client":
        """Parse the engine's output."""
        for each in parsed(self.engine.data_to_send()):
            self.frames.append(each)
            if isinstance(each, HeadersFrame):
                self.responses[each.stream_id] = fields_of(self._decoder, each)
        return self

    @property
    def goaways(self) -> list[int]:
        """Error codes of the GOAWAY frames so far."""
        return [each.error_code for each in self.frames if isinstance(each, GoAwayFrame)]

    @property
    def resets(self) -> list[tuple[int, int]]:
        """Streams that the engine reset so far, with the error code."""
        return [(each.stream_id, each.error_code) for each in self.frames if isinstance(each, RstStreamFrame)]

    @property
    def requests(self) -> list[RequestReceived]:
        """Whole requests so far."""
        return [event for event in self.events if isinstance(event, RequestReceived)]

    def body(self, stream_id: int) -> bytes:
        """Return what came of a response's body so far."""
        return b"".join(
            each.data for each in self.frames if isinstance(each, DataFrame) and each.stream_id == stream_id
        )

    def has_ended(self, stream_id: int) -> bool:
        """Tell whether the engine has ended a stream with END_STREAM."""
        return any(each.stream_id == stream_id and "END_STREAM" in each.flags for each in self.frames)

    @property
    def is_well(self) -> bool:
        """Tell whether nothing has gone wrong so far, and a further request is still served."""
        if self.goaways or self.resets or self.engine.is_closing:
            return False
        before = len(self.requests)
        self.send(headers(999_999))
        return len(self.requests) == before + 1


def refused_with(client: Client, code: ErrorCodes) -> bool:
    """Tell whether the connection was ended with this code, once and for all: what comes after is not read."""
    before = len(client.events)
    client.send(ping(), headers(1_000_001))
    return (
        client.goaways == [code]
        and client.engine.is_closing
        and client.engine.fault is not None
        and len(client.events) == before
        and isinstance(client.frames[-1], GoAwayFrame)
    )


def reset_with(client: Client, stream_id: int, code: ErrorCodes) -> bool:
    """Tell whether exactly this stream was reset with this code, and the connection lives on."""
    resets = client.resets
    client.frames.clear()
    return resets == [(stream_id, code)] and client.is_well
