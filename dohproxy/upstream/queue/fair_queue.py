"""Who goes next when there are more questions than budget: a short line with an order, and no IO.

A better rank goes first. Within a rank the networks take turns, whatever number of questions each has, and those within
them within their turns: so neither a network nor one of its clients takes the line from the others, and who holds a /48
has no more turns for all the networks in it. The line is no longer than what the budget can serve
while anybody waits; when it is full, somebody new gets in only at the cost of one who has less right to stand there.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from dohproxy.outcomes import Priority

Item = TypeVar("Item")

MOST_WAITING: Final = 256
"""Slots at the most, whatever the budget: as many as there may be misses under way (`limits.waiting_misses`)."""


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """The line at one instant; the counts run since the start."""

    waiting: int
    slots: int
    """Questions that may wait now: what the budgets can serve while one waits."""
    served: int
    evicted: int
    """Questions that had to leave for one with more right to be asked."""
    refused: int
    """Questions that found no slot."""
    given_up: int
    """Questions that waited in vain."""


class FairQueue(Generic[Item]):
    """The line. Items are told apart by identity and must be hashable."""

    def __init__(self) -> None:
        self._ranks: dict[int, _Turns[Item]] = {}
        self._waiting: dict[Item, Priority] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, item: Item) -> bool:
        return item in self._waiting

    def has_rank(self, rank: int) -> bool:
        """Tell whether anybody of this rank waits."""
        return rank in self._ranks

    def is_before(self, priority: Priority, *, least: int | None = None) -> bool:
        """Tell whether somebody waits who must go before, or takes turns with, a newcomer of this priority; of the rank
        `least` or a worse one."""
        return any(rank <= priority.rank and (least is None or rank >= least) for rank in self._ranks)

    def join(self, item: Item, priority: Priority, slots: int) -> tuple[bool, Item | None]:
        """Let `item` stand in line if there is one of `slots`, or somebody whose slot it may take.

        Return whether it stands there, and who had to leave for it.
        """
        evicted = None
        if len(self._waiting) >= min(slots, MOST_WAITING):
            evicted = self._weakest(priority)
            if evicted is None:
                return False, None
            self.leave(evicted)
        self._waiting[item] = priority
        self._ranks.setdefault(priority.rank, _Turns()).add(item, priority.path)
        return True, evicted

    def leave(self, item: Item) -> None:
        """Take `item` out of the line; harmless if it does not stand there."""
        priority = self._waiting.pop(item, None)
        if priority is not None:
            turns = self._ranks[priority.rank]
            turns.remove(item, priority.path)
            if not turns.size:
                del self._ranks[priority.rank]

    def in_order(self) -> Iterator[tuple[Item, Priority]]:
        """Yield the first of each network in the order in which they go, best rank first; one round only.

        The line must not be changed meanwhile, save by ending the iteration.
        """
        for rank in sorted(self._ranks):
            for item in self._ranks[rank].in_order():
                yield item, self._waiting[item]

    def serve(self, item: Item) -> None:
        """Take out `item`, whose turn it was; its networks go to the end, each within the wider one."""
        priority = self._waiting.get(item)
        self.leave(item)
        if priority is not None and priority.rank in self._ranks:
            self._ranks[priority.rank].pass_on(priority.path)

    def promote(self, item: Item, priority: Priority) -> None:
        """Somebody of a better rank waits for the same: the item goes with the better of both."""
        before = self._waiting.get(item)
        if before is not None and priority.rank < before.rank:
            self.leave(item)
            self.join(item, priority, len(self._waiting) + 1)

    def _weakest(self, priority: Priority) -> Item | None:
        """Return who must leave for a newcomer: the last of the greediest network in the worst rank, if that has less
        right than the newcomer."""
        worst = max(self._ranks)
        if worst < priority.rank:
            return None
        turns = self._ranks[worst]
        return turns.last() if worst > priority.rank else turns.rival(priority.path)


class _Turns(Generic[Item]):
    """Those of one network who wait, by the networks within it, in the order of their turns."""

    __slots__ = ("_items", "_parts", "size")

    def __init__(self) -> None:
        self.size = 0
        self._parts: dict[int, _Turns[Item]] = {}
        self._items: deque[Item] = deque()
        """Those of the narrowest."""

    def add(self, item: Item, path: tuple[int, ...]) -> None:
        """Let `item` stand behind the others of its networks."""
        self.size += 1
        if path:
            self._parts.setdefault(path[0], _Turns()).add(item, path[1:])
        else:
            self._items.append(item)

    def remove(self, item: Item, path: tuple[int, ...]) -> None:
        """Let `item` go."""
        self.size -= 1
        if not path:
            self._items.remove(item)
            return
        part = self._parts[path[0]]
        part.remove(item, path[1:])
        if not part.size:
            del self._parts[path[0]]

    def in_order(self) -> Iterator[Item]:
        """Yield the first of each of the narrowest networks."""
        if self._items:
            yield self._items[0]
        for part in self._parts.values():
            yield from part.in_order()

    def pass_on(self, path: tuple[int, ...]) -> None:
        """The networks of `path` have had their turn; harmless for those of which nobody waits."""
        if path and path[0] in self._parts:
            part = self._parts.pop(path[0])
            self._parts[path[0]] = part
            part.pass_on(path[1:])

    def last(self) -> Item:
        """Return the last of the greediest network within the greediest."""
        return self._items[-1] if self._items else self._greediest().last()

    def rival(self, path: tuple[int, ...]) -> Item | None:
        """Return who has less right to wait than a newcomer of `path`, None if nobody has."""
        if not path or not self._parts:
            return None
        greediest, own = self._greediest(), self._parts.get(path[0])
        size = 0 if own is None else own.size
        if greediest.size > size + 1:
            return greediest.last()
        return None if own is None or size < greediest.size else own.rival(path[1:])

    def _greediest(self) -> "_Turns[Item]":
        return max(self._parts.values(), key=lambda part: part.size)
