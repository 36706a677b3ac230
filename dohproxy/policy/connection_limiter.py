"""Who may open a connection: decided before TLS, for the price of a few comparisons.

A handshake costs more than fifty answers from the cache. So connections have limits of their own: how many one client
and its network hold, how many they open in a second, how many everybody opens, and how many handshakes are under way.
Members go first in each of them, and whoever is connected already is not touched by any. What handshakes cost depends
on the certificate's key and on the machine; where the rate for everybody would take more of a core than it may,
strangers get a lower one.
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from dohproxy.config import ConnectionsConfig, LimitsConfig
from dohproxy.outcomes import Client
from dohproxy.policy.fair_slots import FairSlots, FairSlotsStatistics
from dohproxy.policy.gcra import Gcra, GcraTable
from dohproxy.policy.limits import ClientLimit, LimitStatistics
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.policy.standing import STRANGERS_LEAVE, Standing, Standings

SITE_FACTOR: Final = 4
"""A /48 may hold so many times the connections of a /56."""
FAIR_SHARE: Final = 0.25
"""Part of all new connections that one /24, or provider's /32 of IPv6, may open while there are more than may be."""
CROWDED_FILL: Final = 0.5
"""How full the bucket of all new connections is when that begins to count."""
HANDSHAKE_GRACE_SECONDS: Final = 2.0
"""How long a handshake may be under way before somebody of equal right may take its slot: two round trips on a poor
mobile network."""


class ConnectionRefusal(StrEnum):
    """Why a connection is closed at once; metric label."""

    TOO_MANY_PER_CLIENT = "too_many_per_client"
    """Its address or one of its networks holds as many as it may."""
    CLIENT_RATE = "client_rate"
    """Its address or one of its networks opens them too fast."""
    TOTAL_RATE = "total_rate"
    """Everybody together opens them too fast, or this prefix more than its share of what there may be."""
    STRANGERS_RATE = "strangers_rate"
    """All who are no members open them faster than this machine can afford with this certificate."""
    TOO_MANY_HANDSHAKES = "too_many_handshakes"


Leave = Callable[[], None]
"""To be called once, when a connection that was let in has closed."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many connections strangers may open."""

    per_second: float
    burst: float


def affordable(per_second: float, burst: float, handshake_seconds: float, percent: float) -> Allowance | None:
    """Return what is left of a rate and a burst where handshakes may take `percent` of a core; None if all of it is.

    `handshake_seconds`: what one costs, of one core.
    """
    most = percent / 100 / handshake_seconds if handshake_seconds > 0 else per_second
    if most >= per_second:
        return None
    return Allowance(most, max(1.0, burst * most / per_second))


@dataclass(frozen=True, slots=True)
class ConnectionLimiterStatistics:
    """The limiter at one instant."""

    rate: LimitStatistics
    total_fill: float
    """How full the bucket of everybody's new connections is, 0.0 to 1.0."""
    strangers_fill: float
    """How full the bucket of strangers' new connections is; 0.0 if they have none of their own."""
    strangers_per_second: float
    """What strangers may open in a second, infinity if that is not less than everybody may."""
    handshakes: FairSlotsStatistics
    busiest_client: int
    """Connections of the client that holds the most."""
    max_per_client: int


class ConnectionLimiter:
    """Counts connections by prefix; bounded by the number of connections there are."""

    def __init__(
        self,
        rate: ClientLimit,
        total: Gcra,
        shares: GcraTable,
        standings: Standings,
        member_networks: MemberNetworks,
        everybody: Allowance,
        *,
        max_per_client: int,
        max_per_network: int,
        max_handshakes: int,
        rules: RuleSwitches | None = None,
    ) -> None:
        """`total`: the bucket of `everybody`; `shares`: those of prefixes, whose rate and burst are set here. `rules`:
        how the limits are held; without it all are enforced."""
        rules = RuleSwitches() if rules is None else rules
        rate.hold_to(rules[Rule.CLIENT_RATE])
        self._many_switch = rules[Rule.TOO_MANY_PER_CLIENT]
        self._total_switch = rules[Rule.TOTAL_RATE]
        self._strangers_switch = rules[Rule.STRANGERS_RATE]
        self._rate = rate
        self._total = total
        self._shares = shares
        self._standings = standings
        self._member_networks = member_networks
        self._everybody = everybody
        self._strangers: Gcra | None = None
        self._allowance: Allowance | None = None
        self._share(0.0)
        self._most = (max_per_client, max_per_network, max_per_network * SITE_FACTOR)
        self.handshakes: FairSlots[Hashable] = FairSlots(max_handshakes, HANDSHAKE_GRACE_SECONDS)
        """Those under way; who loses its slot has to be told."""
        # The keys are keyed hashes, which nobody outside can choose.
        self._held: tuple[dict[tuple[int, int], int], ...] = ({}, {}, {})

    def adopt(self, connections: ConnectionsConfig, limits: LimitsConfig, now: float) -> None:
        """Take other limits; connections that are open stay, and what clients have used up stays used up."""
        self._rate.adopt(
            connections.new_per_second_per_client,
            connections.new_burst_per_client,
            limits.network_factor,
            limits.site_factor,
            now,
        )
        self._total.adopt(connections.new_per_second, connections.new_burst, now)
        per_network = connections.max_per_network
        self._most = (connections.max_per_client, per_network, per_network * SITE_FACTOR)
        self.handshakes.most = connections.max_handshakes
        self._everybody = Allowance(connections.new_per_second, connections.new_burst)
        self._share(now)

    def hold_strangers(self, allowance: Allowance | None, bucket: memoryview, now: float) -> None:
        """Let strangers open no more connections than this, from now on; `bucket` is an empty slot of 8 bytes, which
        is used if they were not held before."""
        self._allowance = allowance
        self._share(now)
        if allowance is None:
            self._strangers = None
        elif self._strangers is None:
            self._strangers = Gcra(bucket, per_second=allowance.per_second, burst=allowance.burst)
        else:
            self._strangers.adopt(allowance.per_second, allowance.burst, now)

    def _share(self, now: float) -> None:
        whole = self._allowance or self._everybody
        self._shares.adopt(FAIR_SHARE * whole.per_second, max(1.0, FAIR_SHARE * whole.burst), now)

    def standing(self, client: Client, now: float) -> Standing:
        """Return where this client stands at the bounds that all share: as a member too if a member's token has come
        from its address lately, since no request has been read that could bring one."""
        if self._member_networks.knows(client, now):
            return Standing.MEMBER
        return self._standings.of(client, now)

    def enter(self, client: Client, standing: Standing, now: float) -> ConnectionRefusal | Leave:
        """Let a new connection of `client` in, or say why not; if it is in, what is returned is owed when it closes."""
        holds_too_many = not client.exempt and self._holds_too_many(client)
        if holds_too_many and self._many_switch.acts():
            return ConnectionRefusal.TOO_MANY_PER_CLIENT
        if not client.exempt and self._rate.admit(client, now):
            return ConnectionRefusal.CLIENT_RATE
        refusal = self._admit_among_others(client, standing, now)
        if refusal is not None:
            return refusal
        # What is let in beyond the caps while they are only tried is counted nowhere, as if it had been refused.
        return _leave_nothing if holds_too_many else self._hold(client)

    def _holds_too_many(self, client: Client) -> bool:
        if self._many_switch.is_off:
            return False
        for held, most, key in zip(self._held, self._most, client.hashes, strict=False):
            if held.get(key, 0) >= most:
                return True
        return False

    def _hold(self, client: Client) -> Leave:
        for held, key in zip(self._held, client.hashes, strict=False):
            held[key] = held.get(key, 0) + 1
        return partial(self._leave, client)

    def _leave(self, client: Client) -> None:
        for held, key in zip(self._held, client.hashes, strict=False):
            left = held[key] - 1
            if left:
                held[key] = left
            else:
                del held[key]

    def _admit_among_others(self, client: Client, standing: Standing, now: float) -> ConnectionRefusal | None:
        """Keep everybody to what all may open together; those who are no members to what they may, and each of their
        prefixes to its share."""
        leave = STRANGERS_LEAVE if standing is Standing.STRANGER else 0.0
        is_member = standing is Standing.MEMBER
        is_over_share = not is_member and self._is_over_share(client, now)
        if is_over_share and self._total_switch.acts():
            return ConnectionRefusal.TOTAL_RATE
        strangers = None if is_member or self._strangers_switch.is_off else self._strangers
        if strangers is not None and strangers.take(now, leave) and self._strangers_switch.acts():
            return ConnectionRefusal.STRANGERS_RATE
        # What is over its share has been counted, and takes nothing of the rate: it would not have come so far.
        if self._total_switch.is_off or is_over_share:
            return None
        if self._total.take(now, leave) and self._total_switch.acts():
            return ConnectionRefusal.TOTAL_RATE
        return None

    def _is_over_share(self, client: Client, now: float) -> bool:
        if self._total_switch.is_off:
            return False
        crowd = self._total if self._strangers is None else self._strangers
        is_greedy = not self._shares.charge(client.prefixes[-1], now)
        return is_greedy and crowd.fill(now) >= CROWDED_FILL

    def statistics(self, now: float) -> ConnectionLimiterStatistics:
        """Return a frozen snapshot."""
        return ConnectionLimiterStatistics(
            rate=self._rate.statistics(now),
            total_fill=self._total.fill(now),
            strangers_fill=0.0 if self._strangers is None else self._strangers.fill(now),
            strangers_per_second=math.inf if self._allowance is None else self._allowance.per_second,
            handshakes=self.handshakes.statistics(),
            busiest_client=max(self._held[0].values(), default=0),
            max_per_client=self._most[0],
        )


def _leave_nothing() -> None:
    """A connection is closed that was counted nowhere."""
