"""Long work gives way by what it has cost, however many steps that was."""

import asyncio
import time
from collections.abc import Generator

import pytest

from dohproxy.jobs.turns import SLICE_SECONDS, Turns, in_turns
from tests.fakes.clock import FakeClock
from tests.fakes.steps import turns_beside


async def _turns_of_others(steps: list[float]) -> int:
    """Return how often others had a turn while so much was spent by each step."""
    spent = FakeClock()
    others = 0

    async def work() -> None:
        turns = Turns(spent)
        for step in steps:
            spent.pass_by(step)
            await turns.give_way()

    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(work())
        while not working.done():
            await asyncio.sleep(0)
            others += 1
    return others - 1


@pytest.mark.parametrize(
    ("steps", "turns"),
    [
        ([SLICE_SECONDS / 8] * 64, 8),
        ([SLICE_SECONDS / 8] * 7, 0),
        ([SLICE_SECONDS] * 5, 5),
        ([10 * SLICE_SECONDS, SLICE_SECONDS / 2, SLICE_SECONDS / 2], 2),
    ],
    ids=["cheap ones", "a few cheap ones", "dear ones", "one that is very dear"],
)
async def test_others_have_a_turn_after_each_slice_of_steps(steps: list[float], turns: int) -> None:
    assert await _turns_of_others(steps) == turns


def test_who_gives_way_in_another_way_begins_the_next_slice_itself() -> None:
    spent = FakeClock()
    turns = Turns(spent)
    spent.pass_by(SLICE_SECONDS)
    assert turns.is_over
    turns.begin()
    assert not turns.is_over


async def test_what_comes_of_steps_is_returned_and_others_have_turns_in_between() -> None:
    spent = FakeClock()

    def work() -> Generator[None, None, str]:
        for _ in range(8):
            spent.pass_by(SLICE_SECONDS / 2)
            yield
        return "done"

    assert await turns_beside(in_turns(work(), spent)) == ("done", 4)


def test_it_is_the_cpu_time_of_the_thread_that_counts() -> None:
    turns = Turns()
    # Who waits spends nothing, and who computes does, on a machine of whatever speed.
    until = time.thread_time() + SLICE_SECONDS
    while time.thread_time() < until:
        pass
    assert turns.is_over
