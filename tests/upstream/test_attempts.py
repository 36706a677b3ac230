"""The tries of one question, as a dialogue without a network."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dohproxy.outcomes import Reason
from dohproxy.upstream.attempts import Attempts, Pause, Send
from dohproxy.upstream.results import SendStatus, UpstreamFailure
from dohproxy.upstream.selection import Selection
from dohproxy.wire.answer import Answer, Kind
from tests.fakes.upstream_health import ZONE, health

GOOD = Answer(
    kind=Kind.POSITIVE,
    rcode=0,
    authentic=False,
    truncated=False,
    counts=(1, 0, 0),
    records=b"",
    ttl_offsets=(),
    ttl=300,
    errors=(),
)
NXDOMAIN = replace(GOOD, kind=Kind.NXDOMAIN, rcode=3)
SERVFAIL = replace(GOOD, kind=Kind.FAILURE, rcode=2)
REFUSED = replace(GOOD, kind=Kind.FAILURE, rcode=5)
BAD_VERSION = replace(GOOD, kind=Kind.FAILURE, rcode=16)
REFERRAL = replace(GOOD, kind=Kind.REFERRAL)
BAD_COOKIE = replace(GOOD, kind=Kind.FAILURE, rcode=23)
CUT = replace(GOOD, truncated=True)

Step = tuple[int, str]
DATAGRAM, STREAM = "datagram", "stream"


def _selection(count: int, *, burst: int = 100, over_stream: bool = False) -> Selection:
    healths = [health(queries_per_second=0.1, burst=burst, over_stream=over_stream) for _ in range(count)]
    return Selection(healths, "ordered", lambda: 0.0)


def _attempts(selection: Selection, *, deadline: float = 5.0, most_sends: int = 3) -> Attempts:
    return Attempts(selection, zone=ZONE, deadline=deadline, attempt_seconds=1.5, most_sends=most_sends)


def _next(attempts: Attempts, now: float) -> Send | Pause | Answer | UpstreamFailure:
    """Return the next step; a turn comes at once or not at all."""
    step = attempts.next_step(now)
    again = attempts.again(now, 0.0) if step is Pause.TURN else step
    return attempts.expire() if again is None else again


def _play(
    attempts: Attempts, outcomes: Sequence[Answer | SendStatus], *, seconds: float = 0.1
) -> tuple[list[Step], Answer | UpstreamFailure]:
    """Let each send end as scripted after so many seconds; return who was asked how, and the end of it."""
    now = 0.0
    steps: list[Step] = []
    for outcome in outcomes:
        step = _next(attempts, now)
        if not isinstance(step, Send):
            assert not isinstance(step, Pause), "nothing is under way"
            return steps, step
        steps.append((step.upstream, STREAM if step.over_stream else DATAGRAM))
        now = step.until if outcome is SendStatus.TIMEOUT else now + seconds
        attempts.learn(step, outcome, now)
    end = _next(attempts, now)
    assert not isinstance(end, Send | Pause), "the script is too short"
    return steps, end


@pytest.mark.parametrize(
    ("upstreams", "outcomes", "steps", "end"),
    [
        pytest.param(1, [GOOD], [(0, DATAGRAM)], GOOD, id="an answer ends it"),
        pytest.param(2, [NXDOMAIN], [(0, DATAGRAM)], NXDOMAIN, id="no such name is an answer"),
        pytest.param(2, [SERVFAIL, GOOD], [(0, DATAGRAM), (1, DATAGRAM)], GOOD, id="a failure leads to the next"),
        pytest.param(2, [REFERRAL, GOOD], [(0, DATAGRAM), (1, DATAGRAM)], GOOD, id="so does a referral"),
        pytest.param(
            1,
            [SERVFAIL],
            [(0, DATAGRAM)],
            UpstreamFailure(Reason.UPSTREAM_REFUSED, SERVFAIL),
            id="nobody is asked twice who has said no",
        ),
        pytest.param(
            2,
            [SERVFAIL, REFUSED],
            [(0, DATAGRAM), (1, DATAGRAM)],
            UpstreamFailure(Reason.UPSTREAM_REFUSED, REFUSED),
            id="the last failure is passed on",
        ),
        pytest.param(
            2,
            [SERVFAIL, SendStatus.TIMEOUT, SendStatus.TIMEOUT],
            [(0, DATAGRAM), (1, DATAGRAM), (1, DATAGRAM)],
            UpstreamFailure(Reason.UPSTREAM_REFUSED, SERVFAIL),
            id="a failure is better than silence",
        ),
        pytest.param(
            2,
            [SendStatus.TIMEOUT, GOOD],
            [(0, DATAGRAM), (1, DATAGRAM)],
            GOOD,
            id="after silence another one is asked first",
        ),
        pytest.param(
            1,
            [SendStatus.TIMEOUT, SendStatus.TIMEOUT, SendStatus.TIMEOUT],
            [(0, DATAGRAM)] * 3,
            UpstreamFailure(Reason.UPSTREAM_TIMEOUT),
            id="where there is no other the same one is asked three times",
        ),
        pytest.param(
            1,
            [SendStatus.UNREACHABLE],
            [(0, DATAGRAM)],
            UpstreamFailure(Reason.UPSTREAM_UNREACHABLE),
            id="who is not there is not asked again",
        ),
        pytest.param(
            3,
            [SendStatus.UNREACHABLE, SendStatus.UNREACHABLE, GOOD],
            [(0, DATAGRAM), (1, DATAGRAM), (2, DATAGRAM)],
            GOOD,
            id="the third may know",
        ),
        pytest.param(
            4,
            [SendStatus.UNREACHABLE] * 3,
            [(0, DATAGRAM), (1, DATAGRAM), (2, DATAGRAM)],
            UpstreamFailure(Reason.UPSTREAM_UNREACHABLE),
            id="the fourth is not asked",
        ),
        pytest.param(2, [CUT, GOOD], [(0, DATAGRAM), (0, STREAM)], GOOD, id="a cut answer is fetched over a stream"),
        pytest.param(
            1,
            [CUT, CUT],
            [(0, DATAGRAM), (0, STREAM)],
            UpstreamFailure(Reason.UPSTREAM_UNREACHABLE),
            id="an answer cut over a stream is of no use",
        ),
        pytest.param(
            2,
            [SendStatus.TIMEOUT, CUT, GOOD],
            [(0, DATAGRAM), (1, DATAGRAM), (1, STREAM)],
            GOOD,
            id="the stream takes the third send",
        ),
        pytest.param(
            3,
            [SendStatus.TIMEOUT, SERVFAIL, CUT],
            [(0, DATAGRAM), (1, DATAGRAM), (2, DATAGRAM)],
            UpstreamFailure(Reason.UPSTREAM_REFUSED, SERVFAIL),
            id="the stream takes no fourth send",
        ),
        pytest.param(
            2,
            [BAD_VERSION, SendStatus.UNUSABLE],
            [(0, DATAGRAM), (1, DATAGRAM)],
            UpstreamFailure(Reason.UPSTREAM_UNREACHABLE),
            id="an rcode about our own OPT is nobody's answer",
        ),
        pytest.param(
            2,
            [BAD_COOKIE, GOOD],
            [(0, DATAGRAM), (0, DATAGRAM)],
            GOOD,
            id="a bad cookie is followed by the one that came with it",
        ),
        pytest.param(
            2,
            [BAD_COOKIE, BAD_COOKIE, GOOD],
            [(0, DATAGRAM), (0, DATAGRAM), (0, STREAM)],
            GOOD,
            id="a second one leads to a stream, where there are no cookies",
        ),
        pytest.param(
            1,
            [BAD_COOKIE, BAD_COOKIE, BAD_COOKIE],
            [(0, DATAGRAM), (0, DATAGRAM), (0, STREAM)],
            UpstreamFailure(Reason.UPSTREAM_UNREACHABLE),
            id="and nothing to a loop",
        ),
        pytest.param(
            2,
            [SendStatus.UNPROVEN, GOOD],
            [(0, DATAGRAM), (0, STREAM)],
            GOOD,
            id="what could be forged is asked again over a stream",
        ),
        pytest.param(
            1,
            [SendStatus.TIMEOUT, SendStatus.TIMEOUT, SendStatus.UNPROVEN],
            [(0, DATAGRAM)] * 3,
            UpstreamFailure(Reason.UPSTREAM_TIMEOUT),
            id="what could be forged is no answer",
        ),
    ],
)
def test_dialogues(
    upstreams: int, outcomes: Sequence[Answer | SendStatus], steps: list[Step], end: Answer | UpstreamFailure
) -> None:
    selection = _selection(upstreams)
    assert _play(_attempts(selection), outcomes) == (steps, end)
    assert [one.budget.in_flight for one in selection.healths] == [0] * upstreams
    assert sum(sum(one.sends.values()) for one in selection.healths) == len(steps)


class TestConnectionsThatEnd:
    def test_one_that_ended_under_the_query_is_replaced_at_the_same_upstream(self) -> None:
        selection = _selection(2, over_stream=True)
        assert _play(_attempts(selection), [SendStatus.LOST, GOOD]) == ([(0, STREAM), (0, STREAM)], GOOD)
        assert selection.healths[0].sends[SendStatus.LOST] == 1

    def test_a_second_one_counts_against_the_upstream(self) -> None:
        selection = _selection(2, over_stream=True)
        steps, end = _play(_attempts(selection), [SendStatus.LOST, SendStatus.LOST, GOOD])
        assert steps == [(0, STREAM), (0, STREAM), (1, STREAM)]
        assert end == GOOD
        assert selection.healths[0].sends[SendStatus.UNREACHABLE] == 1

    def test_the_stream_is_kept_to_after_a_cut_answer(self) -> None:
        steps, _ = _play(_attempts(_selection(2)), [CUT, SendStatus.LOST, GOOD])
        assert steps == [(0, DATAGRAM), (0, STREAM), (0, STREAM)]


class TestBudget:
    def test_without_budget_nothing_is_sent(self) -> None:
        selection = _selection(1, burst=1)
        selection.healths[0].begin(0.0)
        assert _attempts(selection).next_step(0.0) == UpstreamFailure(Reason.BUDGET_SPENT)

    def test_the_stream_after_a_cut_answer_costs_as_much_as_any_send(self) -> None:
        steps, end = _play(_attempts(_selection(1, burst=1)), [CUT])
        assert steps == [(0, DATAGRAM)]
        assert end == UpstreamFailure(Reason.BUDGET_SPENT)

    def test_the_send_after_a_bad_cookie_costs_as_much_as_any_send(self) -> None:
        steps, end = _play(_attempts(_selection(1, burst=1)), [BAD_COOKIE])
        assert steps == [(0, DATAGRAM)]
        assert end == UpstreamFailure(Reason.BUDGET_SPENT)

    def test_retries_stop_with_the_budget(self) -> None:
        steps, end = _play(_attempts(_selection(1, burst=2)), [SendStatus.TIMEOUT, SendStatus.TIMEOUT])
        assert len(steps) == 2
        assert end == UpstreamFailure(Reason.UPSTREAM_TIMEOUT)

    def test_a_spent_budget_leads_to_the_next_upstream(self) -> None:
        selection = _selection(2, burst=1)
        selection.healths[0].begin(0.0)
        step = _attempts(selection).next_step(0.0)
        assert isinstance(step, Send)
        assert step.upstream == 1

    def test_open_breakers_are_not_called_a_spent_budget(self) -> None:
        selection = _selection(1)
        for _ in range(3):
            _play(_attempts(selection), [SendStatus.UNREACHABLE])
        assert _attempts(selection).next_step(0.2) == UpstreamFailure(Reason.UPSTREAM_UNREACHABLE)

    def test_an_abandoned_send_gives_its_place_back(self) -> None:
        selection = _selection(1)
        attempts = _attempts(selection)
        attempts.next_step(0.0)
        attempts.abandon(0.1)
        attempts.abandon(0.2)
        assert selection.healths[0].budget.in_flight == 0
        assert selection.healths[0].sends[SendStatus.ABANDONED] == 1


class TestTime:
    def test_an_attempt_has_its_own_end_and_the_last_one_the_deadline(self) -> None:
        attempts = _attempts(_selection(1), deadline=5.0)
        ends = []
        now = 0.0
        for _ in range(3):
            step = attempts.next_step(now)
            assert isinstance(step, Send)
            ends.append(step.until)
            now = step.until
            attempts.learn(step, SendStatus.TIMEOUT, now)
        assert ends == [1.5, 3.0, 5.0]

    def test_no_attempt_outlasts_the_deadline(self) -> None:
        step = _attempts(_selection(1), deadline=0.7).next_step(0.0)
        assert isinstance(step, Send)
        assert step.until == 0.7

    def test_nothing_is_sent_after_the_deadline(self) -> None:
        selection = _selection(1)
        assert _attempts(selection, deadline=5.0).next_step(5.0) == UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
        assert selection.healths[0].budget.in_flight == 0

    def test_no_retry_is_sent_that_cannot_be_waited_for(self) -> None:
        steps, _ = _play(_attempts(_selection(2), deadline=1.52), [SendStatus.TIMEOUT, GOOD])
        assert steps == [(0, DATAGRAM)]


def test_an_outcome_without_a_send_is_a_bug() -> None:
    with pytest.raises(RuntimeError):
        _attempts(_selection(1)).learn(Send(0, over_stream=False, until=1.5), GOOD, 0.0)


@pytest.mark.parametrize("over_stream", [True, False], ids=["an upstream over TCP", "after a cut over UDP"])
def test_who_waited_for_a_connection_in_vain_has_sent_nothing_and_goes_on_waiting(*, over_stream: bool) -> None:
    attempts = _attempts(_selection(1, over_stream=over_stream), deadline=10.0)
    now, waits = 0.0, 0
    if not over_stream:
        first = attempts.next_step(now)
        assert isinstance(first, Send)
        attempts.learn(first, CUT, now)
    while isinstance(step := _next(attempts, now), Send):
        assert step.over_stream
        now, waits = step.until, waits + 1
        attempts.learn(step, SendStatus.UNSENT, now)
    assert step == UpstreamFailure(Reason.BUDGET_SPENT)
    assert (now, waits) == (10.0, 7)
