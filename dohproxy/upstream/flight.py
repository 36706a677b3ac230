"""Equal questions under way are asked once: who comes later waits for the answer that comes anyway.

A fetch belongs to nobody who waits for it. So a client that hangs up takes nobody's answer away, and what the upstream
was asked for reaches the cache in any case (CVE-2025-5994 is what several equal questions at once are good for).
"""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from dohproxy.upstream.results import Bug
from dohproxy.upstream.sends import Stoppable

Outcome = TypeVar("Outcome")

TOLD_AT_ONCE: Final = 50
"""So many waiters of one fetch are told in one turn of the event loop. Each gets a response of its own, which takes up
to 0.1 ms: nobody else waits longer than 5 ms for their sake."""
UNAWAITED_SHARE: Final = 0.5
"""Part of all fetches that may be under way when one is begun that nobody waits for: clients go first."""


class Waiter(Generic[Outcome]):
    """One who waits for a fetch: `notify` is called once with its outcome, or at `until` (the event loop's clock) with
    what is said to who waited in vain; never after `stop`."""

    __slots__ = ("_alarm", "_flight", "_late", "_notify", "stands", "until")

    def __init__(self, notify: Callable[[Outcome | Bug], None], *, until: float, late: Outcome) -> None:
        self.until = until
        self.stands = False
        """It waits behind as many as may."""
        self._notify = notify
        self._late = late
        self._flight: _Flight[Outcome] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def wait_for(self, flight: "_Flight[Outcome]") -> None:
        """Wait for this fetch. Who waits as long as it may take at most needs no alarm."""
        self._flight = flight
        flight.waiters.add(self)
        flight.standing += self.stands
        if self.until < flight.until:
            self._alarm = asyncio.get_running_loop().call_at(self.until, self.notify, self._late)

    def hurry(self, until: float, late: Outcome) -> None:
        """Wait until then at the most, and be told `late` if nothing has come."""
        if self._flight is not None and until < self.until:
            if self._alarm is not None:
                self._alarm.cancel()
            self.until, self._late = until, late
            self._alarm = asyncio.get_running_loop().call_at(until, self.notify, late)

    def stop(self) -> None:
        """Wait no longer."""
        if self._flight is not None:
            self._flight.waiters.discard(self)
            self._flight.standing -= self.stands
            self._flight = None
            if self._alarm is not None:
                self._alarm.cancel()

    def notify(self, outcome: Outcome | Bug) -> None:
        """The wait is over."""
        if self._flight is not None:
            self.stop()
            self._notify(outcome)


class _Flight(Generic[Outcome]):
    """One fetch and those who wait for it."""

    __slots__ = ("fetch", "standing", "until", "waiters")

    def __init__(self, until: float) -> None:
        self.until = until
        self.waiters: set[Waiter[Outcome]] = set()
        self.standing = 0
        """How many of them stand behind the others."""
        self.fetch: Stoppable | None = None


class Flights(Generic[Outcome]):
    """The fetches under way, by key, and the clients that wait for each.

    At most `most_fetches` fetches, at most `most_waiters` clients on each, and as many again that stand behind them for
    a moment. `when_stopped` is what waiters get whose fetch is stopped.
    """

    def __init__(self, *, most_fetches: int, most_waiters: int, when_stopped: Outcome) -> None:
        self.most_fetches = most_fetches
        self.refused_fetches = 0
        self.refused_waiters = 0
        self._most_waiters = most_waiters
        self._when_stopped = when_stopped
        self._is_closed = False
        self._flights: dict[bytes, _Flight[Outcome]] = {}

    def __contains__(self, key: bytes) -> bool:
        return key in self._flights

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def waiters(self) -> int:
        """How many clients wait, over all fetches."""
        return sum(len(flight.waiters) for flight in self._flights.values())

    def start(
        self,
        key: bytes,
        begin: Callable[[Callable[[Outcome | Bug], None]], Stoppable],
        waiter: Waiter[Outcome] | None,
        *,
        until: float,
    ) -> bool:
        """Begin a fetch for `waiter`, or for nobody; return False if one for this key is under way, too many are,
        or the resolver is closing.

        `begin` is given what is to be told how the fetch ended, once, at `until` at the latest; perhaps at once.
        """
        if key in self._flights or self._is_closed:
            return False
        most = self.most_fetches if waiter is not None else max(1, int(self.most_fetches * UNAWAITED_SHARE))
        if len(self._flights) >= most:
            self.refused_fetches += waiter is not None
            return False
        flight: _Flight[Outcome] = _Flight(until)
        self._flights[key] = flight
        if waiter is not None:
            waiter.wait_for(flight)
        flight.fetch = begin(lambda outcome: self._land(key, flight, outcome))
        return True

    def fetch_of(self, key: bytes) -> Stoppable | None:
        """Return what is under way for this key; None also as long as it has only begun to begin."""
        flight = self._flights.get(key)
        return None if flight is None else flight.fetch

    def hurry(self, key: bytes, until: float, late: Outcome) -> None:
        """Let all who wait for this key by now wait until then at the most, after which they are told `late`."""
        for waiter in self._flights[key].waiters:
            waiter.hurry(until, late)

    def is_full(self, key: bytes, reserve: float = 0.0) -> bool:
        """Tell whether as many wait for the fetch under way as may, if the part `reserve` is left to others."""
        flight = self._flights[key]
        return len(flight.waiters) - flight.standing >= self._most_beside(reserve)

    def join(self, key: bytes, waiter: Waiter[Outcome], *, stands: bool = False, reserve: float = 0.0) -> bool:
        """Let `waiter` wait for the fetch under way. Return False if too many do; who `stands` has more room, and who
        has to leave a `reserve` to others less."""
        flight = self._flights[key]
        # Those who stand take no place of those who need not, whoever has to leave some to others.
        taken = flight.standing if stands else len(flight.waiters) - flight.standing
        if taken >= self._most_beside(reserve):
            self.refused_waiters += 1
            return False
        waiter.stands = stands
        waiter.wait_for(flight)
        return True

    def _most_beside(self, reserve: float) -> int:
        return max(1, int(self._most_waiters * (1 - reserve)))

    def close(self) -> None:
        """Stop all fetches; nothing can be started afterwards."""
        self._is_closed = True
        for key, flight in tuple(self._flights.items()):
            if flight.fetch is not None:
                flight.fetch.stop()
            self._land(key, flight, self._when_stopped)

    def _land(self, key: bytes, flight: _Flight[Outcome], outcome: Outcome | Bug) -> None:
        del self._flights[key]
        if isinstance(outcome, Bug) and not flight.waiters:
            _report("a fetch that nobody waits for failed", outcome.error)
        _notify(list(flight.waiters), outcome)


def _notify(waiters: list[Waiter[Outcome]], outcome: Outcome | Bug) -> None:
    """Tell so many as one turn of the loop has room for, and the others in the next ones."""
    for waiter in waiters[:TOLD_AT_ONCE]:
        try:
            waiter.notify(outcome)
        except Exception as error:
            _report("one who waited for a fetch failed", error)
    if len(waiters) > TOLD_AT_ONCE:
        asyncio.get_running_loop().call_soon(_notify, waiters[TOLD_AT_ONCE:], outcome)


def _report(message: str, error: Exception) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
