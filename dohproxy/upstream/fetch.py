"""One question on its way to the upstreams: it waits for budget, is sent, perhaps again, and ends.

    begin ── the queue ──┬── its turn comes later: the queue calls `_go_on`
                         └── _go, with the step that `attempts` has decided on:
                               Send         the transport carries it out; its end (`_ended`), or that it is overdue
                                            (`_overdue`), asks `attempts` for the next step
                               Pause.TURN   through the queue once more
                               Pause.WAIT   something under way may still be answered
                               the answer, or the failure: `_notify` tells who asked

`attempts` decides what comes next whenever a send has ended or is overdue; a fetch does it. There is no task: each step
is called by the end of the one before, and a bug in any of them ends this question and no other.

Whoever asked is told by the deadline. What is under way then is listened for a while longer: a late answer is of use to
whoever asks again, and tells how slow the upstream is.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from dohproxy.outcomes import Priority
from dohproxy.upstream.attempts import Attempts, Pause, Send, Step
from dohproxy.upstream.queue.waiting import BudgetQueue
from dohproxy.upstream.results import Bug, SendStatus, Unproven, UpstreamFailure
from dohproxy.upstream.sends import Done, SendOutcome, Stoppable
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

Carry = Callable[[Query, Send, Done, Callable[[], None]], Stoppable | SendStatus]
"""Carries out one send: the query, the send, what to call when it has ended, and what to call if it is overdue."""
Land = Callable[[Answer | UpstreamFailure | Bug], None]
"""Is told how the question has ended, once."""


class Fetch:
    """One question; nothing happens before `begin`.

    `learn` is called with the result, and then `land`; after a bug `land` alone, and after `stop` neither. While the
    fetch listens for a late answer, with which `learn` is called too, it stands in `late`.
    """

    __slots__ = (
        "_alarm",
        "_attempts",
        "_carry",
        "_clock",
        "_deadline",
        "_has_landed",
        "_is_in_line",
        "_land",
        "_late",
        "_learn",
        "_priority",
        "_query",
        "_queue",
        "_sendings",
    )

    def __init__(
        self,
        query: Query,
        attempts: Attempts,
        queue: BudgetQueue,
        carry: Carry,
        learn: Callable[[Query, Answer | UpstreamFailure], None],
        clock: Callable[[], float],
        land: Land,
        late: "dict[bytes, Fetch]",
    ) -> None:
        self._query = query
        self._attempts = attempts
        self._queue = queue
        self._carry = carry
        self._learn = learn
        self._clock = clock
        self._land = land
        self._late = late
        self._deadline = 0.0
        self._priority = Priority(0, (), 0.0)
        self._is_in_line = False
        self._alarm: asyncio.TimerHandle | None = None
        self._sendings: dict[int, Stoppable] = {}
        self._has_landed = False

    def begin(self, priority: Priority, deadline: float) -> None:
        """Go, or wait for the turn to go."""
        self._deadline = deadline
        self._priority = priority
        try:
            step = self._queue.enter(
                self._query.key, priority, self._attempts.first_step, self._go_on, deadline=deadline
            )
            self._is_in_line = step is None
            if step is not None:
                self._go(step)
        except Exception as error:
            self._fail(error)

    def stop(self) -> None:
        """End without a word, and give back what the sends under way hold."""
        self._has_landed = True
        self._leave_line()
        if self._alarm is not None:
            self._alarm.cancel()
        if self._late.get(self._query.key) is self:
            del self._late[self._query.key]
        while self._sendings:
            self._sendings.popitem()[1].stop()
        self._attempts.abandon(self._clock())

    def _go_on(self, step: Step) -> None:
        """Go on with a step for which the question had to wait; do nothing if the question has ended since."""
        self._is_in_line = False
        self._continue(step)

    def _continue(self, step: Step) -> None:
        if self._has_landed:
            return
        try:
            self._go(step)
        except Exception as error:
            self._fail(error)

    def _ended(self, send: Send, outcome: SendOutcome) -> None:
        """Take in how a send has ended, and do what comes next."""
        self._sendings.pop(send.number, None)
        try:
            if isinstance(outcome, Bug):
                self._fail(outcome.error)
            elif self._has_landed:
                self._take_late(send, outcome)
            else:
                self._go(self._take(send, outcome))
                # Only now: what this question still needs goes first.
                self._queue.wake()
        except Exception as error:
            self._fail(error)

    def _overdue(self, send: Send) -> None:
        """Take in that a send has not ended in the time of an attempt, and do what comes next."""
        self._attempts.overdue(send, self._clock(), partial(self._give_way, send))
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_at(self._deadline, self._expire)
        self._look()
        self._queue.wake()

    def _give_way(self, send: Send) -> None:
        """Give up an overdue send, because somebody else needs its slot in flight."""
        self._sendings.pop(send.number).stop()
        self._attempts.displaced(send, self._clock())
        # Not now: it is the other one's turn.
        asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Do what comes next, if anything does."""
        if not self._has_landed:
            self._continue(self._attempts.next_step(self._clock()))
        elif not self._sendings:
            self.stop()

    def _expire(self) -> None:
        self._continue(self._attempts.expire())

    def _go(self, step: Step) -> None:
        while True:
            if isinstance(step, Send):
                sending = self._carry(self._query, step, partial(self._ended, step), partial(self._overdue, step))
                if not isinstance(sending, SendStatus):
                    self._sendings[step.number] = sending
                    return
                step = self._take(step, sending)
                if step is not Pause.TURN and not isinstance(step, Send):
                    self._queue.wake()
            elif step is Pause.TURN:
                step = self._take_turn()
            elif step is Pause.WAIT:
                return
            else:
                self._notify(step)
                return

    def _take_turn(self) -> Step:
        """Return the send that asks once more, or wait in line for the turn to do so."""
        if self._is_in_line:
            return Pause.WAIT
        key, again = self._query.key, self._attempts.again
        if self._attempts.is_half_done:
            step = self._queue.enter_again(key, self._priority.path, again, self._go_on, deadline=self._deadline)
        else:
            step = self._queue.enter(key, self._priority, again, self._go_on, deadline=self._deadline)
        self._is_in_line = step is None
        return Pause.WAIT if step is None else step

    def _leave_line(self) -> None:
        """Leave the line, if this fetch stands there: by now another one with the same question may."""
        if self._is_in_line:
            self._is_in_line = False
            self._queue.leave(self._query.key)

    def _take(self, send: Send, outcome: Answer | Unproven | SendStatus) -> Step:
        """Learn how a send ended, and return what comes next."""
        now = self._clock()
        self._attempts.learn(send, outcome, now)
        return self._attempts.next_step(now)

    def _notify(self, found: Answer | UpstreamFailure) -> None:
        self._learn(self._query, found)
        if isinstance(found, Answer) or not self._sendings:
            self.stop()
        else:
            self._has_landed = True
            self._leave_line()
            self._late[self._query.key] = self
        self._land(found)

    def _take_late(self, send: Send, outcome: Answer | Unproven | SendStatus) -> None:
        """Learn how a send ended for which nobody waits any more."""
        self._attempts.learn(send, outcome, self._clock())
        found = self._attempts.answer
        if found is not None:
            self._learn(self._query, found)
        if found is not None or not self._sendings:
            self.stop()
        self._queue.wake()

    def _fail(self, error: Exception) -> None:
        had_landed = self._has_landed
        self.stop()
        self._queue.wake()
        if not had_landed:
            self._land(Bug(error))
        else:
            context = {"message": "listening for a late answer failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
