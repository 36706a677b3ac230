"""Time as tests want it: it passes when they say so."""

from dataclasses import dataclass


@dataclass(slots=True)
class FakeClock:
    """Monotonic seconds."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.now += seconds


class TickingClock:
    """A clock on which each look at it takes some time, and nothing else does."""

    def __init__(self, look_seconds: float, now: float = 1_000.0) -> None:
        self._look_seconds = look_seconds
        self._now = now
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        self._now += self._look_seconds
        return self._now
