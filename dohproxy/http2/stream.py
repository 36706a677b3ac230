"""One stream that is begun and not closed: its request as it comes in, its response as it goes out; and how the last
closed ones ended.

Without push and with the client's side alone to begin streams, RFC 9113 section 5.1 leaves two states that need an
object: open, and half-closed (remote) once the request is complete.
"""

from collections import deque
from typing import Final

from dohproxy.http2.blocks import HeaderBlock
from dohproxy.http2.errors import ErrorCode, StreamFault
from dohproxy.http2.events import HeaderTooLarge, RequestReceived
from dohproxy.http2.fields import MalformedRequest, RequestHead, check_trailers, read_head
from dohproxy.http2.frames import DEFAULT_WINDOW
from dohproxy.http2.limits import Http2Limits

_NO_HEAD: Final = RequestHead("", "", None, (), None)
"""Stands in for a request whose header list was too large to be kept."""
REMEMBERED_STREAMS: Final = 128
"""Closed streams of which we still know how they ended: more than a client has under way, so that its late frames find
theirs. Older ones are closed by the client as far as we are concerned."""


class Stream:
    """Open until `is_complete`, then half-closed (remote)."""

    __slots__ = (
        "begun",
        "body",
        "data_frames",
        "flow_bytes",
        "head",
        "is_answered",
        "is_complete",
        "is_handed_out",
        "out",
        "received_bytes",
        "send_window",
        "stream_id",
    )

    def __init__(self, stream_id: int, head: RequestHead, send_window: int, now: float) -> None:
        self.stream_id = stream_id
        self.head = head
        self.begun = now
        self.is_complete = False
        self.is_handed_out = False
        """Somebody works on the answer, or has given it. A request that is too large is handed out before its end."""
        self.send_window = send_window
        self.body: list[bytes] = []
        self.received_bytes = 0
        """Body bytes received, kept or not, padding aside: what content-length has to agree with."""
        self.flow_bytes = 0
        """The same with padding: what the stream's window has to agree with."""
        self.data_frames = 0
        self.is_answered = False
        self.out = b""
        """Response bytes that wait for a window."""

    def add_data(self, data: bytes, flow_bytes: int, limits: Http2Limits) -> RequestReceived | None:
        """Take the payload of a DATA frame, `flow_bytes` with its padding; return the request if there is too much.

        Raises StreamFault.
        """
        self.data_frames += 1
        self.received_bytes += len(data)
        self.flow_bytes += flow_bytes
        if self.data_frames > limits.max_data_frames:
            raise StreamFault(self.stream_id, ErrorCode.ENHANCE_YOUR_CALM)
        if self.flow_bytes > DEFAULT_WINDOW:
            raise StreamFault(self.stream_id, ErrorCode.FLOW_CONTROL_ERROR)
        if self.received_bytes <= limits.max_body_bytes:
            self.body.append(data)
            return None
        # Handed out at once: its end may never come, as we never open a stream's window again.
        self.body.clear()
        return self._hand_out(body_too_large=True)

    def take_trailers(self, block: HeaderBlock) -> RequestReceived | None:
        """Take the header block that follows a body. Raises StreamFault unless it ends the request and may."""
        if not block.ends_stream or block.fields is None:
            raise StreamFault(self.stream_id, ErrorCode.PROTOCOL_ERROR)
        try:
            check_trailers(block.fields)
        except MalformedRequest:
            raise StreamFault(self.stream_id, ErrorCode.PROTOCOL_ERROR) from None
        return self.end()

    def end(self) -> RequestReceived | None:
        """The last byte is here: return the request. Raises StreamFault if its length is not what was announced."""
        expected = self.head.content_length
        if expected is not None and expected != self.received_bytes:
            raise StreamFault(self.stream_id, ErrorCode.PROTOCOL_ERROR)
        self.is_complete = True
        return self._hand_out()

    def _hand_out(self, *, body_too_large: bool = False) -> RequestReceived | None:
        if self.is_handed_out:
            return None
        self.is_handed_out = True
        body = b"".join(self.body)
        self.body.clear()
        return RequestReceived(self.stream_id, self.head, body, body_too_large)


def begin_stream(block: HeaderBlock, send_window: int, now: float) -> tuple[Stream, HeaderTooLarge | None]:
    """Return the stream that a header block opens, and what there is to say about it already. Raises StreamFault."""
    if block.fields is None:
        stream = Stream(block.stream_id, _NO_HEAD, send_window, now)
        stream.is_handed_out = True
        return stream, HeaderTooLarge(block.stream_id)
    try:
        return Stream(block.stream_id, read_head(block.fields), send_window, now), None
    except MalformedRequest:
        raise StreamFault(block.stream_id, ErrorCode.PROTOCOL_ERROR) from None


class ClosedStreams:
    """The last streams to close. Late frames are no fault on those that we reset (RFC 9113 section 5.1, closed), and a
    fault of another kind on those that were never begun (section 5.1.1)."""

    def __init__(self) -> None:
        self._reset_by_us: deque[int] = deque(maxlen=REMEMBERED_STREAMS)
        self._ended: deque[int] = deque(maxlen=REMEMBERED_STREAMS)

    def add(self, stream_id: int, *, reset_by_us: bool) -> None:
        """Remember a stream, and the oldest no more."""
        (self._reset_by_us if reset_by_us else self._ended).append(stream_id)

    def was_reset_by_us(self, stream_id: int) -> bool:
        """Whether frames may still be on their way that the client sent before it knew."""
        return stream_id in self._reset_by_us

    def has_ended(self, stream_id: int) -> bool:
        """Whether the client closed its side of it."""
        return stream_id in self._ended
