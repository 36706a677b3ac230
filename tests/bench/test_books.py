"""The books of the simulated upstream: what they say of queries that came at known times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ban.books import Books, Report

RATE = 10.0


def report_of(times: list[float], rate: float = RATE) -> Report:
    """Return the books after queries at these times."""
    books = Books(rate)
    for time in times:
        books.receive(time)
    return books.report(bans=0, banned_seconds=0.0)


def test_empty_books_say_nothing() -> None:
    report = report_of([])
    assert (report.received, report.peak, report.needed_burst, report.by_second) == (0, 0, 0.0, ())


def test_a_steady_guest_within_the_rate_needs_a_burst_of_one() -> None:
    report = report_of([100 + number / 8 for number in range(80)])
    assert report.needed_burst == pytest.approx(1)
    assert report.by_second == (8,) * 10


def test_a_volley_needs_a_burst_of_its_size() -> None:
    assert report_of([5.0] * 40).needed_burst == 40


def test_what_follows_a_volley_at_the_rate_needs_no_more() -> None:
    times = [0.0] * 40 + [number / RATE for number in range(1, 200)]
    assert report_of(times).needed_burst == pytest.approx(40)


def test_one_query_more_than_the_rate_allows_is_seen_however_late() -> None:
    times = [0.0] * 40 + [number / RATE for number in range(1, 200)] + [19.9]
    assert report_of(times).needed_burst == pytest.approx(41)


def test_the_fullest_second_is_found_across_the_seconds_of_the_clock() -> None:
    report = report_of([0.0, 0.8, 0.9, 1.0, 1.1, 1.7, 3.0])
    assert report.by_second == (3, 3, 0, 1)
    assert report.peak == 5


def test_a_query_a_whole_second_later_is_in_another_window() -> None:
    assert report_of([0.0, 1.0]).peak == 1


def test_queries_out_of_order_count_as_coming_together() -> None:
    assert report_of([1.0, 0.99, 0.98]).needed_burst == 3


@given(st.lists(st.floats(0, 20), min_size=1, max_size=40), st.floats(0.5, 20))
def test_the_needed_burst_explains_every_stretch_and_none_smaller_does(times: list[float], rate: float) -> None:
    times.sort()
    stretches = [
        last - first + 1 - rate * (times[last] - times[first])
        for first in range(len(times))
        for last in range(first, len(times))
    ]
    assert report_of(times, rate).needed_burst == pytest.approx(max(stretches))


@given(st.lists(st.floats(0, 5), min_size=1, max_size=40))
def test_the_peak_is_that_of_the_fullest_of_all_windows(times: list[float]) -> None:
    times.sort()
    assert report_of(times).peak == max(sum(end - 1.0 < time <= end for time in times) for end in times)


def test_knocks_are_counted_by_the_minute_of_ban() -> None:
    books = Books(RATE)
    for second in range(90):
        books.receive(float(second), banned_for=float(second) if second % 10 == 0 else None)
    report = books.report(bans=1, banned_seconds=90.0)
    assert (report.received_while_banned, report.received_after_noticing) == (9, 8)
    assert report.received_per_banned_minute == pytest.approx(6)
    assert report.knocks_a_minute == pytest.approx(6)


def test_without_a_ban_nobody_knocks() -> None:
    report = report_of([1.0])
    assert (report.received_per_banned_minute, report.knocks_a_minute) == (0.0, 0.0)


def test_watched_names_are_counted_with_all_below_them() -> None:
    books = Books(RATE, ("victim.example",))
    for qname in (b"\x06victim\x07example\x00", b"\x01a\x06victim\x07example\x00", b"\x01a\x07example\x00"):
        books.receive(1.0, qname=qname)
    assert books.report(bans=0, banned_seconds=0.0).by_label == {"victim.example": 2}
