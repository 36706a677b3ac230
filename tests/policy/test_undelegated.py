"""Names under top-level domains that do not exist: what is said, as dnspython reads it, and to whom."""

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given

from dohproxy.config.schema import RuleMode
from dohproxy.outcomes import Reason
from dohproxy.policy.rule_switches import RuleSwitch
from dohproxy.policy.special_names import LocalAnswer
from dohproxy.policy.suffixes import PublicSuffixes
from dohproxy.policy.undelegated import ROOT_MINIMUM, Undelegated, serial_of
from dohproxy.wire.name import from_text
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import write_reply
from tests.wire import messages as m
from tests.wire.strategies import deterministic, qnames

PUBLISHED = 1_792_627_200.0  # 2026-10-22
SUFFIXES = PublicSuffixes({}, frozenset(from_text(name) for name in ("net", "com", "arpa")), PUBLISHED)
RANDOM = "abcdefghijklmnop.test.dnscrypt"


def undelegated(*, ttl: int = 900, may_deny: bool = True) -> Undelegated:
    rule = Undelegated(SUFFIXES, negative_ttl_max=ttl)
    rule.use(SUFFIXES, may_deny=may_deny)
    return rule


def ask(name: str | bytes, qtype: int = m.NS, *, flags: int = m.RD, dnssec_ok: bool = False) -> Query:
    qname = m.name(name) if isinstance(name, str) else name
    return parse_query(m.query(m.question(qname, qtype), m.opt(dnssec_ok=dnssec_ok), flags=flags))


def read(query: Query, local: LocalAnswer | None) -> dns.message.Message:
    assert local is not None
    assert local.reason is Reason.UNDELEGATED
    return dns.message.from_wire(write_reply(query, local.content))


@pytest.mark.parametrize("name", [RANDOM, "qkwbvzrdsz", "nonexistent-zone.dnscrypt-test", "printer.LAN", "com.home"])
@pytest.mark.parametrize("qtype", [m.A, m.NS, m.HTTPS, m.SOA, 43], ids=["A", "NS", "HTTPS", "SOA", "DS"])
def test_a_name_under_no_top_level_domain_does_not_exist(name: str, qtype: int) -> None:
    query = ask(name, qtype)
    reply = read(query, undelegated().answer(query))
    assert (reply.rcode(), reply.answer, reply.additional) == (dns.rcode.NXDOMAIN, [], [])
    assert reply.id == query.id
    assert reply.flags & 0xFFF0 == m.QR | m.RD | m.RA


def test_the_denial_shows_the_soa_of_the_root() -> None:
    query = ask(RANDOM)
    [soa] = read(query, undelegated().answer(query)).authority
    assert (soa.name, soa.rdtype, soa.ttl) == (dns.name.root, dns.rdatatype.SOA, 900)
    names = "a.root-servers.net. nstld.verisign-grs.com."
    assert soa[0].to_text() == f"{names} 2026102200 1800 900 604800 86400"


@pytest.mark.parametrize(
    ("longest", "ttl"), [(1, 1), (900, 900), (10_800, 10_800), (200_000, ROOT_MINIMUM)], ids=lambda value: f"{value} s"
)
def test_it_is_kept_no_longer_than_any_denial(longest: int, ttl: int) -> None:
    query = ask(RANDOM)
    local = undelegated(ttl=longest).answer(query)
    assert local is not None
    assert (local.ttl, read(query, local).authority[0].ttl) == (ttl, ttl)


@pytest.mark.parametrize("name", ["net", "www.example.net", "arpa", "1.in-addr.arpa", "dnscrypt.net", "."])
def test_a_name_under_a_top_level_domain_is_asked_for(name: str) -> None:
    assert undelegated().answer(ask(name)) is None


@pytest.mark.parametrize(
    ("flags", "dnssec_ok"), [(m.RD, True), (m.RD | m.CD, False), (m.RD | m.CD, True)], ids=["DO", "CD", "both"]
)
def test_who_validates_is_to_have_the_root_s_own_proof(flags: int, dnssec_ok: bool) -> None:
    assert undelegated().answer(ask(RANDOM, flags=flags, dnssec_ok=dnssec_ok)) is None


def test_asking_for_the_ad_bit_is_not_validating_and_the_bit_is_not_set() -> None:
    query = ask(RANDOM, flags=m.RD | m.AD)
    assert not read(query, undelegated().answer(query)).flags & m.AD


def test_nothing_is_denied_before_somebody_says_that_the_list_is_good_for_it() -> None:
    assert Undelegated(SUFFIXES, negative_ttl_max=900).answer(ask(RANDOM)) is None
    assert undelegated(may_deny=False).answer(ask(RANDOM)) is None


def test_another_list_is_in_force_at_once() -> None:
    rule = undelegated()
    rule.use(PublicSuffixes({}, frozenset({from_text("dnscrypt")}), PUBLISHED + 86_400), may_deny=True)
    assert rule.answer(ask(RANDOM)) is None
    query = ask("www.example.net")
    assert read(query, rule.answer(query)).authority[0][0].serial == 2026102300


@pytest.mark.parametrize(("published", "serial"), [(0.0, 1970010100), (PUBLISHED, 2026102200)])
def test_a_serial_is_written_like_the_root_s(published: float, serial: int) -> None:
    assert serial_of(published) == serial
    assert serial < 2**32


@given(qnames())
@deterministic
def test_whatever_bytes_the_name_has_it_is_asked_for_or_denied(qname: bytes) -> None:
    query = ask(qname)
    local = undelegated().answer(query)
    assert local is None or read(query, local).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("may_deny", [True, False])
def test_what_the_list_has_is_told_whether_or_not_it_may_deny(*, may_deny: bool) -> None:
    rule = undelegated(may_deny=may_deny)
    assert [rule.is_listed(from_text(name)) for name in ("net", "example.net", "lan")] == [True, False, False]


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_rule_that_does_not_act_denies_nothing_and_tells_what_it_would(mode: RuleMode) -> None:
    rule = undelegated()
    rule.switch = RuleSwitch(mode)
    assert rule.answer(ask(RANDOM)) is None
    assert read(ask(RANDOM), rule.foresee(ask(RANDOM))).rcode() == dns.rcode.NXDOMAIN
    assert rule.foresee(ask("www.example.net")) is None
    assert rule.switch.shadowed == 0
