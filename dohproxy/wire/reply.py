"""The one writer of replies: whatever we say, its header, question and OPT are made here.

`Content` is what is said; the client's `Query` decides how. The same function serves answers of an upstream,
cached and stale ones, and the replies we invent ourselves, so no path can forget a bit that another sets.
"""

import struct
from collections.abc import Callable
from typing import Protocol

from dohproxy.value import value
from dohproxy.wire.edns import reply_opt
from dohproxy.wire.numbers import AA, AD, CD, QR, RA, RCODE_MASK, RD, TTL_SIGN_BIT, Rcode
from dohproxy.wire.query import Query, question_of

_HEADER = struct.Struct("!6H")
_TTL = struct.Struct("!I")


class Recorded(Protocol):
    """What was said upstream: an `Answer`, or what a cache has made of one."""

    @property
    def rcode(self) -> int: ...
    @property
    def counts(self) -> tuple[int, int, int]: ...
    @property
    def records(self) -> bytes: ...
    @property
    def ttl_offsets(self) -> tuple[int, ...]: ...
    @property
    def authentic(self) -> bool: ...
    @property
    def errors(self) -> tuple[int, ...]: ...


@value
class Content:
    """Records and what the header says of them; belongs to no client yet. Nothing in it changes."""

    rcode: int
    counts: tuple[int, int, int] = (0, 0, 0)
    records: bytes = b""
    """The three sections, written for a message whose question has the length of the client's."""
    authoritative: bool = False
    """That it is we who know, as of names that never leave this machine; nothing an upstream says makes it so."""
    authentic: bool = False
    errors: tuple[int, ...] = ()
    """EDE info codes for clients that speak EDNS."""
    error_text: bytes = b""
    """What is said to each of them, in UTF-8."""


@value
class Envelope:
    """A reply but for its records: the same around any that say as much in as many bytes, and so while they age."""

    before: bytes
    """Header and question."""
    behind: bytes
    """The OPT, if there is one."""

    def around(self, records: bytes) -> bytes:
        """Return the whole reply."""
        return self.before + records + self.behind


def write_reply(query: Query, content: Content) -> bytes:
    """Return the reply that gives `content` to the client behind `query`."""
    return write_envelope(query, content).around(content.records)


def write_envelope(query: Query, content: Content) -> Envelope:
    """Return what is around the records of the reply that gives `content` to the client behind `query`.

    ID and question as sent (RFC 8484 section 4.1, 0x20), RD and CD copied (RFC 1035 section 4.1.1, RFC 4035 section
    3.2.2), AD only for those who asked (RFC 6840 section 5.8), RA always, an OPT if and only if there was one
    (RFC 6891 section 7).
    """
    rcode = content.rcode
    if query.edns is None and rcode > RCODE_MASK:
        rcode = Rcode.SERVFAIL  # Its lower four bits alone say something else: BADVERS would read as NOERROR.
    flags = QR | RA | query.flags & (RD | CD) | rcode & RCODE_MASK
    if content.authoritative:
        flags |= AA
    if content.authentic and query.wants_authentic_data:
        flags |= AD
    answers, authority, additional = content.counts
    if query.edns is None:
        head = _HEADER.pack(query.id, flags, 1, answers, authority, additional)
        return Envelope(head + query.question, b"")
    size = _HEADER.size + len(query.question) + len(content.records)
    opt = reply_opt(
        query.edns,
        unpadded_bytes=size,
        rcode=rcode,
        errors=content.errors,
        error_text=content.error_text,
        keepalive=query.keepalive,
    )
    head = _HEADER.pack(query.id, flags, 1, answers, authority, additional + 1)
    return Envelope(head + query.question, opt)


def write_reply_to_refused(wire: bytes, rcode: int) -> bytes:
    """Return a reply to a message that `parse_query` refused: its ID, opcode and RD, its question if it has one.

    `wire` must hold at least a header. There is no OPT: the one that was sent may be the very fault.
    """
    identifier, flags = struct.unpack_from("!HH", wire)
    question = question_of(wire)
    flags = QR | RA | flags & 0x7900 | rcode
    return _HEADER.pack(identifier, flags, bool(question), 0, 0, 0) + question


def content_of(answer: Recorded, *, age: int = 0) -> Content:
    """Return an answer's content with its TTLs reduced by `age` seconds."""
    return Content(
        rcode=answer.rcode,
        counts=answer.counts,
        records=age_ttls(answer, age) if age else answer.records,
        authentic=answer.authentic,
        errors=answer.errors,
    )


def age_ttls(answer: Recorded, age: int) -> bytes:
    """Return the records with every TTL reduced by `age` seconds, none below zero."""
    records = bytearray(answer.records)
    for offset in answer.ttl_offsets:  # Once a second for each answer that is asked for: no call that can be spared.
        (ttl,) = _TTL.unpack_from(records, offset)
        _TTL.pack_into(records, offset, ttl - age if age < ttl < TTL_SIGN_BIT else 0)
    return bytes(records)


def clamp_ttls(answer: Recorded, *, floor: int, ceiling: int, less: int = 0) -> bytes:
    """Return the records with every TTL brought between `floor` and `ceiling` seconds, and `less` taken off."""
    return _change_ttls(answer, lambda ttl: min(max(ttl, floor), ceiling) - less)


def set_ttls(answer: Recorded, ttl: int) -> bytes:
    """Return the records with every TTL set to `ttl` seconds; for stale answers (RFC 8767 section 4)."""
    return _change_ttls(answer, lambda _: ttl)


def _change_ttls(answer: Recorded, change: Callable[[int], int]) -> bytes:
    records = bytearray(answer.records)
    for offset in answer.ttl_offsets:
        (ttl,) = _TTL.unpack_from(records, offset)
        _TTL.pack_into(records, offset, change(0 if ttl & TTL_SIGN_BIT else ttl))
    return bytes(records)
