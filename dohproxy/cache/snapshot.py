"""The cache as bytes, to outlast the process: what is written, and how little of what is read is believed.

    magic  8 bytes           "dohcache"
    head   version           16 bits
           written at        64 bits, Unix seconds, rounded down
    entry  lengths           key and records, 16 bits each
           flags             16 bits, as in a DNS header: AD and the rcode; no other bit but AA, which means nothing
           counts            answer, authority, additional: 16 bits each
           EDE codes         8 bits, how many of them follow
           age               32 bits, seconds when it was written, rounded up
           lifetime          32 bits, seconds
           EDE codes, key, records
    ...    the most recently used first, so that a reader with less room or time has the best of them
    foot   entries           32 bits
           BLAKE2b           32 bytes, over everything before

All numbers are big-endian. Instants are ages, because the clock that the cache lives by begins anew with the machine.

The checksum tells a damaged file, not who wrote it. So every length is checked, and the records are read as what an
upstream sends: `parse_answer` finds kind, TTLs and their places again, none of which is taken from the file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import ceil
from typing import Final

from dohproxy.cache.entry import Entry
from dohproxy.wire.answer import MOST_ERRORS, Answer, parse_answer
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.name import question_name_end
from dohproxy.wire.numbers import AA, AD, CLASS_IN, HEADER_BYTES, QR, RCODE_MASK
from dohproxy.wire.query import Query

MAGIC: Final = b"dohcache"
VERSION: Final = 1
MOST_ENTRIES: Final = 100_000
"""Entries of a snapshot: more than a third of what the default cache holds, and about what can be loaded while a start
may wait. What is used least stays out."""
MOST_BYTES: Final = 67_108_864
"""The greatest length of a snapshot: so many ordinary answers make 12 MB. A longer file is none of ours."""

_DIGEST_BYTES: Final = 32
_VERSION: Final = struct.Struct("!H")
_HEAD: Final = struct.Struct("!8sHQ")
_ENTRY: Final = struct.Struct("!HHHHHHBII")
_COUNT: Final = struct.Struct("!I")
_FOOT_BYTES: Final = _COUNT.size + _DIGEST_BYTES
_DNS_HEADER: Final = struct.Struct("!6H")
_CLASS: Final = CLASS_IN.to_bytes(2)
_KEY_TAIL_BYTES: Final = 3
"""Type, and a byte with DO and CD, behind the name in a key."""
_MOST_KEY_BITS: Final = 3
_FLAGS: Final = AA | AD | RCODE_MASK
"""Files of releases that kept AA are read."""


class DamagedSnapshot(Exception):
    """Raised for bytes that are no snapshot, or not a whole one; the message is a predicate, for the operator."""


class SnapshotWriter:
    """Makes the bytes of one snapshot, which may be taken away piece by piece."""

    def __init__(self, *, wall_now: float, now: float) -> None:
        """Begin a snapshot of the instant that is `wall_now` in Unix seconds and `now` on the cache's own clock."""
        self._now = now
        self._digest = blake2b(digest_size=_DIGEST_BYTES)
        self._parts = [_HEAD.pack(MAGIC, VERSION, max(int(wall_now), 0))]
        self.entries = 0
        self.size = _HEAD.size + _FOOT_BYTES
        """Bytes of the whole, if it ended here."""

    def add(self, key: bytes, entry: Entry) -> bool:
        """Add an entry; return False if the snapshot has no room for it.

        One that was stored after the snapshot's instant gets age 0, which makes it older than it is, never younger.
        """
        packed = pack_entry(key, entry, age=ceil(max(self._now - entry.stored_at, 0.0)))
        if self.entries == MOST_ENTRIES or self.size + len(packed) > MOST_BYTES:
            return False
        self._parts.append(packed)
        self.entries += 1
        self.size += len(packed)
        return True

    def take(self) -> bytes:
        """Return what was added since the last time."""
        chunk = b"".join(self._parts)
        self._parts = []
        self._digest.update(chunk)
        return chunk

    def finish(self) -> bytes:
        """Return the rest; nothing may be added any more."""
        self._parts.append(_COUNT.pack(self.entries))
        return self.take() + self._digest.digest()


def pack_entry(key: bytes, entry: Entry, *, age: int) -> bytes:
    """Return one entry as it stands in a snapshot, so many whole seconds old."""
    flags = entry.authentic * AD | entry.rcode
    errors, records = entry.errors, entry.records
    head = _ENTRY.pack(len(key), len(records), flags, *entry.counts, len(errors), age, entry.lifetime)
    return b"".join((head, *(error.to_bytes(2) for error in errors), key, records))


@dataclass(frozen=True, slots=True)
class SavedEntry:
    """One entry of a snapshot. Its lengths and its key are right; its records have not been looked at."""

    key: bytes
    flags: int
    counts: tuple[int, int, int]
    errors: tuple[int, ...]
    age: int
    """Seconds, at the instant of writing."""
    lifetime: int
    records: bytes

    def answer(self) -> Answer:
        """Read the records as an upstream's answer to the question of `key`.

        Raises Malformed if they are none. That may happen to what we wrote ourselves: another release may have taken
        more for an answer than this one.
        """
        question = self.key[:-1] + _CLASS
        wire = _DNS_HEADER.pack(0, QR | self.flags, 1, *self.counts) + question + self.records
        qname = self.key[:-_KEY_TAIL_BYTES]
        query = Query(0, 0, question, qname, int.from_bytes(question[-4:-2]), CLASS_IN, None, self.key)
        answer = parse_answer(wire, query)
        return replace(answer, errors=self.errors) if self.errors else answer


class Snapshot:
    """A snapshot that was read. Made by `read_snapshot`."""

    def __init__(self, data: bytes, written_at: int) -> None:
        self._data = data
        self.written_at = written_at
        """Unix seconds."""

    def __iter__(self) -> Iterator[SavedEntry]:
        """Yield the entries, the most recently used first."""
        offset, end = _HEAD.size, len(self._data) - _FOOT_BYTES
        while offset < end:
            saved, offset = read_entry(self._data, offset, end)
            yield saved


def read_snapshot(data: bytes) -> Snapshot:
    """Return the snapshot that these bytes are, after a look at every entry. Raises DamagedSnapshot.

    Takes time in proportion to the bytes, about 3 us for an entry.
    """
    written_at = _check_ends(data)
    snapshot = Snapshot(data, written_at)
    (announced,) = _COUNT.unpack_from(data, len(data) - _FOOT_BYTES)
    found = 0
    for found, _ in enumerate(snapshot, start=1):
        if found > MOST_ENTRIES:
            raise DamagedSnapshot(f"holds more than {MOST_ENTRIES} entries")
    if found != announced:
        raise DamagedSnapshot(f"holds {found} entries and announces {announced}")
    return snapshot


def _check_ends(data: bytes) -> int:
    """Check everything but the entries; return the instant of writing."""
    if not data:
        raise DamagedSnapshot("is empty")
    if len(data) > MOST_BYTES:
        raise DamagedSnapshot(f"is longer than {MOST_BYTES} bytes, so hardly a snapshot")
    if not data.startswith(MAGIC):
        raise DamagedSnapshot("is not a cache snapshot")
    if len(data) < _HEAD.size + _FOOT_BYTES:
        raise DamagedSnapshot("is cut short")
    version: int
    written_at: int
    _, version, written_at = _HEAD.unpack_from(data)
    # First, because another version may have another kind of checksum.
    if version != VERSION:
        raise DamagedSnapshot(f"is a snapshot of version {version}, and this program reads version {VERSION}")
    if blake2b(memoryview(data)[:-_DIGEST_BYTES], digest_size=_DIGEST_BYTES).digest() != data[-_DIGEST_BYTES:]:
        raise DamagedSnapshot("is damaged or cut short: its checksum is wrong")
    return written_at


def read_entry(data: bytes, offset: int, end: int) -> tuple[SavedEntry, int]:
    """Read the entry at `offset`, which must not reach beyond `end`; return it and the offset after it. Raises
    DamagedSnapshot."""
    body = offset + _ENTRY.size
    if body > end:
        raise DamagedSnapshot(f"breaks off within the entry at byte {offset}")
    key_bytes, record_bytes, flags, *counts, error_count, age, lifetime = _ENTRY.unpack_from(data, offset)
    if error_count > MOST_ERRORS or flags & ~_FLAGS:
        raise DamagedSnapshot(f"has an impossible entry at byte {offset}")
    key_start = body + 2 * error_count
    records_start = key_start + key_bytes
    after = records_start + record_bytes
    if after > end:
        raise DamagedSnapshot(f"breaks off within the entry at byte {offset}")
    key = data[key_start:records_start]
    if not _is_key(key):
        raise DamagedSnapshot(f"has an entry for no question at byte {offset}")
    errors = struct.unpack_from(f"!{error_count}H", data, body)
    answers, authority, additional = counts
    saved = SavedEntry(key, flags, (answers, authority, additional), errors, age, lifetime, data[records_start:after])
    return saved, after


def _is_key(key: bytes) -> bool:
    """Tell whether `parse_query` can have made this key: a name in lower case, a type, and DO and CD."""
    name = key[:-_KEY_TAIL_BYTES]
    try:
        end = question_name_end(bytes(HEADER_BYTES) + name)
    except Malformed:
        return False
    return end == HEADER_BYTES + len(name) and name == name.lower() and key[-1] <= _MOST_KEY_BITS
