"""The owners' snapshots as metrics: cache, limiter, upstreams. Each bound stands beside what fills it."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import Metric

from dohproxy.cache import CacheStatistics
from dohproxy.observability.metrics import counter, gauge, labelled_counter, labelled_gauge
from dohproxy.policy.connection_limiter import ConnectionLimiterStatistics
from dohproxy.policy.domains import DomainStatistics
from dohproxy.policy.limits import LimitStatistics
from dohproxy.policy.probes import ProbeKind
from dohproxy.policy.request_limiter import RequestLimiterStatistics
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.queue.fair_queue import QueueStatistics
from dohproxy.upstream.statistics import ResolverStatistics


def cache_metrics(cache: CacheStatistics) -> Iterator[Metric]:
    """Yield the cache's figures."""
    entries = (
        ("positive", cache.positive_entries),
        ("negative", cache.negative_entries),
        ("cut", cache.cuts),
        ("failure", cache.failures),
    )
    yield labelled_gauge("dohproxy_cache_entries", "Entries by table.", "table", entries)
    sizes = (("positive", cache.positive_bytes), ("negative", cache.negative_bytes))
    yield labelled_gauge("dohproxy_cache_bytes", "Memory charged, by table.", "table", sizes)
    bounds = (("positive", cache.positive_max_bytes), ("negative", cache.negative_max_bytes))
    yield labelled_gauge("dohproxy_cache_max_bytes", "Memory allowed, by table.", "table", bounds)
    yield gauge("dohproxy_cache_max_failures", "Failures remembered at most.", cache.failures_max)
    yield counter("dohproxy_cache_evictions", "Entries thrown out for lack of room.", cache.evictions)
    yield counter("dohproxy_cache_too_large", "Answers not kept because of their size.", cache.too_large)
    yield counter("dohproxy_cache_cut_hits", "Answered because a name above is known not to exist.", cache.cut_hits)
    yield gauge("dohproxy_cache_known_tlds", "Top-level domains known to exist.", cache.delegations)
    yield gauge("dohproxy_cache_max_known_tlds", "Top-level domains remembered at most.", cache.delegations_max)


def route_metrics(caches: Sequence[CacheStatistics]) -> Iterator[Metric]:
    """Yield the figures of the routes' own caches, by the number of the route in the configuration."""
    if not caches:
        return
    numbered = [(str(number), cache) for number, cache in enumerate(caches, start=1)]
    held = [(number, cache.positive_bytes + cache.negative_bytes) for number, cache in numbered]
    yield labelled_gauge("dohproxy_route_cache_bytes", "Memory charged to a route's cache.", "route", held)
    most = [(number, cache.positive_max_bytes + cache.negative_max_bytes) for number, cache in numbered]
    yield labelled_gauge("dohproxy_route_cache_max_bytes", "Memory allowed to a route's cache.", "route", most)
    entries = [(number, cache.positive_entries + cache.negative_entries) for number, cache in numbered]
    yield labelled_gauge("dohproxy_route_cache_entries", "Entries of a route's cache.", "route", entries)
    yield labelled_counter(
        "dohproxy_route_cache_evictions",
        "Entries thrown out of a route's cache for lack of room.",
        ("route",),
        [((number,), float(cache.evictions)) for number, cache in numbered],
    )


def request_limiter_metrics(request_limiter: RequestLimiterStatistics) -> Iterator[Metric]:
    """Yield the limiter's figures."""
    limits = (("requests", request_limiter.requests), ("misses", request_limiter.misses))
    yield labelled_counter(
        "dohproxy_limit_admitted", "Admitted by a client limit.", ("limit",), [((n,), s.admitted) for n, s in limits]
    )
    yield labelled_counter(
        "dohproxy_limit_exempt", "From exempt networks.", ("limit",), [((n,), s.exempt) for n, s in limits]
    )
    yield labelled_counter(
        "dohproxy_limited",
        "Refused, by the narrowest prefix that was over its limit.",
        ("limit", "prefix"),
        [((name, width.width), width.limited) for name, statistics in limits for width in statistics.widths],
    )
    yield from _limit_fill(limits)
    yield gauge(
        "dohproxy_service_limit_fill", "How full the service-wide limit is, 0 to 1.", request_limiter.total_fill
    )
    priorities = request_limiter.priorities
    counts = (
        (("member",), priorities.members), (("settled",), priorities.settled),
        (("newcomer",), priorities.newcomers), (("over_fair_share",), priorities.greedy),
    )  # fmt: skip
    yield labelled_counter(
        "dohproxy_miss_priorities", "Misses by who asked; those over their fair share are among the others.",
        ("kind",), counts,
    )  # fmt: skip
    yield gauge("dohproxy_seniority_table_fill", "Share of the seniority table's slots in use.", priorities.fill)
    yield gauge("dohproxy_miss_slots_taken", "Misses being resolved.", request_limiter.slots_taken)
    yield gauge("dohproxy_miss_slots", "Misses that may be resolved at once.", request_limiter.slots)


def domain_metrics(domains: DomainStatistics) -> Iterator[Metric]:
    """Yield the figures of the limits on single domains."""
    yield counter("dohproxy_domain_admitted", "Misses that their domain's limit let through.", domains.admitted)
    refused = [((bound.value,), float(count)) for bound, count in domains.refused.items()]
    text = "Misses not asked for because of their domain, by what it was over."
    yield labelled_counter("dohproxy_domain_limited", text, ("bound",), refused)
    yield counter("dohproxy_domain_fetches", "Fetches charged to their domain.", domains.fetches)
    yield counter("dohproxy_domain_failures", "Of these, those that came to nothing.", domains.failures)
    fills = (("misses", domains.misses_fill), ("failures", domains.failures_fill))
    yield labelled_gauge("dohproxy_domain_table_fill", "Share of a table's slots in use.", "table", fills)


def probe_metrics(probes: Mapping[ProbeKind, int]) -> Iterator[Metric]:
    """Yield how many health probes of clients came."""
    counts = [((probe.value,), float(count)) for probe, count in probes.items()]
    yield labelled_counter("dohproxy_probes", "Health probes of clients, by the name asked for.", ("probe",), counts)


def rebinding_metrics(withheld: int) -> Iterator[Metric]:
    """Yield how many answers would have led a public name to a private address."""
    yield counter("dohproxy_private_answers_withheld", "Answers with private addresses for public names.", withheld)


def connection_limiter_metrics(connection_limiter: ConnectionLimiterStatistics) -> Iterator[Metric]:
    """Yield the figures of the limits on connections."""
    limited = [((width.width,), width.limited) for width in connection_limiter.rate.widths]
    text = "Connections refused for their rate, by the narrowest prefix that was over its limit."
    yield labelled_counter("dohproxy_connections_limited", text, ("prefix",), limited)
    fills = [(width.width, width.fill) for width in connection_limiter.rate.widths]
    yield labelled_gauge("dohproxy_connection_table_fill", "Share of a table's slots in use.", "prefix", fills)
    yield gauge(
        "dohproxy_new_connections_fill",
        "How full the limit of all new connections is, 0 to 1.",
        connection_limiter.total_fill,
    )
    yield gauge(
        "dohproxy_new_stranger_connections_fill",
        "How full the limit of strangers' new connections is, 0 to 1.",
        connection_limiter.strangers_fill,
    )
    yield gauge(
        "dohproxy_max_new_stranger_connections_per_second",
        "What strangers may open, as handshakes are dear; +Inf if no less than everybody.",
        connection_limiter.strangers_per_second,
    )
    yield gauge("dohproxy_handshakes", "TLS handshakes under way.", connection_limiter.handshakes)
    yield gauge("dohproxy_max_handshakes", "TLS handshakes that may be under way.", connection_limiter.max_handshakes)
    yield gauge(
        "dohproxy_busiest_client_connections",
        "Connections of the client with the most.",
        connection_limiter.busiest_client,
    )
    yield gauge(
        "dohproxy_max_client_connections", "Connections that one client may have.", connection_limiter.max_per_client
    )


def _limit_fill(limits: tuple[tuple[str, LimitStatistics], ...]) -> Iterator[Metric]:
    fills = [(f"{name}_{width.width}", width.fill) for name, statistics in limits for width in statistics.widths]
    yield labelled_gauge("dohproxy_limit_table_fill", "Share of a limiter table's slots in use.", "table", fills)


def resolver_metrics(resolver: ResolverStatistics) -> Iterator[Metric]:
    """Yield the upstreams' figures."""
    upstreams = resolver.upstreams
    yield labelled_counter(
        "dohproxy_upstream_sends",
        "Queries sent, by how they ended.",
        ("upstream", "result"),
        [((u.name, result), count) for u in upstreams for result, count in u.sends.items()],
    )
    for name, text, values in (
        ("in_flight", "Queries waiting for an answer.", [(u.name, u.in_flight) for u in upstreams]),
        ("max_in_flight", "Queries that may wait at once.", [(u.name, u.most_in_flight) for u in upstreams]),
        ("budget_left", "Queries that the rate allows now.", [(u.name, u.budget_left) for u in upstreams]),
        ("budget_burst", "Queries that the rate ever allows at once.", [(u.name, u.burst) for u in upstreams]),
        (
            "budget_share",
            "Part of rate and burst in use, 1 if all is well.",
            [(u.name, u.budget_share) for u in upstreams],
        ),
        ("connections", "Open TCP and TLS connections.", [(u.name, u.connections) for u in upstreams]),
        ("max_connections", "Connections allowed.", [(u.name, u.most_connections) for u in upstreams]),
        ("score_seconds", "Smoothed round trip.", [(u.name, u.score_seconds) for u in upstreams]),
        (
            "checks_case",
            "1 while replies over UDP must repeat the drawn case of the name.",
            [(u.name, float(u.defences.checks_case)) for u in upstreams],
        ),
        (
            "checks_cookies",
            "1 while replies over UDP must return our cookie.",
            [(u.name, float(u.defences.checks_cookies)) for u in upstreams],
        ),
        (
            "paused",
            "1 while the operator has it left alone.",
            [(u.name, float(u.is_paused)) for u in upstreams],
        ),
        (
            "up",
            "1 while it is asked, 0 while its breaker is open.",
            [(u.name, float(u.breaker is not BreakerState.OPEN)) for u in upstreams],
        ),
    ):
        yield labelled_gauge(f"dohproxy_upstream_{name}", text, "upstream", values)
    yield labelled_counter(
        "dohproxy_upstream_ignored_packets",
        "Datagrams and frames that answered no query of ours.",
        ("upstream",),
        [((u.name,), u.ignored_packets) for u in upstreams],
    )
    yield labelled_counter(
        "dohproxy_upstream_halvings",
        "Signs of throttling.",
        ("upstream",),
        [((u.name,), u.halvings) for u in upstreams],
    )
    yield labelled_counter(
        "dohproxy_upstream_probes",
        "Queries that were nobody's.",
        ("upstream",),
        [((u.name,), u.probes) for u in upstreams],
    )
    yield from _turn_metrics(resolver.turns)
    yield labelled_counter(
        "dohproxy_upstream_wrong_case",
        "Replies ignored for the name in another case than we drew.",
        ("upstream",),
        [((u.name,), u.defences.wrong_case) for u in upstreams],
    )
    yield labelled_counter(
        "dohproxy_upstream_wrong_cookie",
        "Replies ignored for a cookie that is wrong or missing.",
        ("upstream",),
        [((u.name,), u.defences.wrong_cookie) for u in upstreams],
    )
    yield gauge("dohproxy_fetches", "Different questions under way.", resolver.fetches)
    yield gauge("dohproxy_max_fetches", "Different questions that may be under way.", resolver.most_fetches)
    yield gauge("dohproxy_fetch_waiters", "Clients waiting for a fetch.", resolver.waiters)
    yield counter("dohproxy_waiters_refused", "Clients too many for one fetch.", resolver.refused_waiters)
    yield counter("dohproxy_fetches_refused", "Questions not asked, too many under way.", resolver.refused_fetches)


def _turn_metrics(turns: QueueStatistics) -> Iterator[Metric]:
    yield gauge("dohproxy_turns_waiting", "Questions waiting for budget.", turns.waiting)
    yield gauge("dohproxy_max_turns", "Questions that may wait for budget now.", turns.slots)
    ends = (
        (("served",), turns.served), (("evicted",), turns.evicted),
        (("refused",), turns.refused), (("given_up",), turns.given_up),
    )  # fmt: skip
    yield labelled_counter(
        "dohproxy_turns", "Questions that found the budgets spent, by what came of it.", ("end",), ends
    )
