"""How long a network has been asking here: who came before a flood goes before it.

A flood of thousands of networks cannot be told from thousands of people by any one of its requests. What tells them
apart is that yesterday they were not here. So each network's first and last question are remembered, in a table of
fixed size: 8 bytes a slot, two possible slots a key, no address, only a keyed hash's 16 bits. A slot that is in use by
somebody who belongs here is never given to a newcomer. The table means nothing without the hash's secret: it dies with
the process, or both are handed over to the next.

Whoever holds a /48 has 256 networks in it, and an hour. So the slots of IPv6 networks lie within those of their /48,
and these within those of their provider's /32: sixteen slots for the one and a part of the table for the other, each in
two places. However many networks one of them sends, the slots of the rest of the world stay.

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

Prefixes = tuple[Hashes, ...]
"""The hashes of a client's prefixes, narrow to wide: those of `Client.prefixes`."""
NETWORK: Final = 1
"""Where the /24 or /56 stands among these, which is what is remembered; then the /48 and the /32 of IPv6."""
SITE: Final = 2
PROVIDER: Final = 3
SITE_SLOTS: Final = 16
"""The slots of a /48, in each of two places: more than the households of one that share it, and few against the table.
"""
PROVIDER_PART: Final = 64
"""One in so many slots is a /32's, in each of two places: 2,048 networks of one provider with the usual table."""

_FIELD: Final = 0xFF_FFFF
TAG_SHIFT: Final = 8 * HASH_BYTES - 16
"""The bits of the first hash from here on, its highest, tell networks apart."""


class Seniority:
    """First and last seen, by network."""

    __slots__ = ("_ahead", "_count", "_region", "_slots", "newcomers")

    def __init__(self, buffer: memoryview) -> None:
        """`buffer`: zero-filled, writable, in one piece, two or more slots of 8 bytes; else ValueError."""
        if buffer.readonly or not buffer.contiguous or buffer.nbytes % SLOT_BYTES or buffer.nbytes < 2 * SLOT_BYTES:
            raise ValueError("the table must be one writable piece of two or more slots of 8 bytes")
        self._slots = buffer.cast("B").cast("Q")
        self._count = len(self._slots)
        self._region = max(SITE_SLOTS, self._count // PROVIDER_PART)
        self._ahead = 0.0
        self.newcomers = 0
        """Networks that were answered and not known, or not known any more; since the start."""

    def level(self, prefixes: Prefixes, now: float) -> int:
        """Return 0 (new) to LEVELS (five days and more) for the network of a client; change nothing."""
        unit = self._unit(now)
        place = self._find(prefixes, unit)
        return 0 if place is None else _level(unit - (self._slots[place] >> 24 & _FIELD))

    def is_settled(self, prefixes: Prefixes, now: float) -> bool:
        """Tell whether a client of this network has been answered over an hour or longer, and not only an hour ago;
        change nothing."""
        unit = self._unit(now)
        place = self._find(prefixes, unit)
        return place is not None and _is_settled(self._slots[place], unit)

    def meet(self, prefixes: Prefixes, now: float) -> int:
        """Remember that a client of this network is answered now; return the same as `level`."""
        unit = self._unit(now)
        place = self._find(prefixes, unit)
        if place is not None:
            slot = self._slots[place]
            self._slots[place] = slot & ~_FIELD | unit
            return _level(unit - (slot >> 24 & _FIELD))
        self.newcomers += 1
        self._begin(prefixes, unit)
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

    def _find(self, prefixes: Prefixes, unit: int) -> int | None:
        """Return the slot in which this network is remembered, None if it is not."""
        tag = _tag(prefixes)
        for place in self._places(prefixes):
            slot = self._slots[place]
            if slot and slot >> 48 == tag and not _is_forgotten(slot, unit):
                return place
        return None

    def _begin(self, prefixes: Prefixes, unit: int) -> None:
        """Give a newcomer the slot whose owner has been silent longer, if one of both may be had."""
        free = [place for place in self._places(prefixes) if not _is_settled(self._slots[place], unit)]
        if free:
            place = min(free, key=lambda place: self._slots[place] & _FIELD)
            self._slots[place] = _tag(prefixes) << 48 | unit << 24 | unit

    def _places(self, prefixes: Prefixes) -> tuple[int, int]:
        """Return the two slots that a network may have: anywhere, or within those of its site and its provider."""
        network = _network(prefixes)
        if len(prefixes) <= PROVIDER:
            return network[0] % self._count, network[1] % self._count
        site, provider = prefixes[SITE], prefixes[PROVIDER]
        first = provider[0] % self._count + site[0] % self._region + network[0] % SITE_SLOTS
        second = provider[1] % self._count + site[1] % self._region + network[1] % SITE_SLOTS
        return first % self._count, second % self._count


def _network(prefixes: Prefixes) -> Hashes:
    """Return the hashes of the network that is remembered: the /24 or /56, or all peers without address."""
    return prefixes[min(NETWORK, len(prefixes) - 1)]


def _tag(prefixes: Prefixes) -> int:
    return _network(prefixes)[0] >> TAG_SHIFT & 0xFFFF


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
