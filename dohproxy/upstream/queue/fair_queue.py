"""Who goes next when there are more questions than budget: a short line with an order, and no IO.

A better rank goes first. Within a rank the networks take turns, whatever number of questions each has: so neither one
network nor one of its clients takes the line from the others. The line is no longer than what the budget can serve
while anybody waits; when it is full, somebody new gets in only at the cost of one who has less right to stand there.
"""

from collections import OrderedDict, deque
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
        self._ranks: dict[int, OrderedDict[int, deque[Item]]] = {}
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
        self._ranks.setdefault(priority.rank, OrderedDict()).setdefault(priority.prefix, deque()).append(item)
        return True, evicted

    def leave(self, item: Item) -> None:
        """Take `item` out of the line; harmless if it does not stand there."""
        priority = self._waiting.pop(item, None)
        if priority is not None:
            networks = self._ranks[priority.rank]
            networks[priority.prefix].remove(item)
            self._tidy(priority)

    def in_order(self) -> Iterator[tuple[Item, Priority]]:
        """Yield the first of each network in the order in which they go, best rank first; one round only.

        The line must not be changed meanwhile, save by ending the iteration.
        """
        for rank in sorted(self._ranks):
            for queue in self._ranks[rank].values():
                yield queue[0], self._waiting[queue[0]]

    def serve(self, item: Item) -> None:
        """Take out `item`, whose turn it was; its network goes to the end of its rank."""
        priority = self._waiting.get(item)
        self.leave(item)
        if priority is not None and priority.prefix in self._ranks.get(priority.rank, ()):
            self._ranks[priority.rank].move_to_end(priority.prefix)

    def promote(self, item: Item, priority: Priority) -> None:
        """Somebody of a better rank waits for the same: the item goes with the better of both."""
        before = self._waiting.get(item)
        if before is not None and priority.rank < before.rank:
            self.leave(item)
            self.join(item, priority, len(self._waiting) + 1)

    def _weakest(self, priority: Priority) -> Item | None:
        """Return who must leave for a newcomer: the last of the longest queue in the worst rank, if that has less right
        than the newcomer."""
        worst = max(self._ranks)
        if worst < priority.rank:
            return None
        networks = self._ranks[worst]
        longest = max(networks.values(), key=len)
        if worst == priority.rank and len(longest) <= len(networks.get(priority.prefix, ())) + 1:
            return None
        return longest[-1]

    def _tidy(self, priority: Priority) -> None:
        networks = self._ranks[priority.rank]
        if not networks[priority.prefix]:
            del networks[priority.prefix]
        if not networks:
            del self._ranks[priority.rank]
