"""How many networks ask here, and how many of them have not been seen before; no address is kept.

A public list brings thousands of networks that were never here, each with a few modest questions: nothing in any one of
them is wrong. What tells is how many are new. Sketches (`hyperloglog`) overlap for that: one is begun every day and
lasts for two, so there is always one that remembers a whole day at least, and what that one grows by was not here
within the last one to two days.

A network is noted where its client is looked up anew: at the first connection or request since it was last forgotten,
and so again every hour. Whoever keeps one connection for longer than an hour is missing from the hours after the first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dohproxy.outcomes import Client
from dohproxy.policy.hyperloglog import HyperLogLog

HOUR_SECONDS: Final = 3_600.0
DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class VisitorStatistics:
    """The networks at one instant, estimated."""

    hour: float
    """Networks that asked within this hour or the one before, whichever had more."""
    day: float
    """Networks that asked since the day began, which is every 24 hours after the start."""
    newcomers: float
    """Networks not seen for a day, counted since the start; it only grows."""


class Visitors:
    """Three sketches, 12 KiB: this hour, today, and what has been seen for a day or two."""

    __slots__ = (
        "_before",
        "_day",
        "_day_ends",
        "_draw",
        "_hour",
        "_hour_ends",
        "_known",
        "_last",
        "_newcomers",
        "also",
    )

    def __init__(self, draw: Callable[[], int], now: float) -> None:
        """`draw` returns 64 random bits, a new salt for each sketch."""
        self._draw = draw
        self._hour, self._day, self._known = HyperLogLog(draw()), HyperLogLog(draw()), HyperLogLog(draw())
        self._before = 0.0
        self._last = 0.0
        self._newcomers = 0.0
        self._hour_ends, self._day_ends = now + HOUR_SECONDS, now + DAY_SECONDS
        self.also: Callable[[int], None] = lambda _hashed: None
        """Called with the hash of each network that is noted."""

    def note(self, client: Client) -> None:
        """Count a client's network: an IPv4 /24 or an IPv6 /56, as seniority does. Peers without address are none."""
        if len(client.prefixes) > 1:
            hashed = client.prefixes[1][0]
            self._hour.add(hashed)
            self._day.add(hashed)
            self._known.add(hashed)
            self.also(hashed)

    def turn(self, now: float) -> bool:
        """Begin a new hour and a new day where it is time; tell whether an hour has begun: then everybody is to be
        noted again who comes."""
        self._count()
        if now < self._hour_ends:
            return False
        self._before = self._hour.estimate()
        self._hour, self._hour_ends = HyperLogLog(self._draw()), now + HOUR_SECONDS
        if now >= self._day_ends:
            # Today's has been filled for a day beside the older one, and takes its place.
            self._known, self._day = self._day, HyperLogLog(self._draw())
            self._last = self._known.estimate()
            self._day_ends = now + DAY_SECONDS
        return True

    def statistics(self) -> VisitorStatistics:
        """Return the estimates as they are now."""
        self._count()
        return VisitorStatistics(max(self._hour.estimate(), self._before), self._day.estimate(), self._newcomers)

    def _count(self) -> None:
        known = self._known.estimate()
        self._newcomers += max(0.0, known - self._last)
        self._last = known
