"""The order of a table: what is used comes first, what was saved comes last, and looking changes nothing."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache.entry import Entry, Span, make_entry
from dohproxy.cache.lru import SPARE_PLACES, LruTable
from tests.cache.answers import ask, positive
from tests.wire.messages import TXT
from tests.wire.strategies import deterministic

EVERYTHING = 1_000
UNIT = 500
"""Bytes that sizes are counted in here."""
ROOM = 100 * UNIT
SPAN = Span(300, 60, 86_400, less=0, refresh_age=270)


def entry(key: bytes, size: int = 10) -> Entry:
    """An entry that is charged with so many units."""
    query = ask(qtype=TXT)
    smallest = make_entry(key, positive(query, size=1), 0.0, SPAN).size - 1
    return make_entry(key, positive(query, size=size * UNIT - smallest), 0.0, SPAN)


def table(*keys: bytes) -> LruTable:
    """A table of entries that were stored in this order, each a tenth of its room."""
    made = LruTable(ROOM)
    for key in keys:
        made.put(entry(key))
    return made


def test_the_last_stored_comes_first() -> None:
    assert list(table(b"a", b"b", b"c").by_recency(EVERYTHING)) == [b"c", b"b", b"a"]


def test_only_so_many_keys_are_returned() -> None:
    assert list(table(b"a", b"b", b"c").by_recency(2)) == [b"c", b"b"]
    assert list(table().by_recency(2)) == []


def test_a_use_brings_to_the_front_and_a_peek_does_not() -> None:
    made = table(b"a", b"b", b"c")
    assert made.peek(b"b") == made.peek(b"b") != made.peek(b"a")
    assert made.peek(b"x") is None
    assert list(made.by_recency(EVERYTHING)) == [b"c", b"b", b"a"]
    assert made.get(b"a") == made.peek(b"a")
    assert list(made.by_recency(EVERYTHING)) == [b"a", b"c", b"b"]


def test_a_new_value_brings_to_the_front() -> None:
    made = table(b"a", b"b")
    assert made.put(entry(b"a", 20))
    assert list(made.by_recency(EVERYTHING)) == [b"a", b"b"]
    assert made.bytes == 30 * UNIT


def test_what_is_put_last_is_the_first_to_go() -> None:
    made = table(b"a", b"b")
    assert made.put_last(entry(b"c"))
    assert made.put_last(entry(b"d"))
    assert list(made.by_recency(EVERYTHING)) == [b"b", b"a", b"c", b"d"]
    assert made.put(entry(b"e", 70))
    assert list(made.by_recency(EVERYTHING)) == [b"e", b"b", b"a", b"c"]


def test_what_is_put_last_replaces_nothing_and_displaces_nothing() -> None:
    made = table(b"a", b"b")
    before = made.peek(b"a")
    assert not made.put_last(entry(b"a"))
    assert made.peek(b"a") == before
    assert not made.put_last(entry(b"c", 81))
    assert made.put_last(entry(b"d", 80))
    assert not made.put_last(entry(b"e", 1))
    assert list(made.by_recency(EVERYTHING)) == [b"b", b"a", b"d"]


def test_what_is_larger_than_the_table_displaces_nothing() -> None:
    made = table(b"a", b"b")
    assert not made.put(entry(b"a", 101))
    assert (list(made.by_recency(EVERYTHING)), made.evictions) == ([b"b", b"a"], 0)


def test_an_entry_knows_whether_it_is_kept() -> None:
    made = table(b"a", b"b", b"c")
    entries = [made.peek(key) for key in (b"a", b"b", b"c")]
    made.remove(b"a")
    made.put(entry(b"b"))
    assert [one.is_kept for one in entries if one is not None] == [False, False, True]
    made.put(entry(b"d", 100))
    assert not any(one.is_kept for one in entries if one is not None)


def test_places_are_used_again() -> None:
    made = table()
    for number in range(1_000):
        made.put(entry(number.to_bytes(2)))
    assert (len(made), made.evictions) == (10, 990)
    assert max(made.peek(key).place for key in made.by_recency(EVERYTHING)) <= 10  # type: ignore[union-attr]


def test_places_go_with_their_entries_and_few_are_spare() -> None:
    made = LruTable(10_000 * UNIT)
    keys = [number.to_bytes(2) for number in range(5_000)]
    for key in keys:
        made.put(entry(key, 1))
    for key in keys[:2_500] + keys[:2_550:-1]:
        made.remove(key)
    assert list(made.by_recency(EVERYTHING)) == keys[2_550:2_499:-1]
    assert sorted(made.peek(key).place for key in keys[2_500:2_551]) == list(range(1, 52))  # type: ignore[union-attr]
    parts = (made._chain, made._offsets, made._page_of)
    assert all(52 <= len(part) <= 52 + SPARE_PLACES for part in parts)
    assert len(made._links) == 2 * len(made._chain)


def lines_run(do: Callable[[], object]) -> int:
    """How many lines of Python something takes."""
    count, before = 0, sys.gettrace()

    def trace(_: FrameType, event: str, __: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        do()
    finally:
        sys.settrace(before)
    return count


def test_each_key_by_recency_takes_as_few_steps_however_many_there_are() -> None:
    made = LruTable(10_000 * UNIT)
    for number in range(3_000):
        made.put(entry(number.to_bytes(2), 1))
    keys = made.by_recency(3_000)
    assert lines_run(lambda: next(keys)) < 100
    assert lines_run(lambda: next(keys)) < 100


def test_the_order_is_that_of_the_first_moment_whatever_is_used_meanwhile() -> None:
    made = table(b"a", b"b", b"c", b"d")
    keys = made.by_recency(EVERYTHING)
    assert next(keys) == b"d"
    made.get(b"b")
    made.put(entry(b"e"))
    assert list(keys) == [b"c", b"b", b"a"]


steps = st.lists(
    st.tuples(st.sampled_from(["store", "use", "remove", "put last"]), st.sampled_from("abcdef"), st.integers(1, 60))
)


@given(steps, st.sampled_from([0, 1, 255]))
@deterministic
def test_the_order_and_the_sizes_are_those_of_what_was_done(todo: list[tuple[str, str, int]], mask: int) -> None:
    """However many keys share a bucket."""
    made = table()
    made._mask = mask
    expected: dict[bytes, int] = {}  # least recently used first
    for what, letter, size in todo:
        key = letter.encode()
        match what:
            case "store":
                made.put(entry(key, size))
                expected.pop(key, None)
                while sum(expected.values()) + size > 100:
                    del expected[next(iter(expected))]
                expected[key] = size
            case "use":
                if made.get(key) is not None:
                    expected[key] = expected.pop(key)
            case "remove":
                made.remove(key)
                expected.pop(key, None)
            case _:
                if made.put_last(entry(key, size)):
                    expected = {key: size, **expected}
        assert list(made.by_recency(EVERYTHING)) == list(reversed(expected))
        assert {key for key in map(str.encode, "abcdef") if key in made} == set(expected)
        assert len(made) == len(expected)
        assert made.bytes == UNIT * sum(expected.values()) <= ROOM
