"""Which upstream is asked next: two ways to choose among those that may be asked.

`ordered` takes the first of the configuration that is well. `fastest` draws two and takes the one that has answered
sooner: nearly as good as the best of all, without the stampede to it (power of two choices; dnscrypt-proxy's `wp2`).
"""

import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Literal

from dohproxy.upstream.health.health import UpstreamHealth


class Selection:
    """All upstreams in the order of the configuration; `draw` returns numbers from 0.0 up to 1.0."""

    def __init__(
        self, healths: Sequence[UpstreamHealth], choice: Literal["ordered", "fastest"], draw: Callable[[], float]
    ) -> None:
        self.healths = tuple(healths)
        self._choice = choice
        self._draw = draw
        for health in healths:
            health.when_opened = partial(self._spread, health)

    def next_upstream(
        self, now: float, reserve: float = 0.0, *, tried: Collection[int] = (), excluded: Collection[int] = ()
    ) -> int | None:
        """Return the place of the upstream to ask, or None if there is none that has room beside the `reserve`.

        One that is in `tried` is asked again only if there is no other, one in `excluded` never.
        """
        usable = [
            index
            for index, health in enumerate(self.healths)
            if index not in excluded and health.is_usable(now, reserve)
        ]
        usable = [index for index in usable if index not in tried] or usable
        usable = [index for index in usable if not self.healths[index].is_troubled] or usable
        if not usable:
            return None
        return usable[0] if self._choice == "ordered" else self._faster_of_two(usable, now)

    def is_any_reachable(self) -> bool:
        """Tell whether there is an upstream that neither its breaker nor the operator keeps us from."""
        return any(health.is_in_use for health in self.healths)

    def pressure(self, now: float) -> float:
        """Return how scarce sends are: 0.0 while the best upstream has half its burst, 1.0 when none can be asked."""
        for health in self.healths:
            # Asked at every request, and nearly always this is the answer.
            if health.is_in_use and health.budget.is_ample:
                return 0.0
        best = max(
            (health.budget.share_left(now) for health in self.healths if health.is_in_use),
            default=0.0,
        )
        return max(0.0, 1.0 - 2.0 * best)

    def seconds_to_room(self, now: float, reserve: float = 0.0) -> float:
        """Return how long to wait until somebody may be asked; infinity if that is not a matter of the rate."""
        return min(
            (one.budget.seconds_to_room(now, reserve) for one in self.healths if one.is_in_use),
            default=math.inf,
        )

    def queries_per_second(self, now: float) -> float:
        """Return how many queries those that are well may be sent, all together. Where nodes share it is what all of
        them may: a part grows within a second where questions wait for it."""
        budgets = {id(one.budget): one.budget for one in self.healths if one.is_in_use}
        return sum(budget.agreed.queries_per_second * budget.aimd.share(now) for budget in budgets.values())

    def count_missed(self, number: int, *, is_member: bool) -> None:
        """Count queries that are wanted and have to wait, or (less than nothing) that need not any more."""
        for budget in {id(one.budget): one.budget for one in self.healths if one.is_in_use}.values():
            budget.missed += number
            if is_member:
                budget.missed_by_members += number

    def _spread(self, opened: UpstreamHealth, now: float) -> None:
        """One has dropped out: the others take over its questions by and by, and not all of a sudden."""
        for health in self.healths:
            if health.budget is not opened.budget:
                health.budget.begin_slowly(now)

    def _faster_of_two(self, places: list[int], now: float) -> int:
        first = places.pop(int(self._draw() * len(places)))
        if not places:
            return first
        second = places[int(self._draw() * len(places))]
        return min(first, second, key=lambda index: self.healths[index].round_trip.seconds(now))
