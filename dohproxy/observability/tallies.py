"""How requests have ended, counted: on the hot path three plain additions to a tally that is found once."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from dohproxy.outcomes import Outcome, Reason
from dohproxy.wire.numbers import Rcode

FIRST_BOUND: Final = 0.0001
LATENCY_BOUNDS: Final = (FIRST_BOUND, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds. Hits take some 0.1 ms, a recursive resolver 1 ms to 1 s; 5 s is the deadline."""
OTHER_RCODE: Final = -1
"""What stands for all rcodes without a name: an upstream may send 4,096 of them."""
_FOLDED_RCODES: Final = frozenset({*(int(rcode) for rcode in Rcode), OTHER_RCODE, None})


class Times:
    """How long requests took that ended for one reason: shared by its tallies, of which there may be thousands, so that
    who reads the times has few histograms to add up."""

    __slots__ = ("buckets", "reason", "seconds")

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        self.seconds = 0.0
        self.buckets = [0] * (len(LATENCY_BOUNDS) + 1)


class Tally:
    """How often, and how fast, requests have ended in one way: three plain additions a request."""

    __slots__ = ("count", "outcome", "times")

    def __init__(self, outcome: Outcome, times: Times) -> None:
        self.outcome = outcome
        self.count = 0
        self.times = times

    def add(self, seconds: float) -> None:
        """Count one more request, which took so long from its last byte to its response."""
        self.count += 1
        times = self.times
        times.seconds += seconds
        # Nearly all that are counted this way came from the cache, and are within the first bound.
        times.buckets[0 if seconds <= FIRST_BOUND else bisect_left(LATENCY_BOUNDS, seconds)] += 1


def times_of(tallies: Iterable[Tally]) -> list[Times]:
    """Return the times that these tallies have together, those of each reason once."""
    return list({tally.times for tally in tallies})


def failed_in(tallies: Iterable[Tally]) -> int:
    """Return how many requests ended without an answer that could have had one."""
    servfail = int(Rcode.SERVFAIL)
    return sum(
        tally.count
        for tally in tallies
        if tally.outcome.answered_rcode == servfail or tally.outcome.reason is Reason.SERVICE_LIMIT
    )


class Tallies:
    """The tallies of all ways in which requests have ended: some hundred at most, as outcomes are a closed set."""

    def __init__(self) -> None:
        self._tallies: list[Tally] = []
        self._times: dict[Reason, Times] = {}
        self._counts: dict[Outcome, Callable[[float], None]] = {}
        """Each one's `add` by what it counts, saved: to call the object itself costs a cached answer 1.6 % more."""

    def tally(self, outcome: Outcome) -> Callable[[float], None]:
        """Return what counts the requests that end like this, the same object each time; it takes the seconds from a
        request's last byte to its response."""
        count = self._counts.get(outcome)
        if count is None:
            if outcome.answered_rcode not in _FOLDED_RCODES:
                return self.tally(replace(outcome, answered_rcode=OTHER_RCODE))
            times = self._times.setdefault(outcome.reason, Times(outcome.reason))
            tally = Tally(outcome, times)
            self._tallies.append(tally)
            count = self._counts[outcome] = tally.add
        return count

    def all(self) -> Sequence[Tally]:
        """Return all that there are."""
        return list(self._tallies)
