"""How soon an upstream answers."""

import pytest

from dohproxy.upstream.health.round_trip import (
    HALF_LIFE_SECONDS,
    LAST_REPLIES,
    LEAST_REPLIES,
    LONGEST_PATIENCE_SECONDS,
    WORST_SCORE_SECONDS,
    RoundTrip,
)


def test_the_score_is_smoothed() -> None:
    round_trip = RoundTrip()
    round_trip.learn(0.1, 0.0)
    round_trip.learn(0.2, 0.0)
    assert round_trip.seconds(0.0) == pytest.approx(0.13)


def test_one_absurd_round_trip_is_cut() -> None:
    round_trip = RoundTrip()
    round_trip.learn(1000.0, 0.0)
    assert round_trip.seconds(0.0) == WORST_SCORE_SECONDS


def test_a_score_fades() -> None:
    round_trip = RoundTrip()
    round_trip.learn(0.1, 0.0)
    assert round_trip.seconds(HALF_LIFE_SECONDS) == pytest.approx(0.05)


def test_nothing_is_known_at_first() -> None:
    assert RoundTrip().seconds(5.0) == 0.0


class TestPatience:
    def _patience(self, *seconds: float) -> float:
        round_trip = RoundTrip()
        for now, one in enumerate(seconds):
            round_trip.replied(one, float(now))
        return round_trip.patience

    def test_it_is_twice_what_the_upstream_takes(self) -> None:
        assert self._patience(*[1.7] * LEAST_REPLIES) == pytest.approx(3.4)

    def test_one_slow_name_is_none(self) -> None:
        assert self._patience(*[4.0] * (LEAST_REPLIES - 1)) == 0.0

    def test_it_has_an_end(self) -> None:
        assert self._patience(*[60.0] * LEAST_REPLIES) == LONGEST_PATIENCE_SECONDS

    def test_slow_names_among_quick_ones_make_nobody_slow(self) -> None:
        slow, quick = [4.0] * (LAST_REPLIES * 3 // 4 - 1), [0.02] * (LAST_REPLIES // 4 + 1)
        assert self._patience(*quick, *slow) == pytest.approx(0.04)

    def test_one_that_is_well_again_is_believed(self) -> None:
        assert self._patience(*[4.0] * LAST_REPLIES, *[0.02] * (LAST_REPLIES // 4 + 1)) == pytest.approx(0.04)
