"""One cached answer: the upstream's records, and the content that is made of them second by second."""

from dataclasses import dataclass, field, replace
from typing import Final

from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import ExtendedError
from dohproxy.wire.reply import Content, clamp_ttls, content_of, set_ttls

BYTES_PER_ENTRY: Final = 1_060
"""Objects and places in the tables, without what grows with the answer: so that the configured memory is what the cache
really takes. `python -m bench.memory_per_entry` measures it: a process with a full cache of 16 to 100 MiB, turned over
several times, has grown by 93 to 99 % of what is charged; the objects alone are two thirds of it or more."""
BYTES_PER_RECORD: Final = 40
"""The place of a TTL: a reference in a tuple and an integer. Many small records weigh more by these than by their
own bytes."""
BYTES_PER_CUT: Final = 200
"""A place in the index of cuts, without the name it is under."""
POPULAR_HITS: Final = 3
"""Hits in one lifetime that make an answer worth asking for before somebody misses it. Where clients come at random,
one that was wanted three times in a lifetime is wanted again in the next in 95 cases of 100 (1 - e^-3): so many of
these queries would have been made anyway. Unbound and CoreDNS are content with two (86 of 100)."""
RETRY_SECONDS: Final = 1.0
"""Between two tries to ask again for one entry: when the budget has no room, the next hit need not try."""


@dataclass(slots=True, eq=False)
class Entry:
    """An answer in the cache. After storing its use is noted, and `content` is what `now` makes of the rest."""

    answer: Answer
    """TTLs already between floor and ceiling: what clients are told is how long we keep it."""
    stored_at: float
    lifetime: int
    size: int
    """Bytes of memory that this entry is charged with."""
    refresh_at: float
    """Monotonic instant from which a hit may have it asked for again: a little before its end, or at its end."""
    cut: bytes | None = None
    """Its place in the index of cuts, if it denies more than its own question."""
    hits: int = 0
    """How often it was given while fresh."""
    is_kept: bool = False
    """Whether it is what the cache has for its question: whoever remembers it asks this before using it."""
    _age: int = field(default=0, repr=False)
    _content: Content | None = field(default=None, repr=False)

    @property
    def kind(self) -> Kind:
        """The answer's kind."""
        return self.answer.kind

    @property
    def is_popular(self) -> bool:
        """Whether it will be wanted again. A new answer to the question starts unpopular, so what nobody asks for any
        more is not kept alive."""
        return self.hits >= POPULAR_HITS

    def put_off(self, now: float, *, asked: bool) -> None:
        """Note a try to ask for it again: the next one may follow in a second, but if it was `asked` while fresh, no
        other one before its end."""
        self.refresh_at = now + RETRY_SECONDS
        if asked:
            self.refresh_at = max(self.refresh_at, self.stored_at + self.lifetime)

    def content(self, now: float) -> Content:
        """Return what to say now, TTLs aged by whole seconds; made once a second however often it is asked for."""
        age = int(now - self.stored_at)
        if self._content is None or age != self._age:
            self._age = age
            self._content = content_of(self.answer, age=age)
        return self._content

    def stale_content(self, ttl: int) -> Content:
        """Return the answer with every TTL set to `ttl` seconds and the EDE that says it is old (RFC 8767)."""
        error = ExtendedError.STALE_NXDOMAIN if self.kind is Kind.NXDOMAIN else ExtendedError.STALE_ANSWER
        content = content_of(self.answer)
        return replace(content, records=set_ttls(self.answer, ttl), errors=(*content.errors, error))

    def seconds_unchanged(self, now: float) -> float:
        """Return how long `content` stays what it is at `now`: to the next whole second of age."""
        age = now - self.stored_at
        return int(age) + 1 - age

    def max_age(self, now: float) -> int:
        """Return the seconds of freshness left, as HTTP says it (RFC 8484 section 5.1)."""
        return self.lifetime - int(now - self.stored_at)


@dataclass(frozen=True, slots=True)
class Span:
    """How long a new answer is kept, and the TTLs that clients are told: they follow the same rule, so that clients do
    not come back before we would ask again."""

    lifetime: int
    """Seconds."""
    floor: int
    ceiling: int
    """Every TTL is brought between these two,"""
    less: int
    """and then so much is taken off; the lifetime is without it already."""
    refresh_age: float
    """Age in seconds from which it may be asked for again."""


def make_entry(key: bytes, answer: Answer, now: float, span: Span, cut: bytes | None = None) -> Entry:
    """Return the entry for a new answer to the question `key`."""
    records = clamp_ttls(answer, floor=span.floor, ceiling=span.ceiling, less=span.less)
    # Twice the records: as they came, and as they have aged.
    size = BYTES_PER_ENTRY + len(key) + 2 * len(records) + BYTES_PER_RECORD * len(answer.ttl_offsets)
    if cut is not None:
        size += BYTES_PER_CUT + len(cut)
    return Entry(
        replace(answer, records=records),
        stored_at=now,
        lifetime=span.lifetime,
        size=size,
        refresh_at=now + span.refresh_age,
        cut=cut,
    )
