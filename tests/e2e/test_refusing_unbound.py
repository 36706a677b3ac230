"""A real Unbound whose access list refuses us, which it says with a header alone: seen over every protocol."""

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dohproxy.config import ResolverConfig, UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.outcomes import Reason
from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.health.signals import RUN, Signal
from dohproxy.upstream.resolver import Resolver, UpstreamFailure
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.statistics import UpstreamStatistics
from dohproxy.wire.answer import Answer
from dohproxy.wire.numbers import Rcode
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK
from tests.e2e.test_upstream_test import facts_in, run_upstream_test
from tests.e2e.unbound import DOT_NAME, Unbound, UnboundPrograms
from tests.fakes.asking import ask
from tests.fakes.upstream import make_query

TRANSPORTS = ("udp", "tcp", "tls")
LONGEST_BAN_SECONDS = 3600.0


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return time.monotonic() + self.ahead


class Guest:
    """A resolver with one upstream, and names that it has not asked for yet."""

    def __init__(self, resolver: Resolver, loop: LeapingLoop, names: Iterator[str]) -> None:
        self.resolver = resolver
        self._loop = loop
        self._names = names

    def seen(self) -> UpstreamStatistics:
        """What is told of the upstream."""
        return self.resolver.statistics(self._loop.time()).upstreams[0]

    def signal(self) -> Signal | None:
        """What is told to be wrong with it."""
        finding = self.seen().finding
        return None if finding is None else finding.signal

    async def ask(self, count: int) -> list[Answer | UpstreamFailure | None]:
        """Ask for so many new names at once."""
        deadline = self._loop.time() + 5.0
        queries = [make_query(f"{next(self._names)}.") for _ in range(count)]
        return await asyncio.gather(*(ask(self.resolver, query, deadline=deadline) for query in queries))

    async def probe(self) -> None:
        """Wait for the probe that is due."""
        before = self.seen().probes
        self.resolver.tick()
        assert self.seen().probes == before + 1
        while self.seen().in_flight:  # noqa: ASYNC110  # nobody to tell us
            await asyncio.sleep(0.01)

    def leap(self, seconds: float) -> None:
        """Let so much time pass."""
        self._loop.ahead += seconds


@pytest.fixture(scope="module")
def server(
    unbound_programs: UnboundPrograms, authority: CertificateAuthority, names: tuple[str, ...]
) -> Iterator[Unbound]:
    """An Unbound for these tests alone."""
    with tempfile.TemporaryDirectory(prefix="unbound-") as directory:
        unbound = Unbound(Path(directory), unbound_programs, authority, names)
        try:
            unbound.start()
            yield unbound
        finally:
            unbound.stop()


@pytest.fixture(params=TRANSPORTS)
def upstream(request: pytest.FixtureRequest, server: Unbound) -> UpstreamConfig:
    """The configuration of it, by each protocol."""
    transport = request.param
    port = server.tls_port if transport == "tls" else server.port
    name = DOT_NAME if transport == "tls" else None
    return UpstreamConfig(
        "ns0", UpstreamAddress(transport, LOOPBACK, port, name), queries_per_second=1000.0, burst=1000
    )


async def _as_guest(
    server: Unbound, upstream: UpstreamConfig, names: tuple[str, ...], ca_file: Path, *, serves_at_first: bool
) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingLoop)
    async with asyncio.TaskGroup() as tasks:
        rng = random.Random(1)  # noqa: S311  # jitter only
        resolver = Resolver([upstream], ResolverConfig(), lambda *_: None, tasks, loop.time, rng, ca_file=ca_file)
        guest = Guest(resolver, loop, iter(names))
        try:
            if serves_at_first:
                await _is_served(guest)
                server.admit("refuse")
                guest.leap(LONGEST_BAN_SECONDS)
            await _is_refused(guest)
            server.admit("allow")
            guest.leap(LONGEST_BAN_SECONDS)
            await guest.probe()
            assert guest.signal() is None
            await _is_served(guest)
        finally:
            await resolver.close()


async def _is_served(guest: Guest) -> None:
    assert all(isinstance(found, Answer) for found in await guest.ask(5))


async def _is_refused(guest: Guest) -> None:
    found = await guest.ask(RUN)
    failures = [one for one in found if isinstance(one, UpstreamFailure)]
    assert [one.reason for one in failures] == [Reason.UPSTREAM_REFUSED] * RUN
    assert {one.answer.rcode for one in failures if one.answer is not None} == {Rcode.REFUSED}
    await guest.probe()
    seen = guest.seen()
    assert (guest.signal(), seen.breaker) == (Signal.REFUSED, BreakerState.OPEN)
    assert (seen.sends[SendStatus.TIMEOUT], seen.sends[SendStatus.UNREACHABLE]) == (0, 0)


@pytest.mark.parametrize("serves_at_first", [False, True], ids=["from the start", "after an hour"])
def test_a_refusal_is_recognised_and_ends_when_it_ends(
    server: Unbound,
    upstream: UpstreamConfig,
    names: tuple[str, ...],
    authority: CertificateAuthority,
    *,
    serves_at_first: bool,
) -> None:
    server.admit("allow" if serves_at_first else "refuse")
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(_as_guest(server, upstream, names, authority.file, serves_at_first=serves_at_first))


def test_a_refusal_is_told_by_the_test_of_upstreams(
    server: Unbound, authority: CertificateAuthority, tmp_path: Path
) -> None:
    server.admit("refuse")
    urls = {
        "datagrams": f"udp://{LOOPBACK}:{server.port}",
        "stream": f"tcp://{LOOPBACK}:{server.port}",
        "encrypted": f"tls://{LOOPBACK}:{server.tls_port}#{DOT_NAME}",
    }
    run = run_upstream_test(tmp_path, authority, urls)
    assert (run.returncode, run.stderr) == (1, "")
    told = facts_in(run.stdout)
    assert {facts["answer"] for facts in told.values()} == {
        "REFUSED, 0 record(s), in a header alone: it has not read the question"
    }
    assert {facts["WARNING"] for facts in told.values()} == {
        "refuses to answer (REFUSED, 0 record(s)): this address is not among its clients, or it was banned."
    }
