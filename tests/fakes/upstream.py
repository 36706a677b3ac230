"""Upstreams on loopback that do what a script says: well-behaved, broken, slow and hostile ones."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Self

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from dohproxy.config import UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.wire.query import Query, parse_query

LOOPBACK = "127.0.0.1"
WRONG_ID_OFFSET = 0x1234
LARGE_RECORDS = 190
"""Records of 263 bytes each: an answer of 50 kB."""
SERVER_COOKIE = b"\x01\0\0\0 a server's "
"""The size and first byte of RFC 9018's."""


@dataclass(frozen=True, slots=True)
class Act:
    """What the upstream does about one query: after `delay` seconds it sends `packets`, then closes if it should."""

    packets: Callable[[bytes], Sequence[bytes]]
    delay: float = 0.0
    closes: bool = False

    def after(self, seconds: float) -> Self:
        """The same, later."""
        return replace(self, delay=seconds)

    def then(self, other: Self) -> Self:
        """The packets of this one and those of `other` at once, and its end."""
        first = self.packets
        return replace(other, packets=lambda query: [*first(query), *other.packets(query)], delay=self.delay)


def make_reply(
    query: bytes, *, address: str = "192.0.2.1", rcode: int = 0, flags: dns.flags.Flag | int = 0, records: int = 1
) -> bytes:
    """The reply of an honest resolver: so many records of the type that was asked for, or an rcode and none."""
    message = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    message.set_rcode(dns.rcode.Rcode(rcode))
    message.flags |= flags
    if not rcode:
        question = message.question[0]
        rdata = SAID.get(dns.rdatatype.to_text(question.rdtype), "\\# 0").format(address)
        for _ in range(records):
            message.answer.append(dns.rrset.from_text(question.name, 300, "IN", question.rdtype, rdata))
    return message.to_wire(max_size=65_535)


def large_reply(wire: bytes) -> list[bytes]:
    """A reply of as many texts as make it too long for UDP and for one TLS record."""
    reply = dns.message.from_wire(make_reply(wire, records=0))
    texts = [f'"{number:05}{245 * "x"}"' for number in range(LARGE_RECORDS)]
    reply.answer.append(dns.rrset.from_text(reply.question[0].name, 300, "IN", "TXT", *texts))
    return [reply.to_wire(max_size=65_535)]


SAID = {
    "A": "{}",
    "AAAA": "2001:db8::1",
    "NS": "ns.example.",
    "TXT": "text",
    "SVCB": "1 .",
    "HTTPS": "1 .",
    "CNAME": "a.example.",
}


def unreadable(reply: bytes) -> bytes:
    """The reply with one more record, whose owner is no name."""
    return reply[:10] + (int.from_bytes(reply[10:12]) + 1).to_bytes(2) + reply[12:] + b"\x40" * 20


def cookie_of(wire: bytes) -> bytes:
    """The COOKIE option of a query, or nothing."""
    options = dns.message.from_wire(wire).options
    return b"".join(option.to_wire() or b"" for option in options if option.otype == dns.edns.OptionType.COOKIE)


def with_cookie(reply: bytes, cookie: bytes) -> bytes:
    """The reply with this COOKIE option and no other."""
    message = dns.message.from_wire(reply)
    rcode = message.rcode()
    message.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, cookie)])
    message.set_rcode(rcode)
    return message.to_wire()


def _lower_case(query: bytes) -> bytes:
    """The reply of a resolver that writes every name in lower case."""
    end = query.index(b"\x00", 12)
    return make_reply(query[:12] + query[12:end].lower() + query[end:])


def _return_cookie(query: bytes, *, rcode: int = 0) -> bytes:
    return with_cookie(make_reply(query, rcode=rcode), cookie_of(query)[:8] + SERVER_COOKIE)


def header_alone(query: bytes, rcode: int = dns.rcode.REFUSED) -> bytes:
    """What Unbound says to one whom its access list refuses: ID, flags, rcode, and nothing else."""
    return query[:2] + bytes((0x80 | query[2] & 0x01, rcode)) + bytes(8)


def _wrong_id(query: bytes) -> bytes:
    reply = make_reply(query)
    return (int.from_bytes(reply[:2]) ^ WRONG_ID_OFFSET).to_bytes(2) + reply[2:]


def _wrong_question(query: bytes) -> bytes:
    other = dns.message.make_query("forged.example.", "A", id=int.from_bytes(query[:2]))
    return make_reply(other.to_wire())


ANSWER = Act(lambda query: [make_reply(query)])
AUTHENTIC = Act(lambda query: [make_reply(query, flags=dns.flags.AD)])
SILENCE = Act(lambda _: [])
SERVFAIL = Act(lambda query: [make_reply(query, rcode=dns.rcode.SERVFAIL)])
REFUSED = Act(lambda query: [make_reply(query, rcode=dns.rcode.REFUSED)])
REFUSED_BY_HEADER = Act(lambda query: [header_alone(query)])
BAD_VERSION = Act(lambda query: [make_reply(query, rcode=dns.rcode.BADVERS)])
SILENTLY_CUT = Act(lambda query: [make_reply(query)[:-7]])
TRUNCATED = Act(lambda query: [make_reply(query, flags=dns.flags.TC, records=0)])
COOKIE = Act(lambda query: [_return_cookie(query)])
BAD_COOKIE = Act(lambda query: [_return_cookie(query, rcode=dns.rcode.BADCOOKIE)])
WRONG_COOKIE = Act(lambda query: [with_cookie(make_reply(query), b"guessed!" + SERVER_COOKIE)])
LOWER_CASE = Act(lambda query: [_lower_case(query)])
WRONG_ID = Act(lambda query: [_wrong_id(query)])
WRONG_QUESTION = Act(lambda query: [_wrong_question(query)])
ECHO = Act(lambda query: [query])
GARBAGE = Act(lambda _: [b"\xff" * 40])
UNREADABLE = Act(lambda query: [unreadable(make_reply(query))])
LAST_ANSWER = replace(ANSWER, closes=True)
"""It closes the connection after it."""
CLOSE = Act(lambda _: [], closes=True)


@dataclass(slots=True)
class FakeUpstream:
    """One scripted resolver; each query takes the next act, the last act is repeated for ever."""

    udp: Sequence[Act] = (ANSWER,)
    stream: Sequence[Act] = (ANSWER,)
    port: int = 0
    host: str = LOOPBACK
    asked_over_udp: list[bytes] = field(default_factory=list)
    udp_ports: list[int] = field(default_factory=list)
    asked_over_stream: list[bytes] = field(default_factory=list)
    answers_to_a_connection: int | None = None
    """After so many it is closed, whatever the script says; None: as the script says."""
    connections_made: int = 0
    open_connections: set[asyncio.StreamWriter] = field(default_factory=set)
    most_open: int = 0
    _server: asyncio.Server | None = None
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def asked(self) -> int:
        """How many queries came, over whatever."""
        return len(self.asked_over_udp) + len(self.asked_over_stream)

    async def wait_asked(self, times: int = 1) -> None:
        """Wait until so many queries have come; ten seconds at most."""
        async with asyncio.timeout(10):
            while self.asked < times:
                self._came.clear()
                await self._came.wait()

    def config(self, transport: str = "udp", **keys: object) -> UpstreamConfig:
        """The configuration of this upstream: an ample budget, other keys as given."""
        verify_name = keys.pop("verify_name", None)
        match transport:
            case "udp" | "tcp" | "tls":
                url = UpstreamAddress(
                    transport, self.host, self.port, None if verify_name is None else str(verify_name)
                )
            case _:
                raise ValueError(transport)
        ample = UpstreamConfig("fake", url, queries_per_second=1000.0, burst=1000, in_flight=100)
        return replace(ample, **keys)  # type: ignore[arg-type]  # the keys are those of UpstreamConfig

    def stop_listening(self) -> None:
        """Take no new connection; those that are open go on."""
        if self._server is not None:
            self._server.close()

    def close_connections(self) -> None:
        """Close every connection, as an upstream does that finds them idle."""
        for writer in self.open_connections:
            writer.close()

    @asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[Self]:
        """Serve UDP and TCP on one port of loopback, or TLS instead of TCP if there is a context."""
        loop = asyncio.get_running_loop()
        udp_socket, tcp_socket = _two_sockets(self.host, self.port)
        self.port = udp_socket.getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp_socket)
        server = self._server = await asyncio.start_server(self._serve, sock=tcp_socket, ssl=context)
        try:
            yield self
        finally:
            transport.close()
            server.close()
            for writer in tuple(self.open_connections):
                writer.transport.abort()
            await server.wait_closed()
            # One turn of the loop for each socket's own end.
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_made += 1
        self.open_connections.add(writer)
        self.most_open = max(self.most_open, len(self.open_connections))
        try:
            await self._serve_frames(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve_frames(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        for number in count(1):
            query = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            act = self.stream[min(len(self.asked_over_stream), len(self.stream) - 1)]
            self.asked_over_stream.append(query)
            self._came.set()
            packets = act.packets(query)
            closes = act.closes or number == self.answers_to_a_connection
            if closes:
                await asyncio.sleep(act.delay)
            for packet in packets:
                if closes or not act.delay:
                    _write_frame(writer, packet)
                else:
                    loop.call_later(act.delay, _write_frame, writer, packet)
            if closes:
                return


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, fake: FakeUpstream) -> None:
        self.fake = fake
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport) or hasattr(transport, "sendto")
        self.transport = transport  # type: ignore[assignment]  # uvloop's is no subclass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        act = self.fake.udp[min(len(self.fake.asked_over_udp), len(self.fake.udp) - 1)]
        self.fake.asked_over_udp.append(data)
        self.fake.udp_ports.append(addr[1])
        self.fake._came.set()
        for packet in act.packets(data):
            asyncio.get_running_loop().call_later(act.delay, self._send, packet, addr)

    def _send(self, packet: bytes, addr: tuple[str, int]) -> None:
        assert self.transport is not None
        if not self.transport.is_closing():
            self.transport.sendto(packet, addr)


def _write_frame(writer: asyncio.StreamWriter, packet: bytes) -> None:
    if not writer.is_closing():
        writer.write(len(packet).to_bytes(2) + packet)


def _two_sockets(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket with the same port: any free one, if it is 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(20):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        tcp = socket.socket(family, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind((host, port))
            udp.bind(tcp.getsockname())
            tcp.listen()
        except OSError:
            udp.close()
            tcp.close()
            continue
        udp.setblocking(False)
        tcp.setblocking(False)
        return udp, tcp
    raise OSError("no port is free for both UDP and TCP")


def make_query(qname: str = "www.example.org.", *, dnssec_ok: bool = False) -> Query:
    """A client's query for an address."""
    message = dns.message.make_query(qname, "A", use_edns=0, want_dnssec=dnssec_ok)
    return parse_query(message.to_wire())
