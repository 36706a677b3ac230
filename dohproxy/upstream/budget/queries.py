"""What one upstream may be asked at most: a token bucket and a number of queries in flight, both hard.

The promise to an upstream is that in any stretch of `t` seconds it gets no more than `burst` plus `t` times
`queries_per_second` queries. So every send takes from the same bucket, whatever it is for, and nothing is ever
given back to the rate: not even a send that failed, since from here nobody can tell whether it arrived. Several
addresses of one resolver (a `group`) share one Budget.

Where several nodes share what was agreed, each holds a part of it for a time (`Tenure`), and then perhaps another part.
A part is a bucket of its own: the parts of all add up to no more than the whole, so their buckets do.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from dohproxy.saved import Interruption, Saved, read_dict, read_number
from dohproxy.upstream.budget.aimd import AimdShare

MOST_SPENT: Final = 1e9
"""The most that is read back as spent of a burst: far beyond any that can be configured."""


ROUNDING: Final = 1e-9
"""A third of three is one, whatever the processor makes of it."""


class Tenure(Protocol):
    """What part of a budget this node may use, and for how long."""

    def clock(self) -> float:
        """Return the time at this very moment, and not as of the last look: the process may have stood still since."""

    def part(self, now: float) -> tuple[float, float]:
        """Return which part of rate and burst may be used at `now`, 0.0 to 1.0, and until when that holds; later than
        `now`."""

    def share_of_base(self, now: float) -> float:
        """Return which part of what may be in flight may be used."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the whole service may ask: queries a second, queries in a burst, queries in flight."""

    queries_per_second: float
    burst: int
    most_in_flight: int


class Budget:
    """One upstream's budget. It begins full, or with what `restore` leaves of that; empty, once a part of it is held.

    `queries_per_second`, `burst` and `most_in_flight` are what may be used: all that was `agreed`, or a part of it.
    """

    def __init__(self, queries_per_second: float, burst: int, most_in_flight: int, *, now: float) -> None:
        self.agreed = Agreement(queries_per_second, burst, most_in_flight)
        self.burst = burst
        self.most_in_flight = most_in_flight
        self.in_flight = 0
        self.queries_per_second = queries_per_second
        self.taken = 0
        """Queries counted as sent since the start ..."""
        self.taken_for_members = 0
        """... and those of them that members had asked for."""
        self.missed = 0
        """Queries that were wanted and had to wait; those that had waited and were sent are taken off again."""
        self.missed_by_members = 0
        self._tenure: Tenure | None = None
        self._part = 1.0
        self._until = math.inf
        """When another part is to be used."""
        self._lapsed_at = -math.inf
        self.aimd = AimdShare()
        self.is_claimed = False
        """The next query that the rate allows is a probe's: where clients take each one as it comes, none would be
        left for finding out why they get nothing for it."""
        self._left = float(burst)
        self._counted_at = now
        self._overdue: dict[Callable[[], None], None] = {}

    @property
    def is_ample(self) -> bool:
        """Whether a query may go out and half the burst is left, as of the last look at the clock: it can only be more.

        Costs no arithmetic, for those who ask at every request.
        """
        return self._left * 2 >= self.burst and self._left >= 1 and self.in_flight < self.most_in_flight

    def is_full(self, reserve: float = 0.0) -> bool:
        """Tell whether as many are in flight as may be beside the part `reserve` of all slots: one more would have to
        take the slot of one that is overdue."""
        return self.in_flight >= min(self.most_in_flight, max(1.0, (1 - reserve) * self.most_in_flight))

    def left(self, now: float) -> float:
        """Return how many queries the rate allows at this moment; under 1 means none."""
        # A clock that seems to run backwards must not take anything away, nor give it twice.
        if now > self._counted_at:
            if now >= self._until:
                self._lapse(now)
            self._gain(now)
        return self._left

    def _gain(self, now: float) -> None:
        share = self.aimd.share(now)
        gained = (now - self._counted_at) * self.queries_per_second * share
        self._left = min(self._most_left(share), self._left + gained)
        self._counted_at = now

    def has_room(self, now: float, reserve: float = 0.0) -> bool:
        """Tell whether a query may go out now that has to leave the part `reserve` of the burst to others."""
        if not self._has_place(reserve):
            return False
        # Nearly always there was more at the last look than can be needed, and since then it can only have grown.
        if self._left >= 1 + reserve * self.burst + self.is_claimed:
            return True
        return self.left(now) >= self._needed(now, reserve)

    def has_room_for_probe(self, now: float) -> bool:
        """Tell whether a probe may go out now."""
        return self._has_place() and self.left(now) >= 1

    def seconds_to_room(self, now: float, reserve: float = 0.0) -> float:
        """Return how long the rate takes to make room; 0.0 if there is, infinity while too many are in flight."""
        if not self._has_place(reserve):
            return math.inf
        missing = self._needed(now, reserve) - self.left(now)
        if missing <= 0:
            return 0.0
        gain = self.queries_per_second * self.aimd.share(now)
        return missing / gain if gain else math.inf

    def share_left(self, now: float) -> float:
        """Return how full the bucket is, 0.0 to 1.0; 0.0 whenever no query may go out."""
        return self.left(now) / self.burst if self.has_room(now) and self.burst else 0.0

    def take(self, now: float, reserve: float = 0.0) -> bool:
        """Count one query as sent and in flight, if it may be; a True must be followed by one `release`."""
        if self._tenure is not None:
            now = max(now, self._tenure.clock())
        # What has been gained is counted before anything is taken: later it would find the slot that this one leaves.
        if not self._has_place(reserve) or self.left(now) < self._needed(now, reserve):
            return False
        self._take(reserve)
        return True

    def take_for_probe(self, now: float) -> bool:
        """Count a probe as sent and in flight, if it may be; the same `release` must follow."""
        if self._tenure is not None:
            now = max(now, self._tenure.clock())
        if not self.has_room_for_probe(now):
            return False
        self.is_claimed = False
        self._take()
        return True

    def keep_while_there_is_room(self, give_way: Callable[[], None]) -> None:
        """A query in flight is overdue: it keeps its slot until somebody else needs it. Then `give_way` is called,
        which must release it; the oldest goes first."""
        self._overdue[give_way] = None

    def keep_no_longer(self, give_way: Callable[[], None]) -> None:
        """Forget an overdue query that has ended or is about to; harmless if it has given way."""
        self._overdue.pop(give_way, None)

    def _has_place(self, reserve: float = 0.0) -> bool:
        # Of what may be in flight the same part is left to others as of the burst: names whose servers are silent hold
        # theirs for seconds.
        return bool(self._overdue) or not self.is_full(reserve)

    def _take(self, reserve: float = 0.0) -> None:
        # Who leaves a part to others takes an overdue one's slot and none of theirs: else the overdue, which are many
        # where names are silent, would each let one more in, until nothing is left to anybody.
        if self.is_full(reserve) and self._overdue:
            oldest = next(iter(self._overdue))
            del self._overdue[oldest]
            oldest()
        self._left -= 1
        self.in_flight += 1
        self.taken += 1

    def release(self) -> None:
        """Count a query as no longer in flight; raises RuntimeError if none is."""
        if self.in_flight == 0:
            raise RuntimeError("a query was released that had not been taken")
        self.in_flight -= 1

    def adopt(self, queries_per_second: float, burst: int, most_in_flight: int, now: float) -> None:
        """Take another agreement; what has been spent of the burst stays spent, and what is in flight is counted.

        What a larger burst adds is gained by time alone: else one that is lowered for a while would be whole again the
        moment it ends, and the upstream get both.
        """
        agreed = Agreement(queries_per_second, burst, most_in_flight)
        if agreed == self.agreed:
            return
        spent = self.burst - self.left(now)
        self.agreed = agreed
        self._use(self._part, now)
        self._left = max(0.0, min(self._left, self.burst - spent))
        self._cut(now)

    # --- Where several nodes share it ---

    @property
    def units(self) -> int:
        """Into how many parts it can be divided, so that each has a query to send and one to be in flight."""
        return min(self.agreed.burst, self.agreed.most_in_flight)

    @property
    def is_settled(self) -> bool:
        """Whether no more is in flight than may be."""
        return self.in_flight <= self.most_in_flight

    def hold(self, tenure: Tenure, now: float) -> None:
        """Use no more than a part from now on, as `tenure` has it. What was saved up is lost: others may have it."""
        self._tenure = tenure
        self._left, self._counted_at = 0.0, now
        self.look(now)

    def look(self, now: float) -> None:
        """Look at which part is to be used, as that has changed; `left` must have been asked for before it did. What
        is added is gained by time alone."""
        if self._tenure is not None:
            self.left(now)
            self._turn(now)

    def has_lapsed_since(self, moment: float) -> bool:
        """Tell whether a part that was used at `moment` had to be given up since: what was taken then and has not been
        sent yet must not be."""
        if self._tenure is None:
            return False
        self.left(self._tenure.clock())
        return self._lapsed_at > moment

    def _lapse(self, now: float) -> None:
        """Use each part up to its end, as if somebody had looked at that moment."""
        while now >= self._until:
            ended = self._until
            if ended > self._counted_at:
                self._gain(ended)
            before = self._part
            self._turn(ended)
            if self._part < before:
                self._lapsed_at = ended

    def _turn(self, now: float) -> None:
        if self._tenure is None:
            return
        part, self._until = self._tenure.part(now)
        self._use(part, now)

    def _use(self, part: float, now: float) -> None:
        self._part = part
        self.queries_per_second = self.agreed.queries_per_second * part
        self.burst = int(self.agreed.burst * part + ROUNDING)
        if self._tenure is None:
            self.most_in_flight = self.agreed.most_in_flight
        else:
            self.most_in_flight = int(self.agreed.most_in_flight * self._tenure.share_of_base(now) + ROUNDING)
        self._cut(now)

    def begin_slowly(self, now: float) -> None:
        """Let rate and burst grow from a part to the whole; what is saved up beyond that part is lost at once."""
        self.left(now)
        self.aimd.begin_slowly(now)
        self._cut(now)

    def begin_empty(self, now: float) -> None:
        """Let nothing of the burst be left: another process may have spent all of it a moment ago."""
        self.left(now)
        self._left = 0.0

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with; nobody there waits for what is in flight here."""
        return {"spent": self.burst - self.left(now), "aimd": self.aimd.export(now)}

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported; what it has spent of the burst is gained anew by time alone.

        If it may have gone on spending after that, all is taken to have been spent then. Raises UnfitState.
        """
        spent = read_number(saved, "spent", 0.0, MOST_SPENT)
        self.aimd.restore(read_dict(saved, "aimd"), interruption)
        self._left, self._counted_at = max(0.0, self.burst - spent), interruption.saved_at
        if interruption.unknown_until is not None:
            self._left, self._counted_at = 0.0, interruption.unknown_until

    def halve(self, now: float) -> bool:
        """Use half of what was used, and come back slowly; False if that was done a moment ago."""
        self.left(now)
        is_halved = self.aimd.halve(now)
        self._cut(now)
        return is_halved

    def halve_as(self, saved: Saved, interruption: Interruption, now: float) -> None:
        """Use no more of the part than another node does. Raises UnfitState."""
        self.left(now)
        self.aimd.take_over(saved, interruption, now)
        self._cut(now)

    def _cut(self, now: float) -> None:
        self._left = min(self._left, self._most_left(self.aimd.share(now)))

    def _most_left(self, share: float) -> float:
        # However little is used: with less than 1 nothing could ever be sent, and nothing learnt.
        return min(float(self.burst), max(1.0, self.burst * share))

    def _needed(self, now: float, reserve: float) -> float:
        most = self._most_left(self.aimd.share(now))
        return max(1.0, min(most, 1 + reserve * most)) + self.is_claimed
