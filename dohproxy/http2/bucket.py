"""A token bucket for what a connection may do now and then."""


class Bucket:
    """`burst` tokens to begin with, `per_second` coming back."""

    __slots__ = ("_burst", "_counted_at", "_left", "_per_second")

    def __init__(self, burst: float, per_second: float, now: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = burst
        self._counted_at = now

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Take tokens; False if there are not enough."""
        elapsed = max(0.0, now - self._counted_at)
        self._counted_at = now
        self._left = min(self._burst, self._left + elapsed * self._per_second)
        if self._left < tokens:
            return False
        self._left -= tokens
        return True
