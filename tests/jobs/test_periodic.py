"""No bug in a job ends the service, nor the job."""

import asyncio

import pytest

from dohproxy.jobs.periodic import repeat


async def _until(done: asyncio.Event, job: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(5):
        await done.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job


@pytest.mark.parametrize("is_async", [False, True], ids=["a function", "a coroutine"])
async def test_a_job_that_meets_a_bug_has_its_next_turn(is_async: bool) -> None:
    turns = 0
    done = asyncio.Event()

    def work() -> None:
        nonlocal turns
        turns += 1
        if turns < 3:
            raise ZeroDivisionError
        done.set()

    async def work_later() -> None:
        work()

    async with asyncio.TaskGroup() as tasks:
        job = tasks.create_task(repeat("a test", lambda: 0.0, work_later if is_async else work))
        await _until(done, job)
    assert turns >= 3


async def test_the_pause_is_asked_for_each_time() -> None:
    pauses = iter([0.0, 0.0, 0.0])
    asked: list[float] = []
    done = asyncio.Event()

    def pause() -> float:
        asked.append(next(pauses, 3_600.0))
        if len(asked) == 4:
            done.set()
        return asked[-1]

    async with asyncio.TaskGroup() as tasks:
        await _until(done, tasks.create_task(repeat("a test", pause, lambda: None)))
    assert asked == [0.0, 0.0, 0.0, 3_600.0]
