"""How long a network has been asking here: who came before a flood goes before it.

A flood of thousands of networks cannot be told from thousands of people by any one of its requests. What tells them
apart is that yesterday they were not here. So each network's first and last question are remembered, in a table of
fixed size: 8 bytes a slot, two possible slots a key, no address, only a keyed hash's 16 bits. A slot that is in use by
somebody who belongs here is never given to a newcomer. The table dies with the process, as the hash's secret does.
"""

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

    __slots__ = ("_count", "_slots")

    def __init__(self, buffer: memoryview) -> None:
        """`buffer`: zero-filled, writable, in one piece, two or more slots of 8 bytes; else ValueError."""
        if buffer.readonly or not buffer.contiguous or buffer.nbytes % SLOT_BYTES or buffer.nbytes < 2 * SLOT_BYTES:
            raise ValueError("the table must be one writable piece of two or more slots of 8 bytes")
        self._slots = buffer.cast("B").cast("Q")
        self._count = len(self._slots)

    def level(self, hashes: Hashes, now: float) -> int:
        """Return 0 (new) to LEVELS (five days and more) for a network that asks now, and remember that it does."""
        unit = (int(now) // UNIT_SECONDS + 1) & _FIELD
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
        unit = (int(now) // UNIT_SECONDS + 1) & _FIELD
        sample = self._slots[:: -(-self._count // 1024)]
        return sum(slot != 0 and not _is_forgotten(slot, unit) for slot in sample) / len(sample)

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
