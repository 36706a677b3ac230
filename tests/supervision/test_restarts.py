"""When a worker that has died is started again."""

from dohproxy.supervision.restarts import FAILING, LONGEST_PAUSE_SECONDS, STABLE_SECONDS, Restarts


def test_who_dies_for_the_first_time_is_replaced_at_once() -> None:
    restarts = Restarts()
    restarts.started(100.0)
    assert restarts.died(100.1) == 0.0
    assert restarts.count == 1
    assert not restarts.is_failing


def test_who_dies_again_and_again_is_started_later_and_later_and_no_later_than_the_longest_pause() -> None:
    restarts, now, pauses = Restarts(), 100.0, []
    for _ in range(12):
        restarts.started(now)
        pauses.append(restarts.died(now + 0.1))
        now += 0.1 + pauses[-1]
    assert pauses[:5] == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert pauses == sorted(pauses)
    assert restarts.count == 12


def test_that_it_is_of_no_use_is_told_after_some_deaths_and_not_before() -> None:
    restarts, told = Restarts(), []
    for _ in range(FAILING):
        restarts.started(100.0)
        restarts.died(100.1)
        told.append(restarts.is_failing)
    assert told == [False] * (FAILING - 1) + [True]


def test_who_has_lived_long_enough_is_forgiven() -> None:
    restarts = Restarts()
    for _ in range(FAILING):
        restarts.started(100.0)
        restarts.died(100.1)
    restarts.started(200.0)
    restarts.lives(200.0 + STABLE_SECONDS / 2)
    told = [restarts.is_failing]
    restarts.lives(200.0 + STABLE_SECONDS)
    assert [*told, restarts.is_failing] == [True, False]
    assert restarts.died(201.0 + STABLE_SECONDS) == 0.0
