"""How long an answer may be used: one small table of rules, each from an RFC or argued.

| kind | kept for |
|---|---|
| positive | its smallest TTL, at least the floor, at most the ceiling; a little less by chance |
| NODATA, NXDOMAIN with SOA | what the SOA allows (RFC 2308 section 5), at most the negative ceiling; no floor |
| negative without SOA, referral | not kept: it does not say how long it holds |
| failure | not here: see `failures` |

The floor lengthens what an owner said, so it is short (RFC 1035 lets a cache do the opposite only; ghost domains live
from longer ones: CVE-2022-30698). Under pressure it rises for entries that would otherwise be asked again, because
then the alternative to an old answer is none.
"""

from enum import Enum, auto

from dohproxy.cache.entry import Entry, Span
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer, Kind


class Freshness(Enum):
    """What may be done with an entry now."""

    FRESH = auto()
    """Answer with it."""
    KEPT = auto()
    """Past its time, and good enough while the upstreams are short of breath: answer as with a stale one, and let
    nobody wait for another."""
    STALE = auto()
    """Answer with it if nothing better comes (RFC 8767)."""
    DEAD = auto()
    """Forget it."""


def lifetime(answer: Answer, rules: CacheConfig) -> int:
    """Return for how many seconds a new answer is fresh; 0 means that it is not kept at all."""
    if answer.ttl is None:
        return 0
    if answer.kind is Kind.POSITIVE:
        return min(max(answer.ttl, rules.minimum_ttl_seconds), rules.maximum_ttl_seconds)
    if answer.kind in (Kind.NODATA, Kind.NXDOMAIN):
        return min(answer.ttl, rules.negative_ttl_max_seconds)
    return 0


def span_of(answer: Answer, rules: CacheConfig, drawn: float) -> Span | None:
    """Return how long to keep a new answer, or None if it is not kept. Of the jitter a positive one loses the share
    `drawn`, from 0.0 up to 1.0, but it ends no earlier than its floor."""
    seconds = lifetime(answer, rules)
    if not seconds:
        return None
    if answer.kind is not Kind.POSITIVE:
        # A negative answer's SOA tells everybody behind us how long it holds, so it may not outlast our own copy (RFC
        # 2308 section 5).
        return Span(seconds, floor=0, ceiling=seconds, less=0, refresh_age=_refresh_age(answer.kind, seconds, rules))
    floor, ceiling = rules.minimum_ttl_seconds, rules.maximum_ttl_seconds
    less = max(0, min(int(seconds * rules.jitter_percent * drawn / 100), seconds - floor))
    seconds -= less
    return Span(seconds, floor, ceiling, less, _refresh_age(answer.kind, seconds, rules))


def span_of_restored(answer: Answer, rules: CacheConfig, seconds: int) -> Span | None:
    """Return how long to keep an answer that another run kept for `seconds`, with its TTLs as they were then; None if
    today's rules do not keep it."""
    allowed = min(seconds, lifetime(answer, rules))
    if not allowed:
        return None
    is_as_before = answer.kind is Kind.POSITIVE and allowed == seconds
    ceiling = rules.maximum_ttl_seconds if is_as_before else allowed
    return Span(allowed, floor=0, ceiling=ceiling, less=0, refresh_age=_refresh_age(answer.kind, allowed, rules))


def _refresh_age(kind: Kind, seconds: int, rules: CacheConfig) -> float:
    """A denial is never asked for again before its end: it may be found from another question below it, and nobody
    needs to be told sooner that a name still does not exist."""
    share = 0 if kind is Kind.NXDOMAIN else rules.prefetch_percent
    return seconds * (100 - share) / 100


def floor_under(pressure: float, rules: CacheConfig) -> float:
    """Return the floor in force, in seconds, for a pressure between 0.0 (none) and 1.0 (nobody can be asked)."""
    low = rules.minimum_ttl_seconds
    return low + (rules.minimum_ttl_under_pressure_seconds - low) * pressure


def freshness(entry: Entry, now: float, floor: float, rules: CacheConfig) -> Freshness:
    """Judge one entry. `floor` lengthens positive entries only: a negative one ends with its SOA."""
    age = now - entry.stored_at
    if age < entry.lifetime:
        return Freshness.FRESH
    if age < floor and entry.kind is Kind.POSITIVE:
        return Freshness.KEPT
    if age < entry.lifetime + rules.stale_keep_seconds:
        return Freshness.STALE
    return Freshness.DEAD
