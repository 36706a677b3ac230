"""The upstreams as the walk sees them: one question in, an answer or a failure out.

All decisions are made elsewhere (attempts, selection, budget, breaker); here they are carried out.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from dohproxy.config.schema import ResolverConfig, UpstreamConfig
from dohproxy.upstream.attempts import Attempts, Send
from dohproxy.upstream.breaker import Breaker
from dohproxy.upstream.budget import Budget
from dohproxy.upstream.flight import Flights
from dohproxy.upstream.results import Result, UpstreamFailure
from dohproxy.upstream.selection import Selection, Standing
from dohproxy.upstream.statistics import ResolverStatistics, UpstreamStatistics
from dohproxy.upstream.transports.stream import StreamTransport
from dohproxy.upstream.transports.tls import make_context
from dohproxy.upstream.transports.udp import UdpTransport
from dohproxy.verdict import Purpose, Reason
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

__all__ = ["Learn", "Resolver", "ResolverStatistics", "UpstreamFailure", "UpstreamStatistics"]

Learn = Callable[[Query, Answer | UpstreamFailure], None]


class Resolver:
    """Asks the upstreams, equal questions once, within every budget.

    `learn` is called once for each fetch that ends, synchronously, before any waiter is woken. Fetches and connections
    are tasks of `tasks`. `clock` must be the event loop's (`time.monotonic`), in which all deadlines are given. Every
    tls:// upstream may also prove itself by an authority in the PEM file `ca_file`; raises OSError if it is unreadable.
    """

    def __init__(
        self,
        upstreams: Sequence[UpstreamConfig],
        settings: ResolverConfig,
        learn: Learn,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float],
        rng: random.Random,
        *,
        ca_file: Path | None = None,
    ) -> None:
        self._settings = settings
        self._learn = learn
        self._clock = clock
        self._upstreams = [_Upstream(one, clock(), tasks, rng.random, ca_file) for one in upstreams]
        standings = [upstream.standing for upstream in self._upstreams]
        self._selection = Selection(standings, settings.choice, rng.random)
        self._flights: Flights[Answer | UpstreamFailure] = Flights(
            tasks,
            # A fetch holds a send in flight or is about to end, so more than these could not send anything.
            most_fetches=sum(upstream.in_flight for upstream in upstreams),
            most_waiters=settings.waiters_per_query,
            when_stopped=UpstreamFailure(Reason.UPSTREAM_UNREACHABLE),
        )

    async def ask(
        self, query: Query, *, deadline: float, patience: float | None = None
    ) -> Answer | UpstreamFailure | None:
        """Join the equal query in flight or start one.

        Return None if nothing came within `patience` seconds: the fetch goes on, and the caller has something stale
        to give. Where too many wait or too much is under way, BUDGET_SPENT is returned without delay.
        """
        if query.key not in self._flights and not self._start(query, deadline, awaited=True):
            return UpstreamFailure(Reason.BUDGET_SPENT)
        seat = self._flights.board(query.key)
        if seat is None:
            return UpstreamFailure(Reason.BUDGET_SPENT)
        until = deadline if patience is None else min(deadline, self._clock() + patience)
        try:
            async with asyncio.timeout_at(until):
                return await seat
        except TimeoutError:
            return None if until < deadline else UpstreamFailure(Reason.UPSTREAM_TIMEOUT)

    def refresh(self, query: Query, *, deadline: float, purpose: Purpose) -> bool:
        """Start a fetch nobody waits for, if the budgets have room for its `purpose` (REVALIDATION or PREFETCH) and
        none for an equal question is under way. Returns at once; cheap enough to be tried at a hit."""
        return self._start(query, deadline, awaited=False)

    def begin_slowly(self) -> None:
        """Let the budgets grow from a small part to the whole: the cache is empty, and all clients' names are new."""

    def pressure(self, now: float) -> float:
        """Return how scarce sends are: 0.0 with half a burst left somewhere, 1.0 when nobody can be asked."""
        return self._selection.pressure(now)

    def statistics(self, now: float) -> ResolverStatistics:
        """Return a snapshot at `now`."""
        return ResolverStatistics(
            upstreams=tuple(upstream.statistics(now) for upstream in self._upstreams),
            fetches=len(self._flights),
            most_fetches=self._flights.most_fetches,
            waiters=self._flights.waiters,
            refused_waiters=self._flights.refused_waiters,
            refused_fetches=self._flights.refused_fetches,
        )

    async def close(self) -> None:
        """End all fetches (their waiters get UPSTREAM_UNREACHABLE) and close all connections."""
        await self._flights.close()
        for upstream in self._upstreams:
            await upstream.stream.close()

    def _start(self, query: Query, deadline: float, *, awaited: bool) -> bool:
        return self._flights.start(query.key, lambda: self._fetch(query, deadline), awaited=awaited)

    async def _fetch(self, query: Query, deadline: float) -> Answer | UpstreamFailure:
        attempts = Attempts(
            self._selection,
            deadline=deadline,
            attempt_seconds=self._settings.attempt_seconds,
            most_sends=self._settings.max_sends,
        )
        try:
            while isinstance(step := attempts.next_step(self._clock()), Send):
                outcome = await self._upstreams[step.upstream].exchange(query, step)
                attempts.learn(outcome, self._clock())
        finally:
            attempts.abandon(self._clock())
        self._learn(query, step)
        return step


def may_vouch(config: UpstreamConfig) -> bool:
    """Tell whether AD from this upstream means anything (RFC 6840 section 5.8).

    The operator must trust it to validate, and nobody on the way to it may be able to set the bit.
    """
    return config.validates and not config.url.is_open_path


class _Transport(Protocol):
    """A way to an upstream."""

    async def exchange(self, query: Query, *, until: float) -> Answer | Result: ...


class _Upstream:
    """One upstream: its standing, and the ways to it."""

    def __init__(
        self,
        config: UpstreamConfig,
        now: float,
        tasks: asyncio.TaskGroup,
        draw: Callable[[], float],
        ca_file: Path | None,
    ) -> None:
        address = config.url
        budget = Budget(config.queries_per_second, config.burst, config.in_flight, now=now)
        self.standing = Standing(budget, Breaker(draw), over_stream=address.transport != "udp")
        self.udp = UdpTransport(address)
        self.stream = StreamTransport(
            address,
            most_connections=config.connections,
            idle_seconds=config.idle_seconds,
            context=make_context(ca_file) if address.transport == "tls" else None,
            tasks=tasks,
        )
        self._config = config
        self._may_vouch = may_vouch(config)

    async def exchange(self, query: Query, send: Send) -> Answer | Result:
        """Carry out one send. AD is taken off an answer where it proves nothing."""
        transport: _Transport = self.stream if send.over_stream else self.udp
        outcome = await transport.exchange(query, until=send.until)
        if isinstance(outcome, Answer) and outcome.authentic and not self._may_vouch:
            return replace(outcome, authentic=False)
        return outcome

    def statistics(self, now: float) -> UpstreamStatistics:
        """Return a snapshot at `now`."""
        budget = self.standing.budget
        return UpstreamStatistics(
            name=self._config.name,
            sends=dict(self.standing.sends),
            in_flight=budget.in_flight,
            most_in_flight=budget.most_in_flight,
            budget_left=budget.left(now),
            burst=budget.burst,
            connections=self.stream.connections,
            most_connections=self._config.connections,
            breaker=self.standing.breaker.state(now),
            score_seconds=self.standing.round_trip.seconds(now),
            ignored_packets=self.udp.ignored_packets + self.stream.ignored_packets,
            defences=self.udp.defences.statistics(now),
        )
