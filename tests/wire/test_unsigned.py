"""An answer without its signatures and proofs: what nobody has asked for is gone, the rest reads the same."""

import struct

import dns.message
import pytest
from hypothesis import given

from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from dohproxy.wire.reply import Content, write_reply
from dohproxy.wire.unsigned import LARGEST_UNSIGNED_BYTES, without_proofs
from fuzz import oracle
from fuzz.invariants import check_answer, client_query, query_for
from tests.wire import messages as m
from tests.wire.strategies import answers, deterministic

RRSIG, NSEC, NSEC3, DNSKEY = 46, 47, 50, 48
START = 12 + len(m.question())
TARGET = m.pointer(START + 12)
"""Where the alias of the first record leads."""
SIGNED = (
    m.record(m.CNAME, b"\x04edge" + m.pointer(16)),
    m.record(RRSIG, struct.pack("!HBBIIIH", m.CNAME, 13, 2, 9, 9, 1, 7) + m.name("example.net") + b"s" * 64),
    m.record(owner=TARGET),
    m.record(RRSIG, struct.pack("!HBBIIIH", m.A, 13, 2, 9, 9, 1, 7) + m.name("example.net") + b"s" * 64, owner=TARGET),
)
PROOF = m.record(NSEC, b"\x01z" + m.name("example.net") + b"\x00\x01\x40", owner=m.pointer(16))


def test_signatures_and_proofs_go_and_the_rest_is_spelled_out() -> None:
    unsigned = without_proofs(b"".join((*SIGNED, m.soa(), PROOF)), (4, 2, 0), m.question())
    assert unsigned is not None
    www, edge = m.name("www.Example.net"), m.name("edge.Example.net")
    soa = m.record(m.SOA, m.ROOT + m.ROOT + struct.pack("!5I", 1, 2, 3, 4, 600), ttl=900, owner=www)
    assert unsigned.records == m.record(m.CNAME, edge, owner=www) + m.record(owner=edge) + soa
    assert unsigned.counts == (2, 1, 0)


@pytest.mark.parametrize(
    ("qtype", "record"),
    [(RRSIG, SIGNED[1]), (NSEC, PROOF), (NSEC3, m.record(NSEC3, b"?")), (DNSKEY, m.record(DNSKEY, bytes(36)))],
    ids=["RRSIG", "NSEC", "NSEC3", "DNSKEY"],
)
def test_what_was_asked_for_by_its_type_stays(qtype: int, record: bytes) -> None:
    unsigned = without_proofs(record, (1, 0, 0), m.question(qtype=qtype))
    assert unsigned is not None
    assert unsigned.counts == (1, 0, 0)


def test_what_would_be_too_large_is_not_made() -> None:
    records = m.record(m.TXT, m.text(LARGEST_UNSIGNED_BYTES))
    assert without_proofs(records, (1, 0, 0), m.question(qtype=m.TXT)) is None


@deterministic
@given(answers())
def test_any_answer_without_its_proofs_has_the_same_other_records(wire: bytes) -> None:
    answer = check_answer(wire)
    if not isinstance(answer, Answer) or answer.truncated:
        return
    query = query_for(wire)
    unsigned = without_proofs(answer.records, answer.counts, query.qname + query.question[-4:])
    if unsigned is None:
        return
    before, after = _read(query, answer.records, answer.counts), _read(query, unsigned.records, unsigned.counts)
    if before is not None:
        assert after is not None
        assert _texts(after) == [text for text in _texts(before) if text[1] not in _proofs(query)]


def _read(query: Query, records: bytes, counts: tuple[int, int, int]) -> dns.message.Message | None:
    return oracle.read(write_reply(client_query(query.question, 0), Content(0, counts, records)))


def _texts(message: dns.message.Message) -> list[tuple[str, int, str]]:
    return [
        (str(rrset.name).lower(), rrset.rdtype, rdata.to_text().lower())
        for section in message.sections[1:]
        for rrset in section
        for rdata in rrset
    ]


def _proofs(query: Query) -> set[int]:
    return {RRSIG, NSEC, NSEC3} - {query.qtype}
