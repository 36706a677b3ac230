"""Reads all counters that the report is made of from their owners, who count them anyway."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from dohproxy.frontends.connections import Closing
from dohproxy.jobs.alert_readings import Owners
from dohproxy.observability.detectors.board import ActiveAlert
from dohproxy.observability.hour_sums import (
    DIALECT_SUMS,
    LATENCY_SUMS,
    OUTCOME_SUMS,
    SEND_SUMS,
    SHADOW_SUMS,
    Counters,
)
from dohproxy.observability.tallies import Tally, failed_in, times_of
from dohproxy.outcomes import OUTCOMES
from dohproxy.policy.bans import BanStatistics
from dohproxy.policy.rule_switches import RuleStatistics

REFUSED_CLOSINGS: Final = frozenset({
    Closing.BANNED, Closing.TOO_MANY, Closing.TOO_MANY_PER_CLIENT, Closing.CLIENT_RATE, Closing.TOTAL_RATE,
    Closing.STRANGERS_RATE, Closing.TOO_MANY_HANDSHAKES,
})  # fmt: skip
"""Connections that were turned away by a limit or a ban."""


@dataclass(frozen=True, slots=True)
class HourOwners:
    """Whom the figures come from."""

    alerting: Owners
    """Those whom the detectors look at."""
    bans: Callable[[], BanStatistics]
    rules: Callable[[], Sequence[RuleStatistics]]
    alerts: Callable[[], Sequence[ActiveAlert]]
    certificate_ends: Callable[[], float]
    """Unix time; 0.0 without TLS."""


def read_counters(owners: HourOwners, now: float) -> Counters:
    """Return everything as it is; `now` is monotonic."""
    others = owners.alerting
    counted = count_requests(others.tallies())
    resolver, connections = others.resolver(now), others.connections()
    for upstream in resolver.upstreams:
        counted["upstream_probes"] += upstream.probes
        counted["throttlings"] += upstream.halvings
        for status, count in upstream.sends.items():
            counted[SEND_SUMS[status.value]] += count
    members, visitors, bans = others.members(), others.visitors(), owners.bans()
    counted["member_questions"], counted["member_failures"] = members.questions, members.failures
    counted["new_networks"] = round(visitors.newcomers)
    counted["connections"] = connections.accepted
    counted["connections_refused"] = sum(connections.closed.get(closing, 0) for closing in REFUSED_CLOSINGS)
    counted["made_room"] = connections.closed.get(Closing.MADE_ROOM, 0)
    counted["bans_begun"] = sum(bans.made.values())
    for rule in owners.rules():
        counted[SHADOW_SUMS[rule.rule.value]] = rule.shadowed
    return Counters(
        counted,
        networks_hour=round(visitors.hour),
        networks_day=round(visitors.day),
        bans=bans.by_rule,
        certificate_ends=int(owners.certificate_ends()),
        alerts={(one.kind.value, one.subject): one.since for one in owners.alerts()},
    )


def count_requests(tallies: Sequence[Tally]) -> Counter[str]:
    """Return the sums of all requests since the start: outcomes, dialects, and how long they took."""
    counted: Counter[str] = Counter()
    # There may be ten thousand tallies, and nobody else gets a turn meanwhile: of each only what it alone knows.
    dialects: dict[str, int] = {}
    shadowed = 0
    for tally in tallies:
        outcome, count = tally.outcome, tally.count
        dialects[outcome.dialect] = dialects.get(outcome.dialect, 0) + count
        if outcome.shadow:
            shadowed += count
    counted |= {DIALECT_SUMS[dialect]: count for dialect, count in dialects.items()}
    counted |= {"failed": failed_in(tallies), SHADOW_SUMS["dialects"]: shadowed}
    for times in times_of(tallies):
        count = sum(times.buckets)
        counted["requests"] += count
        counted[OUTCOME_SUMS[OUTCOMES[times.reason].label]] += count
        for name, within in zip(LATENCY_SUMS, times.buckets, strict=True):
            counted[name] += within
    return counted
