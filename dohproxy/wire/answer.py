"""What an upstream says: read once, classified once, and kept in the form that every reply is made from.

An `Answer` has lost everything that belongs to one exchange: ID, question, flags of the header, OPT. What stays
are the three record sections as bytes, the places of their TTLs, and a few facts. As a question's name has the
same length whoever asks, compression pointers stay right under any client's question.
"""

import contextlib
import struct
from enum import StrEnum
from typing import Final

from dohproxy.value import value
from dohproxy.wire.edns import OPT_FIXED_BYTES, UpstreamEdns, read_options, read_upstream_opt
from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.name import NameWalker, question_name_end
from dohproxy.wire.numbers import (
    AA,
    AD,
    HEADER_BYTES,
    LARGEST_MESSAGE_BYTES,
    OPCODE_MASK,
    QR,
    RCODE_MASK,
    TC,
    TTL_SIGN_BIT,
    OptionCode,
    Qtype,
    Rcode,
)
from dohproxy.wire.query import Query
from dohproxy.wire.upstream_query import upstream_question

MOST_RECORDS: Final = 512
"""Records in all sections together. BIND stops at 100 of one type and name (CVE-2024-1737); real answers have
some dozens. With the budget for names this bounds the time that any 64 KiB can cost to under 5 ms."""
LARGEST_ANSWER_BYTES: Final = LARGEST_MESSAGE_BYTES - 128
"""Room for the OPT of our reply: at most five EDE codes and an ECS option."""
MOST_ERRORS: Final = 3
"""EDE codes of an upstream that are passed on: Unbound and BIND send one, rarely two."""

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_RECORD_FIXED_BYTES: Final = 10
_SOA_SMALLEST_RDATA: Final = 22
"""Two root names and five 32-bit numbers (RFC 1035 section 3.3.13)."""


class Kind(StrEnum):
    """What an answer amounts to; caching rules and TTL rules look at nothing else."""

    POSITIVE = "positive"
    NODATA = "nodata"
    """The name exists, the type does not (RFC 2308 section 2.2); a CNAME chain may lead there."""
    NXDOMAIN = "nxdomain"
    REFERRAL = "referral"
    """NS records instead of an answer: the upstream does not resolve for us."""
    FAILURE = "failure"
    """Any other rcode."""


@value
class Answer:
    """The records of one upstream answer, ready to be put under any client's equal question."""

    kind: Kind
    rcode: int
    """All twelve bits (RFC 6891 section 6.1.3)."""
    authoritative: bool
    authentic: bool
    """AD as received; whether to believe it is the caller's matter (RFC 6840 section 5.8)."""
    truncated: bool
    counts: tuple[int, int, int]
    """Answer, authority and additional records, the OPT not counted."""
    records: bytes
    """The three sections as received, but for the OPT, which is cut out, and for owners that only repeat the case of
    our own query, which are in lower case."""
    ttl_offsets: tuple[int, ...]
    """Where in `records` each 32-bit TTL stands."""
    ttl: int | None
    """Seconds this may be kept: the smallest TTL, for a negative answer no more than its SOA allows (RFC 2308
    section 5). None: a negative answer without SOA, which says nothing about how long it holds."""
    errors: tuple[int, ...]
    """The upstream's EDE info codes. Its EXTRA-TEXT is dropped: bytes of unknown origin (CVE-2026-64193)."""


TRUNCATED: Final = Answer(
    kind=Kind.FAILURE,
    rcode=Rcode.SERVFAIL,
    authoritative=False,
    authentic=False,
    truncated=True,
    counts=(0, 0, 0),
    records=b"",
    ttl_offsets=(),
    ttl=None,
    errors=(),
)
"""Stands for every answer that was cut (TC=1)."""


@value
class UpstreamReply:
    """An answer, and beside it what belongs to this one exchange."""

    answer: Answer
    edns: UpstreamEdns | None
    """None: no OPT, or none that came through where the reply was cut."""


def is_reply_to(wire: bytes, identifier: int, question: bytes) -> bool:
    """Tell whether this datagram or frame can be the reply to the query we sent (RFC 5452 section 9.1).

    Compares ID, QR and the whole question, the name's case aside. A no is not an error: it is a packet to ignore.
    """
    end = HEADER_BYTES + len(question)
    return (
        len(wire) >= end
        and wire[0] << 8 | wire[1] == identifier
        and bool(wire[2] & 0x80)
        and wire[4:6] == b"\x00\x01"
        and _is_same_question(wire[HEADER_BYTES:end], question)
    )


def is_reply_without_question(wire: bytes, identifier: int) -> bool:
    """Tell whether this can be the reply to the query with this ID although it does not repeat the question.

    Servers that will not read a query answer it with its header alone: Unbound whom its access list refuses, NSD and
    PowerDNS what they take for malformed. Such a reply has nothing of the query in it but the ID.
    """
    return (
        len(wire) >= HEADER_BYTES
        and wire[0] << 8 | wire[1] == identifier
        and bool(wire[2] & 0x80)
        and (wire[4:6] == b"\x00\x00" or len(wire) == HEADER_BYTES)
    )


def repeats_case(wire: bytes, question: bytes) -> bool:
    """Tell whether the reply has the question byte for byte as we wrote it (draft-vixie-dnsext-dns0x20)."""
    return wire[HEADER_BYTES : HEADER_BYTES + len(question)] == question


def _is_same_question(one: bytes, other: bytes) -> bool:
    """Compare names without their case, type and class as they are: lower() would make an HTTPS (65) a 97."""
    return one[-4:] == other[-4:] and one[:-4].lower() == other[:-4].lower()


def parse_answer(wire: bytes, query: Query) -> Answer:
    """Read an upstream's answer to `query`; see `parse_reply`."""
    return parse_reply(wire, query).answer


def parse_reply(wire: bytes, query: Query) -> UpstreamReply:
    """Read an upstream's reply to `query`.

    Raises Malformed with the first fault. Cost is bounded by MOST_RECORDS and the name walker's budget.
    """
    if not HEADER_BYTES <= len(wire) <= LARGEST_ANSWER_BYTES:
        raise Malformed(Fault.TOO_SHORT if len(wire) < HEADER_BYTES else Fault.TOO_LONG)
    _, flags, questions, *counts = _HEADER.unpack_from(wire)
    if not flags & QR or flags & OPCODE_MASK:
        raise Malformed(Fault.NOT_A_RESPONSE)
    if not questions or len(wire) == HEADER_BYTES:
        return _read_without_question(wire, flags, counts, query.qtype)
    if questions != 1:
        raise Malformed(Fault.QUESTION_COUNT)
    if sum(counts) > MOST_RECORDS:
        raise Malformed(Fault.TOO_MANY_RECORDS)
    start = question_name_end(wire) + 4
    if not _is_same_question(wire[HEADER_BYTES:start], upstream_question(query)):
        raise Malformed(Fault.OTHER_QUESTION)
    survey = _Survey(wire, start, query.qtype)
    if flags & TC:
        # Cut anywhere, also within a record: there is nothing to read, only to ask again over TCP. The OPT should be
        # there all the same (RFC 6891 section 7), and its cookie tells whether a stranger wants to drive us there.
        with contextlib.suppress(Malformed):
            survey.walk(counts)
        return UpstreamReply(TRUNCATED, survey.edns)
    survey.walk(counts)
    return UpstreamReply(survey.answer(flags, counts), survey.edns)


def _read_without_question(wire: bytes, flags: int, counts: list[int], qtype: int) -> UpstreamReply:
    """Read what does not repeat the question: an error, or the advice to ask over TCP. Nothing that is said of a name
    can be believed without the name, so any record but an OPT is one too many."""
    if flags & TC:
        return UpstreamReply(TRUNCATED, None)
    if len(wire) == HEADER_BYTES:
        counts = [0, 0, 0]  # Some servers leave those of the query.
    if counts[0] or counts[1] or counts[2] > 1:
        raise Malformed(Fault.QUESTION_COUNT)
    survey = _Survey(wire, HEADER_BYTES, qtype)
    survey.walk(counts)
    answer = survey.answer(flags, counts)
    if answer.kind is not Kind.FAILURE or answer.records:
        raise Malformed(Fault.QUESTION_COUNT)
    return UpstreamReply(answer, survey.edns)


class _Survey:
    """One walk over all records of a message, noting what an Answer needs."""

    def __init__(self, wire: bytes, start: int, qtype: int) -> None:
        self.wire = wire
        self.start = start
        self.end = start
        self.qtype = qtype
        asked = wire[HEADER_BYTES : start - 4]
        self.asked_in_case = asked if asked.isascii() and asked != asked.lower() else b""
        """The question's name, if it is not in lower case anyway. ASCII: no byte of it can be half of a pointer."""
        self.owners_in_case: list[tuple[int, int]] = []
        """Where an owner is spelled out that ends as the question does, case and all."""
        self.ttl_offsets: list[int] = []
        self.smallest_ttl = 0xFFFF_FFFF
        self.has_qtype = False
        self.has_ns = False
        self.soa_ttl: int | None = None
        self.opt: tuple[int, int] | None = None
        self.edns: UpstreamEdns | None = None
        self.upper_rcode = 0
        self.errors: tuple[int, ...] = ()
        self.records_before_opt = 0

    def walk(self, counts: list[int]) -> None:
        names = NameWalker(self.wire)
        for section, count in enumerate(counts):
            for position in range(count):
                self._record(names, section, position)
        if self.end != len(self.wire):
            raise Malformed(Fault.TRAILING_BYTES)

    def _record(self, names: NameWalker, section: int, position: int) -> None:
        owner = self.end
        fixed = names.skip(owner)
        if fixed + _RECORD_FIXED_BYTES > len(self.wire):
            raise Malformed(Fault.CUT_SHORT)
        rtype, rclass, ttl, rdlength = _RECORD.unpack_from(self.wire, fixed)
        end = fixed + _RECORD_FIXED_BYTES + rdlength
        if end > len(self.wire):
            raise Malformed(Fault.CUT_SHORT)
        self.end = end
        if rtype == Qtype.OPT:
            self._opt(owner, end, section, position, rclass, ttl)
            return
        if self.asked_in_case and self.asked_in_case.endswith(self.wire[owner:fixed]):
            self.owners_in_case.append((owner - self.start, fixed - self.start))
        if ttl & TTL_SIGN_BIT:
            ttl = 0
        self.ttl_offsets.append(fixed + 4 - self.start)
        self.smallest_ttl = min(self.smallest_ttl, ttl)
        if section == 0:
            self.has_qtype = self.has_qtype or rtype == self.qtype
        elif section == 1:
            self._authority(rtype, ttl, end, rdlength)

    def _authority(self, rtype: int, ttl: int, end: int, rdlength: int) -> None:
        if rtype == Qtype.NS:
            self.has_ns = True
        elif rtype == Qtype.SOA:
            if rdlength < _SOA_SMALLEST_RDATA:
                raise Malformed(Fault.SOA)
            minimum = int.from_bytes(self.wire[end - 4 : end])
            allowed = min(ttl, minimum)
            self.soa_ttl = allowed if self.soa_ttl is None else min(self.soa_ttl, allowed)

    def _opt(self, owner: int, end: int, section: int, position: int, rclass: int, ttl: int) -> None:
        if section != 2:
            raise Malformed(Fault.OPT_PLACE)
        if self.opt is not None:
            raise Malformed(Fault.TWO_OPT)
        if self.wire[owner] != 0:
            raise Malformed(Fault.OPT_OWNER)
        self.opt = (owner, end)
        self.records_before_opt = position
        self.upper_rcode = ttl >> 24
        options = read_options(self.wire, owner + OPT_FIXED_BYTES, end)
        self.edns = read_upstream_opt(rclass, options)
        codes = [data for code, data in options if code == OptionCode.EXTENDED_ERROR and len(data) >= 2]
        self.errors = tuple(int.from_bytes(data[:2]) for data in codes[:MOST_ERRORS])

    def answer(self, flags: int, counts: list[int]) -> Answer:
        rcode = self.upper_rcode << 4 | flags & RCODE_MASK
        kind = self._kind(rcode, counts[0])
        records = self.wire[self.start :]
        offsets = self.ttl_offsets
        additional = counts[2]
        if self.opt is not None:
            # Additional records behind the OPT go with it. They are rare and only a courtesy, while pulling them
            # forward would break every compression pointer that leads into them.
            records = self.wire[self.start : self.opt[0]]
            additional = self.records_before_opt
            offsets = offsets[: counts[0] + counts[1] + additional]
        return Answer(
            kind=kind,
            rcode=rcode,
            authoritative=bool(flags & AA),
            authentic=bool(flags & AD),
            truncated=False,
            counts=(counts[0], counts[1], additional),
            records=self._without_our_case(records),
            ttl_offsets=tuple(offsets),
            ttl=self._ttl(kind),
            errors=self.errors,
        )

    def _without_our_case(self, records: bytes) -> bytes:
        """Put owners in lower case that a client would otherwise see in the case of a query it did not send.

        Nearly every owner is a pointer to the question, where each client finds its own case.
        """
        if not self.owners_in_case:
            return records
        restored = bytearray(records)
        for start, end in self.owners_in_case:
            restored[start:end] = restored[start:end].lower()
        return bytes(restored)

    def _kind(self, rcode: int, answers: int) -> Kind:
        if rcode == Rcode.NXDOMAIN:
            return Kind.NXDOMAIN
        if rcode != Rcode.NOERROR:
            return Kind.FAILURE
        if self.has_qtype or (self.qtype == Qtype.ANY and answers):
            return Kind.POSITIVE
        if self.soa_ttl is None and self.has_ns and not answers:
            return Kind.REFERRAL
        return Kind.NODATA

    def _ttl(self, kind: Kind) -> int | None:
        if kind is Kind.POSITIVE:
            return self.smallest_ttl
        if self.soa_ttl is None or kind in (Kind.REFERRAL, Kind.FAILURE):
            return None
        return min(self.smallest_ttl, self.soa_ttl)
