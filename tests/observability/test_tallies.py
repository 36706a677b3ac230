"""The tallies of requests: one for each way to end, and no more than there are names for."""

from dataclasses import replace

import pytest

from dohproxy.doh.dialects import Dialect
from dohproxy.observability.tallies import FIRST_BOUND, LATENCY_BOUNDS, OTHER_RCODE, Tallies, Tally, Times
from dohproxy.outcomes import Frontend, Outcome, Reason
from dohproxy.wire.numbers import Rcode


def _outcome(answered_rcode: int | None = None) -> Outcome:
    return Outcome(Reason.CACHED, Frontend.HTTP1, "GET", Dialect.RFC_GET, answered_rcode=answered_rcode)


@pytest.mark.parametrize("seconds", [0.0, FIRST_BOUND, 0.00011, 5.0, 5.1])
def test_a_request_is_counted_once_in_the_bucket_of_its_time(seconds: float) -> None:
    tally = Tally(_outcome(), Times(Reason.CACHED))
    tally.add(seconds)
    number = sum(bound < seconds for bound in LATENCY_BOUNDS)
    assert (tally.count, tally.times.seconds) == (1, seconds)
    assert tally.times.buckets == [int(place == number) for place in range(len(LATENCY_BOUNDS) + 1)]


def test_equal_outcomes_are_counted_by_the_same_tally() -> None:
    tallies = Tallies()
    assert tallies.tally(_outcome()) is tallies.tally(_outcome())
    assert [tally.outcome for tally in tallies.all()] == [_outcome()]


def test_times_are_added_up_for_each_reason() -> None:
    tallies = Tallies()
    for outcome in (_outcome(), _outcome(3), replace(_outcome(), reason=Reason.STALE)):
        tallies.tally(outcome)(0.25)
    cached, denied, stale = (tally.times for tally in tallies.all())
    assert cached is denied is not stale
    assert (cached.seconds, sum(cached.buckets), stale.seconds, stale.reason) == (0.5, 2, 0.25, Reason.STALE)


def test_no_upstream_can_make_more_tallies_than_there_are_names() -> None:
    tallies = Tallies()
    for rcode in range(4096):
        tallies.tally(_outcome(rcode))
    assert {tally.outcome.answered_rcode for tally in tallies.all()} == {*Rcode, OTHER_RCODE}
