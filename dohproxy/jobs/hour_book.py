"""Keeps the hours for the report: looks once a minute, and writes every few minutes what has come together.

It is worth no more than a report: what cannot be written is told once and counted, and nobody is served any slower.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from dohproxy.jobs.atomic_file import reason_of
from dohproxy.jobs.worker import Worker
from dohproxy.observability.hour_sums import Counters, Sums, add, hour_of, minute_of

NAME: Final = "hours.sqlite"
"""In `server.state_directory`."""
MOST_BYTES: Final = 5 * 1_048_576
"""Of the file: 400 days of hours take some 4 MiB, and no disk feels it."""
LOOK_SECONDS: Final = 60.0
"""Between two looks: what the worst minute is the worst of."""
WRITE_SECONDS: Final = 300.0
"""Between two writes, of some ten KiB each: as much as a crash may lose. The first comes with the first look."""
MOST_HOURS_WAITING: Final = 24
"""That are kept in memory while the file cannot be written, some 10 KiB each; of more, the oldest are lost."""
CLOSE_SECONDS: Final = 2.0
"""For the last write; it takes some milliseconds."""

_log = structlog.get_logger("dohproxy.hours")


@dataclass(frozen=True, slots=True)
class HourBookStatistics:
    """What the metrics show."""

    written_at: float
    """Unix seconds of the last write; 0.0 if there was none yet."""
    failures: int
    """Writes that failed."""
    written_bytes: int
    """The size of the file after the last one."""
    most_bytes: int


@dataclass(slots=True)
class _Write:
    """One write, done by the thread, which tells here what has become of it."""

    hours: dict[int, Sums]
    size: int = 0
    """Of the file, afterwards."""
    error: Exception | None = None

    def run(self, path: Path) -> None:
        """Write; raises nothing."""
        try:
            self.size = _write(path, self.hours)
        except Exception as error:
            self.error = error


class HourBook:
    """What has come together since the last write."""

    def __init__(
        self,
        path: Path,
        read: Callable[[float], Counters],
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`read` returns the counters at a monotonic instant. What they count from here on is kept."""
        self._path = path
        self._read = read
        self._clock = clock
        self._wall_clock = wall_clock
        self._worker = Worker("hours")
        self._under_way: _Write | None = None
        """A write that was asked for, and of whose end nobody has heard yet."""
        self._looked_at = clock()
        self._before = read(self._looked_at)
        self._hours: dict[int, Sums] = {hour_of(wall_clock()): {"starts": 1}}
        # The first look is written: a service that goes on crashing within minutes leaves its starts behind.
        self._write_at = self._looked_at
        self._written_at = 0.0
        self._failures = self._written_bytes = 0
        self._is_failing = False

    def statistics(self) -> HourBookStatistics:
        """Return the figures."""
        return HourBookStatistics(self._written_at, self._failures, self._written_bytes, MOST_BYTES)

    async def poll(self) -> None:
        """Look once, and write if it is time."""
        self.look()
        if self._clock() >= self._write_at:
            await self.write()

    def look(self) -> None:
        """Add what has come since the last look to the hour of now."""
        now, wall = self._clock(), self._wall_clock()
        counters = self._read(now)
        minute = minute_of(self._before, counters, now - self._looked_at, wall)
        self._before, self._looked_at = counters, now
        add(self._hours.setdefault(hour_of(wall), {}), minute)
        while len(self._hours) > MOST_HOURS_WAITING:
            del self._hours[min(self._hours)]

    async def write(self) -> None:
        """Write what has come together; what fails is tried again with the next.

        Whoever is cancelled here leaves a write under way, and the next hears how it has ended before it begins its
        own: so nothing is written twice, and nothing lost.
        """
        self._write_at = self._clock() + WRITE_SECONDS
        if self._under_way is not None:
            await self._worker.do(lambda: None)  # It comes after that one.
            self._settle(self._under_way)
        self._under_way = writing = _Write(self._hours)
        self._hours = {}
        await self._worker.do(writing.run, self._path)
        self._settle(writing)

    def _settle(self, written: "_Write") -> None:
        """Note what has become of a write."""
        self._under_way = None
        error = written.error
        if error is None:
            self._written_bytes, self._written_at = written.size, self._wall_clock()
            self._is_failing = False
            return
        self._failures += 1
        hours = written.hours
        for hour, sums in self._hours.items():
            add(hours.setdefault(hour, {}), sums)
        self._hours = hours
        self._tell(error)

    async def save_last(self) -> None:
        """Look and write for the last time."""
        self.look()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.write()
        except TimeoutError:
            _log.warning("the last hour is not kept", why="it takes too long")
        self._worker.close()

    def _tell(self, error: Exception) -> None:
        if not self._is_failing:
            why = reason_of(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            _log.warning("the hours for the report are not kept", file=str(self._path), why=why)
        self._is_failing = True


def _write(path: Path, hours: dict[int, Sums]) -> int:
    """Add to the file; return its size."""
    # SQLite is needed here alone, every few minutes: nobody waits for its import at the start.
    from dohproxy.jobs.hour_file import add_hours

    add_hours(path, hours)
    return path.stat().st_size
