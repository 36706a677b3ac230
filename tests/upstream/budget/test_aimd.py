"""How much of a budget is in use: less after a sign of throttling and at a beginning, and by and by the whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.saved import UnfitState
from dohproxy.upstream.budget.aimd import (
    HALVING_PAUSE_SECONDS,
    LEAST_SHARE,
    RECOVERY_SECONDS,
    START_SECONDS,
    START_SHARE,
    AimdShare,
    ShareGrowth,
)
from tests.fakes.restarts import BOOTED, after, written

NOW = 1_000.0
HALF_GROWN_OVER = RECOVERY_SECONDS / 2
"""How long it takes from a half to the whole."""


def _halved(now: float = NOW) -> AimdShare:
    aimd = AimdShare()
    assert aimd.halve(now)
    return aimd


def test_all_is_used_while_nothing_speaks_against_it() -> None:
    aimd = AimdShare()
    assert aimd.share(NOW) == 1.0
    assert not aimd.is_held_back(NOW)
    assert aimd.halvings == 0


def test_a_sign_of_throttling_halves_what_is_used() -> None:
    aimd = _halved()
    assert aimd.share(NOW) == 0.5
    assert aimd.is_held_back(NOW)
    assert aimd.halvings == 1


def test_what_was_in_flight_at_a_sign_is_no_second_one() -> None:
    aimd = _halved()
    assert not aimd.halve(NOW + HALVING_PAUSE_SECONDS - 0.01)
    assert aimd.halvings == 1
    assert aimd.share(NOW + HALVING_PAUSE_SECONDS - 0.01) > 0.5


def test_a_sign_after_the_pause_halves_what_is_used_by_then() -> None:
    aimd = _halved()
    later = NOW + HALF_GROWN_OVER / 2
    assert aimd.share(later) == pytest.approx(0.75)
    assert aimd.halve(later)
    assert aimd.share(later) == pytest.approx(0.375)
    assert aimd.halvings == 2


def test_a_throttle_that_does_not_end_leaves_a_little() -> None:
    aimd = AimdShare()
    shares = []
    for step in range(50):
        now = NOW + step * HALVING_PAUSE_SECONDS
        assert aimd.halve(now)
        shares.append(aimd.share(now))
    assert shares[:2] == [0.5, pytest.approx(0.2583, abs=0.001)]
    assert min(shares) == shares[-1] == LEAST_SHARE
    assert aimd.halvings == 50


@pytest.mark.parametrize(
    ("seconds", "share"),
    [
        pytest.param(0.0, 0.5, id="at once"),
        pytest.param(HALF_GROWN_OVER * 0.5, 0.75, id="half the time"),
        pytest.param(HALF_GROWN_OVER * 0.75, 0.875, id="three quarters of the time"),
        pytest.param(HALF_GROWN_OVER, 1.0, id="the whole time"),
        pytest.param(HALF_GROWN_OVER * 100, 1.0, id="long after"),
    ],
)
def test_it_comes_back_in_equal_steps(seconds: float, share: float) -> None:
    aimd = _halved()
    assert aimd.share(NOW + seconds) == pytest.approx(share)
    assert aimd.is_held_back(NOW + seconds) == (share < 1.0)


@pytest.mark.parametrize(
    ("seconds", "share"),
    [
        pytest.param(0.0, START_SHARE, id="at once"),
        pytest.param(START_SECONDS / 2, (1 + START_SHARE) / 2, id="half the time"),
        pytest.param(START_SECONDS, 1.0, id="the whole time"),
    ],
)
def test_a_beginning_is_a_quarter_and_grows_to_the_whole(seconds: float, share: float) -> None:
    aimd = AimdShare()
    aimd.begin_slowly(NOW)
    assert aimd.share(NOW + seconds) == pytest.approx(share)


def test_a_beginning_is_no_sign_of_throttling() -> None:
    aimd = AimdShare()
    aimd.begin_slowly(NOW)
    assert not aimd.is_held_back(NOW)
    assert aimd.halvings == 0


def test_a_second_beginning_is_as_slow_as_the_first() -> None:
    aimd = AimdShare()
    aimd.begin_slowly(NOW)
    aimd.begin_slowly(NOW + START_SECONDS * 0.9)
    assert aimd.share(NOW + START_SECONDS * 0.9) == pytest.approx(START_SHARE)
    assert aimd.share(NOW + START_SECONDS * 1.9) == pytest.approx(1.0)


def test_who_begins_anew_while_throttled_uses_the_part_of_a_part() -> None:
    aimd = _halved()
    aimd.begin_slowly(NOW)
    assert aimd.share(NOW) == START_SHARE / 2
    assert aimd.share(NOW + START_SECONDS) == pytest.approx(0.5 + START_SECONDS / RECOVERY_SECONDS)


def test_a_growth_is_never_set_forward() -> None:
    growth = ShareGrowth(100.0)
    growth.set_back(0.5, NOW)
    growth.set_back(0.75, NOW)
    assert growth.share(NOW) == 0.5


def test_a_clock_that_steps_back_costs_nothing_more() -> None:
    aimd = _halved()
    assert aimd.share(NOW - 500.0) == 0.5


SIGNS = st.lists(st.tuples(st.floats(0, 400), st.sampled_from(["halve", "begin slowly", "look"])), max_size=40)


@settings(deadline=None)
@given(SIGNS)
def test_the_share_has_bounds_and_falls_only_for_a_reason(steps: list[tuple[float, str]]) -> None:
    aimd = AimdShare()
    now = NOW
    share = 1.0
    for seconds, sign in steps:
        now += seconds
        grown = aimd.share(now)
        assert share <= grown <= 1.0
        match sign:
            case "halve":
                aimd.halve(now)
            case "begin slowly":
                aimd.begin_slowly(now)
            case _:
                assert aimd.share(now) == grown
        share = aimd.share(now)
        assert LEAST_SHARE * START_SHARE <= share <= grown
    assert aimd.share(now + RECOVERY_SECONDS) == 1.0


class TestAfterARestart:
    def test_a_halved_share_stays_halved_and_grows_with_the_time_that_passed(self) -> None:
        before, now = AimdShare(), 1_000.0
        before.halve(now)
        again = AimdShare()
        again.restore(written(before.export(now + 60.0)), after(60.0))
        assert again.share(BOOTED) == pytest.approx(before.share(now + 120.0))
        assert again.halvings == 1
        assert again.is_held_back(BOOTED)
        assert again.share(BOOTED + RECOVERY_SECONDS) == 1.0

    def test_a_halving_of_a_moment_ago_is_still_one_sign(self) -> None:
        before = AimdShare()
        before.halve(1_000.0)
        again = AimdShare()
        again.restore(written(before.export(1_001.0)), after(2.0))
        assert not again.halve(BOOTED)
        assert again.halve(BOOTED + HALVING_PAUSE_SECONDS)

    def test_a_beginning_goes_on(self) -> None:
        before = AimdShare()
        before.begin_slowly(1_000.0)
        again = AimdShare()
        again.restore(written(before.export(1_000.0)), after(0.0))
        assert again.share(BOOTED) == pytest.approx(START_SHARE)

    @pytest.mark.parametrize("share", [-0.5, 1.5, None, "1"])
    def test_no_other_share_is_taken(self, share: object) -> None:
        saved = AimdShare().export(0.0)
        saved["halved"]["from"] = share
        with pytest.raises(UnfitState):
            AimdShare().restore(saved, after(0.0))
