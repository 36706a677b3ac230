"""Which keys of a stream come most often, in a fixed number of counters: the Space-Saving algorithm.

A. Metwally, D. Agrawal and A. El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT
2005. Where all counters are taken, the key that has come least often makes room, and the new one goes on from its
count. So a count is never too low, and too high by no more than the count that was taken over, which is told with it;
and of N arrivals no key that has more than N / counters of them can be missing, whoever chooses the keys.

Keys with the same count stand together, so an arrival costs the same however many counters there are.
"""

from heapq import nlargest
from typing import Any


class Counted:
    """One key, as far as it is known."""

    __slots__ = ("count", "error", "key", "note")

    def __init__(self, key: bytes, taken_over: int) -> None:
        self.key = key
        self.count = taken_over
        """How often it has come at most."""
        self.error = taken_over
        """By how much that may be too high."""
        self.note: Any = None
        """What the owner has to say of the arrivals since the key is counted: count - error of them."""


class SpaceSaving:
    """A sketch of one stream."""

    __slots__ = ("_counted", "_least", "_most", "_together", "total")

    def __init__(self, most: int) -> None:
        """`most`: counters, at least one."""
        self._most = most
        self._counted: dict[bytes, Counted] = {}
        self._together: dict[int, dict[bytes, Counted]] = {}
        """By their count; none is empty."""
        self._least = 0
        """The lowest count that there is."""
        self.total = 0
        """Arrivals so far."""

    def __len__(self) -> int:
        return len(self._counted)

    def add(self, key: bytes) -> Counted:
        """Count one arrival, and return what is known of its key."""
        self.total += 1
        found = self._counted.get(key)
        if found is None:
            found = self._enter(key)
        else:
            self._leave(found)
        found.count += 1
        alike = self._together.get(found.count)
        if alike is None:
            alike = self._together[found.count] = {}
        alike[key] = found
        if self._least not in self._together:
            # Whoever has left the lowest count has gone one up, or has made room for one who stands there now.
            self._least = found.count
        return found

    def top(self, most: int) -> list[Counted]:
        """Return those that have come most often, the first of them first."""
        return nlargest(most, self._counted.values(), key=_count)

    def _enter(self, key: bytes) -> Counted:
        taken_over = 0
        if len(self._counted) >= self._most:
            taken_over = self._least
            # The last that has come to this count: to take the first would walk over all that were taken before it.
            gone, _ = self._together[taken_over].popitem()
            del self._counted[gone]
            self._forget_empty(taken_over)
        else:
            self._least = 1
        found = self._counted[key] = Counted(key, taken_over)
        return found

    def _leave(self, counted: Counted) -> None:
        del self._together[counted.count][counted.key]
        self._forget_empty(counted.count)

    def _forget_empty(self, count: int) -> None:
        if not self._together[count]:
            del self._together[count]


def _count(counted: Counted) -> int:
    return counted.count
