"""A least-recently-used table whose order can be read and added to at its far end.

The LRUCache of cachetools keeps its order to itself. Saving a cache has to read the order without changing it, and
loading one has to put what was saved behind what has been learnt since. Sizes are counted by cachetools as ever.
"""

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice

from cachetools import Cache as SizedTable

from dohproxy.cache.entry import Entry


class RecencyTable(SizedTable[bytes, Entry]):
    """Entries by key, bounded in bytes, the least recently used out first; each knows whether it is kept."""

    def __init__(self, max_bytes: int, getsizeof: Callable[[Entry], int]) -> None:
        super().__init__(max_bytes, getsizeof)
        self._order: OrderedDict[bytes, None] = OrderedDict()

    def __getitem__(self, key: bytes) -> Entry:
        entry = super().__getitem__(key)
        self._order.move_to_end(key)
        return entry

    def __setitem__(self, key: bytes, entry: Entry) -> None:
        before = self.peek(key)
        super().__setitem__(key, entry)
        if before is not None:
            before.is_kept = False
        entry.is_kept = True
        self._order[key] = None
        self._order.move_to_end(key)

    def __delitem__(self, key: bytes) -> None:
        entry = super().__getitem__(key)
        super().__delitem__(key)
        entry.is_kept = False
        del self._order[key]

    def popitem(self) -> tuple[bytes, Entry]:
        """Remove and return what was used least recently; raises KeyError if there is nothing."""
        if not self._order:
            raise KeyError
        key = next(iter(self._order))
        return key, self.pop(key)

    def peek(self, key: bytes) -> Entry | None:
        """Return an entry without using it."""
        return super().__getitem__(key) if key in self else None

    def by_recency(self, most: int) -> list[bytes]:
        """Return at most so many keys, the most recently used first; some 0.1 us for each."""
        return list(islice(reversed(self._order), most))

    def put_last(self, key: bytes, entry: Entry) -> bool:
        """Put an entry behind all others as the least recently used, if its key is new and nothing has to go for it."""
        if key in self or self.currsize + entry.size > self.maxsize:
            return False
        self[key] = entry
        self._order.move_to_end(key, last=False)
        return True
