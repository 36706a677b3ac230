"""What could not be resolved, and for how long we do not try again (RFC 9520).

A failure is remembered for a few seconds; if the next try fails too, for twice as long, up to five minutes. So a
name that cannot be resolved costs its upstream a handful of queries an hour however many clients want it. Pauses
differ a little by chance, so that what failed together is not tried together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cachetools import Cache as Memory
from cachetools import LRUCache

from dohproxy.config import CacheConfig

MOST_FAILURES: Final = 10_000
"""Keys remembered at once, about 3 MiB. More distinct failures than that within five minutes are a flood, which the
miss limits deal with; the least recently used are forgotten first."""
SHORTEST_SECONDS: Final = 1
LONGEST_SECONDS: Final = 300
"""RFC 9520 section 3.2 allows no less and no more, jitter included."""


@dataclass(frozen=True, slots=True)
class RememberedFailure:
    """One failed question."""

    rcode: int
    errors: tuple[int, ...]
    until: float
    """Monotonic instant before which nobody asks again."""
    seconds: int
    """The length of this pause, jitter aside; the next one is twice as long."""


class Failures:
    """A bounded memory of failed questions, keyed like the cache. `draw` returns numbers from 0.0 up to 1.0; without it
    pauses are exact."""

    def __init__(self, rules: CacheConfig, draw: Callable[[], float] | None = None) -> None:
        self.rules = rules
        self._draw = draw
        self._known: LRUCache[bytes, RememberedFailure] = LRUCache(MOST_FAILURES)

    def remember(
        self, key: bytes, rcode: int, errors: tuple[int, ...], now: float, *, has_stale: bool, grows: bool
    ) -> None:
        """Note that `key` failed just now. Where a stale answer serves meanwhile, the pause is the recheck time
        of RFC 8767 section 5. The pause `grows` if the failure is the question's own; that nobody could be asked
        says nothing about it, and must not keep it away when somebody can."""
        before = self._known.get(key)
        seconds = self.rules.failure_ttl_seconds
        if has_stale:
            seconds = self.rules.stale_recheck_seconds
        elif grows and before is not None and now < before.until + before.seconds:
            seconds = min(2 * before.seconds, self.rules.failure_ttl_max_seconds)
        self._known[key] = RememberedFailure(rcode, errors, now + self._about(seconds), seconds)

    def receive(self, key: bytes, failure: RememberedFailure) -> None:
        """Take over what another node remembers, unless more is known here: the next pause grows from it, as if the
        question had failed here."""
        before = self._known.get(key)
        if before is None or before.until < failure.until:
            self._known[key] = failure

    def recall(self, key: bytes, now: float) -> RememberedFailure | None:
        """Return the failure that still forbids asking, if there is one."""
        known = self._known.get(key)
        return known if known is not None and now < known.until else None

    def foresee(self, key: bytes, now: float) -> RememberedFailure | None:
        """Return what `recall` would, and do not count that as a use."""
        known = Memory.__getitem__(self._known, key) if key in self._known else None
        return known if known is not None and now < known.until else None

    def forget(self, key: bytes) -> None:
        """The question was answered: the next failure starts from the shortest pause."""
        self._known.pop(key, None)

    def forget_all(self, is_meant: Callable[[bytes], bool]) -> int:
        """Forget every question that is meant; return how many there were. Costs some 2 ms where there are 10,000."""
        meant = [key for key in self._known if is_meant(key)]
        for key in meant:
            del self._known[key]
        return len(meant)

    def __len__(self) -> int:
        return len(self._known)

    def _about(self, seconds: int) -> float:
        """Return a pause of about so many seconds. Only beside a stale answer may it be longer than five minutes: that
        is no failure for clients."""
        if self._draw is None:
            return seconds
        pause = seconds * (1 + self.rules.jitter_percent * (2 * self._draw() - 1) / 100)
        return min(max(pause, SHORTEST_SECONDS), max(seconds, LONGEST_SECONDS))
