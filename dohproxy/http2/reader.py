"""From bytes to frames: the preface, the nine bytes of header, and nothing longer than we said we take."""

import struct
from collections.abc import Iterator
from typing import Final

from dohproxy.http2.errors import ConnectionFault, ErrorCode
from dohproxy.http2.frames import HEADER_BYTES, LARGEST_FRAME, PREFACE, STREAM_ID_MASK

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream id, payload."""

_HEADER: Final = struct.Struct("!IBI")
"""The length's three bytes are read together with the type behind them."""


class FrameReader:
    """Keeps at most one unfinished frame from one read to the next; a read that holds whole frames is not copied."""

    def __init__(self) -> None:
        self.rest = b""
        """What has come of a frame that is not whole yet."""
        self._has_preface = False
        self.half_read_since: float | None = None
        """When its first bytes came, monotonic seconds."""

    def frames(self, data: bytes, now: float) -> Iterator[Frame]:
        """Yield the frames that are whole with what arrived; taken to its end, it keeps the rest.

        Raises ConnectionFault if the connection does not begin with the preface, and for a frame that is too long (RFC
        9113 section 4.2).
        """
        if self.rest:
            data = self.rest + data
        start = 0 if self._has_preface else self._read_preface(data)
        size = len(data)
        while self._has_preface and size - start >= HEADER_BYTES:
            length, flags, stream_id = _HEADER.unpack_from(data, start)
            kind, length = length & 0xFF, length >> 8
            if length > LARGEST_FRAME:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR)
            payload = start + HEADER_BYTES
            end = payload + length
            if end > size:
                break
            yield kind, flags, stream_id & STREAM_ID_MASK, data[payload:end]
            start = end
        self.rest = data[start:]
        if not self.rest:
            self.half_read_since = None
        elif start or self.half_read_since is None:
            self.half_read_since = now

    def clear(self) -> None:
        """Forget everything: the connection ends."""
        self.rest = b""
        self.half_read_since = None

    def _read_preface(self, data: bytes) -> int:
        """Return where the first frame begins, if the preface is whole."""
        if not PREFACE.startswith(data[: len(PREFACE)]):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
        if len(data) < len(PREFACE):
            return 0
        self._has_preface = True
        return len(PREFACE)
