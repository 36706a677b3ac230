"""Pages of packed answers: what they hold, and when they go."""

from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache import Cache
from dohproxy.cache.pages import GONE, LARGEST_SHARED_BYTES, PAGE_BYTES, WASTE_SHARE, Page, Pages
from dohproxy.config import CacheConfig
from tests.cache.answers import ask, positive
from tests.wire import messages as m
from tests.wire.strategies import deterministic

NOW = 1_000.0


def test_what_is_added_stands_where_it_is_said_to() -> None:
    pages = Pages()
    first, second = pages.add(b"first"), pages.add(b"second")
    assert [bytes(page.memory[place : place + 6]) for page, place in (first, second)] == [b"firsts", b"second"]
    assert first[0] is second[0]
    assert (pages.live, pages.held) == (11, PAGE_BYTES)


def test_what_is_large_has_a_page_for_itself() -> None:
    pages = Pages()
    shared, _ = pages.add(bytes(LARGEST_SHARED_BYTES))
    alone, place = pages.add(bytes(LARGEST_SHARED_BYTES + 1))
    assert (alone is shared, place, len(alone.memory)) == (False, 0, LARGEST_SHARED_BYTES + 1)
    assert pages.held == PAGE_BYTES + LARGEST_SHARED_BYTES + 1


def test_a_page_goes_with_the_last_of_it_and_can_be_read_for_a_while() -> None:
    pages = Pages()
    size = PAGE_BYTES // 4
    full = [pages.add(b"x" * size)[0] for _ in range(8)]
    for page in full[:4]:
        pages.drop(page, size)
    assert len(full[0].memory) == PAGE_BYTES
    pages.add(bytes(size))
    for page in full[4:]:
        pages.drop(page, size)
    assert full[0].memory is GONE
    assert pages.live == size
    assert pages.held == 2 * PAGE_BYTES


def test_the_emptiest_page_is_found_where_too_much_is_dropped() -> None:
    pages = Pages()
    size = PAGE_BYTES // 8
    added = [pages.add(bytes(size))[0] for _ in range(8 * 20 + 1)]
    assert pages.wasteful() is None
    for number, page in enumerate(added[:160]):
        if number % 8 < 2 or (number // 8 == 7 and number % 8 < 5):
            pages.drop(page, size)
    assert pages.wasteful() is added[7 * 8]


sizes = st.sampled_from([40, 120, 900, 5_000, 14_000, 40_000])


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), sizes), max_size=200))
@deterministic
def test_whatever_is_stored_is_found_and_the_pages_hold_little_more(todo: list[tuple[str, int]]) -> None:
    cache = Cache(CacheConfig(max_megabytes=1, max_entry_bytes=65_535))
    stored: dict[bytes, bytes] = {}
    for letter, size in todo * 3:
        query = ask(f"{letter}.example.net", m.TXT)
        answer = positive(query, size=size)
        if cache.store(query.key, answer, NOW) is not None:
            stored[query.key] = answer.records
        pages = cache._positive._pages
        assert pages.held - pages.live <= 4 * PAGE_BYTES + 2 * WASTE_SHARE * pages.held
    for key, records in stored.items():
        entry = cache.peek(key)
        assert entry is None or entry.records == records


def test_what_is_moved_keeps_its_hits_and_its_place() -> None:
    """Every tenth answer is used again and again, and outlives the page it was written to."""
    cache = Cache(CacheConfig(max_megabytes=1))
    wanted = [ask(f"wanted{number}.example.net") for number in range(20)]
    for number in range(12_000):
        if number % 100 == 0:
            for query in wanted:
                entry, _ = cache.lookup(query.key, NOW, 0.0)
                if entry is None:
                    cache.store(query.key, positive(query), NOW)
                else:
                    entry.use()
        query = ask(f"{number}.example.net")
        cache.store(query.key, positive(query), NOW)
    entries = [cache.peek(query.key) for query in wanted]
    assert all(entry is not None and entry.is_popular and entry.is_kept for entry in entries)
    assert len({(id(entry.page), entry.offset) for entry in entries if entry is not None}) == len(wanted)
    pages = cache._positive._pages
    assert pages.held - pages.live <= 3 * PAGE_BYTES + WASTE_SHARE * pages.held


def test_an_empty_page_is_no_waste() -> None:
    assert Page(bytearray()).memory == bytearray()
    assert Pages().wasteful() is None
