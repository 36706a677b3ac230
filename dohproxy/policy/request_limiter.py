"""Who may go on: the client's limits, the service's limit, the slots for misses, and who goes first."""

from dataclasses import dataclass

from dohproxy.config import LimitsConfig
from dohproxy.outcomes import Client, Priority
from dohproxy.policy.gcra import Gcra
from dohproxy.policy.limits import ClientLimit, LimitStatistics
from dohproxy.policy.priorities import Priorities, PriorityStatistics

SLOT_RETRY_SECONDS = 1.0
"""Retry-After when all slots are taken: a miss is over after a few hundred milliseconds, and no client reads
fractions."""


@dataclass(frozen=True, slots=True)
class RequestLimiterStatistics:
    """The limiter at one instant."""

    requests: LimitStatistics
    misses: LimitStatistics
    total_fill: float
    """How full the service-wide bucket is, 0.0 to 1.0."""
    slots_taken: int
    slots: int
    priorities: PriorityStatistics


class RequestLimiter:
    """The limits of the walk, in the order in which it meets them."""

    def __init__(
        self, requests: ClientLimit, misses: ClientLimit, total: Gcra, slots: int, priorities: Priorities
    ) -> None:
        self._requests = requests
        self._misses = misses
        self._total = total
        self._slots = slots
        self._priorities = priorities
        self.seniority = priorities.seniority
        """Who has been here how long; kept from one process to the next."""
        self.slots_taken = 0
        # The limits' own methods, as every request comes here.
        self.admit_request = requests.admit
        """Takes a client and the time; returns 0.0, or the seconds until this client may ask again."""
        self.wait_for_request = requests.wait
        """Takes the same and returns the same, and charges and counts nothing."""
        self.charge_request = requests.charge
        """Takes the same, and counts a request that was refused before `admit_request` was asked."""
        self.admit_to_service = total.take
        """Takes the time; returns 0.0 while all clients together are within the service's limit, else the seconds until
        they are. Hits go on either way; the walk remembers the result and uses it on misses."""
        self.wait_for_service = total.wait
        """Takes the time and returns the same, and charges nothing."""
        self.wait_for_miss = misses.wait
        """Takes what `admit_miss` takes and returns the same, and charges and counts nothing."""
        self.admit_miss = misses.admit
        """Takes a client and the time; returns 0.0, or the seconds until it may ask something that is not cached."""

    def adopt(self, limits: LimitsConfig, share: tuple[float, float], now: float) -> None:
        """Take other limits; what clients have used up stays used up. `share`: the rate and burst of a fair share."""
        self._requests.adopt(
            limits.requests_per_second, limits.requests_burst, limits.network_factor, limits.site_factor, now
        )
        self._misses.adopt(
            limits.misses_per_second, limits.misses_burst, limits.network_factor, limits.site_factor, now
        )
        self._total.adopt(limits.total_requests_per_second, limits.total_requests_burst, now)
        self._slots = limits.waiting_misses
        self._priorities.adopt(*share, now)

    def may_miss(self, client: Client, now: float) -> bool:
        """Tell whether `admit_miss` would let this client ask; charges nothing."""
        return not self._misses.wait(client, now)

    @property
    def has_slot(self) -> bool:
        """Whether `take_slot` would return one of the places."""
        return self.slots_taken < self._slots

    def take_slot(self) -> "MissSlot | None":
        """Return one of the slots for misses, to be given back when the miss has ended; None if all are taken."""
        if self.slots_taken >= self._slots:
            return None
        self.slots_taken += 1
        return MissSlot(self)

    def priority(self, client: Client, now: float) -> Priority:
        """Return where this client's question stands where the upstreams' budget is short, and count it."""
        return self._priorities.judge(client, now)

    def statistics(self, now: float) -> RequestLimiterStatistics:
        """Return a frozen snapshot."""
        return RequestLimiterStatistics(
            requests=self._requests.statistics(now),
            misses=self._misses.statistics(now),
            total_fill=self._total.fill(now),
            slots_taken=self.slots_taken,
            slots=self._slots,
            priorities=self._priorities.statistics(now),
        )


class MissSlot:
    """One miss's right to be resolved. Given back once, however many of its holders think it is theirs to do: a task
    that is cancelled before its first step never gets to say so."""

    __slots__ = ("_request_limiter",)

    def __init__(self, request_limiter: RequestLimiter) -> None:
        self._request_limiter: RequestLimiter | None = request_limiter

    def give_back(self) -> None:
        """The miss has ended."""
        if self._request_limiter is not None:
            self._request_limiter.slots_taken -= 1
            self._request_limiter = None
