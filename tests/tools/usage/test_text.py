"""The report as text."""

from dohproxy.tools.usage.sheet import sheet_of
from dohproxy.tools.usage.summary import summarise
from dohproxy.tools.usage.text import COLUMNS, render
from tests.tools.usage.test_sheet import AT, sheet
from tests.tools.usage.test_summary import SINCE, WEEK, hour


def test_the_whole_of_it() -> None:
    lines = render(sheet(requests=1_000, failed=5, outcome_cached=1_000, latency_0=1)).splitlines()
    assert lines[:6] == [
        "DNS over HTTPS at doh.example.net",
        "2026-11-23 00:00 to 2026-11-30 00:00 (UTC)",
        "",
        "  requests                      1,000",
        "  answered                    99.50 %  5 were not",
        "  queries to upstreams              0  0.0 for 100 requests",
    ]
    assert "Requests by day" in lines
    assert "  Tue 2026-11-24  1,000  " + "█" * 40 in lines
    assert "  Mon 2026-11-23      0" in lines
    assert "What became of the requests" in lines


def test_bars_are_drawn_to_an_eighth() -> None:
    rows = [hour(0, requests=320), hour(24, requests=161), hour(48, requests=1)]
    nothing = summarise([], SINCE - WEEK, SINCE)
    text = render(sheet_of(summarise(rows, SINCE, SINCE + WEEK), nothing, "x", AT))
    bars = [line.split()[-1] for line in text.splitlines() if "█" in line or "▏" in line]
    assert bars == ["█" * 40, "█" * 20 + "▏", "▏"]


def test_no_line_is_wider_than_mail_or_ends_with_spaces() -> None:
    text = render(sheet(requests=1_000_000, alerts_listed=1, dialect_post_body_hash=3, starts=2, certificate_ends=1))
    assert all(len(line) <= COLUMNS + 12 and line == line.rstrip() for line in text.splitlines())
    assert text.endswith("\n")


def test_an_empty_week_has_no_picture() -> None:
    nothing = summarise([], SINCE, SINCE + WEEK)
    text = render(sheet_of(nothing, nothing, "doh.example.net", AT))
    assert "Requests by" not in text
