"""What must hold for every byte string in the place of a snapshot. The fuzz target calls this, and so does pytest."""

import struct
from contextlib import suppress
from hashlib import blake2b
from typing import Final

from dohproxy.cache import Cache, Freshness
from dohproxy.cache.freshness import freshness
from dohproxy.cache.restarts import Restoring, Saving
from dohproxy.cache.snapshot import DamagedSnapshot, SavedEntry, Snapshot, read_snapshot
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import MOST_ERRORS, MOST_RECORDS
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.query import parse_query

RULES: Final = CacheConfig(max_megabytes=1)
WRITTEN_AT: Final = 1_800_000_000
NOW: Final = 500.0


def seal(body: bytes, count: int, *, version: int = 1, written_at: int = WRITTEN_AT) -> bytes:
    """Return a file with these bytes for its entries, and the checksum that they would have."""
    content = struct.pack("!8sHQ", b"dohcache", version, written_at) + body + struct.pack("!I", count)
    return content + blake2b(content, digest_size=32).digest()


def check_snapshot(data: bytes) -> None:
    """Hold every promise on these bytes: as they are, and as so many entries as the first of them says, sealed."""
    check_file(data)
    if data:
        check_file(seal(data[1:], data[0]))


def check_file(data: bytes) -> Snapshot | None:
    """Hold every promise on a file of these bytes; return the snapshot if it is one."""
    try:
        snapshot = read_snapshot(data)
    except DamagedSnapshot:
        return None
    for saved in snapshot:
        _is_an_entry(saved)
    once = _taken_back(snapshot)
    second = read_snapshot(_saved(once))
    again = _taken_back(second)
    assert _contents(again) == _contents(once)
    return snapshot


def _is_an_entry(saved: SavedEntry) -> None:
    name, tail = saved.key[:-3], saved.key[-3:]
    flags = 0x0100 | (tail[2] & 2) << 3
    opt = struct.pack("!BHHIH", 0, 41, 1232, (tail[2] & 1) << 15, 0)
    query = parse_query(struct.pack("!6H", 0, flags, 1, 0, 0, 1) + name + tail[:2] + b"\x00\x01" + opt)
    assert query.key == saved.key
    with suppress(Malformed):
        answer = saved.answer()
        assert not answer.truncated
        assert len(answer.ttl_offsets) == sum(answer.counts) <= MOST_RECORDS
        assert len(answer.errors) <= MOST_ERRORS


def _taken_back(snapshot: Snapshot) -> Cache:
    cache = Cache(RULES)
    restoring = Restoring(cache, snapshot, wall_now=WRITTEN_AT, now=NOW)
    while restoring.step(1):
        pass
    figures = cache.statistics()
    assert restoring.restored == figures.positive_entries + figures.negative_entries
    assert restoring.restored + restoring.left_out == sum(1 for _ in snapshot)
    assert figures.positive_bytes <= figures.positive_max_bytes
    assert figures.negative_bytes <= figures.negative_max_bytes
    assert figures.evictions == 0
    return cache


def _saved(cache: Cache) -> bytes:
    saving = Saving(cache, wall_now=WRITTEN_AT, now=NOW)
    while saving.step(1):
        pass
    return saving.writer.finish()


def _contents(cache: Cache) -> list[tuple[bytes, bytes, int]]:
    """Return what the cache would say, in the order of use, and that it keeps to the rules."""
    contents = []
    for key in cache.by_recency(1_000_000):
        entry = cache.peek(key)
        assert entry is not None
        assert entry.lifetime <= RULES.maximum_ttl_seconds
        assert freshness(entry, NOW, 0.0, RULES) is not Freshness.DEAD
        contents.append((key, entry.content(NOW).records, entry.max_age(NOW)))
        entry.stale_content(30)
    return contents
