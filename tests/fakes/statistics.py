"""What resolvers show of themselves, made up."""

from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.queue.fair_queue import QueueStatistics
from dohproxy.upstream.statistics import DefenceStatistics, ResolverStatistics, UpstreamStatistics


def well(name: str = "ns0") -> UpstreamStatistics:
    """Return those of an upstream of which nobody has asked anything."""
    return UpstreamStatistics(
        name=name,
        sends={},
        in_flight=0,
        most_in_flight=20,
        budget_left=40.0,
        burst=40,
        queries_per_second=20.0,
        budget_share=1.0,
        halvings=0,
        connections=0,
        most_connections=2,
        breaker=BreakerState.CLOSED,
        finding=None,
        probes=0,
        score_seconds=0.0,
        ignored_packets=0,
        defences=DefenceStatistics(0, 0, checks_case=False, checks_cookies=False),
    )


def resolver_of(*upstreams: UpstreamStatistics, path_gone_since: float | None = None) -> ResolverStatistics:
    """Return those of a resolver that nobody asks and that has these upstreams."""
    return ResolverStatistics(
        upstreams=upstreams,
        turns=QueueStatistics(waiting=0, slots=15, served=0, evicted=0, refused=0, given_up=0),
        path_gone_since=path_gone_since,
        fetches=0,
        most_fetches=40,
        waiters=0,
        refused_waiters=0,
        refused_fetches=0,
    )
