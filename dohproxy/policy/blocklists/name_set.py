"""A set of a million names in 18 MB, never changed once it is built.

What is kept of a name is its hash, 60 bits of Python's own (SipHash, keyed anew in each process), and whether the name
itself is meant, all names below it, or both. So a name that is in no list may be taken for one that is: with a million
names listed and a billion different ones of five labels asked, the chance that this happens to any of them is 0.4 %.
The names themselves cannot be read out of it.

The table has open addressing (Knuth, volume 3, section 6.4) and is half full. Beside each slot a byte of the hash is
kept apart: these two megabytes stay in the processor's cache, and nearly every name that is in no list ends there.
"""

from array import array
from collections.abc import Iterator
from typing import Final

EXACT: Final = 1
"""The name itself is meant."""
BELOW: Final = 2
"""All names below it are meant."""
BOTH: Final = EXACT | BELOW
_KINDS: Final = 2
"""Bits of a slot that say which of these."""
_HASH: Final = (1 << 60) - 1
_TAG: Final = 0xFF
_ZEROS: Final = array("q", bytes(8 * 65_536))
STEP_NAMES: Final = 512
"""Names put into the table between two steps: 0.3 ms where nothing is compiled."""


def hash_name(name: bytes) -> int:
    """Return what is kept of a lower-case wire name: at most 62 bits, of which the two lowest are 0."""
    return (hash(name) & _HASH) << _KINDS


class NameSet:
    """Names by their hashes; `gather` makes one."""

    __slots__ = ("_size", "_slots", "_tags", "names")

    def __init__(self, slots: "array[int]", tags: bytes, names: int) -> None:
        """`slots` holds hashes with their kind, 0 where there is none; `tags` a byte of each, not 0 where there is."""
        self._slots = slots
        self._tags = tags
        self._size: int = len(tags)
        self.names = names
        """How many different ones."""

    @property
    def held_bytes(self) -> int:
        """What it holds in memory."""
        return self._slots.itemsize * len(self._slots) + len(self._tags)

    def kind(self, hashed: int) -> int:
        """Return what the set says of a name that was hashed by `hash_name`: EXACT, BELOW, both, or 0 for nothing."""
        tags, size = self._tags, self._size
        place = hashed % size
        tag = _tag(hashed)
        while found_tag := tags[place]:
            if found_tag == tag:
                found: int = self._slots[place]
                if found ^ hashed <= BOTH:
                    return found & BOTH
            place += 1
            if place == size:
                place = 0
        return 0


def _tag(hashed: int) -> int:
    # Other bits than those that mostly decide the place; 0 means that there is nothing.
    return hashed >> 50 & _TAG or 1


class NameGatherer:
    """Takes names one by one, then makes a set of them."""

    __slots__ = ("_values", "gathered")

    def __init__(self) -> None:
        self._values = array("q")
        self.gathered: NameSet = EMPTY
        """The set, once all steps of `build` are done."""

    def __len__(self) -> int:
        """How many were given, each as often as it came."""
        return len(self._values)

    def add(self, name: bytes, kind: int) -> None:
        """Take a lower-case wire name; `kind` is EXACT, BELOW or both."""
        self._values.append(hash_name(name) | kind)

    def build(self) -> Iterator[None]:
        """Make the set, a step at a time: between two of them anything else may be done, but no name be added."""
        values = self._values
        # A table is never full, or a look-up would not end.
        size = 2 * len(values) + 1
        slots = array("q")
        while len(slots) < size:
            # All at once would take 7 ms.
            slots.extend(_ZEROS[: size - len(slots)])
            yield
        tags = bytearray(size)
        different = 0
        for number, value in enumerate(values):
            different += _put(slots, tags, value)
            if number % STEP_NAMES == 0:
                yield
        self._values = array("q")
        self.gathered = NameSet(slots, bytes(tags), different)


def _put(slots: "array[int]", tags: bytearray, value: int) -> int:
    """Put one value into the table; return 1 if its name is new there, else 0."""
    hashed = value & ~BOTH
    size = len(tags)
    place = hashed % size
    found: int = slots[place]
    while found and found ^ hashed > BOTH:
        place += 1
        if place == size:
            place = 0
        found = slots[place]
    slots[place] = found | value
    tags[place] = _tag(hashed)
    return 0 if found else 1


EMPTY: Final = NameSet(array("q", [0]), bytes(1), 0)


def set_of(names: "list[tuple[bytes, int]]") -> NameSet:
    """Return a set of a few names with their kinds."""
    gatherer = NameGatherer()
    for name, kind in names:
        gatherer.add(name, kind)
    for _ in gatherer.build():
        pass
    return gatherer.gathered
