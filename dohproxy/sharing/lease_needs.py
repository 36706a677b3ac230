"""How much this node wants of each upstream a second: what was sent, and what was wanted in vain."""

import math
from dataclasses import dataclass

from dohproxy.upstream.budget.queries import Budget


@dataclass(slots=True)
class _Seen:
    members: int
    others: int
    at: float
    need: tuple[float, float] = (0.0, 0.0)


class NeedMeter:
    """Reads the counts of one budget, and makes parts of its whole rate of them.

    A need that is no more is halved each second, so that a pause between two pages gives nothing away.
    """

    def __init__(self) -> None:
        self._seen: _Seen | None = None

    def read(self, budget: Budget, now: float) -> tuple[float, float]:
        """Return what members and others want a second, as parts of the agreed rate."""
        members = budget.taken_for_members + budget.missed_by_members
        others = budget.taken + budget.missed - members
        before = self._seen
        if before is None or now <= before.at:
            self._seen = _Seen(members, others, now, (0.0, 0.0) if before is None else before.need)
            return self._seen.need
        seconds = now - before.at
        kept = math.pow(0.5, seconds)
        whole = seconds * budget.agreed.queries_per_second
        need = (
            max(0.0, (members - before.members) / whole, kept * before.need[0]),
            max(0.0, (others - before.others) / whole, kept * before.need[1]),
        )
        self._seen = _Seen(members, others, now, need)
        return need
