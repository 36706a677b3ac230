"""What the resolver lets others see of itself: frozen numbers, no names of hosts and no questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.health.health import HealthIssue
from dohproxy.upstream.queue.fair_queue import QueueStatistics
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.workarounds.workarounds import LeftOut


@dataclass(frozen=True, slots=True)
class DefenceStatistics:
    """What one upstream's replies over UDP have to show besides port, ID and question."""

    wrong_case: int
    """Replies ignored because they wrote the name in another case than we had drawn."""
    wrong_cookie: int
    """Replies ignored because our cookie was not in them."""
    checks_case: bool
    """Whether the upstream is known to repeat our case, so that replies in another are ignored."""
    checks_cookies: bool
    """Whether the upstream is known to return our cookie, so that replies without it are ignored."""


@dataclass(frozen=True, slots=True)
class UpstreamStatistics:
    """One upstream at one moment; the counts run since the start."""

    name: str
    """As in the configuration."""
    sends: Mapping[SendStatus, int]
    """Sends that have ended, by how; every Result is there."""
    in_flight: int
    most_in_flight: int
    budget_left: float
    """Queries that the rate allows right now."""
    burst: int
    queries_per_second: float
    """What the rate gains in a second now: the agreed one, or the part of it that is in use."""
    budget_share: float
    """Part of rate and burst that is in use: less than 1.0 after signs of throttling, and at a beginning."""
    halvings: int
    """Signs of throttling since the start."""
    connections: int
    """TCP or TLS, open or being opened."""
    most_connections: int
    breaker: BreakerState
    finding: HealthIssue | None
    """What is wrong with it, and since when."""
    probes: int
    score_seconds: float
    """Smoothed round trip; 0.0 if nothing is known."""
    ignored_packets: int
    """Datagrams and frames that matched no query, or could not be read; wrong cases and cookies are among them."""
    defences: DefenceStatistics
    left_out: tuple[LeftOut, ...] = ()
    """What we do not add to queries, as it was found not to stand it."""
    paused_since: float | None = None
    """Monotonic instant since which the operator has it left alone; None: it is asked."""

    @property
    def is_paused(self) -> bool:
        """Whether the operator has it left alone."""
        return self.paused_since is not None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would become of a question now."""

    is_under_way: bool
    """An equal one has been asked already, and its answer is waited for."""
    upstream: str | None
    """Who would be asked; None if nobody may be."""
    budget_left: float
    """Queries that its rate allows right now."""
    waits: float
    """Seconds until somebody may be asked; infinity if that is not a matter of the rate."""


@dataclass(frozen=True, slots=True)
class ResolverStatistics:
    """All upstreams and the questions under way."""

    upstreams: tuple[UpstreamStatistics, ...]
    turns: QueueStatistics
    path_gone_since: float | None
    """Monotonic instant since which it is the way out that is gone, and not any upstream."""
    fetches: int
    most_fetches: int
    waiters: int
    """Clients that wait for one of the fetches."""
    refused_waiters: int
    """Told to come back because too many wait for the same question."""
    refused_fetches: int
    """Questions not asked because too many are under way."""


def together(first: ResolverStatistics, others: Sequence[ResolverStatistics]) -> ResolverStatistics:
    """Return the figures of several resolvers as one: all upstreams in order, all lines and fetches added up. The way
    out is that of the `first`: the others' upstreams are near."""
    every = (first, *others)
    turns = [one.turns for one in every]
    return ResolverStatistics(
        upstreams=tuple(upstream for one in every for upstream in one.upstreams),
        turns=QueueStatistics(
            waiting=sum(one.waiting for one in turns),
            slots=sum(one.slots for one in turns),
            served=sum(one.served for one in turns),
            evicted=sum(one.evicted for one in turns),
            refused=sum(one.refused for one in turns),
            given_up=sum(one.given_up for one in turns),
        ),
        path_gone_since=first.path_gone_since,
        fetches=sum(one.fetches for one in every),
        most_fetches=sum(one.most_fetches for one in every),
        waiters=sum(one.waiters for one in every),
        refused_waiters=sum(one.refused_waiters for one in every),
        refused_fetches=sum(one.refused_fetches for one in every),
    )
