"""A record of every type that has a name: what an owner would publish, by type, and some of it compressed.

Types that are asked for and never published (OPT, TKEY, TSIG, transfers) are not here.
"""

import struct
from typing import Final

from tests.wire import messages as m

_HOST: Final = m.name("host.example")
_ZONE: Final = m.name("Example.net")
_DIGEST: Final = bytes(range(32))
_KEY: Final = bytes(range(64))
_TYPES: Final = b"\x00\x07\x62\x01\x80\x08\x00\x02\x90\x01\x01\x40"
"""A bitmap of two windows: A, NS, SOA, MX, TXT, AAAA, RRSIG, NSEC, DNSKEY and CAA."""
_SIGNATURE: Final = struct.pack("!HBBIIIH", m.A, 13, 2, 300, 1_800_000_000, 1_790_000_000, 4_534) + _ZONE + _KEY
_SERVICE: Final = (
    b"\x00\x01\x00"
    + b"\x00\x01\x00\x06\x02h2\x02h3"
    + b"\x00\x03\x00\x02\x01\xbb"
    + b"\x00\x04\x00\x04\xc0\x00\x02\x01"
)
_KEY_RECORD: Final = b"\x01\x01\x03\x0d" + _KEY
_TAGGED_DIGEST: Final = b"\x11\xb6\x0d\x02" + _DIGEST
_CERTIFIED: Final = b"\x03\x01\x01" + _DIGEST


def _text(*strings: str) -> bytes:
    return b"".join(bytes([len(string)]) + string.encode() for string in strings)


RECORDS: Final = {
    "A": (1, b"\xc0\x00\x02\x01"),
    "NS": (2, m.name("ns1.example.net")),
    "MD": (3, _HOST),
    "MF": (4, _HOST),
    "CNAME": (5, m.name("other.example.net")),
    "SOA": (6, m.name("ns1.example.net") + m.name("hostmaster.example.net") + struct.pack("!5I", 1, 2, 3, 4, 600)),
    "MB": (7, _HOST),
    "MG": (8, _HOST),
    "MR": (9, _HOST),
    "NULL": (10, b"\x00anything\xff"),
    "WKS": (11, b"\xc0\x00\x02\x01\x06\x00\x00\x40"),
    "PTR": (12, _HOST),
    "HINFO": (13, _text("RFC8482", "")),
    "MINFO": (14, _HOST + m.ROOT),
    "MX": (15, b"\x00\x0a" + m.name("mail.example.net")),
    "TXT": (16, _text("v=spf1 -all", "", "x" * 255)),
    "RP": (17, m.name("admin.example.net") + m.ROOT),
    "AFSDB": (18, b"\x00\x01" + _HOST),
    "X25": (19, _text("311061700956")),
    "ISDN": (20, _text("150862028003217", "004")),
    "RT": (21, b"\x00\x02" + _HOST),
    "NSAP": (22, b"\x47" + bytes(19)),
    "SIG": (24, _SIGNATURE),
    "KEY": (25, _KEY_RECORD),
    "PX": (26, b"\x00\x0a" + _HOST + _HOST),
    "GPOS": (27, _text("-32.6882", "116.8652", "10.0")),
    "AAAA": (28, b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01"),
    "LOC": (29, b"\x00\x12\x16\x13" + bytes.fromhex("8b0d2c8c7ff8fcc500989680")),
    "SRV": (33, struct.pack("!3H", 10, 60, 5060) + _HOST),
    "NAPTR": (35, struct.pack("!2H", 100, 50) + _text("s", "SIP+D2U", "") + m.name("_sip._udp.example.net")),
    "KX": (36, b"\x00\x0a" + _HOST),
    "CERT": (37, b"\x00\x01\x11\xb6\x0d" + _DIGEST),
    "DNAME": (39, m.name("elsewhere.example")),
    "APL": (42, b"\x00\x01\x18\x03\xc0\x00\x02" + b"\x00\x01\x1c\x84\xc6\x33\x64\x10"),
    "DS": (43, _TAGGED_DIGEST),
    "SSHFP": (44, b"\x04\x02" + _DIGEST),
    "IPSECKEY": (45, b"\x0a\x01\x02\xc0\x00\x02\x26" + _DIGEST),
    "RRSIG": (46, _SIGNATURE),
    "NSEC": (47, m.name("next.example.net") + _TYPES),
    "DNSKEY": (48, _KEY_RECORD),
    "DHCID": (49, b"\x00\x01\x01" + _DIGEST),
    "NSEC3": (50, b"\x01\x01\x00\x00\x02\xab\xcd\x14" + bytes(range(20)) + _TYPES),
    "NSEC3PARAM": (51, b"\x01\x00\x00\x00\x00"),
    "TLSA": (52, _CERTIFIED),
    "SMIMEA": (53, _CERTIFIED),
    "HIP": (55, b"\x10\x02\x00\x20" + bytes(range(16)) + _DIGEST + m.name("meeting.example")),
    "CDS": (59, _TAGGED_DIGEST),
    "CDNSKEY": (60, _KEY_RECORD),
    "OPENPGPKEY": (61, _KEY),
    "CSYNC": (62, b"\x00\x00\x00\x42\x00\x03" + _TYPES),
    "ZONEMD": (63, struct.pack("!IBB", 2_026, 1, 1) + bytes(48)),
    "SVCB": (64, _SERVICE),
    "HTTPS": (65, _SERVICE),
    "SPF": (99, _text("v=spf1 -all")),
    "NID": (104, b"\x00\x0a" + bytes(8)),
    "L32": (105, b"\x00\x0a" + bytes(4)),
    "L64": (106, b"\x00\x0a" + bytes(8)),
    "LP": (107, b"\x00\x0a" + _HOST),
    "EUI48": (108, bytes(range(6))),
    "EUI64": (109, bytes(range(8))),
    "URI": (256, b"\x00\x0a\x00\x01" + b"https://host.example/"),
    "CAA": (257, b"\x00" + _text("issue") + b"ca.example"),
    "AVC": (258, _text("app-name:WOLFGANG")),
    "AMTRELAY": (260, b"\x0a\x01" + b"\xc0\x00\x02\x01"),
    "DLV": (32_769, _TAGGED_DIGEST),
    "a type of nobody": (65_280, b"\x00\x01\x02"),
}
"""Number and rdata by name."""

COMPRESSED: Final = {
    "NS": (2, b"\x03ns1" + m.QNAME),
    "CNAME": (5, b"\x05other" + m.QNAME),
    "SOA": (6, b"\x03ns1" + m.QNAME + m.QNAME + struct.pack("!5I", 1, 2, 3, 4, 600)),
    "PTR": (12, m.QNAME),
    "MX": (15, b"\x00\x0a\x04mail" + m.QNAME),
    "SRV": (33, struct.pack("!3H", 10, 60, 5060) + m.QNAME),
    "NAPTR": (35, struct.pack("!2H", 100, 50) + _text("s", "SIP+D2U", "") + m.QNAME),
    "RRSIG": (46, _SIGNATURE[:18] + m.QNAME + _KEY),
    "SVCB": (64, b"\x00\x01" + m.QNAME),
}
"""The same with names that point to the question, as some write them although they may not."""
