"""How long a network has been asking here: who came before a flood goes before it.

A flood of thousands of networks cannot be told from thousands of people by any one of its requests. What tells them
apart is that yesterday they were not here. So each network's first and last question are remembered, in a table of
fixed size: 8 bytes a slot, two possible slots a key, no address, only a keyed hash's 16 bits. A slot that is in use by
somebody who belongs here is never given to a newcomer. The table means nothing without the hash's secret: it dies with
the process, or both are handed over to the next.

The table's clock is its own: that of the process, put forward by what an earlier process's had come to. So a table that
is handed over is taken as it is, and the time in between has passed.
"""

import struct
from typing import Final

from dohproxy.policy.gcra import HASH_BYTES, Hashes

SLOT_BYTES: Final = 8
UNIT_SECONDS: Final = 64
"""Resolution; 24 bits of it are 34 years."""
FORGOTTEN_SECONDS: Final = 8 * 86_400
"""Who has not asked for a week and a day is a stranger again."""
SETTLED_SECONDS: Final = 3_600
"""Who has been asking for an hour keeps the slot against newcomers."""
LEVELS: Final = 8
"""Seniority doubles from level to level: under an hour, then 1, 2, 4, ... hours, and 128 (five days) at the top."""

_FIELD: Final = 0xFF_FFFF
TAG_SHIFT: Final = 8 * HASH_BYTES - 16
"""The bits of the first hash from here on, its highest, tell networks apart."""


class Seniority:
    """First and last seen, by network."""

    __slots__ = ("_ahead", "_count", "_slots")

    def __init__(self, buffer: memoryview) -> None:
        """`buffer`: zero-filled, writable, in one piece, two or more slots of 8 bytes; else ValueError."""
        if buffer.readonly or not buffer.contiguous or buffer.nbytes % SLOT_BYTES or buffer.nbytes < 2 * SLOT_BYTES:
            raise ValueError("the table must be one writable piece of two or more slots of 8 bytes")
        self._slots = buffer.cast("B").cast("Q")
        self._count = len(self._slots)
        self._ahead = 0.0

    def level(self, hashes: Hashes, now: float) -> int:
        """Return 0 (new) to LEVELS (five days and more) for a network that asks now, and remember that it does."""
        unit = self._unit(now)
        tag = hashes[0] >> TAG_SHIFT & 0xFFFF
        first, second = hashes[0] % self._count, hashes[1] % self._count
        for place in (first, second):
            slot = self._slots[place]
            if slot and slot >> 48 == tag and not _is_forgotten(slot, unit):
                self._slots[place] = tag << 48 | slot & _FIELD << 24 | unit
                return _level(unit - (slot >> 24 & _FIELD))
        self._begin(first, second, tag, unit)
        return 0

    def fill(self, now: float) -> float:
        """Return the share of slots in use, 0.0 to 1.0, as seen in no more than 1,024 of them."""
        unit = self._unit(now)
        sample = self._slots[:: -(-self._count // 1024)]
        return sum(slot != 0 and not _is_forgotten(slot, unit) for slot in sample) / len(sample)

    # --- From one process to the next ---

    @property
    def slots(self) -> int:
        """How many there are; a table is of no use to one of another size."""
        return self._count

    def clock(self, now: float) -> float:
        """Return the table's own time."""
        return now + self._ahead

    def export(self, first: int, count: int, now: float) -> tuple[bytes, int]:
        """Return so many slots from `first` on, without those that are forgotten, and how many are in use."""
        part = self._slots[first : first + count].tolist()
        if not any(part):
            return bytes(len(part) * SLOT_BYTES), 0
        unit = self._unit(now)
        kept = [slot if slot and not _is_forgotten(slot, unit) else 0 for slot in part]
        return struct.pack(f"={len(kept)}Q", *kept), len(kept) - kept.count(0)

    def restore(self, first: int, content: bytes) -> None:
        """Take slots that were exported, from `first` on. Raises ValueError if they do not fit."""
        if not 0 <= first <= first + len(content) // SLOT_BYTES <= self._count:
            raise ValueError("there are not so many slots")
        self._slots[first : first + len(content) // SLOT_BYTES] = memoryview(content).cast("Q")

    def go_on(self, clock: float, saved_at: float) -> None:
        """Let the table's time be what it was, `clock` at the moment `saved_at`, and what has passed since."""
        self._ahead = clock - saved_at

    def _unit(self, now: float) -> int:
        return (int(now + self._ahead) // UNIT_SECONDS + 1) & _FIELD

    def _begin(self, first: int, second: int, tag: int, unit: int) -> None:
        """Give a newcomer the slot whose owner has been silent longer, if one of both may be had."""
        free = [place for place in (first, second) if not _is_settled(self._slots[place], unit)]
        if free:
            place = min(free, key=lambda place: self._slots[place] & _FIELD)
            self._slots[place] = tag << 48 | unit << 24 | unit


def _is_forgotten(slot: int, unit: int) -> bool:
    # A unit ahead is no other clock, but another worker's that was read a moment later.
    return not -UNIT_SECONDS <= (unit - (slot & _FIELD)) * UNIT_SECONDS <= FORGOTTEN_SECONDS


def _is_settled(slot: int, unit: int) -> bool:
    if slot == 0 or _is_forgotten(slot, unit):
        return False
    return ((slot & _FIELD) - (slot >> 24 & _FIELD)) * UNIT_SECONDS >= SETTLED_SECONDS


def _level(age_units: int) -> int:
    hours = age_units * UNIT_SECONDS // 3_600
    return min(max(0, hours).bit_length(), LEVELS)
