"""How much may be asked about one domain: what holds against floods of random names below it ("water torture").

Such a flood comes from as many clients as its author has, each of them modest, and no cache helps. It shows in two
ways. One domain takes more queries than a single one ever needs; and nearly all of them are for nothing, because the
names do not exist or their servers no longer answer. So each registered domain has two buckets: one for everything
that was asked, and a far smaller one for what came to nothing. A popular domain with many real names feels only the
first. Over either, what the cache has of the domain goes on, fresh or stale, and only what is new waits; other domains
notice nothing.

A fetch is charged when it ends: once, however many clients waited for it, and also if they have all hung up. So a
flood gets ahead by no more queries than may be in flight.

What one domain is:

- By the public suffix list, so that customers of one company are not limited for each other. As `<random>.github.io`
  would be a new domain each time, failures count against `github.io` too, which may have eight times as many.
- In the reverse zones, what a network operator is usually given: an IPv4 /16, an IPv6 /32.
- All names under top-level domains that do not exist are one domain. Only those who validate come here with such
  names: see `undelegated`.

Random names directly below a registry's suffix, such as .com, are met by none of this: to refuse what is new there
would be to refuse all that is new. The clients' miss limits hold, and the upstream's budget.

Nobody alone may keep a domain closed for everybody, be it from malice or by a broken program. Once half of what may be
asked or fail is used up, each /24, or provider's /32 of IPv6, has a share of its own, which all its misses count
against: who holds a /48 has no more of them than a household. Members have buckets of their own for each domain, and no
flood of strangers closes it for them. So have the operator's exempt networks, which no share holds back. A fetch is
charged to the domain all the same, whoever has begun it, as it is one query more to the domain's servers: so members
and exempt networks can use up what strangers may ask of a domain, and never the other way round.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from typing import Final

from dohproxy.config import NamesConfig
from dohproxy.outcomes import Client
from dohproxy.policy.gcra import GcraTable, Hashes, keyed_hashes
from dohproxy.policy.rule_switches import RuleSwitch
from dohproxy.policy.suffixes import PublicSuffixes
from dohproxy.wire.name import from_text, label_offsets

REGISTRANT_COST: Final = 1 / 8
"""What a failure under a private suffix costs the domain of whoever runs it."""
SHARE_FACTOR: Final = 4.0
"""How much dearer a miss is to the share of one network: it has a quarter of the domain's burst and rate. Half of the
burst, unshared, and one network's quarter do not make a whole."""
_MEMBERS: Final = (0x6D656D, 0x62657273)
"""Tells a domain's bucket for members from that for all others; any two numbers do."""
_EXEMPT: Final = (0x657865, 0x6D7074)
"""The same for exempt networks."""

REMEMBERED: Final = 512
"""Names and domains whose places are at hand: twice the misses that may be under way (`limits.waiting_misses`)."""

MOST_SHADOWED: Final = 1_024
"""Names of which it is remembered that they were let through in shadow: four times the misses that may be under way."""

_REVERSE_UNITS: Final = {from_text("in-addr.arpa"): 4, from_text("ip6.arpa"): 10}
"""The labels of one unit, its zone's included: two bytes of an IPv4 address, eight nibbles of an IPv6 address."""
_ARPA: Final = from_text("arpa")
_NO_DOMAIN: Final = b""
"""The key of all names under no top-level domain; no name on the wire is empty."""


class DomainBound(StrEnum):
    """What a refused name was over; metric label."""

    MISSES = "misses"
    FAILURES = "failures"
    CLIENT_SHARE = "client_share"
    """What the network of the client may ask of a domain that is asked for a lot, or fails a lot."""


@dataclass(frozen=True, slots=True)
class DomainStatistics:
    """The limit at one instant; counts since the start."""

    admitted: int
    refused: dict[DomainBound, int]
    fetches: int
    """Charged, failures included."""
    failures: int
    misses_fill: float
    """Share of the table's slots in use, 0.0 to 1.0, estimated."""
    failures_fill: float


class DomainLimit:
    """Two tables of fixed size, indexed by a keyed hash of the domain: nobody can tell who shares a slot with whom."""

    def __init__(
        self,
        misses: GcraTable,
        failures: GcraTable,
        suffixes: PublicSuffixes,
        *,
        misses_burst: float,
        failures_burst: float,
        secret: bytes,
        exempt: Iterable[str] = (),
    ) -> None:
        """`misses_burst` and `failures_burst`: those of the tables. `secret`: 16 to 64 random bytes, new at each start,
        the same in all workers. `exempt`: host names whose domains have no limit."""
        self._misses = misses
        self._failures = failures
        self._half_of_misses = misses_burst / 2
        self._half_of_failures = failures_burst / 2
        self._exempt_names = tuple(from_text(name) for name in exempt)
        self._refused = dict.fromkeys(DomainBound, 0)
        self._admitted = self._fetches = self._failed = 0
        self._hashes = lru_cache(maxsize=REMEMBERED)(partial(keyed_hashes, secret))
        self.switch = RuleSwitch()
        """How the limit is held."""
        self._shadowed: set[bytes] = set()
        """Names last let through because the limit is only tried: what comes of them is charged to nobody, as if they
        had been refused."""
        self.use(suffixes)

    def adopt(self, config: NamesConfig, now: float) -> None:
        """Take other limits; what domains have used up stays used up."""
        self._misses.adopt(config.domain_misses_per_second, config.domain_misses_burst, now)
        self._failures.adopt(config.domain_failures_per_second, config.domain_failures_burst, now)
        self._half_of_misses = config.domain_misses_burst / 2
        self._half_of_failures = config.domain_failures_burst / 2
        self._exempt_names = tuple(from_text(name) for name in config.exempt_domains)
        self.use(self._suffixes)

    def use(self, suffixes: PublicSuffixes) -> None:
        """Tell domains apart by another list."""
        self._suffixes = suffixes
        # A name is judged when it is missed and again when its fetch has ended.
        self._domains_of = lru_cache(maxsize=REMEMBERED)(lambda qname: domains_of(qname, self._suffixes))
        self._exempt = frozenset(domains_of(name, suffixes)[0] for name in self._exempt_names)

    def admit(self, qname: bytes, client: Client, now: float) -> bool:
        """Tell whether a lower-case wire name that the cache cannot answer may be asked for.

        Nothing is charged but the client's own share, where it has one.
        """
        bound = None if self.switch.is_off else self._bound(self._domains_of(qname), client, now)
        if bound is not None and self.switch.acts():
            self._refused[bound] += 1
            return False
        self._note_shadowed(qname, is_over=bound is not None)
        self._admitted += 1
        return True

    def _note_shadowed(self, qname: bytes, *, is_over: bool) -> None:
        if not is_over:
            self._shadowed.discard(qname)
            return
        if len(self._shadowed) >= MOST_SHADOWED:
            self._shadowed.clear()
        self._shadowed.add(qname)

    def is_let_pass(self, qname: bytes) -> bool:
        """Tell whether a name was let through last as the limit is only tried."""
        return qname in self._shadowed

    def foresee(self, qname: bytes, client: Client | None, now: float) -> DomainBound | None:
        """Return what `admit` would refuse a name for if the limit is enforced, None if it would not; nothing is
        charged or counted. Without a client no share is looked at."""
        domains = domains_of(qname, self._suffixes)
        return self._bound(domains, client, now, charges=False)

    def domain_of(self, qname: bytes) -> bytes:
        """Return the domain whose limits a lower-case wire name has, b"" for all under no top-level domain; nothing is
        kept at hand of it."""
        return domains_of(qname, self._suffixes)[0]

    def charge(self, qname: bytes, now: float, *, failed: bool) -> None:
        """Count a fetch for this name that has ended; `failed` if it came to nothing."""
        domains = self._domains_of(qname)
        self._fetches += 1
        self._failed += failed
        if self.switch.is_off or qname in self._shadowed:
            return
        self._misses.charge(self._hashes(domains[0]), now)
        if failed:
            for hashes, cost in self._costs(domains):
                self._failures.charge(hashes, now, cost)

    def blame(self, qname: bytes, client: Client, now: float) -> None:
        """Count a question of this client that came to nothing, if it is a member's or an exempt one's: they have
        buckets of their own, and what a fetch is charged to does not tell who has asked for it."""
        is_apart = client.member or client.exempt
        if is_apart and not self.switch.is_off and qname not in self._shadowed:
            for shared, cost in self._costs(self._domains_of(qname)):
                self._failures.charge(_bucket_of(shared, client), now, cost)

    def statistics(self, now: float) -> DomainStatistics:
        """Return a frozen snapshot."""
        return DomainStatistics(
            admitted=self._admitted,
            refused=dict(self._refused),
            fetches=self._fetches,
            failures=self._failed,
            misses_fill=self._misses.fill(now),
            failures_fill=self._failures.fill(now),
        )

    def _bound(
        self, domains: tuple[bytes, bytes], client: Client | None, now: float, *, charges: bool = True
    ) -> DomainBound | None:
        if domains[0] in self._exempt:
            return None
        bound = self._bound_of_misses(self._hashes(domains[0]), client, now, charges=charges)
        if bound is not None:
            return bound
        for shared, cost in self._costs(domains):
            hashes = _bucket_of(shared, client)
            if self._failures.wait(hashes, now, cost):
                return DomainBound.FAILURES
            if self._is_over_share(self._failures, hashes, self._half_of_failures, client, now, cost, charges=charges):
                return DomainBound.CLIENT_SHARE
        if client is not None and (client.member or client.exempt) and charges:
            # Nobody knows of a fetch that ends who has asked for it, so these are charged when they begin.
            self._misses.charge(_bucket_of(self._hashes(domains[0]), client), now)
        return None

    def _bound_of_misses(
        self, hashes: Hashes, client: Client | None, now: float, *, charges: bool
    ) -> DomainBound | None:
        hashes = _bucket_of(hashes, client)
        if self._misses.wait(hashes, now):
            return DomainBound.MISSES
        if self._is_over_share(self._misses, hashes, self._half_of_misses, client, now, 1.0, charges=charges):
            return DomainBound.CLIENT_SHARE
        return None

    def _is_over_share(
        self,
        table: GcraTable,
        hashes: Hashes,
        half: float,
        client: Client | None,
        now: float,
        cost: float,
        *,
        charges: bool,
    ) -> bool:
        """Tell whether a network has had its share of a domain of which more than `half` is used up; charge it else."""
        if client is None or client.exempt or not table.wait(hashes, now, half):
            return False
        share = _together(hashes, client.prefixes[-1])
        return not _admits(table, share, now, cost * SHARE_FACTOR, charges=charges)

    def _costs(self, domains: tuple[bytes, bytes]) -> Iterator[tuple[Hashes, float]]:
        """Yield the buckets of failures that stand for a name, and what one costs there."""
        domain, registrant = domains
        yield self._hashes(domain), 1.0
        if registrant != domain:
            yield self._hashes(registrant), REGISTRANT_COST


def _bucket_of(hashes: Hashes, client: Client | None) -> Hashes:
    """Return the hashes of a domain's bucket for clients of this kind."""
    if client is None:
        return hashes
    if client.member:
        return _together(hashes, _MEMBERS)
    return _together(hashes, _EXEMPT) if client.exempt else hashes


def _together(hashes: Hashes, others: Hashes) -> Hashes:
    """Return the hashes of both: two keyed ones that nobody knows are as good as a third one."""
    return hashes[0] ^ others[0], hashes[1] ^ others[1]


def _admits(table: GcraTable, hashes: Hashes, now: float, cost: float, *, charges: bool) -> bool:
    """Tell whether a bucket has room, and charge it if it has and it `charges`."""
    if table.wait(hashes, now, cost):
        return False
    if charges:
        table.charge(hashes, now, cost)
    return True


def domains_of(qname: bytes, suffixes: PublicSuffixes) -> tuple[bytes, bytes]:
    """Return the lower-case wire name that stands for all that is limited together with `qname`, and the domain of
    whoever runs the private suffix above it, which is the same where there is no such suffix."""
    if not suffixes.is_delegated(qname):
        return _NO_DOMAIN, _NO_DOMAIN
    unit = _reverse_unit(qname) if qname.endswith(_ARPA) else None
    if unit is not None:
        return unit, unit
    return suffixes.registered_domain(qname), suffixes.registrant_domain(qname)


def _reverse_unit(qname: bytes) -> bytes | None:
    offsets = label_offsets(qname)
    labels = _REVERSE_UNITS.get(qname[offsets[-2] :]) if len(offsets) > 1 else None
    return qname[offsets[-min(labels, len(offsets))] :] if labels is not None else None
