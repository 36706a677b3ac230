"""The client's query: checked once, then trusted by everybody.

`parse_query` is the only way in. It accepts exactly one shape: a header, one uncompressed question,
at most one OPT, and nothing else. All it returns is frozen, so no later stage needs a second look.
"""

import struct

from dohproxy.value import value
from dohproxy.wire.edns import ClientEdns, read_opt
from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.name import LONGEST_NAME_BYTES, question_name_end
from dohproxy.wire.numbers import (
    AD,
    CD,
    HEADER_BYTES,
    LARGEST_MESSAGE_BYTES,
    OPCODE_MASK,
    QR,
    RD,
    SMALLEST_QUERY_BYTES,
    Qtype,
)

_HEADER = struct.Struct("!6H")
_TYPE_CLASS = struct.Struct("!HH")
_KEY_TAIL = struct.Struct("!HB")


@value
class Query:
    """One question and how its client wants it answered."""

    id: int
    flags: int
    """The header's flag word as sent; read it through the properties."""
    question: bytes
    """Name, type and class byte for byte as sent: the reply repeats them (0x20 clients compare)."""
    qname: bytes
    """The name in wire form, lower case: what is looked up and asked. Another of the same length only where
    `policy.probes` has put it, and then in `key` too."""
    qtype: int
    qclass: int
    edns: ClientEdns | None
    key: bytes
    """What equal questions share: qname, qtype, DO, CD. The ID, the case and all other options are left out."""
    keepalive: int | None = None
    """How long its connection may be idle, in tenths of a second; None where DNS has no word in that."""

    @property
    def recursion_desired(self) -> bool:
        """RD, copied into the reply."""
        return bool(self.flags & RD)

    @property
    def checking_disabled(self) -> bool:
        """CD: the client validates by itself (RFC 4035 section 3.2.2)."""
        return bool(self.flags & CD)

    @property
    def dnssec_ok(self) -> bool:
        """DO: the client wants the signatures (RFC 3225)."""
        return self.edns is not None and self.edns.dnssec_ok

    @property
    def wants_authentic_data(self) -> bool:
        """AD or DO: the client understands the AD bit (RFC 6840 sections 5.7 and 5.8)."""
        return bool(self.flags & AD) or self.dnssec_ok


def parse_query(wire: bytes, keepalive: int | None = None) -> Query:
    """Read one query, raising Malformed with the first fault found, cheapest checks first. `keepalive`: what is to be
    told to a client that asks how long its connection may be idle, in tenths of a second."""
    if len(wire) < SMALLEST_QUERY_BYTES:
        raise Malformed(Fault.TOO_SHORT)
    if len(wire) > LARGEST_MESSAGE_BYTES:
        raise Malformed(Fault.TOO_LONG)
    identifier, flags, *counts = _HEADER.unpack_from(wire)
    _check_header(wire, flags, counts)
    name_end = question_name_end(wire)
    end = name_end + 4
    if end > len(wire):
        raise Malformed(Fault.CUT_SHORT)
    qtype, qclass = _TYPE_CLASS.unpack_from(wire, name_end)
    edns = None
    if counts[3]:
        edns, end = _read_additional(wire, end, counts[3])
    if end != len(wire):
        raise Malformed(Fault.TRAILING_BYTES)
    qname = wire[HEADER_BYTES:name_end].lower()
    dnssec_ok = edns is not None and edns.dnssec_ok
    key = qname + _KEY_TAIL.pack(qtype, dnssec_ok | (flags & CD) >> 3)
    return Query(identifier, flags, wire[HEADER_BYTES : name_end + 4], qname, qtype, qclass, edns, key, keepalive)


def _check_header(wire: bytes, flags: int, counts: list[int]) -> None:
    # First, because behind a length prefix every field is another: what looks like QR is a bit of the ID.
    if counts[0] != 1 and int.from_bytes(wire[:2]) == len(wire) - 2:
        raise Malformed(Fault.LENGTH_PREFIX)
    if flags & QR:
        raise Malformed(Fault.RESPONSE)
    if flags & OPCODE_MASK:
        raise Malformed(Fault.OPCODE)
    if counts[0] != 1:
        raise Malformed(Fault.QUESTION_COUNT)
    if counts[1] or counts[2]:
        raise Malformed(Fault.RECORDS_IN_QUERY)


def _read_additional(wire: bytes, offset: int, count: int) -> tuple[ClientEdns, int]:
    """Read the additional section, which may hold one OPT and nothing else."""
    if not _is_opt(wire, offset):
        raise Malformed(_fault_of_stray_record(wire, offset))
    edns, end = read_opt(wire, offset)
    if count > 1:
        raise Malformed(Fault.TWO_OPT if _is_opt(wire, end) else Fault.RECORDS_IN_QUERY)
    return edns, end


def _is_opt(wire: bytes, offset: int) -> bool:
    return wire[offset : offset + 3] == b"\x00\x00\x29"


def _fault_of_stray_record(wire: bytes, offset: int) -> Fault:
    """Tell an OPT under a wrong owner from a record that does not belong here at all."""
    farthest = min(len(wire), offset + LONGEST_NAME_BYTES)
    while offset < farthest and 0 < wire[offset] < 0x40:
        offset += wire[offset] + 1
    if offset >= len(wire):
        return Fault.CUT_SHORT
    offset += 2 if wire[offset] >= 0xC0 else 1
    if offset + 2 > len(wire):
        return Fault.CUT_SHORT
    return Fault.OPT_OWNER if wire[offset : offset + 2] == Qtype.OPT.to_bytes(2) else Fault.RECORDS_IN_QUERY


def key_of(qname: bytes, qtype: int, *, dnssec_ok: bool = False, checking_disabled: bool = False) -> bytes:
    """Return the `Query.key` of questions about a lower-case wire name, for who knows them beforehand."""
    return qname + _KEY_TAIL.pack(qtype, dnssec_ok | checking_disabled << 1)


def question_of(wire: bytes) -> bytes:
    """Return the question's bytes of a message that was refused, or b"" where it cannot be read.

    For replies to queries that `parse_query` did not accept (RFC 1035 section 4.1.1: NOTIMP and FORMERR
    repeat the question if there is one).
    """
    if len(wire) < SMALLEST_QUERY_BYTES or wire[4:6] != b"\x00\x01":
        return b""
    try:
        end = question_name_end(wire) + 4
    except Malformed:
        return b""
    return wire[HEADER_BYTES:end] if end <= len(wire) else b""
