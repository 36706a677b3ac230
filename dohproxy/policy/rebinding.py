"""Answers that lead a public name to a private address, withheld where the operator wants that.

A web page may come from a name whose owner then gives it the address of a printer, a router or the reader's own
machine: to the browser that is still the same site, and it may read what it finds there (DNS rebinding). Nobody else
has a use for such answers but networks that name their own machines in a public zone, blocklists, which answer with
127.0.0.2 and the like, and services such as plex.direct. Their domains are excepted by name, and so is whatever goes a
route of its own or lies under no top-level domain, which no stranger can have.

What is withheld becomes an answer without data, and says that it was blocked (EDE 15). An error would send many clients
to another resolver, which knows no such rule.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from dohproxy.policy.identity import IPV4_BYTES, IPV6_BYTES, MAPPED_PREFIX, SIX_TO_FOUR_PREFIX
from dohproxy.policy.rule_switches import RuleSwitch
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.name import suffixes, written_end
from dohproxy.wire.numbers import ExtendedError, Qtype, Rcode
from dohproxy.wire.rdata import IPV4_HINT, IPV6_HINT, parameters

SHORTEST_SECONDS: Final = 60
"""For which what was withheld is kept at least: names that are made for this have a TTL of zero or one second."""

_EMBEDDING: Final = (bytes(12), MAPPED_PREFIX, b"\x00\x64\xff\x9b" + bytes(8))
"""What IPv4 addresses stand behind in 16 bytes: ::/96, which has ::1 and :: too, ::ffff:0:0/96 and 64:ff9b::/96."""
_RANGES: Final = {
    0: (0, 255), 10: (0, 255), 100: (64, 127), 127: (0, 255), 169: (254, 254), 172: (16, 31), 192: (168, 168),
}  # fmt: skip
"""First byte of a private IPv4 address, and the lowest and highest second one."""
_PRIVATE_IPV4: Final = frozenset(
    bytes([first, second]) for first, (low, high) in _RANGES.items() for second in range(low, high + 1)
)
"""The first two bytes of all of them: an answer may have thousands of addresses to be looked at."""


class RebindingFilter:
    """Withholds answers; counts them."""

    def __init__(self, is_public: Callable[[bytes], bool], excepted: Collection[bytes] = ()) -> None:
        """`is_public` tells whether a name (wire, lower case) is under a top-level domain; `excepted` are domains with
        all names below them."""
        self.withheld = 0
        self.switch = RuleSwitch()
        """How the rule is held."""
        self._is_public = is_public
        self._excepted = frozenset(excepted)

    def judge(self, qname: bytes, answer: Answer) -> Answer:
        """Return an answer to a question for `qname` as it may be given."""
        if not _shows_private_address(answer) or not self._is_public(qname):
            return answer
        if not self._excepted.isdisjoint(suffixes(qname)):
            return answer
        if not self.switch.acts():
            return answer
        self.withheld += 1
        return replace(
            answer,
            kind=Kind.NODATA,
            rcode=Rcode.NOERROR,
            authentic=False,
            counts=(0, 0, 0),
            records=b"",
            ttl_offsets=(),
            ttl=max(answer.ttl or 0, SHORTEST_SECONDS),
            errors=(ExtendedError.BLOCKED,),
        )


def is_private(address: bytes) -> bool:
    """Tell whether these four or sixteen bytes are an address of a machine or network of the reader's own.

    RFC 1918, loopback (127.0.0.0/8, ::1), 0.0.0.0/8 and ::, which mean this machine, link-local (RFC 3927 and 4291),
    shared (RFC 6598), unique local (RFC 4193) and site-local (RFC 3879); and all of these in an IPv6 address that maps,
    embeds or translates an IPv4 one.
    """
    if len(address) == IPV4_BYTES:
        return _is_private_ipv4(address)
    if address[:12] in _EMBEDDING:
        return _is_private_ipv4(address[12:])
    if address.startswith(SIX_TO_FOUR_PREFIX):
        return _is_private_ipv4(address[2:6])
    return address[0] & 0xFE == 0xFC or (address[0] == 0xFE and address[1] >= 0x80)


def _is_private_ipv4(address: bytes) -> bool:
    return address[:2] in _PRIVATE_IPV4


def _shows_private_address(answer: Answer) -> bool:
    """Look at every address in every section: what stands beside an answer is used too."""
    records = answer.records
    for place in answer.ttl_offsets:
        rtype = records[place - 4] << 8 | records[place - 3]
        start = place + 6
        end = start + (records[place + 4] << 8 | records[place + 5])
        if rtype in (Qtype.A, Qtype.AAAA):
            if is_private(records[start:end]):
                return True
        elif rtype in (Qtype.SVCB, Qtype.HTTPS) and _hints_private_address(records, start, end):
            return True
    return False


def _hints_private_address(records: bytes, start: int, end: int) -> bool:
    for key, first, behind in parameters(records, written_end(records, start + 2), end):
        size = {IPV4_HINT: IPV4_BYTES, IPV6_HINT: IPV6_BYTES}.get(key)
        if size is not None and any(is_private(records[at : at + size]) for at in range(first, behind, size)):
            return True
    return False
