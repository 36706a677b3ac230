"""What must hold whatever bytes an HTTP/2 client sends. The fuzz target calls this, and so does pytest.

1. `receive` raises nothing.
2. How the bytes are cut changes neither events nor output.
3. What we send is frames that `hyperframe` and `hpack` read, settings first, and nothing behind a GOAWAY for a fault.
4. What is kept is bounded, whatever the frontend does with the requests.
5. A request that `h2`'s own server takes is one that we take, but for the differences that are listed here.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from h2.errors import ErrorCodes
from hpack import Decoder
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

from dohproxy.authority import is_authority
from dohproxy.http2.blocks import LONGEST_KEPT_BLOCK, MOST_KEPT_BYTES
from dohproxy.http2.connection import Http2Connection
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.response import Response
from fuzz.http2_traffic import PREFACE
from tests.http2.events import Event, HeaderTooLarge, Recorder, RequestReceived, StreamReset

LIMITS: Final = Http2Limits()
NOW: Final = 1_000.0
MOST_BYTES_KEPT: Final = (
    LIMITS.max_streams * (LIMITS.max_body_bytes + 2 * LIMITS.max_header_bytes)
    + LONGEST_KEPT_BLOCK
    + 2 * LIMITS.max_header_bytes
    + 3 * MOST_KEPT_BYTES
    + LIMITS.max_blocked_bytes
    + LIMITS.max_block_bytes
    + 4_096
    + 9
    + 16_384
)
"""Bodies, header lists (once in the stream, once in an event), the last list and the rests of others kept decoded,
answers, one block, one table, one frame."""


class Difference(Enum):
    """Why we may turn away a request that `h2` takes."""

    LIMIT = "one of our limits, of which h2 has few"
    TOO_LARGE = "a header list over our limits: told to the frontend"
    IDLE_RESET = "RST_STREAM on an idle stream ends our connections (RFC 9113 section 6.4); h2 looks away"
    UNKNOWN_SETTING = "h2 does not know SETTINGS_NO_RFC7540_PRIORITIES, which is 0 or 1 (RFC 9218 section 2.1)"
    MALFORMED = "h2 leaves it to its user what a method, a path and a content-length look like"
    THREE_UPDATES = "a header block with more than two size updates (RFC 7541 section 4.2)"
    SELF_DEPENDENT = "a stream that depends on itself, or a PRIORITY of another length than 5, when h2 ignores it"


@dataclass
class Run:
    """All that an engine said about some bytes."""

    engine: Http2Connection
    events: list[Event]
    out: bytes = b""
    frames: list[Frame] = field(default_factory=list)


def check_connection(wire: bytes) -> Run:
    """Hold every promise of the engine on what one client sends; return what it said when nobody answered."""
    whole = _run(wire, len(wire) or 1)
    by_byte = _run(wire, 1)
    assert (by_byte.events, by_byte.out) == (whole.events, whole.out), "the cut changes the meaning"
    whole.frames = read_frames(whole.out)
    served = _run(wire, 97, serves=True)
    read_frames(served.out)
    _agrees_with_h2(wire, whole)
    return whole


def check_frames(data: bytes) -> None:
    """The same for what follows a preface and settings, so that a fuzzer need not find these."""
    check_connection(PREFACE + bytes(3) + b"\x04" + bytes(5) + data)


def _run(wire: bytes, size: int, *, serves: bool = False) -> Run:
    frontend = Recorder(answer=_answer_at_once) if serves else Recorder()
    run = Run(Http2Connection(LIMITS, NOW, frontend), frontend.events)
    for start in range(0, len(wire), size):
        before = len(run.events)
        run.engine.receive(wire[start : start + size], NOW)
        for event in run.events[before:] if serves else ():
            _serve(run.engine, event)
        run.out += run.engine.data_to_send()
        if size > 1:  # Byte by byte it is the same, and takes a minute.
            assert bytes_kept_by(run.engine) <= MOST_BYTES_KEPT
        assert run.engine.streams_under_way <= LIMITS.max_streams
        assert run.engine.windows.blocked_bytes <= LIMITS.max_blocked_bytes
    return run


_ANSWERS: Final = tuple(Response(200, (("content-length", str(size)),), b"a" * size) for size in (0, 100, 30_000))


def _answer_at_once(event: Event) -> Response | None:
    """Answer every other stream where a frontend has its hits, by the number of the stream with nothing or at
    length."""
    match event:
        case RequestReceived(stream_id) if stream_id >> 1 & 1:
            return _ANSWERS[(stream_id >> 2) % 3]
        case HeaderTooLarge():
            return Response(431, ())
        case _:
            return None


def _serve(engine: Http2Connection, event: Event) -> None:
    """Do what a frontend might later, by the number of the stream: answer, answer at length, or think about it for
    ever."""
    match event:
        case StreamReset(stream_id):
            engine.abandon(stream_id)
        case RequestReceived(stream_id):
            choice = stream_id >> 2 & 3
            if choice == 0:
                engine.note_valid_request()
            if choice != 3:
                engine.respond(stream_id, _ANSWERS[choice], NOW)
        case _:
            pass


def read_frames(out: bytes) -> list[Frame]:
    """Return the frames of an output; they must be whole, in order and readable."""
    frames: list[Frame] = []
    decoder = Decoder()
    while out:
        parsed, length = Frame.parse_frame_header(memoryview(out[:9]))
        assert length <= 16_384
        assert len(out) >= 9 + length
        parsed.parse_body(memoryview(out[9 : 9 + length]))
        if isinstance(parsed, HeadersFrame):
            assert str(next(iter(decoder.decode(parsed.data)))[0]) == ":status"
        frames.append(parsed)
        out = out[9 + length :]
    assert not frames or isinstance(frames[0], SettingsFrame)
    assert not any(isinstance(each, GoAwayFrame) and each.error_code for each in frames[:-1])
    last_ids = [each.last_stream_id for each in frames if isinstance(each, GoAwayFrame)]
    assert last_ids == sorted(last_ids, reverse=True), "a GOAWAY names a higher stream than one before it"
    return frames


def bytes_kept_by(value: object) -> int:
    """Return how many bytes an engine, or anything in it, holds on to."""
    if isinstance(value, bytes | bytearray | str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(bytes_kept_by, (*value.keys(), *value.values())))
    if isinstance(value, list | tuple | set | deque):
        return sum(map(bytes_kept_by, value))
    if not type(value).__module__.startswith("dohproxy.http2"):
        return 0
    slots = getattr(type(value), "__slots__", ())
    return sum(bytes_kept_by(getattr(value, name)) for name in (*slots, *getattr(value, "__dict__", ())))


# ------------------------------------------------------------------ against h2


@dataclass
class _Theirs:
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    has_ended: bool = False


def _read_by_h2(wire: bytes) -> dict[int, _Theirs] | None:
    """Return the requests that `h2`'s server sees, None if it finds any fault in what the client does."""
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()
    found: dict[int, _Theirs] = {}
    try:
        events = server.receive_data(wire)
    except (h2.exceptions.ProtocolError, HyperframeError, ValueError, IndexError):
        return None
    if any(isinstance(each, RstStreamFrame) for each in _frames_of(server.data_to_send())):
        return None
    for event in events:
        match event:
            case h2.events.RequestReceived(stream_id=stream_id):
                found[stream_id] = _Theirs([(bytes(name), bytes(value)) for name, value, *_ in event.headers])
            case h2.events.DataReceived(stream_id=stream_id):
                found[stream_id].body += event.data
            case h2.events.StreamEnded(stream_id=stream_id):
                found[stream_id].has_ended = True
            case _:
                pass
    return found


def _frames_of(out: bytes) -> list[Frame]:
    frames = []
    while out:
        parsed, length = Frame.parse_frame_header(memoryview(out[:9]))
        frames.append(parsed)
        out = out[9 + length :]
    return frames


def _agrees_with_h2(wire: bytes, run: Run) -> None:
    theirs = _read_by_h2(wire)
    if theirs is None:
        return
    ours = {event.stream_id: event for event in run.events if isinstance(event, RequestReceived)}
    for stream_id, request in theirs.items():
        if not request.has_ended:
            continue
        if stream_id not in ours:
            reason = difference(wire, run, stream_id, request.headers)
            assert reason is not None, f"only h2 takes the request on stream {stream_id}"
            continue
        head = ours[stream_id].head
        assert head.method.encode("latin-1") == dict(request.headers[:4])[b":method"]
        is_too_large = len(request.body) > LIMITS.max_body_bytes
        assert ours[stream_id].body == (None if is_too_large else request.body)
        # h2 joins the crumbs of a cookie, which nobody asks us for.
        assert [name for name, _ in head.fields if name != "cookie"] == [
            name.decode() for name, _ in request.headers if name[:1] != b":" and name != b"cookie"
        ]


def difference(wire: bytes, run: Run, stream_id: int, headers: list[tuple[bytes, bytes]]) -> Difference | None:
    """Return the reason that holds for a request that `h2` takes and we do not."""
    fault = run.engine.fault
    resets = [(each.stream_id, each.error_code) for each in run.frames if isinstance(each, RstStreamFrame)]
    if (fault is not None and fault.excess) or (stream_id, ErrorCodes.ENHANCE_YOUR_CALM) in resets:
        return Difference.LIMIT
    if HeaderTooLarge(stream_id) in run.events:
        return Difference.TOO_LARGE
    if (stream_id, ErrorCodes.PROTOCOL_ERROR) in resets:
        return Difference.SELF_DEPENDENT if all(map(_is_plain, headers)) else Difference.MALFORMED
    match fault and (fault.code, _faulty_frame(wire)):
        case (ErrorCodes.PROTOCOL_ERROR, 3):
            return Difference.IDLE_RESET
        case (ErrorCodes.PROTOCOL_ERROR, 4):
            return Difference.UNKNOWN_SETTING
        case (ErrorCodes.PROTOCOL_ERROR | ErrorCodes.FRAME_SIZE_ERROR, 2):
            return Difference.SELF_DEPENDENT
        case (ErrorCodes.COMPRESSION_ERROR, 1 | 9):
            return Difference.THREE_UPDATES
        case _:
            return None


def _is_plain(header: tuple[bytes, bytes]) -> bool:
    name, value = header
    if name in (b":authority", b"host"):
        return is_authority(value.decode("latin-1"))
    pattern = {b":path": rb"/[!-~]*", b":method": rb"[!-~]+", b"content-length": rb"[0-9]{1,10}"}.get(name, rb"(?s:.*)")
    return re.fullmatch(pattern, value) is not None


def _faulty_frame(wire: bytes) -> int | None:
    """Return the type of the frame that ended the connection."""
    engine = Http2Connection(LIMITS, NOW, Recorder())
    engine.receive(wire[:24], NOW)
    at = 24
    while at + 9 <= len(wire):
        end = at + 9 + int.from_bytes(wire[at : at + 3])
        engine.receive(wire[at:end], NOW)
        if engine.fault is not None:
            return wire[at + 3]
        at = end
    return None
