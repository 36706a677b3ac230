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
import dns.rrset
import dns.wire

IN: Final = 1
CNAME: Final = 5
SOA: Final = 6
DNAME: Final = 39
OPT: Final = 41
RRSIG: Final = 46
ANY: Final = 255
TTL_SIGN_BIT: Final = 0x8000_0000
NAMES_UNREAD: Final = frozenset({3, 4, 7, 8, 9, 14, 30})
"""MD, MF, MB, MG, MR, MINFO and NXT, whose rdata is names: dnspython sees bytes, and leaves pointers as they are."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands on the wire."""

    section: int
    """0 answer, 1 authority, 2 additional."""
    index: int
    """Its place in the section."""
    owner: dns.name.Name
    rtype: int
    rclass: int
    ttl: int
    rdata: bytes
    target: dns.name.Name | None = None
    """Where an alias leads, of a CNAME or DNAME."""

    @property
    def is_for_everybody(self) -> bool:
        """Whether it is of class IN and no meta type (RFC 6895 section 3.1)."""
        return self.rclass == IN and self.rtype not in (0, OPT) and not 128 <= self.rtype <= 255

    @property
    def judged_type(self) -> int:
        """Its type, or the one that it is a signature of."""
        return int.from_bytes(self.rdata[:2]) if self.rtype == RRSIG else self.rtype

    @property
    def effective_ttl(self) -> int:
        """The TTL as RFC 2181 section 8 wants it read."""
        return 0 if self.ttl & TTL_SIGN_BIT else self.ttl


def read(wire: bytes) -> dns.message.Message | None:
    """Return dnspython's reading, or None where it refuses the message, as it does with one signed by TSIG."""
    try:
        return dns.message.from_wire(wire, one_rr_per_rrset=True, ignore_trailing=True)
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
            for index in range(count):
                owner = parser.get_name(decompress=True)
                rtype, rclass, ttl, rdlength = parser.get_struct("!HHIH")
                place = parser.current
                rdata = parser.get_bytes(rdlength)
                is_alias = rclass == IN and rtype in (CNAME, DNAME)
                target = dns.wire.Parser(wire, place).get_name() if is_alias else None
                found.append(Record(section, index, owner, rtype, rclass, ttl, rdata, target))
    except dns.exception.DNSException:
        return None
    return found


def kept_of(wire: bytes) -> list[Record] | None:
    """Return those records that belong to the question's answer, or None where `records_of` does."""
    records = records_of(wire)
    if records is None:
        return None
    if not int.from_bytes(wire[4:6]):
        return []  # Nothing is kept of what repeats no question.
    parser = dns.wire.Parser(wire, 12)
    qname = parser.get_name()
    qtype, _ = parser.get_struct("!HH")
    answers = [record for record in records if record.section == 0 and record.is_for_everybody]
    chain = _chain(qname, answers)
    kept = [record for record in answers if _belongs(record, chain, qtype)]
    kept += [record for record in records if record.section == 1 and record.is_for_everybody]
    for record in records:
        if record.section == 2:
            if not record.is_for_everybody:
                break
            kept.append(record)
    return kept


def _chain(qname: dns.name.Name, answers: list[Record]) -> set[dns.name.Name]:
    """Return the question's name and all that aliases among these records make of it."""
    chain: set[dns.name.Name] = set()
    waiting = [qname]
    while waiting:
        name = waiting.pop()
        if name in chain:
            continue
        chain.add(name)
        targets = [one.target for one in answers if one.rtype == CNAME and one.owner == name and one.target]
        waiting += targets or _substituted(name, answers)
    return chain


def _substituted(name: dns.name.Name, answers: list[Record]) -> list[dns.name.Name]:
    owners = [one.owner for one in answers if one.rtype == DNAME]
    for depth in range(len(name) - 1, 1, -1):
        above = name.split(depth)[1]
        if above in owners:
            target = next(one.target for one in answers if one.rtype == DNAME and one.owner == above)
            if target is not None:
                try:
                    return [name.relativize(above).concatenate(target)]
                except dns.name.NameTooLong:
                    continue
    return []


def _belongs(record: Record, chain: set[dns.name.Name], qtype: int) -> bool:
    judged = record.rtype if qtype == RRSIG else record.judged_type
    if judged == DNAME and record.owner != dns.name.root:
        below = [name for name in chain if name.is_subdomain(record.owner) and name != record.owner]
        if below:
            return True
    return record.owner in chain and (judged in (qtype, CNAME) or qtype == ANY)


def qname_of(message: dns.message.Message) -> bytes:
    """Return the question's name in lower-case wire form."""
    return (message.question[0].name.to_wire() or b"").lower()


def counts_of(records: list[Record]) -> tuple[int, int, int]:
    """Return how many of these records each section holds."""
    sections = [record.section for record in records]
    return sections.count(0), sections.count(1), sections.count(2)


def option_data(message: dns.message.Message, code: int) -> list[bytes]:
    """Return the data of every EDNS option of this code."""
    return [option.to_wire() or b"" for option in message.options if int(option.otype) == code]


def smallest_ttl(records: list[Record]) -> int | None:
    """Return the smallest TTL of these records, None where there is none."""
    return min((record.effective_ttl for record in records), default=None)


def soa_ttls(records: list[Record]) -> list[int]:
    """Return how long each SOA of the authority section lets a negative answer live (RFC 2308 section 5)."""
    return [
        min(record.effective_ttl, int.from_bytes(record.rdata[-4:]))
        for record in records
        if record.section == 1 and record.rtype == SOA
    ]


def zone_of(records: list[Record]) -> bytes:
    """Return the owner of the one SOA in the authority section of these records, in lower-case wire form."""
    (owner,) = [record.owner for record in records if record.section == 1 and record.rtype == SOA]
    return (owner.to_wire() or b"").lower()


def kind_of(message: dns.message.Message, records: list[Record]) -> str:
    """Say what an answer with these records amounts to, by the words of RFC 2308 section 2."""
    qtype = message.question[0].rdtype
    types = {record.rtype for record in records if record.section == 0}
    authority = {record.rtype for record in records if record.section == 1}
    if message.rcode() != 0:
        return "nxdomain" if message.rcode() == 3 else "failure"
    if qtype in types or (qtype == dns.rdatatype.ANY and types):
        return "positive"
    if dns.rdatatype.NS in authority and dns.rdatatype.SOA not in authority and not types:
        return "referral"
    return "nodata"


def same_records(ours: dns.message.Message, theirs: dns.message.Message, kept: list[Record]) -> bool:
    """Tell whether `ours` has those records of `theirs` that are `kept`, section by section.

    Case and TTL aside, and the rdata of `NAMES_UNREAD`.
    """
    for section in range(3):
        expected = [theirs.sections[section + 1][record.index] for record in kept if record.section == section]
        if _spelled_out(ours.sections[section + 1]) != _spelled_out(expected):
            return False
    return True


def _spelled_out(section: list[dns.rrset.RRset]) -> list[tuple[dns.name.Name, int, int, bytes]]:
    return [
        (
            rrset.name,
            rrset.rdclass,
            rrset.rdtype,
            b"" if rrset.rdtype in NAMES_UNREAD else (rdata.to_wire() or b"").lower(),
        )
        for rrset in section
        for rdata in rrset
    ]
