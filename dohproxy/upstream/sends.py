"""What a send under way looks like to those who wait for its end: a handle to stop it by, and one call back.

Nothing here is a task. Most questions are one datagram out and one in, and a task, its futures and its timeouts cost
several times what the two system calls do.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from dohproxy.upstream.results import Bug, SendStatus, Unproven
from dohproxy.upstream.workarounds.trial import Additions
from dohproxy.value import value
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

SendOutcome = Answer | Unproven | SendStatus | Bug
"""How a send ended."""
Done = Callable[[SendOutcome], None]
"""Is called once when a send has ended, never before the call that began it has returned."""


@value
class Late:
    """A send that is listened for after its time, in case its answer is late."""

    until: float
    """When that ends (the event loop's clock)."""
    notify: Callable[[], None]
    """Is called once when its time is over and it is listened for on."""


class Stoppable(Protocol):
    """Something under way that calls back when it ends."""

    def stop(self) -> None:
        """End it without a word; harmless if it has ended."""


class Transport(Protocol):
    """A way to an upstream."""

    def send(
        self, query: Query, done: Done, *, until: float, additions: Additions | None = None, late: Late | None = None
    ) -> Stoppable | SendStatus:
        """Send `query` with these `additions`, or with what the upstream can stand; `done` is told how that ended, at
        `until` (the event loop's clock) at the latest, or where it is `late` when that is over. Returns a Result
        instead where nothing could be sent."""


async def outcome_of(begin: Callable[[Done], Stoppable | SendStatus]) -> Answer | Unproven | SendStatus:
    """Begin a send and wait for its end; whoever is cancelled meanwhile stops it. Raises what a bug raised."""
    ended: asyncio.Future[SendOutcome] = asyncio.get_running_loop().create_future()

    def end(outcome: SendOutcome) -> None:
        if not ended.done():  # Whoever waited may have been cancelled in this very turn of the loop.
            ended.set_result(outcome)

    sending = begin(end)
    if isinstance(sending, SendStatus):
        return sending
    try:
        outcome = await ended
    finally:
        sending.stop()
    if isinstance(outcome, Bug):
        raise outcome.error
    return outcome
