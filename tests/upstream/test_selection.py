"""Who is asked next, and what is learnt from how it went."""

import random
from collections.abc import Sequence
from typing import Literal

import pytest

from dohproxy.upstream.health.breaker import BreakerState
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.health.round_trip import HALF_LIFE_SECONDS, WORST_SCORE_SECONDS
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.selection import Selection
from tests.fakes.upstream_health import ending
from tests.fakes.upstream_health import health as _health


def _selection(healths: Sequence[UpstreamHealth], choice: Literal["ordered", "fastest"] = "ordered") -> Selection:
    return Selection(healths, choice, random.Random(1).random)  # noqa: S311  # repeatable, and nothing depends on it


def _send(health: UpstreamHealth, result: SendStatus, *, sent_at: float, seconds: float = 0.01) -> None:
    assert health.begin(sent_at)
    health.end(ending(result, sent_at=sent_at, now=sent_at + seconds))


def _break(health: UpstreamHealth, now: float) -> None:
    for _ in range(3):
        _send(health, SendStatus.UNREACHABLE, sent_at=now, seconds=0)


class TestOrdered:
    def test_the_first_of_the_configuration_is_asked(self) -> None:
        assert _selection([_health(), _health()]).next_upstream(0.0) == 0

    def test_the_next_one_is_asked_where_the_first_has_been_tried(self) -> None:
        assert _selection([_health(), _health()]).next_upstream(0.0, tried={0}) == 1

    def test_the_first_is_asked_again_where_all_have_been_tried(self) -> None:
        assert _selection([_health(), _health()]).next_upstream(0.0, tried={0, 1}) == 0

    def test_an_excluded_one_is_never_asked_again(self) -> None:
        assert _selection([_health()]).next_upstream(0.0, tried={0}, excluded={0}) is None

    def test_one_without_budget_is_passed_over(self) -> None:
        empty = _health(burst=1)
        empty.begin(0.0)
        assert _selection([empty, _health()]).next_upstream(0.0) == 1

    def test_one_with_too_many_in_flight_is_passed_over(self) -> None:
        busy = _health(in_flight=1)
        busy.begin(0.0)
        assert _selection([busy, _health()]).next_upstream(0.0) == 1

    def test_one_with_an_open_breaker_is_passed_over(self) -> None:
        broken = _health()
        _break(broken, 0.0)
        assert _selection([broken, _health()]).next_upstream(0.5) == 1

    def test_no_one_is_asked_where_nobody_may_be(self) -> None:
        broken = _health()
        _break(broken, 0.0)
        selection = _selection([broken])
        assert selection.next_upstream(0.5) is None
        assert not selection.is_any_reachable()


class TestFastest:
    def test_the_faster_of_two_is_asked(self) -> None:
        slow, quick = _health(), _health()
        _send(slow, SendStatus.ANSWERED, sent_at=0.0, seconds=0.2)
        _send(quick, SendStatus.ANSWERED, sent_at=0.0, seconds=0.02)
        selection = _selection([slow, quick], "fastest")
        assert {selection.next_upstream(1.0) for _ in range(50)} == {1}

    def test_an_unknown_one_is_tried(self) -> None:
        known, unknown = _health(), _health()
        _send(known, SendStatus.ANSWERED, sent_at=0.0)
        assert _selection([known, unknown], "fastest").next_upstream(1.0) == 1

    def test_a_slow_one_is_tried_again_some_day(self) -> None:
        slow, quick = _health(), _health()
        _send(slow, SendStatus.ANSWERED, sent_at=0.0, seconds=0.2)
        later = 6 * HALF_LIFE_SECONDS
        _send(quick, SendStatus.ANSWERED, sent_at=later, seconds=0.02)
        assert _selection([slow, quick], "fastest").next_upstream(later + 1) == 0

    def test_of_many_the_slowest_is_never_asked_and_the_others_are(self) -> None:
        healths = [_health() for _ in range(4)]
        for place, health in enumerate(healths):
            _send(health, SendStatus.ANSWERED, sent_at=0.0, seconds=0.1 * (place + 1))
        selection = _selection(healths, "fastest")
        assert {selection.next_upstream(1.0) for _ in range(200)} == {0, 1, 2}

    def test_the_only_usable_one_is_asked(self) -> None:
        assert _selection([_health(), _health()], "fastest").next_upstream(0.0, excluded={0}) == 1


class TestLearning:
    @pytest.mark.parametrize("result", list(SendStatus), ids=str)
    def test_every_end_gives_back_the_place_in_flight_and_is_counted(self, result: SendStatus) -> None:
        health = _health()
        _send(health, result, sent_at=0.0)
        assert health.budget.in_flight == 0
        assert health.sends == {**dict.fromkeys(SendStatus, 0), result: 1}

    @pytest.mark.parametrize(
        "result",
        [
            *(
                SendStatus.ANSWERED,
                SendStatus.FAILED,
                SendStatus.TRUNCATED,
                SendStatus.UNUSABLE,
                SendStatus.LOST,
                SendStatus.UNSENT,
            ),
            *(SendStatus.BAD_COOKIE, SendStatus.UNPROVEN),
        ],
        ids=str,
    )
    def test_these_never_open_the_breaker(self, result: SendStatus) -> None:
        health = _health()
        for step in range(50):
            _send(health, result, sent_at=float(step))
        assert health.breaker.state(50.0) is BreakerState.CLOSED

    @pytest.mark.parametrize(
        ("result", "seconds"),
        [
            pytest.param(SendStatus.ANSWERED, 0.5, id="an answer measures"),
            pytest.param(SendStatus.TRUNCATED, 0.5, id="a truncated one too"),
            pytest.param(SendStatus.FAILED, 0.0, id="a servfail measures the zone, not the upstream"),
            pytest.param(SendStatus.TIMEOUT, WORST_SCORE_SECONDS, id="a silence is bad"),
            pytest.param(SendStatus.UNREACHABLE, WORST_SCORE_SECONDS, id="a refusal is bad"),
            pytest.param(SendStatus.BAD_COOKIE, 0.5, id="a bad cookie measures too"),
            pytest.param(SendStatus.UNPROVEN, 0.0, id="who spoke is not known where it could be forged"),
            pytest.param(SendStatus.LOST, 0.0, id="a closed connection says nothing"),
        ],
    )
    def test_the_score_follows_what_concerns_the_upstream(self, result: SendStatus, seconds: float) -> None:
        health = _health()
        _send(health, result, sent_at=0.0, seconds=0.5)
        assert health.round_trip.seconds(0.5) == seconds

    def test_a_slow_zone_does_not_spoil_the_score_of_an_upstream_that_talks(self) -> None:
        health = _health()
        health.begin(0.0)
        _send(health, SendStatus.ANSWERED, sent_at=0.5, seconds=0.1)
        health.end(ending(SendStatus.TIMEOUT, sent_at=0.0, now=1.5))
        assert health.round_trip.seconds(1.5) < 0.11

    def test_a_send_that_may_not_be_takes_nothing(self) -> None:
        health = _health(burst=1)
        health.begin(0.0)
        assert not health.begin(0.0)
        assert health.budget.in_flight == 1


@pytest.mark.parametrize(
    ("spent", "pressure"),
    [
        pytest.param(0, 0.0, id="full"),
        pytest.param(50, 0.0, id="half"),
        pytest.param(75, 0.5, id="a quarter left"),
        pytest.param(100, 1.0, id="empty"),
    ],
)
def test_pressure_rises_over_the_second_half_of_the_burst(spent: int, pressure: float) -> None:
    health = _health(burst=100)
    for _ in range(spent):
        health.begin(0.0)
    assert _selection([health]).pressure(0.0) == pressure


def test_pressure_looks_at_the_best_upstream() -> None:
    empty = _health(burst=1)
    empty.begin(0.0)
    assert _selection([empty, _health()]).pressure(0.0) == 0.0


def test_pressure_falls_again_as_the_budget_fills() -> None:
    health = _health(burst=100)
    for _ in range(100):
        health.begin(0.0)
        health.end(ending(SendStatus.ANSWERED, sent_at=0.0, now=0.0))
    selection = _selection([health])
    assert [selection.pressure(now) for now in (0.0, 25.0, 50.0, 1000.0)] == [1.0, 0.5, 0.0, 0.0]


def test_pressure_is_full_while_every_breaker_is_open() -> None:
    health = _health()
    _break(health, 0.0)
    assert _selection([health]).pressure(0.5) == 1.0


class _Quarter:
    """The tenure of a node that has just begun."""

    def clock(self) -> float:
        return 0.0

    def part(self, now: float) -> tuple[float, float]:
        return 0.25, now + 60.0

    def share_of_base(self, _: float) -> float:
        return 0.5


def test_as_many_wait_as_all_nodes_may_ask_though_a_part_is_held_now() -> None:
    one = _health()
    before = _selection([one]).queries_per_second(0.0)
    one.budget.hold(_Quarter(), 0.0)
    assert one.budget.queries_per_second == before / 4
    assert _selection([one]).queries_per_second(0.0) == before
