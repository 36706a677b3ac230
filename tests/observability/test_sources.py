"""Each bound stands beside what fills it, with the figures of its owner."""

import pytest
from prometheus_client.core import Metric

from dohproxy.app import build_admission
from dohproxy.cache import Cache, CacheStatistics
from dohproxy.config import CacheConfig, LimitsConfig
from dohproxy.observability.sources import admission_metrics, cache_metrics, resolver_metrics
from dohproxy.policy.identity import Identities
from dohproxy.upstream.breaker import BreakerState
from dohproxy.upstream.results import Result
from dohproxy.upstream.statistics import ResolverStatistics, UpstreamStatistics

Samples = dict[tuple[str, tuple[str, ...]], float]


def _samples(metrics: list[Metric]) -> Samples:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for metric in metrics for sample in metric.samples
    }


def _upstream(name: str, breaker: BreakerState = BreakerState.CLOSED) -> UpstreamStatistics:
    sends = {result: number for number, result in enumerate(Result)}
    return UpstreamStatistics(name, sends, 3, 20, 35.5, 40, 1, 2, breaker, 0.012, 7)


@pytest.fixture
def resolver() -> Samples:
    """The metrics of two upstreams, one of which is not asked."""
    upstreams = (_upstream("ns0"), _upstream("ns1", BreakerState.OPEN))
    return _samples(list(resolver_metrics(ResolverStatistics(upstreams, 4, 40, 9, 2, 1))))


@pytest.mark.parametrize(
    ("fill", "bound"),
    [
        ("dohproxy_upstream_in_flight", "dohproxy_upstream_max_in_flight"),
        ("dohproxy_upstream_budget_left", "dohproxy_upstream_budget_burst"),
        ("dohproxy_upstream_connections", "dohproxy_upstream_max_connections"),
    ],
)
@pytest.mark.parametrize("upstream", ["ns0", "ns1"])
def test_an_upstream_s_bounds_stand_beside_their_fill(resolver: Samples, fill: str, bound: str, upstream: str) -> None:
    assert 0 < resolver[fill, (upstream,)] <= resolver[bound, (upstream,)]


def test_fetches_stand_beside_their_bound(resolver: Samples) -> None:
    assert (resolver["dohproxy_fetches", ()], resolver["dohproxy_max_fetches", ()]) == (4, 40)
    assert resolver["dohproxy_fetch_waiters", ()] == 9
    assert resolver["dohproxy_waiters_refused_total", ()] == 2
    assert resolver["dohproxy_fetches_refused_total", ()] == 1


def test_sends_are_told_by_how_they_ended(resolver: Samples) -> None:
    told = {labels: value for (name, labels), value in resolver.items() if name == "dohproxy_upstream_sends_total"}
    assert told == {(name, result.value): number for name in ("ns0", "ns1") for number, result in enumerate(Result)}


def test_an_upstream_whose_breaker_is_open_is_down(resolver: Samples) -> None:
    assert (resolver["dohproxy_upstream_up", ("ns0",)], resolver["dohproxy_upstream_up", ("ns1",)]) == (1, 0)


def test_the_cache_s_bounds_stand_beside_their_fill() -> None:
    statistics = Cache(CacheConfig()).statistics()
    assert isinstance(statistics, CacheStatistics)
    samples = _samples(list(cache_metrics(statistics)))
    for table in ("positive", "negative"):
        assert samples["dohproxy_cache_bytes", (table,)] == 0
        assert samples["dohproxy_cache_max_bytes", (table,)] > 0
    total = sum(value for (name, _), value in samples.items() if name == "dohproxy_cache_max_bytes")
    assert total == CacheConfig().max_bytes
    assert samples["dohproxy_cache_entries", ("failure",)] == 0
    assert samples["dohproxy_cache_max_failures", ()] > 0
    assert samples["dohproxy_cache_entries", ("cut",)] == samples["dohproxy_cache_cut_hits_total", ()] == 0
    assert samples["dohproxy_cache_known_tlds", ()] < samples["dohproxy_cache_max_known_tlds", ()]


def test_the_limiter_s_bounds_stand_beside_their_fill() -> None:
    limits = LimitsConfig(requests_burst=2, requests_per_second=0.1, waiting_misses=5, table_slots=1024)
    admission = build_admission(limits)
    identities = Identities(bytes(32))
    client = identities.client(bytes((192, 0, 2, 1)))
    waits = [admission.admit_request(client, 100.0) for _ in range(4)]
    assert [wait > 0 for wait in waits] == [False, False, True, True]
    for number in range(1, 201):
        admission.admit_request(identities.client(bytes((198, 51, number, 7))), 100.0)
    admission.take_place()
    samples = _samples(list(admission_metrics(admission.statistics(100.0))))
    assert (samples["dohproxy_miss_places_taken", ()], samples["dohproxy_miss_places", ()]) == (1, 5)
    assert samples["dohproxy_limit_admitted_total", ("requests",)] == 202
    limited = {labels: value for (name, labels), value in samples.items() if name == "dohproxy_limited_total" and value}
    assert list(limited.values()) == [2.0]
    fills = [value for (name, _), value in samples.items() if name == "dohproxy_limit_table_fill"]
    assert all(0 <= fill <= 1 for fill in fills)
    assert max(fills) > 0
    assert 0 <= samples["dohproxy_service_limit_fill", ()] <= 1
