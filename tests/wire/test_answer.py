"""What an upstream says: what kind it is, how long it holds, what is kept of it."""

import struct
from dataclasses import replace

import pytest

from dohproxy.wire.answer import (
    TRUNCATED,
    Answer,
    Kind,
    parse_answer,
    parse_reply,
)
from dohproxy.wire.edns import UpstreamEdns
from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.query import parse_query
from tests.wire import messages as m

CNAME = m.record(m.CNAME, m.name("target.example"), ttl=40)
NS = m.record(m.NS, m.name("ns.example"), ttl=20)
DENIED = m.QR | 3


def parsed(wire: bytes, *, qtype: int = m.A) -> Answer:
    return parse_answer(wire, parse_query(m.query(m.question(qtype=qtype))))


@pytest.mark.parametrize(
    ("wire", "kind", "ttl"),
    [
        (m.answer(m.record(ttl=300), m.record(ttl=200)), Kind.POSITIVE, 200),
        (m.answer(m.record(ttl=300), additional=(m.record(ttl=100),)), Kind.POSITIVE, 100),
        (m.answer(CNAME, m.record(owner=m.name("target.example"))), Kind.POSITIVE, 40),
        (m.answer(m.record(ttl=0x8000_0001)), Kind.POSITIVE, 0),
        (m.answer(m.record(ttl=0x7FFF_FFFF)), Kind.POSITIVE, 0x7FFF_FFFF),
        (m.answer(m.record(), authority=(NS,)), Kind.POSITIVE, 20),
        (m.answer(authority=(m.soa(ttl=900, minimum=600),)), Kind.NODATA, 600),
        (m.answer(authority=(m.soa(ttl=500, minimum=600),)), Kind.NODATA, 500),
        (m.answer(CNAME, authority=(m.soa(),)), Kind.NODATA, 40),
        (m.answer(authority=(m.soa(), m.record(47, m.ROOT, ttl=30))), Kind.NODATA, 30),
        (m.answer(), Kind.NODATA, None),
        (m.answer(CNAME), Kind.NODATA, None),
        (m.answer(CNAME, authority=(NS,)), Kind.NODATA, None),
        (m.answer(authority=(m.soa(), NS)), Kind.NODATA, 20),
        (m.answer(authority=(m.soa(minimum=77),), flags=DENIED), Kind.NXDOMAIN, 77),
        (m.answer(CNAME, authority=(m.soa(),), flags=DENIED), Kind.NXDOMAIN, 40),
        (m.answer(flags=DENIED), Kind.NXDOMAIN, None),
        (m.answer(authority=(NS,)), Kind.REFERRAL, None),
        (m.answer(flags=m.QR | 2), Kind.FAILURE, None),
        (m.answer(m.record(), authority=(m.soa(),), flags=m.QR | 5), Kind.FAILURE, None),
        (m.answer(m.record(), additional=(m.opt(rcode=16),)), Kind.FAILURE, None),
    ],
    ids=[
        "addresses hold as long as the first to go",
        "additional records count for the TTL",
        "a CNAME chain that arrives",
        "a TTL with its sign bit set means zero",
        "the largest TTL",
        "authority records count for the TTL",
        "no data, as long as the SOA's minimum",
        "no data, no longer than the SOA itself",
        "a CNAME chain that ends without data",
        "NSEC records count for the TTL",
        "nothing at all does not say how long",
        "a CNAME that leads nowhere",
        "a CNAME with NS behind it is no referral",
        "an SOA beside NS is no referral",
        "no such name",
        "a CNAME chain to no such name",
        "no such name without an SOA",
        "a referral",
        "SERVFAIL",
        "REFUSED whatever it holds",
        "an rcode in the OPT only",
    ],
)
def test_an_answer_is_classified_once(wire: bytes, kind: Kind, ttl: int | None) -> None:
    answer = parsed(wire)
    assert (answer.kind, answer.ttl) == (kind, ttl)


def test_any_record_answers_a_question_for_any() -> None:
    wire = m.answer(m.record(m.TXT, b"\x01a"), asked=m.question(qtype=m.ANY))
    assert parsed(wire, qtype=m.ANY).kind is Kind.POSITIVE


@pytest.mark.parametrize(
    ("low", "high", "rcode"), [(0, 0, 0), (7, 1, 23), (15, 255, 4_095)], ids=["0", "BADCOOKIE", "4095"]
)
def test_the_rcode_has_twelve_bits(low: int, high: int, rcode: int) -> None:
    assert parsed(m.answer(flags=m.QR | low, additional=(m.opt(rcode=high << 4),))).rcode == rcode


def test_ad_is_read_and_aa_makes_no_difference() -> None:
    answer = parsed(m.answer(flags=m.QR | m.AD))
    assert answer.authentic
    assert answer.unvouched() == replace(answer, authentic=False)
    assert parsed(m.answer(flags=m.QR | m.AA)) == parsed(m.answer(flags=m.QR))


def test_the_opt_is_cut_out_and_its_error_codes_are_kept_without_their_text() -> None:
    errors = b"".join(m.option(m.EXTENDED_ERROR, struct.pack("!H", code) + b"text") for code in (22, 23, 0, 9))
    records = (m.record(ttl=1), m.record(ttl=2))
    answer = parsed(m.answer(records[0], additional=(records[1], m.opt(m.option(m.EXTENDED_ERROR, b"\x00") + errors))))
    assert answer.errors == (22, 23, 0)
    assert answer.records == b"".join(records)
    assert answer.counts == (1, 0, 1)
    assert [answer.records[offset : offset + 4] for offset in answer.ttl_offsets] == [b"\0\0\0\1", b"\0\0\0\2"]


@pytest.mark.parametrize(
    ("additional", "edns"),
    [
        ((), None),
        ((m.opt(),), UpstreamEdns(1232, None, None)),
        ((m.opt(m.option(m.COOKIE, b"c" * 24)),), UpstreamEdns(1232, b"c" * 24, None)),
        ((m.opt(m.option(m.COOKIE, b"one") + m.option(m.COOKIE, b"two")),), UpstreamEdns(1232, b"one", None)),
        ((m.opt(m.option(m.COOKIE)),), UpstreamEdns(1232, b"", None)),
        ((m.opt(m.option(m.PADDING, bytes(40)) + m.subnet(scope=24)),), UpstreamEdns(1232, None, 40)),
        ((m.record(), m.opt(m.option(m.PADDING)), m.record()), UpstreamEdns(1232, None, 0)),
    ],
    ids=[
        "no OPT",
        "its size",
        "its cookie",
        "the first of its cookies",
        "an empty cookie is not none",
        "its padding, and not its ECS",
        "wherever the OPT stands",
    ],
)
def test_what_an_opt_says_to_us_alone_stands_beside_the_answer(
    additional: tuple[bytes, ...], edns: UpstreamEdns | None
) -> None:
    wire = m.answer(m.record(), additional=additional)
    reply = parse_reply(wire, parse_query(m.query()))
    assert reply.edns == edns
    assert reply.answer == parsed(wire)


def test_no_option_of_an_upstream_leaves_a_trace_in_the_answer() -> None:
    options = m.option(m.COOKIE, b"c" * 24) + m.subnet(scope=24) + m.option(m.PADDING, bytes(40))
    with_options, without = m.answer(m.record(), additional=(m.opt(options),)), m.answer(m.record())
    assert parsed(with_options) == parsed(without)


def test_additional_records_behind_the_opt_go_with_it() -> None:
    answer = parsed(m.answer(m.record(), additional=(m.record(), m.opt(), m.record(rdata=b"gone", ttl=0))))
    assert answer.counts == (1, 0, 1)
    assert answer.records == m.record() * 2
    assert len(answer.ttl_offsets) == 2
    assert answer.ttl == 300


def test_as_many_records_as_the_limit_are_read() -> None:
    assert len(parsed(m.answer(*[m.record()] * 1_024)).ttl_offsets) == 1_024


@pytest.mark.parametrize("cut", [0, 1, 9, 13], ids=["whole", "by a byte", "in its head", "in its owner"])
def test_a_truncated_answer_is_recognised_wherever_it_was_cut(cut: int) -> None:
    wire = m.answer(m.record(), flags=m.QR | m.TC)
    answer = parsed(wire[: len(wire) - cut])
    assert answer.truncated
    assert answer.records == b""


@pytest.mark.parametrize("cut", [1, 9, 13, 16], ids=["by a byte", "in its head", "in its owner", "between two records"])
def test_a_datagram_that_ends_too_early_was_cut_though_it_does_not_say_so(cut: int) -> None:
    wire = m.answer(m.record(), m.record())
    wire = wire[: len(wire) - cut]
    query = parse_query(m.query())
    assert parse_reply(wire, query, is_datagram=True).answer is TRUNCATED
    with pytest.raises(Malformed):
        parse_reply(wire, query)


def test_a_datagram_with_another_fault_was_not_cut() -> None:
    with pytest.raises(Malformed) as caught:
        parse_reply(m.answer(m.record(owner=m.pointer(200))), parse_query(m.query()), is_datagram=True)
    assert caught.value.fault is Fault.POINTER


def test_the_opt_of_a_truncated_answer_is_read_where_it_came_through() -> None:
    opt = m.opt(m.option(m.COOKIE, b"c" * 24))
    query = parse_query(m.query())
    whole = parse_reply(m.answer(additional=(opt,), flags=m.QR | m.TC), query)
    assert whole.answer is TRUNCATED
    assert whole.edns == UpstreamEdns(1232, b"c" * 24, None)
    cut = parse_reply(m.answer(m.record(), additional=(opt,), flags=m.QR | m.TC)[:-1], query)
    assert (cut.answer, cut.edns) == (TRUNCATED, None)


def test_of_two_soas_the_smaller_ttl_holds() -> None:
    assert parsed(m.answer(authority=(m.soa(minimum=60), m.soa(minimum=600)))).ttl == 60


def test_an_answer_may_write_the_question_in_another_case() -> None:
    assert parsed(m.answer(m.record(), asked=m.question(m.name("WWW.EXAMPLE.NET")))).kind is Kind.POSITIVE


VARIED = m.question(m.name("wWw.eXample.NET"))


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        (m.record(owner=m.name("wWw.eXample.NET")), m.record(owner=m.name("www.example.net"))),
        (m.record(owner=m.name("eXample.NET")), m.record(owner=m.name("example.net"))),
        (m.record(), m.record()),
        (m.record(owner=m.name("WWW.Example.Net")), m.record(owner=m.name("WWW.Example.Net"))),
        (m.record(owner=m.name("other.Example")), m.record(owner=m.name("other.Example"))),
        (m.record(m.NS, m.name("wWw.eXample.NET")), m.record(m.NS, m.name("wWw.eXample.NET"))),
        (m.record(owner=b"\x03wWw" + m.pointer(16)), m.record(owner=b"\x03wWw" + m.pointer(16))),
    ],
    ids=[
        "an owner spelled out as we spelled it",
        "the end of it, as its zone",
        "a pointer to the question",
        "a case that is the upstream's own",
        "another name",
        "rdata that happens to look the same",
        "half a name and a pointer",
    ],
)
def test_the_case_that_we_drew_is_taken_off_owners_and_nothing_else(record: bytes, kept: bytes) -> None:
    answer = parsed(m.answer(m.record(ttl=7), authority=(record,), asked=VARIED))
    assert answer.records == m.record(ttl=7) + kept
    assert [answer.records[offset : offset + 4] for offset in answer.ttl_offsets] == [b"\0\0\0\7", b"\0\0\1\x2c"]


def test_a_case_beside_the_opt_is_taken_off_too() -> None:
    spelled = m.record(owner=m.name("wWw.eXample.NET"))
    answer = parsed(m.answer(spelled, additional=(spelled, m.opt(), spelled), asked=VARIED))
    assert answer.records == m.record(owner=m.name("www.example.net")) * 2


def test_a_name_beyond_ascii_keeps_its_case_as_its_bytes_may_be_half_a_pointer() -> None:
    name = b"\x03Aa\xc0" + m.ROOT
    query = parse_query(m.query(m.question(name)))
    assert parse_answer(m.answer(m.record(owner=name), asked=m.question(name)), query).records == m.record(owner=name)


def test_an_answer_for_type_97_does_not_answer_type_65_though_their_bytes_differ_by_case() -> None:
    wire = m.answer(asked=m.question(qtype=97))
    with pytest.raises(Malformed, match=Fault.OTHER_QUESTION):
        parsed(wire, qtype=65)


@pytest.mark.parametrize("rcode", [1, 2, 4, 5], ids=["FORMERR", "SERVFAIL", "NOTIMP", "REFUSED"])
@pytest.mark.parametrize(
    "wire",
    [m.message(m.QR | m.RD, []), m.answer()[:12], m.query(m.question(), m.opt(), flags=m.QR)[:12]],
    ids=["no count", "the count of a reply", "the counts of the query"],
)
def test_a_header_alone_is_an_error_and_nothing_else(wire: bytes, rcode: int) -> None:
    answer = parsed(wire[:3] + bytes([rcode]) + wire[4:])
    assert (answer.kind, answer.rcode, answer.ttl) == (Kind.FAILURE, rcode, None)
    assert (answer.counts, answer.records, answer.truncated) == ((0, 0, 0), b"", False)


def test_an_error_without_a_question_may_say_why() -> None:
    options = m.option(m.EXTENDED_ERROR, b"\0\x12") + m.option(m.COOKIE, bytes(24))
    reply = parse_reply(m.message(m.QR | 5, [], [], [], [m.opt(options)]), parse_query(m.query()))
    assert (reply.answer.rcode, reply.answer.errors, reply.answer.records) == (5, (18,), b"")
    assert reply.edns is not None
    assert reply.edns.cookie == bytes(24)


def test_a_header_alone_may_ask_for_tcp() -> None:
    assert parsed(m.message(m.QR | m.TC, [])).truncated
