"""Replies: each client gets the answer under its own question, with its own bits and none of the upstream's."""

import struct
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.wire.answer import parse_answer
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import (
    Content,
    age_ttls,
    clamp_ttls,
    content_of,
    set_ttls,
    write_reply,
    write_reply_to_refused,
)
from fuzz import oracle
from fuzz.invariants import check_reply_to, client_query
from tests.data.packets import all_packets
from tests.wire import messages as m

ASKED = m.question()
TTLS = (300, 5, 0, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
RICH = m.answer(
    m.record(m.CNAME, b"\x04edge" + m.pointer(16), ttl=40),
    m.record(owner=m.pointer(45), ttl=20),
    authority=(m.record(m.NS, b"\x02ns" + m.pointer(16), ttl=3_600, owner=m.pointer(16)),),
    additional=(
        m.record(28, bytes(16), ttl=0x8000_0000, owner=b"\x02ns" + m.pointer(16)),
        m.opt(m.option(m.EXTENDED_ERROR, b"\0\3text")),
    ),
    flags=m.QR | m.AA | m.AD | m.RA,
)


def asked(*additional: bytes, flags: int = m.RD, question: bytes = ASKED) -> Query:
    return parse_query(m.query(question, *additional, flags=flags))


def flags_of(reply: bytes) -> int:
    return int.from_bytes(reply[2:4])


@pytest.mark.parametrize("age", [0, 1, 19, 20, 21, 100_000], ids=lambda age: f"{age} seconds old")
def test_an_answer_reaches_every_client_unchanged_but_for_its_age(age: int) -> None:
    answer = parse_answer(RICH, asked())
    for shape in range(0, 512, 3):
        reply = check_reply_to(client_query(ASKED, shape), answer, RICH, age=age)
        assert oracle.read(reply) is not None


def test_the_question_goes_back_byte_for_byte() -> None:
    mixed = m.question(m.name("wWW.eXAMPLE.nET"))
    reply = write_reply(asked(question=mixed), content_of(parse_answer(RICH, asked())))
    assert reply[12 : 12 + len(mixed)] == mixed
    message = oracle.read(reply)
    assert message is not None
    assert str(message.answer[0][0]) == "edge.eXAMPLE.nET."


@pytest.mark.parametrize(
    ("query", "content", "flags"),
    [
        (asked(flags=0), Content(0), m.QR | m.RA),
        (asked(flags=m.RD), Content(0), m.QR | m.RA | m.RD),
        (asked(flags=m.CD), Content(2), m.QR | m.RA | m.CD | 2),
        (asked(flags=m.AD), Content(0, authentic=True), m.QR | m.RA | m.AD),
        (asked(m.opt(dnssec_ok=True), flags=0), Content(0, authentic=True), m.QR | m.RA | m.AD),
        (asked(m.opt(), flags=0), Content(0, authentic=True), m.QR | m.RA),
        (asked(flags=m.AD), Content(0), m.QR | m.RA),
        (asked(flags=0), Content(3, authoritative=True), m.QR | m.RA | m.AA | 3),
        (asked(flags=0x0240), Content(0), m.QR | m.RA),
        (asked(flags=0), Content(16), m.QR | m.RA | 2),
        (asked(flags=0), Content(23), m.QR | m.RA | 2),
        (asked(m.opt(), flags=0), Content(23), m.QR | m.RA | 7),
    ],
    ids=[
        "RA always",
        "RD is copied",
        "CD is copied",
        "AD for who set AD",
        "AD for who set DO",
        "no AD for who did not ask",
        "no AD where nothing was validated",
        "AA as the content says",
        "TC and Z of the query are not copied",
        "BADVERS without an OPT is SERVFAIL, not NOERROR",
        "BADCOOKIE without an OPT is SERVFAIL",
        "with an OPT the rcode is whole",
    ],
)
def test_each_bit_of_the_reply_has_its_rule(query: Query, content: Content, flags: int) -> None:
    assert flags_of(write_reply(query, content)) == flags


def test_what_an_upstream_says_with_authority_we_say_without() -> None:
    assert RICH[2] & m.AA >> 8
    assert not content_of(parse_answer(RICH, asked())).authoritative


@pytest.mark.parametrize(
    ("additional", "options"),
    [((), b""), ((m.opt(),), b""), ((m.opt(m.subnet()),), m.subnet())],
    ids=["a client without EDNS", "one without ECS", "one with ECS, which gets back its own"],
)
def test_no_client_gets_the_subnet_of_an_upstream(additional: tuple[bytes, ...], options: bytes) -> None:
    wire = m.answer(m.record(), additional=(m.opt(m.subnet(1, 16, 16, b"\xcb\x00")),))
    reply = write_reply(asked(*additional), content_of(parse_answer(wire, asked())))
    opt = m.opt(options) if additional else b""
    assert reply[12 + len(ASKED) :] == m.record() + opt


def test_badvers_is_said_in_an_opt_of_version_zero() -> None:
    reply = write_reply(asked(m.opt(version=1)), Content(16))
    assert reply[12 + len(ASKED) :] == m.opt(rcode=16)
    assert flags_of(reply) & 15 == 0


def aged(ttls: tuple[int, ...], age: int) -> tuple[int, ...]:
    answer = parse_answer(m.answer(*(m.record(ttl=ttl) for ttl in ttls)), asked())
    return ttls_in(age_ttls(answer, age))


def ttls_in(records: bytes) -> tuple[int, ...]:
    size = len(m.record())
    return tuple(struct.unpack_from("!I", records, place + 6)[0] for place in range(0, len(records), size))


@pytest.mark.parametrize(
    ("age", "expected"),
    [(2, (298, 3, 0, 0x7FFF_FFFD, 0, 0)), (10, (290, 0, 0, 0x7FFF_FFF5, 0, 0))],
    ids=["all become older", "none goes below zero"],
)
def test_ttls_are_reduced_by_the_age_and_one_with_its_sign_bit_set_is_zero(age: int, expected: tuple[int, ...]) -> None:
    assert aged(TTLS, age) == expected


def test_ttls_are_brought_between_floor_and_ceiling() -> None:
    answer = parse_answer(m.answer(*(m.record(ttl=ttl) for ttl in TTLS)), asked())
    assert ttls_in(clamp_ttls(answer, floor=60, ceiling=86_400)) == (300, 60, 60, 86_400, 60, 60)


def test_ttls_of_a_stale_answer_are_all_the_same() -> None:
    answer = parse_answer(m.answer(*(m.record(ttl=ttl) for ttl in TTLS)), asked())
    assert ttls_in(set_ttls(answer, 30)) == (30,) * 6


def test_rewritten_records_replace_the_old_ones() -> None:
    answer = parse_answer(RICH, asked())
    stale = replace(answer, records=set_ttls(answer, 30))
    message = oracle.read(write_reply(asked(), content_of(stale)))
    assert message is not None
    assert {rrset.ttl for section in message.sections[1:] for rrset in section} == {30}
    assert {rrset.ttl for rrset in (*message.answer, *message.authority, *message.additional)} == {30}


@pytest.mark.parametrize(
    ("wire", "reply"),
    [
        (m.query(flags=m.RD | 4 << 11), m.message(m.QR | m.RA | m.RD | 4 << 11 | 4, [ASKED])),
        (m.query(flags=0) + b"junk", m.message(m.QR | m.RA | 4, [ASKED])),
        (m.message(m.CD, [ASKED, ASKED]), m.message(m.QR | m.RA | 4, [])),
        (m.query(m.question(m.QNAME)), m.message(m.QR | m.RA | m.RD | 4, [])),
        (m.query(m.question(), m.opt(), m.opt()), m.message(m.QR | m.RA | m.RD | 4, [ASKED])),
        (bytes(12), m.message(m.QR | m.RA | 4, [], identifier=0)),
    ],
    ids=[
        "opcode and question are repeated",
        "RD only if it was set",
        "of two questions none is repeated",
        "a compressed question is not repeated",
        "there is no OPT",
        "a bare header is enough",
    ],
)
def test_a_refused_message_gets_its_id_opcode_and_question_back(wire: bytes, reply: bytes) -> None:
    assert write_reply_to_refused(wire, 4) == reply


def test_every_refused_packet_gets_a_reply_with_its_id_and_opcode() -> None:
    assert _refused_with_id_and_opcode(all_packets().values()) > 300


def test_every_refused_packet_of_the_corpora_gets_a_reply_with_its_id_and_opcode(corpora: Path) -> None:
    files = (file for file in (corpora / "dns-packets").glob("*/**/*") if file.is_file() and file.name != "LICENSE")
    assert _refused_with_id_and_opcode(file.read_bytes() for file in files) > 300


def _refused_with_id_and_opcode(packets: Iterable[bytes]) -> int:
    replies = 0
    for wire in packets:
        try:
            parse_query(wire)
        except Malformed:
            if len(wire) >= 12:
                identifier, flags, questions, *counts = struct.unpack_from("!6H", write_reply_to_refused(wire, 1))
                assert identifier == int.from_bytes(wire[:2])
                assert flags & 0xFEFF == 0x8081 | int.from_bytes(wire[2:4]) & 0x7800
                assert questions in (0, 1)
                assert counts == [0, 0, 0]
                replies += 1
    return replies
