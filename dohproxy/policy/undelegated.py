"""Names under top-level domains that do not exist: answered here, where the root servers would say no more.

Random names of this kind are what a cache cannot help with. dnscrypt-proxy tries every listed server with
`<16 letters>.test.dnscrypt`, Chromium looks for lying resolvers with single random labels, and names of people's own
networks leak. Each would cost the upstream a query.

A client that validates needs the root's signed proof, so what it asks goes the ordinary way. So does everything once
the list is too old to know all top-level domains.
"""

import struct
from datetime import UTC, datetime
from typing import Final

from dohproxy.outcomes import Reason
from dohproxy.policy.rule_switches import RuleSwitch
from dohproxy.policy.special_names import LocalAnswer
from dohproxy.policy.suffixes import PublicSuffixes
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import CLASS_IN, Qtype, Rcode
from dohproxy.wire.query import Query
from dohproxy.wire.reply import Content

ROOT_MINIMUM: Final = 86_400
"""Seconds; the MINIMUM and the TTL of the root's own SOA."""

_SOA_NAMES: Final = from_text("a.root-servers.net") + from_text("nstld.verisign-grs.com")
_RECORD = struct.Struct("!BHHIH")
_NUMBERS = struct.Struct("!5I")


class Undelegated:
    """Denies names by the list it was last given."""

    def __init__(self, suffixes: PublicSuffixes, *, negative_ttl_max: int) -> None:
        """`negative_ttl_max`: seconds that a denial may be kept, as for any other; it denies nothing before `use`."""
        self._ttl = min(ROOT_MINIMUM, negative_ttl_max)
        self.switch = RuleSwitch()
        """How the rule is held."""
        self.use(suffixes, may_deny=False)

    def adopt(self, negative_ttl_max: int) -> None:
        """Take another bound, in seconds, for how long a denial may be kept."""
        self._ttl = min(ROOT_MINIMUM, negative_ttl_max)
        self.use(self._suffixes, may_deny=self.may_deny)

    def use(self, suffixes: PublicSuffixes, *, may_deny: bool) -> None:
        """Take another list, to deny what is not in it if it `may_deny`."""
        self._suffixes = suffixes
        self._answer = self._denial(suffixes)
        self.may_deny = may_deny

    def is_listed(self, name: bytes) -> bool:
        """Tell whether the list has a lower-case wire name itself, so that it exists whoever denies it."""
        return self._suffixes.has(name)

    def is_delegated(self, qname: bytes) -> bool:
        """Tell whether a lower-case wire name is under a top-level domain of the list."""
        return self._suffixes.is_delegated(qname)

    def answer(self, query: Query) -> LocalAnswer | None:
        """Return the denial of a name under no top-level domain, or None."""
        return self.foresee(query) if self.switch.is_enforced else None

    def foresee(self, query: Query) -> LocalAnswer | None:
        """Return what `answer` would if the rule were enforced."""
        if not self.may_deny or self._suffixes.is_delegated(query.qname):
            return None
        if query.dnssec_ok or query.checking_disabled:
            return None
        return self._answer

    def _denial(self, suffixes: PublicSuffixes) -> LocalAnswer:
        soa = _root_soa(serial_of(suffixes.published), self._ttl)
        # Not authoritative: it is what a recursive resolver says that knows the root.
        return LocalAnswer(Reason.UNDELEGATED, Content(Rcode.NXDOMAIN, (0, 1, 0), soa), self._ttl)


def serial_of(published: float) -> int:
    """Return the root zone's serial of that day: year, month, day, and 00 for the first zone of the day."""
    return int(datetime.fromtimestamp(published, UTC).strftime("%Y%m%d")) * 100


def _root_soa(serial: int, ttl: int) -> bytes:
    """Return the root's SOA with its real names and times; the same under any question, as it points to nothing."""
    rdata = _SOA_NAMES + _NUMBERS.pack(serial, 1_800, 900, 604_800, ROOT_MINIMUM)
    return _RECORD.pack(0, Qtype.SOA, CLASS_IN, ttl, len(rdata)) + rdata
