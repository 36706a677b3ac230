"""What one upstream may be asked at most: a token bucket and a number of queries in flight, both hard.

The promise to an upstream is that in any stretch of `t` seconds it gets no more than `burst` plus `t` times
`queries_per_second` queries. So every send takes from the same bucket, whatever it is for, and nothing is ever
given back to the rate: not even a send that failed, since from here nobody can tell whether it arrived.
"""


class Budget:
    """One upstream's budget. It begins full: `burst` is what a restart may cost the upstream."""

    def __init__(self, queries_per_second: float, burst: int, most_in_flight: int, *, now: float) -> None:
        self.burst = burst
        self.most_in_flight = most_in_flight
        self.in_flight = 0
        self._queries_per_second = queries_per_second
        self._left = float(burst)
        self._counted_at = now

    @property
    def is_ample(self) -> bool:
        """Whether a query may go out and half the burst is left, as of the last look at the clock: it can only be more.

        Costs no arithmetic, for those who ask at every request.
        """
        return self._left * 2 >= self.burst and self._left >= 1 and self.in_flight < self.most_in_flight

    def left(self, now: float) -> float:
        """Return how many queries the rate allows at this moment; under 1 means none."""
        # A clock that seems to run backwards must not take anything away, nor give it twice.
        if now > self._counted_at:
            self._left = min(float(self.burst), self._left + (now - self._counted_at) * self._queries_per_second)
            self._counted_at = now
        return self._left

    def has_room(self, now: float) -> bool:
        """Tell whether a query may go out now."""
        return self.in_flight < self.most_in_flight and self.left(now) >= 1

    def share_left(self, now: float) -> float:
        """Return how full the bucket is, 0.0 to 1.0; 0.0 whenever no query may go out."""
        return self.left(now) / self.burst if self.has_room(now) else 0.0

    def take(self, now: float) -> bool:
        """Count one query as sent and in flight, if it may be; a True must be followed by one `release`."""
        if not self.has_room(now):
            return False
        self._left -= 1
        self.in_flight += 1
        return True

    def release(self) -> None:
        """Count a query as no longer in flight; raises RuntimeError if none is."""
        if self.in_flight == 0:
            raise RuntimeError("a query was released that had not been taken")
        self.in_flight -= 1
