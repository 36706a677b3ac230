"""The points of the charts: rates out of counters, gaps where nobody looked, and no more than a quarter of an hour."""

import math

import pytest

from dohproxy.control.console.history import (
    LONGEST_STEP_SECONDS,
    MOST_POINTS,
    SPAN_SECONDS,
    Counted,
    History,
    counted,
    p99,
)
from tests.control.console.samples import FIGURES

WALL = 1_800_000_000.0


def at(requests: float, sends: float = 0.0) -> Counted:
    """What is counted when so many requests were answered within a millisecond."""
    return Counted({"cache": requests}, sends, {0.001: requests, math.inf: requests}, 3, 20.0)


def test_a_snapshot_is_counted_by_groups() -> None:
    found = counted(FIGURES)
    assert {name: count for name, count in found.groups.items() if count} == {"cache": 40, "upstream": 6, "limited": 4}
    assert (found.sends, found.connections, found.budget) == (8, 12, 20.0)
    assert found.buckets == {0.001: 39, 0.1: 46, math.inf: 46}


def test_nothing_is_counted_before_the_first_request() -> None:
    found = counted(FIGURES | {"dohproxy_requests_total": {}, "dohproxy_request_seconds": {}})
    assert (sum(found.groups.values()), found.buckets) == (0, {})


def test_rates_are_what_counters_have_grown_by() -> None:
    history = History()
    first = history.add(at(100, sends=10), 0.0, WALL)
    assert (first["groups"], first["sends"], first["p99_ms"], first["connections"]) == (None, None, None, 3)
    second = history.add(at(120, sends=15), 2.0, WALL + 2)
    assert (second["groups"], second["sends"], second["p99_ms"]) == ({"cache": 10.0}, 2.5, 1.0)
    assert history.points() == [first, second]


def test_a_counter_that_falls_is_no_negative_rate() -> None:
    history = History()
    history.add(at(100, sends=50), 0.0, WALL)
    assert history.add(at(100, sends=0), 2.0, WALL + 2)["sends"] == 0.0


def test_after_a_time_in_which_nobody_looked_there_is_a_gap() -> None:
    history = History()
    history.add(at(0), 0.0, WALL)
    assert history.add(at(1_000), LONGEST_STEP_SECONDS + 1, WALL + 11)["groups"] is None


def test_points_are_kept_for_a_quarter_of_an_hour_and_bounded_in_number() -> None:
    history = History()
    for number in range(MOST_POINTS + 10):
        history.add(at(number), float(number), WALL + number)
    assert len(history.points()) == MOST_POINTS
    history.add(at(0), 5_000.0, WALL + MOST_POINTS + SPAN_SECONDS + 10)
    assert len(history.points()) == 1


@pytest.mark.parametrize(
    ("grown", "slowest"),
    [
        ({0.001: 0, 0.1: 0, math.inf: 0}, None),
        ({}, None),
        ({0.001: 100, 0.1: 100, math.inf: 100}, 0.001),
        ({0.001: 98, 0.1: 99, math.inf: 100}, 0.1),
        ({0.001: 0, 0.1: 0, math.inf: 100}, 0.1),
    ],
    ids=["none", "no histogram", "all quick", "one of a hundred slow", "all beyond the last bound"],
)
def test_ninety_nine_of_a_hundred(grown: dict[float, float], slowest: float | None) -> None:
    assert p99(dict.fromkeys(grown, 0.0), grown) == slowest
