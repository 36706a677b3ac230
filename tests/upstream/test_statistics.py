"""The resolver's figures say what happened."""

import asyncio
import random
import time

from dohproxy.config import ResolverConfig
from dohproxy.outcomes import Purpose
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.queue.fair_queue import MOST_WAITING, QueueStatistics
from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.statistics import DefenceStatistics
from tests.fakes import upstream as fakes
from tests.fakes.asking import ask
from tests.fakes.upstream import FakeUpstream, make_query


async def test_every_figure_follows_what_happened() -> None:
    fake = FakeUpstream(udp=[fakes.WRONG_ID.then(fakes.TRUNCATED)])
    async with fake.running(), asyncio.TaskGroup() as tasks:
        upstreams = [fake.config(burst=10, queries_per_second=0.1, in_flight=5)]
        rng = random.Random(1)  # noqa: S311  # jitter only
        resolver = Resolver(upstreams, ResolverConfig(), lambda *_: None, tasks, time.monotonic, rng)
        before = resolver.statistics(time.monotonic()).upstreams[0]
        await ask(resolver, make_query(), deadline=time.monotonic() + 10)
        statistics = resolver.statistics(time.monotonic())
        await resolver.close()
    [upstream] = statistics.upstreams
    assert before.sends == dict.fromkeys(SendStatus, 0)
    assert before.score_seconds == 0
    assert upstream.name == "fake"
    assert upstream.sends == {**dict.fromkeys(SendStatus, 0), SendStatus.TRUNCATED: 1, SendStatus.ANSWERED: 1}
    assert (upstream.in_flight, upstream.most_in_flight) == (0, 5)
    assert 8 <= upstream.budget_left < 9
    assert upstream.burst == 10
    assert (upstream.connections, upstream.most_connections) == (1, 2)
    assert upstream.breaker is BreakerState.CLOSED
    assert upstream.score_seconds > 0
    assert upstream.ignored_packets == 1
    assert (statistics.fetches, statistics.most_fetches, statistics.waiters) == (0, 5 + MOST_WAITING, 0)
    assert upstream.defences == DefenceStatistics(0, 0, checks_case=False, checks_cookies=False)
    assert (statistics.refused_waiters, statistics.refused_fetches) == (0, 0)
    assert (upstream.budget_share, upstream.halvings, upstream.probes, upstream.finding) == (1.0, 0, 0, None)
    assert statistics.turns == QueueStatistics(waiting=0, slots=1, served=0, evicted=0, refused=0, given_up=0)
    assert statistics.path_gone_since is None


async def test_what_is_under_way_is_seen() -> None:
    fake = FakeUpstream(udp=[fakes.SILENCE])
    async with fake.running(), asyncio.TaskGroup() as tasks:
        rng = random.Random(1)  # noqa: S311  # jitter only
        upstreams = [fake.config(in_flight=1)]
        resolver = Resolver(
            upstreams, ResolverConfig(budget_wait_seconds=0.05), lambda *_: None, tasks, time.monotonic, rng
        )
        waiting = [tasks.create_task(ask(resolver, make_query(), deadline=time.monotonic() + 10)) for _ in range(3)]
        await fake.wait_asked()
        assert not resolver.refresh(
            make_query("other.example."), deadline=time.monotonic() + 10, purpose=Purpose.REVALIDATION
        )
        await ask(resolver, make_query("other.example."), deadline=time.monotonic() + 10)
        statistics = resolver.statistics(time.monotonic())
        await resolver.close()
    assert len(waiting) == 3
    assert (statistics.fetches, statistics.waiters, statistics.turns.given_up) == (1, 3, 1)
    assert statistics.upstreams[0].in_flight == 1
