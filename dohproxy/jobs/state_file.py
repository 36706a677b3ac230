"""The state file: what a restart must not forget, read before anything is served, written every minute and at the end.

A process that begins with nothing has full buckets for upstreams that have just banned it, closed breakers, and no
idea who has been asking here for weeks. So all of this is handed over. It is worth no more than that: no state of the
file or of the disk keeps the service from starting, or ends it.

A clean end is exact. After a crash it is not known what was done since the last save, and it may have been all that the
budgets allowed: so they begin empty (`Interruption.unknown_until`). And the first save follows the start at once: it
takes the place of the exact one, which would be wrong after a crash.

What clients have used up of their limits is not kept. Such a debt lasts for the seconds of a burst, most of which a
restart takes; no client can cause a restart; and what a burst more could cost the upstreams is in their budgets, which
are kept. Ten tables more would be written for it.

The tables become bytes on the event loop, which owns them, in slices; a thread does what blocks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from dohproxy.jobs.atomic_file import AtomicFile, read_own_file
from dohproxy.jobs.saved_file import SavedFile, Words
from dohproxy.jobs.state_codec import (
    MOST_BYTES,
    MOST_SLOTS,
    PIECE_SLOTS,
    SavedState,
    SavedTable,
    UnreadableState,
    decode,
    encode,
)
from dohproxy.jobs.state_key import StateKey
from dohproxy.jobs.turns import Turns
from dohproxy.saved import Interruption, Saved

NAME: Final = "state"
SAVE_SECONDS: Final = 60.0
"""Between two saves. What a crash loses is a minute of seniority, whose own unit that is, and a minute of what was
learnt; a save of a whole table of the default size takes 50 ms of a core."""
STEP_SLOTS: Final = 1_024
"""Slots between two looks at what a slice has cost: 0.2 ms where all are in use. A piece is a whole number of steps."""
LOAD_SECONDS: Final = 1.0
"""That a start may take longer for it. A whole table of the default size takes 10 ms; what takes longer is the disk."""
WORDS: Final = Words("state", "budgets and seniority begin anew")

_log = structlog.get_logger("dohproxy.state")


class Table(Protocol):
    """A table of slots that is kept as it is."""

    @property
    def slots(self) -> int:
        """How many there are."""

    def clock(self, now: float) -> float:
        """Return the table's own time."""

    def export(self, first: int, count: int, now: float) -> tuple[bytes, int]:
        """Return so many slots from `first` on, and how many of them are in use."""

    def restore(self, first: int, content: bytes) -> None:
        """Take slots that were exported."""

    def go_on(self, clock: float, saved_at: float) -> None:
        """Let the table's time be what it was at a moment, and what has passed since; called before `restore`."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept from one process to the next."""

    export: Callable[[Callable[[str], str], float], Awaitable[Saved]]
    restore: Callable[[Saved, Callable[[str], str], Interruption], int]
    """Return with how many budgets and upstreams the process goes on."""
    tables: Mapping[str, Table]


@dataclass(frozen=True, slots=True)
class StateFileStatistics:
    """What the metrics show."""

    restored: int
    """Budgets and upstreams that go on as they were."""
    restored_slots: int
    """Slots of tables in use that do."""
    saved_at: float
    """Unix seconds of the last save; 0.0 if there was none yet."""
    saved_bytes: int
    most_bytes: int
    save_failures: int


NOT_KEPT: Final = StateFileStatistics(0, 0, 0.0, 0, MOST_BYTES, 1)
"""Where there is no key."""


class StateFile:
    """Keeps the state in a file from one process to the next."""

    def __init__(
        self,
        directory: Path,
        key: StateKey,
        kept: Kept,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        """`clock` is that of all that is kept, `wall_clock` gives Unix seconds, `spent` the CPU time of this thread."""
        self._file = SavedFile(directory / NAME, WORDS, _log, (UnreadableState,))
        self._key = key
        self._kept = kept
        self._clock = clock
        self._wall_clock = wall_clock
        self._spent = spent
        self._restored = self._restored_slots = 0
        self._saved_at = 0.0
        self._saved_bytes = 0

    def statistics(self) -> StateFileStatistics:
        """Return the figures."""
        return StateFileStatistics(
            self._restored,
            self._restored_slots,
            self._saved_at,
            self._saved_bytes,
            MOST_BYTES,
            self._file.save_failures,
        )

    # --- Loading ---

    async def load(self) -> None:
        """Go on with what the file holds, within LOAD_SECONDS. A file that is no good is put aside."""
        await self._file.load(lambda path: _read(path, self._key), self._take, LOAD_SECONDS)

    async def _take(self, state: SavedState) -> None:
        self._restore(state)

    def _restore(self, state: SavedState) -> None:
        now = self._clock()
        # A wall clock that was put back must not make anything older, or younger, than no time at all does.
        elapsed = max(0.0, self._wall_clock() - state.saved_at)
        saved_at = now - elapsed
        unknown_until = None if state.is_last else min(now, saved_at + SAVE_SECONDS)
        self._restored = self._kept.restore(state.values, self._key.seal, Interruption(saved_at, unknown_until))
        for name, table in self._kept.tables.items():
            if name in state.tables:
                self._restore_table(table, state.tables[name], saved_at)
        _log.info(
            "the state of the last run is back",
            upstreams_and_budgets=self._restored,
            slots=self._restored_slots,
            seconds_between=round(elapsed),
        )

    def _restore_table(self, table: Table, saved: SavedTable, saved_at: float) -> None:
        if table.slots != saved.slots:
            _log.warning(
                "limits.table_slots has changed, so who has been here how long is learnt anew",
                before=saved.slots,
                now=table.slots,
            )
            return
        table.go_on(saved.clock, saved_at)
        for number, piece in enumerate(saved.pieces):
            if piece:
                table.restore(number * PIECE_SLOTS, piece)
        self._restored_slots += saved.used

    # --- Saving ---

    async def save_forever(self) -> None:
        """Save at once and every SAVE_SECONDS until cancelled."""
        while True:
            await self.save()
            await asyncio.sleep(SAVE_SECONDS)

    async def save_last(self) -> None:
        """Save for the last time; nothing that is kept may change any more."""
        await self._file.save_last(self.save(is_last=True))

    async def save(self, *, is_last: bool = False) -> None:
        """Write the state as it is now. What fails is logged and counted, and the file before stays."""
        await self._file.save(lambda replacement: self._write(replacement, is_last=is_last))

    async def _write(self, replacement: AtomicFile, *, is_last: bool) -> None:
        state = await self._export(is_last=is_last)
        self._saved_bytes = await self._file.in_thread(_write, replacement, state, self._key)
        self._saved_at = state.saved_at

    async def _export(self, *, is_last: bool) -> SavedState:
        """Return all that is kept as of now; tables go on changing meanwhile, which each slot may by itself."""
        saved_at, now = self._wall_clock(), self._clock()
        values = await self._kept.export(self._key.seal, now)
        tables = {
            name: await self._export_table(table, now)
            for name, table in self._kept.tables.items()
            if table.slots <= MOST_SLOTS
        }
        return SavedState(saved_at, is_last, values, tables)

    async def _export_table(self, table: Table, now: float) -> SavedTable:
        pieces: list[bytes] = []
        steps: list[bytes] = []
        used = used_before = 0
        turns = Turns(self._spent)
        for first in range(0, table.slots, STEP_SLOTS):
            content, in_use = table.export(first, min(STEP_SLOTS, table.slots - first), now)
            steps.append(content)
            used += in_use
            if len(steps) * STEP_SLOTS == PIECE_SLOTS:
                pieces.append(b"".join(steps) if used > used_before else b"")
                steps.clear()
                used_before = used
            await turns.give_way()
        if steps:
            pieces.append(b"".join(steps) if used > used_before else b"")
        return SavedTable(table.slots, table.clock(now), used, pieces)


def _read(path: Path, key: StateKey) -> SavedState:
    return decode(read_own_file(path, MOST_BYTES + 1, is_secret=True), key)


def _write(replacement: AtomicFile, state: SavedState, key: StateKey) -> int:
    """Write the whole file; return its length."""
    content = encode(state, key)
    replacement.open()
    replacement.write(content)
    replacement.commit()
    return len(content)
