"""What must hold for every byte string whatever. The fuzz targets call this, and so does pytest.

1. A reader returns a value or raises Malformed; nothing else.
2. Its work is bounded: how often it looks at the bytes depends on our limits, not on what the bytes say.
3. Where dnspython accepts the same bytes, both have read the same.
4. What we write can be read back, and keeps what it must keep.
"""

import struct
from typing import Final, SupportsIndex, overload

from dns.message import Message
from dns.name import Name

from dohproxy.wire.answer import (
    MOST_ERRORS,
    MOST_RECORDS,
    TRUNCATED,
    Answer,
    Kind,
    parse_answer,
)
from dohproxy.wire.chain import MOST_NAME_BYTES
from dohproxy.wire.edns import MOST_OPTIONS, ClientEdns
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.matching import is_reply_to, is_reply_without_question
from dohproxy.wire.name import COMPRESSION_BUDGET
from dohproxy.wire.query import Query, parse_query, question_of
from dohproxy.wire.relocate import LARGEST_DENIAL_BYTES, Denial, relocate
from dohproxy.wire.reply import content_of, write_reply, write_reply_to_refused
from dohproxy.wire.upstream_query import write_upstream_query
from fuzz import oracle

MOST_LOOKS_AT_A_QUERY: Final = 600
"""Two names of 127 labels, the second that of a record that has no place there, then a header and 16 options."""
MOST_LOOKS_AT_AN_ANSWER: Final = (
    256 + 3 * COMPRESSION_BUDGET + 4 * MOST_RECORDS + 4 * MOST_OPTIONS + MOST_NAME_BYTES // 2
)
"""A question, three looks for each step of the budget, four for each record, and one for each label that is spelled out
of an answer section: it has two bytes at least."""

_PADDING: Final = 12
_CLIENT_SUBNET: Final = 8
_EXTENDED_ERROR: Final = 15


class Metered(bytes):
    """Bytes that count how often somebody looks at them: the measure of work that no clock disturbs. A slice of them
    must end where it begins or later; mypyc knows no other."""

    looks = 0

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> bytes: ...
    def __getitem__(self, key: SupportsIndex | slice) -> int | bytes:
        self.looks += 1
        if isinstance(key, slice):
            start, stop = key.start or 0, len(self) if key.stop is None else min(key.stop, len(self))
            assert 0 <= start <= stop, "a slice that ends before it begins: an error where this is compiled"
        return super().__getitem__(key)


# ------------------------------------------------------------------ queries


def check_query(wire: bytes) -> Query | Malformed:
    """Hold every promise of `parse_query`, and of what is made from its result, on these bytes."""
    metered = Metered(wire)
    outcome: Query | Malformed
    try:
        outcome = parse_query(metered)
    except Malformed as fault:
        outcome = fault
    assert metered.looks <= MOST_LOOKS_AT_A_QUERY, f"{metered.looks} looks"
    if isinstance(outcome, Query):
        _agrees_on_query(outcome, wire)
        check_upstream_query(outcome)
    elif len(wire) >= 12:
        _refusal_is_readable(wire)
    return outcome


def _agrees_on_query(query: Query, wire: bytes) -> None:
    theirs = oracle.read(wire)
    if theirs is None:
        return
    assert query.id == theirs.id
    assert query.flags == int(theirs.flags)
    assert query.qname == oracle.qname_of(theirs)
    assert (query.qtype, query.qclass) == (theirs.question[0].rdtype, theirs.question[0].rdclass)
    assert theirs.sections[1:] == [[], [], []]
    assert (query.edns is None) == (theirs.edns < 0)
    if query.edns is not None:
        _agrees_on_edns(query.edns, theirs)


def _agrees_on_edns(edns: ClientEdns, theirs: Message) -> None:
    assert edns.version == theirs.edns
    assert edns.dnssec_ok == bool(theirs.ednsflags & 0x8000)
    if edns.version:
        return
    assert edns.wants_padding == bool(oracle.option_data(theirs, _PADDING))
    subnets: list[bytes | None] = [*oracle.option_data(theirs, _CLIENT_SUBNET)]
    assert edns.subnet == (subnets[-1] if subnets else None)


def _refusal_is_readable(wire: bytes) -> None:
    """A message that was refused still gets a reply with its own ID, opcode, RD and question."""
    reply = write_reply_to_refused(wire, 1)
    message = oracle.read(reply)
    question = question_of(wire)
    assert reply[:2] == wire[:2]
    assert reply[12:] == question
    assert struct.unpack("!H", reply[2:4])[0] == 0x8081 | struct.unpack("!H", wire[2:4])[0] & 0x7900
    # An UPDATE's question is a zone and must be an SOA, says dnspython; that is no matter of ours.
    assert message is not None or wire[2] & 0x78 == 0x28


def check_upstream_query(query: Query) -> None:
    """Nothing of the client's message goes upstream but its question, CD and DO."""
    for padded in (False, True):
        wire = write_upstream_query(query, 0xBEEF, padded=padded)
        flags, counts, edns_flags = 0x0120 | query.flags & 0x0010, (1, 0, 0, 1), 0x8000 * query.dnssec_ok
        padding = len(wire) - (12 + len(query.question) + 11)
        options = struct.pack("!HH", _PADDING, padding - 4) + bytes(padding - 4) if padded else b""
        assert wire == b"".join(
            (
                struct.pack("!6H", 0xBEEF, flags, *counts),
                query.qname + query.question[-4:],
                struct.pack("!BHHIH", 0, oracle.OPT, 1232, edns_flags, len(options)) + options,
            )
        )
        assert not padded or len(wire) % 128 == 0
        assert oracle.read(wire) is not None


def keys_agree(one: Query, other: Query) -> bool:
    """Two queries share a cache key if and only if the same answer serves both."""

    def meaning(query: Query) -> tuple[bytes, int, bool, bool]:
        name = query.question[:-4].lower()
        return name, query.qtype, query.edns is not None and query.edns.dnssec_ok, bool(query.flags & 0x0010)

    return (one.key == other.key) == (meaning(one) == meaning(other))


# ------------------------------------------------------------------ answers


def query_for(wire: bytes) -> Query:
    """Return a query with the question of this message, or the root's A where it has none."""
    question = question_of(wire) or b"\x00\x00\x01\x00\x01"
    return parse_query(struct.pack("!6H", 0, 0x0100, 1, 0, 0, 0) + question)


def check_answer(wire: bytes) -> Answer | Malformed:
    """Hold every promise of `parse_answer` on these bytes, asked for the very question that they carry."""
    query = query_for(wire)
    metered = Metered(wire)
    outcome: Answer | Malformed
    try:
        outcome = parse_answer(metered, query)
    except Malformed as fault:
        outcome = fault
    assert metered.looks <= MOST_LOOKS_AT_AN_ANSWER, f"{metered.looks} looks"
    if isinstance(outcome, Answer):
        identifier = struct.unpack("!H", wire[:2])[0]
        has_question = not is_reply_without_question(wire, identifier)
        assert is_reply_to(wire, identifier, query.question) or not has_question
        assert outcome.truncated == bool(wire[2] & 0x02)
        if outcome.truncated:
            # Cut anywhere: nothing of it is read.
            assert outcome == TRUNCATED
            return outcome
        if not has_question:
            # It speaks of no name, so it says nothing of one.
            assert (outcome.kind, outcome.counts, outcome.records) == (Kind.FAILURE, (0, 0, 0), b"")
            return outcome
        _is_consistent(outcome, wire)
        _agrees_on_answer(outcome, wire)
        check_denial(outcome, query.question, wire)
    return outcome


def _is_consistent(answer: Answer, wire: bytes) -> None:
    _only_our_case_is_taken_off(answer, wire)
    assert len(answer.ttl_offsets) == sum(answer.counts) <= MOST_RECORDS
    assert all(before < after for before, after in zip(answer.ttl_offsets, answer.ttl_offsets[1:], strict=False))
    assert all(offset + 6 <= len(answer.records) for offset in answer.ttl_offsets)
    kept = oracle.kept_of(wire)
    if kept is not None:
        places = [struct.unpack_from("!I", answer.records, offset)[0] for offset in answer.ttl_offsets]
        assert places == [record.ttl for record in kept]
        assert answer.counts == oracle.counts_of(kept)


def _only_our_case_is_taken_off(answer: Answer, wire: bytes) -> None:
    """The records are as received, but for owners in the question's case; that no rdata changes is seen in replies.

    Where something was left out before the additional section, names are spelled out.
    """
    if list(answer.counts[:2]) != [int.from_bytes(wire[place : place + 2]) for place in (6, 8)]:
        return
    asked = query_for(wire).question
    received = wire[12 + len(asked) :][: len(answer.records)]
    assert answer.records.lower() == received.lower()
    if asked[:-4] == asked[:-4].lower() or not asked.isascii():
        assert answer.records == received


def _agrees_on_answer(answer: Answer, wire: bytes) -> None:
    theirs = oracle.read(wire)
    if theirs is None:
        return
    flags = int(theirs.flags)
    assert answer.authentic == bool(flags & 0x0020)
    assert answer.rcode == theirs.rcode()
    codes = [int.from_bytes(data[:2]) for data in oracle.option_data(theirs, _EXTENDED_ERROR)]
    assert answer.errors == tuple(codes[:MOST_ERRORS])
    kept = oracle.kept_of(wire)
    if kept is not None:
        assert answer.kind == oracle.kind_of(theirs, kept)
        _agrees_on_ttl(answer, kept)


def _agrees_on_ttl(answer: Answer, kept: list[oracle.Record]) -> None:
    smallest = oracle.smallest_ttl(kept)
    soas = oracle.soa_ttls(kept)
    if answer.kind is Kind.POSITIVE:
        assert answer.ttl == smallest
    elif answer.kind in (Kind.FAILURE, Kind.REFERRAL) or not soas:
        assert answer.ttl is None
    else:
        assert smallest is not None
        assert answer.ttl == min(smallest, *soas)


OTHER_QUESTIONS: Final = tuple(
    name + b"\x00\x1c\x00\x01" for name in (b"\x00", b"\x02up\x03net\x00", b"\x01z" * 127 + b"\x00")
)
"""The shortest, one of another length than most, and the longest."""


def check_denial(answer: Answer, question: bytes, wire: bytes) -> Denial | None:
    """An NXDOMAIN that can be moved reads the same under every other question as it did under its own."""
    denial = relocate(answer, question)
    if denial is None:
        return None
    moved = denial.answer
    assert len(moved.records) <= LARGEST_DENIAL_BYTES
    assert moved.counts == answer.counts == (0, len(moved.ttl_offsets), 0)
    before = oracle.kept_of(wire)
    assert before is None or denial.zone == oracle.zone_of(before)
    for other in OTHER_QUESTIONS:
        reply = write_reply(client_query(other, 0), content_of(moved))
        after = oracle.records_of(reply)
        assert after is not None, "dnspython cannot read the names of a denial that was moved"
        assert before is None or [_head(one) for one in after] == [_head(one) for one in before]
        theirs, ours = oracle.read(wire), oracle.read(reply)
        if theirs is not None and before is not None:
            assert ours is not None, "dnspython reads the denial in its old place and not in the new one"
            assert oracle.same_records(ours, theirs, before)
    return denial


def _head(record: oracle.Record) -> tuple[Name, int, int, int]:
    return record.owner, record.rtype, record.rclass, record.ttl


# ------------------------------------------------------------------ replies


def client_query(question: bytes, shape: int) -> Query:
    """Return one of 65,536 clients' queries for this question: the bits of `shape` choose how it asks."""
    flags = (shape & 1) << 8 | (shape & 2) << 4 | (shape & 4) << 2  # RD, AD, CD
    name, rest = question[:-4], question[-4:]
    if shape & 8:
        name = name.swapcase()
    options = b""
    if shape & 32:
        options += struct.pack("!HH", _PADDING, 3) + b"abc"
    if shape & 64:
        options += struct.pack("!HHHBBH", _CLIENT_SUBNET, 6, 1, 16, 0, 0xC633)
    if shape & 128:
        options += struct.pack("!HHQ", 10, 8, 0x0123456789ABCDEF)
    opt = struct.pack("!BHHIH", 0, oracle.OPT, 4096, (shape & 256) << 7, len(options)) + options if shape & 16 else b""
    return parse_query(struct.pack("!6H", shape ^ 0x5A5A, flags, 1, 0, 0, bool(opt)) + name + rest + opt)


def check_reply(wire: bytes) -> None:
    """Give this answer to a client and hold the reply against both. The answer's ID chooses the client and the age."""
    answer = check_answer(wire)
    if not isinstance(answer, Answer) or answer.truncated:
        return
    shape = struct.unpack("!H", wire[:2])[0]
    age = 7 * (shape >> 9)
    query = client_query(query_for(wire).question, shape)
    check_reply_to(query, answer, wire, age=age)


def check_reply_to(query: Query, answer: Answer, wire: bytes, *, age: int) -> bytes:
    """Write the reply that gives `answer`, read from `wire`, to `query`; check and return it."""
    reply = write_reply(query, content_of(answer, age=age))
    _has_right_header(reply, query, answer)
    body = len(query.question) + 12 + len(answer.records)
    assert reply[12 : 12 + len(query.question)] == query.question
    assert reply[12 + len(query.question) : body] == _aged(answer, age)
    _has_right_opt(reply[body:], query, answer, body)
    _keeps_records(write_reply(query, content_of(answer)), wire)
    return reply


def _has_right_header(reply: bytes, query: Query, answer: Answer) -> None:
    identifier, flags, *counts = struct.unpack_from("!6H", reply)
    asks_for_ad = bool(query.flags & 0x0020) or query.dnssec_ok
    rcode = 2 if query.edns is None and answer.rcode > 15 else answer.rcode & 15
    expected = 0x8080 | query.flags & 0x0110 | rcode
    expected |= 0x0020 if answer.authentic and asks_for_ad else 0
    assert (identifier, flags) == (query.id, expected)
    answers, authority, additional = answer.counts
    assert counts == [1, answers, authority, additional + (query.edns is not None)]


def _has_right_opt(opt: bytes, query: Query, answer: Answer, unpadded: int) -> None:
    edns = query.edns
    if edns is None:
        assert opt == b""
        return
    options = b"".join(struct.pack("!HHH", _EXTENDED_ERROR, 2, code) for code in answer.errors)
    if edns.subnet is not None:
        echo = edns.subnet[:3] + b"\x00" + edns.subnet[4:]
        options += struct.pack("!HH", _CLIENT_SUBNET, len(echo)) + echo
    padding = _padding_in(opt[11 + len(options) :])
    size = unpadded + 11 + len(options)
    assert (padding is not None) == (edns.wants_padding and _padding_fits(size))
    if padding is not None:
        options += struct.pack("!HH", _PADDING, padding) + bytes(padding)
        assert _is_padded_well(size, unpadded + len(opt))
    ttl = answer.rcode >> 4 << 24 | 0x8000 * edns.dnssec_ok
    assert opt == struct.pack("!BHHIH", 0, oracle.OPT, 1232, ttl, len(options)) + options


def _padding_in(rest: bytes) -> int | None:
    return len(rest) - 4 if rest else None


def _padding_fits(size: int) -> bool:
    """RFC 7830 section 4 asks for padding; only where its own four bytes would cross a limit it is left out."""
    return size + 4 <= (4_096 if size <= 4_096 else 65_535)


def _is_padded_well(size: int, padded: int) -> bool:
    if padded % 468 == 0:
        return padded <= 4_096 or size > 4_096
    return padded == (4_096 if size <= 4_096 else 65_535) and padded + -padded % 468 > padded


def _aged(answer: Answer, age: int) -> bytes:
    """Return the answer's records as they must be after `age` seconds: every TTL smaller, every other byte the same."""
    records = bytearray(answer.records)
    for offset in answer.ttl_offsets if age else ():
        ttl = int.from_bytes(records[offset : offset + 4])
        records[offset : offset + 4] = (0 if ttl >> 31 else max(ttl - age, 0)).to_bytes(4)
    return bytes(records)


def _keeps_records(reply: bytes, wire: bytes) -> None:
    """Under a client's question and over our OPT, the records still are what they were, names expanded."""
    before, after = oracle.kept_of(wire), oracle.records_of(reply)
    assert after is not None or before is None, "dnspython can read the names of what came and not of our reply"
    if before is None or after is None:
        return
    kept = [record for record in after if record.rtype != oracle.OPT]
    assert [(record.section, *_head(record)) for record in kept] == [(one.section, *_head(one)) for one in before]
    theirs = oracle.read(wire)
    if theirs is not None:
        reread = oracle.read(reply)
        assert reread is not None, "dnspython reads the answer and not our reply"
        assert oracle.same_records(reread, theirs, before)
