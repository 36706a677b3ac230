"""One upstream is left alone, and asked again."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator

import pytest

from dohproxy.config import ResolverConfig, UpstreamAddress, UpstreamConfig
from dohproxy.control.command import WrongArguments
from dohproxy.control.upstreams import pause, paused_sentence, resume
from dohproxy.outcomes import Reason
from dohproxy.upstream.resolver import Resolver, UpstreamFailure
from dohproxy.upstream.resolvers import Resolvers
from dohproxy.wire.answer import Answer
from tests.control.command_samples import FakeService
from tests.fakes.asking import ask
from tests.fakes.upstream import FakeUpstream, make_query

SECONDS = 5.0


@contextlib.asynccontextmanager
async def asking(*upstreams: UpstreamConfig) -> AsyncIterator[tuple[FakeService, Resolver]]:
    """Give a service with these upstreams."""
    async with asyncio.TaskGroup() as tasks:
        rng = random.Random(1)  # noqa: S311  # jitter only
        resolver = Resolver(upstreams, ResolverConfig(), lambda *_: None, tasks, time.monotonic, rng)
        service = FakeService()
        service.asked = Resolvers(resolver)
        yield service, resolver
        await resolver.close()


async def test_one_that_is_paused_is_asked_nothing_and_the_other_everything() -> None:
    first, second = FakeUpstream(), FakeUpstream()
    async with (
        first.running(),
        second.running(),
        asking(first.config(name="ns0"), second.config(name="ns1")) as (service, resolver),
    ):
        result = await pause(service, {"name": "ns0"})
        assert result.figures == {"upstream": "ns0", "left": ["ns1"]}
        assert "Asked in its place: ns1." in result.sentence
        for _ in range(3):
            # One that has said nothing for an hour is probed, and so is one that nobody has asked yet.
            resolver.tick()
            found = await ask(resolver, make_query(), deadline=time.monotonic() + SECONDS)
            assert isinstance(found, Answer)
        await asyncio.sleep(0.05)
        assert first.asked == 0
        assert second.asked >= 3
        assert [one.is_paused for one in resolver.statistics(time.monotonic()).upstreams] == [True, False]
        await resume(service, {"name": "ns0"})
        assert isinstance(await ask(resolver, make_query(), deadline=time.monotonic() + SECONDS), Answer)
        assert first.asked == 1
        assert resolver.statistics(time.monotonic()).upstreams[0].budget_share < 1.0


async def test_the_last_one_can_be_paused_and_that_is_said() -> None:
    upstream = FakeUpstream()
    async with upstream.running(), asking(upstream.config(name="ns0")) as (service, resolver):
        result = await pause(service, {"name": "ns0"})
        assert "It was the last one" in result.sentence
        assert result.figures["left"] == []
        found = await ask(resolver, make_query(), deadline=time.monotonic() + SECONDS)
        assert found == UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)
        assert resolver.pressure(time.monotonic()) == 1.0
        assert upstream.asked == 0


async def test_what_is_so_already_is_said() -> None:
    async with asking(UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 9))) as (service, _):
        assert (await resume(service, {"name": "ns0"})).sentence == "ns0 was not paused."
        await pause(service, {"name": "ns0"})
        assert (await pause(service, {"name": "ns0"})).sentence == "ns0 is paused already."


@pytest.mark.parametrize(("name", "told"), [("ns1", "did you mean ns0?"), ("x", "there are ns0.")])
async def test_a_name_that_no_upstream_has_is_told_with_those_that_there_are(name: str, told: str) -> None:
    async with asking(UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 9))) as (service, _):
        for command in (pause, resume):
            with pytest.raises(WrongArguments) as caught:
                await command(service, {"name": name})
            assert told in str(caught.value)


def test_what_is_under_way_is_said_to_be_finished() -> None:
    assert "3 queries under way are finished." in paused_sentence("ns0", 3, ["ns1"], is_kept=False)


@pytest.mark.parametrize(
    ("is_kept", "end"), [(True, "until `upstream resume ns0`, over restarts too."), (False, "ns0` or a restart.")]
)
def test_it_is_said_whether_a_restart_ends_it(end: str, *, is_kept: bool) -> None:
    assert end in paused_sentence("ns0", 0, ["ns1"], is_kept=is_kept)
