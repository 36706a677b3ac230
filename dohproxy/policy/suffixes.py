"""Public suffixes: under which names anybody may register one, and which top-level domains there are.

The list of publicsuffix.org has two sections. The ICANN domains are those of registries (`co.uk`); as it holds every
top-level domain by policy, their last labels are all there are. The private ones belong to companies that give names
to their customers (`github.io`).

Names are matched as bytes on the wire, by where their labels begin. A label may hold any byte: a dot, a zero, the
bytes of another name. A detector of random names that gives up on such a label is one that is switched off by it
(CVE-2026-33597).
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from dohproxy.wire.name import LONGEST_LABEL_BYTES, label_offsets

FEWEST_RULES: Final = 5_000
"""Half of what the list has held since 2023: fewer are an excerpt, or a page about it."""
FEWEST_TOP_LEVEL_DOMAINS: Final = 1_000
"""There have been more than 1,400 since 2017, and to deny those that a list has lost would be the worst mistake."""

_RULE, _WILDCARD, _EXCEPTION = 1, 2, 4
_PRIVATE_SHIFT: Final = 3
"""What stands in the private section has its three bits above those of the ICANN section."""
_ICANN_BITS: Final = 0b111
_ALL_BITS: Final = 0b111_111
_RULES: Final = _RULE | _RULE << _PRIVATE_SHIFT
_WILDCARDS: Final = _WILDCARD | _WILDCARD << _PRIVATE_SHIFT

_SECTION = re.compile(r"// ===(BEGIN|END) (ICANN|PRIVATE) DOMAINS===")
_VERSION = re.compile(r"// VERSION: (\d{4}-\d\d-\d\d)")
_A_LABEL = re.compile(rb"[a-z0-9_-]{1,63}")
_PLAIN_RULE = re.compile(rb"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LENGTHS = tuple(bytes([length]) for length in range(LONGEST_LABEL_BYTES + 1))


class BadList(Exception):
    """A file is no list of public suffixes; the message is a sentence for the operator."""


class PublicSuffixes:
    """One list, never changed."""

    __slots__ = ("_deepest", "_rules", "_top_level_domains", "published")

    def __init__(self, rules: Mapping[bytes, int], top_level_domains: frozenset[bytes], published: float) -> None:
        """For `parse_suffixes`. `published`: Unix seconds."""
        self._rules = rules
        # The root is no name under a domain that does not exist.
        self._top_level_domains = top_level_domains | {b"\x00"}
        self._deepest = 1 + max((len(label_offsets(suffix)) for suffix in rules), default=0)
        self.published = published

    @property
    def rules(self) -> int:
        """How many suffixes have a rule."""
        return len(self._rules)

    @property
    def top_level_domains(self) -> int:
        """How many top-level domains exist."""
        return len(self._top_level_domains) - 1

    def registered_domain(self, qname: bytes) -> bytes:
        """Return the public suffix of a lower-case wire name and one label more, or the name if it has no more."""
        return self._cut(qname, _ALL_BITS)

    def registrant_domain(self, qname: bytes) -> bytes:
        """Return the same by the ICANN section alone: whose servers are asked for names under a private suffix."""
        return self._cut(qname, _ICANN_BITS)

    def is_delegated(self, qname: bytes) -> bool:
        """Tell whether the top-level domain of a lower-case wire name exists."""
        start, last = 0, len(qname) - 1
        following = qname[0] + 1
        while following < last:
            start = following
            following += qname[following] + 1
        return qname[start:] in self._top_level_domains

    def has(self, name: bytes) -> bool:
        """Tell whether the list itself has a lower-case wire name: as a top-level domain, or with a rule of its own."""
        return name in self._top_level_domains or bool(self._rules.get(name, 0) & _RULES)

    def _cut(self, qname: bytes, bits: int) -> bytes:
        """Walk from the last label towards the first; the longest rule counts, unless there is an exception."""
        offsets = label_offsets(qname)
        # Where no rule applies, the last label is the suffix: the algorithm's own rule "*".
        suffix_labels = 1
        above = 0
        for count in range(1, min(len(offsets), self._deepest) + 1):
            kind = self._rules.get(qname[offsets[-count] :], 0) & bits
            kind |= kind >> _PRIVATE_SHIFT
            if kind & _EXCEPTION:
                suffix_labels = count - 1
                break
            if kind & _RULE or above & _WILDCARD:
                suffix_labels = count
            above = kind
        return qname[offsets[-suffix_labels - 1] :] if suffix_labels < len(offsets) else qname


def parse_suffixes(text: str, *, last_changed: float) -> PublicSuffixes:
    """Read a list; where it does not say of when it is, that is `last_changed`, in Unix seconds.

    Raises BadList for what is not in the list's format or was cut short; how much it holds is `check_plausible`'s
    matter. Takes some 50 ms.
    """
    parsed = _Reading(last_changed)
    # Not splitlines: it also splits where Unicode sees a line end.
    for number, line in enumerate(text.split("\n"), start=1):
        parsed.read_line(number, line.strip())
    return parsed.finished()


def check_plausible(suffixes: PublicSuffixes) -> None:
    """Raise BadList for a list that holds much less than there is."""
    if suffixes.rules < FEWEST_RULES:
        raise BadList(f"holds {suffixes.rules} rules, of which there are some 10,000")
    if suffixes.top_level_domains < FEWEST_TOP_LEVEL_DOMAINS:
        raise BadList(f"holds {suffixes.top_level_domains} top-level domains, of which there are some 1,400")


class _Reading:
    """What has been read of a list so far."""

    def __init__(self, last_changed: float) -> None:
        self._rules: dict[bytes, int] = {}
        self._top_level_domains: set[bytes] = set()
        self._published = last_changed
        self._section = ""
        self._finished: set[str] = set()

    def read_line(self, number: int, line: str) -> None:
        if line.startswith("//"):
            self._read_comment(line)
        elif line:
            # Whatever follows a space is a comment too.
            try:
                self._read_rule(line.split()[0])
            except ValueError:
                raise BadList(f"has no rule of public suffixes in line {number}") from None

    def finished(self) -> PublicSuffixes:
        if self._section or self._finished != {"ICANN", "PRIVATE"}:
            raise BadList("does not hold both sections of a public suffix list from their beginning to their end")
        return PublicSuffixes(self._rules, frozenset(self._top_level_domains), self._published)

    def _read_comment(self, line: str) -> None:
        if found := _SECTION.match(line):
            self._section = found[2] if found[1] == "BEGIN" else ""
            if not self._section:
                self._finished.add(found[2])
        elif found := _VERSION.match(line):
            self._published = _read_date(found[1]) or self._published

    def _read_rule(self, rule: str) -> None:
        kind = _RULE
        if rule.startswith("!"):
            kind, rule = _EXCEPTION, rule[1:]
        elif rule.startswith("*."):
            kind, rule = _WILDCARD, rule[2:]
        if not self._section:
            raise ValueError("a rule outside of both sections")
        labels = _wire_labels(rule)
        suffix = b"".join(labels) + b"\x00"
        if kind == _EXCEPTION and not self._rules.get(b"".join(labels[1:]) + b"\x00", 0) & _WILDCARDS:
            raise ValueError("an exception, and no wildcard before it")
        if self._section == "PRIVATE":
            kind <<= _PRIVATE_SHIFT
        else:
            self._top_level_domains.add(labels[-1] + b"\x00")
        self._rules[suffix] = self._rules.get(suffix, 0) | kind


def _wire_labels(rule: str) -> list[bytes]:
    """Return the labels of a rule as they are on the wire, each behind its length; raises ValueError."""
    if rule.isascii():
        # Nearly all are, and can be looked at as a whole: to look at each of their 24,000 labels took most of the time.
        plain = rule.lower().encode("ascii")
        if not _PLAIN_RULE.fullmatch(plain):
            raise ValueError("labels that no registry would accept")
        labels = plain.split(b".")
    else:
        labels = [a_label(label) for label in rule.split(".")]
    return [_LENGTHS[len(label)] + label for label in labels]


def a_label(label: str) -> bytes:
    """Return a label as it is on the wire (RFC 5890); raises ValueError.

    The "idna" codec would be of no use: it knows the letters of Unicode 3.2 and refuses newer ones.
    """
    # Before anything is made of it: punycode takes time in proportion to the square of the length.
    if len(label) > LONGEST_LABEL_BYTES:
        raise ValueError("a label of more than 63 letters")
    normal = unicodedata.normalize("NFC", label.lower())
    encoded = normal.encode("ascii") if normal.isascii() else b"xn--" + normal.encode("punycode")
    if not _A_LABEL.fullmatch(encoded):
        raise ValueError("a label that no registry would accept")
    return encoded


def _read_date(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
