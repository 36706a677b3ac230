"""Header blocks as they come in: over one HEADERS frame and any CONTINUATION behind it (RFC 9113 section 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from dohproxy.http2.allowances import Allowances
from dohproxy.http2.errors import ConnectionFault, ErrorCode, Excess
from dohproxy.http2.fields import MalformedRequest, RequestHead, RestOfHead, is_target, read_head
from dohproxy.http2.frames import END_HEADERS, END_STREAM, PADDED, PRIORITY_FLAG, STREAM_ID_MASK, without_padding
from dohproxy.http2.hpack import Decoder, TooLarge, cost_of, find_path, read_string
from dohproxy.http2.limits import Http2Limits
from dohproxy.http2.static_table import Field

MOST_KEPT_BYTES: Final = 16_384
"""The memory for header lists of one connection that are kept but for their paths: some eight lists. A client has one
kind of request or two, and a content-length for each padded length of its questions."""
KEPT_BYTES: Final = 250
"""What of that is charged for a field that is kept as it came, without its texts, and for what is around the fields."""
LONGEST_KEPT_BLOCK: Final = 256
"""Encoded bytes of them, as for a string that is kept."""
MOST_KEPT_TARGETS: Final = 12_288
"""Paths of all connections that are kept decoded: as many as a frontend has parsed requests, so that what is known
there is not decoded for it. At most 10 MB, and half of it as names are."""


@dataclass(slots=True)
class HeaderList:
    """The fields that a header block stands for. Equal blocks may share one: nothing in it changes."""

    fields: Sequence[Field] | None
    """The fields, None if they are over the limits. Those of a request whose like has come before lack its path."""
    _head: RequestHead | None = field(default=None, compare=False, repr=False)

    def head(self) -> RequestHead | None:
        """Return the request that the fields are, the same object each time; None if they are over the limits.

        Raises MalformedRequest.
        """
        if self._head is None and self.fields is not None:
            self._head = read_head(self.fields)
        return self._head


@dataclass(frozen=True, slots=True)
class _KeptRest:
    """What a block says but for its path; it says so until the dynamic table changes."""

    rest: RestOfHead
    fields: Sequence[Field]
    held: int
    """What it takes in memory."""
    longest_path: int
    """Bytes that a path may have before the list is over it."""


class BlockReader:
    """Collects the fragments of the one block that may be under way, and decodes it when it is whole.

    It is decoded whatever becomes of its stream: the dynamic table belongs to the connection.
    """

    def __init__(self, limits: Http2Limits, allowances: Allowances) -> None:
        self._limits = limits
        self._allowances = allowances
        self._decoder = Decoder(max_list_bytes=limits.max_header_bytes, max_fields=limits.max_fields)
        self._last: tuple[bytes, HeaderList] = b"", HeaderList(())
        """The last block and what it says: without it a request that repeats it costs twice as much. Of this and the
        next: only what leaves the dynamic table alone, and only until it changes."""
        self._rests: dict[bytes, _KeptRest] = {}
        """What blocks say but for their paths, by the block without its path, oldest first. Without them a request of
        which the path alone is another costs 93 % more."""
        self._kept_bytes = 0
        self.held_bytes = 0
        """What the client's header lists take in memory: those that are kept, its table, and a block under way."""
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
            # A client that repeats itself sends the same block; one with many questions changes the path alone.
            return self._last[1] if payload == self._last[0] else self._read(payload, now)
        self.stream_id = stream_id
        self.half_read_since = now
        self._fragments = []
        self._size = self._continuations = 0
        self._collect(payload)
        return None

    def go_on(self, flags: int, payload: bytes, now: float) -> HeaderList | None:
        """Take a CONTINUATION frame of the block under way; return what the block says if it is the last."""
        if not self.stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR)
        self._continuations += 1
        if self._continuations > self._limits.max_continuations:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, Excess.CONTINUATIONS)
        self._collect(payload)
        if not flags & END_HEADERS:
            return None
        headers = self._read(b"".join(self._fragments), now)
        self.clear()
        return headers

    def clear(self) -> None:
        """Forget a block under way."""
        self._fragments = []
        self._size = self.stream_id = 0
        self.half_read_since = None
        self._note_held()

    def _collect(self, fragment: bytes) -> None:
        self._fragments.append(fragment)
        self._size += len(fragment)
        self._note_held()
        self._need_within_limit(self._size)

    def _note_held(self) -> None:
        self.held_bytes = self._kept_bytes + self._decoder.held_bytes + self._size

    def _need_within_limit(self, size: int) -> None:
        if size > self._limits.max_block_bytes:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, Excess.HEADER_BLOCK)

    def _read(self, block: bytes, now: float) -> HeaderList:
        if len(block) > LONGEST_KEPT_BLOCK:
            self._need_within_limit(len(block))
            self._allowances.read_block(len(block), now)
            return self._decode(block)
        place = find_path(block)
        if place is None:
            around, headers = b"", None
        else:
            start, end = place
            around = block[:start] + block[end:]
            headers = self._compose(around, block[start:end])
        if headers is None:
            changes = self._decoder.changes
            headers = self._decode(block)
            if changes != self._decoder.changes:
                return headers
            if around and around not in self._rests:
                self._keep_rest(around, headers)
        self._last = block, headers
        return headers

    def _compose(self, around: bytes, path: bytes) -> HeaderList | None:
        """Return what a block says whose like has come before, from what is around its path and that; None if it has
        not, or it is no request now."""
        kept = self._rests.get(around)
        if kept is None:
            return None
        target = _target(path)
        if target is None or len(target) > kept.longest_path:
            return None
        return HeaderList(kept.fields, RequestHead(kept.rest, target))

    def _keep_rest(self, around: bytes, headers: HeaderList) -> None:
        try:
            head = headers.head()
        except MalformedRequest:
            return
        if head is None or headers.fields is None:
            return
        fields = [field for field in headers.fields if field[0] != b":path"]
        cost = sum(map(cost_of, fields))
        held = cost + KEPT_BYTES * (len(fields) + 1) + len(around) + head.rest.held_bytes
        if held > MOST_KEPT_BYTES:
            return
        self._kept_bytes += held
        while self._kept_bytes > MOST_KEPT_BYTES:
            self._kept_bytes -= self._rests.pop(next(iter(self._rests))).held
        longest_path = self._limits.max_header_bytes - cost - cost_of((b":path", b""))
        self._rests[around] = _KeptRest(head.rest, fields, held, longest_path)
        self._note_held()

    def _decode(self, block: bytes) -> HeaderList:
        changes = self._decoder.changes
        try:
            return HeaderList(self._decoder.decode(block))
        except TooLarge:
            return HeaderList(None)
        finally:
            if changes != self._decoder.changes:
                self._last = b"", HeaderList(())
                self._rests.clear()
                self._kept_bytes = 0
                self._note_held()


@lru_cache(maxsize=MOST_KEPT_TARGETS)
def _target(path: bytes) -> str | None:
    """Return the request target that a string of a header block is; None if it is none.

    Kept, because popular names are asked for by everybody: where the path alone changes, a request costs 86 % more
    without.
    """
    value = read_string(path)
    return value.decode("ascii") if is_target(value) else None


def kept_targets() -> int:
    """Return how many paths are kept decoded."""
    return _target.cache_info().currsize


def _without_prefix(flags: int, stream_id: int, payload: bytes) -> tuple[bytes, bool]:
    """Return a HEADERS payload without padding and priority, and whether that says its stream depends on itself."""
    fragment = without_padding(flags, payload)
    if not flags & PRIORITY_FLAG:
        return fragment, False
    if len(fragment) < 5:
        is_padding_to_blame = len(payload) >= 5 + bool(flags & PADDED)
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR if is_padding_to_blame else ErrorCode.FRAME_SIZE_ERROR)
    return fragment[5:], int.from_bytes(fragment[:4]) & STREAM_ID_MASK == stream_id
