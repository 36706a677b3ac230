"""Who may go on: the client's limits, the service's limit, the places for misses, and who goes first."""

from dataclasses import dataclass

from dohproxy.outcomes import Client, Priority
from dohproxy.policy.gcra import Gcra
from dohproxy.policy.limits import ClientLimit, LimitStatistics
from dohproxy.policy.priorities import Priorities, PriorityStatistics

PLACE_RETRY_SECONDS = 1.0
"""Retry-After when all places are taken: a miss is over after a few hundred milliseconds, and no client reads
fractions."""


@dataclass(frozen=True, slots=True)
class AdmissionStatistics:
    """The limiter at one instant."""

    requests: LimitStatistics
    misses: LimitStatistics
    total_fill: float
    """How full the service-wide bucket is, 0.0 to 1.0."""
    places_taken: int
    places: int
    priorities: PriorityStatistics


class Admission:
    """The limits of the walk, in the order in which it meets them."""

    def __init__(
        self, requests: ClientLimit, misses: ClientLimit, total: Gcra, places: int, priorities: Priorities
    ) -> None:
        self._requests = requests
        self._misses = misses
        self._total = total
        self._places = places
        self._priorities = priorities
        self.places_taken = 0
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
        self.admit_miss = misses.admit
        """Takes a client and the time; returns 0.0, or the seconds until it may ask something that is not cached."""

    def may_miss(self, client: Client, now: float) -> bool:
        """Tell whether `admit_miss` would let this client ask; charges nothing."""
        return not self._misses.wait(client, now)

    def take_place(self) -> "MissPlace | None":
        """Return one of the places for misses, to be given back when the miss has ended; None if all are taken."""
        if self.places_taken >= self._places:
            return None
        self.places_taken += 1
        return MissPlace(self)

    def priority(self, client: Client, now: float) -> Priority:
        """Return where this client's question stands where the upstreams' budget is short, and count it."""
        return self._priorities.judge(client, now)

    def statistics(self, now: float) -> AdmissionStatistics:
        """Return a frozen snapshot."""
        return AdmissionStatistics(
            requests=self._requests.statistics(now),
            misses=self._misses.statistics(now),
            total_fill=self._total.fill(now),
            places_taken=self.places_taken,
            places=self._places,
            priorities=self._priorities.statistics(now),
        )


class MissPlace:
    """One miss's right to be resolved. Given back once, however many of its holders think it is theirs to do: a task
    that is cancelled before its first step never gets to say so."""

    __slots__ = ("_admission",)

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission

    def give_back(self) -> None:
        """The miss has ended."""
        if self._admission is not None:
            self._admission.places_taken -= 1
            self._admission = None
