"""What rows of hours add up to."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from dohproxy.observability.hour_sums import HOUR_SECONDS, OUTCOME_SUMS, Sums
from dohproxy.observability.outcome_groups import Group, group_of
from dohproxy.outcomes import OUTCOMES, Reason
from dohproxy.tools.usage.summary import LIMITS, Incident, Minute, summarise

SINCE = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = timedelta(days=7)
FIRST = int(SINCE.timestamp())


def hour(number: int, **sums: int) -> Sums:
    """Return a row, so many hours after the beginning."""
    return {"hour": FIRST + number * HOUR_SECONDS, "seconds": HOUR_SECONDS, **sums}


def test_nothing_adds_up_to_nothing() -> None:
    found = summarise([], SINCE, SINCE + WEEK)
    assert (found.requests, found.networks_busiest_day, found.busiest, len(found.bars)) == (0, 0, Minute(0, 0), 7)
    assert found.within_seconds[50] == 0.0001


def test_hours_add_up() -> None:
    rows = [
        hour(0, requests=100, failed=3, outcome_cached=90, outcome_client_limit=10, sends_answered=8, sends_timeout=1,
             dialect_rfc_get=60, dialect_rfc_post=40, new_networks=4, starts=1, bans_begun=1, bans_at_once=2,
             busiest_requests=9, busiest_at=111, certificate_ends=5),
        hour(1, requests=50, failed=2, outcome_forwarded=48, outcome_bug=2, sends_answered=48, dialect_rfc_post=50,
             connections=7, connections_refused=2, made_room=1, member_questions=5, member_failures=1,
             busiest_requests=30, busiest_at=222, worst_failed=2, worst_at=223, bans_at_once=1, throttlings=1),
    ]  # fmt: skip
    found = summarise(rows, SINCE, SINCE + WEEK)
    assert (found.requests, found.failed, found.covered_seconds, found.starts) == (150, 5, 7_200, 1)
    assert {group: count for group, count in found.groups.items() if count} == {
        Group.CACHE: 90, Group.UPSTREAM: 48, Group.LIMITED: 10, Group.FAILED: 2
    }  # fmt: skip
    assert list(found.dialects.items()) == [("rfc-post", 90), ("rfc-get", 60)]
    assert (found.sends, found.total_sends) == ({"answered": 56, "timeout": 1}, 57)
    assert found.limits["client_limit"] == 10
    assert (found.busiest, found.worst) == (Minute(30, 222), Minute(2, 223))
    assert (found.bans_begun, found.bans_at_once, found.certificate_ends) == (1, 2, 5)
    assert (found.connections_refused, found.made_room, found.member_failures, found.throttlings) == (2, 1, 1, 1)


@pytest.mark.parametrize("reason", Reason)
def test_every_outcome_is_in_a_group_and_counted_there(reason: Reason) -> None:
    found = summarise([hour(0, **{OUTCOME_SUMS[OUTCOMES[reason].label]: 4})], SINCE, SINCE + WEEK)
    assert found.groups[group_of(reason)] == sum(found.groups.values()) == 4


def test_limits_are_those_of_their_group() -> None:
    assert LIMITS[0] == "members_only"
    assert len(LIMITS) == 7


def test_networks_are_those_of_the_busiest_day_and_of_the_usual() -> None:
    rows = [hour(24 * day + 5, requests=1, networks_day=count) for day, count in enumerate([50, 60, 900, 55, 58])]
    found = summarise(rows, SINCE, SINCE + WEEK)
    assert (found.networks_busiest_day, found.networks_usual_day) == (900, 58)
    assert [bar.networks for bar in found.bars] == [50, 60, 900, 55, 58, 0, 0]


def test_how_long_answers_took() -> None:
    rows = [hour(0, latency_0=60, latency_3=38), hour(1, latency_13=2)]
    found = summarise(rows, SINCE, SINCE + WEEK)
    assert found.within_seconds == {50: 0.0001, 95: 0.005, 99: float("inf")}


def test_incidents_are_those_that_were() -> None:
    rows = [hour(0, alerts_listed=1, alert_seconds_listed=900), hour(1, alert_seconds_listed=600, alerts_disk=2)]
    assert summarise(rows, SINCE, SINCE + WEEK).incidents == (Incident("listed", 1, 1_500), Incident("disk", 2, 0))


@pytest.mark.parametrize(("days", "bars", "are_days"), [(1, 24, False), (3, 72, False), (4, 4, True), (30, 30, True)])
def test_a_short_span_has_a_bar_an_hour_and_a_long_one_a_bar_a_day(days: int, bars: int, are_days: bool) -> None:
    found = summarise([hour(0, requests=5), hour(3, requests=7)], SINCE, SINCE + timedelta(days=days))
    assert (len(found.bars), found.are_days) == (bars, are_days)
    assert [bar.requests for bar in found.bars if bar.requests] == ([12] if are_days else [5, 7])


def test_days_are_those_of_the_place_also_where_the_clock_is_put_back() -> None:
    paris = ZoneInfo("Europe/Paris")
    since = datetime(2026, 10, 24, tzinfo=paris)
    until = datetime(2026, 10, 28, tzinfo=paris)
    last_hour = int(datetime(2026, 10, 25, 22, tzinfo=UTC).timestamp())  # 23 h by the clock of a day that has 25.
    found = summarise([{"hour": last_hour, "requests": 3}], since, until)
    assert [(bar.since.day, bar.requests) for bar in found.bars] == [(24, 0), (25, 3), (26, 0), (27, 0)]


def test_a_zone_of_half_an_hour_has_its_days_too() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    since = datetime(2026, 11, 23, tzinfo=zone)
    assert len(summarise([], since, since + WEEK).bars) == 7
