"""The figures of the upstreams, each bound beside what fills it."""

from collections.abc import Callable, Mapping
from typing import Final

from dohproxy.observability.figures import UPSTREAM, FigureGroup, Label, Together, Unit, counter, gauge, label_of
from dohproxy.observability.left_out import LEFT_OUT_FIGURE
from dohproxy.observability.upstream_alerts import ALERT_FIGURE, PATH_FIGURE
from dohproxy.upstream.budget.groups import MOST_GONE
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.statistics import ResolverStatistics, UpstreamStatistics

_RESULT: Final = label_of("result", SendStatus)
_END: Final = Label("end", ("served", "evicted", "refused", "given_up"))


def _each(read: Callable[[UpstreamStatistics], float]) -> Callable[[ResolverStatistics], Mapping[str, float]]:
    """Return what reads a value of each upstream."""
    return lambda resolver: {upstream.name: read(upstream) for upstream in resolver.upstreams}


def _sends(resolver: ResolverStatistics) -> Mapping[tuple[str, str], float]:
    return {(one.name, result): count for one in resolver.upstreams for result, count in one.sends.items()}


def _ends(resolver: ResolverStatistics) -> Mapping[str, float]:
    turns = resolver.turns
    return {"served": turns.served, "evicted": turns.evicted, "refused": turns.refused, "given_up": turns.given_up}


UPSTREAM_FIGURES: Final = FigureGroup[ResolverStatistics](
    "Upstreams",
    (
        counter("upstream_sends", "Queries sent to an upstream, by how they ended.", _sends, UPSTREAM, _RESULT),
        gauge(
            "upstream_in_flight",
            "Queries that wait for an upstream's answer.",
            _each(lambda upstream: upstream.in_flight),
            UPSTREAM,
        ),
        gauge(
            "upstream_max_in_flight",
            "Queries that may wait for an upstream's answer at once.",
            _each(lambda upstream: upstream.most_in_flight),
            UPSTREAM,
        ),
        gauge(
            "upstream_budget_left",
            "Queries that an upstream's rate allows now.",
            _each(lambda upstream: upstream.budget_left),
            UPSTREAM,
        ),
        gauge(
            "upstream_budget_burst",
            "Queries that an upstream's rate ever allows at once.",
            _each(lambda upstream: upstream.burst),
            UPSTREAM,
        ),
        gauge(
            "upstream_budget_per_second",
            "Queries a second that an upstream may be asked now, however many were saved up.",
            _each(lambda upstream: upstream.queries_per_second),
            UPSTREAM,
            unit=Unit.PER_SECOND,
        ),
        gauge(
            "upstream_budget_share",
            "Part of an upstream's rate and burst in use, 1 if all is well.",
            _each(lambda upstream: upstream.budget_share),
            UPSTREAM,
            unit=Unit.RATIO,
            together=Together.LEAST,
        ),
        gauge(
            "upstream_connections",
            "Open TCP and TLS connections to an upstream.",
            _each(lambda upstream: upstream.connections),
            UPSTREAM,
        ),
        gauge(
            "upstream_max_connections",
            "Connections allowed to an upstream.",
            _each(lambda upstream: upstream.most_connections),
            UPSTREAM,
        ),
        gauge(
            "upstream_score_seconds",
            "Smoothed round trip to an upstream.",
            _each(lambda upstream: upstream.score_seconds),
            UPSTREAM,
            unit=Unit.SECONDS,
        ),
        gauge(
            "upstream_checks_case",
            "1 while an upstream's replies over UDP must repeat the drawn case of the name.",
            _each(lambda upstream: upstream.defences.checks_case),
            UPSTREAM,
            unit=Unit.SWITCH,
            together=Together.LEAST,
        ),
        gauge(
            "upstream_checks_cookies",
            "1 while an upstream's replies over UDP must return our cookie.",
            _each(lambda upstream: upstream.defences.checks_cookies),
            UPSTREAM,
            unit=Unit.SWITCH,
            together=Together.LEAST,
        ),
        gauge(
            "upstream_paused",
            "1 while the operator has an upstream left alone.",
            _each(lambda upstream: upstream.is_paused),
            UPSTREAM,
            unit=Unit.SWITCH,
        ),
        gauge(
            "upstream_up",
            "1 while an upstream is asked, 0 while its breaker is open.",
            _each(lambda upstream: upstream.breaker is not BreakerState.OPEN),
            UPSTREAM,
            unit=Unit.SWITCH,
            together=Together.LEAST,
        ),
        counter(
            "upstream_ignored_packets",
            "Datagrams and frames that answered no query of ours.",
            _each(lambda upstream: upstream.ignored_packets),
            UPSTREAM,
        ),
        counter(
            "upstream_halvings",
            "Signs of throttling seen of an upstream.",
            _each(lambda upstream: upstream.halvings),
            UPSTREAM,
        ),
        counter(
            "upstream_probes",
            "Queries to an upstream that were nobody's.",
            _each(lambda upstream: upstream.probes),
            UPSTREAM,
        ),
        counter(
            "upstream_wrong_case",
            "Replies ignored for the name in another case than we drew.",
            _each(lambda upstream: upstream.defences.wrong_case),
            UPSTREAM,
        ),
        counter(
            "upstream_wrong_cookie",
            "Replies ignored for a cookie that is wrong or missing.",
            _each(lambda upstream: upstream.defences.wrong_cookie),
            UPSTREAM,
        ),
        LEFT_OUT_FIGURE,
        ALERT_FIGURE,
        PATH_FIGURE,
        gauge("turns_waiting", "Questions waiting for budget.", lambda resolver: resolver.turns.waiting),
        gauge("max_turns", "Questions that may wait for budget now.", lambda resolver: resolver.turns.slots),
        counter("turns", "Questions that found the budgets spent, by what came of it.", _ends, _END),
        gauge("fetches", "Different questions under way.", lambda resolver: resolver.fetches),
        gauge("max_fetches", "Different questions that may be under way.", lambda resolver: resolver.most_fetches),
        gauge("fetch_waiters", "Clients waiting for a fetch.", lambda resolver: resolver.waiters),
        counter("waiters_refused", "Clients too many for one fetch.", lambda resolver: resolver.refused_waiters),
        counter(
            "fetches_refused", "Questions not asked, too many under way.", lambda resolver: resolver.refused_fetches
        ),
    ),
)

BUDGET_FIGURES: Final = FigureGroup[int](
    "Budgets of upstreams that have gone",
    (
        gauge("budgets_gone", "Budgets kept of upstreams that no configuration names any more.", lambda gone: gone),
        gauge("max_budgets_gone", "Budgets of such upstreams that are kept at most.", lambda _: MOST_GONE),
    ),
)
