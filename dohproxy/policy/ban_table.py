"""Bans by network, in memory that does not grow, whatever comes.

A table holds so many entries and no more: the one that ends first makes room for another. Keys are keyed hashes, which
nobody outside can choose.
"""

import heapq
from collections.abc import Generator, Iterator
from enum import StrEnum
from itertools import islice
from typing import Final, TypeVar

from dohproxy.policy.gcra import Hashes
from dohproxy.policy.prefixes import Prefix
from dohproxy.value import value

SPARE_ITEMS: Final = 64
"""Items of the heap that stand for nothing any more, beside one for each entry, before it is made anew."""
STEP_BANS: Final = 512
"""Bans looked at between two steps where all are: some 0.5 ms."""

Key = TypeVar("Key")


class BanSource(StrEnum):
    """Who has banned a network; closed, so fit for a metric's label."""

    RULE = "rule"
    """Its points, by [bans]."""
    COMMAND = "command"
    """The person on duty."""


@value
class Ban:
    """One network that is kept out, or let in whatever it does, until a moment."""

    until: float
    """Monotonic seconds."""
    reason: str
    """A label of an outcome or an offence where it was banned by rule, else the operator's words."""
    level: int
    """How long bans by rule have become: 1 for the first. 0 by command."""
    source: BanSource
    prefix: Prefix | None
    """Which network; None where it was banned before the last restart, as no address is kept."""
    spares: bool = True
    """Whether members' and exempt networks within it are not meant."""
    lets_in: bool = False
    """It is none: nobody in this network is banned by rule or by a wider ban."""


class BanTable:
    """So many entries at most, by key."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.displaced = 0
        """Entries that have made room for others before they ended."""
        self._bans: dict[Hashes, Ban] = {}
        self._ends: list[tuple[float, Hashes]] = []
        """A heap by the end; an item whose entry is gone, or ends at another time, stands for nothing."""

    def __len__(self) -> int:
        return len(self._bans)

    def get(self, key: Hashes, now: float) -> Ban | None:
        """Return the entry of a network, if it has not ended."""
        ban = self._bans.get(key)
        return ban if ban is not None and now < ban.until else None

    def put(self, key: Hashes, ban: Ban) -> None:
        """Enter a network, in place of the entry it had or of the one that ends first."""
        if key not in self._bans and len(self._bans) >= self.most:
            self._pop()
            self.displaced += 1
        self._bans[key] = ban
        heapq.heappush(self._ends, (ban.until, key))
        if len(self._ends) > 2 * len(self._bans) + SPARE_ITEMS:
            self._ends = [(one.until, other) for other, one in self._bans.items()]
            heapq.heapify(self._ends)

    def name(self, key: Hashes, prefix: Prefix) -> bool:
        """Say which network an entry is about that is known by its hash alone; return whether there was one."""
        ban = self._bans.get(key)
        if ban is None or ban.prefix is not None:
            return False
        self._bans[key] = Ban(ban.until, ban.reason, ban.level, ban.source, prefix, ban.spares, ban.lets_in)
        return True

    def remove(self, key: Hashes) -> Ban | None:
        """Forget a network; return its entry."""
        return self._bans.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._bans.clear()
        self._ends.clear()

    def resize(self, most: int) -> None:
        """Hold so many from now on; those that end first go."""
        self.most = most
        while len(self._bans) > most:
            self._pop()
            self.displaced += 1

    def pop_ended(self, now: float, at_most: int) -> list[tuple[Hashes, Ban]]:
        """Forget some of those that have ended, and return them in the order of their ends."""
        ended: list[tuple[Hashes, Ban]] = []
        while self._ends and self._ends[0][0] <= now and len(ended) < at_most:
            until, key = heapq.heappop(self._ends)
            ban = self._bans.get(key)
            if ban is not None and ban.until == until:
                del self._bans[key]
                ended.append((key, ban))
        return ended

    def keys(self) -> list[Hashes]:
        """Return the keys of all entries as they are now; a millisecond for 200,000."""
        return list(self._bans)

    def items(self) -> Iterator[tuple[Hashes, Ban]]:
        """Return all entries as they are now, ended ones that nobody has looked at among them; of 200,000 two lists are
        made in 2 ms, and pairs only as they are asked for."""
        return zip(list(self._bans), list(self._bans.values()), strict=True)

    def _pop(self) -> None:
        """Forget the entry that ends first."""
        while self._ends:
            until, key = heapq.heappop(self._ends)
            ban = self._bans.get(key)
            if ban is not None and ban.until == until:
                del self._bans[key]
                return


def ending_last(
    bans: Iterator[tuple[Key, Ban]], most: int, now: float
) -> Generator[None, None, tuple[list[tuple[Key, Ban]], int, int]]:
    """Return the bans that end last, at most so many and in that order; and how many have not ended in all, and how
    many of these let somebody in. There may be a great many, so it is done in steps, between which they may change."""
    last: list[tuple[Key, Ban]] = []
    held = letting_in = 0
    while True:
        step = list(islice(bans, STEP_BANS))
        if not step:
            return last, held, letting_in
        step = [entry for entry in step if entry[1].until > now]
        held += len(step)
        letting_in += sum(entry[1].lets_in for entry in step)
        last = sorted([*last, *step], key=_end_of, reverse=True)[:most]
        yield


def _end_of(entry: tuple[Key, Ban]) -> float:
    return entry[1].until
