"""How soon an upstream answers."""

import pytest

from dohproxy.upstream.round_trip import HALF_LIFE_SECONDS, WORST_SCORE_SECONDS, RoundTrip


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
