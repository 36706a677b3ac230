"""When a worker that has died is started again: at once, and later and later if that is of no use."""

from typing import Final

STABLE_SECONDS: Final = 10.0
"""Who has lived for so long has not died of how it was started."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
"""A start is a second of a core: so one that fails again and again takes no more than a thirtieth of it."""
FAILING: Final = 3
"""Deaths in a row, each soon after its start, before somebody is told that it is of no use."""


class Restarts:
    """The deaths of one worker. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._started_at = 0.0
        self._soon = 0
        self.count = 0
        """How often it was started in place of one that had died."""

    @property
    def is_failing(self) -> bool:
        """Whether it dies again and again."""
        return self._soon >= FAILING

    def started(self, now: float) -> None:
        """It was started."""
        self._started_at = now

    def lives(self, now: float) -> None:
        """It lives still: forget what was before, if that is long ago."""
        if now - self._started_at >= STABLE_SECONDS:
            self._soon = 0

    def died(self, now: float) -> float:
        """It has died; return after how many seconds it is to be started again, which is counted."""
        self.lives(now)
        self._soon += 1
        self.count += 1
        if self._soon == 1:
            return 0.0
        return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (self._soon - 2))
