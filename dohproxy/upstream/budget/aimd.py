"""How much of an agreed budget is used right now: all of it, unless the upstream shows that it is too much.

What an operator has agreed on is an upper bound, and the upstream may have other guests today. So each sign of
throttling halves what is used, and it comes back in small equal steps (AIMD, as TCP does it; RFC 5681). The same
slow growth stands at a beginning: after a start with an empty cache, and when the questions of another upstream come
here all at once.
"""

from typing import Final

from dohproxy.saved import Interruption, Saved, distance, read_count, read_dict, read_moment, read_number

LEAST_SHARE: Final = 1 / 16
"""Four halvings: of 10 queries a second it leaves 37 a minute, with which popular names stay fresh."""
HALVING_PAUSE_SECONDS: Final = 10.0
"""The least time between two halvings: what was in flight at the first one must not count as a second sign. Google
averages over two seconds, Freifunk München over ten."""
RECOVERY_SECONDS: Final = 600.0
"""How long the share takes from nothing to the whole; from a half it takes five minutes, some bans' length. A resolver
that throttles again meanwhile is met at half of that."""
MOST_HALVINGS: Final = 2**53
"""The most that is read back; it would take longer than anything lasts."""
START_SHARE: Final = 0.25
"""The part of rate and burst that is used at a beginning: a browser's first page gets through, a crowd's does not."""
START_SECONDS: Final = 30.0
"""How long the share takes from there to the whole. By then the names that a crowd asks most are in the cache."""


class ShareGrowth:
    """A share of 1.0 that can be set back and grows again by equal steps."""

    __slots__ = ("_from", "_seconds", "_since")

    def __init__(self, seconds_to_whole: float) -> None:
        self._seconds = seconds_to_whole
        self._from = 1.0
        self._since = 0.0

    def share(self, now: float) -> float:
        """Return the share at `now`, 0.0 to 1.0."""
        if self._from >= 1.0:
            return 1.0
        share = self._from + max(0.0, now - self._since) / self._seconds
        if share >= 1.0:
            self._from = 1.0
            return 1.0
        return share

    def set_back(self, share: float, now: float) -> None:
        """Begin again at `share`, if that is less than what it is."""
        if share < self.share(now):
            self._from = share
            self._since = now

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with."""
        return {"from": self._from, "since": distance(self._since, now)}

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Grow on from what another process has exported. Raises UnfitState, and then nothing has changed."""
        share, since = read_number(saved, "from", 0.0, 1.0), read_moment(saved, "since", interruption)
        self._from, self._since = share, since


class AimdShare:
    """The share of one budget that is in use."""

    def __init__(self) -> None:
        self.halvings = 0
        self._halved = ShareGrowth(RECOVERY_SECONDS)
        self._halved_at = float("-inf")
        self._start = ShareGrowth(START_SECONDS / (1 - START_SHARE))

    def share(self, now: float) -> float:
        """Return what part of rate and burst may be used, over 0.0 to 1.0."""
        return self._halved.share(now) * self._start.share(now)

    def is_held_back(self, now: float) -> bool:
        """Tell whether a halving has not grown over yet."""
        return self._halved.share(now) < 1.0

    def halve(self, now: float) -> bool:
        """Take a sign of throttling; False if the last one is too recent to be another."""
        if now - self._halved_at < HALVING_PAUSE_SECONDS:
            return False
        self._halved_at = now
        self.halvings += 1
        self._halved.set_back(max(LEAST_SHARE, self._halved.share(now) / 2), now)
        return True

    def take_over(self, saved: Saved, interruption: Interruption, now: float) -> None:
        """Use no more than another node does, which has had a sign of throttling that was not seen here. Raises
        UnfitState."""
        other = AimdShare()
        other.restore(saved, interruption)
        if other._halved.share(now) < self._halved.share(now):
            self._halved = other._halved
        # Its sign counts here too: what was in flight then must not count as a second one.
        self._halved_at = max(self._halved_at, min(other._halved_at, now))

    def begin_slowly(self, now: float) -> None:
        """Start from a quarter."""
        self._start.set_back(START_SHARE, now)

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with."""
        return {
            "halvings": self.halvings,
            "halved_at": distance(self._halved_at, now),
            "halved": self._halved.export(now),
            "start": self._start.export(now),
        }

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported. Raises UnfitState."""
        self.halvings = read_count(saved, "halvings", MOST_HALVINGS)
        self._halved_at = read_moment(saved, "halved_at", interruption)
        self._halved.restore(read_dict(saved, "halved"), interruption)
        self._start.restore(read_dict(saved, "start"), interruption)
