"""dohproxy on loopback with a made-up Internet behind it, in a thread of its own, for requests over real sockets.

The upstream answers by rule: the first label of a name says what becomes of the question, the type what is in the
answer. So a test reads without a zone file beside it.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import uvloop

from dohproxy.builders import SECRET_BYTES, clock
from dohproxy.config import (
    CacheConfig,
    Config,
    ConnectionsConfig,
    ListenAddress,
    NamesConfig,
    TlsConfig,
    UpstreamConfig,
    default_config,
)
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.core import Core
from dohproxy.frontends.connections import Connections
from dohproxy.frontends.listening import open_listener
from dohproxy.observability.exposition import Exposition
from dohproxy.server import Server
from dohproxy.tls.certificate_pair import server_context
from dohproxy.tls.throwaway import write_throwaway_certificate
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.query import parse_query
from tests.fakes.limits import AMPLE, NO_BANS, ungated
from tests.fakes.upstream import LOOPBACK, Act, FakeUpstream

TTL = 300
CNAME_TTL = 120
SOA_TTL = 900
SOA_MINIMUM = 600
LARGE_STRINGS = 20
SWEEP_SECONDS = 0.1
START_SECONDS = 20.0

ABSENT_ZONES = ("test.dnscrypt.", "dnscrypt-test.")
"""Where popular stubs ask for names that must not exist."""
RDATA = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "NS": "ns.example.",
    "TXT": '"some text"',
    "HTTPS": "1 . alpn=h2",
    "SVCB": "1 svc.example. alpn=h2",
    "MX": "10 mail.example.",
    "DS": "12345 13 2 " + 64 * "0",
}
ANY_NAME = NamesConfig(
    answer_undelegated=False,
    domain_misses_per_second=100_000,
    domain_misses_burst=1_000_000,
    domain_failures_per_second=100_000,
    domain_failures_burst=1_000_000,
)
"""Nor for the names in them; the made-up Internet has top-level domains that no list knows."""

Value = TypeVar("Value")
Rule = Callable[[dns.message.Message, dns.rrset.RRset], None]


# --- The made-up Internet ---


def resolve_over_stream(wire: bytes) -> Sequence[bytes]:
    """The one reply to a query, or none where the first label says so."""
    query = dns.message.from_wire(wire)
    asked = query.question[0]
    label = asked.name.labels[0].decode("ascii", "replace").lower()
    if label == "silent":
        return []
    reply = dns.message.make_response(query, recursion_available=True)
    _answer(reply, label, asked)
    if label == "options":
        _say_options(reply, query)
    return [reply.to_wire(max_size=65_535)]


def resolve_over_udp(wire: bytes) -> Sequence[bytes]:
    """The same, cut where it does not fit."""
    replies = resolve_over_stream(wire)
    if not replies or len(replies[0]) <= 1_232:
        return replies
    reply = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
    reply.flags |= dns.flags.TC
    return [reply.to_wire()]


def _answer(reply: dns.message.Message, label: str, asked: dns.rrset.RRset) -> None:
    absent = asked.name.to_text().lower().endswith(ABSENT_ZONES)
    _RULES.get("nxdomain" if absent else label, _say_records)(reply, asked)


def _say_records(reply: dns.message.Message, asked: dns.rrset.RRset) -> None:
    rdtype = dns.rdatatype.to_text(asked.rdtype)
    if rdtype in RDATA or rdtype.startswith("TYPE"):
        _add(reply, asked.name, rdtype, RDATA.get(rdtype, "\\# 4 01020304"), TTL)
    else:
        _say_nodata(reply, asked)


def _say_rcode(rcode: dns.rcode.Rcode) -> Rule:
    return lambda reply, _: reply.set_rcode(rcode)


def _say_nodata(reply: dns.message.Message, asked: dns.rrset.RRset) -> None:
    zone = asked.name.parent() if asked.name != dns.name.root else asked.name
    numbers = f"1 3600 1200 604800 {SOA_MINIMUM}"
    reply.authority.append(dns.rrset.from_text(zone, SOA_TTL, "IN", "SOA", f"ns.example. nobody.invalid. {numbers}"))


def _say_nxdomain(reply: dns.message.Message, asked: dns.rrset.RRset) -> None:
    reply.set_rcode(dns.rcode.NXDOMAIN)
    _say_nodata(reply, asked)


def _say_chain(reply: dns.message.Message, asked: dns.rrset.RRset) -> None:
    _add(reply, asked.name, "CNAME", "target.example.", CNAME_TTL)
    rdtype = dns.rdatatype.to_text(asked.rdtype)
    _add(reply, dns.name.from_text("target.example."), rdtype, RDATA[rdtype], TTL)


def _say_much(reply: dns.message.Message, asked: dns.rrset.RRset) -> None:
    for number in range(LARGE_STRINGS):
        _add(reply, asked.name, "TXT", f'"{number:02}{250 * "x"}"', TTL)


def _say_authentic(reply: dns.message.Message, asked: dns.rrset.RRset) -> None:
    reply.flags |= dns.flags.AD
    _say_records(reply, asked)


def _say_options(reply: dns.message.Message, query: dns.message.Message) -> None:
    clients = [option.to_wire() or b"" for option in query.options if option.otype == dns.edns.OptionType.COOKIE]
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"".join(clients)[:8] + 16 * b"s")
    keepalive = dns.edns.GenericOption(dns.edns.OptionType.make(11), b"\x00\x64")
    reply.use_edns(0, options=[cookie, keepalive, dns.edns.ECSOption("198.51.100.0", 24, 24)])


def _say_explained(rcode: dns.rcode.Rcode, code: dns.edns.EDECode) -> Rule:
    def say(reply: dns.message.Message, asked: dns.rrset.RRset) -> None:
        reply.set_rcode(rcode)
        reply.use_edns(0, options=[dns.edns.EDEOption(code)])

    return say


_RULES: dict[str, Rule] = {
    "servfail": _say_rcode(dns.rcode.SERVFAIL),
    "refused": _say_rcode(dns.rcode.REFUSED),
    "bogus": _say_explained(dns.rcode.SERVFAIL, dns.edns.EDECode.DNSSEC_BOGUS),
    "blocked": _say_explained(dns.rcode.REFUSED, dns.edns.EDECode.BLOCKED),
    "nxdomain": _say_nxdomain,
    "nodata": _say_nodata,
    "bare": lambda reply, asked: None,
    "chain": _say_chain,
    "large": _say_much,
    "authentic": _say_authentic,
}
"""What the first label of a name makes of a question about it; "silent" has no reply at all."""


def _add(reply: dns.message.Message, owner: dns.name.Name, rdtype: str, rdata: str, ttl: int) -> None:
    kind = dns.rdatatype.from_text(rdtype)
    found = reply.find_rrset(reply.answer, owner, dns.rdataclass.IN, kind, create=True)
    found.add(dns.rdata.from_text("IN", rdtype, rdata), ttl)


# --- The server ---


@dataclass(slots=True)
class RunningServer:
    """One service that listens, and what a test may look at."""

    core: Core
    register: Connections
    upstream: FakeUpstream
    loop: asyncio.AbstractEventLoop
    port: int
    tls_port: int
    dot_port: int
    """Of DNS over TLS, behind what ends TLS."""
    trust: dict[str, ssl.SSLContext]
    """For clients of the TLS port, by the frontend they want."""
    stop: asyncio.Event

    def call(self, function: Callable[[], Value]) -> Value:
        """Run a function between two turns of the server's loop."""
        done: concurrent.futures.Future[Value] = concurrent.futures.Future()

        def run() -> None:
            try:
                done.set_result(function())
            except Exception as error:
                done.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return done.result(START_SECONDS)

    def wait_until(self, condition: Callable[[], object]) -> bool:
        """Look until a condition holds; False if it never did."""
        until = clock() + START_SECONDS
        while clock() < until:
            if self.call(condition):
                return True
            time.sleep(0.005)
        return False

    def figure(self, name: str, **labels: str) -> float:
        """One sample of /metrics, summed over the labels that are not given; 0.0 where there is none."""
        return self.call(lambda: self._figure(name, labels))

    def _figure(self, name: str, labels: dict[str, str]) -> float:
        return sum(
            sample.value
            for metric in Exposition(self.core.figures).collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def learn(self, wire: bytes, reply: bytes, *, age: float) -> None:
        """Put an answer into the cache as if it had come `age` seconds ago."""
        query = parse_query(wire)
        answer = parse_answer(reply, query)
        entry = self.call(lambda: self.core.cache.store(query.key, answer, clock() - age))
        assert entry is not None


@dataclass(frozen=True, slots=True)
class Setup:
    """How a test wants its service."""

    config: Config = field(
        default_factory=lambda: replace(
            default_config((UpstreamConfig("none", UpstreamAddress("udp", LOOPBACK, 9)),)),
            limits=AMPLE,
            bans=NO_BANS,
            names=ANY_NAME,
            connections=ConnectionsConfig(max_requests=1_000_000),
            cache=CacheConfig(jitter_percent=0),
        )
    )
    """Without the upstreams, which are the made-up ones."""
    upstream_keys: dict[str, object] = field(default_factory=lambda: {"validates": True})
    """Keys of the upstream's section that differ from an ample budget."""
    deaf: bool = False
    """Nobody is at the upstream's port."""


@contextmanager
def serving(directory: Path, setup: Setup) -> Iterator[RunningServer]:
    """A service that runs until the block ends; its certificate is written to `directory`."""
    ready: concurrent.futures.Future[RunningServer] = concurrent.futures.Future()
    thread = threading.Thread(target=_run, args=(directory, setup, ready), name="dohproxy")
    thread.start()
    try:
        server = ready.result(START_SECONDS)
        try:
            yield server
        finally:
            server.loop.call_soon_threadsafe(server.stop.set)
    finally:
        thread.join(START_SECONDS)
    assert not thread.is_alive()


def _run(directory: Path, setup: Setup, ready: "concurrent.futures.Future[RunningServer]") -> None:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(directory, setup, ready))
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)


async def _serve(directory: Path, setup: Setup, ready: "concurrent.futures.Future[RunningServer]") -> None:
    fake = FakeUpstream(udp=[Act(resolve_over_udp)], stream=[Act(resolve_over_stream)])
    async with contextlib.AsyncExitStack() as stack:
        if setup.deaf:
            async with fake.running():
                pass  # It leaves a port number that nobody listens on.
        else:
            await stack.enter_async_context(fake.running())
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        upstreams = (fake.config("udp", **setup.upstream_keys),)
        config = replace(setup.config, upstreams=upstreams, connections=ungated(setup.config.connections))
        service = Server(config, tasks, os.urandom(SECRET_BYTES))
        register = service.connections
        certificate, key = write_throwaway_certificate(directory, "localhost")
        opened = [open_listener(ListenAddress("tcp", host=LOOPBACK, port=0)) for _ in range(3)]
        plain, encrypted, for_dot = opened
        listeners = [
            service.listener(plain, None),
            service.listener(encrypted, server_context(TlsConfig(certificate, key))),
            service.listener(for_dot, None, speaks_dot=True),
        ]
        background = [tasks.create_task(listener.accept_forever()) for listener in listeners]
        background.append(tasks.create_task(_sweep_forever(service)))
        running = RunningServer(
            core=service.core,
            register=register,
            upstream=fake,
            loop=asyncio.get_running_loop(),
            port=plain.getsockname()[1],
            tls_port=encrypted.getsockname()[1],
            dot_port=for_dot.getsockname()[1],
            trust=_trust(certificate),
            stop=asyncio.Event(),
        )
        ready.set_result(running)
        await running.stop.wait()
        for listener in listeners:
            listener.stop()
        for task in background:
            task.cancel()
        for one in opened:
            one.close()
        register.cut()
        await register.wait_empty()
        await service.close()


def _trust(certificate: Path) -> dict[str, ssl.SSLContext]:
    contexts = {frontend: ssl.create_default_context(cafile=certificate) for frontend in ("http1", "http2")}
    contexts["http2"].set_alpn_protocols(["h2"])
    return contexts


async def _sweep_forever(service: Server) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        service.sweep()
