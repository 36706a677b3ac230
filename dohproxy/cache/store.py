"""The answer cache: two least-recently-used tables bounded in bytes, and the failures beside them.

Positive and negative answers live apart, so that a flood of random names fills its own quarter and evicts nothing
that anybody uses. Keys are the queries' own bytes: Python hashes bytes with a secret key, and `int` or
`dns.name.Name` predictably (a table that an attacker can make slow).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dohproxy.cache.cuts import MOST_DELEGATIONS, Cut, Cuts, shows_existence
from dohproxy.cache.entry import Entry, Span, make_entry
from dohproxy.cache.failures import MOST_FAILURES, Failures, RememberedFailure
from dohproxy.cache.freshness import Freshness, floor_under, freshness, span_of, span_of_restored
from dohproxy.cache.lru import LruTable
from dohproxy.cache.substitutes import keys_instead
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import Qtype

FORGOTTEN_AT_ONCE: Final = 20
"""Entries that are looked at in one step of `forget`: it takes 0.6 us to look at one and 2.5 to remove it, more where a
page is cleared, which is up to a millisecond. After each step it is asked whether others are to have a turn."""
_USUAL_TYPES: Final = (
    *(Qtype.A, Qtype.AAAA, Qtype.HTTPS, Qtype.SVCB, Qtype.NS, Qtype.SOA, Qtype.CNAME, Qtype.PTR, Qtype.MX, Qtype.TXT),
    *(Qtype.SRV, Qtype.CAA, Qtype.DS),
)
"""What clients ask for: of another type nobody would miss that its name was seen."""
_TAILS: Final = tuple(rtype.to_bytes(2) + bytes((bits,)) for rtype in _USUAL_TYPES for bits in range(4))
"""How the keys of one name may end: in a type, and DO and CD."""


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
    cuts: int
    """Places where the tree of names ends; the negative entries that say so are charged for them."""
    cut_hits: int
    """Questions answered by one of them."""
    delegations: int
    """Top-level domains known to exist."""
    delegations_max: int


class _NegativeTable(LruTable):
    """Takes the cut of an entry along when it goes, whatever the reason."""

    def __init__(self, max_bytes: int, cuts: Cuts) -> None:
        super().__init__(max_bytes)
        self._cuts = cuts

    def remove(self, key: bytes) -> Entry | None:
        entry = super().remove(key)
        if entry is not None and (cut := entry.cut) is not None:
            self._cuts.remove(cut, key)
        return entry


class Cache:
    """What upstreams said, for as long as it holds. Synchronous, owns its tables alone.

    `draw` returns numbers from 0.0 up to 1.0, for the jitter in how long things are kept; without it there is none.
    `is_listed` tells of a name (wire, lower case) whether it exists whatever is said; `judge` makes of an answer to a
    question for such a name what may be given.
    """

    def __init__(
        self,
        rules: CacheConfig,
        draw: Callable[[], float] | None = None,
        is_listed: Callable[[bytes], bool] = lambda _: False,
        judge: Callable[[bytes, Answer], Answer] = lambda _, answer: answer,
    ) -> None:
        self.rules = rules
        self._judge = judge
        negative_bytes = rules.max_bytes * rules.negative_share_percent // 100
        self._draw = draw
        self._cuts = Cuts(is_listed)
        self._positive = LruTable(rules.max_bytes - negative_bytes)
        self._negative = _NegativeTable(negative_bytes, self._cuts)
        self._failures = Failures(rules, draw)
        self._too_large = 0
        self._cut_hits = 0

    def adopt(self, rules: CacheConfig) -> None:
        """Take other rules; every entry stays, as long as they allow. The size is that of the start."""
        self.rules = self._failures.rules = rules

    def lookup(self, key: bytes, now: float, pressure: float) -> tuple[Entry | None, Freshness]:
        """Return the entry for `key` and what may be done with it; (None, DEAD) if there is nothing.

        Where nothing fresh is known of the question itself, it may be a fresh denial from above: then the entry is that
        of another question, and fits under this one. `pressure` from 0.0 to 1.0 tells how close the upstreams are to
        being out of reach.
        """
        table = self._positive
        entry = table.get(key)
        if entry is None:
            table = self._negative
            entry = table.get(key)
            if entry is None:
                return self._denied_from_above(key, now)
        floor = floor_under(pressure, self.rules) if pressure else 0.0
        state = freshness(entry, now, floor, self.rules)
        if state is Freshness.FRESH:
            return entry, state
        if state is Freshness.DEAD:
            table.remove(key)
            entry = None
        # Who denies a name that was seen contradicts it, and the upstream is asked which is so.
        itself = entry is None or entry.kind is not Kind.POSITIVE
        denied = self._denied_from_above(key, now, itself=itself)
        return denied if denied[0] is not None else (entry, state)

    def foresee(self, key: bytes, now: float, pressure: float) -> tuple[Entry | None, Freshness]:
        """Return what `lookup` would, and change nothing: no use is counted, and nothing dead is thrown away."""
        entry = self.peek(key)
        itself = True
        state = Freshness.DEAD
        if entry is not None:
            state = freshness(entry, now, floor_under(pressure, self.rules) if pressure else 0.0, self.rules)
            if state is Freshness.FRESH:
                return entry, state
            entry = None if state is Freshness.DEAD else entry
            itself = entry is None or entry.kind is not Kind.POSITIVE
        for place in self._cuts.above(key, itself=itself):
            denial = self._negative.peek(place)
            if denial is not None and freshness(denial, now, 0.0, self.rules) is Freshness.FRESH:
                return denial, Freshness.FRESH
        return entry, state

    def foresee_failure(self, key: bytes, now: float) -> RememberedFailure | None:
        """Return what `recall_failure` would, and change nothing."""
        return self._failures.foresee(key, now)

    def store(self, key: bytes, answer: Answer, now: float) -> Entry | None:
        """Keep a new answer; return its entry, or None if the rules say that it is not to be kept.

        Either way the question has been answered: what was known before, entry or failure, is forgotten.
        """
        answer = self.judged(key, answer)
        self._failures.forget(key)
        self._positive.remove(key)
        self._negative.remove(key)
        if shows_existence(answer):
            self._cuts.note_existence(key)
        span = span_of(answer, self.rules, self._draw() if self._draw else 0.0)
        if span is None:
            return None
        entry = self._make(key, answer, now, span)
        if entry is None:
            self._too_large += 1
            return None
        return self._keep(key, entry)

    def restore(self, key: bytes, answer: Answer, seconds: int, stored_at: float, now: float) -> Entry | None:
        """Take back an answer that another run of this program kept for `seconds` from `stored_at` on.

        It comes behind everything that is here: it displaces nothing, and where something is known already it is not
        taken. Nor is it taken if it is dead by now or does not fit today's rules; what they allow for a shorter time
        is kept for that. Returns the entry, or None.
        """
        answer = self.judged(key, answer)
        span = span_of_restored(answer, self.rules, seconds)
        entry = None if span is None or self.peek(key) is not None else self._make(key, answer, stored_at, span)
        if entry is None or freshness(entry, now, 0.0, self.rules) is Freshness.DEAD:
            return None
        if shows_existence(answer):
            self._cuts.note_delegation(key)
        return self._keep(key, entry, last=True)

    def receive(self, key: bytes, answer: Answer, seconds: int, stored_at: float, now: float) -> None:
        """Take over an answer that another node keeps for `seconds` from `stored_at` on, because it is wanted here.

        What is here and not older stays, and what is dead by now or does not fit today's rules is not taken; what they
        allow for a shorter time is kept for that.
        """
        held = self.peek(key)
        if held is not None and held.stored_at >= stored_at:
            return
        answer = self.judged(key, answer)
        span = span_of_restored(answer, self.rules, seconds)
        entry = None if span is None else self._make(key, answer, stored_at, span)
        state = Freshness.DEAD if entry is None else freshness(entry, now, 0.0, self.rules)
        if entry is None or state is Freshness.DEAD:
            return
        self._positive.remove(key)
        self._negative.remove(key)
        if state is Freshness.FRESH:
            self._failures.forget(key)
        if shows_existence(answer):
            if state is Freshness.FRESH:
                self._cuts.note_existence(key)
            else:
                self._cuts.note_delegation(key)
        self._keep(key, entry)

    def receive_failure(self, key: bytes, failure: RememberedFailure) -> None:
        """Take over what another node remembers of a failure to resolve `key`."""
        self._failures.receive(key, failure)

    def judged(self, key: bytes, answer: Answer) -> Answer:
        """Return an answer to the question `key` as it may be given; everything in the cache is so already."""
        return self._judge(key[: -len(_TAILS[0])], answer)

    def find_instead(self, key: bytes, now: float) -> tuple[Entry, bytes, Freshness] | None:
        """Return an entry that may be given in place of a failure to answer `key` (see `substitutes`), its own key, and
        whether it is fresh; None if nothing is held."""
        for other in keys_instead(key):
            entry = self.peek(other)
            if entry is not None and (state := freshness(entry, now, 0.0, self.rules)) is not Freshness.DEAD:
                return entry, other, state
        return None

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

    def forget(self, is_meant: Callable[[bytes], bool]) -> Iterator[int]:
        """Forget every answer and failure about a name (wire, lower case) that is meant, and what they cut off.

        Yields after each step, which takes a millisecond or two at most, how many went. What was made of an answer and
        is remembered elsewhere is not said again either: it asks the entry (`Entry.use`).
        """

        def is_key_meant(key: bytes) -> bool:
            return is_meant(key[: -len(_TAILS[0])])

        yield self._failures.forget_all(is_key_meant)
        for table in (self._negative, self._positive):
            yield from table.forget(is_key_meant, FORGOTTEN_AT_ONCE)

    def forget_usual(self, name: bytes) -> int:
        """Forget at once what clients mostly ask about a name, and denials from above it; return how many went."""
        denied = [place for bits in range(4) for place in self._cuts.above(name + bytes((0, 0, bits)))]
        gone = sum(self._negative.remove(key) is not None for key in dict.fromkeys(denied))
        for tail in _TAILS:
            gone += self._positive.remove(name + tail) is not None
            gone += self._negative.remove(name + tail) is not None
        return gone

    def statistics(self) -> CacheStatistics:
        """Return the figures for metrics and status."""
        return CacheStatistics(
            positive_entries=len(self._positive),
            positive_bytes=self._positive.bytes,
            positive_max_bytes=self._positive.max_bytes,
            negative_entries=len(self._negative),
            negative_bytes=self._negative.bytes,
            negative_max_bytes=self._negative.max_bytes,
            failures=len(self._failures),
            failures_max=MOST_FAILURES,
            evictions=self._positive.evictions + self._negative.evictions,
            too_large=self._too_large,
            cuts=len(self._cuts),
            cut_hits=self._cut_hits,
            delegations=self._cuts.delegations,
            delegations_max=MOST_DELEGATIONS,
        )

    def _make(self, key: bytes, answer: Answer, stored_at: float, span: Span) -> Entry | None:
        """Return an entry for an answer, made to fit under other questions if it denies them too; None for one that is
        too large."""
        cut = self._find_cut(key, answer)
        if cut is not None and len(cut.answer.records) <= self.rules.max_entry_bytes:
            return make_entry(key, cut.answer, stored_at, span, cut.place)
        if len(answer.records) > self.rules.max_entry_bytes:
            return None
        return make_entry(key, answer, stored_at, span)

    def _find_cut(self, key: bytes, answer: Answer) -> Cut | None:
        if self.rules.cut_below_nxdomain == "never":
            return None
        cut = self._cuts.find_cut(key, answer, believed=self.rules.cut_below_nxdomain == "always")
        return None if cut is None or self._has_positive(key) else cut

    def _has_positive(self, key: bytes) -> bool:
        """Tell whether anything is held, fresh or stale, that the name of `key` has: then its denial is that of one
        type alone, whatever RFC 2308 section 5 allows. There are servers that deny names by type."""
        name = key[: -len(_TAILS[0])]
        return any(name + tail in self._positive for tail in _TAILS)

    def _keep(self, key: bytes, entry: Entry, *, last: bool = False) -> Entry | None:
        """The one way into the tables: first in line, or `last` and at nobody's expense. None if it does not fit."""
        table = self._positive if entry.kind is Kind.POSITIVE else self._negative
        if last:
            if not table.put_last(entry):
                return None
        elif not table.put(entry):
            self._too_large += 1
            return None
        if (cut := entry.cut) is not None:
            self._cuts.add(cut, key, last=last)
        return entry

    def _denied_from_above(self, key: bytes, now: float, *, itself: bool = True) -> tuple[Entry | None, Freshness]:
        """Return a fresh denial of a name above this one, or of this one `itself`. A stale one cuts nothing: it may not
        hold for its own question any more."""
        for place in self._cuts.above(key, itself=itself):
            entry = self._negative.get(place)
            if entry is not None and freshness(entry, now, 0.0, self.rules) is Freshness.FRESH:
                self._cut_hits += 1
                return entry, Freshness.FRESH
        return None, Freshness.DEAD
