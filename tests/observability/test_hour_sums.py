"""Sums of an hour: what counters have grown by, and how one minute is added to its hour."""

import re
from dataclasses import replace

import pytest

from dohproxy.observability.hour_sums import (
    COLUMNS,
    WORST,
    Counters,
    Sums,
    add,
    hour_of,
    minute_of,
)

WALL = 1_800_000_000.0
BEFORE = Counters(
    {"requests": 100, "failed": 2, "outcome_cached": 90},
    networks_hour=5,
    networks_day=9,
    bans=0,
    certificate_ends=0,
    alerts={},
)


def test_a_minute_has_what_counters_have_grown_by() -> None:
    now = replace(BEFORE, counted={"requests": 160, "failed": 5, "outcome_cached": 90}, networks_hour=7, bans=3)
    minute = minute_of(BEFORE, now, 60.2, WALL)
    assert minute == {
        "requests": 60,
        "failed": 3,
        "seconds": 60,
        "networks_hour": 7,
        "networks_day": 9,
        "bans_at_once": 3,
        "certificate_ends": 0,
        "busiest_requests": 60,
        "busiest_at": int(WALL),
        "worst_failed": 3,
        "worst_at": int(WALL),
    }


def test_a_counter_that_has_gone_with_its_upstream_takes_nothing_away() -> None:
    minute = minute_of(BEFORE, replace(BEFORE, counted={"requests": 40}), 60.0, WALL)
    assert minute.get("requests", 0) == 0


def test_an_alert_counts_once_when_it_begins_and_for_as_long_as_it_lasts() -> None:
    one = replace(BEFORE, alerts={("upstream", "ns0"): 10.0})
    two = replace(BEFORE, alerts={("upstream", "ns0"): 10.0, ("upstream", "ns1"): 70.0, ("disk", ""): 80.0})
    first, second = minute_of(BEFORE, one, 60.0, WALL), minute_of(one, two, 60.0, WALL)
    assert (first["alerts_upstream"], first["alert_seconds_upstream"]) == (1, 60)
    assert (second["alerts_upstream"], second["alert_seconds_upstream"]) == (1, 60)
    assert (second["alerts_disk"], second["alert_seconds_disk"]) == (1, 60)
    again = minute_of(one, replace(one, alerts={("upstream", "ns0"): 99.0}), 60.0, WALL)
    assert again["alerts_upstream"] == 1


@pytest.mark.parametrize(("seconds", "counts"), [(90.0, True), (91.0, False)])
def test_a_machine_that_slept_had_no_busiest_minute(seconds: float, counts: bool) -> None:
    minute = minute_of(BEFORE, replace(BEFORE, counted={"requests": 9_999}), seconds, WALL)
    assert (minute.get("busiest_requests", 0) == 9_899) is counts
    assert minute["requests"] == 9_899


def test_minutes_add_up_to_their_hour() -> None:
    hour: Sums = {}
    add(hour, {"requests": 60, "networks_hour": 7, "certificate_ends": 5, "busiest_requests": 60, "busiest_at": 1})
    add(hour, {"requests": 20, "networks_hour": 3, "certificate_ends": 0, "busiest_requests": 20, "busiest_at": 2})
    add(hour, {"requests": 70, "networks_hour": 4, "certificate_ends": 6, "busiest_requests": 70, "busiest_at": 3})
    kept = {name: number for name, number in hour.items() if number}
    assert kept == {
        "requests": 150, "networks_hour": 7, "certificate_ends": 6, "busiest_requests": 70, "busiest_at": 3
    }  # fmt: skip


def test_names_are_a_closed_set_that_a_database_takes_as_they_are() -> None:
    names = [*COLUMNS, *WORST, *WORST.values()]
    assert len(names) == len(set(names)) > 120
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


def test_the_hour_of_a_moment() -> None:
    assert hour_of(7_199.9) == 3_600
    assert hour_of(7_200.0) == 7_200
