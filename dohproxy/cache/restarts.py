"""The cache across a restart: out of one process and into the next, a few entries at a time.

Both ways cost some microseconds for an entry, and there may be hundreds of thousands. So whoever drives them decides
after each step whether somebody else is to have a turn.
"""

from itertools import islice

from dohproxy.cache.entry import Entry
from dohproxy.cache.freshness import Freshness, freshness
from dohproxy.cache.snapshot import MOST_ENTRIES, SavedEntry, Snapshot, SnapshotWriter
from dohproxy.cache.store import Cache
from dohproxy.wire.malformed import Malformed


class Saving:
    """A snapshot in the making. The cache may change meanwhile: what has gone by its turn is left out."""

    def __init__(self, cache: Cache, *, wall_now: float, now: float) -> None:
        """Begin a snapshot of this instant: `wall_now` in Unix seconds, `now` on the cache's own clock."""
        self._cache = cache
        self._now = now
        self._keys = cache.by_recency(MOST_ENTRIES)
        self.writer = SnapshotWriter(wall_now=wall_now, now=now)

    def step(self, most: int) -> bool:
        """Add at most so many entries; return False if there are no more, or no more have room."""
        keys = list(islice(self._keys, most))
        for key in keys:
            entry = self._cache.peek(key)
            if entry is None or freshness(entry, self._now, 0.0, self._cache.rules) is Freshness.DEAD:
                continue
            if not self.writer.add(key, entry):
                return False
        return len(keys) == most


class Restoring:
    """A cache on its way back. What it has learnt meanwhile stays as it is."""

    def __init__(self, cache: Cache, snapshot: Snapshot, *, wall_now: float, now: float) -> None:
        """Begin to take back a snapshot, at `wall_now` in Unix seconds and `now` on the cache's own clock.

        The time since it was written is age. Where the wall clock says that it has not been written yet, one of the
        two instants is wrong, and nothing gets younger by it.
        """
        self._cache = cache
        self._now = now
        self._written_at = now - max(wall_now - snapshot.written_at, 0.0)
        self._saved = iter(snapshot)
        self.restored = 0
        self.left_out = 0
        """Dead by now, without room, known already, not allowed any more, or unreadable."""
        self._fresh_when_written = 0
        self._fresh = 0

    def step(self, most: int) -> bool:
        """Take back at most so many entries; return False if there are no more."""
        batch = list(islice(self._saved, most))
        for saved in batch:
            self._fresh_when_written += saved.age < saved.lifetime
            entry = self._take(saved)
            if entry is None:
                self.left_out += 1
                continue
            self.restored += 1
            self._fresh += freshness(entry, self._now, 0.0, self._cache.rules) is Freshness.FRESH
        return len(batch) == most

    def _take(self, saved: SavedEntry) -> Entry | None:
        try:
            answer = saved.answer()
        except Malformed:
            return None
        stored_at = self._written_at - saved.age
        return self._cache.restore(saved.key, answer, saved.lifetime, stored_at, self._now)

    @property
    def is_warm(self) -> bool:
        """Whether at least half of what could be answered without asking when it was written still can.

        Most of a cache is stale at any time: it spares clients a failure, and upstreams nothing.
        """
        return 0 < self._fresh_when_written <= 2 * self._fresh
