"""How soon an upstream answers, as far as can be told."""

from typing import Final

SMOOTHING: Final = 0.3
"""Weight of the newest round trip, as in BIND."""
HALF_LIFE_SECONDS: Final = 60.0
"""A score nobody renews halves in this time, so that an upstream that was slow is tried again some day."""
WORST_SCORE_SECONDS: Final = 2.0
"""What a send without an answer counts as, and more than any resolver worth asking takes."""


class RoundTrip:
    """A smoothed round trip in seconds that fades while it is not renewed; 0.0 until something is known."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._renewed_at: float | None = None

    def seconds(self, now: float) -> float:
        """Return the faded round trip at `now`."""
        if self._renewed_at is None:
            return 0.0
        return float(self._seconds * 0.5 ** (max(0.0, now - self._renewed_at) / HALF_LIFE_SECONDS))

    def learn(self, seconds: float, now: float) -> None:
        """Take in one more round trip."""
        seconds = min(seconds, WORST_SCORE_SECONDS)
        if self._renewed_at is not None:
            # From the faded value, so that an upstream that was bad an hour ago and is well today is believed.
            seconds = SMOOTHING * seconds + (1 - SMOOTHING) * self.seconds(now)
        self._seconds = seconds
        self._renewed_at = now
