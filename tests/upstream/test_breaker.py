"""What opens a breaker, what does not, and how it closes again."""

from collections.abc import Callable

import pytest

from dohproxy.upstream.breaker import (
    LONGEST_PAUSE_SECONDS,
    OPENING_WEIGHT,
    TIMEOUT_WEIGHT,
    UNREACHABLE_WEIGHT,
    Breaker,
    BreakerState,
)


def _breaker(drawn: float = 0.0) -> Breaker:
    return Breaker(lambda: drawn)


def _fail(breaker: Breaker, weight: int, times: int, now: float) -> None:
    for _ in range(times):
        breaker.begin(now)
        breaker.failed(weight, sent_at=now, now=now)


def _open(now: float, drawn: float = 0.0) -> Breaker:
    breaker = _breaker(drawn)
    _fail(breaker, UNREACHABLE_WEIGHT, 3, now)
    return breaker


@pytest.mark.parametrize(
    ("weight", "times", "state"),
    [
        pytest.param(UNREACHABLE_WEIGHT, 2, BreakerState.CLOSED, id="two refusals are not enough"),
        pytest.param(UNREACHABLE_WEIGHT, 3, BreakerState.OPEN, id="three refusals are"),
        pytest.param(TIMEOUT_WEIGHT, 8, BreakerState.CLOSED, id="eight silences are not enough"),
        pytest.param(TIMEOUT_WEIGHT, 9, BreakerState.OPEN, id="nine silences are"),
    ],
)
def test_evidence_is_weighed(weight: int, times: int, state: BreakerState) -> None:
    breaker = _breaker()
    _fail(breaker, weight, times, 10.0)
    assert breaker.state(10.0) is state


def test_one_word_from_the_upstream_outweighs_all_before() -> None:
    breaker = _breaker()
    _fail(breaker, UNREACHABLE_WEIGHT, 2, 10.0)
    breaker.heard(11.0)
    _fail(breaker, UNREACHABLE_WEIGHT, 2, 12.0)
    assert breaker.state(12.0) is BreakerState.CLOSED


def test_a_silence_is_no_evidence_if_the_upstream_spoke_meanwhile() -> None:
    breaker = _breaker()
    breaker.heard(11.0)
    evidence = [breaker.failed(TIMEOUT_WEIGHT, sent_at=10.0, now=11.5) for _ in range(2 * OPENING_WEIGHT)]
    assert not any(evidence)
    assert breaker.state(11.5) is BreakerState.CLOSED


def test_the_pause_ends_in_one_probe_at_a_time() -> None:
    breaker = _open(10.0)
    assert not breaker.admits(10.9)
    assert breaker.state(11.0) is BreakerState.HALF_OPEN
    assert breaker.admits(11.0)
    breaker.begin(11.0)
    assert not breaker.admits(11.0)


def test_a_probe_that_is_answered_closes_the_breaker() -> None:
    breaker = _open(10.0)
    breaker.begin(11.0)
    breaker.heard(11.1)
    assert breaker.state(11.1) is BreakerState.CLOSED
    assert breaker.admits(11.1)


def test_a_probe_that_says_nothing_makes_room_for_the_next() -> None:
    breaker = _open(10.0)
    breaker.begin(11.0)
    breaker.unresolved(sent_at=11.0)
    assert breaker.admits(11.1)


def test_failed_probes_double_the_pause_up_to_eight_seconds() -> None:
    breaker = _open(0.0)
    now = 0.0
    pauses = []
    for _ in range(6):
        start = now
        while not breaker.admits(now):
            now += 0.125
        pauses.append(now - start)
        breaker.begin(now)
        breaker.failed(TIMEOUT_WEIGHT, sent_at=now, now=now)
    assert pauses == [1, 2, 4, 8, 8, 8]


@pytest.mark.parametrize("drawn", [0.0, 0.5, 0.999], ids=["longest", "between", "shortest"])
def test_the_jitter_only_shortens(drawn: float) -> None:
    breaker = _open(0.0, drawn)
    assert breaker.state(1.0) is BreakerState.HALF_OPEN
    assert breaker.state(0.74) is BreakerState.OPEN


def test_after_a_recovery_the_pause_begins_small_again() -> None:
    breaker = _open(0.0)
    for now in (1.0, 3.0):
        breaker.begin(now)
        breaker.failed(TIMEOUT_WEIGHT, sent_at=now, now=now)
    breaker.begin(7.0)
    breaker.heard(7.0)
    _fail(breaker, UNREACHABLE_WEIGHT, 3, 20.0)
    assert breaker.admits(21.0)


def _late_failure(breaker: Breaker) -> None:
    breaker.failed(UNREACHABLE_WEIGHT, sent_at=9.0, now=10.5)


def _late_nothing(breaker: Breaker) -> None:
    breaker.unresolved(sent_at=9.0)


@pytest.mark.parametrize("late", [_late_failure, _late_nothing], ids=["failure", "nothing"])
def test_what_was_sent_before_the_opening_changes_nothing(late: Callable[[Breaker], None]) -> None:
    breaker = _open(10.0)
    late(breaker)
    assert breaker.state(10.9) is BreakerState.OPEN
    assert breaker.state(11.0) is BreakerState.HALF_OPEN
    breaker.begin(11.0)
    late(breaker)
    assert not breaker.admits(11.0)


def test_a_late_answer_proves_that_somebody_is_there() -> None:
    breaker = _open(10.0)
    breaker.heard(10.5)
    assert breaker.admits(10.5)


def test_a_day_of_failures_overflows_nothing() -> None:
    breaker = _open(0.0)
    now = 0.0
    for _ in range(10_000):
        now += LONGEST_PAUSE_SECONDS
        breaker.begin(now)
        breaker.failed(TIMEOUT_WEIGHT, sent_at=now, now=now)
    assert breaker.admits(now + LONGEST_PAUSE_SECONDS)
