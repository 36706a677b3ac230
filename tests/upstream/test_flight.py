"""Equal questions under way, without any network: what is shared, and whom a disconnect concerns."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dohproxy.upstream.flight import Flights

STOPPED = "stopped"
KEY = b"key"

Fetch = Callable[[], Coroutine[Any, Any, str]]


def _flights(tasks: asyncio.TaskGroup, *, most_fetches: int = 10, most_waiters: int = 100) -> Flights[str]:
    return Flights(tasks, most_fetches=most_fetches, most_waiters=most_waiters, when_stopped=STOPPED)


class _Gate:
    """A fetch that ends when the test says so, and counts how often it was begun."""

    def __init__(self, outcome: str = "answer") -> None:
        self.begun = 0
        self.outcome = outcome
        self.opened = asyncio.Event()

    async def fetch(self) -> str:
        self.begun += 1
        await self.opened.wait()
        return self.outcome


def _board(flights: Flights[str], key: bytes = KEY) -> asyncio.Future[str]:
    seat = flights.board(key)
    assert seat is not None
    return seat


async def test_all_who_wait_get_the_outcome_of_one_fetch() -> None:
    gate = _Gate()
    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks)
        assert flights.start(KEY, gate.fetch)
        assert not flights.start(KEY, gate.fetch)
        seats = [_board(flights) for _ in range(50)]
        assert flights.waiters == 50
        gate.opened.set()
        assert await asyncio.gather(*seats) == ["answer"] * 50
        assert gate.begun == 1
        assert len(flights) == 0


async def test_a_waiter_that_leaves_takes_nothing_from_the_others() -> None:
    gate = _Gate()
    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks)
        flights.start(KEY, gate.fetch)
        first, second = _board(flights), _board(flights)
        first.cancel()
        await asyncio.sleep(0)
        assert flights.waiters == 1
        gate.opened.set()
        assert await second == "answer"


async def test_the_fetch_goes_on_when_everybody_has_left() -> None:
    gate = _Gate()
    ended: list[str] = []

    async def fetch() -> str:
        outcome = await gate.fetch()
        ended.append(outcome)
        return outcome

    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks)
        flights.start(KEY, fetch)
        _board(flights).cancel()
        gate.opened.set()
    assert ended == ["answer"]


async def test_one_waiter_too_many_is_turned_away() -> None:
    gate = _Gate()
    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks, most_waiters=2)
        flights.start(KEY, gate.fetch)
        seats = [flights.board(KEY) for _ in range(3)]
        assert [seat is None for seat in seats] == [False, False, True]
        assert flights.refused_waiters == 1
        gate.opened.set()


async def test_one_fetch_too_many_is_not_begun() -> None:
    gate = _Gate()
    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks, most_fetches=2)
        assert [flights.start(key, gate.fetch) for key in (b"1", b"2", b"3")] == [True, True, False]
        assert flights.refused_fetches == 1
        gate.opened.set()


@pytest.mark.parametrize(("most_fetches", "begun"), [(4, 2), (1, 1)], ids=["half of them", "but always one"])
async def test_fetches_nobody_waits_for_leave_room(most_fetches: int, begun: int) -> None:
    gate = _Gate()
    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks, most_fetches=most_fetches)
        started = [flights.start(key, gate.fetch, awaited=False) for key in (b"1", b"2", b"3")]
        assert sum(started) == begun
        assert flights.refused_fetches == 0
        gate.opened.set()


async def _broken() -> str:
    raise ValueError("a bug")


async def test_a_bug_reaches_those_who_wait_and_no_other_task() -> None:
    gate = _Gate()
    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks)
        flights.start(KEY, _broken)
        flights.start(b"other", gate.fetch)
        seat, other = _board(flights), _board(flights, b"other")
        with pytest.raises(ValueError, match="a bug"):
            await seat
        gate.opened.set()
        assert await other == "answer"


async def test_a_bug_nobody_waits_for_is_reported() -> None:
    reported: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    async with asyncio.TaskGroup() as tasks:
        _flights(tasks).start(KEY, _broken)
    assert [type(error) for error in reported] == [ValueError]


async def test_closing_ends_every_fetch_and_tells_who_waits() -> None:
    gate = _Gate()
    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks)
        flights.start(KEY, gate.fetch)
        seat = _board(flights)
        await flights.close()
        assert await seat == STOPPED
        assert len(flights) == 0
        assert not flights.start(KEY, gate.fetch)


async def test_a_fetch_cancelled_before_its_first_step_still_lands() -> None:
    gate = _Gate()
    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks)
        flights.start(KEY, gate.fetch)
        seat = _board(flights)
        await flights.close()
    assert await seat == STOPPED
    assert gate.begun == 0


async def test_a_group_that_is_over_takes_no_fetch() -> None:
    async with asyncio.TaskGroup() as tasks:
        flights = _flights(tasks)
    assert not flights.start(KEY, _Gate().fetch)
    assert KEY not in flights
