"""One stream that is begun and not closed: its request as it comes in, its response as it goes out; and how the last
closed ones ended.

Without push and with the client's side alone to begin streams, RFC 9113 section 5.1 leaves two states that need an
object: open, and half-closed (remote) once the request is complete. A request that is complete with its header and
answered at once never needs one.
"""

from collections import deque
from typing import Final

from dohproxy.http2.blocks import HeaderList
from dohproxy.http2.errors import ErrorCode, StreamFault
from dohproxy.http2.fields import MalformedRequest, RequestHead, check_trailers
from dohproxy.http2.frames import DEFAULT_WINDOW
from dohproxy.http2.limits import Http2Limits

REMEMBERED_STREAMS: Final = 128
"""Closed streams of which we still know how they ended: more than a client has under way, so that its late frames find
theirs. Older ones are closed by the client as far as we are concerned."""


STREAM_BYTES: Final = 400
"""The memory for the object and for what tables hold of it."""


class Stream:
    """Open until `is_complete`, then half-closed (remote)."""

    __slots__ = (
        "begun",
        "body",
        "data_frames",
        "flow_bytes",
        "head",
        "held_bytes",
        "is_answered",
        "is_complete",
        "is_handed_out",
        "out",
        "received_bytes",
        "send_window",
        "stream_id",
    )

    def __init__(self, stream_id: int, head: RequestHead | None, send_window: int, now: float) -> None:
        self.stream_id = stream_id
        self.head = head
        """The head of the request; None if the header list was too large to be kept."""
        self.held_bytes = STREAM_BYTES if head is None else STREAM_BYTES + len(head.path) + head.rest.held_bytes
        """What the request takes in memory until the stream is closed, whoever has its body by then."""
        self.begun = now
        self.is_complete = False
        self.is_handed_out = False
        """Somebody works on the answer, or has given it. A request that is too large is handed out before its end."""
        self.send_window = send_window
        self.body: bytes | None = b""
        """The body so far; None if there was more than the limit, and nothing is kept."""
        self.received_bytes = 0
        """Body bytes received, kept or not, padding aside: what content-length has to agree with."""
        self.flow_bytes = 0
        """The same with padding: what the stream's window has to agree with."""
        self.data_frames = 0
        self.is_answered = False
        self.out = b""
        """Response bytes that wait for a window."""

    def add_data(self, data: bytes, flow_bytes: int, limits: Http2Limits) -> None:
        """Take the payload of a DATA frame, `flow_bytes` with its padding. Raises StreamFault."""
        self.data_frames += 1
        self.received_bytes += len(data)
        self.flow_bytes += flow_bytes
        if self.data_frames > limits.max_data_frames:
            raise StreamFault(self.stream_id, ErrorCode.ENHANCE_YOUR_CALM)
        if self.flow_bytes > DEFAULT_WINDOW:
            raise StreamFault(self.stream_id, ErrorCode.FLOW_CONTROL_ERROR)
        if self.received_bytes > limits.max_body_bytes:
            self.body = None
        elif self.body is not None:
            self.body += data
            self.held_bytes += len(data)

    def take_trailers(self, headers: HeaderList, *, ends_stream: bool) -> None:
        """Take the header list that follows a body. Raises StreamFault unless it ends the request and may."""
        if not ends_stream or headers.fields is None:
            raise StreamFault(self.stream_id, ErrorCode.PROTOCOL_ERROR)
        try:
            check_trailers(headers.fields)
        except MalformedRequest:
            raise StreamFault(self.stream_id, ErrorCode.PROTOCOL_ERROR) from None
        self.end()

    def end(self) -> None:
        """The last byte is here. Raises StreamFault if the length is not what was announced."""
        if self.head is not None:
            need_announced_length(self.stream_id, self.head, self.received_bytes)
        self.is_complete = True

    def hand_out(self) -> bytes | None:
        """Return the body, and keep it no longer; None if there was more than the limit."""
        self.is_handed_out = True
        body, self.body = self.body, None
        return body

    @property
    def is_ready(self) -> bool:
        """Whether the request is to be handed out: complete, or known before its end to be too large."""
        return (self.is_complete or self.body is None) and not self.is_handed_out


def need_announced_length(stream_id: int, head: RequestHead, received_bytes: int) -> None:
    """Raise StreamFault if a complete body is not of the length that its head announced (RFC 9113 section 8.1.1)."""
    announced = head.rest.content_length
    if announced is not None and announced != received_bytes:
        raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR)


class ClosedStreams:
    """The last streams to close. Late frames are no fault on those that we reset (RFC 9113 section 5.1, closed), and a
    fault of another kind on those that were never begun (section 5.1.1)."""

    def __init__(self) -> None:
        self.reset_by_us: deque[int] = deque(maxlen=REMEMBERED_STREAMS)
        """Frames may still be on their way that the client sent before it knew."""
        self.ended: deque[int] = deque(maxlen=REMEMBERED_STREAMS)
        """The client closed its side of them."""
