"""Header blocks as they come in: over one HEADERS frame and any CONTINUATION behind it (RFC 9113 section 4.3)."""

from dataclasses import dataclass

from dohproxy.http2.errors import ConnectionFault, ErrorCode
from dohproxy.http2.frames import END_HEADERS, END_STREAM, PADDED, PRIORITY_FLAG, STREAM_ID_MASK, without_padding
from dohproxy.http2.hpack import Decoder, Field, TooLarge
from dohproxy.http2.limits import Http2Limits


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """A whole header block, decoded."""

    stream_id: int
    ends_stream: bool
    depends_on_itself: bool
    fields: list[Field] | None
    """None: the list is over its limits."""


class BlockReader:
    """Collects the fragments of the one block that may be under way, and decodes it when it is whole.

    It is decoded whatever becomes of its stream: the dynamic table belongs to the connection.
    """

    def __init__(self, limits: Http2Limits) -> None:
        self._limits = limits
        self._decoder = Decoder(max_list_bytes=limits.max_header_bytes, max_fields=limits.max_fields)
        self._fragments: list[bytes] = []
        self._size = 0
        self._continuations = 0
        self._ends_stream = False
        self._depends_on_itself = False
        self.stream_id = 0
        """The stream whose block is under way; 0 if none is."""
        self.half_read_since: float | None = None
        """When that block began, monotonic seconds."""

    def begin(self, flags: int, stream_id: int, payload: bytes, now: float) -> HeaderBlock | None:
        """Take a HEADERS frame; return the block if that is all of it."""
        fragment = without_padding(flags, payload)
        self._depends_on_itself = False
        if flags & PRIORITY_FLAG:
            if len(fragment) < 5:
                is_padding_to_blame = len(payload) >= 5 + bool(flags & PADDED)
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR if is_padding_to_blame else ErrorCode.FRAME_SIZE_ERROR)
            self._depends_on_itself = int.from_bytes(fragment[:4]) & STREAM_ID_MASK == stream_id
            fragment = fragment[5:]
        self.stream_id = stream_id
        self.half_read_since = now
        self._ends_stream = bool(flags & END_STREAM)
        self._fragments = []
        self._size = self._continuations = 0
        return self._add(flags, fragment)

    def go_on(self, flags: int, payload: bytes) -> HeaderBlock | None:
        """Take a CONTINUATION frame of the block under way; return the block if it is the last."""
        if not self.stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
        self._continuations += 1
        if self._continuations > self._limits.max_continuations:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "continuations")
        return self._add(flags, payload)

    def clear(self) -> None:
        """Forget a block under way."""
        self._fragments = []
        self.stream_id = 0
        self.half_read_since = None

    def _add(self, flags: int, fragment: bytes) -> HeaderBlock | None:
        self._fragments.append(fragment)
        self._size += len(fragment)
        if self._size > self._limits.max_block_bytes:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "header block")
        if not flags & END_HEADERS:
            return None
        stream_id = self.stream_id
        try:
            fields: list[Field] | None = self._decoder.decode(b"".join(self._fragments))
        except TooLarge:
            fields = None
        self.clear()
        return HeaderBlock(stream_id, self._ends_stream, self._depends_on_itself, fields)
