"""From bytes to frames: the preface, the nine bytes of header, and nothing longer than we said we take."""

from dohproxy.http2.errors import ConnectionFault, ErrorCode
from dohproxy.http2.frames import HEADER_BYTES, LARGEST_FRAME, PREFACE, STREAM_ID_MASK

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream id, payload."""


class FrameReader:
    """Buffers at most one unfinished frame; the rest of what it is fed is frames and is taken out at once."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0
        self._has_preface = False
        self._fed_at = 0.0
        self.half_read_since: float | None = None
        """When the first bytes came of a frame that is not whole yet, monotonic seconds."""

    def feed(self, data: bytes, now: float) -> None:
        """Add what arrived. Raises ConnectionFault if the connection does not begin with the preface."""
        self._fed_at = now
        self._buffer += data
        if not self._has_preface:
            if not PREFACE.startswith(bytes(self._buffer[: len(PREFACE)])):
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
            if len(self._buffer) >= len(PREFACE):
                self._has_preface = True
                self._offset = len(PREFACE)

    def next_frame(self) -> Frame | None:
        """Return the next whole frame, or None; then what was read is dropped. Raises ConnectionFault for a frame that
        is too long (RFC 9113 section 4.2)."""
        buffer, offset = self._buffer, self._offset
        if self._has_preface and len(buffer) - offset >= HEADER_BYTES:
            length = int.from_bytes(buffer[offset : offset + 3])
            if length > LARGEST_FRAME:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR)
            end = offset + HEADER_BYTES + length
            if len(buffer) >= end:
                self._offset = end
                stream_id = int.from_bytes(buffer[offset + 5 : offset + 9]) & STREAM_ID_MASK
                return buffer[offset + 3], buffer[offset + 4], stream_id, bytes(buffer[offset + HEADER_BYTES : end])
        del buffer[:offset]
        self._offset = 0
        if not buffer:
            self.half_read_since = None
        elif offset or self.half_read_since is None:
            self.half_read_since = self._fed_at
        return None

    def clear(self) -> None:
        """Forget everything: the connection ends."""
        self._buffer.clear()
        self._offset = 0
        self.half_read_since = None
