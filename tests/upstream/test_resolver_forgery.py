"""The resolver, whose replies over UDP somebody forges, and upstreams that change their ways."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from dohproxy.config import ResolverConfig
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.statistics import UpstreamStatistics
from dohproxy.wire.answer import Answer
from tests.fakes import upstream as fakes
from tests.fakes.asking import ask
from tests.fakes.upstream import Act, FakeUpstream, make_query

LONG = 10.0


class Rig:
    """A resolver, asked by name."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver

    async def ask(self, *names: str) -> None:
        """Ask for one after the other, and get answers."""
        for name in names:
            outcome = await ask(self.resolver, make_query(f"{name}.example."), deadline=time.monotonic() + LONG)
            assert isinstance(outcome, Answer)

    def first(self) -> UpstreamStatistics:
        """The figures of the first upstream."""
        return self.resolver.statistics(time.monotonic()).upstreams[0]


@asynccontextmanager
async def _rig(*upstreams: FakeUpstream, attempt_seconds: float = 1.5) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        for upstream in upstreams:
            await stack.enter_async_context(upstream.running())
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        configs = [upstream.config() for upstream in upstreams]
        settings = ResolverConfig(attempt_seconds=attempt_seconds)
        rng = random.Random(1)  # noqa: S311  # jitter only
        resolver = Resolver(configs, settings, lambda *_: None, tasks, time.monotonic, rng)
        stack.push_async_callback(resolver.close)
        yield Rig(resolver)


async def test_a_reply_in_another_case_never_drives_us_to_another_upstream() -> None:
    first = FakeUpstream(udp=[fakes.ANSWER, fakes.ANSWER, fakes.ANSWER, fakes.LOWER_CASE.then(fakes.ANSWER)])
    second = FakeUpstream()
    async with _rig(first, second) as rig:
        await rig.ask("the-first", "the-second", "the-third", "attacked")
        defences = rig.first().defences
    assert (defences.checks_case, defences.wrong_case, defences.wrong_cookie) == (True, 1, 0)
    assert (first.asked, second.asked) == (4, 0)


async def test_a_reply_without_the_cookie_never_drives_us_to_another_upstream() -> None:
    cookie = fakes.COOKIE
    first = FakeUpstream(udp=[cookie, cookie, cookie, fakes.ANSWER.then(fakes.WRONG_COOKIE).then(cookie)])
    second = FakeUpstream()
    async with _rig(first, second) as rig:
        await rig.ask("the-first", "the-second", "the-third", "attacked")
        defences = rig.first().defences
    assert (defences.checks_cookies, defences.wrong_case, defences.wrong_cookie) == (True, 0, 2)
    assert (first.asked, second.asked) == (4, 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(fakes.ANSWER, fakes.LOWER_CASE, id="case"),
        pytest.param(fakes.COOKIE, fakes.ANSWER, id="cookies"),
    ],
)
async def test_an_upstream_that_changes_its_ways_costs_time_and_no_answer(before: Act, after: Act) -> None:
    fake = FakeUpstream(udp=[before, before, before, after])
    async with _rig(fake, attempt_seconds=0.4) as rig:
        await rig.ask("the-first", "the-second", "the-third")
        await rig.ask(*(f"changed{number}" for number in range(6)))
        upstream = rig.first()
    assert upstream.sends[SendStatus.UNPROVEN] == 4
    assert upstream.breaker is BreakerState.CLOSED
    assert len(fake.asked_over_stream) == 4


async def test_a_bad_cookie_costs_one_send_more() -> None:
    fake = FakeUpstream(udp=[fakes.BAD_COOKIE, fakes.COOKIE])
    async with _rig(fake) as rig:
        await rig.ask("www")
        sends = rig.first().sends
    assert (sends[SendStatus.BAD_COOKIE], sends[SendStatus.ANSWERED]) == (1, 1)
    first, second = (fakes.cookie_of(wire) for wire in fake.asked_over_udp)
    assert second == first + fakes.SERVER_COOKIE


async def test_an_upstream_that_likes_no_cookie_at_all_is_asked_over_tcp() -> None:
    fake = FakeUpstream(udp=[fakes.BAD_COOKIE])
    async with _rig(fake) as rig:
        await rig.ask("www")
    assert (len(fake.asked_over_udp), len(fake.asked_over_stream)) == (2, 1)
    assert fakes.cookie_of(fake.asked_over_stream[0]) == b""


@pytest.mark.parametrize("before", [fakes.ANSWER, fakes.COOKIE], ids=["case", "cookies"])
async def test_a_forged_error_without_a_question_never_keeps_the_answer_away(before: Act) -> None:
    first = FakeUpstream(udp=[before, before, before, fakes.REFUSED_BY_HEADER.then(before)])
    second = FakeUpstream()
    async with _rig(first, second) as rig:
        await rig.ask("the-first", "the-second", "the-third", "attacked")
        assert rig.first().finding is None
    assert (len(first.asked_over_udp), first.asked_over_stream, second.asked) == (4, [], 0)


async def test_a_forged_error_to_which_the_upstream_is_silent_is_found_out_over_tcp() -> None:
    fake = FakeUpstream(udp=[fakes.COOKIE, fakes.COOKIE, fakes.COOKIE, fakes.REFUSED_BY_HEADER])
    async with _rig(fake, attempt_seconds=0.3) as rig:
        await rig.ask("the-first", "the-second", "the-third")
        await rig.ask("attacked.one", "attacked.two", "attacked.three", "attacked.four")
        upstream = rig.first()
    assert upstream.sends[SendStatus.UNPROVEN] == 4
    assert upstream.defences.checks_cookies
    assert len(fake.asked_over_stream) == 4
