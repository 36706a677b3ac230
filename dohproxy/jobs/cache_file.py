"""The cache's file: read once before anybody is served, written now and then and at the end.

It is there to spare the upstreams the questions of a whole membership after a restart, and worth no more than that: no
state of the file or of the disk keeps the service from starting, ends it, or makes it slow.

It is loaded before the first connection is accepted. The sockets listen by then, so clients wait in the backlog, a
second for 50,000 entries; served meanwhile, they would ask the upstreams for the very names that are about to come
back. LOAD_SECONDS bounds it: the file has the most used entries first, and what does not come in time stays out.

It is written while the service works. Entries become bytes on the event loop, which owns them, for SLICE_SECONDS at a
time; what blocks is done by a thread. There is one thread, so that everything happens to the file in the order asked
for, also what a cancelled save has left to do.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from dohproxy.cache import Cache
from dohproxy.cache.restarts import Restoring, Saving
from dohproxy.cache.snapshot import MOST_BYTES, MOST_ENTRIES, DamagedSnapshot, Snapshot, read_snapshot
from dohproxy.jobs.atomic_file import AtomicFile, ForeignFile, read_own_file, reason_of

SLICE_SECONDS: Final = 0.002
"""How long the cache is worked on before others have a turn: no client notices."""
STEP_ENTRIES: Final = 20
"""Entries between two looks at the clock: saving them takes 0.1 ms, loading 0.5 ms."""
LOAD_SECONDS: Final = 4.0
"""That a start may take longer. A stub that asked first of all waits 5 (resolv.conf(5))."""
LAST_SAVE_SECONDS: Final = 5.0
"""For the save at the end: with the longest drain (80 s) still less than the 90 after which systemd kills."""

_log = structlog.get_logger("dohproxy.cache")

_R = TypeVar("_R")


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
        self, path: Path, cache: Cache, clock: Callable[[], float], wall_clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` is the cache's own, `wall_clock` gives Unix seconds."""
        self._path = path
        self._cache = cache
        self._clock = clock
        self._wall_clock = wall_clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cache-file")
        self._saving = asyncio.Lock()
        self._restored = 0
        self._left_out = 0
        self._saved_at = 0.0
        self._saved = 0
        self._save_failures = 0

    def statistics(self) -> CacheFileStatistics:
        """Return the figures."""
        return CacheFileStatistics(
            self._restored, self._left_out, self._saved_at, self._saved, MOST_ENTRIES, self._save_failures
        )

    # --- Loading ---

    async def load(self) -> bool:
        """Take back what the file holds; return whether the cache is warm by it (see `Restoring.is_warm`).

        Takes LOAD_SECONDS at most. A file that is no good is set aside.
        """
        until = self._clock() + LOAD_SECONDS
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                snapshot = await self._in_thread(_read, self._path)
            return await self._restore(snapshot, until)
        except FileNotFoundError:
            _log.info("there is no cache snapshot, the cache begins empty", file=str(self._path))
        except OSError as error:  # TimeoutError is one
            _log.warning(
                "the cache snapshot cannot be read, the cache begins empty", file=str(self._path), why=reason_of(error)
            )
        except (DamagedSnapshot, ForeignFile) as fault:
            await self._set_aside(str(fault))
        except Exception:
            # Whatever led to the bug would lead to it at every start.
            _log.exception("the cache snapshot met a bug")
            await self._set_aside("cannot be understood")
        return False

    async def _restore(self, snapshot: Snapshot, until: float) -> bool:
        restoring = Restoring(self._cache, snapshot, wall_now=self._wall_clock(), now=self._clock())
        while self._work(restoring.step):
            if self._clock() >= until:
                break
            await asyncio.sleep(0)
        self._restored, self._left_out = restoring.restored, restoring.left_out
        _log.info("the cache is back", restored=restoring.restored, left_out=restoring.left_out)
        return restoring.is_warm

    async def _set_aside(self, fault: str) -> None:
        """Rename a file that is no good, over the one before; whoever wants to know why still has it."""
        aside = self._path.with_name(f"{self._path.name}.damaged")
        kept_as = str(aside)
        try:
            await self._in_thread(self._path.replace, aside)
        except OSError as error:
            kept_as = f"nothing ({reason_of(error)})"
        _log.warning(
            "the cache snapshot is set aside, the cache begins empty", why=f"{self._path} {fault}", kept_as=kept_as
        )

    # --- Saving ---

    async def save_forever(self, every_seconds: float) -> None:
        """Save every so often until cancelled."""
        while True:
            await asyncio.sleep(every_seconds)
            await self.save()

    async def save_last(self) -> None:
        """Save within LAST_SAVE_SECONDS; nothing may be saved afterwards."""
        try:
            async with asyncio.timeout(LAST_SAVE_SECONDS):
                await self.save()
        except TimeoutError:
            self._failed(f"it takes more than {LAST_SAVE_SECONDS:g} seconds")
        self._thread.shutdown(wait=False)

    async def save(self) -> None:
        """Write the cache as it is now. What fails is logged and counted, and the snapshot before stays."""
        async with self._saving:
            replacement = AtomicFile(self._path)
            try:
                await self._write(replacement)
            except OSError as error:
                self._failed(reason_of(error))
            except Exception:
                self._save_failures += 1
                _log.exception("saving the cache met a bug")
            finally:
                # Not awaited, because this may be a cancellation; the thread does it before anything that comes later.
                self._thread.submit(replacement.discard)

    async def _write(self, replacement: AtomicFile) -> None:
        wall_now = self._wall_clock()
        saving = Saving(self._cache, wall_now=wall_now, now=self._clock())
        await self._in_thread(replacement.open)
        while self._work(saving.step):
            await self._in_thread(replacement.write, saving.writer.take())
        await self._in_thread(replacement.write, saving.writer.finish())
        await self._in_thread(replacement.commit)
        self._saved_at, self._saved = wall_now, saving.writer.entries

    def _failed(self, why: str) -> None:
        self._save_failures += 1
        _log.warning("the cache is not saved, the snapshot before stays", file=str(self._path), why=why)

    # --- Both ---

    def _work(self, step: Callable[[int], bool]) -> bool:
        """Take steps for SLICE_SECONDS; return whether there are more to take."""
        until = self._clock() + SLICE_SECONDS
        while step(STEP_ENTRIES):
            if self._clock() >= until:
                return True
        return False

    async def _in_thread(self, do: Callable[..., _R], *args: Any) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do, *args)


def _read(path: Path) -> Snapshot:
    return read_snapshot(read_own_file(path, MOST_BYTES + 1))
