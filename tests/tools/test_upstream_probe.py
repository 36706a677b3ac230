"""What a probe sees of upstreams that answer, refuse, close, stay silent or speak of other things."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import dns.flags
import dns.message
import pytest

from dohproxy.config import UpstreamConfig
from dohproxy.config.additions import Addition
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.tools.observation import Observation, Trouble
from dohproxy.tools.upstream_probe import probe_all, probe_query
from dohproxy.upstream.transports.tls import make_context
from dohproxy.upstream.workarounds.trial import MOST_SENDS
from dohproxy.upstream.workarounds.workarounds import OVER_UDP
from dohproxy.wire.name import from_text
from tests.e2e.certificates import CertificateAuthority
from tests.fakes import upstream as fakes
from tests.fakes.intolerant import SILENCE, intolerant
from tests.fakes.upstream import LOOPBACK, Act, FakeUpstream

ROOT = probe_query(b"\x00")
COM = probe_query(from_text("com."))
NAME = "ns0.example.net"
LONG = 10.0
SOON = 0.3

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def _probe(upstream: UpstreamConfig, *, seconds: float = LONG) -> Observation:
    [seen] = await probe_all([upstream], ROOT, seconds=seconds)
    return seen


async def _probe_fake(fake: FakeUpstream, transport: str, *, seconds: float = LONG) -> Observation:
    async with fake.running():
        return await _probe(fake.config(transport), seconds=seconds)


@asynccontextmanager
async def _server(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[UpstreamAddress]:
    """A server that does anything but DNS."""
    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=context)
    async with server:
        yield UpstreamAddress("tcp", LOOPBACK, server.sockets[0].getsockname()[1])
    await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """A private authority."""
    return CertificateAuthority(tmp_path_factory.mktemp("probe-authority"))


@pytest.fixture
def _trusted(authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system trusts it, as far as the probe can see."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


def _server_context(authority: CertificateAuthority, *names: str) -> ssl.SSLContext:
    files = authority.issue(names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


class TestTheQuery:
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_it_is_one_and_asks_for_the_roots_name_servers_and_their_signatures(self, transport: str) -> None:
        fake = FakeUpstream()
        await _probe_fake(fake, transport)
        [wire] = fake.asked_over_udp + fake.asked_over_stream
        sent = dns.message.from_wire(wire)
        assert sent.question[0].to_text() == ". IN NS"
        assert sent.flags == dns.flags.RD | dns.flags.AD
        assert (sent.payload, sent.ednsflags) == (1232, dns.flags.DO)

    @pytest.mark.parametrize(
        ("name", "asked"),
        [("com.", b"\x03CoM\x00"), ("a.", b"\x01A\x00"), ("1a.", b"\x021A\x00"), ("1.", b"\x011\x00")],
    )
    async def test_over_udp_it_has_a_cookie_and_a_name_that_is_not_in_lower_case(self, name: str, asked: bytes) -> None:
        fake = FakeUpstream()
        async with fake.running():
            [seen] = await probe_all([fake.config("udp")], probe_query(from_text(name)), seconds=LONG)
        assert asked in fake.asked_over_udp[0]
        assert fakes.cookie_of(fake.asked_over_udp[0]) == seen.cookie
        assert len(seen.cookie) == 8

    async def test_over_tcp_it_has_neither(self) -> None:
        fake = FakeUpstream()
        async with fake.running():
            [seen] = await probe_all([fake.config("tcp")], COM, seconds=LONG)
        assert b"\x03com\x00" in fake.asked_over_stream[0]
        assert (fakes.cookie_of(fake.asked_over_stream[0]), seen.cookie) == (b"", b"")

    @pytest.mark.usefixtures("_trusted")
    async def test_over_tls_it_is_padded(self, authority: CertificateAuthority) -> None:
        fake = FakeUpstream()
        async with fake.running(_server_context(authority, NAME)):
            await _probe(fake.config("tls", verify_name=NAME))
        assert len(fake.asked_over_stream[0]) == 128

    async def test_all_are_asked_at_the_same_time(self) -> None:
        fakes_of_both = [FakeUpstream(udp=[fakes.ANSWER.after(0.2)]), FakeUpstream(udp=[fakes.SILENCE])]
        async with fakes_of_both[0].running(), fakes_of_both[1].running():
            seen = await probe_all([fake.config("udp") for fake in fakes_of_both], ROOT, seconds=0.5)
        assert [one.trouble for one in seen] == [None, Trouble.SILENT]


class TestAnswers:
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_an_answer_is_seen_with_its_times(self, transport: str) -> None:
        seen = await _probe_fake(FakeUpstream(), transport)
        assert seen.trouble is None
        assert seen.reply is not None
        assert seen.reply.answer.counts[0] == 1
        assert seen.answer_seconds is not None
        assert (seen.connect_seconds is None) == (transport == "udp")
        assert seen.tls is None

    @pytest.mark.parametrize(
        ("act", "repeats"), [pytest.param(fakes.ANSWER, True, id="yes"), pytest.param(fakes.LOWER_CASE, False, id="no")]
    )
    async def test_it_is_seen_whether_the_case_comes_back(self, act: Act, *, repeats: bool) -> None:
        fake = FakeUpstream(udp=[act])
        async with fake.running():
            [seen] = await probe_all([fake.config("udp")], COM, seconds=LONG)
        assert seen.repeats_case is repeats

    async def test_a_cookie_is_seen(self) -> None:
        seen = await _probe_fake(FakeUpstream(udp=[fakes.COOKIE]), "udp")
        assert seen.reply is not None
        assert seen.reply.edns is not None
        assert seen.reply.edns.cookie == seen.cookie + fakes.SERVER_COOKIE

    async def test_a_cut_answer_is_seen_and_nothing_more_is_sent(self) -> None:
        fake = FakeUpstream(udp=[fakes.TRUNCATED])
        seen = await _probe_fake(fake, "udp")
        assert seen.reply is not None
        assert seen.reply.answer.truncated
        assert fake.asked == 1

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_an_error_without_a_question_is_seen_as_what_it_is(self, transport: str) -> None:
        act = fakes.REFUSED_BY_HEADER
        seen = await _probe_fake(FakeUpstream(udp=[act], stream=[act]), transport)
        assert seen.reply is not None
        assert (seen.trouble, seen.reply.answer.rcode, seen.repeats_question) == (None, 5, False)

    async def test_a_datagram_that_was_cut_without_a_word_is_seen_as_that(self) -> None:
        for act, says_so in ((fakes.TRUNCATED, True), (fakes.SILENTLY_CUT, False), (fakes.ANSWER, True)):
            seen = await _probe_fake(FakeUpstream(udp=[act]), "udp")
            assert seen.reply is not None
            assert (seen.reply.answer.truncated, seen.says_when_it_cuts) == (act is not fakes.ANSWER, says_so)

    async def test_packets_that_are_no_reply_are_waited_past(self) -> None:
        seen = await _probe_fake(FakeUpstream(udp=[fakes.WRONG_ID.then(fakes.ANSWER)]), "udp")
        assert (seen.trouble, seen.reply is None) == (None, False)


UDP_TROUBLES = {
    "silence": (fakes.SILENCE, Trouble.SILENT),
    "a wrong ID": (fakes.WRONG_ID, Trouble.NOT_DNS),
    "noise": (fakes.GARBAGE, Trouble.NOT_DNS),
    "a broken reply": (fakes.UNREADABLE, Trouble.UNREADABLE),
}


@pytest.mark.parametrize(("act", "trouble"), UDP_TROUBLES.values(), ids=UDP_TROUBLES)
async def test_troubles_over_udp(act: Act, trouble: Trouble) -> None:
    assert (await _probe_fake(FakeUpstream(udp=[act]), "udp", seconds=SOON)).trouble is trouble


TCP_TROUBLES = {
    "silence": (fakes.SILENCE, Trouble.SILENT),
    "an end": (fakes.CLOSE, Trouble.CLOSED_ON_QUERY),
    "our own query": (fakes.ECHO, Trouble.NOT_DNS),
    "a wrong ID": (fakes.WRONG_ID, Trouble.NOT_DNS),
    "a broken reply": (fakes.UNREADABLE, Trouble.UNREADABLE),
}


@pytest.mark.parametrize(("act", "trouble"), TCP_TROUBLES.values(), ids=TCP_TROUBLES)
async def test_troubles_over_tcp(act: Act, trouble: Trouble) -> None:
    seconds = SOON if trouble is Trouble.SILENT else LONG
    assert (await _probe_fake(FakeUpstream(stream=[act]), "tcp", seconds=seconds)).trouble is trouble


async def _answer_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read()
    writer.close()


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()


async def _stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("transport", "serve", "trouble"),
    [
        pytest.param("tcp", _answer_http, Trouble.NOT_DNS, id="a web server"),
        pytest.param("tls", _answer_http, Trouble.NOT_TLS, id="a web server without TLS"),
        pytest.param("tls", _close, Trouble.CLOSED_AT_ACCEPT, id="one that closes at once"),
        pytest.param("tls", _reset, Trouble.CLOSED_AT_ACCEPT, id="one that resets at once"),
        pytest.param("tcp", _reset, Trouble.CLOSED_ON_QUERY, id="one that resets without TLS"),
        pytest.param("tls", _stay_silent, Trouble.NO_HANDSHAKE, id="one that says nothing to TLS"),
    ],
)
async def test_servers_that_do_not_speak_dns(transport: str, serve: Serve, trouble: Trouble) -> None:
    async with _server(serve) as address:
        url = UpstreamAddress(transport, address.host, address.port)  # type: ignore[arg-type]  # one of the three
        seen = await _probe(UpstreamConfig("odd", url), seconds=2 * SOON)
    assert seen.trouble is trouble


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_closed_port(transport: str) -> None:
    fake = FakeUpstream()
    async with fake.running():
        pass
    assert (await _probe(fake.config(transport))).trouble is Trouble.NOBODY


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_address_that_no_way_leads_to(monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    monkeypatch.setattr("socket.socket.connect", _no_way)
    monkeypatch.setattr(type(asyncio.get_running_loop()), "sock_connect", _no_way_later, raising=False)
    seen = await _probe(FakeUpstream(port=53).config(transport))
    assert (seen.trouble, seen.detail) == (Trouble.NO_WAY, "Network is unreachable")


def _no_way(*_: object) -> None:
    raise OSError(101, "as the system says it")


async def _no_way_later(*_: object) -> None:
    _no_way()


@pytest.mark.usefixtures("_trusted")
class TestTls:
    async def test_version_and_certificate_are_seen(self, authority: CertificateAuthority) -> None:
        fake = FakeUpstream()
        async with fake.running(_server_context(authority, NAME, "127.0.0.1")):
            seen = await _probe(fake.config("tls", verify_name=NAME))
        assert seen.trouble is None
        assert seen.tls is not None
        assert (seen.tls.version, seen.tls.names) == ("TLSv1.3", (NAME, "127.0.0.1"))
        assert seen.tls.not_after is not None
        assert seen.connect_seconds is not None

    async def test_a_key_is_seen_and_believed_by_its_pin_alone(self, authority: CertificateAuthority) -> None:
        fake = FakeUpstream()
        async with fake.running(_server_context(authority, NAME)):
            config = replace(fake.config("tls"), pins=("A" * 43 + "=",))
            seen = await _probe(config)
            assert (seen.trouble, seen.detail) == (Trouble.CERTIFICATE, "its key is not among upstream.pins")
            assert seen.tls is not None
            seen = await _probe(replace(config, pins=(seen.tls.pin,)))
        assert (seen.trouble, fake.asked) == (None, 1)

    async def test_another_name_is_told_with_those_there_are_and_no_query_is_sent(
        self, authority: CertificateAuthority
    ) -> None:
        fake = FakeUpstream()
        async with fake.running(_server_context(authority, "other.example", "third.example")):
            seen = await _probe(fake.config("tls", verify_name=NAME))
        assert seen.trouble is Trouble.CERTIFICATE
        assert NAME in seen.detail
        assert seen.tls is not None
        assert seen.tls.names == ("other.example", "third.example")
        assert fake.asked == 0

    async def test_one_that_does_not_show_its_certificate_again_is_refused_all_the_same(
        self, authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dohproxy.tools.upstream_probe._trusting_context", make_context)
        fake = FakeUpstream()
        async with fake.running(_server_context(authority, "other.example")):
            seen = await _probe(fake.config("tls", verify_name=NAME))
        assert (seen.trouble, seen.tls) == (Trouble.CERTIFICATE, None)

    async def test_an_alert_is_told(self) -> None:
        async with _server(_send_alert) as address:
            url = replace(address, transport="tls")
            seen = await _probe(UpstreamConfig("odd", url))
        assert (seen.trouble, seen.detail) == (Trouble.TLS_ALERT, "handshake failure")

    async def test_an_alert_after_the_handshake_is_told(self, authority: CertificateAuthority) -> None:
        context = _server_context(authority, NAME)
        context.verify_mode = ssl.CERT_REQUIRED
        with socket.create_server((LOOPBACK, 0)) as listening:
            url = UpstreamAddress("tls", LOOPBACK, listening.getsockname()[1], NAME)
            seen, _ = await asyncio.gather(
                _probe(UpstreamConfig("odd", url)), asyncio.to_thread(_want_a_certificate, listening, context)
            )
        assert (seen.trouble, seen.detail) == (Trouble.TLS_ALERT, "certificate required")


async def _send_alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x28")
    writer.close()


def _want_a_certificate(listening: socket.socket, context: ssl.SSLContext) -> None:
    """Take one connection and refuse it for the certificate that its client has not got; asyncio would not say so."""
    listening.settimeout(LONG)
    with listening.accept()[0] as sock, sock.dup() as kept:
        for one in (sock, kept):
            one.settimeout(LONG)
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True):
            pass
        # Closed with the query unread it would be reset, and the alert might be lost.
        kept.shutdown(socket.SHUT_WR)
        while kept.recv(1000):
            pass


KINDS = [
    *[(Addition.EDNS, says, "udp") for says in ("FORMERR", "NOTIMP", SILENCE)],
    *[(Addition.COOKIE, says, "udp") for says in ("SERVFAIL", "REFUSED", "FORMERR", SILENCE)],
    *[(Addition.AD, says, "udp") for says in ("FORMERR", SILENCE)],
    *[(Addition.CASE, says, "udp") for says in ("NXDOMAIN", "SERVFAIL", "FORMERR", SILENCE)],
    (Addition.EDNS, "FORMERR", "tcp"),
]


class TestWhatItCannotStand:
    @pytest.mark.parametrize(("addition", "says", "transport"), KINDS, ids=lambda value: str(value))
    async def test_is_found_out_and_the_rest_is_seen_without(
        self, addition: Addition, says: str, transport: str
    ) -> None:
        act = intolerant(addition, says=says)
        fake = FakeUpstream(udp=[act], stream=[act])
        async with fake.running():
            [seen] = await probe_all([fake.config(transport)], COM, seconds=SOON)
        assert seen.not_stood == ((addition, says),)
        assert seen.trouble is None
        assert seen.reply is not None
        assert seen.reply.answer.rcode == 0
        assert addition not in seen.added
        assert fake.asked <= MOST_SENDS

    async def test_one_that_refuses_everything_is_asked_twice(self) -> None:
        fake = FakeUpstream(udp=[fakes.REFUSED])
        seen = await _probe_fake(fake, "udp")
        assert (seen.not_stood, fake.asked) == ((), 2)
        assert seen.added == OVER_UDP

    async def test_what_the_operator_leaves_out_is_not_sent(self) -> None:
        fake = FakeUpstream(udp=[intolerant(Addition.COOKIE, Addition.CASE, says="REFUSED")])
        async with fake.running():
            upstream = fake.config(leave_out=(Addition.COOKIE, Addition.CASE))
            [seen] = await probe_all([upstream], COM, seconds=LONG)
        assert (seen.not_stood, fake.asked) == ((), 1)
        assert seen.added == {Addition.EDNS, Addition.AD}
