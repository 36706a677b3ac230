"""The order of a table: what is used comes first, what was saved comes last, and looking changes nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache.entry import Entry
from dohproxy.cache.recency import RecencyTable
from tests.cache.answers import ask, kept, positive
from tests.wire.strategies import deterministic

EVERYTHING = 1_000
ROOM = 100
ANY = kept(ask(), positive(ask()), 0.0)


def entry(size: int = 10) -> Entry:
    return replace(ANY, size=size)


def table(*keys: bytes) -> RecencyTable:
    """A table of entries that were stored in this order, each a tenth of its room."""
    made = RecencyTable(ROOM, lambda entry: entry.size)
    for key in keys:
        made[key] = entry()
    return made


def test_the_last_stored_comes_first() -> None:
    assert table(b"a", b"b", b"c").by_recency(EVERYTHING) == [b"c", b"b", b"a"]


def test_only_so_many_keys_are_returned() -> None:
    assert table(b"a", b"b", b"c").by_recency(2) == [b"c", b"b"]
    assert table().by_recency(2) == []


def test_a_use_brings_to_the_front_and_a_peek_does_not() -> None:
    made = table(b"a", b"b", b"c")
    assert made.peek(b"b") is made.peek(b"b")
    assert made.peek(b"x") is None
    assert made.by_recency(EVERYTHING) == [b"c", b"b", b"a"]
    assert made.get(b"a") is made.peek(b"a")
    assert made.by_recency(EVERYTHING) == [b"a", b"c", b"b"]


def test_a_new_value_brings_to_the_front() -> None:
    made = table(b"a", b"b")
    made[b"a"] = entry(20)
    assert made.by_recency(EVERYTHING) == [b"a", b"b"]
    assert made.currsize == 30


def test_what_is_put_last_is_the_first_to_go() -> None:
    made = table(b"a", b"b")
    assert made.put_last(b"c", entry())
    assert made.put_last(b"d", entry())
    assert made.by_recency(EVERYTHING) == [b"b", b"a", b"c", b"d"]
    assert made.popitem()[0] == b"d"


def test_what_is_put_last_replaces_nothing_and_displaces_nothing() -> None:
    made = table(b"a", b"b")
    before = made.peek(b"a")
    assert not made.put_last(b"a", entry())
    assert made.peek(b"a") is before
    assert not made.put_last(b"c", entry(81))
    assert made.put_last(b"d", entry(80))
    assert not made.put_last(b"e", entry(1))
    assert made.by_recency(EVERYTHING) == [b"b", b"a", b"d"]


def test_an_empty_table_has_nothing_to_give() -> None:
    with pytest.raises(KeyError):
        table().popitem()


steps = st.lists(
    st.tuples(st.sampled_from(["store", "use", "remove", "put last"]), st.sampled_from("abcdef"), st.integers(1, 60))
)


@given(steps)
@deterministic
def test_the_order_and_the_sizes_are_those_of_what_was_done(todo: list[tuple[str, str, int]]) -> None:
    made = table()
    expected: dict[bytes, int] = {}  # least recently used first
    for what, letter, size in todo:
        key = letter.encode()
        match what:
            case "store":
                made[key] = entry(size)
                expected.pop(key, None)
                while sum(expected.values()) + size > ROOM:
                    del expected[next(iter(expected))]
                expected[key] = size
            case "use":
                if made.get(key) is not None:
                    expected[key] = expected.pop(key)
            case "remove":
                made.pop(key, None)
                expected.pop(key, None)
            case _:
                if made.put_last(key, entry(size)):
                    expected = {key: size, **expected}
        assert made.by_recency(EVERYTHING) == list(reversed(expected))
        assert set(made) == set(expected)
        assert made.currsize == sum(expected.values()) <= ROOM
