"""The promise to an upstream, in numbers."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.upstream.budget.queries import Budget
from tests.fakes.restarts import BOOTED, after, crashed, written


def _budget(queries_per_second: float = 10, burst: int = 3, most_in_flight: int = 100) -> Budget:
    return Budget(queries_per_second, burst, most_in_flight, now=100.0)


def test_the_burst_goes_out_at_once_and_not_one_more() -> None:
    budget = _budget(burst=3)
    assert [budget.take(100.0) for _ in range(5)] == [True, True, True, False, False]


def test_what_is_spent_comes_back_at_the_rate() -> None:
    budget = _budget(queries_per_second=10, burst=3)
    for _ in range(3):
        budget.take(100.0)
    assert not budget.take(100.05)
    assert budget.take(100.125)
    assert not budget.take(100.125)


def test_silence_saves_up_no_more_than_the_burst() -> None:
    budget = _budget(burst=3)
    assert budget.left(10_000.0) == 3


def test_the_cap_of_queries_in_flight_holds_until_one_is_released() -> None:
    budget = _budget(burst=100, most_in_flight=2)
    assert [budget.take(100.0) for _ in range(3)] == [True, True, False]
    budget.release()
    assert budget.take(100.0)
    assert budget.in_flight == 2


def test_a_refused_take_costs_nothing() -> None:
    budget = _budget(burst=2, most_in_flight=1)
    budget.take(100.0)
    budget.take(100.0)
    assert budget.left(100.0) == 1


def test_a_release_without_a_take_is_a_bug() -> None:
    with pytest.raises(RuntimeError):
        _budget().release()


def test_a_clock_that_runs_backwards_gives_nothing_twice() -> None:
    budget = _budget(queries_per_second=1, burst=1)
    assert budget.take(110.0)
    assert not budget.take(105.0)
    assert not budget.take(110.5)
    assert budget.take(111.0)


@pytest.mark.parametrize(
    ("taken", "share"),
    [
        pytest.param(0, 1.0, id="full"),
        pytest.param(2, 0.5, id="half"),
        pytest.param(4, 0.0, id="empty"),
    ],
)
def test_the_share_left_falls_with_every_query(taken: int, share: float) -> None:
    budget = _budget(burst=4)
    for _ in range(taken):
        budget.take(100.0)
    assert budget.share_left(100.0) == share


def test_half_the_burst_is_ample_and_less_is_not() -> None:
    budget = _budget(burst=4)
    ample = [budget.is_ample]
    for _ in range(3):
        budget.take(100.0)
        ample.append(budget.is_ample)
    assert ample == [True, True, True, False]


@pytest.mark.parametrize(("burst", "most_in_flight"), [(1, 9), (9, 1)], ids=["none left", "too many in flight"])
def test_nothing_that_may_not_go_out_is_ample(burst: int, most_in_flight: int) -> None:
    budget = _budget(burst=burst, most_in_flight=most_in_flight)
    budget.take(100.0)
    assert not budget.is_ample


def test_nothing_is_left_while_too_many_are_in_flight() -> None:
    budget = _budget(burst=4, most_in_flight=1)
    budget.take(100.0)
    assert budget.share_left(100.0) == 0


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    steps=st.lists(st.floats(0, 3), min_size=1, max_size=200),
)
def test_no_stretch_of_time_gets_more_than_burst_plus_rate(rate: float, burst: int, steps: list[float]) -> None:
    budget = Budget(rate, burst, 10_000, now=0.0)
    now = 0.0
    sent: list[float] = []
    for step in steps:
        now += step
        sent.extend(now for _ in range(3) if budget.take(now))
    for first in range(len(sent)):
        # From each send on: the count must fit whatever the stretch begins with.
        for last in range(first, len(sent)):
            assert last - first + 1 <= burst + rate * (sent[last] - sent[first]) + 1e-6


class TestReserves:
    def test_a_reserve_is_left_to_others(self) -> None:
        budget = Budget(1.0, 40, 100, now=0.0)
        taken = sum(budget.take(0.0, 0.25) for _ in range(50))
        assert taken == 30
        assert sum(budget.take(0.0) for _ in range(50)) == 10

    def test_the_smallest_budget_has_room_beside_any_reserve(self) -> None:
        assert Budget(1.0, 1, 1, now=0.0).has_room(0.0, 0.75)

    @pytest.mark.parametrize(("reserve", "seconds"), [(0.0, 0.5), (0.25, 5.5)])
    def test_the_wait_for_room_is_what_the_rate_takes(self, reserve: float, seconds: float) -> None:
        budget = Budget(2.0, 40, 100, now=0.0)
        for _ in range(40):
            budget.take(0.0)
        assert budget.seconds_to_room(0.0, reserve) == seconds
        assert budget.has_room(seconds, reserve)

    def test_what_is_in_flight_is_no_matter_of_time(self) -> None:
        budget = Budget(2.0, 40, 1, now=0.0)
        budget.take(0.0)
        assert budget.seconds_to_room(0.0) == math.inf


class TestPace:
    def test_half_of_rate_and_burst_is_used_after_a_sign(self) -> None:
        budget = Budget(10.0, 40, 100, now=0.0)
        assert budget.halve(0.0)
        assert budget.left(0.0) == 20
        for _ in range(20):
            budget.take(0.0)
        assert budget.left(1.0) == pytest.approx(5.0, abs=0.02)

    def test_a_beginning_is_a_quarter_and_the_whole_after_half_a_minute(self) -> None:
        budget = Budget(10.0, 40, 100, now=0.0)
        budget.begin_slowly(0.0)
        assert budget.left(0.0) == 10
        assert budget.left(30.0) == 40

    def test_even_the_least_share_lets_one_query_out(self) -> None:
        budget = Budget(1.0, 2, 1, now=0.0)
        for now in range(0, 100, 20):
            budget.halve(float(now))
        assert budget.has_room(100.0)


class TestProbes:
    def test_a_claimed_query_is_left_to_the_probe(self) -> None:
        budget = Budget(1.0, 2, 10, now=0.0)
        for _ in range(2):
            budget.take(0.0)
        budget.is_claimed = True
        assert not budget.take(1.0)
        assert budget.take_for_probe(1.0)
        assert budget.take(2.0)

    def test_a_probe_is_no_more_than_the_rate_allows(self) -> None:
        budget = Budget(1.0, 1, 10, now=0.0)
        assert budget.take_for_probe(0.0)
        assert not budget.take_for_probe(0.5)
        assert budget.take_for_probe(1.0)

    def test_even_the_smallest_burst_can_be_claimed(self) -> None:
        budget = Budget(1.0, 1, 10, now=0.0)
        budget.is_claimed = True
        assert not budget.take(0.0)
        assert budget.take_for_probe(0.0)


class TestOverdue:
    """What is overdue keeps its place as long as nobody else needs it."""

    def test_the_oldest_gives_way_first_and_no_more_than_are_needed(self) -> None:
        budget = _budget(burst=100, most_in_flight=2)
        gone: list[str] = []

        def give_way(name: str) -> Callable[[], None]:
            def give() -> None:
                gone.append(name)
                budget.release()

            return give

        for name in ("first", "second"):
            assert budget.take(100.0)
            budget.keep_while_there_is_room(give_way(name))
        assert (budget.is_full(), gone) == (True, [])
        assert budget.has_room(100.0)
        assert budget.seconds_to_room(100.0) == 0.0
        assert budget.take(100.0)
        assert (budget.in_flight, gone) == (2, ["first"])
        assert budget.take_for_probe(100.0)
        assert (budget.in_flight, gone) == (2, ["first", "second"])
        assert not budget.take(100.0)

    def test_who_leaves_a_part_to_others_takes_the_slot_of_what_is_overdue_and_no_free_one(self) -> None:
        # Names whose servers are silent: each overdue one would let one more in, until no slot is left to members.
        budget = _budget(burst=1_000, most_in_flight=20)
        for _ in range(15):
            assert budget.take(100.0, 0.25)
        assert budget.is_full(0.25)
        assert not budget.take(100.0, 0.25)
        for _ in range(10):
            budget.keep_while_there_is_room(budget.release)
            assert budget.take(100.0, 0.25)
        assert budget.in_flight == 15
        assert [budget.take(100.0) for _ in range(6)] == [True] * 5 + [False]

    def test_one_that_has_ended_gives_no_way(self) -> None:
        budget = _budget(burst=100, most_in_flight=1)
        gone: list[int] = []

        def give_way() -> None:
            gone.append(1)

        assert budget.take(100.0)
        budget.keep_while_there_is_room(give_way)
        budget.keep_no_longer(give_way)
        assert not budget.take(100.0)
        budget.release()
        assert budget.take(100.0)
        assert not gone

    def test_nobody_gives_way_where_the_rate_is_what_is_missing(self) -> None:
        budget = _budget(burst=1, most_in_flight=1)
        assert budget.take(100.0)
        budget.keep_while_there_is_room(lambda: pytest.fail("nobody could be sent instead"))
        assert not budget.take(100.0)


class TestAfterARestart:
    def test_what_is_spent_comes_back_by_time_alone(self) -> None:
        before = _budget(queries_per_second=1, burst=10)
        for _ in range(10):
            before.take(100.0)
        again = Budget(1, 10, 100, now=BOOTED)
        again.restore(written(before.export(100.0)), after(3.0))
        assert again.left(BOOTED) == pytest.approx(3.0)
        assert [again.take(BOOTED) for _ in range(4)] == [True, True, True, False]

    def test_after_a_long_pause_it_is_full_and_no_more(self) -> None:
        before = _budget(burst=10)
        before.take(100.0)
        again = Budget(10, 10, 100, now=BOOTED)
        again.restore(written(before.export(100.0)), after(86_400.0))
        assert again.left(BOOTED) == 10

    @pytest.mark.parametrize(("burst", "left"), [(4, 0.0), (15, 5.0)])
    def test_of_another_agreement_as_much_is_spent(self, burst: int, left: float) -> None:
        before = _budget(burst=10)
        for _ in range(10):
            before.take(100.0)
        again = Budget(10, burst, 100, now=BOOTED)
        again.restore(written(before.export(100.0)), after(0.0))
        assert again.left(BOOTED) == left

    def test_a_halved_share_cuts_what_there_is(self) -> None:
        before = _budget(burst=10)
        before.halve(100.0)
        again = Budget(10, 10, 100, now=BOOTED)
        again.restore(written(before.export(100.0)), after(0.0))
        assert again.left(BOOTED) == pytest.approx(5.0)

    def test_after_a_crash_all_counts_as_spent_until_the_next_save_would_have_been(self) -> None:
        saved = written(_budget(queries_per_second=1, burst=10).export(100.0))
        again = Budget(1, 10, 100, now=BOOTED)
        again.restore(saved, crashed(seconds=2.0))
        assert again.left(BOOTED) == 0.0
        later = Budget(1, 10, 100, now=BOOTED)
        later.restore(saved, crashed(seconds=64.0))
        assert later.left(BOOTED) == pytest.approx(4.0)

    @given(
        spent=st.integers(0, 10),
        pause=st.floats(0, 100),
        crash=st.booleans(),
    )
    def test_it_never_has_more_than_a_budget_without_a_restart(self, spent: int, pause: float, crash: bool) -> None:
        before = _budget(queries_per_second=1, burst=10)
        for _ in range(spent):
            before.take(100.0)
        again = Budget(1, 10, 100, now=BOOTED)
        again.restore(written(before.export(100.0)), crashed(pause) if crash else after(pause))
        assert 0.0 <= again.left(BOOTED) <= before.left(100.0 + pause) + 1e-6


def _drain(budget: Budget, now: float) -> int:
    taken = 0
    while budget.take(now):
        taken += 1
        budget.release()
    return taken


@pytest.mark.parametrize("spent", [0, 3, 10])
def test_a_budget_that_is_lowered_for_a_while_gives_no_second_burst_when_that_ends(spent: int) -> None:
    budget = _budget(queries_per_second=10, burst=100)
    sent = sum(budget.take(100.0) for _ in range(spent))
    budget.adopt(10, 10, 100, 100.0)
    sent += _drain(budget, 100.0)
    budget.adopt(10, 100, 100, 101.0)
    sent += _drain(budget, 101.0)
    assert sent <= 10 + 10 * 1.0
    assert budget.left(111.0) == 100


# --- Where several nodes share it ---


class Lease:
    """A tenure by hand: parts with their ends, and a clock that stands still until it is set."""

    def __init__(self, *parts: tuple[float, float], base: float = 1.0) -> None:
        """`parts`: each with its end."""
        self.parts = list(parts)
        self.base = base
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def part(self, now: float) -> tuple[float, float]:
        return next((one for one in self.parts if now < one[1]), (0.0, math.inf))

    def share_of_base(self, now: float) -> float:
        return self.base


def test_a_part_is_a_bucket_of_its_own_that_begins_empty() -> None:
    budget = _budget(queries_per_second=10, burst=8, most_in_flight=8)
    budget.hold(Lease((0.25, math.inf), base=0.5), 100.0)
    assert (budget.queries_per_second, budget.burst, budget.most_in_flight) == (2.5, 2, 4)
    assert not budget.take(100.0)
    assert budget.left(100.4) == pytest.approx(1.0)
    assert budget.left(200.0) == 2


def test_a_part_of_nothing_sends_nothing_and_never_will() -> None:
    budget = _budget()
    budget.hold(Lease((0.0, math.inf), base=0.0), 100.0)
    assert not budget.take(1_000.0)
    assert not budget.take_for_probe(1_000.0)
    assert budget.is_full()
    assert budget.seconds_to_room(1_000.0) == math.inf
    assert budget.share_left(1_000.0) == 0.0


def test_a_share_of_one_query_is_sent_and_leaves_nothing_to_others() -> None:
    budget = _budget(queries_per_second=10, burst=10)
    budget.hold(Lease((0.1, math.inf)), 100.0)
    assert budget.seconds_to_room(100.0, 0.25) == pytest.approx(1.0)
    assert budget.take(101.0, 0.25)
    assert budget.halve(101.0)
    assert budget.take(103.1)


def test_a_lease_ends_by_the_clock_of_the_moment_and_not_by_the_one_that_was_looked_at() -> None:
    lease = Lease((1.0, 110.0))
    budget = _budget(queries_per_second=10, burst=10)
    budget.hold(lease, 100.0)
    lease.now = 105.0
    assert budget.take(105.0)
    lease.now = 111.0  # The process has stood still since it looked at the clock.
    assert not budget.take(105.1)
    assert not budget.take_for_probe(105.1)


def test_what_was_taken_under_a_lease_that_is_over_must_not_be_sent() -> None:
    lease = Lease((1.0, 110.0), (0.5, math.inf))
    budget = _budget(queries_per_second=10, burst=10)
    assert not budget.has_lapsed_since(0.0)
    budget.hold(lease, 100.0)
    lease.now = 109.0
    assert budget.take(109.0)
    assert not budget.has_lapsed_since(109.0)
    lease.now = 111.0
    assert budget.has_lapsed_since(109.0)
    assert not budget.has_lapsed_since(111.0)


def test_each_part_gains_only_as_long_as_it_lasts() -> None:
    budget = _budget(queries_per_second=10, burst=100)
    budget.hold(Lease((0.5, 101.0), (0.1, math.inf)), 100.0)
    assert budget.left(103.0) == pytest.approx(5.0 + 2.0)


def test_what_a_larger_part_adds_is_gained_by_time_alone_and_a_smaller_one_loses_at_once() -> None:
    lease = Lease((0.5, math.inf))
    budget = _budget(queries_per_second=10, burst=100)
    budget.hold(lease, 100.0)
    assert budget.left(200.0) == 50
    lease.parts = [(1.0, math.inf)]
    budget.look(200.0)
    assert budget.left(200.0) == 50
    lease.parts = [(0.2, math.inf)]
    budget.look(200.0)
    assert budget.left(200.0) == 20


def test_another_agreement_is_divided_as_the_one_before() -> None:
    budget = _budget(queries_per_second=10, burst=10, most_in_flight=10)
    budget.hold(Lease((0.5, math.inf), base=0.5), 100.0)
    budget.adopt(20.0, 40, 30, 100.0)
    assert (budget.queries_per_second, budget.burst, budget.most_in_flight) == (10.0, 20, 15)
    assert budget.units == 30


def test_less_in_flight_than_before_is_settled_when_enough_have_ended() -> None:
    lease = Lease((1.0, math.inf))
    budget = _budget(queries_per_second=10, burst=10, most_in_flight=2)
    budget.hold(lease, 100.0)
    assert budget.take(101.0)
    assert budget.take(101.0)
    lease.base = 0.5
    budget.look(101.0)
    settled = [budget.is_settled]
    budget.release()
    assert [*settled, budget.is_settled] == [False, True]
