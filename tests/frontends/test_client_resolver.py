"""From a connection or a request to the client that limits see, over real sockets."""

import socket
import struct
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from dohproxy.config import ClientsConfig, ListenAddress
from dohproxy.frontends.client_resolver import ClientResolver, packed_address
from dohproxy.frontends.connections import Closing
from dohproxy.policy.forwarded import AddressStatus
from dohproxy.policy.identity import Identities
from dohproxy.policy.proxy_protocol import Defect
from tests.frontends.client import get
from tests.frontends.served import HURRIED_SECONDS, NO_LIMITS, Certificate, RunningFrontend, Setting, open_frontend

LOOPBACK_NETWORK = ip_network("127.0.0.0/8")
ELSEWHERE = ip_network("192.0.2.0/24")
V2 = b"\r\n\r\n\x00\r\nQUIT\n"


def _v2(source: str, *, tlvs: bytes = b"") -> bytes:
    packed = ip_address(source).packed
    addresses = packed + packed + struct.pack("!HH", 1, 2)
    return (
        V2
        + bytes((0x21, 0x11 if len(packed) == 4 else 0x21))
        + struct.pack("!H", len(addresses + tlvs))
        + addresses
        + tlvs
    )


def _clients(source: Any, *trusted: Any) -> ClientsConfig:
    return ClientsConfig(source, trusted or (LOOPBACK_NETWORK,))


def _seen(frontend: RunningFrontend) -> list[str]:
    """The addresses of all clients that the limits have been asked about."""
    return [str(ip_address(client.address)) if client.address else "" for client in frontend.asked_limits]


HEADERS = {
    "v1 IPv4": (b"PROXY TCP4 198.51.100.7 203.0.113.1 1000 443\r\n", "198.51.100.7"),
    "v1 IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 1000 443\r\n", "2001:db8::7"),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "v2 IPv4": (_v2("198.51.100.7"), "198.51.100.7"),
    "v2 IPv6": (_v2("2001:db8::7"), "2001:db8::7"),
    "v2 mapped": (_v2("::ffff:198.51.100.7"), "198.51.100.7"),
    "v2 with TLVs": (_v2("198.51.100.7", tlvs=b"\x02\x00\x04abcd" * 20), "198.51.100.7"),
    "v2 local": (V2 + b"\x20\x00\x00\x00", "127.0.0.1"),
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("header", "address"), HEADERS.values(), ids=HEADERS)
async def test_a_trusted_proxy_names_the_client_before_anything_else(
    certificate: Certificate, header: bytes, address: str, tls: bool
) -> None:
    setting = Setting(clients=_clients("proxy-protocol"), certificate=certificate if tls else None)
    async with open_frontend(setting) as frontend:
        client = await frontend.connect(before=header)
        assert (await client.ask(get())).message().answer
        assert _seen(frontend) == [address]


@pytest.mark.parametrize(("header", "address"), HEADERS.values(), ids=HEADERS)
async def test_a_header_in_single_bytes_is_the_same_header(header: bytes, address: str) -> None:
    async with open_frontend(Setting(clients=_clients("proxy-protocol"))) as frontend:
        client = await frontend.connect()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in header + get():
            await client.send(bytes([byte]))
        assert (await client.response()).message().answer
        assert _seen(frontend) == [address]


@pytest.mark.parametrize(
    ("sent", "defect"),
    [
        (get(), Defect.NOT_PROXY),
        (b"\x16\x03\x01\x02\x00\x01", Defect.NOT_PROXY),
        (b"PROXY TCP4 x y 1 2\r\n", Defect.BAD_LINE),
        (b"PROXY " + b"a" * 200, Defect.TOO_LONG),
        (V2 + b"\x22\x11\xff\xff", Defect.BAD_COMMAND),
    ],
    ids=["HTTP", "TLS", "a bad v1 line", "an endless v1 line", "a bad v2 header"],
)
async def test_a_trusted_proxy_without_a_good_header_is_cut(sent: bytes, defect: Defect) -> None:
    async with open_frontend(Setting(clients=_clients("proxy-protocol"))) as frontend:
        client = await frontend.connect(before=sent)
        assert await client.rest() == b""
        await frontend.until(lambda: frontend.register.slots_taken == 0, "the place")
        assert frontend.closed == {Closing.PROXY_HEADER: 1}
        assert frontend.register.statistics().defects == {defect: 1}
        assert frontend.outcomes == []


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 198.51.100.7 "], ids=["nothing", "half a line"])
@pytest.mark.parametrize("leaves", [False, True], ids=["stalls", "leaves"])
async def test_a_header_that_does_not_come_is_waited_for_only_so_long(sent: bytes, leaves: bool) -> None:
    setting = Setting(clients=_clients("proxy-protocol")).with_connections(handshake_seconds=HURRIED_SECONDS)
    async with open_frontend(setting) as frontend:
        client = await frontend.connect(before=sent)
        if leaves:
            client.cut()
        else:
            assert await client.rest() == b""
        await frontend.until(lambda: frontend.closed == {Closing.PROXY_HEADER: 1}, "the cut")


@pytest.mark.parametrize("header", [HEADERS["v1 IPv4"][0], HEADERS["v2 IPv4"][0]], ids=["v1", "v2"])
async def test_a_header_from_anyone_else_is_no_header(header: bytes) -> None:
    async with open_frontend(Setting(clients=_clients("proxy-protocol", ELSEWHERE))) as frontend:
        forger = await frontend.connect(before=header)
        assert (await forger.ask(get())).status in (400, 501)
        honest = await frontend.connect()
        assert (await honest.ask(get())).status == 200
        assert _seen(frontend) == ["127.0.0.1"]


FORWARDED: dict[str, tuple[Any, str, str, AddressStatus]] = {
    "one hop": ("x-forwarded-for", "X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7", AddressStatus.HEADER),
    "forged hops before it": (
        "x-forwarded-for",
        "X-Forwarded-For: 203.0.113.9, 10.0.0.1\r\nX-Forwarded-For: 198.51.100.7, 127.0.0.2\r\n",
        "198.51.100.7",
        AddressStatus.HEADER,
    ),
    "the other header forged": (
        "x-forwarded-for",
        "Forwarded: for=203.0.113.9\r\nX-Forwarded-For: 198.51.100.7\r\nX-Real-IP: 203.0.113.9\r\n",
        "198.51.100.7",
        AddressStatus.HEADER,
    ),
    "no header": ("x-forwarded-for", "", "127.0.0.1", AddressStatus.MISSING),
    "garbage": ("x-forwarded-for", "X-Forwarded-For: 198.51.100.7, <script>\r\n", "127.0.0.1", AddressStatus.MALFORMED),
    "Forwarded": (
        "forwarded",
        'Forwarded: for="[2001:db8::7]:99";proto=https\r\n',
        "2001:db8::7",
        AddressStatus.HEADER,
    ),
    "Forwarded, hidden": ("forwarded", "Forwarded: for=_hidden\r\n", "127.0.0.1", AddressStatus.HIDDEN),
}


@pytest.mark.parametrize(("source", "fields", "address", "status"), FORWARDED.values(), ids=FORWARDED)
async def test_a_trusted_proxy_s_header_names_the_client(
    source: Any, fields: str, address: str, status: AddressStatus
) -> None:
    async with open_frontend(Setting(clients=_clients(source))) as frontend:
        client = await frontend.connect()
        for name in ("localhost", "www.example.net"):
            assert (await client.ask(get(name, fields))).message().answer
        assert set(_seen(frontend)) == {address}
        assert frontend.client_resolver.statuses == {status: 2}


@pytest.mark.parametrize("fields", ["", "X-Forwarded-For: 198.51.100.7\r\n"], ids=["without", "with"])
async def test_a_header_from_anyone_else_changes_nothing_and_is_counted(fields: str) -> None:
    async with open_frontend(Setting(clients=_clients("x-forwarded-for", ELSEWHERE))) as frontend:
        assert (await (await frontend.connect()).ask(get(fields=fields))).status == 200
        assert _seen(frontend) == ["127.0.0.1"]
        assert frontend.client_resolver.statuses == {
            AddressStatus.IGNORED_UNTRUSTED if fields else AddressStatus.CONNECTION: 1
        }


async def test_headers_change_nothing_where_the_connection_counts() -> None:
    async with open_frontend() as frontend:
        forged = "X-Forwarded-For: 198.51.100.7\r\nForwarded: for=198.51.100.7\r\n"
        assert (await (await frontend.connect()).ask(get(fields=forged))).status == 200
        assert _seen(frontend) == ["127.0.0.1"]
        assert frontend.client_resolver.statuses == {}


async def test_each_client_behind_a_proxy_has_its_own_limit() -> None:
    limits = replace(NO_LIMITS, requests_per_second=0.1, requests_burst=2)
    async with open_frontend(Setting(clients=_clients("x-forwarded-for"), limits=limits)) as frontend:
        client = await frontend.connect()
        statuses = {
            address: [(await client.ask(get(fields=f"X-Forwarded-For: {address}\r\n"))).status for _ in range(4)]
            for address in ("198.51.100.7", "203.0.113.7")
        }
        assert statuses == {"198.51.100.7": [200, 200, 429, 429], "203.0.113.7": [200, 200, 429, 429]}


async def test_a_unix_peer_has_no_address_unless_it_is_believed(tmp_path: Any) -> None:
    listen = ListenAddress("unix", path=str(tmp_path / "h1.sock"))
    fields = "X-Forwarded-For: 198.51.100.7\r\n"
    for clients, expected in ((ClientsConfig(), ""), (_clients("x-forwarded-for", "unix"), "198.51.100.7")):
        async with open_frontend(Setting(listen=listen, clients=clients)) as frontend:
            assert (await (await frontend.connect()).ask(get(fields=fields))).status == 200
            assert _seen(frontend) == [expected]


async def test_an_ipv6_peer_is_an_ipv6_client() -> None:
    async with open_frontend(Setting(listen=ListenAddress("tcp", host="::1", port=0))) as frontend:
        assert (await (await frontend.connect()).ask(get())).status == 200
        assert _seen(frontend) == ["::1"]


def test_an_address_with_a_zone_is_packed_without_it() -> None:
    assert packed_address(socket.AF_INET6, ("fe80::1%eth0", 1, 0, 2)) == ip_address("fe80::1").packed


def test_a_mapped_peer_is_an_ipv4_client() -> None:
    client_resolver = ClientResolver(Identities(bytes(32)), ClientsConfig())
    mapped = ip_address("::ffff:192.0.2.1").packed
    assert client_resolver.of_connection(mapped) == client_resolver.of_connection(ip_address("192.0.2.1").packed)
