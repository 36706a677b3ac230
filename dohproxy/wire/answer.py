"""What an upstream says: read once, classified once, and kept in the form that every reply is made from.

An `Answer` has lost everything that belongs to one exchange: ID, question, flags of the header, OPT; and what nobody
has asked for: records of another class than IN, those of meta types (TSIG, TKEY), of the answer section those that do
not belong to the question (see `chain`), and bytes behind the last record. AA is not among the facts: who passes an
answer on is no authority for it (RFC 1035 section 4.1.1). What stays are the three record sections as bytes, the places
of their TTLs, and a few facts. As a question's name has the same length whoever asks, compression pointers stay right
under any client's question.
"""

import struct
from bisect import bisect_right
from enum import StrEnum
from typing import Final

from dohproxy.value import value
from dohproxy.wire.chain import Head, belonging
from dohproxy.wire.edns import OPT_FIXED_BYTES, UpstreamEdns, read_options, read_upstream_opt
from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.matching import is_same_question
from dohproxy.wire.name import NameWalker, question_name_end
from dohproxy.wire.numbers import (
    AD,
    CLASS_IN,
    HEADER_BYTES,
    LARGEST_MESSAGE_BYTES,
    META_TYPES,
    OPCODE_MASK,
    QR,
    RCODE_MASK,
    RECORD_FIXED_BYTES,
    TC,
    TTL_SIGN_BIT,
    OptionCode,
    Qtype,
    Rcode,
)
from dohproxy.wire.query import Query
from dohproxy.wire.rdata import ADDRESS_BYTES, check_rdata
from dohproxy.wire.spelled import RECORD, SpelledRecords
from dohproxy.wire.upstream_query import upstream_question

MOST_RECORDS: Final = 1_024
"""Records in all sections together. BIND stops at 100 of one type and name (CVE-2024-1737); real answers have
some dozens, the largest pools some hundreds. With the budget for names this bounds the time that any 64 KiB can cost to
under 5 ms."""
LARGEST_ANSWER_BYTES: Final = LARGEST_MESSAGE_BYTES - 128
"""Room for the OPT of our reply: at most five EDE codes and an ECS option."""
MOST_ERRORS: Final = 3
"""EDE codes of an upstream that are passed on: Unbound and BIND send one, rarely two."""

LARGEST_REWRITTEN_BYTES: Final = 16_384
"""The most bytes of records that are spelled out because something among them is left out: as many as the cache keeps
of one answer. Honest messages with something to leave out are small."""

_HEADER = struct.Struct("!6H")
_QUESTION: Final = b"\xc0\x0c"
"""A pointer to the question's name."""
_TTL_BYTES: Final = 4


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
    authentic: bool
    """AD as received; whether to believe it is the caller's matter (RFC 6840 section 5.8)."""
    truncated: bool
    counts: tuple[int, int, int]
    """Answer, authority and additional records that are kept, the OPT not among them."""
    records: bytes
    """The three sections as received, but for what is left out, and for owners that only repeat the case of our own
    query, which are in lower case. Where something was left out before the end, names are spelled out."""
    ttl_offsets: tuple[int, ...]
    """Where in `records` each 32-bit TTL stands."""
    ttl: int | None
    """Seconds this may be kept: the smallest TTL, for a negative answer no more than its SOA allows (RFC 2308
    section 5). None: a negative answer without SOA, which says nothing about how long it holds."""
    errors: tuple[int, ...]
    """The upstream's EDE info codes. Its EXTRA-TEXT is dropped: bytes of unknown origin (CVE-2026-64193)."""

    def unvouched(self) -> "Answer":
        """Return the same without AD. `dataclasses.replace` would cost a miss 2 % more."""
        return Answer(
            kind=self.kind,
            rcode=self.rcode,
            authentic=False,
            truncated=self.truncated,
            counts=self.counts,
            records=self.records,
            ttl_offsets=self.ttl_offsets,
            ttl=self.ttl,
            errors=self.errors,
        )


TRUNCATED: Final = Answer(
    kind=Kind.FAILURE,
    rcode=Rcode.SERVFAIL,
    authentic=False,
    truncated=True,
    counts=(0, 0, 0),
    records=b"",
    ttl_offsets=(),
    ttl=None,
    errors=(),
)
"""The answer that stands for every one that was cut (TC=1)."""


@value
class UpstreamReply:
    """An answer, and beside it what belongs to this one exchange."""

    answer: Answer
    edns: UpstreamEdns | None
    """What its OPT says; None if there is none, or none that came through where the reply was cut."""


def parse_answer(wire: bytes, query: Query) -> Answer:
    """Read an upstream's answer to `query`; see `parse_reply`."""
    return parse_reply(wire, query).answer


def parse_reply(wire: bytes, query: Query, *, is_datagram: bool = False) -> UpstreamReply:
    """Read an upstream's reply to `query`. A datagram that ends within its records is one that was cut without a word
    (by a middlebox, or by a server that forgets TC), and says no less than TC would.

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
    if not is_same_question(wire[HEADER_BYTES:start], upstream_question(query)):
        raise Malformed(Fault.OTHER_QUESTION)
    survey = _Survey(wire, start, query.qtype)
    if _is_cut(survey, flags, counts, is_datagram=is_datagram):
        return UpstreamReply(TRUNCATED, survey.edns)
    return UpstreamReply(survey.answer(flags, counts), survey.edns)


def _is_cut(survey: "_Survey", flags: int, counts: list[int], *, is_datagram: bool) -> bool:
    """Walk over the records, and tell whether the message has been cut.

    That may be anywhere, also within a record: there is nothing to read, only to ask again over TCP. The OPT should be
    there all the same (RFC 6891 section 7), and its cookie tells whether a stranger wants to drive us there.
    """
    try:
        survey.walk(counts)
    except Malformed as malformed:
        if flags & TC or (is_datagram and malformed.fault is Fault.CUT_SHORT):
            return True
        raise
    return bool(flags & TC)


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
    if survey.end != len(wire):
        raise Malformed(Fault.TRAILING_BYTES)
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
        # Without a question there is none; a slice that ends before it begins is an error where this is compiled.
        asked = wire[HEADER_BYTES : start - 4] if start > HEADER_BYTES else b""
        self.asked_in_case = asked if asked.isascii() and asked != asked.lower() else b""
        """The question's name, if it is not in lower case anyway. ASCII: no byte of it can be half of a pointer."""
        self.owners_in_case: list[tuple[int, int]] = []
        """Where an owner is spelled out that ends as the question does, case and all."""
        self.ttl_offsets: list[int] = []
        self.ttls: list[int] = []
        self.answers: list[Head] = []
        self.is_plain = True
        """Whether each record of the answer section has the question's name, as a pointer to it, and its type."""
        self.others: list[int] = []
        """Where those records start that are kept of the other sections."""
        self.authority = 0
        """How many of these are in the authority section."""
        self.has_strays = False
        """Whether a record is left out before the additional section."""
        self.has_qtype = False
        self.has_ns = False
        self.soa_ttl: int | None = None
        self.cut: int | None = None
        """Where the first record of the additional section stands that is left out. What is behind it goes with it: it
        is rare and only a courtesy, while pulling it forward would break pointers that lead into it."""
        self.has_opt = False
        self.edns: UpstreamEdns | None = None
        self.upper_rcode = 0
        self.errors: tuple[int, ...] = ()

    def walk(self, counts: list[int]) -> None:
        names = NameWalker(self.wire)
        for section, count in enumerate(counts):
            for _ in range(count):
                self._record(names, section)
        self._check_pointers(names)

    def _record(self, names: NameWalker, section: int) -> None:
        wire, owner = self.wire, self.end
        fixed = names.skip(owner)
        rdata = fixed + RECORD_FIXED_BYTES
        if rdata > len(wire):
            raise Malformed(Fault.CUT_SHORT)
        rtype, rclass, ttl, rdlength = RECORD.unpack_from(wire, fixed)
        end = rdata + rdlength
        if end > len(wire):
            raise Malformed(Fault.CUT_SHORT)
        self.end = end
        if rclass != CLASS_IN or rtype in META_TYPES:
            if rtype == Qtype.OPT:
                self._opt(owner, end, section, rclass, ttl)
            self._leave_out(owner, section)
            return
        if ADDRESS_BYTES.get(rtype) != rdlength:
            check_rdata(names, wire, rtype, rdata, end)
        if self.cut is None:
            self._keep(section, owner, fixed, rtype, 0 if ttl & TTL_SIGN_BIT else ttl)

    def _keep(self, section: int, owner: int, fixed: int, rtype: int, ttl: int) -> None:
        start = self.start
        self.ttl_offsets.append(fixed + 4 - start)
        self.ttls.append(ttl)
        if section == 0:
            self.answers.append((owner, fixed))
            if self.wire[owner:fixed] == _QUESTION:
                self.is_plain = self.is_plain and rtype == self.qtype
                return
            self.is_plain = False
        else:
            self.others.append(owner)
        if self.asked_in_case and self.asked_in_case.endswith(self.wire[owner:fixed]):
            self.owners_in_case.append((owner - start, fixed - start))
        if section == 1:
            self._authority(rtype, ttl)

    def _leave_out(self, owner: int, section: int) -> None:
        if section < 2:
            self.has_strays = True
        elif self.cut is None:
            self.cut = owner

    def _authority(self, rtype: int, ttl: int) -> None:
        self.authority += 1
        if rtype == Qtype.NS:
            self.has_ns = True
        elif rtype == Qtype.SOA:
            minimum = int.from_bytes(self.wire[self.end - 4 : self.end])
            allowed = min(ttl, minimum)
            self.soa_ttl = allowed if self.soa_ttl is None else min(self.soa_ttl, allowed)

    def _opt(self, owner: int, end: int, section: int, rclass: int, ttl: int) -> None:
        if section != 2:
            raise Malformed(Fault.OPT_PLACE)
        if self.has_opt:
            raise Malformed(Fault.TWO_OPT)
        if self.wire[owner] != 0:
            raise Malformed(Fault.OPT_OWNER)
        self.has_opt = True
        self.upper_rcode = ttl >> 24
        options = read_options(self.wire, owner + OPT_FIXED_BYTES, end)
        self.edns = read_upstream_opt(rclass, options)
        codes = [data for code, data in options if code == OptionCode.EXTENDED_ERROR and len(data) >= 2]
        self.errors = tuple(int.from_bytes(data[:2]) for data in codes[:MOST_ERRORS])

    def _check_pointers(self, names: NameWalker) -> None:
        """A name that runs through a TTL would be another one as soon as that has changed."""
        for first, behind in names.pointed_at:
            # The first TTL that ends behind where the name starts must not start before it ends.
            place = bisect_right(self.ttl_offsets, first - self.start - _TTL_BYTES)
            if place < len(self.ttl_offsets) and self.ttl_offsets[place] < behind - self.start:
                raise Malformed(Fault.POINTER)

    def answer(self, flags: int, counts: list[int]) -> Answer:
        rcode = self.upper_rcode << 4 | flags & RCODE_MASK
        kept = self._kept_answers()
        has_dropped = len(kept) < counts[0]
        kind = self._kind(rcode, len(kept))
        if has_dropped and self.soa_ttl is None and kind in (Kind.NODATA, Kind.REFERRAL):
            # What is left would say that there is no data, and nobody has said that.
            raise Malformed(Fault.UNRELATED)
        records = self._without_our_case(self.wire[self.start : self.end if self.cut is None else self.cut])
        offsets, ttls = self.ttl_offsets, self.ttls
        if has_dropped or self.has_strays:
            spelled = self._spelled(records, kept)
            records, offsets, ttls = bytes(spelled.records), spelled.ttl_offsets, spelled.ttls
        return Answer(
            kind=kind,
            rcode=rcode,
            authentic=bool(flags & AD),
            truncated=False,
            counts=(len(kept), self.authority, len(self.others) - self.authority),
            records=records,
            ttl_offsets=tuple(offsets),
            ttl=self._ttl(kind, ttls),
            errors=self.errors,
        )

    def _kept_answers(self) -> list[Head]:
        """Return the records of the answer section that belong to the question, and note whether one answers it."""
        if self.is_plain:
            self.has_qtype = bool(self.answers)
            return self.answers
        asked = self.wire[HEADER_BYTES : self.start - 4].lower()
        kept = belonging(self.wire, asked, self.qtype, self.answers)
        qtype = self.qtype.to_bytes(2)
        self.has_qtype = any(self.wire[fixed : fixed + 2] == qtype for _, fixed in kept)
        return kept

    def _spelled(self, records: bytes, kept: list[Head]) -> SpelledRecords:
        """Return all records that are kept, by themselves. Names of the question's come out in its lower case."""
        question = self.wire[HEADER_BYTES : self.start - 4].lower() + self.wire[self.start - 4 : self.start]
        spelled = SpelledRecords(bytes(HEADER_BYTES) + question + records, LARGEST_REWRITTEN_BYTES)
        for owner, _ in kept:
            spelled.add(owner)
        for owner in self.others:
            spelled.add(owner)
        return spelled

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

    def _ttl(self, kind: Kind, ttls: list[int]) -> int | None:
        if kind is Kind.POSITIVE:
            return min(ttls)
        if self.soa_ttl is None or kind in (Kind.REFERRAL, Kind.FAILURE):
            return None
        return min(self.soa_ttl, *ttls)
