"""Nodes that tell each other that they are there."""

from typing import Any, cast

from structlog.testing import capture_logs

from dohproxy.sharing.keys import Keys
from dohproxy.sharing.presence import Described, Presence
from tests.fakes.clock import FakeClock
from tests.fakes.memory_store import Link, MemoryStore

KEYS = Keys("test", bytes(32))


class Told:
    """One node."""

    def __init__(
        self, store: MemoryStore, clock: FakeClock, name: str, *, instance: str = "", keys: Keys = KEYS
    ) -> None:
        self.link = Link(store)
        self.configuration = "c0"
        self.error = 0.0
        self.presence = Presence(
            cast(Any, self.link),
            keys,
            name,
            instance or name * 16,
            lambda: Described("0.1.0", self.configuration, 0.0, {"failed": 1}),
            clock,
            lambda: 1_700_000_000.0 + clock() + self.error,
        )


async def beats(clock: FakeClock, *nodes: Told, count: int = 2) -> None:
    """Let nodes tell each other, once a second."""
    for _ in range(count):
        for node in nodes:
            await node.presence.turn()
        clock.pass_by(1.0)


async def test_each_hears_of_all_others_within_two_seconds_and_who_ends_is_gone() -> None:
    store, clock = MemoryStore(), FakeClock()
    a, b, c = (Told(store, clock, name) for name in "abc")
    await beats(clock, a, b, c)
    for node in (a, b, c):
        assert node.presence.roster.there(clock()) == ["a", "b", "c"]
    await beats(clock, a, b, count=5)
    assert a.presence.roster.there(clock()) == ["a", "b"]
    assert len(a.presence.roster.all(clock())) == 3


async def test_without_the_store_a_node_knows_of_itself() -> None:
    clock = FakeClock()
    a = Told(MemoryStore(), clock, "a")
    a.link.is_up = False
    await beats(clock, a)
    assert a.presence.roster.there(clock()) == ["a"]
    assert a.link.commands == []


async def test_nobody_without_the_key_is_heard_or_hears() -> None:
    store, clock = MemoryStore(), FakeClock()
    a = Told(store, clock, "a")
    await beats(clock, a)
    [fields] = store.values.values()
    [(field, sealed)] = fields.items()
    assert b"0.1.0" not in sealed
    fields["0" * 32] = sealed
    fields["1" * 32] = b"nonsense"
    fields["2" * 32] = b"x" * 100_000
    b = Told(store, clock, "b")
    await beats(clock, b)
    assert b.presence.roster.there(clock() - 1) == ["a", "b"]
    assert len(b.presence.roster.all(clock())) == 2, "a report counts in its own field alone"
    assert field not in ("0" * 32, "1" * 32)


async def test_what_sets_nodes_apart_is_logged_once() -> None:
    store, clock = MemoryStore(), FakeClock()
    a, b = Told(store, clock, "a"), Told(store, clock, "b")
    b.configuration, b.error = "c1", 60.0
    with capture_logs() as logs:
        await beats(clock, a, b, count=6)
    said = [entry["event"] for entry in logs if entry.get("node") == "b" and entry["log_level"] == "warning"]
    assert len(said) == 2
    assert "another configuration" in said[0]
    assert "clocks" in said[1]


async def test_two_of_one_name_are_told_so() -> None:
    store, clock = MemoryStore(), FakeClock()
    one, two = Told(store, clock, "a", instance="1" * 16), Told(store, clock, "a", instance="2" * 16)
    with capture_logs() as logs:
        await beats(clock, one, two, count=4)
    assert sum("our name" in entry["event"] for entry in logs) == 2


async def test_a_node_that_is_forgotten_is_in_no_list() -> None:
    store, clock = MemoryStore(), FakeClock()
    a, b = Told(store, clock, "a"), Told(store, clock, "b")
    await beats(clock, a, b)
    assert await a.presence.forget("b")
    await beats(clock, a)
    assert [one.report.name for one in a.presence.roster.all(clock())] == ["a"]
    a.link.is_up = False
    assert not await a.presence.forget("b")
