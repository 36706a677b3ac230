"""The state machine of one connection (RFC 9113 sections 3 to 6).

`receive` takes bytes and tells the frontend what the client did. It never raises: a broken rule or a passed limit
becomes a RST_STREAM or a GOAWAY in the output, and `is_closing` says that the transport is to be closed once that is
written.
"""

from collections.abc import Callable
from typing import Final

from dohproxy.http2.allowances import Allowances
from dohproxy.http2.blocks import BlockReader, HeaderList
from dohproxy.http2.errors import ConnectionFault, ErrorCode, Excess, StreamFault
from dohproxy.http2.events import Answerer, Nobody
from dohproxy.http2.fields import MalformedRequest, RequestHead
from dohproxy.http2.flow import SendWindows
from dohproxy.http2.frames import (
    ACK,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    PADDED,
    SETTINGS_ACK,
    STREAM_ID_MASK,
    Type,
    check_layout,
    frame,
    goaway,
    greeting,
    read_settings,
    rst_stream,
    window_update,
    without_padding,
)
from dohproxy.http2.hpack import NO_TABLE, encode_response
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.reader import FrameReader
from dohproxy.http2.response import Response
from dohproxy.http2.stream import ClosedStreams, Stream, need_announced_length

# On an IntEnum each look for a member costs more than a frame's other steps.
_DATA: Final = int(Type.DATA)
_HEADERS: Final = int(Type.HEADERS)
_HEARD: Final = b"goodbye!"
"""What the PING behind our goodbye carries."""
_NOBODY: Final = Nobody()


class Http2Connection:
    """A server's side of one connection."""

    def __init__(self, limits: Http2Limits, now: float, answerer: Answerer) -> None:
        self.limits = limits
        self.is_closing = False
        """Whether nothing more is read, and the connection is to be closed when the output is written."""
        self.fault: ConnectionFault | None = None
        """Why it is closing, if the client is to blame."""
        self.windows = SendWindows()
        self._now = now
        self._answerer = answerer
        self._reader = FrameReader()
        self._out = [greeting(limits.max_streams, limits.max_header_bytes)]
        self._allowances = Allowances(limits, now)
        self._blocks = BlockReader(limits, self._allowances)
        self._streams: dict[int, Stream] = {}
        self._request_bytes = 0
        """What the requests of these take in memory."""
        self._orphans: set[int] = set()
        """Streams that were reset while somebody worked on their answer: under way until that has ended."""
        self._just_answered = 0
        """Streams answered since bytes last came: for the client, which knows of no answer yet, they are all open."""
        self._closed = ClosedStreams()
        self._last_id = 0
        self._last_taken = 0
        """The last stream before we said goodbye; what GOAWAY names, and must never name higher (section 6.8)."""
        self._has_settings = False
        self._has_responded = False
        self._last_welcome: int | None = None
        """Once the client was told that we are going, the number of the request with which it has heard of it."""
        self._goes_away = False
        self._receive_window = DEFAULT_WINDOW

    # --- What the frontend asks and says ---

    def receive(self, data: bytes, now: float) -> None:
        """Take in bytes, and tell the frontend what the client did with them, in order."""
        self._now = now
        self._just_answered = 0
        if not self.is_closing:
            self._read(data)

    def data_to_send(self) -> bytes:
        """Return and forget the output so far."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def respond(self, stream_id: int, response: Response, now: float) -> None:
        """Answer a request under way. On a stream that is gone it does nothing but end the work for it."""
        self._now = now
        self._orphans.discard(stream_id)
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.is_answered and not self.is_closing:
            self._respond(stream, response)

    def abandon(self, stream_id: int) -> None:
        """End the work for a stream that was reset."""
        self._orphans.discard(stream_id)

    def forget(self) -> None:
        """The transport is gone: keep nothing that nobody can be told any more, and nobody to be told anything, as
        engine and frontend know each other and would stay until the garbage collector comes by."""
        self.is_closing = True
        self._answerer = _NOBODY
        self._drop_all()
        self._out.clear()

    def note_valid_request(self) -> None:
        """The client has sent a query that is DNS: from now on it is not a stranger."""
        self._allowances.note_valid_request()

    def begin_goodbye(self) -> None:
        """Tell the client to open no more streams, and take those that it has opened before it hears of that (section
        6.8); when its answer to a PING says that it has, or with so many requests as it may have under way, goodbye is
        said for good. If it does not answer, that is for the frontend to do."""
        if self._last_welcome is None and not self._goes_away and not self.is_closing:
            self._last_welcome = self._allowances.requests + self.limits.max_streams
            self._out += goaway(STREAM_ID_MASK, ErrorCode.NO_ERROR), frame(Type.PING, 0, 0, _HEARD)

    @property
    def is_leaving(self) -> bool:
        """Whether goodbye has begun, and is not said for good yet."""
        return self._last_welcome is not None and not self._goes_away and not self.is_closing

    def go_away(self) -> None:
        """Take no new streams; those under way are finished, then the connection closes."""
        if not self._goes_away and not self.is_closing:
            self._goes_away = True
            self._out.append(goaway(self._last_taken, ErrorCode.NO_ERROR))
        self._close_if_done()

    @property
    def requests(self) -> int:
        """How many requests have come."""
        return self._allowances.requests

    @property
    def streams_under_way(self) -> int:
        """Requests that are not answered to the last byte."""
        return len(self._streams)

    @property
    def unfinished(self) -> list[int]:
        """The streams whose requests are not whole."""
        return [stream_id for stream_id, stream in self._streams.items() if not stream.is_complete]

    @property
    def held_bytes(self) -> int:
        """Bytes of memory that the client makes us keep: requests that are not answered to the last byte or not whole,
        responses that wait for its windows, and its header tables."""
        return self._request_bytes + self.windows.blocked_bytes + len(self._reader.rest) + self._blocks.held_bytes

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and nothing half read."""
        return not self._streams and not self._orphans and not self.is_half_read

    @property
    def half_read_since(self) -> float | None:
        """When the oldest frame, header block or request began that is not whole yet, monotonic seconds."""
        if not self._streams and self._reader.half_read_since is None and self._blocks.half_read_since is None:
            return None  # As with nearly all that are looked at every second.
        since = [stream.begun for stream in self._streams.values() if not stream.is_complete]
        since += [begun for begun in (self._reader.half_read_since, self._blocks.half_read_since) if begun is not None]
        return min(since, default=None)

    @property
    def is_half_read(self) -> bool:
        """Whether there is one."""
        return self.half_read_since is not None

    # --- Frames in ---

    def _read(self, data: bytes) -> None:
        try:
            for kind, flags, stream_id, payload in self._reader.frames(data, self._now):
                if self._blocks.stream_id or not self._has_settings:
                    self._need_expected(kind, flags, stream_id)
                try:
                    # What requests are made of; both may have any length, and look at their stream themselves.
                    if kind == _HEADERS:
                        self._on_headers(flags, stream_id, payload)
                    elif kind == _DATA:
                        self._on_data(flags, stream_id, payload)
                    else:
                        self._on_rarer_kind(kind, flags, stream_id, payload)
                except StreamFault as of_stream:
                    self._reset(of_stream.stream_id, of_stream.code)
                if self.is_closing:
                    break
        except ConnectionFault as fault:
            self._end(fault)

    def _need_expected(self, kind: int, flags: int, stream_id: int) -> None:
        """Raise ConnectionFault for what stands before the client's settings or within a header block (3.4 and 4.3)."""
        if self._blocks.stream_id and (kind != Type.CONTINUATION or stream_id != self._blocks.stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
        if not self._has_settings and (kind != Type.SETTINGS or flags & ACK):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)

    def _on_rarer_kind(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        handler = _HANDLERS.get(kind)
        if handler is None:
            self._spend_control()  # Unknown types are ignored (section 5.5), but not for nothing.
            return
        check_layout(kind, stream_id, len(payload))
        handler(self, flags, stream_id, payload)

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._need_stream_begun(stream_id)
        self._receive_window -= len(payload)
        if self._receive_window <= DEFAULT_WINDOW // 2:
            self._replenish()
        data = without_padding(flags, payload) if flags & PADDED else payload
        if not data and not flags & END_STREAM:
            self._spend_control()
        if stream is None:
            self._on_closed_stream(stream_id)
            return
        if stream.is_complete:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED)
        self._request_bytes -= stream.held_bytes
        try:
            stream.add_data(data, len(payload), self.limits)
        finally:
            self._request_bytes += stream.held_bytes
        if flags & END_STREAM:
            stream.end()
        if stream.is_ready:
            self._hand_out(stream)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id & 1:  # The client's are odd; 0 is the connection (section 5.1.1).
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
        headers = self._blocks.begin(flags, stream_id, payload, self._now)
        if headers is not None:
            self._take_headers(stream_id, headers)

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        headers = self._blocks.go_on(flags, payload, self._now)
        if headers is not None:
            self._take_headers(stream_id, headers)

    def _take_headers(self, stream_id: int, headers: HeaderList) -> None:
        """Take what a whole header block says: a request, or the trailers of one."""
        if stream_id <= self._last_id:
            self._take_trailers(stream_id, headers)
            return
        self._last_id = stream_id
        if self._goes_away:
            self._allowances.take_late_frame()
            self._say_reset(stream_id, ErrorCode.REFUSED_STREAM)
            return
        self._last_taken = stream_id
        under_way = len(self._streams) + len(self._orphans) + self._just_answered
        self._allowances.open_stream(under_way)
        if self._blocks.depends_on_itself:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR)
        if under_way >= self.limits.max_streams:
            raise StreamFault(stream_id, ErrorCode.REFUSED_STREAM)  # The client may ask again (section 8.7).
        try:
            head = headers.head()
        except MalformedRequest:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR) from None
        self._begin_stream(stream_id, head)
        self._count_to_goodbye()

    def _count_to_goodbye(self) -> None:
        requests = self._allowances.requests
        if self._last_welcome is None:
            if requests >= self.limits.max_requests:
                self.begin_goodbye()
        elif requests >= self._last_welcome:
            self.go_away()

    def _begin_stream(self, stream_id: int, head: RequestHead | None) -> None:
        """Open a stream for a request, unless it is complete with its head and can be answered at once."""
        ends_stream = self._blocks.ends_stream
        response = None
        if head is None:
            response = self._answerer.on_large_header(stream_id)
        elif ends_stream:
            if head.rest.content_length:
                need_announced_length(stream_id, head, 0)
            response = self._answerer.on_request(stream_id, head, b"")
            if response is not None and self._send_whole(stream_id, response, self.windows.initial):
                self._closed.ended.append(stream_id)
                return
        stream = self._streams[stream_id] = Stream(stream_id, head, self.windows.initial, self._now)
        self._request_bytes += stream.held_bytes
        stream.is_complete = ends_stream
        if ends_stream or head is None:
            stream.hand_out()
        elif head.rest.expects_continue:
            self._invite_body(stream, head)
        if response is not None:
            self._respond(stream, response)

    def _invite_body(self, stream: Stream, head: RequestHead) -> None:
        """Tell a client that waits for it to send its body (RFC 9110 section 10.1.1), or what becomes of one that is
        too long to be read."""
        if (head.rest.content_length or 0) > self.limits.max_body_bytes:
            stream.body = None
            self._hand_out(stream)
            return
        block = encode_response(100, ())
        block = block if self._has_responded else NO_TABLE + block
        self._has_responded = True
        self._out.append(frame(Type.HEADERS, END_HEADERS, stream.stream_id, block))

    def _hand_out(self, stream: Stream) -> None:
        """Hand a request out to be answered, when there is as much of it as there need be."""
        if stream.head is None:
            return
        response = self._answerer.on_request(stream.stream_id, stream.head, stream.hand_out())
        if response is not None:
            self._respond(stream, response)

    def _take_trailers(self, stream_id: int, headers: HeaderList) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._on_closed_stream(stream_id, otherwise=ErrorCode.PROTOCOL_ERROR)
            return
        if stream.is_complete:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED)
        stream.take_trailers(headers, ends_stream=self._blocks.ends_stream)
        if stream.is_ready:
            self._hand_out(stream)

    def _on_priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._spend_control()
        if len(payload) != 5:
            code = ErrorCode.FRAME_SIZE_ERROR
        elif int.from_bytes(payload[:4]) & STREAM_ID_MASK == stream_id:
            code = ErrorCode.PROTOCOL_ERROR
        else:
            return
        if stream_id not in self._streams:
            raise ConnectionFault(code)  # RST_STREAM has no place on a stream that is idle or closed.
        raise StreamFault(stream_id, code)

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._need_stream_begun(stream_id)
        self._allowances.end_stream(self._now)
        self._closed.ended.append(stream_id)
        self._drop(stream_id)

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & ACK:
            self._spend_control()
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR)
            return
        if self._has_settings:
            self._spend_control()
        self._has_settings = True
        entries = read_settings(payload)
        if len(entries) > self.limits.max_settings:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, Excess.SETTINGS)
        self.windows.follow_settings(entries, self._streams.values())
        self._out.append(SETTINGS_ACK)
        self._send_blocked()

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & ACK and payload == _HEARD and self.is_leaving:
            self.go_away()
            return
        self._spend_control()
        if not flags & ACK:
            self._out.append(frame(Type.PING, ACK, 0, payload))

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        self.go_away()

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._allowances.update_window(self.windows.sent_bytes)
        increment = int.from_bytes(payload) & STREAM_ID_MASK
        if not stream_id:
            self.windows.grow(increment, None)
            self._send_blocked()
            return
        self._need_stream_begun(stream_id)
        stream = self._streams.get(stream_id)
        if stream is not None:  # On a closed stream it may have crossed our last frame.
            self.windows.grow(increment, stream)
            self._send(stream)

    # --- Frames out ---

    def _respond(self, stream: Stream, response: Response) -> None:
        stream.is_answered = True
        if self._send_whole(stream.stream_id, response, stream.send_window):
            self._finish(stream)
            return
        self._out.append(response.header(stream.stream_id, is_first=not self._has_responded))
        self._has_responded = True
        self.windows.queue(stream, response.body, self._now)
        self._out.append(self.windows.send(stream))
        if not stream.out:
            self._just_answered += 1
            self._finish(stream)
        elif self.windows.blocked_bytes > self.limits.max_blocked_bytes:
            self._end(ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, Excess.BLOCKED_BYTES))

    def _send_whole(self, stream_id: int, response: Response, window: int) -> bool:
        """Send a response that fits one frame and the windows; False, and nothing sent, if it does not."""
        if not self.windows.take(len(response.body), window):
            return False
        self._out += response.frames(stream_id) if self._has_responded else response.first_frames(stream_id)
        self._has_responded = True
        self._just_answered += 1
        return True

    def _send_blocked(self) -> None:
        if self.windows.blocked_bytes and self.windows.connection > 0:
            for stream in [stream for stream in self._streams.values() if stream.out and stream.send_window > 0]:
                self._send(stream)

    def _send(self, stream: Stream) -> None:
        if stream.out:
            self._out.append(self.windows.send(stream))
            if not stream.out:
                self._finish(stream)

    def _finish(self, stream: Stream) -> None:
        """The response is out to its last byte. A request still coming in is told to stop (section 8.1)."""
        if stream.is_complete:
            self._closed.ended.append(stream.stream_id)
        else:
            self._say_reset(stream.stream_id, ErrorCode.NO_ERROR)
        del self._streams[stream.stream_id]
        self._request_bytes -= stream.held_bytes
        if self._goes_away:
            self._close_if_done()

    def _replenish(self) -> None:
        """Open the connection's window again, when half of it is used; streams' windows are never opened."""
        if self._receive_window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR)
        self._out.append(window_update(0, DEFAULT_WINDOW - self._receive_window))
        self._receive_window = DEFAULT_WINDOW

    def _reset(self, stream_id: int, code: ErrorCode) -> None:
        """Reset a stream because of something the client did. That has a price: see MadeYouReset."""
        self._allowances.err_on_stream(self._now, code)
        self._say_reset(stream_id, code)
        self._drop(stream_id)

    def _say_reset(self, stream_id: int, code: ErrorCode) -> None:
        self._closed.reset_by_us.append(stream_id)
        self._out.append(rst_stream(stream_id, code))

    def _drop(self, stream_id: int) -> None:
        """Forget a stream that was reset, and tell whoever works on its answer."""
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        self._request_bytes -= stream.held_bytes
        self.windows.drop(stream)
        if stream.is_handed_out and not stream.is_answered:
            self._orphans.add(stream_id)
            self._answerer.on_reset(stream_id)
        self._close_if_done()

    def _on_closed_stream(self, stream_id: int, otherwise: ErrorCode = ErrorCode.STREAM_CLOSED) -> None:
        """A frame came for a stream that is closed: on its way when we reset it, or a fault."""
        if stream_id > self._last_taken:
            self._allowances.take_late_frame()
            return
        if stream_id not in self._closed.reset_by_us:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED if stream_id in self._closed.ended else otherwise)
        self._spend_control()

    def _end(self, fault: ConnectionFault) -> None:
        self.fault = fault.with_traceback(None)  # Which would hold us, and we hold the fault.
        self.is_closing = True
        self._drop_all()
        self._out.append(goaway(self._last_taken, fault.code))

    def _drop_all(self) -> None:
        self._streams.clear()
        self._request_bytes = 0
        self._orphans.clear()
        self.windows.drop_all()
        self._reader.clear()
        self._blocks.clear()

    def _close_if_done(self) -> None:
        if self._goes_away and not self._streams:
            self.is_closing = True

    def _need_stream_begun(self, stream_id: int) -> None:
        """Frames for a stream that nobody has begun are a fault of the connection (section 5.1, idle)."""
        if not stream_id & 1 or stream_id > self._last_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)

    def _spend_control(self) -> None:
        self._allowances.control(self._now)


_HANDLERS: Final[dict[int, Callable[[Http2Connection, int, int, bytes], None]]] = {
    Type.PRIORITY: Http2Connection._on_priority,
    Type.RST_STREAM: Http2Connection._on_rst_stream,
    Type.SETTINGS: Http2Connection._on_settings,
    Type.PUSH_PROMISE: Http2Connection._on_push_promise,
    Type.PING: Http2Connection._on_ping,
    Type.GOAWAY: Http2Connection._on_goaway,
    Type.WINDOW_UPDATE: Http2Connection._on_window_update,
    Type.CONTINUATION: Http2Connection._on_continuation,
}
