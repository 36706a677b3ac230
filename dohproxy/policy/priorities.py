"""Who goes first when the upstreams' budget is short: members, then those who have been here longer and ask little.

Exempt networks stand with those who have been here longest, however much they ask.

Three things are looked at, none of which a request can say of itself. Whether the operator has named the network as
its members'. How long the network has been asking here. And whether it has lately asked more than a fair share of
what the upstreams may be asked at all.
"""

from dataclasses import dataclass
from typing import Final

from dohproxy.outcomes import MEMBER_RANK, Client, Priority
from dohproxy.policy.gcra import GcraTable
from dohproxy.policy.seniority import LEVELS, SITE, Seniority

FAIR_SHARE: Final = 0.25
"""Part of all budgets together that one /24, or /48 of IPv6, may use before it stands behind those that use less: four
busy ones can be served side by side, which is more than an association has at night and less than a flood needs."""
GREEDY_RANKS: Final = LEVELS + 2
"""What asking more than the fair share costs: who does goes behind every stranger who does not."""
EXEMPT_RANK: Final = 1
"""Of the operator's exempt networks: with those who have been here longest. Before members they would be in their way,
as no limit holds for them, and a stranger's place would let a flood blind who watches the service."""
JUNIOR_RESERVE: Final = 0.25
"""Part of each burst that those who came within the hour, and those over their fair share, leave to the others. It is
idle while there are no others; more than a quarter would be felt by a lone browser."""


@dataclass(frozen=True, slots=True)
class PriorityStatistics:
    """The books of the priorities at one instant."""

    members: int
    """Misses of members since start."""
    settled: int
    """Misses of networks that have been here for an hour or more, and of exempt ones."""
    newcomers: int
    greedy: int
    """How many of all these were beyond the fair share of their network."""
    fill: float
    """Share of the seniority table's slots in use."""


class Priorities:
    """Judges each miss."""

    def __init__(self, seniority: Seniority, shares: GcraTable) -> None:
        self.seniority = seniority
        self._shares = shares
        self._members = self._settled = self._newcomers = self._greedy = 0

    def adopt(self, per_second: float, burst: float, now: float) -> None:
        """Take another fair share; nobody's seniority changes."""
        self._shares.adopt(per_second, burst, now)

    def judge(self, client: Client, now: float) -> Priority:
        """Return where a question of `client` stands, and count it against its network's fair share."""
        hashes = client.prefixes[min(SITE, len(client.prefixes) - 1)]
        path = client.path[:-1] or client.path
        level = self.seniority.level(client.prefixes, now)
        is_greedy = not client.exempt and not self._shares.charge(hashes, now)
        self._greedy += is_greedy
        if client.member:
            self._members += 1
            return Priority(MEMBER_RANK, path, 0.0)
        if client.exempt:
            self._settled += 1
            return Priority(EXEMPT_RANK, path, 0.0)
        if level:
            self._settled += 1
        else:
            self._newcomers += 1
        rank = 1 + LEVELS - level + (GREEDY_RANKS if is_greedy else 0)
        return Priority(rank, path, 0.0 if level and not is_greedy else JUNIOR_RESERVE)

    def statistics(self, now: float) -> PriorityStatistics:
        """Return a frozen snapshot."""
        return PriorityStatistics(self._members, self._settled, self._newcomers, self._greedy, self.seniority.fill(now))
