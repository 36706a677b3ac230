"""Questions answered on the spot: names that must not or need not leave the machine, and ANY.

Three kinds of names. `localhost` has addresses (RFC 6761 section 6.3). The top-level domains that are reserved against
ever existing get NXDOMAIN, name and all. The reverse zones of private networks and their like are zones that every
resolver serves empty (RFC 6303): their apex exists, nothing below it does.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from dohproxy.outcomes import Reason
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import CLASS_IN, HEADER_BYTES, Qtype, Rcode
from dohproxy.wire.query import Query
from dohproxy.wire.reply import Content

LOCAL_TTL: Final = 10_800
"""Seconds; the TTL and the SOA MINIMUM that RFC 6303 section 3 gives to empty zones."""
ANY_TTL: Final = 3_600
"""Seconds; RFC 8482 section 4.2 leaves it to us. Long enough to end the client's repeats."""


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """What we say without asking anybody."""

    reason: Reason
    content: Content
    ttl: int


_NEVER_DELEGATED: Final = ("invalid", "test", "onion", "alt", "local", "internal")
"""RFC 6761 sections 6.2 and 6.4, RFC 7686, RFC 9476, RFC 6762 section 22.1, and ICANN's reservation of July 2024."""

_PRIVATE_NETWORKS: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24",
    "192.168.0.0/16", "198.51.100.0/24", "203.0.113.0/24", "255.255.255.255/32",
    "::/128", "::1/128", "fd00::/8", "fe80::/10", "2001:db8::/32",
)  # fmt: skip
"""RFC 6303 section 4 and RFC 7793 (100.64.0.0/10)."""


def _reverse_zones(network: IPv4Network | IPv6Network) -> list[str]:
    """Return the reverse zones that together are `network`, cut at the next byte or nibble boundary."""
    step = 8 if network.version == 4 else 4
    zones = []
    for part in network.subnets(new_prefix=-(-network.prefixlen // step) * step):
        digits = part.network_address.packed if part.version == 4 else part.network_address.exploded.replace(":", "")
        labels = [str(digit) for digit in digits[: part.prefixlen // step]]
        zones.append(".".join([*reversed(labels), "in-addr.arpa" if part.version == 4 else "ip6.arpa"]))
    return zones


_LOCALHOST: Final = from_text("localhost")
_HOME_ARPA: Final = from_text("home.arpa")
_RESOLVER_ARPA: Final = from_text("resolver.arpa")
_TOP_LEVEL: Final = frozenset(from_text(name) for name in _NEVER_DELEGATED)
_EMPTY_ZONES: Final = frozenset(
    from_text(zone) for text in _PRIVATE_NETWORKS for zone in _reverse_zones(ip_network(text))
) | {_HOME_ARPA, _RESOLVER_ARPA}
_ZONES: Final = _EMPTY_ZONES | _TOP_LEVEL | {_LOCALHOST}
_ENDINGS: Final = (_LOCALHOST, *_TOP_LEVEL, from_text("arpa"))
"""Nearly every name is none of ours; one `endswith` over these tells so."""

_RECORD = struct.Struct("!HHHIH")
_LOOPBACK: Final[dict[int, bytes]] = {Qtype.A: bytes([127, 0, 0, 1]), Qtype.AAAA: bytes(15) + b"\x01"}
_SOA_TAIL: Final = from_text("nobody.invalid") + struct.pack("!4I", 1, 3600, 1200, 604_800)
"""RNAME and the numbers of RFC 6303 section 3, but for the last."""
_MINIMAL_ANY: Final = Content(
    Rcode.NOERROR,
    (1, 0, 0),
    _RECORD.pack(0xC000 | HEADER_BYTES, Qtype.HINFO, CLASS_IN, ANY_TTL, 9) + b"\x07RFC8482\x00",
)


def answer_locally(query: Query) -> LocalAnswer | None:
    """Return the answer to a question that never goes upstream, or None."""
    if query.qname.endswith(_ENDINGS):
        local = _answer_special_name(query)
        if local is not None:
            return local
    return answer_any(query)


def answer_any(query: Query) -> LocalAnswer | None:
    """Return the answer to a question for ANY, which is the same for every name, or None."""
    if query.qtype == Qtype.ANY:
        return LocalAnswer(Reason.MINIMAL_ANY, _MINIMAL_ANY, ANY_TTL)
    return None


def special_zone_position(qname: bytes) -> int | None:
    """Return where in `qname` the zone begins that we serve ourselves, or None."""
    return _zone_position(qname) if qname.endswith(_ENDINGS) else None


def _answer_special_name(query: Query) -> LocalAnswer | None:
    qname = query.qname
    position = _zone_position(qname)
    if position is None:
        return None
    zone = qname[position:]
    if zone == _LOCALHOST:
        return _localhost(query, position)
    if zone in _EMPTY_ZONES and qname == zone and query.qtype == Qtype.DS:
        # It lives in the parent: the proof that the delegation is insecure, without which a client that validates
        # takes our answers for forgeries (RFC 8375 section 4 for home.arpa).
        return None
    exists = zone not in _TOP_LEVEL and (qname == zone or zone == _RESOLVER_ARPA)
    if exists and qname == zone and query.qtype in (Qtype.SOA, Qtype.NS):
        record = soa_record(position, LOCAL_TTL) if query.qtype == Qtype.SOA else _ns(position)
        return _local(Content(Rcode.NOERROR, (1, 0, 0), record, authoritative=True))
    # All below resolver.arpa exists, or who keeps denials would take that of one name for that of _dns.resolver.arpa
    # too; without a designation that has no SVCB (RFC 9462 section 6.4). What we say there is `policy.discovery`'s.
    rcode = Rcode.NOERROR if exists else Rcode.NXDOMAIN
    return _local(Content(rcode, (0, 1, 0), soa_record(position, LOCAL_TTL), authoritative=True))


def _zone_position(qname: bytes) -> int | None:
    """Return where in `qname` the zone begins that we serve ourselves, walking from the whole name to its end."""
    offset = 0
    while length := qname[offset]:
        if qname[offset:] in _ZONES:
            return offset
        offset += length + 1
    return None


def _localhost(query: Query, position: int) -> LocalAnswer:
    rdata = _LOOPBACK.get(query.qtype)
    if query.qtype == Qtype.SOA and position == 0:
        return _local(Content(Rcode.NOERROR, (1, 0, 0), soa_record(position, LOCAL_TTL), authoritative=True))
    if rdata is None:
        return _local(Content(Rcode.NOERROR, (0, 1, 0), soa_record(position, LOCAL_TTL), authoritative=True))
    record = asked_record(query.qtype, LOCAL_TTL, rdata)
    return _local(Content(Rcode.NOERROR, (1, 0, 0), record, authoritative=True))


def _local(content: Content) -> LocalAnswer:
    return LocalAnswer(Reason.LOCAL, content, LOCAL_TTL)


def asked_record(qtype: int, ttl: int, rdata: bytes) -> bytes:
    """Return a record of the very name that is asked about; `ttl` is in seconds."""
    return _RECORD.pack(0xC000 | HEADER_BYTES, qtype, CLASS_IN, ttl, len(rdata)) + rdata


def soa_record(position: int, ttl: int) -> bytes:
    """Return the SOA of a zone of our own that begins so many bytes into the name that is asked about.

    Owner and MNAME point to the zone's own labels in the question; `ttl`, in seconds, is its MINIMUM too.
    """
    pointer = 0xC000 | HEADER_BYTES + position
    rdata = pointer.to_bytes(2) + _SOA_TAIL + ttl.to_bytes(4)
    return _RECORD.pack(pointer, Qtype.SOA, CLASS_IN, ttl, len(rdata)) + rdata


def _ns(position: int) -> bytes:
    """Return the zone's NS, which names the zone itself (RFC 6303 section 3)."""
    pointer = 0xC000 | HEADER_BYTES + position
    return _RECORD.pack(pointer, Qtype.NS, CLASS_IN, LOCAL_TTL, 2) + pointer.to_bytes(2)
