"""How long an answer may be used: one small table of rules, each from an RFC or argued.

| kind | kept for |
|---|---|
| positive | its smallest TTL, at least the floor, at most the ceiling |
| NODATA, NXDOMAIN with SOA | what the SOA allows (RFC 2308 section 5), at most the negative ceiling; no floor |
| negative without SOA, referral | not kept: it does not say how long it holds |
| failure | not here: see `failures` |

The floor lengthens what an owner said, so it is short (RFC 1035 lets a cache do the opposite only; ghost domains live
from longer ones: CVE-2022-30698). Under pressure it rises for entries that would otherwise be asked again, because
then the alternative to an old answer is none.
"""

from enum import Enum, auto

from dohproxy.cache.entry import Entry
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import Answer, Kind


class Freshness(Enum):
    """What may be done with an entry now."""

    FRESH = auto()
    """Answer with it."""
    KEPT = auto()
    """Past its time, and good enough while the upstreams are short of breath: answer as with a stale one, unasked."""
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
