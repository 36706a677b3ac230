"""Header blocks as they come in: over one HEADERS frame and any CONTINUATION behind it (RFC 9113 section 4.3)."""

from dataclasses import dataclass, field
from typing import Final

from dohproxy.http2.errors import ConnectionFault, ErrorCode
from dohproxy.http2.fields import RequestHead, read_head
from dohproxy.http2.frames import END_HEADERS, END_STREAM, PADDED, PRIORITY_FLAG, STREAM_ID_MASK, without_padding
from dohproxy.http2.hpack import Decoder, Field, TooLarge
from dohproxy.http2.limits import Http2Limits

MOST_KEPT_LISTS: Final = 4
"""Header lists of one connection that are kept decoded: a POST client's only one, a GET client's last questions. Each
may have all that a header list may have."""
LONGEST_KEPT_BLOCK: Final = 256
"""Encoded bytes of them, as for a string that is kept."""


@dataclass(slots=True)
class HeaderList:
    """The fields that a header block stands for. Equal blocks may share one: nothing in it changes."""

    fields: list[Field] | None
    """None: over the limits."""
    _head: RequestHead | None = field(default=None, compare=False, repr=False)

    def head(self) -> RequestHead | None:
        """Return the request that the fields are, the same object each time; None if they are over the limits.

        Raises MalformedRequest.
        """
        if self._head is None and self.fields is not None:
            self._head = read_head(self.fields)
        return self._head


class BlockReader:
    """Collects the fragments of the one block that may be under way, and decodes it when it is whole.

    It is decoded whatever becomes of its stream: the dynamic table belongs to the connection.
    """

    def __init__(self, limits: Http2Limits) -> None:
        self._limits = limits
        self._decoder = Decoder(max_list_bytes=limits.max_header_bytes, max_fields=limits.max_fields)
        self._kept: dict[bytes, HeaderList] = {}
        """By block, oldest first; only of blocks that leave the dynamic table alone, and only until it changes."""
        self._fragments: list[bytes] = []
        self._size = 0
        self._continuations = 0
        self.ends_stream = False
        """Whether the request ends with the last block, or the one under way."""
        self.depends_on_itself = False
        """Whether it makes its stream depend on itself."""
        self.stream_id = 0
        """The stream whose block is under way; 0 if none is."""
        self.half_read_since: float | None = None
        """When that block began, monotonic seconds."""

    def begin(self, flags: int, stream_id: int, payload: bytes, now: float) -> HeaderList | None:
        """Take a HEADERS frame; return what the block says if that is all of it."""
        self.ends_stream = flags & END_STREAM != 0
        self.depends_on_itself = False
        if flags & (PADDED | PRIORITY_FLAG):
            payload, self.depends_on_itself = _without_prefix(flags, stream_id, payload)
        if flags & END_HEADERS:
            return self._kept.get(payload) or self._decode(payload)
        self.stream_id = stream_id
        self.half_read_since = now
        self._fragments = []
        self._size = self._continuations = 0
        self._collect(payload)
        return None

    def go_on(self, flags: int, payload: bytes) -> HeaderList | None:
        """Take a CONTINUATION frame of the block under way; return what the block says if it is the last."""
        if not self.stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
        self._continuations += 1
        if self._continuations > self._limits.max_continuations:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "continuations")
        self._collect(payload)
        if not flags & END_HEADERS:
            return None
        headers = self._decode(b"".join(self._fragments))
        self.clear()
        return headers

    def clear(self) -> None:
        """Forget a block under way."""
        self._fragments = []
        self.stream_id = 0
        self.half_read_since = None

    def _collect(self, fragment: bytes) -> None:
        self._fragments.append(fragment)
        self._size += len(fragment)
        self._need_within_limit(self._size)

    def _need_within_limit(self, size: int) -> None:
        if size > self._limits.max_block_bytes:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "header block")

    def _decode(self, block: bytes) -> HeaderList:
        self._need_within_limit(len(block))
        changes = self._decoder.changes
        try:
            headers = HeaderList(self._decoder.decode(block))
        except TooLarge:
            headers = HeaderList(None)
        if changes != self._decoder.changes:
            self._kept.clear()
        elif len(block) <= LONGEST_KEPT_BLOCK:
            if len(self._kept) >= MOST_KEPT_LISTS:
                del self._kept[next(iter(self._kept))]
            self._kept[block] = headers
        return headers


def _without_prefix(flags: int, stream_id: int, payload: bytes) -> tuple[bytes, bool]:
    """Return a HEADERS payload without padding and priority, and whether that says its stream depends on itself."""
    fragment = without_padding(flags, payload)
    if not flags & PRIORITY_FLAG:
        return fragment, False
    if len(fragment) < 5:
        is_padding_to_blame = len(payload) >= 5 + bool(flags & PADDED)
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR if is_padding_to_blame else ErrorCode.FRAME_SIZE_ERROR)
    return fragment[5:], int.from_bytes(fragment[:4]) & STREAM_ID_MASK == stream_id
