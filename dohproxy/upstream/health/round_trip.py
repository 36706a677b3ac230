"""How soon an upstream answers, as far as can be told."""

from collections import deque
from typing import Final

SMOOTHING: Final = 0.3
"""Weight of the newest round trip, as in BIND."""
HALF_LIFE_SECONDS: Final = 60.0
"""A score nobody renews halves in this time, so that an upstream that was slow is tried again some day."""
WORST_SCORE_SECONDS: Final = 2.0
"""What a send without an answer counts as, and more than any resolver worth asking takes."""
LAST_REPLIES: Final = 16
LEAST_REPLIES: Final = 4
"""With fewer replies nothing is said: one or two slow ones may be the fault of the upstream, or of the name."""
QUICK_SHARE: Final = 0.25
"""Part of the last replies that is quicker than what an upstream is said to take. Names can be slow on purpose, so the
quick ones count: to make an upstream look slow takes three of four answers that anybody gets."""
PATIENCE_FACTOR: Final = 2.0
LONGEST_PATIENCE_SECONDS: Final = 5.0
"""As long as a stub waits."""


class RoundTrip:
    """A smoothed round trip in seconds that fades while it is not renewed; 0.0 until something is known."""

    def __init__(self) -> None:
        self.patience = 0.0
        """How long to wait, in seconds, before it is of any use to ask again; 0.0 as long as it is not slow."""
        self._replies: deque[float] = deque(maxlen=LAST_REPLIES)
        self._seconds = 0.0
        self._renewed_at: float | None = None

    def replied(self, seconds: float, now: float) -> None:
        """Take in a reply that came after so many seconds, be it late."""
        self._replies.append(seconds)
        if len(self._replies) >= LEAST_REPLIES:
            usual = sorted(self._replies)[int(len(self._replies) * QUICK_SHARE)]
            self.patience = min(LONGEST_PATIENCE_SECONDS, PATIENCE_FACTOR * usual)
        self.learn(seconds, now)

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
