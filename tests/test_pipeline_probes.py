"""The health probes of popular clients, as their own source sends them: what all of them together cost the upstream."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import dns.message
import dns.rcode
import pytest

from dohproxy.jobs.suffix_watch import installed_list
from dohproxy.outcomes import Client, Reason
from dohproxy.policy.probes import ProbeKind
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query
from dohproxy.wire.upstream_query import upstream_question
from tests.fakes.walk import Walk, client_of, post
from tests.wire import messages as m

AAAA = 28
TTL = 300
CLIENTS = 50
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
ABSENT = (m.name("dnscrypt"), m.name("dnscrypt-test"))


def truth(query: Query) -> Answer:
    """What an honest resolver knows: undelegated names do not exist, all others have what is asked for, and owners are
    spelled out."""
    question = upstream_question(query)
    if query.qname.endswith(ABSENT):
        wire = m.answer(authority=(m.soa(ttl=TTL),), asked=question, flags=m.QR | m.RD | m.RA | Rcode.NXDOMAIN)
    else:
        rdata = {m.A: b"\xc0\x00\x02\x01", AAAA: bytes(16), m.NS: m.name("ns.example.net"), m.TXT: b"\x04text"}
        wire = m.answer(m.record(query.qtype, rdata[query.qtype], ttl=TTL, owner=question[:-4]), asked=question)
    return parse_answer(wire, query)


def random_letters(number: int, length: int) -> str:
    """Letters and digits that differ from one client to the next."""
    return "".join(LETTERS[(number * 7 + slot * (number + 3)) % len(LETTERS)] for slot in range(length))


def random_small_letters(number: int, length: int) -> str:
    return "".join(LETTERS[(number * 5 + slot * (number + 3)) % 26] for slot in range(length))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of probe."""

    name: str | Callable[[int], str]
    qtype: int
    asks: int
    """Queries that the upstream gets in one TTL, however many clients probe."""
    edns: bytes = b""
    """The OPT record, b"" for none."""
    flags: int = m.RD
    rcode: int = Rcode.NOERROR
    identifier: int | None = None
    """The ID that it always has; None: a random one."""

    def name_of(self, number: int) -> str:
        """The name that one client asks for."""
        return self.name if isinstance(self.name, str) else self.name(number)

    def query(self, number: int) -> bytes:
        """The probe of one client."""
        identifier = number * 997 % 65_536 if self.identifier is None else self.identifier
        additional = [self.edns] if self.edns else []
        return m.message(
            self.flags,
            [m.question(m.name(self.name_of(number)), self.qtype)],
            [],
            [],
            additional,
            identifier=identifier,
        )


def padded(number_of_bytes: int) -> bytes:
    return m.opt(m.option(m.PADDING, bytes(number_of_bytes)))


KINDS = {
    # dnscrypt-proxy: every listed server, every few hours. The first with DO until 2020.
    "dnscrypt-proxy, the root, 2019": Kind(".", m.NS, 1, m.opt(dnssec_ok=True), identifier=0xCAFE),
    "dnscrypt-proxy, the root, today": Kind(".", m.NS, 1, padded(16), identifier=0xCAFE),
    "dnscrypt-proxy, a name that must not exist": Kind(
        lambda number: f"{random_small_letters(number, 16)}.test.dnscrypt",
        *(m.NS, 0, padded(16)),
        rcode=Rcode.NXDOMAIN,
        identifier=0xCAFE,
    ),
    "dnscrypt-proxy -check, who resolves": Kind("resolver.dnscrypt.info", m.TXT, 1, m.opt(m.subnet())),
    "dnscrypt-proxy -check, a zone that must not exist": Kind(
        "nonexistent-zone.dnscrypt-test", m.A, 0, m.opt(), m.RD | m.AD, Rcode.NXDOMAIN
    ),
    "dnscrypt-proxy -check, the same with DO": Kind(
        "nonexistent-zone.dnscrypt-test", m.A, 1, m.opt(dnssec_ok=True), m.RD | m.AD, Rcode.NXDOMAIN
    ),
    "Chromium, its resolver works": Kind("www.gstatic.com", m.A, 1, padded(60), identifier=0),
    "Chromium, nobody lies": Kind(
        lambda number: random_small_letters(number, 7 + number % 9), m.A, 0, padded(60), rcode=Rcode.NXDOMAIN
    ),
    "Firefox": Kind("example.com", m.NS, 1, padded(60), identifier=0),
    "Apple": Kind("apple.com", m.NS, 1, padded(60), identifier=0),
    "Android over HTTPS": Kind(lambda number: f"{random_letters(number, 6)}-dnsohttps-ds.metric.gstatic.com", AAAA, 1),
    "Android over TLS": Kind(lambda number: f"{random_letters(number, 6)}-dnsotls-ds.metric.gstatic.com", AAAA, 1),
    "Android, longer names": Kind(lambda number: f"{random_letters(number, 8)}-dnsotls-ds.metric.gstatic.com", AAAA, 1),
    "the list's own checks": Kind("one.net", m.A, 1, identifier=0),
    "the list's monitor": Kind("example.com", m.A, 1),
    "NextDNS": Kind("probe-test.dns.nextdns.io", m.A, 1),
}
ROOT_FLAGS = [
    pytest.param(flags, edns, id=f"{flags:04x}, {what}")
    for flags, (what, edns) in product(
        (m.RD, m.RD | m.AD, m.RD | m.CD, m.RD | m.AD | m.CD),
        (("no EDNS", b""), ("EDNS", m.opt()), ("DO", m.opt(dnssec_ok=True)), ("padding", padded(100))),
    )
]


def walk_with_the_list() -> Walk:
    """A walk as it is in service: what is in no list of top-level domains does not exist."""
    walk = Walk(may_deny=True, script=truth)
    walk.names.use(installed_list(), may_deny=True)
    return walk


def clients() -> Iterator[tuple[int, Client]]:
    for number in range(1, CLIENTS + 1):
        yield number, client_of(number.to_bytes(4), (number * 65_537, number * 104_729))


async def probe(walk: Walk, kind: Kind) -> list[dns.message.Message]:
    """Let every client probe once, and hold what each of them checks."""
    replies = []
    for number, client in clients():
        wire = kind.query(number)
        response = await walk.send(post(wire), client)
        reply = dns.message.from_wire(response.body)
        question = 12 + len(m.question(m.name(kind.name_of(number)), kind.qtype))
        assert response.body[:2] + response.body[12:question] == wire[:2] + wire[12:question]
        assert 17 <= len(response.body) <= 4_096
        assert reply.rcode() == kind.rcode
        assert {rrset.name for rrset in reply.answer} <= {reply.question[0].name}
        replies.append(reply)
    return replies


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_a_kind_of_probe_costs_the_upstream_one_query_in_a_ttl_or_none(kind: Kind) -> None:
    walk = walk_with_the_list()
    await probe(walk, kind)
    assert len(walk.resolver.asked) == kind.asks
    walk.clock.pass_by(TTL - 1)
    await probe(walk, kind)
    assert len(walk.resolver.asked) == kind.asks
    walk.clock.pass_by(2)
    await probe(walk, kind)
    assert len(walk.resolver.asked) == 2 * kind.asks


@pytest.mark.parametrize(("flags", "edns"), ROOT_FLAGS)
async def test_the_name_servers_of_the_root_cost_one_query_in_a_ttl_whatever_the_flags(flags: int, edns: bytes) -> None:
    walk = walk_with_the_list()
    await probe(walk, Kind(".", m.NS, 1, edns, flags))
    assert len(walk.resolver.asked) == 1


async def test_all_flags_together_cost_one_query_for_each_do_and_cd() -> None:
    walk = walk_with_the_list()
    for parameters in ROOT_FLAGS:
        flags, edns = parameters.values
        await probe(walk, Kind(".", m.NS, 1, edns, flags))  # type: ignore[arg-type]  # they are what was put in above
    assert len(walk.resolver.asked) == 4


async def test_all_probes_of_all_clients_together_cost_what_each_kind_does() -> None:
    walk = walk_with_the_list()
    for kind in KINDS.values():
        await probe(walk, kind)
    assert len(walk.resolver.asked) == sum(kind.asks for kind in KINDS.values())
    seen = walk.names.probes.statistics()
    assert seen == {
        ProbeKind.ANDROID_HTTPS: CLIENTS,
        ProbeKind.ANDROID_TLS: 2 * CLIENTS,
        ProbeKind.DNSCRYPT_ROOT: 2 * CLIENTS,
        ProbeKind.DNSCRYPT_RANDOM: CLIENTS,
    }


async def test_android_is_answered_stale_by_the_one_entry_too() -> None:
    walk = walk_with_the_list()
    kind = KINDS["Android over HTTPS"]
    await probe(walk, kind)
    walk.clock.pass_by(TTL + 1)
    walk.resolver.script = lambda _: None
    await probe(walk, kind)
    assert walk.reason is Reason.STALE


async def test_android_asks_for_each_type_once() -> None:
    walk = walk_with_the_list()
    for qtype in (m.A, AAAA):
        await probe(walk, Kind(KINDS["Android over HTTPS"].name, qtype, 1))
    assert len(walk.resolver.asked) == 2
