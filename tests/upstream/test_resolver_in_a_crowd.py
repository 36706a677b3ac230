"""Questions that meet: those nobody waits for, those that many ask, and one that goes wrong."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dohproxy.config import ResolverConfig
from dohproxy.outcomes import Priority, Purpose
from dohproxy.upstream.health.signals import RUN
from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.transports.udp import UdpTransport
from dohproxy.wire.answer import Answer
from tests.fakes.asking import ask
from tests.fakes.upstream import REFUSED, FakeUpstream, make_query

SETTLED = Priority(1, (7,), 0.0)
NEWCOMER = Priority(9, (3,), 0.25)
LONG = 10.0


@asynccontextmanager
async def _resolver(fake: FakeUpstream, *, burst: int = 12) -> AsyncIterator[Resolver]:
    """A resolver with a small budget that hardly grows."""
    async with fake.running(), asyncio.TaskGroup() as tasks:
        upstream = fake.config(burst=burst, queries_per_second=0.1)
        rng = random.Random(1)  # noqa: S311  # jitter only
        resolver = Resolver([upstream], ResolverConfig(), lambda *_: None, tasks, time.monotonic, rng)
        try:
            yield resolver
        finally:
            await resolver.close()


@pytest.mark.parametrize("purpose", [Purpose.REVALIDATION, Purpose.PREFETCH], ids=["revalidation", "prefetch"])
async def test_names_that_expire_all_at_once_are_in_no_client_s_way(purpose: Purpose) -> None:
    async with _resolver(FakeUpstream()) as resolver:
        deadline = time.monotonic() + LONG
        popular = [make_query(f"popular{number}.example.") for number in range(20)]
        # All in one turn of the loop.
        begun = [resolver.refresh(query, deadline=deadline, purpose=purpose) for query in popular]
        assert 0 < sum(begun) < len(begun)
        assert isinstance(await ask(resolver, make_query(), deadline=deadline, priority=SETTLED), Answer)
        turns = resolver.statistics(time.monotonic()).turns
    assert (turns.served, turns.given_up) == (0, 0)


async def test_who_joins_a_question_brings_a_better_right_to_be_asked() -> None:
    fake = FakeUpstream()
    async with _resolver(fake, burst=8) as resolver, asyncio.TaskGroup() as tasks:
        deadline = time.monotonic() + LONG
        for number in range(6):
            await ask(resolver, make_query(f"spent{number}.example."), deadline=deadline)
        # A quarter of the burst is left, which is what a newcomer must leave to others.
        newcomer = tasks.create_task(ask(resolver, make_query(), deadline=deadline, priority=NEWCOMER))
        while not resolver.statistics(time.monotonic()).turns.waiting:  # noqa: ASYNC110  # nobody to tell us
            await asyncio.sleep(0)
        assert isinstance(await ask(resolver, make_query(), deadline=deadline, priority=SETTLED), Answer)
        assert isinstance(await newcomer, Answer)
    assert fake.asked == 7


async def test_a_bug_in_a_probe_ends_the_probe_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    fake = FakeUpstream(udp=[REFUSED])
    async with _resolver(fake) as resolver:
        for number in range(RUN):
            await ask(resolver, make_query(f"www.zone{number}.example{number}."), deadline=time.monotonic() + LONG)
        with monkeypatch.context() as patch:
            patch.setattr(UdpTransport, "send", _raise)
            resolver.tick()
            while resolver.statistics(time.monotonic()).upstreams[0].in_flight:  # noqa: ASYNC110  # nobody to tell us
                await asyncio.sleep(0)
        asked = fake.asked
        await ask(resolver, make_query(), deadline=time.monotonic() + LONG)
    assert told == ["a probe failed"]
    assert fake.asked == asked + 1


def _raise(*_: object, **__: object) -> None:
    raise ZeroDivisionError
