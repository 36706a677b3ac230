"""The order of a table: what is used comes first, what was saved comes last, and looking changes nothing."""

from hypothesis import given
from hypothesis import strategies as st

from dohproxy.cache.entry import Entry, Span, make_entry
from dohproxy.cache.lru import LruTable
from tests.cache.answers import ask, positive
from tests.wire.messages import TXT
from tests.wire.strategies import deterministic

EVERYTHING = 1_000
UNIT = 500
"""Bytes that sizes are counted in here."""
ROOM = 100 * UNIT
SPAN = Span(300, 60, 86_400, less=0, refresh_age=270)
KEY = b"x"


def entry(size: int = 10) -> Entry:
    """An entry that is charged with so many units under a key of one byte."""
    query = ask(qtype=TXT)
    smallest = make_entry(KEY, positive(query, size=1), 0.0, SPAN).size - 1
    return make_entry(KEY, positive(query, size=size * UNIT - smallest), 0.0, SPAN)


def table(*keys: bytes) -> LruTable:
    """A table of entries that were stored in this order, each a tenth of its room."""
    made = LruTable(ROOM)
    for key in keys:
        made.put(key, entry())
    return made


def test_the_last_stored_comes_first() -> None:
    assert table(b"a", b"b", b"c").by_recency(EVERYTHING) == [b"c", b"b", b"a"]


def test_only_so_many_keys_are_returned() -> None:
    assert table(b"a", b"b", b"c").by_recency(2) == [b"c", b"b"]
    assert table().by_recency(2) == []


def test_a_use_brings_to_the_front_and_a_peek_does_not() -> None:
    made = table(b"a", b"b", b"c")
    assert made.peek(b"b") == made.peek(b"b") != made.peek(b"a")
    assert made.peek(b"x") is None
    assert made.by_recency(EVERYTHING) == [b"c", b"b", b"a"]
    assert made.get(b"a") == made.peek(b"a")
    assert made.by_recency(EVERYTHING) == [b"a", b"c", b"b"]


def test_a_new_value_brings_to_the_front() -> None:
    made = table(b"a", b"b")
    assert made.put(b"a", entry(20))
    assert made.by_recency(EVERYTHING) == [b"a", b"b"]
    assert made.bytes == 30 * UNIT


def test_what_is_put_last_is_the_first_to_go() -> None:
    made = table(b"a", b"b")
    assert made.put_last(b"c", entry())
    assert made.put_last(b"d", entry())
    assert made.by_recency(EVERYTHING) == [b"b", b"a", b"c", b"d"]
    assert made.put(b"e", entry(70))
    assert made.by_recency(EVERYTHING) == [b"e", b"b", b"a", b"c"]


def test_what_is_put_last_replaces_nothing_and_displaces_nothing() -> None:
    made = table(b"a", b"b")
    before = made.peek(b"a")
    assert not made.put_last(b"a", entry())
    assert made.peek(b"a") == before
    assert not made.put_last(b"c", entry(81))
    assert made.put_last(b"d", entry(80))
    assert not made.put_last(b"e", entry(1))
    assert made.by_recency(EVERYTHING) == [b"b", b"a", b"d"]


def test_what_is_larger_than_the_table_displaces_nothing() -> None:
    made = table(b"a", b"b")
    assert not made.put(b"a", entry(101))
    assert (made.by_recency(EVERYTHING), made.evictions) == ([b"b", b"a"], 0)


def test_an_entry_knows_whether_it_is_kept() -> None:
    made = table(b"a", b"b", b"c")
    entries = [made.peek(key) for key in (b"a", b"b", b"c")]
    made.remove(b"a")
    made.put(b"b", entry())
    assert [one.is_kept for one in entries if one is not None] == [False, False, True]
    made.put(b"d", entry(100))
    assert not any(one.is_kept for one in entries if one is not None)


def test_places_are_used_again() -> None:
    made = table()
    for number in range(1_000):
        made.put(number.to_bytes(2), entry())
    assert (len(made), made.evictions) == (10, 990)
    assert max(made.peek(key).place for key in made.by_recency(EVERYTHING)) <= 22  # type: ignore[union-attr]


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
                made.put(key, entry(size))
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
                if made.put_last(key, entry(size)):
                    expected = {key: size, **expected}
        assert made.by_recency(EVERYTHING) == list(reversed(expected))
        assert {key for key in map(str.encode, "abcdef") if key in made} == set(expected)
        assert len(made) == len(expected)
        assert made.bytes == UNIT * sum(expected.values()) <= ROOM
