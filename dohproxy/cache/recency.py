"""A least-recently-used table of packed answers, bounded in bytes, whose order can be read and added to at its far end.

Its parts are chosen for a million entries. The garbage collector looks into none of them but the list of keys: a dict
of bytes to bytes is none of its business, and an array neither. It would stop everybody for a third of a second to look
through an OrderedDict of so many. And a use touches three places in the order, each of eight bytes.
"""

from array import array
from typing import Final

from dohproxy.cache.entry import Entry

_END: Final = 0
"""The place at both ends of the order: behind the last, before the first."""


class RecencyTable:
    """Entries by key, the least recently used out first; each knows whether it is kept."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        """What the entries are charged with."""
        self.evictions = 0
        """How many had to go to make room."""
        self._packed: dict[bytes, bytearray] = {}
        self._keys = [b""]
        self._links = array("I", (_END, _END))
        """A ring. At each place, which is an even number, the next older place, and behind it the next newer one. The
        key of a place is at half its number."""
        self._free: list[int] = []
        """Places that nobody has."""

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, key: bytes) -> bool:
        return key in self._packed

    def get(self, key: bytes) -> Entry | None:
        """Return an entry, and count that as a use."""
        packed = self._packed.get(key)
        if packed is None:
            return None
        entry = Entry(packed)
        place, links = entry.place, self._links
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
        packed = self._packed.get(key)
        return None if packed is None else Entry(packed)

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
        if key in self._packed or self.bytes + entry.size > self.max_bytes:
            return False
        self._add(key, entry)
        self._unlink(entry.place)
        self._link(entry.place, older=_END, newer=self._links[_END + 1])
        return True

    def remove(self, key: bytes) -> Entry | None:
        """Forget and return what is known under this key."""
        packed = self._packed.pop(key, None)
        if packed is None:
            return None
        entry = Entry(packed)
        entry.drop()
        place = entry.place
        self._unlink(place)
        self._keys[place // 2] = b""
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

    def _add(self, key: bytes, entry: Entry) -> None:
        if self._free:
            place = self._free.pop()
            self._keys[place // 2] = key
        else:
            place = 2 * len(self._keys)
            self._keys.append(key)
            self._links.extend((_END, _END))
        entry.keep(place)
        self._packed[key] = entry.packed
        self.bytes += entry.size
        self._link(place, older=self._links[_END], newer=_END)

    def _unlink(self, place: int) -> None:
        links = self._links
        older, newer = links[place], links[place + 1]
        links[older + 1], links[newer] = newer, older

    def _link(self, place: int, *, older: int, newer: int) -> None:
        links = self._links
        links[place], links[place + 1] = older, newer
        links[older + 1] = links[newer] = place
