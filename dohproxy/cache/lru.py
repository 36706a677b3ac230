"""A least-recently-used table of packed answers, bounded in bytes, whose order can be read and added to at its far end.

Its parts are chosen so that nothing holds up everybody else where there are a million entries. The garbage collector
looks into none of them but two lists: a dict of bytes to numbers is none of its business, and an array neither.
(An OrderedDict of so many would take it a third of a second.) A dict that is full is moved as a whole, which takes 50
to 100 ms for a million entries; so there are several. And a use touches three places in the order, of eight bytes each.
"""

from array import array
from typing import Final

from dohproxy.cache.entry import Entry
from dohproxy.cache.pages import Page, Pages

_END: Final = 0
"""The place at both ends of the order: behind the last, before the first."""


NO_PAGE: Final = Page(0)
"""Stands where a place is free."""
_PARTS: Final = 32
"""Dicts, each of which is moved alone: in some 3 ms where there are a million entries."""
_PART_BITS: Final = 40
"""Of a key's hash, those that choose the part are above these: a dict finds its own places by the lowest."""


class LruTable:
    """Entries by key, the least recently used out first; each knows whether it is kept."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        """What the entries are charged with."""
        self.evictions = 0
        """How many had to go to make room."""
        self._parts: tuple[dict[bytes, int], ...] = tuple({} for _ in range(_PARTS))
        """The place of each key."""
        self._pages = Pages()
        self._page_of: list[Page] = [NO_PAGE]
        self._offsets = array("I", (0,))
        """Where the entry of a place is packed, at half its number; and its key:"""
        self._keys = [b""]
        self._links = array("I", (_END, _END))
        """A ring. At each place, which is an even number, the next older place, and behind it the next newer one."""
        self._free: list[int] = []
        """Places that nobody has."""

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __contains__(self, key: bytes) -> bool:
        return key in self._part(key)

    def get(self, key: bytes) -> Entry | None:
        """Return an entry, and count that as a use."""
        place = self._parts[(hash(key) >> _PART_BITS) % _PARTS].get(key)
        if place is None:
            return None
        entry = Entry(self._page_of[place // 2], self._offsets[place // 2])
        links = self._links
        newest = links[_END]
        if place != newest:
            # As in _unlink and _link, without the calls: every look-up that finds something comes here.
            older, newer = links[place], links[place + 1]
            links[older + 1], links[newer] = newer, older
            links[place], links[place + 1] = newest, _END
            links[newest + 1] = links[_END] = place
        return entry

    def peek(self, key: bytes) -> Entry | None:
        """Return an entry without using it."""
        place = self._part(key).get(key)
        return None if place is None else self._at(place)

    def put(self, key: bytes, entry: Entry) -> bool:
        """Put an entry before all others, in the place of what is known under its key and of as many of the least
        recently used as it needs; False if it is larger than the table."""
        if entry.size > self.max_bytes:
            return False
        self.remove(key)
        while self.bytes + entry.size > self.max_bytes:
            self.evictions += 1
            self.remove(self._keys[self._links[_END + 1] // 2])
        self._add(key, entry)
        return True

    def put_last(self, key: bytes, entry: Entry) -> bool:
        """Put an entry behind all others as the least recently used, if its key is new and nothing has to go for it."""
        if key in self or self.bytes + entry.size > self.max_bytes:
            return False
        self._add(key, entry)
        self._unlink(entry.place)
        self._link(entry.place, older=_END, newer=self._links[_END + 1])
        return True

    def remove(self, key: bytes) -> Entry | None:
        """Forget and return what is known under this key."""
        place = self._part(key).pop(key, None)
        if place is None:
            return None
        entry = self._at(place)
        entry.drop()
        self._pages.drop(entry.page, entry.length)
        self._unlink(place)
        self._keys[place // 2] = b""
        self._page_of[place // 2] = NO_PAGE
        self._free.append(place)
        self.bytes -= entry.size
        return entry

    def by_recency(self, most: int) -> list[bytes]:
        """Return at most so many keys, the most recently used first; some 0.1 us for each."""
        links, keys = self._links, self._keys
        found: list[bytes] = []
        place = links[_END]
        while place != _END and len(found) < most:
            found.append(keys[place // 2])
            place = links[place]
        return found

    def _part(self, key: bytes) -> dict[bytes, int]:
        return self._parts[(hash(key) >> _PART_BITS) % _PARTS]

    def _at(self, place: int) -> Entry:
        return Entry(self._page_of[place // 2], self._offsets[place // 2])

    def _add(self, key: bytes, entry: Entry) -> None:
        if self._free:
            place = self._free.pop()
            self._keys[place // 2] = key
        else:
            place = 2 * len(self._keys)
            self._keys.append(key)
            self._page_of.append(NO_PAGE)
            self._offsets.append(0)
            self._links.extend((_END, _END))
        self._put_on_page(entry, place)
        entry.keep(place)
        self._part(key)[key] = place
        self.bytes += entry.size
        self._link(place, older=self._links[_END], newer=_END)
        wasteful = self._pages.wasteful()
        if wasteful is not None:
            self._clear(wasteful)

    def _put_on_page(self, entry: Entry, place: int) -> None:
        page, offset = self._pages.add(entry.packed)
        entry.move(page, offset)
        self._page_of[place // 2], self._offsets[place // 2] = page, offset

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
        older, newer = links[place], links[place + 1]
        links[older + 1], links[newer] = newer, older

    def _link(self, place: int, *, older: int, newer: int) -> None:
        links = self._links
        links[place], links[place + 1] = older, newer
        links[older + 1] = links[newer] = place
