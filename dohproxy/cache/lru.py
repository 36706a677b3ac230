"""A least-recently-used table of packed answers, bounded in bytes, whose order can be read and added to at its far end.

Its parts are chosen so that nothing holds up everybody else where there are a million entries, and so that nothing is
left behind when many small entries go for few large ones. An entry has a place, which is a number, and at its place a
handful of numbers in arrays; its key stands with it on its page. No entry has an object of its own: a million of these
would keep the heap as large as it once was, the garbage collector would look through them all, and a dict of so many is
moved as a whole when it is full. There are as many buckets from the start as entries of an ordinary size have room, and
they are never moved. Places have no gaps: the last one moves to where another has gone.
"""

from array import array
from collections.abc import Callable, Iterator
from typing import Final

from dohproxy.cache.entry import KEY_OFFSET, Entry
from dohproxy.cache.pages import Page, Pages

_END: Final = 0
"""The place at both ends of the order: behind the last, before the first. Nothing else has it, so that it ends a chain
of places in one bucket too."""
NO_PAGE: Final = Page(bytearray())
"""The page that stands at that place."""
BYTES_PER_BUCKET: Final = 256
"""A table has a bucket for each so many bytes of its room, and at most twice as many buckets. A small answer is charged
with some 170 bytes: a bucket has one or two of these, and buckets take 2 to 3 % of the room."""
SPARE_PLACES: Final = 1_024
"""So many places may be free behind the last before the arrays are cut: they are not moved for each entry that goes,
and so many take 24 KiB."""


class LruTable:
    """Entries by key, the least recently used out first; each knows whether it is kept."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        """What the entries are charged with."""
        self.evictions = 0
        """How many had to go to make room."""
        buckets = 1 << (max_bytes // BYTES_PER_BUCKET).bit_length()
        self._mask = buckets - 1
        self._buckets = array("I", (_END,)) * buckets
        """The first place of each bucket; a key's bucket is the lowest bits of its hash."""
        self._count = 0
        """Places from 1 to this one are taken. What each has, in five parts:"""
        self._chain = array("I", (_END,))
        """The next place in the same bucket."""
        self._pages = Pages()
        self._page_of: list[Page] = [NO_PAGE]
        self._offsets = array("I", (0,))
        """Where the entry is packed."""
        self._links = array("I", (_END, _END))
        """A ring. At twice the number of each place the next older place, and behind it the next newer one."""

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: bytes) -> bool:
        return self._find(key) != _END

    def get(self, key: bytes) -> Entry | None:
        """Return an entry, and count that as a use."""
        # As in _find, _unlink and _link, without the calls: every look-up comes here. No key is the beginning of
        # another, as every name has its end in it.
        place = self._buckets[hash(key) & self._mask]
        end = KEY_OFFSET + len(key)
        while True:
            if not place:
                return None
            page, offset = self._page_of[place], self._offsets[place]
            if page.memory[offset + KEY_OFFSET : offset + end] == key:
                break
            place = self._chain[place]
        links = self._links
        newest = links[_END]
        if place != newest:
            at = 2 * place
            older, newer = links[at], links[at + 1]
            links[2 * older + 1], links[2 * newer] = newer, older
            links[at], links[at + 1] = newest, _END
            links[2 * newest + 1] = links[_END] = place
        return Entry(page, offset)

    def peek(self, key: bytes) -> Entry | None:
        """Return an entry without using it."""
        place = self._find(key)
        return self._at(place) if place else None

    def put(self, entry: Entry) -> bool:
        """Put an entry before all others, in the place of what is known under its key and of as many of the least
        recently used as it needs; False if it is larger than the table."""
        if entry.size > self.max_bytes:
            return False
        self.remove(entry.key)
        while self.bytes + entry.size > self.max_bytes:
            self.evictions += 1
            self.remove(self._at(self._links[_END + 1]).key)
        self._add(entry)
        return True

    def put_last(self, entry: Entry) -> bool:
        """Put an entry behind all others as the least recently used, if its key is new and nothing has to go for it."""
        if entry.key in self or self.bytes + entry.size > self.max_bytes:
            return False
        self._add(entry)
        self._unlink(entry.place)
        self._link(entry.place, older=_END, newer=self._links[_END + 1])
        return True

    def remove(self, key: bytes) -> Entry | None:
        """Forget and return what is known under this key."""
        place = self._find(key)
        if not place:
            return None
        entry = self._at(place)
        self._unlink(place)
        self._lead(key, place, self._chain[place])
        if place != self._count:
            self._move(self._count, place)
        self._count -= 1
        self._page_of.pop()
        if len(self._chain) > self._count + SPARE_PLACES:
            end = self._count + 1
            del self._chain[end:], self._offsets[end:], self._links[2 * end :]
        entry.drop()
        self._pages.drop(entry.page, entry.length)
        self.bytes -= entry.size
        return entry

    def forget(self, is_meant: Callable[[bytes], bool], step: int) -> Iterator[int]:
        """Remove every entry whose key is meant, and yield after each `step` of them that was looked at how many went.

        The table may change between steps. The walk is from the last place to the first: what takes the place of one
        that goes has been looked at, and what comes meanwhile comes behind.
        """
        place = self._count
        while place:
            gone = 0
            end = max(place - step, 0)
            while place > end:
                key = self._at(place).key
                if is_meant(key):
                    self.remove(key)
                    gone += 1
                place -= 1
            yield gone
            place = min(place, self._count)

    def by_recency(self, most: int) -> Iterator[bytes]:
        """Yield at most so many keys, the most recently used first. The order is that of the first moment; the table
        may change then, and an entry that has another place by its turn may be missed or come twice.

        The order is copied as a whole, 8 bytes for each entry, which takes 0.3 ms for 100,000 of them and 3 for a
        million. To follow it at once would take 10 and 100.
        """
        links = self._links[:]
        place = links[_END]
        while place != _END and most > 0:
            if place <= self._count:
                yield self._at(place).key
            most -= 1
            place = links[2 * place]

    def _find(self, key: bytes) -> int:
        """Return the place of a key, or _END."""
        place = self._buckets[hash(key) & self._mask]
        end = KEY_OFFSET + len(key)
        while place:
            offset = self._offsets[place]
            if self._page_of[place].memory[offset + KEY_OFFSET : offset + end] == key:
                break
            place = self._chain[place]
        return place

    def _at(self, place: int) -> Entry:
        return Entry(self._page_of[place], self._offsets[place])

    def _add(self, entry: Entry) -> None:
        self._count += 1
        place = self._count
        bucket = hash(entry.key) & self._mask
        first = self._buckets[bucket]
        self._buckets[bucket] = place
        self._page_of.append(NO_PAGE)
        if place == len(self._chain):
            self._chain.append(first)
            self._offsets.append(0)
            self._links.extend((_END, _END))
        else:
            self._chain[place] = first
        self._put_on_page(entry, place)
        entry.keep(place)
        self.bytes += entry.size
        self._link(place, older=self._links[_END], newer=_END)
        wasteful = self._pages.wasteful()
        if wasteful is not None:
            self._clear(wasteful)

    def _lead(self, key: bytes, place: int, instead: int) -> None:
        """In the bucket of `key`, let what leads to a place lead to another `instead`."""
        bucket = hash(key) & self._mask
        before = self._buckets[bucket]
        if before == place:
            self._buckets[bucket] = instead
            return
        chain = self._chain
        while chain[before] != place:
            before = chain[before]
        chain[before] = instead

    def _move(self, place: int, to: int) -> None:
        """Give an entry a place that is free."""
        entry = self._at(place)
        self._lead(entry.key, place, to)
        self._chain[to] = self._chain[place]
        self._page_of[to], self._offsets[to] = entry.page, entry.offset
        self._link(to, older=self._links[2 * place], newer=self._links[2 * place + 1])
        entry.change_place(to)

    def _put_on_page(self, entry: Entry, place: int) -> None:
        page, offset = self._pages.add(entry.packed)
        entry.move(page, offset)
        self._page_of[place], self._offsets[place] = page, offset

    def _clear(self, page: Page) -> None:
        """Move all that is left on a page to others; it goes with the last of it. Costs some 1 us for each entry."""
        offset = 0
        while offset < page.fill:
            entry = Entry(page, offset)
            offset += entry.length
            if entry.is_kept:
                self._put_on_page(entry, entry.place)
                self._pages.drop(page, entry.length)

    def _unlink(self, place: int) -> None:
        links = self._links
        older, newer = links[2 * place], links[2 * place + 1]
        links[2 * older + 1], links[2 * newer] = newer, older

    def _link(self, place: int, *, older: int, newer: int) -> None:
        links = self._links
        links[2 * place], links[2 * place + 1] = older, newer
        links[2 * older + 1] = links[2 * newer] = place
