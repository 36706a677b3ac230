"""The register of connections: who must go, and how many there may be."""

from dataclasses import replace

import pytest

from dohproxy.config import ConnectionsConfig
from dohproxy.frontends.connections import Closing, Connections, ConnectionSlot, Waiting, overdue_reason
from dohproxy.frontends.held_bytes import FREE_BYTES
from dohproxy.policy.standing import Standing
from tests.fakes.walk import CLIENT

LIMITS = ConnectionsConfig(
    max_total=3, header_seconds=5, write_seconds=10, max_age_seconds=600, max_queued_bytes=65_536
)
NOW = 1000.0
IDLE = Waiting(opened=NOW, header_since=None, writing_since=None, queued_bytes=0, idle=True)


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        (IDLE, None),
        (Waiting(NOW - 600, None, None, 0, idle=True), None),
        (Waiting(NOW - 600.1, None, None, 0, idle=True), Closing.AGE),
        (Waiting(NOW - 9999, None, None, 0, idle=False), None),
        (Waiting(NOW, NOW - 5, None, 0, idle=False), None),
        (Waiting(NOW, NOW - 5.1, None, 0, idle=False), Closing.HEADER_DEADLINE),
        (Waiting(NOW, None, NOW - 10, 1, idle=False), None),
        (Waiting(NOW, None, NOW - 10.1, 1, idle=False), Closing.WRITE_DEADLINE),
        (Waiting(NOW, None, NOW, 65_536, idle=False), None),
        (Waiting(NOW, None, NOW, 65_537, idle=False), Closing.QUEUE_FULL),
        (Waiting(NOW - 9999, NOW - 6, NOW - 11, 99_999, idle=False), Closing.HEADER_DEADLINE),
    ],
    ids=[
        "idle",
        "as old as allowed",
        "too old",
        "too old and busy",
        "a header as slow as allowed",
        "a header too slow",
        "unread as long as allowed",
        "unread too long",
        "a queue as long as allowed",
        "a queue too long",
        "everything at once",
    ],
)
def test_a_connection_must_go(waiting: Waiting, expected: Closing | None) -> None:
    assert overdue_reason(waiting, NOW, LIMITS) is expected


class _Fake:
    """A connection that has overstayed or not, and remembers what it was told."""

    client = CLIENT

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self.slot = ConnectionSlot(Connections(LIMITS), Standing.STRANGER)
        self.told: list[Closing | str] = []

    def waiting(self, now: float) -> Waiting:
        return self._waiting

    def close_for(self, closing: Closing) -> None:
        self.told.append(closing)

    def identify(self) -> None:
        """Nobody asks."""

    def finish_soon(self) -> None:
        self.told.append("finish")


class _Holding(_Fake):
    """A connection that holds something."""

    def __init__(self, size: int) -> None:
        super().__init__(Waiting(999.0, None, None, 0, idle=False))
        self.size = size
        self.is_members = False

    def held_bytes(self) -> int:
        return self.size


async def test_a_sweep_closes_those_that_overstay_and_counts_them() -> None:
    register = Connections(LIMITS)
    young, old, slow = _Fake(IDLE), _Fake(Waiting(0.0, None, None, 0, idle=True)), _Fake(
        Waiting(NOW, 0.0, None, 0, idle=False)
    )  # fmt: skip
    for connection in (young, old, slow):
        register.add(connection)
    register.sweep(NOW)
    assert (young.told, old.told, slow.told) == ([], [Closing.AGE], [Closing.HEADER_DEADLINE])
    assert register.statistics().closed == {Closing.AGE: 1, Closing.HEADER_DEADLINE: 1}


async def test_a_connection_may_remove_itself_during_a_sweep() -> None:
    register = Connections(LIMITS)

    class Leaving(_Fake):
        def close_for(self, closing: Closing) -> None:
            register.remove(self)

    for _ in range(3):
        register.add(Leaving(Waiting(0.0, None, None, 0, idle=True)))
    register.sweep(NOW)
    register.sweep(NOW)
    assert register.statistics().closed == {Closing.AGE: 3}


async def test_no_more_places_than_allowed() -> None:
    register = Connections(LIMITS)
    slots = [register.take_slot((), Standing.MEMBER, 0.0) for _ in range(3)]
    assert None not in slots
    assert register.take_slot((), Standing.MEMBER, 0.0) is None
    assert register.statistics().closed == {Closing.TOO_MANY: 1}
    assert (register.slots_taken, register.statistics().slots.most, register.statistics().accepted) == (3, 3, 3)


async def test_a_place_is_freed_once_however_often_it_is_said() -> None:
    register = Connections(LIMITS)
    first, second = register.take_slot((), Standing.MEMBER, 0.0), register.take_slot((), Standing.MEMBER, 0.0)
    assert first is not None
    assert second is not None
    first.free()
    first.free()
    assert register.slots_taken == 1
    second.free()
    assert register.slots_taken == 0
    await register.wait_empty()


async def test_draining_tells_everyone_and_cutting_closes_them() -> None:
    register = Connections(LIMITS)
    connection = _Fake(IDLE)
    register.add(connection)
    register.drain()
    register.cut()
    assert register.draining
    assert connection.told == ["finish", Closing.DRAIN]
    assert register.statistics().closed == {Closing.DRAIN: 1}


@pytest.mark.parametrize(("crowded", "closing"), [(False, None), (True, Closing.IDLE)], ids=["room", "crowded"])
def test_idle_connections_have_less_time_when_it_is_crowded(crowded: bool, closing: Closing | None) -> None:
    limits = ConnectionsConfig(idle_seconds=20)
    waiting = Waiting(opened=0, header_since=None, writing_since=None, queued_bytes=0, idle=True, idle_since=100)
    assert overdue_reason(waiting, 106, limits, crowded=crowded) is closing
    assert overdue_reason(waiting, 121, limits, crowded=crowded) is Closing.IDLE


async def test_who_holds_most_is_cut_and_counted_when_all_hold_too_much() -> None:
    register = Connections(replace(LIMITS, max_held_bytes=1_048_576))
    greedy, modest = _Holding(700_000), _Holding(400_000)
    register.note_held(modest, modest.size)
    assert register.statistics().held_bytes == 400_000 - FREE_BYTES
    register.note_held(greedy, greedy.size)
    assert (greedy.told, modest.told) == ([Closing.ALL_QUEUES_FULL], [])
    statistics = register.statistics()
    assert statistics.closed == {Closing.ALL_QUEUES_FULL: 1}
    assert statistics.held_bytes == 400_000 - FREE_BYTES
    assert statistics.max_held_bytes == 1_048_576


async def test_a_sweep_sees_what_clients_have_taken_meanwhile() -> None:
    register = Connections(LIMITS)
    one = _Holding(400_000)
    register.note_held(one, one.size)
    one.size = FREE_BYTES + 5
    register.sweep(1_000.0)
    assert register.statistics().held_bytes == 5


async def test_a_network_that_becomes_members_makes_its_connections_theirs_and_no_longer_when_it_ceases_to_be() -> None:
    register = Connections(LIMITS)
    slot = register.take_slot(CLIENT.path, Standing.STRANGER, NOW)
    assert slot is not None

    def held_by() -> Standing:
        return next(standing for standing, count in register.statistics().slots.by_standing.items() if count)

    slot.is_of(replace(CLIENT, member=True))
    assert held_by() is Standing.MEMBER
    slot.is_of(CLIENT)
    assert held_by() is Standing.STRANGER
    slot.belongs_to(b"t" * 32)
    slot.is_of(CLIENT)
    assert held_by() is Standing.MEMBER
    slot.belongs_to(None)
    assert held_by() is Standing.STRANGER
    slot.is_of(replace(CLIENT, proxy=True))
    assert held_by() is Standing.MEMBER


async def test_the_connection_of_who_has_settled_stays_so_when_it_is_looked_at_anew() -> None:
    register = Connections(LIMITS)
    slot = register.take_slot(CLIENT.path, Standing.SETTLED, NOW)
    assert slot is not None
    slot.is_of(CLIENT)
    assert register.statistics().slots.by_standing[Standing.SETTLED] == 1
