"""Equal questions under way are asked once: who comes later waits for the answer that comes anyway.

A fetch is a task of the group it was given, not of the client that began it. So a client that hangs up takes
nobody's answer away, and what the upstream was asked for reaches the cache in any case (CVE-2025-5994 is what
several equal questions at once are good for).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

Outcome = TypeVar("Outcome")

UNAWAITED_SHARE: Final = 0.5
"""Part of all fetches that may be under way when one is begun that nobody waits for: clients go first."""


class Flights(Generic[Outcome]):
    """The fetches under way, by key, and the clients that wait for each.

    At most `most_fetches` fetches, at most `most_waiters` clients on each. `when_stopped` is what waiters get whose
    fetch is cancelled.
    """

    def __init__(
        self, tasks: asyncio.TaskGroup, *, most_fetches: int, most_waiters: int, when_stopped: Outcome
    ) -> None:
        self.most_fetches = most_fetches
        self.refused_fetches = 0
        self.refused_waiters = 0
        self._tasks = tasks
        self._most_waiters = most_waiters
        self._when_stopped = when_stopped
        self._is_closed = False
        self._flights: dict[bytes, _Flight[Outcome]] = {}

    def __contains__(self, key: bytes) -> bool:
        return key in self._flights

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def waiters(self) -> int:
        """How many clients wait, over all fetches."""
        return sum(len(flight.seats) for flight in self._flights.values())

    def start(self, key: bytes, fetch: Callable[[], Coroutine[Any, Any, Outcome]], *, awaited: bool = True) -> bool:
        """Begin a fetch; False if one for this key is under way, too many are, or the resolver is closing."""
        if key in self._flights or self._is_closed:
            return False
        most = self.most_fetches if awaited else max(1, int(self.most_fetches * UNAWAITED_SHARE))
        if len(self._flights) >= most:
            self.refused_fetches += awaited
            return False
        coroutine = _never_raising(fetch)
        try:
            task = self._tasks.create_task(coroutine)
        except RuntimeError:
            # The group is shutting down and takes no tasks any more.
            coroutine.close()
            return False
        flight = _Flight(task)
        self._flights[key] = flight
        # A callback and not the end of the coroutine: it also runs if the task is cancelled before its first step.
        task.add_done_callback(lambda _: self._land(key, flight))
        return True

    def board(self, key: bytes) -> asyncio.Future[Outcome] | None:
        """Return a future for the outcome of the fetch under way, one of its own for each caller; None: it is full."""
        flight = self._flights[key]
        if len(flight.seats) >= self._most_waiters:
            self.refused_waiters += 1
            return None
        seat: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        flight.seats.add(seat)
        # A cancelled waiter cancels its future and leaves the fetch alone.
        seat.add_done_callback(flight.seats.discard)
        return seat

    async def close(self) -> None:
        """Cancel all fetches and wait until they are gone; nothing can be started afterwards."""
        self._is_closed = True
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _land(self, key: bytes, flight: "_Flight[Outcome]") -> None:
        del self._flights[key]
        outcome = self._when_stopped if flight.task.cancelled() else flight.task.result()
        waiting = [seat for seat in flight.seats if not seat.done()]
        for seat in waiting:
            if isinstance(outcome, _Bug):
                seat.set_exception(outcome.error)
            else:
                seat.set_result(outcome)
        if isinstance(outcome, _Bug) and not waiting:
            context = {"message": "a fetch that nobody waits for failed", "exception": outcome.error}
            asyncio.get_running_loop().call_exception_handler(context)


class _Bug:
    """An exception that a fetch should not have raised, on its way to those who wait."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Flight(Generic[Outcome]):
    """One fetch and the futures of those who wait for it."""

    def __init__(self, task: "asyncio.Task[Outcome | _Bug]") -> None:
        self.task = task
        self.seats: set[asyncio.Future[Outcome]] = set()


async def _never_raising(fetch: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome | _Bug:
    """Run a fetch; an exception becomes a value, as in a TaskGroup it would end everybody's tasks."""
    try:
        return await fetch()
    except Exception as error:
        return _Bug(error)
