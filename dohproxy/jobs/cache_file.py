"""The cache's file: read once before anybody is served, written now and then and at the end.

It is there to spare the upstreams the questions of a whole membership after a restart, and worth no more than that: no
state of the file or of the disk keeps the service from starting, ends it, or makes it slow.

It is loaded before the first connection is accepted. The sockets listen by then, so clients wait in the backlog, a
second for 50,000 entries; served meanwhile, they would ask the upstreams for the very names that are about to come
back. LOAD_SECONDS bounds it: the file has the most used entries first, and what does not come in time stays out.

It is written while the service works: entries become bytes on the event loop, which owns them, in slices.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from dohproxy.cache import Cache
from dohproxy.cache.restarts import Restoring, Saving
from dohproxy.cache.snapshot import MOST_BYTES, MOST_ENTRIES, DamagedSnapshot, Snapshot, read_snapshot
from dohproxy.jobs.atomic_file import AtomicFile, read_own_file
from dohproxy.jobs.saved_file import SavedFile, Words
from dohproxy.jobs.turns import Turns

LOAD_SECONDS: Final = 4.0
"""That a start may take longer. A stub that asked first of all waits 5 (resolv.conf(5))."""
WORDS: Final = Words("cache snapshot", "the cache begins empty")

_log = structlog.get_logger("dohproxy.cache")


@dataclass(frozen=True, slots=True)
class CacheFileStatistics:
    """What the metrics show."""

    restored: int
    """Entries taken back at the start."""
    left_out: int
    """Entries of the file that were not: too old, without room, or not allowed any more."""
    saved_at: float
    """Unix seconds of the last snapshot that was saved; 0.0 if none was yet."""
    saved: int
    """Its entries."""
    most_entries: int
    save_failures: int


class CacheFile:
    """Keeps a cache in a file from one process to the next."""

    def __init__(
        self,
        path: Path,
        cache: Cache,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        """`clock` is the cache's own, `wall_clock` gives Unix seconds, `spent` the CPU time of this thread."""
        self._file = SavedFile(path, WORDS, _log, (DamagedSnapshot,))
        self._cache = cache
        self._clock = clock
        self._wall_clock = wall_clock
        self._spent = spent
        self._restored = 0
        self._left_out = 0
        self._saved_at = 0.0
        self._saved = 0

    def statistics(self) -> CacheFileStatistics:
        """Return the figures."""
        return CacheFileStatistics(
            self._restored, self._left_out, self._saved_at, self._saved, MOST_ENTRIES, self._file.save_failures
        )

    async def load(self) -> bool:
        """Take back what the file holds; return whether the cache is warm by it (see `Restoring.is_warm`).

        Takes LOAD_SECONDS at most. A file that is no good is put aside.
        """
        until = self._clock() + LOAD_SECONDS
        return bool(await self._file.load(_read, lambda snapshot: self._restore(snapshot, until), LOAD_SECONDS))

    async def _restore(self, snapshot: Snapshot, until: float) -> bool:
        restoring = Restoring(self._cache, snapshot, wall_now=self._wall_clock(), now=self._clock())
        turns = Turns(self._spent)
        while restoring.step(1) and self._clock() < until:
            await turns.give_way()
        self._restored, self._left_out = restoring.restored, restoring.left_out
        _log.info("the cache is back", restored=restoring.restored, left_out=restoring.left_out)
        return restoring.is_warm

    async def save_forever(self, every_seconds: float) -> None:
        """Save every so often until cancelled."""
        while True:
            await asyncio.sleep(every_seconds)
            await self.save()

    async def save_last(self) -> None:
        """Save for the last time."""
        await self._file.save_last(self.save())

    async def save(self) -> None:
        """Write the cache as it is now. What fails is logged and counted, and the snapshot before stays."""
        await self._file.save(self._write)

    async def _write(self, replacement: AtomicFile) -> None:
        wall_now = self._wall_clock()
        turns = Turns(self._spent)
        saving = Saving(self._cache, wall_now=wall_now, now=self._clock())
        await self._file.in_thread(replacement.open)
        while saving.step(1):
            if turns.is_over:
                await self._file.in_thread(replacement.write, saving.writer.take())
                turns.begin()
        await self._file.in_thread(replacement.write, saving.writer.finish())
        await self._file.in_thread(replacement.commit)
        self._saved_at, self._saved = wall_now, saving.writer.entries


def _read(path: Path) -> Snapshot:
    return read_snapshot(read_own_file(path, MOST_BYTES + 1))
