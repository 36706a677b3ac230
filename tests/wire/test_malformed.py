"""Every fault has a packet that makes it fire: no name in the metric that nothing can raise."""

import struct

import pytest

from dohproxy.wire.answer import parse_answer
from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.query import parse_query
from fuzz.invariants import check_answer, check_query
from fuzz.worst_cases import long_chain
from tests.wire import messages as m

COUNTS = "!6H"
EMPTY = m.message(m.QR, [m.question()])

REFUSED_QUERIES = {
    "sixteen bytes are shorter than the smallest query": (Fault.TOO_SHORT, m.query(m.question(m.ROOT))[:-1]),
    "no bytes at all are too short": (Fault.TOO_SHORT, b""),
    "65,536 bytes are no DNS message": (Fault.TOO_LONG, m.query() + bytes(65_536)),
    "a query with QR set is a response": (Fault.RESPONSE, m.query(flags=m.QR | m.RD)),
    "a query framed as for TCP begins with its length": (
        Fault.LENGTH_PREFIX, struct.pack("!H", len(m.query())) + m.query(identifier=0),
    ),
    "a query framed as for TCP is told from a response whatever its ID": (
        Fault.LENGTH_PREFIX, struct.pack("!H", len(m.query())) + m.query(identifier=0xFFFF),
    ),
    "an UPDATE is another opcode": (Fault.OPCODE, m.query(flags=5 << 11)),
    "two questions are one too many": (Fault.QUESTION_COUNT, m.message(0, [m.question(), m.question()])),
    "no question is one too few": (Fault.QUESTION_COUNT, m.message(0, [], [], [], [m.opt()])),
    "an answer record has no place in a query": (Fault.RECORDS_IN_QUERY, m.message(0, [m.question()], [m.record()])),
    "an authority record has no place in a query": (
        Fault.RECORDS_IN_QUERY, m.message(0, [m.question()], [], [m.soa()]),
    ),
    "an additional address has no place in a query": (Fault.RECORDS_IN_QUERY, m.query(m.question(), m.record())),
    "a record behind the OPT has no place in a query": (
        Fault.RECORDS_IN_QUERY, m.query(m.question(), m.opt(), m.record()),
    ),
    "a TSIG has no place in a query": (
        Fault.RECORDS_IN_QUERY, m.query(m.question(), m.opt(), m.record(250, owner=m.name("key"))),
    ),
    "the question's name may not be compressed": (
        Fault.POINTER_IN_QUESTION, m.query(m.question(b"\x03www\xc0\x0c")),
    ),
    "a name that runs over the end is cut short": (Fault.CUT_SHORT, m.query(b"\x3f" + b"a" * 20)),
    "a question without a class is cut short": (Fault.CUT_SHORT, m.query(m.question()[:-1])),
    "an announced OPT that is missing is cut short": (
        Fault.CUT_SHORT, struct.pack(COUNTS, 0, 0, 1, 0, 0, 1) + m.question(),
    ),
    "an OPT without its length is cut short": (Fault.CUT_SHORT, m.query(m.question(), m.opt()[:-1])),
    "an OPT longer than the message is cut short": (
        Fault.CUT_SHORT, m.query(m.question(), m.opt(m.option(m.COOKIE, b"12345678"))[:-1]),
    ),
    "label type 0x40 is obsolete": (Fault.LABEL, m.query(m.question(b"\x41" + b"a" * 65 + m.ROOT))),
    "label type 0x80 is reserved": (Fault.LABEL, m.query(m.question(b"\x80" + b"a" * 65 + m.ROOT))),
    "a name of 256 bytes is too long": (
        Fault.NAME_TOO_LONG, m.query(m.question((b"\x01a") * 126 + b"\x02aa" + m.ROOT)),
    ),
    "bytes after the question are smuggled": (Fault.TRAILING_BYTES, m.query() + b"\x00"),
    "bytes after the OPT are smuggled": (Fault.TRAILING_BYTES, m.query(m.question(), m.opt()) + b"\x00"),
    "two OPT are one too many": (Fault.TWO_OPT, m.query(m.question(), m.opt(), m.opt())),
    "an OPT under a name is none": (Fault.OPT_OWNER, m.query(m.question(), m.opt(owner=m.name("a.b")))),
    "half a pointer where an OPT should be": (Fault.CUT_SHORT, m.query(m.question(), b"\xff")),
    "half a type where an OPT should be": (Fault.CUT_SHORT, m.query(m.question(), m.name("a") + b"\x00")),
    "an OPT under a pointer is none": (Fault.OPT_OWNER, m.query(m.question(), m.opt(owner=m.QNAME))),
    "an option longer than its OPT": (Fault.OPTION, m.query(m.question(), m.opt(b"\x00\x0a\x00\x02a"))),
    "half an option's head": (Fault.OPTION, m.query(m.question(), m.opt(b"\x00\x0a\x00"))),
    "seventeen options are more than any client sends": (
        Fault.TOO_MANY_OPTIONS, m.query(m.question(), m.opt(m.option(m.COOKIE) * 17)),
    ),
    "an ECS of an unknown family": (Fault.CLIENT_SUBNET, m.query(m.question(), m.opt(m.subnet(family=3)))),
}  # fmt: skip

REFUSED_ANSWERS = {
    "less than a header is too short for an answer": (Fault.TOO_SHORT, EMPTY[:11]),
    "a header alone that denies a name does not say which": (Fault.QUESTION_COUNT, m.message(m.QR | 3, [])),
    "a header alone that says nothing": (Fault.QUESTION_COUNT, EMPTY[:12]),
    "an error about nothing with a record": (
        Fault.QUESTION_COUNT, m.message(m.QR | 5, [], [], [], [m.record(owner=m.ROOT)]),
    ),
    "an error about nothing with a record of authority": (
        Fault.QUESTION_COUNT, m.message(m.QR | 5, [], [], [m.record(owner=m.ROOT)], []),
    ),
    "an error about nothing with bytes behind it": (Fault.TRAILING_BYTES, m.message(m.QR | 5, []) + b"tail"),
    "an error about nothing with two OPT": (
        Fault.QUESTION_COUNT, m.message(m.QR | 5, [], [], [], [m.opt(), m.opt()]),
    ),
    "65,536 bytes are no answer": (Fault.TOO_LONG, EMPTY + bytes(65_536)),
    "a query is no response": (Fault.NOT_A_RESPONSE, m.query()),
    "a NOTIFY response is no response to a query": (Fault.NOT_A_RESPONSE, m.answer(flags=m.QR | 4 << 11)),
    "an answer to two questions": (Fault.QUESTION_COUNT, m.message(m.QR, [m.question(), m.question()])),
    "an answer to no question": (Fault.QUESTION_COUNT, m.message(m.QR, [], [m.record(owner=m.ROOT)])),
    "an answer to another name": (Fault.OTHER_QUESTION, m.answer(asked=m.question(m.name("www.example.com")))),
    "an answer to another type": (Fault.OTHER_QUESTION, m.answer(asked=m.question(qtype=28))),
    "an answer to another class": (Fault.OTHER_QUESTION, m.answer(asked=m.question(qclass=3))),
    "1,025 records are more than any honest answer has": (
        Fault.TOO_MANY_RECORDS, m.answer(*[m.record()] * 1_025),
    ),
    "an answer's question may not be compressed": (Fault.POINTER_IN_QUESTION, m.answer(asked=m.question(m.QNAME))),
    "an announced record that is missing": (
        Fault.CUT_SHORT, struct.pack(COUNTS, 0, m.QR, 1, 1, 0, 0) + m.question(),
    ),
    "a record without its length": (Fault.CUT_SHORT, m.answer(m.record(rdata=b"")[:-1])),
    "rdata longer than the message": (Fault.CUT_SHORT, m.answer(m.record()[:-1])),
    "half a pointer at the end": (Fault.CUT_SHORT, m.answer(b"\xc0")),
    "an owner with an obsolete label": (Fault.LABEL, m.answer(m.record(owner=b"\x7fa"))),
    "an owner of more than 255 bytes in place": (
        Fault.NAME_TOO_LONG, m.answer(m.record(owner=b"\x01a" * 127 + b"\x01a" + m.ROOT)),
    ),
    "an owner of more than 255 bytes, its pointer followed": (
        Fault.NAME_TOO_LONG, m.answer(m.record(owner=b"\x01a" * 121 + m.QNAME)),
    ),
    "a pointer to itself": (Fault.POINTER, m.answer(m.record(owner=m.pointer(12 + len(m.question()))))),
    "a pointer forwards": (Fault.POINTER, m.answer(m.record(owner=m.pointer(200)))),
    "a pointer into the header": (Fault.POINTER, m.answer(m.record(owner=m.pointer(11)))),
    "two pointers to each other": (
        Fault.POINTER, m.answer(m.record(owner=b"\x01a" + m.pointer(12 + len(m.question())))),
    ),
    "two OPT in an answer": (Fault.TWO_OPT, m.answer(additional=(m.opt(), m.opt()))),
    "an OPT under a name in an answer": (Fault.OPT_OWNER, m.answer(additional=(m.opt(owner=m.QNAME),))),
    "an OPT among the answers": (Fault.OPT_PLACE, m.answer(m.opt())),
    "an OPT in the authority section": (Fault.OPT_PLACE, m.answer(authority=(m.opt(),))),
    "an option longer than the answer's OPT": (Fault.OPTION, m.answer(additional=(m.opt(b"\x00\x0f\x00\x02a"),))),
    "seventeen options in an answer": (
        Fault.TOO_MANY_OPTIONS, m.answer(additional=(m.opt(m.option(m.COOKIE) * 17),)),
    ),
    "an SOA that cannot hold five numbers": (Fault.RDATA, m.answer(authority=(m.record(m.SOA, bytes(21)),))),
    "an address of another name": (Fault.UNRELATED, m.answer(m.record(owner=m.name("other.example")))),
    "a pointer into a TTL": (
        Fault.POINTER,
        m.answer(m.record(ttl=0), m.record(owner=m.pointer(12 + len(m.question()) + len(m.QNAME) + 7))),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "wire"), REFUSED_QUERIES.values(), ids=list(REFUSED_QUERIES))
def test_a_query_is_refused_by_name(fault: Fault, wire: bytes) -> None:
    refusal = check_query(wire)
    assert isinstance(refusal, Malformed)
    assert refusal.fault is fault


@pytest.mark.parametrize(("fault", "wire"), REFUSED_ANSWERS.values(), ids=list(REFUSED_ANSWERS))
def test_an_answer_is_refused_by_name(fault: Fault, wire: bytes) -> None:
    with pytest.raises(Malformed, match=f"^{fault}$"):
        parse_answer(wire, parse_query(m.query()))
    check_answer(wire)


def test_names_that_cost_more_than_the_budget_are_refused_by_name() -> None:
    refusal = check_answer(long_chain(links=8_000, records=500))
    assert isinstance(refusal, Malformed)
    assert refusal.fault is Fault.COMPRESSION_WORK


def test_every_fault_has_a_packet_that_makes_it_fire() -> None:
    fired = {fault for fault, _ in (*REFUSED_QUERIES.values(), *REFUSED_ANSWERS.values())}
    assert fired | {Fault.COMPRESSION_WORK} == set(Fault)


def test_a_refusal_says_no_more_than_the_fault() -> None:
    with pytest.raises(Malformed) as refusal:
        parse_query(b"secret.example")
    assert str(refusal.value) == refusal.value.fault == "too_short"
