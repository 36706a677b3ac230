"""The limiters' tables: in memory of one process, or in one mapping that all workers have.

A table is known by its name, and the mapping has a place for each in a fixed order, so that all who have been handed
the mapping find the same tables in it. Nothing is locked: two workers that write one slot in the same instant lose one
charge of a client, and no upstream's budget is kept here.
"""

import mmap
from collections.abc import Callable, Mapping
from typing import Final

PAGE_BYTES: Final = 4096
"""Tables begin at multiples of this, so that no slot lies across two of the processor's cache lines."""

Tables = Callable[[str, int], memoryview]
"""Returns the memory of the table with this name, which has so many bytes; zeros, where nobody has written."""


def private_table(_name: str, size: int) -> memoryview:
    """Return memory that nobody else has."""
    return memoryview(mmap.mmap(-1, size))


def places_of(sizes: Mapping[str, int]) -> dict[str, int]:
    """Return where each table begins in a mapping that has them in this order."""
    places, end = {}, 0
    for name, size in sizes.items():
        places[name] = end
        end += -(-size // PAGE_BYTES) * PAGE_BYTES
    return places


def bytes_of(sizes: Mapping[str, int]) -> int:
    """Return how long a mapping of these tables is."""
    return sum(-(-size // PAGE_BYTES) * PAGE_BYTES for size in sizes.values())


class SharedTables:
    """The tables in one mapping that several processes have."""

    def __init__(self, descriptor: int, sizes: Mapping[str, int]) -> None:
        """Map what is behind `descriptor`, which stays the caller's. Raises OSError or ValueError if it is too short
        for tables of these sizes."""
        self._memory = memoryview(mmap.mmap(descriptor, bytes_of(sizes)))
        self._sizes = dict(sizes)
        self._places = places_of(sizes)

    def __call__(self, name: str, size: int) -> memoryview:
        """Return the memory of a table. Raises ValueError if it is not there in this size."""
        if self._sizes.get(name) != size:
            raise ValueError(f"the shared table {name} has {self._sizes.get(name)} bytes, not {size}")
        place = self._places[name]
        return self._memory[place : place + size]
