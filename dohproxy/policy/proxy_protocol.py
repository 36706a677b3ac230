"""The PROXY protocol header, versions 1 and 2, that a front proxy puts before a connection's first byte.

After HAProxy's specification (proxy-protocol.txt, 2.2 and later). The rules kept here:

- A listener either demands the header or takes none. It is never guessed from the first bytes: a client could
  then write its own. Neither signature starts a TLS record (0x16) or an HTTP request line, `PRI` and
  `PROPFIND` included, so a front proxy that sends none is noticed at the first bytes that differ.
- The header is read whole before anything else happens, and what follows it is left alone: `Header.consumed`
  says where it starts. Fed byte by byte, the outcome is the same as at once.
- Only the source address is used. Ports, destination and TLVs (checksum, TLS, names) are skipped unread.

The caller checks that the peer is a trusted proxy, and gives the header a deadline.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from dohproxy.policy.identity import IPV4_BYTES, IPV6_BYTES, unmapped

MAXIMUM_V1_BYTES = 107
"""The longest line the specification allows, CRLF included (section 2.1)."""

MAXIMUM_V2_BYTES = 512
"""Header and TLVs; dnsdist's default limit as well. TLS details of a client certificate stay below it."""

V1_SIGNATURE: Final = b"PROXY "
V2_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V2_FIXED_BYTES = 16
"""Signature, version and command, family and transport, length of the rest."""

V2_LOCAL = 0x20
V2_PROXY = 0x21

V2_ADDRESS_BLOCKS: Final = {0x00: (0, 0), 0x11: (12, IPV4_BYTES), 0x21: (36, IPV6_BYTES), 0x31: (216, 0)}
"""Family and transport -> bytes of the address block and of the source address at its start.

UNSPEC, TCP over IPv4, TCP over IPv6, Unix stream. Datagrams cannot have come through a stream socket.
"""


class Defect(StrEnum):
    """Why a header is refused; metric label."""

    NOT_PROXY = "not-proxy"
    """The first bytes are no PROXY header."""
    TOO_LONG = "too-long"
    """No end within 107 bytes (version 1), or a length beyond 512 bytes (version 2)."""
    BAD_LINE = "bad-line"
    """A version 1 line whose fields, addresses or ports are not as specified."""
    BAD_COMMAND = "bad-command"
    """A version 2 header of another version, or neither LOCAL nor PROXY."""
    BAD_FAMILY = "bad-family"
    """A version 2 family or transport that is unassigned or cannot be ours."""
    TOO_SHORT = "too-short"
    """A version 2 length that does not cover its address block."""


class BadHeader(Exception):
    """The connection does not start with an acceptable header; close it."""

    def __init__(self, defect: Defect) -> None:
        super().__init__(defect.value)
        self.defect = defect


@dataclass(frozen=True, slots=True)
class Header:
    """A header read to its end."""

    source: bytes | None
    """Packed address of the client, IPv4-mapped made IPv4.

    None for LOCAL, UNKNOWN, UNSPEC and Unix sockets: the connection's own address holds.
    """
    consumed: int
    """Bytes of the header; the client's own begin there."""


def read_header(data: bytes) -> Header | None:
    """Read the header at the start of `data`, or return None while more bytes are needed, at most 512 in all.

    Raises BadHeader as soon as it cannot become one.
    """
    if data.startswith(V1_SIGNATURE):
        return _read_v1(data)
    if data.startswith(V2_SIGNATURE):
        return _read_v2(data)
    if V1_SIGNATURE.startswith(data) or V2_SIGNATURE.startswith(data):
        return None
    raise BadHeader(Defect.NOT_PROXY)


def local_header() -> bytes:
    """Return a version 2 LOCAL header, for a health check that connects without a client behind it."""
    return V2_SIGNATURE + bytes((V2_LOCAL, 0x00, 0x00, 0x00))


_V1_LINE = re.compile(
    rb"(?:TCP4 ([0-9.]{7,15}) ([0-9.]{7,15})|TCP6 ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39})) "
    rb"(0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})"
)


def _read_v1(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, MAXIMUM_V1_BYTES)
    if end < 0:
        if len(data) >= MAXIMUM_V1_BYTES:
            raise BadHeader(Defect.TOO_LONG)
        return None
    return Header(_v1_source(data[len(V1_SIGNATURE) : end]), end + 2)


def _v1_source(line: bytes) -> bytes | None:
    # "The receiver must ignore anything presented before the CRLF" after UNKNOWN.
    if line == b"UNKNOWN" or line.startswith(b"UNKNOWN "):
        return None
    fields = _V1_LINE.fullmatch(line)
    if fields is None:
        raise BadHeader(Defect.BAD_LINE)
    source4, destination4, source6, destination6, *ports = fields.groups(default=b"")
    if any(int(port) > 65535 for port in ports):
        raise BadHeader(Defect.BAD_LINE)
    try:
        if source4:
            IPv4Address(destination4.decode())
            return IPv4Address(source4.decode()).packed
        IPv6Address(destination6.decode())
        return unmapped(IPv6Address(source6.decode()).packed)
    except ValueError:
        raise BadHeader(Defect.BAD_LINE) from None


def _read_v2(data: bytes) -> Header | None:
    if len(data) < V2_FIXED_BYTES:
        return None
    command, family = data[12], data[13]
    length = int.from_bytes(data[14:16], "big")
    total = V2_FIXED_BYTES + length
    source_bytes = 0
    if command == V2_PROXY:
        if family not in V2_ADDRESS_BLOCKS:
            raise BadHeader(Defect.BAD_FAMILY)
        block_bytes, source_bytes = V2_ADDRESS_BLOCKS[family]
        if length < block_bytes:
            raise BadHeader(Defect.TOO_SHORT)
    elif command != V2_LOCAL:
        raise BadHeader(Defect.BAD_COMMAND)
    # A LOCAL header's family and addresses are to be ignored, its length is not.
    if total > MAXIMUM_V2_BYTES:
        raise BadHeader(Defect.TOO_LONG)
    if len(data) < total:
        return None
    source = data[V2_FIXED_BYTES : V2_FIXED_BYTES + source_bytes]
    return Header(unmapped(source) if source else None, total)
