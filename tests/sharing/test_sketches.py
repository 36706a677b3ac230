"""Nodes that count networks together."""

import random
from typing import Any, cast

import pytest

from dohproxy.policy.shared_visitors import SharedVisitors
from dohproxy.sharing.keys import Keys
from dohproxy.sharing.sketches import EXCHANGE_SECONDS, Sketches
from tests.fakes.clock import FakeClock
from tests.fakes.memory_store import Link, MemoryStore

KEYS = Keys("test", bytes(32))
WALL = 1_700_000_000.0


class Node:
    """One of them."""

    def __init__(self, store: MemoryStore, clock: FakeClock, seed: int) -> None:
        self.link = Link(store)
        self.forgotten = 0
        draw = random.Random(seed)  # noqa: S311 - no secret
        self.visitors = SharedVisitors(lambda: draw.getrandbits(64), WALL + clock())
        self.sketches = Sketches(cast(Any, self.link), KEYS, self.visitors, self.forget, clock, lambda: WALL + clock())

    def forget(self) -> None:
        """Count that everybody is to be noted again."""
        self.forgotten += 1


def hashes(first: int, last: int) -> list[int]:
    """Return keyed hashes of networks."""
    return [random.Random(number).getrandbits(64) for number in range(first, last)]  # noqa: S311 - no secret


async def test_who_asks_at_two_nodes_is_counted_once_within_a_minute() -> None:
    store, clock = MemoryStore(), FakeClock(0.0)
    a, b = Node(store, clock, 1), Node(store, clock, 2)
    for node in (a, b):
        await node.sketches.turn()
    assert (a.forgotten, b.forgotten) == (0, 3), "b has other salts from now on"
    for hashed in hashes(0, 1_000):
        a.visitors.note(hashed)
    for hashed in hashes(500, 1_500):
        b.visitors.note(hashed)
    clock.pass_by(EXCHANGE_SECONDS)
    for node in (a, b):
        await node.sketches.turn()
    clock.pass_by(EXCHANGE_SECONDS)
    await a.sketches.turn()
    for node in (a, b):
        assert node.visitors.statistics().hour == pytest.approx(1_500, rel=0.05)


async def test_a_node_that_comes_later_knows_who_was_there() -> None:
    store, clock = MemoryStore(), FakeClock(0.0)
    a = Node(store, clock, 1)
    await a.sketches.turn()
    for hashed in hashes(0, 1_000):
        a.visitors.note(hashed)
    clock.pass_by(EXCHANGE_SECONDS)
    await a.sketches.turn()
    b = Node(store, clock, 2)
    await b.sketches.turn()
    for hashed in hashes(0, 1_000):
        b.visitors.note(hashed)
    assert b.visitors.statistics().newcomers == 0
    assert b.visitors.statistics().hour == pytest.approx(1_000, rel=0.05)


async def test_nothing_is_asked_for_within_the_minute_and_nothing_without_the_store() -> None:
    store, clock = MemoryStore(), FakeClock(0.0)
    a = Node(store, clock, 1)
    await a.sketches.turn()
    before = len(a.link.commands)
    clock.pass_by(EXCHANGE_SECONDS - 1)
    await a.sketches.turn()
    assert len(a.link.commands) == before
    a.link.is_up = False
    clock.pass_by(2.0)
    await a.sketches.turn()
    assert len(a.link.commands) == before


async def test_what_somebody_else_has_put_there_is_not_believed() -> None:
    store, clock = MemoryStore(), FakeClock(0.0)
    a = Node(store, clock, 1)
    await a.sketches.turn()
    for key in list(store.values):
        store.values[key] = b"\xff" * 4_096
    clock.pass_by(EXCHANGE_SECONDS)
    await a.sketches.turn()
    assert a.visitors.statistics().hour == 0
    b = Node(store, clock, 2)
    for key in list(store.values):
        store.values[key] = b"\xff" * 36
    await b.sketches.turn()
    assert len(b.visitors.proposals()) == 3


async def test_an_hour_that_begins_has_everybody_noted_again() -> None:
    store, clock = MemoryStore(), FakeClock(0.0)
    a = Node(store, clock, 1)
    await a.sketches.turn()
    clock.pass_by(3_600.0)
    await a.sketches.turn()
    assert a.forgotten == 1
