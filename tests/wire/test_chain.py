"""Which records of an answer belong to the question: its own, its aliases', and nobody else's."""

import struct

import pytest

from dohproxy.wire.answer import Answer, Kind, parse_answer
from dohproxy.wire.chain import belonging
from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.query import parse_query
from fuzz import oracle
from fuzz.invariants import check_reply
from tests.wire import messages as m

DNAME, RRSIG, HTTPS = 39, 46, 65
ASKED = m.name("www.example.net")
TARGET = m.name("target.example")
OTHER = m.name("other.example")
SOA = m.record(m.SOA, m.ROOT + m.ROOT + struct.pack("!5I", 1, 2, 3, 4, 600), owner=m.name("example"))


def alias(owner: bytes, target: bytes) -> bytes:
    return m.record(m.CNAME, target, owner=owner)


def tree(owner: bytes, target: bytes) -> bytes:
    return m.record(DNAME, target, owner=owner)


def address(owner: bytes) -> bytes:
    return m.record(owner=owner)


def signature(owner: bytes, covered: int) -> bytes:
    return m.record(RRSIG, struct.pack("!HBBIIIH", covered, 13, 2, 9, 9, 1, 7) + m.name("net") + b"s" * 8, owner=owner)


def parsed(wire: bytes, qtype: int = m.A) -> Answer:
    check_reply(wire)
    return parse_answer(wire, parse_query(m.query(m.question(qtype=qtype))))


def kept(*records: bytes, qtype: int = m.A) -> list[bytes]:
    """Return those of these uncompressed records that are kept in an answer."""
    heads, wire = [], bytes(12) + m.question(qtype=qtype)
    for record in records:
        fixed = record.index(b"\x00") + 1 if record[:2] != m.QNAME else 2
        heads.append((len(wire), len(wire) + fixed))
        wire += record
    found = belonging(wire, ASKED, qtype, heads)
    return [record for record, head in zip(records, heads, strict=True) if head in found]


CHAINS = {
    "records of the question's name": (address(ASKED), address(m.QNAME)),
    "its name in another case": (address(m.name("WWW.example.NET")),),
    "an alias and its target": (alias(m.QNAME, TARGET), address(TARGET)),
    "two aliases": (alias(m.QNAME, OTHER), alias(OTHER, TARGET), address(TARGET)),
    "aliases in disorder": (address(TARGET), alias(OTHER, TARGET), alias(m.QNAME, OTHER)),
    "an alias to two targets": (alias(m.QNAME, OTHER), alias(m.QNAME, TARGET), address(OTHER), address(TARGET)),
    "aliases in a circle": (alias(m.QNAME, OTHER), alias(OTHER, ASKED)),
    "an alias of itself": (alias(m.QNAME, ASKED),),
    "signatures of all that": (
        alias(m.QNAME, TARGET), signature(m.QNAME, m.CNAME), address(TARGET), signature(TARGET, m.A),
    ),
    "a tree, and the alias that it makes": (
        tree(m.name("example.net"), m.name("example.org")), signature(m.name("example.net"), DNAME),
        alias(m.QNAME, m.name("www.example.org")), address(m.name("www.example.org")),
    ),
    "a tree without the alias": (
        tree(m.name("example.net"), m.name("example.org")), address(m.name("www.example.org")),
    ),
    "a tree behind an alias": (
        alias(m.QNAME, m.name("a.b.example")), tree(m.name("b.example"), TARGET),
        address(b"\x01a" + TARGET),
    ),
}  # fmt: skip


@pytest.mark.parametrize("records", CHAINS.values(), ids=list(CHAINS))
def test_what_the_question_leads_to_is_kept_as_it_came(records: tuple[bytes, ...]) -> None:
    assert kept(*records) == list(records)
    assert kept(address(b"\x01x" + ASKED), *records, address(b"\x01y" + TARGET)) == list(records)


STRANGERS = {
    "another name's address": address(OTHER),
    "an address of a name below": address(b"\x01a" + ASKED),
    "an address of a name above": address(m.name("example.net")),
    "another type": m.record(m.TXT, b"\x01a"),
    "another type's signature": signature(m.QNAME, m.TXT),
    "an alias of another name": alias(OTHER, TARGET),
    "a tree beside the name": tree(m.name("example.org"), TARGET),
    "a tree at the name itself": tree(ASKED, TARGET),
    "a signature of a tree beside the name": signature(m.name("example.org"), DNAME),
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=list(STRANGERS))
def test_what_it_does_not_lead_to_is_left_out(stranger: bytes) -> None:
    assert kept(address(m.QNAME), stranger) == [address(m.QNAME)]
    assert kept(stranger, address(m.QNAME)) == [address(m.QNAME)]


@pytest.mark.parametrize(
    ("qtype", "record"),
    [
        (m.ANY, m.record(m.TXT, b"\x01a")),
        (m.ANY, signature(m.QNAME, m.TXT)),
        (RRSIG, signature(m.QNAME, m.TXT)),
        (DNAME, tree(m.QNAME, TARGET)),
        (m.CNAME, alias(m.QNAME, TARGET)),
        (HTTPS, m.record(HTTPS, b"\x00\x01\x00")),
    ],
    ids=["ANY", "a signature to ANY", "RRSIG", "DNAME", "CNAME", "HTTPS"],
)
def test_each_type_can_be_asked_for(qtype: int, record: bytes) -> None:
    assert kept(record, address(OTHER), qtype=qtype) == [record]


def test_signatures_that_were_asked_for_include_that_of_a_tree_above() -> None:
    above = tree(m.name("example.net"), m.name("example.org"))
    records = [above, signature(m.name("example.net"), DNAME), alias(m.QNAME, m.name("www.example.org"))]
    assert kept(*records, signature(m.name("example.net"), m.A), qtype=RRSIG) == records


def test_a_tree_that_makes_names_longer_and_longer_is_refused() -> None:
    with pytest.raises(Malformed, match=Fault.COMPRESSION_WORK):
        kept(tree(m.name("net"), m.name("a.net")))


def test_a_tree_that_would_make_too_long_a_name_leads_nowhere() -> None:
    long = b"\x3f" + b"x" * 63
    record = tree(m.name("example.net"), long * 3 + b"\x36" + b"x" * 54 + m.ROOT)
    assert kept(record) == [record]


@pytest.mark.parametrize("names", [500, 80], ids=["many names", "long names"])
def test_names_that_cost_more_than_their_budget_are_refused(names: int) -> None:
    size = 4 if names > 100 else 240
    owners = [
        bytes([3]) + b"%03d" % number + (bytes([60]) + b"x" * 60) * (size // 61) + m.ROOT for number in range(names)
    ]
    with pytest.raises(Malformed, match=Fault.COMPRESSION_WORK):
        kept(*[address(owner) for owner in owners])


# --- In a whole message ---


def test_an_unrelated_address_is_left_out_and_the_answer_given() -> None:
    """Names that pointed into what is gone are spelled out."""
    start = 12 + len(m.question())
    behind = m.record(owner=b"\x03www" + m.pointer(start))
    wire = m.answer(
        m.record(owner=m.name("evil.example"), ttl=5),
        m.record(m.CNAME, b"\x04edge" + m.pointer(start + 5), ttl=60),
        m.record(owner=m.pointer(start + 5 + 9 + 14 + 2 + 10), ttl=50),
        authority=(m.record(m.NS, b"\x02ns" + m.QNAME, owner=m.pointer(start + 5)),),
        additional=(behind, m.opt()),
    )
    answer = parsed(wire)
    assert (answer.kind, answer.counts, answer.ttl) == (Kind.POSITIVE, (2, 1, 1), 50)
    edge = m.name("edge.example")
    assert answer.records == b"".join(
        (
            m.record(m.CNAME, edge, ttl=60, owner=ASKED),
            m.record(owner=edge, ttl=50),
            m.record(m.NS, b"\x02ns" + ASKED, owner=m.name("example")),
            m.record(owner=m.name("www.evil.example")),
        )
    )


def test_a_name_that_is_spelled_out_does_not_keep_the_case_that_we_drew() -> None:
    asked = m.question(m.name("wWw.eXample.NET"))
    spelled = m.record(owner=m.name("wWw.eXample.NET"))
    wire = m.answer(address(OTHER), m.record(ttl=7), spelled, asked=asked)
    answer = parse_answer(wire, parse_query(m.query()))
    assert answer.records == m.record(owner=ASKED, ttl=7) + m.record(owner=ASKED)


@pytest.mark.parametrize(
    "wire",
    [
        m.answer(address(OTHER)),
        m.answer(m.record(m.TXT, b"\x01a")),
        m.answer(alias(m.QNAME, TARGET), address(OTHER)),
        m.answer(m.record(rclass=3)),
        m.answer(address(OTHER), authority=(m.record(m.NS, m.ROOT),)),
    ],
    ids=["another name's", "another type", "an alias that leads elsewhere", "another class", "beside a referral"],
)
def test_where_nothing_of_the_question_is_left_nobody_has_said_that_there_is_no_data(wire: bytes) -> None:
    with pytest.raises(Malformed, match=Fault.UNRELATED):
        parsed(wire)


@pytest.mark.parametrize(("rcode", "kind"), [(0, Kind.NODATA), (3, Kind.NXDOMAIN)], ids=["no data", "no such name"])
def test_a_denial_beside_an_unrelated_address_is_a_denial(rcode: int, kind: Kind) -> None:
    answer = parsed(m.answer(address(OTHER), authority=(SOA,), flags=m.QR | rcode))
    assert (answer.kind, answer.counts, answer.ttl) == (kind, (0, 1, 0), 300)


CHAOS, NONE, EVERY_CLASS = 3, 254, 255
TSIG, TKEY = 250, 249


@pytest.mark.parametrize("rclass", [CHAOS, NONE, EVERY_CLASS], ids=["CH", "NONE", "ANY"])
def test_records_of_another_class_are_left_out(rclass: int) -> None:
    stray = m.record(rdata=b"?", rclass=rclass, ttl=0)
    answer = parsed(m.answer(stray, m.record(), authority=(stray, SOA)))
    assert (answer.counts, answer.ttl) == ((1, 1, 0), 300)


@pytest.mark.parametrize("rtype", [TSIG, TKEY, 0, 128, 255], ids=["TSIG", "TKEY", "0", "128", "255"])
def test_meta_records_are_left_out_wherever_they_stand(rtype: int) -> None:
    meta = m.record(rtype, b"?", ttl=0)
    answer = parsed(m.answer(meta, m.record(), authority=(meta, SOA), additional=(m.record(ttl=400), meta, m.record())))
    assert (answer.counts, answer.ttl) == ((1, 1, 1), 300)


@pytest.mark.parametrize("has_opt", [True, False], ids=["behind an OPT", "alone"])
def test_a_tsig_is_not_passed_on_nor_its_ttl(*, has_opt: bool) -> None:
    tsig = m.record(TSIG, m.name("hmac-sha256") + bytes(16), ttl=0, rclass=EVERY_CLASS, owner=m.name("key"))
    answer = parsed(m.answer(m.record(), additional=(m.opt(), tsig) if has_opt else (tsig,)))
    assert (answer.records, answer.counts, answer.ttl) == (m.record(), (1, 0, 0), 300)


def test_an_opt_is_read_behind_what_is_left_out() -> None:
    tsig = m.record(TSIG, b"?", ttl=0, rclass=EVERY_CLASS)
    answer = parsed(m.answer(m.record(), additional=(tsig, m.opt(m.option(m.EXTENDED_ERROR, b"\x00\x16")))))
    assert (answer.errors, answer.counts) == ((22,), (1, 0, 0))


@pytest.mark.parametrize("behind", [b"\x00", b"more" * 500], ids=["a byte", "many bytes"])
def test_bytes_behind_the_last_record_are_left_out(behind: bytes) -> None:
    wire = m.answer(m.record(), m.record())
    assert parsed(wire + behind) == parsed(wire)


def test_an_answer_of_more_records_than_any_resolver_stops_at_is_given() -> None:
    assert parsed(m.answer(*[m.record()] * 700)).counts == (700, 0, 0)


def test_a_large_answer_with_something_to_leave_out_is_refused() -> None:
    wire = m.answer(address(OTHER), *[m.record(m.TXT, b"\xff" + b"x" * 255)] * 70, asked=m.question(qtype=m.TXT))
    assert oracle.read(wire) is not None
    with pytest.raises(Malformed, match=Fault.COMPRESSION_WORK):
        parsed(wire, m.TXT)
