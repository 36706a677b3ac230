"""When each query came, and what that says about the guest.

A budget of `rate` queries a second and `burst` promises that no stretch of `t` seconds ever has more than
`burst + rate * t`. Nobody can look at every stretch, and nobody has to: a bucket that fills by one with each query and
leaks `rate` a second is at its fullest as full as the promise's burst must be. One pass, whatever the stretch.
"""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

WINDOW_SECONDS: Final = 1.0
NOTICING_SECONDS: Final = 10.0
"""From the beginning of a ban to the moment when a guest may know of it: a ban by silence is known when three attempts
of 1.5 s each have been in vain, for the questions that were under way and those that came meanwhile."""


@dataclass(frozen=True, slots=True)
class Report:
    """The books at one moment."""

    received: int
    excess: int
    """How many of these were beyond the limit."""
    received_while_banned: int
    received_after_noticing: int
    """How many of these came when there had been time to notice the ban."""
    bans: int
    banned_seconds: float
    """All bans together, up to now."""
    peak: int
    """Most queries in any stretch of one second, wherever it begins."""
    needed_burst: float
    """The smallest burst that, with the rate the books were opened for, explains every stretch of time."""
    by_second: tuple[int, ...]
    """Queries in each second since the first."""
    connections: int
    """TCP and TLS connections accepted or turned away."""
    by_label: dict[str, int]
    """Queries below each watched name."""

    @property
    def received_per_banned_minute(self) -> float:
        """Everything that came while a ban was on, by the minute of it."""
        return self.received_while_banned / self.banned_seconds * 60 if self.banned_seconds else 0.0

    @property
    def knocks_a_minute(self) -> float:
        """How often a guest knocks that may know by now that it is banned."""
        seconds = self.banned_seconds - NOTICING_SECONDS * self.bans
        return self.received_after_noticing / seconds * 60 if seconds > 0 else 0.0


class Books:
    """Counts queries; memory grows by one number a second and by what came in the last one."""

    def __init__(self, rate: float, watched: tuple[str, ...] = ()) -> None:
        self.connections = 0
        self._rate = rate
        self._received = self._excess = self._while_banned = self._after_noticing = self._peak = 0
        self._level = self._needed_burst = 0.0
        self._first: float | None = None
        self._last = 0.0
        self._recent: deque[float] = deque()
        self._by_second: Counter[int] = Counter()
        self._watched = tuple((name, _ending(name)) for name in watched)
        self._by_label: Counter[str] = Counter(dict.fromkeys(watched, 0))

    def receive(self, now: float, *, excess: bool = False, banned_for: float | None = None, qname: bytes = b"") -> None:
        """Note one query that came at `now`, in a ban that is so many seconds old if one is on.

        One that came before the last one noted counts as coming with it.
        """
        now = self._advance(now)
        self._received += 1
        self._excess += excess
        self._while_banned += banned_for is not None
        self._after_noticing += banned_for is not None and banned_for >= NOTICING_SECONDS
        self._level += 1
        self._needed_burst = max(self._needed_burst, self._level)
        self._recent.append(now)
        self._peak = max(self._peak, len(self._recent))
        for name, ending in self._watched:
            if qname.endswith(ending):
                self._by_label[name] += 1

    def report(self, *, bans: int, banned_seconds: float) -> Report:
        """Return a frozen copy, with what the limit knows."""
        seconds = range(max(self._by_second, default=-1) + 1)
        return Report(
            received=self._received,
            excess=self._excess,
            received_while_banned=self._while_banned,
            received_after_noticing=self._after_noticing,
            bans=bans,
            banned_seconds=banned_seconds,
            peak=self._peak,
            needed_burst=self._needed_burst,
            by_second=tuple(self._by_second[second] for second in seconds),
            connections=self.connections,
            by_label=dict(self._by_label),
        )

    def _advance(self, now: float) -> float:
        if self._first is None:
            self._first = self._last = now
        # Two sockets are read one after the other, so their queries can come out of order by a little.
        now = max(now, self._last)
        self._level = max(0.0, self._level - (now - self._last) * self._rate)
        self._last = now
        self._by_second[int(now - self._first)] += 1
        while self._recent and self._recent[0] <= now - WINDOW_SECONDS:
            self._recent.popleft()
        return now


def _ending(name: str) -> bytes:
    """Return a name in wire form, to be compared with the end of others."""
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".")) + b"\x00"
