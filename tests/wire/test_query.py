"""The client's query: what it says once it has been accepted, and what makes two of them equal."""

import pytest

from dohproxy.wire.query import key_of, parse_query, question_of
from tests.wire import messages as m


def test_a_query_keeps_the_question_as_sent_and_the_name_in_lower_case() -> None:
    query = parse_query(m.query(m.question(m.name("wWw.ExamPle.nEt"), m.HTTPS), identifier=0xBEEF))
    assert query.id == 0xBEEF
    assert query.question == m.question(m.name("wWw.ExamPle.nEt"), m.HTTPS)
    assert query.qname == m.name("www.example.net")
    assert (query.qtype, query.qclass, query.edns) == (65, 1, None)


def test_the_smallest_query_asks_for_the_root() -> None:
    query = parse_query(m.query(m.question(m.ROOT)))
    assert (query.qname, query.qtype) == (b"\x00", 1)


@pytest.mark.parametrize(
    ("flags", "dnssec_ok", "recursion", "checking_disabled", "authentic"),
    [
        (0, False, False, False, False),
        (m.RD, False, True, False, False),
        (m.CD, False, False, True, False),
        (m.AD, False, False, False, True),
        (m.RD, True, True, False, True),
        (m.RD | m.AD | m.CD, True, True, True, True),
    ],
    ids=["no bit", "RD", "CD", "AD", "RD and DO", "all bits"],
)
def test_each_bit_of_a_query_is_read(
    flags: int, dnssec_ok: bool, recursion: bool, checking_disabled: bool, authentic: bool
) -> None:
    additional = (m.opt(dnssec_ok=True),) if dnssec_ok else ()
    query = parse_query(m.query(m.question(), *additional, flags=flags))
    assert query.recursion_desired is recursion
    assert query.checking_disabled is checking_disabled
    assert query.dnssec_ok is dnssec_ok
    assert query.wants_authentic_data is authentic


PLAIN = m.query()


@pytest.mark.parametrize(
    "wire",
    [
        m.query(identifier=1),
        m.query(m.question(m.name("WWW.example.NET"))),
        m.query(flags=0),
        m.query(flags=m.RD | m.AD),
        m.query(m.question(), m.opt()),
        m.query(m.question(), m.opt(m.subnet() + m.option(m.COOKIE, b"12345678") + m.option(m.PADDING))),
    ],
    ids=["another ID", "another case", "no RD", "AD", "an OPT", "options"],
)
def test_what_does_not_change_the_answer_does_not_change_the_key(wire: bytes) -> None:
    assert parse_query(wire).key == parse_query(PLAIN).key


@pytest.mark.parametrize(
    "wire",
    [
        m.query(m.question(m.name("ww.example.net"))),
        m.query(m.question(m.name("www.example.net"), 28)),
        m.query(m.question(m.name("www.example.net"), 0x0100)),
        m.query(flags=m.RD | m.CD),
        m.query(m.question(), m.opt(dnssec_ok=True)),
        m.query(m.question(), m.opt(dnssec_ok=True), flags=m.RD | m.CD),
        m.query(m.question(b"\x07www.exa\x03mpl" + m.ROOT)),
    ],
    ids=["another name", "another type", "the type's bytes exchanged", "CD", "DO", "CD and DO", "a dot in a label"],
)
def test_what_changes_the_answer_changes_the_key(wire: bytes) -> None:
    assert parse_query(wire).key != parse_query(PLAIN).key


def test_the_four_kinds_of_validation_have_four_keys() -> None:
    opts: tuple[tuple[bytes, ...], ...] = ((), (m.opt(dnssec_ok=True),))
    keys = {parse_query(m.query(m.question(), *opt, flags=flags)).key for opt in opts for flags in (0, m.CD)}
    assert len(keys) == 4
    qname, switches = m.name("www.example.net"), (False, True)
    known = {key_of(qname, m.A, dnssec_ok=do, checking_disabled=cd) for do in switches for cd in switches}
    assert known == keys


def test_type_65_and_type_97_have_two_keys_though_their_bytes_differ_by_case() -> None:
    assert parse_query(m.query(m.question(qtype=65))).key != parse_query(m.query(m.question(qtype=97))).key


@pytest.mark.parametrize(
    ("wire", "question"),
    [
        (m.query(flags=5 << 11), m.question()),
        (m.query() + b"junk", m.question()),
        (m.message(0, [m.question(), m.question()]), b""),
        (m.query(m.question(m.QNAME)), b""),
        (m.query(m.question()[:-1]), b""),
        (m.query()[:14], b""),
        (b"", b""),
    ],
    ids=[
        "another opcode", "trailing bytes", "two questions", "a compressed question", "a question cut short",
        "a name cut short", "nothing",
    ],
)  # fmt: skip
def test_the_question_of_a_refused_message_is_found_where_there_is_one(wire: bytes, question: bytes) -> None:
    assert question_of(wire) == question
