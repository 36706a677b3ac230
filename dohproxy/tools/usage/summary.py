"""What the hours of a span of time add up to. Whole numbers in, figures out; no words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import accumulate
from typing import Final

from dohproxy.observability.hour_sums import (
    ALERT_SECOND_SUMS,
    ALERT_SUMS,
    DIALECT_SUMS,
    HOUR_SECONDS,
    LATENCY_SUMS,
    OUTCOME_SUMS,
    SEND_SUMS,
    SHADOW_SUMS,
    Sums,
    add,
)
from dohproxy.observability.outcome_groups import Group, group_of
from dohproxy.observability.tallies import LATENCY_BOUNDS
from dohproxy.outcomes import OUTCOMES, Reason

SHORT_SPAN: Final = timedelta(days=3)
"""Up to here the picture has a bar an hour; beyond, one a day."""


LIMITS: Final = tuple(OUTCOMES[reason].label for reason in Reason if group_of(reason) is Group.LIMITED)
"""Outcomes that are the doing of a limit, a ban or a mode."""


@dataclass(frozen=True, slots=True)
class Minute:
    """The worst minute of a span."""

    count: int
    ended_at: int
    """Unix time."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour or one day of the picture."""

    since: datetime
    requests: int
    failed: int
    networks: int
    """Different ones: of an hour, or the most within a day."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One kind of alert."""

    kind: str
    begun: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one span of time."""

    since: datetime
    until: datetime
    covered_seconds: int
    """In which there was a service that counted."""
    starts: int
    requests: int
    failed: int
    groups: Mapping[Group, int]
    dialects: Mapping[str, int]
    limits: Mapping[str, int]
    shadow: Mapping[str, int]
    sends: Mapping[str, int]
    throttlings: int
    within_seconds: Mapping[int, float]
    """By the part of all requests in percent: the bound within which so many were answered; infinity beyond 5 s."""
    networks_busiest_day: int
    networks_usual_day: int
    """The median of the days."""
    new_networks: int
    member_questions: int
    member_failures: int
    connections: int
    connections_refused: int
    made_room: int
    bans_begun: int
    bans_at_once: int
    busiest: Minute
    worst: Minute
    incidents: tuple[Incident, ...]
    certificate_ends: int
    """Unix time; 0: none was seen."""
    bars: tuple[Bar, ...]
    are_days: bool
    """Whether each bar is a day, and not an hour."""

    @property
    def total_sends(self) -> int:
        """All queries to upstreams, probes of our own among them."""
        return sum(self.sends.values())


def summarise(rows: Sequence[Sums], since: datetime, until: datetime) -> Summary:
    """Return the figures of the rows of one span; days are those of the zone of `since`."""
    total: Sums = {}
    for row in rows:
        add(total, row)
    are_days = until - since > SHORT_SPAN
    days = _bars(rows, since, until, _day_begins)
    of_days = sorted(day.networks for day in days if day.requests)
    return Summary(
        since=since,
        until=until,
        covered_seconds=total.get("seconds", 0),
        starts=total.get("starts", 0),
        requests=total.get("requests", 0),
        failed=total.get("failed", 0),
        groups=_groups(total),
        dialects=_counted(total, DIALECT_SUMS),
        limits={label: total.get(OUTCOME_SUMS[label], 0) for label in LIMITS},
        shadow={name: total.get(column, 0) for name, column in SHADOW_SUMS.items()},
        sends=_counted(total, SEND_SUMS),
        throttlings=total.get("throttlings", 0),
        within_seconds={percent: _within(total, percent) for percent in (50, 95, 99)},
        networks_busiest_day=max(of_days, default=0),
        networks_usual_day=of_days[len(of_days) // 2] if of_days else 0,
        new_networks=total.get("new_networks", 0),
        member_questions=total.get("member_questions", 0),
        member_failures=total.get("member_failures", 0),
        connections=total.get("connections", 0),
        connections_refused=total.get("connections_refused", 0),
        made_room=total.get("made_room", 0),
        bans_begun=total.get("bans_begun", 0),
        bans_at_once=total.get("bans_at_once", 0),
        busiest=Minute(total.get("busiest_requests", 0), total.get("busiest_at", 0)),
        worst=Minute(total.get("worst_failed", 0), total.get("worst_at", 0)),
        incidents=_incidents(total),
        certificate_ends=total.get("certificate_ends", 0),
        bars=days if are_days else _bars(rows, since, until, _hour_begins),
        are_days=are_days,
    )


def _groups(total: Mapping[str, int]) -> dict[Group, int]:
    found = dict.fromkeys(Group, 0)
    for reason, row in OUTCOMES.items():
        found[group_of(reason)] += total.get(OUTCOME_SUMS[row.label], 0)
    return found


def _counted(total: Mapping[str, int], names: Mapping[str, str]) -> dict[str, int]:
    """Return what there was any of, the most first."""
    found = {label: total.get(column, 0) for label, column in names.items()}
    return {label: count for label, count in sorted(found.items(), key=lambda one: -one[1]) if count}


def _within(total: Mapping[str, int], percent: int) -> float:
    """Return the least bound within which so many requests ended."""
    counts = [total.get(name, 0) for name in LATENCY_SUMS]
    wanted = sum(counts) * percent / 100
    bounds = (*LATENCY_BOUNDS, float("inf"))
    return next((bound for bound, count in zip(bounds, accumulate(counts), strict=True) if count >= wanted), 0.0)


def _incidents(total: Mapping[str, int]) -> tuple[Incident, ...]:
    found = (
        Incident(kind, total.get(ALERT_SUMS[kind], 0), total.get(ALERT_SECOND_SUMS[kind], 0)) for kind in ALERT_SUMS
    )
    return tuple(one for one in found if one.begun or one.seconds)


def _day_begins(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _hour_begins(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _bars(
    rows: Iterable[Sums], since: datetime, until: datetime, begins: Callable[[datetime], datetime]
) -> tuple[Bar, ...]:
    """Return a bar for each hour or day of the span, also for those of which nothing is known."""
    zone, bars = since.tzinfo, dict.fromkeys(_steps(since, until, begins), (0, 0, 0))
    for row in rows:
        begin = begins(_moment(row["hour"], zone))
        if begin in bars:
            requests, failed, networks = bars[begin]
            most = row.get("networks_day" if begins is _day_begins else "networks_hour", 0)
            bars[begin] = requests + row.get("requests", 0), failed + row.get("failed", 0), max(networks, most)
    return tuple(Bar(begin, *numbers) for begin, numbers in bars.items())


def _steps(since: datetime, until: datetime, begins: Callable[[datetime], datetime]) -> Iterable[datetime]:
    # By the hours that pass: a day may have 23 of them, or 25.
    hours = range(int(since.timestamp()), int(until.timestamp()), HOUR_SECONDS)
    return dict.fromkeys(begins(_moment(hour, since.tzinfo)) for hour in hours)


def _moment(unix: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(unix, zone)
