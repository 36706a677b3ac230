"""What is kept of each hour for the report: sums over a closed set, and nothing that was said or by whom.

Counters run since the start of the process. Once a minute they are read, and what they have grown by goes to the hour
in which that was. So a restart, or a counter that is gone with its upstream, takes nothing away and adds nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dohproxy.doh.dialects import Dialect
from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.tallies import LATENCY_BOUNDS
from dohproxy.outcomes import OUTCOMES
from dohproxy.policy.rule_switches import Rule
from dohproxy.upstream.results import SendStatus

HOUR_SECONDS: Final = 3_600
LONGEST_MINUTE_SECONDS: Final = 90.0
"""Of the time between two looks: what took longer, as a machine that slept, is no minute that could be the busiest."""


class Gathering(Enum):
    """How what was seen in a minute is added to its hour."""

    SUM = "sum"
    MOST = "most"
    LAST = "last"


def column(kind: str, label: str) -> str:
    """Return the name of a sum for one value of a label."""
    return f"{kind}_{label.replace('-', '_')}"


OUTCOME_SUMS: Final = {row.label: column("outcome", row.label) for row in OUTCOMES.values()}
DIALECT_SUMS: Final = {dialect.value: column("dialect", dialect) for dialect in Dialect}
SEND_SUMS: Final = {status.value: column("sends", status) for status in SendStatus}
ALERT_SUMS: Final = {kind.value: column("alerts", kind) for kind in AlertKind}
"""How many began."""
ALERT_SECOND_SUMS: Final = {kind.value: column("alert_seconds", kind) for kind in AlertKind}
LATENCY_SUMS: Final = tuple(column("latency", str(number)) for number in range(len(LATENCY_BOUNDS) + 1))
"""Requests by how long they took, up to each of `LATENCY_BOUNDS` and longer."""
SHADOW_SUMS: Final = {name: column("shadow", name) for name in (*(rule.value for rule in Rule), "dialects")}
"""What rules that are only tried would have turned away."""

_COUNTED: Final = (
    "requests",
    "failed",
    *OUTCOME_SUMS.values(),
    *DIALECT_SUMS.values(),
    *LATENCY_SUMS,
    *SEND_SUMS.values(),
    "upstream_probes",
    "throttlings",
    "member_questions",
    "member_failures",
    "new_networks",
    "connections",
    "connections_refused",
    "made_room",
    "bans_begun",
    *SHADOW_SUMS.values(),
)
"""What the owners count since the start."""

COLUMNS: Final[Mapping[str, Gathering]] = {
    "starts": Gathering.SUM,
    "seconds": Gathering.SUM,
    **dict.fromkeys(_COUNTED, Gathering.SUM),
    **dict.fromkeys((*ALERT_SUMS.values(), *ALERT_SECOND_SUMS.values()), Gathering.SUM),
    "networks_hour": Gathering.MOST,
    "networks_day": Gathering.MOST,
    "bans_at_once": Gathering.MOST,
    "certificate_ends": Gathering.LAST,
}
"""All that is kept of an hour, each a whole number, besides its worst minutes."""

WORST: Final[Mapping[str, str]] = {"busiest_requests": "busiest_at", "worst_failed": "worst_at"}
"""The most of something in one minute, and where it stands when that minute ended, in Unix time."""

Sums = dict[str, int]
"""Values by their columns; what is missing is 0."""


@dataclass(frozen=True, slots=True)
class Counters:
    """All counters at one instant, and what is as it is."""

    counted: Mapping[str, int]
    """Since the start, by their columns."""
    networks_hour: int
    networks_day: int
    bans: int
    """Networks that are banned by rule."""
    certificate_ends: int
    """Unix time; 0 without TLS."""
    alerts: Mapping[tuple[str, str], float]
    """The alerts that are on, by kind and subject, and since when (monotonic)."""


def minute_of(before: Counters, now: Counters, seconds: float, wall: float) -> Sums:
    """Return what belongs to the time between two looks, `seconds` long and ended at the Unix time `wall`."""
    found: Sums = {name: count for name, count in _growth(before.counted, now.counted) if count}
    found["seconds"] = round(seconds)
    found |= {"networks_hour": now.networks_hour, "networks_day": now.networks_day, "bans_at_once": now.bans}
    found["certificate_ends"] = now.certificate_ends
    for (kind, subject), since in now.alerts.items():
        found[ALERT_SECOND_SUMS[kind]] = round(seconds)
        if before.alerts.get((kind, subject)) != since:
            found[ALERT_SUMS[kind]] = found.get(ALERT_SUMS[kind], 0) + 1
    if seconds <= LONGEST_MINUTE_SECONDS:
        for most, at in WORST.items():
            found[most] = found.get("requests" if most == "busiest_requests" else "failed", 0)
            found[at] = int(wall) if found[most] else 0
    return found


def _growth(before: Mapping[str, int], now: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for name, count in now.items():
        yield name, max(0, count - before.get(name, 0))


def add(hour: Sums, minute: Sums) -> None:
    """Add what one minute had to the sums of its hour."""
    for name, how in COLUMNS.items():
        number = minute.get(name, 0)
        match how:
            case Gathering.SUM:
                hour[name] = hour.get(name, 0) + number
            case Gathering.MOST:
                hour[name] = max(hour.get(name, 0), number)
            case Gathering.LAST:
                hour[name] = number or hour.get(name, 0)
    for most, at in WORST.items():
        if minute.get(most, 0) > hour.get(most, 0):
            hour[most], hour[at] = minute[most], minute[at]


def hour_of(wall: float) -> int:
    """Return when the hour of a Unix time begins."""
    return int(wall // HOUR_SECONDS) * HOUR_SECONDS
