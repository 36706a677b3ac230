"""What an upstream allows one guest: a token bucket, and a ban for who keeps passing it."""

from enum import Enum, auto


class Judgement(Enum):
    """What becomes of one query."""

    WELCOME = auto()
    EXCESS = auto()
    """Beyond the rate and what was saved up."""
    BANNED = auto()


class Limit:
    """`rate` queries a second and `burst` saved up; who passes that in `patience` seconds running is banned.

    Seconds are counted from the first query. A ban lasts `ban_seconds` and is not prolonged by knocking. Whoever asks
    is the same guest: the simulator has only one.
    """

    def __init__(self, rate: float, burst: float, *, patience: int, ban_seconds: float) -> None:
        self.bans = 0
        self._rate = rate
        self._burst = burst
        self._patience = patience
        self._ban_seconds = ban_seconds
        self._left = burst
        self._counted_at: float | None = None
        self._began_at = 0.0
        self._over: list[int] = []
        self._banned_until = float("-inf")
        self._banned_seconds = 0.0

    def judge(self, now: float) -> Judgement:
        """Count one query that came at `now`."""
        if self.is_banned(now):
            return Judgement.BANNED
        if self._counted_at is None:
            self._counted_at = self._began_at = now
        if now > self._counted_at:
            self._left = min(self._burst, self._left + (now - self._counted_at) * self._rate)
            self._counted_at = now
        # A guest that keeps the same budget exactly must not fall over a rounding error.
        if self._left >= 1 - 1e-6:
            self._left -= 1
            return Judgement.WELCOME
        self._note_excess(int(now - self._began_at), now)
        return Judgement.BANNED if self.is_banned(now) else Judgement.EXCESS

    def is_banned(self, now: float) -> bool:
        """Tell whether a ban is on."""
        return now < self._banned_until

    def banned_for(self, now: float) -> float | None:
        """Return how old the ban is that is on; None without one."""
        return now - (self._banned_until - self._ban_seconds) if self.is_banned(now) else None

    def banned_seconds(self, now: float) -> float:
        """Return how long all bans together have lasted by `now`."""
        return self._banned_seconds - max(0.0, self._banned_until - now)

    def _note_excess(self, second: int, now: float) -> None:
        if not self._over or second > self._over[-1] + 1:
            self._over = []
        if second not in self._over[-1:]:
            self._over.append(second)
        if len(self._over) >= self._patience:
            self._over = []
            self.bans += 1
            self._banned_until = now + self._ban_seconds
            self._banned_seconds += self._ban_seconds
