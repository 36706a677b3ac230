"""One cached answer: the upstream's records, and the content that is made of them second by second."""

from dataclasses import dataclass, field, replace
from typing import Final

from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import ExtendedError
from dohproxy.wire.reply import Content, clamp_ttls, content_of, set_ttls

BYTES_PER_ENTRY: Final = 1_000
"""Objects and places in the tables, without what grows with the answer: so that the configured memory is what the cache
really takes. `python -m bench.memory_per_entry` measures it: a process with a full cache of 16 to 100 MiB, turned over
several times, has grown by 86 to 99 % of what is charged; the objects alone are two thirds of it or more."""
BYTES_PER_RECORD: Final = 40
"""The place of a TTL: a reference in a tuple and an integer. Many small records weigh more by these than by their
own bytes."""


@dataclass(slots=True)
class Entry:
    """An answer in the cache. Only `content` changes after storing, and only to what `now` makes of the rest."""

    answer: Answer
    """TTLs already between floor and ceiling: what clients are told is how long we keep it."""
    stored_at: float
    lifetime: int
    size: int
    """Bytes of memory that this entry is charged with."""
    is_kept: bool = False
    """Whether it is what the cache has for its question: whoever remembers it asks this before using it."""
    _age: int = field(default=0, repr=False)
    _content: Content | None = field(default=None, repr=False)

    @property
    def kind(self) -> Kind:
        """The answer's kind."""
        return self.answer.kind

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


def make_entry(key: bytes, answer: Answer, now: float, lifetime: int, *, floor: int, ceiling: int) -> Entry:
    """Return the entry for a new answer to the question `key` that is kept for `lifetime` seconds.

    The TTLs inside follow the same rule as the lifetime, so clients do not come back before we would ask again.
    """
    records = clamp_ttls(answer, floor=floor, ceiling=ceiling)
    # Twice the records: as they came, and as they have aged.
    size = BYTES_PER_ENTRY + len(key) + 2 * len(records) + BYTES_PER_RECORD * len(answer.ttl_offsets)
    return Entry(replace(answer, records=records), stored_at=now, lifetime=lifetime, size=size)
