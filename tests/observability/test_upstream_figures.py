"""Each bound of the upstreams stands beside what fills it, with the figures of its owner."""

import pytest

from dohproxy.observability.upstream_figures import UPSTREAM_FIGURES
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.queue.fair_queue import QueueStatistics
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.statistics import DefenceStatistics, ResolverStatistics, UpstreamStatistics
from tests.fakes.samples import Samples, samples_of

TURNS = QueueStatistics(waiting=2, slots=15, served=30, evicted=4, refused=5, given_up=6)


def _upstream(name: str, breaker: BreakerState = BreakerState.CLOSED) -> UpstreamStatistics:
    sends = {result: number for number, result in enumerate(SendStatus)}
    defences = DefenceStatistics(5, 4, checks_case=True, checks_cookies=False)
    return UpstreamStatistics(name, sends, 3, 20, 35.5, 40, 10.0, 0.5, 6, 1, 2, breaker, None, 8, 0.012, 7, defences)


@pytest.fixture
def resolver() -> Samples:
    """The metrics of two upstreams, one of which is not asked."""
    upstreams = (_upstream("ns0"), _upstream("ns1", BreakerState.OPEN))
    return samples_of(UPSTREAM_FIGURES, ResolverStatistics(upstreams, TURNS, None, 4, 40, 9, 2, 1))


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


def test_what_an_upstream_may_be_asked_in_a_second_is_told(resolver: Samples) -> None:
    assert resolver["dohproxy_upstream_budget_per_second", ("ns0",)] == 10.0


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
