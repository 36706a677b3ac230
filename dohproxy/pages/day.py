"""The last day in quarters of an hour: how much was asked, how much of it of the upstreams, how long it took.

96 quarters of seventeen numbers, whatever is asked: no name, no address, nobody. They are kept from one process to the
next, so that a restart does not make a day without load of a day that had one.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from dohproxy.observability.tallies import LATENCY_BOUNDS, Tally, times_of
from dohproxy.outcomes import OUTCOMES, Reason
from dohproxy.saved import Saved, UnfitState, read_count, read_dict, read_list, read_number

QUARTER_SECONDS: Final = 900
QUARTERS: Final = 96
MOST_COUNT: Final = 10**13
"""No number here is larger: a million a second for a hundred days."""
_BUCKETS: Final = len(LATENCY_BOUNDS) + 1
_ASKED: Final = frozenset({
    Reason.FORWARDED, Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_REFUSED,
})  # fmt: skip
"""Questions that an upstream was asked for, whatever came of it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was answered in some time, or since the start."""

    answered: int = 0
    """Questions that got a DNS message."""
    asked: int = 0
    """Those of them that waited for an upstream."""
    buckets: tuple[int, ...] = (0,) * _BUCKETS
    """How long the answers took, in the buckets of `LATENCY_BOUNDS`."""
    seconds: float = 0.0
    """How much time these are from."""

    def __add__(self, other: "Counts") -> "Counts":
        buckets = tuple(map(sum, zip(self.buckets, other.buckets, strict=True)))
        seconds = self.seconds + other.seconds
        return Counts(self.answered + other.answered, self.asked + other.asked, buckets, seconds)

    @property
    def per_second(self) -> float | None:
        """Questions answered a second; None if these are from less than a second."""
        return self.answered / self.seconds if self.seconds >= 1.0 else None

    def since(self, before: "Counts", seconds: float) -> "Counts":
        """Return what has come since `before`, so many seconds ago."""
        buckets = tuple(now - then for now, then in zip(self.buckets, before.buckets, strict=True))
        return Counts(self.answered - before.answered, self.asked - before.asked, buckets, seconds)

    def quantile(self, part: float) -> float | None:
        """Return within how many seconds this part of the answers came, as near as the buckets tell; None if there were
        none."""
        if not self.answered:
            return None
        left = part * self.answered
        lower = 0.0
        for bound, count in zip(LATENCY_BOUNDS, self.buckets, strict=False):
            if count and left <= count:
                return lower + (bound - lower) * left / count
            left -= count
            lower = bound
        return lower


def count_answers(tallies: Iterable[Tally]) -> Counts:
    """Return what has been answered since the start."""
    answered = asked = 0
    buckets = [0] * _BUCKETS
    answers = [tally for tally in tallies if not OUTCOMES[tally.outcome.reason].is_refusal]
    for tally in answers:
        answered += tally.count
        asked += tally.count if tally.outcome.reason in _ASKED else 0
    for times in times_of(answers):
        for number, count in enumerate(times.buckets):
            buckets[number] += count
    return Counts(answered, asked, tuple(buckets))


class Day:
    """The quarters of the last day; at most QUARTERS of them."""

    def __init__(self, at: float) -> None:
        """`at` is Unix seconds: what is counted from then on is counted here."""
        self._quarters: deque[tuple[int, Counts]] = deque(maxlen=QUARTERS)
        """By the number of the quarter since 1970, the oldest first; what nobody has seen is not there."""
        self._last = Counts()
        self._last_at = at

    def observe(self, counts: Counts, at: float) -> None:
        """Take what has been answered since the start; `at` is Unix seconds. A clock that is put back adds to the last
        quarter there is."""
        # The clock may have been put back or on: no look is later than the quarter after the one before.
        seconds = min(max(0.0, at - self._last_at), float(QUARTER_SECONDS))
        grown = counts.since(self._last, seconds)
        self._last, self._last_at = counts, at
        number = int(at) // QUARTER_SECONDS
        if self._quarters and self._quarters[-1][0] >= number:
            last, before = self._quarters.pop()
            self._quarters.append((last, before + grown))
        else:
            self._quarters.append((number, grown))

    def quarters(self, at: float) -> Sequence[Counts | None]:
        """Return the QUARTERS up to `at`, the oldest first; None for those in which nothing was looked at."""
        newest = int(at) // QUARTER_SECONDS
        known = dict(self._quarters)
        return tuple(known.get(number) for number in range(newest - QUARTERS + 1, newest + 1))

    def export(self) -> Saved:
        """Return all quarters."""
        return {
            "day": [
                {
                    "quarter": number,
                    "answered": one.answered,
                    "asked": one.asked,
                    "buckets": list(one.buckets),
                    "seconds": one.seconds,
                }
                for number, one in self._quarters
            ]
        }

    def restore(self, saved: Saved) -> None:
        """Go on with what another process has exported. Raises UnfitState, and then nothing has changed."""
        found = [_read_quarter({"one": part}) for part in read_list(saved, "day", QUARTERS)]
        found.sort(key=lambda quarter: quarter[0])
        numbers = [number for number, _ in found]
        if len(set(numbers)) != len(numbers):
            raise UnfitState("day")
        self._quarters = deque(((number, counts) for number, counts in found), maxlen=QUARTERS)


def _read_quarter(saved: Saved) -> tuple[int, Counts]:
    part = read_dict(saved, "one")
    buckets = read_list(part, "buckets", _BUCKETS)
    if len(buckets) != _BUCKETS:
        raise UnfitState("buckets")
    counts = tuple(read_count({"bucket": one}, "bucket", MOST_COUNT) for one in buckets)
    answered, asked = (read_count(part, key, MOST_COUNT) for key in ("answered", "asked"))
    seconds = read_number(part, "seconds", 0.0, 2.0 * QUARTER_SECONDS)
    return read_count(part, "quarter", MOST_COUNT), Counts(answered, asked, counts, seconds)
