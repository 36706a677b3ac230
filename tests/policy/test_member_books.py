"""The books about members: what is entered, and what is nothing to them."""

import pytest

from dohproxy.outcomes import Reason
from dohproxy.policy.member_books import BOUNDS, FAILURES, MemberBooks, MemberStatistics


def test_nothing_is_in_them_at_first() -> None:
    assert MemberBooks().statistics() == MemberStatistics()


@pytest.mark.parametrize("reason", sorted(FAILURES, key=str), ids=str)
def test_what_ends_without_an_answer_is_a_failure(reason: Reason) -> None:
    books = MemberBooks()
    books.note(reason, 2.0)
    figures = books.statistics()
    assert (figures.questions, figures.failures, sum(figures.seconds)) == (1, 1, 0)


def test_an_old_answer_is_an_answer() -> None:
    books = MemberBooks()
    books.note(Reason.STALE, 1.8)
    figures = books.statistics()
    assert (figures.questions, figures.failures, sum(figures.seconds)) == (1, 0, 0)


@pytest.mark.parametrize("seconds", [*BOUNDS, 60.0])
def test_how_long_an_upstream_took_is_entered_by_its_bound(seconds: float) -> None:
    books = MemberBooks()
    books.note(Reason.FORWARDED, seconds)
    place = BOUNDS.index(seconds) if seconds in BOUNDS else len(BOUNDS)
    assert books.statistics().seconds[place] == 1
    assert books.statistics().total_seconds == seconds


@pytest.mark.parametrize("reason", [Reason.CACHED, Reason.LOCAL, Reason.FORMAT_ERROR, Reason.WRONG_PATH])
def test_what_never_needed_an_upstream_says_nothing(reason: Reason) -> None:
    books = MemberBooks()
    books.note(reason, 0.1)
    assert books.statistics() == MemberStatistics()
