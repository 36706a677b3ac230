"""What it means that two DNS answers say the same."""

from collections.abc import Iterable
from dataclasses import dataclass

import dns.edns
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

A = dns.rdatatype.A
AAAA = dns.rdatatype.AAAA
HTTPS = dns.rdatatype.HTTPS
TXT = dns.rdatatype.TXT


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says, whatever its TTLs and the order of records in an RRset.

    The order of RRsets counts: a CNAME chain is read from the top. The additional section does not: each hop
    writes its own OPT record, and a resolver may leave out the rest.
    """

    rcode: str
    answer: tuple[str, ...] = ()
    """Records as "owner type rdata"."""
    authority: tuple[str, ...] = ()


def says(message: dns.message.Message) -> Said:
    """Take out of a message what it says."""
    return Said(dns.rcode.to_text(message.rcode()), tuple(_records(message.answer)), tuple(_records(message.authority)))


def ede_codes(message: dns.message.Message) -> list[int]:
    """The codes of all Extended DNS Errors (RFC 8914) in the message."""
    return [int(option.code) for option in message.options if isinstance(option, dns.edns.EDEOption)]


def smallest_ttl(message: dns.message.Message) -> int:
    """The smallest TTL of the records in answer and authority section, in seconds."""
    return min(rrset.ttl for rrset in [*message.answer, *message.authority])


def _records(section: Iterable[dns.rrset.RRset]) -> list[str]:
    lines: list[str] = []
    for rrset in section:
        head = f"{rrset.name.to_text().lower()} {dns.rdatatype.to_text(rrset.rdtype)}"
        lines.extend(sorted(f"{head} {rdata.to_text()}" for rdata in rrset))
    return lines
