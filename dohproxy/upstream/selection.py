"""Which upstream is asked next: what is known of each, and two ways to choose.

`ordered` takes the first of the configuration that is well. `fastest` draws two and takes the one that has answered
sooner: nearly as good as the best of all, without the stampede to it (power of two choices; dnscrypt-proxy's `wp2`).
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

from dohproxy.upstream.breaker import TIMEOUT_WEIGHT, UNREACHABLE_WEIGHT, Breaker
from dohproxy.upstream.budget import Budget
from dohproxy.upstream.results import Result

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


class Standing:
    """What we owe one upstream and what we know of it; every send begins and ends here."""

    def __init__(self, budget: Budget, breaker: Breaker, *, over_stream: bool) -> None:
        self.budget = budget
        self.breaker = breaker
        self.over_stream = over_stream
        """It is always asked over TCP or TLS."""
        self.round_trip = RoundTrip()
        self.sends: dict[Result, int] = dict.fromkeys(Result, 0)

    def is_usable(self, now: float) -> bool:
        """Tell whether a query may be sent now."""
        return self.breaker.admits(now) and self.budget.has_room(now)

    def begin(self, now: float) -> bool:
        """Take what one send costs, if it may be sent; a True must be followed by one `end`."""
        if not self.breaker.admits(now) or not self.budget.take(now):
            return False
        self.breaker.begin(now)
        return True

    def end(self, result: Result, *, sent_at: float, now: float) -> None:
        """Learn how a send ended that began at `sent_at`."""
        self.budget.release()
        self.sends[result] += 1
        match result:
            case Result.ANSWERED | Result.TRUNCATED | Result.BAD_COOKIE:
                self.breaker.heard(now)
                self.round_trip.learn(now - sent_at, now)
            case Result.FAILED | Result.UNUSABLE:
                # The zone's trouble, often made on purpose: no evidence against the upstream, and no measure of it.
                self.breaker.heard(now)
            case Result.TIMEOUT:
                self._failed(TIMEOUT_WEIGHT, sent_at, now)
            case Result.UNREACHABLE:
                self._failed(UNREACHABLE_WEIGHT, sent_at, now)
            case Result.UNPROVEN | Result.LOST | Result.UNSENT | Result.ABANDONED:
                self.breaker.unresolved(sent_at=sent_at)

    def _failed(self, weight: int, sent_at: float, now: float) -> None:
        if self.breaker.failed(weight, sent_at=sent_at, now=now):
            self.round_trip.learn(WORST_SCORE_SECONDS, now)


class Selection:
    """All upstreams in the order of the configuration; `draw` returns numbers from 0.0 up to 1.0."""

    def __init__(
        self, standings: Sequence[Standing], choice: Literal["ordered", "fastest"], draw: Callable[[], float]
    ) -> None:
        self.standings = tuple(standings)
        self._choice = choice
        self._draw = draw

    def next_upstream(self, now: float, *, tried: Collection[int] = (), excluded: Collection[int] = ()) -> int | None:
        """Return the place of the upstream to ask, or None if there is none.

        One that is in `tried` is asked again only if there is no other, one in `excluded` never.
        """
        usable = [
            place for place, standing in enumerate(self.standings) if place not in excluded and standing.is_usable(now)
        ]
        usable = [place for place in usable if place not in tried] or usable
        if not usable:
            return None
        return usable[0] if self._choice == "ordered" else self._faster_of_two(usable, now)

    def is_any_reachable(self) -> bool:
        """Tell whether there is an upstream that its breaker does not keep us from."""
        return any(standing.breaker.is_closed for standing in self.standings)

    def pressure(self, now: float) -> float:
        """Return how scarce sends are: 0.0 while the best upstream has half its burst, 1.0 when none can be asked."""
        for standing in self.standings:
            # Asked at every request, and nearly always this is the answer.
            if standing.breaker.is_closed and standing.budget.is_ample:
                return 0.0
        best = max(
            (standing.budget.share_left(now) for standing in self.standings if standing.breaker.admits(now)),
            default=0.0,
        )
        return max(0.0, 1.0 - 2.0 * best)

    def _faster_of_two(self, places: list[int], now: float) -> int:
        first = places.pop(int(self._draw() * len(places)))
        if not places:
            return first
        second = places[int(self._draw() * len(places))]
        return min(first, second, key=lambda place: self.standings[place].round_trip.seconds(now))
