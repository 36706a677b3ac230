"""Plausible answers without a zone file: what a name has is a function of its letters, the same on every run.

Every address is in 127.0.0.0/8 or maps to it: who connects to what it resolved stays on this machine.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Qtype(IntEnum):
    """The types that have a rule here."""

    A = 1
    NS = 2
    SOA = 6
    AAAA = 28
    OPT = 41
    HTTPS = 65


class Rcode(IntEnum):
    """Response codes (RFC 1035 section 4.1.1)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5


QR_RD_RA: Final = 0x8180
TC: Final = 0x0200
EDE_OPTION: Final = 15
PAYLOAD_BYTES: Final = 1232

TTLS: Final = (20, 60, 60, 300, 300, 300, 300, 3600, 3600, 86_400)
"""One in ten each, by the name: short ones as content networks have them, minutes for most, a day for the calm."""
SOA_TTL: Final = 900
NEGATIVE_TTL: Final = 300
UNDELEGATED: Final = frozenset({b"dnscrypt", b"lan", b"home", b"corp", b"internal", b"localdomain"})
"""Top-level domains that the root does not know; what clients ask below them gets NXDOMAIN."""
ABSENT_LABEL: Final = b"absent"
"""A name whose first label begins with this does not exist."""
ONE_IN_HAS_IPV6: Final = 3
ONE_IN_HAS_HTTPS: Final = 8

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_TYPE_CLASS = struct.Struct("!HH")
_QNAME: Final = b"\xc0\x0c"


@dataclass(frozen=True, slots=True)
class Question:
    """What one query asks."""

    identifier: int
    wire: bytes
    """Name, type and class as sent."""
    labels: tuple[bytes, ...]
    """Lower case, without the root."""
    qtype: int
    has_opt: bool

    @property
    def qname(self) -> bytes:
        """The name in wire form, lower case."""
        return self.wire[:-4].lower()


@dataclass(frozen=True, slots=True)
class Zones:
    """What differs from the defaults."""

    empty: tuple[str, ...] = ()
    """Zones that have an apex and nothing below it."""
    ttl_seconds: int | None = None
    """The TTL of every positive answer; None if the name says it, out of `TTLS`."""


def read_question(query: bytes) -> Question | None:
    """Read a query; None for what is none."""
    if len(query) < 17 or query[2] & 0x80 or query[4:6] != b"\x00\x01":
        return None
    labels, offset = [], 12
    while length := query[offset]:
        labels.append(query[offset + 1 : offset + 1 + length].lower())
        offset += length + 1
        if length > 63 or offset + 5 > len(query):
            return None
    qtype, _ = _TYPE_CLASS.unpack_from(query, offset + 1)
    identifier = int.from_bytes(query[:2])
    return Question(identifier, query[12 : offset + 5], tuple(labels), qtype, query[10:12] != b"\x00\x00")


def answer(question: Question, zones: Zones) -> bytes:
    """Return the whole answer."""
    number = zlib.crc32(question.qname)
    apex = _absent_below(question.labels, zones)
    if apex is not None:
        return _message(question, Rcode.NXDOMAIN, authority=_soa(question, apex))
    ttl = zones.ttl_seconds if zones.ttl_seconds is not None else TTLS[number % len(TTLS)]
    rdata = _rdata(question, number)
    if rdata is None:
        return _message(question, Rcode.NOERROR, authority=_soa(question, max(0, len(question.labels) - 2)))
    record = _QNAME + _RECORD.pack(question.qtype, 1, ttl, len(rdata)) + rdata
    return _message(question, Rcode.NOERROR, answers=(record,))


def failure(question: Question, rcode: int, error: int | None = None) -> bytes:
    """Return an answer without records, with an extended error (RFC 8914) if `error` is one."""
    options = b"" if error is None else struct.pack("!HHH", EDE_OPTION, 2, error)
    return _message(question, rcode, options=options)


def truncated(question: Question) -> bytes:
    """Return an empty answer that says: come back over TCP."""
    return _message(question, TC)


def registered_domain(labels: Sequence[bytes]) -> bytes:
    """Return the last two labels: near enough for what falls under one operator."""
    return b".".join(labels[-2:])


def _absent_below(labels: tuple[bytes, ...], zones: Zones) -> int | None:
    """Return the place of the label where the zone begins that denies the name, or None if it exists."""
    if not labels:
        return None
    if labels[-1] in UNDELEGATED:
        return len(labels)
    for zone in zones.empty:
        apex = tuple(zone.encode("ascii").split(b"."))
        if len(labels) > len(apex) and labels[-len(apex) :] == apex:
            return len(labels) - len(apex)
    return max(0, len(labels) - 2) if labels[0].startswith(ABSENT_LABEL) else None


def _rdata(question: Question, number: int) -> bytes | None:
    address = b"\x7f" + (16 + number % 200).to_bytes(1) + (number >> 8 & 0xFFFF).to_bytes(2)
    match question.qtype:
        case Qtype.A:
            return address
        case Qtype.AAAA if number % ONE_IN_HAS_IPV6 == 0:
            return bytes(10) + b"\xff\xff" + address
        case Qtype.HTTPS if number % ONE_IN_HAS_HTTPS == 0:
            return b"\x00\x01\x00\x00\x01\x00\x06\x02h2\x02h3"
        case Qtype.NS:
            return b"\x02ns\xc0\x0c" if question.labels else b"\x01a\x0croot-servers\x03net\x00"
        case _:
            return None


def _soa(question: Question, apex: int) -> bytes:
    """Return the SOA of the zone that begins at this label; its names point into the question."""
    offset = 12 + sum(len(label) + 1 for label in question.labels[:apex])
    owner = b"\x00" if apex == len(question.labels) else (0xC000 | offset).to_bytes(2)
    rdata = owner + owner + struct.pack("!5I", 1, 3600, 900, 604_800, NEGATIVE_TTL)
    return owner + _RECORD.pack(Qtype.SOA, 1, SOA_TTL, len(rdata)) + rdata


def _message(
    question: Question, flags: int, *, answers: Sequence[bytes] = (), authority: bytes = b"", options: bytes = b""
) -> bytes:
    opt = b""
    if question.has_opt:
        opt = b"\x00" + _RECORD.pack(Qtype.OPT, PAYLOAD_BYTES, 0, len(options)) + options
    counts = (1, len(answers), int(bool(authority)), int(bool(opt)))
    return _HEADER.pack(question.identifier, QR_RD_RA | flags, *counts) + b"".join(
        (question.wire, *answers, authority, opt)
    )
