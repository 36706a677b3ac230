"""An answer for a client that did not ask for DNSSEC, made of one for a client that did."""

from collections.abc import Sequence
from typing import Final

from dohproxy.value import value
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.numbers import HEADER_BYTES, Qtype
from dohproxy.wire.spelled import SpelledRecords

LARGEST_UNSIGNED_BYTES: Final = 16_384
"""The most bytes of the records with their names spelled out: as many as the cache keeps of one answer as it came."""

_PROOFS: Final = frozenset({Qtype.RRSIG.value, Qtype.NSEC.value, Qtype.NSEC3.value})
"""What is given to nobody who has not asked for it, by DO or by type (RFC 4035 section 3.2.1)."""


@value
class Unsigned:
    """The records that are left."""

    counts: tuple[int, int, int]
    records: bytes


def without_proofs(records: bytes, counts: Sequence[int], question: bytes) -> Unsigned | None:
    """Return the records of an answer to `question` (name, type and class on the wire) without signatures and proofs,
    unless they were what was asked for; None if they cannot be spelled out within their limit."""
    qtype = int.from_bytes(question[-4:-2])
    spelled = SpelledRecords(bytes(HEADER_BYTES) + question + records, LARGEST_UNSIGNED_BYTES)
    place = HEADER_BYTES + len(question)
    kept = [0, 0, 0]
    try:
        for section, count in enumerate(counts):
            for _ in range(count):
                rtype, following = spelled.head(place)
                if rtype not in _PROOFS or rtype == qtype:
                    spelled.add(place)
                    kept[section] += 1
                place = following
    except Malformed:
        return None
    return Unsigned((kept[0], kept[1], kept[2]), bytes(spelled.records))
