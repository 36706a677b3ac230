"""A stream as one node reads it and adds to it."""

import math
from typing import Any, cast

import pytest

from dohproxy.sharing.commands import StoreFailure
from dohproxy.sharing.event_stream import EMPTY, FIELD, MOST_AT_ONCE, EventStream, entries_of, place_of
from dohproxy.sharing.events import Event, Kind, Unread
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.sealing import Seal
from tests.fakes.memory_store import Link, MemoryStore

ORIGIN = "a" * 16
KEYS = Keys("test", bytes(32))


def stream(link: Link, keys: Keys = KEYS) -> EventStream:
    """Return a stream at the other end of a link."""
    return EventStream(cast(Any, link), keys, "events", 100, lambda: 1_000.0)


def event(number: int) -> Event:
    """Return an event."""
    return Event(Kind.NAME, f"n{number}.example", number, ORIGIN, math.inf, {"n": number})


async def test_what_one_adds_the_other_reads_once_and_in_order() -> None:
    store = MemoryStore()
    one, other = stream(Link(store)), stream(Link(store))
    places = [await one.add(event(number)) for number in range(MOST_AT_ONCE + 5)]
    first, second, third = [await other.read() for _ in range(3)]
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert [place for place, _ in first + second] == places
    assert [found.stamp for _, found in first + second] == list(range(MOST_AT_ONCE + 5))
    assert (len(first), third, other.place) == (MOST_AT_ONCE, [], places[-1])


async def test_it_tells_where_it_begins_and_ends() -> None:
    store = MemoryStore()
    one = stream(Link(store))
    assert await one.ends() == EMPTY
    places = [await one.add(event(number)) for number in range(3)]
    ends = await one.ends()
    assert not isinstance(ends, StoreFailure)
    assert (ends.first, ends.last) == (places[0], places[-1])


async def test_nothing_that_is_written_can_be_read_or_made_by_others() -> None:
    store = MemoryStore()
    one = stream(Link(store))
    await one.add(event(1))
    [(key, [(_, sealed)])] = store.streams.items()
    assert b"example" not in sealed
    store.add(key, sealed[:-1])
    store.add(key, b"nonsense")
    store.add(key, Seal(Keys("test", bytes(31) + b"1"), "events").seal(b"{}", key.encode(), 1_000.0))
    store.add(key, Seal(KEYS, "events").seal(b"{}", b"another stream", 1_000.0))
    store.add(key, Seal(KEYS, "events").seal(b'{"v": 99}', key.encode(), 1_000.0))
    store.add(key, b"x" * 100_000)
    other = stream(Link(store))
    found = await other.read()
    assert isinstance(found, list)
    assert [one.stamp for _, one in found] == [1]
    assert other.unread == {Unread.SEALED: 4, Unread.NEWER: 1, Unread.UNKNOWN: 0, Unread.UNFIT: 1}
    assert await other.read() == [], "it is read past what it leaves alone"


async def test_a_failure_is_told_and_nothing_is_passed_over() -> None:
    store = MemoryStore()
    link = Link(store)
    one = stream(link)
    await one.add(event(1))
    link.is_up = False
    assert await one.read() is StoreFailure.DOWN
    assert await one.add(event(2)) is StoreFailure.DOWN
    assert await one.ends() is StoreFailure.DOWN
    link.is_up = True
    found = await one.read()
    assert isinstance(found, list)
    assert len(found) == 1


async def test_an_event_that_is_too_long_is_not_added() -> None:
    long = Event(Kind.NAME, "a", 1, ORIGIN, math.inf, {"text": "a" * 5_000})
    assert await stream(Link(MemoryStore())).add(long) is StoreFailure.WRONG


@pytest.mark.parametrize(
    "reply", [None, b"OK", [], [[]], [[b"1-0"]], [[b"x", [FIELD, b"a"]]], [[1, [FIELD, b"a"]]], [b"1-0"], 7]
)
def test_what_the_store_cannot_have_said_is_no_entry(reply: object) -> None:
    assert entries_of(reply) == []


def test_an_entry_without_our_field_holds_nothing() -> None:
    assert entries_of([[b"1-2", [b"other", b"a"]], [b"1-3", None]]) == [((1, 2), None), ((1, 3), None)]
    assert place_of("1-2") is None
