"""The last day in quarters of an hour."""

import json
from typing import Any

import pytest

from dohproxy.doh.dialects import Dialect
from dohproxy.observability.tallies import LATENCY_BOUNDS, Tallies
from dohproxy.outcomes import Frontend, Outcome, Reason
from dohproxy.pages.day import QUARTER_SECONDS, QUARTERS, Counts, Day, count_answers
from dohproxy.saved import UnfitState
from tests.fakes.pages import AT

BUCKETS = len(LATENCY_BOUNDS) + 1
START = AT - AT % QUARTER_SECONDS


def counts(answered: int, asked: int = 0) -> Counts:
    return Counts(answered, asked, (answered, *(0,) * (BUCKETS - 1)))


def test_answers_are_counted_and_refusals_are_not() -> None:
    tallies = Tallies()
    for reason, seconds in (
        (Reason.CACHED, 0.00005),
        (Reason.FORWARDED, 0.02),
        (Reason.UPSTREAM_TIMEOUT, 4.0),
        (Reason.WRONG_PATH, 0.0),
        (Reason.CLIENT_LIMIT, 0.0),
    ):
        tallies.tally(Outcome(reason, Frontend.HTTP2, "GET", Dialect.RFC_GET))(seconds)
    found = count_answers(tallies.all())
    assert (found.answered, found.asked, sum(found.buckets)) == (3, 2, 3)


def test_what_comes_within_a_quarter_is_one() -> None:
    day = Day(START)
    day.observe(counts(10), START + 1)
    day.observe(counts(25, 3), START + 2)
    [quarter] = [one for one in day.quarters(START + 3) if one is not None]
    assert (quarter.answered, quarter.asked, quarter.seconds) == (25, 3, 2.0)
    assert quarter.per_second == 12.5


def test_of_less_than_a_second_there_is_no_rate() -> None:
    day = Day(START)
    day.observe(counts(10), START + 0.5)
    [quarter] = [one for one in day.quarters(START) if one is not None]
    assert quarter.per_second is None


def test_quarters_that_nobody_has_seen_are_gaps() -> None:
    day = Day(START)
    day.observe(counts(1), START)
    day.observe(counts(2), START + 3 * QUARTER_SECONDS)
    assert [one and one.answered for one in day.quarters(START + 3 * QUARTER_SECONDS)[-4:]] == [1, None, None, 1]


def test_no_more_than_a_day_is_kept() -> None:
    day = Day(START)
    for number in range(2 * QUARTERS):
        day.observe(counts(number), START + number * QUARTER_SECONDS)
    newest = START + (2 * QUARTERS - 1) * QUARTER_SECONDS
    assert len(day.quarters(newest)) == QUARTERS
    assert None not in day.quarters(newest)
    assert len(day.export()["day"]) == QUARTERS
    assert [one for one in day.quarters(newest + 86_400) if one is not None] == []


def test_a_clock_that_is_put_back_adds_to_the_newest_quarter_and_makes_no_time() -> None:
    day = Day(START)
    day.observe(counts(1), START + QUARTER_SECONDS)
    day.observe(counts(5), START)
    [quarter] = [one for one in day.quarters(START + QUARTER_SECONDS) if one is not None]
    assert (quarter.answered, quarter.seconds) == (5, QUARTER_SECONDS)


@pytest.mark.parametrize(
    ("part", "seconds"),
    [
        pytest.param(0.5, LATENCY_BOUNDS[0] * 50 / 80, id="within the first bucket"),
        pytest.param(0.8, LATENCY_BOUNDS[0], id="at its end"),
        pytest.param(0.9, (LATENCY_BOUNDS[4] + LATENCY_BOUNDS[5]) / 2, id="in the middle of another"),
        pytest.param(1.0, LATENCY_BOUNDS[5], id="all"),
    ],
)
def test_within_which_time_a_part_of_the_answers_came(part: float, seconds: float) -> None:
    buckets = [0] * BUCKETS
    buckets[0], buckets[5] = 80, 20
    assert Counts(100, 20, tuple(buckets)).quantile(part) == pytest.approx(seconds)


def test_what_took_longer_than_the_last_bound_is_told_as_that() -> None:
    assert Counts(1, 1, (*(0,) * (BUCKETS - 1), 1)).quantile(0.5) == LATENCY_BOUNDS[-1]


def test_nothing_has_no_time() -> None:
    assert Counts().quantile(0.5) is None


def test_another_process_goes_on_with_it() -> None:
    day, other = Day(START), Day(START + 1_000)
    day.observe(counts(10, 2), START + 5)
    other.restore(json.loads(json.dumps(day.export())))
    other.observe(counts(4), START + 1_001)
    found = [(one.answered, one.asked) for one in other.quarters(START + 1_001) if one is not None]
    assert found == [(10, 2), (4, 0)]


GOOD: dict[str, Any] = {"quarter": 5, "answered": 1, "asked": 0, "buckets": [1] + [0] * (BUCKETS - 1), "seconds": 3.0}


@pytest.mark.parametrize(
    "saved",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"day": 5}, id="no list"),
        pytest.param({"day": [5]}, id="no quarter"),
        pytest.param({"day": [GOOD | {"answered": -1}]}, id="less than nothing"),
        pytest.param({"day": [GOOD | {"answered": 10**18}]}, id="more than can be"),
        pytest.param({"day": [GOOD | {"seconds": float("nan")}]}, id="no time"),
        pytest.param({"day": [GOOD | {"buckets": [1]}]}, id="other buckets"),
        pytest.param({"day": [GOOD | {"buckets": ["1"] * BUCKETS}]}, id="words"),
        pytest.param({"day": [GOOD, GOOD]}, id="one twice"),
        pytest.param({"day": [GOOD] * (QUARTERS + 1)}, id="too many"),
    ],
)
def test_what_is_unfit_changes_nothing(saved: dict[str, Any]) -> None:
    day = Day(START)
    day.observe(counts(7), START)
    before = day.export()
    with pytest.raises(UnfitState):
        day.restore(saved)
    assert day.export() == before
