"""What clients do wrong, in points: whoever has too many is banned.

Points are kept for each width of a client's networks, in tables of fixed size, and are forgiven with time. Whatever is
malformed costs one, whatever could happen to an honest client a small part of that: an office of sixty behind one
address makes as many mistakes as sixty, and answers that are good pay for some of them. A wider network is banned only
when many of its clients are.

What costs how much stands in the table of outcomes, for requests; and here for what is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dohproxy.config import BansConfig
from dohproxy.outcomes import OUTCOMES, Client, Reason
from dohproxy.policy.bans import Bans
from dohproxy.policy.gcra import GcraTable
from dohproxy.policy.limits import Width


class Offence(StrEnum):
    """What costs points and is no outcome of a request, or not of its reason alone; metric label."""

    NXDOMAIN = "nxdomain"
    """An upstream was asked for a name that does not exist."""
    SERVFAIL = "servfail"
    """An upstream was asked for a name whose servers fail."""
    HANDSHAKE = "handshake"
    """A TLS handshake that the client did not end, or that was none."""
    NO_REQUEST = "no_request"
    """A connection on which nothing was asked."""
    CONNECTION_LIMIT = "connection_limit"
    """A connection beyond what a client may hold or open."""
    HTTP2_FAULT = "http2_fault"
    """HTTP/2 that breaks its rules or our limits."""
    TLS_FLOOD = "tls_flood"
    """TLS records that say nothing, without end."""


OFFENCES: Final[Mapping[Offence, float]] = {
    # A page has some of these, which its other names pay for. What is not cached is limited to five a second: all of
    # them denied are more than is forgiven.
    Offence.NXDOMAIN: 0.2,
    # Asked for again and again by honest clients; and an upstream in trouble says so of every name.
    Offence.SERVFAIL: 0.02,
    # Mobile networks lose some, monitors look whether the port is open, browsers connect before they have a question.
    Offence.HANDSHAKE: 0.5,
    Offence.NO_REQUEST: 0.5,
    # Sixty browsers behind one address may want more connections than one client has, and each tries again.
    Offence.CONNECTION_LIMIT: 0.02,
    # No client does these by mistake, and each has cost a handshake.
    Offence.HTTP2_FAULT: 5.0,
    Offence.TLS_FLOOD: 5.0,
}
"""What each costs, in points."""

GOOD_ANSWER: Final = 0.03
"""Points that an upstream's answer pays for: whoever asks for fewer absent names than one in eight owes nothing."""

SAMPLE: Final = 8
"""Of so many requests that are refused one is charged, for all of them: a refusal must cost no more than an answer, and
who sends one in a while does not know which."""
SAMPLE_OF_LIGHT: Final = 16
"""The same of those that cost little, and come by the thousand."""
LIGHT: Final = 0.05
"""Points that are little."""
UNITS: Final = 100.0
"""Of a point, in the tables, which forgive a hundredth of one for rounding: that must be little beside any weight."""


class Penalty:
    """What one kind of outcome or offence costs, and has cost."""

    __slots__ = ("every", "label", "left", "points", "weight")

    def __init__(self, label: str, weight: float, every: int = 1) -> None:
        """`every`: of so many one is charged, for all of them."""
        self.label = label
        self.weight = weight * every
        self.every = every
        self.left = every
        """How many still, until one is charged; whoever counts them down calls `charge` at zero."""
        self.points = 0.0


@dataclass(frozen=True, slots=True)
class PenaltyStatistics:
    """What was charged since the start, and how full the tables are."""

    points: dict[str, float]
    """By the label of the outcome or offence."""
    fills: dict[Width, float]
    """Share of each table's slots in use, 0.0 to 1.0, estimated."""


class Penalties:
    """Charges clients for what they do wrong."""

    def __init__(self, bans: Bans, tables: tuple[GcraTable, ...], rules: BansConfig) -> None:
        """`tables`: one for each width, narrow to wide, with the rates of `rules`."""
        self.bans = bans
        self._tables = tables
        self._is_off = rules.mode == "off"
        self.of_outcomes: dict[Reason, Penalty] = {
            reason: Penalty(row.label, row.weight, SAMPLE_OF_LIGHT if row.weight <= LIGHT else SAMPLE)
            for reason, row in OUTCOMES.items()
            if row.weight
        }
        """What requests cost by how they end, where that is anything."""
        self._of_offences = {offence: Penalty(offence.value, weight) for offence, weight in OFFENCES.items()}

    def adopt(self, rules: BansConfig, now: float) -> None:
        """Take other rules; points stay as they are."""
        self.bans.adopt(rules, now)
        self._is_off = rules.mode == "off"
        for table, (per_second, burst) in zip(self._tables, rates(rules), strict=True):
            table.adopt(per_second, burst, now)

    def note(self, client: Client, offence: Offence, now: float) -> None:
        """Charge what is no request."""
        self.charge(client, self._of_offences[offence], now)

    def charge(self, client: Client, penalty: Penalty, now: float) -> None:
        """Charge a client, and ban it or one of its networks if it is full; whoever is banned already owes nothing."""
        penalty.left = penalty.every
        if self._is_off or client.exempt or client.member or client.proxy or not client.address:
            return
        bans = self.bans
        if bans.is_active and bans.decisive(client, now) is not None:
            return
        penalty.points += penalty.weight
        cost = UNITS * penalty.weight
        # IPv4 has two prefixes: zip leaves the widest table out.
        for width, (table, hashes) in enumerate(zip(self._tables, client.hashes)):  # noqa: B905
            if not table.charge(hashes, now, cost):
                # A full bucket is of no more use, and would be in the way of others that share its slots.
                table.pay(hashes, now, float("inf"))
                bans.ban_by_rule(client, width, penalty.label, now)
                return

    def pay(self, client: Client, now: float) -> None:
        """Let a good answer, which an upstream was asked for, make up for something."""
        if self._is_off or client.exempt or client.member:
            return
        for table, hashes in zip(self._tables, client.hashes):  # noqa: B905  # as in `charge`
            table.pay(hashes, now, UNITS * GOOD_ANSWER)

    def statistics(self, now: float) -> PenaltyStatistics:
        """Return a frozen snapshot."""
        return PenaltyStatistics(
            {one.label: one.points for one in (*self._of_offences.values(), *self.of_outcomes.values())},
            {width: table.fill(now) for width, table in zip(Width, self._tables, strict=True)},
        )


def rates(rules: BansConfig) -> list[tuple[float, float]]:
    """Return what is forgiven a second and what is too much, in units, for each width, narrow to wide."""
    factors = (UNITS, UNITS * rules.network_factor, UNITS * rules.site_factor)
    return [(rules.forgiven_per_second * factor, rules.points * factor) for factor in factors]
