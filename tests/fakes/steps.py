"""Work that is done in steps: what comes of it, and how often it lets others have a turn."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

Outcome = TypeVar("Outcome")


def result_of(steps: Generator[None, None, Outcome]) -> tuple[Outcome, int]:
    """Return what comes of it, and how many steps it gave way after."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome, count
        count += 1


async def turns_beside(work: Coroutine[Any, Any, Outcome]) -> tuple[Outcome, int]:
    """Return what comes of it, and how many turns of the event loop others had meanwhile."""
    turns = -1
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(work)
        while not working.done():
            await asyncio.sleep(0)
            turns += 1
    return working.result(), turns
