"""The shared cache as it meets the store: what is under way is bounded, and a question is given up in the end."""

import asyncio

import pytest

from dohproxy.sharing.commands import StoreFailure
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.question_scripts import ANSWERED, LOOK, SETTLE
from dohproxy.sharing.shared_answers import Outgoing
from dohproxy.sharing.shared_cache import (
    MOST_FLUSHES,
    MOST_RENEWALS,
    MOST_WRITE_BYTES,
    MOST_WRITES,
    QUESTION_SECONDS,
    RENEWAL_SECONDS,
    SharedCache,
)
from dohproxy.sharing.store import UNKNOWN_SCRIPT
from tests.cache.answers import ask
from tests.fakes.question_store import FakeStore

SMALL = Outgoing(bytes(4), b"plain", 1_000)


def shared_by(store: FakeStore) -> SharedCache:
    return SharedCache(store, Keys("dohproxy", bytes(32)), b"\x01", 0.02, store.clock, lambda: 1_800_000_000.0)


async def test_no_more_is_written_at_once_than_may_be_and_what_is_done_makes_room() -> None:
    store = FakeStore(hangs=True)
    shared = shared_by(store)
    for number in range(MOST_WRITES + 3):
        shared.settle(str(number), ANSWERED, SMALL)
    counts = shared.statistics()
    assert (len(store.asked), counts.writes_under_way, counts.writes_dropped) == (MOST_WRITES, MOST_WRITES, 3)
    store.go_on()
    shared.settle("more", ANSWERED, SMALL)
    await asyncio.sleep(0)
    assert (counts.writes, counts.writes_under_way, counts.write_bytes_under_way) == (MOST_WRITES + 1, 0, 0)


async def test_no_more_bytes_are_under_way_than_may_be() -> None:
    store = FakeStore(hangs=True)
    shared = shared_by(store)
    large = Outgoing(bytes(4), bytes(20_000), 1_000)
    for number in range(MOST_WRITES):
        shared.settle(str(number), ANSWERED, large)
    counts = shared.statistics()
    assert 0.9 * MOST_WRITE_BYTES < counts.write_bytes_under_way <= MOST_WRITE_BYTES
    assert counts.writes_dropped > 0


async def test_where_there_is_no_store_nothing_is_counted_as_dropped() -> None:
    store = FakeStore(is_up=False)
    shared = shared_by(store)
    shared.settle("a", ANSWERED, SMALL)
    assert (store.asked, shared.statistics().writes_dropped) == ([], 0)


async def test_a_script_that_the_store_does_not_know_is_told_to_it_once() -> None:
    store = FakeStore(hangs=True)
    shared = shared_by(store)
    said: list[object] = []
    shared.look("a", 0.0, said.append)
    store.waiting.pop()[1].end(UNKNOWN_SCRIPT)
    command, asked = store.waiting.pop()
    assert command[:2] == ("EVAL", LOOK.text)
    asked.end(UNKNOWN_SCRIPT)
    assert (said, store.waiting) == ([UNKNOWN_SCRIPT], [])


async def test_a_question_in_hand_is_said_to_be_so_again_and_again_but_not_for_ever() -> None:
    store = FakeStore()
    shared = shared_by(store)
    shared.hold("a")
    await asyncio.sleep(3.5 * RENEWAL_SECONDS)
    renewed = [command for command in store.asked if command[0] == "PEXPIRE"]
    assert 2 <= len(renewed) <= 3
    assert renewed[0] == ("PEXPIRE", "a:asked", int(QUESTION_SECONDS * 1_000))
    shared.settle("a")
    await asyncio.sleep(2 * RENEWAL_SECONDS)
    assert [command for command in store.asked if command[0] == "PEXPIRE"] == renewed
    assert store.calls_of(SETTLE) == 1
    assert RENEWAL_SECONDS * MOST_RENEWALS < 2


async def test_one_that_nobody_settles_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dohproxy.sharing.shared_cache.RENEWAL_SECONDS", 0.001)
    store = FakeStore()
    shared = shared_by(store)
    shared.hold("a")
    shared.hold("a")
    assert shared.statistics().questions_in_hand == 1
    await asyncio.sleep(0.2)
    assert shared.statistics().questions_in_hand == 0
    assert sum(command[0] == "PEXPIRE" for command in store.asked) == MOST_RENEWALS
    assert store.calls_of(SETTLE) == 1


async def test_nothing_is_said_of_a_question_that_is_nobodys() -> None:
    store = FakeStore()
    shared_by(store).settle("a")
    assert store.asked == []


async def test_the_value_under_one_key_is_none_under_another() -> None:
    store = FakeStore()
    shared = shared_by(store)
    shared.settle("a", ANSWERED, SMALL)
    await asyncio.sleep(0)
    value, _ = store.values["a"]
    assert shared.open("a", value, 1_000) is not None
    assert shared.open("b", value, 1_000) is shared.open("a:failed", value, 1_000) is None
    assert shared.statistics().unreadable == 2


def test_names_tell_nothing_of_the_question() -> None:
    shared = shared_by(FakeStore())
    name = shared.name(b"", ask("www.example.net").key)
    assert name == shared.name(b"", ask("WWW.example.net").key)
    assert "example" not in name
    assert len(name) == len(shared.name(b"", ask("x" * 60 + ".example.net").key))


def test_the_oldest_orders_to_forget_go_first() -> None:
    shared = shared_by(FakeStore())
    for number in range(MOST_FLUSHES + 1):
        shared.forget(bytes([number]).__eq__)
    assert not shared.is_flushed(b"\x00", 0.0)
    assert shared.is_flushed(b"\x01", 0.0)
    assert not shared.is_flushed(b"\x01", shared.clock() + 1)


async def test_a_write_that_fails_is_counted() -> None:
    store = FakeStore(failure=StoreFailure.FULL)
    shared = shared_by(store)
    shared.settle("a", ANSWERED, SMALL)
    assert (shared.statistics().writes, shared.statistics().writes_failed) == (1, 1)
