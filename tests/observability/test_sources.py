"""Each bound stands beside what fills it, with the figures of its owner."""

import pytest
from prometheus_client.core import Metric

from dohproxy.builders import build_request_limiter
from dohproxy.cache import Cache, CacheStatistics
from dohproxy.config import CacheConfig, LimitsConfig, UpstreamAddress, UpstreamConfig
from dohproxy.observability.sources import (
    cache_metrics,
    domain_metrics,
    probe_metrics,
    rebinding_metrics,
    request_limiter_metrics,
    resolver_metrics,
    route_metrics,
)
from dohproxy.policy.domains import DomainBound, DomainStatistics
from dohproxy.policy.identity import Identities
from dohproxy.policy.probes import ProbeKind
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.queue.fair_queue import QueueStatistics
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.statistics import DefenceStatistics, ResolverStatistics, UpstreamStatistics

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53))
TURNS = QueueStatistics(waiting=2, slots=15, served=30, evicted=4, refused=5, given_up=6)

Samples = dict[tuple[str, tuple[str, ...]], float]


def _samples(metrics: list[Metric]) -> Samples:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for metric in metrics for sample in metric.samples
    }


def _upstream(name: str, breaker: BreakerState = BreakerState.CLOSED) -> UpstreamStatistics:
    sends = {result: number for number, result in enumerate(SendStatus)}
    defences = DefenceStatistics(5, 4, checks_case=True, checks_cookies=False)
    return UpstreamStatistics(name, sends, 3, 20, 35.5, 40, 0.5, 6, 1, 2, breaker, None, 8, 0.012, 7, defences)


@pytest.fixture
def resolver() -> Samples:
    """The metrics of two upstreams, one of which is not asked."""
    upstreams = (_upstream("ns0"), _upstream("ns1", BreakerState.OPEN))
    return _samples(list(resolver_metrics(ResolverStatistics(upstreams, TURNS, None, 4, 40, 9, 2, 1))))


@pytest.mark.parametrize(
    ("fill", "bound"),
    [
        ("dohproxy_upstream_in_flight", "dohproxy_upstream_max_in_flight"),
        ("dohproxy_upstream_budget_left", "dohproxy_upstream_budget_burst"),
        ("dohproxy_upstream_connections", "dohproxy_upstream_max_connections"),
        ("dohproxy_upstream_budget_share", "dohproxy_upstream_budget_burst"),
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


def test_the_line_stands_beside_its_bound(resolver: Samples) -> None:
    assert (resolver["dohproxy_turns_waiting", ()], resolver["dohproxy_max_turns", ()]) == (2, 15)
    ends = {labels: value for (name, labels), value in resolver.items() if name == "dohproxy_turns_total"}
    assert ends == {("served",): 30, ("evicted",): 4, ("refused",): 5, ("given_up",): 6}


@pytest.mark.parametrize(("name", "value"), [("halvings", 6), ("probes", 8)])
def test_signs_of_throttling_and_probes_are_counted(resolver: Samples, name: str, value: int) -> None:
    assert resolver[f"dohproxy_upstream_{name}_total", ("ns0",)] == value


def test_sends_are_told_by_how_they_ended(resolver: Samples) -> None:
    told = {labels: value for (name, labels), value in resolver.items() if name == "dohproxy_upstream_sends_total"}
    assert told == {(name, result.value): number for name in ("ns0", "ns1") for number, result in enumerate(SendStatus)}


def test_what_replies_over_udp_must_show_stands_beside_what_did_not(resolver: Samples) -> None:
    for metric, figure in {
        "dohproxy_upstream_ignored_packets_total": 7,
        "dohproxy_upstream_wrong_case_total": 5,
        "dohproxy_upstream_wrong_cookie_total": 4,
        "dohproxy_upstream_checks_case": 1,
        "dohproxy_upstream_checks_cookies": 0,
    }.items():
        assert resolver[metric, ("ns0",)] == figure


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


def test_the_caches_of_routes_stand_beside_their_bounds() -> None:
    caches = [Cache(CacheConfig(max_megabytes=megabytes)).statistics() for megabytes in (1, 2)]
    samples = _samples(list(route_metrics(caches)))
    assert [samples["dohproxy_route_cache_max_bytes", (route,)] for route in ("1", "2")] == [1 << 20, 2 << 20]
    for name in ("dohproxy_route_cache_bytes", "dohproxy_route_cache_entries", "dohproxy_route_cache_evictions_total"):
        assert [samples[name, (route,)] for route in ("1", "2")] == [0, 0]
    assert list(route_metrics([])) == []


def test_the_limiter_s_bounds_stand_beside_their_fill() -> None:
    limits = LimitsConfig(requests_burst=2, requests_per_second=0.1, waiting_misses=5, table_slots=1024)
    request_limiter = build_request_limiter(limits, [UPSTREAM])
    identities = Identities(bytes(32))
    client = identities.client(bytes((192, 0, 2, 1)))
    waits = [request_limiter.admit_request(client, 100.0) for _ in range(4)]
    assert [wait > 0 for wait in waits] == [False, False, True, True]
    for number in range(1, 201):
        request_limiter.admit_request(identities.client(bytes((198, 51, number, 7))), 100.0)
    request_limiter.take_slot()
    for _ in range(12):
        request_limiter.priority(client, 100.0)
    samples = _samples(list(request_limiter_metrics(request_limiter.statistics(100.0))))
    assert (samples["dohproxy_miss_slots_taken", ()], samples["dohproxy_miss_slots", ()]) == (1, 5)
    assert samples["dohproxy_limit_admitted_total", ("requests",)] == 202
    limited = {labels: value for (name, labels), value in samples.items() if name == "dohproxy_limited_total" and value}
    assert list(limited.values()) == [2.0]
    fills = [value for (name, _), value in samples.items() if name == "dohproxy_limit_table_fill"]
    assert all(0 <= fill <= 1 for fill in fills)
    assert max(fills) > 0
    assert 0 <= samples["dohproxy_service_limit_fill", ()] <= 1
    kinds = {labels: value for (name, labels), value in samples.items() if name == "dohproxy_miss_priorities_total"}
    assert kinds == {("member",): 0, ("settled",): 0, ("newcomer",): 12, ("over_fair_share",): 2}
    assert 0 <= samples["dohproxy_seniority_table_fill", ()] <= 1


def test_the_limit_on_domains_tells_what_it_did_and_how_full_its_tables_are() -> None:
    refused = {bound: number for number, bound in enumerate(DomainBound)}
    expected: Samples = {
        ("dohproxy_domain_admitted_total", ()): 7,
        **{("dohproxy_domain_limited_total", (bound.value,)): number for bound, number in refused.items()},
        ("dohproxy_domain_fetches_total", ()): 6,
        ("dohproxy_domain_failures_total", ()): 2,
        ("dohproxy_domain_table_fill", ("misses",)): 0.5,
        ("dohproxy_domain_table_fill", ("failures",)): 0.25,
    }
    assert _samples(list(domain_metrics(DomainStatistics(7, refused, 6, 2, 0.5, 0.25)))) == expected


def test_answers_that_were_withheld_are_counted() -> None:
    assert _samples(list(rebinding_metrics(3))) == {("dohproxy_private_answers_withheld_total", ()): 3}


def test_probes_are_told_by_kind() -> None:
    samples = _samples(list(probe_metrics(dict.fromkeys(ProbeKind, 3))))
    assert samples == {("dohproxy_probes_total", (probe.value,)): 3 for probe in ProbeKind}
