"""Equal questions under way, without any network: what is shared, and whom a disconnect concerns."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dohproxy.upstream.flight import TOLD_AT_ONCE, Flights, Waiter
from dohproxy.upstream.results import Bug

STOPPED = "stopped"
LATE = "late"
KEY = b"key"
BUG = ValueError("a bug")
DEADLINE = 1e9


def _flights(*, most_fetches: int = 10, most_waiters: int = 100) -> Flights[str]:
    return Flights(most_fetches=most_fetches, most_waiters=most_waiters, when_stopped=STOPPED)


@dataclass(slots=True)
class Fetch:
    """A fetch that ends when the test says so, and counts how often it was begun."""

    begun: int = 0
    stopped: int = 0
    lands: list[Callable[[str | Bug], None]] = field(default_factory=list)

    def begin(self, land: Callable[[str | Bug], None]) -> "Fetch":
        self.begun += 1
        self.lands.append(land)
        return self

    def stop(self) -> None:
        self.stopped += 1

    def end(self, outcome: str | Bug = "answer") -> None:
        for land in self.lands:
            land(outcome)


class Client:
    """One who waits, and what it was told."""

    def __init__(self, *, until: float = DEADLINE) -> None:
        self.told: list[str | Bug] = []
        self.waiter: Waiter[str] = Waiter(self.told.append, until=until, late=LATE)


def _start(flights: Flights[str], fetch: Fetch, client: Client | None = None, key: bytes = KEY) -> bool:
    return flights.start(key, fetch.begin, None if client is None else client.waiter, until=DEADLINE)


def test_all_who_wait_get_the_outcome_of_one_fetch() -> None:
    flights, fetch = _flights(), Fetch()
    clients = [Client() for _ in range(50)]
    assert _start(flights, fetch, clients[0])
    assert not _start(flights, fetch, Client())
    assert all(flights.join(KEY, client.waiter) for client in clients[1:])
    assert flights.waiters == 50
    fetch.end()
    assert [client.told for client in clients] == [["answer"]] * 50
    assert (fetch.begun, len(flights)) == (1, 0)


def test_a_fetch_that_ends_at_once_finds_who_waits_for_it() -> None:
    flights, client = _flights(), Client()

    def begin(land: Callable[[str | Bug], None]) -> Fetch:
        land("known already")
        return Fetch()

    assert flights.start(KEY, begin, client.waiter, until=DEADLINE)
    assert (client.told, len(flights)) == (["known already"], 0)


def test_a_waiter_that_leaves_takes_nothing_from_the_others() -> None:
    flights, fetch, first, second = _flights(), Fetch(), Client(), Client()
    _start(flights, fetch, first)
    flights.join(KEY, second.waiter)
    first.waiter.stop()
    assert flights.waiters == 1
    fetch.end()
    assert (first.told, second.told) == ([], ["answer"])


def test_the_fetch_goes_on_when_everybody_has_left() -> None:
    flights, fetch, only = _flights(), Fetch(), Client()
    _start(flights, fetch, only)
    only.waiter.stop()
    assert (len(flights), flights.waiters, fetch.stopped) == (1, 0, 0)
    fetch.end()
    assert len(flights) == 0


async def test_who_waits_less_long_than_the_fetch_is_told_in_time_and_the_fetch_goes_on() -> None:
    flights, fetch = _flights(), Fetch()
    soon, other = Client(until=asyncio.get_running_loop().time()), Client()
    _start(flights, fetch, other)
    flights.join(KEY, soon.waiter)
    async with asyncio.timeout(10):
        while not soon.told:  # noqa: ASYNC110  # nobody to tell us
            await asyncio.sleep(0.001)
    assert (soon.told, other.told, flights.waiters) == ([LATE], [], 1)
    fetch.end()
    assert (soon.told, other.told) == ([LATE], ["answer"])


def test_one_waiter_too_many_is_turned_away() -> None:
    flights = _flights(most_waiters=2)
    _start(flights, Fetch(), Client())
    assert [flights.join(KEY, Client().waiter) for _ in range(2)] == [True, False]
    assert flights.refused_waiters == 1


def test_those_who_stand_take_no_place_of_those_for_whom_some_are_left() -> None:
    flights = _flights(most_waiters=8)
    _start(flights, Fetch(), Client())
    sit = [flights.join(KEY, Client().waiter, reserve=0.25) for _ in range(6)]
    stand = [flights.join(KEY, Client().waiter, stands=True, reserve=0.25) for _ in range(7)]
    assert (sit.count(True), stand.count(True)) == (5, 6)
    assert flights.is_full(KEY, 0.25)
    assert not flights.is_full(KEY)
    assert [flights.join(KEY, Client().waiter) for _ in range(3)] == [True, True, False]


def test_as_many_as_may_sit_may_stand_behind_them() -> None:
    flights, fetch = _flights(most_waiters=2), Fetch()
    clients = [Client() for _ in range(4)]
    _start(flights, fetch, clients[0])
    assert not flights.is_full(KEY)
    flights.join(KEY, clients[1].waiter)
    assert flights.is_full(KEY)
    assert [flights.join(KEY, client.waiter, stands=True) for client in (*clients[2:], Client())] == [True, True, False]
    assert (flights.waiters, flights.refused_waiters) == (4, 1)
    fetch.end()
    assert [client.told for client in clients] == [["answer"]] * 4


async def test_many_are_told_in_several_turns_of_the_loop_and_may_leave_meanwhile() -> None:
    flights, fetch = _flights(most_waiters=1_000), Fetch()
    clients = [Client() for _ in range(2 * TOLD_AT_ONCE + 1)]
    _start(flights, fetch, clients[0])
    for client in clients[1:]:
        flights.join(KEY, client.waiter)
    fetch.end()
    assert sum(bool(client.told) for client in clients) == TOLD_AT_ONCE
    leaves = next(client for client in clients if not client.told)
    leaves.waiter.stop()
    for _ in range(2):
        await asyncio.sleep(0)
    assert [client.told for client in clients if client is not leaves] == [["answer"]] * 2 * TOLD_AT_ONCE
    assert (leaves.told, len(flights)) == ([], 0)


def test_one_fetch_too_many_is_not_begun() -> None:
    flights = _flights(most_fetches=2)
    fetch = Fetch()
    assert [_start(flights, fetch, Client(), key) for key in (b"1", b"2", b"3")] == [True, True, False]
    assert (flights.refused_fetches, fetch.begun) == (1, 2)


@pytest.mark.parametrize(("most_fetches", "begun"), [(4, 2), (1, 1)], ids=["half of them", "but always one"])
def test_fetches_nobody_waits_for_leave_room(most_fetches: int, begun: int) -> None:
    flights = _flights(most_fetches=most_fetches)
    started = [_start(flights, Fetch(), None, key) for key in (b"1", b"2", b"3")]
    assert sum(started) == begun
    assert flights.refused_fetches == 0


def test_a_bug_reaches_those_who_wait_and_no_other_fetch() -> None:
    flights, broken, sound = _flights(), Fetch(), Fetch()
    client, other = Client(), Client()
    _start(flights, broken, client)
    _start(flights, sound, other, b"other")
    bug = Bug(BUG)
    broken.end(bug)
    sound.end()
    assert (client.told, other.told) == ([bug], ["answer"])


async def test_a_bug_nobody_waits_for_is_reported() -> None:
    reported: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    flights, fetch = _flights(), Fetch()
    _start(flights, fetch)
    fetch.end(Bug(BUG))
    assert reported == [BUG]


async def test_one_who_cannot_bear_the_outcome_keeps_it_from_nobody() -> None:
    reported: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    flights, fetch, other = _flights(), Fetch(), Client()

    def fail(_: str | Bug) -> None:
        raise BUG

    flights.start(KEY, fetch.begin, Waiter(fail, until=DEADLINE, late=LATE), until=DEADLINE)
    flights.join(KEY, other.waiter)
    fetch.end()
    assert (reported, other.told) == ([BUG], ["answer"])


def test_closing_ends_every_fetch_and_tells_who_waits() -> None:
    flights, fetch, client = _flights(), Fetch(), Client()
    _start(flights, fetch, client)
    flights.close()
    assert (client.told, fetch.stopped, len(flights)) == ([STOPPED], 1, 0)
    assert not _start(flights, fetch, Client())


async def test_who_waits_may_be_told_to_wait_less_long() -> None:
    flights, fetch = _flights(), Fetch()
    now = asyncio.get_running_loop().time()
    patient, hasty, left = Client(), Client(until=now + 0.01), Client()
    _start(flights, fetch, patient)
    assert flights.fetch_of(KEY) is fetch
    flights.join(KEY, hasty.waiter)
    flights.join(KEY, left.waiter)
    left.waiter.stop()
    flights.hurry(KEY, now + 0.03, "stale")
    late = Client()
    flights.join(KEY, late.waiter)
    await asyncio.sleep(0.05)
    assert (patient.told, hasty.told, left.told, late.told) == (["stale"], [LATE], [], [])
    fetch.end()
    assert (late.told, patient.told) == (["answer"], ["stale"])
    assert flights.fetch_of(KEY) is None
