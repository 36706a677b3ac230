"""Packets made to cost as much as possible, each named by what it does. No limit of ours is consulted here."""

import struct
from itertools import pairwise
from typing import Final

LARGEST: Final = 65_535
FIXED: Final = struct.pack("!HHIH", 1, 1, 300, 4) + b"abcd"
"""An A record but for its owner."""
ROOM: Final = 65_280
"""A type whose rdata nobody reads: room for names that others point to."""
QUESTION: Final = b"\x00\x00\x01\x00\x01"
FIRST_RECORD: Final = 12 + len(QUESTION)
FARTHEST_TARGET: Final = 0x3FFF


def pointer(target: int) -> bytes:
    """Return a compression pointer."""
    return struct.pack("!H", 0xC000 | target)


def answer(records: list[bytes], *, additional: int = 0) -> bytes:
    """Return an answer to the question for the root's A; the last `additional` records stand in that section."""
    head = struct.pack("!6H", 0, 0x8180, 1, len(records) - additional, 0, additional)
    return head + QUESTION + b"".join(records)


def query(additional: bytes = b"", count: int = 0, question: bytes = QUESTION) -> bytes:
    """Return a query with these bytes as its additional section."""
    return struct.pack("!6H", 0, 0x0100, 1, 0, 0, count) + question + additional


def opt(options: bytes) -> bytes:
    """Return an OPT with these options."""
    return struct.pack("!BHHIH", 0, 41, 1232, 0, len(options)) + options


def labels(count: int) -> bytes:
    """Return so many labels of one byte, without an end."""
    return b"\x01a" * count


def linked_names(*, own: int, hops: int, fresh: int, records: int) -> bytes:
    """Return records whose owners have `own` labels and then `hops` pointers, each to a new place of `fresh` labels.

    The places lie in the rdata of the first record, as many as pointers can reach.
    """
    start = FIRST_RECORD + 1 + 10
    room = b""
    heads: list[int] = []
    while start + len(room) + hops * (2 * fresh + 2) < FARTHEST_TARGET and len(heads) < records:
        target = 12
        for _ in range(hops):
            place = start + len(room)
            room += labels(fresh) + pointer(target)
            target = place
        heads.append(target)
    first = b"\x00" + struct.pack("!HHIH", ROOM, 1, 300, len(room)) + room
    others = [labels(own) + pointer(heads[i % len(heads)]) + FIXED for i in range(records)]
    return answer([first, *others])[:LARGEST]


def suffixes(*, names: int, records: int) -> bytes:
    """Return records that point at each label in turn of some names with as many labels as a name can have."""
    start = FIRST_RECORD + 1 + 10
    room = (labels(126) + b"\x00") * names
    targets = [start + name * 253 + 2 * label for label in range(126) for name in range(names)]
    first = b"\x00" + struct.pack("!HHIH", ROOM, 1, 300, len(room)) + room
    return answer([first, *(pointer(targets[i % len(targets)]) + FIXED for i in range(records))])


def long_chain(*, links: int, records: int) -> bytes:
    """Return one chain of pointers, each to the one before it, and records that enter it at its far end."""
    start = FIRST_RECORD + 1 + 10
    chain = pointer(12) + b"".join(pointer(start + 2 * i) for i in range(links))
    first = b"\x00" + struct.pack("!HHIH", ROOM, 1, 300, len(chain)) + chain
    entries = [pointer(start + 2 * (links - i % links)) + FIXED for i in range(records)]
    return answer([first, *entries])


def typed(rtype: int, rdata: bytes, owner: bytes = pointer(12)) -> bytes:
    """Return a record of this type."""
    return owner + struct.pack("!HHIH", rtype, 1, 300, len(rdata)) + rdata


def aliases(count: int, own: int) -> list[bytes]:
    """Return a chain of so many aliases with names of `own` labels, nothing compressed."""
    names = [b"\x00", *(bytes([3]) + b"%03d" % number + labels(own) + b"\x00" for number in range(count))]
    return [typed(5, target, owner) for owner, target in pairwise(names)]


def unrelated(others: int, size: int) -> bytes:
    """Return an answer with so many records that belong to it, an SOA, and one that does not, so that all names are
    spelled out; each points to names of `size` labels."""
    name = labels(size) + b"\x00"
    soa = typed(6, b"\x00\x00" + bytes(20), b"\x00")
    first = FIRST_RECORD + 2 + 10
    records = [
        typed(5, name),
        *[typed(46, bytes([0, 1]) + bytes(16) + pointer(first) + b"s")] * others,
        typed(16, b"\x00"),
    ]
    head = struct.pack("!6H", 0, 0x8180, 1, len(records), 1, 0)
    return head + QUESTION + b"".join(records) + soa


QUERIES: Final[dict[str, bytes]] = {
    "16,000 EDNS options": query(opt(struct.pack("!HH", 10, 0) * 16_000), 1),
    "16 options of 4,000 bytes each": query(opt((struct.pack("!HH", 10, 4_000) + bytes(4_000)) * 16), 1),
    "a question of 127 labels": query(question=labels(127) + QUESTION),
    "a stray record under 32,000 labels": query(labels(32_000) + b"\x00" + FIXED, 1),
    "9,000 questions": struct.pack("!6H", 0, 0x0100, 9_000, 0, 0, 0) + QUESTION * 9_000,
}

ANSWERS: Final[dict[str, bytes]] = {
    "4,080 address records": answer([pointer(12) + FIXED] * 4_080),
    "1,024 address records": answer([pointer(12) + FIXED] * 1_024),
    "1,024 records of the root": answer([b"\x00" + FIXED] * 1_024),
    "512 owners of seven labels": answer([labels(7) + b"\x00" + FIXED] * 512),
    "512 owners of twenty labels": answer([labels(20) + b"\x00" + FIXED] * 512),
    "240 owners of 127 labels": answer([labels(126) + b"\x00" + FIXED] * 240),
    "64 owners of 126 labels": answer([labels(126) + b"\x00" + FIXED] * 64),
    "one owner of 32,000 labels": answer([labels(32_000) + b"\x00" + FIXED]),
    "a chain of 8,000 pointers entered at 500 places": long_chain(links=8_000, records=500),
    "a chain of 1,500 pointers entered at its end": long_chain(links=1_500, records=1),
    "a chain of 1,000 pointers entered everywhere": long_chain(links=1_000, records=500),
    "500 pointers to 500 new places": linked_names(own=0, hops=1, fresh=0, records=500),
    "500 labels and pointers to new places": linked_names(own=1, hops=1, fresh=1, records=500),
    "1,100 pointers by way of another": linked_names(own=0, hops=2, fresh=0, records=1_100),
    "each label of 60 long names": suffixes(names=60, records=500),
    "each label of one long name": suffixes(names=1, records=500),
    "16,000 EDNS options": answer([opt(struct.pack("!HH", 15, 0) * 16_000)], additional=1),
    "65,535 records announced": struct.pack("!6H", 0, 0x8180, 1, 0xFFFF, 0, 0) + QUESTION + pointer(12) + FIXED,
    "500 mail exchangers of eight labels": answer([typed(15, b"\x00\x0a" + labels(8) + b"\x00")] * 500),
    "a text of 60,000 empty strings": answer([typed(16, bytes(60_000))]),
    "16,000 parameters of a service": answer(
        [typed(65, b"\x00\x01\x00" + b"".join(struct.pack("!HH", 7 + key, 0) for key in range(16_000)))]
    ),
    "20,000 lists of types": answer(
        [typed(47, b"\x00" + b"".join(bytes([window, 1, 1]) for window in range(250)))] * 85
    ),
    "a chain of 300 aliases": answer(aliases(300, 4)),
    "a chain of 56 aliases of 120 labels": answer(aliases(56, 120)),
    "trees that grow into each other": answer(
        [typed(5, b"\x01q\x01a\x00"), *(typed(39, b"\x01b" + name, name) for name in [b"\x01a\x00"] * 400)]
    ),
    "1,000 owners by way of 15 pointers": linked_names(own=0, hops=15, fresh=0, records=1_000),
    "60 long names to spell out": unrelated(60, 120),
    "600 short names to spell out": unrelated(600, 2),
    "one record of 65,000 bytes": answer([b"\x00" + struct.pack("!HHIH", 16, 1, 300, 65_000) + bytes(65_000)]),
}
