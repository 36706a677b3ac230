"""What is overdue: it is listened for on, and answers whenever it comes; meanwhile others may be tried, but not all."""

from collections.abc import Callable

import pytest

from dohproxy.outcomes import Reason
from dohproxy.upstream.attempts import Attempts, Pause, Send
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.results import SendStatus, UpstreamFailure
from dohproxy.upstream.selection import Selection
from dohproxy.wire.answer import Answer
from tests.fakes.guest import GOOD, SERVFAIL, SILENCES
from tests.fakes.upstream_health import ZONE, health, longest_draw

DEADLINE, LATE_UNTIL = 5.0, 10.0
SLOW_SECONDS = 1.7


def _attempts(*healths: UpstreamHealth, most_sends: int = 3) -> Attempts:
    selection = Selection(healths, "ordered", longest_draw)
    return Attempts(
        selection,
        zone=ZONE,
        deadline=DEADLINE,
        attempt_seconds=1.5,
        most_sends=most_sends,
        late_until=LATE_UNTIL,
    )


def _send(attempts: Attempts, now: float) -> Send:
    step = attempts.next_step(now)
    assert isinstance(step, Send)
    return step


def _keep() -> None:
    """Nobody needs the place."""


def _be_overdue(attempts: Attempts, send: Send, give_way: Callable[[], None] = _keep) -> None:
    attempts.overdue(send, send.until, give_way)


class TestAnswers:
    @pytest.mark.parametrize("who", [0, 1], ids=["the first", "the second"])
    def test_whichever_of_two_attempts_is_answered_first_answers_the_question(self, who: int) -> None:
        upstream = health()
        attempts = _attempts(upstream)
        first = _send(attempts, 0.0)
        _be_overdue(attempts, first)
        sends = [first, _send(attempts, 1.5)]
        assert attempts.next_step(1.5) is Pause.WAIT
        attempts.learn(sends[who], GOOD, 1.7)
        assert attempts.next_step(1.7) == GOOD
        attempts.abandon(1.7)
        assert upstream.budget.in_flight == 0
        assert (upstream.sends[SendStatus.ANSWERED], upstream.sends[SendStatus.ABANDONED]) == (1, 1)

    def test_one_that_comes_after_the_last_attempt_was_sent_counts_until_the_deadline(self) -> None:
        attempts = _attempts(health(), most_sends=1)
        only = _send(attempts, 0.0)
        assert (only.until, only.late_until) == (DEADLINE, LATE_UNTIL)
        attempts.learn(only, GOOD, 4.9)
        assert attempts.next_step(4.9) == GOOD

    def test_at_the_deadline_it_is_silence(self) -> None:
        attempts = _attempts(health(), most_sends=1)
        only = _send(attempts, 0.0)
        _be_overdue(attempts, only)
        assert attempts.next_step(DEADLINE) == UpstreamFailure(Reason.UPSTREAM_TIMEOUT)

    def test_afterwards_it_is_still_found(self) -> None:
        attempts = _attempts(health(), most_sends=1)
        only = _send(attempts, 0.0)
        _be_overdue(attempts, only)
        assert isinstance(attempts.next_step(DEADLINE), UpstreamFailure)
        attempts.learn(only, GOOD, 7.0)
        assert attempts.answer == GOOD

    @pytest.mark.parametrize("late", [SERVFAIL, SendStatus.UNREACHABLE], ids=["a failure", "a refusal"])
    def test_a_bad_end_of_the_one_does_not_end_the_other(self, late: Answer | SendStatus) -> None:
        attempts = _attempts(health(), health())
        first = _send(attempts, 0.0)
        _be_overdue(attempts, first)
        second = _send(attempts, 1.5)
        attempts.learn(first, late, 1.7)
        assert attempts.next_step(1.7) is Pause.WAIT
        attempts.learn(second, GOOD, 1.8)
        assert attempts.next_step(1.8) == GOOD

    def test_a_cut_answer_that_is_late_is_fetched_at_once(self) -> None:
        attempts = _attempts(health(), health())
        first = _send(attempts, 0.0)
        _be_overdue(attempts, first)
        _send(attempts, 1.5)
        attempts.learn(first, SendStatus.TRUNCATED, 1.7)
        assert attempts.next_step(1.7) is Pause.TURN
        again = attempts.again(1.7, 0.0)
        assert isinstance(again, Send)
        assert (again.upstream, again.over_stream, again.after_cut) == (0, True, True)


class TestFurtherAttempts:
    def test_who_has_said_nothing_over_udp_is_asked_again(self) -> None:
        attempts = _attempts(health())
        _be_overdue(attempts, _send(attempts, 0.0))
        assert _send(attempts, 1.5).upstream == 0

    def test_who_has_been_asked_over_a_stream_is_not_and_others_are(self) -> None:
        attempts = _attempts(health(over_stream=True), health())
        _be_overdue(attempts, _send(attempts, 0.0))
        second = _send(attempts, 1.5)
        assert second.upstream == 1
        _be_overdue(attempts, second)
        third = _send(attempts, 3.0)
        assert third.upstream == 1

    def test_where_there_is_no_other_it_is_waited_for(self) -> None:
        attempts = _attempts(health(over_stream=True))
        _be_overdue(attempts, _send(attempts, 0.0))
        assert attempts.next_step(1.5) is Pause.WAIT

    def test_where_the_budget_is_spent_it_is_waited_for(self) -> None:
        attempts = _attempts(health(queries_per_second=0.01, burst=1))
        first = _send(attempts, 0.0)
        _be_overdue(attempts, first)
        assert attempts.next_step(1.5) is Pause.WAIT
        attempts.learn(first, GOOD, 1.7)
        assert attempts.next_step(1.7) == GOOD

    def test_a_slow_upstream_is_learnt_as_slow_and_asked_once_for_each_name(self) -> None:
        upstream = health()
        sends: list[int] = []
        for number in range(8):
            now = 10.0 * number
            attempts = Attempts(
                Selection([upstream], "ordered", longest_draw),
                zone=b"zone%d" % number,
                deadline=now + DEADLINE,
                attempt_seconds=1.5,
                most_sends=3,
            )
            first = _send(attempts, now)
            if first.until < now + SLOW_SECONDS:
                _be_overdue(attempts, first)
                _send(attempts, first.until)
            attempts.learn(first, GOOD, now + SLOW_SECONDS)
            attempts.abandon(now + SLOW_SECONDS)
            sends.append(sum(upstream.sends.values()) - sum(sends))
        assert sends == [2, 2, 2, 2, 1, 1, 1, 1]
        assert not upstream.breaker.is_doubtful


class TestPlaces:
    def test_it_holds_its_place_in_flight(self) -> None:
        upstream = health(in_flight=1)
        attempts = _attempts(upstream)
        _be_overdue(attempts, _send(attempts, 0.0))
        assert upstream.budget.in_flight == 1

    def test_a_new_question_may_have_it(self) -> None:
        upstream = health(in_flight=1)
        attempts, other = _attempts(upstream), _attempts(upstream)
        first = _send(attempts, 0.0)
        assert isinstance(other.next_step(1.4), UpstreamFailure)
        _be_overdue(attempts, first, lambda: attempts.displaced(first, 1.5))
        _send(other, 1.5)
        assert upstream.budget.in_flight == 1
        assert upstream.sends[SendStatus.TIMEOUT] == 1

    def test_who_has_lost_it_may_have_another_turn_and_takes_nobody_s(self) -> None:
        upstream = health(in_flight=1)
        attempts, other = _attempts(upstream), _attempts(upstream)
        first = _send(attempts, 0.0)
        _be_overdue(attempts, first, lambda: attempts.displaced(first, 1.5))
        second = _send(other, 1.5)
        assert attempts.next_step(1.5) is Pause.TURN
        _be_overdue(other, second, lambda: other.displaced(second, 3.0))
        assert attempts.again(3.0, 0.0) is None
        other.learn(second, GOOD, 3.1)
        again = attempts.again(3.1, 0.0)
        assert isinstance(again, Send)

    def test_nothing_of_it_is_half_done_so_it_does_not_go_before_others(self) -> None:
        # Else questions for names whose servers are silent would go before members, and use up what is left to them.
        attempts, other = _attempts(health(in_flight=2)), _attempts(health(in_flight=2))
        lost = _send(attempts, 0.0)
        _be_overdue(attempts, lost)
        attempts.displaced(lost, 1.5)
        assert attempts.next_step(1.5) is Pause.TURN
        assert not attempts.is_half_done
        half = _send(other, 0.0)
        other.learn(half, SendStatus.LOST, 0.1)
        assert other.next_step(0.1) is Pause.TURN
        assert other.is_half_done

    def test_nor_does_a_second_attempt(self) -> None:
        upstream = health(in_flight=2)
        attempts, other = _attempts(upstream), _attempts(upstream)
        _be_overdue(attempts, _send(attempts, 0.0))
        _be_overdue(other, _send(other, 0.0))
        assert attempts.next_step(1.5) is Pause.WAIT
        assert other.next_step(1.5) is Pause.WAIT


class TestWhatItMeans:
    def test_silence_is_noticed_when_an_attempt_is_over_and_counted_once(self) -> None:
        upstream = health()
        for number in range(SILENCES):
            attempts = _attempts(upstream, most_sends=1)
            send = _send(attempts, 0.1 * number)
            assert not upstream.breaker.is_doubtful
            _be_overdue(attempts, send)
            if number:
                attempts.learn(send, SendStatus.TIMEOUT, LATE_UNTIL)
        assert upstream.breaker.is_doubtful
        assert upstream.sends[SendStatus.TIMEOUT] == SILENCES - 1

    def test_a_late_answer_takes_it_back(self) -> None:
        upstream = health()
        asked = [_attempts(upstream, most_sends=1) for _ in range(SILENCES)]
        sends = [_send(attempts, 0.0) for attempts in asked]
        for attempts, send in zip(asked, sends, strict=True):
            _be_overdue(attempts, send)
        assert upstream.breaker.is_doubtful
        asked[0].learn(sends[0], SERVFAIL, 7.0)
        assert not upstream.breaker.is_doubtful
