"""All frontends and all behind them, built as the service builds them, in a time that passes when a play says so."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from bench.guard.clients import Http2Bytes, Sink
from bench.guard.stub import stub_upstream
from dohproxy.builders import SECRET_BYTES
from dohproxy.config import BansConfig, Config, ConnectionsConfig, LimitsConfig, PagesConfig, UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.frontends.connections import ConnectionSlot
from dohproxy.frontends.dot.connection import DotFrontend
from dohproxy.frontends.http1.connection import Http1Frontend
from dohproxy.frontends.http2.connection import Http2Frontend
from dohproxy.pages.document import Document, Kind, Language
from dohproxy.policy.prefixes import Prefix
from dohproxy.policy.standing import Standing
from dohproxy.server import Server
from tests.fakes.limits import AMPLE

CACHED: Final = "www.example.net"
"""In the cache from the start."""
CLIENT: Final = bytes((192, 0, 2, 1))
CONNECTIONS: Final = ConnectionsConfig(max_requests=1_000_000)
PATIENT: Final = BansConfig(points=1_000_000)
"""Everything is charged, and nobody is banned for it: plays are one client's."""
PAGES: Final = PagesConfig(enabled=True, views_per_second=10_000)
PAGE: Final = Document(Kind.STATUS, Language.FRENCH, bytes(16_384))
"""As large as a page is where there is much to tell; what stands in it costs nothing."""
NARROW: Final = LimitsConfig(requests_per_second=0.001, requests_burst=1)


class Failed(Exception):
    """A workload did not do what its name says, so its figure means nothing."""


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


class Loop(asyncio.SelectorEventLoop):
    """An event loop in the same time: no deadline is missed because a machine is slow."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        super().__init__()

    def time(self) -> float:
        """Return the clock's time."""
        return self.clock()


def _server(clock: Clock, upstream: int, limits: LimitsConfig, tasks: asyncio.TaskGroup) -> Server:
    asked = UpstreamConfig(
        "stub",
        UpstreamAddress("udp", "127.0.0.1", upstream, None),
        queries_per_second=100_000.0,
        burst=100_000,
        in_flight=1_000,
    )
    config = Config((asked,), connections=CONNECTIONS, limits=limits, bans=PATIENT, pages=PAGES)
    return Server(config, tasks, bytes(SECRET_BYTES), clock=clock)


def _slot(server: Server) -> ConnectionSlot:
    slot = server.connections.take_slot((), Standing.MEMBER, 0.0)
    if slot is None:
        raise Failed("no place is free")
    return slot


class Stage:
    """What the plays play on: a service without limits that matter, and one whose clients are over theirs."""

    def __init__(self, clock: Clock, upstream: int, tasks: asyncio.TaskGroup) -> None:
        self.clock = clock
        self._limited_clients = 0
        self._wide = _server(clock, upstream, AMPLE, tasks)
        self._wide.core.service.pages.publish([PAGE], 0.0)
        self._narrow = _server(clock, upstream, NARROW, tasks)
        self._banning = _server(clock, upstream, AMPLE, tasks)
        # As with a client of a front proxy, whose connection stays: else nothing would be left to refuse.
        self._banning.core.bans.when_banned = lambda _ban, _now: None

    def open_http1(self, *, limited: bool = False) -> tuple[Http1Frontend, Sink]:
        """Return a new HTTP/1.1 connection."""
        server = self._narrow if limited else self._wide
        frontend, sink = server.http1.frontend(self._client(limited=limited), _slot(server)), Sink()
        frontend.connection_made(sink)
        return frontend, sink

    def open_dot(self) -> tuple[DotFrontend, Sink]:
        """Return a new DoT connection."""
        server = self._wide
        frontend, sink = server.dot.frontend(CLIENT, _slot(server)), Sink()
        frontend.connection_made(sink)
        return frontend, sink

    def ban(self) -> None:
        """Ban the one client, where the connection was opened for that."""
        self._banning.core.bans.ban(Prefix(CLIENT, 32), 600.0, "", self.clock(), spares=True)

    def open_http2(self, *, limited: bool = False, banned: bool = False) -> tuple[Http2Frontend, Sink]:
        """Return a new HTTP/2 connection; with `banned`, at a service that may ban its client."""
        server = self._narrow if limited else self._banning if banned else self._wide
        frontend, sink = server.http2.frontend(self._client(limited=limited), _slot(server)), Sink()
        frontend.connection_made(sink)
        return frontend, sink

    def _client(self, *, limited: bool) -> bytes:
        """Return the one client, or another each time where the limits are for one answer."""
        self._limited_clients += limited
        return bytes((10, 0, self._limited_clients, 1)) if limited else CLIENT

    async def fetch(self, names: Collection[str]) -> None:
        """Have these names in the cache. By POST, so that a GET for one of them is news to the frontends."""
        speaker = Http2Bytes()
        frontend, sink = self.open_http2()
        for flight in (speaker.hello, *speaker.posts(sorted(names))):
            frontend.data_received(flight)
            await sink.until_ended(flight)
        frontend.connection_lost(None)

    async def close(self) -> None:
        """Give up what is still asked upstream."""
        for server in (self._wide, self._narrow, self._banning):
            await server.close()


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Give a stage; must run in a `Loop`."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, Loop):
        raise TypeError("not an event loop of the stage's own")
    async with stub_upstream() as upstream, asyncio.TaskGroup() as tasks:
        stage = Stage(loop.clock, upstream, tasks)
        try:
            await stage.fetch([CACHED])
            yield stage
        finally:
            await stage.close()
