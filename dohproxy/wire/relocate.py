"""A denial made independent of the question that it answered, so that it can stand under another one.

The records of an answer are compressed against its question: under a question of another length every pointer would
lead elsewhere. Here the names are spelled out, for the record types that the authority section of an NXDOMAIN is made
of. Any other type may hold names that we do not know of, and then nothing is relocated.

What denies a name denies all names below it (RFC 8020), and with DO its proof does too, as it stands. An NSEC record
covers the gap between two neighbours in canonical order, in which a name's descendants follow it at once (RFC 4034
section 6.1): were there one, the gap would end at it, and the name would exist as an empty non-terminal. An NSEC3 proof
consists of the closest encloser, the next closer name and the wildcard (RFC 5155 section 8.4); descendants of a name
that does not exist have all three in common with it. The other NSEC, which denies the wildcard, is that of the closest
encloser in either case (RFC 4035 section 3.1.3.2). So a validator accepts for the descendant what it accepts for the
name itself, whatever the type (RFC 8020 section 4).
"""

from dataclasses import dataclass, replace
from typing import Final

from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.numbers import HEADER_BYTES, Qtype
from dohproxy.wire.spelled import SpelledRecords

MOST_RECORDS_MOVED: Final = 16
"""An SOA, three NSEC3, and two signatures for each while a zone changes its keys, are 12."""
LARGEST_DENIAL_BYTES: Final = 8_192
"""The most bytes of records with their names spelled out: those 12 have under 6,000 even with RSA keys of 4096 bits and
names of 60 bytes. Under any question, the reply stays far from the largest message there is."""

_TYPES_MOVED: Final = frozenset({Qtype.SOA, Qtype.RRSIG, Qtype.NSEC, Qtype.NSEC3})
"""What the authority section of a denial is made of."""


@dataclass(frozen=True, slots=True)
class Denial:
    """An NXDOMAIN that holds under any question."""

    answer: Answer
    """As it was, but without a pointer in its records."""
    zone: bytes
    """The owner of its SOA, lower case: who says that the name does not exist."""


def relocate(answer: Answer, question: bytes) -> Denial | None:
    """Return the denial in an NXDOMAIN that was given to `question` (name, type and class on the wire).

    None if it cannot be moved safely: it is no NXDOMAIN, speaks of another name than the question's (a CNAME in the
    answer section: RFC 6604), has records of other types or in the additional section, not exactly one SOA, a name that
    cannot be read, or is larger than any honest denial.
    """
    answers, authority, additional = answer.counts
    if answer.kind is not Kind.NXDOMAIN or answers or additional or authority > MOST_RECORDS_MOVED:
        return None
    moved = SpelledRecords(bytes(HEADER_BYTES) + question + answer.records, LARGEST_DENIAL_BYTES)
    place = HEADER_BYTES + len(question)
    zones: list[bytes] = []
    try:
        for _ in range(authority):
            owner, rtype, place = moved.add(place)
            if rtype not in _TYPES_MOVED:
                return None
            if rtype == Qtype.SOA:
                zones.append(owner)
    except Malformed:
        return None
    if len(zones) != 1:
        return None
    alone = replace(answer, records=bytes(moved.records), ttl_offsets=tuple(moved.ttl_offsets))
    return Denial(alone, zones[0].lower())
