"""All between listening sockets and upstreams, with a clock and a socket of the test's own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from dohproxy.builders import SECRET_BYTES
from dohproxy.config import Config, ConnectionsConfig, ListenAddress, ServerConfig
from dohproxy.frontends.connections import Closing
from dohproxy.frontends.listening import open_listener
from dohproxy.observability.exposition import Exposition
from dohproxy.server import Server
from tests.fakes.upstream import FakeUpstream
from tests.frontends.client import RawClient, get
from tests.frontends.served import SkewedClock

LOOPBACK = ListenAddress("tcp", host="127.0.0.1", port=0)


class Serving:
    """A server that listens."""

    def __init__(self, server: Server, config: Config, clock: SkewedClock, address: tuple[str, int]) -> None:
        self.server = server
        self.config = config
        self.clock = clock
        self.clients: list[RawClient] = []
        self._address = address

    async def connect(self) -> RawClient:
        client = await RawClient.connect(self._address)
        self.clients.append(client)
        return client

    def figure(self, name: str) -> float:
        return sum(
            sample.value
            for metric in Exposition(self.server.core.figures).collect()
            for sample in metric.samples
            if sample.name == name
        )


@asynccontextmanager
async def serving(connections: ConnectionsConfig | None = None) -> AsyncIterator[Serving]:
    """Serve on loopback until the block ends."""
    upstream = FakeUpstream()
    async with upstream.running(), asyncio.TaskGroup() as tasks:
        config = Config((upstream.config(),), connections=connections or ConnectionsConfig())
        clock = SkewedClock()
        server = Server(config, tasks, bytes(SECRET_BYTES), clock=clock)
        with contextlib.closing(open_listener(LOOPBACK)) as listening:
            listener = server.listener(listening, None)
            accepting = tasks.create_task(listener.accept_forever())
            one = Serving(server, config, clock, listening.getsockname())
            try:
                yield one
            finally:
                for client in one.clients:
                    client.cut()
                await server.connections.wait_empty()
                listener.stop()
                accepting.cancel()
                await server.close()


async def test_a_question_is_answered_and_each_part_is_in_the_figures() -> None:
    async with serving() as one:
        client = await one.connect()
        for _ in range(2):
            assert (await client.ask(get("www.example.net"))).status == 200
        assert one.figure("dohproxy_connections") == 1
        assert one.figure("dohproxy_requests_total") == 2


async def test_connections_are_limited_as_configured() -> None:
    async with serving(ConnectionsConfig(max_per_client=1)) as one:
        first, second = await one.connect(), await one.connect()
        assert await second.read() == b""
        assert (await first.ask(get("www.example.net"))).status == 200


async def test_a_sweep_closes_what_is_idle_by_the_server_s_own_clock() -> None:
    async with serving(ConnectionsConfig(idle_seconds=20)) as one:
        client = await one.connect()
        assert (await client.ask(get("www.example.net"))).status == 200
        one.server.sweep()
        assert one.server.connections.slots_taken == 1
        one.clock.ahead = 21
        one.server.sweep()
        assert await client.read() == b""
        assert one.server.connections.statistics().closed[Closing.IDLE] == 1


async def test_another_configuration_holds_on_open_connections() -> None:
    async with serving() as one:
        client = await one.connect()
        assert (await client.ask(get("www.example.net"))).status == 200
        idle = replace(one.config.connections, idle_seconds=1)
        one.server.adopt(replace(one.config, connections=idle, server=ServerConfig(path="/other")))
        assert (await client.ask(get("www.example.net"))).status == 404
        one.clock.ahead = 2
        one.server.sweep()
        assert await client.read() == b""
        assert one.server.connections.statistics().closed[Closing.IDLE] == 1


async def test_an_address_is_known_to_whoever_explains_once_a_token_has_come_from_it() -> None:
    async with serving() as one:
        client, now = one.server.client_resolver.of_connection(b"\xc0\x00\x02\x07"), one.clock()
        assert not one.server.owners().knows(client, now)
        one.server.client_resolver.member_networks.note(client, bytes(32), now)
        assert one.server.owners().knows(client, now)
