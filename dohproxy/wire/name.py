"""Names on the wire: how they are skipped, checked and printed. They stay bytes all the way.

Two readers, because the two places differ in what they may contain. A question's name stands first in its
message, so it can hold no pointer; its lower-case bytes are the name's identity everywhere in this project.
Names in an answer, owners and those in rdata, may be compressed; we make sure that whoever expands them will come to an
end, and expand them ourselves only where they decide something or are to stand elsewhere (`spell_out`).
"""

from typing import Final

from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.numbers import HEADER_BYTES

LONGEST_NAME_BYTES: Final = 255
"""RFC 1035 section 2.3.4, the root's zero byte included."""
LONGEST_LABEL_BYTES: Final = 63
COMPRESSION_BUDGET: Final = 4_096
"""Label and pointer steps that all names of one message may cost together: the most records we take (1,024), none
compressed, of four labels each with the root. Limits per name alone were not enough (CVE-2026-96405). Whatever else in
rdata has to be walked, strings and parameters, costs steps too."""
STEPS_OF_A_POINTER: Final = 8
"""What following a pointer to a new place takes from the budget: it costs the time of so many labels."""
MOST_HOPS: Final = 16
"""Pointers followed one after another in a name that is spelled out; honest ones have one or two, dnspython stops
at 16 too."""
_CASE_BIT: Final = 0x20
_CASE_BITS: Final = bytes(_CASE_BIT if byte in b"abcdefghijklmnopqrstuvwxyz" else 0 for byte in range(256))
"""Lower-case letter to its case bit, all else to zero: a label's length is under 64, so no letter."""


def question_name_end(wire: bytes) -> int:
    """Return the offset after the question's name, which stands at offset 12 and must not be compressed.

    Raises Malformed: POINTER_IN_QUESTION, LABEL, NAME_TOO_LONG, CUT_SHORT.
    """
    offset = HEADER_BYTES
    size = len(wire)
    while offset < size:
        length = wire[offset]
        offset += 1
        if length == 0:
            if offset - HEADER_BYTES > LONGEST_NAME_BYTES:
                raise Malformed(Fault.NAME_TOO_LONG)
            return offset
        if length > LONGEST_LABEL_BYTES:
            raise Malformed(Fault.POINTER_IN_QUESTION if length >= 0xC0 else Fault.LABEL)
        offset += length
        if offset - HEADER_BYTES > LONGEST_NAME_BYTES:
            raise Malformed(Fault.NAME_TOO_LONG)
    raise Malformed(Fault.CUT_SHORT)


class NameWalker:
    """Walks the names of one message and keeps the account of what that has cost.

    It remembers how long the name at each pointer's target is. So a name that many records point to is walked
    once, and a chain of pointers costs its length once, not once for each record.
    """

    __slots__ = ("_lengths", "_steps_left", "_wire", "pointed_at")

    def __init__(self, wire: bytes) -> None:
        self.pointed_at: list[tuple[int, int]] = []
        """Start and end of whatever a pointer led to, the question's name aside: labels, and the root or a pointer."""
        self._wire = wire
        self._lengths: dict[int, int] = {}
        self._steps_left = COMPRESSION_BUDGET

    def skip(self, offset: int) -> int:
        """Return the offset after the name at `offset`.

        Raises Malformed: POINTER, LABEL, NAME_TOO_LONG, CUT_SHORT, COMPRESSION_WORK.
        """
        wire = self._wire
        # Nearly every owner of nearly every answer is a pointer to the question, which was read already.
        if wire[offset : offset + 2] == b"\xc0\x0c":
            return offset + 2
        offset, length = self._labels(offset, 0, 1)
        if wire[offset] == 0:
            return offset + 1
        self._tail_length(offset, length)
        return offset + 2

    def charge(self, steps: int) -> None:
        """Take so many steps from the budget for what is no name. Raises Malformed: COMPRESSION_WORK."""
        self._steps_left -= steps
        if self._steps_left < 0:
            raise Malformed(Fault.COMPRESSION_WORK)

    def _labels(self, offset: int, length: int, steps: int) -> tuple[int, int]:
        """Pass the plain labels at `offset`: return where their pointer or root stands, and `length` grown by them.

        `steps` is what coming here has cost.
        """
        wire = self._wire
        size = len(wire)
        while offset < size:
            label = wire[offset]
            if label == 0 or label >= 0xC0:
                self.charge(steps)
                return offset, length
            if label > LONGEST_LABEL_BYTES:
                raise Malformed(Fault.LABEL)
            offset += label + 1
            length += label + 1
            if length >= LONGEST_NAME_BYTES:  # the root's byte is still to come
                raise Malformed(Fault.NAME_TOO_LONG)
            steps += 1
        raise Malformed(Fault.CUT_SHORT)

    def _tail_length(self, offset: int, length: int) -> None:
        """Follow the pointer at `offset`, which stands behind `length` bytes of labels, to the end of its name."""
        wire = self._wire
        jumps: list[tuple[int, int]] = []
        lowest = offset - length
        while wire[offset]:
            target = _target(wire, offset, lowest)
            known = self._lengths.get(target)
            if known is not None:
                length += known
                break
            jumps.append((target, length))
            lowest = target
            offset, length = self._labels(target, length, STEPS_OF_A_POINTER)
            self.pointed_at.append((target, offset + (2 if wire[offset] else 1)))
        else:
            length += 1
        if length > LONGEST_NAME_BYTES:
            raise Malformed(Fault.NAME_TOO_LONG)
        for target, before in jumps:
            self._lengths[target] = length - before


def spell_out(wire: bytes, offset: int) -> tuple[bytes, int]:
    """Return the name at `offset` of a message without any compression, and the offset after it.

    Raises Malformed: POINTER, LABEL, NAME_TOO_LONG, CUT_SHORT, COMPRESSION_WORK. Nothing about the name need have been
    checked; it costs at most 127 labels and MOST_HOPS pointers.
    """
    name = bytearray()
    lowest = offset
    after = 0
    hops = 0
    while offset < len(wire):
        length = wire[offset]
        if length >= 0xC0:
            after = after or offset + 2
            offset = lowest = _target(wire, offset, lowest)
            hops += 1
            if hops > MOST_HOPS:
                raise Malformed(Fault.COMPRESSION_WORK)
            continue
        if length > LONGEST_LABEL_BYTES:
            raise Malformed(Fault.LABEL)
        name += wire[offset : offset + length + 1]
        offset += length + 1
        if len(name) > LONGEST_NAME_BYTES:
            raise Malformed(Fault.NAME_TOO_LONG)
        if length == 0:
            return bytes(name), after or offset
    raise Malformed(Fault.CUT_SHORT)


def written_end(wire: bytes, offset: int) -> int:
    """Return the offset after the name at `offset` of a message, a pointer in it not followed; it has been checked."""
    while 0 < wire[offset] <= LONGEST_LABEL_BYTES:
        offset += 1 + wire[offset]
    return offset + (2 if wire[offset] else 1)


def _target(wire: bytes, offset: int, lowest: int) -> int:
    """Return where the pointer at `offset` leads; that must lie before everything that its name has visited."""
    if offset + 2 > len(wire):
        raise Malformed(Fault.CUT_SHORT)
    target = (wire[offset] & 0x3F) << 8 | wire[offset + 1]
    if not HEADER_BYTES <= target < lowest:
        raise Malformed(Fault.POINTER)
    return target


def suffixes(qname: bytes) -> list[bytes]:
    """Return a wire name (uncompressed, checked) and every name above it but the root, longest first."""
    return [qname[offset:] for offset in label_offsets(qname)]


def labels(qname: bytes) -> list[bytes]:
    """Split a wire name (uncompressed, checked) into its labels, the root label left out."""
    found: list[bytes] = []
    offset = 0
    while length := qname[offset]:
        found.append(qname[offset + 1 : offset + 1 + length])
        offset += length + 1
    return found


def letters_in(qname: bytes) -> int:
    """Return how many letters a lower-case wire name has: the bits that its case can carry."""
    return qname.translate(_CASE_BITS).count(_CASE_BIT)


def vary_case(qname: bytes, noise: bytes) -> bytes:
    """Return a lower-case wire name with the case of each letter drawn (draft-vixie-dnsext-dns0x20).

    `noise` is as many random bytes as the name has.
    """
    to_upper = int.from_bytes(qname.translate(_CASE_BITS)) & int.from_bytes(noise)
    return (int.from_bytes(qname) ^ to_upper).to_bytes(len(qname))


def label_offsets(qname: bytes) -> list[int]:
    """Return where each label of a wire name (uncompressed, checked) begins, the root label left out."""
    offsets: list[int] = []
    offset = 0
    while length := qname[offset]:
        offsets.append(offset)
        offset += length + 1
    return offsets


def from_text(text: str) -> bytes:
    """Return the lower-case wire form of a plain ASCII host name such as "example.net."; for constants."""
    wire = b"".join(bytes([len(label)]) + label.encode("ascii") for label in text.lower().split(".") if label)
    return wire + b"\x00"
