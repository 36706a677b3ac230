"""Where questions wait for budget: not many, not long, and in the order of `fair_queue`.

Whoever may go goes at once. Whoever finds the budgets spent waits here for its turn, as long as there is a chance that
it comes in time. The budget is taken in the moment a turn comes, before anybody else is heard.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from dohproxy.outcomes import MEMBER_RANK, Priority, Reason
from dohproxy.upstream.attempts import Send, Step
from dohproxy.upstream.queue.fair_queue import MOST_WAITING, FairQueue, QueueStatistics
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.upstream.selection import Selection

Begin = Callable[[float, float], Step | None]
"""Takes budget for a question, given `now` and the part of each burst to be left to others, and returns its next send,
or says why it cannot be sent; None: not yet."""
Go = Callable[[Step], None]
"""Is called once with the step for which a question had to wait."""

AGAIN_RANK: Final = -1
"""The rank of a question that is asked once more. It goes before all that have not been asked yet: a budget spent on
first halves that are never finished is wasted. There are no more of these than were let through before, each once or
twice."""
SPENT: Final = UpstreamFailure(Reason.BUDGET_SPENT)
LEAST_PAUSE_SECONDS: Final = 0.001
"""The pause between two looks at the budget; timers are no finer."""
CONNECTION_PAUSE_SECONDS: Final = 0.1
"""The pause between two looks where the rate has room and no connection may be opened."""


class _Waiter:
    """One question in line."""

    def __init__(self, key: bytes, begin: Begin, go: Go, *, is_member: bool = False) -> None:
        self.key = key
        self.is_member = is_member
        self.begin = begin
        self.go = go
        self.alarm: asyncio.TimerHandle | None = None


class BudgetQueue:
    """The line before all upstreams together; nobody waits longer than `wait_seconds`."""

    def __init__(self, selection: Selection, clock: Callable[[], float], wait_seconds: float) -> None:
        self._selection = selection
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._line: FairQueue[_Waiter] = FairQueue()
        self._waiters: dict[bytes, _Waiter] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._served = self._evicted = self._refused = self._given_up = 0

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._waiters

    def enter(self, key: bytes, priority: Priority, begin: Begin, go: Go, *, deadline: float) -> Step | None:
        """Return the first step of the question `key` if it need not wait for budget; None: `go` is called with it
        later, unless it leaves.

        It is SPENT if there is no slot in the line, or if its turn does not come in time.
        """
        now = self._clock()
        until = min(deadline, now + self._wait_seconds)
        waiter = _Waiter(key, begin, go, is_member=priority.rank == MEMBER_RANK)
        return self._enter(waiter, priority, self._slots(now), until)

    def enter_again(self, key: bytes, path: tuple[int, ...], begin: Begin, go: Go, *, deadline: float) -> Step | None:
        """Return the next step of the question `key`, of the networks `path`, which needs one more send to be
        answered; None as `enter`. It stands before all that have not been asked for yet, and waits until the
        `deadline`."""
        return self._enter(_Waiter(key, begin, go), Priority(AGAIN_RANK, path, 0.0), MOST_WAITING, deadline)

    def _enter(self, waiter: _Waiter, priority: Priority, slots: int, until: float) -> Step | None:
        is_new = priority.rank != AGAIN_RANK
        if is_new and self._line.has_rank(AGAIN_RANK):
            # Those who ask again first; whom that leaves waiting is in nobody's way.
            self._pump()
        if not self._line.is_before(priority, least=AGAIN_RANK + 1 if is_new else None):
            step = waiter.begin(self._clock(), priority.reserve)
            if step is not None and not (is_new and step == SPENT):
                if waiter.is_member:
                    self._count(step)
                return step
        self._selection.count_missed(1, is_member=waiter.is_member)
        if not self._join(waiter, priority, slots):
            return SPENT
        waiter.alarm = asyncio.get_running_loop().call_at(until, self._give_up, waiter)
        self._pump()
        return None

    def _count(self, step: Step) -> None:
        """Count a query that a member has asked for."""
        if isinstance(step, Send):
            self._selection.healths[step.upstream].budget.taken_for_members += 1

    def leave(self, key: bytes) -> None:
        """The question is asked no more; harmless if it is not in line."""
        waiter = self._waiters.get(key)
        if waiter is not None:
            self._line.leave(waiter)
            self._dismiss(waiter)

    def promote(self, key: bytes, priority: Priority) -> None:
        """Somebody else wants the same answer: a question goes with the best of those who wait for it."""
        waiter = self._waiters.get(key)
        if waiter is not None:
            self._line.promote(waiter, priority)
            self._pump()

    def wake(self) -> None:
        """A send has ended: there may be room now."""
        if self._waiters:
            self._pump()

    def statistics(self, now: float) -> QueueStatistics:
        """Return a snapshot at `now`."""
        return QueueStatistics(
            len(self._line), self._slots(now), self._served, self._evicted, self._refused, self._given_up
        )

    def _slots(self, now: float) -> int:
        served_meanwhile = int(self._selection.queries_per_second(now) * self._wait_seconds)
        return min(max(1, served_meanwhile), MOST_WAITING)

    def _join(self, waiter: _Waiter, priority: Priority, slots: int) -> bool:
        stands, evicted = self._line.join(waiter, priority, slots)
        if evicted is not None:
            self._evicted += 1
            self._notify(evicted, SPENT)
        if not stands:
            self._refused += 1
            return False
        self._waiters[waiter.key] = waiter
        return True

    def _give_up(self, waiter: _Waiter) -> None:
        self._given_up += 1
        self._line.leave(waiter)
        self._notify(waiter, SPENT)

    def _notify(self, waiter: _Waiter, step: Step) -> None:
        """Let a question that is out of line go on, in a turn of its own: what becomes of it may make room for others
        again, and so on to the end of the line."""
        self._dismiss(waiter)
        asyncio.get_running_loop().call_soon(waiter.go, step)

    def _dismiss(self, waiter: _Waiter) -> None:
        del self._waiters[waiter.key]
        if waiter.alarm is not None:
            waiter.alarm.cancel()

    def _pump(self) -> None:
        """Let go whoever may go now, and look again when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        while self._serve_next(now):
            pass
        waiting = next(self._line.in_order(), None)
        if waiting is not None:
            pause = self._selection.seconds_to_room(now, waiting[1].reserve)
            if pause < math.inf:
                pause = max(pause, LEAST_PAUSE_SECONDS) if pause else CONNECTION_PAUSE_SECONDS
                self._timer = asyncio.get_running_loop().call_later(pause, self._pump)

    def _serve_next(self, now: float) -> bool:
        """Let the first in line go if there is budget for it; those who ask again need it of one upstream each, or a
        slot that nobody holds, and keep nobody from another."""
        for waiter, priority in self._line.in_order():
            step = waiter.begin(now, priority.reserve)
            if step is None:
                continue
            if step == SPENT and priority.rank != AGAIN_RANK:
                return False
            self._served += 1
            self._selection.count_missed(-1, is_member=waiter.is_member)
            if waiter.is_member:
                self._count(step)
            self._line.serve(waiter)
            self._notify(waiter, step)
            return True
        return False
