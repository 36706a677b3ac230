"""What opens a breaker, what does not, and how it closes again."""

import pytest

from dohproxy.saved import UnfitState
from dohproxy.upstream.health.breaker import (
    BAN,
    OPENING_WEIGHT,
    RESTART,
    SILENCE,
    TIMEOUT_WEIGHT,
    UNREACHABLE_WEIGHT,
    Breaker,
    BreakerState,
    Pauses,
)
from tests.fakes.restarts import BOOTED, after, written


def _breaker(drawn: float = 0.0) -> Breaker:
    return Breaker(lambda: drawn)


def _fail(breaker: Breaker, weight: int, times: int, now: float) -> None:
    for _ in range(times):
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
        pytest.param(TIMEOUT_WEIGHT, 900, BreakerState.CLOSED, id="no number of silences is"),
    ],
)
def test_evidence_is_weighed(weight: int, times: int, state: BreakerState) -> None:
    breaker = _breaker()
    _fail(breaker, weight, times, 10.0)
    assert breaker.state(10.0) is state
    assert breaker.is_closed is (state is BreakerState.CLOSED)


@pytest.mark.parametrize(("silences", "is_doubtful"), [(8, False), (9, True)], ids=["eight silences", "nine silences"])
def test_silence_makes_doubtful(silences: int, *, is_doubtful: bool) -> None:
    breaker = _breaker()
    _fail(breaker, TIMEOUT_WEIGHT, silences, 10.0)
    assert breaker.is_doubtful is is_doubtful
    breaker.heard(11.0)
    assert not breaker.is_doubtful


def test_silences_do_not_add_to_refusals() -> None:
    breaker = _breaker()
    _fail(breaker, TIMEOUT_WEIGHT, 9, 10.0)
    _fail(breaker, UNREACHABLE_WEIGHT, 2, 10.0)
    assert breaker.is_closed


def test_what_is_open_is_not_opened_again_from_outside() -> None:
    breaker = _open(10.0)
    breaker.open(SILENCE, 10.5)
    assert breaker.cause is RESTART
    assert breaker.state(11.0) is BreakerState.HALF_OPEN


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
    assert not breaker.is_doubtful


def test_the_pause_ends_in_one_probe_at_a_time() -> None:
    breaker = _open(10.0)
    assert not breaker.may_probe(10.9)
    assert breaker.state(11.0) is BreakerState.HALF_OPEN
    assert breaker.may_probe(11.0)
    breaker.begin_probe()
    assert not breaker.may_probe(11.0)


def test_a_probe_that_is_answered_closes_the_breaker() -> None:
    breaker = _open(10.0)
    breaker.begin_probe()
    breaker.heard(11.1)
    assert breaker.is_closed


def test_a_probe_of_no_use_is_repeated_after_another_pause() -> None:
    breaker = _open(10.0)
    breaker.begin_probe()
    breaker.postpone(11.0)
    assert not breaker.may_probe(12.9)
    assert breaker.may_probe(13.0)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        pytest.param(RESTART, [1, 2, 4, 8, 15, 15, 15], id="nobody listens"),
        pytest.param(SILENCE, [1, 2, 4, 8, 16, 32, 60, 60], id="silence"),
    ],
)
def test_failed_probes_double_the_pause_to_an_end(cause: Pauses, expected: list[int]) -> None:
    breaker = _breaker()
    breaker.open(cause, 0.0)
    assert _pauses(breaker, 0.0, len(expected)) == expected


def _pauses(breaker: Breaker, now: float, count: int) -> list[float]:
    pauses = []
    for _ in range(count):
        start = now
        while not breaker.may_probe(now):
            now += 0.5
        pauses.append(now - start)
        breaker.begin_probe()
        breaker.failed(TIMEOUT_WEIGHT, sent_at=now, now=now)
    return pauses


@pytest.mark.parametrize("drawn", [0.0, 0.5, 0.999], ids=["longest", "between", "shortest"])
def test_the_jitter_only_shortens(drawn: float) -> None:
    breaker = _open(0.0, drawn)
    assert breaker.state(1.0) is BreakerState.HALF_OPEN
    assert breaker.state(0.74) is BreakerState.OPEN


def test_after_a_recovery_the_pause_begins_small_again() -> None:
    breaker = _open(0.0)
    for now in (1.0, 3.0):
        breaker.begin_probe()
        breaker.failed(TIMEOUT_WEIGHT, sent_at=now, now=now)
    breaker.begin_probe()
    breaker.heard(7.0)
    _fail(breaker, UNREACHABLE_WEIGHT, 3, 20.0)
    assert breaker.may_probe(21.0)


def test_what_was_sent_before_the_opening_changes_nothing() -> None:
    breaker = _open(10.0)
    breaker.failed(UNREACHABLE_WEIGHT, sent_at=9.0, now=10.5)
    assert breaker.state(10.9) is BreakerState.OPEN
    assert breaker.state(11.0) is BreakerState.HALF_OPEN
    breaker.begin_probe()
    breaker.failed(UNREACHABLE_WEIGHT, sent_at=9.0, now=10.5)
    assert not breaker.may_probe(11.0)


def test_a_late_answer_proves_that_somebody_is_there() -> None:
    breaker = _open(10.0)
    breaker.heard(10.5)
    assert breaker.is_closed


class TestBans:
    def test_a_ban_lasts_a_minute_and_then_twice_as_long_up_to_an_hour(self) -> None:
        breaker = _breaker()
        breaker.ban(0.0)
        assert _pauses(breaker, 0.0, 8) == [60, 120, 240, 480, 960, 1920, 3600, 3600]

    def test_a_reply_does_not_end_a_ban(self) -> None:
        breaker = _breaker()
        breaker.ban(0.0)
        breaker.heard(1.0)
        assert breaker.state(1.0) is BreakerState.OPEN

    def test_a_good_answer_does(self) -> None:
        breaker = _breaker()
        breaker.ban(0.0)
        breaker.close()
        assert breaker.is_closed

    def test_a_ban_after_a_silence_begins_with_a_minute(self) -> None:
        breaker = _breaker()
        breaker.open(SILENCE, 0.0)
        _pauses(breaker, 0.0, 3)
        breaker.ban(100.0)
        assert breaker.cause is BAN
        assert breaker.state(159.0) is BreakerState.OPEN
        assert breaker.state(160.0) is BreakerState.HALF_OPEN


def test_the_cause_is_remembered() -> None:
    silent, absent = _breaker(), _open(0.0)
    silent.open(SILENCE, 0.0)
    assert (silent.cause, absent.cause) == (SILENCE, RESTART)


def test_a_day_of_failures_overflows_nothing() -> None:
    breaker = _open(0.0)
    now = 0.0
    for _ in range(10_000):
        now += RESTART.longest
        breaker.begin_probe()
        breaker.failed(TIMEOUT_WEIGHT, sent_at=now, now=now)
    assert breaker.may_probe(now + RESTART.longest)


class TestAfterARestart:
    @pytest.mark.parametrize("cause", [RESTART, SILENCE, BAN], ids=["restart", "silence", "ban"])
    def test_an_open_one_stays_open_for_the_rest_of_its_pause(self, cause: Pauses) -> None:
        before = _breaker()
        before.open(cause, 100.0)
        again = _breaker()
        again.restore(written(before.export(100.0)), after(0.5))
        assert (again.cause, again.state(BOOTED)) == (cause, BreakerState.OPEN)
        assert not again.may_probe(BOOTED + cause.shortest - 0.6)
        assert again.may_probe(BOOTED + cause.shortest - 0.5)

    def test_the_pauses_go_on_growing(self) -> None:
        before = _breaker()
        for _ in range(3):
            before.ban(100.0)
        again = _breaker()
        again.restore(written(before.export(100.0)), after(0.0))
        again.ban(BOOTED)
        assert again.state(BOOTED + 8 * BAN.shortest - 1) is BreakerState.OPEN
        assert again.state(BOOTED + 8 * BAN.shortest) is BreakerState.HALF_OPEN

    def test_a_closed_one_stays_closed(self) -> None:
        again = _breaker()
        again.restore(written(_breaker().export(100.0)), after(0.0))
        assert again.is_closed

    @pytest.mark.parametrize(
        "change",
        [{"cause": "other"}, {"cause": ["ban"]}, {"pause": 1e9}, {"openings": 99}, {"opened_at": "now"}],
        ids=str,
    )
    def test_what_is_unfit_changes_nothing(self, change: dict[str, object]) -> None:
        again = _breaker()
        with pytest.raises(UnfitState):
            again.restore(_open(100.0).export(100.0) | change, after(0.0))
        assert again.is_closed
