"""What detectors look at: the service's counters at one instant, and what they grew by within some seconds."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from dohproxy.outcomes import Reason
from dohproxy.policy.member_books import BOUNDS, MemberStatistics

LOOK_SECONDS: Final = 5.0
"""Between two readings. A reading costs less than a millisecond, and a flood that lasts no longer is none."""
HISTORY_SECONDS: Final = 600.0
MOST_READINGS: Final = int(HISTORY_SECONDS / LOOK_SECONDS) + 1
"""Some 4 KiB each: half a MiB when all are there, which is ten minutes after the start."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How full something is that cannot grow."""

    name: str
    """One of a closed set, fit for a metric's label."""
    words: str
    """What is full, to be followed by "are taken" or the like: "places for connections"."""
    fill: float
    """0.0 to 1.0."""
    key: str = ""
    """The configuration's key that moves it, by its path; "" if none does."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What another part of the service has found out by itself."""

    subject: str
    """Of what, one of a small set: an upstream's name, a file's purpose."""
    words: str
    """A sentence without its full stop, and without a time."""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters, all since the start, at one instant."""

    at: float
    """Monotonic seconds."""
    requests: Mapping[Reason, int] = field(default_factory=dict)
    """Requests that have ended, by how."""
    failed: int = 0
    """Of these, those that were answered SERVFAIL or not at all, whoever was to blame, and without what was said again
    from the cache of failures to who asks too often."""
    stub_requests: int = 0
    """Of these, those in a dialect that stubs of public lists speak."""
    stub_probes: int = 0
    """Questions by which such a stub looks whether a server is well."""
    accepted: int = 0
    """Connections that were given a slot."""
    closed: Mapping[str, int] = field(default_factory=dict)
    """Connections that we have closed or not let in, by the label of the reason."""
    newcomers: float = 0.0
    """Networks that had not been seen for a day."""
    networks: float = 0.0
    """Networks that asked within the hour, or the one before: no counter, but what it is now."""
    members: MemberStatistics = field(default_factory=MemberStatistics)
    domain_refusals: int = 0
    """Misses that were not asked for because of their domain."""
    budget_refusals: int = 0
    """Questions that found neither budget nor a place in its line."""
    bounds: Sequence[Bound] = ()
    upstreams: Sequence[Trouble] = ()
    """Upstreams with which something is wrong."""
    path: Sequence[Trouble] = ()
    """Whether our way out is gone."""
    certificate: Sequence[Trouble] = ()
    disk: Sequence[Trouble] = ()


class History:
    """The readings of the last ten minutes."""

    def __init__(self, first: Reading) -> None:
        self._readings: deque[Reading] = deque((first,), MOST_READINGS)
        self.since = first.at
        """When the first one of all was made."""

    def add(self, reading: Reading) -> None:
        """Add the newest; the oldest goes where there are too many."""
        self._readings.append(reading)

    @property
    def last(self) -> Reading:
        """The newest reading."""
        return self._readings[-1]

    def within(self, seconds: float) -> "Growth":
        """Return what has grown within so many seconds, or since the oldest reading if that is less."""
        last = self.last
        first = next((one for one in reversed(self._readings) if last.at - one.at >= seconds), self._readings[0])
        return Growth(first, last)


@dataclass(frozen=True, slots=True)
class Growth:
    """What lies between two readings."""

    first: Reading
    last: Reading

    @property
    def seconds(self) -> float:
        """How long it took, never zero."""
        return max(self.last.at - self.first.at, 1.0)

    def requests(self, *reasons: Reason) -> int:
        """Return how many requests have ended so; all of them without a reason."""
        before, now = self.first.requests, self.last.requests
        chosen = reasons or tuple(now)
        return sum(now.get(reason, 0) - before.get(reason, 0) for reason in chosen)

    def closed(self, *labels: str) -> int:
        """Return how many connections were closed for these reasons."""
        return sum(self.last.closed.get(label, 0) - self.first.closed.get(label, 0) for label in labels)

    @property
    def accepted(self) -> int:
        """Connections given a slot."""
        return self.last.accepted - self.first.accepted

    @property
    def newcomers(self) -> float:
        """Networks that were new."""
        return self.last.newcomers - self.first.newcomers

    def share_of_requests(self, count: float) -> float:
        """Return a count as a part of all requests, 0.0 to 1.0."""
        return share(count, self.requests())

    def member_seconds(self, aside: float) -> tuple[int, float]:
        """Leave aside the slowest of members' misses that were answered, as many as this part of them comes to by
        chance; return how many these are, and within how many seconds all others were answered: the bound of the
        histogram that they are below, infinity beyond the last, 0.0 if there were none."""
        before, now = self.first.members.seconds, self.last.members.seconds
        counts = [after - earlier for after, earlier in zip(now, before, strict=True)]
        total = sum(counts)
        left_aside = min(total, math.floor(by_chance(aside, total)))
        bounds = (0.0, *BOUNDS, math.inf)
        others = total - left_aside
        so_far = accumulate(counts, initial=0)
        return left_aside, next(bound for bound, count in zip(bounds, so_far, strict=True) if count >= others)

    @property
    def member_questions(self) -> int:
        """Questions of members that the cache had no fresh answer to."""
        return self.last.members.questions - self.first.members.questions

    @property
    def member_failures(self) -> int:
        """Of these, those that came to nothing."""
        return self.last.members.failures - self.first.members.failures


def by_chance(part: float, whole: float) -> float:
    """Return how many of so many there are by chance, at the most, where this part of them is usual: three standard
    deviations (of Poisson) more than the mean, which is met once in a thousand looks."""
    usual = part * whole
    return usual + 3.0 * math.sqrt(usual)


def share(part: float, whole: float) -> float:
    """Return a part of a whole, 0.0 to 1.0; 0.0 of nothing."""
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def percent(part: float) -> str:
    """Return a share in words."""
    return f"{100 * part:.0f} %"
