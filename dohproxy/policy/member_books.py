"""How members fare: what became of those of their questions that the cache had no fresh answer to.

A hit is the same for everybody, so it says nothing about members. A miss is where they can be made to suffer: by a
budget that strangers have used up, by an upstream that is slow, by a limit that was meant for others.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from dohproxy.outcomes import Reason

BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds, as in the histogram of all requests; below 10 ms nobody suffers."""
FAILURES: Final = frozenset({
    Reason.CLIENT_LIMIT, Reason.SERVICE_LIMIT, Reason.MISS_LIMIT, Reason.DOMAIN_LIMIT, Reason.BUDGET_SPENT,
    Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_REFUSED, Reason.FAILURE_REMEMBERED,
    Reason.BUG,
})  # fmt: skip
"""What a member feels as a name that does not work. An old answer is none of them."""
QUESTIONS: Final = FAILURES | {Reason.FORWARDED, Reason.STALE}


@dataclass(frozen=True, slots=True)
class MemberStatistics:
    """The books at one instant; counts since the start."""

    questions: int = 0
    """Of members, which the cache had no fresh answer to."""
    failures: int = 0
    seconds: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    """Of those that were answered by an upstream, how many took up to each of `BOUNDS`, and longer."""
    total_seconds: float = 0.0
    """What these took together."""


class MemberBooks:
    """A few additions for each question of a member that only an upstream can answer."""

    __slots__ = ("_failures", "_questions", "_seconds", "_total_seconds")

    def __init__(self) -> None:
        self._questions = self._failures = 0
        self._seconds = [0] * (len(BOUNDS) + 1)
        self._total_seconds = 0.0

    def note(self, reason: Reason, seconds: float) -> None:
        """Enter how one request of a member has ended, `seconds` after it came; what is a hit, or was malformed, is
        left out."""
        if reason not in QUESTIONS:
            return
        self._questions += 1
        if reason in FAILURES:
            self._failures += 1
        elif reason is Reason.FORWARDED:
            self._seconds[bisect_left(BOUNDS, seconds)] += 1
            self._total_seconds += seconds

    def statistics(self) -> MemberStatistics:
        """Return a frozen snapshot."""
        return MemberStatistics(self._questions, self._failures, tuple(self._seconds), self._total_seconds)
