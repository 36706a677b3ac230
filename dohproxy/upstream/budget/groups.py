"""Who may spend what: one budget for each upstream, or for each group of upstreams that are one resolver."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dohproxy.config import UpstreamConfig
from dohproxy.saved import Interruption, Saved, UnfitState, read_dict
from dohproxy.upstream.budget.connections import SINGLE_SECONDS, ConnectionBudget
from dohproxy.upstream.budget.queries import Budget, Tenure

FORGET_SECONDS: Final = SINGLE_SECONDS
"""How long the budget of one who has gone is kept at least: by then all that it remembers of the upstream is over, and
whatever was under way with it has ended."""
MOST_GONE: Final = 64
"""Budgets of those who have gone, some 100 KiB. So many within ten minutes are somebody's mistake; beyond that the one
of which most is left is forgotten, so that hardly anything is given twice."""


@dataclass(slots=True)
class _Given:
    """What has been given out under one name."""

    budget: Budget
    connections: ConnectionBudget
    gone_since: float | None = None
    """Since when no configuration names it; None: the current one does."""

    def is_over(self, now: float) -> bool:
        """Tell whether a new one would allow no more than this."""
        if self.gone_since is None or now - self.gone_since < FORGET_SECONDS:
            return False
        return self.share_left(now) >= 1.0 and self.budget.in_flight == 0 and self.connections.open == 0

    def share_left(self, now: float) -> float:
        """Return how much of the burst is left, 0.0 to 1.0."""
        return self.budget.left(now) / self.budget.burst if self.budget.burst else 1.0


class BudgetGroups:
    """What has been given out so far. The budget of one who goes is kept until it is full again, so that nobody finds
    his own full by going and coming back."""

    def __init__(self, now: float, draw: Callable[[], float]) -> None:
        """`draw` returns numbers from 0.0 up to 1.0."""
        self.draw = draw
        self._now = now
        self._is_later = False
        self._given: dict[str, _Given] = {}
        self._tenure_of: Callable[[str], Tenure] | None = None

    @property
    def gone(self) -> int:
        """How many budgets are kept of those whom no configuration names."""
        return sum(one.gone_since is not None for one in self._given.values())

    def hold(self, tenure_of: Callable[[str], Tenure], now: float) -> None:
        """Let nobody use more than the part that `tenure_of` has for the group or address; those who come later
        neither."""
        self._tenure_of = tenure_of
        for key, one in self._given.items():
            one.budget.hold(tenure_of(key), now)
            one.connections.hold(0.0, now)

    def in_use(self) -> Iterator[tuple[str, Budget, ConnectionBudget]]:
        """Yield what the current configuration names, by group or address."""
        for key, one in self._given.items():
            if one.gone_since is None:
                yield key, one.budget, one.connections

    def begin_reload(self, now: float) -> None:
        """Other configurations follow, up to `end_reload`: whose agreement has changed keeps what is spent, and who is
        new begins slowly."""
        self._now = now
        self._is_later = True
        for one in self._given.values():
            if one.gone_since is None:
                one.gone_since = now  # Until `of` names it again.

    def end_reload(self) -> None:
        """All have been named that the configurations name: forget others who have been gone for long, and of too many
        those of whose budget most is left."""
        now = self._now
        gone = {key: one for key, one in self._given.items() if one.gone_since is not None}
        over = [key for key, one in gone.items() if one.is_over(now)]
        for key in over:
            del self._given[key], gone[key]
        for key in sorted(gone, key=lambda key: gone[key].share_left(now))[MOST_GONE:]:
            del self._given[key]

    def of(self, config: UpstreamConfig) -> tuple[Budget, ConnectionBudget]:
        """Return what `config` may spend: the same for all of one group, and for all that have the same address."""
        key = f"group {config.group}" if config.group else str(config.url)
        given = self._given.get(key)
        if given is not None:
            given.gone_since = None
            given.budget.adopt(config.queries_per_second, config.burst, config.in_flight, self._now)
            given.connections.adopt(config.connections, config.new_connections_per_second, self._now)
            return given.budget, given.connections
        budget = Budget(config.queries_per_second, config.burst, config.in_flight, now=self._now)
        connections = ConnectionBudget(config.connections, config.new_connections_per_second, self.draw, now=self._now)
        if self._is_later:
            budget.begin_slowly(self._now)
        if self._tenure_of is not None:
            budget.hold(self._tenure_of(key), self._now)
            connections.hold(0.0, self._now)
        self._given[key] = _Given(budget, connections)
        return budget, connections

    def begin_empty(self, now: float) -> None:
        """Let nothing be left of any budget that has been given out; it is gained by time alone."""
        for one in self._given.values():
            one.budget.begin_empty(now)

    def export(self, seal: Callable[[str], str], now: float) -> Saved:
        """Return what the next process goes on with, by what `seal` makes of the names of groups and addresses."""
        return {
            seal(key): {"queries": one.budget.export(now), "connections": one.connections.export(now)}
            for key, one in self._given.items()
        }

    def restore(self, saved: Saved, seal: Callable[[str], str], interruption: Interruption) -> int:
        """Let those that have been given out go on with what another process has exported; return how many do.

        What is unfit is left out, and that one begins anew.
        """
        restored = 0
        for key, given in self._given.items():
            one = saved.get(seal(key))
            if not isinstance(one, dict):
                continue
            try:
                given.budget.restore(read_dict(one, "queries"), interruption)
                given.connections.restore(read_dict(one, "connections"), interruption)
                restored += 1
            except UnfitState:
                continue
        return restored
