"""What dnspython reads in a DNS message: the second opinion that our own readers are held against.

`read` is dnspython's full parse, rdata included; it refuses much that we pass on unseen. `records_of` uses only its
reader of names, so it also speaks of messages whose rdata dnspython does not like.
"""

from dataclasses import dataclass
from typing import Final

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.rrset
import dns.wire

OPT: Final = 41
TTL_SIGN_BIT: Final = 0x8000_0000


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands on the wire."""

    section: int
    """0 answer, 1 authority, 2 additional."""
    owner: dns.name.Name
    rtype: int
    rclass: int
    ttl: int
    rdata: bytes

    @property
    def effective_ttl(self) -> int:
        """The TTL as RFC 2181 section 8 wants it read."""
        return 0 if self.ttl & TTL_SIGN_BIT else self.ttl


def read(wire: bytes) -> dns.message.Message | None:
    """Return dnspython's reading, or None where it refuses the message, as it does with one signed by TSIG."""
    try:
        return dns.message.from_wire(wire, one_rr_per_rrset=True)
    except dns.exception.DNSException:
        return None


def records_of(wire: bytes) -> list[Record] | None:
    """Return every record of all three sections, or None where dnspython's reader of names gives up."""
    parser = dns.wire.Parser(wire)
    found: list[Record] = []
    try:
        _, _, questions, *counts = parser.get_struct("!6H")
        for _ in range(questions):
            parser.get_name(decompress=True)
            parser.get_struct("!HH")
        for section, count in enumerate(counts):
            for _ in range(count):
                owner = parser.get_name(decompress=True)
                rtype, rclass, ttl, rdlength = parser.get_struct("!HHIH")
                found.append(Record(section, owner, rtype, rclass, ttl, parser.get_bytes(rdlength)))
    except dns.exception.DNSException:
        return None
    return found if parser.remaining() == 0 else None


def qname_of(message: dns.message.Message) -> bytes:
    """Return the question's name in lower-case wire form."""
    return (message.question[0].name.to_wire() or b"").lower()


def counts_of(message: dns.message.Message) -> tuple[int, int, int]:
    """Return how many records the three sections hold; the OPT does not count."""
    return len(message.answer), len(message.authority), len(message.additional)


def option_data(message: dns.message.Message, code: int) -> list[bytes]:
    """Return the data of every EDNS option of this code."""
    return [option.to_wire() or b"" for option in message.options if int(option.otype) == code]


def smallest_ttl(message: dns.message.Message) -> int | None:
    """Return the smallest TTL of all records, None where there is none."""
    ttls = [rrset.ttl for section in (message.answer, message.authority, message.additional) for rrset in section]
    return min(ttls, default=None)


def soa_ttls(message: dns.message.Message) -> list[int]:
    """Return how long each SOA of the authority section lets a negative answer live (RFC 2308 section 5)."""
    return [
        min(rrset.ttl, rdata.minimum)
        for rrset in message.authority
        for rdata in rrset
        if isinstance(rdata, dns.rdtypes.ANY.SOA.SOA)
    ]


def zone_of(message: dns.message.Message) -> bytes:
    """Return the owner of the one SOA in the authority section, in lower-case wire form."""
    (owner,) = [rrset.name for rrset in message.authority if rrset.rdtype == dns.rdatatype.SOA]
    return (owner.to_wire() or b"").lower()


def kind_of(message: dns.message.Message) -> str:
    """Say what the answer amounts to, by the words of RFC 2308 section 2."""
    qtype = message.question[0].rdtype
    types = {rrset.rdtype for rrset in message.answer}
    authority = {rrset.rdtype for rrset in message.authority}
    if message.rcode() != 0:
        return "nxdomain" if message.rcode() == 3 else "failure"
    if qtype in types or (qtype == dns.rdatatype.ANY and types):
        return "positive"
    if dns.rdatatype.NS in authority and dns.rdatatype.SOA not in authority and not types:
        return "referral"
    return "nodata"


def same_records(one: dns.message.Message, other: dns.message.Message) -> bool:
    """Tell whether `other` begins, section by section, with the records of `one`; case and TTL aside."""
    sections = ((one.answer, other.answer), (one.authority, other.authority), (one.additional, other.additional))
    return all(_spelled_out(ours) == _spelled_out(theirs[: len(ours)]) for ours, theirs in sections)


def _spelled_out(section: list[dns.rrset.RRset]) -> list[tuple[dns.name.Name, int, int, bytes]]:
    return [
        (rrset.name, rrset.rdclass, rrset.rdtype, (rdata.to_wire() or b"").lower())
        for rrset in section
        for rdata in rrset
    ]
