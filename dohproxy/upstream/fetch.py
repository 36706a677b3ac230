"""One question on its way: its turn, its sends one after the other, and its end.

What to do next is decided in `attempts`, between two sends; here it is done. There is no task: each step is called by
the end of the one before, and a bug in any of them ends this question and no other.
"""

from collections.abc import Callable

from dohproxy.upstream.attempts import Attempts, Send
from dohproxy.upstream.results import Bug, Result, Unproven, UpstreamFailure
from dohproxy.upstream.sends import Done, Outcome, Stoppable
from dohproxy.upstream.turnstile import Step, Turnstile
from dohproxy.verdict import Priority
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

Carry = Callable[[Query, Send, Done], Stoppable | Result]
"""Carries out one send."""
Land = Callable[[Answer | UpstreamFailure | Bug], None]


class Fetch:
    """Begins when it is made. `learn` is called with its result, and then `land`; after a bug `land` alone, and after
    `stop` neither."""

    __slots__ = (
        "_attempts",
        "_carry",
        "_clock",
        "_is_over",
        "_land",
        "_learn",
        "_query",
        "_sending",
        "_turnstile",
    )

    def __init__(
        self,
        query: Query,
        attempts: Attempts,
        turnstile: Turnstile,
        carry: Carry,
        learn: Callable[[Query, Answer | UpstreamFailure], None],
        clock: Callable[[], float],
        land: Land,
    ) -> None:
        self._query = query
        self._attempts = attempts
        self._turnstile = turnstile
        self._carry = carry
        self._learn = learn
        self._clock = clock
        self._land = land
        self._sending: Stoppable | None = None
        self._is_over = False

    def begin(self, priority: Priority, deadline: float) -> None:
        """Go, or wait for the turn to go."""
        try:
            step = self._turnstile.enter(
                self._query.key, priority, self._attempts.first_step, self._go_on, deadline=deadline
            )
            if step is not None:
                self._go(step)
        except Exception as error:
            self._fail(error)

    def stop(self) -> None:
        """End without a word, and give back what the send under way holds."""
        self._is_over = True
        self._turnstile.leave(self._query.key)
        if self._sending is not None:
            self._sending.stop()
        self._attempts.abandon(self._clock())

    def _go_on(self, step: Step) -> None:
        """It is this question's turn; or it was, and it has been stopped since."""
        if self._is_over:
            return
        try:
            self._go(step)
        except Exception as error:
            self._fail(error)

    def _ended(self, outcome: Outcome) -> None:
        """A send has ended."""
        self._sending = None
        try:
            if isinstance(outcome, Bug):
                self._fail(outcome.error)
            else:
                self._go(self._take(outcome))
        except Exception as error:
            self._fail(error)

    def _go(self, step: Step) -> None:
        while isinstance(step, Send):
            sending = self._carry(self._query, step, self._ended)
            if not isinstance(sending, Result):
                self._sending = sending
                return
            step = self._take(sending)
        self._learn(self._query, step)
        self._is_over = True
        self._land(step)

    def _take(self, outcome: Answer | Unproven | Result) -> Step:
        """Learn how a send ended, and return what comes next."""
        now = self._clock()
        self._attempts.learn(outcome, now)
        step = self._attempts.next_step(now)
        self._turnstile.wake()
        return step

    def _fail(self, error: Exception) -> None:
        self.stop()
        self._turnstile.wake()
        self._land(Bug(error))
