"""Upstreams that cannot stand something that is added to a query, and what they make of it."""

import dns.edns
import dns.flags
import dns.message
import dns.rcode

from dohproxy.config.additions import Addition
from tests.fakes.upstream import ANSWER, Act, make_reply

SILENCE = "silence"


def has(wire: bytes, addition: Addition) -> bool:
    """Whether a query has this addition."""
    query = dns.message.from_wire(wire)
    options = {option.otype for option in query.options}
    match addition:
        case Addition.EDNS:
            return query.edns >= 0
        case Addition.COOKIE:
            return dns.edns.OptionType.COOKIE in options
        case Addition.PADDING:
            return dns.edns.OptionType.PADDING in options
        case Addition.AD:
            return bool(query.flags & dns.flags.AD)
        case Addition.CASE:
            name = query.question[0].name.to_text()
            return name != name.lower()


def error(wire: bytes, rcode: int) -> bytes:
    """An error without an OPT record, as from a server that knows none."""
    message = dns.message.from_wire(make_reply(wire, rcode=rcode))
    message.use_edns(False)
    message.set_rcode(dns.rcode.Rcode(rcode & 15))
    return message.to_wire()


def intolerant(*additions: Addition, says: str, otherwise: Act = ANSWER) -> Act:
    """What an upstream does that `says` an rcode's name, or keeps silence, where a query has any of the additions."""

    def packets(wire: bytes) -> list[bytes]:
        if not any(has(wire, addition) for addition in additions):
            return list(otherwise.packets(wire))
        return [] if says == SILENCE else [error(wire, dns.rcode.from_text(says))]

    return Act(packets)
