"""Which of two events holds, what is remembered, and what the stream does not carry."""

import math

from dohproxy.sharing.events import Event, Kind
from dohproxy.sharing.ledger import NOWHERE, Ledger

HERE, THERE = "a" * 16, "b" * 16
WALL = 1_000.0


def said(subject: str, stamp: int, origin: str = THERE, until: float = math.inf, *, back: bool = False) -> Event:
    """Return an event about a subject."""
    return Event(Kind.NAME, subject, stamp, origin, until, None if back else {"n": stamp})


def test_the_last_that_was_said_holds_in_whatever_order_it_arrives() -> None:
    first, second, same_time = said("x", 1), said("x", 2, HERE), said("x", 2, THERE)
    for order in ((first, second, same_time), (same_time, second, first), (second, first, same_time)):
        ledger = Ledger(HERE)
        for number, event in enumerate(order):
            ledger.take(event, (number + 1, 0), WALL)
        assert ledger.find(Kind.NAME, "x") is same_time


def test_an_event_is_news_once() -> None:
    ledger, event = Ledger(HERE), said("x", 5)
    assert ledger.take(event, (1, 0), WALL)
    assert not ledger.take(said("x", 5), (2, 0), WALL)
    assert not ledger.take(said("x", 4), (3, 0), WALL)
    assert not ledger.take(said("y", 4, until=WALL), (4, 0), WALL), "it is over"


def test_a_stamp_comes_after_all_that_were_seen_whatever_the_clock_says() -> None:
    ledger = Ledger(HERE)
    assert ledger.stamp(1.0) == 1_000
    assert ledger.stamp(1.0) == 1_001
    ledger.take(said("x", 9_000), (1, 0), WALL)
    assert ledger.stamp(2.0) == 9_001
    assert ledger.stamp(10.0) == 10_000


def test_what_was_said_here_waits_until_it_stands_in_the_stream() -> None:
    ledger = Ledger(HERE)
    second, first = said("y", 2, HERE), said("x", 1, HERE)
    ledger.say(second, WALL)
    ledger.say(first, WALL)
    assert ledger.unsent() == [first, second]
    ledger.placed(first, (7, 0))
    assert ledger.unsent() == [second]
    # What was sent and whose reply was lost is found when it is read.
    assert not ledger.take(said("y", 2, HERE), (8, 0), WALL)
    assert ledger.unsent() == []


def test_what_the_stream_has_lost_is_told_by_where_it_begins() -> None:
    ledger = Ledger(HERE)
    old, new, unsent = said("x", 1), said("y", 2), said("z", 3, HERE)
    ledger.take(old, (5, 0), WALL)
    ledger.take(new, (9, 0), WALL)
    ledger.say(unsent, WALL)
    assert ledger.lost((5, 0)) == []
    assert ledger.lost((5, 1)) == [old]
    ledger.forget_places()
    assert ledger.lost((0, 0)) == [old, new]
    ledger.take(said("x", 1), (2, 0), WALL)
    assert ledger.lost((0, 0)) == [new]
    assert NOWHERE < (0, 0)


def test_what_is_over_is_forgotten() -> None:
    ledger = Ledger(HERE)
    ledger.take(said("x", 1, until=WALL + 5), (1, 0), WALL)
    ledger.expire(WALL + 4)
    assert len(ledger) == 1
    ledger.expire(WALL + 5)
    assert len(ledger) == 0


def test_where_all_places_are_taken_what_only_remembers_makes_room_and_then_there_is_none() -> None:
    ledger = Ledger(HERE, most=3)
    ledger.take(said("held", 1), (1, 0), WALL)
    ledger.take(said("gone first", 2, back=True), (2, 0), WALL)
    ledger.take(said("gone later", 3, back=True), (3, 0), WALL)
    assert ledger.take(said("new", 4), (4, 0), WALL)
    assert ledger.find(Kind.NAME, "gone first") is None
    assert ledger.say(said("own", 5, HERE), WALL)
    assert not ledger.take(said("too many", 6), (6, 0), WALL)
    assert not ledger.say(said("too many", 7, HERE), WALL)
    assert (len(ledger), ledger.most, ledger.refused) == (3, 3, 2)
    assert ledger.take(said("held", 8), (8, 0), WALL), "what is known may change"
