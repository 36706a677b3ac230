"""Long work on the event loop: done in slices, between which everybody else has a turn.

A slice ends by what it has cost, and not after so many of something: entries and slots are dear or cheap, and so are
machines. What it has cost is the CPU time of the loop's thread, so that another process which takes the processor away
does not make slices shorter than they are.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Final, TypeVar

Outcome = TypeVar("Outcome")

SLICE_SECONDS: Final = 0.001
"""CPU time after which a slice ends with the step that is under way. The dearest of these, a page of the cache cleared
or a large answer read, take some 2 ms, and nobody is to wait for 5."""


class Turns:
    """The slices of one piece of work. It is looked at after each step, which costs 0.3 us."""

    def __init__(self, spent: Callable[[], float] = time.thread_time) -> None:
        """`spent` returns the CPU time of this thread so far, in seconds; the first slice begins."""
        self._spent = spent
        self._until = spent() + SLICE_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether others are to have their turn."""
        return self._spent() >= self._until

    def begin(self) -> None:
        """Begin another slice; others have had their turn."""
        self._until = self._spent() + SLICE_SECONDS

    async def give_way(self) -> None:
        """Let others have their turn if the slice is over, and begin another one then."""
        if self.is_over:
            await asyncio.sleep(0)
            self.begin()


async def in_turns(steps: Generator[None, None, Outcome], spent: Callable[[], float] = time.thread_time) -> Outcome:
    """Take all steps of a piece of work, a slice at a time, and return what came of it."""
    turns = Turns(spent)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        await turns.give_way()
