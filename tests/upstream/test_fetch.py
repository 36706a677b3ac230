"""One question on its way, with nothing behind it: what is taken is given back however it ends."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from dohproxy.upstream.attempts import Attempts, Send
from dohproxy.upstream.breaker import Breaker
from dohproxy.upstream.budget import Budget
from dohproxy.upstream.fetch import Fetch
from dohproxy.upstream.results import Bug, Result, UpstreamFailure
from dohproxy.upstream.selection import Selection
from dohproxy.upstream.sends import Done
from dohproxy.upstream.standing import Standing
from dohproxy.upstream.turnstile import Turnstile
from dohproxy.verdict import Priority, Reason
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from tests.fakes.standing import connections, longest_draw
from tests.fakes.upstream import make_query
from tests.fakes.walk import address_of

QUERY = make_query()
ANSWER = address_of(QUERY)
DEADLINE = 1_000_000_000.0
BUG = ValueError("a bug")


@dataclass(slots=True)
class Sent:
    """A send that ends when the test says so."""

    done: Done
    stopped: int = 0

    def stop(self) -> None:
        self.stopped += 1


@dataclass(slots=True)
class Rig:
    """One upstream, what was sent to it, learnt and told."""

    at_once: list[Result | Exception] = field(default_factory=list)
    """What becomes of the next sends before they are under way."""
    burst: int = 10
    sent: list[Sent] = field(default_factory=list)
    learnt: list[Answer | UpstreamFailure] = field(default_factory=list)
    told: list[Answer | UpstreamFailure | Bug] = field(default_factory=list)
    learn_fails: bool = False
    standing: Standing = field(init=False)
    turnstile: Turnstile = field(init=False)

    def begin(self) -> Fetch:
        now: Callable[[], float] = asyncio.get_running_loop().time
        budget = Budget(1e-6, self.burst, 10, now=now())
        self.standing = Standing(budget, Breaker(longest_draw), connections(now=now()), over_stream=False)
        selection = Selection([self.standing], "ordered", longest_draw)
        self.turnstile = Turnstile(selection, now, wait_seconds=10.0)
        attempts = Attempts(selection, zone=b"\x00", deadline=DEADLINE, attempt_seconds=1.0, most_sends=3)
        fetch = Fetch(QUERY, attempts, self.turnstile, self.carry, self.learn, now, self.told.append)
        fetch.begin(Priority(1, 1, 0.0), DEADLINE)
        return fetch

    def carry(self, _: Query, __: Send, done: Done) -> Sent | Result:
        outcome = self.at_once.pop(0) if self.at_once else None
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is not None:
            return outcome
        self.sent.append(Sent(done))
        return self.sent[-1]

    def learn(self, _: Query, outcome: Answer | UpstreamFailure) -> None:
        if self.learn_fails:
            raise BUG
        self.learnt.append(outcome)

    @property
    def in_flight(self) -> int:
        return self.standing.budget.in_flight


async def test_an_answer_is_learnt_and_then_told() -> None:
    rig = Rig()
    rig.begin()
    assert (rig.told, rig.in_flight) == ([], 1)
    rig.sent[0].done(ANSWER)
    assert (rig.learnt, rig.told, rig.in_flight) == ([ANSWER], [ANSWER], 0)


async def test_a_send_that_comes_to_nothing_at_once_is_followed_by_the_next() -> None:
    rig = Rig(at_once=[Result.UNSENT])
    rig.begin()
    rig.sent[0].done(ANSWER)
    assert (rig.told, rig.in_flight, rig.standing.sends[Result.UNSENT]) == ([ANSWER], 0, 1)


async def test_a_question_that_cannot_be_sent_at_all_ends_where_it_began() -> None:
    rig = Rig(at_once=[Result.UNREACHABLE] * 3)
    rig.begin()
    assert rig.told == rig.learnt == [UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)]


async def test_a_bug_before_or_after_a_send_is_told_and_holds_nothing() -> None:
    for rig in (Rig(at_once=[BUG]), Rig(), Rig(learn_fails=True)):
        rig.begin()
        if rig.sent:
            rig.sent[0].done(ANSWER if rig.learn_fails else Bug(BUG))
        bugs = [told.error for told in rig.told if isinstance(told, Bug)]
        assert (bugs, rig.learnt, rig.in_flight) == ([BUG], [], 0)


async def test_one_that_is_stopped_gives_back_what_it_holds_and_says_nothing() -> None:
    rig = Rig()
    fetch = rig.begin()
    fetch.stop()
    assert (rig.sent[0].stopped, rig.in_flight, rig.told) == (1, 0, [])
    assert rig.standing.sends[Result.ABANDONED] == 1


async def test_one_that_is_stopped_in_line_or_when_its_turn_has_come_is_never_sent() -> None:
    rig = Rig(burst=1)
    rig.begin()
    waiting = Fetch(
        make_query("other.example."),
        Attempts(
            Selection([rig.standing], "ordered", longest_draw),
            zone=b"\x00",
            deadline=DEADLINE,
            attempt_seconds=1.0,
            most_sends=3,
        ),
        rig.turnstile,
        rig.carry,
        rig.learn,
        asyncio.get_running_loop().time,
        rig.told.append,
    )
    waiting.begin(Priority(1, 2, 0.0), DEADLINE)
    assert rig.turnstile.statistics(0.0).waiting == 1
    waiting.stop()
    assert rig.turnstile.statistics(0.0).waiting == 0
    waiting._go_on(Send(0, over_stream=False, until=DEADLINE))
    assert (len(rig.sent), rig.told) == (1, [])
