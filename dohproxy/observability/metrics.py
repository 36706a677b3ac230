"""What is counted, and how it is told to Prometheus.

On the hot path a request is a few increments of plain integers. Everything else, including every gauge, is read
from its owner's `statistics()` when somebody scrapes. Labels come from closed sets alone: no name, no address and no
path can ever become one (CVE-2026-40011: a query name that broke the exposition).
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from dohproxy.verdict import OUTCOMES, Door, Outcome, Reason
from dohproxy.wire.malformed import Fault
from dohproxy.wire.numbers import Rcode

LATENCY_BOUNDS: Final = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds. Hits take some 0.1 ms, a recursive resolver 1 ms to 1 s; 5 s is the deadline."""

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


class Metrics(Collector):
    """Counts outcomes; collects everything."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[Door, str, Reason]] = Counter()
        self._dialects: Counter[str] = Counter()
        self._shadows: Counter[str] = Counter()
        self._faults: Counter[Fault] = Counter()
        self._rcodes: Counter[int] = Counter()
        self._latency: dict[str, list[int]] = {}
        self._latency_sums: defaultdict[str, float] = defaultdict(float)
        self._sources: list[Source] = []

    def add_source(self, source: Source) -> None:
        """Include another owner's figures."""
        self._sources.append(source)

    def observe(self, outcome: Outcome) -> None:
        """Count one finished request."""
        self._requests[outcome.door, outcome.method, outcome.reason] += 1
        self._dialects[outcome.dialect] += 1
        if outcome.shadow:
            self._shadows[outcome.dialect] += 1
        if outcome.fault is not None:
            self._faults[outcome.fault] += 1
        if outcome.answered_rcode is not None:
            self._rcodes[outcome.answered_rcode] += 1
        self._time(_how(outcome.reason), outcome.seconds)

    def _time(self, how: str, seconds: float) -> None:
        buckets = self._latency.get(how)
        if buckets is None:
            buckets = self._latency[how] = [0] * (len(LATENCY_BOUNDS) + 1)
        buckets[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self._latency_sums[how] += seconds

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the process."""
        yield self._request_family()
        yield _family("dohproxy_dialect_requests", "Requests by dialect.", "dialect", self._dialects)
        yield _family(
            "dohproxy_dialect_shadow_requests",
            "Requests served in a dialect set to count: what refuse would have hit.",
            "dialect",
            self._shadows,
        )
        yield _family("dohproxy_malformed_queries", "DNS messages refused, by what is wrong.", "fault", self._faults)
        names: Counter[str] = Counter()
        for rcode, count in self._rcodes.items():
            names[_rcode_name(rcode)] += count
        yield _family("dohproxy_replies", "DNS replies by rcode.", "rcode", names)
        yield self._latency_family()
        for source in self._sources:
            yield from source()

    def _request_family(self) -> Metric:
        family = CounterMetricFamily(
            "dohproxy_requests", "Finished requests.", labels=("door", "method", "outcome", "status")
        )
        for (door, method, reason), count in self._requests.items():
            ending = OUTCOMES[reason]
            family.add_metric((door, method, ending.label, str(ending.status)), count)
        return family

    def _latency_family(self) -> Metric:
        family = HistogramMetricFamily(
            "dohproxy_request_seconds", "From a request's last byte to its response.", labels=("answered",)
        )
        for how, counts in self._latency.items():
            total, buckets = 0, []
            for bound, count in zip((*map(str, LATENCY_BOUNDS), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            family.add_metric((how,), buckets, self._latency_sums[how])
        return family

    def registry(self) -> CollectorRegistry:
        """Return a registry that holds these metrics alone."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry


def _family(name: str, text: str, label: str, counts: dict[str, int] | Counter[str] | Counter[Fault]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, count in counts.items():
        family.add_metric((str(value),), count)
    return family


def _rcode_name(rcode: int) -> str:
    return Rcode(rcode).name if rcode in Rcode._value2member_map_ else "other"


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
