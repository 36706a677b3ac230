"""TLS towards an upstream: what its records may cost, what does no harm, and how a connection ends."""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from dohproxy.config.additions import Addition
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.config.schema import ResolverConfig
from dohproxy.tls.records import MOST_AT_ONCE, MOST_SILENT
from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.health.signals import ConnectFailure, Signal
from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.transports.connection import Connection
from dohproxy.upstream.transports.stream import StreamTransport
from dohproxy.upstream.transports.tls import make_context
from dohproxy.upstream.transports.tls_client import CLOSE_SECONDS, MOST_HEARD, TlsClient
from dohproxy.wire.answer import Answer
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.fakes.asking import ask, exchange
from tests.fakes.tls_by_hand import Play, ServerByHand, Session, key_updates, renegotiation, session_tickets
from tests.fakes.upstream import LOOPBACK, FakeUpstream, make_query, make_reply
from tests.fakes.upstream_health import connections

NAME = "ns0.example.net"
LONG = 10.0
FLOOD = 600
"""Records, far more than are looked at."""
KEY_UPDATE_BYTES = 27


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """A private authority."""
    return CertificateAuthority(tmp_path_factory.mktemp("upstream-authority"))


@pytest.fixture(scope="module")
def files(authority: CertificateAuthority) -> CertificateFiles:
    """The upstream's certificate."""
    return authority.issue([NAME])


class Rig:
    """An upstream that does what a test says, and the transport that asks it."""

    def __init__(self, authority: CertificateAuthority, files: CertificateFiles, play: Play) -> None:
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_context.load_cert_chain(files.certificate, files.key)
        self.server = ServerByHand(self.server_context, play)
        self.budget: ConnectionBudget = connections(1)
        self._context = make_context(authority.file)
        self.transport: StreamTransport

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve, and prove at the end that no connection is left."""
        async with self.server.running(), asyncio.TaskGroup() as tasks:
            url = UpstreamAddress("tls", LOOPBACK, self.server.port, NAME)
            self.transport = StreamTransport(
                url, self.budget, idle_seconds=60, context=self._context, tasks=tasks, clock=time.monotonic
            )
            try:
                yield
            finally:
                await self.transport.close()
        assert self.transport.connections == 0

    async def ask(self) -> Answer | Unproven | SendStatus:
        """Ask it a question."""
        return await exchange(self.transport, make_query(), until=time.monotonic() + LONG)

    async def ask_times(self, times: int) -> None:
        """Ask so many in turn, and get an answer to each over one connection."""
        for _ in range(times):
            assert isinstance(await self.ask(), Answer)
        assert self.server.connections_made == 1

    @property
    def signal(self) -> Signal | None:
        """What is told of the upstream."""
        return self.budget.signal(time.monotonic())


Make = Callable[[Play], Rig]


@pytest.fixture
def make(authority: CertificateAuthority, files: CertificateFiles) -> Make:
    """Make a rig."""
    return lambda play: Rig(authority, files, play)


def answering(then: Callable[[Session], Awaitable[None]]) -> Play:
    """Answer every question, and do something after each answer."""

    async def play(session: Session) -> None:
        await session.shake_hands()
        while True:
            await session.send(session.answer(await session.question()))
            await then(session)

    return play


# --- Records that bring no answer ---


@pytest.mark.parametrize("at_once", [True, False], ids=["in one piece", "one by one"])
async def test_key_updates_without_end_are_cut_and_told(make: Make, at_once: bool) -> None:
    received: list[int] = []

    async def play(session: Session) -> None:
        await session.shake_hands()
        await session.question()
        records = key_updates(session.tls, session.out, FLOOD)
        assert {len(record) for record in records} == {KEY_UPDATE_BYTES}
        for piece in [b"".join(records)] if at_once else records:
            await session.send(piece)
            await asyncio.sleep(0)
        received.append(await session.gone())

    rig = make(play)
    async with rig.running():
        assert await rig.ask() is SendStatus.LOST
        assert rig.signal is Signal.TLS_FLOOD
        assert rig.server.connections_made == 1
    # Each that was looked at was replied to with another: no more than are allowed and as many as OpenSSL gets at once.
    assert sum(received) <= KEY_UPDATE_BYTES * (MOST_SILENT + MOST_AT_ONCE)


async def test_a_flood_while_nobody_asks_is_cut_and_told_too(make: Make) -> None:
    async def flood(session: Session) -> None:
        await session.send(b"".join(key_updates(session.tls, session.out, FLOOD)))

    rig = make(answering(flood))
    async with rig.running():
        assert isinstance(await rig.ask(), Answer)
        async with asyncio.timeout(LONG):
            while rig.transport.connections:  # noqa: ASYNC110  # nobody to tell us
                await asyncio.sleep(0.001)
        assert rig.signal is Signal.TLS_FLOOD


async def test_small_records_of_no_answer_without_end_are_cut_and_told(make: Make) -> None:
    async def play(session: Session) -> None:
        await session.shake_hands()
        await session.question()
        # The longest frame there is, a byte at a time.
        await session.send(b"".join(session.data(b"\xff") for _ in range(MOST_HEARD + MOST_AT_ONCE)))
        await session.gone()

    rig = make(play)
    async with rig.running():
        assert await rig.ask() is SendStatus.LOST
        assert rig.signal is Signal.TLS_FLOOD


async def test_questions_on_it_are_asked_again_on_another_connection(
    authority: CertificateAuthority, files: CertificateFiles, make: Make
) -> None:
    floods = iter([True, False])

    async def play(session: Session) -> None:
        is_flood = next(floods)
        await session.shake_hands()
        while True:
            query = await session.question()
            if is_flood:
                await session.send(b"".join(key_updates(session.tls, session.out, FLOOD)))
                await session.gone()
            await session.send(session.answer(query))

    server = make(play).server
    rng = random.Random(1)  # noqa: S311  # jitter only
    async with server.running(), asyncio.TaskGroup() as tasks:
        fake = FakeUpstream(port=server.port)
        upstream = replace(fake.config("tls", verify_name=NAME), ca_file=authority.file, leave_out=tuple(Addition))
        resolver = Resolver([upstream], ResolverConfig(), lambda *_: None, tasks, time.monotonic, rng)
        try:
            assert isinstance(await ask(resolver, make_query(), deadline=time.monotonic() + LONG), Answer)
            statistics = resolver.statistics(time.monotonic()).upstreams[0]
        finally:
            await resolver.close()
    assert (statistics.sends[SendStatus.LOST], statistics.sends[SendStatus.ANSWERED]) == (1, 1)
    assert statistics.finding is not None
    assert statistics.finding.signal is Signal.TLS_FLOOD
    assert server.connections_made == 2


async def test_a_handshake_in_records_without_end_is_no_handshake(make: Make) -> None:
    async def play(session: Session) -> None:
        # The beginning of a server's hello, and then a byte of it in each record.
        await session.send(b"\x16\x03\x03\x00\x04\x02\x00\x40\x00" + b"\x16\x03\x03\x00\x01\x03" * FLOOD)
        await session.gone()

    rig = make(play)
    async with rig.running():
        assert await rig.ask() is SendStatus.UNREACHABLE
    assert rig.budget.refusal == ConnectFailure(Signal.HANDSHAKE, "records without end")


# --- What does no harm ---


async def test_a_key_update_now_and_then_does_no_harm(make: Make) -> None:
    async def update(session: Session) -> None:
        await session.send(b"".join(key_updates(session.tls, session.out, 1)))

    rig = make(answering(update))
    async with rig.running():
        await rig.ask_times(2 * MOST_SILENT)
        assert rig.signal is None


async def test_some_tickets_do_no_harm(make: Make) -> None:
    async def give(session: Session) -> None:
        await session.send(b"".join(session_tickets(session.tls, session.out, 2)))

    rig = make(answering(give))
    rig.server_context.num_tickets = 4
    async with rig.running():
        await rig.ask_times(MOST_SILENT)
        assert rig.signal is None


async def test_answers_in_many_small_records_are_no_flood(make: Make) -> None:
    async def play(session: Session) -> None:
        await session.shake_hands()
        while True:
            reply = make_reply(await session.question(), records=500)
            frame = len(reply).to_bytes(2) + reply
            pieces = [session.data(frame[start : start + 64]) for start in range(0, len(frame), 64)]
            assert len(pieces) > 128
            await session.send(b"".join(pieces))

    rig = make(play)
    async with rig.running():
        await rig.ask_times(MOST_HEARD // 128 + 1)
        assert rig.signal is None


# --- Ends ---


async def test_a_handshake_within_the_connection_is_declined(make: Make) -> None:
    replied: list[bytes] = []

    async def play(session: Session) -> None:
        await session.shake_hands()
        await session.question()
        await session.send(renegotiation(session.tls, session.out))
        replied.append(await session.received())

    rig = make(play)
    rig.server_context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with rig.running():
        assert await rig.ask() is SendStatus.LOST
    assert [record[0] for record in replied] == [21]  # An alert, and not a handshake, which would be 22.


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(lambda session: b"\x17\x03\x03\x00\x20" + bytes(32), id="what was not encrypted"),
        pytest.param(lambda session: session.goodbye(), id="a goodbye"),
        pytest.param(lambda session: b"", id="nothing"),
    ],
)
async def test_questions_are_told_of_its_end(make: Make, last: Callable[[Session], bytes]) -> None:
    async def play(session: Session) -> None:
        await session.shake_hands()
        await session.question()
        await session.send(last(session))

    rig = make(play)
    async with rig.running():
        assert await rig.ask() is SendStatus.LOST
        assert rig.signal is None


async def test_an_upstream_hears_why_its_certificate_is_not_believed(
    make: Make, authority: CertificateAuthority
) -> None:
    heard: list[str] = []

    async def play(session: Session) -> None:
        try:
            await session.shake_hands()
            await session.question()
        except ssl.SSLError as error:
            heard.append(error.reason or "")

    rig = make(play)
    rig.server_context.load_cert_chain(*_files(authority.issue(["other.example"])))
    async with rig.running():
        assert await rig.ask() is SendStatus.UNTRUSTED
        async with asyncio.timeout(LONG):
            while not heard:  # noqa: ASYNC110  # nobody to tell us
                await asyncio.sleep(0.001)
    assert heard == ["SSLV3_ALERT_BAD_CERTIFICATE"]


def _files(issued: CertificateFiles) -> tuple[Any, Any]:
    return issued.certificate, issued.key


class Silent(asyncio.Transport):
    """A TCP connection that takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.told: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.told.append("close")

    def abort(self) -> None:
        self.told.append("abort")


async def test_an_upstream_that_does_not_take_the_last_bytes_keeps_no_connection(
    authority: CertificateAuthority,
) -> None:
    connection = Connection(padded=True, idle_seconds=60, on_end=lambda *_: None)
    client = TlsClient(make_context(authority.file), NAME, connection)
    tcp = Silent()
    client.connection_made(tcp)
    client.close()
    client.close()
    client.write(b"question")
    assert tcp.written[:1] == b"\x16"
    assert (tcp.told, client.is_closing()) == (["close"], True)
    await asyncio.sleep(CLOSE_SECONDS + 0.1)
    assert tcp.told == ["close", "abort"]
    client.connection_lost(None)
    with contextlib.suppress(ConnectionResetError):
        await client.opened


async def test_one_that_is_given_up_before_it_is_connected_says_nothing(authority: CertificateAuthority) -> None:
    connection = Connection(padded=True, idle_seconds=60, on_end=lambda *_: None)
    client = TlsClient(make_context(authority.file), NAME, connection)
    client.abort()
    tcp = Silent()
    client.connection_made(tcp)
    assert (tcp.written, tcp.told, client.opened.cancelled()) == (b"", ["abort"], True)
