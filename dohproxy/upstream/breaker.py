"""When to stop asking an upstream that is not there, and when to try again.

Evidence is what the connection shows, never what an answer says: a SERVFAIL proves that somebody is at home, and
packets that match no query may be anybody's. Silence is weak evidence, as slow zones are silent too, and somebody
may ask for them on purpose; so it counts only while the upstream says nothing to anybody.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

UNREACHABLE_WEIGHT: Final = 3
"""A refused connection means that nobody is there; three are enough for a restart that takes a moment to be noticed."""
TIMEOUT_WEIGHT: Final = 1
OPENING_WEIGHT: Final = 9
"""Three refusals or nine silences with no word in between. CoreDNS gives up after 2 failed probes, dnsdist after 1, but
these are probes for a name that is known to be quick."""
SHORTEST_PAUSE_SECONDS: Final = 1.0
"""dnsdist's interval between checks."""
LONGEST_PAUSE_SECONDS: Final = 8.0
"""Recovery within seconds is promised, and one query every eight seconds disturbs nobody."""
JITTER: Final = 0.25
"""Part of each pause that is drawn, so that many proxies do not come back in step."""


class BreakerState(StrEnum):
    """The three states; metric label."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """The pause is over: one real query at a time tries whether the upstream is back."""


class Breaker:
    """One upstream's breaker. `draw` returns numbers from 0.0 up to 1.0."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._weight = 0
        self._heard_at = float("-inf")
        self._opened_at: float | None = None
        self._pause = 0.0
        self._pauses = 0
        self._probing = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing is known against the upstream; at whatever time."""
        return self._opened_at is None

    def state(self, now: float) -> BreakerState:
        """Return the state at `now`."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._opened_at + self._pause else BreakerState.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Tell whether a query may go out: not in a pause, nor while a probe is under way."""
        match self.state(now):
            case BreakerState.CLOSED:
                return True
            case BreakerState.OPEN:
                return False
            case BreakerState.HALF_OPEN:
                return not self._probing

    def begin(self, now: float) -> None:
        """Note that a query which `admits` let through goes out."""
        self._probing = self.state(now) is BreakerState.HALF_OPEN

    def heard(self, now: float) -> None:
        """Note that the upstream said something in reply to us: it is there, whatever happened before."""
        self._heard_at = now
        self._weight = 0
        self._pauses = 0
        self._opened_at = None
        self._probing = False

    def failed(self, weight: int, *, sent_at: float, now: float) -> bool:
        """Note that a query sent at `sent_at` ended without a reply; `weight` is one of the two above.

        Return whether that is evidence: it is none if the upstream has replied to anything since.
        """
        if sent_at <= self._heard_at:
            return False
        if self._opened_at is None:
            self._weight += weight
            if self._weight >= OPENING_WEIGHT:
                self._open(now)
        elif sent_at > self._opened_at:
            # Sent after the breaker opened: this was the probe. What was sent before says nothing new.
            self._open(now)
        return True

    def unresolved(self, *, sent_at: float) -> None:
        """Note that a query ended without saying anything about the upstream; the next one may be the probe."""
        if self._opened_at is not None and sent_at > self._opened_at:
            self._probing = False

    def _open(self, now: float) -> None:
        longest = min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2.0**self._pauses)
        self._pause = longest * (1 - JITTER * self._draw())
        # Above this the power means nothing any more and would grow without bound.
        self._pauses = min(self._pauses + 1, 8)
        self._opened_at = now
        self._weight = 0
        self._probing = False
