"""The report in words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.hour_sums import SHADOW_SUMS
from dohproxy.observability.outcome_groups import Group
from dohproxy.tools.usage.sheet import (
    ALERT_WORDS,
    GROUP_WORDS,
    LIMIT_WORDS,
    PRIVACY,
    SEND_WORDS,
    SHADOW_WORDS,
    Row,
    Sheet,
    sheet_of,
)
from dohproxy.tools.usage.summary import LIMITS, summarise
from dohproxy.upstream.results import SendStatus
from tests.tools.usage.test_summary import SINCE, WEEK, hour

AT = datetime(2026, 11, 30, 6, tzinfo=UTC)
IN_NINE_DAYS = int(AT.timestamp()) + 9 * 86_400


def sheet(before: dict[str, int] | None = None, **sums: Any) -> Sheet:
    """Return the report of a week of which one hour is known."""
    earlier = summarise([hour(-24, **(before or {}))], SINCE - WEEK, SINCE)
    return sheet_of(summarise([hour(30, **sums)], SINCE, SINCE + WEEK), earlier, "doh.example.net", AT)


def _headlines(found: Sheet) -> dict[str, Row]:
    return {row.label: row for row in found.headlines}


def _section(found: Sheet, title: str) -> list[Row]:
    return next((list(section.rows) for section in found.sections if section.title.startswith(title)), [])


def test_everything_that_can_be_counted_has_words() -> None:
    assert set(GROUP_WORDS) == set(Group)
    assert set(LIMIT_WORDS) == set(LIMITS)
    assert set(SEND_WORDS) == set(SendStatus)
    assert set(ALERT_WORDS) == set(AlertKind)
    assert set(SHADOW_WORDS) == set(SHADOW_SUMS)


def test_the_figures_that_are_read_aloud() -> None:
    found = sheet(
        {"requests": 800}, requests=1_000, failed=5, networks_day=60, new_networks=7, sends_answered=150,
        busiest_requests=120, busiest_at=int((SINCE + timedelta(hours=30)).timestamp()), latency_0=990, latency_7=10,
    )  # fmt: skip
    told = _headlines(found)
    assert told["requests"] == Row("requests", "1,000", "25 % more than before")
    assert told["answered"] == Row("answered", "99.50 %", "5 were not")
    assert told["different networks on the busiest day"].part == "60 on a usual day, 7 new"
    assert told["queries to upstreams"].part == "15.0 for 100 requests"
    assert told["requests in the busiest minute"].value == "120"
    assert told["requests in the busiest minute"].part == "on 2026-11-24 before 06:00"
    assert told["half of all answers within"] == Row("half of all answers within", "0.1 ms", "99 % within 0.1 ms")
    assert found.title == "DNS over HTTPS at doh.example.net"
    assert found.span == "2026-11-23 00:00 to 2026-11-30 00:00 (UTC)"


COMPARED = {
    "more": (1_500, 1_000, "50 % more than before"),
    "less": (500, 1_000, "50 % less than before"),
    "the same": (1_005, 1_000, "as many as before"),
    "nothing before": (500, 0, ""),
}


@pytest.mark.parametrize(("count", "before", "words"), COMPARED.values(), ids=COMPARED)
def test_it_is_compared_with_the_span_before(count: int, before: int, words: str) -> None:
    assert _headlines(sheet({"requests": before}, requests=count))["requests"].part == words


@pytest.mark.parametrize(
    ("failed", "part"), [(0, "100 %"), (1, "99.99 %"), (500_000, "50.0 %"), (999_999, "0.01 %"), (1_000_000, "0 %")]
)
def test_all_and_none_are_said_of_all_and_none_alone(failed: int, part: str) -> None:
    assert _headlines(sheet(requests=1_000_000, failed=failed))["answered"].value == part


def test_it_is_compared_with_nothing_of_which_little_is_known() -> None:
    earlier = summarise([hour(-24, requests=5)], SINCE - WEEK, SINCE)
    now = summarise([hour(number, requests=9) for number in range(3)], SINCE, SINCE + WEEK)
    assert _headlines(sheet_of(now, earlier, "x", AT))["requests"].part == ""


def test_a_usual_day_needs_some_days() -> None:
    short = summarise([hour(0, requests=1, networks_day=5, new_networks=1)], SINCE, SINCE + timedelta(days=2))
    assert _headlines(sheet_of(short, short, "x", AT))["different networks on the busiest day"].part == "1 new"


def test_sections_say_what_there_was_and_no_more() -> None:
    found = sheet(
        requests=100, outcome_cached=80, outcome_client_limit=20, dialect_rfc_get=100, sends_timeout=4, throttlings=1,
        connections=10, connections_refused=10, shadow_bans=3, bans_begun=2, bans_at_once=1, member_questions=10,
        member_failures=1, alerts_listed=1, alert_seconds_listed=7_200, certificate_ends=IN_NINE_DAYS,
    )  # fmt: skip
    assert _section(found, "What became") == [
        Row("answered from the cache", "80", "80.0 %"), Row("turned away by a limit, a ban or a mode", "20", "20.0 %")
    ]  # fmt: skip
    assert _section(found, "How they") == [Row("rfc-get", "100", "100 %")]
    assert _section(found, "Upstreams")[1] == Row("signs that one wants less from us", "1")
    assert _section(found, "What limits did") == [
        Row("over the limit of one client", "20", "20.0 %"), Row("connections turned away", "10", "50.0 %")
    ]  # fmt: skip
    assert _section(found, "What rules that are only tried")[0].value == "3"
    assert _section(found, "Bans") == [Row("begun by rule", "2"), Row("at once, at most", "1")]
    assert _section(found, "Members")[1] == Row("of these not answered", "1", "10.0 %")
    assert _section(found, "Incidents") == [
        Row("a public list of resolvers had found the service", "once", "2 h in all")
    ]
    assert _section(found, "Certificate") == [Row("valid until", "2026-12-09", "9 days")]


def test_a_quiet_week_says_that_there_was_no_incident() -> None:
    found = sheet(requests=10)
    assert _section(found, "Incidents") == [Row("none", "")]
    assert _section(found, "What limits did") == []
    assert _section(found, "Bans") == []


def test_an_incident_that_began_before_went_on() -> None:
    [row] = _section(sheet(requests=1, alert_seconds_disk=60), "Incidents")
    assert row.value == "went on"


def test_a_certificate_that_has_expired() -> None:
    [row] = _section(sheet(certificate_ends=int(AT.timestamp()) - 86_400), "Certificate")
    assert row.part == "expired"


def test_what_is_missing_is_said_and_so_is_what_is_never_there() -> None:
    found = sheet(requests=10, starts=3)
    assert found.remarks[0].startswith("Figures are there for 1 % of the time")
    assert found.remarks[1] == "The service was started 3 times."
    assert found.remarks[-1] == PRIVACY
    whole = summarise([hour(0, seconds=7 * 86_400, requests=1)], SINCE, SINCE + WEEK)
    assert sheet_of(whole, whole, "x", AT).remarks == (PRIVACY,)


def test_a_week_of_which_nothing_is_known_can_be_told_too() -> None:
    nothing = summarise([], SINCE, SINCE + WEEK)
    found = sheet_of(nothing, nothing, "doh.example.net", AT)
    assert _headlines(found)["answered"].value == "none"
    assert "requests in the busiest minute" not in _headlines(found)
