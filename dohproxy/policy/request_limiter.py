"""Who may go on: the client's limits, the service's limit, the slots for misses, and who goes first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from dohproxy.config import LimitsConfig
from dohproxy.outcomes import Client, Priority
from dohproxy.policy.fair_slots import FairSlots, FairSlotsStatistics
from dohproxy.policy.gcra import Gcra
from dohproxy.policy.limits import ClientLimit, LimitStatistics
from dohproxy.policy.priorities import Priorities, PriorityStatistics
from dohproxy.policy.rule_switches import Rule, RuleSwitch, RuleSwitches
from dohproxy.policy.standing import STRANGERS_LEAVE, Standing, Standings

MISS_GRACE_SECONDS: Final = 1.0
"""How long a miss has its slot before somebody of equal right may take it: answers come within some hundred
milliseconds, and what takes longer is mostly a name whose servers are silent."""
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
    slots: FairSlotsStatistics
    priorities: PriorityStatistics


class RequestLimiter:
    """The limits of the walk, in the order in which it meets them."""

    def __init__(
        self,
        requests: ClientLimit,
        misses: ClientLimit,
        total: Gcra,
        slots: int,
        priorities: Priorities,
        rules: RuleSwitches | None = None,
    ) -> None:
        """`rules`: how the limits are held; without it all are enforced."""
        rules = RuleSwitches() if rules is None else rules
        requests.hold_to(rules[Rule.CLIENT_LIMIT])
        misses.hold_to(rules[Rule.MISS_LIMIT])
        self._service_switch = rules[Rule.SERVICE_LIMIT]
        self._requests = requests
        self._misses = misses
        self._total = total
        self.slots: FairSlots[MissSlot] = FairSlots(slots, MISS_GRACE_SECONDS)
        self._priorities = priorities
        self.seniority = priorities.seniority
        """Who has been here how long; kept from one process to the next."""
        self.standings = Standings(priorities.seniority)
        # The limits' own methods, as every request comes here.
        self.admit_request = requests.admit
        """Takes a client and the time; returns 0.0, or the seconds until this client may ask again."""
        self.wait_for_request = requests.wait
        """Takes the same and returns the same, and charges and counts nothing."""
        self.foresee_request = requests.foresee
        """Takes the same, and returns what that would be if the limit were enforced."""
        self.charge_request = requests.charge
        """Takes the same, and counts a request that was refused before `admit_request` was asked."""
        self.admit_to_service: _Admission = _admission_to(total, self._service_switch)
        """Takes the time and the part of the burst that is left to others; returns 0.0 while all clients together are
        within the service's limit, else the seconds until they are. Hits go on either way; the walk remembers the
        result and uses it on misses."""
        self.foresee_miss = misses.foresee
        """Takes what `admit_miss` takes, and returns the same if the limit is enforced; it charges and counts
        nothing."""
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
        self.admit_to_service = _admission_to(self._total, self._service_switch)
        self.slots.most = limits.waiting_misses
        self._priorities.adopt(*share, now)

    def judge_service(self, client: Client, now: float, wait: float) -> float:
        """Return how many seconds the service's limit has a miss of this client wait, 0.0 if it may be asked. `wait`:
        what `admit_to_service` has said of its request; it is asked once more for those who leave nothing to others."""
        if not client.member and self.standings.of(client, now) is not Standing.STRANGER:
            wait = self._total.take(now)
        return wait if wait and self._service_switch.acts() else 0.0

    def foresee_service(self, client: Client, now: float) -> float:
        """Return what the walk would get for this client if the service's limit is enforced, and charge nothing."""
        is_stranger = self.standings.of(client, now) is Standing.STRANGER
        return self._total.wait(now, STRANGERS_LEAVE if is_stranger else 0.0)

    def note_answered(self, client: Client, now: float) -> None:
        """Remember that this client has got an answer: it is what seniority comes from."""
        if client.prefixes:
            self.seniority.meet(client.prefixes, now)

    def may_miss(self, client: Client, now: float) -> bool:
        """Tell whether `admit_miss` would let this client ask; charges nothing."""
        return not self._misses.wait(client, now)

    def has_slot(self, client: Client, now: float) -> bool:
        """Tell whether `take_slot` would return one of the slots; nobody has to make room for it."""
        return self.slots.has_room(client.path, self.standings.of(client, now), now)

    def take_slot(self, client: Client, now: float) -> "MissSlot | None":
        """Return one of the slots for misses, to be given back when the miss has ended; None if all are taken, and by
        nobody who would have to make room for this client: who has, is told."""
        slot = MissSlot(self.slots)
        is_taken, loser = self.slots.join(slot, client.path, self.standings.of(client, now), now)
        if loser is not None:
            loser.lose()
        return slot if is_taken else None

    def priority(self, client: Client, now: float) -> Priority:
        """Return where this client's question stands where the upstreams' budget is short, and count it."""
        return self._priorities.judge(client, now)

    def statistics(self, now: float) -> RequestLimiterStatistics:
        """Return a frozen snapshot."""
        return RequestLimiterStatistics(
            requests=self._requests.statistics(now),
            misses=self._misses.statistics(now),
            total_fill=self._total.fill(now),
            slots=self.slots.statistics(),
            priorities=self._priorities.statistics(now),
        )


class _Admission(Protocol):
    """Takes the time and the part of the burst that is left to others; returns 0.0, or the seconds to wait."""

    def __call__(self, now: float, reserve: float = 0.0) -> float: ...


def _admission_to(total: Gcra, switch: RuleSwitch) -> _Admission:
    return _admit_all if switch.is_off else total.take


def _admit_all(now: float, reserve: float = 0.0) -> float:
    return 0.0


class MissSlot:
    """One miss's right to be resolved. Given back as often as its holders like: a task that is cancelled before its
    first step never gets to say so."""

    __slots__ = ("_slots", "is_lost", "when_lost")

    def __init__(self, slots: "FairSlots[MissSlot]") -> None:
        self._slots = slots
        self.is_lost = False
        """Somebody with more right to it has it now."""
        self.when_lost: Callable[[], None] | None = None
        """What is to be done then."""

    def give_back(self) -> None:
        """The miss has ended."""
        self._slots.leave(self)
        self.when_lost = None

    def lose(self) -> None:
        """Make room: the miss ends without an answer."""
        self.is_lost = True
        when_lost, self.when_lost = self.when_lost, None
        if when_lost is not None:
            when_lost()
