"""Who may spend what: one budget for each upstream, or for each group of upstreams that are one resolver."""

from collections.abc import Callable

from dohproxy.config import UpstreamConfig
from dohproxy.saved import Interruption, Saved, UnfitState, read_dict
from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.budget.queries import Budget


class BudgetGroups:
    """What has been given out so far. It is kept for as long as the process lives, so that nobody who goes and comes
    back within a reload or two finds his budget full again."""

    def __init__(self, now: float, draw: Callable[[], float]) -> None:
        """`draw` returns numbers from 0.0 up to 1.0."""
        self.draw = draw
        self._now = now
        self._is_later = False
        self._given: dict[str, tuple[Budget, ConnectionBudget]] = {}

    def begin_reload(self, now: float) -> None:
        """Other configurations follow: whose agreement has changed keeps what is spent, and who is new begins
        slowly."""
        self._now = now
        self._is_later = True

    def of(self, config: UpstreamConfig) -> tuple[Budget, ConnectionBudget]:
        """Return what `config` may spend: the same for all of one group, and for all that have the same address."""
        key = f"group {config.group}" if config.group else str(config.url)
        given = self._given.get(key)
        if given is not None:
            budget, connections = given
            budget.adopt(config.queries_per_second, config.burst, config.in_flight, self._now)
            connections.adopt(config.connections, config.new_connections_per_second, self._now)
            return given
        budget = Budget(config.queries_per_second, config.burst, config.in_flight, now=self._now)
        connections = ConnectionBudget(config.connections, config.new_connections_per_second, self.draw, now=self._now)
        if self._is_later:
            budget.begin_slowly(self._now)
        self._given[key] = budget, connections
        return budget, connections

    def export(self, seal: Callable[[str], str], now: float) -> Saved:
        """Return what the next process goes on with, by what `seal` makes of the names of groups and addresses."""
        return {
            seal(key): {"queries": budget.export(now), "connections": connections.export(now)}
            for key, (budget, connections) in self._given.items()
        }

    def restore(self, saved: Saved, seal: Callable[[str], str], interruption: Interruption) -> int:
        """Let those that have been given out go on with what another process has exported; return how many do.

        What is unfit is left out, and that one begins anew.
        """
        restored = 0
        for key, (budget, connections) in self._given.items():
            one = saved.get(seal(key))
            if not isinstance(one, dict):
                continue
            try:
                budget.restore(read_dict(one, "queries"), interruption)
                connections.restore(read_dict(one, "connections"), interruption)
                restored += 1
            except UnfitState:
                continue
        return restored
