"""How much one client may ask for: its own address and the networks around it, judged together.

One class serves both limits of the walk, requests and misses; they differ only in their numbers. Each has a
table per width: the client (/32 or /64), its network (/24 or /56), its site (/48, IPv6 only). The wider ones
exist because who holds a network has all its addresses; they are generous because strangers may share one.

Being over the limit must not become a weapon against neighbours: a client whose own bucket is full adds
nothing to the buckets it shares with others, neither when it is turned away nor when its bad requests are
counted.

A limit that is only tried keeps its buckets as if it had acted: what it lets pass beyond them is charged to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dohproxy.policy.gcra import SLOT_BYTES, GcraTable
from dohproxy.policy.rule_switches import RuleSwitch

if TYPE_CHECKING:
    from dohproxy.outcomes import Client

MINIMUM_SLOTS = 1024
"""8 KiB. Fewer slots would make neighbours of clients that are none."""

MAXIMUM_SLOTS = 16_777_216
"""128 MiB per table: beyond it, the memory limit of a small machine decides before this one."""


class Width(StrEnum):
    """The prefixes a client is counted under, narrow to wide; closed, so fit for a metric's label."""

    CLIENT = "client"
    """/32, /64, or all peers without address together."""
    NETWORK = "network"
    """/24, /56."""
    SITE = "site"
    """/48."""


@dataclass(frozen=True, slots=True)
class WidthStatistics:
    """One table at one instant."""

    width: Width
    fill: float
    """Share of the slots in use, 0.0 to 1.0, estimated."""
    limited: int
    """Requests refused since start because this was the narrowest width over its limit."""


@dataclass(frozen=True, slots=True)
class LimitStatistics:
    """What a limit has done since start."""

    admitted: int
    exempt: int
    """Requests of exempt clients, not part of `admitted`."""
    charged: int
    """Requests refused elsewhere that were counted against their client."""
    widths: tuple[WidthStatistics, ...]


class ClientLimit:
    """Admit or delay a client by every prefix it belongs to."""

    __slots__ = ("_admitted", "_all_tables", "_charged", "_exempt", "_limited", "_switch", "_tables")

    def __init__(self, tables: tuple[GcraTable, ...]) -> None:
        """`tables`: narrow to wide, for the first of the widths or all; ValueError for none or too many."""
        if not 1 <= len(tables) <= len(Width):
            raise ValueError(f"a client limit needs 1 to {len(Width)} tables, not {len(tables)}")
        self._all_tables: tuple[GcraTable, ...] = tables
        self._tables: tuple[GcraTable, ...] = tables
        """Those that are looked at."""
        self._switch = RuleSwitch()
        self._limited = [0] * len(tables)
        self._admitted = self._exempt = self._charged = 0

    def hold_to(self, switch: RuleSwitch) -> None:
        """Be held as a switch says, from now on; after each of its changes `adopt` is called."""
        self._switch = switch
        self._heed_switch()

    def adopt(self, per_second: float, burst: float, network_factor: float, site_factor: float, now: float) -> None:
        """Take other rates, as of `build_client_limit`; every bucket keeps what is in it."""
        self._heed_switch()
        for table, factor in zip(self._all_tables, (1.0, network_factor, site_factor), strict=False):
            table.adopt(per_second * factor, burst * factor, now)

    def admit(self, client: Client, now: float) -> float:
        """Return 0.0 and charge every width, or return the seconds to wait and charge none."""
        if client.exempt:
            self._exempt += 1
            return 0.0
        # IPv4 has two prefixes and a peer without address has one: zip leaves their wider tables out.
        for table, hashes in zip(self._tables, client.hashes):  # noqa: B905
            wait = table.take(hashes, now)
            if wait:
                return self._refuse(client, now, table, wait)
        self._admitted += 1
        return 0.0

    def _heed_switch(self) -> None:
        # So that no request has to ask whether there is anything to look at.
        self._tables = () if self._switch.is_off else self._all_tables

    def wait(self, client: Client, now: float, cost: float = 1.0) -> float:
        """Return what `admit` would, and neither charge nor count anything."""
        if client.exempt:
            return 0.0
        longest = 0.0
        for table, hashes in zip(self._tables, client.hashes):  # noqa: B905  # as in `admit`
            wait = table.wait(hashes, now, cost)
            if wait > longest:
                longest = wait
        return longest if not longest or self._switch.is_enforced else 0.0

    def foresee(self, client: Client, now: float) -> float:
        """Return what `wait` would if the limit were enforced, also where it is only tried."""
        if client.exempt:
            return 0.0
        waits = (table.wait(hashes, now) for table, hashes in zip(self._tables, client.hashes))  # noqa: B905  # as in `admit`
        return max(waits, default=0.0)

    def charge(self, client: Client, now: float, cost: float = 1.0) -> None:
        """Count a request that was refused for another reason and is its client's fault.

        Widths are charged from the client outwards, and no further than the first that is full: beyond what a
        client could have had admitted, its noise is its own affair and not its network's.
        """
        if client.exempt:
            return
        self._charged += 1
        for table, hashes in zip(self._tables, client.hashes):  # noqa: B905  # as in `admit`
            if not table.charge(hashes, now, cost):
                return

    def statistics(self, now: float) -> LimitStatistics:
        """Return a frozen snapshot; counters are this process's, fills are of the shared tables."""
        return LimitStatistics(
            admitted=self._admitted,
            exempt=self._exempt,
            charged=self._charged,
            widths=tuple(
                WidthStatistics(width, table.fill(now), limited)
                for width, table, limited in zip(Width, self._all_tables, self._limited, strict=False)
            ),
        )

    def _refuse(self, client: Client, now: float, full: GcraTable, longest: float) -> float:
        """Give back what the widths before the full one have taken, and find the longest wait of all."""
        index = self._tables.index(full)
        for table in self._tables[:index]:
            table.give_back()
        if not self._switch.is_enforced:  # As `acts` does, which would be a call for each refusal.
            self._switch.count_shadow()
            self._admitted += 1
            return 0.0
        # A client over its own limit is refused for itself; only otherwise for its neighbours.
        self._limited[index] += 1
        for table, hashes in zip(self._tables[index + 1 :], client.hashes[index + 1 :], strict=False):
            wait = table.wait(hashes, now)
            if wait > longest:
                longest = wait
        return longest


def buffer_bytes(slots: int) -> int:
    """Return the size of the buffer for one table of `slots`; ValueError outside 1,024 to 16,777,216."""
    if not MINIMUM_SLOTS <= slots <= MAXIMUM_SLOTS:
        raise ValueError(f"a limiter table has {MINIMUM_SLOTS} to {MAXIMUM_SLOTS} slots, not {slots}")
    return slots * SLOT_BYTES


def build_client_limit(
    client: memoryview,
    network: memoryview,
    site: memoryview,
    *,
    per_second: float,
    burst: float,
    network_factor: float,
    site_factor: float,
) -> ClientLimit:
    """Build the three widths over three zero-filled buffers of `buffer_bytes` each.

    `per_second` and `burst` are one client's; the factors multiply both. ValueError if a factor is below 1 or
    the site's is below the network's: a wider prefix that may ask less than a narrower one would be the only
    limit left.
    """
    if not 1.0 <= network_factor <= site_factor:
        raise ValueError(f"factors must rise from 1: network {network_factor}, site {site_factor}")
    return ClientLimit(
        tuple(
            GcraTable(buffer, per_second=per_second * factor, burst=burst * factor)
            for buffer, factor in ((client, 1.0), (network, network_factor), (site, site_factor))
        )
    )
