"""Where questions wait for budget: not many, not long, and in the order of `turns`.

Whoever may go goes at once. Whoever finds the budgets spent waits here for a place, as long as there is a chance that
it comes in time. The budget is taken in the moment a turn comes, before anybody else is heard.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from dohproxy.upstream.attempts import Send
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.upstream.selection import Selection
from dohproxy.upstream.turns import MOST_TURNS, Turns, TurnStatistics
from dohproxy.verdict import Priority, Reason
from dohproxy.wire.answer import Answer

Step = Send | Answer | UpstreamFailure
Begin = Callable[[float, float], Step]
"""Takes budget for a question, given `now` and the part of each burst to be left to others, and returns its first send,
or says why it cannot be sent."""
Go = Callable[[Step], None]
"""Is called once with the first step of a question that had to wait."""

SPENT: Final = UpstreamFailure(Reason.BUDGET_SPENT)
LEAST_PAUSE_SECONDS: Final = 0.001
"""Between two looks at the budget; timers are no finer."""
CONNECTION_PAUSE_SECONDS: Final = 0.1
"""Between two looks where the rate has room and no connection may be opened."""


class _Ticket:
    """One question in line."""

    def __init__(self, key: bytes, begin: Begin, go: Go) -> None:
        self.key = key
        self.begin = begin
        self.go = go
        self.alarm: asyncio.TimerHandle | None = None


class Turnstile:
    """The line before all upstreams together; nobody waits longer than `wait_seconds`."""

    def __init__(self, selection: Selection, clock: Callable[[], float], wait_seconds: float) -> None:
        self._selection = selection
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._turns: Turns[_Ticket] = Turns()
        self._tickets: dict[bytes, _Ticket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._served = self._evicted = self._refused = self._given_up = 0

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._tickets

    def enter(self, key: bytes, priority: Priority, begin: Begin, go: Go, *, deadline: float) -> Step | None:
        """Return the first step of the question `key` if it need not wait for budget; None: `go` is called with it
        later, unless it leaves.

        SPENT, if there is no place in line or its turn does not come in time.
        """
        now = self._clock()
        if not self._turns.is_before(priority):
            step = begin(now, priority.reserve)
            if step != SPENT:
                return step
        ticket = self._join(key, priority, begin, go, now)
        if ticket is None:
            return SPENT
        alarm = min(deadline, now + self._wait_seconds)
        ticket.alarm = asyncio.get_running_loop().call_at(alarm, self._give_up, ticket)
        self._pump()
        return None

    def leave(self, key: bytes) -> None:
        """The question is asked no more; harmless if it is not in line."""
        ticket = self._tickets.get(key)
        if ticket is not None:
            self._turns.leave(ticket)
            self._dismiss(ticket)

    def promote(self, key: bytes, priority: Priority) -> None:
        """Somebody else wants the same answer: a question goes with the best of those who wait for it."""
        ticket = self._tickets.get(key)
        if ticket is not None:
            self._turns.promote(ticket, priority)
            self._pump()

    def wake(self) -> None:
        """A send has ended: there may be room now."""
        if self._tickets:
            self._pump()

    def statistics(self, now: float) -> TurnStatistics:
        """Return a snapshot at `now`."""
        return TurnStatistics(
            len(self._turns), self._places(now), self._served, self._evicted, self._refused, self._given_up
        )

    def _places(self, now: float) -> int:
        served_meanwhile = int(self._selection.queries_per_second(now) * self._wait_seconds)
        return min(max(1, served_meanwhile), MOST_TURNS)

    def _join(self, key: bytes, priority: Priority, begin: Begin, go: Go, now: float) -> _Ticket | None:
        ticket = _Ticket(key, begin, go)
        stands, evicted = self._turns.join(ticket, priority, self._places(now))
        if evicted is not None:
            self._evicted += 1
            self._tell(evicted, SPENT)
        if not stands:
            self._refused += 1
            return None
        self._tickets[key] = ticket
        return ticket

    def _give_up(self, ticket: _Ticket) -> None:
        self._given_up += 1
        self._turns.leave(ticket)
        self._tell(ticket, SPENT)

    def _tell(self, ticket: _Ticket, step: Step) -> None:
        """Let a question that is out of line go on, in a turn of its own: what becomes of it may make room for others
        again, and so on to the end of the line."""
        self._dismiss(ticket)
        asyncio.get_running_loop().call_soon(ticket.go, step)

    def _dismiss(self, ticket: _Ticket) -> None:
        del self._tickets[ticket.key]
        if ticket.alarm is not None:
            ticket.alarm.cancel()

    def _pump(self) -> None:
        """Let go whoever may go now, and look again when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        while self._serve_next(now):
            pass
        waiting = next(self._turns.in_order(), None)
        if waiting is not None:
            pause = self._selection.seconds_to_room(now, waiting[1].reserve)
            if pause < math.inf:
                pause = max(pause, LEAST_PAUSE_SECONDS) if pause else CONNECTION_PAUSE_SECONDS
                self._timer = asyncio.get_running_loop().call_later(pause, self._pump)

    def _serve_next(self, now: float) -> bool:
        """Let the first in line go if there is budget for it."""
        first = next(self._turns.in_order(), None)
        if first is None:
            return False
        ticket, priority = first
        step = ticket.begin(now, priority.reserve)
        if step == SPENT:
            return False
        self._served += 1
        self._turns.serve(ticket)
        self._tell(ticket, step)
        return True
