"""What may be sent: the client's windows, and the responses that wait for them (RFC 9113 section 5.2)."""

from collections.abc import Collection, Iterable

from dohproxy.http2.errors import ConnectionFault, ErrorCode, StreamFault
from dohproxy.http2.frames import DEFAULT_WINDOW, END_STREAM, LARGEST_FRAME, LARGEST_WINDOW, Setting, Type, frame
from dohproxy.http2.stream import Stream


class SendWindows:
    """The connection's window, and the size new streams begin with."""

    def __init__(self) -> None:
        self.connection = DEFAULT_WINDOW
        self.initial = DEFAULT_WINDOW
        self.blocked_bytes = 0
        """Response bytes of all streams that wait."""
        self.sent_bytes = 0
        """Response bytes that went out."""
        self._waiting: dict[int, float] = {}
        """When each waiting stream was answered, oldest first."""

    @property
    def blocked_since(self) -> float | None:
        """When the response that waits longest was given, monotonic seconds; None if nothing waits."""
        return next(iter(self._waiting.values()), None)

    def follow_settings(self, entries: Iterable[tuple[int, int]], streams: Collection[Stream]) -> None:
        """Follow the client's settings, in their order. All but one concern what we never do: our frames are of the
        smallest size anybody takes, our encoder has no table, and nothing is pushed; they only have to be valid."""
        initial = self.initial
        for key, value in entries:
            match key:
                case Setting.INITIAL_WINDOW_SIZE:
                    if value > LARGEST_WINDOW:
                        raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR)
                    initial = value
                case Setting.ENABLE_PUSH | Setting.ENABLE_CONNECT_PROTOCOL | Setting.NO_RFC7540_PRIORITIES if value > 1:
                    raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
                case Setting.MAX_FRAME_SIZE if not LARGEST_FRAME <= value < 2**24:
                    raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
                case _:
                    pass
        if initial != self.initial:
            # Once for all entries: nothing happens between two of them (section 6.5.3), and streams may be many.
            self._change_initial(initial, streams)

    def _change_initial(self, size: int, streams: Iterable[Stream]) -> None:
        """Follow SETTINGS_INITIAL_WINDOW_SIZE, which moves the windows of open streams too, also below zero."""
        for stream in streams:
            stream.send_window += size - self.initial
            if stream.send_window > LARGEST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR)
        self.initial = size

    def grow(self, increment: int, stream: Stream | None) -> None:
        """Follow a WINDOW_UPDATE for one stream, or for the connection (None)."""
        if stream is None:
            if not increment:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
            self.connection += increment
            if self.connection > LARGEST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR)
            return
        if not increment:
            raise StreamFault(stream.stream_id, ErrorCode.PROTOCOL_ERROR)
        stream.send_window += increment
        if stream.send_window > LARGEST_WINDOW:
            raise StreamFault(stream.stream_id, ErrorCode.FLOW_CONTROL_ERROR)

    def take(self, size: int, stream_window: int) -> bool:
        """Use the windows for a whole body that is sent in one frame; False, and nothing used, if it does not fit."""
        if size > LARGEST_FRAME or size > stream_window or size > self.connection:
            return False
        self.connection -= size
        self.sent_bytes += size
        return True

    def queue(self, stream: Stream, body: bytes, now: float) -> None:
        """Let a response body wait for its turn; `send` follows."""
        stream.out = body
        self.blocked_bytes += len(body)
        self._waiting[stream.stream_id] = now

    def drop(self, stream: Stream) -> None:
        """The stream is closed: what waited on it never goes out."""
        self.blocked_bytes -= len(stream.out)
        stream.out = b""
        self._waiting.pop(stream.stream_id, None)

    def drop_all(self) -> None:
        """The connection ends."""
        self.blocked_bytes = 0
        self._waiting.clear()

    def send(self, stream: Stream) -> bytes:
        """Return the DATA frames that the windows allow now; the stream's last one ends it."""
        frames = []
        while stream.out:
            size = min(len(stream.out), LARGEST_FRAME, stream.send_window, self.connection)
            if size <= 0:
                break
            chunk, stream.out = stream.out[:size], stream.out[size:]
            stream.send_window -= size
            self.connection -= size
            self.blocked_bytes -= size
            self.sent_bytes += size
            frames.append(frame(Type.DATA, 0 if stream.out else END_STREAM, stream.stream_id, chunk))
        if not stream.out:
            self._waiting.pop(stream.stream_id, None)
        return b"".join(frames)
