"""An NXDOMAIN under questions that it did not answer: dnspython reads the same records, or it is not moved."""

import struct

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.query import parse_query
from dohproxy.wire.relocate import MOST_RECORDS_MOVED, Denial, relocate
from dohproxy.wire.reply import age_ttls, content_of, write_reply
from fuzz import oracle
from fuzz.invariants import check_answer, check_denial
from tests.wire import messages as m
from tests.wire.strategies import deterministic, labels, qnames, ttls

ASKED = m.question(m.name("www.Example.net"))
DENIED = m.QR | m.RD | m.RA | 3
ZONE = m.pointer(16)
"""example.net, inside of the question."""
RRSIG, NSEC, NSEC3 = 46, 47, 50
A_AND_RRSIG = b"\x00\x06\x40\x00\x00\x00\x00\x02"
NUMBERS = struct.pack("!5I", 2026, 7_200, 900, 1_209_600, 300)

SOA = m.record(m.SOA, b"\x02ns" + ZONE + b"\x05admin" + ZONE + NUMBERS, owner=ZONE)
SIGNED = (
    SOA,
    m.record(
        RRSIG, struct.pack("!HBBIIIH", m.SOA, 13, 2, 900, 9, 1, 7) + m.name("example.net") + bytes(64), owner=ZONE
    ),
    m.record(NSEC, m.name("zzz.example.net") + A_AND_RRSIG, owner=b"\x01m" + ZONE),
    m.record(NSEC, m.name("a.example.net") + A_AND_RRSIG, owner=ZONE),
)
HASHED = (SOA, m.record(NSEC3, b"\x01\x01\x00\x00\x00\x14" + bytes(20) + A_AND_RRSIG, owner=b"\x20" + b"a" * 32 + ZONE))


def denied(*authority: bytes, asked: bytes = ASKED, answers: tuple[bytes, ...] = (), flags: int = DENIED) -> bytes:
    return m.answer(*answers, authority=authority, asked=asked, flags=flags)


def parsed(wire: bytes, asked: bytes = ASKED) -> Answer:
    return parse_answer(wire, parse_query(m.query(asked)))


def moved(wire: bytes, asked: bytes = ASKED) -> Denial | None:
    return relocate(parsed(wire, asked), asked)


@pytest.mark.parametrize("authority", [(SOA,), SIGNED, HASHED], ids=["an SOA alone", "NSEC", "NSEC3"])
def test_a_denial_reads_the_same_under_any_question(authority: tuple[bytes, ...]) -> None:
    wire = denied(*authority)
    denial = check_denial(parsed(wire), ASKED, wire)
    assert denial is not None
    assert denial.zone == m.name("example.net")
    deeper = parse_query(m.query(m.question(m.name("a.deeper.name.Under.www.example.net"), m.HTTPS)))
    reply = dns.message.from_wire(write_reply(deeper, content_of(denial.answer)))
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert reply.authority == dns.message.from_wire(wire).authority


def test_the_case_of_a_name_that_was_asked_for_is_kept_and_that_of_the_zone_is_not() -> None:
    denial = moved(denied(SOA))
    assert denial is not None
    assert denial.answer.records.startswith(m.name("Example.net"))
    assert denial.zone == m.name("example.net")


def test_the_ttls_are_where_they_are_said_to_be() -> None:
    denial = moved(denied(*SIGNED))
    assert denial is not None
    records = age_ttls(denial.answer, 100)
    assert [struct.unpack_from("!I", records, place)[0] for place in denial.answer.ttl_offsets] == [200] * len(SIGNED)


@pytest.mark.parametrize(
    "wire",
    [
        denied(SOA, flags=m.QR),
        denied(SOA, flags=m.QR | 2),
        denied(SOA, answers=(m.record(m.CNAME, m.name("other.example")),)),
        denied(SOA, m.record(m.NS, m.name("ns.example.net"), owner=ZONE)),
        denied(SOA, m.record(65_280, m.name("what.is.this"))),
        m.answer(authority=(SOA,), additional=(m.record(),), asked=ASKED, flags=DENIED),
        denied(),
        denied(SIGNED[2]),
        denied(SOA, SOA),
        denied(SOA, *SIGNED[2:3] * MOST_RECORDS_MOVED),
        denied(SOA, *[m.record(RRSIG, bytes(2_100), owner=ZONE)] * 4),
    ],
    ids=[
        "NODATA",
        "a failure",
        "a CNAME to what does not exist",
        "a type with other names in it",
        "a type that nobody knows",
        "an additional record",
        "nothing",
        "no SOA",
        "two SOAs",
        "too many records",
        "too many bytes",
    ],
)
def test_what_is_in_doubt_is_not_moved(wire: bytes) -> None:
    assert moved(wire) is None


@pytest.mark.parametrize(("others", "is_moved"), [(13, True), (15, False)], ids=["13 more", "15 more"])
def test_a_small_message_is_spelled_out_up_to_a_limit(others: int, *, is_moved: bool) -> None:
    asked = m.question(b"\x01a" * 127 + m.ROOT)
    soa = m.record(m.SOA, m.QNAME + m.QNAME + NUMBERS)
    wire = denied(soa, *[m.record(NSEC, m.QNAME + A_AND_RRSIG)] * others, asked=asked)
    assert len(wire) < 800
    assert (moved(wire, asked) is not None) == is_moved


@st.composite
def denials(draw: st.DrawFn) -> bytes:
    """What authorities and resolvers say of a name that does not exist, compressed wherever that is allowed."""
    asked = m.question(draw(qnames()))
    wire = bytearray(12) + asked
    targets = [12]

    def name(at: int) -> bytes:
        own = b"".join(bytes([len(part)]) + part for part in draw(st.lists(labels, max_size=2)))
        tail = draw(st.sampled_from([m.ROOT, *(m.pointer(target) for target in targets)]))
        targets.append(at)
        return own + tail

    def plain() -> bytes:
        return draw(qnames())

    types = draw(st.permutations([m.SOA, *draw(st.lists(st.sampled_from([RRSIG, NSEC, NSEC3]), max_size=5))]))
    for rtype in types:
        owner = name(len(wire))
        at = len(wire) + len(owner) + 10
        match rtype:
            case m.SOA:
                first = name(at)
                rdata = first + name(at + len(first)) + struct.pack("!5I", 1, 2, 3, 4, draw(ttls))
            case 46:
                rdata = struct.pack("!HBBIIIH", draw(st.sampled_from([6, 47])), 13, 2, 9, 9, 1, 7) + plain() + bytes(64)
            case 47:
                rdata = plain() + A_AND_RRSIG
            case _:
                rdata = b"\x01\x01\x00\x00\x02\xab\xcd\x14" + bytes(20) + A_AND_RRSIG
        wire += m.record(rtype, rdata, ttl=draw(ttls), owner=owner)
    struct.pack_into("!6H", wire, 0, 0x1234, DENIED, 1, 0, len(types), 0)
    return bytes(wire)


@deterministic
@given(denials())
def test_whatever_denial_is_written_it_reads_the_same_in_its_new_place(wire: bytes) -> None:
    outcome = check_answer(wire)
    if isinstance(outcome, Answer) and oracle.read(wire) is not None:
        assert relocate(outcome, wire[12 : len(wire) - len(outcome.records)]) is not None
