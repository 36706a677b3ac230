"""All tries of one question: which upstream, over what, how long, and when it is time to say no.

The loop around it only sends and reports; every decision is made here, between two sends, without waiting.

An attempt's time is how long nothing else is tried, not how long its answer is good for: a send that is overdue is
listened for on, and whichever answers first is believed. It holds its slot in flight, until somebody else needs that.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from dohproxy.outcomes import Reason
from dohproxy.upstream.health.signals import SendResult
from dohproxy.upstream.results import SendStatus, Unproven, UpstreamFailure
from dohproxy.upstream.selection import Selection
from dohproxy.value import value
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.numbers import Rcode

LEAST_WAIT_SECONDS: Final = 0.05
"""A further send that could be waited for less than this would cost the upstream and help nobody; loopback and a
neighbouring network answer within it."""
LARGEST_HEADER_RCODE: Final = 15
"""Rcodes above it are complaints about the OPT or TSIG that we sent (BADVERS, BADCOOKIE): nothing for a client."""


def judge(outcome: Answer | Unproven | SendStatus, *, over_stream: bool) -> SendStatus:
    """Return how a send ended that brought this."""
    if isinstance(outcome, SendStatus):
        return outcome
    if isinstance(outcome, Unproven):
        return SendStatus.UNPROVEN
    if outcome.truncated:
        return SendStatus.UNUSABLE if over_stream else SendStatus.TRUNCATED
    if outcome.rcode == Rcode.BADCOOKIE and not over_stream:
        return SendStatus.BAD_COOKIE
    if outcome.rcode > LARGEST_HEADER_RCODE:
        return SendStatus.UNUSABLE
    return SendStatus.FAILED if outcome.kind in (Kind.FAILURE, Kind.REFERRAL) else SendStatus.ANSWERED


def answer_in(outcome: Answer | Unproven | SendStatus) -> Answer | None:
    """Return what the upstream, or who passes for it, has said."""
    if isinstance(outcome, Unproven):
        return outcome.answer
    return outcome if isinstance(outcome, Answer) else None


@value
class Send:
    """One query to send; its cost is already taken."""

    upstream: int
    """The number of the upstream in the order of the configuration, from 0."""
    over_stream: bool
    """Whether it goes over TCP or TLS: always, or because what came over UDP was cut or could not be believed."""
    until: float
    """When it is overdue, and something else may be tried."""
    late_until: float = 0.0
    """When to stop listening for its reply."""
    sent_at: float = 0.0
    number: int = 0
    """Tells it from the other sends of its question."""
    after_cut: bool = False
    """The question had been answered over UDP before, with TC set."""
    is_bare: bool = False
    """Only with those of our additions that the upstream is known to stand: it may not have stood another one."""


class Pause(Enum):
    """Why nothing is to be sent right now."""

    WAIT = auto()
    """Something is under way that may still be answered, and nothing else is to be tried yet, or at all."""
    TURN = auto()
    """What has been asked has to be asked once more, of the same upstream, as soon as it is this question's turn:
    `again` returns that send."""


Step = Send | Pause | Answer | UpstreamFailure


@value
class _Try:
    """Whom to ask, and how."""

    upstream: int
    over_stream: bool
    after_cut: bool = False
    may_displace: bool = True
    """Whether it may take the slot in flight of what is overdue."""


class Attempts:
    """The tries of one question, at most `most_sends` in all, none after `deadline`; what was sent is listened for
    until `late_until`.

    Ask for the `next_step` at the beginning and whenever a send has ended (`learn`) or is `overdue`, until it is an
    Answer or a failure. What is under way then may be listened for on. `abandon` gives back what it has taken.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        zone: bytes,
        deadline: float,
        attempt_seconds: float,
        most_sends: int,
        late_until: float = 0.0,
    ) -> None:
        """`zone`: the last two labels of the name asked for."""
        self._selection = selection
        self._zone = zone
        self._deadline = deadline
        self._late_until = max(deadline, late_until)
        self._attempt_seconds = attempt_seconds
        self._sends_left = most_sends
        self._is_first = True
        self._reserve = 0.0
        """Part of each burst to be left to others."""
        self._tried: set[int] = set()
        self._excluded: set[int] = set()
        self._under_way: dict[int, Send] = {}
        self._overdue: dict[int, Callable[[], None]] = {}
        self._repeat: _Try | None = None
        self._suspects: set[tuple[int, bool]] = set()
        """Ways on which this question may have failed because of what we add to it."""
        self._was_lost = False
        self._had_bad_cookie = False
        self.answer: Answer | None = None
        """What was found."""
        self._failed_answer: Answer | None = None
        self._doubted_answer: Answer | None = None
        """A denial that is the answer unless the same question without our additions brings another one."""
        self._last_result: SendStatus | None = None

    def first_step(self, now: float, reserve: float) -> Step:
        """Return the first step for one who has to leave the part `reserve` of each burst to others."""
        self._reserve = reserve
        return self.next_step(now)

    def next_step(self, now: float) -> Step:
        """Return the next send, with its budget taken, or why there is none, or how the question ended."""
        if self.answer is not None:
            return self.answer
        if self._repeat is not None:
            return Pause.TURN if self._may_send(now) else self._wait_or_end(now)
        if len(self._under_way) > len(self._overdue):
            return Pause.WAIT
        index = self._choose(now) if self._may_send(now) else None
        if index is None or not self._selection.healths[index].begin(now, self._reserve):
            return self._wait_or_end(now)
        return self._make_send(_Try(index, over_stream=False), now)

    @property
    def is_half_done(self) -> bool:
        """Whether the send after a TURN finishes what has been answered in half, so that it goes before all that has
        not been asked yet; else its question has merely lost its slot to another, as nothing had come."""
        return self._repeat is not None and self._repeat.may_displace

    def again(self, now: float, reserve: float) -> Step | None:
        """Return what follows a TURN for one who has to leave the part `reserve` of each burst to others; None: there
        is no room for it yet."""
        repeat = self._repeat
        if repeat is None or not self._may_send(now):
            return self.next_step(now)
        health = self._selection.healths[repeat.upstream]
        if not health.may_be_asked(now, over_stream=repeat.over_stream):
            self._excluded.add(repeat.upstream)
            self._repeat = None
            return self.next_step(now)
        if not repeat.may_displace and health.budget.is_full(reserve):
            return None
        if not health.begin(now, reserve, over_stream=repeat.over_stream):
            return None
        self._repeat = None
        return self._make_send(repeat, now)

    def overdue(self, send: Send, now: float, give_way: Callable[[], None]) -> None:
        """The time of this attempt is over. Its slot in flight is others' if they need it: then `give_way` is called,
        which must stop it and `learn` that."""
        self._overdue[send.number] = give_way
        self._last_result = SendStatus.TIMEOUT
        ending = SendResult(SendStatus.TIMEOUT, self._zone, send.over_stream, send.sent_at, now)
        self._selection.healths[send.upstream].overdue(ending, give_way)
        if not send.is_bare:
            self._may_be_ours(SendStatus.TIMEOUT, send, now)

    def learn(self, send: Send, outcome: Answer | Unproven | SendStatus, now: float) -> None:
        """Take in how a send that `next_step` has returned ended."""
        if self._under_way.pop(send.number, None) is None:
            raise RuntimeError("an outcome was reported where nothing had been sent")
        result = self._judge(outcome, send)
        self._last_result = result
        self._report(send, result, outcome, now)
        is_ours = not send.is_bare and self._may_be_ours(outcome, send, now)
        if isinstance(outcome, Answer):
            if result is SendStatus.FAILED:
                self._failed_answer = outcome
            elif result is SendStatus.ANSWERED and is_ours:
                self._doubted_answer = outcome
            elif result is SendStatus.ANSWERED:
                self.answer = outcome
        if not is_ours:
            self._plan(send, result, now)
        elif send.over_stream and not self._selection.healths[send.upstream].over_stream:
            self._repeat = _Try(send.upstream, over_stream=True, after_cut=send.after_cut)

    def _report(self, send: Send, result: SendStatus, outcome: Answer | Unproven | SendStatus, now: float) -> None:
        """Tell the upstream's health, which has been told already of a send that was overdue."""
        health = self._selection.healths[send.upstream]
        give_way = self._overdue.pop(send.number, None)
        was_overdue = give_way is not None
        if give_way is not None:
            health.budget.keep_no_longer(give_way)
        answer = answer_in(outcome)
        health.end(
            SendResult(result, self._zone, send.over_stream, send.sent_at, now, answer, send.after_cut, was_overdue)
        )

    def displaced(self, send: Send, now: float) -> None:
        """Take in that an overdue send has given way: if it was all there was, its question may have another turn."""
        self.learn(send, SendStatus.TIMEOUT, now)
        if not self._under_way and self._repeat is None:
            # Not at the cost of another that may be as near to its answer.
            self._repeat = _Try(send.upstream, send.over_stream, send.after_cut, may_displace=False)

    def expire(self) -> Answer | UpstreamFailure:
        """Return what is to be said at the deadline."""
        return self._end(self._deadline)

    def abandon(self, now: float) -> None:
        """Give back what the sends under way hold, if there are any; they say nothing about their upstreams."""
        for send in tuple(self._under_way.values()):
            self.learn(send, SendStatus.ABANDONED, now)

    def _make_send(self, what: _Try, now: float) -> Send:
        health = self._selection.healths[what.upstream]
        over_stream = what.over_stream or health.over_stream
        self._sends_left -= 1
        self._is_first = False
        self._tried.add(what.upstream)
        attempt_seconds = max(self._attempt_seconds, health.round_trip.patience)
        # Nothing can come after the last send, so it may use all the time there is.
        until = min(now + attempt_seconds, self._deadline) if self._sends_left else self._deadline
        number = self._sends_left
        is_bare = (what.upstream, over_stream) in self._suspects
        send = Send(what.upstream, over_stream, until, self._late_until, now, number, what.after_cut, is_bare)
        self._under_way[send.number] = send
        return send

    def _wait_or_end(self, now: float) -> Pause | Answer | UpstreamFailure:
        """Wait for what is overdue as long as anything is of use."""
        if self._under_way and now + LEAST_WAIT_SECONDS < self._deadline:
            return Pause.WAIT
        return self._end(now)

    def _may_send(self, now: float) -> bool:
        least = 0.0 if self._is_first else LEAST_WAIT_SECONDS
        return self._sends_left > 0 and now + least < self._deadline

    def _choose(self, now: float) -> int | None:
        # What is under way over a stream needs no second one: nothing is lost there but the connection, which is told.
        # Unless it may be what we have added that is in the way.
        asked = {send.upstream for send in self._under_way.values() if send.over_stream and not self._may_be_bare(send)}
        index = self._selection.next_upstream(now, self._reserve, tried=self._tried, excluded=self._excluded | asked)
        if index in self._tried and self._under_way and self._selection.healths[index].budget.is_full(self._reserve):
            # Whose slot it would take has been asked for longer, and is nearer to an answer.
            return None
        return index

    def _may_be_bare(self, send: Send) -> bool:
        return not send.is_bare and (send.upstream, True) in self._suspects

    def _judge(self, outcome: Answer | Unproven | SendStatus, send: Send) -> SendStatus:
        if outcome is SendStatus.LOST and self._was_lost:
            # Once is the weather. Twice under one question, and somebody closes on us.
            return SendStatus.UNREACHABLE
        return judge(outcome, over_stream=send.over_stream)

    def _may_be_ours(self, outcome: Answer | Unproven | SendStatus, send: Send, now: float) -> bool:
        """Tell whether the same question is worth another try without what the upstream may not stand; where there is
        another upstream, that one comes first."""
        is_ours = self._selection.healths[send.upstream].may_be_ours(outcome, send.over_stream, now)
        if is_ours:
            self._suspects.add((send.upstream, send.over_stream))
        return is_ours

    def _plan(self, send: Send, result: SendStatus, now: float) -> None:
        match result:
            case SendStatus.UNSENT if send.over_stream and now >= send.until:
                # There was no connection for it in all the time: nothing has gone out, and there may be one now.
                self._repeat = _Try(send.upstream, over_stream=True, after_cut=send.after_cut)
                self._sends_left += 1
            case SendStatus.TRUNCATED | SendStatus.UNPROVEN:
                self._repeat = _Try(send.upstream, True, result is SendStatus.TRUNCATED)
            case SendStatus.BAD_COOKIE:
                self._repeat = _Try(send.upstream, self._had_bad_cookie)
                self._had_bad_cookie = True
            case SendStatus.LOST:
                self._was_lost = True
                self._repeat = _Try(send.upstream, send.over_stream)
            case (
                SendStatus.FAILED
                | SendStatus.UNUSABLE
                | SendStatus.UNREACHABLE
                | SendStatus.UNTRUSTED
                | SendStatus.NO_ROUTE
            ):
                # It would say the same again.
                self._excluded.add(send.upstream)
            case SendStatus.ANSWERED | SendStatus.TIMEOUT | SendStatus.UNSENT | SendStatus.ABANDONED:
                pass

    def _end(self, now: float) -> Answer | UpstreamFailure:
        return self._failure(now) if self._doubted_answer is None else self._doubted_answer

    def _failure(self, now: float) -> UpstreamFailure:
        if self._failed_answer is not None:
            return UpstreamFailure(Reason.UPSTREAM_REFUSED, self._failed_answer)
        match self._last_result:
            case None if now >= self._deadline:
                return UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
            case None if self._selection.is_any_reachable():
                return UpstreamFailure(Reason.BUDGET_SPENT)
            case SendStatus.TRUNCATED | SendStatus.BAD_COOKIE:
                # It has the answer, but there is no second send left to fetch it with, or no turn came for it.
                return UpstreamFailure(Reason.BUDGET_SPENT)
            case SendStatus.UNSENT:
                # For want of a connection that might be opened, or of this machine's own means.
                return UpstreamFailure(Reason.BUDGET_SPENT)
            case SendStatus.TIMEOUT | SendStatus.UNPROVEN:
                return UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
            case _:
                return UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)
