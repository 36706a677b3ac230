"""The answer cache: two least-recently-used tables bounded in bytes, and the failures beside them.

Positive and negative answers live apart, so that a flood of random names fills its own quarter and evicts nothing
that anybody uses. Keys are the queries' own bytes: Python hashes bytes with a secret key, and `int` or
`dns.name.Name` predictably (a table that an attacker can make slow).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dohproxy.cache.entry import Entry, make_entry
from dohproxy.cache.failures import MOST_FAILURES, Failures, RememberedFailure
from dohproxy.cache.freshness import Freshness, floor_under, freshness, lifetime
from dohproxy.cache.recency import RecencyTable
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer, Kind


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """A snapshot of the cache, sizes in bytes."""

    positive_entries: int
    positive_bytes: int
    positive_max_bytes: int
    negative_entries: int
    negative_bytes: int
    negative_max_bytes: int
    failures: int
    failures_max: int
    evictions: int
    too_large: int
    """Answers passed on but not kept because of `max_entry_bytes`."""


class _Table(RecencyTable):
    """One LRU table that counts what it had to throw out."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes, getsizeof=lambda entry: entry.size)
        self.evictions = 0

    def popitem(self) -> tuple[bytes, Entry]:
        self.evictions += 1
        return super().popitem()


class Cache:
    """What upstreams said, for as long as it holds. Synchronous, owns its tables alone."""

    def __init__(self, rules: CacheConfig) -> None:
        self.rules = rules
        negative_bytes = rules.max_bytes * rules.negative_share_percent // 100
        self._positive = _Table(rules.max_bytes - negative_bytes)
        self._negative = _Table(negative_bytes)
        self._failures = Failures(rules)
        self._too_large = 0

    def lookup(self, key: bytes, now: float, pressure: float) -> tuple[Entry | None, Freshness]:
        """Return the entry for `key` and what may be done with it; (None, DEAD) if there is nothing.

        `pressure` from 0.0 to 1.0 tells how close the upstreams are to being out of reach.
        """
        table = self._positive
        entry = table.get(key)
        if entry is None:
            table = self._negative
            entry = table.get(key)
            if entry is None:
                return None, Freshness.DEAD
        floor = floor_under(pressure, self.rules) if pressure else 0.0
        state = freshness(entry, now, floor, self.rules)
        if state is Freshness.DEAD:
            del table[key]
            return None, state
        return entry, state

    def store(self, key: bytes, answer: Answer, now: float) -> Entry | None:
        """Keep a new answer; return its entry, or None if the rules say that it is not to be kept.

        Either way the question has been answered: what was known before, entry or failure, is forgotten.
        """
        self._failures.forget(key)
        self._positive.pop(key, None)
        self._negative.pop(key, None)
        seconds = lifetime(answer, self.rules)
        if not seconds:
            return None
        if len(answer.records) > self.rules.max_entry_bytes:
            self._too_large += 1
            return None
        positive = answer.kind is Kind.POSITIVE
        floor = self.rules.minimum_ttl_seconds if positive else 0
        # A negative answer's SOA tells everybody behind us how long it holds, so it may not outlast our own copy (RFC
        # 2308 section 5).
        ceiling = self.rules.maximum_ttl_seconds if positive else seconds
        entry = make_entry(key, answer, now, seconds, floor=floor, ceiling=ceiling)
        return self._keep(key, entry)

    def restore(self, key: bytes, answer: Answer, seconds: int, stored_at: float, now: float) -> Entry | None:
        """Take back an answer that another run of this program kept for `seconds` from `stored_at` on.

        It comes behind everything that is here: it displaces nothing, and where something is known already it is not
        taken. Nor is it taken if it is dead by now or does not fit today's rules; what they allow for a shorter time
        is kept for that. Returns the entry, or None.
        """
        allowed = min(seconds, lifetime(answer, self.rules))
        if not allowed or len(answer.records) > self.rules.max_entry_bytes or self.peek(key) is not None:
            return None
        positive = answer.kind is Kind.POSITIVE
        ceiling = self.rules.maximum_ttl_seconds if positive and allowed == seconds else allowed
        entry = make_entry(key, answer, stored_at, allowed, floor=0, ceiling=ceiling)
        if freshness(entry, now, 0.0, self.rules) is Freshness.DEAD:
            return None
        return self._keep(key, entry, last=True)

    def by_recency(self, most: int) -> Iterator[bytes]:
        """Yield at most so many keys of each table, the most recently used first, those of positive answers before the
        others. The cache may change meanwhile: a table's keys are those it has when its turn comes."""
        for table in (self._positive, self._negative):
            yield from table.by_recency(most)

    def peek(self, key: bytes) -> Entry | None:
        """Return the entry for `key`, whatever its age, without using it."""
        return self._positive.peek(key) or self._negative.peek(key)

    def remember_failure(
        self, key: bytes, rcode: int, errors: tuple[int, ...], now: float, *, grows: bool = True
    ) -> None:
        """Note that `key` could not be resolved: nobody asks again for a while (RFC 9520), and longer each time if the
        pause `grows`."""
        has_stale = key in self._positive or key in self._negative
        self._failures.remember(key, rcode, errors, now, has_stale=has_stale, grows=grows)

    def recall_failure(self, key: bytes, now: float) -> RememberedFailure | None:
        """Return the failure that still forbids asking for `key`."""
        return self._failures.recall(key, now)

    def statistics(self) -> CacheStatistics:
        """Return the figures for metrics and status."""
        return CacheStatistics(
            positive_entries=len(self._positive),
            positive_bytes=int(self._positive.currsize),
            positive_max_bytes=int(self._positive.maxsize),
            negative_entries=len(self._negative),
            negative_bytes=int(self._negative.currsize),
            negative_max_bytes=int(self._negative.maxsize),
            failures=len(self._failures),
            failures_max=MOST_FAILURES,
            evictions=self._positive.evictions + self._negative.evictions,
            too_large=self._too_large,
        )

    def _keep(self, key: bytes, entry: Entry, *, last: bool = False) -> Entry | None:
        """The one way into the tables: first in line, or `last` and at nobody's expense. None if it does not fit."""
        table = self._positive if entry.kind is Kind.POSITIVE else self._negative
        if last:
            return entry if table.put_last(key, entry) else None
        try:
            table[key] = entry
        except ValueError:  # cachetools: larger than the whole table
            self._too_large += 1
            return None
        return entry
