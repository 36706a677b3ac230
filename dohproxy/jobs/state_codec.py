"""The state file as bytes: sealed under the key, so that what is damaged or somebody else's is never taken for ours.

It begins with a line that says what it is, the version of its form, a mark of the key and the length of the head. The
head is JSON: when it was saved, the values of the upstreams, and what tables follow. A table is its slots, some
thousands at a time, each of these pieces compressed by itself: slots that are not in use cost next to nothing. The seal
of everything before it stands at the end.

It holds hashes and numbers alone. Compressing and sealing leave other threads their turns, as zlib and hashlib do.
"""

import hashlib
import hmac
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dohproxy.jobs.saved_file import CannotSave
from dohproxy.jobs.state_key import StateKey
from dohproxy.saved import Saved, UnfitState, read_count, read_dict, read_list, read_number

MAGIC: Final = b"dohproxy state\n"
VERSION: Final = 1
PIECE_SLOTS: Final = 8_192
"""64 KiB of a table: compressed at once in a millisecond."""
SLOT_BYTES: Final = 8
MOST_SLOTS: Final = 2_097_152
"""Of a larger table nothing is kept: it would take a tenth of a second of every start, and 16 MiB of disk every minute.
It is sixteen times the default."""
MOST_HEAD_BYTES: Final = 1_048_576
"""16 upstreams take 40 KB."""
MOST_BYTES: Final = 18 * 1_048_576
"""The largest table that is kept, incompressible, and the longest head. A longer file is neither written nor read."""
SEAL_BYTES: Final = 32
COMPRESSION: Final = 1
"""The fastest: hashes do not get smaller, and zeros vanish at any level."""

LARGEST_CLOCK: Final = 34 * 366 * 86_400.0
"""What a seniority's 24 bits hold."""

_PREFIX: Final = struct.Struct(f"!{len(MAGIC)}sH8sI")
_LATEST: Final = 1e11
"""Unix seconds; in 3,000 years."""


class UnreadableState(Exception):
    """A file is not to be used; the message is a predicate, for the operator."""


class StateTooLarge(CannotSave):
    """There is more to be kept than a file may hold."""


@dataclass(frozen=True, slots=True)
class SavedTable:
    """The slots of one table."""

    slots: int
    clock: float
    """The table's own time."""
    used: int
    """How many slots are in use."""
    pieces: Sequence[bytes]
    """Its slots, PIECE_SLOTS at a time; empty where none of them is in use."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """What one process hands over to the next."""

    saved_at: float
    """Unix seconds."""
    is_last: bool
    """Whether the process did nothing any more after it was saved."""
    values: Saved
    tables: dict[str, SavedTable]


def encode(state: SavedState, key: StateKey) -> bytes:
    """Return a file's content. Raises StateTooLarge."""
    compressed = {
        name: [zlib.compress(piece, COMPRESSION) if piece else b"" for piece in table.pieces]
        for name, table in state.tables.items()
    }
    tables = {
        name: {
            "slots": table.slots,
            "clock": table.clock,
            "used": table.used,
            "pieces": [len(piece) for piece in compressed[name]],
        }
        for name, table in state.tables.items()
    }
    head = json.dumps(
        {"saved_at": state.saved_at, "is_last": state.is_last, "values": state.values, "tables": tables},
        allow_nan=False,
    ).encode()
    prefix = _PREFIX.pack(MAGIC, VERSION, key.mark, len(head))
    content = b"".join((prefix, head, *(piece for pieces in compressed.values() for piece in pieces)))
    if len(head) > MOST_HEAD_BYTES or len(content) + SEAL_BYTES > MOST_BYTES:
        raise StateTooLarge(f"it would be longer than {MOST_BYTES} bytes")
    return content + _seal(content, key)


def decode(content: bytes, key: StateKey) -> SavedState:
    """Return what a file holds. Raises UnreadableState for anything that `encode` has not made under this key."""
    if len(content) > MOST_BYTES:
        raise UnreadableState(f"is longer than {MOST_BYTES} bytes, so it is not ours")
    if len(content) < _PREFIX.size + SEAL_BYTES:
        raise UnreadableState("is cut short")
    magic, version, mark, head_bytes = _PREFIX.unpack_from(content)
    if magic != MAGIC:
        raise UnreadableState("is no state file")
    if version != VERSION:
        raise UnreadableState(f"is of version {version}, and this program knows version {VERSION}")
    if mark != key.mark:
        raise UnreadableState("was written under another key")
    sealed, seal = content[:-SEAL_BYTES], content[-SEAL_BYTES:]
    if not hmac.compare_digest(_seal(sealed, key), seal):
        raise UnreadableState("is damaged or cut short")
    try:
        # From here on it is of our own making, if perhaps of another day's.
        head = json.loads(sealed[_PREFIX.size : _PREFIX.size + head_bytes])
        return _read(head, memoryview(sealed)[_PREFIX.size + head_bytes :])
    except (UnfitState, ValueError, zlib.error, RecursionError):
        raise UnreadableState("holds something that cannot be understood") from None


def _read(head: object, rest: memoryview) -> SavedState:
    if not isinstance(head, dict):
        raise UnfitState("head")
    tables: dict[str, SavedTable] = {}
    described = read_dict(head, "tables")
    for name in described:
        table = read_dict(described, name)
        slots = read_count(table, "slots", MOST_SLOTS)
        used, clock = read_count(table, "used", slots), read_number(table, "clock", 0.0, LARGEST_CLOCK)
        lengths = [_length(one) for one in read_list(table, "pieces", MOST_SLOTS // PIECE_SLOTS)]
        total = sum(lengths)
        if total > len(rest):
            raise UnfitState("pieces")
        tables[name] = SavedTable(slots, clock, used, list(_pieces(slots, lengths, rest[:total])))
        rest = rest[total:]
    if rest:
        raise UnfitState("tables")
    saved_at = read_number(head, "saved_at", 0.0, _LATEST)
    return SavedState(saved_at, head.get("is_last") is True, read_dict(head, "values"), tables)


def _pieces(slots: int, lengths: Sequence[int], compressed: memoryview) -> Iterator[bytes]:
    if len(lengths) != -(-slots // PIECE_SLOTS):
        raise UnfitState("pieces")
    for number, length in enumerate(lengths):
        expected = min(PIECE_SLOTS, slots - number * PIECE_SLOTS) * SLOT_BYTES
        piece = zlib.decompressobj().decompress(compressed[:length], expected + 1) if length else b""
        if len(piece) not in (0, expected):
            raise UnfitState("pieces")
        yield piece
        compressed = compressed[length:]


def _length(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= MOST_BYTES:
        raise UnfitState("pieces")
    return value


def _seal(content: bytes, key: StateKey) -> bytes:
    return hashlib.blake2b(content, digest_size=SEAL_BYTES, key=key.file).digest()
