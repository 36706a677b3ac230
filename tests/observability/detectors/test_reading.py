"""Readings: what has grown within a window, and what no more than ten minutes of them cost."""

import math

import pytest

from dohproxy.observability.detectors.reading import (
    HISTORY_SECONDS,
    LOOK_SECONDS,
    MOST_READINGS,
    History,
    Reading,
    percent,
    share,
)
from dohproxy.outcomes import Reason
from dohproxy.policy.member_books import BOUNDS, MemberStatistics


def history(*pairs: tuple[float, int]) -> History:
    """Readings at these seconds, with so many cached answers."""
    made = History(Reading(pairs[0][0], {Reason.CACHED: pairs[0][1]}))
    for at, count in pairs[1:]:
        made.add(Reading(at, {Reason.CACHED: count}))
    return made


@pytest.mark.parametrize(
    ("seconds", "grown", "took"),
    [
        pytest.param(5.0, 40, 5.0, id="the last look"),
        pytest.param(7.0, 70, 10.0, id="at least the window"),
        pytest.param(600.0, 90, 15.0, id="no more than there is"),
    ],
)
def test_growth_is_since_the_youngest_reading_that_is_old_enough(seconds: float, grown: int, took: float) -> None:
    found = history((0.0, 10), (5.0, 30), (10.0, 60), (15.0, 100)).within(seconds)
    assert (found.requests(), found.requests(Reason.CACHED), found.requests(Reason.STALE)) == (grown, grown, 0)
    assert found.seconds == took


def test_a_reason_that_was_not_there_before_counts_from_zero() -> None:
    made = history((0.0, 10))
    made.add(Reading(5.0, {Reason.CACHED: 12, Reason.BUDGET_SPENT: 7}))
    assert made.within(5.0).requests() == 9


def test_ten_minutes_are_kept_and_no_more() -> None:
    made = history((0.0, 0))
    for number in range(1, 1_000):
        made.add(Reading(number * LOOK_SECONDS, {Reason.CACHED: number}))
    assert made.within(1e9).requests() == MOST_READINGS - 1
    assert made.within(1e9).seconds == HISTORY_SECONDS


def test_one_reading_alone_has_grown_by_nothing() -> None:
    growth = history((3.0, 10)).within(60.0)
    assert (growth.requests(), growth.seconds) == (0, 1.0)


@pytest.mark.parametrize(
    ("counts", "aside", "seconds"),
    [
        pytest.param({}, 0, 0.0, id="nothing asked"),
        pytest.param({6: 1}, 0, BOUNDS[6], id="one alone is looked at"),
        pytest.param({0: 96, 6: 4}, 4, BOUNDS[0], id="four slow ones of a hundred are chance"),
        pytest.param({0: 95, 6: 5}, 4, BOUNDS[6], id="five slow ones of a hundred are not"),
        pytest.param({0: 9_800, 6: 200}, 130, BOUNDS[6], id="two of a hundred in many are not"),
        pytest.param({len(BOUNDS): 5}, 0, math.inf, id="all beyond the last bound"),
    ],
)
def test_how_long_members_wait(counts: dict[int, int], aside: int, seconds: float) -> None:
    made = History(Reading(0.0))
    told = tuple(counts.get(place, 0) for place in range(len(BOUNDS) + 1))
    made.add(Reading(60.0, members=MemberStatistics(sum(told), 0, told)))
    assert made.within(60.0).member_seconds(0.01) == (aside, seconds)


def test_a_share_is_of_something() -> None:
    assert [share(1, 4), share(0, 0), share(5, 4), share(-1, 4)] == [0.25, 0.0, 1.0, 0.0]
    assert percent(0.834) == "83 %"
