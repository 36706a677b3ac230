"""The yardstick: pure Python of the kinds that the walk is made of, which never changes.

What a workload costs is told as a multiple of one step here. Both run on the same interpreter in the same process, so a
Python that was built otherwise, or another processor, moves both alike. Of calls whose cost depends much on the build
(those that make an object of a class, or format a struct) there are as few as in a cached answer.
"""

from typing import Final

TABLE: Final = {number.to_bytes(4): number for number in range(512)}
BUFFER: Final = bytes(range(256)) * 4
TURNS: Final = 8


class Tally:
    """Something with methods and attributes."""

    __slots__ = ("last", "slots", "total")

    def __init__(self) -> None:
        self.total = 0
        self.last = b""
        self.slots = memoryview(bytearray(4_096)).cast("d")

    def note(self, key: bytes, *, weight: int = 1) -> int:
        """Count."""
        self.total += len(key) * weight
        self.last = key
        return self.total

    def spend(self, slot: int, now: float) -> bool:
        """Keep a time in a table of them."""
        slots = self.slots
        due = slots[slot]
        if due < now:
            due = now
        slots[slot] = due + 0.25
        return due - now < 100.0


def step(number: int, tally: Tally) -> int:
    """Do some dict lookups, slices, calls and attribute accesses, and join what came of it."""
    found = 0
    parts = []
    for turn in range(TURNS):
        key = ((number + turn) & 511).to_bytes(4)
        found += TABLE[key]
        part = BUFFER[found & 255 : (found & 255) + 16]
        if tally.spend(found & 511, number * 0.5) and not part.startswith(b"\x00\x00"):
            parts.append(part)
        tally.note(key)
        tally.note(part, weight=2)
        if part.endswith(tally.last[-1:]):
            found += 1
    return len(b"".join(parts)) + found


def steps(count: int) -> None:
    """Do so many."""
    tally = Tally()
    for number in range(count):
        step(number, tally)
