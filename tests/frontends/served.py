"""A whole frontend on loopback, with everything behind it that a service has: the register, the walk, a scripted
upstream.

Leaving `open_frontend` proves that nothing leaked: no place, no miss, no task, no socket.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from dohproxy.builders import SECRET_BYTES
from dohproxy.config import (
    BansConfig,
    ClientsConfig,
    Config,
    ConnectionsConfig,
    DotConfig,
    LimitsConfig,
    ListenAddress,
    LogConfig,
    NamesConfig,
    ResolverConfig,
    RulesConfig,
    ServerConfig,
    TlsConfig,
)
from dohproxy.frontends.connections import Closing
from dohproxy.frontends.kernel_buffers import bound_sending
from dohproxy.frontends.listening import open_listener
from dohproxy.http2.limits import Http2Limits
from dohproxy.outcomes import Client, Outcome
from dohproxy.routes import Route, Routes
from dohproxy.server import Server
from dohproxy.tls.certificate_pair import read_pair
from dohproxy.tls.policy import frontend_context, offer_protocols
from dohproxy.upstream.upstreams import Upstreams
from tests.fakes.limits import AMPLE, NO_BANS, ungated
from tests.fakes.upstream import FakeUpstream
from tests.frontends.client import RawClient

LOOPBACK: Final = ListenAddress("tcp", host="127.0.0.1", port=0)
NO_LIMITS: Final = replace(AMPLE, table_slots=1024)
QUICK: Final = ConnectionsConfig(
    # A handshake is the processor's work: on a busy machine a dozen of them may take a third of a second together.
    handshake_seconds=5.0,
    header_seconds=0.3,
    body_seconds=0.3,
    write_seconds=0.3,
    idle_seconds=10.0,
    drain_seconds=1.0,
)
"""Deadlines that a test can wait for; HURRIED_SECONDS is for those that wait for a handshake's."""
HURRIED_SECONDS: Final = 0.3
"""For a handshake, in tests that wait for its end."""
SWEEP_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 5.0
"""How long a test waits for what must happen, before it fails."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, as files."""

    file: Path
    key: Path

    def server_context(self, member_authorities: str | None = None) -> ssl.SSLContext:
        """What the frontend shows, and whose certificates its clients may show."""
        context = frontend_context(member_authorities)
        read_pair(TlsConfig(self.file, self.key)).load_into(context)
        return context

    def client_context(self, *protocols: str) -> ssl.SSLContext:
        """A client that trusts this certificate alone and offers these by ALPN: HTTP/1.1 if none is named."""
        context = ssl.create_default_context(cafile=str(self.file))
        context.set_alpn_protocols(protocols or ["http/1.1"])
        return context


@dataclass(frozen=True, slots=True)
class Setting:
    """What one test wants of its frontend."""

    connections: ConnectionsConfig = QUICK
    clients: ClientsConfig = field(default_factory=ClientsConfig)
    limits: LimitsConfig = NO_LIMITS
    bans: BansConfig = NO_BANS
    rules: RulesConfig = field(default_factory=RulesConfig)
    names: NamesConfig = field(default_factory=NamesConfig)
    listen: ListenAddress = LOOPBACK
    certificate: Certificate | None = None
    member_authorities: str | None = None
    """Whose certificates make their holders members, PEM; None: nobody is asked for one."""
    upstream: FakeUpstream = field(default_factory=FakeUpstream)
    resolver: ResolverConfig = field(default_factory=ResolverConfig)
    http2: Http2Limits = field(default_factory=lambda: Http2Limits(max_body_bytes=1024))
    dot: DotConfig | None = None
    """What is listened for is DoT, as configured here; None: DoH."""
    gated: bool = False
    """Whether the limits on opening connections are on; most tests open more than one client would."""
    sweeps: bool = True
    """Whether somebody looks at all connections now and then, as the service does."""

    def with_connections(self, **keys: float) -> "Setting":
        """The same with other limits on connections."""
        return replace(self, connections=replace(self.connections, **keys))  # type: ignore[arg-type]


class SkewedClock:
    """The monotonic clock, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return time.monotonic() + self.ahead


class RunningFrontend:
    """One running frontend. Made by `open_frontend`."""

    def __init__(self, setting: Setting, listening: socket.socket, tasks: asyncio.TaskGroup) -> None:
        self.setting = setting
        self.clock = SkewedClock()
        config = Config(
            (setting.upstream.config(),),
            ServerConfig(),
            resolver=setting.resolver,
            limits=setting.limits,
            clients=setting.clients,
            bans=setting.bans,
            rules=setting.rules,
            names=setting.names,
            dot=setting.dot or DotConfig(),
            connections=setting.connections if setting.gated else ungated(setting.connections),
            log=LogConfig(),
        )
        self.server = Server(config, tasks, bytes(SECRET_BYTES), clock=self.clock)
        self.server.http2.adopt(replace(setting.http2, max_requests=setting.connections.max_requests))
        self.core = core = self.server.core
        self.register = self.server.connections
        self.client_resolver = self.server.client_resolver
        self.tls = (
            None if setting.certificate is None else setting.certificate.server_context(setting.member_authorities)
        )
        if self.tls is not None:
            offer_protocols(self.tls, dot=setting.dot is not None)
        self.listener = self.server.listener(listening, self.tls, speaks_dot=setting.dot is not None)
        self.clients: list[RawClient] = []
        self.on_close: list[Callable[[], object]] = []
        """What a test has to give back."""
        self.outcomes: list[Outcome] = []
        self.asked_limits: list[Client] = []
        """The clients about whom the request limit was asked, in order."""
        tally = core.service.pipeline._tally
        admit = core.request_limiter.admit_request

        def remember(outcome: Outcome) -> Callable[[float], None]:
            def count(seconds: float) -> None:
                self.outcomes.append(outcome)
                tally(outcome)(seconds)

            return count

        def ask(client: Client, now: float) -> float:
            self.asked_limits.append(client)
            return admit(client, now)

        core.service.pipeline._tally = remember
        core.request_limiter.admit_request = ask  # listened to, not replaced

    @property
    def closed(self) -> dict[Closing, int]:
        """Connections closed by the frontend, by reason."""
        return self.register.statistics().closed

    @property
    def misses(self) -> int:
        """Misses that hold a place."""
        return self.core.request_limiter.slots.taken

    @property
    def reasons(self) -> list[str]:
        """How each request so far has ended."""
        return [outcome.reason.name for outcome in self.outcomes]

    @property
    def port(self) -> int:
        """Where it listens."""
        port = self.listener.listening.getsockname()[1]
        assert isinstance(port, int)
        return port

    async def connect(
        self, *, before: bytes = b"", tls: bool | None = None, context: ssl.SSLContext | None = None
    ) -> RawClient:
        """Return a new client; with TLS if the frontend has it, after `before` in the clear."""
        certificate = self.setting.certificate
        if context is None and certificate is not None and tls is not False:
            context = certificate.client_context()
        client = await RawClient.connect(self.listener.listening.getsockname(), before, context)
        self.clients.append(client)
        return client

    def adopted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> RawClient:
        """Return a client on a connection that a test has opened by itself."""
        client = RawClient(writer.get_extra_info("socket"), reader, writer)
        self.clients.append(client)
        return client

    def lead_to(self, upstreams: Upstreams) -> None:
        """Have whatever is not cached asked of others from now on."""
        route = Route(self.core.cache, upstreams)
        self.core.pipeline.adopt(self.core.names, Routes(route), ResolverConfig().deadline_seconds)

    async def close(self) -> None:
        """Give up what is asked upstream."""
        await self.server.close()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        await until(condition, what)


@asynccontextmanager
async def open_frontend(setting: Setting | None = None) -> AsyncIterator[RunningFrontend]:
    """Open a frontend, and prove at the end that nothing is left of what happened at it."""
    setting = setting if setting is not None else Setting()
    before = asyncio.all_tasks()
    sockets = open_sockets()
    async with setting.upstream.running():
        with contextlib.closing(open_listener(setting.listen)) as listening:
            bound_sending(listening, setting.connections.write_seconds)
            # Less than the service has, so that a client that does not read shows sooner.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
            async with asyncio.TaskGroup() as tasks:
                frontend = RunningFrontend(setting, listening, tasks)
                background = [tasks.create_task(frontend.listener.accept_forever())]
                if setting.sweeps:
                    background.append(tasks.create_task(_sweep(frontend)))
                try:
                    yield frontend
                    await _all_is_given_back(frontend)
                finally:
                    for client in frontend.clients:
                        client.cut()
                    for task in background:
                        task.cancel()
                    await frontend.close()
    await until(lambda: asyncio.all_tasks() <= before, "the end of every task")
    await until(lambda: open_sockets() <= sockets, "the end of every socket")


async def _all_is_given_back(frontend: RunningFrontend) -> None:
    for give_back in frontend.on_close:
        give_back()
    for client in frontend.clients:
        client.cut()
    await until(lambda: frontend.register.slots_taken == 0, "every place free")
    await until(lambda: frontend.misses == 0, "every miss given back")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await frontend.register.wait_empty()
    assert not frontend.register._open


async def _sweep(frontend: RunningFrontend) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        frontend.register.sweep(frontend.clock())


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds; AssertionError if it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.01)


def open_sockets() -> int:
    """Return how many sockets this process has open; event loops keep descriptors of other kinds for themselves."""
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - links that lead nowhere a path could
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")  # noqa: PTH115
    return found


def resident_bytes() -> int:
    """Return this process's resident memory."""
    fields: Mapping[str, str] = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    )
    return int(fields["VmRSS"].split()[0]) * 1024
