"""The ban log: one line for each ban, for programs that keep addresses out by other means (fail2ban, CrowdSec).

It is the only file in which addresses of clients stand, and there is none unless `bans.log_file` names one. Lines wait
for a second and are written together, in a thread; a disk that does not take them costs lines, and no client.
"""

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from dohproxy.jobs.atomic_file import reason_of
from dohproxy.jobs.worker import Worker
from dohproxy.policy.ban_table import Ban
from dohproxy.policy.prefixes import show_prefix
from dohproxy.regular_file import require_regular

MOST_WAITING: Final = 10_000
"""Lines that wait to be written, some 100 bytes each; of more, the oldest are left out."""
WRITE_SECONDS: Final = 1.0
"""Between two looks: soon enough for what others do with it."""
LAST_WRITE_SECONDS: Final = 2.0
"""For the lines that wait at the end: what a disk takes at all, it takes in less."""
_MODE: Final = 0o640
"""For the service's user to write and its group to read."""

_log = structlog.get_logger("dohproxy.bans")


@dataclass(frozen=True, slots=True)
class BanLogStatistics:
    """What was written since the start."""

    lines: int
    dropped: int
    """Lines that were not, because too many waited."""
    failures: int


class BanLog:
    """Appends to the file; whoever rotates it may rename it, as it is opened anew each time."""

    def __init__(self, file: Path | None, wall_clock: Callable[[], float] = time.time) -> None:
        """Without a `file` nothing is written."""
        self._file = file
        self._wall_clock = wall_clock
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self._worker = Worker("ban-log")
        self._lines = self._dropped = self._failures = 0
        self._is_failing = False

    def adopt(self, file: Path | None) -> None:
        """Write into another file from now on, what waits too."""
        if file != self._file:
            self._file, self._is_failing = file, False

    def statistics(self) -> BanLogStatistics:
        """Return the figures."""
        return BanLogStatistics(self._lines, self._dropped, self._failures)

    def note(self, ban: Ban, now: float) -> None:
        """Have a line written about a ban that begins."""
        if ban.prefix is None or self._file is None:
            return
        if len(self._waiting) == MOST_WAITING:
            self._dropped += 1
        self._waiting.append(line_of(ban, now, self._wall_clock()))

    async def poll(self) -> None:
        """Write what waits."""
        file, lines = self._file, list(self._waiting)
        self._waiting.clear()
        if file is None or not lines:
            return
        try:
            await self._worker.do(_append, file, "".join(lines))
        except OSError as error:
            self._failures += 1
            self._dropped += len(lines)
            if not self._is_failing:
                _log.warning("bans are not written down", file=str(file), why=reason_of(error))
            self._is_failing = True
        else:
            self._lines += len(lines)
            self._is_failing = False

    async def close(self) -> None:
        """Write what waits for the last time, within LAST_WRITE_SECONDS."""
        try:
            async with asyncio.timeout(LAST_WRITE_SECONDS):
                await self.poll()
        except TimeoutError:
            why = f"the disk takes more than {LAST_WRITE_SECONDS:g} seconds"
            _log.warning("the last bans are not written down", file=str(self._file), why=why)
        self._worker.close()


def line_of(ban: Ban, now: float, wall_now: float) -> str:
    """Return the line about a ban; what a person wrote is quoted, so that it is one line whatever it holds."""
    moment = datetime.fromtimestamp(wall_now, UTC).isoformat(timespec="seconds")
    network = "" if ban.prefix is None else show_prefix(ban.prefix)
    return (
        f"{moment} dohproxy ban {network} seconds={ban.until - now:.0f} level={ban.level}"
        f" source={ban.source.value} reason={json.dumps(ban.reason)}\n"
    )


def _append(file: Path, text: str) -> None:
    # Without O_NONBLOCK, opening a named pipe waits for somebody to read from it.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    handle = os.open(file, flags, _MODE)
    try:
        require_regular(handle)
        left = text.encode()
        while left:
            left = left[os.write(handle, left) :]
    finally:
        os.close(handle)
