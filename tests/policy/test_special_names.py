"""Names that must not or need not leave the machine, as dnspython reads the answers; and names that look like them."""

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.outcomes import Reason
from dohproxy.policy.special_names import ANY_TTL, LOCAL_TTL, LocalAnswer, answer_locally
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import write_reply
from tests.wire import messages as m
from tests.wire.strategies import deterministic, qnames, qtypes

AAAA, SVCB, DS = 28, 64, 43
FLAGS = 0xFFF0
"""The header's second word without the rcode."""

LOCALHOST = ["localhost", "LocalHost", "a.localhost", "a.b.c.localhost"]
RESERVED = ["invalid", "test", "onion", "alt", "local", "internal"]
REVERSE_ZONES = [
    "10.in-addr.arpa",
    *(f"{number}.172.in-addr.arpa" for number in range(16, 32)),
    "168.192.in-addr.arpa",
    "0.in-addr.arpa",
    "127.in-addr.arpa",
    "255.255.255.255.in-addr.arpa",
    "254.169.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "d.f.ip6.arpa",
    *(f"{digit}.e.f.ip6.arpa" for digit in "89ab"),
    "0." * 32 + "ip6.arpa",
    "1." + "0." * 31 + "ip6.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
    *(f"{number}.100.in-addr.arpa" for number in range(64, 128)),
]
EMPTY_ZONES = [*REVERSE_ZONES, "home.arpa"]
FORWARDED = [
    "ipv4only.arpa",
    "use-application-dns.net",
    "mask.icloud.com",
    "mask-h2.icloud.com",
    "lan",
    "corp",
    "home",
    "printer.lan",
    "abcdefghijklmnop.test.dnscrypt",
    "nonexistent-zone.dnscrypt-test",
    "metric.gstatic.com",
    "www.gstatic.com",
    "example.com",
    "apple.com",
    "probe-test.dns.nextdns.io",
    ".",
    "arpa",
    "in-addr.arpa",
    "ip6.arpa",
    "1.1.1.1.in-addr.arpa",
]
LOOK_ALIKES = [
    "xlocalhost",
    "localhost.example.com",
    "mylocal",
    "contest",
    "test.example",
    "local.net",
    "xhome.arpa",
    "home.arpa.example",
    "10.in-addr.arpa.example",
    "110.in-addr.arpa",
    "15.172.in-addr.arpa",
    "32.172.in-addr.arpa",
    "63.100.in-addr.arpa",
    "128.100.in-addr.arpa",
    "169.192.in-addr.arpa",
    "3.0.192.in-addr.arpa",
    "254.255.255.255.in-addr.arpa",
    "255.255.255.in-addr.arpa",
    "c.f.ip6.arpa",
    "c.e.f.ip6.arpa",
    "2." + "0." * 31 + "ip6.arpa",
    "0." * 31 + "ip6.arpa",
    "9.b.d.0.1.0.0.2.ip6.arpa",
]


def ask(name: str | bytes, qtype: int = m.A) -> Query:
    return parse_query(m.query(m.question(m.name(name) if isinstance(name, str) else name, qtype)))


def said(name: str, qtype: int = m.A) -> dns.message.Message:
    """What is said to a client, checked for what all local answers have in common."""
    query = ask(name, qtype)
    local = answer_locally(query)
    assert local is not None
    assert (local.reason, local.ttl) == (Reason.LOCAL, LOCAL_TTL)
    reply = dns.message.from_wire(write_reply(query, local.content))
    assert reply.flags & FLAGS == m.QR | m.AA | m.RD | m.RA
    assert {rrset.ttl for section in reply.sections[1:] for rrset in section} == {LOCAL_TTL}
    assert not reply.additional
    return reply


def assert_denied(reply: dns.message.Message, rcode: dns.rcode.Rcode, zone: str) -> None:
    """Check rcode and the SOA that lets clients keep the denial (RFC 2308)."""
    assert (reply.rcode(), reply.answer) == (rcode, [])
    [soa] = reply.authority
    assert (soa.rdtype, soa.name) == (dns.rdatatype.SOA, dns.name.from_text(zone))
    assert soa[0].mname == dns.name.from_text(zone)
    assert soa[0].minimum == LOCAL_TTL


@pytest.mark.parametrize("name", LOCALHOST)
@pytest.mark.parametrize(("qtype", "address"), [(m.A, "127.0.0.1"), (AAAA, "::1")], ids=["A", "AAAA"])
def test_localhost_is_this_machine(name: str, qtype: int, address: str) -> None:
    reply = said(name, qtype)
    assert reply.rcode() == dns.rcode.NOERROR
    [rrset] = reply.answer
    assert (rrset.name, rrset[0].to_text()) == (dns.name.from_text(name), address)
    assert not reply.authority


@pytest.mark.parametrize("name", LOCALHOST)
@pytest.mark.parametrize("qtype", [m.HTTPS, m.TXT, m.NS, m.ANY], ids=["HTTPS", "TXT", "NS", "ANY"])
def test_localhost_has_nothing_but_addresses(name: str, qtype: int) -> None:
    assert_denied(said(name, qtype), dns.rcode.NOERROR, "localhost")


@pytest.mark.parametrize("zone", RESERVED)
@pytest.mark.parametrize("below", ["", "www.", "A.b.C."], ids=["itself", "a name", "a deep name"])
@pytest.mark.parametrize("qtype", [m.A, m.HTTPS, DS, m.SOA, m.ANY], ids=["A", "HTTPS", "DS", "SOA", "ANY"])
def test_a_reserved_domain_does_not_exist(zone: str, below: str, qtype: int) -> None:
    assert_denied(said(below + zone, qtype), dns.rcode.NXDOMAIN, zone)


OWN_ZONES = [*EMPTY_ZONES, "resolver.arpa"]


@pytest.mark.parametrize("zone", EMPTY_ZONES)
def test_an_empty_zone_exists_and_has_nothing_below(zone: str) -> None:
    assert_denied(said(zone, m.TXT), dns.rcode.NOERROR, zone)
    assert_denied(said(f"1.{zone}", 12), dns.rcode.NXDOMAIN, zone)


@pytest.mark.parametrize("zone", OWN_ZONES)
def test_an_empty_zone_has_an_soa(zone: str) -> None:
    reply = said(zone, m.SOA)
    assert [(rrset.rdtype, rrset.name) for rrset in reply.answer] == [(dns.rdatatype.SOA, dns.name.from_text(zone))]


@pytest.mark.parametrize("address", ["1.0.0.10", "1.1.168.192", "53.0.0.127", "1.64.100.100", "9.254.16.172"])
def test_a_private_address_has_no_name(address: str) -> None:
    assert said(f"{address}.in-addr.arpa", 12).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("name", ["resolver.arpa", "_dns.resolver.arpa", "x.resolver.arpa", "x._dns.resolver.arpa"])
@pytest.mark.parametrize("qtype", [m.A, SVCB, m.TXT, m.ANY, 261], ids=["A", "SVCB", "TXT", "ANY", "RESINFO"])
def test_every_name_of_the_resolver_exists_and_has_nothing(name: str, qtype: int) -> None:
    assert_denied(said(name, qtype), dns.rcode.NOERROR, "resolver.arpa")


@pytest.mark.parametrize("zone", OWN_ZONES)
def test_an_empty_zone_is_proven_insecure_by_its_parent(zone: str) -> None:
    assert answer_locally(ask(zone, DS)) is None
    said(f"1.{zone}", DS)


@pytest.mark.parametrize("zone", OWN_ZONES)
def test_an_empty_zone_names_itself_as_its_server(zone: str) -> None:
    (rrset,) = said(zone, m.NS).answer
    assert (rrset.rdtype, rrset.name, rrset[0].target) == (dns.rdatatype.NS, rrset.name, dns.name.from_text(zone))


def test_localhost_has_the_soa_that_its_denials_show() -> None:
    (rrset,) = said("localhost", m.SOA).answer
    assert (rrset.rdtype, rrset.name) == (dns.rdatatype.SOA, dns.name.from_text("localhost"))


@pytest.mark.parametrize("name", FORWARDED)
@pytest.mark.parametrize("qtype", [m.A, m.NS, DS], ids=["A", "NS", "DS"])
def test_a_probe_or_a_name_of_others_is_forwarded(name: str, qtype: int) -> None:
    assert answer_locally(ask(name, qtype)) is None


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_name_that_only_looks_like_a_special_one_is_forwarded(name: str) -> None:
    assert answer_locally(ask(name)) is None


@pytest.mark.parametrize(
    "label",
    [
        m.name("localhost"),
        m.name("test")[:-1],
        m.name("home.arpa"),
        m.name("home.arpa")[:-1],
        b"x" + m.name("10.in-addr.arpa"),
    ],
    ids=["localhost", "test without its root", "home.arpa", "home.arpa without its root", "a private zone"],
)
def test_the_bytes_of_a_special_name_inside_a_label_mean_nothing(label: bytes) -> None:
    assert answer_locally(ask(bytes([len(label)]) + label + m.ROOT)) is None


@pytest.mark.parametrize("name", ["example.com", ".", "in-addr.arpa"])
def test_any_is_answered_with_the_shortest_answer_there_is(name: str) -> None:
    query = ask(name, m.ANY)
    local = answer_locally(query)
    assert local is not None
    assert (local.reason, local.ttl) == (Reason.MINIMAL_ANY, ANY_TTL)
    reply = dns.message.from_wire(write_reply(query, local.content))
    [rrset] = reply.answer
    assert (reply.rcode(), reply.flags & m.AA) == (dns.rcode.NOERROR, 0)
    assert rrset.to_text() == f'{dns.name.from_text(name)} {ANY_TTL} IN HINFO "RFC8482" ""'


special_endings = st.sampled_from([b"", *(m.name(zone) for zone in [*RESERVED, *EMPTY_ZONES, *LOCALHOST])])


@st.composite
def special_qnames(draw: st.DrawFn) -> bytes:
    """Any name, or a name under a special one, or one of which the last label has been tampered with."""
    front, ending = draw(qnames()), draw(special_endings)
    qname = front[:-1] + (ending or m.ROOT)
    if draw(st.booleans()):
        qname = bytes([len(qname)]) + qname + m.ROOT if len(qname) < 64 else qname
    return qname if len(qname) <= 255 else m.ROOT


@given(special_qnames(), qtypes | st.integers(0, 65_535))
@deterministic
def test_whatever_is_asked_the_answer_if_there_is_one_can_be_read(qname: bytes, qtype: int) -> None:
    query = ask(qname, qtype)
    local = answer_locally(query)
    assert local is None or _is_readable(query, local)


def _is_readable(query: Query, local: LocalAnswer) -> bool:
    reply = dns.message.from_wire(write_reply(query, local.content))
    return reply.question[0].rdtype == query.qtype and bool(reply.answer or reply.authority)
