"""Reader for scenarios of a caching client: the part of Unbound's replay format (.rpl) that they use.

A scenario is a list of servers' replies, each good for a range of steps, and the steps: a query, the answer to expect,
or time that passes. A record without TTL has one of an hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

DEFAULT_TTL = 3_600
SECTIONS = ("QUESTION", "ANSWER", "AUTHORITY", "ADDITIONAL")
HEADER_FLAGS = ("QR", "AA", "TC", "RD", "AD", "CD")
"""RA is not among them: the scenarios' servers never set it."""

Fact = tuple[dns.name.Name, int, dns.rdata.Rdata, int]
"""Owner, type, rdata and TTL of a record."""


@dataclass(slots=True)
class Entry:
    """A message, and by what one is recognised as equal to it."""

    match: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    """The words of the REPLY line: flags, rcode, opcode."""
    sections: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in SECTIONS})

    @classmethod
    def read(cls, lines: Iterator[str]) -> Self:
        """Take the lines up to ENTRY_END, or to the end."""
        entry = cls()
        section: list[str] = []
        for line in lines:
            keyword, *rest = line.split()
            match keyword:
                case "ENTRY_END":
                    break
                case "MATCH":
                    entry.match = frozenset(rest)
                case "REPLY":
                    entry.words = frozenset(rest)
                case "SECTION":
                    section = entry.sections[rest[0]]
                case "ADJUST":
                    pass  # ID and question are always those of the query
                case _:
                    section.append(line)
        return entry

    @property
    def opcode(self) -> dns.opcode.Opcode:
        """QUERY, unless another one is named."""
        return dns.opcode.NOTIFY if "NOTIFY" in self.words else dns.opcode.QUERY

    @property
    def rcode(self) -> dns.rcode.Rcode:
        """NOERROR, unless another one is named."""
        return next(
            (dns.rcode.Rcode[word] for word in self.words if word in dns.rcode.Rcode.__members__), dns.rcode.NOERROR
        )

    @property
    def flags(self) -> set[str]:
        """Those of the header that are set."""
        return set(self.words & set(HEADER_FLAGS))

    def facts(self, section: str) -> set[Fact]:
        """The records of one section."""
        return {fact for line in self.sections[section] for fact in facts_of([_rrset(line)])}

    def make_query(self) -> bytes:
        """The message as a query."""
        name, qclass, qtype = self.sections["QUESTION"][0].split()
        message = dns.message.make_query(name, qtype, qclass, flags=0)
        message.set_opcode(self.opcode)
        message.flags |= dns.flags.from_text(" ".join(self.flags))
        if "DO" in self.words:
            message.use_edns(0, dns.flags.DO)
        return message.to_wire()

    def make_reply(self, query: dns.message.Message) -> bytes:
        """The message as the reply to `query`."""
        message = dns.message.Message(query.id)
        message.question = query.question
        message.flags = dns.flags.from_text(" ".join(self.flags))
        message.set_opcode(self.opcode)
        message.set_rcode(self.rcode)
        for number, name in enumerate(SECTIONS[1:], start=1):
            for rrset in map(_rrset, self.sections[name]):
                place = message.find_rrset(
                    message.sections[number], rrset.name, rrset.rdclass, rrset.rdtype, rrset.covers, create=True
                )
                for rdata in rrset:
                    place.add(rdata, rrset.ttl)
        return message.to_wire(max_size=65_535)

    def answers(self, query: dns.message.Message) -> bool:
        """Tell whether this is a server's entry for `query`, by the criteria of its MATCH line."""
        asked = query.question[0]
        name, _, qtype = self.sections["QUESTION"][0].split()
        return (
            query.opcode() == self.opcode
            and asked.name == dns.name.from_text(name)
            and ("qtype" not in self.match or asked.rdtype == dns.rdatatype.from_text(qtype))
            and flags_of(query) >= self.match & set(HEADER_FLAGS)
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens."""

    number: int
    what: str
    """QUERY, CHECK_ANSWER or TIME_PASSES."""
    entry: Entry
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """What one server says from one step to another."""

    first: int
    last: int
    address: str
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole file."""

    ranges: list[Range]
    steps: list[Step]

    def entry_for(self, query: dns.message.Message, step: int) -> Entry | None:
        """What the last server of the file says to `query` at a step: of several entries that fit, the last."""
        server = self.ranges[-1].address
        said = [
            entry
            for one in self.ranges
            if one.address == server and one.first <= step <= one.last
            for entry in one.entries
            if entry.answers(query)
        ]
        return said[-1] if said else None


def read(path: Path) -> Scenario:
    """Read a file; what stands before SCENARIO_BEGIN configures Unbound."""
    text = path.read_text(encoding="utf-8")
    stripped = (line.strip() for line in text[text.index("SCENARIO_BEGIN") :].splitlines()[1:])
    lines = iter([line for line in stripped if line and not line.startswith(";")])
    scenario = Scenario([], [])
    for line in lines:
        keyword, *rest = line.split()
        if keyword == "RANGE_BEGIN":
            scenario.ranges.append(_read_range(int(rest[0]), int(rest[1]), lines))
        elif keyword == "STEP":
            number, what = int(rest[0]), rest[1]
            if what == "TIME_PASSES":
                scenario.steps.append(Step(number, what, Entry(), int(rest[3])))
            else:
                scenario.steps.append(Step(number, what, Entry.read(lines)))
    return scenario


def _read_range(first: int, last: int, lines: Iterator[str]) -> Range:
    address = next(lines).split()[1]
    entries = []
    for line in lines:
        if line == "RANGE_END":
            break
        assert line == "ENTRY_BEGIN"
        entries.append(Entry.read(lines))
    return Range(first, last, address, entries)


def _rrset(line: str) -> dns.rrset.RRset:
    owner, *rest = line.split(None, 4) if line.split()[1].isdigit() else line.split(None, 3)
    ttl = int(rest.pop(0)) if rest[0].isdigit() else DEFAULT_TTL
    rdclass, rdtype, rdata = rest
    return dns.rrset.from_text(owner, ttl, rdclass, rdtype, rdata)


def facts_of(section: list[dns.rrset.RRset]) -> set[Fact]:
    """The records of a section of a message."""
    return {(rrset.name, int(rrset.rdtype), rdata, rrset.ttl) for rrset in section for rdata in rrset}


def flags_of(message: dns.message.Message) -> set[str]:
    """The flags of a message that scenarios look at."""
    return set(dns.flags.to_text(message.flags).split()) & set(HEADER_FLAGS)
