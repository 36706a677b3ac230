"""One call back, made into something that can be awaited."""

import asyncio

import pytest

from dohproxy.upstream.results import Bug, SendStatus
from dohproxy.upstream.sends import Done, outcome_of


class Sending:
    """A send under way, which a test ends."""

    def __init__(self) -> None:
        self.done: Done
        self.stops = 0

    def begin(self, done: Done) -> "Sending":
        """Begin."""
        self.done = done
        return self

    def stop(self) -> None:
        """Count it."""
        self.stops += 1


async def test_what_cannot_be_sent_is_said_at_once() -> None:
    assert await outcome_of(lambda _: SendStatus.UNSENT) is SendStatus.UNSENT


async def test_the_outcome_is_waited_for() -> None:
    sending = Sending()
    asyncio.get_running_loop().call_soon(lambda: sending.done(SendStatus.LOST))
    assert await outcome_of(sending.begin) is SendStatus.LOST


async def test_a_bug_is_raised() -> None:
    sending = Sending()
    asyncio.get_running_loop().call_soon(lambda: sending.done(Bug(ValueError("a bug"))))
    with pytest.raises(ValueError, match="a bug"):
        await outcome_of(sending.begin)


async def test_whoever_is_cancelled_stops_it() -> None:
    sending = Sending()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await outcome_of(sending.begin)
    assert sending.stops == 1


async def test_an_end_in_the_same_turn_of_the_loop_as_the_cancelling_is_no_bug() -> None:
    sending = Sending()
    waiting = asyncio.get_running_loop().create_task(outcome_of(sending.begin))
    await asyncio.sleep(0)
    waiting.cancel()
    sending.done(SendStatus.LOST)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sending.stops == 1
