"""Names that only who asks this service can resolve: which they are, what is said of them, and when."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from dohproxy.config import (
    ClientsConfig,
    Config,
    DiscoveryConfig,
    ListenAddress,
    PagesConfig,
    ServerConfig,
    TlsConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.outcomes import Reason
from dohproxy.policy.discovery.proof import (
    NO_VIEW,
    PROOF_TTL,
    ProofNames,
    Proving,
    is_proof_host,
    is_wanted_in_vain,
    proof_host,
    proving_of,
)
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import write_reply
from tests.wire import messages as m

DOMAIN = "check.doh.example.net"
UNIQUE = "0123456789abcdef"
NAME = f"proof-{UNIQUE}.{DOMAIN}"
A, AAAA, TXT, SOA, HTTPS, ANY = 1, 28, 16, 6, 65, 255
ADDRESSES = (ip_address("192.0.2.1"), ip_address("2001:db8::1"), ip_address("192.0.2.2"))
PROVING = Proving(DOMAIN, ADDRESSES)
CONFIG = Config(
    (UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53)),),
    ServerConfig(host="doh.example.net"),
    discovery=DiscoveryConfig(addresses=ADDRESSES),
    pages=PagesConfig(enabled=True, proof_domain=DOMAIN),
)
TLS = TlsConfig(Path("/nowhere/fullchain.pem"), Path("/nowhere/privkey.pem"))


def ask(name: str, qtype: int) -> Query:
    return parse_query(m.query(m.question(m.name(name), qtype)))


def said(name: str, qtype: int, proving: Proving = PROVING) -> dns.message.Message:
    query = ask(name, qtype)
    local = ProofNames(proving).answer(query)
    assert local is not None
    assert (local.reason, local.ttl) == (Reason.LOCAL, PROOF_TTL)
    return dns.message.from_wire(write_reply(query, local.content))


@pytest.mark.parametrize("name", [NAME, NAME.upper(), proof_host(NO_VIEW, DOMAIN)])
def test_such_a_name_leads_to_the_service_for_a_moment(name: str) -> None:
    for qtype, addresses in ((A, ["192.0.2.1", "192.0.2.2"]), (AAAA, ["2001:db8::1"])):
        reply = said(name, qtype)
        [rrset] = reply.answer
        assert (reply.rcode(), rrset.name.to_text(), rrset.ttl) == (dns.rcode.NOERROR, f"{name}.", PROOF_TTL)
        assert [record.to_text() for record in rrset] == addresses


@pytest.mark.parametrize("qtype", [TXT, SOA, HTTPS, ANY])
def test_it_has_nothing_else_and_nobody_remembers_that_for_long(qtype: int) -> None:
    reply = said(NAME, qtype)
    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
    [soa] = reply.authority
    assert (soa.name.to_text(), soa[0].minimum, soa.ttl) == (f"{NAME}.", PROOF_TTL, PROOF_TTL)


def test_a_family_that_the_service_has_not_is_nothing_too() -> None:
    assert said(NAME, AAAA, replace_addresses("192.0.2.1")).answer == []


def replace_addresses(*addresses: str) -> Proving:
    return Proving(DOMAIN, tuple(map(ip_address, addresses)))


OTHERS = [
    DOMAIN,
    f"www.{DOMAIN}",
    f"x.{NAME}",
    f"proof-{UNIQUE[:-1]}.{DOMAIN}",
    f"proof-{UNIQUE}0.{DOMAIN}",
    f"proof-{UNIQUE[:-1]}g.{DOMAIN}",
    f"proof-01234567g9abcdef.{DOMAIN}",
    f"proof.{UNIQUE}.{DOMAIN}",
    f"roof-0{UNIQUE}.{DOMAIN}",
    f"proof-{UNIQUE}.{DOMAIN}.example",
    f"proof-{UNIQUE}.other.doh.example.net",
    f"proof-{UNIQUE}.doh.example.net",
    ".",
]


@pytest.mark.parametrize("name", OTHERS)
def test_all_other_names_are_as_they_were(name: str) -> None:
    assert ProofNames(PROVING).answer(ask(name, A)) is None


@pytest.mark.parametrize("authority", [NAME, NAME.upper(), f"{NAME}:8443", f"{NAME}.", f"{NAME}.:443", f"{NAME}:"])
def test_a_request_that_was_sent_there(authority: str) -> None:
    assert is_proof_host(authority, DOMAIN)


@pytest.mark.parametrize(
    "authority", [None, "", ":443", "doh.example.net", "192.0.2.1", "[2001:db8::1]:443", f"{NAME}\n", *OTHERS]
)
def test_a_request_that_was_sent_elsewhere(authority: str | None) -> None:
    assert not is_proof_host(authority, DOMAIN)
    assert not is_proof_host(NAME, None)


# --- When there are any ---


def test_there_are_some_where_a_picture_can_be_shown() -> None:
    assert proving_of(CONFIG, None) == PROVING
    assert proving_of(replace(CONFIG, tls=TLS), lambda host: host == f"proof-{NO_VIEW}.{DOMAIN}") == PROVING


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, pages=PagesConfig(enabled=True)),
        replace(CONFIG, pages=PagesConfig(proof_domain=DOMAIN)),
        replace(CONFIG, discovery=DiscoveryConfig()),
        replace(CONFIG, tls=TLS),
    ],
    ids=["no domain", "no pages", "no address that is known", "a certificate that is not known"],
)
def test_there_are_none_where_it_cannot(config: Config) -> None:
    assert proving_of(config, None) is None


def test_there_are_none_below_a_domain_that_the_certificate_is_not_for() -> None:
    assert proving_of(replace(CONFIG, tls=TLS), lambda host: host == DOMAIN) is None


def test_a_picture_may_be_wanted_in_vain() -> None:
    assert is_wanted_in_vain(CONFIG, lambda host: host == DOMAIN)
    assert not is_wanted_in_vain(CONFIG, lambda host: host.endswith(f".{DOMAIN}"))
    assert not is_wanted_in_vain(replace(CONFIG, pages=PagesConfig(enabled=True)), lambda _: False)
    assert not is_wanted_in_vain(replace(CONFIG, pages=PagesConfig(proof_domain=DOMAIN)), lambda _: False)


def test_without_addresses_of_the_operators_they_are_those_that_are_listened_on() -> None:
    listened = ServerConfig(listen=(ListenAddress("tcp", "9.9.9.9", 443), ListenAddress("tcp", "::", 443)))
    config = replace(CONFIG, discovery=DiscoveryConfig(), server=listened)
    assert proving_of(config, None) == replace_addresses("9.9.9.9")
    behind = replace(config, clients=ClientsConfig(address_from="forwarded"))
    assert proving_of(behind, None) is None
