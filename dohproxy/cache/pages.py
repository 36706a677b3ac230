"""Memory for packed answers, in pages of one size: so that what the cache is charged is what the process holds.

Answers come in all sizes, and one by one they would leave holes where they were that no other fits in: a cache that was
full of large ones and then of small ones would hold nearly twice what it counts. A page is filled from its start to its
end and never written to twice. What is dropped stays where it was until the page has nothing else in it; then the page
goes as a whole, and the next one takes its place exactly. Where too much of all pages is dropped, what is left of the
emptiest is moved to another, by whoever knows where it is looked for.

Pages are mapped from the system and not taken from the heap: what goes there leaves the process at once, and no small
thing that was put behind it keeps it.
"""

from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Final

PAGE_BYTES: Final = 131_072
"""Some 1,000 ordinary answers: to move what is left of a page takes up to 3 ms."""
LARGEST_SHARED_BYTES: Final = PAGE_BYTES // 4
"""What is larger has a page for itself, as the end of a shared one would often be too small for it."""
WASTE_SHARE: Final = 0.125
"""Part of all pages that may be dropped, beside one page of it. Where answers go in the order in which they came, pages
empty by themselves; where they go at random, up to seven are moved for each new one."""
GONE: Final = bytearray(PAGE_BYTES)
"""What is read on a page some time after it has gone: zeros, by which every entry on it is one that is dropped. Nobody
writes to it."""


class Page:
    """One page. Who remembers an entry on it for long must not keep it in memory: so some time after it has gone it has
    nothing in it any more, and the entry says that the cache has it no longer."""

    __slots__ = ("fill", "live", "memory")

    def __init__(self, memory: bytearray | mmap) -> None:
        self.memory = memory
        self.fill = 0
        """Bytes written."""
        self.live = 0
        """Bytes of these that are not dropped."""


class Pages:
    """All pages of one table."""

    def __init__(self) -> None:
        self.live = 0
        """Bytes that are not dropped."""
        self._set_aside_bytes = 0
        self._current = Page(bytearray())
        self._others: dict[int, Page] = {}
        """Full pages with something in them, by identity."""
        self._leaving = self._current
        """The last one that has gone: whoever looked something up on it just now may still read it."""

    @property
    def held(self) -> int:
        """Bytes that all pages have in memory."""
        return self._set_aside_bytes + len(self._current.memory) + len(self._leaving.memory)

    def add(self, packed: bytes) -> tuple[Page, int]:
        """Copy these bytes into a page; return it, and where in it they stand."""
        page, size = self._current, len(packed)
        if size > LARGEST_SHARED_BYTES:
            page = _map(size)
            self._set_aside(page)
        elif page.fill + size > len(page.memory):
            self._set_aside(page)
            page = self._current = _map(PAGE_BYTES)
        offset = page.fill
        page.memory[offset : offset + size] = packed
        page.fill += size
        page.live += size
        self.live += size
        return page, offset

    def drop(self, page: Page, size: int) -> None:
        """Note that so many bytes of a page are needed no longer."""
        page.live -= size
        self.live -= size
        if not page.live and page is not self._current:
            del self._others[id(page)]
            self._set_aside_bytes -= len(page.memory)
            self._let_go(page)

    def wasteful(self) -> Page | None:
        """Return the emptiest page, if too much is dropped and moving what is left of it would help."""
        set_aside = self._set_aside_bytes
        if set_aside - (self.live - self._current.live) <= PAGE_BYTES + WASTE_SHARE * set_aside:
            return None
        page = min(self._others.values(), key=_live_share)
        # Where they are full but for their ends, there is nothing to win.
        return page if _live_share(page) < 1 - WASTE_SHARE / 2 else None

    def _set_aside(self, page: Page) -> None:
        if page.fill and not page.live:
            self._let_go(page)
        elif page.memory:
            self._others[id(page)] = page
            self._set_aside_bytes += len(page.memory)

    def _let_go(self, page: Page) -> None:
        self._leaving.memory = GONE
        self._leaving = page


def _map(size: int) -> Page:
    # Private ones beside each other count as one map for the system, which allows a process some 65,000.
    return Page(mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS))


def _live_share(page: Page) -> float:
    return page.live / len(page.memory)
