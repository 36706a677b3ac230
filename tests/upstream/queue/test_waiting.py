"""Waiting for budget: who may go goes, who cannot is told so in time, and nobody is forgotten.

The clock is the loop's, so budgets fill as time passes; how long anything takes is not looked at.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from dohproxy.outcomes import Priority, Reason
from dohproxy.upstream.attempts import Send, Step
from dohproxy.upstream.budget.queries import Budget
from dohproxy.upstream.health.breaker import Breaker
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.queue.fair_queue import MOST_WAITING
from dohproxy.upstream.queue.waiting import SPENT, Begin, BudgetQueue
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.upstream.selection import Selection
from tests.fakes.upstream_health import connections, longest_draw

NEVER = 1e-6
"""Queries a second: nothing comes back while a test runs."""
LONG = 10.0
SHORT = 0.02
UNREACHABLE = UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)


class Rig:
    """One upstream, the line before it, and the order in which questions went."""

    def __init__(
        self, *, queries_per_second: float = NEVER, burst: int = 1, in_flight: int = 1_000, wait_seconds: float = LONG
    ) -> None:
        self.now = asyncio.get_running_loop().time
        budget = Budget(queries_per_second, burst, in_flight, now=self.now())
        self.health = UpstreamHealth(budget, Breaker(longest_draw), connections(now=self.now()), over_stream=False)
        self.queue = BudgetQueue(Selection([self.health], "ordered", longest_draw), self.now, wait_seconds)
        self.went: list[str] = []

    def begin(self, name: str) -> Callable[[float, float], Step]:
        def begin(now: float, reserve: float) -> Step:
            if not self.health.begin(now, reserve):
                return SPENT
            self.went.append(name)
            return Send(0, over_stream=False, until=now)

        return begin

    async def ask(self, name: str, rank: int = 1, *, reserve: float = 0.0, seconds: float = LONG) -> Step:
        """Let a question of the network that is its first letter pass."""
        return await self.enter(name, Priority(rank, (ord(name[0]),), reserve), self.begin(name), seconds=seconds)

    async def enter(self, name: str, priority: Priority, begin: Begin, *, seconds: float = LONG) -> Step:
        """Wait for the turn of a question; cancelled, leave."""
        gone: asyncio.Future[Step] = asyncio.get_running_loop().create_future()
        key = name.encode()
        step = self.queue.enter(key, priority, begin, gone.set_result, deadline=self.now() + seconds)
        if step is not None:
            return step
        try:
            return await gone
        finally:
            self.queue.leave(key)

    def spend(self, count: int = 1) -> None:
        """Take what is there."""
        for _ in range(count):
            assert self.health.begin(self.now())

    def let_go(self, count: int) -> None:
        """Let so many more be in flight; nobody is told."""
        self.health.budget.most_in_flight += count

    def figures(self) -> tuple[int, int, int, int, int]:
        """Waiting, served, evicted, refused, given up."""
        turns = self.queue.statistics(self.now())
        return turns.waiting, turns.served, turns.evicted, turns.refused, turns.given_up


def _full(*, wait_seconds: float = LONG) -> Rig:
    """An upstream with budget for all, and too much in flight."""
    rig = Rig(queries_per_second=10.0, burst=1_000, in_flight=1, wait_seconds=wait_seconds)
    rig.spend()
    return rig


async def _settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


class TestGoing:
    async def test_who_may_go_goes_at_once(self) -> None:
        rig = Rig(burst=2)
        assert isinstance(await rig.ask("a1"), Send)
        assert isinstance(await rig.ask("a2"), Send)
        assert rig.figures() == (0, 0, 0, 0, 0)
        assert rig.queue.is_empty

    async def test_what_cannot_be_asked_at_all_does_not_wait(self) -> None:
        rig = Rig()
        outcome = await rig.enter("a1", Priority(1, (1,), 0.0), lambda *_: UNREACHABLE)
        assert outcome == UNREACHABLE
        assert rig.figures() == (0, 0, 0, 0, 0)

    async def test_whoever_finds_the_budget_spent_goes_when_it_has_come_back(self) -> None:
        # Slowly enough that nothing has come back before the last has asked.
        rig = Rig(queries_per_second=20.0, burst=1)
        rig.spend()
        steps = await asyncio.gather(*(rig.ask(f"a{number}") for number in range(5)))
        assert all(isinstance(step, Send) for step in steps)
        assert rig.went == ["a0", "a1", "a2", "a3", "a4"]
        assert rig.figures() == (0, 5, 0, 0, 0)

    async def test_a_send_that_ends_makes_room_where_too_many_were_in_flight(self) -> None:
        rig = _full()
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(rig.ask("a1"))
            await _settle()
            assert rig.figures()[0] == 1
            rig.health.budget.release()
            rig.queue.wake()
            assert isinstance(await waiting, Send)

    async def test_where_only_a_connection_is_missing_it_is_looked_for_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dohproxy.upstream.queue.waiting.CONNECTION_PAUSE_SECONDS", 0.001)
        rig = Rig(burst=100)
        looks = iter([SPENT] * 5)
        begin = rig.begin("a1")
        outcome = await rig.enter(
            "a1", Priority(1, (1,), 0.0), lambda now, reserve: next(looks, None) or begin(now, reserve)
        )
        assert isinstance(outcome, Send)
        assert list(looks) == []

    async def test_those_in_line_are_told_when_nobody_can_be_asked_any_more(self) -> None:
        rig = Rig()
        rig.spend()
        outcomes = iter([SPENT, SPENT])
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(rig.enter("a1", Priority(1, (1,), 0.0), lambda *_: next(outcomes, UNREACHABLE)))
            await _settle()
            rig.queue.wake()
            assert await waiting == UNREACHABLE


class TestOrder:
    async def _wait_in_line(self, rig: Rig, tasks: asyncio.TaskGroup, *names: tuple[str, int]) -> None:
        for name, rank in names:
            tasks.create_task(rig.ask(name, rank))
            await _settle()

    async def test_the_better_rank_goes_first_whoever_came_first(self) -> None:
        rig = _full()
        async with asyncio.TaskGroup() as tasks:
            await self._wait_in_line(rig, tasks, ("a1", 5), ("a2", 5), ("b1", 3), ("m1", 0), ("c1", 5))
            rig.let_go(5)
            rig.queue.wake()
        assert rig.went == ["m1", "b1", "a1", "c1", "a2"]

    async def test_nobody_overtakes_an_equal_who_waits(self) -> None:
        rig = _full()
        async with asyncio.TaskGroup() as tasks:
            await self._wait_in_line(rig, tasks, ("a1", 3))
            rig.let_go(2)
            await self._wait_in_line(rig, tasks, ("b1", 3))
        assert rig.went == ["a1", "b1"]

    async def test_a_better_one_need_not_wait_for_those_who_must_leave_something(self) -> None:
        rig = Rig(burst=4)
        rig.spend(2)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(rig.ask("n1", 9, reserve=0.5, seconds=0.05))
            await _settle()
            assert isinstance(await rig.ask("s1", 1), Send)
            assert await waiting == SPENT
        assert rig.went == ["s1"]

    async def test_a_question_goes_with_the_best_of_those_who_ask_it(self) -> None:
        rig = _full()
        async with asyncio.TaskGroup() as tasks:
            await self._wait_in_line(rig, tasks, ("a1", 3), ("b1", 5))
            rig.queue.promote(b"b1", Priority(0, (ord("m"),), 0.0))
            rig.let_go(2)
            rig.queue.wake()
        assert rig.went == ["b1", "a1"]

    async def test_with_the_better_right_comes_the_smaller_reserve(self) -> None:
        rig = Rig(burst=4)
        rig.spend(2)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(rig.ask("n1", 9, reserve=0.5))
            await _settle()
            assert rig.went == []
            rig.queue.promote(b"n1", Priority(1, (ord("s"),), 0.0))
            assert isinstance(await waiting, Send)

    async def test_who_is_not_in_line_is_not_promoted(self) -> None:
        rig = Rig()
        rig.queue.promote(b"a1", Priority(0, (1,), 0.0))
        assert rig.queue.is_empty


class TestEnds:
    async def test_nobody_waits_longer_than_there_is_patience(self) -> None:
        rig = Rig(wait_seconds=SHORT)
        rig.spend()
        assert await rig.ask("a1") == SPENT
        assert rig.figures() == (0, 0, 0, 0, 1)
        assert rig.queue.is_empty

    async def test_nobody_waits_beyond_the_deadline(self) -> None:
        rig = Rig()
        rig.spend()
        assert await rig.ask("a1", seconds=SHORT) == SPENT
        assert rig.figures() == (0, 0, 0, 0, 1)

    async def test_without_patience_nobody_waits(self) -> None:
        rig = Rig(wait_seconds=0.0)
        rig.spend()
        assert await rig.ask("a1") == SPENT
        assert rig.queue.is_empty

    async def test_there_are_only_as_many_places_as_can_be_served_in_time(self) -> None:
        rig = _full(wait_seconds=0.5)
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(rig.ask(f"a{number}")) for number in range(8)]
            await _settle()
            assert rig.queue.statistics(rig.now()).slots == 5
            assert rig.figures() == (5, 0, 0, 3, 0)
            assert [task.done() for task in waiting] == [False] * 5 + [True] * 3
            rig.let_go(5)
            rig.queue.wake()
        assert rig.figures() == (0, 5, 0, 3, 0)

    async def test_who_has_to_leave_for_another_is_told_at_once(self) -> None:
        rig = Rig(burst=2)
        rig.spend(2)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(rig.ask("a1", 5))
            await _settle()
            second = tasks.create_task(rig.ask("m1", 0))
            assert await first == SPENT
            assert rig.figures() == (1, 0, 1, 0, 0)
            second.cancel()

    async def test_who_hangs_up_leaves_the_line(self) -> None:
        rig = Rig()
        rig.spend()
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(rig.ask("a1"))
            await _settle()
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
        assert rig.figures() == (0, 0, 0, 0, 0)
        assert rig.queue.is_empty

    async def test_the_same_question_can_be_asked_again_afterwards(self) -> None:
        rig = _full(wait_seconds=SHORT)
        assert await rig.ask("a1") == SPENT
        rig.let_go(1)
        assert isinstance(await rig.ask("a1"), Send)


async def test_the_line_of_an_ample_budget_has_an_end_too() -> None:
    rig = Rig(queries_per_second=2_000.0, burst=4_000)
    assert rig.queue.statistics(rig.now()).slots == MOST_WAITING


async def test_who_needs_a_slot_that_nobody_holds_keeps_nobody_behind_it_waiting() -> None:
    rig = _full()
    rig.health.budget.keep_while_there_is_room(rig.health.budget.release)
    async with asyncio.TaskGroup() as tasks:
        lost = tasks.create_task(rig.enter("a", Priority(1, (1,), 0.0), lambda *_: None))
        await _settle()
        assert isinstance(await rig.ask("b"), Send)
        assert not lost.done()
        lost.cancel()


class TestWhatIsAskedOnceMore:
    @staticmethod
    def _again(rig: Rig, name: str, *, seconds: float = LONG, spent: Step | None = None) -> asyncio.Future[Step]:
        """Let a question that has been asked once stand in line."""
        gone: asyncio.Future[Step] = asyncio.get_running_loop().create_future()
        begin = rig.begin(name)

        def again(now: float, reserve: float) -> Step | None:
            step = begin(now, reserve)
            return spent if step == SPENT else step

        step = rig.queue.enter_again(
            name.encode(), (ord(name[0]),), again, gone.set_result, deadline=rig.now() + seconds
        )
        if step is not None:
            gone.set_result(step)
        return gone

    async def test_it_goes_before_all_that_is_new_and_waits_longer(self) -> None:
        rig = Rig(in_flight=1, burst=100, wait_seconds=SHORT)
        assert isinstance(await rig.ask("first"), Send)
        again = self._again(rig, "again")
        assert await rig.ask("new", rank=0) == SPENT
        rig.health.budget.release()
        rig.queue.wake()
        assert isinstance(await again, Send)
        assert rig.went == ["first", "again"]

    async def test_it_has_a_place_in_the_shortest_line(self) -> None:
        rig = Rig(queries_per_second=20.0, wait_seconds=0.1)
        await rig.ask("first")
        repeats = [self._again(rig, f"again{number}") for number in range(4)]
        assert rig.queue.statistics(rig.now()).waiting == 4
        assert all(isinstance(step, Send) for step in await asyncio.gather(*repeats))

    async def test_networks_take_turns_in_it(self) -> None:
        rig = Rig(in_flight=1, burst=100)
        await rig.ask("first")
        repeats = [self._again(rig, name) for name in ("a1", "a2", "b1")]
        for _ in repeats:
            rig.health.budget.release()
            rig.queue.wake()
        await asyncio.gather(*repeats)
        assert rig.went == ["first", "a1", "b1", "a2"]

    async def test_one_that_cannot_go_yet_keeps_nobody_from_another_upstream(self) -> None:
        rig = Rig(burst=2)
        await rig.ask("first")
        blocked: asyncio.Future[Step] = asyncio.get_running_loop().create_future()
        never = rig.queue.enter_again(b"no", (1,), lambda *_: None, blocked.set_result, deadline=rig.now() + LONG)
        assert never is None
        assert isinstance(await rig.ask("new"), Send)
        rig.queue.leave(b"no")

    async def test_what_comes_to_an_end_is_told_so_at_once(self) -> None:
        rig = Rig()
        await rig.ask("first")
        assert await self._again(rig, "again", spent=SPENT) == SPENT

    async def test_it_waits_to_its_deadline_and_not_longer(self) -> None:
        rig = Rig()
        await rig.ask("first")
        assert await self._again(rig, "again", seconds=SHORT) == SPENT


async def test_what_is_wanted_is_counted_for_members_and_for_all_and_once() -> None:
    rig = Rig(queries_per_second=1_000.0, burst=100, in_flight=1)
    budget = rig.health.budget
    assert isinstance(await rig.ask("member", 0), Send)
    assert (budget.taken, budget.taken_for_members, budget.missed) == (1, 1, 0)
    waiting = [asyncio.create_task(rig.ask(name, rank)) for name, rank in (("another", 0), ("guest", 1))]  # noqa: TID251
    await asyncio.sleep(0)
    assert (budget.taken, budget.missed, budget.missed_by_members) == (1, 2, 1)
    for one in waiting:
        budget.release()
        rig.queue.wake()
        await one
    assert (budget.taken, budget.taken_for_members) == (3, 2)
    assert (budget.missed, budget.missed_by_members) == (0, 0)
