"""Accidents that befall a message on its way, each in every place where it makes a difference, by name."""

import struct
from typing import Final

from tests.wire import messages as m

_HEADER_BYTES: Final = 12
_COUNTS: Final = ("questions", "answers", "authority records", "additional records")
_FLAGS: Final = {
    "the response bit turned": m.QR,
    "the authority's bit turned": m.AA,
    "the truncation bit turned": m.TC,
    "recursion turned": m.RD,
    "the reserved bit turned": 0x0040,
    "checking turned": m.CD,
    "the opcode of a status query": 2 << 11,
    "the opcode of a notification": 4 << 11,
    "the opcode of an update": 5 << 11,
    "an unknown opcode": 15 << 11,
    "an unknown rcode": 15,
}
_LABEL_TYPES: Final = {
    "an obsolete label type": 0x41,
    "a reserved label type": 0x80,
    "a label as long as can be": 0x3F,
    "no label": 0x00,
}


def damaged(what: str, whole: bytes) -> dict[str, bytes]:
    """Return `whole`, a message with a question, after one accident each."""
    parts = (_cut(whole), _flags(whole), _counts(whole), _labels(whole), _pointers(whole), _bytes(whole))
    return {f"{what} {accident}": wire for part in parts for accident, wire in part.items()}


def _cut(whole: bytes) -> dict[str, bytes]:
    """Every length of the header and of what is behind the question, and each third one between."""
    lengths = [*range(_HEADER_BYTES + 1), *range(_HEADER_BYTES + 2, len(whole), 3)]
    cut = {f"cut off behind {length} bytes": whole[:length] for length in lengths}
    return {
        **cut,
        "with a byte behind it": whole + b"\x00",
        "with itself behind it": whole + whole,
        "with a length before it": struct.pack("!H", len(whole)) + whole,
    }


def _flags(whole: bytes) -> dict[str, bytes]:
    flags = int.from_bytes(whole[2:4])
    return {f"with {name}": whole[:2] + struct.pack("!H", flags ^ bits) + whole[4:] for name, bits in _FLAGS.items()}


def _counts(whole: bytes) -> dict[str, bytes]:
    """One too many, one too few, and as many as can be said, of each section."""
    packets = {}
    for number, records in enumerate(_COUNTS):
        place = 4 + 2 * number
        told = int.from_bytes(whole[place : place + 2])
        lies = {"one of the {} untold": told - 1, "one of the {} that is not there": told + 1, "65,535 {}": 0xFFFF}
        for lie, count in lies.items():
            if count >= 0:
                packets[f"with {lie.format(records)}"] = whole[:place] + struct.pack("!H", count) + whole[place + 2 :]
    return packets


def _labels(whole: bytes) -> dict[str, bytes]:
    """In the name of the question."""
    begin = _HEADER_BYTES
    packets = {
        f"with {name}": whole[:begin] + bytes([octet]) + whole[begin + 1 :] for name, octet in _LABEL_TYPES.items()
    }
    rest = whole[whole.index(m.ROOT, begin) + 1 :]
    for labels in (126, 127, 128):
        packets[f"with a name of {labels} labels"] = whole[:begin] + b"\x01a" * labels + m.ROOT + rest
    packets["with a name of zeroes and dots"] = whole[:begin] + b"\x03\x00.\x00\x02..\x00" + rest
    return packets


def _pointers(whole: bytes) -> dict[str, bytes]:
    """In the place of each length that is a pointer's, or of the name of the question."""
    places = [_HEADER_BYTES, *(place for place in range(_HEADER_BYTES, len(whole) - 1) if whole[place] == 0xC0)]
    packets = {}
    for place in places:
        targets = {
            "the header": 0,
            "the middle of a label": _HEADER_BYTES + 2,
            "itself": place,
            "what follows": place + 2,
            "beyond the end": 0x3FFF,
        }
        for name, target in targets.items():
            pointed = whole[:place] + m.pointer(target) + whole[place + 2 :]
            packets[f"with a pointer at byte {place} to {name}"] = pointed
    return packets


def _bytes(whole: bytes) -> dict[str, bytes]:
    """Every fifth byte behind the header, all bits of it: some of names, of types, of lengths and of what they hold."""
    return {
        f"with byte {place} turned over": whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        for place in range(_HEADER_BYTES, len(whole), 5)
    }
