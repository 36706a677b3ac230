"""What is counted, and how it is told to Prometheus.

On the hot path a request is three additions to a Tally that is found once. Everything else, including every gauge, is
read from its owner's `statistics()` when somebody scrapes. Labels come from closed sets alone: no name, no address
and no path can ever become one (CVE-2026-40011: a query name that broke the exposition).
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import accumulate, repeat
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from dohproxy.outcomes import OUTCOMES, Frontend, Outcome, Reason
from dohproxy.wire.numbers import Rcode

FIRST_BOUND: Final = 0.0001
LATENCY_BOUNDS: Final = (FIRST_BOUND, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds. Hits take some 0.1 ms, a recursive resolver 1 ms to 1 s; 5 s is the deadline."""

_NAMED_RCODES: Final = frozenset(int(rcode) for rcode in Rcode)
_OTHER_RCODE: Final = -1
"""The label of all rcodes without a name: an upstream may send 4,096 of them."""
_FOLDED_RCODES: Final = _NAMED_RCODES | {_OTHER_RCODE, None}

Source = Callable[[], Iterable[Metric]]
"""Gives one owner's figures at the moment of the scrape."""


def _how(reason: Reason) -> str:
    """Return the histogram's label: how the request was answered."""
    match reason:
        case Reason.CACHED:
            return "cached"
        case Reason.FORWARDED:
            return "upstream"
        case Reason.STALE:
            return "stale"
        case _:
            return "other"


class Tally:
    """How often, and how fast, requests have ended in one way: three plain additions a request."""

    __slots__ = ("buckets", "count", "outcome", "seconds")

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.count = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(LATENCY_BOUNDS) + 1)

    def __call__(self, seconds: float) -> None:
        """Count one more request, which took so long from its last byte to its response."""
        self.count += 1
        self.seconds += seconds
        # Nearly all that are counted this way came from the cache, and are within the first bound.
        self.buckets[0 if seconds <= FIRST_BOUND else bisect_left(LATENCY_BOUNDS, seconds)] += 1


class Metrics(Collector):
    """Counts outcomes; collects everything."""

    def __init__(self) -> None:
        self._tallies: dict[Outcome, Tally] = {}
        self._sources: list[Source] = []

    def add_source(self, source: Source) -> None:
        """Include another owner's figures."""
        self._sources.append(source)

    def tally(self, outcome: Outcome) -> Tally:
        """Return what counts the requests that end like this, the same object each time."""
        tally = self._tallies.get(outcome)
        if tally is None:
            if outcome.answered_rcode not in _FOLDED_RCODES:
                return self.tally(replace(outcome, answered_rcode=_OTHER_RCODE))
            tally = self._tallies[outcome] = Tally(outcome)
        return tally

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the process."""
        tallies = list(self._tallies.values())
        yield self._request_family()
        yield _family("dohproxy_dialect_requests", "Requests by dialect.", "dialect", _sums(tallies, _dialect))
        yield _family(
            "dohproxy_dialect_shadow_requests",
            "Requests served in a dialect set to count: what refuse would have hit.",
            "dialect",
            _sums(tallies, _shadow),
        )
        yield _family(
            "dohproxy_malformed_queries", "DNS messages refused, by what is wrong.", "fault", _sums(tallies, _fault)
        )
        yield _family("dohproxy_replies", "DNS replies by rcode.", "rcode", _sums(tallies, _rcode))
        yield self._latency_family()
        for source in self._sources:
            yield from source()

    def _request_family(self) -> Metric:
        family = CounterMetricFamily(
            "dohproxy_requests", "Finished requests.", labels=("frontend", "method", "outcome", "status")
        )
        counts: Counter[tuple[Frontend, str, Reason]] = Counter()
        for tally in self._tallies.values():
            counts[tally.outcome.frontend, tally.outcome.variant, tally.outcome.reason] += tally.count
        for (frontend, variant, reason), count in counts.items():
            ending = OUTCOMES[reason]
            family.add_metric((frontend, variant, ending.label, str(ending.status)), count)
        return family

    def _latency_family(self) -> Metric:
        family = HistogramMetricFamily(
            "dohproxy_request_seconds", "From a request's last byte to its response.", labels=("answered",)
        )
        counts: dict[str, list[int]] = {}
        seconds: defaultdict[str, float] = defaultdict(float)
        for tally in self._tallies.values():
            how = _how(tally.outcome.reason)
            counts[how] = [a + b for a, b in zip(counts.get(how, repeat(0)), tally.buckets, strict=False)]
            seconds[how] += tally.seconds
        for how, numbers in counts.items():
            bounds = (*map(str, LATENCY_BOUNDS), "+Inf")
            buckets = list(zip(bounds, map(float, accumulate(numbers)), strict=True))
            family.add_metric((how,), buckets, seconds[how])
        return family

    def registry(self) -> CollectorRegistry:
        """Return a registry that holds these metrics alone."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry


def _sums(tallies: Iterable[Tally], label_of: Callable[[Outcome], str | None]) -> Counter[str]:
    """Add up the counts by label; None is not counted."""
    sums: Counter[str] = Counter()
    for tally in tallies:
        label = label_of(tally.outcome)
        if label is not None:
            sums[label] += tally.count
    return sums


def _dialect(outcome: Outcome) -> str:
    return outcome.dialect


def _shadow(outcome: Outcome) -> str | None:
    return outcome.dialect if outcome.shadow else None


def _fault(outcome: Outcome) -> str | None:
    return None if outcome.fault is None else str(outcome.fault)


def _rcode(outcome: Outcome) -> str | None:
    if outcome.answered_rcode is None:
        return None
    return Rcode(outcome.answered_rcode).name if outcome.answered_rcode in _NAMED_RCODES else "other"


def _family(name: str, text: str, label: str, counts: Counter[str]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, count in counts.items():
        family.add_metric((value,), count)
    return family


def gauge(name: str, text: str, value: float) -> Metric:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    """Return a counter without labels; Prometheus sees its name with "_total"."""
    return CounterMetricFamily(name, text, value=value)


def labelled_gauge(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """Return a gauge with one label."""
    family = GaugeMetricFamily(name, text, labels=(label,))
    for label_value, value in values:
        family.add_metric((label_value,), value)
    return family


def labelled_counter(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    """Return a counter with labels."""
    family = CounterMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family
