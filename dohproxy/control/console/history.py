"""The last quarter of an hour for the charts, kept while somebody looks: what counters have grown by, a second."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dohproxy.observability.outcome_groups import Group, group_of
from dohproxy.outcomes import OUTCOMES

SPAN_SECONDS: Final = 900.0
MOST_POINTS: Final = 450
"""One each two seconds."""
LONGEST_STEP_SECONDS: Final = 10.0
"""Between two looks; what has grown over a longer time says nothing of now, and the chart has a gap."""
_GROUP_OF: Final = {row.label: group_of(reason) for reason, row in OUTCOMES.items()}
P99: Final = 0.99

Point = dict[str, Any]
"""One instant, ready for JSON: `at` in Unix seconds; None for what is not known."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What counters and gauges say at one instant."""

    groups: Mapping[str, float]
    """Requests, by group."""
    sends: float
    """To all upstreams."""
    buckets: Mapping[float, float]
    """Requests that took no longer, by seconds."""
    connections: float
    budget: float
    """Queries a second that all upstreams together may be asked now."""


def counted(figures: Mapping[str, Any]) -> Counted:
    """Return what the charts need of a snapshot's figures."""
    groups = dict.fromkeys((group.value for group in Group), 0.0)
    for (*_, outcome, _status), count in _leaves(figures["dohproxy_requests_total"]):
        groups[_GROUP_OF[outcome].value] += count
    buckets: dict[float, float] = {}
    for histogram in figures["dohproxy_request_seconds"].values():
        for bound, count in histogram["buckets"].items():
            buckets[float(bound)] = buckets.get(float(bound), 0.0) + count
    return Counted(
        groups,
        sum(count for _, count in _leaves(figures["dohproxy_upstream_sends_total"])),
        buckets,
        figures["dohproxy_connections"],
        sum(figures["dohproxy_upstream_budget_per_second"].values()),
    )


def _leaves(nested: Mapping[str, Any], labels: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    for label, value in nested.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*labels, label))
        else:
            yield (*labels, label), value


class History:
    """The points of the charts."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque(maxlen=MOST_POINTS)
        self._last: tuple[float, Counted] | None = None

    def add(self, counted: Counted, now: float, wall: float) -> Point:
        """Take a look at the monotonic instant `now`, which is `wall` in Unix seconds; return its point."""
        while self._points and wall - self._points[0]["at"] > SPAN_SECONDS:
            self._points.popleft()
        before, self._last = self._last, (now, counted)
        step = 0.0 if before is None else now - before[0]
        if before is None or not 0.0 < step <= LONGEST_STEP_SECONDS:
            point = _point(counted, wall, None, None, None)
        else:
            earlier = before[1]
            groups = {
                name: round(max(0.0, count - earlier.groups[name]) / step, 2) for name, count in counted.groups.items()
            }
            sends = round(max(0.0, counted.sends - earlier.sends) / step, 2)
            point = _point(counted, wall, groups, sends, p99(earlier.buckets, counted.buckets))
        self._points.append(point)
        return point

    def points(self) -> Sequence[Point]:
        """Return all, the oldest first."""
        return list(self._points)


def _point(
    counted: Counted, wall: float, groups: Mapping[str, float] | None, sends: float | None, slowest: float | None
) -> Point:
    return {
        "at": round(wall, 1),
        "groups": groups,
        "sends": sends,
        "budget": counted.budget,
        "connections": counted.connections,
        "p99_ms": None if slowest is None else round(slowest * 1_000, 2),
    }


def p99(before: Mapping[float, float], now: Mapping[float, float]) -> float | None:
    """Return the bound in seconds under which 99 of 100 requests between two looks stayed; None if there were none.
    Beyond the last bound it is that bound."""
    bounds = sorted(now)
    grown = [max(0.0, now[bound] - before.get(bound, 0.0)) for bound in bounds]
    if not grown or not grown[-1]:
        return None
    finite = [bound for bound in bounds if bound != float("inf")]
    for bound, count in zip(bounds, grown, strict=True):
        if count >= P99 * grown[-1]:
            return min(bound, finite[-1])
    return finite[-1]
