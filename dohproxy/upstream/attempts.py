"""All tries of one question: which upstream, over what, how long, and when it is time to say no.

The loop around it only sends and reports; every decision is made here, between two sends, without waiting.
"""

from typing import Final

from dohproxy.upstream.results import Result, Unproven, UpstreamFailure
from dohproxy.upstream.selection import Selection
from dohproxy.upstream.signals import Ending
from dohproxy.value import value
from dohproxy.verdict import Reason
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import Rcode

LEAST_WAIT_SECONDS: Final = 0.05
"""A further send that could be waited for less than this would cost the upstream and help nobody; loopback and a
neighbouring network answer within it."""
LARGEST_HEADER_RCODE: Final = 15
"""Above it stand only complaints about the OPT or TSIG that we sent (BADVERS, BADCOOKIE): nothing for a client."""


def judge(outcome: Answer | Unproven | Result, *, over_stream: bool) -> Result:
    """Return how a send ended that brought this."""
    if isinstance(outcome, Result):
        return outcome
    if isinstance(outcome, Unproven):
        return Result.UNPROVEN
    if outcome.truncated:
        return Result.UNUSABLE if over_stream else Result.TRUNCATED
    if outcome.rcode == Rcode.BADCOOKIE and not over_stream:
        return Result.BAD_COOKIE
    if outcome.rcode > LARGEST_HEADER_RCODE:
        return Result.UNUSABLE
    return Result.FAILED if outcome.kind in (Kind.FAILURE, Kind.REFERRAL) else Result.ANSWERED


def answer_in(outcome: Answer | Unproven | Result) -> Answer | None:
    """Return what the upstream, or who passes for it, has said."""
    if isinstance(outcome, Unproven):
        return outcome.answer
    return outcome if isinstance(outcome, Answer) else None


@value
class Send:
    """One query to send; its cost is already taken."""

    upstream: int
    """Place in the order of the configuration."""
    over_stream: bool
    """Over TCP or TLS: always, or because what came over UDP was cut or could not be believed."""
    until: float
    """When to stop waiting for its reply."""


class Attempts:
    """The tries of one question, at most `most_sends` in all, none after `deadline`.

    Alternate `next_step` and `learn` until `next_step` returns something else than a Send. If the loop ends early,
    `abandon` gives back what the send under way has taken.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        zone: bytes,
        deadline: float,
        attempt_seconds: float,
        most_sends: int,
        reserve: float = 0.0,
    ) -> None:
        """`zone`: the last two labels of the name asked for."""
        self.reserve = reserve
        """Part of each burst to be left to others."""
        self._selection = selection
        self._zone = zone
        self._deadline = deadline
        self._attempt_seconds = attempt_seconds
        self._sends_left = most_sends
        self._is_first = True
        self._tried: set[int] = set()
        self._excluded: set[int] = set()
        self._send: Send | None = None
        self._sent_at = 0.0
        self._repeat: tuple[int, bool] | None = None
        self._was_lost = False
        self._was_cut = False
        self._had_bad_cookie = False
        self._answer: Answer | None = None
        self._failed_answer: Answer | None = None
        self._last_result: Result | None = None

    def first_step(self, now: float, reserve: float) -> Send | Answer | UpstreamFailure:
        """Return the first step for one who has to leave the part `reserve` of each burst to others."""
        self.reserve = reserve
        return self.next_step(now)

    def next_step(self, now: float) -> Send | Answer | UpstreamFailure:
        """Return the next send, with its budget taken, or how the question ended."""
        if self._answer is not None:
            return self._answer
        if not self._may_send(now):
            return self._failure(now)
        place, over_stream = self._choose(now)
        if place is None or not self._selection.standings[place].begin(now, self.reserve, over_stream=over_stream):
            return self._failure(now)
        over_stream = over_stream or self._selection.standings[place].over_stream
        self._sends_left -= 1
        self._is_first = False
        self._sent_at = now
        self._tried.add(place)
        # Nothing can come after the last send, so it may use all the time there is.
        until = min(now + self._attempt_seconds, self._deadline) if self._sends_left else self._deadline
        self._send = Send(place, over_stream, until)
        return self._send

    def learn(self, outcome: Answer | Unproven | Result, now: float) -> None:
        """Take in how the send that `next_step` returned last ended."""
        if self._send is None:
            raise RuntimeError("an outcome was reported where nothing had been sent")
        send, self._send = self._send, None
        result = self._judge(outcome, send)
        self._last_result = result
        answer = answer_in(outcome)
        self._selection.standings[send.upstream].end(
            Ending(result, self._zone, send.over_stream, self._sent_at, now, answer, after_cut=self._was_cut)
        )
        self._was_cut = result is Result.TRUNCATED
        if isinstance(outcome, Answer):
            if result is Result.ANSWERED:
                self._answer = outcome
            elif result is Result.FAILED:
                self._failed_answer = outcome
        self._plan(send, result, now)

    def abandon(self, now: float) -> None:
        """Give back what the send under way holds, if there is one; it says nothing about its upstream."""
        if self._send is not None:
            self.learn(Result.ABANDONED, now)

    def _may_send(self, now: float) -> bool:
        least = 0.0 if self._is_first else LEAST_WAIT_SECONDS
        return self._sends_left > 0 and now + least < self._deadline

    def _choose(self, now: float) -> tuple[int | None, bool]:
        repeat, self._repeat = self._repeat, None
        if repeat is not None:
            if self._selection.standings[repeat[0]].is_usable(now, self.reserve, over_stream=repeat[1]):
                return repeat
            self._excluded.add(repeat[0])
            # Whoever is asked instead has not cut anything.
            self._was_cut = False
        place = self._selection.next_upstream(now, self.reserve, tried=self._tried, excluded=self._excluded)
        return place, False

    def _judge(self, outcome: Answer | Unproven | Result, send: Send) -> Result:
        if outcome is Result.LOST and self._was_lost:
            # Once is the weather. Twice under one question, and somebody closes on us.
            return Result.UNREACHABLE
        return judge(outcome, over_stream=send.over_stream)

    def _plan(self, send: Send, result: Result, now: float) -> None:
        match result:
            case Result.UNSENT if send.over_stream and now >= send.until:
                # There was no connection for it in all the time: nothing has gone out, and there may be one now.
                self._repeat = (send.upstream, True)
                self._sends_left += 1
            case Result.TRUNCATED | Result.UNPROVEN:
                self._repeat = (send.upstream, True)
            case Result.BAD_COOKIE:
                self._repeat = (send.upstream, self._had_bad_cookie)
                self._had_bad_cookie = True
            case Result.LOST:
                self._was_lost = True
                self._repeat = (send.upstream, send.over_stream)
            case Result.FAILED | Result.UNUSABLE | Result.UNREACHABLE | Result.UNTRUSTED | Result.NO_ROUTE:
                # It would say the same again.
                self._excluded.add(send.upstream)
            case Result.ANSWERED | Result.TIMEOUT | Result.UNSENT | Result.ABANDONED:
                pass

    def _failure(self, now: float) -> UpstreamFailure:
        if self._failed_answer is not None:
            return UpstreamFailure(Reason.UPSTREAM_REFUSED, self._failed_answer)
        match self._last_result:
            case None if now >= self._deadline:
                return UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
            case None if self._selection.is_any_reachable():
                return UpstreamFailure(Reason.BUDGET_SPENT)
            case Result.TRUNCATED | Result.BAD_COOKIE:
                # It has the answer, but there is no second send left to fetch it with.
                return UpstreamFailure(Reason.BUDGET_SPENT)
            case Result.TIMEOUT | Result.UNPROVEN:
                return UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
            case _:
                return UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)
