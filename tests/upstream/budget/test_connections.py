"""How many connections, how often a new one is knocked for, and what it means when none comes to be."""

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dohproxy.saved import UnfitState
from dohproxy.upstream.budget.connections import (
    CUTS,
    CUTS_SECONDS,
    JITTER,
    LONGEST_PAUSE_SECONDS,
    SINGLE_SECONDS,
    TURNED_AWAY,
    ConnectionBudget,
)
from dohproxy.upstream.health.signals import ConnectFailure, Signal
from tests.fakes.restarts import BOOTED, after, crashed, written

NOW = 100.0


def _budget(most: int = 4, per_second: float = 1.0, drawn: float = 0.0) -> ConnectionBudget:
    return ConnectionBudget(most, per_second, lambda: drawn, now=NOW)


def _ample() -> ConnectionBudget:
    """Only what the upstream shows can keep this one from knocking."""
    return _budget(most=8, per_second=1_000.0)


def _fail(budget: ConnectionBudget, times: int, now: float = NOW, *, nobody_listens: bool = False) -> None:
    for _ in range(times):
        budget.failed(now, nobody_listens=nobody_listens)


def _cut(budget: ConnectionBudget, *at: float) -> None:
    for now in at:
        budget.cut(now)


class TestCounting:
    def test_as_many_as_allowed_are_opened_at_once_and_not_one_more(self) -> None:
        budget = _budget(most=3)
        opened = 0
        while budget.may_open(NOW):
            budget.take(NOW)
            opened += 1
        assert opened == budget.open == budget.most(NOW) == 3

    def test_the_cap_holds_until_a_socket_is_gone(self) -> None:
        budget = _budget(most=1, per_second=1_000.0)
        budget.take(NOW)
        assert not budget.may_open(NOW + 50)
        budget.release()
        assert budget.may_open(NOW + 50)

    def test_a_number_that_is_lowered_for_a_while_lets_no_more_be_opened_when_that_ends(self) -> None:
        budget = _budget(most=8, per_second=1.0)
        opened = 0
        for most, now in ((2, NOW), (8, NOW + 1)):
            budget.adopt(most, 1.0, now)
            while budget.may_replace(now):
                budget.take(now)
                opened += 1
        assert opened == 2 + 1
        budget.adopt(9, 1.0, NOW + 9)
        assert budget.may_replace(NOW + 9)

    def test_new_ones_in_the_place_of_old_ones_come_at_the_rate(self) -> None:
        budget = _budget(most=2, per_second=0.5)
        for _ in range(2):
            budget.take(NOW)
            budget.release()
        assert not budget.may_open(NOW)
        assert not budget.may_open(NOW + 1.9)
        assert budget.may_open(NOW + 2.0)

    def test_silence_saves_up_no_more_than_the_first_ones(self) -> None:
        budget = _budget(most=2)
        for _ in range(2):
            assert budget.may_open(NOW + 10_000)
            budget.take(NOW + 10_000)
            budget.release()
        assert not budget.may_open(NOW + 10_000)

    def test_one_that_ends_may_be_replaced_although_all_places_are_taken(self) -> None:
        budget = _budget(most=1, per_second=1.0)
        budget.take(NOW)
        assert not budget.may_replace(NOW)
        assert budget.may_replace(NOW + 1)
        assert not budget.may_open(NOW + 1)

    def test_who_has_a_connection_may_ask_although_no_new_one_may_be_opened(self) -> None:
        budget = _budget(most=1)
        assert budget.may_ask(NOW)
        budget.take(NOW)
        assert budget.may_ask(NOW)
        budget.release()
        assert not budget.may_open(NOW)

    def test_who_has_none_may_wait_for_the_rate_if_that_is_not_long(self) -> None:
        for per_second, may_ask in ((1.0, True), (0.5, False)):
            budget = _budget(most=1, per_second=per_second)
            budget.take(NOW)
            budget.release()
            assert not budget.may_open(NOW)
            assert budget.may_open_soon(NOW) is may_ask
            assert budget.may_ask(NOW) is may_ask
            assert budget.may_open_soon(NOW + 1.0)

    def test_who_has_as_many_as_allowed_waits_for_no_other(self) -> None:
        budget = _budget(most=1)
        budget.take(NOW)
        assert not budget.may_open_soon(NOW + 10)

    def test_a_release_without_a_connection_is_a_bug(self) -> None:
        with pytest.raises(RuntimeError):
            _budget().release()

    def test_a_clock_that_runs_backwards_gives_nothing_twice(self) -> None:
        budget = _budget(most=1)
        budget.take(NOW + 10)
        budget.release()
        assert not budget.may_open(NOW + 5)
        assert not budget.may_open(NOW + 10.5)
        assert budget.may_open(NOW + 11)


ACTS: dict[str, Callable[[ConnectionBudget, float], None]] = {
    "fail": lambda budget, now: budget.failed(now, nobody_listens=False),
    "answer": lambda budget, _: budget.answered(),
    "cut": lambda budget, now: budget.cut(now),
    "close": lambda budget, _: budget.release() if budget.open else None,
}


@settings(deadline=None)
@example(most=2, rate=1.0, steps=[(0.0, "open"), (0.0, "close")] * 4)
@given(
    most=st.integers(1, 8),
    rate=st.floats(0.1, 20),
    steps=st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["open", "open", *ACTS])), max_size=100),
)
def test_no_stretch_of_time_sees_more_new_connections_than_allowed(
    most: int, rate: float, steps: list[tuple[float, str]]
) -> None:
    budget = ConnectionBudget(most, rate, lambda: 0.5, now=NOW)
    now = NOW
    opened: list[float] = []
    for seconds, what in steps:
        now += seconds
        if what != "open":
            ACTS[what](budget, now)
        elif budget.may_open(now):
            budget.take(now)
            opened.append(now)
        assert budget.open <= most
    for first, since in enumerate(opened):
        for last in range(first, len(opened)):
            assert last - first + 1 <= most + rate * (opened[last] - since) + 1e-6


class TestBeingTurnedAway:
    def test_one_failure_is_the_weather(self) -> None:
        budget = _ample()
        _fail(budget, 1)
        assert budget.may_open(NOW)

    def test_then_each_failure_doubles_the_pause_up_to_a_minute(self) -> None:
        budget = _ample()
        now = NOW
        pauses = []
        for _ in range(9):
            budget.failed(now, nobody_listens=False)
            start = now
            while not budget.may_replace(now):
                now += 0.25
            pauses.append(now - start)
        assert pauses == [0, 1, 2, 4, 8, 16, 32, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]

    @pytest.mark.parametrize("drawn", [0.0, 0.5, 0.999], ids=["longest", "between", "shortest"])
    def test_the_jitter_only_shortens(self, drawn: float) -> None:
        budget = _budget(most=8, drawn=drawn)
        _fail(budget, 2)
        assert not budget.may_open(NOW + 1.0 - JITTER - 0.01)
        assert budget.may_open(NOW + 1.0)

    def test_an_open_connection_is_used_meanwhile(self) -> None:
        budget = _ample()
        budget.take(NOW)
        _fail(budget, 5)
        assert budget.may_ask(NOW)
        assert not budget.may_open(NOW)

    def test_an_answer_over_a_connection_ends_the_pause(self) -> None:
        budget = _ample()
        _fail(budget, 8)
        budget.answered()
        assert budget.may_open(NOW)
        _fail(budget, 1)
        assert budget.may_open(NOW)

    @pytest.mark.parametrize(
        ("times", "signal"), [(TURNED_AWAY - 1, None), (TURNED_AWAY, Signal.CONNECT)], ids=["not yet", "told"]
    )
    def test_an_operator_is_told_of_three_in_a_row(self, times: int, signal: Signal | None) -> None:
        budget = _ample()
        _fail(budget, times)
        assert budget.signal(NOW) is signal

    def test_an_answer_makes_it_well_again(self) -> None:
        budget = _ample()
        _fail(budget, TURNED_AWAY)
        budget.answered()
        assert budget.signal(NOW) is None
        assert not budget.is_turned_away

    @pytest.mark.parametrize("nobody_listens", [True, False], ids=["nobody listens", "somebody does"])
    def test_a_closed_port_is_told_from_an_absent_host(self, *, nobody_listens: bool) -> None:
        budget = _ample()
        assert not budget.is_turned_away
        _fail(budget, 1, nobody_listens=nobody_listens)
        assert budget.is_turned_away is not nobody_listens

    def test_a_year_of_failures_overflows_nothing(self) -> None:
        budget = _ample()
        _fail(budget, 10_000)
        assert not budget.may_open(NOW + LONGEST_PAUSE_SECONDS - 1)
        assert budget.may_open(NOW + LONGEST_PAUSE_SECONDS)


class TestRefusedTls:
    def test_a_certificate_is_told_at_once_and_a_handshake_like_any_failure(self) -> None:
        for signal, times in ((Signal.CERTIFICATE, 1), (Signal.HANDSHAKE, TURNED_AWAY)):
            budget = _budget()
            for time in range(1, TURNED_AWAY + 1):
                budget.failed(NOW, nobody_listens=False, refusal=ConnectFailure(signal, "why"))
                assert budget.signal(NOW) is (signal if time >= times else None)

    def test_another_failure_is_another_reason(self) -> None:
        budget = _budget()
        budget.failed(NOW, nobody_listens=False, refusal=ConnectFailure(Signal.CERTIFICATE, "why"))
        budget.failed(NOW, nobody_listens=False)
        assert (budget.refusal, budget.signal(NOW)) == (None, None)


class TestConnectionsClosedAfterSoManyAnswers:
    def test_nothing_is_known_at_first(self) -> None:
        assert _budget().most_questions(NOW) is None

    def test_no_more_are_asked_than_were_answered_by_any(self) -> None:
        budget = _budget()
        for answers, most in ((3, 3), (1, 1), (2, 1)):
            budget.closed_after(answers, NOW)
            assert budget.most_questions(NOW) == most

    def test_that_is_forgotten_after_ten_minutes(self) -> None:
        budget = _budget()
        budget.closed_after(1, NOW)
        assert budget.most_questions(NOW + SINGLE_SECONDS - 1) == 1
        assert budget.most_questions(NOW + SINGLE_SECONDS) is None
        budget.closed_after(5, NOW + SINGLE_SECONDS)
        assert budget.most_questions(NOW + SINGLE_SECONDS) == 5

    def test_one_that_stays_open_shows_that_it_was_a_restart(self) -> None:
        budget = _budget()
        for moment in (0.0, 0.5):
            budget.closed_after(1, NOW + moment)
        assert budget.stays_open(NOW + 2)
        assert budget.most_questions(NOW + 2) is None

    def test_what_has_happened_twice_is_believed_for_ten_minutes(self) -> None:
        budget = _budget()
        budget.closed_after(1, NOW)
        assert budget.stays_open(NOW + 1)
        budget.closed_after(1, NOW + 2)
        assert not budget.stays_open(NOW + 3)
        assert budget.most_questions(NOW + 3) == 1
        assert budget.stays_open(NOW + 2 + SINGLE_SECONDS)

    def test_it_is_told_while_it_is_believed(self) -> None:
        budget = _budget()
        budget.closed_after(1, NOW)
        assert budget.signal(NOW + 1) is None
        budget.closed_after(1, NOW + 2)
        assert budget.signal(NOW + 2) is Signal.FEW_ANSWERS
        assert budget.signal(NOW + 2 + SINGLE_SECONDS) is None

    def test_one_that_closes_each_is_told_although_no_question_is_lost_any_more(self) -> None:
        budget = _budget()
        budget.closed_after(1, NOW)
        budget.closed_as_expected(NOW + 1)
        assert budget.signal(NOW + 1) is Signal.FEW_ANSWERS
        assert budget.stays_open(NOW + 2)
        assert budget.signal(NOW + 1 + SINGLE_SECONDS) is None

    def test_one_that_cuts_connections_is_told_for_that(self) -> None:
        budget = _budget()
        for number in range(CUTS):
            budget.closed_after(1, NOW + 2 * number)
            budget.cut(NOW + 2 * number)
        assert budget.signal(NOW + 2 * CUTS) is Signal.CUT


class TestConnectionsThatFloodUs:
    def test_one_is_told_at_once_for_ten_minutes(self) -> None:
        budget = _budget()
        budget.flooded(NOW)
        budget.answered()
        assert budget.signal(NOW + SINGLE_SECONDS - 1) is Signal.TLS_FLOOD
        assert budget.signal(NOW + SINGLE_SECONDS) is None

    def test_three_leave_a_single_connection(self) -> None:
        budget = _budget()
        for number in range(CUTS):
            assert budget.most(NOW + 2 * number) > 1
            budget.flooded(NOW + 2 * number)
        assert budget.most(NOW + 2 * CUTS) == 1

    def test_what_is_seen_later_is_told_instead(self) -> None:
        budget = _budget()
        budget.flooded(NOW)
        _fail(budget, TURNED_AWAY)
        assert budget.signal(NOW) is Signal.CONNECT


class TestConnectionsThatAreCut:
    @pytest.mark.parametrize(
        "at",
        [
            pytest.param([0, 10], id="two"),
            pytest.param([0, 0.1, 0.2, 0.3, 0.4], id="all at once, as by a restart"),
            pytest.param([0, 0.5, 30, 30.5], id="those of two restarts"),
            pytest.param([0, 40, CUTS_SECONDS + 1, CUTS_SECONDS + 50], id="a few with much time between them"),
        ],
    )
    def test_a_few_mean_nothing(self, at: list[float]) -> None:
        budget = _ample()
        _cut(budget, *(NOW + seconds for seconds in at))
        assert budget.most(NOW + at[-1]) == 8
        assert budget.signal(NOW + at[-1]) is None

    def test_three_in_a_minute_mean_that_one_is_enough(self) -> None:
        budget = _ample()
        _cut(budget, *(NOW + 20.0 * number for number in range(CUTS)))
        last = NOW + 20.0 * (CUTS - 1)
        assert budget.most(last) == 1
        assert budget.signal(last) is Signal.CUT
        assert budget.may_open(last)
        budget.take(last)
        assert not budget.may_open(last)

    def test_after_ten_quiet_minutes_there_may_be_more_again(self) -> None:
        budget = _ample()
        _cut(budget, NOW, NOW + 10, NOW + 20)
        assert budget.most(NOW + 20 + SINGLE_SECONDS - 0.01) == 1
        assert budget.most(NOW + 20 + SINGLE_SECONDS) == 8
        assert budget.signal(NOW + 20 + SINGLE_SECONDS) is None

    def test_a_single_connection_that_is_cut_again_and_again_stays_the_only_one(self) -> None:
        budget = _ample()
        now = NOW
        for _ in range(100):
            now += 25.0
            budget.cut(now)
        assert budget.most(now + SINGLE_SECONDS - 0.01) == 1

    def test_being_turned_away_is_told_before_being_cut(self) -> None:
        budget = _ample()
        _cut(budget, NOW, NOW + 10, NOW + 20)
        _fail(budget, TURNED_AWAY, NOW + 20)
        assert budget.signal(NOW + 20) is Signal.CONNECT


class TestAfterARestart:
    def _again(
        self, before: ConnectionBudget, *, seconds: float, crash: bool = False, now: float = NOW
    ) -> ConnectionBudget:
        again = ConnectionBudget(4, 1.0, lambda: 0.0, now=BOOTED)
        again.restore(written(before.export(now)), crashed(seconds) if crash else after(seconds))
        return again

    def test_what_was_opened_is_not_opened_anew_at_once(self) -> None:
        before = _budget()
        for _ in range(4):
            before.take(NOW)
        again = self._again(before, seconds=2.0)
        assert again.open == 0
        for _ in range(2):
            assert again.may_open(BOOTED)
            again.take(BOOTED)
        assert not again.may_open(BOOTED)

    def test_after_a_crash_there_is_one(self) -> None:
        again = self._again(_budget(), seconds=2.0, crash=True)
        assert again.may_open(BOOTED)
        again.take(BOOTED)
        assert not again.may_open(BOOTED)

    def test_a_pause_goes_on(self) -> None:
        before = _budget()
        _fail(before, 8)
        again = self._again(before, seconds=10.0)
        assert not again.may_open(BOOTED + LONGEST_PAUSE_SECONDS - 11.0)
        assert again.may_open(BOOTED + LONGEST_PAUSE_SECONDS - 10.0)
        assert again.signal(BOOTED) is Signal.CONNECT

    def test_a_single_connection_is_kept_to(self) -> None:
        before = _budget()
        _cut(before, NOW, NOW + 2, NOW + 4)
        again = self._again(before, seconds=60.0, now=NOW + 4)
        assert (again.most(BOOTED), again.most(BOOTED + SINGLE_SECONDS)) == (1, 4)

    def test_how_much_may_be_asked_on_one_is_known(self) -> None:
        before = _budget()
        before.closed_after(3, NOW)
        again = self._again(before, seconds=60.0)
        assert (again.most_questions(BOOTED), again.most_questions(BOOTED + SINGLE_SECONDS)) == (3, None)

    def test_what_is_unfit_is_refused(self) -> None:
        with pytest.raises(UnfitState):
            _budget().restore(_budget().export(NOW) | {"failures": 1_000}, after(0.0))


class TestWhereNodesShare:
    def test_a_part_is_of_connections_and_of_new_ones_and_begins_with_one(self) -> None:
        budget = _budget(most=4, per_second=1.0)
        budget.hold(0.0, NOW)
        assert not budget.may_open(NOW)
        assert not budget.may_open_soon(NOW)
        budget.hold(0.5, NOW)
        assert budget.most(NOW) == 2
        budget.take(NOW)
        assert not budget.may_open(NOW)
        assert budget.may_open(NOW + 2.0)

    def test_a_smaller_part_is_settled_when_enough_have_ended(self) -> None:
        budget = _budget(most=4)
        for _ in range(3):
            budget.take(NOW)
        budget.hold(0.5, NOW)
        settled = [budget.is_settled]
        budget.release()
        assert [*settled, budget.is_settled] == [False, True]
        assert not budget.may_open(NOW + 60.0)

    def test_another_agreement_is_divided_as_the_one_before(self) -> None:
        budget = _budget(most=4)
        budget.hold(0.5, NOW)
        budget.adopt(8, 2.0, NOW)
        assert budget.most(NOW) == 4
