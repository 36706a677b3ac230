"""TCP and TLS where no connection comes to be, or where another address of the same group holds them all."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dohproxy.config.addresses import UpstreamAddress
from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.transports.stream import LEAST_OPENING_SECONDS, StreamTransport
from dohproxy.upstream.transports.tls import make_context
from dohproxy.wire.answer import Answer
from tests.fakes.asking import exchange
from tests.fakes.upstream import LOOPBACK, FakeUpstream, make_query
from tests.fakes.upstream_health import connections

SOON = 0.05
LONG = 10.0


@asynccontextmanager
async def _transport(
    address: UpstreamAddress, budget: ConnectionBudget, *, encrypted: bool = False
) -> AsyncIterator[StreamTransport]:
    async with asyncio.TaskGroup() as tasks:
        transport = StreamTransport(
            address,
            budget,
            idle_seconds=60,
            context=make_context(None) if encrypted else None,
            tasks=tasks,
            clock=time.monotonic,
        )
        try:
            yield transport
        finally:
            await transport.close()


async def _ask(transport: StreamTransport, seconds: float = LONG) -> Answer | Unproven | SendStatus:
    return await exchange(transport, make_query(), until=time.monotonic() + seconds)


async def _fail_to_open(transport: StreamTransport, budget: ConnectionBudget, seconds: float = SOON) -> None:
    # Both who waits and who connects have until then, and either may be the first to say so.
    assert await _ask(transport, seconds) in (SendStatus.UNREACHABLE, SendStatus.TIMEOUT)
    while budget.open:  # noqa: ASYNC110  # nobody to tell us
        await asyncio.sleep(0.001)


async def test_a_handshake_that_never_ends_is_a_failed_connection() -> None:
    fake, budget = FakeUpstream(), connections()
    async with fake.running(), _transport(fake.config("tls").url, budget, encrypted=True) as transport:
        await _fail_to_open(transport, budget, LEAST_OPENING_SECONDS + SOON)
        assert budget.is_turned_away
        await _fail_to_open(transport, budget, LEAST_OPENING_SECONDS + SOON)
        assert not budget.may_open(time.monotonic())


async def test_one_that_had_no_time_to_come_to_be_says_nothing() -> None:
    fake, budget = FakeUpstream(), connections()
    async with fake.running(), _transport(fake.config("tls").url, budget, encrypted=True) as transport:
        for _ in range(3):
            await _fail_to_open(transport, budget)
        assert not budget.is_turned_away
        assert budget.may_open(time.monotonic())


async def test_a_port_where_nobody_listens_turns_nobody_away() -> None:
    with socket.create_server((LOOPBACK, 0)) as closed_at_once:
        port = closed_at_once.getsockname()[1]
    budget = connections()
    async with _transport(UpstreamAddress("tcp", LOOPBACK, port), budget) as transport:
        for _ in range(2):
            assert await _ask(transport) is SendStatus.UNREACHABLE
        assert not budget.may_open(time.monotonic())
        assert not budget.is_turned_away


async def test_who_may_not_knock_sends_nothing() -> None:
    fake, budget = FakeUpstream(), connections()
    for _ in range(5):
        budget.failed(time.monotonic(), nobody_listens=False)
    async with fake.running(), _transport(fake.config("tcp").url, budget) as transport:
        assert await _ask(transport) is SendStatus.UNSENT
    assert fake.connections_made == 0


async def test_the_other_address_of_a_group_waits_while_the_first_holds_all_connections() -> None:
    first, second, budget = FakeUpstream(), FakeUpstream(), connections(1)
    async with (
        first.running(),
        second.running(),
        _transport(first.config("tcp").url, budget) as one,
        _transport(second.config("tcp").url, budget) as other,
    ):
        assert isinstance(await _ask(one), Answer)
        assert await _ask(other) is SendStatus.UNSENT
        await one.close()
        assert isinstance(await _ask(other), Answer)
    assert (first.connections_made, second.connections_made) == (1, 1)
