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
