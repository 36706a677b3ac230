"""One cached answer: packed into one block of bytes, and the `Entry` that reads it.

A cache holds hundreds of thousands of answers, most of which nobody asks for again. As Python objects (an instance, its
numbers, tuples and records) one would take a KiB and a dozen places in memory, and the garbage collector would look
through all of them. So each is a stretch of bytes, of which the collector knows nothing, on a page with others:

    state     uses            8 bits: 0 if the cache has it no longer, or elsewhere by now, else one more than its hits,
                              counted no further than they matter
              place           32 bits, in the order of its table
              refresh at      double
    facts     stored at       double
              lifetime        32 bits, seconds
              size            32 bits, what it is charged with
              flags           16 bits, as in a DNS header: AD and the rcode
              kind            8 bits
              EDE codes       8 bits, how many of them follow
              counts          answer, authority, additional: 16 bits each
              records         16 bits, where they start
              length          32 bits, of all this
              TTLs            16 bits, where they start: behind the key
    key       of the question
    TTLs      16 bits each, one for each record: where in the records it stands
    EDE codes 16 bits each
    cut, records

An `Entry` is made anew whenever an answer is looked up, and so is all that is made of it. What belongs to a single
request ends with that.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from struct import Struct
from typing import Final

from dohproxy.cache.pages import Page
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import AD, RCODE_MASK, ExtendedError
from dohproxy.wire.reply import Content, clamp_ttls, content_of, set_ttls

BYTES_PER_ENTRY: Final = 120
"""What an entry has before its key, its place in the table, and what is dropped beside it on its page: so that the
configured memory is what the cache really takes. `tests/cache/test_lru_held.py` measures it, and so does
`python -m bench.memory_per_entry`."""
BYTES_PER_CUT: Final = 200
"""A place in the index of cuts, without the name it is under and the key it leads to."""
POPULAR_HITS: Final = 3
"""Hits in one lifetime that make an answer worth asking for before somebody misses it. Where clients come at random,
one that was wanted three times in a lifetime is wanted again in the next in 95 cases of 100 (1 - e^-3): so many of
these queries would have been made anyway. Unbound and CoreDNS are content with two (86 of 100)."""
RETRY_SECONDS: Final = 1.0
"""The pause between two tries to ask again for one entry: when the budget has no room, the next hit need not try."""

_HEAD: Final = Struct("<BIddIIHBBHHHHIH")
KEY_OFFSET: Final = _HEAD.size
"""The distance from the start of an entry to its key."""
_PLACE, _REFRESH_AT = 1, 5
_MOST_USES: Final = 1 + POPULAR_HITS
_UINT: Final = Struct("<I")
_DOUBLE: Final = Struct("<d")
_KINDS: Final = tuple(Kind)


@lru_cache(maxsize=64)
def _shorts(count: int) -> Struct:
    """Return the form of so many numbers of 16 bits; few answers have another number of records than some others."""
    return Struct(f"<{count}H")


class Entry:
    """An answer in the cache, as it was looked up; equal to every other one of the same answer.

    It can be given to `content_of` like an `Answer`. Its TTLs are between floor and ceiling already: what clients are
    told is how long we keep it.
    """

    __slots__ = (
        "_error_count",
        "_flags",
        "_kind",
        "_lists_at",
        "_records_at",
        "counts",
        "length",
        "lifetime",
        "offset",
        "page",
        "place",
        "refresh_at",
        "size",
        "stored_at",
    )
    page: Page
    offset: int
    """Where on its page it starts."""
    length: int
    """Bytes that it has there."""
    place: int
    """Where it stands in the order of its table."""
    refresh_at: float
    """Monotonic instant from which a hit may have it asked for again: a little before its end, or at its end."""
    stored_at: float
    lifetime: int
    size: int
    """Bytes of memory that it is charged with."""
    counts: tuple[int, int, int]
    _flags: int
    _kind: int
    _error_count: int
    _lists_at: int
    _records_at: int

    def __init__(self, page: Page, offset: int) -> None:
        """Read what `make_entry` has packed."""
        self.page = page
        self.offset = offset
        (
            _,
            self.place,
            self.refresh_at,
            self.stored_at,
            self.lifetime,
            self.size,
            self._flags,
            self._kind,
            self._error_count,
            answers,
            authority,
            additional,
            self._records_at,
            self.length,
            self._lists_at,
        ) = _HEAD.unpack_from(page.memory, offset)
        self.counts = (answers, authority, additional)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self.page is other.page and self.offset == other.offset

    def __hash__(self) -> int:
        return id(self.page) + self.offset

    def __repr__(self) -> str:
        return f"<Entry {self.kind} for {self.lifetime} s from {self.stored_at}>"

    @property
    def key(self) -> bytes:
        """The question that it answers."""
        return bytes(self.page.memory[self.offset + KEY_OFFSET : self.offset + self._lists_at])

    @property
    def kind(self) -> Kind:
        """The answer's kind."""
        return _KINDS[self._kind]

    @property
    def rcode(self) -> int:
        """No more than four bits: what has others is not kept."""
        return self._flags & RCODE_MASK

    @property
    def authentic(self) -> bool:
        """AD as it came."""
        return bool(self._flags & AD)

    @property
    def ttl_offsets(self) -> tuple[int, ...]:
        """Where in `records` each TTL stands."""
        return _shorts(sum(self.counts)).unpack_from(self.page.memory, self.offset + self._lists_at)

    @property
    def errors(self) -> tuple[int, ...]:
        """The upstream's EDE info codes."""
        if not self._error_count:
            return ()
        start = self.offset + self._lists_at + 2 * sum(self.counts)
        return _shorts(self._error_count).unpack_from(self.page.memory, start)

    @property
    def cut(self) -> bytes | None:
        """Its place in the index of cuts, if it denies more than its own question."""
        start = self._lists_at + 2 * (sum(self.counts) + self._error_count)
        if start == self._records_at:
            return None
        return bytes(self.page.memory[self.offset + start : self.offset + self._records_at])

    @property
    def records(self) -> bytes:
        """The records, with the TTLs that they had when they were stored."""
        return bytes(self.page.memory[self.offset + self._records_at : self.offset + self.length])

    @property
    def packed(self) -> bytes:
        """All of it, as it stands on its page."""
        return bytes(self.page.memory[self.offset : self.offset + self.length])

    def on_its_own(self) -> "Entry":
        """Return the same on a page of its own: for who keeps it while the cache goes on, and reads it then. The cache
        does not have that one."""
        alone = Entry(Page(bytearray(self.packed)), 0)
        alone.drop()
        return alone

    def move(self, page: Page, offset: int) -> None:
        """Note that it was copied to another page; where it was, it is dropped."""
        self.drop()
        self.page, self.offset = page, offset

    @property
    def is_kept(self) -> bool:
        """Whether it is what the cache has for its question."""
        return self.page.memory[self.offset] > 0

    def keep(self, place: int) -> None:
        """Note that it is kept from now on, and where."""
        self.page.memory[self.offset] = 1
        self.change_place(place)

    def change_place(self, place: int) -> None:
        """Note that its place is another."""
        self.place = place
        _UINT.pack_into(self.page.memory, self.offset + _PLACE, place)

    def drop(self) -> None:
        """Note that it is kept no longer."""
        if self.is_kept:
            self.page.memory[self.offset] = 0

    def use(self) -> bool:
        """Count it as given once more while fresh; False, and nothing counted, if it is kept no longer: whoever
        remembers an entry asks this before giving it again."""
        memory = self.page.memory
        uses = memory[self.offset]
        if uses == _MOST_USES:
            return True
        if uses:
            memory[self.offset] = uses + 1
        return uses > 0

    @property
    def hits(self) -> int:
        """How often it was given while fresh, counted up to POPULAR_HITS."""
        return max(self.page.memory[self.offset] - 1, 0)

    @property
    def is_popular(self) -> bool:
        """Whether it will be wanted again. A new answer to the question starts unpopular, so what nobody asks for any
        more is not kept alive."""
        return self.hits == POPULAR_HITS

    def put_off(self, now: float, *, asked: bool) -> None:
        """Note a try to ask for it again: the next one may follow in a second, but if it was `asked` while fresh, no
        other one before its end."""
        self.refresh_at = now + RETRY_SECONDS
        if asked:
            self.refresh_at = max(self.refresh_at, self.stored_at + self.lifetime)
        if self.is_kept:
            _DOUBLE.pack_into(self.page.memory, self.offset + _REFRESH_AT, self.refresh_at)

    def content(self, now: float) -> Content:
        """Return what to say now, TTLs aged by whole seconds."""
        return content_of(self, age=int(now - self.stored_at))

    def stale_content(self, ttl: int) -> Content:
        """Return the answer with every TTL set to `ttl` seconds and the EDE that says it is old (RFC 8767)."""
        error = ExtendedError.STALE_NXDOMAIN if self.kind is Kind.NXDOMAIN else ExtendedError.STALE_ANSWER
        content = content_of(self)
        return replace(content, records=set_ttls(self, ttl), errors=(*content.errors, error))

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


def make_entry(key: bytes, answer: Answer, now: float, span: Span, cut: bytes = b"") -> Entry:
    """Return the entry for a new answer to the question `key`; `cut` is its place in the index of cuts."""
    records = clamp_ttls(answer, floor=span.floor, ceiling=span.ceiling, less=span.less)
    errors = answer.errors
    lists = _shorts(len(answer.ttl_offsets) + len(errors)).pack(*answer.ttl_offsets, *errors)
    size = BYTES_PER_ENTRY + len(key) + len(lists) + len(cut) + len(records)
    if cut:
        size += BYTES_PER_CUT + len(cut) + len(key)
    lists_at = KEY_OFFSET + len(key)
    records_at = lists_at + len(lists) + len(cut)
    head = _HEAD.pack(
        0,
        0,
        now + span.refresh_age,
        now,
        span.lifetime,
        size,
        answer.authentic * AD | answer.rcode,
        _KINDS.index(answer.kind),
        len(errors),
        *answer.counts,
        records_at,
        records_at + len(records),
        lists_at,
    )
    return Entry(Page(bytearray().join((head, key, lists, cut, records))), 0)
