"""The records to publish: what they say, and that their text and their bytes are the same to dnspython."""

from ipaddress import ip_address

import dns.rdata
import dns.zone
import pytest

from dohproxy.config import ClientsConfig, Config, ListenAddress, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.tools.doctor.records import (
    Publication,
    above,
    addresses_of,
    caa_name,
    publication_of,
    questions_of,
)
from dohproxy.wire.numbers import Qtype

HOST = "doh.example.net"
ADDRESSES = [ip_address("192.0.2.1"), ip_address("2001:db8::1")]
LETS_ENCRYPT = "CN=E7,O=Let's Encrypt,C=US"
UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))


def _lines(publication: Publication) -> list[str]:
    return [record.line for record in publication.records]


def test_the_usual_service() -> None:
    publication = publication_of(HOST, 443, "/dns-query", ADDRESSES, LETS_ENCRYPT)
    assert _lines(publication) == [
        "doh.example.net. 3600 IN A 192.0.2.1",
        "doh.example.net. 3600 IN AAAA 2001:db8::1",
        'doh.example.net. 3600 IN HTTPS 1 . alpn="h2"',
        '_dns.doh.example.net. 3600 IN SVCB 1 doh.example.net. alpn="h2" key7="/dns-query{?dns}"',
        'doh.example.net. 3600 IN CAA 0 issue "letsencrypt.org"',
        '_dns.resolver.arpa. 3600 IN SVCB 1 doh.example.net. alpn="h2" key7="/dns-query{?dns}"',
    ]
    assert publication.remarks == ()


def test_another_port_is_named_and_has_a_name_of_its_own() -> None:
    publication = publication_of(HOST, 8443, "/q", ADDRESSES[:1], None)
    assert _lines(publication)[1:3] == [
        '_8443._https.doh.example.net. 3600 IN HTTPS 1 doh.example.net. alpn="h2" port=8443',
        '_dns.doh.example.net. 3600 IN SVCB 1 doh.example.net. alpn="h2" port=8443 key7="/q{?dns}"',
    ]


def test_what_is_not_known_is_a_remark() -> None:
    publication = publication_of(HOST, 443, "/dns-query", [], "CN=Our own authority")
    assert {record.rtype for record in publication.records} == {Qtype.HTTPS, Qtype.SVCB}
    assert len(publication.remarks) == 2
    assert "--address" in publication.remarks[0]


@pytest.mark.parametrize("port", [443, 8443])
@pytest.mark.parametrize("path", ["/dns-query", "/", "/a,b;c=$&'()*+!~@"], ids=["usual", "root", "every character"])
def test_dnspython_reads_the_text_as_the_bytes(port: int, path: str) -> None:
    publication = publication_of(HOST, port, path, ADDRESSES, LETS_ENCRYPT)
    for record in publication.records:
        origin = "resolver.arpa." if not record.is_public else "example.net."
        zone = dns.zone.from_text(f"{record.line}\n", origin, relativize=False, check_origin=False)
        [(_, _, found)] = list(zone.iterate_rdatas())
        assert found.to_wire() == record.rdata
        parsed = dns.rdata.from_wire("IN", record.rtype.name, record.rdata, 0, len(record.rdata))
        assert parsed == found


ISSUERS = {
    LETS_ENCRYPT: "letsencrypt.org",
    "CN=WE1,O=Google Trust Services,C=US": "pki.goog",
    "CN=ZeroSSL ECC Domain Secure Site CA,O=ZeroSSL,C=AT": "sectigo.com",
    "CN=our own": None,
}


@pytest.mark.parametrize(("issuer", "name"), ISSUERS.items(), ids=ISSUERS)
def test_how_a_caa_record_calls_an_authority(issuer: str, name: str | None) -> None:
    assert caa_name(issuer) == name


def test_what_is_asked_for() -> None:
    publication = publication_of(HOST, 443, "/dns-query", ADDRESSES[:1], LETS_ENCRYPT)
    assert questions_of(publication, HOST) == [
        ("doh.example.net.", Qtype.A),
        ("doh.example.net.", Qtype.HTTPS),
        ("_dns.doh.example.net.", Qtype.SVCB),
        ("doh.example.net.", Qtype.CAA),
        ("doh.example.net.", Qtype.AAAA),
        ("example.net.", Qtype.CAA),
        ("net.", Qtype.CAA),
    ]


def test_the_names_above() -> None:
    assert above("a.b.example.") == ["a.b.example.", "b.example.", "example."]


OWN = [ip_address("9.9.9.9"), ip_address("2620:fe::9")]
EVERY = "0.0.0.0"  # noqa: S104 - bound by nobody
LISTENERS = {
    "all addresses of both families": ([EVERY, "::"], ["9.9.9.9", "2620:fe::9"]),
    "all of IPv4": ([EVERY], ["9.9.9.9"]),
    "one address": (["149.112.112.112"], ["149.112.112.112"]),
    "the same twice": ([EVERY, "9.9.9.9"], ["9.9.9.9"]),
    "loopback": (["127.0.0.1", "::1"], []),
    "a private network": (["192.168.1.2"], []),
    "one of its own link": (["fe80::1%eth0"], []),
}


@pytest.mark.parametrize(("hosts", "expected"), LISTENERS.values(), ids=LISTENERS)
def test_where_clients_connect(hosts: list[str], expected: list[str]) -> None:
    server = ServerConfig(tuple(ListenAddress("tcp", host=host, port=443) for host in hosts))
    assert list(map(str, addresses_of(Config((UPSTREAM,), server), OWN))) == expected


def test_behind_a_front_proxy_or_at_a_unix_socket_that_is_not_known() -> None:
    everywhere = ServerConfig((ListenAddress("tcp", host="0.0.0.0", port=443),))  # noqa: S104 - bound by nobody
    behind = Config((UPSTREAM,), everywhere, clients=ClientsConfig(address_from="forwarded"))
    assert addresses_of(behind, OWN) == []
    unix = ServerConfig((ListenAddress("unix", path="/run/x.sock"),))
    assert addresses_of(Config((UPSTREAM,), unix), OWN) == []
