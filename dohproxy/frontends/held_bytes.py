"""What all connections together hold in memory for their clients, and who goes when that is too much.

Each connection has limits of its own; within these, thousands of them could still take gigabytes: responses that
nobody reads, requests that never become whole. So there is one account for the process. When it is overdrawn, the
network that holds most loses its connections first, members theirs after everybody else: to fill the account costs a
stranger his own connections, and those who read what they asked for hold nothing.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from typing import Final, Generic, Protocol, TypeVar

from dohproxy.outcomes import Client

FREE_BYTES: Final = 8_192
"""What a connection may hold without being charged: header tables of HTTP/2 and a request that has just begun to come
in. It belongs to what a connection costs, and `connections.max_total` bounds it."""
RELIEVED_SHARE: Final = 0.75
"""Part of the limit to which connections are cut. What has to come in before the next look is worth the look."""
MOST_CUT_AT_ONCE: Final = 64
"""The most connections cut in one turn of the event loop, so that the others get theirs; what is still too much goes
with the next response."""


class Holder(Protocol):
    """A connection."""

    @property
    def client(self) -> Client:
        """Whom it belongs to."""

    @property
    def is_members(self) -> bool:
        """Whether it is a member's, by its network or by what was shown on it."""

    def held_bytes(self) -> int:
        """Return the bytes it holds now."""


AnyHolder = TypeVar("AnyHolder", bound=Holder)


class HeldBytes(Generic[AnyHolder]):
    """The account of one process."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.total = 0
        """Bytes charged, each connection's as it was last looked at."""
        self._charged: dict[AnyHolder, int] = {}

    def charge(self, holder: AnyHolder, size: int) -> bool:
        """Note what a connection holds now; return whether it is too much, all taken together."""
        if size > FREE_BYTES or holder in self._charged:
            charged = max(0, size - FREE_BYTES)
            self.total += charged - self._charged.pop(holder, 0)
            if charged:
                self._charged[holder] = charged
        return self.total > self.most_bytes

    def look_again(self) -> None:
        """Ask all that are charged what they hold by now: nobody is told when a client has taken its bytes."""
        for holder in tuple(self._charged):
            self.charge(holder, holder.held_bytes())

    def to_cut(self) -> list[AnyHolder]:
        """Return the connections to be cut, those of the greediest network first, and take them off the account."""
        self.look_again()
        cut: list[AnyHolder] = []
        for holder in rank(self._charged.items(), MOST_CUT_AT_ONCE):
            if self.total <= RELIEVED_SHARE * self.most_bytes:
                break
            self.charge(holder, 0)
            cut.append(holder)
        return cut


def rank(charged: Iterable[tuple[AnyHolder, int]], count: int) -> list[AnyHolder]:
    """Return the first `count` in the order in which they have to go: members last, then by what the widest of its
    networks holds in all, then by what the next one does, then by what each does."""
    sizes = list(charged)
    by_network: Counter[int] = Counter()
    for holder, size in sizes:
        for network in _networks(holder):
            by_network[network] += size

    def place(number: int) -> tuple[bool, list[tuple[int, int]], int, int]:
        holder, size = sizes[number]
        return holder.is_members, [(-by_network[one], one) for one in _networks(holder)], -size, number

    return [sizes[number][0] for number in heapq.nsmallest(count, range(len(sizes)), key=place)]


def _networks(holder: Holder) -> tuple[int, ...]:
    """Return the hashes of the networks around a client, the widest first; peers without an address have none."""
    return holder.client.path[:-1]
