"""The TLS transport: what goes through it whole, what it does when either side is slow, and how it ends."""

import asyncio
import math
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dohproxy.frontends.handshake_scheduler import HandshakeScheduler
from dohproxy.frontends.tls_transport import PATIENT_SECONDS, PIECE_BYTES, TlsTransport
from dohproxy.tls.local_handshake import ordinary_hello
from dohproxy.tls.records import MOST_AT_ONCE, MOST_SILENT, RECORD_BYTES
from tests.fakes.tls_by_hand import key_updates
from tests.frontends.served import Certificate, until

LARGE = bytes(range(256)) * 2_000
"""Half a megabyte: many records, and more than the socket takes at once."""


class Heard(asyncio.Protocol):
    """A protocol that remembers what it was told."""

    def __init__(self) -> None:
        self.received = b""
        self.reads = 0
        self.told: list[str] = []
        self.lost: list[Exception | None] = []
        self.answer = b""
        self.closes = False
        self.bug: Exception | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.reads += 1
        if self.bug is not None:
            raise self.bug
        if self.answer:
            self.transport.write(self.answer[:3])
            self.transport.write(self.answer[3:])
        if self.closes:
            self.transport.close()

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


class Counted:
    """A socket whose system calls are counted."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected
        self.received: list[int] = []
        self.sent: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)

    def recv(self, size: int) -> bytes:
        received = self._connected.recv(size)
        self.received.append(len(received))
        return received

    def send(self, data: bytes) -> int:
        self.sent.append(len(data))
        return self._connected.send(data)


class Ends:
    """Both ends of one connection, and how its handshake has ended."""

    def __init__(
        self, certificate: Certificate, *, handshake_seconds: float = 5.0, scheduler: HandshakeScheduler | None = None
    ) -> None:
        self.heard = Heard()
        self.handshakes: list[bool] = []
        server, self.client = socket.socketpair()
        for end in (server, self.client):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        self.socket = Counted(server)
        loop = asyncio.get_running_loop()
        context = certificate.server_context()
        self.floods = 0
        self.transport = TlsTransport(
            loop,
            self.socket,  # type: ignore[arg-type]
            context,
            handshake_seconds,
            self._end,
            self._flooded,
            scheduler if scheduler is not None else HandshakeScheduler(loop.call_soon, loop.call_later, 100),
            is_stranger=True,
        )
        self._context = certificate.client_context()
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def shake_hands(self) -> None:
        """Let the client connect."""
        self.reader, self.writer = await asyncio.open_connection(
            sock=self.client, ssl=self._context, server_hostname="localhost"
        )
        await until(lambda: bool(self.handshakes), "the handshake")

    def _end(self, transport: TlsTransport, is_open: bool) -> None:
        self.handshakes.append(is_open)
        if is_open:
            transport.start(self.heard)

    def _flooded(self) -> None:
        self.floods += 1

    @property
    def is_gone(self) -> bool:
        """Whether the socket is closed."""
        return bool(self.socket.fileno() < 0)


@asynccontextmanager
async def connected(certificate: Certificate) -> AsyncIterator[Ends]:
    """Give a connection that is open, and see to it that it is gone at the end."""
    ends = Ends(certificate)
    try:
        await ends.shake_hands()
        yield ends
    finally:
        ends.transport.abort()
        if hasattr(ends, "writer"):
            ends.writer.transport.abort()
        ends.client.close()
        await until(lambda: ends.is_gone, "the end of the socket")
    assert len(ends.heard.lost) == 1
    assert ends.handshakes == [True]


# --- Bytes ---


async def test_what_either_side_says_arrives(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.writer.write(b"question")
        await until(lambda: ends.heard.received == b"question", "the question")
        ends.transport.write(b"answer")
        assert await ends.reader.readexactly(6) == b"answer"


async def test_many_records_arrive_in_their_order_either_way(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.writer.write(LARGE)
        await until(lambda: len(ends.heard.received) == len(LARGE), "all of it")
        assert ends.heard.received == LARGE
        ends.transport.write(LARGE)
        assert await ends.reader.readexactly(len(LARGE)) == LARGE
        assert ends.transport.get_write_buffer_size() == 0


async def test_a_large_answer_leaves_openssl_no_larger(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its memory never shrinks, and every connection has some.
    async with connected(certificate) as ends:
        outgoing, held = ends.transport._outgoing, [0]

        class Noting:
            """OpenSSL, seen from outside."""

            def write(self, data: bytes) -> int:
                """Note how much is held afterwards."""
                count: int = tls.write(data)
                held.append(outgoing.pending)
                return count

        tls = ends.transport._tls
        monkeypatch.setattr(ends.transport, "_tls", Noting())
        ends.transport.write(LARGE)
        monkeypatch.setattr(ends.transport, "_is_corked", True)
        for start in range(0, len(LARGE), 1_000):  # In one turn, as a frontend answers what was pipelined.
            ends.transport.write(LARGE[start : start + 1_000])
        monkeypatch.undo()
        ends.transport._flush()
        assert await ends.reader.readexactly(2 * len(LARGE)) == 2 * LARGE
        assert PIECE_BYTES < max(held) < PIECE_BYTES + 1_000


async def test_records_that_come_together_are_given_together(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.transport.pause_reading()
        for word in (b"one", b"two", b"three"):
            ends.writer.write(word)
            await asyncio.sleep(0.01)
        ends.transport.resume_reading()
        await until(lambda: bool(ends.heard.received), "them")
        assert (ends.heard.received, ends.heard.reads) == (b"onetwothree", 1)


async def test_no_more_than_a_piece_of_a_record_is_taken_in_one_turn_and_given_to_openssl(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(certificate) as ends:
        before, given = len(ends.socket.received), [0]

        class Noting:
            """OpenSSL's memory, seen from outside."""

            def write(self, data: bytes) -> int:
                """Note how much is held afterwards."""
                count = incoming.write(data)
                given.append(incoming.pending)
                return count

            def __getattr__(self, name: str) -> Any:
                return getattr(incoming, name)

        incoming = ends.transport._incoming
        monkeypatch.setattr(ends.transport, "_incoming", Noting())
        ends.writer.write(LARGE)
        await until(lambda: len(ends.heard.received) == len(LARGE), "all of it")
        assert max(ends.socket.received[before:]) <= PIECE_BYTES
        assert max(given) <= PIECE_BYTES
        assert ends.heard.reads >= len(LARGE) // RECORD_BYTES


async def test_what_a_read_leads_to_goes_out_in_one_piece(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.heard.answer = b"answer"
        before = len(ends.socket.sent)
        ends.writer.write(b"question")
        assert await ends.reader.readexactly(6) == b"answer"
        assert len(ends.socket.sent) == before + 1


class ByHand:
    """A client that reads and sends only what a test has it do."""

    def __init__(self, certificate: Certificate, scheduler: HandshakeScheduler | None = None) -> None:
        self.ends = Ends(certificate, scheduler=scheduler)
        self.out = ssl.MemoryBIO()
        self._in = ssl.MemoryBIO()
        self.tls = certificate.client_context().wrap_bio(self._in, self.out, server_hostname="localhost")

    async def shake_hands(self) -> None:
        """Connect; what the server says last is left unread."""
        is_done = False
        while not is_done:
            try:
                self.tls.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                pass
            self.ends.client.send(self.out.read())
            if not is_done:
                self._in.write(await asyncio.get_running_loop().sock_recv(self.ends.client, 65_536))
        await until(lambda: self.ends.handshakes == [True], "the handshake")

    async def leave(self) -> None:
        """Close, and see the server do so."""
        self.ends.client.close()
        await until(lambda: self.ends.is_gone, "the end")


async def test_a_record_that_comes_in_pieces_waits_for_its_end(certificate: Certificate) -> None:
    client = ByHand(certificate)
    await client.shake_hands()
    client.tls.write(b"question")
    record = client.out.read()
    for piece in (record[:-20], record[-20:-1]):
        client.ends.client.send(piece)
        await asyncio.sleep(0.02)
        assert not client.ends.heard.received
    client.ends.client.send(record[-1:])
    await until(lambda: client.ends.heard.received == b"question", "the question")
    await client.leave()


# --- Either side is slow ---


async def test_reading_rests_while_it_is_paused(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.transport.pause_reading()
        ends.transport.pause_reading()
        assert not ends.transport.is_reading()
        ends.writer.write(b"question")
        await asyncio.sleep(0.05)
        assert not ends.heard.received
        ends.transport.resume_reading()
        ends.transport.resume_reading()
        assert ends.transport.is_reading()
        await until(lambda: ends.heard.received == b"question", "the question")


async def test_a_client_that_does_not_read_makes_the_protocol_pause_and_go_on(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.transport.set_write_buffer_limits(high=4_096)
        ends.writer.transport.pause_reading()  # type: ignore[attr-defined]
        ends.transport.write(LARGE)
        assert ends.heard.told == ["pause"]
        queued = ends.transport.get_write_buffer_size()
        assert queued > 4_096
        ends.transport.write(b"more")
        assert ends.transport.get_write_buffer_size() > queued
        assert ends.heard.told == ["pause"]
        ends.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert await ends.reader.readexactly(len(LARGE) + 4) == LARGE + b"more"
        await until(lambda: ends.heard.told == ["pause", "resume"], "the protocol going on")


# --- Records that say nothing ---


@pytest.mark.parametrize("at_once", [True, False], ids=["in one read", "one by one"])
async def test_key_updates_without_end_are_cut_and_told(certificate: Certificate, at_once: bool) -> None:
    client = ByHand(certificate)
    await client.shake_hands()
    records = key_updates(client.tls, client.out, 600)
    assert max(map(len, records)) == 27
    for piece in [b"".join(records)] if at_once else records:
        if client.ends.heard.lost:
            break
        client.ends.client.send(piece)
        await asyncio.sleep(0)
    await until(lambda: client.ends.heard.lost == [None], "the end")
    assert client.ends.floods == 1
    assert client.ends.heard.reads == 0
    # No more were looked at than are allowed, and as many as OpenSSL is given at once.
    assert sum(client.ends.socket.sent[1:]) <= 27 * (MOST_SILENT + MOST_AT_ONCE)
    await client.leave()


async def test_some_key_updates_among_data_do_no_harm(certificate: Certificate) -> None:
    client = ByHand(certificate)
    await client.shake_hands()
    for number in range(MOST_SILENT):
        client.tls.write(b"question")
        question = client.out.read()
        client.ends.client.send(question + b"".join(key_updates(client.tls, client.out, 1)))
        await until(lambda: len(client.ends.heard.received) == 8 * (number + 1), "the question")  # noqa: B023
    await asyncio.sleep(0.02)
    assert (client.ends.heard.lost, client.ends.floods) == ([], 0)
    await client.leave()


async def test_many_small_records_with_data_are_no_flood(certificate: Certificate) -> None:
    client = ByHand(certificate)
    await client.shake_hands()
    for _ in range(3 * MOST_SILENT):
        client.tls.write(b"x")
    client.ends.client.send(client.out.read())
    await until(lambda: len(client.ends.heard.received) == 3 * MOST_SILENT, "all of it")
    assert (client.ends.heard.reads, client.ends.floods) == (1, 0)
    await client.leave()


# --- The handshake ---


async def test_a_handshake_that_does_not_end_is_cut_and_told_once(certificate: Certificate) -> None:
    ends = Ends(certificate, handshake_seconds=0.05)
    await until(lambda: ends.handshakes == [False], "the end of the handshake")
    assert ends.is_gone
    with pytest.raises(RuntimeError, match="no protocol"):
        ends.transport.get_protocol()
    ends.transport.abort()
    await asyncio.sleep(0.01)
    assert (ends.handshakes, ends.heard.lost) == ([False], [])
    ends.client.close()


class Held:
    """A scheduler that lets nothing go on before a test says so: until then strangers owe all the time there is."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._may = False
        self.scheduler = HandshakeScheduler(
            self._calls.append, lambda _, call: self._calls.append(call), 100, lambda: 0.0 if self._may else -1.0
        )

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self.scheduler.waiting

    def have_begun(self) -> bool:
        """Tell whether one of them has had an answer to its first message."""
        return bool(self.scheduler._begun)

    def go_on(self) -> None:
        """Let those who wait have their turn."""
        self._may = True
        self._run_calls()
        self._may = False
        self._run_calls()

    def _run_calls(self) -> None:
        calls = tuple(self._calls)
        self._calls.clear()
        for call in calls:
            call()


async def test_a_handshake_whose_turn_has_not_come_reads_no_more_and_goes_on_then(certificate: Certificate) -> None:
    held = Held()
    client = ByHand(certificate, held.scheduler)
    shaking = asyncio.get_running_loop().create_task(client.shake_hands())
    await until(lambda: held.waiting == 1, "the hello")
    assert not held.have_begun()
    assert not client.ends.transport.is_reading()
    held.go_on()
    await until(lambda: held.waiting == 1, "the end of it")
    assert held.have_begun()
    assert client.ends.handshakes == []
    held.go_on()
    await shaking
    assert client.ends.transport.is_reading()
    await client.leave()


async def test_a_hello_in_crumbs_is_not_taken_for_one_that_has_been_answered(certificate: Certificate) -> None:
    held = Held()
    ends = Ends(certificate, scheduler=held.scheduler)
    for crumb in (ordinary_hello()[:50], ordinary_hello()[50:60], ordinary_hello()[60:70]):
        held.go_on()
        ends.client.send(crumb)
        await until(lambda: held.waiting == 1, "a crumb")
        assert not held.have_begun()
    ends.transport.abort()
    await until(lambda: ends.is_gone, "the end")
    ends.client.close()


async def test_what_cannot_end_in_time_is_not_begun_and_what_is_begun_may_take_all_its_time(
    certificate: Certificate,
) -> None:
    held = Held()
    ends = Ends(certificate, handshake_seconds=0.05, scheduler=held.scheduler)
    ends.transport._begin_by = 0.0
    ends.client.send(ordinary_hello())
    await until(lambda: held.waiting == 1, "the hello")
    held.go_on()
    assert (ends.handshakes, held.waiting) == ([False], 0)
    ends.client.close()
    held = Held()
    client = ByHand(certificate, held.scheduler)
    shaking = asyncio.get_running_loop().create_task(client.shake_hands())
    for _ in range(2):
        await until(lambda: held.waiting == 1, "the next message")
        held.go_on()
        assert client.ends.transport._begin_by == math.inf
    await shaking
    await client.leave()


async def test_who_goes_while_waiting_for_its_turn_is_forgotten(certificate: Certificate) -> None:
    held = Held()
    ends = Ends(certificate, handshake_seconds=0.05, scheduler=held.scheduler)
    ends.client.send(ordinary_hello())
    await until(lambda: held.waiting == 1, "the hello")
    await until(lambda: ends.handshakes == [False], "the end of the handshake")
    assert (held.waiting, ends.is_gone) == (0, True)
    ends.client.close()


@pytest.mark.parametrize("seconds", [0.0, PATIENT_SECONDS], ids=["a moment", "long"])
async def test_who_has_waited_long_for_its_turn_is_known_as_such_to_the_end(
    certificate: Certificate, seconds: float
) -> None:
    held = Held()
    ends = Ends(certificate, scheduler=held.scheduler)
    ends.client.send(ordinary_hello())
    await until(lambda: held.waiting == 1, "the hello")
    assert ends.transport.was_kept_waiting
    ends.transport._held_since -= seconds
    held.go_on()
    assert held.waiting == 0
    assert ends.transport.was_kept_waiting is (seconds > 0)
    ends.client.close()
    await until(lambda: ends.is_gone, "the end")
    assert ends.transport.was_kept_waiting is (seconds > 0)


async def test_whose_hello_makes_no_sense_gets_an_alert(certificate: Certificate) -> None:
    ends = Ends(certificate)
    ends.client.send(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00")  # A ClientHello without anything in it.
    await until(lambda: ends.handshakes == [False], "the end of the handshake")
    assert (await asyncio.get_running_loop().sock_recv(ends.client, 100))[:1] == b"\x15"
    ends.client.close()


async def test_a_client_that_goes_in_the_middle_of_its_handshake_is_told_once(certificate: Certificate) -> None:
    ends = Ends(certificate)
    ends.client.close()
    await until(lambda: ends.handshakes == [False], "the end of the handshake")
    assert ends.is_gone


# --- The end ---


async def test_closing_sends_what_is_written_and_says_goodbye(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.transport.write(LARGE)
        ends.transport.close()
        assert ends.transport.is_closing()
        ends.transport.write(b"too late")
        assert await ends.reader.read() == LARGE  # A missing goodbye would raise.
        await until(lambda: ends.heard.lost == [None], "the end")


async def test_a_protocol_may_close_while_it_reads(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.heard.answer, ends.heard.closes = b"last words", True
        ends.writer.write(b"question")
        assert await ends.reader.read() == b"last words"
        await until(lambda: ends.heard.lost == [None], "the end")


async def test_what_comes_after_closing_is_not_heard(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.transport.pause_reading()
        ends.transport.close()
        assert not ends.transport.is_reading()
        ends.writer.write(b"question")
        await until(lambda: ends.heard.lost == [None], "the end")
        assert not ends.heard.received


@pytest.mark.parametrize("written", [b"", LARGE], ids=["nothing left to send", "much left to send"])
async def test_a_client_that_does_not_close_is_cut(
    certificate: Certificate, written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dohproxy.frontends.tls_transport.SHUTDOWN_SECONDS", 0.1)
    client = ByHand(certificate)
    await client.shake_hands()
    client.ends.transport.write(written)
    began = asyncio.get_running_loop().time()
    client.ends.transport.close()
    client.ends.transport.close()
    await until(lambda: client.ends.heard.lost == [None], "the end")
    assert asyncio.get_running_loop().time() >= began + 0.09
    await client.leave()


async def test_a_goodbye_is_answered(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.writer.write(b"question")
        ends.writer.close()
        await until(lambda: ends.heard.lost == [None], "the end")
        assert ends.heard.received == b"question"
        assert ends.socket.sent[-1] == 24  # An encrypted alert of TLS 1.3.


async def test_a_client_that_vanishes_is_lost(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.writer.transport.abort()
        await until(lambda: len(ends.heard.lost) == 1, "the end")
        assert ends.is_gone


async def test_writing_to_a_client_that_has_vanished_ends_it(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        ends.transport.pause_reading()
        ends.client.close()
        ends.writer.transport.abort()
        await asyncio.sleep(0.02)
        ends.transport.write(b"answer")
        await until(lambda: len(ends.heard.lost) == 1, "the end")
        assert isinstance(ends.heard.lost[0], OSError)


async def test_what_is_no_tls_in_the_middle_ends_it_with_an_alert(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        sent = len(ends.socket.sent)
        ends.client.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        await until(lambda: len(ends.heard.lost) == 1, "the end")
        assert isinstance(ends.heard.lost[0], ssl.SSLError)
        assert len(ends.socket.sent) == sent + 1


async def test_a_bug_in_the_protocol_ends_its_connection_and_is_reported(certificate: Certificate) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with connected(certificate) as ends:
        ends.heard.bug = ValueError("a bug")
        ends.writer.write(b"question")
        await until(lambda: ends.heard.lost == [ends.heard.bug], "the end")
    assert [context["exception"] for context in reported] == [ends.heard.bug]


# --- What asyncio's transports know ---


async def test_it_says_what_aiohttp_asks_transports(certificate: Certificate) -> None:
    async with connected(certificate) as ends:
        transport = ends.transport
        assert transport.get_extra_info("socket") is ends.socket
        assert transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        assert isinstance(transport.get_extra_info("sslcontext"), ssl.SSLContext)
        assert transport.get_extra_info("peername", "unknown") == "unknown"
        assert transport.get_protocol() is ends.heard
        other = Heard()
        transport.set_protocol(other)
        ends.writer.write(b"question")
        await until(lambda: other.received == b"question", "the question")
        transport.set_protocol(ends.heard)
