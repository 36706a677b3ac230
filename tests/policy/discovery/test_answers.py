"""What clients are told who ask this service about itself, as dnspython reads it, and when they are told nothing."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from dohproxy.config import (
    Config,
    DiscoveryConfig,
    PagesConfig,
    ServerConfig,
    TlsConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.outcomes import Reason
from dohproxy.policy.discovery.answers import Discovery, answers_of
from dohproxy.policy.discovery.served import DOT, H2, Served, Service
from dohproxy.policy.refusals import refuse
from dohproxy.wire.numbers import LARGEST_MESSAGE_BYTES
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import write_reply
from tests.wire import messages as m

HOST = "doh.example.net"
SVCB, RESINFO = 64, 261
ADDRESSES = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
CONFIG = Config(
    (UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53)),),
    ServerConfig(host=HOST),
    discovery=DiscoveryConfig(enabled=True, addresses=ADDRESSES, ttl_seconds=600),
    pages=PagesConfig(enabled=True),
)
TLS = TlsConfig(Path("/nowhere/fullchain.pem"), Path("/nowhere/privkey.pem"))


def ask(name: str, qtype: int, *, flags: int = m.RD, dnssec_ok: bool = False) -> Query:
    additional = (m.opt(dnssec_ok=True),) if dnssec_ok else ()
    return parse_query(m.query(m.question(m.name(name), qtype), *additional, flags=flags))


def said(name: str, qtype: int, discovery: Discovery | None = None, *, flags: int = m.RD) -> dns.message.Message:
    query = ask(name, qtype, flags=flags)
    local = (Discovery(CONFIG) if discovery is None else discovery).answer(query, refuse(query))
    assert local is not None
    assert (local.reason, local.ttl) == (Reason.LOCAL, 600)
    reply = dns.message.from_wire(write_reply(query, local.content))
    assert reply.rcode() == dns.rcode.NOERROR
    assert {rrset.ttl for section in (reply.answer, reply.additional) for rrset in section} == {600}
    return reply


WAYS = '1 doh.example.net. alpn="h2" ipv4hint="192.0.2.1" ipv6hint="2001:db8::1" dohpath="/dns-query{?dns}"'


def as_read(text: str) -> object:
    return dns.rdata.from_text("IN", "SVCB", text)


@pytest.mark.parametrize(
    ("name", "is_authoritative"), [("_dns.resolver.arpa", True), (f"_dns.{HOST}", False), ("_DNS.Resolver.ARPA", True)]
)
def test_the_ways_to_ask_and_the_addresses_beside_them(name: str, is_authoritative: bool) -> None:
    reply = said(name, SVCB)
    [rrset] = reply.answer
    assert (rrset.name.to_text(), rrset.rdtype) == (f"{name}.", dns.rdatatype.SVCB)
    assert list(rrset) == [as_read(WAYS)]
    assert [(one.name.to_text(), one[0].to_text()) for one in reply.additional] == [
        (f"{HOST}.", "192.0.2.1"),
        (f"{HOST}.", "2001:db8::1"),
    ]
    assert bool(reply.flags & dns.flags.AA) is is_authoritative


@pytest.mark.parametrize("name", ["resolver.arpa", HOST])
@pytest.mark.parametrize("flags", [m.RD, 0], ids=["with RD", "without RD, as RFC 9606 says"])
def test_what_it_does_is_one_record_with_authority(name: str, flags: int) -> None:
    reply = said(name, RESINFO, flags=flags)
    [rrset] = reply.answer
    assert (rrset.name.to_text(), len(rrset)) == (f"{name}.", 1)
    assert rrset[0].to_text() == '"exterr=3,13-23" "infourl=https://doh.example.net/policy"'
    assert reply.flags & dns.flags.AA
    assert bool(reply.flags & dns.flags.RD) is bool(flags)
    assert not reply.additional


def test_several_ways_are_several_records() -> None:
    both = Served(HOST, (Service((H2,), 443, "/q"), Service((DOT,), 853)), ADDRESSES)
    query = ask("_dns.resolver.arpa", SVCB)
    reply = dns.message.from_wire(write_reply(query, answers_of(CONFIG, both)[query.key].content))
    [rrset] = reply.answer
    assert sorted(one.to_text()[:30] for one in rrset) == [
        '1 doh.example.net. alpn="h2" i',
        '2 doh.example.net. alpn="dot" ',
    ]
    assert len(reply.additional) == 2


def test_beside_the_ways_stand_the_addresses_of_the_host_alone() -> None:
    dot = Service((DOT,), 853, host="dot.example.net", addresses=ADDRESSES[:1])
    both = Served(HOST, (Service((H2,), 443, "/q"), dot), ADDRESSES)
    query = ask("_dns.resolver.arpa", SVCB)
    reply = dns.message.from_wire(write_reply(query, answers_of(CONFIG, both)[query.key].content))
    assert {one.name.to_text() for one in reply.additional} == {f"{HOST}."}
    assert 'ipv4hint="192.0.2.1"' in max(one.to_text() for one in reply.answer[0])


NOT_TOLD = {
    "another type": ("_dns.resolver.arpa", m.A),
    "the ways, at the zone itself": ("resolver.arpa", SVCB),
    "what it does, at the name for the ways": ("_dns.resolver.arpa", RESINFO),
    "a name of the host for a port": (f"_853._dns.{HOST}", SVCB),
    "addresses of the host": (HOST, m.A),
    "HTTPS of the host": (HOST, m.HTTPS),
    "the zone above": ("example.net", RESINFO),
    "another host": ("_dns.example.net", SVCB),
}


@pytest.mark.parametrize(("name", "qtype"), NOT_TOLD.values(), ids=NOT_TOLD)
def test_nothing_else_is_told(name: str, qtype: int) -> None:
    assert Discovery(CONFIG).answer(ask(name, qtype)) is None


@pytest.mark.parametrize(("flags", "dnssec_ok"), [(m.RD, True), (m.RD | m.CD, False), (m.RD | m.CD, True)])
def test_who_validates_is_told_of_the_host_by_its_zone_and_of_the_resolver_here(flags: int, dnssec_ok: bool) -> None:
    discovery = Discovery(CONFIG)
    assert discovery.answer(ask(f"_dns.{HOST}", SVCB, flags=flags, dnssec_ok=dnssec_ok)) is None
    for name, qtype in (("_dns.resolver.arpa", SVCB), ("resolver.arpa", RESINFO), (HOST, RESINFO)):
        assert discovery.answer(ask(name, qtype, flags=flags, dnssec_ok=dnssec_ok)) is not None


@pytest.mark.parametrize("reason", [Reason.TYPE_REFUSED, Reason.CLASS_REFUSED, Reason.BAD_VERSION])
def test_what_is_refused_for_more_than_a_missing_rd_stays_refused(reason: Reason) -> None:
    query = ask("_dns.resolver.arpa", SVCB, flags=0)
    assert Discovery(CONFIG).answer(query, Reason.RECURSION_NOT_DESIRED) is not None
    assert Discovery(CONFIG).answer(query, reason) is None


def test_without_a_word_of_the_operators_nothing_is_told() -> None:
    query = ask("_dns.resolver.arpa", SVCB)
    assert Discovery().answer(query) is None
    assert Discovery(replace(CONFIG, discovery=DiscoveryConfig())).answer(query) is None


def test_with_tls_of_its_own_nothing_is_told_before_the_certificate_is_known_to_be_for_the_name() -> None:
    query, discovery = ask("_dns.resolver.arpa", SVCB), Discovery(replace(CONFIG, tls=TLS))
    assert discovery.answer(query) is None
    assert discovery.use(lambda host: host == "other.example.net") is False
    assert discovery.answer(query) is None
    assert discovery.use(lambda host: host == HOST) is True
    assert discovery.answer(query) is not None
    assert discovery.use(lambda _: True) is False


PROOF = PagesConfig(enabled=True, proof_domain="check.doh.example.net")
PROOF_NAME = "proof-0123456789abcdef.check.doh.example.net"


def test_a_name_that_proves_who_is_asked_is_answered_whatever_else_is_told() -> None:
    query = ask(PROOF_NAME, 1)
    assert Discovery(CONFIG).answer(query) is None
    assert Discovery(CONFIG).proof_domain == ""
    for discovery in (CONFIG.discovery, DiscoveryConfig(addresses=ADDRESSES)):
        found = Discovery(replace(CONFIG, pages=PROOF, discovery=discovery))
        assert found.answer(query) is not None
        assert found.proof_domain == "check.doh.example.net"
        assert found.answer(query, Reason.RECURSION_NOT_DESIRED) is None
        assert found.answer(ask(PROOF_NAME, 1, dnssec_ok=True)) is not None


def test_such_names_come_and_go_with_certificate_and_configuration() -> None:
    config = replace(CONFIG, pages=PROOF, tls=TLS, discovery=DiscoveryConfig(addresses=ADDRESSES))
    query, discovery = ask(PROOF_NAME, 1), Discovery(config)
    assert discovery.answer(query) is None
    assert discovery.use(lambda host: host == HOST) is False
    assert discovery.use(lambda _: True) is True
    assert discovery.answer(query) is not None
    assert discovery.adopt(replace(config)) is False
    assert discovery.adopt(replace(config, discovery=DiscoveryConfig(addresses=ADDRESSES[:1]))) is True
    assert discovery.adopt(replace(config, pages=PagesConfig(enabled=True))) is True
    assert discovery.answer(query) is None


def test_another_configuration_is_another_answer_and_the_same_is_none() -> None:
    discovery = Discovery(CONFIG)
    assert discovery.adopt(replace(CONFIG)) is False
    assert discovery.adopt(replace(CONFIG, server=ServerConfig(host="other.example.net"))) is True
    [rrset] = said("_dns.resolver.arpa", SVCB, discovery).answer
    assert rrset[0].target.to_text() == "other.example.net."
    assert discovery.answer(ask(f"_dns.{HOST}", SVCB)) is None
    assert discovery.adopt(replace(CONFIG, discovery=DiscoveryConfig())) is True
    assert discovery.answer(ask("_dns.resolver.arpa", SVCB)) is None


def test_the_longest_answer_is_one_that_every_stub_takes() -> None:
    host = ".".join(["a" * 63] * 3) + "." + "a" * 34
    eight = tuple(ip_address(f"2001:db8::{number}") for number in range(8))
    config = replace(
        CONFIG,
        server=ServerConfig(host=host, path="/" + "p" * 254),
        discovery=DiscoveryConfig(enabled=True, addresses=eight, port=8443, http3=True),
    )
    local = Discovery(config).answer(ask("_dns.resolver.arpa", SVCB))
    assert local is not None
    assert len(local.content.records) < 4_096 - 600 < LARGEST_MESSAGE_BYTES
