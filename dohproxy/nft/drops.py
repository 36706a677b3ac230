"""What `dohproxy-nft` decides: from commands of the service to what nft is told. It does no IO.

The service is not believed. Networks that must never be dropped are spared whatever it says, and there are never more
networks than so many.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from dohproxy.nft.protocol import (
    MOST_DROPPED,
    MOST_SPARED,
    VERSION,
    Begin,
    Change,
    Command,
    Done,
    Drop,
    End,
    Hello,
    Look,
    Malformed,
    Network,
    Recall,
    Spare,
)
from dohproxy.nft.ruleset import USUAL_SHAPES, Shape, addition, change, creation, replacement

ALWAYS_SPARED: Final = tuple(
    Network(network.network_address.packed, network.prefixlen)
    for network in map(
        ip_network,
        ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8"),
    )
)
"""This machine itself, its links, and what is nobody's address (RFC 6890): the health check, the front proxy on this
machine, neighbours in the same network that have no other address."""


@dataclass(frozen=True, slots=True)
class Step:
    """What nft is to be told, and what is answered once it has taken that."""

    script: str
    """Empty if there is nothing to be told."""
    done: Done


class Drops:
    """The networks that are dropped, and what is left of a snapshot that is under way."""

    def __init__(self, ports: Sequence[int], spared: Iterable[Network] = (), most: int = MOST_DROPPED) -> None:
        """`spared`: what the operator names on the command line."""
        self._ports = tuple(ports)
        self._own = (*ALWAYS_SPARED, *spared)
        self._most = most
        self._spared = Spared(self._own)
        self._until: dict[Network, float] = {}
        self._ends: list[tuple[float, Network]] = []
        """A heap of what was entered and when it ends; entered again, an item stands for nothing."""
        self._shapes: set[Shape] = set(USUAL_SHAPES)
        self._snapshot: _Snapshot | None = None
        self._is_known = False
        """Whether the service on this connection has sent a whole snapshot."""

    @property
    def hello(self) -> Hello:
        """Who we are."""
        return Hello(VERSION, self._ports, self._most)

    def __len__(self) -> int:
        return len(self._until)

    def networks(self, now: float) -> list[Network]:
        """Return all that are dropped."""
        self._clear_ended(now)
        return list(self._until)

    def creation(self) -> str:
        """Return what nft is told at the start."""
        return creation(self._ports, self._own)

    def begin(self) -> None:
        """Somebody else has connected, or nft has failed: nothing is believed before the next snapshot. What is dropped
        ends by itself."""
        self._snapshot = None
        self._is_known = False

    def take(self, command: Command, now: float) -> Step | None:
        """Return what a command brings about; None if that is nothing, or is told with a later one. Raises Malformed if
        it may not come now."""
        if isinstance(command, Begin):
            self.begin()
            self._snapshot = _Snapshot(self._own, self._most)
            return None
        if isinstance(command, Spare | Drop | End):
            return self._take_part(command, now)
        if isinstance(command, Recall):
            return None
        if not self._is_known:
            raise Malformed("comes before a snapshot")
        self._clear_ended(now)
        if isinstance(command, Look):
            return Step("", Done(len(self._until), 0, 0))
        return self._change(command, now)

    def _take_part(self, command: Spare | Drop | End, now: float) -> Step | None:
        snapshot = self._snapshot
        if snapshot is None:
            raise Malformed("belongs to no snapshot")
        if isinstance(command, Spare):
            snapshot.spare(command)
            return None
        if isinstance(command, Drop):
            snapshot.drop(command)
            return None
        self._snapshot = None
        self._spared = Spared(snapshot.spared)
        kept = {network: time for network, time in snapshot.dropped.items() if network not in self._spared}
        refused = snapshot.refused + len(snapshot.dropped) - len(kept)
        self._until.clear()
        self._ends.clear()
        self._enter(kept.items(), now)
        self._is_known = True
        script = replacement(self._ports, snapshot.spared, kept.items(), self._shapes)
        return Step(script, Done(len(self._until), refused, 0))

    def _change(self, command: Change, now: float) -> Step:
        for network in command.release:
            self._until.pop(network, None)
        kept: dict[Network, int] = {}
        for network, milliseconds in command.drop:
            is_new = network not in self._until and network not in kept
            is_full = is_new and len(self._until) + len(kept) >= self._most
            if network not in self._spared and not is_full:
                kept[network] = milliseconds
        refused = len(dict(command.drop)) - len(kept)
        shapes = len(self._shapes)
        self._enter(kept.items(), now)
        # Of another length there may be no set to delete from either.
        release = [network for network in command.release if _shape(network) in self._shapes]
        script = addition(self._shapes) if len(self._shapes) > shapes else ""
        return Step(script + change(kept.items(), release), Done(len(self._until), refused, 0))

    def _enter(self, networks: Iterable[tuple[Network, int]], now: float) -> None:
        for network, milliseconds in networks:
            until = now + milliseconds / 1_000
            self._until[network] = until
            heapq.heappush(self._ends, (until, network))
            self._shapes.add(_shape(network))
        if len(self._ends) > 2 * len(self._until) + self._most:
            self._ends = [(until, network) for network, until in self._until.items()]
            heapq.heapify(self._ends)

    def _clear_ended(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            until, network = heapq.heappop(self._ends)
            if self._until.get(network) == until:
                del self._until[network]


class _Snapshot:
    """One that is under way."""

    def __init__(self, own: tuple[Network, ...], most: int) -> None:
        self.spared = list(own)
        self.dropped: dict[Network, int] = {}
        self.refused = 0
        self._most_spared = len(own) + MOST_SPARED
        self._most = most

    def spare(self, command: Spare) -> None:
        """Take more of what is spared. Raises Malformed if that is too much: to leave some out would drop them."""
        self.spared += command.networks
        if len(self.spared) > self._most_spared:
            raise Malformed("spares too many networks")

    def drop(self, command: Drop) -> None:
        """Take more of what is dropped, as long as there is room."""
        for network, milliseconds in command.networks:
            if network in self.dropped or len(self.dropped) < self._most:
                self.dropped[network] = milliseconds
            else:
                self.refused += 1


class Spared:
    """Networks, asked whether another one lies in any of them."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._by_length: dict[Shape, set[bytes]] = {}
        for network in networks:
            self._by_length.setdefault(_shape(network), set()).add(network.packed)

    def __contains__(self, network: Network) -> bool:
        """Tell whether all of a network is spared. Where a part is, the rest is dropped."""
        size = len(network.packed)
        for (of_size, bits), packed in self._by_length.items():
            if of_size == size and bits <= network.bits and _masked(network.packed, bits) in packed:
                return True
        return False


def _shape(network: Network) -> Shape:
    return len(network.packed), network.bits


def _masked(packed: bytes, bits: int) -> bytes:
    behind = 8 * len(packed) - bits
    return (int.from_bytes(packed) >> behind << behind).to_bytes(len(packed))
