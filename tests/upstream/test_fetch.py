"""One question on its way, with nothing behind it: what is taken is given back however it ends."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from dohproxy.outcomes import Priority, Reason
from dohproxy.upstream.attempts import Attempts, Send
from dohproxy.upstream.budget.queries import Budget
from dohproxy.upstream.fetch import Fetch
from dohproxy.upstream.health.breaker import Breaker
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.queue.waiting import BudgetQueue
from dohproxy.upstream.results import Bug, SendStatus, UpstreamFailure
from dohproxy.upstream.selection import Selection
from dohproxy.upstream.sends import Done
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query
from tests.fakes.upstream import make_query
from tests.fakes.upstream_health import connections, longest_draw
from tests.fakes.walk import address_of

QUERY = make_query()
ANSWER = address_of(QUERY)
DEADLINE = 1_000_000_000.0
BUG = ValueError("a bug")


@dataclass(slots=True)
class Sent:
    """A send that ends when the test says so."""

    done: Done
    be_overdue: Callable[[], None]
    over_stream: bool
    stopped: int = 0

    def stop(self) -> None:
        self.stopped += 1


@dataclass(slots=True)
class Rig:
    """One upstream, what was sent to it, learnt and told."""

    at_once: list[SendStatus | Exception] = field(default_factory=list)
    """What becomes of the next sends before they are under way."""
    burst: int = 10
    in_flight_cap: int = 10
    most_sends: int = 3
    sent: list[Sent] = field(default_factory=list)
    learnt: list[Answer | UpstreamFailure] = field(default_factory=list)
    told: list[Answer | UpstreamFailure | Bug] = field(default_factory=list)
    late: dict[bytes, Fetch] = field(default_factory=dict)
    learn_fails: bool = False
    health: UpstreamHealth = field(init=False)
    selection: Selection = field(init=False)
    queue: BudgetQueue = field(init=False)

    def begin(self, query: Query = QUERY, rank: int = 1) -> Fetch:
        now: Callable[[], float] = asyncio.get_running_loop().time
        if not self.sent:
            budget = Budget(1e-6, self.burst, self.in_flight_cap, now=now())
            self.health = UpstreamHealth(budget, Breaker(longest_draw), connections(now=now()), over_stream=False)
            self.selection = Selection([self.health], "ordered", longest_draw)
            self.queue = BudgetQueue(self.selection, now, wait_seconds=10.0)
        attempts = Attempts(
            self.selection, zone=b"\x00", deadline=DEADLINE, attempt_seconds=1.0, most_sends=self.most_sends
        )
        fetch = Fetch(query, attempts, self.queue, self.carry, self.learn, now, self.told.append, self.late)
        fetch.begin(Priority(rank, (1,), 0.0), DEADLINE)
        return fetch

    def carry(self, _: Query, send: Send, done: Done, notify: Callable[[], None]) -> Sent | SendStatus:
        outcome = self.at_once.pop(0) if self.at_once else None
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is not None:
            return outcome
        self.sent.append(Sent(done, notify, send.over_stream))
        return self.sent[-1]

    def learn(self, _: Query, outcome: Answer | UpstreamFailure) -> None:
        if self.learn_fails:
            raise BUG
        self.learnt.append(outcome)

    @property
    def in_flight(self) -> int:
        return self.health.budget.in_flight


async def test_an_answer_is_learnt_and_then_told() -> None:
    rig = Rig()
    rig.begin()
    assert (rig.told, rig.in_flight) == ([], 1)
    rig.sent[0].done(ANSWER)
    assert (rig.learnt, rig.told, rig.in_flight) == ([ANSWER], [ANSWER], 0)


async def test_a_send_that_comes_to_nothing_at_once_is_followed_by_the_next() -> None:
    rig = Rig(at_once=[SendStatus.UNSENT])
    rig.begin()
    rig.sent[0].done(ANSWER)
    assert (rig.told, rig.in_flight, rig.health.sends[SendStatus.UNSENT]) == ([ANSWER], 0, 1)


async def test_a_question_that_cannot_be_sent_at_all_ends_where_it_began() -> None:
    rig = Rig(at_once=[SendStatus.UNREACHABLE] * 3)
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
    assert rig.health.sends[SendStatus.ABANDONED] == 1


async def test_one_that_is_stopped_in_line_or_when_its_turn_has_come_is_never_sent() -> None:
    rig = Rig(burst=1)
    rig.begin()
    waiting = Fetch(
        make_query("other.example."),
        Attempts(
            Selection([rig.health], "ordered", longest_draw),
            zone=b"\x00",
            deadline=DEADLINE,
            attempt_seconds=1.0,
            most_sends=3,
        ),
        rig.queue,
        rig.carry,
        rig.learn,
        asyncio.get_running_loop().time,
        rig.told.append,
        rig.late,
    )
    waiting.begin(Priority(1, (2,), 0.0), DEADLINE)
    assert rig.queue.statistics(0.0).waiting == 1
    waiting.stop()
    assert rig.queue.statistics(0.0).waiting == 0
    waiting._go_on(Send(0, over_stream=False, until=DEADLINE))
    assert (len(rig.sent), rig.told) == (1, [])


async def test_whichever_attempt_is_answered_first_answers_and_the_others_are_stopped() -> None:
    rig = Rig()
    rig.begin()
    rig.sent[0].be_overdue()
    assert len(rig.sent) == 2
    rig.sent[0].done(ANSWER)
    assert (rig.learnt, rig.told, rig.in_flight, rig.sent[1].stopped) == ([ANSWER], [ANSWER], 0, 1)


async def test_what_comes_after_the_deadline_is_learnt_and_nobody_is_told() -> None:
    rig = Rig(most_sends=1)
    fetch = rig.begin()
    rig.sent[0].be_overdue()
    assert rig.told == []
    fetch._expire()
    late = UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
    assert (rig.learnt, rig.told, rig.in_flight, rig.late) == ([late], [late], 1, {QUERY.key: fetch})
    rig.sent[0].done(ANSWER)
    assert (rig.learnt, rig.told, rig.in_flight, rig.late) == ([late, ANSWER], [late], 0, {})


async def test_what_never_comes_is_listened_for_to_an_end() -> None:
    rig = Rig(most_sends=1)
    fetch = rig.begin()
    rig.sent[0].be_overdue()
    fetch._expire()
    rig.sent[0].done(SendStatus.TIMEOUT)
    assert (len(rig.learnt), len(rig.told), rig.in_flight, rig.late) == (1, 1, 0, {})


async def test_one_that_is_late_is_stopped_as_any_other() -> None:
    rig = Rig(most_sends=1)
    fetch = rig.begin()
    rig.sent[0].be_overdue()
    fetch._expire()
    fetch.stop()
    assert (rig.sent[0].stopped, rig.in_flight, rig.late, len(rig.told)) == (1, 0, {}, 1)


async def test_a_bug_when_nobody_waits_any_more_is_reported_and_holds_nothing() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    rig = Rig(most_sends=1)
    fetch = rig.begin()
    rig.sent[0].be_overdue()
    fetch._expire()
    rig.sent[0].done(Bug(BUG))
    assert (reported, rig.in_flight, rig.late, len(rig.told)) == ([BUG], 0, {}, 1)


async def test_who_has_to_give_way_goes_on_when_it_is_its_turn_again() -> None:
    rig = Rig(in_flight_cap=1)
    rig.begin()
    rig.sent[0].be_overdue()
    other = rig.begin(make_query("other.example."))
    assert (len(rig.sent), rig.sent[0].stopped, rig.in_flight) == (2, 1, 1)
    await asyncio.sleep(0)
    assert rig.queue.statistics(0.0).waiting == 1
    rig.sent[1].done(ANSWER)
    await asyncio.sleep(0)
    assert (len(rig.sent), rig.in_flight, rig.told) == (3, 1, [ANSWER])
    other.stop()


async def test_who_had_to_give_way_goes_before_nobody_who_has_more_right_to_go() -> None:
    rig = Rig(in_flight_cap=1)
    rig.begin()
    rig.sent[0].be_overdue()
    rig.begin(make_query("other.example."))  # Takes its place.
    await asyncio.sleep(0)
    member = rig.begin(make_query("member.example."), rank=0)
    rig.sent[1].done(ANSWER)
    await asyncio.sleep(0)
    assert len(rig.sent) == 3
    member.stop()
    assert rig.sent[2].stopped


async def test_who_asks_again_keeps_its_turn_when_what_was_late_has_just_given_way() -> None:
    rig = Rig(in_flight_cap=1, most_sends=1)
    late = rig.begin()
    rig.sent[0].be_overdue()
    late._expire()
    rig.begin(make_query("other.example."))  # Takes the place of what is late.
    rig.late[QUERY.key].stop()
    rig.begin()
    await asyncio.sleep(0)
    assert rig.queue.statistics(0.0).waiting == 1
    rig.sent[1].done(ANSWER)
    await asyncio.sleep(0)
    assert len(rig.sent) == 3


async def test_what_a_question_still_needs_waits_its_turn_and_goes_before_a_new_one() -> None:
    rig = Rig(in_flight_cap=2)
    rig.begin()
    rig.begin(make_query("other.example."))
    rig.begin(make_query("new.example."))
    rig.sent[0].done(SendStatus.TRUNCATED)
    assert [sent.over_stream for sent in rig.sent] == [False, False, True]
    rig.sent[1].done(SendStatus.TRUNCATED)
    assert [sent.over_stream for sent in rig.sent] == [False, False, True, True]
    assert rig.queue.statistics(0.0).waiting == 1
    rig.sent[2].done(ANSWER)
    await asyncio.sleep(0)
    assert [sent.over_stream for sent in rig.sent][4:] == [False]
