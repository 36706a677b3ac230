"""Upstreams that cannot stand something of what we add: clients are served at once, and it is left out with proof."""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dohproxy.config import ResolverConfig, UpstreamConfig
from dohproxy.config.additions import Addition
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.resolver import Resolver, UpstreamFailure
from dohproxy.upstream.statistics import UpstreamStatistics
from dohproxy.upstream.workarounds.workarounds import RETRY_SECONDS
from dohproxy.wire.answer import Answer, Kind
from tests.e2e.certificates import CertificateAuthority
from tests.fakes import upstream as fakes
from tests.fakes.asking import ask
from tests.fakes.intolerant import SILENCE, has, intolerant
from tests.fakes.upstream import Act, FakeUpstream, make_query

EDNS, COOKIE, AD, CASE, PADDING = Addition
QUICK = ResolverConfig(attempt_seconds=0.2)
LONG = 10.0


class Rig:
    """A resolver whose clock can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.resolver: Resolver | None = None

    def now(self) -> float:
        return time.monotonic() + self.ahead

    async def ask(self, name: str) -> Answer | UpstreamFailure | None:
        assert self.resolver is not None
        return await ask(self.resolver, make_query(f"{name}.example."), deadline=self.now() + LONG)

    def upstream(self) -> UpstreamStatistics:
        assert self.resolver is not None
        return self.resolver.statistics(self.now()).upstreams[0]

    async def tick(self, *, after: float = 0.0) -> None:
        """What a second later is begun, to its end."""
        assert self.resolver is not None
        self.ahead += after
        self.resolver.tick()
        for _ in range(3):
            while self.upstream().in_flight:  # noqa: ASYNC110  # nobody to tell us
                await asyncio.sleep(0.01)
            await asyncio.sleep(0)

    def left_out(self) -> dict[Addition, str]:
        return {one.addition: one.how for one in self.upstream().left_out}


@asynccontextmanager
async def _rig(*configs: UpstreamConfig) -> AsyncIterator[Rig]:
    rig = Rig()
    async with asyncio.TaskGroup() as tasks:
        rng = random.Random(1)  # noqa: S311  # jitter only
        rig.resolver = Resolver(configs, QUICK, lambda *_: None, tasks, rig.now, rng)
        try:
            yield rig
        finally:
            await rig.resolver.close()


KINDS = [
    *[(EDNS, says) for says in ("FORMERR", "NOTIMP")],
    *[(COOKIE, says) for says in ("SERVFAIL", "REFUSED", "FORMERR")],
    (AD, "FORMERR"),
    *[(CASE, says) for says in ("NXDOMAIN", "SERVFAIL", "FORMERR")],
]


@pytest.mark.parametrize(("addition", "says"), KINDS, ids=lambda value: str(value))
async def test_over_udp_every_question_is_answered_and_what_is_at_fault_is_left_out(
    addition: Addition, says: str
) -> None:
    fake = FakeUpstream(udp=[intolerant(addition, says=says)])
    async with fake.running(), _rig(fake.config()) as rig:
        first = await rig.ask("the-very-first")
        assert isinstance(first, Answer)
        assert first.kind is Kind.POSITIVE
        await rig.tick()
        assert rig.left_out() == {addition: says}
        before = fake.asked
        for number in range(20):
            assert isinstance(await rig.ask(f"name{number}"), Answer)
        assert fake.asked == before + 20
        assert not any(has(wire, addition) for wire in fake.asked_over_udp[before:])
        assert rig.upstream().finding is None


async def test_an_upstream_that_is_silent_to_something_is_no_longer_taken_to_throttle() -> None:
    # Side by side, as each takes seconds of silence.
    async with asyncio.TaskGroup() as tasks:
        for addition in (EDNS, COOKIE, AD, CASE):
            tasks.create_task(_be_silent_to(addition))


async def _be_silent_to(addition: Addition) -> None:
    fake = FakeUpstream(udp=[intolerant(addition, says=SILENCE)])
    async with fake.running(), _rig(fake.config()) as rig:
        assert isinstance(await rig.ask("the-very-first"), Answer)
        await rig.tick()
        assert rig.left_out() == {addition: "silence"}
        assert isinstance(await rig.ask("another"), Answer)
        upstream = rig.upstream()
        assert (upstream.finding, upstream.halvings, upstream.breaker) == (None, 0, BreakerState.CLOSED)


@pytest.mark.parametrize(("addition", "says"), [(EDNS, "FORMERR"), (AD, "NOTIMP")], ids=lambda value: str(value))
async def test_over_tcp_too(addition: Addition, says: str) -> None:
    fake = FakeUpstream(stream=[intolerant(addition, says=says)])
    async with fake.running(), _rig(fake.config("tcp")) as rig:
        assert isinstance(await rig.ask("the-very-first"), Answer)
        await rig.tick()
        assert rig.left_out() == {addition: says}
        assert isinstance(await rig.ask("another"), Answer)


@pytest.mark.parametrize("says", ["FORMERR", "a closed connection"])
async def test_padding_over_tls(says: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = CertificateAuthority(tmp_path_factory.mktemp("padding"))
    files = authority.issue(["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    act = intolerant(PADDING, says="FORMERR") if says == "FORMERR" else Act(_answer_and_close, closes=True, delay=0.01)
    fake = FakeUpstream(stream=[act])
    async with fake.running(context):
        rig = Rig()
        async with asyncio.TaskGroup() as tasks:
            rng = random.Random(1)  # noqa: S311  # jitter only
            config = fake.config("tls")
            rig.resolver = Resolver([config], QUICK, lambda *_: None, tasks, rig.now, rng, ca_file=authority.file)
            if says == "FORMERR":
                assert isinstance(await rig.ask("the-very-first"), Answer)
            else:
                await rig.ask("the-very-first")
            # Connections that were closed on us make a pause, in which nobody is asked.
            for _ in range(10):
                await rig.tick(after=1.0)
            assert list(rig.left_out()) == [PADDING]
            assert isinstance(await rig.ask("another"), Answer)
            await rig.resolver.close()


def _answer_and_close(query: bytes) -> list[bytes]:
    """No answer where padding came."""
    return [] if has(query, PADDING) else list(fakes.ANSWER.packets(query))


async def test_it_is_tried_again_after_a_day_without_costing_a_client_anything() -> None:
    fake = FakeUpstream(udp=[intolerant(COOKIE, says="REFUSED")])
    async with fake.running(), _rig(fake.config()) as rig:
        await rig.ask("the-very-first")
        await rig.tick()
        before = len(fake.asked_over_udp)
        await rig.tick(after=RETRY_SECONDS - 60)
        # A probe, as nothing was heard of it for an hour, and no trial.
        assert len(fake.asked_over_udp) == before + 1
        await rig.tick(after=120)
        assert rig.left_out() == {COOKIE: "REFUSED"}
        assert len(fake.asked_over_udp) - before <= 5
        fake.udp = [fakes.COOKIE]
        await rig.tick(after=RETRY_SECONDS + 60)
        assert rig.left_out() == {}
        await rig.ask("another")
        assert has(fake.asked_over_udp[-1], COOKIE)


async def test_a_resolver_that_is_well_is_asked_nothing_more_than_before() -> None:
    fake = FakeUpstream(udp=[fakes.COOKIE])
    async with fake.running(), _rig(fake.config()) as rig:
        for number in range(20):
            await rig.ask(f"name{number}")
            await rig.tick(after=1.0)
    assert (fake.asked, rig.upstream().probes) == (20, 0)


async def test_names_that_fail_cannot_talk_us_out_of_what_was_shown() -> None:
    fake = FakeUpstream(udp=[fakes.COOKIE, fakes.SERVFAIL])
    async with fake.running(), _rig(fake.config()) as rig:
        await rig.ask("the-first-is-good")
        for number in range(50):
            # So many letters that none of fifty draws makes all of them small.
            await rig.ask(f"{'broken' * 6}{number}")
            await rig.tick(after=10.0)
        assert rig.left_out() == {}
        clients = [wire for wire in fake.asked_over_udp if b"broken" in wire.lower()]
        assert len(clients) == 50
        assert all(has(wire, COOKIE) and has(wire, CASE) for wire in clients)


async def test_a_ban_from_the_start_is_a_ban_and_costs_hardly_more() -> None:
    fake = FakeUpstream(udp=[fakes.REFUSED])
    async with fake.running(), _rig(fake.config()) as rig:
        for number in range(8):
            assert isinstance(await rig.ask(f"name.zone{number}"), UpstreamFailure)
        assert fake.asked == 8 + 2
        await rig.tick()
        assert fake.asked == 8 + 2 + 1 + 1
        assert rig.left_out() == {}
        assert rig.upstream().breaker is BreakerState.OPEN


async def test_where_there_is_another_upstream_it_is_asked_first() -> None:
    first, second = FakeUpstream(udp=[intolerant(EDNS, says="FORMERR")]), FakeUpstream()
    async with first.running(), second.running(), _rig(first.config(), second.config(name="other")) as rig:
        assert isinstance(await rig.ask("the-very-first"), Answer)
        assert (first.asked, second.asked) == (1, 1)
        await rig.tick()
        assert rig.left_out() == {EDNS: "FORMERR"}
        assert isinstance(await rig.ask("another"), Answer)
        assert second.asked == 1


async def test_what_the_operator_leaves_out_is_never_sent() -> None:
    fake = FakeUpstream(udp=[intolerant(COOKIE, CASE, says="REFUSED")])
    async with fake.running(), _rig(fake.config(leave_out=(COOKIE, CASE))) as rig:
        assert isinstance(await rig.ask("the-very-first"), Answer)
        await rig.tick()
    assert fake.asked == 1
