"""The IANA numbers this project names (registry "Domain Name System Parameters")."""

from enum import IntEnum
from typing import Final


class Rcode(IntEnum):
    """Response codes (RFC 1035 section 4.1.1, RFC 6891 section 9, RFC 7873 section 8)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    BADVERS = 16
    BADCOOKIE = 23


def rcode_name(rcode: int) -> str:
    """Return how an operator knows an rcode, be it one of these or not."""
    return next((known.name for known in Rcode if known == rcode), f"rcode {rcode}")


class Qtype(IntEnum):
    """Types that a rule here names; every other type passes as a number (RFC 3597)."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    HINFO = 13
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    NAPTR = 35
    DNAME = 39
    OPT = 41
    DS = 43
    RRSIG = 46
    NSEC = 47
    NSEC3 = 50
    SVCB = 64
    HTTPS = 65
    TKEY = 249
    TSIG = 250
    IXFR = 251
    AXFR = 252
    MAILB = 253
    MAILA = 254
    ANY = 255
    CAA = 257
    RESINFO = 261


META_TYPES: Final = frozenset({0, Qtype.OPT.value, *range(128, 256)})
"""For queries and for what belongs to one exchange alone, so that no record of them can be part of an answer (RFC 6895
section 3.1); TSIG and TKEY are among them."""


class OptionCode(IntEnum):
    """EDNS options that are read or written here; all others are ignored (RFC 6891 section 6.1.2)."""

    CLIENT_SUBNET = 8
    COOKIE = 10
    TCP_KEEPALIVE = 11
    PADDING = 12
    EXTENDED_ERROR = 15


class ExtendedError(IntEnum):
    """EDE info codes that we give ourselves (RFC 8914 section 4)."""

    STALE_ANSWER = 3
    CACHED_ERROR = 13
    NOT_READY = 14
    BLOCKED = 15
    CENSORED = 16
    FILTERED = 17
    PROHIBITED = 18
    STALE_NXDOMAIN = 19
    NOT_AUTHORITATIVE = 20
    NOT_SUPPORTED = 21
    NO_REACHABLE_AUTHORITY = 22
    NETWORK_ERROR = 23


CLASS_IN: Final = 1

QR: Final = 0x8000
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
AD: Final = 0x0020
CD: Final = 0x0010
OPCODE_MASK: Final = 0x7800
RCODE_MASK: Final = 0x000F
DO: Final = 0x8000
"""The DNSSEC OK bit, in the flags half of an OPT's TTL field (RFC 3225)."""

TTL_SIGN_BIT: Final = 0x8000_0000
"""A TTL with this bit set means zero (RFC 2181 section 8)."""

HEADER_BYTES: Final = 12
RECORD_FIXED_BYTES: Final = 10
"""Type, class, TTL and RDLENGTH: what stands between a record's owner and its rdata."""
SMALLEST_QUERY_BYTES: Final = 17
"""Header, the root name, type and class."""
LARGEST_MESSAGE_BYTES: Final = 65_535
"""RFC 1035 section 4.2.2: the TCP length field has two bytes."""
UDP_PAYLOAD_BYTES: Final = 1232
"""The size we announce: fits every path without fragments (RFC 9715 section 3.1)."""
